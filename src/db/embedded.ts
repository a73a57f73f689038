/**
 * The PostgreSQL we bring along, for whoever has not set DATABASE_URL: starts the server of a data folder or joins the
 * one that runs there, and stops it with its last user. Why it is done here: docs/decisions/0001-embedded-postgres.md.
 *
 * Files in the data folder: `postgres/` the database, or `postgres.location` saying where it is; `postgres.log`;
 * `postgres.lock` while somebody starts or leaves; `postgres.socket`, the socket's folder where ours has too long a
 * path; `postgres.password` on Windows, which has no unix sockets to guard (best effort: nobody has tried it there).
 */
import { connectionUrl, type Connection } from "./connect.ts";
import { launch } from "./embedded/launch.ts";
import { takeLock } from "./embedded/lock.ts";
import { dataFolder, placeOf } from "./embedded/place.ts";
import { announce, leave } from "./embedded/presence.ts";
import { createDatabase, findRunning } from "./embedded/server.ts";

export interface EmbeddedPostgres {
  connection: Connection;
  /** The same for `openDatabase({ url })`. */
  url: string;
  /** False when this call started the server, true when it was running already, used or left behind by a crash. */
  joined: boolean;
  /** Leaves; the last user that leaves stops the server. Close what is connected to it first. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  log?: (line: string) => void;
  /** Server settings on top of ours, for a server that this call starts. */
  settings?: Record<string, string>;
  /** Bounds the wait for another process that starts or leaves, and then the wait for the server. */
  timeoutMs?: number;
}

const DATABASE = "codespar";

export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { log = () => {}, settings = {}, timeoutMs = 120_000 } = options;
  const dataDir = await dataFolder(options.dataDir);
  const release = await takeLock(dataDir, timeoutMs);
  try {
    const place = await placeOf(dataDir, log);
    const running = await findRunning(place, timeoutMs);
    const server = running ?? (await launch(place, settings, timeoutMs));
    await createDatabase(server, DATABASE);
    const present = await announce(server);
    log(`database: ${running ? "joined" : "started"} PostgreSQL in ${place.pgdata}`);
    const connection = { ...server, database: DATABASE };
    let left: Promise<void> | undefined;
    const stop = () => (left ??= leave(place, server, present, timeoutMs));
    return { connection, url: connectionUrl(connection), joined: running !== undefined, stop };
  } finally {
    await release();
  }
}
