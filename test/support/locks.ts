/** Holding a server at a chosen statement without a hook in it: a lock that the statement needs, taken by the test. */
import type { Sql } from "../../src/db/connect.ts";

/** Lets nobody write to a table until the returned function is called; reading goes on. */
export async function holdWrites(sql: Sql, table: "dispatches" | "settlement_events" | "run_events"): Promise<() => Promise<void>> {
  let letGo: () => void = () => {};
  const until = new Promise<void>((resolve) => (letGo = resolve));
  let holding: Promise<unknown> = Promise.resolve();
  await new Promise<void>((isHeld, failed) => {
    holding = sql.begin(async (tx) => {
      await tx`lock table ${tx(table)} in share mode`;
      isHeld();
      await until;
    });
    holding.catch(failed);
  });
  return async () => {
    letGo();
    await holding;
  };
}

/** How many statements of this database wait for a lock. */
export async function waitingForLocks(sql: Sql): Promise<number> {
  return (await sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length;
}

/**
 * Ends the statements that wait for a lock: PostgreSQL does not notice by itself that whoever asked has died, and would carry them
 * out once the lock is gone.
 */
export async function endWaiting(sql: Sql): Promise<void> {
  await sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
}
