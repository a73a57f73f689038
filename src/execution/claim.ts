/**
 * The claim: one statement writes the tool call, its idempotency key and the intent it serves, guarded by unique keys. Whoever
 * loses finds the first call and returns its answer. Nothing has left this machine before a claim is committed.
 */
import { Failure } from "../../schema/failures.ts";
import { newId, newIdempotencyKey } from "../../schema/ids.ts";
import type { Money } from "../../schema/money.ts";
import type { SettlementKind } from "../../schema/settlement.ts";
import type { Origin } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { transaction, type Sql, type TransactionSql } from "../db/connect.ts";
import { takeUse, type MandateClaim } from "../mandates/use.ts";
import type { Platform } from "../platform.ts";
import type { Candidate } from "../rails/router.ts";
import type { Target } from "./dispatch.ts";
import { findToolCall, type ToolCallRow } from "./rows.ts";

export interface Claim {
  principal: Principal;
  sessionId: string;
  runId: string | undefined;
  origin: Origin;
  /** As the caller wrote it. */
  toolName: string;
  canonical: Record<string, unknown>;
  metadata: Record<string, unknown> | undefined;
  /** Whether it has an effect: only then does it hold a key. */
  acts: boolean;
  /** The caller's name for this effect, as it was written; made here when absent. */
  key: unknown;
  fingerprint: string;
  intent: string | undefined;
  settles: SettlementKind | undefined;
  money: Money | undefined;
  /** `codespar` for meta-tools, the provider for its own. */
  serverId: string;
  target: Pick<Target, "provider" | "rail" | "connectionId"> | undefined;
  routing: readonly Candidate[];
  failoverTrail: readonly Candidate[];
  /** The charge that the call gives back. */
  refundOf?: string | undefined;
  /** Whose permission the money moves under; counted in the transaction of the claim. */
  mandate?: MandateClaim | undefined;
  /** What else has to be written with the claim, or the claim is not made. */
  within?: ((tx: TransactionSql, claimed: Claimed) => Promise<void>) | undefined;
}

/** A call that was claimed here: what was written, without another look at its row. */
export interface Claimed {
  won: true;
  id: string;
  /** What a repeat names it by; null for a call without effect, which holds no key. */
  key: string | null;
  reference: string;
  calledAt: Date;
}

export type Verdict = Claimed | { won: false; first: ToolCallRow };

/** In lower case only: were case passed over, two keys could name two effects under one external reference. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** Throws idempotency_key_invalid, idempotency_conflict when the key already names another effect, and what a mandate refuses with. */
export async function claim(platform: Platform, wanted: Claim): Promise<Verdict> {
  const key = keyOf(wanted.key);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const claimed = await (wanted.mandate || wanted.within ? claimWithMore(platform, wanted, key) : insertClaim(platform, platform.db.sql, wanted, key));
    if (claimed) platform.hub.wake();
    if (claimed) return claimed;
    const first = await firstOf(platform, wanted, key);
    if (first) return { won: false, first };
    // The first call ended without effect and gave its key back between our two statements: the key is free again.
  }
  throw new Error(`the key was taken and given back ${ATTEMPTS_MAX} times`);
}

const ATTEMPTS_MAX = 5;

const keyOf = (written: unknown): string => (written === undefined ? newIdempotencyKey() : checkedKey(written));

/** A key as a caller wrote it; throws idempotency_key_invalid for what is none. */
export function checkedKey(written: unknown): string {
  if (typeof written !== "string" || !KEY.test(written)) throw new Failure("idempotency_key_invalid", { field: "idempotency_key" });
  return written;
}

/** A call that its mandate does not allow is not claimed, and a repeat uses nothing. */
const claimWithMore = (platform: Platform, wanted: Claim, key: string): Promise<Claimed | undefined> =>
  transaction(platform.db, async (tx) => {
    const claimed = await insertClaim(platform, tx, wanted, key);
    if (!claimed) return undefined;
    if (wanted.mandate) await takeUse(tx, { ...wanted.principal, toolCallId: claimed.id, money: wanted.money!, at: claimed.calledAt }, wanted.mandate);
    await wanted.within?.(tx, claimed);
    return claimed;
  });

