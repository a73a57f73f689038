/**
 * Charges per second through the whole pipeline, in process, against the statements of one such charge through the bare
 * driver. The provider answers at once, so the whole of a charge's latency is our own time and the database's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { newId, newIdempotencyKey } from "../schema/ids.ts";
import { openDatabase, type Database } from "../src/db/connect.ts";
import { drive, figuresOf, sum, type Figures, type Run } from "./measure.ts";
import { startProduct, type Charged, type Product } from "./product.ts";
import { fine, times, whole, type Section } from "./report.ts";
import { countRows, countStatements, countTransactions, record, replay, type Recording } from "./statements.ts";

export interface Charges {
  /** What one charge sends and waits for. */
  statements: number;
  transactions: number;
  /** By number of concurrent callers. */
  runs: { callers: number; charges: Figures; bare: Figures; ratio: number }[];
}

export interface ChargesOptions {
  /** A database of its own, migrated or empty. */
  databaseUrl: string;
  /** For each number of callers, for charges and for the bare driver each. */
  seconds: number;
  callers?: readonly number[];
}

const CALLERS = [1, 8, 32];
/** Charges and statements take turns, so that a machine that slows down slows both. */
const ROUNDS = 2;
/** Of a measurement's time, spent on the same before it. */
const WARM_SHARE = 0.2;

export async function measureCharges({ databaseUrl, seconds, callers = CALLERS }: ChargesOptions): Promise<Charges> {
  const bare = openDatabase({ url: databaseUrl });
  const time = { seconds: seconds / ROUNDS, warmSeconds: (seconds / ROUNDS) * WARM_SHARE };
  try {
    // A round that does not count comes first: code that has run a thousand times is other code.
    const { repeated } = await measureRound(databaseUrl, bare, { callers, ...time });
    const rounds: Round[] = [];
    while (rounds.length < ROUNDS) rounds.push(await measureRound(databaseUrl, bare, { callers, ...time, repeated }));
    return {
      statements: countStatements(repeated.recording), transactions: countTransactions(repeated.recording),
      runs: callers.map((count, at) => {
        const charges = figuresOf(sum(rounds.map((round) => round.charges[at]!)));
        const driver = figuresOf(sum(rounds.map((round) => round.bare[at]!)));
        return { callers: count, charges, bare: driver, ratio: charges.perSecond / driver.perSecond };
      }),
    };
  } finally {
    await bare.close();
  }
}

/** In the order of the callers. */
interface Round {
  charges: Run[];
  bare: Run[];
  repeated: Repeated;
}

interface RoundOptions {
  callers: readonly number[];
  seconds: number;
  warmSeconds: number;
  /** From an earlier round; recorded and checked in this one when absent. */
  repeated?: Repeated;
}

/** The server is stopped before the bare driver's turn: it reads every change on, whoever wrote it. */
async function measureRound(databaseUrl: string, bare: Database, options: RoundOptions): Promise<Round> {
  const { callers, repeated, ...time } = options;
  const charges: Run[] = [];
  const product = await startProduct(databaseUrl);
  let made = repeated;
  try {
    const sessions = await Promise.all(Array.from({ length: Math.max(...callers) }, () => product.session()));
    const charge = (caller: number) => product.charge(sessions[caller]!);
    for (const count of callers) charges.push(await driveWarm(count, time, charge));
    made ??= await recordCharge(product, sessions);
  } finally {
    await product.server.stop();
  }
  if (!repeated) await checkRepeat(bare, made);
  const statements: Run[] = [];
  for (const count of callers) statements.push(await driveWarm(count, time, repeaterOf(bare, made)));
  return { charges, bare: statements, repeated: made };
}

async function driveWarm(
  callers: number,
  { seconds, warmSeconds }: { seconds: number; warmSeconds: number },
  call: (caller: number) => Promise<unknown>,
): Promise<Run> {
  await drive({ callers, seconds: warmSeconds }, call);
  return drive({ callers, seconds }, call);
}

/** A charge that can be made again without us. */
interface Repeated {
  recording: Recording;
  names: Names;
  /** One session a caller: callers of one session would wait for its row. */
  sessions: readonly string[];
  /** By table, the rows that the charge added. */
  added: Record<string, number>;
}

/** What must be new in every charge, and its caller's session. */
type Names = Charged & { sessionId: string };

/** Long enough for what charges before left to be done: changes read on, connections given back. */
const QUIET_MS = 100;

async function recordCharge({ server, charge }: Product, sessions: readonly string[]): Promise<Repeated> {
  const { db, hub } = server.platform;
  const [sessionId] = sessions as [string];
  await sleep(QUIET_MS);
  const before = await countRows(db.sql);
  // Nobody waits for a wake-up, and concurrent charges share one: it is not among the statements of a charge.
  const { wake } = hub;
  hub.wake = () => {};
  const namesOf = (charged: Charged): Names => ({ sessionId, ...charged });
  const { result, recording } = await record(db, {
    work: () => charge(sessionId),
    namesOf: (charged) => Object.values(namesOf(charged)),
  });
  hub.wake = wake;
  return { recording, names: namesOf(result), sessions, added: difference(await countRows(db.sql), before) };
}

/** Throws unless the repeated statements do what the charge did. */
async function checkRepeat(bare: Database, repeated: Repeated): Promise<void> {
  const before = await countRows(bare.sql);
  await repeaterOf(bare, repeated)(0);
  const added = difference(await countRows(bare.sql), before);
  if (isDeepStrictEqual(added, repeated.added)) return;
  const [again, first] = [added, repeated.added].map((rows) => JSON.stringify(rows));
  throw new Error(`the statements sent again added ${again}, the charge ${first}`);
}

function difference(after: Record<string, number>, before: Record<string, number>): Record<string, number> {
  const added = Object.entries(after).map(([name, rows]) => [name, rows - (before[name] ?? 0)] as const);
  return Object.fromEntries(added.filter(([, rows]) => rows !== 0));
}

const repeaterOf = ({ sql }: Database, { recording, names, sessions }: Repeated) => (caller: number): Promise<void> =>
  replay(sql, recording, new Map([
    [names.sessionId, sessions[caller]!],
    [names.toolCallId, newId("toolCall", new Date())],
    [names.idempotencyKey, newIdempotencyKey()],
    [names.paymentId, `pay_${newIdempotencyKey()}`],
  ]));

export const chargesSection = ({ statements, transactions, runs }: Charges): Section => ({
  title: "Charges through the whole pipeline, against their own SQL through the bare driver",
  notes: [
    `One Pix charge (\`tools.execute\` in process, a provider that answers at once) waits for ${statements} ` +
    `statements, some of them in ${transactions === 1 ? "a transaction" : `${transactions} transactions`}. The bare ` +
    "driver sends the same ones, prepared and in the same order, and does nothing else.",
  ],
  header: [
    "callers", "charges/s", "bare driver/s", "ratio", "p50 ms", "p99 ms", "bare p50", "bare p99", "CPU µs",
    "bare CPU µs",
  ],
  rows: runs.map(({ callers, charges, bare, ratio }) => [
    whole(callers), whole(charges.perSecond), whole(bare.perSecond), times(ratio), fine(charges.p50Ms),
    fine(charges.p99Ms), fine(bare.p50Ms), fine(bare.p99Ms), whole(charges.cpuUs), whole(bare.cpuUs),
  ]),
});
