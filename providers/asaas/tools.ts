/** Asaas' own tools: one request each, in Asaas' words and decimal BRL. Reference: docs.asaas.com, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const id = z.object({ id: z.string().min(1).max(64) });

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_customer",
    description: "Create a customer at Asaas.",
    effect: "writes",
    input: z.object({
      name: z.string().min(1).max(200),
      cpfCnpj: z.string().max(18),
      email: z.string().max(254).optional(),
      mobilePhone: z.string().max(20).optional(),
    }),
    request: (args) => ({ method: "POST", path: "/customers", body: args }),
  }),
  nativeTool({
    name: "create_payment",
    description: "Create a charge at Asaas for a customer. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      customer: z.string().min(1).max(64),
      billingType: z.enum(["PIX", "BOLETO", "CREDIT_CARD", "UNDEFINED"]),
      value: z.number().positive().describe("decimal BRL: 150.5"),
      dueDate: z.iso.date(),
      description: z.string().max(500).optional(),
      externalReference: z.string().max(100).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/payments", body: { externalReference: reference, ...args } }),
  }),
  nativeTool({
    name: "get_payment",
    description: "Read a charge at Asaas.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/payments/{id}", args) }),
  }),
  nativeTool({
    name: "get_pix_qrcode",
    description: "Read the Pix code of a charge at Asaas.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/payments/{id}/pixQrCode", args) }),
  }),
];
