/** PicPay's own tools: one request each, in PicPay's words. Reference: picpay.github.io/picpay-docs-digital-payments, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const referenceId = z.string().min(1).max(64);

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_payment",
    description: "Create a PicPay payment. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      referenceId: referenceId.optional(), callbackUrl: z.url().max(500), returnUrl: z.url().max(500).optional(),
      value: z.number().positive().max(1_000_000).describe("decimal BRL: 19.9"), expiresAt: z.iso.datetime({ offset: true }).optional(),
      buyer: z.object({
        firstName: z.string().min(1).max(100), lastName: z.string().max(100).optional(), document: z.string().max(18).describe("CPF: 111.444.777-35"),
        email: z.email().max(254).optional(), phone: z.string().max(20).optional(),
      }),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/payments", body: { referenceId: reference, ...args } }),
  }),
  nativeTool({
    name: "get_payment_status",
    description: "Read the status of a PicPay payment.",
    effect: "reads",
    input: z.object({ referenceId }),
    request: (args) => ({ method: "GET", path: pathOf("/payments/{referenceId}/status", args) }),
  }),
  nativeTool({
    name: "cancel_payment",
    description: "Cancel an unpaid PicPay payment, or give a paid one back (then with its authorizationId).",
    effect: "moves_money",
    input: z.object({ referenceId, authorizationId: z.string().max(64).optional() }),
    request: ({ referenceId: id, ...body }) => ({ method: "POST", path: pathOf("/payments/{referenceId}/cancellations", { referenceId: id }), body }),
  }),
];
