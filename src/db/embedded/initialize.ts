/** Makes the database of a place that has none yet. */
import { randomBytes } from "node:crypto";
import { chown, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { StartError } from "../../start-error.ts";
import { OWN_SERVER, windows } from "./machine.ts";
import type { Place } from "./place.ts";
import { runTool } from "./programs.ts";
import { passwordFile, SUPERUSER } from "./server.ts";

/**
 * Text is UTF-8 and sorts by code point; `lower` and `upper` know every letter of it, by PostgreSQL's own tables, so no
 * upgrade of the system's changes an index. Messages and number formats are nobody's: `C`.
 */
const TEXT = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];

/** Made aside, synced, then renamed: what is called `postgres` is always a whole database. */
export async function initialize(place: Place, settings: Record<string, string>): Promise<void> {
  const partial = `${place.pgdata}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  if (place.runAs) await chown(partial, place.runAs.uid, place.runAs.gid);
  if (windows) await writeFile(passwordFile(place), randomBytes(24).toString("base64url"), { mode: 0o600 });
  const auth = windows
    ? ["--auth=scram-sha-256", `--pwfile=${passwordFile(place)}`]
    : ["--auth-local=trust", "--auth-host=reject"];
  const sync = settings.fsync === "off" ? ["--no-sync"] : [];
  const form = [`--username=${SUPERUSER}`, "--no-instructions", ...TEXT];
  await runTool(place, "initdb", ["-D", partial, ...form, ...auth, ...sync]).catch((cause: Error) => {
    throw new StartError(`The database could not be made in ${place.pgdata}: ${cause.message}${OWN_SERVER}`, { cause });
  });
  await rename(partial, place.pgdata);
  await syncFolder(dirname(place.pgdata));
}

async function syncFolder(folder: string): Promise<void> {
  if (windows) return; // a folder cannot be opened there
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}
