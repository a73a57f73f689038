/**
 * Which entries an event makes. A rule is pure: what happened in, balanced entries out. Accounts are named from the
 * merchant's side: what a provider holds for the merchant is an asset, what buyers paid is income.
 */
import type { Currency, Money } from "../../schema/money.ts";

export interface Entry {
  account: string;
  currency: Currency;
  direction: "debit" | "credit";
  amountMinor: bigint;
}

export interface Posting {
  /** Unique in its project: the same event posted twice is posted once. */
  key: string;
  toolCallId: string;
  description: string;
  /** When the provider says it happened. */
  occurredAt: Date;
  entries: Entry[];
}

export const accounts = {
  /** Funds a provider holds for the merchant. */
  atProvider: (provider: string) => `provider:${provider}:balance`,
  sales: "income:sales",
  payouts: "expense:payouts",
  feesOf: (provider: string) => `expense:fees:${provider}`,
  shipping: "expense:shipping",
  /** What the merchant owes a consumer, and the part of it that is set aside for payments under way. */
  wallet: (consumerId: string) => `wallet:${consumerId}`,
  walletHeld: (consumerId: string) => `wallet:${consumerId}:held`,
  /** What a consumer owes for a top-up that was given back after it was spent. */
  walletOwed: (consumerId: string) => `wallet:${consumerId}:owed`,
  /** What consumers' banks owe for funds drawn from them. */
  fundingSource: (rail: string) => `source:${rail}`,
} as const;

/** A payment as it settled at its provider. */
export interface Movement {
  toolCallId: string;
  provider: string;
  money: Money;
  /** What the provider keeps; 0 when it does not say. */
  feeMinor: bigint;
  occurredAt: Date;
}

/** A charge settled: the provider owes the merchant the net, the fee is spent, the sale is the gross. */
export function chargeSettled({ toolCallId, provider, money, feeMinor, occurredAt }: Movement): Posting {
  return balanced({
    key: `charge_settled:${toolCallId}`, toolCallId, occurredAt,
    description: `Charge settled by ${provider}`,
    entries: [
      debit(accounts.atProvider(provider), money, money.amountMinor - feeMinor),
      debit(accounts.feesOf(provider), money, feeMinor),
      credit(accounts.sales, money, money.amountMinor),
    ],
  });
}

/** A payout settled: it and its fee left the provider's balance. */
export function payoutSettled({ toolCallId, provider, money, feeMinor, occurredAt }: Movement): Posting {
  return balanced({
    key: `payout_settled:${toolCallId}`, toolCallId, occurredAt,
    description: `Payout settled by ${provider}`,
    entries: [
      debit(accounts.payouts, money, money.amountMinor),
      debit(accounts.feesOf(provider), money, feeMinor),
      credit(accounts.atProvider(provider), money, money.amountMinor + feeMinor),
    ],
  });
}

/** Given back by the provider, or a success that it took back. Whichever comes first is posted: one movement is returned once. */
type Return = "refunded" | "reversed";

/** A settled charge given back in full, or found void after the fact: the sale is undone; the fee stays spent. */
export function chargeReturned({ toolCallId, provider, money, occurredAt }: Omit<Movement, "feeMinor">, why: Return): Posting {
  return balanced({
    key: `charge_returned:${toolCallId}`, toolCallId, occurredAt,
    description: `Charge ${why} by ${provider}`,
    entries: [debit(accounts.sales, money, money.amountMinor), credit(accounts.atProvider(provider), money, money.amountMinor)],
  });
}

/** Part or all of a settled charge given back at our asking: the sale is undone by so much; the provider may keep a fee for it. */
export function chargeRefunded({ toolCallId, provider, money, feeMinor, occurredAt }: Movement, chargeId: string): Posting {
  return balanced({
    key: `charge_refunded:${toolCallId}`, toolCallId, occurredAt,
    description: `Refund of ${chargeId} by ${provider}`,
    entries: [
      debit(accounts.sales, money, money.amountMinor),
      debit(accounts.feesOf(provider), money, feeMinor),
      credit(accounts.atProvider(provider), money, money.amountMinor + feeMinor),
    ],
  });
}

/** A refund that did not reach who paid: the money is at the provider again, and the sale stands. */
export function refundReturned({ toolCallId, provider, money, occurredAt }: Omit<Movement, "feeMinor">, chargeId: string): Posting {
  return balanced({
    key: `refund_returned:${toolCallId}`, toolCallId, occurredAt,
    description: `Refund of ${chargeId} taken back by ${provider}`,
    entries: [debit(accounts.atProvider(provider), money, money.amountMinor), credit(accounts.sales, money, money.amountMinor)],
  });
}

/** A settled payout that came back: the money is at the provider again; the fee stays spent. */
export function payoutReturned({ toolCallId, provider, money, occurredAt }: Omit<Movement, "feeMinor">, why: Return): Posting {
  return balanced({
    key: `payout_returned:${toolCallId}`, toolCallId, occurredAt,
    description: `Payout ${why} by ${provider}`,
    entries: [debit(accounts.atProvider(provider), money, money.amountMinor), credit(accounts.payouts, money, money.amountMinor)],
  });
}

/** A label bought: its price left the carrier platform's wallet. */
export function labelBought({ toolCallId, provider, money, occurredAt }: Omit<Movement, "feeMinor">): Posting {
  return balanced({
    key: `label_bought:${toolCallId}`, toolCallId, occurredAt,
    description: `Label bought through ${provider}`,
    entries: [debit(accounts.shipping, money, money.amountMinor), credit(accounts.atProvider(provider), money, money.amountMinor)],
  });
}

