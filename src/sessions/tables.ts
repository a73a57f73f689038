/** Sessions, and how far each declared mock of a session has been used. */
import { sql } from "drizzle-orm";
import { boolean, index, integer, json, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Mocks } from "./mocks.ts";

export const sessions = pgTable(
  "sessions",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    userId: text("user_id").notNull(),
    environment: text().$type<Environment>().notNull(),
    servers: text().array().notNull(),
    /** Whether direct calls are bound by `servers`, too (C-56). */
    strictServers: boolean("strict_servers").notNull().default(false),
    status: text().$type<"active" | "closed" | "error">().notNull(),
    metadata: jsonb().$type<Record<string, string>>(),
    /** `json`, not `jsonb`: a mock is returned verbatim, with its keys in their order. */
    mocks: json().$type<Mocks>(),
    createdAt: moment("created_at").notNull(),
    lastActiveAt: moment("last_active_at").notNull(),
    closedAt: moment("closed_at"),
    closeReason: text("close_reason"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    uniqueIndex("sessions_id").on(table.id),
    index("sessions_idle").on(table.lastActiveAt).where(sql`status = 'active'`),
  ],
);

export const mockUses = pgTable(
  "mock_uses",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    sessionId: text("session_id").notNull(),
    tool: text().notNull(),
    used: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.sessionId, table.tool] })],
);
