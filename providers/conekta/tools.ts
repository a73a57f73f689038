/** Conekta's own tools: one request each, amounts in centavos. Reference: github.com/conekta/openapi 2.3.0, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const id = z.string().min(1).max(64);
const order = z.object({ orderId: id });
const paging = z.object({ limit: z.int().min(1).max(250).optional(), next: z.string().max(64).optional() });
const queryOf = (args: Record<string, string | number | undefined>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(args).map(([name, value]) => [name, value?.toString()]));

const Metadata = z.record(z.string().max(100), z.unknown());
const LineItem = z.object({
  name: z.string().min(1).max(250),
  unit_price: z.int().min(0).max(2_147_483_647).describe("centavos"),
  quantity: z.int().min(1).max(1_000_000),
  description: z.string().max(250).optional(),
});
const Charge = z.object({
  amount: z.int().min(1).optional().describe("centavos; the whole order unless told"),
  payment_method: z.object({
    type: z.enum(["cash", "spei", "card"]),
    token_id: z.string().max(64).optional().describe("card: a token of Conekta's tokenizer"),
    expires_at: z.int().optional().describe("unix seconds"),
  }),
  reference_id: z.string().max(250).optional(),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_order",
    description: "Create an order at Conekta, with its charges. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      currency: z.string().length(3),
      customer_info: z.union([
        z.object({ customer_id: id }),
        z.object({ name: z.string().min(1).max(250), email: z.string().max(254), phone: z.string().max(20) }),
      ]),
      line_items: z.array(LineItem).min(1).max(100),
      charges: z.array(Charge).max(10).optional(),
      metadata: Metadata.optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/orders", body: args, headers: { "idempotency-key": reference } }),
  }),
  nativeTool({
    name: "get_order",
    description: "Read an order at Conekta.",
    effect: "reads",
    input: order,
    request: (args) => ({ method: "GET", path: pathOf("/orders/{orderId}", args) }),
  }),
  nativeTool({
    name: "list_orders",
    description: "List orders at Conekta, a page at a time.",
    effect: "reads",
    input: paging.extend({ payment_status: z.string().max(40).optional().describe("such as paid or pending_payment") }),
    request: (args) => ({ method: "GET", path: "/orders", query: queryOf(args) }),
  }),
  nativeTool({
    name: "cancel_order",
    description: "Cancel an order at Conekta that is not paid yet.",
    effect: "moves_money",
    input: order,
    request: (args) => ({ method: "POST", path: pathOf("/orders/{orderId}/cancel", args) }),
  }),
  nativeTool({
    name: "refund_charge",
    description: "Give back the money of a paid order at Conekta, all of it or a part.",
    effect: "moves_money",
    input: order.extend({
      amount: z.int().min(1).optional().describe("centavos; everything unless told"),
      reason: z.enum(["requested_by_client", "cannot_be_fulfilled", "duplicated_transaction", "suspected_fraud", "other"]).default("requested_by_client"),
    }),
    request: ({ orderId, ...body }) => ({ method: "POST", path: pathOf("/orders/{orderId}/refunds", { orderId }), body }),
  }),
  nativeTool({
    name: "create_customer",
    description: "Create a customer at Conekta.",
    effect: "writes",
    input: z.object({ name: z.string().min(1).max(250), email: z.string().max(254), phone: z.string().max(20) }),
    request: (args) => ({ method: "POST", path: "/customers", body: args }),
  }),
  nativeTool({
    name: "get_customer",
    description: "Read a customer at Conekta.",
    effect: "reads",
    input: z.object({ customerId: id }),
    request: (args) => ({ method: "GET", path: pathOf("/customers/{customerId}", args) }),
  }),
  nativeTool({
    name: "list_customers",
    description: "List customers at Conekta, a page at a time.",
    effect: "reads",
    input: paging,
    request: (args) => ({ method: "GET", path: "/customers", query: queryOf(args) }),
  }),
];
