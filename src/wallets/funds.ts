/**
 * Funds of a consumer's wallet, moved in the transaction of whatever moves them: the row keeps the sums and refuses an
 * overdraft, the ledger keeps the story. A payment is a hold, and then a spending or a release of it.
 */
import { Failure } from "../../schema/failures.ts";
import { display, type Money } from "../../schema/money.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { TransactionSql } from "../db/connect.ts";
import { post } from "../ledger/post.ts";
import { walletFunded, walletHeld, walletReleased } from "../ledger/rules.ts";

export interface WalletPayment {
  orgId: string;
  projectId: string;
  toolCallId: string;
  consumerId: string;
  money: Money;
  at: Date;
}

/** Where a wallet may draw what it lacks. */
export interface Source {
  rail: string;
  status: "active" | "revoked";
  environment: Environment;
}

/**
 * Sets funds aside for a payment. What the wallet lacks is drawn from its source where that can be done at once: in the sandbox.
 *
 * throws  insufficient_funds
 */
export async function holdFunds(tx: TransactionSql, payment: WalletPayment, source: Source | undefined): Promise<void> {
  const { orgId, projectId, consumerId, money, at } = payment;
  await tx`
    insert into wallet_slots (org_id, project_id, consumer_id, currency, balance_minor, held_minor)
    values (${orgId}, ${projectId}, ${consumerId}, ${money.currency}, 0, 0) on conflict do nothing`;
  const [row] = await tx<{ available: bigint }[]>`
    select balance_minor - held_minor as available from wallet_slots
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${money.currency} for update`;
  const available = row!.available;
  const lacking = money.amountMinor > available ? money.amountMinor - available : 0n;
  if (lacking > 0n && !canDraw(source))
    throw new Failure("insufficient_funds", { consumerId, amount: display(money), available: display({ ...money, amountMinor: available }) });
  await tx`
    update wallet_slots set balance_minor = balance_minor + ${lacking}, held_minor = held_minor + ${money.amountMinor}
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${money.currency}`;
  const movement = { toolCallId: payment.toolCallId, consumerId, money, occurredAt: at };
  if (lacking > 0n) await post(tx, payment, walletFunded({ ...movement, money: { ...money, amountMinor: lacking } }, source!.rail), at);
  await post(tx, payment, walletHeld(movement), at);
}

/** No bank of a live consumer is drawn on by this server yet: its wallet has to be funded first. */
const canDraw = (source: Source | undefined): boolean => source?.status === "active" && source.environment === "test";

/** Frees what was set aside. */
export async function releaseFunds(tx: TransactionSql, payment: WalletPayment): Promise<void> {
  const { toolCallId, consumerId, money, at } = payment;
  await changeSlot(tx, payment, { balanceMinor: 0n, heldMinor: -money.amountMinor });
  await post(tx, payment, walletReleased({ toolCallId, consumerId, money, occurredAt: at }), at);
}

/** Takes what was set aside out of the wallet. The posting is the settlement's. */
export const takeFunds = (tx: TransactionSql, payment: WalletPayment): Promise<void> =>
  changeSlot(tx, payment, { balanceMinor: -payment.money.amountMinor, heldMinor: -payment.money.amountMinor });

/** Puts back what was taken. The posting is the settlement's. */
export const returnFunds = (tx: TransactionSql, payment: WalletPayment): Promise<void> =>
  changeSlot(tx, payment, { balanceMinor: payment.money.amountMinor, heldMinor: 0n });

/** Adds what came in from outside. The posting is the settlement's. */
export async function creditFunds(tx: TransactionSql, { orgId, projectId, consumerId, money }: Omit<WalletPayment, "toolCallId" | "at">): Promise<void> {
  await tx`
    insert into wallet_slots (org_id, project_id, consumer_id, currency, balance_minor, held_minor)
    values (${orgId}, ${projectId}, ${consumerId}, ${money.currency}, ${money.amountMinor}, 0)
    on conflict (project_id, consumer_id, currency) do update set balance_minor = wallet_slots.balance_minor + excluded.balance_minor`;
}

/**
 * Takes away what came in and was given back to its payer.
 *
 * returns  how much of it the wallet still had free, in minor units; the rest the consumer owes
 */
export async function uncreditFunds(tx: TransactionSql, { projectId, consumerId, money }: Omit<WalletPayment, "toolCallId" | "at">): Promise<bigint> {
  const [row] = await tx<{ free: bigint }[]>`
    select balance_minor - held_minor as free from wallet_slots
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${money.currency} for update`;
  const covered = row!.free < money.amountMinor ? row!.free : money.amountMinor;
  await tx`
    update wallet_slots set balance_minor = balance_minor - ${covered}
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${money.currency}`;
  return covered;
}

async function changeSlot(tx: TransactionSql, { projectId, consumerId, money }: WalletPayment, by: { balanceMinor: bigint; heldMinor: bigint }): Promise<void> {
  await tx`
    update wallet_slots set balance_minor = balance_minor + ${by.balanceMinor}, held_minor = held_minor + ${by.heldMinor}
    where project_id = ${projectId} and consumer_id = ${consumerId} and currency = ${money.currency}`;
}
