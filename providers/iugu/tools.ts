/** iugu's own tools: one request each, in iugu's words, amounts in centavos. Reference: dev.iugu.com, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Id = z.string().min(1).max(64);
const id = z.object({ id: Id });
const Cents = z.int().min(1).max(10_000_000_000).describe("centavos: 1990 is R$ 19.90");
const page = { limit: z.int().min(1).max(100).optional(), start: z.int().min(0).optional() };

const query = (args: Record<string, string | number | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(args).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_invoice",
    description: "Create an invoice at iugu, payable by Pix, boleto or card. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      email: z.email().max(254), due_date: z.iso.date(),
      items: z.array(z.object({ description: z.string().min(1).max(255), quantity: z.int().min(1).max(10_000), price_cents: Cents })).min(1).max(50),
      payable_with: z.array(z.enum(["pix", "bank_slip", "credit_card", "all"])).min(1).default(["all"]), customer_id: Id.optional(),
      payer: z.object({ name: z.string().max(200), cpf_cnpj: z.string().max(18) }).optional().describe("needed for bank_slip"),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/invoices", headers: { "idempotency-key": reference }, body: args }),
  }),
  nativeTool({
    name: "get_invoice",
    description: "Read an invoice at iugu, with its Pix code or boleto.",
    effect: "reads",
    input: id,
    request: (args) => ({ method: "GET", path: pathOf("/invoices/{id}", args) }),
  }),
  nativeTool({
    name: "list_invoices",
    description: "List the invoices at iugu, by status or time of creation.",
    effect: "reads",
    input: z.object({
      status_filter: z.enum(["pending", "paid", "canceled", "partially_paid", "refunded", "expired"]).optional(),
      created_at_from: z.iso.datetime({ offset: true }).optional(), created_at_to: z.iso.datetime({ offset: true }).optional(), ...page,
    }),
    request: (args) => ({ method: "GET", path: "/invoices", query: query(args) }),
  }),
  nativeTool({
    name: "cancel_invoice",
    description: "Cancel a pending invoice at iugu, so that it can be paid no more.",
    effect: "writes",
    input: id,
    request: (args) => ({ method: "PUT", path: pathOf("/invoices/{id}/cancel", args) }),
  }),
  nativeTool({
    name: "refund_invoice",
    description: "Refund a paid invoice at iugu, in whole or in part.",
    effect: "moves_money",
    input: z.object({ id: Id, partial_value_refund_cents: Cents.optional() }),
    request: ({ id: invoice, ...body }) => ({ method: "POST", path: pathOf("/invoices/{id}/refund", { id: invoice }), body }),
  }),
  nativeTool({
    name: "create_customer",
    description: "Create a customer at iugu.",
    effect: "writes",
    input: z.object({ name: z.string().min(1).max(200), email: z.email().max(254), cpf_cnpj: z.string().max(18).optional() }),
    request: (args, { reference }) => ({ method: "POST", path: "/customers", headers: { "idempotency-key": reference }, body: args }),
  }),
  nativeTool({
    name: "list_customers",
    description: "List the customers at iugu.",
    effect: "reads",
    input: z.object(page),
    request: (args) => ({ method: "GET", path: "/customers", query: query(args) }),
  }),
];
