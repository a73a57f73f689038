/** How many calls a key may make: the same for every door and over all processes, and a refusal does nothing. */
import fc from "fast-check";
import { pino } from "pino";
import { afterAll, describe, expect, test } from "vitest";
import type { Quota } from "../../../src/door.ts";
import { createRateLimits, WINDOW_MS } from "../../../src/access/rate-limits.ts";
import { openDatabase, type Database } from "../../../src/db/connect.ts";
import { createServer, type Server } from "../../../src/server.ts";
import { readSettings } from "../../../src/settings.ts";
import { liveKey, mariaCharge, serviceKey, startApp, testKey } from "../../support/app.ts";
import { testDatabase } from "../../support/database.ts";
import { contractDoor, inProcess, streamingDoors, wireDoors } from "../../support/doors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { newTenant, type Tenant } from "../../support/tenants.ts";

const WRITES = 20;
const READS = 60;
const app = await startApp({ env: { RATE_LIMIT_WRITES_PER_MINUTE: String(WRITES), RATE_LIMIT_READS_PER_MINUTE: String(READS) } });
const limited = { code: "rate_limited", http: 429, retry: "after" };

/** Calls until one is refused, and tells how many were not. */
async function granted(call: () => Promise<unknown>, most: number): Promise<number> {
  for (let count = 0; count < most; count += 1) {
    const refusal = await call().then(() => undefined, (error: { code: string }) => error.code);
    if (refusal === "rate_limited") return count;
    if (refusal !== undefined) throw new Error(`refused with ${refusal}`);
  }
  return most;
}

/** The start of the next minute. */
const nextMinute = () => app.clock.advance(WINDOW_MS - (app.clock.now().getTime() % WINDOW_MS));

test("a key may write and read so often a minute, each counted apart, and again in the next minute", async () => {
  const tenant = await newTenant(app);
  const write = () => tenant.call("sessions.create", { user_id: "u" });
  const read = () => tenant.call("sessions.list", {});
  expect(await granted(write, 100)).toBe(WRITES);
  expect(await granted(read, 100)).toBe(READS);
  await app.clock.advance(20_000);
  await expect(write()).rejects.toMatchObject({ ...limited, retryAfterSeconds: 40, message: expect.stringContaining("20 writes in 60 s") });
  await expect(read()).rejects.toMatchObject({ ...limited, message: expect.stringContaining("60 reads in 60 s") });
  await nextMinute();
  expect([await granted(write, 100), await granted(read, 100)]).toEqual([WRITES, READS]);
});

test("each key has its own, and a service key ten times as many", async () => {
  const tenant = await newTenant(app);
  const write = (as: object) => () => app.call("sessions.create", { user_id: "u" }, as);
  for (const credential of [tenant.key, await tenant.addKey({})]) expect(await granted(write({ credential }), 100)).toBe(WRITES);
  expect(await granted(write({ credential: serviceKey, projectId: tenant.projectId }), 300)).toBe(10 * WRITES);
});

test("a call counts however it ends, but not without a good key", async () => {
  const tenant = await newTenant(app);
  const narrow = await tenant.addKey({ scopes: ["rails:read"] });
  const outcome = (credential: string) => app.call("sessions.create", {}, { credential }).then(() => "done", ({ code }: { code: string }) => code);
  for (let count = 0; count < WRITES; count += 1) expect(await outcome(narrow)).toBe("forbidden");
  expect(await outcome(narrow)).toBe("rate_limited");
  for (let count = 0; count < WRITES; count += 1) expect(await outcome(tenant.key)).toBe("validation_failed");
  expect(await outcome(tenant.key)).toBe("rate_limited");
  expect(await outcome("csk_test_00000000000000000000000000000000")).toBe("unauthorized");
});

/** A tenant with a session, whose writes are all spent. */
async function spentTenant(): Promise<{ tenant: Tenant; session_id: string }> {
  const tenant = await newTenant(app);
  const session_id = await tenant.session();
  expect(await granted(() => tenant.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge }), 100)).toBe(WRITES - 1);
  return { tenant, session_id };
}

test("a refused call is the same failure through every door, records nothing and reaches no provider", async () => {
  const { tenant, session_id } = await spentTenant();
  const recorded = async () => (await app.platform.db.sql`select id from tool_calls where project_id = ${tenant.projectId}`).length;
  const asked = () => app.twins!.requests("asaas").length;
  const before = [await recorded(), asked()];
  const input = { session_id, tool: "codespar_charge", input: mariaCharge };
  for (const door of [contractDoor(app), ...wireDoors(inProcess(app))])
    expect([door.name, await door.call("tools.execute", input, { key: tenant.key })]).toMatchObject([door.name, { ok: false, code: "rate_limited", retry: "after", http: 429 }]);
  expect([await recorded(), asked()]).toEqual(before);
});

