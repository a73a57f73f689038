/**
 * Calls whose process died under them. A claim says who works on a call until when, and a process renews its own; a lease
 * that ran out is taken over by whoever finds it. Without a dispatch mark nothing has left, so a call with a key of its caller's
 * is sent now, once, and any other is given up; with a mark it may have left, so it is unknown and is looked up.
 */
import { rails } from "../../providers/rails.ts";
import { Failure } from "../../schema/failures.ts";
import type { JsonObject } from "../../schema/meta-tools/meta-tool.ts";
import type { ProjectSettings } from "../access/projects.ts";
import { transaction } from "../db/connect.ts";
import type { Platform } from "../platform.ts";
import type { Candidate } from "../rails/router.ts";
import { scheduleLookup } from "../settlement/lookup-queue.ts";
import { lockCall } from "../settlement/settle.ts";
import { dispatch, type Target } from "./dispatch.ts";
import { performNative, performVerb, REFUND_RAIL } from "./perform.ts";
import { proxyPerformer } from "./proxy.ts";
import { recordEnded } from "./record.ts";
import { performRefund } from "./refund.ts";
import { readName, resolveTool } from "./resolve.ts";

/** How many a process takes at a time. */
const BATCH_MAX = 20;
/** A claim older than this is not sent any more: whoever asked has long gone, and asks again if it still matters. */
const RESUME_MAX_AGE_MS = 10 * 60_000;

interface Abandoned {
  orgId: string;
  projectId: string;
  id: string;
  toolName: string;
  input: JsonObject;
  idempotencyKey: string | null;
  keyGiven: boolean;
  externalReference: string;
  routing: Candidate[] | null;
  connectionId: string | null;
  calledAt: Date;
  dispatched: boolean;
  settings: ProjectSettings;
}

/** Takes over calls whose lease ran out; returns how many. Any process may run it at any time. */
export async function recoverAbandoned(platform: Platform): Promise<number> {
  const { db, clock, limits } = platform;
  const now = clock.now();
  const taken = await db.sql<Abandoned[]>`
    update tool_calls t set lease_until = ${new Date(now.getTime() + limits.leaseMs)}
    from projects p
    where p.id = t.project_id and (t.project_id, t.id) in (
      select project_id, id from tool_calls
      where status = 'running' and outcome is null and lease_until < ${now} limit ${BATCH_MAX} for update skip locked)
    returning t.org_id as "orgId", t.project_id as "projectId", t.id, t.tool_name as "toolName", t.input, t.idempotency_key as "idempotencyKey", t.key_given as "keyGiven",
      t.external_reference as "externalReference", t.routing, t.connection_id as "connectionId", t.called_at as "calledAt", p.settings,
      exists (select 1 from dispatches d where d.project_id = t.project_id and d.tool_call_id = t.id) as dispatched`;
  await Promise.all(taken.map((call) => recover(platform, call, now)));
  return taken.length;
}

async function recover(platform: Platform, call: Abandoned, now: Date): Promise<void> {
  platform.log.warn({ toolCallId: call.id, dispatched: call.dispatched }, "taking over a call whose process died");
  if (call.dispatched) return markUnknown(platform, call);
  // Whoever asked without a key cannot find this call again, and asks anew: sending it too would be sending it twice.
  const isAwaited = call.keyGiven && now.getTime() - call.calledAt.getTime() <= RESUME_MAX_AGE_MS;
  const target = isAwaited ? targetOf(platform, call) : undefined;
  if (!target) return giveUp(platform, call);
  await dispatch(platform, {
    orgId: call.orgId, projectId: call.projectId, id: call.id, reference: call.externalReference,
    idempotencyKey: call.idempotencyKey ?? call.externalReference, targets: [target], settings: call.settings, calledAt: call.calledAt,
  });
}

/** The same request as the dead process would have made: to the provider that its claim chose. */
function targetOf(platform: Platform, { toolName, input, routing, connectionId }: Abandoned): Target | undefined {
  const chosen = routing?.find((candidate) => candidate.verdict === "chosen");
  if (!chosen || !connectionId) return undefined;
  const to = { provider: chosen.provider, rail: chosen.rail, connectionId };
  if (chosen.rail === REFUND_RAIL) return { ...to, perform: performRefund };
  const proxied = proxyPerformer(platform, toolName, input);
  if (proxied) return { ...to, perform: proxied };
  const resolved = resolveTool(platform, readName(platform, toolName));
  if (resolved.kind === "native") {
    const { idempotency_key: _key, ...args } = input;
    return { ...to, perform: performNative(resolved.server, resolved.tool, resolved.tool.input.parse(args)) };
  }
  const rail = rails.find((each) => each.tool === resolved.name && each.id === chosen.rail && each.provider === chosen.provider);
  return rail && { ...to, perform: performVerb(resolved.tool, rail.verb, resolved.tool.input.parse(input)) };
}

async function markUnknown(platform: Platform, call: Abandoned): Promise<void> {
  await transaction(platform.db, async (tx) => {
    const locked = await lockCall(tx, call.projectId, call.id);
    if (!locked || locked.status !== "running" || locked.outcome !== null) return;
    await tx`update tool_calls set outcome = 'unknown', lease_until = null where project_id = ${call.projectId} and id = ${call.id}`;
    await tx`
      update dispatches set outcome = 'unknown', error = 'the process died under it', finished_at = ${platform.clock.now()}
      where project_id = ${call.projectId} and tool_call_id = ${call.id} and outcome is null`;
    await scheduleLookup(platform, tx, call, "unknown");
    await platform.hub.record(tx, {
      orgId: call.orgId, projectId: call.projectId, topic: "tool_call", subject: call.id, sessionId: locked.sessionId, data: { outcome: "unknown" }, at: platform.clock.now(),
    });
  });
  platform.hub.wake();
  platform.jobs.kick();
}

async function giveUp(platform: Platform, call: Abandoned): Promise<void> {
  const failure = new Failure("provider_unavailable", { provider: "the provider", reason: "the server stopped before it was asked" });
  await transaction(platform.db, async (tx) => {
    const locked = await lockCall(tx, call.projectId, call.id);
    if (!locked || locked.status !== "running" || locked.outcome !== null) return;
    // Its first process may have woken up and marked it since it was taken over: then it may have left.
    const [marked] = await tx`select 1 from dispatches where project_id = ${call.projectId} and tool_call_id = ${call.id} limit 1`;
    if (marked) return;
    await tx`update tool_calls set outcome = 'not_reached' where project_id = ${call.projectId} and id = ${call.id}`;
    await recordEnded(tx, call, { failure, gaveBack: true }, platform.clock.now());
    await platform.hub.record(tx, {
      orgId: call.orgId, projectId: call.projectId, topic: "tool_call", subject: call.id, sessionId: locked.sessionId, data: { outcome: "not_reached" }, at: platform.clock.now(),
    });
  });
  platform.hub.wake();
}
