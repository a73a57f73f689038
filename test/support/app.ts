/** A whole server over a database of its own and a clock that the test moves: no socket, no background work. */
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll } from "vitest";
import type { OperationName, Operations } from "../../schema/index.ts";
import type { Wire } from "../../schema/operation.ts";
import type { CallerContext } from "../../src/door.ts";
import { connectTestProjects, createServer, type Server } from "../../src/server.ts";
import { readSettings } from "../../src/settings.ts";
import type { Limits } from "../../src/platform.ts";
import { testDatabase } from "./database.ts";
import { FakeClock } from "./fake-clock.ts";

export const testKey = "csk_test_0123456789abcdefTESTkey";
export const liveKey = "csk_live_0123456789abcdefLIVEkey";
export const serviceKey = "cssk_internal_0123456789abcdefSVC";

export interface App extends Server {
  clock: FakeClock;
  /** Calls an operation as the holder of the test key, unless told otherwise. */
  call<Name extends OperationName>(name: Name, input: unknown, as?: Partial<CallerContext>): Promise<Wire<Operations[Name]["output"]>>;
  /** An active session of the test project. */
  session(): Promise<string>;
  /** Runs a tool in a new session. */
  run(tool: string, input: object, as?: Partial<CallerContext>): Promise<Wire<Operations["tools.execute"]["output"]>>;
  /** Moves the clock in steps and runs what comes due, as a real server would while time passes. */
  pass(ms: number): Promise<void>;
  context(as?: Partial<CallerContext>): CallerContext;
}

/** How finely `pass` lets time go by. */
const STEP_MS = 1_000;

/**
 * without  servers that are not connected: a test that makes one provider misbehave would otherwise see the router choose the next
 */
export async function startApp(options: { env?: Record<string, string>; limits?: Partial<Limits>; without?: string[] } = {}): Promise<App> {
  const clock = new FakeClock();
  const database = await testDatabase();
  const settings = readSettings({
    MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), DATABASE_URL: database.url, BOOTSTRAP_TEST_KEY: testKey, BOOTSTRAP_LIVE_KEY: liveKey,
    BOOTSTRAP_SERVICE_KEY: serviceKey, ...options.env,
  });
  const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
  const server = await createServer({ settings, log, clock, database, background: false, limits: { settleWaitMs: 0, ...options.limits } });
  await connectTestProjects(server.platform);
  await database.sql`update connections set status = 'revoked' where server_id = any(${options.without ?? []}::text[])`;
  afterAll(() => server.stop());

  const context = (as: Partial<CallerContext> = {}): CallerContext => ({ credential: testKey, origin: "direct", requestId: `req_${randomUUID()}`, ...as });
  const call: App["call"] = (name, input, as) => server.door.call(name, input, context(as));
  const session = async () => (await call("sessions.create", { user_id: "maria" })).id;
  return {
    ...server, clock, call, session, context,
    run: async (tool, input, as) => call("tools.execute", { session_id: await session(), tool, input }, as),
    pass: async (ms) => {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        await clock.advance(Math.min(STEP_MS, ms - passed));
        await server.settle();
      }
    },
  };
}

/** A charge that the sandbox accepts. */
export const mariaCharge = {
  amount: 15000, currency: "BRL", method: "pix", description: "Order 1234", buyer: { name: "Maria Silva", document: "111.444.777-35" },
} as const;
