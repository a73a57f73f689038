/**
 * The books. Balance, immutability and single posting are constraints of the database (migration `rules`), not only of
 * this code: an unbalanced ledger transaction cannot commit, an entry cannot change, a key cannot be posted twice.
 */
import { bigint, index, integer, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";

export const ledgerTransactions = pgTable(
  "ledger_transactions",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    key: text().notNull(),
    toolCallId: text("tool_call_id"),
    description: text().notNull(),
    occurredAt: moment("occurred_at").notNull(),
    postedAt: moment("posted_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    uniqueIndex("ledger_transactions_key").on(table.projectId, table.key),
    index("ledger_transactions_call").on(table.projectId, table.toolCallId),
  ],
);

export const ledgerEntries = pgTable(
  "ledger_entries",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    transactionId: text("transaction_id").notNull(),
    line: integer().notNull(),
    account: text().notNull(),
    currency: text().notNull(),
    direction: text().$type<"debit" | "credit">().notNull(),
    amountMinor: bigint("amount_minor", { mode: "bigint" }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.transactionId, table.line] }),
    index("ledger_entries_account").on(table.projectId, table.account, table.currency),
  ],
);
