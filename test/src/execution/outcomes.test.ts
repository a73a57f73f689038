/** The four outcomes of a dispatch, and what each promises: silence is never a failure, and nothing is sent twice. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { RequestFaultKind } from "../../../providers/twin-faults.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { askedOf, expectBalanced, postings, references, supplierPayout } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });

/** Amounts that end in 14 centavos are never paid at the twin, so that a charge stays pending. */
const unpaidCharge = { ...mariaCharge, amount: 15_014 };
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });
const toolCall = (id: string | null) => app.call("toolCalls.get", { tool_call_id: id! });
const charge = (input: object = mariaCharge) => app.run("codespar_charge", { idempotency_key: randomUUID(), ...input });
const sentFor = (key: string | undefined, what: "/payments" | "/transfers" = "/payments") =>
  references(askedOf(app.twins, what)).filter((reference) => reference === key).length;

test("a refused connection is not_reached: nothing was sent, and the key may be used again", async () => {
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(answer).toMatchObject({
    success: false, code: "provider_unavailable", retry: "same_key", outcome: "not_reached", provider: "asaas", data: null,
  });
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "failed", outcome: "not_reached", idempotency_key: null });
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
});

test("a request that fails before the one with the effect is not_reached too", async () => {
  app.twins!.setFault("asaas", { kind: "reset_before", method: "GET", path: "/customers" });
  expect(await charge()).toMatchObject({ success: false, code: "provider_unavailable", outcome: "not_reached" });
});

const applied: RequestFaultKind[] = ["reset_after", "error_after", "html", "truncated", "half_answer"];

test.each(applied)("after %s a charge is unknown and pending, never failed; the lookup finds it with its Pix code", async (kind) => {
  app.twins!.setFault("asaas", { kind, method: "POST", path: "/payments$" });
  const answer = await charge(unpaidCharge);
  const key = answer.idempotency_key;
  expect(answer).toMatchObject({
    success: true, error: null, outcome: "unknown", status: "pending", provider: "asaas", rail: "asaas-pix",
    data: { status: "pending", outcome: "unknown", tool_call_id: answer.tool_call_id, idempotency_key: key },
  });
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "pending", outcome: "unknown" });

  await app.pass(3_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "pending", outcome: "accepted", original_status: "success" });
  const repeat = await charge({ ...unpaidCharge, idempotency_key: key });
  expect(repeat).toMatchObject({ success: true, outcome: "accepted", replayed: true, tool_call_id: answer.tool_call_id });
  expect(sentFor(key)).toBe(1);
  expect(repeat.data).toMatchObject({ status: "pending", amount: 15_014, currency: "BRL", pix_copy_paste: expect.stringMatching(/^000201/) });
});

