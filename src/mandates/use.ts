/**
 * The use of a mandate by a payment. It is decided and counted in the transaction that claims the payment, with the mandate's
 * row held, so that no cap is passed by a restart, a replica or a race; and it ends with the payment: spent, or given back.
 */
import type { Currency, Money } from "../../schema/money.ts";
import { Failure } from "../../schema/failures.ts";
import type { TransactionSql } from "../db/connect.ts";
import { isSignedBy, publicKeys } from "../identity/keys.ts";
import type { LockedCall } from "../settlement/settle.ts";
import { holdFunds, releaseFunds, returnFunds, takeFunds, type Source, type WalletPayment } from "../wallets/funds.ts";
import { decide, windowStarts, type Standing, type Wanted } from "./decide.ts";
import type { Payee } from "./payees.ts";
import { readStatement } from "./statement.ts";
import type { mandates } from "./tables.ts";

type MandateRow = typeof mandates.$inferSelect;

/** What a call asks of a mandate. */
export interface MandateClaim {
  mandateId: string;
  payee: Payee;
  agentId: string | undefined;
  /** Whose mandate it has to be, where that is known: an agent spends for the user of its session and for nobody else. */
  consumerId?: string | undefined;
}

/**
 * Counts a payment against its mandate, and holds the funds for it.
 *
 * throws  mandate_not_found, mandate_unverified, what `decide` throws, insufficient_funds; nothing is then written
 */
export async function takeUse(
  tx: TransactionSql,
  call: { orgId: string; projectId: string; toolCallId: string; money: Money; at: Date },
  { mandateId, payee, agentId, consumerId }: MandateClaim,
): Promise<void> {
  const { orgId, projectId, toolCallId, money, at } = call;
  const row = await lockMandate(tx, projectId, mandateId);
  if (consumerId !== undefined && consumerId !== row.consumerId) throw new Failure("mandate_not_found", { field: "mandate_id", mandateId });
  if (!(await isSigned(tx, row))) throw new Failure("mandate_unverified", { mandateId });
  const wanted: Wanted = { ...money, payee, agentId, at };
  decide(readStatement(row.statement), await standingOf(tx, row, money.currency, at), wanted);
  const [slot] = await tx<{ fundingSourceId: string }[]>`
    update mandate_slots set used_minor = used_minor + ${money.amountMinor}
    where project_id = ${projectId} and mandate_id = ${mandateId} and currency = ${money.currency} returning funding_source_id as "fundingSourceId"`;
  await tx`
    with numbered as (
      update mandates set uses = uses + 1 where project_id = ${projectId} and id = ${mandateId} returning uses)
    insert into mandate_uses (org_id, project_id, mandate_id, seq, tool_call_id, currency, amount_minor, payee, state, used_at)
    select ${orgId}, ${projectId}, ${mandateId}, uses, ${toolCallId}, ${money.currency}, ${money.amountMinor}::bigint, ${payee.name}, 'held', ${at} from numbered`;
  await holdFunds(tx, { ...call, consumerId: row.consumerId }, await sourceOf(tx, projectId, slot!.fundingSourceId));
}

async function lockMandate(tx: TransactionSql, projectId: string, mandateId: string): Promise<MandateRow> {
  const [row] = await tx<MandateRow[]>`
    select org_id as "orgId", project_id as "projectId", id, consumer_id as "consumerId", agent_id as "agentId", status, statement, signatures,
      expires_at as "expiresAt" from mandates where project_id = ${projectId} and id = ${mandateId} for update`;
  if (!row) throw new Failure("mandate_not_found", { field: "mandate_id", mandateId });
  return row;
}

/** Both have signed exactly what stands there, with keys that were not revoked. */
async function isSigned(tx: TransactionSql, { statement, signatures }: MandateRow): Promise<boolean> {
  const keys = await publicKeys(tx, signatures.map(({ kid }) => kid));
  const isGood = (role: string) => signatures.some((each) => {
    const key = keys.get(each.kid);
    return each.role === role && key !== undefined && isSignedBy(key, statement, each.signature);
  });
  return isGood("agent") && isGood("issuer");
}

async function standingOf(tx: TransactionSql, { projectId, id, status }: MandateRow, currency: Currency, at: Date): Promise<Standing> {
  const { day, month } = windowStarts(at);
  const [row] = await tx<{ used: bigint; day: bigint; month: bigint }[]>`
    select coalesce((select used_minor from mandate_slots where project_id = ${projectId} and mandate_id = ${id} and currency = ${currency}), 0) as used,
      coalesce(sum(amount_minor) filter (where used_at >= ${day}), 0)::bigint as day, coalesce(sum(amount_minor), 0)::bigint as month
    from mandate_uses
    where project_id = ${projectId} and mandate_id = ${id} and currency = ${currency} and used_at >= ${month} and state <> 'released'`;
  return { status, usedMinor: row!.used, usedInWindowMinor: { day: row!.day, month: row!.month } };
}

async function sourceOf(tx: TransactionSql, projectId: string, id: string): Promise<Source | undefined> {
  const [row] = await tx<Source[]>`select rail, status, environment from funding_sources where project_id = ${projectId} and id = ${id}`;
  return row;
}

interface Use {
  mandateId: string;
  consumerId: string;
  currency: Currency;
  amountMinor: bigint;
  state: "held" | "spent" | "released";
}

/** The use that a call made of a mandate, held until the transaction ends; undefined for a call without one. */
export async function useOf(tx: TransactionSql, { projectId, id }: Pick<LockedCall, "projectId" | "id">): Promise<Use | undefined> {
  const [row] = await tx<Use[]>`
    select u.mandate_id as "mandateId", m.consumer_id as "consumerId", u.currency, u.amount_minor as "amountMinor", u.state
    from mandate_uses u join mandates m on m.project_id = u.project_id and m.id = u.mandate_id
    where u.project_id = ${projectId} and u.tool_call_id = ${id} for update of u`;
  return row;
}

type CallOf = { orgId: string; projectId: string; id: string };

/** The payment did not happen: its amount counts no more, and its funds are free. A second time it changes nothing. */
export async function releaseUse(tx: TransactionSql, call: CallOf, at: Date): Promise<void> {
  const use = await useOf(tx, call);
  if (use?.state !== "held") return;
  await tx`update mandate_uses set state = 'released' where project_id = ${call.projectId} and tool_call_id = ${call.id}`;
  await tx`
    update mandate_slots set used_minor = used_minor - ${use.amountMinor}
    where project_id = ${call.projectId} and mandate_id = ${use.mandateId} and currency = ${use.currency}`;
  await releaseFunds(tx, paymentOf(call, use, at));
}

/** The payment settled: what was held is gone. */
export async function spendUse(tx: TransactionSql, call: CallOf, use: Use, at: Date): Promise<void> {
  await tx`update mandate_uses set state = 'spent' where project_id = ${call.projectId} and tool_call_id = ${call.id}`;
  await takeFunds(tx, paymentOf(call, use, at));
}

/** The payment came back: the funds are the consumer's again. What was used of the cap stays used: a new payment needs a new yes. */
export const returnUse = (tx: TransactionSql, call: CallOf, use: Use, at: Date): Promise<void> => returnFunds(tx, paymentOf(call, use, at));

const paymentOf = ({ orgId, projectId, id }: CallOf, { consumerId, amountMinor, currency }: Use, at: Date): WalletPayment =>
  ({ orgId, projectId, toolCallId: id, consumerId, money: { amountMinor, currency }, at });
