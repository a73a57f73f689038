/** Webhooks that carry an id and nothing else: what became of it, and whose it is, the provider is asked. */
import { createHmac, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { TwinFault } from "../../../providers/twin-faults.ts";
import { findConnection, webhookSecrets } from "../../../src/connections/connections.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced, postings, supplierPayout } from "../../support/money.ts";

const app = await startApp();
const { sql } = app.platform.db;

const MINUTE = 60_000;
const SETTLED = "charge_settled: provider:mercado-pago:balance +14851, expense:fees:mercado-pago +149, income:sales -15000";
const PAID_OUT = "payout_settled: expense:payouts +8000, provider:mercado-pago:balance -8000";
const provider = "mercado-pago";

const charge = (amount = 15_000) => app.run("codespar_charge", { ...mariaCharge, provider, amount, idempotency_key: randomUUID() });
const payout = (amount = 8_000) => app.run("codespar_pay", { ...supplierPayout, provider, amount, idempotency_key: randomUUID() });
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });
const setFault = (fault: TwinFault) => app.twins!.setFault(provider, fault);
const asked = (method: string, path: RegExp) =>
  app.twins!.requests(provider).filter((request) => request.method === method && path.test(request.path)).length;
/** What became of it: its state, what was said of it in the order of arrival, and its postings. */
async function story(id: string | null): Promise<{ status: string; told: (string | null)[]; posted: string[] }> {
  const { status: state, events } = await status(id);
  return { status: state, told: events.map(({ provider_action }) => provider_action).toReversed(), posted: await postings(app, id) };
}
const notifications = (id: string) => sql<{ status: string; problem: string | null }[]>`
  select status, problem from notifications where position(${id} in convert_from(body, 'utf8')) > 0 order by received_at, id`;

test("a webhook without a state settles by what the provider answers", async () => {
  const { tool_call_id: id, data } = await charge();
  await app.pass(5_000);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["pending", "pending", "approved"], posted: [SETTLED] });
  expect(await status(id)).toMatchObject({ provider, rail: "mercado-pago-pix", final_amount_minor: 15_000 });
  const paymentId = (data as { id: string }).id;
  expect(asked("GET", new RegExp(`/v1/payments/${paymentId}$`))).toBe(2);
  expect(await notifications(paymentId)).toEqual(Array(2).fill({ status: "applied", problem: null }));
});

test("told four times over, it is applied once", async () => {
  setFault({ kind: "webhook_duplicated", times: 2, copies: 3 });
  const { tool_call_id: id } = await charge();
  await app.pass(5_000);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["pending", "pending", "approved"], posted: [SETTLED] });
});

test("a payment that is not yet paid stays pending, however often it is told of", async () => {
  setFault({ kind: "webhook_duplicated", copies: 3, delayMs: MINUTE });
  const { tool_call_id: id } = await charge(15_014);
  await app.pass(5 * MINUTE);
  expect(await story(id)).toEqual({ status: "pending", told: ["pending", "pending"], posted: [] });
});

test("while the provider cannot be asked nothing is applied, and afterwards it is", async () => {
  const { tool_call_id: id } = await charge();
  await app.pass(1_000);
  setFault({ kind: "error_before", method: "GET", times: 3 });
  await app.pass(3_000);
  expect(await status(id)).toMatchObject({ status: "pending" });
  await app.pass(30_000);
  expect(await story(id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
});

test("a webhook that comes before the answer settles the charge that is then answered", async () => {
  setFault({ kind: "webhook_first", method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, outcome: "accepted" });
  await app.pass(2_000);
  expect(await story(answer.tool_call_id)).toMatchObject({ status: "succeeded", posted: [SETTLED] });
});

test("a charge whose answer was lost is found by its reference, Pix code and all, and settles once", async () => {
  setFault({ kind: "reset_after", method: "POST", path: "/payments$" });
  const answer = await charge(15_014);
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending" });
  await app.pass(10_000);
  const again = await app.call("toolCalls.get", { tool_call_id: answer.tool_call_id! });
  expect(again).toMatchObject({ status: "success", outcome: "accepted", output: { pix_copy_paste: expect.stringMatching(/^000201/) } });
});

test("a payout settles likewise", async () => {
  const { tool_call_id: id } = await payout();
  await app.pass(5_000);
  expect(await story(id)).toEqual({ status: "succeeded", told: ["new", "new", "processed"], posted: [PAID_OUT] });
});

test("a payout whose answer was lost is known by its webhook: whose it is, the provider is asked", async () => {
  const sent = asked("POST", /process$/);
  setFault({ kind: "reset_after", method: "POST", path: "/process$" });
  const answer = await payout();
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending" });
  await app.pass(2 * MINUTE);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", outcome: "accepted", original_status: "success" });
  expect(await postings(app, answer.tool_call_id)).toEqual([PAID_OUT]);
  expect(asked("POST", /process$/)).toBe(sent + 1);
});

test("a payout whose answer and webhooks were lost stays unknown, keeps its key, and is never sent again", async () => {
  const sent = asked("POST", /process$/);
  setFault({ kind: "webhook_dropped", times: 2 });
  setFault({ kind: "reset_after", method: "POST", path: "/process$" });
  const answer = await payout();
  await app.pass(30 * MINUTE);
  expect(await app.call("toolCalls.get", { tool_call_id: answer.tool_call_id! })).toMatchObject({
    status: "running", outcome: "unknown", idempotency_key: answer.idempotency_key,
  });
  expect(asked("POST", /process$/)).toBe(sent + 1);
  expect(await postings(app, answer.tool_call_id)).toEqual([]);
}, 60_000);

/** A webhook that Mercado Pago itself signs, whatever its body says. */
async function signed(signedId: string, toldId: string): Promise<Request> {
  const [row] = await sql<[{ id: string }]>`select id from connections where server_id = ${provider} and environment = 'test'`;
  const [secret] = await webhookSecrets(app.platform, (await findConnection(app.platform, provider, row.id))!);
  const [ts, requestId] = [String(app.clock.now().getTime()), randomUUID()];
  const v1 = createHmac("sha256", secret!).update(`id:${signedId};request-id:${requestId};ts:${ts};`).digest("hex");
  const headers = { "x-request-id": requestId, "x-signature": `ts=${ts},v1=${v1}` };
  const body = JSON.stringify({ id: 1, type: "payment", action: "payment.updated", data: { id: toldId } });
  const url = `http://localhost/v1/webhooks/${provider}/${row.id}?data.id=${signedId}&type=payment`;
  return new Request(url, { method: "POST", headers, body });
}

test("a webhook of a payment that is none of ours is left for an operator", async () => {
  expect((await app.http.fetch(await signed("90000000001", "90000000001"))).status).toBe(200);
  for (let attempt = 0; attempt < 8; attempt++) {
    await app.settle();
    await app.clock.advance(30 * MINUTE);
  }
  expect(await notifications("90000000001")).toEqual([{ status: "unmatched", problem: "unmatched" }]);
});

test("a signature for one payment does not carry news of another", async () => {
  const { data } = await charge(15_014);
  const paymentId = (data as { id: string }).id;
  await app.pass(1_000);
  expect((await app.http.fetch(await signed("90000000002", paymentId))).status).toBe(401);
  expect(await notifications(paymentId)).toHaveLength(1);
});

test("at the end of it all the books balance", () => expectBalanced(app));
