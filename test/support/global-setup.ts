/**
 * Before a run: one PostgreSQL of its own with a migrated template, which `testDatabase` clones for each file. After
 * it: the run fails if a connection to a test's database is still open, since whoever holds it outlived its test.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestProject } from "vitest/node";
import { openDatabase, type Connection, type Sql } from "../../src/db/connect.ts";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { migrate } from "../../src/db/migrate.ts";

declare module "vitest" {
  export interface ProvidedContext {
    postgres: Connection;
  }
}

export const TEMPLATE = "codespar_template";
export const TEST_DATABASE_PREFIX = "codespar_test_";

/** Nothing here outlives the run, so it need not survive a crash. */
export const FAST_SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", autovacuum: "off" };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), "codespar-test-"));
  const server = await startEmbeddedPostgres({ dataDir, settings: FAST_SETTINGS });
  const admin = openDatabase({ connection: server.connection, maxConnections: 2, applicationName: "global-setup" });
  await makeTemplate(admin.sql, server.connection);
  project.provide("postgres", server.connection);
  return async () => {
    const leaks = await connectionsLeft(admin.sql, `${TEST_DATABASE_PREFIX}%`);
    await admin.close();
    await server.stop();
    await removeDataDir(dataDir);
    if (leaks.length === 0) return;
    process.exitCode = 1; // vitest prints an error of a teardown but would end with success
    throw new Error(`Connections were left open: ${leaks.join("; ")}`);
  };
}

/** Connections to databases of this name (a LIKE pattern) that do not go away by themselves, described. */
export async function connectionsLeft(sql: Sql, databases: string): Promise<string[]> {
  const list = () => sql<{ leak: string }[]>`
    select format('%s in %s (%s): %s', application_name, datname, state, left(query, 200)) as leak
    from pg_stat_activity where datname like ${databases}`;
  let left = await list();
  for (let check = 0; check < CLOSING_CHECKS_MAX && left.length > 0; check += 1) {
    await sleep(CLOSING_CHECK_MS);
    left = await list();
  }
  return left.map(({ leak }) => leak);
}

/** The server notices a closed socket a moment later. */
const CLOSING_CHECKS_MAX = 40;
const CLOSING_CHECK_MS = 25;

/** Removes a data folder and, where root had to keep the database elsewhere, the database. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const elsewhere = await readFile(join(dataDir, "postgres.location"), "utf8").catch(() => undefined);
  if (elsewhere) await rm(elsewhere, { recursive: true });
  await rm(dataDir, { recursive: true });
}

async function makeTemplate(admin: Sql, connection: Connection): Promise<void> {
  await admin.unsafe(`create database ${TEMPLATE}`);
  const template = openDatabase({ connection: { ...connection, database: TEMPLATE }, maxConnections: 2 });
  const folder = new URL("../../src/db/migrations/", import.meta.url);
  if (existsSync(folder)) await migrate(template, { folder });
  await template.close();
  await admin.unsafe(`alter database ${TEMPLATE} with is_template true allow_connections false`);
}
