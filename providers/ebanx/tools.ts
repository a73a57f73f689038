/** EBANX' own tools: one request each, in EBANX' words; the client adds the integration key. Reference: docs.ebanx.com, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";

const hash = z.string().min(1).max(64);
const amount = z.number().positive().max(1_000_000).describe("decimal: 19.9");

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_payment",
    description: "Create an EBANX payment by Pix or boleto. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      name: z.string().min(1).max(100), email: z.email().max(100), country: z.literal("br"), payment_type_code: z.enum(["pix", "boleto"]),
      merchant_payment_code: z.string().min(1).max(40).optional(), currency_code: z.enum(["BRL", "USD", "EUR"]), amount_total: amount,
      document: z.string().min(11).max(18).describe("CPF or CNPJ"),
    }),
    request: (payment, { reference }) =>
      ({ method: "POST", path: "/ws/direct", body: { operation: "request", payment: { merchant_payment_code: reference, ...payment } } }),
  }),
  nativeTool({
    name: "get_payment",
    description: "Read an EBANX payment by its hash.",
    effect: "reads",
    input: z.object({ hash }),
    request: (body) => ({ method: "POST", path: "/ws/query", body }),
  }),
  nativeTool({
    name: "query_payment_by_merchant_code",
    description: "Read an EBANX payment by the code it was made under.",
    effect: "reads",
    input: z.object({ merchant_payment_code: z.string().min(1).max(40) }),
    request: (body) => ({ method: "POST", path: "/ws/query", body }),
  }),
  nativeTool({
    name: "cancel_payment",
    description: "Cancel an EBANX payment that is not paid yet.",
    effect: "moves_money",
    input: z.object({ hash }),
    request: (body) => ({ method: "POST", path: "/ws/cancel", body }),
  }),
  nativeTool({
    name: "refund",
    description: "Ask EBANX to give a paid payment back, whole or in part.",
    effect: "moves_money",
    input: z.object({ hash, amount, description: z.string().min(1).max(255) }),
    request: (body) => ({ method: "POST", path: "/ws/refund", body: { operation: "request", ...body } }),
  }),
];
