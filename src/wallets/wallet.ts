/** A consumer's wallet as its readers see it: what mandates allow, and what funds there are. */
import type { Domain } from "../../schema/operation.ts";
import type { getWallet as getOperation, transferWallet as transferOperation } from "../../schema/wallets.ts";
import type { Principal } from "../access/keys.ts";
import type { Platform } from "../platform.ts";

type Wallet = Domain<(typeof getOperation)["output"]>;

interface SlotRow {
  currency: string;
  rails: string[];
  authorized: bigint;
  spent: bigint;
  balance: bigint;
  held: bigint;
  sources: string[];
  mandates: string[];
}

/** A consumer that nobody has heard of has an empty wallet: that one exists is not told. */
export async function getWallet({ db, clock }: Platform, { projectId }: Principal, consumerId: string): Promise<Wallet> {
  const rows = await db.sql<SlotRow[]>`
    with allowed as (
      select s.currency, s.cap_minor, s.used_minor, s.mandate_id, f.id as source, f.rail
      from mandates m join mandate_slots s on s.project_id = m.project_id and s.mandate_id = m.id
      join funding_sources f on f.project_id = s.project_id and f.id = s.funding_source_id
      where m.project_id = ${projectId} and m.consumer_id = ${consumerId} and m.status = 'active' and m.expires_at > ${clock.now()}),
    funds as (
      select currency, balance_minor, held_minor from wallet_slots where project_id = ${projectId} and consumer_id = ${consumerId})
    select coalesce(a.currency, f.currency) as currency, coalesce(a.rails, '{}') as rails, coalesce(a.authorized, 0)::bigint as authorized,
      coalesce(a.spent, 0)::bigint as spent, coalesce(f.balance_minor, 0) as balance, coalesce(f.held_minor, 0) as held,
      coalesce(a.sources, '{}') as sources, coalesce(a.mandates, '{}') as mandates
    from (
      select currency, array_agg(distinct rail) as rails, sum(cap_minor) as authorized, sum(used_minor) as spent, array_agg(source order by source) as sources,
        array_agg(mandate_id order by mandate_id) as mandates from allowed group by currency) a
    full join funds f on f.currency = a.currency order by 1`;
  return { consumer_id: consumerId, currencies: rows.map(toSlot) };
}

const toSlot = ({ currency, rails, authorized, spent, balance, held, sources, mandates }: SlotRow): Wallet["currencies"][number] => ({
  currency, rail: rails.length === 1 ? rails[0]! : null, authorized_minor: authorized, spent_minor: spent, available_minor: authorized - spent,
  balance_minor: balance, held_minor: held, funding_source_ids: sources, mandate_ids: mandates,
});

/**
 * The plan of a move, and how far it came. Within a currency there is nothing to move, a slot being all there is of one; across
 * currencies somebody has to trade, and no provider that this server speaks to does that for a wallet yet: nothing is executed.
 */
export async function transferWallet(
  platform: Platform, principal: Principal, { consumer_id, from_currency, to_currency, amount_minor }: Domain<(typeof transferOperation)["input"]>,
): Promise<Domain<(typeof transferOperation)["output"]>> {
  const { currencies } = await getWallet(platform, principal, consumer_id);
  const slot = (currency: string) => currencies.find((each) => each.currency === currency);
  const converts = from_currency !== to_currency;
  return {
    consumer_id, route: converts ? "ramp" : "same_slot", converts, engine: null, executable: false, executed: false, money_moved: false,
    note: converts ? "Nobody who is connected trades these currencies, so this cannot be executed." : "Both sides are the same slot: there is nothing to move.",
    from: {
      currency: from_currency, rail: slot(from_currency)?.rail ?? null, amount_minor: BigInt(amount_minor),
      cap_available_minor: slot(from_currency)?.available_minor ?? 0n,
    },
    to: { currency: to_currency, rail: slot(to_currency)?.rail ?? null },
  };
}
