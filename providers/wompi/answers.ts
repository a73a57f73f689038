/** What Wompi answers, and what it means here: shapes, states, refusals; of its payments and of its payouts, which are two APIs. */
import { z } from "zod";
import { isCurrency, type Currency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type PaymentState = StateOf<"payment">;
export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const Cents = z.int().min(0).transform(BigInt);

export const data = <Schema extends z.ZodType>(schema: Schema) => z.object({ data: schema });

export const Merchant = z.object({
  presigned_acceptance: z.object({ acceptance_token: z.string() }),
  presigned_personal_data_auth: z.object({ acceptance_token: z.string() }).nullish(),
});

export const Transaction = z.object({
  id: z.string(),
  status: z.string(),
  reference: z.string().nullish(),
  amount_in_cents: Cents.nullish(),
  currency: z.string().nullish(),
  status_message: z.string().nullish(),
  finalized_at: z.string().nullish(),
  payment_method: z.object({ extra: z.object({ async_payment_url: z.string().nullish() }).nullish() }).nullish(),
});
export type Transaction = z.output<typeof Transaction>;

/** Most of the payouts API wraps what it answers in `data`; its lists of banks come bare. */
const wrapped = <Schema extends z.ZodType>(schema: Schema) => z.union([data(schema).transform((answer) => (answer as { data: z.output<Schema> }).data), schema]);

export const Banks = wrapped(z.array(z.object({
  id: z.string(), name: z.string().nullish(), code: z.string().nullish(), achCode: z.union([z.string(), z.number()]).nullish(),
})));

export const CreatedPayout = wrapped(z.object({ payoutId: z.string() }));

export const Payout = z.object({ id: z.string(), status: z.string(), reference: z.string().nullish(), statusMessage: z.string().nullish() });
export type Payout = z.output<typeof Payout>;
export const OnePayout = wrapped(Payout);

export const PayoutTransaction = z.object({
  status: z.string(),
  reference: z.string().nullish(),
  amountInCents: Cents.nullish(),
  fee: z.object({ totalInCents: Cents.nullish() }).nullish(),
  failureReason: z.union([z.string(), z.object({ message: z.string().nullish(), description: z.string().nullish() })]).nullish(),
  appliedAt: z.string().nullish(),
});
export type PayoutTransaction = z.output<typeof PayoutTransaction>;

export const records = <Row extends z.ZodType>(row: Row) => wrapped(z.object({ records: z.array(row) }));

const transactionStates: ReadonlyMap<string, PaymentState> = new Map<string, PaymentState>([
  ["PENDING", "pending"], ["APPROVED", "succeeded"], ["DECLINED", "failed"], ["ERROR", "failed"], ["VOIDED", "refunded"],
]);

const payoutTransactionStates: ReadonlyMap<string, PaymentState> = new Map<string, PaymentState>([
  ["PENDING", "pending"], ["PROCESSING", "pending"], ["APPROVED", "succeeded"], ["FAILED", "failed"], ["REJECTED", "failed"], ["CANCELLED", "failed"],
]);

/** Of a batch without transactions to ask about: only a rejected one is final. */
const batchStates: ReadonlyMap<string, PaymentState> = new Map<string, PaymentState>([["REJECTED", "failed"], ["NOT_APPROVED", "updated"]]);

export const stateOfTransaction = ({ status }: Transaction): PaymentState => transactionStates.get(status) ?? "pending";

export function observeTransaction(transaction: Transaction): Observation {
  const state = stateOfTransaction(transaction);
  const action = transaction.status;
  const settledAt = state === "succeeded" ? momentOf(transaction.finalized_at) : undefined;
  return {
    ref: transaction.id,
    state,
    action,
    ...(transaction.amount_in_cents != null && { amountMinor: transaction.amount_in_cents }),
    ...currencyOf(transaction.currency),
    ...(settledAt && { occurredAt: settledAt }),
    ...(state === "failed" && { failure: { reason: "refused", message: transaction.status_message ?? `the transaction ended as ${action}` } }),
  };
}

export function observePayoutTransaction(ref: string, transaction: PayoutTransaction): Observation {
  const state = payoutTransactionStates.get(transaction.status) ?? "pending";
  const { status: action, amountInCents, fee, failureReason } = transaction;
  const why = typeof failureReason === "string" ? failureReason : (failureReason?.message ?? failureReason?.description);
  const settledAt = state === "succeeded" ? momentOf(transaction.appliedAt) : undefined;
  return {
    ref,
    state,
    action,
    ...(amountInCents != null && { amountMinor: amountInCents }),
    ...(fee?.totalInCents != null && { feeMinor: fee.totalInCents }),
    currency: "COP",
    ...(settledAt && { occurredAt: settledAt }),
    ...(state === "failed" && { failure: { reason: "refused", message: why ?? `the payout ended as ${action}` } }),
  };
}

export function observeBatch({ id, status, statusMessage }: Payout): Observation {
  const state = batchStates.get(status) ?? "pending";
  const failure = { reason: "refused" as const, message: statusMessage ?? `the batch ended as ${status}` };
  return { ref: id, state, action: status, currency: "COP", ...(state === "failed" && { failure }) };
}

const currencyOf = (currency: string | null | undefined): { currency?: Currency } => (currency && isCurrency(currency) ? { currency } : {});

function momentOf(text: string | null | undefined): Date | undefined {
  const at = new Date(text ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const refusedStatuses = new Map<number, DeclineReason>([[401, "unauthorized"], [403, "unauthorized"], [429, "rate_limited"]]);

const Refusal = z.object({ error: z.object({ type: z.string().nullish(), reason: z.string().nullish(), messages: z.unknown().optional() }) });

/** The payments API: `{error: {type, reason}}`, or `{error: {type, messages: {field: [text]}}}`, nested as the request was. */
export function readRefusal({ status, body }: Rejected): Declined {
  const { reason, messages } = Refusal.safeParse(body).data?.error ?? {};
  const [first] = leavesOf(messages, "");
  const message = reason ?? (first && `${first.path}: ${first.text}`) ?? `Wompi answered ${status}`;
  const byStatus = refusedStatuses.get(status);
  if (byStatus) return { outcome: "declined", reason: byStatus, message };
  if (first?.path === "reference" && /usad|used/i.test(first.text)) return { outcome: "declined", reason: "duplicate", message };
  const field = refusedFields.find(([path]) => path.test(first?.path ?? ""))?.[1];
  return { outcome: "declined", reason: status === 422 ? "invalid_request" : "unspecified", message, ...(field && { field }) };
}

function leavesOf(value: unknown, path: string): { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value)) return value.flatMap((item) => leavesOf(item, path));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => leavesOf(item, path ? `${path}.${name}` : name));
}

