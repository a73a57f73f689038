/**
 * `kill -9` of the real server, at the moments where money could be lost or moved twice, against twins that live on in a process of
 * their own. No hook in the product: the test holds a lock that the next statement needs, or tells a twin to be slow.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { testDatabase } from "../support/database.ts";
import { references, supplierPayout } from "../support/money.ts";
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
  const release = await holdWrites("dispatches");
  const answer = charge(key).catch(() => "the connection broke");
  const [{ id }] = await eventually(() => callsUnder(key), (rows) => rows.length === 1) as [{ id: string }];
  await eventually(waiting, (count) => count === 1);
  await server.kill();
  expect(await answer).toBe("the connection broke");
  await endWaiting(); // else PostgreSQL would carry out what the dead process had asked for
  await release();
  expect(await sent("/payments", key)).toBe(0);

  await timePasses(31_000);
  server = await startServer(server.port);
  await eventually(() => status(id), ({ outcome }) => outcome === "accepted");
  expect((await charge(key)).body).toMatchObject({ success: true, tool_call_id: id, replayed: true, data: { pix_copy_paste: expect.stringMatching(/^000201/) } });
  expect(await settled(id)).toMatchObject({ status: "succeeded", final_amount_minor: 15_000 });
  expect(await sent("/payments", key)).toBe(1);
  await expectPostedOnce([id]);
}, 60_000);

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
    const [{ id }] = await callsUnder(under) as [{ id: string }];
    await eventually(() => status(id), ({ outcome }) => outcome === "unknown" || outcome === "accepted");
    expect((await repeat(under)).body).toMatchObject({ success: true, tool_call_id: id, replayed: true, error: null });
    expect(await settled(id)).toMatchObject({ status: "succeeded", outcome: "accepted", original_status: "success" });
    expect(await sent(what, under)).toBe(1);
    await expectPostedOnce([id]);
  }
}, 60_000);

test("killed between a webhook's acknowledgement and its application, a charge settles once after the restart", async () => {
  const key = randomUUID();
  const { tool_call_id: id } = (await charge(key)).body as { tool_call_id: string };
  const release = await holdWrites("settlement_events");
  await eventually(() => told(key, "PAYMENT_RECEIVED"), (count) => count === 1);
  await eventually(waiting, (count) => count > 0);
  await server.kill();
  await release();
  expect(await status(id, await startServerLater())).toMatchObject({ status: "pending" });
  expect(await settled(id)).toMatchObject({ status: "succeeded", final_amount_minor: 15_000 });
  expect(await told(key, "PAYMENT_RECEIVED")).toBe(1); // it was not asked to tell again
  await expectPostedOnce([id]);
}, 60_000);

test("killed before a webhook could be delivered, a charge settles once when its provider tries again", async () => {
  const key = randomUUID();
  const { tool_call_id: id } = (await charge(key)).body as { tool_call_id: string };
  await server.kill();
  await eventually(() => attempts(key, "PAYMENT_RECEIVED"), (all) => all.includes("not_taken"));
  server = await startServer(server.port);
  expect(await settled(id)).toMatchObject({ status: "succeeded" });
  expect(await told(key, "PAYMENT_RECEIVED")).toBe(1);
  await expectPostedOnce([id]);
}, 60_000);

test("killed three times under load, thirty keys are thirty payments, none lost and none twice", async () => {
  const keys = Array.from({ length: 30 }, () => randomUUID());
  await twins.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", times: 1_000, delayMs: 150 });
  let accepted = 0;
  let crashes = 0;
  const clients = [0, 1, 2, 3, 4, 5].map(async (client) => {
    for (const key of keys.filter((_key, index) => index % 6 === client)) {
      await insist(key);
      accepted += 1;
    }
  });
  for (const after of [4, 12, 20]) {
    await eventually(async () => accepted, (count) => count >= after);
    await sleep(Math.random() * 300);
    await server.kill();
    crashes += 1;
    await timePasses(90_000);
    server = await startServer(server.port);
  }
  await Promise.all(clients);
  await twins.clearFaults("asaas");

  const calls = (await Promise.all(keys.map(callsUnder))).flat();
  expect(calls.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
  for (const { id } of calls) expect(await settled(id)).toMatchObject({ status: "succeeded", outcome: "accepted" });
  const asked = references((await twins.requests("asaas")).filter(({ method, path }) => method === "POST" && path.endsWith("/payments")));
  expect(keys.map((key) => asked.filter((reference) => reference === key).length)).toEqual(keys.map(() => 1));
  await expectPostedOnce(calls.map(({ id }) => id));
  expect(crashes).toBe(3);
}, 90_000);

test("SIGTERM ends the server that was killed so often", async () => {
  expect(await server.stop()).toBe(0);
}, 30_000);

function startServer(port: number): Promise<ServerProcess> {
  return startServerProcess({
    port, env: { DATABASE_URL: databaseUrl, MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), TWINS_URL: twins.url, TWINS_CA_FILE: twins.caFile },
  });
}
