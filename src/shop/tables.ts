/** Checkouts at stores (`codespar_shop`): begun by a tool call, carried on by a job, read by whoever asks what became of them. */
import { bigint, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { CheckoutError, CheckoutReason } from "../../schema/meta-tools/shop.ts";
import { moment } from "../db/column-types.ts";

export const checkouts = pgTable(
  "checkouts",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    toolCallId: text("tool_call_id").notNull(),
    /** Null where nobody can place the order. */
    provider: text(),
    connectionId: text("connection_id"),
    status: text().$type<"in_progress" | "ready_for_payment" | "canceled">().notNull(),
    /** Sealed JSON (`vault.ts`): what was asked for, the shopper included, while it is in progress; the Pix code once it is ready; then nothing. */
    sealed: text(),
    totalMinor: bigint("total_minor", { mode: "bigint" }),
    error: text().$type<CheckoutError>(),
    reasonCode: text("reason_code").$type<CheckoutReason>(),
    reasonHint: text("reason_hint"),
    /** The store's ids of what was begun there, for a person who has to look. */
    notes: jsonb().$type<Record<string, string>>().notNull(),
    createdAt: moment("created_at").notNull(),
    /** When a process took it up. It is taken up once. */
    startedAt: moment("started_at"),
    endedAt: moment("ended_at"),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.id] }), uniqueIndex("checkouts_tool_call").on(table.projectId, table.toolCallId)],
);
