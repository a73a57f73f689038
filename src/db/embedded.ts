/**
 * The PostgreSQL we bring along, for whoever has not set DATABASE_URL: starts the server of a data folder or joins the
 * one that runs there, and stops it with its last user. Why it is done here: docs/decisions/0001-embedded-postgres.md.
 *
 * Files in the data folder: `postgres/` the database, or `postgres.location` saying where it is; `postgres.log`;
 * `postgres.lock` while somebody starts or leaves; `postgres.socket`, the socket's folder where ours has too long a
 * path; `postgres.password` on Windows, which has no unix sockets to guard (best effort: nobody has tried it there).
 */
import { execFile, spawn, type StdioOptions } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  access, chmod, chown, constants, copyFile, lstat, mkdir, mkdtemp, open, readdir, readFile, realpath, rename, rm,
  rmdir, stat, symlink, writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { dirname, join, parse, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import postgres from "postgres";
import { connectionUrl, type Connection } from "./connect.ts";

export interface EmbeddedPostgres {
  connection: Connection;
  /** The same for `openDatabase({ url })`. */
  url: string;
  /** False when this call started the server, true when it was running already, used or left behind by a crash. */
  joined: boolean;
  /** Leaves; the last user that leaves stops the server. Close what is connected to it first. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  log?: (line: string) => void;
  /** Server settings on top of ours, for a server that this call starts. */
  settings?: Record<string, string>;
  /** Bounds the wait for another process that starts or leaves, and then the wait for the server. */
  timeoutMs?: number;
}

export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { log = () => {}, settings = {}, timeoutMs = 120_000 } = options;
  const dataDir = await dataFolder(options.dataDir);
  const release = await takeLock(dataDir, timeoutMs);
  try {
    const place = await placeOf(dataDir, log);
    const running = await findRunning(place, timeoutMs);
    const server = running ?? (await launch(place, settings, timeoutMs));
    await createDatabase(server);
    const present = await announce(server);
    log(`database: ${running ? "joined" : "started"} PostgreSQL in ${place.pgdata}`);
    const connection = { ...server, database: DATABASE };
    let left: Promise<void> | undefined;
    const stop = () => (left ??= leave(place, server, present, timeoutMs));
    return { connection, url: connectionUrl(connection), joined: running !== undefined, stop };
  } finally {
    await release();
  }
}

const DATABASE = "codespar";
const SUPERUSER = "codespar";
const SOCKET_PORT = 5432;
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 250;

const windows = process.platform === "win32";
const ownUid = process.getuid?.();
const asRoot = ownUid === 0;
const run = promisify(execFile);

/** Where a data folder's database is, who its server runs as when not as ourselves, and the binaries it can use. */
interface Place {
  dataDir: string;
  pgdata: string;
  runAs?: User;
  bin: string;
}

interface User {
  uid: number;
  gid: number;
}

/** Every wait below asks, ever less often, until there is an answer or the machine's time is up: others do the work. */
async function poll<T>(timeoutMs: number, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = PAUSE_MS_MIN; performance.now() < end; pauseMs = Math.min(pauseMs * 1.2, PAUSE_MS_MAX)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(pauseMs);
  }
  return undefined;
}

const exists = (path: string) => access(path).then(() => true, () => false);

const readIfPresent = (path: string) =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

// ---- The data folder and its lock ----

/** Made for its owner alone, except by root: the server's user has to walk through it. */
async function dataFolder(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: asRoot ? 0o711 : 0o700 });
  return realpath(dataDir);
}

/** A lock whose owner cannot be looked up (another container's, or half-written) counts as left behind after this. */
const UNKNOWN_LOCK_AGE_MS = 180_000;

