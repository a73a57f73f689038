/**
 * A process of its own that uses an embedded PostgreSQL: `embedded-child.ts <dataDir>`. It prints one line of JSON when
 * it is connected; at the end of its input it leaves. On SIGINT it first does the work of a server that drains.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "../../src/db/connect.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { FAST_SETTINGS } from "./global-setup.ts";

const [, , dataDir = ""] = process.argv;
const { joined, url, stop } = await startEmbeddedPostgres({ dataDir, settings: FAST_SETTINGS });
const db = openDatabase({ url, maxConnections: 2 });
await db.sql`select 1`;
process.stdin.resume().on("end", leave);
process.on("SIGINT", async () => {
  await sleep(100);
  const [row] = await db.sql`select 'drained' as state`;
  console.log(row?.state);
  await leave();
});
console.log(JSON.stringify({ joined, url }));

async function leave(): Promise<void> {
  await db.close();
  await stop();
  process.exit();
}
