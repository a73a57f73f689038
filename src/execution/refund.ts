/**
 * A refund: money of a settled charge, given back by the provider and over the connection that took it. It is a tool call and a
 * movement of its own. How much is left to give back is decided in the transaction of the claim, with the charge's row held, so
 * that two refunds at once never give back more than came in.
 */
import { z } from "zod";
import type { RefundRequest } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import { metaTools } from "../../schema/meta-tools/index.ts";
import type { JsonObject } from "../../schema/meta-tools/meta-tool.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { display, isCurrency, type Currency, type Money } from "../../schema/money.ts";
import { openProvider, projectConnection, type Connection } from "../connections/connections.ts";
import type { TransactionSql } from "../db/connect.ts";
import type { Platform } from "../platform.ts";
import type { Candidate } from "../rails/router.ts";
import type { SessionRow } from "../sessions/sessions.ts";
import { INBOUND, lockCall, refundedOf } from "../settlement/settle.ts";
import type { Claim } from "./claim.ts";
import type { Target } from "./dispatch.ts";
import { REFUND_RAIL, type Perform } from "./perform.ts";
import type { Plan } from "./plan.ts";
import { findToolCall, type ToolCallRow } from "./rows.ts";

/** What the claim and the dispatch of a refund are made of. */
interface PreparedRefund {
  plan: Pick<Plan, "money" | "settles" | "acts" | "identity">;
  targets: Target[];
  routing: Candidate[];
  failoverTrail: [];
  refundOf: string;
  within: NonNullable<Claim["within"]>;
}

type Refund = PayoutRequest & { refund_of: string };

/** Arguments that name a charge to give back. */
export const refundIn = (parsed: unknown): Refund | undefined =>
  (parsed as Partial<PayoutRequest>).refund_of === undefined ? undefined : (parsed as Refund);

/** Throws invalid_args, tool_call_not_found, refund_refused or provider_not_connected. Whether enough is left is known at the claim. */
export async function prepareRefund(
  platform: Platform, { projectId, userId }: SessionRow, request: Refund, written: JsonObject,
): Promise<PreparedRefund> {
  const charge = await findToolCall(platform, projectId, request.refund_of);
  const { provider, currency, providerRef, amountMinor } = charge;
  requireCharge(charge);
  refuseOtherWays(request, written, charge);
  if (!provider || !providerRef || !currency || !isCurrency(currency) || amountMinor === null) throw refused(charge.id, "it was never accepted");
  const connection = await ownConnection(platform, charge, userId);
  const left = amountMinor - (await refundedOf(platform.db.sql, { projectId, id: charge.id }));
  // Nothing left is told at the claim: a repeat of the refund that took the rest must find that refund, and no refusal.
  const money: Money = { amountMinor: request.amount ?? (left > 0n ? left : amountMinor), currency };
  return {
    plan: {
      money, settles: "payment", acts: true,
      identity: { refund_of: charge.id, amount: request.amount === undefined ? "rest" : String(request.amount) },
    },
    targets: [{ provider, rail: REFUND_RAIL, connectionId: connection.id, perform: performRefund }],
    routing: [{ provider, rail: REFUND_RAIL, rank: 0, verdict: "chosen", reason: "the charge's own" }],
    failoverTrail: [],
    refundOf: charge.id,
    within: (tx, { id }) => requireLeft(tx, { projectId, chargeId: charge.id, refundId: id, money }),
  };
}

/** From the rows alone, so that whoever takes the call over asks for the same. */
export const performRefund: Perform = async (platform, connection, call) => {
  const { refundOf, amountMinor, currency, input } = await findToolCall(platform, connection.projectId, call.toolCallId);
  const charge = await findToolCall(platform, connection.projectId, refundOf!);
  const { description } = input as Partial<PayoutRequest>;
  const request: RefundRequest = {
    charge: { ref: charge.providerRef!, method: methodOf(charge), amount: charge.amountMinor! }, amount: amountMinor!, currency: currency as Currency,
    ...(description !== undefined && { description }),
  };
  const provider = await openProvider(platform, connection);
  const answer = await provider.refund!(request, call);
  return answer.outcome === "accepted" ? { ...answer, result: z.encode(metaTools.codespar_pay.output, answer.result) as object } : answer;
};

async function requireLeft(tx: TransactionSql, { projectId, chargeId, refundId, money }: { projectId: string; chargeId: string; refundId: string; money: Money }): Promise<void> {
  const charge = await lockCall(tx, projectId, chargeId);
  if (charge?.state === "refunded") throw refused(chargeId, "it was given back in full");
  if (charge?.state !== "succeeded" || charge.amountMinor === null) throw refused(chargeId, "only a charge that was paid can be");
  const left = charge.amountMinor - (await refundedOf(tx, { projectId, id: chargeId, except: refundId }));
  if (money.amountMinor > left) throw refused(chargeId, `${shown(money, left)} of it is left to give back, and ${shown(money, money.amountMinor)} was asked for`);
}

const shown = ({ currency }: Money, amountMinor: bigint): string => display({ amountMinor, currency });

function requireCharge({ id, toolName, settles }: ToolCallRow): void {
  if (settles !== "payment" || !INBOUND.includes(toolName)) throw refused(id, "it is no charge");
}

const refused = (toolCallId: string, reason: string): Failure => new Failure("refund_refused", { field: "refund_of", toolCallId, reason });

/** A refund goes back the way the charge came: whatever names another way is a mistake. */
function refuseOtherWays(request: PayoutRequest, written: JsonObject, { currency, provider }: ToolCallRow): void {
  for (const field of ["recipient", "copia_e_cola", "linha_digitavel", "mandateId"] as const)
    if (request[field] !== undefined) throw contradicted(field, "a refund goes back to who paid, so it is left out");
  if (request.provider !== undefined && request.provider !== provider) throw contradicted("provider", `the charge was made at ${provider}, which alone can refund it`);
  if (written["currency"] !== undefined && request.currency !== currency) throw contradicted("currency", `the charge is in ${currency}`);
}

const contradicted = (field: string, problem: string): Failure => new Failure("invalid_args", { field, problem, expected: problem });

const methodOf = ({ input }: ToolCallRow): string => {
  const method = (input as JsonObject)["method"];
  return typeof method === "string" ? method : "pix";
};

/** The connection that the charge was made over, and no other: another account cannot give back what it never had. */
async function ownConnection(platform: Platform, { id, projectId, provider, connectionId }: ToolCallRow, userId: string | null | undefined): Promise<Connection> {
  const connection = connectionId ? await projectConnection(platform, projectId, connectionId) : undefined;
  const isOwn = connection?.status === "connected" && (connection.userId === null || connection.userId === userId);
  if (!connection || !isOwn) throw new Failure("provider_not_connected", { field: "refund_of", provider: provider! });
  if (!(await openProvider(platform, connection)).refund) throw refused(id, `this server cannot ask ${provider} for it; ${provider}'s own pages can`);
  return connection;
}