async function insertClaim({ clock, limits }: Platform, sql: Sql | TransactionSql, wanted: Claim, key: string): Promise<Claimed | undefined> {
  const now = clock.now();
  const id = newId("toolCall", now);
  const reference = UUID.test(key) ? key : newIdempotencyKey();
  const { principal, target } = wanted;
  // The change is announced by the same statement: a watcher sees a call from its claim on, not from its answer.
  const won = await sql`
    with claimed as (
    insert into tool_calls (org_id, project_id, id, session_id, run_id, origin, environment, tool_name, server_id, provider, rail, connection_id,
      status, settles, idempotency_key, key_given, external_reference, fingerprint, intent, refund_of, amount_minor, currency, input, routing, failover_trail, metadata,
      called_at, lease_until)
    values (${principal.orgId}, ${principal.projectId}, ${id}, ${wanted.sessionId}, ${wanted.runId ?? null}, ${wanted.origin},
      ${principal.environment}, ${wanted.toolName}, ${wanted.serverId}, ${target?.provider ?? null}, ${target?.rail ?? null}, ${target?.connectionId ?? null},
      'running', ${wanted.settles ?? null}, ${wanted.acts ? key : null}, ${wanted.key !== undefined}, ${reference}, ${wanted.fingerprint}, ${wanted.intent ?? null}, ${wanted.refundOf ?? null},
      ${wanted.money?.amountMinor ?? null}, ${wanted.money?.currency ?? null}, ${sql.json(wanted.canonical as never)},
      ${sql.json(wanted.routing as never)}, ${sql.json(wanted.failoverTrail as never)}, ${wanted.metadata ? sql.json(wanted.metadata as never) : null},
      ${now}, ${new Date(now.getTime() + limits.leaseMs)})
    on conflict do nothing returning org_id, project_id, id, session_id)
    insert into outbox (org_id, project_id, topic, subject, session_id, data, created_at)
    select org_id, project_id, 'tool_call', id, session_id, '{"status":"running"}', ${now} from claimed returning subject`;
  if (won.length === 0) return undefined;
  return { won: true, id, key: wanted.acts ? key : null, reference, calledAt: now };
}

async function firstOf(platform: Platform, wanted: Claim, key: string): Promise<ToolCallRow | undefined> {
  const { projectId } = wanted.principal;
  const [byKey] = await platform.db.sql<{ id: string; fingerprint: string }[]>`
    select id, fingerprint from tool_calls where project_id = ${projectId} and idempotency_key = ${key}`;
  if (byKey && byKey.fingerprint !== wanted.fingerprint) throw new Failure("idempotency_conflict", { field: "idempotency_key", toolCallId: byKey.id });
  if (byKey) return findToolCall(platform, projectId, byKey.id);
  const [byIntent] = await platform.db.sql<{ id: string }[]>`
    select id from tool_calls where project_id = ${projectId} and intent = ${wanted.intent ?? null}`;
  return byIntent && findToolCall(platform, projectId, byIntent.id);
}

/** The first call, once it has an answer. Throws idempotency_in_flight when it has none within the bound. */
export async function settledFirst(platform: Platform, first: ToolCallRow, signal: AbortSignal | undefined): Promise<ToolCallRow> {
  const { clock, hub, limits } = platform;
  if (hasAnswer(first)) return first;
  const stop = new AbortController();
  const until = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const changes = hub.listen({ projectId: first.projectId, topic: "tool_call", subject: first.id }, until);
  void clock.sleep(limits.inFlightWaitMs, stop.signal).then(() => stop.abort());
  try {
    for (let isOver = false; ; ) {
      const row = await findToolCall(platform, first.projectId, first.id);
      if (hasAnswer(row)) return row;
      if (isOver) throw new Failure("idempotency_in_flight", { toolCallId: first.id }, { retryAfterSeconds: 1 });
      // The row is read once more when the time is up: a transaction of somebody else's may have held its change back.
      isOver = (await changes.next()).done === true;
    }
  } finally {
    stop.abort();
  }
}

const hasAnswer = (row: ToolCallRow): boolean => row.status !== "running" || row.outcome === "unknown";
