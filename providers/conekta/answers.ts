/** What Conekta answers, and what it means here: shapes, states, refusals. */
import { z } from "zod";
import type { ChargeResult } from "../../schema/meta-tools/charge.ts";
import { isCurrency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type PaymentState = StateOf<"payment">;
export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const Centavos = z.int().min(0).transform(BigInt);
const UnixSeconds = z.number().nullish();
/** Longer than a JSON number holds; written as one it would be another reference, so then it is not read. */
const Digits = z.string().nullish().catch(undefined);

const Charge = z.object({
  status: z.string().nullish(),
  fee: Centavos.nullish(),
  paid_at: UnixSeconds,
  reference_id: z.string().nullish(),
  payment_method: z.object({
    type: z.string().nullish(),
    service_name: z.string().nullish(),
    store_name: z.string().nullish(),
    store_names: z.array(z.string()).nullish(),
    reference: Digits,
    clabe: Digits,
    receiving_account_number: Digits,
    expires_at: UnixSeconds,
  }).nullish(),
});
type Charge = z.output<typeof Charge>;

const Metadata = z.record(z.string(), z.unknown()).nullish();

export const Order = z.object({
  id: z.string(),
  amount: Centavos,
  currency: z.string().nullish(),
  payment_status: z.string().nullish(),
  metadata: Metadata,
  charges: z.object({ data: z.array(Charge).nullish() }).nullish(),
  checkout: z.object({ url: z.string().nullish(), status: z.string().nullish(), expires_at: UnixSeconds }).nullish(),
});
export type Order = z.output<typeof Order>;

export const PayoutOrder = z.object({
  id: z.string(),
  amount: Centavos,
  currency: z.string().nullish(),
  status: z.string().nullish(),
  metadata: Metadata,
});
export type PayoutOrder = z.output<typeof PayoutOrder>;

export const Customer = z.object({ id: z.string() });

export const page = <Row extends z.ZodType>(row: Row) =>
  z.object({ data: z.array(row), has_more: z.boolean(), next_page_url: z.string().nullish() });

/** Where our reference stands on what we make. */
export const referenceOf = ({ metadata }: { metadata?: Record<string, unknown> | null | undefined }): string | undefined => {
  const reference = metadata?.["reference"];
  return typeof reference === "string" ? reference : undefined;
};

/**
 * By the order's `payment_status`, which is also the last part of its events' names. A refused card is no end: on the
 * hosted page the buyer may try another, and a state of failed would outlive the payment that follows.
 */
export const orderStates: ReadonlyMap<string, PaymentState> = new Map<string, PaymentState>([
  ["created", "pending"], ["pending_payment", "pending"], ["pre_authorized", "pending"], ["under_fraud_review", "pending"],
  ["paid", "succeeded"],
  ["expired", "failed"], ["canceled", "failed"], ["voided", "failed"],
  ["refunded", "refunded"],
  ["declined", "updated"], ["fraudulent", "updated"], ["partially_refunded", "updated"], ["charged_back", "updated"], ["updated", "updated"],
]);

/** `open` and `cancelled` stand in the guide to withdrawals, the others only as names of events. */
const payoutStates: ReadonlyMap<string, PaymentState> = new Map<string, PaymentState>([
  ["open", "pending"], ["confirmed", "succeeded"], ["cancelled", "failed"], ["canceled", "failed"], ["expired", "failed"],
]);

/** A hosted order that nobody has begun to pay has no status of its own; its page has one. */
export const actionOf = ({ payment_status, checkout }: Order): string => payment_status ?? checkout?.status ?? "created";

export const stateOfOrder = (order: Order): PaymentState => orderStates.get(actionOf(order)) ?? "pending";
export const stateOfPayout = ({ status }: PayoutOrder): PaymentState => payoutStates.get(status ?? "open") ?? "pending";

export function observeOrder(order: Order, state: PaymentState, action: string): Observation {
  const paid = chargesOf(order).filter(({ status }) => status === "paid");
  const fees = paid.map(({ fee }) => fee ?? undefined).filter((fee) => fee !== undefined);
  const paidAt = momentOf(paid.find(({ paid_at }) => paid_at)?.paid_at);
  return {
    ref: order.id,
    state,
    action,
    amountMinor: order.amount,
    ...currencyOf(order),
    ...(state === "succeeded" && paidAt && { occurredAt: paidAt }),
    ...(fees.length > 0 && { feeMinor: fees.reduce((sum, fee) => sum + fee, 0n) }),
    ...(state === "failed" && { failure: { reason: "unspecified" as const, message: `the order ended as ${action}` } }),
  };
}

export function observePayout(payout: PayoutOrder): Observation {
  const state = stateOfPayout(payout);
  const action = payout.status ?? "open";
  return {
    ref: payout.id,
    state,
    action,
    amountMinor: payout.amount,
    ...currencyOf(payout),
    ...(state === "failed" && { failure: { reason: "unspecified", message: `the payout order ended as ${action}` } }),
  };
}

const currencyOf = ({ currency }: { currency?: string | null | undefined }) =>
  currency && isCurrency(currency) ? { currency } : {};

/** What the buyer pays with. A cash reference of another chain than OXXO is not given out as one of OXXO. */
export function instructions(order: Order): Partial<ChargeResult> {
  const methods = chargesOf(order).map(({ payment_method }) => payment_method);
  const oxxo = methods.find((method) => method && isOxxo(method));
  const spei = methods.find((method) => method?.type === "spei");
  const expires = momentOf((oxxo ?? spei)?.expires_at ?? order.checkout?.expires_at);
  return {
    oxxo_reference: oxxo?.reference ?? undefined,
    clabe: spei?.clabe ?? spei?.receiving_account_number ?? undefined,
    checkout_url: order.checkout?.url ?? undefined,
    expires_at: expires?.toISOString(),
  };
}

const chargesOf = ({ charges }: Order): Charge[] => charges?.data ?? [];

const isOxxo = ({ type, service_name, store_name, store_names }: NonNullable<Charge["payment_method"]>): boolean =>
  type === "oxxo" || [service_name, store_name, ...(store_names ?? [])].some((name) => /^oxxo/i.test(name ?? ""));

const momentOf = (seconds: number | null | undefined): Date | undefined => (seconds ? new Date(seconds * 1000) : undefined);

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  details: z.array(z.object({
    message: z.string().nullish(), debug_message: z.string().nullish(), param: z.string().nullish(),
  })).min(1),
});

export function readRefusal({ status, body }: Rejected): Declined {
  const [first] = Refusal.safeParse(body).data?.details ?? [];
  const message = first?.message ?? first?.debug_message ?? `Conekta answered ${status}`;
  const field = refusedFields.find(([param]) => param.test(first?.param ?? ""))?.[1];
  return { outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message, ...(field && { field }) };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [401, "unauthorized"], [402, "refused"], [403, "unauthorized"], [422, "invalid_request"], [428, "not_permitted"], [429, "rate_limited"],
]);

const refusedFields: readonly (readonly [RegExp, string])[] = [
  [/email/, "buyer.email"], [/phone/, "buyer.phone"], [/customer_info.*name/, "buyer.name"], [/amount|unit_price/, "amount"], [/expires_at/, "due_date"],
];
