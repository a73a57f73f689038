/** What providers tell us, however they tell it: once, twice, late, in another order, never, or not them at all. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { TwinFault } from "../../../providers/twin-faults.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced, postings, supplierPayout } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });
const { sql } = app.platform.db;

const MINUTE = 60_000;
const SETTLED = "charge_settled: provider:asaas:balance +14801, expense:fees:asaas +199, income:sales -15000";
const charge = (amount = 15_000) => app.run("codespar_charge", { ...mariaCharge, amount, idempotency_key: randomUUID() });
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });
const setFault = (fault: TwinFault) => app.twins!.setFault("asaas", fault);
/** What became of it: its state, what was said of it in the order of arrival, and its postings. */
async function story(id: string | null): Promise<{ status: string; told: (string | null)[]; posted: string[] }> {
  const { status: state, events } = await status(id);
  return { status: state, told: events.map(({ provider_action }) => provider_action).toReversed(), posted: await postings(app, id) };
}
const notifications = (id: string | null) => sql<{ status: string; problem: string | null }[]>`
  select n.status, n.problem from notifications n join tool_calls t on position(t.external_reference in convert_from(n.body, 'utf8')) > 0
  where t.id = ${id} order by n.received_at, n.id`;

test("a webhook that comes four times is applied once", async () => {
  setFault({ kind: "webhook_duplicated", times: 2, copies: 3 });
  const { tool_call_id: id } = await charge();
  await app.pass(5_000);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["PENDING", "PAYMENT_CREATED", "PAYMENT_RECEIVED"], posted: [SETTLED] });
  expect(await notifications(id)).toHaveLength(8);
});

test("a webhook that comes again a day later changes nothing", async () => {
  setFault({ kind: "webhook_duplicated", times: 2, delayMs: 24 * 60 * MINUTE });
  const { tool_call_id: id } = await charge();
  await app.pass(5_000);
  const before = await status(id);
  await app.clock.advance(24 * 60 * MINUTE);
  await app.settle();
  expect(await notifications(id)).toHaveLength(4);
  const { observed_at: _then, ...after } = await status(id);
  expect(before).toMatchObject(after);
  expect(await postings(app, id)).toEqual([SETTLED]);
});

test("webhooks in another order come to the same", async () => {
  setFault({ kind: "webhook_held", body: "PAYMENT_CREATED" });
  const { tool_call_id: id } = await charge();
  await app.pass(10_000);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["PENDING", "PAYMENT_RECEIVED", "PAYMENT_CREATED"], posted: [SETTLED] });
});

test("a refund that is told before the payment leaves it refunded", async () => {
  setFault({ kind: "webhook_held", body: "PAYMENT_RECEIVED" });
  const { tool_call_id: id } = await charge(15_017);
  await app.pass(10_000);
  expect(await story(id)).toEqual({
    status: "refunded", told: ["PENDING", "PAYMENT_CREATED", "PAYMENT_REFUNDED", "PAYMENT_RECEIVED"],
    posted: [
      "charge_settled: provider:asaas:balance +14818, expense:fees:asaas +199, income:sales -15017",
      "charge_returned: income:sales +15017, provider:asaas:balance -15017",
    ],
  });
});

test("a late webhook settles late", async () => {
  setFault({ kind: "webhook_delayed", body: "PAYMENT_RECEIVED", delayMs: 5 * MINUTE });
  const { tool_call_id: id } = await charge();
  await app.pass(4 * MINUTE);
  expect(await status(id)).toMatchObject({ status: "pending" });
  await app.pass(2 * MINUTE);
  expect(await story(id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
});

test("without any webhook the charge settles by being asked about", async () => {
  setFault({ kind: "webhook_dropped", times: 2 });
  const { tool_call_id: id } = await charge();
  await app.pass(9 * MINUTE);
  expect(await story(id)).toEqual({ status: "pending", told: ["PENDING"], posted: [] });
  await app.pass(2 * MINUTE);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["PENDING", "RECEIVED"], posted: [SETTLED] });
});

