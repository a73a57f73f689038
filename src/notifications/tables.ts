/** Inbound messages of providers, kept as they arrived before they are acknowledged. */
import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { bytes, moment } from "../db/column-types.ts";

export const notifications = pgTable(
  "notifications",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    serverId: text("server_id").notNull(),
    connectionId: text("connection_id").notNull(),
    method: text().notNull(),
    /** The path alone: what stands behind it may be a secret of the connection. */
    target: text().notNull(),
    headers: jsonb().$type<[string, string][]>().notNull(),
    body: bytes().notNull(),
    /** `unmatched` ones are tried again while a call they could belong to may still appear, then left for an operator. */
    status: text().$type<"received" | "applied" | "ignored" | "unmatched">().notNull(),
    attempts: integer().notNull(),
    problem: text(),
    receivedAt: moment("received_at").notNull(),
    finishedAt: moment("finished_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    index("notifications_open").on(table.status, table.receivedAt).where(sql`status in ('received', 'unmatched')`),
  ],
);
