/** Who may call: organizations, their projects, and keys (stored as hashes). */
import { boolean, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { ProjectSettings } from "./projects.ts";

export const organizations = pgTable("organizations", {
  id: text().primaryKey(),
  name: text().notNull(),
  createdAt: moment("created_at").notNull(),
});

export const projects = pgTable(
  "projects",
  {
    orgId: text("org_id").notNull().references(() => organizations.id),
    id: text().notNull(),
    name: text().notNull(),
    slug: text().notNull(),
    environment: text().$type<Environment>().notNull(),
    isDefault: boolean("is_default").notNull(),
    settings: jsonb().$type<ProjectSettings>().notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.orgId, table.id] }),
    uniqueIndex("projects_id").on(table.id),
    uniqueIndex("projects_slug").on(table.orgId, table.slug),
  ],
);

export const apiKeys = pgTable(
  "api_keys",
  {
    orgId: text("org_id").notNull().references(() => organizations.id),
    /** Null for a service key, which is of no one project. */
    projectId: text("project_id"),
    id: text().primaryKey(),
    name: text().notNull(),
    /** The first characters, to recognize a key by. */
    prefix: text().notNull(),
    /** SHA-256 of the whole key, hex. Keys carry 190 bits or more of chance, so a fast hash is enough. */
    hash: text().notNull(),
    /** Null for a service key. */
    environment: text().$type<Environment>(),
    scopes: text().array().notNull(),
    createdAt: moment("created_at").notNull(),
    /** Written at most once a minute. */
    lastUsedAt: moment("last_used_at"),
    /** From when on a rotated key is refused. */
    expiresAt: moment("expires_at"),
    revokedAt: moment("revoked_at"),
  },
  (table) => [uniqueIndex("api_keys_hash").on(table.hash), index("api_keys_project").on(table.orgId, table.projectId)],
);

/** How many calls of a key all processes together have taken leave for in the present window; one row for each kind of call. */
export const rateWindows = pgTable(
  "rate_windows",
  {
    orgId: text("org_id").notNull(),
    keyId: text("key_id").notNull(),
    bucket: text().$type<"writes" | "reads">().notNull(),
    windowStart: moment("window_start").notNull(),
    taken: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.keyId, table.bucket] })],
);
