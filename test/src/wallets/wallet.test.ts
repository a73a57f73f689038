/** The published wallet flow: receive, the webhook credits, balance, and spend under a mandate. And what becomes of money that goes back. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { startApp } from "../../support/app.ts";
import { expectBalanced, postings } from "../../support/money.ts";

const app = await startApp();
const { sql } = app.platform.db;

/** A consumer of its own, in a session of theirs. */
async function consumer(origin: "direct" | "mcp" = "direct") {
  const user_id = `maria-${randomUUID()}`;
  const { id: session_id } = await app.call("sessions.create", { user_id });
  const wallet = async (input: object = {}) => app.call("tools.execute", { session_id, tool: "codespar_wallet", input }, { origin });
  const balance = async () => (await wallet()).data as { balance: number; held: number; pix_key: string | null };
  const entries = async (input: object = {}) => ((await wallet({ action: "statement", ...input })).data as { entries: { kind: string; amount_minor: string }[] }).entries;
  return { user_id, session_id, wallet, balance, entries };
}

async function mandated(consumer_id: string): Promise<string> {
  const { token } = await app.call("consents.create", { agent_id: "shopper", intent: { purpose: "groceries", cap_minor: 50_000, per_tx_cap_minor: 50_000, currency: "BRL" } });
  return (await app.call("consents.submit", { token, consumer_id, rail: "pix" })).mandate_id;
}

test("the flow of the wallet page runs: receive, settle, balance, pay", async () => {
  const maria = await consumer();
  expect(await maria.balance()).toEqual({ consumer_id: maria.user_id, currency: "BRL", balance: 0, held: 0, pix_key: null });
  const minted = await maria.wallet({ action: "receive", amount: 15_000, description: "Top up" });
  expect(minted).toMatchObject({ success: true, status: "pending", data: { pix_copia_e_cola: expect.stringMatching(/^000201/), amount: 15_000 } });
  expect(await maria.balance()).toMatchObject({ balance: 0 });
  await app.pass(10_000);
  expect(await app.call("payments.status", { tool_call_id: minted.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await maria.balance()).toMatchObject({ balance: 15_000, held: 0 });
  expect(await postings(app, minted.tool_call_id)).toEqual([
    `wallet_topped_up: provider:asaas:balance +14801, expense:fees:asaas +199, wallet:${maria.user_id} -15000`,
  ]);

  const mandateId = await mandated(maria.user_id);
  const paid = await app.call("tools.execute", {
    session_id: maria.session_id, tool: "codespar_pay", input: { amount: 9_000, currency: "BRL", recipient: "loja@example.com", mandateId },
  });
  expect(paid).toMatchObject({ success: true });
  expect(await maria.balance()).toMatchObject({ balance: 6_000, held: 9_000 });
  await app.pass(10_000);
  expect(await maria.balance()).toMatchObject({ balance: 6_000, held: 0 });
  expect((await maria.entries()).map(({ kind, amount_minor }) => [kind, amount_minor])).toEqual([["debit", "-9000"], ["hold", "-9000"], ["fund", "15000"]]);
  expect(await maria.entries({ limit: 1 })).toHaveLength(1);
  await expectBalanced(app);
});

test("a payment that did not happen is held and released", async () => {
  const maria = await consumer();
  const mandateId = await mandated(maria.user_id);
  await app.call("tools.execute", { session_id: maria.session_id, tool: "codespar_pay", input: { amount: 15_013, currency: "BRL", recipient: "loja@example.com", mandateId } });
  expect((await maria.entries()).map(({ kind, amount_minor }) => [kind, amount_minor])).toEqual([["release", "15013"], ["hold", "-15013"], ["fund", "15013"]]);
});

test("a top-up that its payer gets back leaves the wallet, and what was spent of it is owed", async () => {
  const maria = await consumer();
  const minted = await maria.wallet({ action: "receive", amount: 15_017 }); // refunded by the twin after it was paid
  await app.pass(3_000);
  expect(await maria.balance()).toMatchObject({ balance: 15_017 });
  await sql`update wallet_slots set balance_minor = 5_000 where consumer_id = ${maria.user_id}`;
  await app.pass(30_000);
  expect(await app.call("payments.status", { tool_call_id: minted.tool_call_id })).toMatchObject({ status: "refunded" });
  expect(await maria.balance()).toMatchObject({ balance: 0 });
  expect(await postings(app, minted.tool_call_id)).toContain(
    `top_up_returned: wallet:${maria.user_id} +5000, wallet:${maria.user_id}:owed +10017, provider:asaas:balance -15017`,
  );
  await expectBalanced(app);
});

test("a repeat under one key mints one code and credits once", async () => {
  const maria = await consumer();
  const input = { action: "receive", amount: 3_000, idempotency_key: randomUUID() };
  const first = await maria.wallet(input);
  expect(await maria.wallet(input)).toMatchObject({ replayed: true, tool_call_id: first.tool_call_id });
  await app.pass(10_000);
  expect(await maria.balance()).toMatchObject({ balance: 3_000 });
});

test("a model sees and fills the wallet of its session's user alone; a key's holder names any", async () => {
  const [maria, rui] = [await consumer("mcp"), await consumer()];
  expect(await maria.wallet({ consumer_id: rui.user_id })).toMatchObject({ success: false, field: "consumer_id" });
  expect(await maria.wallet({ action: "receive", amount: 100, consumer_id: rui.user_id })).toMatchObject({ success: false, field: "consumer_id" });
  expect(await maria.wallet({ consumer_id: maria.user_id })).toMatchObject({ success: true });
  expect(await rui.wallet({ consumer_id: maria.user_id })).toMatchObject({ success: true, data: { consumer_id: maria.user_id } });
});

test.each([
  ["without an amount", { action: "receive" }, "invalid_args", "amount"],
  ["with a static code, which is not minted yet", { action: "receive", amount: 1, dynamic: false }, "rail_unavailable", "dynamic"],
  ["in a currency without a rail", { action: "receive", amount: 1, currency: "USDC" }, "rail_unavailable", undefined],
  ["by an action that it has not", { action: "steal" }, "invalid_args", "action"],
])("a top-up %s is refused", async (_what, input, code, field) => {
  expect(await (await consumer()).wallet(input)).toMatchObject({ success: false, code, ...(field && { field }) });
});
