/** A tenant's stored, encrypted credentials for one server. */
import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { Environment } from "../../schema/tool-calls.ts";

export const connections = pgTable(
  "connections",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    serverId: text("server_id").notNull(),
    /** Whose it is; null is everybody's of the project. */
    userId: text("user_id"),
    environment: text().$type<Environment>().notNull(),
    status: text().$type<"pending" | "connected" | "revoked" | "expired">().notNull(),
    displayName: text("display_name").notNull(),
    /** Sealed JSON (`vault.ts`): credentials and webhook secrets. Never read outside the connections room; empty once revoked. */
    sealed: text().notNull(),
    /** `connection_metadata`: settings that are no secrets. */
    settings: jsonb().$type<Record<string, string>>().notNull(),
    createdAt: moment("created_at").notNull(),
    connectedAt: moment("connected_at"),
    /** When it last got other credentials, perhaps of another account: that one's denial says nothing of what was sent before. */
    rotatedAt: moment("rotated_at"),
    revokedAt: moment("revoked_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    uniqueIndex("connections_id").on(table.id),
    index("connections_server").on(table.projectId, table.serverId),
    uniqueIndex("connections_live").on(table.projectId, table.serverId, sql`coalesce(${table.userId}, '')`).where(sql`status = 'connected'`),
  ],
);

/** Links under which a user connects a server themselves. */
export const connectLinks = pgTable(
  "connect_links",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    /** SHA-256 of the token, hex: who reads this table cannot use a link. */
    tokenHash: text("token_hash").notNull(),
    serverId: text("server_id").notNull(),
    userId: text("user_id").notNull(),
    environment: text().$type<Environment>().notNull(),
    redirectUri: text("redirect_uri").notNull(),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
    usedAt: moment("used_at"),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.tokenHash] }), uniqueIndex("connect_links_token").on(table.tokenHash)],
);

/** One data key per project, wrapped by the master key, so that rotating the master key re-encrypts one row a project. */
export const dataKeys = pgTable(
  "data_keys",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    version: integer().notNull(),
    wrapped: text().notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.version] })],
);
