/**
 * The statements of a piece of work, observed as the driver sends them, and sent again by the driver alone. Nothing
 * here knows any of them, so what is measured against is always what the product does now.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Database, Sql, TransactionSql } from "../src/db/connect.ts";

/** What went out at the same time, in the order in which it did. */
export type Recording = readonly (readonly Step[])[];

/** A transaction, or one statement without. */
interface Step {
  isTransaction: boolean;
  statements: Statement[];
}

interface Statement {
  text: string;
  parameters: Parameter[];
}

interface Parameter {
  value: unknown;
  /** The type the driver named to the server; 0 where it left that to the server. */
  oid: number;
  /** Holds a name that is another one in every repeat. */
  isNamed: boolean;
}

/** By name in the recorded work, its name in this repeat. */
export type Renaming = ReadonlyMap<string, string>;

/**
 * Does the work and keeps what it sent, background work of others left out. Every connection it needs must be open, or
 * what is sent first on a new one is missed; `countRows` tells.
 *
 * namesOf  what the result names: ids and keys that have to be others when the statements are sent again
 */
export async function record<Result>(
  db: Database,
  { work, namesOf }: { work: () => Promise<Result>; namesOf: (result: Result) => string[] },
): Promise<{ result: Result; recording: Recording }> {
  const ours = new AsyncLocalStorage<true>();
  const sent: Sent[] = [];
  const turns = countTurns();
  const stop = observe(db, (connection, text, values, oids) => {
    if (ours.getStore()) sent.push({ connection, text, values: [...values], oids: [...oids], turn: turns.now() });
  });
  try {
    const result = await ours.run(true, work);
    return { result, recording: stepsOf(sent, namesOf(result)) };
  } finally {
    stop();
    turns.stop();
  }
}

/** Sends a recording through the bare driver, every statement prepared. */
export async function replay(sql: Sql, recording: Recording, renaming: Renaming): Promise<void> {
  for (const steps of recording) await Promise.all(steps.map((step) => send(sql, step, renaming)));
}

export const countStatements = (recording: Recording): number =>
  recording.flat().reduce((count, step) => count + step.statements.length, 0);

export const countTransactions = (recording: Recording): number =>
  recording.flat().filter((step) => step.isTransaction).length;

/** How many rows each table has. */
export async function countRows(sql: Sql): Promise<Record<string, number>> {
  const tables = await sql<{ name: string }[]>`
    select quote_ident(table_name) as name from information_schema.tables where table_schema = 'public' order by 1`;
  const counts = await sql.unsafe<{ name: string; rows: number }[]>(
    tables.map(({ name }) => `select '${name}' as name, count(*)::int as rows from ${name}`).join(" union all "));
  return Object.fromEntries(counts.map(({ name, rows }) => [name, rows]));
}

interface Sent {
  connection: number;
  text: string;
  values: unknown[];
  oids: number[];
  /** What is sent in one turn of the event loop cannot have waited for one another. */
  turn: number;
}

type Observer = (connection: number, text: string, values: unknown[], oids: number[]) => void;

/** postgres.js reads its `debug` option anew for every statement, so a client that is already open can be observed. */
function observe({ sql, orm }: Database, observer: Observer): () => void {
  const clients = [sql, (orm as typeof orm & { $client: Sql }).$client];
  const set = (debug: Observer | false) => {
    for (const { options } of clients) (options as { debug: unknown }).debug = debug;
  };
  set(observer);
  return () => set(false);
}

function countTurns(): { now(): number; stop(): void } {
  let turn = 0;
  let timer: NodeJS.Immediate;
  const next = () => {
    turn += 1;
    timer = setImmediate(next);
  };
  next();
  return { now: () => turn, stop: () => clearImmediate(timer) };
}

function stepsOf(sent: readonly Sent[], names: readonly string[]): Recording {
  const recording: { turn: number; steps: Step[] }[] = [];
  const open = new Map<number, Step>();
  const begin = (turn: number, step: Step) => {
    const last = recording.at(-1);
    if (last?.turn === turn) last.steps.push(step);
    else recording.push({ turn, steps: [step] });
  };
  for (const { connection, text, values, oids, turn } of sent) {
    const command = text.trim().toLowerCase();
    const parameters = values.map((value, at) => ({ value, oid: oids[at] ?? 0, isNamed: mentions(value, names) }));
    const statement = { text, parameters };
    if (command === "begin") {
      const transaction = { isTransaction: true, statements: [] };
      open.set(connection, transaction);
      begin(turn, transaction);
    } else if (command === "commit") open.delete(connection);
    else if (command === "rollback") throw new Error("the recorded work was rolled back");
    else if (open.has(connection)) open.get(connection)!.statements.push(statement);
    else begin(turn, { isTransaction: false, statements: [statement] });
  }
  return recording.map(({ steps }) => steps);
}

const mentions = (value: unknown, names: readonly string[]): boolean =>
  typeof value !== "bigint" && names.some((name) => (JSON.stringify(value) ?? "").includes(name));

async function send(sql: Sql, { isTransaction, statements }: Step, renaming: Renaming): Promise<void> {
  const sendAll = async (on: Sql | TransactionSql) => {
    for (const { text, parameters } of statements) {
      const values = parameters.map(({ value, oid, isNamed }) => {
        const now = isNamed ? renamed(value, renaming) : value;
        return oid === 0 || now === null ? now : on.typed(now as never, oid);
      });
      await on.unsafe(text, values as never[], { prepare: true });
    }
  };
  if (isTransaction) await sql.begin(sendAll);
  else await sendAll(sql);
}

function renamed(value: unknown, renaming: Renaming): unknown {
  if (typeof value === "string") return [...renaming].reduce((text, [from, to]) => text.replaceAll(from, to), value);
  if (Array.isArray(value)) return value.map((item) => renamed(item, renaming));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, renamed(item, renaming)]));
}
