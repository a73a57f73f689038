/** What Mercado Pago answers, and what it means here: shapes, states, refusals. */
import { z } from "zod";
import { fromDecimal } from "../../schema/money.ts";
import { isEndToEndId } from "../../schema/pix/keys.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type PaymentState = StateOf<"payment">;
export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** An amount in reais, a number or (in an example of the reference) a text, read through its digits. */
const Reais = z.union([z.number(), z.string()]).transform((value, context) => {
  const amountMinor = fromDecimal(value, "BRL");
  if (amountMinor === undefined) context.addIssue({ code: "custom", message: "expected reais, at most two decimals" });
  return amountMinor ?? z.NEVER;
});

/** A payment's id is a number, a transaction's a text. */
const Id = z.union([z.number(), z.string()]).transform(String);

/** A line that cannot be read is one not told; it must not hide the payment. */
const Barcode = z.object({ content: z.string().nullish() }).nullish().catch(undefined);

export const Payment = z.object({
  id: Id,
  status: z.string(),
  status_detail: z.string().nullish(),
  transaction_amount: Reais,
  external_reference: z.string().nullish(),
  date_approved: z.string().nullish(),
  date_of_expiration: z.string().nullish(),
  // A fee that cannot be read is a fee not told; it must not hide the payment.
  fee_details: z.array(z.object({ amount: Reais, fee_payer: z.string().nullish() })).nullish().catch(undefined),
  payment_method_id: z.string().nullish(),
  transaction_details: z.object({
    external_resource_url: z.string().nullish(),
    digitable_line: z.string().nullish(),
    barcode: Barcode,
  }).nullish().catch(undefined),
  barcode: Barcode,
  point_of_interaction: z.object({
    transaction_data: z.object({
      qr_code: z.string().nullish(),
      qr_code_base64: z.string().nullish(),
      ticket_url: z.string().nullish(),
    }).nullish(),
  }).nullish(),
});
export type Payment = z.output<typeof Payment>;

export const Refund = z.object({ id: Id, status: z.string(), amount: Reais.nullish() });

/** Rows of a search are summaries: without the Pix code and the fees. */
export const Found = z.object({ results: z.array(z.object({ id: Id, external_reference: z.string().nullish() })) });

const Side = z.object({
  accounts: z.array(z.object({ status_detail: z.string().nullish(), origin_id: z.string().nullish() })),
}).nullish().catch(undefined);

/** A transaction intent: money sent. */
export const Intent = z.object({
  id: Id,
  status: z.string(),
  external_reference: z.string().nullish(),
  transaction: z.object({ total_amount: Reais.nullish(), from: Side, to: Side }).nullish(),
});
export type Intent = z.output<typeof Intent>;

const table = (words: Partial<Record<PaymentState, readonly string[]>>): ReadonlyMap<string, PaymentState> =>
  new Map(Object.entries(words).flatMap(([state, of]) => of.map((word) => [word, state as PaymentState] as const)));

const paymentStates = table({
  pending: ["pending", "in_process", "authorized"],
  succeeded: ["approved"],
  failed: ["rejected", "cancelled"],
  refunded: ["refunded"],
  updated: ["in_mediation", "charged_back"],
});

/** Two vocabularies are documented, one beside the request and one beside the test values and notifications. */
const intentStates = table({
  pending: ["new", "pending", "in_process", "partially_processed"],
  succeeded: ["approved", "processed"],
  failed: ["rejected", "failed"],
  refunded: ["refunded", "reverted"],
  updated: ["partially_reverted"],
});

const refundStates = table({
  pending: ["in_process", "authorized"],
  succeeded: ["approved"],
  failed: ["rejected", "cancelled"],
});

/** What is said of an object: a part of it given back is told by the detail alone. */
function reading(states: typeof paymentStates, status: string, detail: string | null | undefined) {
  const state = states.get(status) ?? "pending";
  if (state === "succeeded" && detail === "partially_refunded") return { state: "updated", action: detail } as const;
  return { state, action: status };
}

export function observePayment(payment: Payment): Observation {
  const { id, status, status_detail: detail, transaction_amount: amountMinor } = payment;
  const { state, action } = reading(paymentStates, status, detail);
  const isPaid = state === "succeeded" || state === "refunded";
  const ours = payment.fee_details?.filter(({ fee_payer }) => fee_payer === "collector");
  const occurredAt = state === "succeeded" ? momentOf(payment.date_approved) : undefined;
  return {
    ref: id, state, action, amountMinor, currency: "BRL",
    ...(isPaid && ours && { feeMinor: ours.reduce((sum, { amount }) => sum + amount, 0n) }),
    ...(occurredAt && { occurredAt }),
    ...(state === "failed" && { failure: failureOf("payment", status, detail) }),
  };
}

export function observeIntent({ id, status, transaction }: Intent): Observation {
  const [to, from] = [transaction?.to?.accounts[0], transaction?.from?.accounts[0]];
  const detail = to?.status_detail || from?.status_detail;
  const { state, action } = reading(intentStates, status, detail);
  const endToEndId = to?.origin_id && isEndToEndId(to.origin_id) ? to.origin_id : undefined;
  return {
    ref: id, state, action, currency: "BRL",
    ...(transaction?.total_amount != null && { amountMinor: transaction.total_amount }),
    ...(endToEndId && { endToEndId }),
    ...(state === "failed" && { failure: failureOf("transaction", status, detail) }),
  };
}

/** Its id here is never the payment's own, by which notifications find the payment. */
export function observeRefund({ id, status, amount }: z.output<typeof Refund>, payment: string): Observation {
  const state = refundStates.get(status) ?? "pending";
  return {
    ref: `${payment}/refunds/${id}`, state, action: status, currency: "BRL", ...(amount != null && { amountMinor: amount }),
    ...(state === "failed" && { failure: failureOf("refund", status, undefined) }),
  };
}

type Failure = NonNullable<Observation["failure"]>;

function failureOf(what: string, status: string, detail: string | null | undefined): Failure {
  const reason = detail?.includes("insufficient_funds") ? "insufficient_funds" : "refused";
  return { reason, message: `Mercado Pago: the ${what} is ${status}${detail ? ` (${detail})` : ""}` };
}

/** What an answer says that is over already, without effect. */
export const asDeclined = ({ ref, failure }: Observation): Declined | undefined =>
  failure && { outcome: "declined", ...failure, ref };

export function momentOf(text: string | null | undefined): Date | undefined {
  const at = new Date(text ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  message: z.string().nullish().catch(undefined),
  cause: z.array(z.object({ code: Id.nullish(), description: z.string().nullish() })).nullish().catch(undefined),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

export function readRefusal({ status, body }: Rejected): Declined {
  const { message, cause } = Refusal.safeParse(body).data ?? {};
  const { code, description } = cause?.[0] ?? {};
  const why = (message || description || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const field = refusedFields.get(code ?? "");
  const reason = code === NO_PIX_KEY ? "not_permitted" : (refusedStatuses.get(status) ?? "unspecified");
  return { outcome: "declined", reason, message: `Mercado Pago refused: ${why}`, ...(field && { field }) };
}

/** The account that is to receive has no Pix key. */
const NO_PIX_KEY = "13253";

/** 409 and 423: the idempotency key is taken, or its first request still under way; something of ours may exist. */
const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [422, "invalid_request"],
  [423, "duplicate"], [429, "rate_limited"],
]);

const refusedFields = new Map([
  ["23", "due_date"], ["2067", "buyer.document"], ["4037", "amount"], ["4050", "buyer.email"], ["4051", "buyer.email"],
]);
