/**
 * Opens a database: postgres.js for hot statements and transactions, drizzle for typed reads, and the one place that
 * says how values cross the wire. `int8` is `bigint`, timestamps are `Date`, `numeric` stays text.
 *
 * Drizzle rewires the client it is given: dates and JSON pass through it unparsed. So it has a client of its own, and
 * `sql` behaves the same with and without it. Drizzle also sends everything unprepared, at two round trips a query,
 * except what was built with `.prepare(name)`: build a read on a hot path that way, or write it with `sql`.
 *
 * A list of bigints or Dates as one parameter is `${sql.array(list)}`: bare, postgres.js takes it for a single value.
 * It learns the array types with a pool's first query, which so cannot have such a parameter; `migrate` goes before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";

export type Sql = postgres.Sql<{ bigint: bigint }>;
export type TransactionSql = postgres.TransactionSql<{ bigint: bigint }>;

export interface Database {
  sql: Sql;
  orm: PostgresJsDatabase;
  /** Waits `CLOSE_TIMEOUT_SECONDS` for running queries, then cuts them off. */
  close(): Promise<void>;
}

export interface Connection {
  /** A host name, or the folder of a unix socket. */
  host: string;
  port: number;
  user: string;
  database: string;
  password?: string;
}

export type DatabaseOptions = ({ url: string } | { connection: Connection }) & {
  /** Of both clients together, at least 2; a quarter of them is drizzle's. They are opened when first needed. */
  maxConnections?: number;
  applicationName?: string;
};

export function openDatabase(options: DatabaseOptions): Database {
  const { maxConnections = 20, applicationName = "codespar" } = options;
  const ormConnections = Math.max(1, Math.floor(maxConnections / 4));
  const client = (max: number) => connect(options, { max: Math.max(1, max), applicationName });
  const sql = client(maxConnections - ormConnections);
  const ormClient = client(ormConnections);
  return {
    sql,
    orm: drizzle(ormClient),
    close: async () => {
      await Promise.all([sql, ormClient].map((each) => each.end({ timeout: CLOSE_TIMEOUT_SECONDS })));
    },
  };
}

/**
 * Runs `fn` in a transaction, and again from its start when PostgreSQL ended it in favour of another (serialization
 * failure, deadlock), at most `ATTEMPTS_MAX` times in all. It may run more than once, so it touches the database only.
 */
export async function transaction<T>(db: Pick<Database, "sql">, fn: (tx: TransactionSql) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await db.sql.begin(fn)) as T;
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !lostToAnother(error)) throw error;
    }
    await sleep(Math.random() * RETRY_STEP_MS * 2 ** attempt);
  }
}

/** The address as a URL; a socket folder is its percent-encoded host, as in libpq. `openDatabase` reads it back. */
export function connectionUrl({ host, port, user, database, password }: Connection): string {
  const credentials = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(":");
  return `postgres://${credentials}@${encodeURIComponent(host)}:${port}/${encodeURIComponent(database)}`;
}

const CLOSE_TIMEOUT_SECONDS = 5;
const CONNECT_TIMEOUT_SECONDS = 10;
/** A statement or an idle transaction that outlives these holds locks that payments wait for. */
const STATEMENT_TIMEOUT_MS = 30_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

const ATTEMPTS_MAX = 5;
const RETRY_STEP_MS = 5;
/** serialization_failure, deadlock_detected */
const LOST_TO_ANOTHER = ["40001", "40P01"];

function connect(target: { url: string } | { connection: Connection }, pool: { max: number; applicationName: string }) {
  const options = {
    max: pool.max,
    types: { bigint: postgres.BigInt },
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    connection: {
      application_name: pool.applicationName,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    },
    onnotice: () => {},
  };
  if ("connection" in target) return postgres({ ...options, ...target.connection });
  return postgres(target.url, { ...options, ...socketFolder(target.url) });
}

/** The socket folder that a URL names as its host; postgres.js takes one as an option only. */
function socketFolder(url: string): { host?: string } {
  const encoded = /^\w+:\/\/(?:[^@/]*@)?(%2F[^:/?]*)/i.exec(url)?.[1];
  return encoded === undefined ? {} : { host: decodeURIComponent(encoded) };
}

function lostToAnother(error: unknown): boolean {
  return error instanceof postgres.PostgresError && LOST_TO_ANOTHER.includes(error.code);
}
