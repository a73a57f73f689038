/** What Asaas answers, and what it means here: shapes, states, refusals. */
import { z } from "zod";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type PaymentState = StateOf<"payment">;
export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** An amount as Asaas writes it, a decimal number of reais, read through its digits. */
const Reais = z.number().transform((value, context) => {
  const amountMinor = fromDecimal(value, "BRL");
  if (amountMinor === undefined) context.addIssue({ code: "custom", message: "expected reais, at most two decimals" });
  return amountMinor ?? z.NEVER;
});

export const Customer = z.object({ id: z.string(), cpfCnpj: z.string().nullish(), deleted: z.boolean().nullish() });

export const Payment = z.object({
  id: z.string(),
  status: z.string(),
  value: Reais,
  netValue: Reais.nullish(),
  billingType: z.string().nullish(),
  externalReference: z.string().nullish(),
  invoiceUrl: z.string().nullish(),
  bankSlipUrl: z.string().nullish(),
  deleted: z.boolean().nullish(),
});
export type Payment = z.output<typeof Payment>;

export const PixQrCode = z.object({
  payload: z.string(),
  encodedImage: z.string(),
  expirationDate: z.string().nullish(),
});

/** The digits of a boleto's line; they may change with the charge. */
export const BoletoLine = z.object({ identificationField: z.string() });

export const Transfer = z.object({
  id: z.string(),
  status: z.string(),
  value: Reais,
  transferFee: Reais.nullish(),
  endToEndIdentifier: z.string().nullish(),
  externalReference: z.string().nullish(),
  description: z.string().nullish(),
  failReason: z.string().nullish(),
});
export type Transfer = z.output<typeof Transfer>;

/** What a Pix code asks for, as Asaas reads it at its location. */
export const DecodedCode = z.object({
  totalValue: Reais.nullish(),
  canBePaid: z.boolean().nullish(),
  cannotBePaidReason: z.string().nullish(),
});

/** A Pix, in or out; here one that pays a code. */
export const PixTransaction = z.object({
  id: z.string(),
  status: z.string(),
  type: z.string().nullish(),
  value: Reais,
  chargedFeeValue: Reais.nullish(),
  endToEndIdentifier: z.string().nullish(),
  description: z.string().nullish(),
  refusalReason: z.string().nullish(),
  effectiveDate: z.string().nullish(),
  dateCreated: z.string().nullish(),
});
export type PixTransaction = z.output<typeof PixTransaction>;

export const Refund = z.object({
  status: z.string(),
  value: Reais,
  description: z.string().nullish(),
  endToEndIdentifier: z.string().nullish(),
  effectiveDate: z.string().nullish(),
});
export type Refund = z.output<typeof Refund>;

/** A charge as the answer to a refund shows it. */
export const RefundedPayment = z.object({ status: z.string(), refunds: z.array(Refund).nullish().catch(undefined) });

export const page = <Row extends z.ZodType>(row: Row) => z.object({ data: z.array(row), hasMore: z.boolean() });

const table = (words: Partial<Record<PaymentState, readonly string[]>>): ReadonlyMap<string, PaymentState> =>
  new Map(Object.entries(words).flatMap(([state, of]) => of.map((word) => [word, state as PaymentState] as const)));

/**
 * An overdue charge can still be paid, and a deleted one (our word, from the flag `deleted`) be restored: neither is an
 * end. A charge that failed would stay so whatever came after.
 */
export const paymentStates = table({
  pending: ["PENDING", "AWAITING_RISK_ANALYSIS", "AUTHORIZED", "DUNNING_REQUESTED"],
  succeeded: ["CONFIRMED", "RECEIVED", "RECEIVED_IN_CASH", "DUNNING_RECEIVED"],
  refunded: ["REFUNDED"],
  updated: [
    "OVERDUE", "DELETED", "REFUND_REQUESTED", "REFUND_IN_PROGRESS", "PARTIALLY_REFUNDED", "CHARGEBACK_REQUESTED",
    "CHARGEBACK_DISPUTE", "AWAITING_CHARGEBACK_REVERSAL",
  ],
});

export const paymentEvents = table({
  pending: ["PAYMENT_CREATED", "PAYMENT_DUNNING_REQUESTED"],
  succeeded: ["PAYMENT_CONFIRMED", "PAYMENT_RECEIVED", "PAYMENT_DUNNING_RECEIVED"],
  refunded: ["PAYMENT_REFUNDED"],
  updated: [
    "PAYMENT_UPDATED", "PAYMENT_OVERDUE", "PAYMENT_DELETED", "PAYMENT_RESTORED", "PAYMENT_RECEIVED_IN_CASH_UNDONE",
    "PAYMENT_PARTIALLY_REFUNDED", "PAYMENT_REFUND_IN_PROGRESS", "PAYMENT_CHARGEBACK_REQUESTED",
    "PAYMENT_CHARGEBACK_DISPUTE", "PAYMENT_AWAITING_CHARGEBACK_REVERSAL",
  ],
});