interface WalletMovement {
  toolCallId: string;
  consumerId: string;
  money: Money;
  occurredAt: Date;
}

/** Funds drawn from a consumer's source into the wallet, as much as a payment lacks. */
export function walletFunded({ toolCallId, consumerId, money, occurredAt }: WalletMovement, rail: string): Posting {
  return balanced({
    key: `wallet_funded:${toolCallId}`, toolCallId, occurredAt, description: `Funds drawn by ${rail}`,
    entries: [debit(accounts.fundingSource(rail), money, money.amountMinor), credit(accounts.wallet(consumerId), money, money.amountMinor)],
  });
}

/** A top-up settled: the provider holds the net for the merchant, who owes the consumer the gross; the fee is the merchant's. */
export function walletToppedUp({ consumerId, ...movement }: Movement & { consumerId: string }): Posting {
  const { toolCallId, provider, money, feeMinor, occurredAt } = movement;
  return balanced({
    key: `wallet_topped_up:${toolCallId}`, toolCallId, occurredAt, description: `Top-up settled by ${provider}`,
    entries: [
      debit(accounts.atProvider(provider), money, money.amountMinor - feeMinor),
      debit(accounts.feesOf(provider), money, feeMinor),
      credit(accounts.wallet(consumerId), money, money.amountMinor),
    ],
  });
}

/** A settled top-up that its payer got back. What the wallet no longer has, the consumer owes. */
export function topUpReturned(
  { toolCallId, provider, consumerId, money, occurredAt, coveredMinor }: Omit<Movement, "feeMinor"> & { consumerId: string; coveredMinor: bigint }, why: Return,
): Posting {
  return balanced({
    key: `top_up_returned:${toolCallId}`, toolCallId, occurredAt, description: `Top-up ${why} by ${provider}`,
    entries: [
      debit(accounts.wallet(consumerId), money, coveredMinor),
      debit(accounts.walletOwed(consumerId), money, money.amountMinor - coveredMinor),
      credit(accounts.atProvider(provider), money, money.amountMinor),
    ],
  });
}

/** Funds set aside for a payment before it is sent. */
export function walletHeld({ toolCallId, consumerId, money, occurredAt }: WalletMovement): Posting {
  return balanced({
    key: `wallet_held:${toolCallId}`, toolCallId, occurredAt, description: "Funds held for a payment",
    entries: [debit(accounts.wallet(consumerId), money, money.amountMinor), credit(accounts.walletHeld(consumerId), money, money.amountMinor)],
  });
}

/** A payment that did not happen: what was held for it is free again. */
export function walletReleased({ toolCallId, consumerId, money, occurredAt }: WalletMovement): Posting {
  return balanced({
    key: `wallet_released:${toolCallId}`, toolCallId, occurredAt, description: "Held funds released",
    entries: [debit(accounts.walletHeld(consumerId), money, money.amountMinor), credit(accounts.wallet(consumerId), money, money.amountMinor)],
  });
}

/** A consumer's payment settled: the provider paid it out of what it holds for the merchant, and what was held is spent. */
export function walletSpent({ consumerId, ...movement }: Movement & { consumerId: string }): Posting {
  const { toolCallId, provider, money, feeMinor, occurredAt } = movement;
  return balanced({
    key: `wallet_spent:${toolCallId}`, toolCallId, occurredAt, description: `Wallet payment settled by ${provider}`,
    entries: [
      debit(accounts.walletHeld(consumerId), money, money.amountMinor),
      debit(accounts.feesOf(provider), money, feeMinor),
      credit(accounts.atProvider(provider), money, money.amountMinor + feeMinor),
    ],
  });
}

/** A settled wallet payment that came back: the money is the consumer's again. */
export function walletReturned({ toolCallId, provider, consumerId, money, occurredAt }: Omit<Movement, "feeMinor"> & { consumerId: string }, why: Return): Posting {
  return balanced({
    key: `wallet_returned:${toolCallId}`, toolCallId, occurredAt, description: `Wallet payment ${why} by ${provider}`,
    entries: [debit(accounts.atProvider(provider), money, money.amountMinor), credit(accounts.wallet(consumerId), money, money.amountMinor)],
  });
}

/** A debit of less than nothing is a credit: a fee may be more than the charge that it was taken from. */
const debit = (account: string, { currency }: Money, amountMinor: bigint): Entry =>
  amountMinor < 0n ? { account, currency, direction: "credit", amountMinor: -amountMinor } : { account, currency, direction: "debit", amountMinor };
const credit = (account: string, money: Money, amountMinor: bigint): Entry => debit(account, money, -amountMinor);

/** Drops empty entries and refuses what does not balance, before the database would. */
export function balanced(posting: Posting): Posting {
  const entries = posting.entries.filter((entry) => entry.amountMinor !== 0n);
  const sums = new Map<string, bigint>();
  for (const { currency, direction, amountMinor } of entries) {
    if (amountMinor < 0n) throw new RangeError(`${posting.key}: an entry of ${amountMinor} ${currency}`);
    sums.set(currency, (sums.get(currency) ?? 0n) + (direction === "debit" ? amountMinor : -amountMinor));
  }
  for (const [currency, sum] of sums) if (sum !== 0n) throw new RangeError(`${posting.key}: debits and credits differ by ${sum} ${currency}`);
  return { ...posting, entries };
}
