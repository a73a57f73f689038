/** Cases of what became of calls: payments, verifications, rails and the books. */
import { expect } from "vitest";
import { mariaCharge } from "../../support/app.ts";
import { NO_CALL, noToolCall, noToolCallId, noCursor, verification, charged, type Cases } from "./scene.ts";

export const moneyCases: Cases = {
  "payments.status": [
    {
      title: "reads a charge that is waiting",
      call: async (scene) => ({ input: { tool_call_id: await charged(scene) } }),
      answer: { status: "pending", state: "pending", payment_status: "pending", amount_minor: 15_000, final_amount_minor: null, settled_at: null },
    },
    {
      title: "reads a charge that was paid",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "succeeded", final_amount_minor: 15_000, outcome: "accepted", original_status: "success" },
    },
    {
      title: "says unknown of a call that moves no money",
      call: async (scene) => ({ input: { tool_call_id: (await scene.run("codespar_discover", { use_case: "ship" })).tool_call_id } }),
      answer: { status: "unknown", idempotency_key: null, events: [] },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    { title: "refuses what is no id", call: () => ({ input: { tool_call_id: "1" } }), failure: noToolCallId },
  ],

  "verifications.status": [
    {
      title: "reads a verification that was approved",
      call: async (scene) => {
        const { tool_call_id } = await scene.run("codespar_kyc", verification);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "approved", state: "approved", verification_status: "approved", provider: "persona" },
    },
    {
      title: "reads a verification that is waiting, with where to finish it",
      call: async (scene) => ({ input: { tool_call_id: (await scene.run("codespar_kyc", verification)).tool_call_id } }),
      answer: { status: "pending", hosted_url: expect.stringMatching(/^https:/) },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    { title: "refuses what is no id", call: () => ({ input: { tool_call_id: "1" } }), failure: noToolCallId },
  ],

  "rails.list": [
    {
      title: "lists every rail with how it has been doing",
      call: async (scene) => {
        await charged(scene);
        return { input: {} };
      },
      answer: { rails: expect.arrayContaining([expect.objectContaining({ id: "asaas-pix", tool: "codespar_charge", health: "healthy", attempts: 1, successes: 1 })]) },
    },
    {
      title: "lists the rails of one tool",
      call: () => ({ input: { tool: "codespar_invoice" } }),
      answer: { rails: expect.arrayContaining([expect.objectContaining({ id: "nfse", connected: true, health: "untried", p50_ms: null, last_error: null })]) },
    },
    {
      title: "lists nothing for what is no tool",
      call: () => ({ input: { tool: "codespar_nothing" } }),
      answer: { rails: [] },
    },
  ],

  "ledger.trialBalance": [
    {
      title: "sums the books",
      call: async (scene) => {
        await charged(scene);
        await scene.run("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com" } });
        await scene.pass(10_000);
        return { input: {} };
      },
      answer: { balanced: true, accounts: expect.arrayContaining([expect.objectContaining({ currency: "BRL", debits_minor: expect.stringMatching(/^\d+$/) })]) },
    },
    {
      title: "balances when nothing was posted",
      call: () => ({ input: {} }),
      answer: { balanced: true, accounts: [] },
    },
  ],

  "ledger.transactions": [
    {
      title: "lists what was posted for a call",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await charged(scene, { ...mariaCharge, amount: 100 });
        await scene.pass(10_000);
        return { input: { tool_call_id, limit: 5 } };
      },
      answer: { transactions: [{ key: expect.stringMatching(/^charge_settled:tc_/) }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        await charged(scene);
        await scene.pass(5_000);
        await charged(scene, { ...mariaCharge, amount: 100 });
        await scene.pass(10_000);
        const { next_before } = await scene.call("ledger.transactions", { limit: 1 });
        return { input: { before: next_before } };
      },
      answer: { transactions: [{ entries: expect.arrayContaining([expect.objectContaining({ amount_minor: "15000" })]) }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],
};
