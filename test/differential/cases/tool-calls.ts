/** Cases of tool calls: run, read and listed. */
import { expect } from "vitest";
import { mariaCharge } from "../../support/app.ts";
import { NOWHERE, NO_CALL, noSession, noToolCall, noToolCallId, noCursor, label, verification, charged, executing, closedSession, threeCalls, unfinishedCharge, type Cases } from "./scene.ts";

export const toolCallCases: Cases = {
  "tools.execute": [
    {
      title: "charges by Pix",
      call: executing("codespar_charge", { ...mariaCharge, metadata: { order_id: "1234", deep: { someKey: [1, { other_key: null }] } } }),
      answer: { success: true, error: null, provider: "asaas", rail: "asaas-pix", status: "pending", outcome: "accepted" },
    },
    {
      title: "charges in major units when told so",
      call: executing("codespar_charge", { ...mariaCharge, amount: 150.25, amount_unit: "major" }),
      answer: { success: true, data: { amount: 15_025 } },
    },
    {
      title: "reports what the provider declined",
      call: executing("codespar_charge", { ...mariaCharge, amount: 15_013 }),
      refusal: { code: "provider_declined", field: "amount", retry: "never" },
    },
    {
      title: "follows a charge that is refunded after it was paid",
      call: executing("codespar_charge", { ...mariaCharge, amount: 15_017 }),
      answer: { success: true, status: "pending" },
    },
    {
      title: "pays out by Pix",
      call: executing("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com", name: "Maria Silva" } }),
      answer: { success: true, provider: "asaas", status: "pending", data: { settled: false, recipient: "maria@example.com" } },
    },
    {
      title: "reads what became of a payout",
      call: async (scene) => {
        const paid = await scene.run("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com" } });
        await scene.pass(10_000);
        return { input: { session_id: await scene.session(), tool: "codespar_pay", input: { payment_id: paid.tool_call_id } } };
      },
      answer: { success: true, server: "codespar", data: { status: "succeeded", settled: true, amount: 2_500, currency: "BRL" } },
    },
    {
      title: "issues an NFS-e",
      call: executing("codespar_invoice", { type: "nfse", recipient: { name: "Maria Silva", document: "111.444.777-35" }, items: [{ amount: 15_000 }] }),
      answer: { success: true, provider: "nfe-io", rail: "nfse" },
    },
    {
      title: "buys a label",
      call: executing("codespar_ship", label),
      answer: { success: true, provider: "melhor-envio", status: "label_ready", data: { carrier: "Correios" } },
    },
    {
      title: "quotes a parcel",
      call: executing("codespar_ship", { action: "quote", destination: { postal_code: "01310-100" } }),
      answer: { success: true, status: "quoted" },
    },
    {
      title: "sends a message",
      call: executing("codespar_notify", { channel: "whatsapp", to: "+5511999998888", message: "Olá, Maria" }),
      answer: { success: true, provider: "z-api", data: { sent: true, channel: "whatsapp" } },
    },
    {
      title: "sends a stablecoin",
      call: executing("codespar_crypto_pay", {
        amount: "29.90", currency: "USDC", direction: "send", network: "polygon", recipient: { wallet_address: "0x52908400098527886E0F7030069857D2E4169EE7" },
      }),
      answer: { success: true, provider: "bitso", status: "pending", data: { amount: "29.9" } },
    },
    {
      title: "verifies a person",
      call: executing("codespar_kyc", verification),
      answer: { success: true, provider: "persona", status: "pending", inquiry_id: expect.stringMatching(/^inq_/) },
    },
    {
      title: "finds a tool",
      call: executing("codespar_discover", { use_case: "send a parcel by post", limit: 2 }),
      answer: { success: true, provider: null, data: { search_strategy: "trigram" } },
    },
    {
      title: "lists connections",
      call: executing("codespar_manage_connections", { action: "list", country: "BR" }),
      answer: { success: true, data: { action: "list", status: null, initiate: null } },
    },
    {
      title: "answers a declared mock verbatim",
      call: async (scene) => {
        const mocks = { codespar_charge: [{ pix_copy_paste: "MOCK", some_key: { someKey: null } }, { second: true }] };
        return { input: { session_id: await scene.session({ mocks }), tool: "codespar_charge", input: { amount: "anything" } } };
      },
      answer: { success: true, server: "mock", data: { pix_copy_paste: "MOCK", some_key: { someKey: null } } },
    },
    {
      title: "repeats the first answer under the same key in the arguments",
      call: async (scene) => {
        const input = { ...mariaCharge, idempotency_key: "order-1" };
        await scene.run("codespar_charge", input);
        return { input: { session_id: await scene.session(), tool: "codespar_charge", input } };
      },
      answer: { success: true, replayed: true, idempotency_key: "order-1" },
    },
    {
      title: "repeats the first answer under the same key in the header",
      without: ["mcp"],
      call: async (scene) => {
        await scene.run("codespar_charge", { ...mariaCharge, idempotency_key: "order-1" });
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input: mariaCharge } };
      },
      answer: { success: true, replayed: true, idempotency_key: "order-1" },
    },
    {
      title: "knows no other session",
      call: () => ({ input: { session_id: NOWHERE, tool: "codespar_discover", input: { use_case: "ship" } } }),
      failure: noSession,
    },
    {
      title: "runs nothing in a closed session",
      // An MCP client never closes its session, so a successor is opened for it (contradiction C-62).
      without: ["mcp"],
      call: async (scene) => ({ input: { session_id: await closedSession(scene), tool: "codespar_charge", input: mariaCharge } }),
      failure: { code: "session_not_active", retry: "never", http: 409 },
    },
    {
      title: "refuses a key in the header that is none",
      without: ["mcp"],
      call: executing("codespar_charge", mariaCharge, { idempotencyKey: "k".repeat(256) }),
      failure: { code: "idempotency_key_invalid", field: "idempotency_key", retry: "never", http: 400 },
    },
    {
      title: "refuses a key in the header that names another effect",
      without: ["mcp"],
      call: async (scene) => {
        await charged(scene, { ...mariaCharge, idempotency_key: "order-1" });
        const input = { ...mariaCharge, amount: 15_001 };
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input } };
      },
      failure: { code: "idempotency_conflict", field: "idempotency_key", retry: "never", http: 422 },
    },
    {
      title: "does not wait for ever for the first call under a key in the header",
      without: ["mcp"],
      call: async (scene) => {
        await unfinishedCharge(scene, "order-1");
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input: mariaCharge } };
      },
      failure: { code: "idempotency_in_flight", retry: "same_key", http: 409 },
    },
  ],

  "toolCalls.get": [
    {
      title: "reads a charge that has settled",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "success", outcome: "accepted", state: "succeeded", amount_minor: 15_000, currency: "BRL", provider: "asaas", origin: "direct" },
    },
    {
      title: "reads a refusal",
      call: async (scene) => ({ input: { tool_call_id: (await threeCalls(scene)).ids[2] } }),
      answer: { status: "error", error_code: "invalid_args", output: null, provider: null, outcome: null },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    {
      title: "refuses what is no id",
      call: () => ({ input: { tool_call_id: "asaas/1 %2F?" } }),
      failure: noToolCallId,
    },
  ],

  "toolCalls.list": [
    {
      title: "lists every call, newest first",
      call: async (scene) => {
        await threeCalls(scene);
        return { input: {} };
      },
      answer: { tool_calls: [{ status: "error" }, { tool_name: "codespar_discover" }, { tool_name: "codespar_charge", status: "success" }], next_before: null },
    },
    {
      title: "filters by everything there is, and pages",
      call: async (scene) => {
        const { session_id, ids } = await threeCalls(scene);
        const since = "2026-11-20T12:00:00.000Z";
        return { input: { session_id, tool: "codespar_charge", provider: "asaas", status: "success", since, limit: 1, before: ids[2] } };
      },
      answer: { tool_calls: [{ tool_name: "codespar_charge", provider: "asaas", status: "success" }], next_before: null },
    },
    {
      title: "lists nothing since a moment to come",
      call: async (scene) => {
        await threeCalls(scene);
        return { input: { since: "2036-11-20T12:00:00.000Z" } };
      },
      answer: { tool_calls: [], next_before: null },
    },
    {
      title: "refuses a cursor that it never gave",
      call: () => ({ input: { before: "ses_01jd5v0000000000000000none" } }),
      failure: noCursor,
    },
  ],
};
