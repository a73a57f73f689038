/** The whole server for a measurement: every part as in production, only Asaas answers at once. */
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { newKey } from "../src/access/keys.ts";
import type { CallerContext } from "../src/door.ts";
import { connectTestProjects, createServer, type Server } from "../src/server.ts";
import { readSettings } from "../src/settings.ts";
import { pixCharge, providersAtOnce } from "./asaas-at-once.ts";

export interface Product {
  server: Server;
  key: string;
  session(): Promise<string>;
  /** A Pix charge through the door. Throws unless it was accepted. */
  charge(sessionId: string): Promise<Charged>;
}

export interface Charged {
  toolCallId: string;
  idempotencyKey: string;
  /** The provider's id. */
  paymentId: string;
}

/** What one database is used with, however often a server is started over it. */
const key = newKey("test");
const masterKey = randomBytes(32).toString("base64");

export async function startProduct(databaseUrl: string): Promise<Product> {
  const settings = readSettings({
    PORT: "0", DATABASE_URL: databaseUrl, MASTER_KEY: masterKey, BOOTSTRAP_TEST_KEY: key, LOG_LEVEL: "error",
    NODE_ENV: "production",
    RATE_LIMIT_WRITES_PER_MINUTE: "0", RATE_LIMIT_READS_PER_MINUTE: "0", // as many as the machine can
  });
  const log = pino({ level: settings.LOG_LEVEL }, process.stderr);
  const server = await createServer({ settings, log, providers: providersAtOnce });
  await connectTestProjects(server.platform).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  const { door } = server;
  const context = (): CallerContext => ({ credential: key, origin: "direct", requestId: "bench" });
  return {
    server, key,
    session: async () => (await door.call("sessions.create", { user_id: "bench" }, context())).id,
    charge: async (session_id) => {
      const execution = { session_id, tool: "codespar_charge", input: pixCharge };
      return accepted(await door.call("tools.execute", execution, context()));
    },
  };
}

function accepted({ success, error, data }: { success: boolean; error: string | null; data: unknown }): Charged {
  if (!success) throw new Error(`a charge was not accepted: ${error}`);
  const { id, tool_call_id, idempotency_key } = data as { id: string; tool_call_id: string; idempotency_key: string };
  return { paymentId: id, toolCallId: tool_call_id, idempotencyKey: idempotency_key };
}
