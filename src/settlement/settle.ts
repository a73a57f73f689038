/**
 * What a provider said about a call, applied once: the event is kept, the state folded, the books posted and the change
 * announced, in one transaction. The order in which events arrive never matters.
 */
import type { Observation } from "../../providers/provider.ts";
import { isMetaTool, metaTools } from "../../schema/meta-tools/index.ts";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import type { Currency } from "../../schema/money.ts";
import { foldState, settlementKinds, type DispatchOutcome, type SettlementKind, type SettlementState } from "../../schema/settlement.ts";
import type { Sql, TransactionSql } from "../db/connect.ts";
import { post } from "../ledger/post.ts";
import {
  accounts, chargeRefunded, chargeReturned, chargeSettled, payoutReturned, payoutSettled, refundReturned, topUpReturned, walletReturned, walletSpent,
  walletToppedUp, type Movement, type Posting,
} from "../ledger/rules.ts";
import { releaseUse, returnUse, spendUse, useOf } from "../mandates/use.ts";
import { orderedJson, plainJson } from "../json.ts";
import type { Platform } from "../platform.ts";
import { creditFunds, uncreditFunds } from "../wallets/funds.ts";

/** The parts of a tool call that settling needs, locked until the transaction ends. */
export interface LockedCall {
  orgId: string;
  projectId: string;
  id: string;
  sessionId: string;
  toolName: string;
  provider: string | null;
  status: "running" | "success" | "error";
  outcome: DispatchOutcome | null;
  settles: SettlementKind | null;
  state: SettlementState | null;
  refundOf: string | null;
  providerRef: string | null;
  amountMinor: bigint | null;
  currency: Currency | null;
  /** Which way the money was asked to go, where the tool's arguments say so. */
  direction: string | null;
  output: unknown;
}

export async function lockCall(tx: TransactionSql, projectId: string, id: string): Promise<LockedCall | undefined> {
  const [row] = await tx<LockedCall[]>`
    select org_id as "orgId", project_id as "projectId", id, session_id as "sessionId", tool_name as "toolName", provider, status, outcome,
           settles, state, refund_of as "refundOf", provider_ref as "providerRef", amount_minor as "amountMinor", currency, input->>'direction' as direction, output
    from tool_calls where project_id = ${projectId} and id = ${id} for update`;
  return row;
}

export interface SettlementClaim {
  /** Names the claim: the provider's event id, or the lookup that found it. A second one changes nothing. */
  key: string;
  provider: string;
  observation: Observation;
}

/** Returns whether the claim was new. The caller wakes the hub after the commit. */
export async function settle(platform: Platform, tx: TransactionSql, call: LockedCall, claim: SettlementClaim): Promise<boolean> {
  if (!call.settles) return false;
  const { clock, hub, log } = platform;
  const now = clock.now();
  const { observation } = claim;
  const disagreement = amountDisagreement(call, observation);
  if (disagreement) log.error({ toolCallId: call.id, provider: claim.provider, ...disagreement }, "a settlement's amount is not the one asked for");
  const state = disagreement ? "updated" : observation.state;
  const isNew = await insertEvent(tx, call, claim, { state, now, details: disagreement });
  if (!isNew) return false;

  const states = await tx<{ state: SettlementState }[]>`
    select distinct state from settlement_events where project_id = ${call.projectId} and tool_call_id = ${call.id}`;
  const folded = foldState(call.settles, states.map((row) => row.state));
  const settled = state === "succeeded" || state === "refunded";
  const output = mergedOutput(call.output, observation.result, folded === state && !disagreement);
  await tx`
    update tool_calls set state = ${folded}, provider_ref = coalesce(provider_ref, ${observation.ref}),
      final_amount_minor = case when ${settled} then ${observation.amountMinor ?? call.amountMinor} else final_amount_minor end,
      settled_at = case when ${settled} then least(settled_at, ${observation.occurredAt ?? now}) else settled_at end,
      output = ${output ? orderedJson(tx, output) : null}
    where project_id = ${call.projectId} and id = ${call.id}`;
  await postMovements(tx, call, new Set(states.map((row) => row.state)), now);
  await hub.record(tx, {
    orgId: call.orgId, projectId: call.projectId, topic: "tool_call", subject: call.id, sessionId: call.sessionId, data: { state: folded }, at: now,
  });
  return true;
}

/** What is known of a call's result and what an event tells, together: news wins over what is known, an older or disbelieved event only adds. */
function mergedOutput(known: unknown, told: Observation["result"], isNews: boolean): object | undefined {
  if (!told && !isObject(known)) return undefined;
  const [before, now] = [isObject(known) ? known : {}, plainJson(told ?? {}) as object];
  return isNews ? { ...before, ...now } : { ...now, ...before };
}