test.each(streamingDoors(inProcess(app)).map((door) => [door.name, door] as const))("a stream through %s is refused before it begins", async (_name, door) => {
  const tenant = await newTenant(app);
  const { tool_call_id } = await tenant.run("codespar_charge", mariaCharge);
  await granted(() => tenant.call("sessions.list", {}), 100);
  const watch = door.watch("payments.watch", { tool_call_id }, { key: tenant.key });
  expect(await watch.ended).toMatchObject({ code: "rate_limited" });
  expect(watch.items).toEqual([]);
  await watch.stop();
});

describe("REST", () => {
  const get = (key: string | undefined, path = "/v1/sessions", init: RequestInit = {}) =>
    app.http.fetch(new Request(`http://localhost${path}`, { ...init, headers: { ...(key && { authorization: `Bearer ${key}` }) } }));
  const quota = ({ headers }: Response) => ["limit", "remaining", "reset"].map((name) => headers.get(`ratelimit-${name}`));

  test("says with every answer what is left, and when to repeat what it refused", async () => {
    const { key, ...tenant } = await newTenant(app);
    const { tool_call_id } = await tenant.run("codespar_charge", mariaCharge);
    await nextMinute();
    await app.clock.advance(12_500);
    expect(quota(await get(key))).toEqual(["60", "59", "48"]);
    expect(quota(await get(key, "/v1/sessions/ses_none"))).toEqual(["60", "58", "48"]);
    expect(quota(await get(key, "/v1/sessions", { method: "POST" }))).toEqual(["20", "19", "48"]);
    const stream = await get(key, `/v1/tool-calls/${tool_call_id}/payment-status/stream`);
    expect(quota(stream)).toEqual(["60", "57", "48"]);
    await stream.body!.cancel();
    for (let left = 56; left >= 0; left -= 1) expect(quota(await get(key))).toEqual(["60", String(left), "48"]);
    const refused = await get(key);
    expect([refused.status, quota(refused), refused.headers.get("retry-after")]).toEqual([429, ["60", "0", "48"], "48"]);
    expect(await refused.json()).toMatchObject({ error: "rate_limited", code: "rate_limited", retry: "after", retry_after: 48, message: expect.stringContaining("nothing is billed") });
  });

  test("says nothing of it to who has no key", async () => {
    expect(quota(await get(undefined))).toEqual([null, null, null]);
  });
});

test("polling at the documented rates never comes near the default limits", async () => {
  const usual = await startApp();
  const { tool_call_id } = await usual.run("codespar_charge", mariaCharge);
  const { tool_call_id: verification } = await usual.run("codespar_kyc", { subject: { name: "Maria Silva" } });
  let least = Infinity;
  const onQuota = ({ remaining }: Quota) => (least = Math.min(least, remaining));
  for (let second = 0; second < 180; second += 1) {
    if (second % 2 === 0) await usual.call("payments.status", { tool_call_id }, { onQuota });
    if (second % 3 === 0) await usual.call("verifications.status", { tool_call_id: verification }, { onQuota });
    await usual.clock.advance(1_000);
  }
  expect(least).toBe(6_000 - 50);
});

test("a limit of 0 is none, and nothing is counted", async () => {
  const free = await startApp({ env: { RATE_LIMIT_WRITES_PER_MINUTE: "0", RATE_LIMIT_READS_PER_MINUTE: "0" } });
  const { platform: { db }, http } = free;
  const response = await http.fetch(new Request("http://localhost/v1/whoami", { headers: { authorization: `Bearer ${testKey}` } }));
  expect([response.status, response.headers.get("ratelimit-limit")]).toEqual([200, null]);
  expect(await db.sql`select 1 from rate_windows`).toHaveLength(0);
});

