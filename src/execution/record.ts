/** Writing down how a call ended, in the transaction of whoever learned it: the dispatch itself, or a lookup after it. */
import type { Observation } from "../../providers/provider.ts";
import type { Failure } from "../../schema/failures.ts";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import type { Currency } from "../../schema/money.ts";
import type { SettlementState } from "../../schema/settlement.ts";
import type { TransactionSql } from "../db/connect.ts";
import { post } from "../ledger/post.ts";
import { labelBought } from "../ledger/rules.ts";
import { orderedJson } from "../json.ts";
import { releaseUse } from "../mandates/use.ts";
import type { Platform } from "../platform.ts";
import { scheduleLookup } from "../settlement/lookup-queue.ts";
import { returnWithoutRefund, settle, type LockedCall } from "../settlement/settle.ts";
import { NATIVE_RAIL } from "./perform.ts";
import type { StoredError } from "./tables.ts";

interface RecordedCall {
  orgId: string;
  projectId: string;
  id: string;
  calledAt: Date;
}

/** What a provider accepted. `result` is JSON. */
export interface AcceptedAnswer {
  ref: string;
  state: SettlementState;
  action: string;
  result: object;
  /** What a lookup found, where one found the call; its amounts are compared and booked. */
  observation?: Observation;
  cost?: { amountMinor: bigint; currency: Currency };
}

/** The call succeeded: its output, its first settlement event, and the questions that guard against a lost webhook. */
export async function recordAccepted(
  platform: Platform,
  tx: TransactionSql,
  call: RecordedCall & { idempotencyKey: string; provider: string; rail: string },
  locked: LockedCall,
  answer: AcceptedAnswer,
  now: Date,
): Promise<void> {
  const { provider, rail, idempotencyKey, calledAt } = call;
  const output = {
    ...answer.result,
    // A provider's own tool answers with the provider's own words, and nothing of ours among them.
    ...(rail !== NATIVE_RAIL && { tool_call_id: call.id, idempotency_key: idempotencyKey, provider, rail }),
    // What a notification told us before the provider's answer arrived is newer than the answer.
    ...(isObject(locked.output) ? locked.output : {}),
  };
  await tx`
    update tool_calls set status = 'success', provider_ref = ${answer.ref}, output = ${orderedJson(tx, output)}, finished_at = ${now},
      duration_ms = ${now.getTime() - calledAt.getTime()}
    where project_id = ${call.projectId} and id = ${call.id}`;
  if (locked.settles) {
    const observation = answer.observation ?? { ref: answer.ref, state: answer.state, action: answer.action, occurredAt: now };
    await settle(platform, tx, { ...locked, output }, { key: "answer", provider, observation });
    await scheduleLookup(platform, tx, call, "follow");
  }
  if (answer.cost && locked.settles === "shipment")
    await post(tx, call, labelBought({ toolCallId: call.id, provider, money: answer.cost, occurredAt: now }), now);
}

/** The call is over as soon as it is claimed: what it did was ours to do. `output` is JSON. */
export async function recordFinished(tx: TransactionSql, { projectId, id }: Pick<RecordedCall, "projectId" | "id">, output: object, at: Date): Promise<void> {
  await tx`
    update tool_calls set status = 'success', outcome = 'accepted', output = ${orderedJson(tx, { ...output, tool_call_id: id })}, finished_at = ${at}, duration_ms = 0,
      lease_until = null
    where project_id = ${projectId} and id = ${id}`;
}

/**
 * The call ended without effect, so it stands for no intent any more: an agent may correct it and ask again. One whose request never
 * left gives its key back, too, so that a repeat may try again.
 */
export async function recordEnded(
  tx: TransactionSql,
  call: RecordedCall,
  { failure, ref, gaveBack }: { failure: Failure; ref?: string | undefined; gaveBack: boolean },
  now: Date,
): Promise<void> {
  await tx`
    update tool_calls set status = 'error', error_code = ${failure.code}, error = ${tx.json(storedError(failure) as never)},
      provider_ref = coalesce(provider_ref, ${ref ?? null}), finished_at = ${now}, duration_ms = ${now.getTime() - call.calledAt.getTime()},
      idempotency_key = case when ${gaveBack} then null else idempotency_key end, intent = null,
      state = case when settles = 'payment' then 'failed' else state end, lease_until = null
    where project_id = ${call.projectId} and id = ${call.id}`;
  await releaseUse(tx, call, now);
  await returnWithoutRefund(tx, call, now);
}

/** A failure as the row keeps it, for every later reader. */
export const storedError = (failure: Failure): StoredError => ({
  code: failure.code, message: failure.message, retry: failure.retry,
  ...(failure.at.field !== undefined && { field: failure.at.field }),
  ...(failure.at.expected !== undefined && { expected: failure.at.expected }),
});
