/** PostgreSQL refuses to run as root. When we are root: which user runs it, and what that user can reach. */
import { access, chmod, constants, lstat, mkdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { StartError } from "../../start-error.ts";
import { OWN_SERVER } from "./machine.ts";

export interface User {
  uid: number;
  gid: number;
}

export async function nobody(): Promise<User> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const [, uid = "65534", gid = "65534"] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether every folder on the way lets this user through, by mode bits. */
export async function canReach(folder: string, user: User): Promise<boolean> {
  const { mode, uid, gid } = await stat(folder);
  const bits = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
  if ((bits & 1) === 0) return false;
  return folder === dirname(folder) || canReach(dirname(folder), user);
}

const SYSTEM_FOLDERS = ["/var/lib/codespar", "/var/tmp/codespar"];

/** A folder for what the server's user must reach, root's own, so that nobody else can have put anything there. */
export async function systemFolder(): Promise<string> {
  for (const folder of SYSTEM_FOLDERS) {
    await mkdir(folder, { recursive: true }).catch(() => {});
    const found = await lstat(folder).catch(() => undefined);
    const writable = await access(folder, constants.W_OK).then(() => true, () => false);
    if (!found?.isDirectory() || found.uid !== 0 || !writable) continue;
    await chmod(folder, 0o755);
    return folder;
  }
  const tried = SYSTEM_FOLDERS.join(", ");
  throw new StartError(`Neither of ${tried} is a folder of root's that can be written.${OWN_SERVER}`);
}
