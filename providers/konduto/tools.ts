/**
 * Konduto's own tools: one request each, in Konduto's words. Reference: Konduto API v1 and the vendor's PHP client, read
 * 2026-11-20. The lists of blocked and allowed values are left out: no source shows their bodies.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const order = z.object({ id: z.string().min(1).max(100) });
const Comments = z.string().min(1).max(1_000).describe("why");
const customer = z.object({
  id: z.string().max(100).optional(), name: z.string().max(100), email: z.string().max(100).optional(), tax_id: z.string().max(100).describe("CPF or CNPJ"),
  phone1: z.string().max(100).optional(), created_at: z.iso.date().optional(), new: z.boolean().optional(), vip: z.boolean().optional(),
});
const payment = z.object({
  type: z.enum(["credit", "boleto", "debit", "transfer", "voucher", "balance", "pix"]), status: z.enum(["approved", "declined", "pending"]).optional(),
  bin: z.string().regex(/^\d{6}$/).optional(), last4: z.string().regex(/^\d{4}$/).optional(), expiration_date: z.string().max(10).optional(),
});
const address = z.object({
  name: z.string().max(100).optional(), address1: z.string().max(255).optional(), address2: z.string().max(255).optional(), city: z.string().max(100).optional(),
  state: z.string().max(100).optional(), zip: z.string().max(100).optional(), country: z.string().length(2).optional(),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "send_order_for_analysis",
    description: "Send a whole order to Konduto for analysis; the recommendation and the score come back.",
    effect: "writes",
    input: order.extend({
      total_amount: z.number().min(0).describe("in reais: 100.10"), currency: z.string().length(3).optional(), installments: z.int().min(1).max(999),
      ip: z.string().max(45).optional(), visitor: z.string().max(40).optional(), analyze: z.boolean().optional(), customer,
      payment: z.array(payment).max(20).optional(), billing: address.optional(), shipping: address.optional(),
      shopping_cart: z.array(z.record(z.string(), z.unknown())).max(200).optional(),
    }),
    request: (body) => ({ method: "POST", path: "/orders", body }),
  }),
  nativeTool({
    name: "get_order",
    description: "Read an order at Konduto: its status, recommendation and score.",
    effect: "reads",
    input: order,
    request: (args) => ({ method: "GET", path: pathOf("/orders/{id}", args) }),
  }),
  nativeTool({
    name: "update_order_status",
    description: "Tell Konduto what became of an order, so that it learns.",
    effect: "writes",
    input: order.extend({ status: z.enum(["approved", "declined", "fraud", "canceled", "not_authorized"]), comments: Comments }),
    request: ({ id, status, comments }) => ({ method: "PUT", path: pathOf("/orders/{id}", { id }), body: { status, comments } }),
  }),
  nativeTool({
    name: "report_chargeback",
    description: "Tell Konduto that an order was a fraud: its buyer charged it back.",
    effect: "writes",
    input: order.extend({ comments: Comments }),
    request: ({ id, comments }) => ({ method: "PUT", path: pathOf("/orders/{id}", { id }), body: { status: "fraud", comments } }),
  }),
];
