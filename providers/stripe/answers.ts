/** What Stripe answers, and what it means here: shapes, states, refusals. */
import { z } from "zod";
import { isCurrency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const Minor = z.int().min(0).transform(BigInt);

const BalanceTransaction = z.object({ fee: Minor, currency: z.string() });

/** An expanded charge; without the expansion its id alone, which says nothing. */
const Charge = z.object({
  created: z.int(),
  refunded: z.boolean().nullish(),
  balance_transaction: z.union([BalanceTransaction, z.string()]).nullish(),
});

const PaymentIntent = z.object({ status: z.string(), latest_charge: z.union([Charge, z.string()]).nullish() });

export const Session = z.object({
  id: z.string(),
  status: z.string().nullish(),
  payment_status: z.string(),
  amount_total: Minor.nullish(),
  currency: z.string().nullish(),
  client_reference_id: z.string().nullish(),
  url: z.string().nullish(),
  expires_at: z.int().nullish(),
  payment_intent: z.union([PaymentIntent, z.string()]).nullish(),
});
export type Session = z.output<typeof Session>;

export const SessionPage = z.object({ data: z.array(Session), has_more: z.boolean() });

/** So that one answer holds the charge, with what Stripe kept of it. */
export const EXPANDED = "payment_intent.latest_charge.balance_transaction";

/** A session that expired cannot be paid any more. One that is complete and unpaid waits for a method that takes days. */
export function stateOf({ status, payment_status: paid, payment_intent: intent }: Session): StateOf<"payment"> {
  if (status === "expired") return "failed";
  if (paid !== "unpaid") return chargeOf(intent)?.refunded ? "refunded" : "succeeded";
  const isOver = status === "complete" && typeof intent === "object" && ["requires_payment_method", "canceled"].includes(intent?.status ?? "");
  return isOver ? "failed" : "pending";
}

/** A payment of which a part went back, or that is disputed, is still one that was paid: webhooks tell such changes. */
export function observe(session: Session): Observation {
  const state = stateOf(session);
  const currency = session.currency?.toUpperCase() ?? "";
  const charge = state === "succeeded" || state === "refunded" ? chargeOf(session.payment_intent) : undefined;
  const taken = typeof charge?.balance_transaction === "object" ? charge.balance_transaction : undefined;
  // Where the account settles in another currency the fee is in that one.
  const feeMinor = taken?.currency === session.currency ? taken?.fee : undefined;
  return {
    ref: session.id,
    state,
    action: actionOf(session, state),
    ...(session.amount_total != null && { amountMinor: session.amount_total }),
    ...(isCurrency(currency) && { currency }),
    ...(feeMinor !== undefined && { feeMinor }),
    ...(charge && { occurredAt: new Date(charge.created * 1_000) }),
    ...(state === "failed" && { failure: { reason: "refused" as const, message: failureOf(session) } }),
  };
}

const chargeOf = (intent: Session["payment_intent"]): z.output<typeof Charge> | undefined =>
  typeof intent === "object" && typeof intent?.latest_charge === "object" ? (intent.latest_charge ?? undefined) : undefined;

function actionOf({ status, payment_status: paid }: Session, state: StateOf<"payment">): string {
  if (state === "refunded") return "refunded";
  return status === "complete" ? `complete, ${paid}` : (status ?? paid);
}

const failureOf = ({ status }: Session): string =>
  status === "expired" ? "Stripe: the checkout session expired unpaid" : "Stripe: the payment of the checkout session failed";

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  error: z.object({
    type: z.string().nullish(),
    code: z.string().nullish(),
    decline_code: z.string().nullish(),
    message: z.string().nullish(),
    param: z.string().nullish(),
  }),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

export function readRefusal({ status, body }: Rejected): Declined {
  const { type, code, decline_code: declineCode, message, param } = Refusal.safeParse(body).data?.error ?? {};
  const reason = refusalReason({ status, type, code: declineCode ?? code });
  // The sentence about a wrong key quotes a part of the key.
  const why = reason === "unauthorized" ? `it answered ${status}` : (message || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const field = fieldOf(code, param);
  return { outcome: "declined", reason, message: `Stripe refused: ${why}`, ...(field && { field }) };
}

/** 409, and the type of a key that was used with other parameters: something of ours may exist. */
function refusalReason({ status, type, code }: { status: number; type?: string | null | undefined; code?: string | null | undefined }): DeclineReason {
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 429) return "rate_limited";
  if (status === 409 || type === "idempotency_error") return "duplicate";
  if (code === "insufficient_funds") return "insufficient_funds";
  if (status === 402) return "refused";
  return status === 400 || status === 404 ? "invalid_request" : "unspecified";
}

function fieldOf(code: string | null | undefined, param: string | null | undefined): string | undefined {
  if (code === "amount_too_small" || code === "amount_too_large" || /unit_amount/.test(param ?? "")) return "amount";
  if (/\[currency\]/.test(param ?? "")) return "currency";
  if (/\[name\]/.test(param ?? "")) return "description";
  return param === "customer_email" ? "buyer.email" : undefined;
}
