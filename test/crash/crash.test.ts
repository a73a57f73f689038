/**
 * `kill -9` of the real server, at the moments where money could be lost or moved twice, against twins that live on in a process of
 * their own. No hook in the product: the test holds a lock that the next statement needs, or tells a twin to be slow.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { testDatabase } from "../support/database.ts";
import { endWaiting, holdWrites, waitingForLocks } from "../support/locks.ts";
import { asaasCharge, references, supplierPayout } from "../support/money.ts";
import { eventually, startServerProcess, startTwinsProcess, type Answer, type ServerProcess, type TwinsProcess } from "../support/server-process.ts";

const { sql, url: databaseUrl } = await testDatabase();
/** How long the twins rest between the steps of a movement. */
const SETTLE_AFTER_MS = 1_000;

let twins: TwinsProcess;
let server: ServerProcess;
let sessionId: string;

beforeAll(async () => {
  twins = await startTwinsProcess({ settleAfterMs: SETTLE_AFTER_MS });
  server = await startServer(0);
  sessionId = (await server.rest("POST", "/sessions", { user_id: "maria" })).body.id;
}, 60_000);

test("killed between claim and dispatch, a charge is sent once after the restart", async () => {
  const key = randomUUID();
  const release = await holdWrites(sql, "dispatches");
  const answer = charge(key).catch(() => "the connection broke");
  const id = (await eventually(() => callsUnder(key), (calls) => calls.length === 1))[0]!.id;
  await eventually(() => waitingForLocks(sql), (count) => count === 1);
  await server.kill();
  expect(await answer).toBe("the connection broke");
  await endWaiting(sql);
  await release();
  expect(await sent("/payments", key)).toBe(0);

  await timePasses(31_000);
  server = await startServer(server.port);
  await eventually(() => status(id), ({ outcome }) => outcome === "accepted");
  expect((await charge(key)).body).toMatchObject({ success: true, tool_call_id: id, replayed: true, data: { pix_copy_paste: expect.stringMatching(/^000201/) } });
  expect(await settled(id)).toMatchObject({ status: "succeeded", final_amount_minor: 15_000 });
  expect(await sent("/payments", key)).toBe(1);
  await expectPostedOnce([id]);
}, 90_000);

test("killed between dispatch and record, a charge and a payout are looked up after the restart, and not sent again", async () => {
  const [key, payoutKey] = [randomUUID(), randomUUID()];
  await twins.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 60_000 });
  await twins.setFault("asaas", { kind: "slow", method: "POST", path: "/transfers$", delayMs: 60_000 });
  const answers = [charge(key), payout(payoutKey)].map((answer) => answer.catch(() => "the connection broke"));
  await eventually(() => told(key, "PAYMENT_CREATED"), (count) => count === 1); // they have applied it, and do not answer
  await eventually(() => told(payoutKey, "TRANSFER_CREATED"), (count) => count === 1);
  await server.kill();
  expect(await Promise.all(answers)).toEqual(["the connection broke", "the connection broke"]);

  await timePasses(31_000);
  server = await startServer(server.port);
  for (const [under, what, repeat] of [[key, "/payments", charge], [payoutKey, "/transfers", payout]] as const) {
    const { id } = (await callsUnder(under))[0]!;
    await eventually(() => status(id), ({ outcome }) => outcome === "unknown" || outcome === "accepted");
    expect((await repeat(under)).body).toMatchObject({ success: true, tool_call_id: id, replayed: true, error: null });
    expect(await settled(id)).toMatchObject({ status: "succeeded", outcome: "accepted", original_status: "success" });
    expect(await sent(what, under)).toBe(1);
    await expectPostedOnce([id]);
  }
}, 90_000);

test("killed between a webhook's acknowledgement and its application, a charge settles once after the restart", async () => {
  const key = randomUUID();
  const { tool_call_id: id } = (await charge(key)).body as { tool_call_id: string };
  const release = await holdWrites(sql, "settlement_events");
  await eventually(() => told(key, "PAYMENT_RECEIVED"), (count) => count === 1);
  await eventually(() => waitingForLocks(sql), (count) => count > 0);
  await server.kill();
  await release();
  expect(await sql`select state from tool_calls where id = ${id}`).toEqual([{ state: "pending" }]);

  await timePasses(61_000); // the dead process had taken the job for a minute
  server = await startServer(server.port);
  expect(await settled(id)).toMatchObject({ status: "succeeded", final_amount_minor: 15_000 });
  expect(await told(key, "PAYMENT_RECEIVED")).toBe(1); // it was not asked to tell again
  await expectPostedOnce([id]);
}, 90_000);

test("killed before a webhook could be delivered, a charge settles once when its provider tries again", async () => {
  const key = randomUUID();
  const { tool_call_id: id } = (await charge(key)).body as { tool_call_id: string };
  await server.kill();
  await eventually(() => attempts(key, "PAYMENT_RECEIVED"), (all) => all.includes("not_taken"));
  server = await startServer(server.port);
  expect(await settled(id)).toMatchObject({ status: "succeeded" });
  expect(await told(key, "PAYMENT_RECEIVED")).toBe(1);
  await expectPostedOnce([id]);
}, 90_000);

