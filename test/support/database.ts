/**
 * A migrated database for a test file: `const db = await testDatabase()`. It is closed and dropped after the file's
 * tests, and the file fails if something else is connected to it by then.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, inject } from "vitest";
import { connectionUrl, openDatabase, type Connection, type Database, type Sql } from "../../src/db/connect.ts";
import { connectionsLeft, TEMPLATE, TEST_DATABASE_PREFIX } from "./global-setup.ts";

export interface TestDatabase extends Database {
  url: string;
}

export async function testDatabase(): Promise<TestDatabase> {
  const server = inject("postgres");
  const name = TEST_DATABASE_PREFIX + randomUUID().replaceAll("-", "");
  await asAdmin(server, (sql) => cloneTemplate(sql, name));
  const connection = { ...server, database: name };
  const db = openDatabase({ connection, maxConnections: CONNECTIONS_MAX, applicationName: "test" });
  cleanups.push(async () => {
    await db.close();
    await asAdmin(server, (sql) => dropUnused(sql, name));
  });
  await db.sql`select 1`; // as `migrate` does in a server: postgres.js knows array types from the second query on
  return { ...db, url: connectionUrl(connection) };
}

const CONNECTIONS_MAX = 12;
const CLONE_ATTEMPTS_MAX = 50;
const CLONE_RETRY_MS = 50;
const OBJECT_IN_USE = "55006";

/** Registered when a test file is loaded, so that `testDatabase` may be called from a hook or a test too. */
const cleanups: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function asAdmin(connection: Connection, use: (sql: Sql) => Promise<void>): Promise<void> {
  const admin = openDatabase({ connection, maxConnections: 2, applicationName: "test-admin" });
  await use(admin.sql).finally(() => admin.close());
}

/** Files that run side by side clone the same template, which must have no other user at that moment. */
async function cloneTemplate(sql: Sql, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sql.unsafe(`create database ${name} template ${TEMPLATE}`);
      return;
    } catch (error) {
      const busy = error instanceof postgres.PostgresError && error.code === OBJECT_IN_USE;
      if (!busy || attempt === CLONE_ATTEMPTS_MAX) throw error;
    }
    await sleep(CLONE_RETRY_MS);
  }
}

async function dropUnused(sql: Sql, name: string): Promise<void> {
  const leaks = await connectionsLeft(sql, name);
  await sql.unsafe(`drop database ${name} with (force)`);
  if (leaks.length > 0) throw new Error(`This file left connections open: ${leaks.join("; ")}`);
}
