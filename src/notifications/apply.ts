/**
 * Applying a kept notification: match each claim to its call, confirm claims about money at the provider, settle once. A claim that
 * matches nothing yet (a webhook may overtake the answer) is tried again, then left `unmatched` for an operator.
 */
import type { CallContext, Claim, Observation, ProviderEvent } from "../../providers/provider.ts";
import { isTerminal, settlementKinds, type SettlementKind } from "../../schema/settlement.ts";
import { findConnection, openProvider } from "../connections/connections.ts";
import { findToolCall, type ToolCallRow } from "../execution/rows.ts";
import type { Job } from "../jobs/jobs.ts";
import type { Platform } from "../platform.ts";
import { applyObservation, observe } from "../settlement/lookup.ts";

/** Waits between attempts to match or confirm; after the last, an operator decides. */
const RETRY_WAITS_MS = [1_000, 2_000, 5_000, 15_000, 60_000, 5 * 60_000, 30 * 60_000];

interface KeptNotification {
  serverId: string;
  connectionId: string;
  method: string;
  target: string;
  headers: [string, string][];
  body: Uint8Array;
  status: string;
  attempts: number;
}

type Sender = Pick<KeptNotification, "serverId" | "connectionId">;
type Verdict = "applied" | "ignored" | "unmatched" | "unconfirmed";

export async function applyNotification(platform: Platform, job: Job<{ notificationId: string }>): Promise<Date | void> {
  const { db, clock, providers, publicUrl } = platform;
  const { notificationId: id } = job.payload;
  const [kept] = await db.sql<KeptNotification[]>`
    select server_id as "serverId", connection_id as "connectionId", method, target, headers, body, status, attempts from notifications
    where project_id = ${job.projectId} and id = ${id}`;
  if (!kept || kept.status === "applied" || kept.status === "ignored") return undefined;

  const scheme = providers.find((provider) => provider.id === kept.serverId)?.notifications;
  const events = scheme?.read({ method: kept.method, url: new URL(kept.target, publicUrl), headers: new Headers(kept.headers), body: kept.body }) ?? [];
  const verdicts: Verdict[] = [];
  for (const event of events) verdicts.push(await applyEvent(platform, job.projectId, kept, event));

  const open = verdicts.find((verdict) => verdict === "unmatched" || verdict === "unconfirmed");
  const now = clock.now();
  const wait = open && RETRY_WAITS_MS[kept.attempts];
  const status = open ? "unmatched" : verdicts.includes("applied") ? "applied" : "ignored";
  await db.sql`
    update notifications set status = ${status}, attempts = attempts + 1, problem = ${open ?? null}, finished_at = ${wait === undefined ? now : null}
    where project_id = ${job.projectId} and id = ${id}`;
  // The merchant's own dealings with the provider reach the same address, so one that matches nothing of ours is no alarm.
  if (open && wait === undefined) platform.log.warn({ notificationId: id, server: kept.serverId, problem: open }, "a notification is left for an operator");
  return wait === undefined ? undefined : new Date(now.getTime() + wait);
}

async function applyEvent(platform: Platform, projectId: string, from: Sender, event: ProviderEvent): Promise<Verdict> {
  const row = (await matchingCall(platform, projectId, from, event)) ?? (await identifiedCall(platform, projectId, from, event));
  if (!row) return "unmatched";
  if (!row.settles) return "ignored";
  if (event.observation.state === undefined) return applyWhatIs(platform, row, event);
  const observation = await confirmed(platform, row, row.settles, { ...event.observation, state: event.observation.state });
  if (!observation) return disbelieved(platform, row, event.observation);
  await applyObservation(platform, row, observation, `event:${event.eventId}`);
  return "applied";
}

/**
 * The provider does not confirm its own message. What it claims is not believed, but that it knows the call is kept: a lookup that denies
 * a call of unknown outcome must not be believed either.
 */
async function disbelieved({ db }: Platform, row: ToolCallRow, { ref }: Claim): Promise<Verdict> {
  await db.sql`
    update tool_calls set provider_ref = coalesce(provider_ref, ${ref})
    where project_id = ${row.projectId} and id = ${row.id} and status = 'running' and outcome = 'unknown'`;
  return "unconfirmed";
}

/** A claim without a state says that something changed; what is applied is what the provider then answers. */
async function applyWhatIs(platform: Platform, row: ToolCallRow, { ref }: ProviderEvent): Promise<Verdict> {
  const { found } = await observe(platform, { ...row, providerRef: row.providerRef ?? ref ?? null });
  if (!found) return "unconfirmed";
  await applyObservation(platform, row, found, "lookup");
  return "applied";
}

/**
 * By our reference, which the call has had since its claim; else by the provider's id, which it has since its answer. A call that
 * gave its key back shares its reference with the repeat that was sent, and is not the one that is meant. Who owns a connection can
 * speak of that owner's calls alone: one user's account proves nothing about another's payment.
 */
async function matchingCall({ db }: Platform, projectId: string, from: Sender, { reference, ref }: ProviderEvent): Promise<ToolCallRow | undefined> {
  const [found] = await db.sql<{ id: string }[]>`
    select id from tool_calls
    where project_id = ${projectId} and provider = ${from.serverId} and (external_reference = ${reference ?? null} or provider_ref = ${ref ?? null})
      and connection_id in (
        select theirs.id from connections sender join connections theirs
          on theirs.project_id = sender.project_id and coalesce(theirs.user_id, '') = coalesce(sender.user_id, '')
        where sender.project_id = ${projectId} and sender.id = ${from.connectionId})
    order by (external_reference = ${reference ?? null}) desc nulls last, (idempotency_key is null), id desc limit 1`;
  return found && findToolCall({ db }, projectId, found.id);
}

/** The call of a message that carries the provider's id alone, and an id that we were never told: whose it is, the provider knows. */
async function identifiedCall(platform: Platform, projectId: string, { serverId, connectionId }: Sender, event: ProviderEvent): Promise<ToolCallRow | undefined> {
  const connection = event.reference === undefined ? await findConnection(platform, serverId, connectionId) : undefined;
  if (!connection) return undefined;
  const provider = await openProvider(platform, connection);
  const reference = await provider.referenceOf?.(event, question(platform));
  return reference === undefined ? undefined : matchingCall(platform, projectId, { serverId, connectionId }, { ...event, reference });
}

/** A question that serves no call yet. */
const question = ({ clock }: Platform): CallContext =>
  ({ reference: "", toolCallId: "", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/**
 * A claim that ends something, as the provider itself confirms it. A shared token in a header proves little, amounts in a webhook are
 * only claims, and the provider's own record holds more (a document's files, the operator's reading of a verdict).
 *
 * returns  undefined while the provider does not (yet) say what the claim says, or can no longer be asked: the connection was revoked
 */
async function confirmed(platform: Platform, row: ToolCallRow, kind: SettlementKind, claimed: Observation): Promise<Observation | undefined> {
  if (kind !== "verification" && !isTerminal(kind, claimed.state)) return claimed;
  const { asked, found } = await observe(platform, row);
  if (!asked) return (await findConnection(platform, row.provider!, row.connectionId!)) ? claimed : undefined;
  if (!found) return undefined;
  // The provider may be further on than the claim (already refunded); it must not be behind it.
  const priority: readonly string[] = settlementKinds[kind].priority;
  return priority.indexOf(found.state) <= priority.indexOf(claimed.state) ? { ...claimed, ...found, action: claimed.action } : undefined;
}
