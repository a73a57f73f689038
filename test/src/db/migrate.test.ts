import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../../src/db/connect.ts";
import { migrate, migrationState } from "../../../src/db/migrate.ts";
import { testDatabase } from "../../support/database.ts";

const START = "create table starts (at timestamptz default now()); insert into starts default values;\n";
const ACCOUNTS = "create table accounts (id int);--> statement-breakpoint\ninsert into accounts values (1);\n";

const db = await testDatabase();
const folder = await mkdtemp(join(tmpdir(), "codespar-migrations-"));
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  await db.sql.unsafe("drop schema public cascade; create schema public");
  await rm(folder, { recursive: true });
  await writeFiles({ "0001_accounts.sql": ACCOUNTS, "0000_start.sql": START });
});

test("migrations are applied once, in the order of their numbers", async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const names = ["0000_start.sql", "0001_accounts.sql"];
  expect(await migrationState(db, { folder })).toEqual({ pending: names });
  expect(await migrate(db, { folder, log })).toEqual({ applied: names });
  expect(await migrate(db, { folder, log })).toEqual({ applied: [] });
  expect(await migrationState(db, { folder })).toEqual({ pending: [] });
  expect(lines).toEqual(names.map((name) => `database: applied migration ${name}`));
  expect(await db.sql`select count(*) as starts from starts`).toEqual([{ starts: 1n }]);
  expect(await db.sql`select id from accounts`).toEqual([{ id: 1 }]);
});

test("a migration that a new release brings is the only one applied", async () => {
  await migrate(db, { folder });
  await writeFiles({ "0002_more.sql": "create table more ()", "README.md": "not a migration", "_journal.json": "{}" });
  expect(await migrationState(db, { folder })).toEqual({ pending: ["0002_more.sql"] });
  expect(await migrate(db, { folder })).toEqual({ applied: ["0002_more.sql"] });
});

test("ten servers that start at once apply each migration once between them", async () => {
  await writeFiles({ "0002_slow.sql": "select pg_sleep(0.05); create table slow ()" });
  const servers = Array.from({ length: 10 }, () => openDatabase({ url: db.url, maxConnections: 2 }));
  const results = await Promise.all(servers.map((server) => migrate(server, { folder })));
  await Promise.all(servers.map((server) => server.close()));
  expect(results.flatMap(({ applied }) => applied).sort()).toEqual([
    "0000_start.sql",
    "0001_accounts.sql",
    "0002_slow.sql",
  ]);
  expect(await db.sql`select count(*) as starts from starts`).toEqual([{ starts: 1n }]);
});

test("a file that was changed after it was applied is refused, and nothing newer is applied", async () => {
  await migrate(db, { folder });
  await writeFiles({ "0000_start.sql": "create table starts ()", "0002_more.sql": "create table more ()" });
  await expect(migrate(db, { folder })).rejects.toThrow(/^Migration 0000_start\.sql was changed after it had been/);
  expect(await migrationState(db, { folder })).toEqual({ pending: ["0002_more.sql"] });
});

test("other line endings are not a change", async () => {
  await migrate(db, { folder });
  await writeFiles({ "0001_accounts.sql": ACCOUNTS.replaceAll("\n", "\r\n") });
  expect(await migrate(db, { folder })).toEqual({ applied: [] });
});

test("a database that a newer release has migrated is refused", async () => {
  await migrate(db, { folder });
  await rename(join(folder, "0001_accounts.sql"), join(folder, "0002_other.sql"));
  await expect(migrate(db, { folder })).rejects.toThrow(/newer version .* \(0001_accounts\.sql is not known here\)/);
  expect(await migrationState(db, { folder })).toEqual({ pending: ["0002_other.sql"] });
});

test("a migration that fails is undone and named, and those before it stay", async () => {
  await writeFiles({ "0002_bad.sql": "create table half (); select 1 / 0;" });
  const message = "Migration 0002_bad.sql failed and was undone: division by zero";
  await expect(migrate(db, { folder })).rejects.toThrow(message);
  expect(await migrationState(db, { folder })).toEqual({ pending: ["0002_bad.sql"] });
  expect(await db.sql`select to_regclass('half') as half`).toEqual([{ half: null }]);
});

test("a build without its migrations does not start on an empty database", async () => {
  const missing = join(folder, "missing");
  await expect(migrate(db, { folder: missing })).rejects.toThrow(`There are no migrations in ${missing}`);
});

const tooOld = ["14.20 (Debian 14.20-1.pgdg12+1)", "9.6.24"];
test.each(tooOld)("PostgreSQL %s is refused as too old, and nothing is applied", async (version) => {
  await claimVersion(version);
  const old = openDatabase({ url: `${db.url}?search_path=claims,pg_catalog,public`, maxConnections: 2 });
  const refused = `The database is PostgreSQL ${version}, and this server needs 15 or newer. Upgrade it, `;
  await expect(migrate(old, { folder })).rejects.toThrow(refused);
  await old.close();
  expect(await migrationState(db, { folder })).toEqual({ pending: ["0000_start.sql", "0001_accounts.sql"] });
});

test.each(["15.0", "18beta1", "19devel"])("PostgreSQL %s is new enough", async (version) => {
  await claimVersion(version);
  const young = openDatabase({ url: `${db.url}?search_path=claims,pg_catalog,public`, maxConnections: 2 });
  expect(await migrate(young, { folder })).toEqual({ applied: ["0000_start.sql", "0001_accounts.sql"] });
  await young.close();
});

/** For whoever looks in the schema `claims` first, the server is of this version. */
async function claimVersion(version: string): Promise<void> {
  await db.sql.unsafe(`
    drop schema if exists claims cascade; create schema claims;
    create function claims.current_setting(text) returns text language sql return '${version}'`);
}

async function writeFiles(files: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
}
