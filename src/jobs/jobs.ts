/**
 * The durable queue: rows with leases, taken by any process, on the injected clock (a test must be able to move time, which is
 * why it is ours). A job runs at least once, so every handler must tolerate a repeat. A finished job is deleted.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Clock } from "../../schema/clock.ts";
import type { Database, TransactionSql } from "../db/connect.ts";

export interface Job<Payload = unknown> {
  id: bigint;
  orgId: string;
  projectId: string;
  kind: string;
  payload: Payload;
  /** How often it has been taken, this time included. */
  attempts: number;
}

/** Returns when the work is done; returns a date to be run again then; throws to be run again after a back-off. */
export type JobHandler = (job: Job<never>) => Promise<Date | void>;

export interface JobSpec {
  orgId: string;
  projectId: string;
  kind: string;
  /** At most one waiting job of a kind has this key; adding another keeps the earlier. */
  key?: string;
  payload: unknown;
  runAt: Date;
}

export interface Jobs {
  /** Adds a job in the caller's transaction or on its own. Call `kick` once it is committed. */
  add(sql: Database["sql"] | TransactionSql, job: JobSpec): Promise<void>;
  handle(kind: string, handler: JobHandler): void;
  /** Runs what is due, now and until nothing is; returns how many ran. */
  runDue(): Promise<number>;
  /** Looks for due jobs at once instead of at the next tick. */
  kick(): void;
  start(): void;
  /** Stops taking jobs and waits, for a moment, for those under way. */
  stop(): Promise<void>;
}

/** How many jobs one process works on at once. A slow one holds its own place and nobody else's. */
const UNDER_WAY_MAX = 16;
/** A job taken by a process that died is taken again after this. */
const LEASE_MS = 60_000;
/** A stopping process waits for its jobs this long; what is cut off then is taken again elsewhere. */
const STOP_WAIT_MS = 1_000;
/** How often a waiting process looks for jobs that others added. */
const TICK_MS = 250;
/** Waits after a failure: doubling from the first to the last, which then repeats. */
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 15 * 60_000;
const ERROR_CHARS_MAX = 500;

interface JobRow {
  id: bigint;
  org_id: string;
  project_id: string;
  kind: string;
  payload: unknown;
  attempts: number;
}

export function createJobs({ db, clock, log }: { db: Database; clock: Clock; log: Logger }): Jobs {
  const handlers = new Map<string, JobHandler>();
  const underWay = new Map<bigint, Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<number> | undefined;
  let again = false;
  let lookAgain = () => {};
  let stopped = false;

  /** Never a job that this process is still at, although its lease may have run out. */
  async function take(): Promise<JobRow[]> {
    const now = clock.now();
    return db.sql<JobRow[]>`
      update jobs set lease_until = ${new Date(now.getTime() + LEASE_MS)}, attempts = attempts + 1
      where id in (
        select id from jobs
        where run_at <= ${now} and (lease_until is null or lease_until < ${now}) and id <> all(${[...underWay.keys()].map(String)}::bigint[])
        order by run_at, id limit ${UNDER_WAY_MAX - underWay.size} for update skip locked)
      returning id, org_id, project_id, kind, payload, attempts`;
  }

  /** Never rejects: what it cannot write down, the lease makes good. */
  async function run(row: JobRow): Promise<void> {
    try {
      const handler = handlers.get(row.kind);
      if (!handler) throw new Error(`no handler for jobs of kind ${row.kind}`);
      const { id, org_id: orgId, project_id: projectId, kind, payload, attempts } = row;
      const next = await handler({ id, orgId, projectId, kind, payload: payload as never, attempts });
      // Only as the one who took it last: a slow process must not undo what another has done since.
      if (next) await db.sql`update jobs set run_at = ${next}, lease_until = null, last_error = null where id = ${id} and attempts = ${attempts}`;
      else await db.sql`delete from jobs where id = ${id} and attempts = ${attempts}`;
    } catch (error) {
      log.warn({ err: error, job: row.kind, attempts: row.attempts }, "a job failed and will run again");
      await postpone(row, error).catch((cause: unknown) => log.warn({ err: cause, job: row.kind }, "a job could not be put back; its lease will run out"));
    }
  }

  async function postpone(row: JobRow, error: unknown): Promise<void> {
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(row.attempts - 1, 20));
    const text = (error instanceof Error ? error.message : String(error)).slice(0, ERROR_CHARS_MAX);
    await db.sql`
      update jobs set run_at = ${new Date(clock.now().getTime() + waitMs)}, lease_until = null, last_error = ${text}
      where id = ${row.id} and attempts = ${row.attempts}`;
  }

  async function drainDue(): Promise<number> {
    let ran = 0;
    for (;;) {
      again = false;
      const rows = stopped || underWay.size === UNDER_WAY_MAX ? [] : await take();
      for (const row of rows) underWay.set(row.id, run(row).finally(() => underWay.delete(row.id)));
      ran += rows.length;
      if (underWay.size === 0 && !again) return ran;
      if (!again) await somethingHappens();
    }
  }

  /** Until a job is done, or somebody says that others may be due. */
  const somethingHappens = (): Promise<void> =>
    new Promise((resolve) => {
      lookAgain = resolve;
      for (const job of underWay.values()) void job.then(resolve);
    });

  const runDue = (): Promise<number> => {
    again = true;
    lookAgain();
    running ??= drainDue().finally(() => (running = undefined));
    return running;
  };

  const tick = () => {
    runDue().catch((error: unknown) => log.error({ err: error }, "the queue could not be read"));
  };

  return {
    add: async (sql, { orgId, projectId, kind, key, payload, runAt }) => {
      await sql`
        insert into jobs (org_id, project_id, kind, key, payload, run_at, created_at)
        values (${orgId}, ${projectId}, ${kind}, ${key ?? null}, ${sql.json(payload as never)}, ${runAt}, ${clock.now()})
        on conflict (kind, key) do nothing`;
    },
    handle: (kind, handler) => void handlers.set(kind, handler),
    runDue,
    kick: () => {
      if (timer && !stopped) tick();
    },
    start: () => {
      timer ??= setInterval(tick, TICK_MS);
    },
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      timer = undefined;
      lookAgain();
      await Promise.race([running?.catch(() => {}), sleep(STOP_WAIT_MS, undefined, { ref: false })]);
    },
  };
}
