/** What the parts of the embedded PostgreSQL share: facts about the machine, files that may be missing, and waiting. */
import { execFile } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export const windows = process.platform === "win32";
export const ownUid = process.getuid?.();
export const asRoot = ownUid === 0;

/** The way out that every failure of ours ends with. */
export const OWN_SERVER = " To use a PostgreSQL 15+ server of your own instead, set DATABASE_URL.";

export const run = promisify(execFile);

export const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

export const readIfPresent = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

/** Every wait here asks, ever less often, until there is an answer or the machine's time is up: others do the work. */
export async function poll<T>(timeoutMs: number, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = PAUSE_MS_MIN; performance.now() < end; pauseMs = Math.min(pauseMs * 1.2, PAUSE_MS_MAX)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(pauseMs);
  }
  return undefined;
}

const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 250;