/** One at a time starts or leaves. A lock that outlived its process is broken. Resolves to its release. */
async function takeLock(dataDir: string, timeoutMs: number): Promise<() => Promise<void>> {
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
  throw new Error(
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

/** A process by what tells it from a later one of the same number; undefined when there is none. */
async function processOf(pid: number): Promise<{ born: string; command: string } | undefined> {
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

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

// ---- Where the database is, and as whom its server runs ----

/**
 * `<dataDir>/postgres`, run as ourselves. PostgreSQL refuses root, so root runs it as the owner of the database, or as
 * `nobody` when it is new; where that user cannot walk to the data folder, the database lives in a system folder. A
 * place once chosen is kept: a folder that becomes reachable later must not hide the database behind an empty one.
 */
async function placeOf(dataDir: string, log: (line: string) => void): Promise<Place> {
  const inside = join(dataDir, "postgres");
  const pointer = join(dataDir, "postgres.location");
  const pgdata = (await readIfPresent(pointer)) ?? inside;
  const found: User | undefined = await stat(pgdata).catch(() => undefined);
  if (!asRoot) {
    if (found && ownUid !== undefined && found.uid !== ownUid) throw new Error(notOurs(pgdata, found));
    return { dataDir, pgdata, bin: await binariesFor(dataDir) };
  }
  const owner = (await exists(join(pgdata, "PG_VERSION"))) ? found : undefined;
  const runAs = owner && owner.uid !== 0 ? owner : await nobody();
  const place = { dataDir, pgdata, runAs, bin: await binariesFor(dataDir, runAs) };
  if (pgdata === inside && (await canReach(dataDir, runAs))) return place;
  if (pgdata === inside) {
    if (owner) throw new Error(`User ${runAs.uid} owns ${pgdata} but cannot reach it: chmod o+x the folders above.`);
    place.pgdata = join(await systemFolder(), createHash("sha256").update(dataDir).digest("hex").slice(0, 16));
    await writeFile(pointer, place.pgdata);
  }
  log(`database: ${dataDir} is closed to user ${runAs.uid}, so its database is in ${place.pgdata}`);
  return place;
}

const notOurs = (pgdata: string, owner: User) =>
  `The database ${pgdata} belongs to user ${owner.uid}: start the server as that user or as root, ` +
  `choose another DATA_DIR, or set DATABASE_URL.`;

async function nobody(): Promise<User> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const [, uid = "65534", gid = "65534"] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether every folder on the way lets this user through, by mode bits. */
async function canReach(folder: string, user: User): Promise<boolean> {
  const { mode, uid, gid } = await stat(folder);
  const bits = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
  if ((bits & 1) === 0) return false;
  return folder === dirname(folder) || canReach(dirname(folder), user);
}

const SYSTEM_FOLDERS = ["/var/lib/codespar", "/var/tmp/codespar"];

/** A folder for what the server's user must reach, root's own, so that nobody else can have put anything there. */
async function systemFolder(): Promise<string> {
  for (const folder of SYSTEM_FOLDERS) {
    await mkdir(folder, { recursive: true }).catch(() => {});
    const found = await lstat(folder).catch(() => undefined);
    const writable = await access(folder, constants.W_OK).then(() => true, () => false);
    if (!found?.isDirectory() || found.uid !== 0 || !writable) continue;
    await chmod(folder, 0o755);
    return folder;
  }
  throw new Error(`Neither of ${SYSTEM_FOLDERS.join(", ")} is a folder of root's that can be written.${OWN_SERVER}`);
}

// ---- The binaries ----

const OWN_SERVER = " To use a PostgreSQL 15+ server of your own instead, set DATABASE_URL.";

/** The `bin` folder to run from: the package's own, or a copy of it that is complete and that `runAs` can read. */
async function binariesFor(dataDir: string, runAs?: User): Promise<string> {
  const { native, version } = await platformPackage();
  const links = await recordedLinks(native);
  const linked = await Promise.all(links.map(({ target }) => exists(join(native, target))));
  if (!runAs && linked.every(Boolean)) return join(native, "bin");
  const name = `postgresql-${version}-${process.platform}-${process.arch}`;
  const copy = join(runAs ? await systemFolder() : dataDir, name);
  if (!(await exists(copy))) await copyBinaries(native, links, copy);
  return join(copy, "bin");
}

async function platformPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${windows ? "windows" : process.platform}-${process.arch}`;
  try {
    const beside = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const root = resolve(dirname(beside.resolve(name)), "..");
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    return { native: join(root, "native"), version };
  } catch (cause) {
    throw new Error(`There is no bundled PostgreSQL here (${name} is not installed).${OWN_SERVER}`, { cause });
  }
}

/** `target` is to point to `source`, both relative to the package's `native` folder. */
interface Link {
  source: string;
  target: string;
}

/** npm drops symbolic links; the package lists them and makes them in its postinstall, if that runs. */
async function recordedLinks(native: string): Promise<Link[]> {
  const recorded = (await readIfPresent(join(native, "pg-symlinks.json"))) ?? "[]";
  const links = JSON.parse(recorded) as Link[];
  return links.map((link) => ({ source: relative("native", link.source), target: relative("native", link.target) }));
}

/** Complete under its name or not there at all: several processes may copy at once, and the first to rename wins. */
async function copyBinaries(native: string, links: Link[], copy: string): Promise<void> {
  const partial = `${copy}.${randomUUID()}`;
  await copyReadable(native, partial);
  for (const { source, target } of links) await symlink(relative(dirname(target), source), join(partial, target));
  await rename(partial, copy).catch(async (error: NodeJS.ErrnoException) => {
    await rm(partial, { recursive: true });
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
}

/** Copies files and folders, not links, readable by everyone whatever the umask of the installation was. */
async function copyReadable(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyReadable(source, target);
    if (!entry.isFile()) continue;
    await copyFile(source, target);
    await chmod(target, (await stat(source)).mode & 0o100 ? 0o755 : 0o644);
  }
}

// ---- The server ----

type Server = Omit<Connection, "database">;

/** The server that runs on this database, if one does; waits while it starts or recovers. */
async function findRunning(place: Place, timeoutMs: number): Promise<Server | undefined> {
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
  if (found === undefined) throw new Error(`PostgreSQL in ${place.pgdata} runs but is silent for ${timeoutMs} ms.`);
  return found === "none" ? undefined : found;
}

async function serverAt(place: Place, at: { port: number; socketFolder: string }): Promise<Server> {
  if (!windows) return { host: at.socketFolder, port: at.port, user: SUPERUSER };
  const password = await readFile(passwordFile(place), "utf8");
  return { host: "127.0.0.1", port: at.port, user: SUPERUSER, password };
}

const passwordFile = ({ dataDir }: Place) => join(dataDir, "postgres.password");

const CANNOT_CONNECT_NOW = "57P03";
const INVALID_PASSWORD = "28P01"; // on Windows another server may have our port by now
const NOT_THERE = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "CONNECTION_CLOSED", "CONNECT_TIMEOUT", INVALID_PASSWORD];

async function probe(server: Server, { pgdata }: Place): Promise<"ready" | "starting" | "silent"> {
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

async function withAdmin<T>(server: Server, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = adminClient(server, "codespar-embedded");
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function adminClient(server: Server, applicationName: string): postgres.Sql {
  const connection = { application_name: applicationName };
  const options = { database: "postgres", max: 1, connect_timeout: 5, fetch_types: false, onnotice: () => {} };
  return postgres({ ...server, ...options, connection });
}

/** By its command line, since after a crash its number may name another process. */
async function isServerOf({ pgdata }: Place, pid: number): Promise<boolean> {
  const found = await processOf(pid);
  return found !== undefined && (windows || found.command.includes(`-D ${pgdata} `));
}

async function launch(place: Place, settings: Record<string, string>, timeoutMs: number): Promise<Server> {
  if (!(await exists(join(place.pgdata, "PG_VERSION")))) await initialize(place, settings);
  await disownPidFile(place);
  const at = windows
    ? { port: await freePort(), socketFolder: "" }
    : { port: SOCKET_PORT, socketFolder: await socketFolder(place) };
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

/** Made aside, synced, then renamed: what is called `postgres` is always a whole database. */
async function initialize(place: Place, settings: Record<string, string>): Promise<void> {
  const partial = `${place.pgdata}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  if (place.runAs) await chown(partial, place.runAs.uid, place.runAs.gid);
  if (windows) await writeFile(passwordFile(place), randomBytes(24).toString("base64url"), { mode: 0o600 });
  const auth = windows
    ? ["--auth=scram-sha-256", `--pwfile=${passwordFile(place)}`]
    : ["--auth-local=trust", "--auth-host=reject"];
  const sync = settings.fsync === "off" ? ["--no-sync"] : [];
  const form = [`--username=${SUPERUSER}`, "--encoding=UTF8", "--locale=C", "--no-instructions"];
  await runTool(place, "initdb", ["-D", partial, ...form, ...auth, ...sync]).catch((cause: Error) => {
    throw new Error(`The database could not be made in ${place.pgdata}: ${cause.message}${OWN_SERVER}`, { cause });
  });
  await rename(partial, place.pgdata);
  await syncFolder(dirname(place.pgdata));
}

const TOOL_TIMEOUT_MS = 120_000;

const runTool = (place: Place, name: "initdb" | "pg_ctl", options: string[]) =>
  run(join(place.bin, name), options, { ...processOptions(place), timeout: TOOL_TIMEOUT_MS });

async function syncFolder(folder: string): Promise<void> {
  if (windows) return; // a folder cannot be opened there
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

/** Nothing of our environment reaches the server: it holds our secrets, and the server's user could read it. */
function processOptions({ pgdata, runAs }: Place) {
  const { PATH, SystemRoot, TEMP } = process.env;
  const env = { LC_ALL: "C", TZ: "UTC", PATH, ...(windows ? { SystemRoot, TEMP } : {}) };
  return { ...runAs, cwd: parse(pgdata).root, env, windowsHide: true };
}

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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await promisify(server.close.bind(server))();
  return port;
}

/** macOS's, the strictest: 104 bytes with the closing zero. Linux has 108. */
const SOCKET_PATH_BYTES_MAX = 103;
const fits = (folder: string) => Buffer.byteLength(join(folder, `.s.PGSQL.${SOCKET_PORT}`)) <= SOCKET_PATH_BYTES_MAX;

/** The database's own folder, which nobody else may enter, or a short one like it among the temporary files. */
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
  throw new Error(`Neither ${place.pgdata} nor the temporary folder can hold a socket: choose a shorter DATA_DIR.`);
}

const socketRecord = ({ dataDir }: Place) => join(dataDir, "postgres.socket");

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

/** In a process group of its own: Ctrl-C in a terminal must not take the database before we have drained. */
function spawnServer({ bin, ...place }: Place, settings: Record<string, string>, logFd: number) {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const stdio: StdioOptions = ["ignore", logFd, logFd];
  const options = { ...processOptions({ bin, ...place }), detached: true, stdio };
  const child = spawn(join(bin, "postgres"), ["-D", place.pgdata, ...flags], options);
  let ended: string | undefined;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended = signal ?? `exit code ${code}`));
  child.unref();
  return { ended: () => ended };
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
  return new Error(`PostgreSQL did not start in ${pgdata} (${why}).${OWN_SERVER} ${log}`);
}

