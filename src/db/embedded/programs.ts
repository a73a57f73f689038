/** Runs PostgreSQL's programs: as the server's user, and with nothing of our environment. */
import { spawn, type StdioOptions } from "node:child_process";
import { join, parse } from "node:path";
import { run, windows } from "./machine.ts";
import type { Place } from "./place.ts";

const TOOL_TIMEOUT_MS = 120_000;

export async function runTool(place: Place, name: "initdb" | "pg_ctl", options: string[]): Promise<void> {
  await run(join(place.bin, name), options, { ...processOptions(place), timeout: TOOL_TIMEOUT_MS });
}

/** In a process group of its own: Ctrl-C in a terminal must not take the database before we have drained. */
export function spawnServer(
  place: Place,
  settings: Record<string, string>,
  logFd: number,
): { ended(): string | undefined } {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const stdio: StdioOptions = ["ignore", logFd, logFd];
  const options = { ...processOptions(place), detached: true, stdio };
  const child = spawn(join(place.bin, "postgres"), ["-D", place.pgdata, ...flags], options);
  let ended: string | undefined;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended = signal ?? `exit code ${code}`));
  child.unref();
  return { ended: () => ended };
}

/** Nothing of our environment reaches the server: it holds our secrets, and the server's user could read it. */
function processOptions({ pgdata, runAs }: Place) {
  const { PATH, SystemRoot, TEMP } = process.env;
  const env = { LC_ALL: "C", TZ: "UTC", PATH, ...(windows ? { SystemRoot, TEMP } : {}) };
  return { ...runAs, cwd: parse(pgdata).root, env, windowsHide: true };
}
