/** The envelopes of payment and verification status, and watching them change. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import { ENVELOPE_EVENTS_MAX, isTerminal, type PaymentStatus, type SettlementKind, type VerificationStatus } from "../../schema/settlement.ts";
import type { Principal } from "../access/keys.ts";
import { findToolCall, type ToolCallRow } from "../execution/rows.ts";
import { columnsOf } from "../db/columns.ts";
import type { Platform } from "../platform.ts";
import { settlementEvents } from "./tables.ts";

type EventRow = typeof settlementEvents.$inferSelect;

const eventColumns = columnsOf(settlementEvents);

export async function paymentStatus(platform: Platform, principal: Principal, toolCallId: string): Promise<PaymentStatus> {
  const { row, events } = await read(platform, principal, toolCallId);
  const status = shownState(row, "payment") as PaymentStatus["status"];
  return {
    status, state: status, payment_status: status, ...common(platform, row),
    amount_minor: row.amountMinor, final_amount_minor: row.finalAmountMinor, currency: row.currency, settled_at: row.settledAt,
    events: events.map((event) => ({
      event_type: event.eventType, received_at: event.receivedAt, provider: event.provider, provider_action: event.providerAction, payment_id: event.providerRef,
    })),
  };
}

export async function verificationStatus(platform: Platform, principal: Principal, toolCallId: string): Promise<VerificationStatus> {
  const { row, events } = await read(platform, principal, toolCallId);
  const status = shownState(row, "verification") as VerificationStatus["status"];
  const url = isObject(row.output) ? (row.output["hosted_url"] ?? row.output["inquiry_url"]) : undefined;
  return {
    status, state: status, verification_status: status, ...common(platform, row), hosted_url: typeof url === "string" ? url : null,
    events: events.map((event) => ({
      event_type: event.eventType, received_at: event.receivedAt, provider: event.provider, provider_action: event.providerAction, verification_id: event.providerRef,
    })),
  };
}

/**
 * A status now, and again whenever it changes, until it is final.
 *
 * read    the status operation to watch
 * yields  `id` names the version: its state and the events behind it
 */
export async function* watchStatus<Status extends PaymentStatus | VerificationStatus>(
  platform: Platform,
  principal: Principal,
  toolCallId: string,
  kind: SettlementKind,
  readStatus: (platform: Platform, principal: Principal, toolCallId: string) => Promise<Status>,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ id: string; item: Status }> {
  const changes = platform.hub.listen({ projectId: principal.projectId, topic: "tool_call", subject: toolCallId }, signal);
  try {
    let last: string | undefined;
    do {
      const item = await readTogether(platform, `${principal.projectId}/${toolCallId}/${kind}`, () => readStatus(platform, principal, toolCallId));
      const id = [item.status, item.outcome ?? "-", item.events.length, item.events[0]?.received_at.getTime() ?? 0, item.original_status].join(".");
      if (id !== last) yield { id, item };
      last = id;
      if (isTerminal(kind, item.status) || item.status === "unknown") return;
    } while (!(await changes.next()).done);
  } finally {
    await changes.return?.();
  }
}

/** By platform, the reads that were asked for and have not begun. */
const asked = new WeakMap<Platform, Map<string, Promise<unknown>>>();

/**
 * A change wakes every watcher of a call in one turn of the event loop: they share one read. It begins in the next turn, so that
 * whoever joins it sees what it was woken for.
 */
function readTogether<Status>(platform: Platform, key: string, read: () => Promise<Status>): Promise<Status> {
  const reads = asked.get(platform) ?? new Map<string, Promise<unknown>>();
  asked.set(platform, reads);
  const joined = reads.get(key) as Promise<Status> | undefined;
  if (joined) return joined;
  const begun = nextTurn().then(() => {
    reads.delete(key);
    return read();
  });
  reads.set(key, begun);
  return begun;
}

async function read({ db }: Platform, { projectId }: Principal, toolCallId: string): Promise<{ row: ToolCallRow; events: EventRow[] }> {
  const row = await findToolCall({ db }, projectId, toolCallId);
  const events = await db.sql<EventRow[]>`
    select ${db.sql.unsafe(eventColumns)} from settlement_events where project_id = ${projectId} and tool_call_id = ${toolCallId}
    order by id desc limit ${ENVELOPE_EVENTS_MAX}`;
  return { row, events };
}

/** `unknown` keeps its published meaning: the call has no idempotency key, or settles nothing of this kind. */
function shownState(row: ToolCallRow, kind: SettlementKind): string {
  if (row.settles !== kind) return "unknown";
  if (row.state) return row.state;
  if (row.status === "error") return kind === "payment" ? "failed" : "unknown";
  return "pending";
}

const common = ({ clock }: Platform, row: ToolCallRow) => ({
  tool_call_id: row.id, idempotency_key: row.idempotencyKey, external_reference: row.externalReference, provider: row.provider, rail: row.rail,
  original_status: row.status, outcome: row.outcome, observed_at: clock.now(),
});
