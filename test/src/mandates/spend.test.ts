/** A consumer's permission: asked for, given, spent under, and never passed. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { buildStaticCode } from "../../../schema/pix/brcode.ts";
import { liveKey, startApp } from "../../support/app.ts";
import { expectBalanced, postings } from "../../support/money.ts";

const app = await startApp();
const { sql } = app.platform.db;

const DAY = 24 * 60 * 60_000;
const intent = { purpose: "groceries", cap_minor: 50_000, per_tx_cap_minor: 20_000, currency: "BRL", merchant_allowlist: ["loja@example.com"], merchant_pin_kind: "pix-key" };

async function mandate(change: object = {}, as: Parameters<typeof app.call>[2] = {}) {
  const { token } = await app.call("consents.create", { agent_id: "shopper", intent: { ...intent, ...change } }, as);
  return (await app.call("consents.submit", { token, consumer_id: `maria-${randomUUID()}`, rail: "pix" }, as)).mandate;
}
const pay = (mandate_id: string, amount_minor: number, change: object = {}) =>
  app.call("mandates.spend", { mandate_id, amount_minor, payee: "loja@example.com", ...change });
const wallet = async (consumer_id: string) => (await app.call("wallets.get", { consumer_id })).currencies;
const transfersTo = (key: string) => app.twins!.requests("asaas").filter(({ path, body }) => path === "/v3/transfers" && body.includes(key)).length;

test("a consent makes one mandate, signed by the agent and by the issuer, with a slot a currency", async () => {
  const { token, expires_at } = await app.call("consents.create", {
    agent_id: "shopper",
    intent: {
      ...intent,
      slots: [{ currency: "BRL", rail: "pix-celcoin", cap_minor: 50_000, per_tx_cap_minor: 20_000 }, { currency: "USDC", rail: "usdc-onchain", cap_minor: 9_000_000, per_tx_cap_minor: 1_000_000 }],
    },
  });
  expect(Date.parse(expires_at) - app.clock.now().getTime()).toBe(DAY);
  expect(await app.call("consents.get", { token })).toMatchObject({ status: "pending", purpose: "groceries", payees: ["loja@example.com"], mandate_id: null });
  const given = await app.call("consents.submit", { token, consumer_id: "maria", rail: "usdc-onchain" });
  expect(given).toMatchObject({
    mandate_id: expect.stringMatching(/^cm_/), funding_source_ids: [expect.stringMatching(/^fs_/), expect.stringMatching(/^fs_/)],
    mandate: {
      status: "active", consumer_id: "maria", agent_id: "shopper",
      slots: [
        { currency: "BRL", rail: "pix", cap_minor: "50000", per_tx_cap_minor: "20000", spent_minor: "0", available_minor: "50000", periodic_cap: null },
        { currency: "USDC", rail: "usdc", cap_minor: "9000000", spent_minor: "0" },
      ],
    },
  });
  expect(await app.call("consents.get", { token })).toMatchObject({ status: "given", mandate_id: given.mandate_id });
  await expect(app.call("consents.submit", { token, consumer_id: "maria" })).rejects.toMatchObject({ code: "consent_already_resolved" });
});

test("of several that submit one consent at once, one makes the mandate", async () => {
  const { token } = await app.call("consents.create", { agent_id: "shopper", intent });
  const made = await Promise.allSettled(Array.from({ length: 8 }, () => app.call("consents.submit", { token, consumer_id: "rui" })));
  expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect((await app.call("mandates.list", { consumer_id: "rui" })).mandates).toHaveLength(1);
});

test("a consent that is not given within its day cannot be given any more", async () => {
  const { token } = await app.call("consents.create", { agent_id: "shopper", intent });
  await app.clock.advance(DAY);
  expect(await app.call("consents.get", { token })).toMatchObject({ status: "expired" });
  await expect(app.call("consents.submit", { token, consumer_id: "maria" })).rejects.toMatchObject({ code: "consent_expired", http: 410 });
});

test("a spend is held, sent once, and booked when it settles", async () => {
  const { id, consumer_id } = await mandate();
  const spent = await pay(id, 15_000, { agent_id: "shopper" });
  expect(spent).toMatchObject({ status: "pending", currency: "BRL", amount_minor: 15_000, payee: "loja@example.com", idempotent_replay: false, mandate: { slots: [{ spent_minor: "15000", available_minor: "35000" }] } });
  expect(await wallet(consumer_id)).toMatchObject([{ currency: "BRL", authorized_minor: 50_000, spent_minor: 15_000, available_minor: 35_000, balance_minor: "15000", held_minor: "15000", mandate_ids: [id] }]);
  await app.pass(10_000);
  expect(await app.call("payments.status", { tool_call_id: spent.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await wallet(consumer_id)).toMatchObject([{ balance_minor: "0", held_minor: "0", spent_minor: 15_000 }]);
  expect(await postings(app, spent.tool_call_id)).toEqual([
    `wallet_spent: wallet:${consumer_id}:held +15000, provider:asaas:balance -15000`,
    `wallet_held: wallet:${consumer_id} +15000, wallet:${consumer_id}:held -15000`,
    `wallet_funded: source:pix +15000, wallet:${consumer_id} -15000`,
  ]);
  await expectBalanced(app);
});

test("a payment that its provider declines gives the amount back to the cap and to the wallet", async () => {
  const { id, consumer_id } = await mandate();
  await expect(pay(id, 15_013)).rejects.toMatchObject({ code: "provider_declined", http: 422 });
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 0, held_minor: "0", balance_minor: "15013" }]);
  await expectBalanced(app);
});

test("an answer that is lost keeps the amount held until it is known what became of it", async () => {
  const { id, consumer_id } = await mandate();
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/transfers$" });
  const lost = await pay(id, 12_000);
  expect(lost).toMatchObject({ status: "pending", payment: { outcome: "unknown" } });
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 12_000, held_minor: "12000" }]);
  await app.pass(120_000);
  expect(await app.call("payments.status", { tool_call_id: lost.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 12_000, held_minor: "0" }]);
});

test.each([
  ["more than one payment may be", { amount: 20_001 }, "per_tx_cap_exceeded", 422],
  ["another payee", { payee: "outra@example.com" }, "payee_not_mandated", 403],
  ["another currency, by the shape of the payee", { payee: `0x${"ab".repeat(20)}` }, "currency_not_mandated", 403],
  ["another agent", { agent_id: "stranger" }, "agent_not_mandated", 403],
  ["what is no payee", { payee: "somewhere" }, "invalid_args", 422],
  ["a URL, which nobody pays yet", { payee: "https://api.example.com/x" }, "rail_unavailable", 422],
])("%s is refused, and nothing is sent or counted", async (_what, { amount = 1_000, ...change }: { amount?: number; payee?: string; agent_id?: string }, code, http) => {
  const { id, consumer_id } = await mandate();
  const before = app.twins!.requests("asaas").length;
  await expect(pay(id, amount, change)).rejects.toMatchObject({ code, http });
  expect(app.twins!.requests("asaas").length).toBe(before);
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 0 }]);
});

test("what is left of the cap is the most that can be spent, to the last centavo", async () => {
  const { id } = await mandate();
  await pay(id, 20_000);
  await pay(id, 20_000);
  await expect(pay(id, 10_001)).rejects.toMatchObject({ code: "total_cap_exceeded", message: expect.stringContaining("R$ 100,00 left of the R$ 500,00") });
  await pay(id, 10_000);
  await expect(pay(id, 1)).rejects.toMatchObject({ code: "total_cap_exceeded" });
});

test("a cap of a day or a month begins anew with the next one, in UTC", async () => {
  const { id } = await mandate({ periodic_cap: { window: "day", cap_minor: 5_000 }, mandate_ttl_seconds: 10 * 86_400 });
  await pay(id, 5_000);
  await expect(pay(id, 1)).rejects.toMatchObject({ code: "periodic_cap_exceeded" });
  await app.clock.advance(DAY);
  expect(await pay(id, 4_000)).toMatchObject({ mandate: { slots: [{ periodic_cap: { cap_minor: "5000", spent_minor: "4000" }, spent_minor: "9000" }] } });
});

test("64 spends at once never pass the cap by a centavo, and each that was counted was sent", async () => {
  const { id, consumer_id } = await mandate({ cap_minor: 50_000, per_tx_cap_minor: 3_000, merchant_allowlist: ["burst@example.com"] });
  const done = await Promise.allSettled(Array.from({ length: 64 }, () => pay(id, 3_000, { payee: "burst@example.com" })));
  const refused = done.filter((each) => each.status === "rejected").map((each) => (each as PromiseRejectedResult).reason.code as string);
  expect(done.length - refused.length).toBe(16);
  expect(new Set(refused)).toEqual(new Set(["total_cap_exceeded"]));
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 48_000 }]);
  expect(transfersTo("burst@example.com")).toBe(16);
  const uses = await sql<{ seq: number }[]>`select seq from mandate_uses where mandate_id = ${id} order by seq`;
  expect(uses.map(({ seq }) => seq)).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
});

test("a repeat under one attempt id is one payment and one use; another payment under it is refused", async () => {
  const { id, consumer_id } = await mandate();
  const attempt_id = randomUUID();
  const first = await pay(id, 2_000, { attempt_id });
  expect(await pay(id, 2_000, { attempt_id })).toMatchObject({ idempotent_replay: true, tool_call_id: first.tool_call_id });
  await expect(pay(id, 2_001, { attempt_id })).rejects.toMatchObject({ code: "idempotency_conflict" });
  expect(await wallet(consumer_id)).toMatchObject([{ spent_minor: 2_000 }]);
});

test("a Pix code is its key's payee, and is paid at its own amount only", async () => {
  const { id } = await mandate();
  const code = (key: string, amountMinor?: bigint) => buildStaticCode({ key, merchantName: "Loja", merchantCity: "Sao Paulo", ...(amountMinor && { amountMinor }) });
  await expect(pay(id, 900, { payee: code("loja@example.com", 1_000n) })).rejects.toMatchObject({ code: "invalid_args", at: { field: "amount_minor" } });
  await expect(pay(id, 1_000, { payee: code("outra@example.com", 1_000n) })).rejects.toMatchObject({ code: "payee_not_mandated" });
});

test("the other slot of a mandate pays wallet addresses, and the first stays as it was", async () => {
  const address = `0x${"Cd".repeat(20)}`;
  const { id } = await mandate({
    merchant_allowlist: [address],
    slots: [{ currency: "BRL", rail: "pix", cap_minor: 50_000, per_tx_cap_minor: 20_000 }, { currency: "USDC", rail: "usdc", cap_minor: 9_000_000, per_tx_cap_minor: 5_000_000 }],
  });
  await expect(pay(id, 1_500_000, { payee: address })).rejects.toMatchObject({ code: "provider_declined" });
  expect(await pay(id, 1_500_000, { payee: address.toLowerCase(), network: "polygon" })).toMatchObject({
    currency: "USDC", payment: { tool: "codespar_crypto_pay" }, mandate: { slots: [{ currency: "BRL", spent_minor: "0" }, { currency: "USDC", spent_minor: "1500000" }] },
  });
});

test("pausing stops spending, resuming lets it go on, and revoking ends it for ever", async () => {
  const { id } = await mandate();
  expect(await app.call("mandates.pause", { mandate_id: id })).toMatchObject({ changed: true, mandate: { status: "paused" } });
  expect(await app.call("mandates.pause", { mandate_id: id })).toMatchObject({ changed: false });
  await expect(pay(id, 100)).rejects.toMatchObject({ code: "mandate_not_active", http: 403 });
  expect(await app.call("mandates.resume", { mandate_id: id })).toMatchObject({ changed: true });
  await pay(id, 100);
  expect(await app.call("mandates.revoke", { mandate_id: id })).toMatchObject({ mandate: { status: "revoked" } });
  await expect(pay(id, 100)).rejects.toMatchObject({ code: "mandate_not_active" });
  await expect(app.call("mandates.resume", { mandate_id: id })).rejects.toMatchObject({ code: "mandate_transition_invalid", http: 409 });
});

test("a mandate ends with its time", async () => {
  const { id } = await mandate({ mandate_ttl_seconds: 60 });
  await app.clock.advance(60_000);
  await expect(pay(id, 100)).rejects.toMatchObject({ code: "mandate_not_active", message: expect.stringContaining("expired") });
  expect(await app.call("mandates.get", { mandate_id: id })).toMatchObject({ status: "expired" });
});

test("without an allow-list every payee is allowed, and an empty one allows none", async () => {
  const { merchant_allowlist: _list, ...open } = intent;
  const { token } = await app.call("consents.create", { agent_id: "shopper", intent: open });
  const { mandate_id } = await app.call("consents.submit", { token, consumer_id: "ana" });
  await pay(mandate_id, 100, { payee: "qualquer@example.com" });
  await expect(pay((await mandate({ merchant_allowlist: [] })).id, 100)).rejects.toMatchObject({ code: "payee_not_mandated" });
});

test("what was signed cannot be rewritten, and what was not signed by both is not spent under", async () => {
  const { id } = await mandate();
  await expect(sql`update mandates set statement = replace(statement, '50000', '90000') where id = ${id}`).rejects.toThrow(/cannot be rewritten/);
  await expect(sql`update mandate_slots set used_minor = cap_minor + 1 where mandate_id = ${id}`).rejects.toThrow(/mandate_slots_cap/);
  await sql`alter table mandates disable trigger mandates_signed`;
  await sql`update mandates set statement = replace(statement, '"per_tx_cap_minor":"20000"', '"per_tx_cap_minor":"90000"') where id = ${id}`;
  await sql`alter table mandates enable trigger mandates_signed`;
  await expect(pay(id, 100)).rejects.toMatchObject({ code: "mandate_unverified", http: 403 });
});

test("a live consumer's wallet has to be funded first: no bank is drawn on", async () => {
  const { id } = await mandate({}, { credential: liveKey });
  await sql`update projects set settings = settings || '{"chargeAmountUnit":"minor"}' where environment = 'live'`;
  await expect(app.call("mandates.spend", { mandate_id: id, amount_minor: 100, payee: "loja@example.com" }, { credential: liveKey }))
    .rejects.toMatchObject({ code: expect.stringMatching(/insufficient_funds|no_eligible_providers/) });
});

test("codespar_pay under a mandate is refused in band, as a denial by policy", async () => {
  const { id } = await mandate();
  const paid = await app.run("codespar_pay", { amount: 3_000, currency: "BRL", recipient: { pix_key: "loja@example.com" }, mandateId: id });
  expect(paid).toMatchObject({ success: true, status: "pending" });
  expect(await app.run("codespar_pay", { amount: 3_000, currency: "BRL", recipient: { pix_key: "outra@example.com" }, mandate_id: id })).toMatchObject({
    success: false, code: "payee_not_mandated", data: { code: "policy_denied", rule_id: "mandate:payee_not_mandated", message: expect.stringContaining("payee") },
  });
});

test("an agent spends under mandates of its session's user alone, whatever mandate it names", async () => {
  const { id, consumer_id } = await mandate();
  const payAs = async (user_id: string) => {
    const { id: session_id } = await app.call("sessions.create", { user_id });
    const input = { amount: 1_000, currency: "BRL", recipient: { pix_key: "loja@example.com" }, mandateId: id };
    return app.call("tools.execute", { session_id, tool: "codespar_pay", input }, { origin: "mcp" });
  };
  expect(await payAs("somebody-else")).toMatchObject({ success: false, code: "mandate_not_found" });
  expect(await payAs(consumer_id)).toMatchObject({ success: true });
});

test("a consumer's money is not spent without a mandate", async () => {
  const paid = { amount: 1_000, currency: "BRL", recipient: { pix_key: "loja@example.com" } };
  expect(await app.run("codespar_pay", { ...paid, consumer_id: "maria" })).toMatchObject({ success: false, code: "invalid_args", field: "mandateId" });
  const { id } = await mandate();
  expect(await app.run("codespar_pay", { ...paid, consumer_id: "not-theirs", mandateId: id })).toMatchObject({ success: false, code: "mandate_not_found" });
});

test("a boleto is no Pix payment: without a rail for it nothing is sent", async () => {
  expect(await app.run("codespar_pay", { amount: 1_000, linha_digitavel: "00190500954014481606906809350314337370000000100" }))
    .toMatchObject({ success: false, code: "rail_unavailable" });
});
