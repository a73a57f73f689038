/** Domain values on their way into a JSON column. */
import type { Sql, TransactionSql } from "./db/connect.ts";

const JSON_OID = 114;

/** A value for a `json` column, its keys in their order. (`sql.json` goes through `jsonb`, which reorders them.) */
export const orderedJson = (sql: Sql | TransactionSql, value: unknown) => sql.typed(value as never, JSON_OID);

/** The value with every bigint as a JSON integer; throws RangeError for one that a JSON number cannot carry exactly. */
export function plainJson(value: unknown): unknown {
  if (typeof value === "bigint") {
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) throw new RangeError(`${value} does not fit a JSON integer`);
    return Number(value);
  }
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => [key, plainJson(item)]));
}
