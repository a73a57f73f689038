/** What codespar_wallet tells of a consumer's funds: how much can be spent, and what came and went, newest first. */
import type { WalletRequest } from "../../schema/meta-tools/wallet.ts";
import type { Principal } from "../access/keys.ts";
import { accounts } from "../ledger/rules.ts";
import type { Platform } from "../platform.ts";

export async function walletBalance({ db }: Platform, { projectId }: Principal, { consumer_id: consumerId = "", currency }: WalletRequest): Promise<object> {
  const [row] = await db.sql<{ available: bigint; held: bigint }[]>`
    select balance_minor - held_minor as available, held_minor as held from wallet_slots
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${currency}`;
  return { consumer_id: consumerId, currency, balance: Number(row?.available ?? 0n), held: Number(row?.held ?? 0n), pix_key: null };
}

/** What each posting is to a wallet, by the first word of its key; of one moment, in the order in which they follow one another. */
const kinds = {
  wallet_topped_up: "fund", wallet_funded: "fund", wallet_held: "hold", wallet_released: "release", wallet_spent: "debit", wallet_returned: "reverse",
  top_up_returned: "reverse",
} as const;

interface Row {
  id: string;
  key: string;
  toolCallId: string | null;
  description: string;
  postedAt: Date;
  amount: string;
}

/** An entry is what a posting changed of what the wallet can spend; a debit takes what was held, so it shows what is gone. */
export async function walletStatement({ db }: Platform, { projectId }: Principal, { consumer_id: consumerId = "", currency, limit }: WalletRequest): Promise<object> {
  const rows = await db.sql<Row[]>`
    select t.id, t.key, t.tool_call_id as "toolCallId", t.description, t.posted_at as "postedAt",
      coalesce(sum(case e.direction when 'credit' then e.amount_minor else -e.amount_minor end) filter (where e.account = ${accounts.wallet(consumerId)}),
        sum(case e.direction when 'credit' then e.amount_minor else -e.amount_minor end))::text as amount
    from ledger_entries e join ledger_transactions t on t.project_id = e.project_id and t.id = e.transaction_id
    where e.project_id = ${projectId} and e.account in (${accounts.wallet(consumerId)}, ${accounts.walletHeld(consumerId)}) and e.currency = ${currency}
    group by t.project_id, t.id
    order by t.posted_at desc, array_position(${Object.keys(kinds)}::text[], split_part(t.key, ':', 1)) desc, t.id desc limit ${limit}`;
  return {
    consumer_id: consumerId, currency,
    entries: rows.map(({ id, key, toolCallId, description, postedAt, amount }) => ({
      id, kind: kinds[key.split(":")[0] as keyof typeof kinds], amount_minor: amount, currency, tool_call_id: toolCallId, description, posted_at: postedAt.toISOString(),
    })),
  };
}
