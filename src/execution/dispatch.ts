/**
 * The dispatch of a claimed call: outside any transaction, once. What may have left this machine is marked before it
 * leaves; what comes back is one of four outcomes, and only `not_reached` may go on to the next provider.
 */
import { neverLeft } from "../../providers/http.ts";
import { NotReached, OutcomeUnknown, Rejected, SetupMissing, Unanswered, type CallContext, type Outcome } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import type { DispatchOutcome } from "../../schema/settlement.ts";
import type { ProjectSettings } from "../access/projects.ts";
import { findConnection, type Connection } from "../connections/connections.ts";
import { transaction, type TransactionSql } from "../db/connect.ts";
import type { Platform } from "../platform.ts";
import type { Candidate } from "../rails/router.ts";
import { scheduleLookup } from "../settlement/lookup-queue.ts";
import { lockCall, type LockedCall } from "../settlement/settle.ts";
import { rejection, type Perform } from "./perform.ts";
import { recordAccepted, recordEnded } from "./record.ts";

/** One provider that may take the call, and how it is asked. */
export interface Target {
  provider: string;
  /** The rail's id. */
  rail: string;
  connectionId: string;
  perform: Perform;
}

/** A claimed call on its way out. */
export interface Dispatchable {
  orgId: string;
  projectId: string;
  id: string;
  reference: string;
  idempotencyKey: string;
  /** The chosen one first. */
  targets: readonly Target[];
  settings: ProjectSettings;
  calledAt: Date;
}

/** What one attempt came to. */
type Attempt =
  | { outcome: "accepted"; answer: Extract<Outcome<object>, { outcome: "accepted" }> }
  | { outcome: Exclude<DispatchOutcome, "accepted">; failure: Failure; ref?: string; tryNext?: boolean };

/** Sends the call, and records what came of it. Another process that took the call over makes this one stop, before it sends. */
export const dispatch = (platform: Platform, call: Dispatchable): Promise<void> =>
  platform.leases.during(call.id, () => dispatchInOrder(platform, call));

async function dispatchInOrder(platform: Platform, call: Dispatchable): Promise<void> {
  for (const [index, target] of call.targets.entries()) {
    const connection = await findConnection(platform, target.provider, target.connectionId);
    const mark = { attempt: index + 1, target, startedAt: platform.clock.now() };
    if (!(await markDispatched(platform, call, mark))) return;
    const result = await attemptOnce(platform, call, connection, mark);
    const last = index === call.targets.length - 1;
    const goOn = result.outcome === "not_reached" && result.tryNext === true && call.settings.failoverWhenNotReached === true && !last;
    await record(platform, call, { ...mark, result, final: !goOn });
    if (!goOn) return;
  }
}

interface Mark {
  attempt: number;
  target: Target;
  startedAt: Date;
}

/**
 * Writes that a request is about to leave, and to whom. False when the call is no longer ours to send: another process has marked
 * it, or has given it up. The row is held, so giving up and sending cannot both happen.
 */
async function markDispatched({ db }: Platform, call: Dispatchable, { attempt, target, startedAt }: Mark): Promise<boolean> {
  const marked = await db.sql`
    with ours as (
      select org_id, project_id, id from tool_calls
      where project_id = ${call.projectId} and id = ${call.id} and status = 'running' and outcome is null for update),
    marked as (
      insert into dispatches (org_id, project_id, tool_call_id, attempt, provider, rail, connection_id, notes, started_at)
      select org_id, project_id, id, ${attempt}::int, ${target.provider}, ${target.rail}, ${target.connectionId}, '{}', ${startedAt} from ours
      on conflict do nothing returning project_id, tool_call_id, provider, rail, connection_id)
    update tool_calls t set provider = m.provider, rail = m.rail, connection_id = m.connection_id
    from marked m where t.project_id = m.project_id and t.id = m.tool_call_id returning t.id`;
  return marked.length > 0;
}

async function attemptOnce(platform: Platform, call: Dispatchable, connection: Connection | undefined, { attempt, target }: Mark): Promise<Attempt> {
  const context = callContext(platform, call, attempt);
  const { provider, perform } = target;
  try {
    // It was there when the route was chosen, and has been revoked since.
    if (!connection) throw new Failure("provider_not_connected", { field: "provider", provider });
    const answer = await perform(platform, connection, context);
    if (answer.outcome === "accepted") return { outcome: "accepted", answer };
    // "You sent this before" says that something of ours exists there: what it is, only a lookup can tell.
    if (answer.reason === "duplicate") return unknown(provider, call.id, new Error(answer.message));
    return declined(provider, answer);
  } catch (error) {
    return classify(platform, error, { context, provider, toolCallId: call.id });
  }
}

function callContext({ db, clock, limits }: Platform, call: Dispatchable, attempt: number): CallContext {
  const notes: Record<string, string> = {};
  return {
    // Within this time nobody frees the key of a call that is marked, so what is sent by then is not sent again.
    sendBefore: new Date(clock.now().getTime() + limits.leaseMs + limits.notFoundBelievedAfterMs / 2),
    reference: call.reference, toolCallId: call.id, clock, signal: undefined, acted: false, notes,
    note: async (more) => {
      Object.assign(notes, more);
      await db.sql`
        update dispatches set notes = notes || ${db.sql.json(more)}
        where project_id = ${call.projectId} and tool_call_id = ${call.id} and attempt = ${attempt}`;
    },
  };
}

