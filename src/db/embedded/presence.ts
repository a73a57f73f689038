/** Who uses the server of a place: a connection each, held for as long as they use it. The last to leave stops it. */
import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import { takeLock } from "./lock.ts";
import type { Place } from "./place.ts";
import { runTool } from "./programs.ts";
import { adminClient, probe, withAdmin, type Server } from "./server.ts";
import { removeSocketFolder } from "./socket.ts";

/** A user's connection, under a name of its own. */
export interface Presence {
  name: string;
  client: postgres.Sql;
}

const PRESENCE_PREFIX = "codespar-user-";

/** The system closes the connection however we die; postgres.js opens it again should the server restart. */
export async function announce(server: Server): Promise<Presence> {
  const name = `${PRESENCE_PREFIX}${randomUUID()}`;
  const client = adminClient(server, name);
  await client.listen("codespar_presence", () => {});
  return { name, client };
}

export async function leave(place: Place, server: Server, present: Presence, timeoutMs: number): Promise<void> {
  const release = await takeLock(place.dataDir, timeoutMs);
  try {
    await present.client.end({ timeout: 0 });
    if ((await probe(server, place)) !== "ready" || (await othersPresent(server, present.name)) > 0) return;
    await runTool(place, "pg_ctl", ["stop", "-D", place.pgdata, "-m", "fast", "-t", "60"]);
    await removeSocketFolder(place);
  } finally {
    await release();
  }
}

/** How many others use the server, once our own connection is certain to be gone for whoever counts next. */
async function othersPresent(server: Server, ownName: string): Promise<number> {
  return withAdmin(server, async (sql) => {
    await sql`
      select pg_terminate_backend(pid, ${GONE_WITHIN_MS}) from pg_stat_activity where application_name = ${ownName}`;
    const [counted] = await sql<{ others: number }[]>`
      select count(*)::int as others from pg_stat_activity
      where starts_with(application_name, ${PRESENCE_PREFIX}) and application_name <> ${ownName}`;
    return counted?.others ?? 0;
  });
}

const GONE_WITHIN_MS = 2_000;
