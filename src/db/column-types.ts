/** Column types that every table shares. */
import { customType, timestamp } from "drizzle-orm/pg-core";

/** A moment: UTC, milliseconds, as every timestamp we answer with. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

export const bytes = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });

/** A transaction's 64-bit id, as text: only PostgreSQL compares them. */
export const xid8 = customType<{ data: string }>({ dataType: () => "xid8" });