describe("over several processes", async () => {
  const { url } = await testDatabase();
  const clock = new FakeClock();

  function connect(): Database {
    const database = openDatabase({ url, maxConnections: 4, applicationName: "process" });
    afterAll(() => database.close());
    return database;
  }

  async function startOne(env: Record<string, string>): Promise<Server> {
    const settings = readSettings({ MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), DATABASE_URL: url, BOOTSTRAP_TEST_KEY: testKey, BOOTSTRAP_LIVE_KEY: liveKey, ...env });
    const database = connect();
    const server = await createServer({ settings, log: pino({ level: "silent" }), clock, database, background: false });
    afterAll(() => server.stop());
    return server;
  }

  const context = { credential: testKey, origin: "direct", requestId: "req_limits" } as const;
  const servers = [await startOne({ RATE_LIMIT_WRITES_PER_MINUTE: "400" }), await startOne({ RATE_LIMIT_WRITES_PER_MINUTE: "400" })];
  const database = connect();
  const [row] = await database.sql<{ id: string }[]>`select id from api_keys where environment = 'live'`;
  const key = { keyId: row!.id, keyKind: "live" } as const;

  test("two servers share a key's limit: never more than it, and hardly less", async () => {
    const write = (server: Server) => server.door.call("sessions.create", { user_id: "u" }, context).then(() => 1, () => 0);
    const outcomes = await Promise.all(Array.from({ length: 500 }, (_, at) => write(servers[at % 2]!)));
    const total = outcomes.reduce<number>((sum, one) => sum + one, 0);
    expect(total).toBeLessThanOrEqual(400);
    expect(total).toBeGreaterThanOrEqual(400 - 25);
  });

  test("one that stands idle keeps little from the others", async () => {
    await clock.advance(WINDOW_MS);
    const write = (server: Server) => server.door.call("sessions.create", { user_id: "u" }, context);
    await write(servers[0]!);
    expect(await granted(() => write(servers[1]!), 500)).toBe(400 - 8);
    expect(await granted(() => write(servers[0]!), 500)).toBe(7);
  });

  test("whatever the limit and whoever calls when, no more is granted, and none is refused while more than small shares are left", async () => {
    const calls = fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 400 });
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 200 }), calls, fc.integer({ min: 1, max: 40 }), async (limit, order, together) => {
      await clock.advance(WINDOW_MS);
      const processes = [0, 1, 2].map(() => createRateLimits({ db: database, clock }, { writes: limit, reads: 0 }));
      let done = 0;
      const held = 2 * Math.max(Math.ceil(limit / 16), together);
      for (let at = 0; at < order.length; at += together) {
        const outcomes = await Promise.allSettled(order.slice(at, at + together).map((index) => processes[index]!.count(key, "writes", undefined)));
        done += outcomes.filter(({ status }) => status === "fulfilled").length;
        if (outcomes.some(({ status }) => status === "rejected")) expect(done).toBeGreaterThanOrEqual(limit - held);
      }
      expect(done).toBeLessThanOrEqual(limit);
    }), { numRuns: 40 });
  }, 60_000);

  test("a process whose clock is behind counts in the window that the others have begun", async () => {
    await clock.advance(WINDOW_MS);
    const late = new FakeClock(new Date(clock.now().getTime() - 1_000));
    const [ahead, behind] = [clock, late].map((its) => createRateLimits({ db: database, clock: its }, { writes: 10, reads: 0 }));
    expect(await granted(() => ahead!.count(key, "writes", undefined), 50)).toBe(10);
    await expect(behind!.count(key, "writes", undefined)).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 1 });
    expect(await granted(() => ahead!.count(key, "writes", undefined), 50)).toBe(0);
  });

  let asked = 0;
  const counted = ((...query: Parameters<Database["sql"]>) => {
    asked += 1;
    return database.sql(...query);
  }) as Database["sql"];

  test("a thousand calls ask the database less than a hundred times, and refused ones never", async () => {
    await clock.advance(WINDOW_MS);
    asked = 0;
    const limits = createRateLimits({ db: { sql: counted }, clock }, { writes: 1_000, reads: 0 });
    expect(await granted(() => limits.count(key, "writes", undefined), 2_000)).toBe(1_000);
    expect(asked).toBeLessThan(100);
    const before = asked;
    expect(await granted(() => limits.count(key, "writes", undefined), 100)).toBe(0);
    expect(asked).toBe(before);
  });

  test("a thousand calls at once ask it three times", async () => {
    await clock.advance(WINDOW_MS);
    asked = 0;
    const limits = createRateLimits({ db: { sql: counted }, clock }, { writes: 700, reads: 0 });
    const outcomes = await Promise.allSettled(Array.from({ length: 1_000 }, () => limits.count(key, "writes", undefined)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(700);
    expect(asked).toBeLessThanOrEqual(3);
  });
});