/** A provider that reports another amount or currency than was asked for is not believed; an operator is told. */
function amountDisagreement(call: LockedCall, { state, amountMinor, currency }: Observation): Record<string, string> | undefined {
  if ((state !== "succeeded" && state !== "refunded") || call.amountMinor === null) return undefined;
  if (amountMinor !== undefined && amountMinor !== call.amountMinor)
    return { problem: "amount_mismatch", asked: String(call.amountMinor), reported: String(amountMinor) };
  if (currency !== undefined && currency !== call.currency)
    return { problem: "currency_mismatch", asked: String(call.currency), reported: currency };
  return undefined;
}

async function insertEvent(
  tx: TransactionSql,
  call: LockedCall,
  { key, provider, observation }: SettlementClaim,
  { state, now, details }: { state: SettlementState; now: Date; details: Record<string, string> | undefined },
): Promise<boolean> {
  const { action, ref, amountMinor, feeMinor, currency, endToEndId, occurredAt, failure } = observation;
  const kept = { ...details, ...(failure && { failure }) };
  const written = await tx`
    insert into settlement_events (org_id, project_id, tool_call_id, event_key, event_type, state, provider, provider_action, provider_ref,
      amount_minor, fee_minor, currency, end_to_end_id, details, occurred_at, received_at)
    values (${call.orgId}, ${call.projectId}, ${call.id}, ${key}, ${`${settlementKinds[call.settles!].family}.${state}`}, ${state}, ${provider},
      ${action}, ${ref}, ${amountMinor ?? null}, ${feeMinor ?? null}, ${currency ?? null}, ${endToEndId ?? null},
      ${Object.keys(kept).length > 0 ? tx.json(kept as never) : null}, ${occurredAt ?? now}, ${now})
    on conflict (project_id, tool_call_id, event_key) do nothing returning 1`;
  return written.length > 0;
}

interface FinalEvent {
  state: SettlementState;
  amountMinor: bigint | null;
  feeMinor: bigint | null;
  provider: string;
  occurredAt: Date;
}

/**
 * Brings the books, and the mandate and wallet behind a payment, to what a set of states calls for. Each posting has a key, so that
 * one already made is not made again.
 */
async function postMovements(tx: TransactionSql, call: LockedCall, states: ReadonlySet<SettlementState>, now: Date): Promise<void> {
  if (call.settles !== "payment" || !isMetaTool(call.toolName) || call.amountMinor === null || call.currency === null) return;
  const hasMoved = states.has("succeeded") || states.has("refunded");
  if (!hasMoved) return states.has("failed") ? releaseUse(tx, call, now) : undefined;
  if (call.toolName === metaTools.codespar_wallet.name) return postTopUp(tx, call, now);
  const use = await useOf(tx, call);
  const [settled, returned] = await movementsOf(tx, call, use);
  if ((await post(tx, call, settled, now)) && use?.state === "held") await spendUse(tx, call, use, now);
  if (returned && (await post(tx, call, returned, now)) && use && use.state !== "released") await returnUse(tx, call, use, now);
}

/** Tools whose payments are asked from somebody; every other one sends money, unless its arguments say which way it goes. */
export const INBOUND: readonly string[] = [metaTools.codespar_charge.name, metaTools.codespar_checkout.name];

const isInbound = ({ toolName, direction }: LockedCall): boolean =>
  INBOUND.includes(toolName) || (toolName === metaTools.codespar_crypto_pay.name && direction === "receive");

/** The money of a top-up is the consumer's as soon as it has come in, and not any more when its payer got it back. */
async function postTopUp(tx: TransactionSql, call: LockedCall, now: Date): Promise<void> {
  const [row] = await tx<{ consumerId: string }[]>`
    select input->>'consumer_id' as "consumerId" from tool_calls where project_id = ${call.projectId} and id = ${call.id}`;
  const { consumerId } = row!;
  const { settled, back, why } = await finalsOf(tx, call);
  const owner = { orgId: call.orgId, projectId: call.projectId, consumerId, money: settled.money };
  if (await post(tx, call, walletToppedUp({ ...settled, consumerId }), now)) await creditFunds(tx, owner);
  if (!back || (await isPosted(tx, call, `top_up_returned:${call.id}`))) return;
  const coveredMinor = await uncreditFunds(tx, owner);
  await post(tx, call, topUpReturned({ ...back, consumerId, coveredMinor }, why), now);
}

async function isPosted(tx: TransactionSql, { projectId }: LockedCall, key: string): Promise<boolean> {
  return (await tx`select 1 from ledger_transactions where project_id = ${projectId} and key = ${key}`).length > 0;
}

