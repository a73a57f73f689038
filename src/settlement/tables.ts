/** What providers said about our calls: append only, each claim once. */
import { bigint, index, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { SettlementState } from "../../schema/settlement.ts";

export const settlementEvents = pgTable(
  "settlement_events",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: bigint({ mode: "bigint" }).generatedAlwaysAsIdentity(),
    toolCallId: text("tool_call_id").notNull(),
    /** Names the claim at its provider, or the lookup that made it: applied once. */
    eventKey: text("event_key").notNull(),
    eventType: text("event_type").notNull(),
    state: text().$type<SettlementState>().notNull(),
    provider: text(),
    providerAction: text("provider_action"),
    providerRef: text("provider_ref"),
    amountMinor: bigint("amount_minor", { mode: "bigint" }),
    feeMinor: bigint("fee_minor", { mode: "bigint" }),
    currency: text(),
    endToEndId: text("end_to_end_id"),
    details: jsonb().$type<Record<string, unknown>>(),
    occurredAt: moment("occurred_at").notNull(),
    receivedAt: moment("received_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    uniqueIndex("settlement_events_key").on(table.projectId, table.toolCallId, table.eventKey),
    index("settlement_events_call").on(table.projectId, table.toolCallId, table.id),
  ],
);
