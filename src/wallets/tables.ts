/** Funds of consumers, one row a currency. The ledger says how they came about; these rows make an overdraft impossible. */
import { bigint, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

export const walletSlots = pgTable(
  "wallet_slots",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    consumerId: text("consumer_id").notNull(),
    currency: text().notNull(),
    /** Holds included. */
    balanceMinor: bigint("balance_minor", { mode: "bigint" }).notNull(),
    /** Never below 0 nor above the balance: a constraint of the database. */
    heldMinor: bigint("held_minor", { mode: "bigint" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.consumerId, table.currency] })],
);
