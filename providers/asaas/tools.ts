/**
 * Asaas' own tools: one request each, in Asaas' words and decimal BRL. Reference: docs.asaas.com, read 2026-11-20.
 * Quirk: the charges of a plan are under `/installments/{id}/payments`; the path that the public MCP server of Asaas has
 * for them is in no document.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Id = z.string().min(1).max(64);
const id = z.object({ id: Id });
const Reais = z.number().positive().describe("decimal BRL: 150.5");
const page = { limit: z.int().min(1).max(100).optional(), offset: z.int().min(0).optional() };

/** A page of rows that match; numbers go into a query as text. */
const listOf = (path: string) => (filter: Record<string, string | number | undefined>) =>
  ({ method: "GET" as const, path, query: Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, value?.toString()])) });

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
      customer: Id,
      billingType: z.enum(["PIX", "BOLETO", "CREDIT_CARD", "UNDEFINED"]),
      value: Reais.optional().describe("decimal BRL: 150.5; left out for installments"),
      dueDate: z.iso.date(),
      description: z.string().max(500).optional(),
      externalReference: z.string().max(100).optional(),
      installmentCount: z.int().min(2).max(60).optional().describe("splits totalValue into this many monthly charges"),
      totalValue: Reais.optional().describe("decimal BRL, with installmentCount"),
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
  nativeTool({
    name: "get_boleto",
    description: "Read the line of a boleto charge at Asaas.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/payments/{id}/identificationField", args) }),
  }),
  nativeTool({
    name: "list_payments",
    description: "List charges at Asaas, newest first.",
    effect: "reads",
    input: z.object({
      customer: Id.optional(),
      status: z.enum(["PENDING", "RECEIVED", "CONFIRMED", "OVERDUE", "REFUNDED"]).optional(),
      externalReference: z.string().max(100).optional(),
      ...page,
    }),
    request: listOf("/payments"),
  }),
  nativeTool({
    name: "get_installments",
    description: "List the charges of an installment plan at Asaas; id is the `installment` of any of them.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/installments/{id}/payments", args) }),
  }),
  nativeTool({
    name: "refund_payment",
    description: "Refund a paid charge at Asaas, in whole, or in part with a value.",
    effect: "moves_money",
    input: z.object({ id: Id, value: Reais.optional(), description: z.string().max(500).optional() }),
    request: ({ id: payment, ...body }) => ({ method: "POST", path: pathOf("/payments/{payment}/refund", { payment }), body }),
  }),
  nativeTool({
    name: "list_customers",
    description: "List customers at Asaas.",
    effect: "reads",
    input: z.object({ name: z.string().max(200).optional(), cpfCnpj: z.string().max(18).optional(), limit: page.limit }),
    request: listOf("/customers"),
  }),
  nativeTool({
    name: "get_customer",
    description: "Read a customer at Asaas.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/customers/{id}", args) }),
  }),
  nativeTool({
    name: "create_transfer",
    description: "Send money from Asaas to a Pix key. codespar_pay does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      value: Reais,
      pixAddressKey: z.string().min(1).max(77),
      pixAddressKeyType: z.enum(["CPF", "CNPJ", "EMAIL", "PHONE", "EVP"]),
      description: z.string().max(500).optional(),
      externalReference: z.string().max(100).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/transfers", body: { operationType: "PIX", externalReference: reference, ...args } }),
  }),
  nativeTool({
    name: "list_transfers",
    description: "List transfers at Asaas, newest first.",
    effect: "reads",
    input: z.object(page),
    request: listOf("/transfers"),
  }),
  nativeTool({
    name: "get_balance",
    description: "Read what the Asaas account holds, in decimal BRL.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/finance/balance" }),
  }),
];
