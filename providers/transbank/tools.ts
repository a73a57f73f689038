/** Transbank's own tools: Webpay Plus in Transbank's words. Reference: transbankdevelopers.cl, "API Referencia: Webpay Plus" 1.2, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

export const TRANSACTIONS = "/rswebpaytransaction/api/webpay/v1.2/transactions";

const token = z.string().regex(/^\w{1,64}$/);
const amount = z.int().min(1).max(999_999_999).describe("whole pesos");

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "webpay_create_transaction",
    description: "Create a Webpay transaction: a token and the page to bring it to. codespar_charge does more, and confirms it.",
    effect: "moves_money",
    input: z.object({ buy_order: z.string().min(1).max(26), session_id: z.string().min(1).max(61), amount, return_url: z.url().max(256) }),
    request: (body) => ({ method: "POST", path: TRANSACTIONS, body }),
  }),
  nativeTool({
    name: "webpay_commit_transaction",
    description: "Confirm a Webpay transaction that a buyer has paid; unconfirmed, the money goes back.",
    effect: "moves_money",
    input: z.object({ token }),
    request: (args) => ({ method: "PUT", path: `${TRANSACTIONS}${pathOf("/{token}", args)}` }),
  }),
  nativeTool({
    name: "webpay_get_transaction_status",
    description: "Read a Webpay transaction, for seven days after it was made.",
    effect: "reads",
    input: z.object({ token }),
    request: (args) => ({ method: "GET", path: `${TRANSACTIONS}${pathOf("/{token}", args)}` }),
  }),
  nativeTool({
    name: "webpay_refund_transaction",
    description: "Give a Webpay payment back, whole or in part.",
    effect: "moves_money",
    input: z.object({ token, amount }),
    request: ({ token: id, amount: back }) => ({ method: "POST", path: `${TRANSACTIONS}${pathOf("/{token}/refunds", { token: id })}`, body: { amount: back } }),
  }),
];
