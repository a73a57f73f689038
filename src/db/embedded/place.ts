/** Where a data folder's database is, and as whom its server runs. */
import { createHash } from "node:crypto";
import { access, constants, mkdir, realpath, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "../../start-error.ts";
import { binariesFor } from "./binaries.ts";
import { asRoot, exists, ownUid, readIfPresent } from "./machine.ts";
import { canReach, nobody, systemFolder, type User } from "./users.ts";

export interface Place {
  dataDir: string;
  pgdata: string;
  /** Who the server runs as when not as ourselves. */
  runAs?: User;
  /** The folder of the binaries that it can use. */
  bin: string;
}

/** Made for its owner alone, except by root: the server's user has to walk through it. */
export async function dataFolder(dataDir: string): Promise<string> {
  try {
    await mkdir(dataDir, { recursive: true, mode: asRoot ? 0o711 : 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
    return await realpath(dataDir);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const expected = "DATA_DIR: expected a folder that this user may make and write";
    throw new StartError(`${expected}; ${dataDir} is not (${code}).`, { cause });
  }
}

/**
 * `<dataDir>/postgres`, run as ourselves. PostgreSQL refuses root, so root runs it as the owner of the database, or as
 * `nobody` when it is new; where that user cannot walk to the data folder, the database lives in a system folder. A
 * place once chosen is kept: a folder that becomes reachable later must not hide the database behind an empty one.
 */
export async function placeOf(dataDir: string, log: (line: string) => void): Promise<Place> {
  const inside = join(dataDir, "postgres");
  const pointer = join(dataDir, "postgres.location");
  const pgdata = (await readIfPresent(pointer)) ?? inside;
  const found: User | undefined = await stat(pgdata).catch(() => undefined);
  if (!asRoot) {
    if (found && ownUid !== undefined && found.uid !== ownUid) throw new StartError(notOurs(pgdata, found));
    return { dataDir, pgdata, bin: await binariesFor(dataDir) };
  }
  const owner = (await exists(join(pgdata, "PG_VERSION"))) ? found : undefined;
  const runAs = owner && owner.uid !== 0 ? owner : await nobody();
  const place = { dataDir, pgdata, runAs, bin: await binariesFor(dataDir, runAs) };
  if (pgdata === inside && (await canReach(dataDir, runAs))) return place;
  if (pgdata === inside) {
    if (owner) throw new StartError(notReached(pgdata, owner));
    place.pgdata = join(await systemFolder(), createHash("sha256").update(dataDir).digest("hex").slice(0, 16));
    await writeFile(pointer, place.pgdata);
  }
  log(`database: ${dataDir} is closed to user ${runAs.uid}, so its database is in ${place.pgdata}`);
  return place;
}

const notOurs = (pgdata: string, owner: User) =>
  `The database ${pgdata} belongs to user ${owner.uid}: start the server as that user or as root, ` +
  `choose another DATA_DIR, or set DATABASE_URL.`;

const notReached = (pgdata: string, owner: User) =>
  `User ${owner.uid} owns ${pgdata} but cannot reach it: chmod o+x the folders above.`;
