/**
 * One case through every door: each door gets a tenant of its own in equal state at the same moment, makes the same
 * call, and time goes by for all of them at once. What is left to a test is to compare.
 */
import type { OperationName } from "../../schema/index.ts";
import type { App } from "./app.ts";
import {
  contractDoor, inProcess, wireDoors, type FailedOutcome, type Json, type Outcome, type TestDoor,
} from "./doors.ts";
import { Normalizer, rowsOf } from "./sameness.ts";
import { newTenant, type Tenant } from "./tenants.ts";

export type DoorName = TestDoor["name"];

/** What a case is made of, once for each door. */
export interface Scene extends Tenant {
  app: App;
  /** Lets time go by as `app.pass` does, once for all doors: it waits until each has come here. */
  pass(ms: number): Promise<void>;
}

export interface CallOf {
  input: Json;
  /** The tenant's own key unless told; `null` for none. */
  key?: string | null;
  project?: string;
  idempotencyKey?: string;
}

export interface Case {
  title: string;
  /** Sets the scene and says what is called in it. */
  call(scene: Scene): CallOf | Promise<CallOf>;
  /** Some of what is answered; ids may be left out. */
  answer?: Json;
  /** A refusal in band: the call succeeded and its answer says this. */
  refusal?: Omit<FailedOutcome, "ok" | "http">;
  /** The whole failure. */
  failure?: Omit<FailedOutcome, "ok">;
  /** Doors that cannot express the call, with what they say of it instead. */
  own?: Partial<Record<DoorName, Omit<FailedOutcome, "ok">>>;
  /** Doors that have no such call at all. */
  without?: readonly DoorName[];
}

export interface Run {
  door: DoorName;
  outcome: Outcome;
  /** What a call that succeeded answered, normalized. Nothing where the door answers without a body. */
  answered: unknown;
  /** The rows it left behind, normalized. */
  left: Record<string, unknown>;
}

/** Longer than every twin takes to come to its end. */
const SETTLED_MS = 10_000;

export const everyDoor = (app: App): TestDoor[] => [contractDoor(app), ...wireDoors(inProcess(app))];

export async function throughEveryDoor(
  app: App, doors: readonly TestDoor[], name: OperationName, each: Case,
): Promise<Run[]> {
  const taken = doors.filter((door) => door.has(name) && !each.without?.includes(door.name));
  const scenes = await scenesFor(app, taken.length);
  const calls = await Promise.all(scenes.map((scene) => each.call(scene)));
  const outcomes: Outcome[] = [];
  for (const [index, door] of taken.entries()) {
    const { input, key = scenes[index]!.key, project, idempotencyKey } = calls[index]!;
    outcomes.push(await door.call(name, input, { key: key ?? undefined, project, idempotencyKey }));
  }
  await letSettle(app);
  const runs: Run[] = [];
  for (const [index, { name: door }] of taken.entries()) {
    const normalizer = new Normalizer();
    const { orgId, projectId } = scenes[index]!;
    const outcome = outcomes[index]!;
    // What both sides name is numbered first, so that an answer without a body numbers the rows alike.
    normalizer.of([orgId, projectId, calls[index]!.input]);
    const answered = outcome.ok ? normalizer.of(outcome.value) : undefined;
    const left = normalizer.ofRows(await rowsOf(app.platform.db, { org_id: orgId }));
    runs.push({ door, outcome, answered, left: door === "mcp" ? askedDirectly(left) : left });
  }
  return runs;
}

/**
 * What each door said, answered and left behind, beside what it should have: what the case says, and the same answer
 * and rows as the first run's.
 */
export function compared(each: Case, runs: readonly Run[]): Record<"actual" | "expected", Record<string, Compared>> {
  const { answered, left } = runs[0]!;
  const said = each.failure ?? each.refusal ?? "an answer";
  return {
    actual: byDoor(runs, (run) => ({ said: saidBy(run.outcome), answered: run.answered, left: run.left })),
    expected: byDoor(runs, ({ door, outcome }) =>
      ({ said: each.own?.[door] ?? said, answered: isWithoutBody(outcome) ? undefined : answered, left })),
  };
}

interface Compared {
  said: unknown;
  answered: unknown;
  left: unknown;
}

const byDoor = (runs: readonly Run[], read: (run: Run) => Compared): Record<string, Compared> =>
  Object.fromEntries(runs.map((run) => [run.door, read(run)]));

/** A failure, or a refusal in band, as the case would state it. */
function saidBy(outcome: Outcome): unknown {
  const said: Partial<FailedOutcome> = outcome.ok ? (outcome.value ?? {}) : outcome;
  const { code, field, expected, retry, http } = said;
  if (code === undefined) return "an answer";
  const words = { code, field, expected, retry, ...(!outcome.ok && { http }) };
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}

const isWithoutBody = (outcome: Outcome): boolean => outcome.ok && outcome.http === 204;

/** Time goes by where something is to come. */
async function letSettle(app: App): Promise<void> {
  const until = new Date(app.clock.now().getTime() + SETTLED_MS);
  const due = await app.platform.db.sql`select 1 from jobs where run_at <= ${until} limit 1`;
  if (due.length > 0) await app.pass(SETTLED_MS);
}

/** What cases call. Accounts at every twin there is would be most of what a case costs. */
const servers = ["asaas", "bitso", "melhor-envio", "mercado-pago", "nfe-io", "persona", "pomelo", "stripe", "vtex", "z-api"];

async function scenesFor(app: App, count: number): Promise<Scene[]> {
  const pass = together(count, (ms: number) => app.pass(ms));
  const tenants = [];
  for (let made = 0; made < count; made += 1) tenants.push(await newTenant(app, servers));
  return tenants.map((tenant) => ({ ...tenant, app, pass }));
}

/** Runs the task once for every `count` calls, when the last of them has come. */
function together<Argument>(count: number, task: (argument: Argument) => Promise<void>): typeof task {
  let waiting: ((done: Promise<void>) => void)[] = [];
  return (argument) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < count) return;
      const done = task(argument);
      for (const goOn of waiting.splice(0)) goOn(done);
      waiting = [];
    });
}

/** MCP's calls say that they came through MCP; that is the one difference there may be. */
const askedDirectly = (left: Record<string, unknown>): Record<string, unknown> => {
  const calls = left["tool_calls"] as Json[];
  return { ...left, tool_calls: calls.map((row) => (row["origin"] === "mcp" ? { ...row, origin: "direct" } : row)) };
};
