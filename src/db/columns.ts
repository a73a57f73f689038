/** Reads on a hot path: what drizzle knows of a table, for statements that postgres.js keeps prepared. */
import { getTableColumns, type Table } from "drizzle-orm";

/** `"org_id" as "orgId", …`: rows that are then `$inferSelect`, because `connect.ts` reads every type as drizzle does. */
export const columnsOf = (table: Table): string =>
  Object.entries(getTableColumns(table)).map(([name, column]) => `"${column.name}" as "${name}"`).join(", ");
