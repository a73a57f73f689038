/** Tool calls, and the dispatches they made. */
import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, json, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { DispatchOutcome, SettlementKind, SettlementState } from "../../schema/settlement.ts";
import type { Environment, Origin } from "../../schema/tool-calls.ts";
import type { Candidate } from "../rails/router.ts";

export const toolCalls = pgTable(
  "tool_calls",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    sessionId: text("session_id").notNull(),
    runId: text("run_id"),
    origin: text().$type<Origin>().notNull(),
    environment: text().$type<Environment>().notNull(),
    /** The name as the caller wrote it. */
    toolName: text("tool_name").notNull(),
    serverId: text("server_id").notNull(),
    provider: text(),
    rail: text(),
    connectionId: text("connection_id"),
    status: text().$type<"running" | "success" | "error">().notNull(),
    outcome: text().$type<DispatchOutcome>(),
    settles: text().$type<SettlementKind>(),
    state: text().$type<SettlementState>(),
    /** The caller's name for this effect, or ours: unique in the project for ever. */
    idempotencyKey: text("idempotency_key"),
    /** Whether the key is the caller's own: only then can whoever asked find this call again. */
    keyGiven: boolean("key_given").notNull().default(false),
    /** UUID v4 that went to the provider; the same as the key when that is a UUID. */
    externalReference: text("external_reference"),
    /** SHA-256 of what the call means; a repeat under the key must mean the same. */
    fingerprint: text(),
    /** What an agent's repeat is measured against; null where none applies. */
    intent: text(),
    /** The charge that this call gives back, in whole or in part. */
    refundOf: text("refund_of"),
    /** The provider's id of what it made. */
    providerRef: text("provider_ref"),
    amountMinor: bigint("amount_minor", { mode: "bigint" }),
    currency: text(),
    finalAmountMinor: bigint("final_amount_minor", { mode: "bigint" }),
    settledAt: moment("settled_at"),
    input: jsonb().$type<unknown>().notNull(),
    output: json().$type<unknown>(),
    errorCode: text("error_code"),
    error: jsonb().$type<StoredError>(),
    routing: jsonb().$type<Candidate[]>(),
    failoverTrail: jsonb("failover_trail").$type<Candidate[]>(),
    metadata: jsonb().$type<Record<string, unknown>>(),
    durationMs: integer("duration_ms"),
    calledAt: moment("called_at").notNull(),
    finishedAt: moment("finished_at"),
    /** Until then the process that claimed the call is trusted to be working on it. */
    leaseUntil: moment("lease_until"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    uniqueIndex("tool_calls_id").on(table.id),
    uniqueIndex("tool_calls_idempotency_key").on(table.projectId, table.idempotencyKey),
    uniqueIndex("tool_calls_intent").on(table.projectId, table.intent),
    index("tool_calls_reference").on(table.projectId, table.externalReference),
    index("tool_calls_provider_ref").on(table.projectId, table.provider, table.providerRef),
    index("tool_calls_refund_of").on(table.projectId, table.refundOf).where(sql`refund_of is not null`),
    index("tool_calls_session").on(table.projectId, table.sessionId, table.id),
    index("tool_calls_unfinished").on(table.leaseUntil).where(sql`status = 'running'`),
  ],
);

/** An error as a later reader of the row meets it. */
export interface StoredError {
  code: string;
  message: string;
  retry: string;
  field?: string;
  expected?: string;
}

export const dispatches = pgTable(
  "dispatches",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    toolCallId: text("tool_call_id").notNull(),
    attempt: integer().notNull(),
    provider: text().notNull(),
    rail: text().notNull(),
    connectionId: text("connection_id").notNull(),
    /** Null while it is under way, or if the process died under it. */
    outcome: text().$type<DispatchOutcome>(),
    /** Ids that later steps and lookups depend on. */
    notes: jsonb().$type<Record<string, string>>().notNull(),
    error: text(),
    startedAt: moment("started_at").notNull(),
    finishedAt: moment("finished_at"),
    durationMs: integer("duration_ms"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.toolCallId, table.attempt] }),
    index("dispatches_health").on(table.projectId, table.provider, table.startedAt),
  ],
);
