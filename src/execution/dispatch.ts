/**
 * The dispatch of a claimed call: outside any transaction, once. What may have left this machine is marked before it
 * leaves; what comes back is one of four outcomes, and only `not_reached` may go on to the next provider.
 */
import { NotReached, OutcomeUnknown, Rejected, SetupMissing, type CallContext, type Outcome } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import type { DispatchOutcome } from "../../schema/settlement.ts";
import type { ProjectSettings } from "../access/projects.ts";
import { listConnected, type Connection } from "../connections/connections.ts";
import { transaction } from "../db/connect.ts";
import type { Platform } from "../platform.ts";
import { scheduleLookup } from "../settlement/lookup-queue.ts";
import { lockCall } from "../settlement/settle.ts";
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
  const connections = await listConnected(platform, call.projectId);
  for (const [index, target] of call.targets.entries()) {
    const connection = connections.find((each) => each.id === target.connectionId);
    if (!connection) continue;
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
 * it, or has given it up. The update holds the row, so giving up and sending cannot both happen.
 */
async function markDispatched({ db }: Platform, call: Dispatchable, { attempt, target, startedAt }: Mark): Promise<boolean> {
  const marked = await db.sql`
    with ours as (
      update tool_calls set provider = ${target.provider}, rail = ${target.rail}, connection_id = ${target.connectionId}
      where project_id = ${call.projectId} and id = ${call.id} and status = 'running' and outcome is null returning org_id, project_id, id)
    insert into dispatches (org_id, project_id, tool_call_id, attempt, provider, rail, connection_id, notes, started_at)
    select org_id, project_id, id, ${attempt}::int, ${target.provider}, ${target.rail}, ${target.connectionId}, '{}', ${startedAt} from ours
    on conflict do nothing returning attempt`;
  return marked.length > 0;
}

async function attemptOnce(platform: Platform, call: Dispatchable, connection: Connection, { attempt, target }: Mark): Promise<Attempt> {
  const context = callContext(platform, call, attempt);
  const { provider, perform } = target;
  try {
    const answer = await perform(platform, connection, context);
    if (answer.outcome === "accepted") return { outcome: "accepted", answer };
    // "You sent this before" says that something of ours exists there: what it is, only a lookup can tell.
    if (answer.reason === "duplicate") return unknown(provider, call.id, new Error(answer.message));
    return declined(provider, answer);
  } catch (error) {
    return classify(platform, error, { context, provider, toolCallId: call.id });
  }
}

function callContext({ db, clock }: Platform, call: Dispatchable, attempt: number): CallContext {
  const notes: Record<string, string> = {};
  return {
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
  platform.log.warn({ err: error, provider, toolCallId }, "a request was given up before it had an effect");
  return { outcome: "not_reached", failure: unavailable(provider, error) };
}

const unknown = (provider: string, toolCallId: string, cause: unknown): Attempt =>
  ({ outcome: "unknown", failure: new Failure("outcome_unknown", { provider, toolCallId }, { cause }) });

const unavailable = (provider: string, error: unknown): Failure =>
  new Failure("provider_unavailable", { provider, reason: error instanceof Error ? error.message.replace(`${provider}: `, "") : "no answer" }, { cause: error });

function declined(provider: string, answer: Extract<Outcome<unknown>, { outcome: "declined" }>): Attempt {
  const { reason, message, field, ref } = answer;
  const failure = reason === "rate_limited"
    ? new Failure("provider_rate_limited", { provider }, { retryAfterSeconds: 30 })
    : new Failure("provider_declined", { provider, reason: message, ...(field && { field }) });
  return { outcome: "declined", failure, ...(ref && { ref }) };
}

/** Nothing was done, and the caller is told to repeat the call: the key must then be free for it. */
const mayBeRepeated = ({ outcome, failure }: Exclude<Attempt, { outcome: "accepted" }>): boolean =>
  outcome === "not_reached" || failure.retry === "after";

async function record(
  platform: Platform,
  call: Dispatchable,
  { attempt, target, startedAt, result, final }: Mark & { result: Attempt; final: boolean },
): Promise<void> {
  const { db, clock, hub } = platform;
  const now = clock.now();
  const failure = "failure" in result ? result.failure : undefined;
  await transaction(db, async (tx) => {
    await tx`
      update dispatches set outcome = ${result.outcome}, finished_at = ${now}, duration_ms = ${now.getTime() - startedAt.getTime()}, error = ${failure?.message ?? null}
      where project_id = ${call.projectId} and tool_call_id = ${call.id} and attempt = ${attempt}`;
    if (!final) return;
    const locked = await lockCall(tx, call.projectId, call.id);
    if (!locked || locked.status !== "running") return;
    await tx`
      update tool_calls set outcome = ${result.outcome}, lease_until = null
      where project_id = ${call.projectId} and id = ${call.id}`;
    if (result.outcome === "accepted") await recordAccepted(platform, tx, { ...call, provider: target.provider, rail: target.rail }, locked, result.answer, now);
    else if (result.outcome === "unknown") await scheduleLookup(platform, tx, call, "unknown");
    else await recordEnded(tx, call, { failure: result.failure, ref: result.ref, gaveBack: mayBeRepeated(result) }, now);
    await hub.record(tx, {
      orgId: call.orgId, projectId: call.projectId, topic: "tool_call", subject: call.id, sessionId: locked.sessionId, data: { outcome: result.outcome }, at: now,
    });
  });
  hub.wake();
}