/** Once a request with effect may have left, whatever went wrong since leaves the outcome unknown. */
function classify(platform: Platform, error: unknown, { context, provider, toolCallId }: { context: CallContext; provider: string; toolCallId: string }): Attempt {
  if (context.acted || error instanceof OutcomeUnknown) return unknown(provider, toolCallId, error);
  if (error instanceof NotReached) return { outcome: "not_reached", tryNext: true, failure: unavailable(provider, error) };
  if (error instanceof SetupMissing)
    return { outcome: "not_reached", failure: new Failure("connection_setup_missing", { field: error.setting, provider, missing: error.setting }) };
  if (error instanceof Rejected) return declined(provider, { outcome: "declined", reason: rejection(error.status), message: `it answered ${error.status}` });
  if (error instanceof Failure) return { outcome: "not_reached", failure: error };
  // A question before the effect found nobody there: as good as a request that never left.
  if (error instanceof Unanswered && neverLeft(error)) return { outcome: "not_reached", tryNext: true, failure: unavailable(provider, error) };
  platform.log.warn({ err: error, provider, toolCallId }, "a request was given up before it had an effect");
  return { outcome: "not_reached", failure: unavailable(provider, error) };
}

const unknown = (provider: string, toolCallId: string, cause: unknown): Attempt =>
  ({ outcome: "unknown", failure: new Failure("outcome_unknown", { provider, toolCallId }, { cause }) });

/** Only what our own client says of the network is passed on: any other error is for the log, whatever it quotes. */
const unavailable = (provider: string, error: unknown): Failure => {
  const reason = error instanceof NotReached || error instanceof Unanswered ? error.message.replace(`${provider}: `, "") : "the request could not be made";
  return new Failure("provider_unavailable", { provider, reason }, { cause: error });
};

function declined(provider: string, answer: Extract<Outcome<unknown>, { outcome: "declined" }>): Attempt {
  const { reason, message, field, ref } = answer;
  const failure = reason === "rate_limited"
    ? new Failure("provider_rate_limited", { provider }, { retryAfterSeconds: 30 })
    : new Failure("provider_declined", { provider, reason: readable(message), ...(field && { field }) });
  return { outcome: "declined", failure, ...(ref && { ref }) };
}

/** Of a provider's own sentence, this much is kept. */
const REFUSAL_CHARS_MAX = 500;

/** A provider's sentence as a row can keep it (PostgreSQL takes neither NUL nor half a character) and ours can end. */
const readable = (text: string): string => text.slice(0, REFUSAL_CHARS_MAX).replace(/[\s\p{Cc}\p{Surrogate}]+/gu, " ").trim().replace(/\.+$/, "");

/** Nothing was done, and the caller is told to repeat the call: the key must then be free for it. */
const mayBeRepeated = ({ outcome, failure }: Exclude<Attempt, { outcome: "accepted" }>): boolean =>
  outcome === "not_reached" || failure.retry === "after";

/** A provider that could not be reached, written where those are that the router passed over (C-51). */
async function passOver(tx: TransactionSql, call: Dispatchable, { provider, rail }: Target, { message: reason }: Failure): Promise<void> {
  const passed: Candidate = { provider, rail, rank: 0, verdict: "skipped", reason };
  await tx`
    update tool_calls set failover_trail = coalesce(failover_trail, '[]') || ${tx.json(passed as never)}::jsonb
    where project_id = ${call.projectId} and id = ${call.id}`;
}

/** Whoever took the call over may have ended it. Only that the provider accepted it all the same is news then. */
const mayStillSay = ({ status }: LockedCall, { outcome }: Attempt): boolean => status === "running" || (status === "error" && outcome === "accepted");

/** The provider has told us of this call, so it has it: an answer that denies that is not believed before it was looked up. */
const contradicted = ({ state }: LockedCall, { outcome }: Attempt): boolean => outcome !== "accepted" && state !== null;

async function record(
  platform: Platform,
  call: Dispatchable,
  { attempt, target, startedAt, result, final }: Mark & { result: Attempt; final: boolean },
): Promise<void> {
  const { db, clock, hub, log } = platform;
  const now = clock.now();
  const failure = "failure" in result ? result.failure : undefined;
  await transaction(db, async (tx) => {
    // Whoever takes a call over locks it first, too.
    const locked = await lockCall(tx, call.projectId, call.id);
    await tx`
      update dispatches set outcome = ${result.outcome}, finished_at = ${now}, duration_ms = ${now.getTime() - startedAt.getTime()}, error = ${failure?.message ?? null}
      where project_id = ${call.projectId} and tool_call_id = ${call.id} and attempt = ${attempt}`;
    if (!final) return passOver(tx, call, target, failure!);
    if (!locked || !mayStillSay(locked, result)) return;
    if (locked.status === "error") log.error({ toolCallId: call.id }, "a call was accepted after it had been given up and its key was free: look for a second one");
    const outcome = contradicted(locked, result) ? "unknown" : result.outcome;
    await tx`
      update tool_calls set outcome = ${outcome}, lease_until = null, error = null, error_code = null
      where project_id = ${call.projectId} and id = ${call.id}`;
    if (result.outcome === "accepted") await recordAccepted(platform, tx, { ...call, provider: target.provider, rail: target.rail }, locked, result.answer, now);
    else if (outcome === "unknown") await scheduleLookup(platform, tx, call, "unknown");
    else await recordEnded(tx, call, { failure: result.failure, ref: result.ref, gaveBack: mayBeRepeated(result) }, now);
    await hub.record(tx, {
      orgId: call.orgId, projectId: call.projectId, topic: "tool_call", subject: call.id, sessionId: locked.sessionId, data: { outcome }, at: now,
    });
  });
  hub.wake();
}
