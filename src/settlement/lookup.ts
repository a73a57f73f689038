/**
 * Asking a provider what became of a call: to resolve an unknown outcome, and to follow one whose webhook may be lost.
 * Unknown is never reported as failure and never sent again; it ends when the provider says what it has.
 */
import type { CallContext, Observation, ProviderVerb } from "../../providers/provider.ts";
import { rails } from "../../providers/rails.ts";
import { Failure } from "../../schema/failures.ts";
import { isMetaTool } from "../../schema/meta-tools/index.ts";
import { isCurrency } from "../../schema/money.ts";
import { isTerminal } from "../../schema/settlement.ts";
import { findConnection, openProvider } from "../connections/connections.ts";
import { transaction } from "../db/connect.ts";
import { REFUND_RAIL } from "../execution/perform.ts";
import { recordAccepted, recordEnded } from "../execution/record.ts";
import { findToolCall, type ToolCallRow } from "../execution/rows.ts";
import type { Job } from "../jobs/jobs.ts";
import { plainJson } from "../json.ts";
import type { Platform } from "../platform.ts";
import { waits, type LookupPayload } from "./lookup-queue.ts";
import { lockCall, settle } from "./settle.ts";

/** One question. Returns when to ask again, or nothing when there is nothing more to learn. */
export async function runLookup(platform: Platform, job: Job<LookupPayload>): Promise<Date | void> {
  const { toolCallId, purpose } = job.payload;
  const row = await findToolCall(platform, job.projectId, toolCallId);
  const answered = purpose === "unknown" ? resolveUnknown(platform, row) : follow(platform, row);
  // A provider that cannot say now is asked at the next wait. Repeats at the queue's own pace would use up the questions in a minute.
  const resolved = await answered.catch((error: unknown) => {
    platform.log.warn({ err: error, toolCallId, purpose }, "a provider could not say what became of a call");
    return false;
  });
  if (resolved) return undefined;
  const { ms, forEver } = waits[purpose];
  if (!forEver && job.attempts >= ms.length) return undefined;
  return new Date(platform.clock.now().getTime() + ms[Math.min(job.attempts, ms.length - 1)]!);
}

interface Asked {
  asked: boolean;
  found: Observation | undefined;
  /** The provider has no way to be asked about such a call, today or later. */
  never?: boolean;
}

/** What the provider has for a call. Throws when it cannot say now. */
export async function observe(platform: Platform, row: ToolCallRow): Promise<Asked> {
  const connection = row.provider && row.connectionId ? await findConnection(platform, row.provider, row.connectionId) : undefined;
  const verb = verbOf(row);
  if (!verb || !row.externalReference) return { asked: false, found: undefined, never: true };
  if (!connection) return { asked: false, found: undefined };
  const provider = await openProvider(platform, connection);
  if (!provider.lookup) return { asked: false, found: undefined, never: true };
  const currency = row.currency && isCurrency(row.currency) ? row.currency : undefined;
  // While the answer is missing an adapter also fetches what the answer would have said, even if a webhook has told the id.
  const told = row.providerRef ?? undefined;
  const ref = row.outcome === "unknown" ? undefined : told;
  const found = await provider.lookup({ verb, reference: row.externalReference, ref, told, currency }, await lookupContext(platform, row));
  return { asked: true, found };
}

async function resolveUnknown(platform: Platform, row: ToolCallRow): Promise<boolean> {
  if (row.outcome !== "unknown" || row.status !== "running") return true;
  const { asked, found, never } = await observe(platform, row);
  if (never) platform.log.error({ toolCallId: row.id, provider: row.provider }, "what became of a call only its provider's own pages can tell");
  if (!asked) return never === true;
  if (found) await acceptFound(platform, row, found);
  if (found) return true;
  // A request may still be on its way: not knowing it is believed only when it has had time to arrive.
  const leftAt = await lastDispatchAt(platform, row);
  if (platform.clock.now().getTime() - leftAt.getTime() < platform.limits.notFoundBelievedAfterMs) return false;
  if (await wasRotatedSince(platform, row)) return false;
  return (await neverArrived(platform, row)) === "ended";
}

/** Whether a provider that knows nothing of a call was perhaps asked about another account than the one the request went out for. */
async function wasRotatedSince({ db }: Platform, row: ToolCallRow): Promise<boolean> {
  const rotated = await db.sql`
    select 1 from dispatches d join connections c on c.project_id = d.project_id and c.id = d.connection_id
    where d.project_id = ${row.projectId} and d.tool_call_id = ${row.id} and c.rotated_at >= d.started_at limit 1`;
  return rotated.length > 0;
}