export const transferStates = table({
  pending: ["PENDING", "BANK_PROCESSING"],
  updated: ["BLOCKED"],
  succeeded: ["DONE"],
  failed: ["FAILED", "CANCELLED"],
});

export const transferEvents = table({
  pending: ["TRANSFER_CREATED", "TRANSFER_PENDING", "TRANSFER_IN_BANK_PROCESSING"],
  updated: ["TRANSFER_BLOCKED"],
  succeeded: ["TRANSFER_DONE"],
  failed: ["TRANSFER_FAILED", "TRANSFER_CANCELLED"],
});

export const pixTransactionStates = table({
  pending: [
    "AWAITING_BALANCE_VALIDATION", "AWAITING_INSTANT_PAYMENT_ACCOUNT_BALANCE", "AWAITING_CRITICAL_ACTION_AUTHORIZATION",
    "AWAITING_CHECKOUT_RISK_ANALYSIS_REQUEST", "AWAITING_CASH_IN_RISK_ANALYSIS_REQUEST", "SCHEDULED", "AWAITING_REQUEST", "REQUESTED",
  ],
  succeeded: ["DONE"],
  failed: ["REFUSED", "CANCELLED"],
});

export const refundStates = table({
  pending: ["PENDING", "AWAITING_CRITICAL_ACTION_AUTHORIZATION", "AWAITING_CUSTOMER_EXTERNAL_AUTHORIZATION"],
  succeeded: ["DONE"],
  failed: ["CANCELLED"],
});

/** Until a charge is paid its `netValue` is a forecast, so the fee is told only after. */
export function observePayment(payment: Payment, state: PaymentState, action: string): Observation {
  const isPaid = state === "succeeded" || state === "refunded";
  const feeMinor = isPaid && payment.netValue != null ? { feeMinor: payment.value - payment.netValue } : {};
  return { ref: payment.id, state, action, amountMinor: payment.value, ...feeMinor, currency: "BRL" };
}

export function observeTransfer(transfer: Transfer, state: PaymentState, action: string): Observation {
  const message = transfer.failReason ?? `the transfer ended as ${action}`;
  return {
    ref: transfer.id,
    state,
    action,
    amountMinor: transfer.value,
    ...(transfer.transferFee != null && { feeMinor: transfer.transferFee }),
    currency: "BRL",
    ...(transfer.endToEndIdentifier && { endToEndId: transfer.endToEndIdentifier }),
    ...(state === "failed" && { failure: { reason: "refused", message } }),
  };
}

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const Refusal = z.object({ errors: z.array(z.object({ code: z.string(), description: z.string() })).min(1) });

export function readRefusal({ status, body }: Rejected): Declined {
  const { code = "", description = `Asaas answered ${status}` } = Refusal.safeParse(body).data?.errors[0] ?? {};
  // A bad CPF is answered with the code `invalid_object`; only its description tells.
  const field = /CPF\/CNPJ/i.test(description) ? "buyer.document" : refusedFields.get(code);
  const reason = refusalReason(status, code, description);
  return { outcome: "declined", reason, message: description, ...(field && { field }) };
}

function refusalReason(status: number, code: string, description: string): DeclineReason {
  const byStatus = refusedStatuses.get(status);
  if (byStatus) return byStatus;
  if (code === "insufficient_balance" || /saldo insuficiente/i.test(description)) return "insufficient_funds";
  return code.startsWith("invalid_") ? "invalid_request" : "unspecified";
}

/** 409: an identical transfer within 15 minutes (docs.asaas.com/docs/duvidas-frequentes-transferencias). */
const refusedStatuses = new Map<number, DeclineReason>([
  [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [429, "rate_limited"],
]);

const refusedFields = new Map([
  ["invalid_value", "amount"],
  ["invalid_dueDate", "due_date"],
  ["invalid_description", "description"],
  ["invalid_customer", "buyer"],
  ["invalid_name", "buyer.name"],
  ["invalid_cpfCnpj", "buyer.document"],
  ["invalid_email", "buyer.email"],
  ["invalid_mobilePhone", "buyer.phone"],
  ["invalid_pixAddressKey", "recipient.pix_key"],
  ["invalid_pixAddressKeyType", "recipient.pix_key"],
]);