test("a webhook after the lookup that found the same posts nothing more", async () => {
  setFault({ kind: "webhook_delayed", body: "PAYMENT_RECEIVED", delayMs: 15 * MINUTE });
  const { tool_call_id: id } = await charge();
  await app.pass(20 * MINUTE);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["PENDING", "PAYMENT_CREATED", "RECEIVED", "PAYMENT_RECEIVED"], posted: [SETTLED] });
});

test("a payment told before the charge is answered is kept, and the answer does not undo it", async () => {
  setFault({ kind: "webhook_first", method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, outcome: "accepted", status: "pending" });
  await app.pass(1_000);
  expect(await story(answer.tool_call_id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
  await app.pass(10_000);
  expect(await story(answer.tool_call_id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
});

test("a payment told although the charge's answer was lost settles it once", async () => {
  setFault({ kind: "webhook_first", method: "POST", path: "/payments$" });
  setFault({ kind: "reset_after", method: "POST", path: "/payments$" });
  const { tool_call_id: id, outcome } = await charge();
  expect(outcome).toBe("unknown");
  await app.pass(10_000);
  expect(await status(id)).toMatchObject({ status: "succeeded", outcome: "accepted", original_status: "success" });
  expect(await postings(app, id)).toEqual([SETTLED]);
});

test("a payment that a forged webhook claims is not believed while the provider does not say so", async () => {
  setFault({ kind: "webhook_forged", find: "PAYMENT_CREATED", replaceWith: "PAYMENT_RECEIVED" });
  const { tool_call_id: id } = await charge(15_014); // never paid
  await app.pass(5 * MINUTE);
  expect(await story(id)).toEqual({ status: "pending", told: ["PENDING"], posted: [] });
  expect(await notifications(id)).toEqual([{ status: "unmatched", problem: "unconfirmed" }]);
});

test("a refund that a forged webhook claims is not believed either", async () => {
  setFault({ kind: "webhook_forged", body: "PAYMENT_RECEIVED", find: "PAYMENT_RECEIVED", replaceWith: "PAYMENT_REFUNDED" });
  const { tool_call_id: id } = await charge();
  await app.pass(15 * MINUTE);
  expect(await story(id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
});

test("a failure that a forged webhook claims does not fail a payout", async () => {
  setFault({ kind: "webhook_forged", body: "TRANSFER_DONE", find: "TRANSFER_DONE", replaceWith: "TRANSFER_FAILED" });
  const { tool_call_id: id } = await app.run("codespar_pay", supplierPayout);
  await app.pass(15 * MINUTE);
  expect(await story(id)).toMatchObject({ status: "succeeded", posted: ["payout_settled: expense:payouts +8000, provider:asaas:balance -8000"] });
});

test("the amount of a forged webhook is not taken: the provider is asked", async () => {
  setFault({ kind: "webhook_forged", body: "PAYMENT_RECEIVED", find: '"value":150', replaceWith: '"value":9999' });
  const { tool_call_id: id } = await charge();
  await app.pass(5_000);
  expect(await status(id)).toMatchObject({ status: "succeeded", final_amount_minor: 15_000 });
  expect(await postings(app, id)).toEqual([SETTLED]);
});

test.each(["webhook_unsigned", "webhook_mis_signed"] as const)("a webhook with %s is refused and leaves nothing behind", async (kind) => {
  setFault({ kind, times: 2 });
  const { tool_call_id: id } = await charge();
  await app.pass(4_000);
  expect(await story(id)).toEqual({ status: "pending", told: ["PENDING"], posted: [] });
  expect(await notifications(id)).toEqual([]);
  expect(app.twins!.webhooks("asaas").slice(-2).map(({ status: answered }) => answered)).toEqual([401, 401]);
  await app.pass(11 * MINUTE); // by the lookup, as if no webhook had come
  expect(await story(id)).toEqual({ status: "succeeded", told: ["PENDING", "RECEIVED"], posted: [SETTLED] });
});

test("a payment of another amount than was asked for is not a success", async () => {
  const { tool_call_id: id, idempotency_key: key } = await charge();
  await sql`update twin_values set value = jsonb_set(value::jsonb, '{wire,value}', '149')::json where twin = 'asaas' and value->'wire'->>'externalReference' = ${key!}`;
  await app.pass(5_000);
  expect(await story(id)).toMatchObject({ status: "updated", told: ["PENDING", "PAYMENT_CREATED", "PAYMENT_RECEIVED"], posted: [] });
  expect(await status(id)).toMatchObject({ final_amount_minor: null, settled_at: null });
  const [event] = await sql<{ details: unknown }[]>`select details from settlement_events where tool_call_id = ${id} and state = 'updated'`;
  expect(event!.details).toEqual({ problem: "amount_mismatch", asked: "15000", reported: "14900" });
});

test("a refunded charge is refunded, and the books take the sale back", async () => {
  const { tool_call_id: id } = await charge(15_017);
  await app.pass(3_000);
  expect(await status(id)).toMatchObject({ status: "succeeded" });
  await app.pass(3_000);
  expect(await story(id)).toEqual({
    status: "refunded", told: ["PENDING", "PAYMENT_CREATED", "PAYMENT_RECEIVED", "PAYMENT_REFUNDED"],
    posted: [
      "charge_settled: provider:asaas:balance +14818, expense:fees:asaas +199, income:sales -15017",
      "charge_returned: income:sales +15017, provider:asaas:balance -15017",
    ],
  });
});

test("an overdue charge that is paid late succeeds", async () => {
  const { tool_call_id: id } = await charge(15_016);
  await app.pass(3_000);
  expect(await status(id)).toMatchObject({ status: "updated" });
  await app.pass(3_000);
  expect(await status(id)).toMatchObject({ status: "succeeded" });
});

test("a webhook of a payment that is not ours is kept for an operator and changes nothing", async () => {
  const { tool_call_id: id, idempotency_key: key } = await charge();
  setFault({ kind: "webhook_forged", body: "PAYMENT_RECEIVED", find: `${key}|pay_[a-z0-9]+`, replaceWith: "somebody-elses" });
  await app.pass(4_000);
  expect(await status(id)).toMatchObject({ status: "pending" });
  const [stray] = await sql<{ status: string; problem: string }[]>`
    select status, problem from notifications where position('somebody-elses' in convert_from(body, 'utf8')) > 0`;
  expect(stray).toEqual({ status: "unmatched", problem: "unmatched" });
});

test("an address that no connection has is not found", async () => {
  const to = (path: string) => app.http.fetch(new Request(`http://localhost/v1/webhooks/${path}`, { method: "POST", body: "{}" }));
  expect((await to("asaas/ca_00000000000000000000000000")).status).toBe(404);
  const [{ id }] = await sql<[{ id: string }]>`select id from connections where server_id = 'asaas'`;
  expect((await to(`bitso/${id}`)).status).toBe(404);
  expect((await to(`asaas/${id}`)).status).toBe(401);
});

test("a provider that asks before it posts is answered at its own address, and every other GET is not allowed", async () => {
  const connected = await sql<{ serverId: string; id: string; settings: Record<string, string> }[]>`
    select server_id as "serverId", id, settings from connections where server_id in ('asaas', 'whatsapp-cloud')`;
  const ask = async (serverId: string, token?: string) => {
    const { id, settings } = connected.find((each) => each.serverId === serverId)!;
    const query = new URLSearchParams({ "hub.mode": "subscribe", "hub.verify_token": token ?? settings["verify_token"] ?? "", "hub.challenge": "1158201444" });
    return app.http.fetch(new Request(`http://localhost/v1/webhooks/${serverId}/${id}?${query}`));
  };
  const answered = await ask("whatsapp-cloud");
  expect([answered.status, await answered.text()]).toEqual([200, "1158201444"]);
  expect((await ask("whatsapp-cloud", "guessed")).status).toBe(401);
  expect((await ask("asaas")).status).toBe(405);
});

test("at the end of it all the books balance", () => expectBalanced(app));
