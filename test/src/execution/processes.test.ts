/** Two servers over one database are one server: a key is claimed once, and each tells what the other did. */
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { openDatabase } from "../../../src/db/connect.ts";
import { connectTestProjects, createServer, type Server } from "../../../src/server.ts";
import { readSettings } from "../../../src/settings.ts";
import { testKey } from "../../support/app.ts";
import { testDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { asaasCharge, askedOf, references } from "../../support/money.ts";

const { url } = await testDatabase();
const clock = new FakeClock();
const settings = readSettings({ MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), DATABASE_URL: url, BOOTSTRAP_TEST_KEY: testKey });
const [one, two] = [await startOne(), await startOne()];

/** A server with connections of its own; closed before the database is dropped. */
async function startOne(): Promise<Server> {
  const database = openDatabase({ url, maxConnections: 10, applicationName: "process" });
  const server = await createServer({ settings, log: pino({ level: "silent" }), clock, database, background: false, limits: { settleWaitMs: 0 } });
  await connectTestProjects(server.platform);
  afterAll(async () => {
    await server.stop();
    await database.close();
  });
  return server;
}

const context = { credential: testKey, origin: "direct", requestId: "req_processes" } as const;
const { id: sessionId } = await one.door.call("sessions.create", { user_id: "maria" }, context);
const charge = (server: Server, key: string, changes: object = {}) =>
  server.door.call("tools.execute", { session_id: sessionId, tool: "codespar_charge", input: { ...asaasCharge, ...changes, idempotency_key: key } }, context);
const sentUnder = (key: string): number =>
  [one, two].flatMap((server) => references(askedOf(server.twins, "/payments"))).filter((reference) => reference === key).length;

test("calls under one key through both at once are one payment and one answer", async () => {
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => charge(index % 2 ? one : two, key)));
  expect(sentUnder(key)).toBe(1);
  const [first] = answers.filter(({ replayed }) => !replayed);
  for (const { replayed: _replayed, ...answer } of answers) expect(answer).toEqual(first);
});

test("of different calls under one key through both at once one is sent, the others are told of the conflict", async () => {
  const key = randomUUID();
  const answers = await Promise.all([one, two, one, two].map((server, index) => charge(server, key, { amount: 15_000 + index })));
  expect(sentUnder(key)).toBe(1);
  expect(answers.map(({ code }) => code).filter((code) => code === "idempotency_conflict")).toHaveLength(3);
});

test("twenty keys through both at once are twenty payments", async () => {
  const keys = Array.from({ length: 20 }, () => randomUUID());
  await Promise.all(keys.flatMap((key) => [charge(one, key), charge(two, key)]));
  expect(keys.map(sentUnder)).toEqual(keys.map(() => 1));
});

test("a watcher of one sees the settlement that the other applies", async () => {
  const { tool_call_id: id } = await charge(one, randomUUID());
  const watch = (await two.door.subscribe("payments.watch", { tool_call_id: id! }, context))[Symbol.asyncIterator]();
  expect((await watch.next()).value?.item).toMatchObject({ status: "pending" });
  const succeeded = watchUntil(watch, "succeeded");
  await pass(one, 5_000);
  expect(await succeeded).toMatchObject({ status: "succeeded", final_amount_minor: 15_000, original_status: "success" });
  expect((await watch.next()).done).toBe(true);
});

test("settling on both at once applies each webhook once", async () => {
  const { tool_call_id: id } = await charge(one, randomUUID());
  for (let seconds = 0; seconds < 5; seconds++) {
    await clock.advance(1_000);
    await Promise.all([one.settle(), two.settle()]);
  }
  const { transactions } = await two.door.call("ledger.transactions", { tool_call_id: id! }, context);
  expect(transactions.map(({ key }) => key)).toEqual([`charge_settled:${id}`]);
  const { status, events } = await one.door.call("payments.status", { tool_call_id: id! }, context);
  expect(status).toBe("succeeded");
  expect(events.map(({ provider_action }) => provider_action).toSorted()).toEqual(["PAYMENT_CREATED", "PAYMENT_RECEIVED", "PENDING"]);
});

test("a call that one server left behind is taken over by the other", async () => {
  const key = randomUUID();
  one.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 3_600_000 });
  const abandoned = charge(one, key);
  await expect.poll(() => sentUnder(key)).toBe(1);
  await pass(two, 40_000);
  expect(await charge(two, key)).toMatchObject({ success: true, outcome: "accepted", replayed: true });
  expect(sentUnder(key)).toBe(1);
  await clock.advance(3_600_000);
  expect(await abandoned).toMatchObject({ success: true, outcome: "accepted" });
});

/** The first state of this name that a watch tells. */
async function watchUntil<Item extends { status: string }>(watch: AsyncIterator<{ item: Item }>, status: string): Promise<Item> {
  for (;;) {
    const { value, done } = await watch.next();
    if (done) throw new Error(`the watch ended before ${status}`);
    if (value.item.status === status) return value.item;
  }
}

/** Time passes, and one server does what comes due. */
async function pass(server: Server, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await clock.advance(1_000);
    await server.settle();
  }
}
