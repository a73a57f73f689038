/** Consents asked for, the mandates they made, and every use of one: numbered, so that none can be counted twice. */
import { bigint, integer, index, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { Environment } from "../../schema/tool-calls.ts";
import { moment } from "../db/column-types.ts";

export const consents = pgTable(
  "consents",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    /** SHA-256 of the token, hex. */
    tokenHash: text("token_hash").notNull(),
    environment: text().$type<Environment>().notNull(),
    agentId: text("agent_id").notNull(),
    /** What is asked for (`terms.ts`). */
    terms: jsonb().notNull(),
    mandateId: text("mandate_id"),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.tokenHash] })],
);

export const mandates = pgTable(
  "mandates",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    environment: text().$type<Environment>().notNull(),
    consumerId: text("consumer_id").notNull(),
    agentId: text("agent_id").notNull(),
    /** Without regard to its end: one whose time is over reads as expired. */
    status: text().$type<"active" | "paused" | "revoked">().notNull(),
    /** Canonical JSON: what was signed, byte for byte. */
    statement: text().notNull(),
    signatures: jsonb().$type<{ role: "agent" | "issuer"; kid: string; signature: string }[]>().notNull(),
    token: text().notNull(),
    /** How many uses it has had; the number of the last one. */
    uses: integer().notNull().default(0),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    index("mandates_consumer").on(table.projectId, table.consumerId, table.id),
  ],
);

export const mandateSlots = pgTable(
  "mandate_slots",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    mandateId: text("mandate_id").notNull(),
    currency: text().notNull(),
    capMinor: bigint("cap_minor", { mode: "bigint" }).notNull(),
    /** Never above the cap: a constraint of the database. */
    usedMinor: bigint("used_minor", { mode: "bigint" }).notNull(),
    fundingSourceId: text("funding_source_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.mandateId, table.currency] })],
);

export const mandateUses = pgTable(
  "mandate_uses",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    mandateId: text("mandate_id").notNull(),
    seq: integer().notNull(),
    toolCallId: text("tool_call_id").notNull(),
    currency: text().notNull(),
    amountMinor: bigint("amount_minor", { mode: "bigint" }).notNull(),
    payee: text().notNull(),
    /** `held` while the payment is under way; `released` gives the amount back to the cap. */
    state: text().$type<"held" | "spent" | "released">().notNull(),
    usedAt: moment("used_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.mandateId, table.seq] }),
    uniqueIndex("mandate_uses_call").on(table.projectId, table.toolCallId),
    index("mandate_uses_window").on(table.projectId, table.mandateId, table.currency, table.usedAt),
  ],
);

export const fundingSources = pgTable(
  "funding_sources",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    environment: text().$type<Environment>().notNull(),
    consumerId: text("consumer_id").notNull(),
    currency: text().notNull(),
    rail: text().$type<"pix" | "usdc" | "card">().notNull(),
    /** What its provider knows it by, sealed (`vault.ts`). */
    sealed: text().notNull(),
    status: text().$type<"active" | "revoked">().notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.id] }), index("funding_sources_consumer").on(table.projectId, table.consumerId)],
);