test.each(applied)("after %s a charge that is paid settles once, and the books balance", async (kind) => {
  app.twins!.setFault("asaas", { kind, method: "POST", path: "/payments$" });
  const answer = await charge();
  await app.pass(10_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", outcome: "accepted", final_amount_minor: 15_000 });
  expect(await postings(app, answer.tool_call_id)).toEqual([expect.stringMatching(/^charge_settled: .*income:sales -15000$/)]);
  expect(sentFor(answer.idempotency_key)).toBe(1);
  await expectBalanced(app);
});

test.each(applied)("after %s a payout is unknown, is found by the lookup, and settles once", async (kind) => {
  app.twins!.setFault("asaas", { kind, method: "POST", path: "/transfers$" });
  const answer = await app.run("codespar_pay", supplierPayout);
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending" });
  await app.pass(10_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", outcome: "accepted", final_amount_minor: 8_000 });
  expect(await postings(app, answer.tool_call_id)).toEqual(["payout_settled: expense:payouts +8000, provider:asaas:balance -8000"]);
  expect(sentFor(answer.idempotency_key, "/transfers")).toBe(1);
});

test("a charge whose answer and webhooks are all lost settles by the lookup, with its fee", async () => {
  app.twins!.setFault("asaas", { kind: "webhook_dropped", times: 2 });
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge();
  await app.pass(11 * 60_000); // the first lookup may come before the buyer has paid
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", outcome: "accepted", final_amount_minor: 15_000 });
  expect(await postings(app, answer.tool_call_id)).toEqual([
    "charge_settled: provider:asaas:balance +14801, expense:fees:asaas +199, income:sales -15000",
  ]);
});

test("a charge stays unknown while the provider cannot be asked, and is found once it can", async () => {
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge();
  app.twins!.setFault("asaas", { kind: "down" });
  await app.pass(120_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ status: "running", outcome: "unknown" });
  expect(await charge({ ...mariaCharge, idempotency_key: answer.idempotency_key })).toMatchObject({ success: true, outcome: "unknown", replayed: true });
  await app.twins!.clearFaults("asaas");
  await app.pass(20 * 60_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", outcome: "accepted" });
  expect(sentFor(answer.idempotency_key)).toBe(1);
}, 60_000);

test("a provider that has not heard of a charge is believed only when the request has had time to arrive", async () => {
  app.twins!.setFault("asaas", { kind: "reset_before", method: "POST", path: "/payments$" });
  const answer = await charge();
  const key = answer.idempotency_key;
  expect(answer).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(59_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ status: "running", outcome: "unknown", idempotency_key: key });
  await app.pass(30_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({
    status: "error", outcome: "not_reached", error_code: "provider_unavailable", idempotency_key: null,
  });
  const again = await charge({ ...mariaCharge, idempotency_key: key });
  expect(again).toMatchObject({ success: true, outcome: "accepted" });
  expect(again.replayed).toBeUndefined();
  await app.pass(5_000);
  expect(await status(again.tool_call_id)).toMatchObject({ status: "succeeded" });
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
});

test("a lookup that finds another amount than was asked for does not make a success of it", async () => {
  app.twins!.setFault("asaas", { kind: "webhook_dropped", times: 2 });
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge();
  await app.platform.db.sql`
    update twin_values set value = jsonb_set(value::jsonb, '{wire,value}', '1') where twin = 'asaas' and value::jsonb->'wire'->>'externalReference' = ${answer.idempotency_key!}`;
  await app.pass(11 * 60_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "updated", settled_at: null });
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
});

test("a provider that lags behind its own webhooks is not believed when it denies a charge", async () => {
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge();
  await app.pass(1_000); // its PAYMENT_CREATED has come
  await app.platform.db.sql`delete from twin_values where twin = 'asaas' and value->'wire'->>'externalReference' = ${answer.idempotency_key!}`;
  await app.pass(120_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ outcome: "unknown", idempotency_key: answer.idempotency_key });
});

test("a payment that the provider tells and then denies leaves its charge unknown, with its key", async () => {
  app.twins!.setFault("asaas", { kind: "webhook_dropped", body: "PAYMENT_CREATED" });
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge();
  app.twins!.setFault("asaas", { kind: "error_before", method: "GET", path: "/payments", status: 503, times: 3 });
  await app.pass(2_000); // its PAYMENT_RECEIVED has come, and could not be confirmed
  await app.platform.db.sql`delete from twin_values where twin = 'asaas' and value->'wire'->>'externalReference' = ${answer.idempotency_key!}`;
  await app.pass(5 * 60_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ status: "running", outcome: "unknown", state: null, idempotency_key: answer.idempotency_key });
});

test("a charge that is pending when its provider is down is asked about on, for days", async () => {
  app.twins!.setFault("asaas", { kind: "webhook_dropped", times: 2 });
  const answer = await charge(unpaidCharge);
  await app.pass(9 * 60_000);
  app.twins!.setFault("asaas", { kind: "down" });
  await app.pass(3 * 60_000);
  await app.twins!.clearFaults("asaas");
  await app.pass(20 * 60_000);
  expect(await app.platform.db.sql`select attempts from jobs where key = ${`${answer.tool_call_id}.follow`}`).toEqual([{ attempts: 1 }]);
}, 60_000);

test("a message of unknown outcome stays unknown, and a provider that cannot be asked about it is not asked for ever", async () => {
  app.twins!.setFault("z-api", { kind: "reset_after", method: "POST", path: "send-text" });
  const answer = await app.run("codespar_notify", { recipient: "+5511999998888", message: "On its way" });
  expect(answer).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(10_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ status: "running", outcome: "unknown" });
  expect(await app.platform.db.sql`select 1 from jobs where key like ${`${answer.tool_call_id}.%`}`).toEqual([]);
});

