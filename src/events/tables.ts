/**
 * The outbox: what changed, written in the transaction that changed it. Readers order by (transaction, id) and read only
 * transactions that no running one can precede, so that a late commit is never skipped.
 */
import { bigint, index, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { sql } from "drizzle-orm";
import { moment, xid8 } from "../db/column-types.ts";

export const outbox = pgTable(
  "outbox",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: bigint({ mode: "bigint" }).generatedAlwaysAsIdentity(),
    transaction: xid8().notNull().default(sql`pg_current_xact_id()`),
    /** What changed: `tool_call`, `session`, `run`. */
    topic: text().notNull(),
    /** Which one. */
    subject: text().notNull(),
    sessionId: text("session_id"),
    data: jsonb().$type<Record<string, unknown>>(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    index("outbox_order").on(table.transaction, table.id),
    index("outbox_session").on(table.projectId, table.sessionId, table.transaction, table.id),
  ],
);
