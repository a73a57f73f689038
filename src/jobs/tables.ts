/** Work that must happen later, by any process: rows with leases, on the injected clock. */
import { bigint, index, integer, jsonb, pgTable, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";

export const jobs = pgTable(
  "jobs",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: bigint({ mode: "bigint" }).primaryKey().generatedAlwaysAsIdentity(),
    kind: text().notNull(),
    /** At most one waiting job of a kind per key; null for as many as are asked for. */
    key: text(),
    payload: jsonb().$type<unknown>().notNull(),
    runAt: moment("run_at").notNull(),
    attempts: integer().notNull().default(0),
    leaseUntil: moment("lease_until"),
    lastError: text("last_error"),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [index("jobs_due").on(table.runAt), uniqueIndex("jobs_key").on(table.kind, table.key)],
);
