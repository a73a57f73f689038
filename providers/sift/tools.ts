/**
 * Sift's own tools: one request each, in Sift's words. Reference: Sift Events, Score, Labels and Decisions APIs (v205 and v3),
 * read 2026-11-20. `:aid` in a path is the connection's account.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Id = z.string().min(1).max(200);
const user = z.object({ user_id: Id });
const AbuseType = z.enum(["payment_abuse", "account_abuse", "content_abuse", "promotion_abuse", "legacy"]);
const AbuseTypes = z.string().max(200).optional().describe("payment_abuse,account_abuse");
const Fields = z.record(z.string(), z.unknown()).describe('Sift\'s own: {"$user_email": "maria@example.com", "$amount": 150000000}; amounts in micros');
const decision = {
  decision_id: Id, source: z.enum(["MANUAL_REVIEW", "AUTOMATED_RULE", "CHARGEBACK"]), analyst: z.string().max(200).optional(),
  description: z.string().max(1_000).optional(), time: z.int().min(0).optional().describe("milliseconds"),
};
const flag = (value: boolean | undefined): string | undefined => (value ? "true" : undefined);

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "send_event",
    description: "Send an event of a user to Sift; with return_score the score comes back.",
    effect: "writes",
    input: z.object({
      type: z.string().min(1).max(100).describe("$create_order, $transaction, $login …"), fields: Fields, return_score: z.boolean().optional(),
      return_workflow_status: z.boolean().optional(), abuse_types: AbuseTypes,
    }),
    request: ({ type, fields, return_score, return_workflow_status, abuse_types }) => ({
      method: "POST", path: "/v205/events", body: { ...fields, $type: type },
      query: { return_score: flag(return_score), return_workflow_status: flag(return_workflow_status), abuse_types },
    }),
  }),
  nativeTool({
    name: "get_user_score",
    description: "Read the latest score of a user at Sift, and the decisions made about them.",
    effect: "reads",
    input: user.extend({ abuse_types: AbuseTypes }),
    request: ({ abuse_types, ...args }) => ({ method: "GET", path: pathOf("/v205/users/{user_id}/score", args), query: { abuse_types } }),
  }),
  nativeTool({
    name: "rescore_user",
    description: "Have Sift score a user anew.",
    effect: "writes",
    input: user.extend({ abuse_types: AbuseTypes }),
    request: ({ abuse_types, ...args }) => ({ method: "POST", path: pathOf("/v205/users/{user_id}/score", args), query: { abuse_types } }),
  }),
  nativeTool({
    name: "apply_decision_to_user",
    description: "Apply one of the account's decisions to a user at Sift.",
    effect: "writes",
    input: user.extend(decision),
    request: ({ user_id, ...body }) => ({ method: "POST", path: pathOf("/v3/accounts/:aid/users/{user_id}/decisions", { user_id }), body }),
  }),
  nativeTool({
    name: "get_user_decisions",
    description: "Read the decisions that stand for a user at Sift, by abuse type.",
    effect: "reads",
    input: user,
    request: (args) => ({ method: "GET", path: pathOf("/v3/accounts/:aid/users/{user_id}/decisions", args) }),
  }),
  nativeTool({
    name: "send_chargeback",
    description: "Tell Sift of a chargeback of an order, so that it learns.",
    effect: "writes",
    input: z.object({
      user_id: Id, order_id: Id, transaction_id: Id.optional(),
      chargeback_state: z.enum(["$received", "$accepted", "$disputed", "$won", "$lost"]).optional(), chargeback_reason: z.string().max(100).optional(),
    }),
    request: ({ user_id, order_id, transaction_id, chargeback_state, chargeback_reason }) => ({
      method: "POST", path: "/v205/events",
      body: {
        $type: "$chargeback", $user_id: user_id, $order_id: order_id, $transaction_id: transaction_id, $chargeback_state: chargeback_state,
        $chargeback_reason: chargeback_reason,
      },
    }),
  }),
  nativeTool({
    name: "label_user",
    description: "Label a user at Sift as bad or good by the older Labels API; decisions have taken its place.",
    effect: "writes",
    input: user.extend({ is_bad: z.boolean(), abuse_type: AbuseType, description: z.string().max(1_000).optional() }),
    request: ({ user_id, is_bad, abuse_type, description }) => ({
      method: "POST", path: pathOf("/v205/users/{user_id}/labels", { user_id }),
      body: { $is_bad: is_bad, $abuse_type: abuse_type, $description: description },
    }),
  }),
];