const refusedFields: readonly (readonly [RegExp, string])[] = [
  [/amount_in_cents/, "amount"], [/customer_email/, "buyer.email"], [/user_legal_id/, "buyer.document"], [/full_name/, "buyer.name"],
  [/phone_number/, "buyer.phone"], [/financial_institution_code/, "metadata.financial_institution_code"], [/expiration_time/, "due_date"],
];

const PayoutRefusal = z.object({ code: z.string().nullish(), message: z.union([z.string(), z.array(z.string())]).nullish() });

/** The payouts API: `{code: "EXC_…", message}`. */
export function readPayoutRefusal({ status, body }: Rejected): Declined {
  const { code, message } = PayoutRefusal.safeParse(body).data ?? {};
  const said = Array.isArray(message) ? message.join("; ") : message;
  const reason = refusedStatuses.get(status) ?? refusedCodes.get(code ?? "") ?? (status === 400 || status === 422 ? "invalid_request" : "unspecified");
  return { outcome: "declined", reason, message: said || `Wompi answered ${status}` };
}

/** "Errores en el API" of Pagos a Terceros; EXC_032 is what EXC_022 is called where payouts go by key. */
const refusedCodes = new Map<string, DeclineReason>([
  ["EXC_008", "insufficient_funds"], ["EXC_017", "refused"], ["EXC_018", "refused"], ["EXC_019", "not_permitted"], ["EXC_022", "duplicate"], ["EXC_032", "duplicate"],
]);
