/** Starts the server of a place where none runs, on a database that it makes when there is none. */
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "../../start-error.ts";
import { initialize } from "./initialize.ts";
import { exists, OWN_SERVER, poll, readIfPresent, windows } from "./machine.ts";
import type { Place } from "./place.ts";
import { isAlive } from "./processes.ts";
import { spawnServer } from "./programs.ts";
import { probe, serverAt, type Server } from "./server.ts";
import { addressFor } from "./socket.ts";

export async function launch(place: Place, settings: Record<string, string>, timeoutMs: number): Promise<Server> {
  if (!(await exists(join(place.pgdata, "PG_VERSION")))) await initialize(place, settings);
  await disownPidFile(place);
  const at = await addressFor(place);
  const server = await serverAt(place, at);
  const log = await openLog(place.dataDir);
  const spawned = () => spawnServer(place, { ...serverSettings(at), ...settings }, log.file.fd);
  try {
    let child = spawned();
    const ready = await poll(timeoutMs, async () => {
      if ((await probe(server, place)) === "ready") return true;
      const ended = child.ended();
      if (ended === undefined) return undefined;
      const said = await log.said();
      if (!said.includes(STILL_IN_USE)) throw startFailure(place, ended, said);
      await sleep(RESPAWN_MS);
      child = spawned();
      return undefined;
    });
    // It is left running: it recovers from a crash, and the next start joins it instead of beginning anew.
    if (!ready) throw startFailure(place, `not ready after ${timeoutMs} ms`, await log.said());
    return server;
  } finally {
    await log.file.close();
  }
}

/** After a crash of the server process alone, its last backends hold the memory until they notice. */
const STILL_IN_USE = "pre-existing shared memory block";
const RESPAWN_MS = 100;

/**
 * A pid file left by a crash may name a process that is another program by now, or dead and not collected by anybody,
 * and would keep the server from starting. It also names the shared memory to check, so it is not deleted: given our
 * own number, that of the server's parent, it counts as stale and the memory is still checked.
 */
async function disownPidFile(place: Place): Promise<void> {
  const path = join(place.pgdata, "postmaster.pid");
  const text = await readIfPresent(path);
  if (text === undefined) return;
  const pid = Number.parseInt(text, 10);
  if (Number.isNaN(pid)) await rm(path);
  else if (isAlive(pid)) await writeFile(path, text.replace(/^\d+/, String(process.pid)));
}

const LOG_BYTES_MAX = 10_000_000;
const LOG_TAIL_CHARS = 3_000;

/** The server's log, moved aside when it has grown; `said` is the end of what was written since it was opened. */
async function openLog(dataDir: string) {
  const path = join(dataDir, "postgres.log");
  const found = await stat(path).catch(() => undefined);
  if (found && found.size > LOG_BYTES_MAX) await rename(path, `${path}.1`);
  const file = await open(path, "a", 0o600);
  const { size: before } = await file.stat();
  const said = async () => (await readFile(path)).subarray(before).toString().slice(-LOG_TAIL_CHARS);
  return { file, said };
}

/**
 * Sized for one machine that the server shares with us. The log says what happens to the server and never what was in a
 * statement: those hold personal data, and whoever sent one gets its error.
 */
const serverSettings = (at: { port: number; socketFolder: string }) => ({
  port: String(at.port),
  listen_addresses: windows ? "127.0.0.1" : "",
  unix_socket_directories: at.socketFolder,
  unix_socket_permissions: "0700",
  max_connections: "200",
  shared_buffers: "128MB",
  fsync: "on",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
});

function startFailure({ dataDir, pgdata }: Place, why: string, said: string): Error {
  const log = `The end of ${join(dataDir, "postgres.log")}:\n${said}`;
  return new StartError(`PostgreSQL did not start in ${pgdata} (${why}).${OWN_SERVER} ${log}`);
}
