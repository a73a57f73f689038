/** The envelopes of payment and verification status, and watching them change. */
import { desc, and, eq } from "drizzle-orm";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import { ENVELOPE_EVENTS_MAX, isTerminal, type PaymentStatus, type SettlementKind, type VerificationStatus } from "../../schema/settlement.ts";
import type { Principal } from "../access/keys.ts";
import { findToolCall, type ToolCallRow } from "../execution/rows.ts";
import type { Platform } from "../platform.ts";
import { settlementEvents } from "./tables.ts";

type EventRow = typeof settlementEvents.$inferSelect;

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
 * yields  `id` names the version: the number of events behind it and its state
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
      const item = await readStatus(platform, principal, toolCallId);
      const id = [item.status, item.outcome ?? "-", item.events.length, item.original_status].join(".");
      if (id !== last) yield { id, item };
      last = id;
      if (isTerminal(kind, item.status) || item.status === "unknown") return;
    } while (!(await changes.next()).done);
  } finally {
    await changes.return?.();
  }
}

async function read({ db }: Platform, { projectId }: Principal, toolCallId: string): Promise<{ row: ToolCallRow; events: EventRow[] }> {
  const row = await findToolCall({ db }, projectId, toolCallId);
  const events = await db.orm.select().from(settlementEvents)
    .where(and(eq(settlementEvents.projectId, projectId), eq(settlementEvents.toolCallId, toolCallId)))
    .orderBy(desc(settlementEvents.id)).limit(ENVELOPE_EVENTS_MAX);
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
