/** Spending under a mandate: a payment like every other, to a payee whose shape says how it is paid. */
import { Failure } from "../../schema/failures.ts";
import type { spend as spendOperation } from "../../schema/mandates.ts";
import { toDecimal } from "../../schema/money.ts";
import type { Domain } from "../../schema/operation.ts";
import { SESSION_IDLE_MS } from "../../schema/sessions.ts";
import type { Principal } from "../access/keys.ts";
import type { Caller } from "../call.ts";
import { execute } from "../execution/execute.ts";
import { failureOf, findToolCall } from "../execution/rows.ts";
import type { Platform } from "../platform.ts";
import { createSession } from "../sessions/sessions.ts";
import { getMandate } from "./mandates.ts";
import { readPayee, type Payee } from "./payees.ts";

type Input = Domain<(typeof spendOperation)["input"]>;

/** Throws what its operation says; a refusal is an HTTP error here, unlike on execute (C-44). */
export async function spend(platform: Platform, { principal, origin, headerKey, signal }: Caller, input: Input): Promise<Domain<(typeof spendOperation)["output"]>> {
  const { mandate_id, amount_minor, agent_id, attempt_id, description } = input;
  const payee = payeeOf(input);
  const { consumer_id } = await getMandate(platform, principal, mandate_id);
  const { tool, args } = paymentTo(payee, BigInt(amount_minor), input.network);
  const sessionId = await spendingSession(platform, principal, consumer_id);
  const payment = await execute(platform, {
    principal, sessionId, tool, origin, signal, headerKey: headerKey ?? attempt_id,
    input: { ...args, mandateId: mandate_id, ...(agent_id !== undefined && { agent_id }), ...(description !== undefined && { description }) },
  });
  const row = await findToolCall(platform, principal.projectId, payment.tool_call_id!);
  if (row.status === "error") throw failureOf(row);
  return {
    status: row.state === "succeeded" ? "completed" : "pending", tool_call_id: row.id, mandate: await getMandate(platform, principal, mandate_id),
    amount_minor: BigInt(amount_minor), currency: payee.currency, payee: payee.name, idempotent_replay: payment.replayed === true, payment,
  };
}

function payeeOf({ payee: written, amount_minor }: Input): Payee {
  const read = readPayee(written);
  if (!read.ok) throw new Failure("invalid_args", { field: "payee", problem: `is none: ${read.reason}`, expected: read.reason });
  const { payee } = read;
  if (payee.kind === "url") throw new Failure("rail_unavailable", { field: "payee", rail: "x402", reason: "this server does not pay URLs yet" });
  if (payee.kind === "pix_code" && payee.amountMinor !== undefined && payee.amountMinor !== BigInt(amount_minor))
    throw new Failure("invalid_args", { field: "amount_minor", problem: `is not the amount of the Pix code, ${payee.amountMinor}`, expected: String(payee.amountMinor) });
  return payee;
}

function paymentTo(payee: Payee, amountMinor: bigint, network: string): { tool: string; args: Record<string, unknown> } {
  if (payee.kind === "address") {
    const amount = toDecimal({ amountMinor, currency: payee.currency });
    return { tool: "codespar_crypto_pay", args: { direction: "send", amount, currency: payee.currency, network, recipient: { wallet_address: payee.name } } };
  }
  const to = payee.kind === "pix_code" ? { copia_e_cola: payee.code } : { recipient: { pix_key: payee.name } };
  return { tool: "codespar_pay", args: { amount: Number(amountMinor), currency: payee.currency, method: "pix", ...to } };
}

/** Spends of one consumer share a session while it lasts. Two at once may open two; either serves. */
async function spendingSession(platform: Platform, principal: Principal, consumerId: string): Promise<string> {
  const { db, clock } = platform;
  const [found] = await db.sql<{ id: string }[]>`
    select id from sessions where project_id = ${principal.projectId} and user_id = ${consumerId} and status = 'active' and metadata->>'opened_by' = 'spend'
      and last_active_at > ${new Date(clock.now().getTime() - SESSION_IDLE_MS)} order by id desc limit 1`;
  return found?.id ?? (await createSession(platform, principal, { user_id: consumerId, servers: [], strict_servers: false, metadata: { opened_by: "spend" } })).id;
}
