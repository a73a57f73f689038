/**
 * Who wants to know what changed. The outbox is the truth; after a commit `wake` makes every process read on from its last
 * row (one coalesced NOTIFY, never inside the transaction) and hand the rows to its own listeners. A missed wake-up
 * costs one tick, never a row: rows are read in the order of their transactions, behind every one still running.
 */
import { setImmediate as yieldToSockets } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database, TransactionSql } from "../db/connect.ts";

export interface Change {
  /** Where to resume behind this change. */
  cursor: string;
  projectId: string;
  topic: "tool_call" | "session" | "run";
  subject: string;
  sessionId: string | null;
  data: Record<string, unknown> | null;
}

export interface ChangeFilter {
  projectId: string;
  topic?: Change["topic"];
  subject?: string;
  sessionId?: string;
}

export interface Hub {
  /** Writes a change into the caller's transaction. Call `wake` once it is committed. */
  record(sql: TransactionSql | Database["sql"], change: NewChange): Promise<void>;
  wake(): void;
  /** Changes from now on. Begin listening before reading a state, and no change between the two is lost. */
  listen(filter: ChangeFilter, signal?: AbortSignal): AsyncIterableIterator<Change>;
  /** Changes behind a cursor that are already in the outbox; throws RangeError for a cursor that is not one. */
  since(filter: ChangeFilter, cursor: string): Promise<Change[]>;
  /** The cursor behind everything that can be read now. */
  head(): Promise<string>;
  /** Forgets changes from before this moment, the oldest first and a bounded number at a time. Cursors behind them start later. */
  prune(before: Date): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface NewChange {
  orgId: string;
  projectId: string;
  topic: Change["topic"];
  subject: string;
  sessionId: string | null;
  data?: Record<string, unknown>;
  at: Date;
}

const CHANNEL = "codespar_changes";
/** Wake-ups within this time become one. */
const COALESCE_MS = 2;
/** A wake-up may come while an older transaction still hides the row: look once more after this. */
const SECOND_LOOK_MS = 20;
/** The safety net under lost wake-ups. */
const TICK_MS = 1_000;
const READ_MAX = 500;
const PRUNE_MAX = 20_000;
/** A listener that falls this far behind is ended; it resumes from its cursor. */
export const LISTENER_QUEUE_MAX = 1_000;
/** How many rows go to listeners between two turns of the event loop, so that sockets can write. */
const SLICE = 50;

interface Row {
  id: bigint;
  transaction: string;
  project_id: string;
  topic: Change["topic"];
  subject: string;
  session_id: string | null;
  data: Record<string, unknown> | null;
}

export function createHub({ db, log }: { db: Database; log: Logger }): Hub {
  const listeners = new Set<Listener>();
  let position: { transaction: string; id: bigint } | undefined;
  let unlisten: (() => Promise<void>) | undefined;
  let tick: NodeJS.Timeout | undefined;
  let notifyTimer: NodeJS.Timeout | undefined;
  let secondLook: NodeJS.Timeout | undefined;
  let reading: Promise<void> | undefined;
  let readAgain = false;
  let stopped = false;

  const rowsBehind = (transaction: string, id: bigint, filter?: ChangeFilter) => db.sql<Row[]>`
    select id, transaction::text, project_id, topic, subject, session_id, data from outbox
    where (transaction, id) > (${transaction}::text::xid8, ${id}::bigint) and transaction < pg_snapshot_xmin(pg_current_snapshot())
      ${filter ? db.sql`and project_id = ${filter.projectId}` : db.sql``}
      ${filter?.topic ? db.sql`and topic = ${filter.topic}` : db.sql``}
      ${filter?.subject ? db.sql`and subject = ${filter.subject}` : db.sql``}
      ${filter?.sessionId ? db.sql`and session_id = ${filter.sessionId}` : db.sql``}
    order by outbox.transaction, id limit ${READ_MAX}`;

  async function head(): Promise<{ transaction: string; id: bigint }> {
    const [row] = await db.sql<{ transaction: string }[]>`select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text as transaction`;
    return { transaction: row!.transaction, id: MAX_ID };
  }

  async function readOn(): Promise<void> {
    while (readAgain && !stopped && position) {
      readAgain = false;
      const rows = await rowsBehind(position.transaction, position.id);
      for (const [index, row] of rows.entries()) {
        position = { transaction: row.transaction, id: row.id };
        const change = toChange(row);
        for (const listener of listeners) listener.offer(change);
        if (index % SLICE === SLICE - 1) await yieldToSockets();
      }
      if (rows.length === READ_MAX) readAgain = true;
    }
  }

  function look(): void {
    readAgain = true;
    reading ??= readOn()
      .catch((error: unknown) => log.error({ err: error }, "the outbox could not be read"))
      .finally(() => (reading = undefined));
  }

  const heard = () => {
    look();
    // One timer for all wake-ups: under load each pushes the second look back, and the first looks are many.
    secondLook = secondLook?.refresh() ?? setTimeout(look, SECOND_LOOK_MS).unref();
  };

  return {
    record: async (sql, { orgId, projectId, topic, subject, sessionId, data, at }) => {
      await sql`
        insert into outbox (org_id, project_id, topic, subject, session_id, data, created_at)
        values (${orgId}, ${projectId}, ${topic}, ${subject}, ${sessionId}, ${data ? sql.json(data as never) : null}, ${at})`;
    },
    wake: () => {
      notifyTimer ??= setTimeout(() => {
        notifyTimer = undefined;
        if (stopped) return;
        db.sql`select pg_notify(${CHANNEL}, '')`.catch((error: unknown) => log.warn({ err: error }, "a wake-up was not sent"));
      }, COALESCE_MS);
    },
    listen: (filter, signal) => {
      const listener = new Listener(filter, () => listeners.delete(listener));
      listeners.add(listener);
      signal?.addEventListener("abort", () => void listener.return(), { once: true });
      if (signal?.aborted) void listener.return();
      return listener;
    },
    since: async (filter, cursor) => {
      const { transaction, id } = parseCursor(cursor);
      return (await rowsBehind(transaction, id, filter)).map(toChange);
    },
    head: async () => cursorOf(await head()),
    prune: async (before) => {
      await db.sql`
        delete from outbox where (project_id, id) in (
          select project_id, id from (select project_id, id, created_at from outbox order by transaction, id limit ${PRUNE_MAX}) as oldest
          where created_at < ${before})`;
    },
    start: async () => {
      position = await head();
      const subscription = await db.sql.listen(CHANNEL, heard, heard);
      unlisten = () => subscription.unlisten();
      tick = setInterval(look, TICK_MS);
    },
    stop: async () => {
      stopped = true;
      clearInterval(tick);
      clearTimeout(secondLook);
      clearTimeout(notifyTimer);
      for (const listener of listeners) void listener.return();
      await reading;
      await unlisten?.();
    },
  };
}

const MAX_ID = 2n ** 63n - 1n;
const MAX_TRANSACTION = 2n ** 64n - 1n;

const cursorOf = ({ transaction, id }: { transaction: string; id: bigint }): string => `${transaction}.${id}`;

/** Throws RangeError for text that is no cursor. */
function parseCursor(cursor: string): { transaction: string; id: bigint } {
  const match = /^(\d{1,20})\.(\d{1,19})$/.exec(cursor);
  if (!match || BigInt(match[1]!) > MAX_TRANSACTION || BigInt(match[2]!) > MAX_ID) throw new RangeError("not a cursor");
  return { transaction: match[1]!, id: BigInt(match[2]!) };
}

const toChange = (row: Row): Change => ({
  cursor: cursorOf(row), projectId: row.project_id, topic: row.topic, subject: row.subject, sessionId: row.session_id, data: row.data,
});

/** A bounded queue that one consumer reads. Ends when told to, or when the consumer falls too far behind. */
class Listener implements AsyncIterableIterator<Change> {
  readonly #filter: ChangeFilter;
  readonly #release: () => void;
  #queue: Change[] = [];
  #waiting: ((result: IteratorResult<Change>) => void) | undefined;
  #ended = false;

  constructor(filter: ChangeFilter, release: () => void) {
    this.#filter = filter;
    this.#release = release;
  }

  offer(change: Change): void {
    const { projectId, topic, subject, sessionId } = this.#filter;
    if (change.projectId !== projectId || (topic && change.topic !== topic)) return;
    if ((subject && change.subject !== subject) || (sessionId && change.sessionId !== sessionId)) return;
    if (this.#waiting) {
      this.#waiting({ done: false, value: change });
      this.#waiting = undefined;
    } else if (this.#queue.push(change) > LISTENER_QUEUE_MAX) void this.return();
  }

  next(): Promise<IteratorResult<Change>> {
    const value = this.#queue.shift();
    if (value) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  return(): Promise<IteratorResult<Change>> {
    this.#ended = true;
    this.#release();
    this.#waiting?.({ done: true, value: undefined });
    this.#waiting = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
