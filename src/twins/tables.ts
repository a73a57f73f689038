/** What the twins of test mode know, so that a restart of this server does not make the providers forget. */
import { bigint, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

export const twinValues = pgTable(
  "twin_values",
  { twin: text().notNull(), key: text().notNull(), value: jsonb().$type<unknown>().notNull() },
  (table) => [primaryKey({ columns: [table.twin, table.key] })],
);

export const twinCounters = pgTable(
  "twin_counters",
  { twin: text().notNull(), counter: text().notNull(), value: bigint({ mode: "number" }).notNull() },
  (table) => [primaryKey({ columns: [table.twin, table.counter] })],
);