/** By when the latest request of a call had left, if it left at all: when its attempt was given up. */
async function lastDispatchAt({ db }: Platform, row: ToolCallRow): Promise<Date> {
  const [last] = await db.sql<{ at: Date }[]>`
    select coalesce(finished_at, started_at) as at from dispatches
    where project_id = ${row.projectId} and tool_call_id = ${row.id} order by attempt desc limit 1`;
  return last?.at ?? row.calledAt;
}

async function follow(platform: Platform, row: ToolCallRow): Promise<boolean> {
  if (!row.settles || (row.state && isTerminal(row.settles, row.state))) return true;
  const { asked, found } = await observe(platform, row);
  if (asked && found) await applyObservation(platform, row, found, "lookup");
  return !asked || (found !== undefined && isTerminal(row.settles, found.state));
}

/** Applies what a lookup or a notification found. The key makes a second application of the same fact change nothing. */
export async function applyObservation(platform: Platform, row: ToolCallRow, found: Observation, source: string): Promise<void> {
  await transaction(platform.db, async (tx) => {
    const locked = await lockCall(tx, row.projectId, row.id);
    if (locked) await settle(platform, tx, locked, { key: source === "lookup" ? `lookup:${found.state}:${found.action}` : source, provider: row.provider!, observation: found });
  });
  platform.hub.wake();
}

/** The provider has it: the call is accepted after all, with whatever the lookup knows as its result. */
async function acceptFound(platform: Platform, row: ToolCallRow, found: Observation): Promise<void> {
  const now = platform.clock.now();
  await transaction(platform.db, async (tx) => {
    const locked = await lockCall(tx, row.projectId, row.id);
    if (!locked || locked.status !== "running") return;
    const call = { ...row, idempotencyKey: row.idempotencyKey!, provider: row.provider!, rail: row.rail! };
    const result = { id: found.ref, status: "pending", ...amountOf(row), ...(plainJson(found.result ?? {}) as object) };
    await tx`update tool_calls set outcome = 'accepted' where project_id = ${row.projectId} and id = ${row.id}`;
    await recordAccepted(platform, tx, call, locked, {
      ref: found.ref, state: found.state, action: found.action, result, observation: found, ...priceOf(row, found),
    }, now);
  });
  platform.hub.wake();
}

/** What a label cost: of everything else the amount is what was asked for, and is booked when it settles. */
const priceOf = ({ settles }: ToolCallRow, { amountMinor, currency }: Observation) =>
  settles === "shipment" && amountMinor !== undefined && currency ? { cost: { amountMinor, currency } } : {};

const amountOf = (row: ToolCallRow) => (row.amountMinor === null ? {} : { amount: Number(row.amountMinor), currency: row.currency });

/**
 * The provider says that it never had it: nothing happened, so the key and the intent are free for a repeat.
 *
 * returns  `contradicted` when a notification of its own has shown that it has: it lags behind itself, and is asked again
 */
async function neverArrived(platform: Platform, row: ToolCallRow): Promise<"ended" | "contradicted"> {
  const failure = new Failure("provider_unavailable", { provider: row.provider ?? "the provider", reason: "it never received the request" });
  const now = platform.clock.now();
  const verdict = await transaction(platform.db, async (tx) => {
    const locked = await lockCall(tx, row.projectId, row.id);
    if (!locked || locked.status !== "running") return "ended";
    if (locked.state !== null || locked.providerRef !== null) return "contradicted";
    await tx`update tool_calls set outcome = 'not_reached' where project_id = ${row.projectId} and id = ${row.id}`;
    await recordEnded(tx, row, { failure, gaveBack: true }, now);
    await platform.hub.record(tx, {
      orgId: row.orgId, projectId: row.projectId, topic: "tool_call", subject: row.id, sessionId: locked.sessionId, data: { outcome: "not_reached" }, at: now,
    });
    return "ended";
  });
  platform.hub.wake();
  return verdict;
}

function verbOf(row: ToolCallRow): ProviderVerb | undefined {
  if (row.rail === REFUND_RAIL) return "refund";
  if (!isMetaTool(row.toolName)) return undefined;
  return rails.find((rail) => rail.tool === row.toolName && rail.id === row.rail && rail.provider === row.provider)?.verb;
}

async function lookupContext({ db, clock }: Platform, row: ToolCallRow): Promise<CallContext> {
  const [last] = await db.sql<{ notes: Record<string, string> }[]>`
    select notes from dispatches where project_id = ${row.projectId} and tool_call_id = ${row.id} order by attempt desc limit 1`;
  return {
    reference: row.externalReference!, toolCallId: row.id, clock, signal: undefined, acted: false, notes: last?.notes ?? {},
    note: async () => {},
  };
}
