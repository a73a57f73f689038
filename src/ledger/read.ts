/** Reading the books: the trial balance, and transactions with their entries. */
import { and, asc, desc, eq, inArray, lt } from "drizzle-orm";
import type { z } from "zod";
import type { LedgerTransaction, listLedgerTransactions as listOperation, TrialBalance } from "../../schema/ledger.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Principal } from "../access/keys.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { ledgerEntries, ledgerTransactions } from "./tables.ts";

export async function trialBalance({ db }: Pick<Platform, "db">, { projectId }: Principal): Promise<z.output<typeof TrialBalance>> {
  const rows = await db.sql<{ account: string; currency: string; debits: string; credits: string }[]>`
    select account, currency, coalesce(sum(amount_minor) filter (where direction = 'debit'), 0)::text as debits,
           coalesce(sum(amount_minor) filter (where direction = 'credit'), 0)::text as credits
    from ledger_entries where project_id = ${projectId} group by account, currency order by account, currency`;
  const accounts = rows.map(({ account, currency, debits, credits }) => ({
    account, currency, debits_minor: BigInt(debits), credits_minor: BigInt(credits), balance_minor: BigInt(debits) - BigInt(credits),
  }));
  const sums = new Map<string, bigint>();
  for (const { currency, balance_minor } of accounts) sums.set(currency, (sums.get(currency) ?? 0n) + balance_minor);
  return { balanced: [...sums.values()].every((sum) => sum === 0n), accounts };
}

export async function listLedgerTransactions(
  { db }: Pick<Platform, "db">,
  { projectId }: Principal,
  { tool_call_id, limit, before }: Domain<(typeof listOperation)["input"]>,
): Promise<{ transactions: z.output<typeof LedgerTransaction>[]; next_before: string | null }> {
  const cursor = cursorId("ledgerTransaction", before);
  const found = await db.orm.select().from(ledgerTransactions)
    .where(and(
      eq(ledgerTransactions.projectId, projectId),
      tool_call_id === undefined ? undefined : eq(ledgerTransactions.toolCallId, tool_call_id),
      cursor === undefined ? undefined : lt(ledgerTransactions.id, cursor),
    ))
    .orderBy(desc(ledgerTransactions.id)).limit(limit + 1);
  const { rows, next_before } = page(found, limit);
  const entries = rows.length === 0 ? [] : await db.orm.select().from(ledgerEntries)
    .where(and(eq(ledgerEntries.projectId, projectId), inArray(ledgerEntries.transactionId, rows.map((row) => row.id))))
    .orderBy(asc(ledgerEntries.transactionId), asc(ledgerEntries.line));
  return {
    next_before,
    transactions: rows.map((row) => ({
      id: row.id, key: row.key, tool_call_id: row.toolCallId, description: row.description, occurred_at: row.occurredAt, posted_at: row.postedAt,
      entries: entries.filter((entry) => entry.transactionId === row.id)
        .map(({ account, currency, direction, amountMinor }) => ({ account, currency, direction, amount_minor: amountMinor })),
    })),
  };
}