/** What settled, and what came back after that. A use that was given back already is none: the merchant has paid for it. */
async function movementsOf(tx: TransactionSql, call: LockedCall, use: Awaited<ReturnType<typeof useOf>>): Promise<[Posting, (Posting | undefined)?]> {
  const { settled, back, why } = await finalsOf(tx, call);
  if (use && use.state !== "released") {
    const { consumerId } = use;
    return [walletSpent({ ...settled, consumerId }), back && walletReturned({ ...back, consumerId }, why)];
  }
  if (call.refundOf) return [chargeRefunded(settled, call.refundOf), back && refundReturned(back, call.refundOf)];
  if (isInbound(call)) return [chargeSettled(settled), back && (await restReturned(tx, call, back, why))];
  return [payoutSettled(settled), back && payoutReturned(back, why)];
}

/** What our own refunds gave back is booked by them; the provider only tells it once more. */
async function restReturned(tx: TransactionSql, call: LockedCall, back: Movement, why: Finals["why"]): Promise<Posting | undefined> {
  const rest = await unrefunded(tx, call, back.money.amountMinor);
  return rest > 0n ? chargeReturned({ ...back, money: { ...back.money, amountMinor: rest } }, why) : undefined;
}

interface Finals {
  settled: Movement;
  back: Movement | undefined;
  why: "refunded" | "reversed";
}

/** How a payment ended, and whether it came back after that. */
async function finalsOf(tx: TransactionSql, call: LockedCall): Promise<Finals> {
  const finals = await tx<FinalEvent[]>`
    select distinct on (state) state, amount_minor as "amountMinor", fee_minor as "feeMinor", provider, occurred_at as "occurredAt" from settlement_events
    where project_id = ${call.projectId} and tool_call_id = ${call.id} and state in ('succeeded', 'refunded', 'failed') order by state, id`;
  const of = (state: SettlementState) => finals.find((event) => event.state === state);
  const settled = (of("succeeded") ?? of("refunded"))!;
  const money = { amountMinor: settled.amountMinor ?? call.amountMinor!, currency: call.currency! };
  const movement = (event: FinalEvent): Movement => ({ toolCallId: call.id, provider: event.provider, money, feeMinor: settled.feeMinor ?? 0n, occurredAt: event.occurredAt });
  // A provider that takes back a success it reported (C-65): the state shows the failure, the books get a reversal.
  const returned = of("refunded") ?? of("failed");
  return { settled: movement(settled), back: returned && movement(returned), why: of("refunded") ? "refunded" : "reversed" };
}

/** How much of a charge neither a refund of ours gives back nor the books have as returned. A refund that the provider took back is ours still. */
async function unrefunded(tx: TransactionSql, { projectId, id }: LockedCall, amountMinor: bigint): Promise<bigint> {
  const [row] = await tx<{ known: bigint }[]>`
    select (
      (select coalesce(sum(amount_minor), 0) from tool_calls where project_id = ${projectId} and refund_of = ${id} and status <> 'error')
      + (select coalesce(sum(e.amount_minor), 0) from ledger_transactions t
          join ledger_entries e on e.project_id = t.project_id and e.transaction_id = t.id and e.account = ${accounts.sales}
        where t.project_id = ${projectId} and t.tool_call_id = ${id} and t.key like 'charge_returned:%'))::bigint as known`;
  return row!.known < amountMinor ? amountMinor - row!.known : 0n;
}

/** What refunds of ours give back of a charge, done or under way. */
export async function refundedOf(sql: Sql | TransactionSql, { projectId, id, except = "" }: { projectId: string; id: string; except?: string }): Promise<bigint> {
  const [row] = await sql<{ refunded: bigint }[]>`
    select coalesce(sum(amount_minor), 0)::bigint as refunded from tool_calls
    where project_id = ${projectId} and refund_of = ${id} and id <> ${except} and status <> 'error' and state is distinct from 'failed'`;
  return row!.refunded;
}

/**
 * A refund of ours that came to nothing, of a charge that was given back all the same: the provider did it without us, and the
 * refund's part is still in the books as a sale.
 */
export async function returnWithoutRefund(tx: TransactionSql, refund: { orgId: string; projectId: string; id: string }, now: Date): Promise<void> {
  const [row] = await tx<{ refundOf: string | null; amountMinor: bigint | null }[]>`
    select refund_of as "refundOf", amount_minor as "amountMinor" from tool_calls where project_id = ${refund.projectId} and id = ${refund.id}`;
  if (!row?.refundOf || row.amountMinor === null) return;
  const charge = await lockCall(tx, refund.projectId, row.refundOf);
  if (charge?.state !== "refunded" || !charge.provider || !charge.currency) return;
  const money = { amountMinor: row.amountMinor, currency: charge.currency };
  const posting = chargeReturned({ toolCallId: charge.id, provider: charge.provider, money, occurredAt: now }, "refunded");
  await post(tx, charge, { ...posting, key: `${posting.key}:${refund.id}` }, now);
}