test("killed three times under load, thirty keys are thirty payments, none lost and none twice", async () => {
  const keys = Array.from({ length: 30 }, () => randomUUID());
  await twins.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", times: 1_000, delayMs: 150 });
  let accepted = 0;
  let areDone = false;
  const clients = [0, 1, 2, 3, 4, 5].map(async (client) => {
    for (const key of keys.filter((_key, index) => index % 6 === client)) {
      await insist(key);
      accepted += 1;
    }
  });
  const answered = Promise.all(clients).finally(() => (areDone = true));
  answered.catch(() => {}); // until it is awaited below
  const acceptedSoFar = async () => {
    await questionsComeDue(20_000);
    return accepted;
  };
  for (const after of [4, 12, 20]) {
    await eventually(acceptedSoFar, (count) => areDone || count >= after);
    await sleep(Math.random() * 300);
    await server.kill();
    await timePasses(90_000);
    server = await startServer(server.port);
  }
  await eventually(acceptedSoFar, () => areDone, 60_000);
  await answered;
  await twins.clearFaults("asaas");

  const calls = (await Promise.all(keys.map(callsUnder))).flat();
  expect(calls.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
  for (const { id } of calls) expect(await settled(id)).toMatchObject({ status: "succeeded", outcome: "accepted" });
  const asked = references((await twins.requests("asaas")).filter(({ method, path }) => method === "POST" && path.endsWith("/payments")));
  expect(keys.map((key) => asked.filter((reference) => reference === key).length)).toEqual(keys.map(() => 1));
  await expectPostedOnce(calls.map(({ id }) => id));
  const interrupted = await sql`select 1 from dispatches where error = 'the process died under it'`;
  expect(interrupted.length).toBeGreaterThan(2); // beside the charge and the payout of the test above
}, 180_000);

test("SIGTERM ends the server that was killed so often", async () => {
  expect(await server.stop()).toBe(0);
}, 30_000);

function startServer(port: number): Promise<ServerProcess> {
  return startServerProcess({
    port, env: { DATABASE_URL: databaseUrl, MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), TWINS_URL: twins.url, TWINS_CA_FILE: twins.caFile },
  });
}

const charge = (key: string): Promise<Answer> =>
  server.rest("POST", `/sessions/${sessionId}/execute`, { tool: "codespar_charge", input: { ...asaasCharge, idempotency_key: key } });
const payout = (key: string): Promise<Answer> =>
  server.rest("POST", `/sessions/${sessionId}/execute`, { tool: "codespar_pay", input: { ...supplierPayout, idempotency_key: key } });

/** A caller who repeats under the same key, as the answers tell it to, until the charge is accepted. */
async function insist(key: string): Promise<void> {
  await eventually(
    () => charge(key).catch((): Answer => ({ status: 0, body: { code: "connection" } })),
    ({ body: { success, outcome, code } }) => {
      if (success && outcome === "accepted") return true;
      if (success && outcome === "unknown") return false;
      if (["connection", "idempotency_in_flight", "provider_unavailable", "shutting_down"].includes(code)) return false;
      throw new Error(`no reason to repeat: ${code}`);
    },
    60_000,
  );
}

const status = async (id: string): Promise<Answer["body"]> => (await server.rest("GET", `/tool-calls/${id}/payment-status`)).body;
const settled = (id: string): Promise<Answer["body"]> => eventually(() => status(id), ({ state, outcome }) => state !== "pending" && outcome === "accepted", 60_000); // a webhook is offered again after 5, 10 and 20 s
const callsUnder = async (key: string): Promise<{ id: string; key: string }[]> =>
  [...(await sql<{ id: string; key: string }[]>`select id, idempotency_key as key from tool_calls where idempotency_key = ${key}`)];

/** How often the twin was asked for this movement. */
async function sent(what: "/payments" | "/transfers", key: string): Promise<number> {
  const asked = (await twins.requests("asaas")).filter(({ method, path }) => method === "POST" && path.endsWith(what));
  return references(asked).filter((reference) => reference === key).length;
}

/** What came of the twin's attempts to tell an event of this movement. */
async function attempts(key: string, event: string): Promise<string[]> {
  return (await twins.webhooks("asaas")).filter(({ body }) => body.includes(key) && body.includes(`"${event}"`)).map(({ outcome }) => outcome);
}
const told = async (key: string, event: string): Promise<number> => (await attempts(key, event)).filter((outcome) => outcome === "taken").length;

async function expectPostedOnce(ids: readonly string[]): Promise<void> {
  const posted = await sql<{ id: string; count: number }[]>`
    select tool_call_id as id, count(*)::int from ledger_transactions where tool_call_id = any(${ids as string[]}) group by tool_call_id`;
  expect(posted.filter(({ count }) => count === 1).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  expect((await server.rest("GET", "/ledger/trial-balance")).body).toMatchObject({ balanced: true });
}

/** Time passes for calls whose process died under them: a denial by the provider is believed only a minute after. */
async function questionsComeDue(ms: number): Promise<void> {
  const by = sql`${ms} * interval '1 millisecond'`;
  await sql`update dispatches set finished_at = finished_at - ${by} where outcome = 'unknown'`;
  await sql`update jobs set run_at = run_at - ${by} where kind = 'lookup' and key like '%.unknown' and lease_until is null`;
}

/** Time passes while no server runs: for leases, for questions that were put off, for how long ago a request left. */
async function timePasses(ms: number): Promise<void> {
  const by = sql`${ms} * interval '1 millisecond'`;
  await sql`update tool_calls set called_at = called_at - ${by}, lease_until = lease_until - ${by} where status = 'running'`;
  await sql`update dispatches set started_at = started_at - ${by} where outcome is null or outcome = 'unknown'`;
  await sql`update jobs set run_at = run_at - ${by}, lease_until = lease_until - ${by}`;
}