test("a message whose answer was lost is known again by the reference in its callback's address", async () => {
  app.twins!.setFault("twilio", { kind: "reset_after", method: "POST", path: "Messages.json" });
  const answer = await app.run("codespar_notify", { channel: "sms", to: "+5511999998888", message: "On its way" });
  expect(answer).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(15_000);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ outcome: "accepted" });
  expect(app.twins!.requests("twilio").filter(({ method }) => method === "POST")).toHaveLength(1);
  const kept = await app.platform.db.sql<{ target: string }[]>`select target from notifications where server_id = 'twilio'`;
  for (const { target } of kept) expect(target).toMatch(/^\/v1\/webhooks\/twilio\/ca_\w+\?reference=[0-9a-f-]{36}$/);
  expect(kept.length).toBeGreaterThan(0);
});

test("a declined charge failed, once and for all", async () => {
  const answer = await charge({ ...mariaCharge, amount: 10_013 });
  expect(answer).toMatchObject({ success: false, code: "provider_declined", field: "amount", retry: "never", outcome: "declined" });
  await app.pass(60_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "failed", outcome: "declined", final_amount_minor: null, settled_at: null });
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
});

test("a declined payout failed, once and for all", async () => {
  const answer = await app.run("codespar_pay", { ...supplierPayout, amount: 8_013 });
  expect(answer).toMatchObject({ success: false, code: "provider_declined", outcome: "declined" });
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "failed" });
});

test("a payout that is taken and then fails is failed, and leaves nothing in the books", async () => {
  const answer = await app.run("codespar_pay", { ...supplierPayout, amount: 8_018 });
  expect(answer).toMatchObject({ success: true, outcome: "accepted" });
  await app.pass(5_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "failed", outcome: "accepted" });
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
});

test("a payout refused as a duplicate of an earlier one is unknown: something of ours may exist there", async () => {
  const answer = await app.run("codespar_pay", { ...supplierPayout, amount: 8_019 });
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending" });
});

test("an answer that cannot be written down leaves the call unknown, never failed", async () => {
  const { sql } = app.platform.db;
  await sql.unsafe(`
    create function refuse_accepted() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$;
    create trigger refuse_accepted before update of outcome on dispatches for each row when (new.outcome = 'accepted') execute function refuse_accepted()`);
  const key = randomUUID();
  const answer = await charge({ ...mariaCharge, idempotency_key: key });
  await sql.unsafe("drop trigger refuse_accepted on dispatches; drop function refuse_accepted()");
  expect(sentFor(key)).toBe(1);
  expect(answer).toMatchObject({ success: true, status: "pending" });
});

test("a call answered as failed before it left is not sent later", async () => {
  const { sql } = app.platform.db;
  const [{ sealed }] = await sql<[{ sealed: string }]>`select sealed from connections where server_id = 'asaas' and environment = 'test'`;
  await sql`update connections set sealed = 'v1.broken' where server_id = 'asaas'`;
  const sent = askedOf(app.twins, "/payments").length;
  const answer = await charge();
  await sql`update connections set sealed = ${sealed} where server_id = 'asaas'`;
  expect(answer).toMatchObject({ success: false });
  await app.pass(60_000);
  expect(askedOf(app.twins, "/payments")).toHaveLength(sent);
});

test("a label whose answer was lost is in the books with its price, like every other", async () => {
  const label = { action: "label", destination: { postal_code: "01310-100", name: "Maria Silva", line_1: "Avenida Paulista", number: "1000", city: "Sao Paulo", state: "SP" } };
  const usual = await app.run("codespar_ship", label);
  app.twins!.setFault("melhor-envio", { kind: "reset_after", method: "POST", path: "checkout" });
  const lost = await app.run("codespar_ship", label);
  expect(lost).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(10 * 60_000);
  expect(await toolCall(lost.tool_call_id)).toMatchObject({ status: "success", outcome: "accepted" });
  expect(await postings(app, lost.tool_call_id)).toEqual(await postings(app, usual.tool_call_id));
  expect(await postings(app, usual.tool_call_id)).toEqual([expect.stringMatching(/^label_bought: expense:shipping \+\d+, provider:melhor-envio:balance -\d+$/)]);
});

test("at the end of it all the books balance", () => expectBalanced(app));
