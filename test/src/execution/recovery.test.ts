/** Calls that nobody works on any more: taken over once their lease ran out, sent if they never left, else looked up. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { prepareArguments } from "../../../src/execution/arguments.ts";
import { claim } from "../../../src/execution/claim.ts";
import { meaning } from "../../../src/execution/plan.ts";
import { recoverAbandoned } from "../../../src/execution/recover.ts";
import { listConnected } from "../../../src/connections/connections.ts";
import { chooseRoute } from "../../../src/rails/router.ts";
import { metaTools } from "../../../schema/meta-tools/index.ts";
import type { MetaTool } from "../../../schema/meta-tools/meta-tool.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { holdWrites, waitingForLocks } from "../../support/locks.ts";
import { askedOf, expectBalanced, postings, references, testPrincipal } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });
const principal = await testPrincipal(app);
const { sql } = app.platform.db;

const LEASE_MS = 30_000;
const MINUTE = 60_000;
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });
const charge = (key: string) => app.run("codespar_charge", { ...mariaCharge, idempotency_key: key });
const sentUnder = (key: string) => references(askedOf(app.twins, "/payments")).filter((reference) => reference === key).length;

test("a claim is left alone while its lease lasts, then sent once, by whoever takes it over", async () => {
  const { id, key } = await abandonedClaim();
  await app.pass(LEASE_MS);
  expect(sentUnder(key)).toBe(0);
  await app.pass(1_000);
  expect(sentUnder(key)).toBe(1);
  expect(await status(id)).toMatchObject({ outcome: "accepted", original_status: "success" });
  expect(await charge(key)).toMatchObject({ success: true, tool_call_id: id, replayed: true, data: { pix_copy_paste: expect.stringMatching(/^000201/) } });
  await app.pass(10_000);
  expect(await status(id)).toMatchObject({ status: "succeeded" });
  expect(await postings(app, id)).toHaveLength(1);
  expect(sentUnder(key)).toBe(1);
});

test("four takeovers at once send each of six calls once", async () => {
  const claims = await Promise.all(Array.from({ length: 6 }, abandonedClaim));
  await app.clock.advance(LEASE_MS + 1_000);
  const taken = await Promise.all(Array.from({ length: 4 }, () => recoverAbandoned(app.platform)));
  expect(taken.reduce((sum, each) => sum + each)).toBe(6);
  for (const { key } of claims) expect(sentUnder(key)).toBe(1);
});

test("a claim that nobody took over in ten minutes is not sent any more, and its key is free", async () => {
  const { id, key } = await abandonedClaim();
  await app.clock.advance(10 * MINUTE + 1_000);
  await app.settle();
  expect(sentUnder(key)).toBe(0);
  expect(await status(id)).toMatchObject({ status: "failed", outcome: "not_reached", idempotency_key: null });
  expect(await charge(key)).toMatchObject({ success: true, outcome: "accepted" });
  expect(sentUnder(key)).toBe(1);
});

test("a call that may have left is never sent by whoever takes it over, only looked up", async () => {
  const { id, key } = await abandonedClaim();
  await markDispatched(id);
  await app.pass(LEASE_MS + 1_000);
  expect(await status(id)).toMatchObject({ status: "pending", outcome: "unknown", idempotency_key: key });
  expect(await charge(key)).toMatchObject({ success: true, outcome: "unknown", status: "pending", replayed: true });
  await app.pass(5 * MINUTE);
  expect(sentUnder(key)).toBe(0);
  expect(await status(id)).toMatchObject({ status: "failed", outcome: "not_reached", idempotency_key: null });
});

test("a call that is worked on keeps its lease", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 3 * LEASE_MS });
  const answer = charge(key);
  await until(() => sentUnder(key) === 1);
  for (let renewals = 0; renewals < 5; renewals++) {
    await app.clock.advance(LEASE_MS / 3);
    await app.platform.leases.renew();
    expect(await recoverAbandoned(app.platform)).toBe(0);
  }
  await app.clock.advance(3 * LEASE_MS);
  expect(await answer).toMatchObject({ success: true, outcome: "accepted" });
});

test("an answer that comes after the call was taken over and found changes nothing", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 2 * LEASE_MS });
  const late = charge(key);
  await until(() => sentUnder(key) === 1);
  await sleep(50); // the twin has applied it and begins to wait
  await app.pass(LEASE_MS + 10_000);
  const [{ id }] = await sql<[{ id: string }]>`select id from tool_calls where idempotency_key = ${key}`;
  const found = await status(id);
  expect(found).toMatchObject({ status: "succeeded", outcome: "accepted" });
  const posted = await postings(app, id);
  await app.clock.advance(2 * LEASE_MS);
  expect(await late).toMatchObject({ success: true, outcome: "accepted", tool_call_id: id });
  expect({ ...(await status(id)), observed_at: "" }).toEqual({ ...found, observed_at: "" });
  expect(await postings(app, id)).toEqual(posted);
  expect(posted).toHaveLength(1);
  expect(sentUnder(key)).toBe(1);
});

test("a call taken over while its first process is only slow is sent by one of the two", async () => {
  const key = randomUUID();
  const release = await holdWrites(sql, "dispatches");
  const slow = charge(key);
  await until(async () => (await sql`select 1 from tool_calls where idempotency_key = ${key}`).length === 1);
  await app.clock.advance(LEASE_MS + 1_000);
  const takeover = recoverAbandoned(app.platform);
  await until(async () => (await waitingForLocks(sql)) === 2);
  await release();
  expect(await takeover).toBe(1);
  await slow;
  expect(sentUnder(key)).toBe(1);
  expect(await charge(key)).toMatchObject({ success: true, outcome: "accepted" });
});

test("a call given up while its first process slept is not sent when that process wakes", async () => {
  const key = randomUUID();
  const release = await holdWrites(sql, "dispatches");
  const asleep = charge(key);
  await until(async () => (await waitingForLocks(sql)) === 1);
  await app.clock.advance(11 * MINUTE);
  expect(await recoverAbandoned(app.platform)).toBe(1);
  const repeat = charge(key);
  await until(async () => (await waitingForLocks(sql)) === 2);
  await release();
  await Promise.all([asleep, repeat]);
  expect(sentUnder(key)).toBe(1);
});

test("a request that left late is given its full time to arrive before the provider's word is taken", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "reset_before", method: "POST", path: "/payments$" });
  const release = await holdWrites(sql, "dispatches");
  const held = charge(key);
  await until(async () => (await waitingForLocks(sql)) === 1);
  await app.clock.advance(5 * MINUTE);
  await release();
  expect(await held).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(10_000);
  expect(await status((await held).tool_call_id)).toMatchObject({ status: "pending", outcome: "unknown", idempotency_key: key });
});

test("a call that died in its second attempt is looked up where that one went", async () => {
  const { id } = await abandonedClaim();
  await markDispatched(id, { attempt: 1, outcome: "not_reached" });
  await markDispatched(id, { attempt: 2, provider: "bitso", rail: "bitso-stablecoin" });
  await app.clock.advance(LEASE_MS + 1_000);
  await recoverAbandoned(app.platform);
  expect(await status(id)).toMatchObject({ outcome: "unknown", provider: "bitso", rail: "bitso-stablecoin" });
});

test("at the end of it all the books balance", () => expectBalanced(app));

/** A call as a process leaves it that dies between its claim and its dispatch. */
async function abandonedClaim(): Promise<{ id: string; key: string }> {
  const key = randomUUID();
  const tool = metaTools.codespar_charge as unknown as MetaTool;
  const { canonical } = prepareArguments(tool, { ...mariaCharge, idempotency_key: key }, principal);
  const connected = new Map((await listConnected(app.platform, principal.projectId)).map((each) => [each.serverId, each.id]));
  const need = { tool: "codespar_charge", method: "pix", currency: "BRL" } as const;
  const { ranked: [chosen], routing, failoverTrail } = chooseRoute(need, { connected, degraded: new Set(), known: ["asaas"], environment: "test" });
  const verdict = await claim(app.platform, {
    principal, sessionId: await app.session(), runId: undefined, origin: "direct", toolName: "codespar_charge", canonical, metadata: undefined, acts: true, key,
    fingerprint: meaning("codespar_charge", canonical), intent: undefined, settles: "payment", money: { amountMinor: 15_000n, currency: "BRL" },
    serverId: "codespar", target: { provider: "asaas", rail: chosen!.rail.id, connectionId: chosen!.connectionId }, routing, failoverTrail,
  });
  if (!verdict.won) throw new Error("the key was new");
  return { id: verdict.id, key };
}

/** The mark of a request that is about to leave. */
async function markDispatched(id: string, mark: { attempt?: number; provider?: string; rail?: string; outcome?: string } = {}): Promise<void> {
  const { attempt = 1, provider = "asaas", rail = "asaas-pix", outcome = null } = mark;
  await sql`update tool_calls set provider = ${provider}, rail = ${rail} where id = ${id}`;
  await sql`
    insert into dispatches (org_id, project_id, tool_call_id, attempt, provider, rail, connection_id, notes, outcome, started_at)
    select org_id, project_id, id, ${attempt}, ${provider}, ${rail}, (select id from connections c where c.project_id = t.project_id and server_id = ${provider}),
      '{}', ${outcome}, called_at from tool_calls t where id = ${id}`;
}

/** Waits for what needs only a moment of the database. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let checks = 0; checks < 500; checks++) {
    if (await holds()) return;
    await sleep(10);
  }
  throw new Error("it did not come about");
}
