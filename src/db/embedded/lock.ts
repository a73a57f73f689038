/** The lock of a data folder: one process at a time starts or leaves the embedded PostgreSQL. */
import { randomUUID } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { StartError } from "../../start-error.ts";
import { poll, readIfPresent } from "./machine.ts";
import { processOf } from "./processes.ts";

/** A lock whose owner cannot be looked up (another container's, or half-written) counts as left behind after this. */
const UNKNOWN_LOCK_AGE_MS = 180_000;

/** A lock that outlived its process is broken. Resolves to its release. */
export async function takeLock(dataDir: string, timeoutMs: number): Promise<() => Promise<void>> {
  const path = join(dataDir, "postgres.lock");
  const owner = { pid: process.pid, born: (await processOf(process.pid))?.born, host: hostname(), id: randomUUID() };
  const mine = JSON.stringify(owner);
  const taken = await poll(timeoutMs, async () => {
    try {
      await writeFile(path, mine, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const held = await readIfPresent(path);
    if (held !== undefined && (await isLeftBehind(path, held))) await removeLock(path, held);
    return undefined;
  });
  if (taken) return () => removeLock(path, mine);
  throw new StartError(
    `Another process has been starting or leaving the database in ${dataDir} for ${timeoutMs} ms: ` +
      `${(await readIfPresent(path)) ?? "it is gone now"}. Try again, or end it and delete ${path}.`,
  );
}

async function isLeftBehind(path: string, held: string): Promise<boolean> {
  const owner = parseOwner(held);
  if (owner?.host === hostname()) {
    const found = await processOf(owner.pid);
    return found === undefined || found.born !== owner.born;
  }
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > UNKNOWN_LOCK_AGE_MS;
}

function parseOwner(held: string): { pid: number; born?: string; host: string } | undefined {
  try {
    return JSON.parse(held);
  } catch {
    return undefined;
  }
}

/** Removes the lock only while it is the one that was seen; moving it aside first makes one remover win. */
async function removeLock(path: string, seen: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  if ((await readIfPresent(path)) !== seen) return;
  await rename(path, aside).catch(() => {});
  const moved = await readIfPresent(aside);
  if (moved !== undefined && moved !== seen) await writeFile(path, moved, { flag: "wx", mode: 0o600 }).catch(() => {});
  await rm(aside, { force: true });
}
