/** The PostgreSQL server of a place as its clients see it: whether it runs and answers, and its administration. */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import postgres from "postgres";
import { StartError } from "../../start-error.ts";
import type { Connection } from "../connect.ts";
import { poll, readIfPresent, windows } from "./machine.ts";
import type { Place } from "./place.ts";
import { processOf } from "./processes.ts";

export type Server = Omit<Connection, "database">;

export const SUPERUSER = "codespar";

/** The server that runs on this database, if one does; waits while it starts or recovers. */
export async function findRunning(place: Place, timeoutMs: number): Promise<Server | undefined> {
  const pidFile = join(place.pgdata, "postmaster.pid");
  const found = await poll(timeoutMs, async () => {
    const [pid, , , port, socketFolder] = ((await readIfPresent(pidFile)) ?? "").split("\n");
    if (!pid) return "none";
    const server = await serverAt(place, { port: Number(port), socketFolder: socketFolder ?? "" });
    const state = port ? await probe(server, place) : "silent";
    if (state === "ready") return server;
    if (state === "silent" && !(await isServerOf(place, Number(pid)))) return "none";
    return undefined;
  });
  if (found !== undefined) return found === "none" ? undefined : found;
  throw new StartError(`PostgreSQL in ${place.pgdata} runs but is silent for ${timeoutMs} ms.`);
}

export async function serverAt(place: Place, at: { port: number; socketFolder: string }): Promise<Server> {
  if (!windows) return { host: at.socketFolder, port: at.port, user: SUPERUSER };
  const password = await readFile(passwordFile(place), "utf8");
  return { host: "127.0.0.1", port: at.port, user: SUPERUSER, password };
}

export const passwordFile = ({ dataDir }: Place): string => join(dataDir, "postgres.password");

const CANNOT_CONNECT_NOW = "57P03";
const INVALID_PASSWORD = "28P01"; // on Windows another server may have our port by now
const NOT_THERE = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "CONNECTION_CLOSED", "CONNECT_TIMEOUT", INVALID_PASSWORD];

export async function probe(server: Server, { pgdata }: Place): Promise<"ready" | "starting" | "silent"> {
  try {
    const serves = await withAdmin(server, async (sql) => {
      const [row] = await sql<{ folder: string }[]>`select current_setting('data_directory') as folder`;
      return row?.folder;
    });
    return serves !== undefined && resolve(serves) === pgdata ? "ready" : "silent";
  } catch (error) {
    const { code = "" } = error as { code?: string };
    if (code === CANNOT_CONNECT_NOW) return "starting";
    if (NOT_THERE.includes(code)) return "silent";
    throw error;
  }
}

/** By its command line, since after a crash its number may name another process. */
async function isServerOf({ pgdata }: Place, pid: number): Promise<boolean> {
  const found = await processOf(pid);
  return found !== undefined && (windows || found.command.includes(`-D ${pgdata} `));
}

export async function createDatabase(server: Server, name: string): Promise<void> {
  await withAdmin(server, async (sql) => {
    const [found] = await sql`select from pg_database where datname = ${name}`;
    if (!found) await sql.unsafe(`create database ${name}`);
  });
}

export async function withAdmin<T>(server: Server, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = adminClient(server, "codespar-embedded");
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export function adminClient(server: Server, applicationName: string): postgres.Sql {
  const connection = { application_name: applicationName };
  const options = { database: "postgres", max: 1, connect_timeout: 5, fetch_types: false, onnotice: () => {} };
  return postgres({ ...server, ...options, connection });
}
