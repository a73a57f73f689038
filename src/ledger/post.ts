/** Writes postings into the caller's transaction. An entry is never updated or deleted; the database refuses both. */
import { newId } from "../../schema/ids.ts";
import type { TransactionSql } from "../db/connect.ts";
import type { Posting } from "./rules.ts";

/** Posts once per key: a second posting under a key changes nothing and returns false. */
export async function post(
  tx: TransactionSql,
  { orgId, projectId }: { orgId: string; projectId: string },
  posting: Posting & { id?: string },
  now: Date,
): Promise<boolean> {
  const { id = newId("ledgerTransaction", now) } = posting;
  const written = await tx`
    insert into ledger_transactions (org_id, project_id, id, key, tool_call_id, description, occurred_at, posted_at)
    values (${orgId}, ${projectId}, ${id}, ${posting.key}, ${posting.toolCallId}, ${posting.description}, ${posting.occurredAt}, ${now})
    on conflict (project_id, key) do nothing returning id`;
  if (written.length === 0) return false;
  const lines = posting.entries.map((entry, index) => ({
    org_id: orgId, project_id: projectId, transaction_id: id, line: index + 1,
    account: entry.account, currency: entry.currency, direction: entry.direction, amount_minor: entry.amountMinor,
  }));
  await tx`insert into ledger_entries ${tx(lines as never[])}`;
  return true;
}