async function createDatabase(server: Server): Promise<void> {
  await withAdmin(server, async (sql) => {
    const [found] = await sql`select from pg_database where datname = ${DATABASE}`;
    if (!found) await sql.unsafe(`create database ${DATABASE}`);
  });
}

// ---- Who uses it ----

/** A connection held for as long as we use the server, under a name of its own. */
interface Presence {
  name: string;
  client: postgres.Sql;
}

const PRESENCE_PREFIX = "codespar-user-";

/** The system closes the connection however we die; postgres.js opens it again should the server restart. */
async function announce(server: Server): Promise<Presence> {
  const name = `${PRESENCE_PREFIX}${randomUUID()}`;
  const client = adminClient(server, name);
  await client.listen("codespar_presence", () => {});
  return { name, client };
}

async function leave(place: Place, server: Server, present: Presence, timeoutMs: number): Promise<void> {
  const release = await takeLock(place.dataDir, timeoutMs);
  try {
    await present.client.end({ timeout: 0 });
    if ((await probe(server, place)) !== "ready" || (await othersPresent(server, present.name)) > 0) return;
    await runTool(place, "pg_ctl", ["stop", "-D", place.pgdata, "-m", "fast", "-t", "60"]);
    await removeSocketFolder(place);
  } finally {
    await release();
  }
}

/** How many others use the server, once our own connection is certain to be gone for whoever counts next. */
async function othersPresent(server: Server, ownName: string): Promise<number> {
  return withAdmin(server, async (sql) => {
    await sql`
      select pg_terminate_backend(pid, ${GONE_WITHIN_MS}) from pg_stat_activity where application_name = ${ownName}`;
    const [counted] = await sql<{ others: number }[]>`
      select count(*)::int as others from pg_stat_activity
      where starts_with(application_name, ${PRESENCE_PREFIX}) and application_name <> ${ownName}`;
    return counted?.others ?? 0;
  });
}

const GONE_WITHIN_MS = 2_000;

async function removeSocketFolder(place: Place): Promise<void> {
  const recorded = await readIfPresent(socketRecord(place));
  if (recorded === undefined) return;
  await rmdir(recorded).catch(() => {});
  await rm(socketRecord(place));
}
