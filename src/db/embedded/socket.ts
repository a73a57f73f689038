/** Where a server listens: on a unix socket in a folder that nobody else may enter, on Windows on a free port. */
import { once } from "node:events";
import { chown, lstat, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../start-error.ts";
import { ownUid, readIfPresent, windows } from "./machine.ts";
import type { Place } from "./place.ts";
import { canReach } from "./users.ts";

const SOCKET_PORT = 5432;
/** macOS's, the strictest: 104 bytes with the closing zero. Linux has 108. */
const SOCKET_PATH_BYTES_MAX = 103;

export async function addressFor(place: Place): Promise<{ port: number; socketFolder: string }> {
  if (windows) return { port: await freePort(), socketFolder: "" };
  return { port: SOCKET_PORT, socketFolder: await socketFolder(place) };
}

/** The database's own folder, or a short one like it among the temporary files. */
async function socketFolder(place: Place): Promise<string> {
  if (fits(place.pgdata)) return place.pgdata;
  const recorded = await readIfPresent(socketRecord(place));
  const found = recorded ? await lstat(recorded).catch(() => undefined) : undefined;
  if (recorded && found?.isDirectory() && found.uid === (place.runAs?.uid ?? ownUid)) return recorded;
  for (const base of [tmpdir(), "/tmp"]) {
    if (!fits(join(base, "codespar-XXXXXX")) || (place.runAs && !(await canReach(base, place.runAs)))) continue;
    const made = await mkdtemp(join(base, "codespar-"));
    if (place.runAs) await chown(made, place.runAs.uid, place.runAs.gid);
    await writeFile(socketRecord(place), made);
    return made;
  }
  const tried = `Neither ${place.pgdata} nor the temporary folder can hold a socket`;
  throw new StartError(`${tried}: choose a shorter DATA_DIR.`);
}

const fits = (folder: string) => Buffer.byteLength(join(folder, `.s.PGSQL.${SOCKET_PORT}`)) <= SOCKET_PATH_BYTES_MAX;

const socketRecord = ({ dataDir }: Place) => join(dataDir, "postgres.socket");

/** For a server that has ended: a folder that was made for its socket is of no more use. */
export async function removeSocketFolder(place: Place): Promise<void> {
  const recorded = await readIfPresent(socketRecord(place));
  if (recorded === undefined) return;
  await rmdir(recorded).catch(() => {});
  await rm(socketRecord(place));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await promisify(server.close.bind(server))();
  return port;
}
