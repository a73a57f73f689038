/**
 * Applies the committed SQL migrations: each once, in the order of their numbers, in a transaction of its own. Any
 * number of processes may start at once; a lock makes them take turns. What drizzle-kit writes between statements is a
 * comment to us.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StartError } from "../start-error.ts";
import type { Database, TransactionSql } from "./connect.ts";

export interface MigrateOptions {
  /** Where the files are, instead of `migrations` beside this file. */
  folder?: URL | string;
  log?: (line: string) => void;
}

/** Returns the names applied by this call; throws, with nothing applied, for a database that this code does not fit. */
export async function migrate(
  db: Pick<Database, "sql">,
  options: MigrateOptions = {},
): Promise<{ applied: string[] }> {
  await refuseOldServer(db.sql);
  const migrations = await readMigrations(options.folder);
  const applied: string[] = [];
  for (let turn = 0; turn <= migrations.length; turn += 1) {
    const name = await db.sql.begin((tx) => applyNext(tx, migrations));
    if (name === undefined) break;
    options.log?.(`database: applied migration ${name}`);
    applied.push(name);
  }
  return { applied };
}

/** What a `migrate` would apply. */
export async function migrationState(
  db: Pick<Database, "sql">,
  options: Pick<MigrateOptions, "folder"> = {},
): Promise<{ pending: string[] }> {
  const migrations = await readMigrations(options.folder);
  const [found] = await db.sql<{ table: string | null }[]>`select to_regclass('schema_migrations')::text as table`;
  const recorded = found?.table ? await db.sql<{ name: string }[]>`select name from schema_migrations` : [];
  const names = new Set(recorded.map(({ name }) => name));
  return { pending: migrations.map(({ name }) => name).filter((name) => !names.has(name)) };
}

/** The oldest PostgreSQL that we promise to run on. */
const POSTGRES_VERSION_MIN = 15;

async function refuseOldServer(sql: Database["sql"]): Promise<void> {
  const [server] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  if (Number.parseInt(server!.version, 10) >= POSTGRES_VERSION_MIN) return;
  throw new StartError(
    `The database is PostgreSQL ${server!.version}, and this server needs ${POSTGRES_VERSION_MIN} or newer. ` +
      "Upgrade it, point DATABASE_URL to a newer one, or unset DATABASE_URL to use the one we bring along.",
  );
}

interface Migration {
  name: string;
  text: string;
  checksum: string;
}

const FOLDER = new URL("./migrations/", import.meta.url);
const FILE_NAME = /^\d{4}_[\w-]+\.sql$/;

/** Any number that no other advisory lock of this database uses. */
const LOCK_KEY = 4_711_001n;
/** How long to wait for another process that migrates, and within a migration for whoever uses its table. */
const LOCK_TIMEOUT = "5min";

async function readMigrations(folder: URL | string = FOLDER): Promise<Migration[]> {
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  const names = await readdir(path).catch((cause: unknown) => {
    const message = `There are no migrations in ${path}: a build has to copy the folder beside the code.`;
    throw new StartError(message, { cause });
  });
  return Promise.all(
    names.filter((name) => FILE_NAME.test(name)).sort().map(async (name) => {
      const text = (await readFile(join(path, name), "utf8")).replaceAll("\r\n", "\n");
      return { name, text, checksum: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

/** The lock ends with the transaction, so each turn looks again at what others have done meanwhile. */
async function applyNext(tx: TransactionSql, migrations: Migration[]): Promise<string | undefined> {
  await tx.unsafe(`set local statement_timeout = 0; set local lock_timeout = '${LOCK_TIMEOUT}'`);
  await tx`select pg_advisory_xact_lock(${LOCK_KEY})`;
  await tx`
    create table if not exists schema_migrations (
      name text primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`;
  const recorded = await tx<{ name: string; checksum: string }[]>`select name, checksum from schema_migrations`;
  const checksums = new Map(recorded.map(({ name, checksum }) => [name, checksum]));
  refuseUnknown(checksums, migrations);
  refuseChanged(checksums, migrations);
  const next = migrations.find(({ name }) => !checksums.has(name));
  if (next === undefined) return undefined;
  await tx.unsafe(next.text).catch((cause: Error) => {
    throw new StartError(`Migration ${next.name} failed and was undone: ${cause.message}`, { cause });
  });
  await tx`insert into schema_migrations (name, checksum) values (${next.name}, ${next.checksum})`;
  return next.name;
}

function refuseUnknown(checksums: Map<string, string>, migrations: Migration[]): void {
  const known = new Set(migrations.map(({ name }) => name));
  const unknown = [...checksums.keys()].filter((name) => !known.has(name)).sort();
  if (unknown.length === 0) return;
  throw new StartError(
    `The database was migrated by a newer version of this server (${unknown.join(", ")} is not known here). ` +
      "Run that version, or restore a backup from before it.",
  );
}

function refuseChanged(checksums: Map<string, string>, migrations: Migration[]): void {
  const changed = migrations.find(({ name, checksum }) => (checksums.get(name) ?? checksum) !== checksum);
  if (changed === undefined) return;
  throw new StartError(
    `Migration ${changed.name} was changed after it had been applied. ` +
      "Restore the file as it was, and write what should change as a new migration.",
  );
}
