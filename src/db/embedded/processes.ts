/** Looks up processes by number, so that a later process of the same number is not taken for an earlier one. */
import { readFile } from "node:fs/promises";
import { run, windows } from "./machine.ts";

/** A process by what tells it from a later one of the same number; undefined when there is none. */
export async function processOf(pid: number): Promise<{ born: string; command: string } | undefined> {
  if (process.platform === "linux") {
    const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const [state, ...fields] = status.slice(status.lastIndexOf(")") + 2).split(" ");
    const born = fields[18]; // field 22 of proc_pid_stat(5): start time in clock ticks after boot
    if (born === undefined || state === "Z") return undefined;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return { born, command: command.replaceAll("\0", " ") };
  }
  if (windows) return isAlive(pid) ? { born: "", command: "" } : undefined;
  const listed = await run("ps", ["-ww", "-o", "lstart=,command=", "-p", String(pid)]).catch(() => undefined);
  if (listed === undefined) return undefined;
  return { born: listed.stdout.slice(0, LSTART_LENGTH), command: listed.stdout.slice(LSTART_LENGTH) };
}

const LSTART_LENGTH = "Fri Nov 20 10:00:00 2026".length;

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
