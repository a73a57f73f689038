/** What iugu answers, and what it means here: shapes, states, refusals. */
import { z } from "zod";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type PaymentState = StateOf<"payment">;
export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** The custom variable that carries our reference. */
export const REFERENCE_VARIABLE = "codespar_reference";

const Cents = z.int().min(0).transform(BigInt);

export const Invoice = z.object({
  id: z.string(),
  status: z.string(),
  total_cents: Cents,
  taxes_paid_cents: Cents.nullish(),
  secure_url: z.string().nullish(),
  // Without these nothing tells whose an invoice is, so an answer without them is none.
  custom_variables: z.array(z.object({ name: z.string(), value: z.string().nullish() })),
  pix: z.object({ qrcode: z.string().nullish(), qrcode_text: z.string().nullish() }).nullish(),
  bank_slip: z.object({ digitable_line: z.string().nullish() }).nullish(),
});
export type Invoice = z.output<typeof Invoice>;

export const InvoicePage = z.object({ totalItems: z.int(), items: z.array(Invoice) });

export const referenceOn = ({ custom_variables: variables }: Invoice): string | undefined =>
  variables.find(({ name }) => name === REFERENCE_VARIABLE)?.value ?? undefined;

/** An expired or canceled invoice cannot be paid any more ("Faturas", dev.iugu.com). */
const states = new Map<string, PaymentState>([
  ["paid", "succeeded"], ["externally_paid", "succeeded"],
  ["canceled", "failed"], ["expired", "failed"],
  ["refunded", "refunded"],
  ["partially_paid", "updated"], ["partially_refunded", "updated"], ["in_protest", "updated"], ["chargeback", "updated"],
]);

export function observe(invoice: Invoice): Observation {
  const { id: ref, status: action, total_cents: amountMinor, taxes_paid_cents: feeMinor } = invoice;
  const state = states.get(action) ?? "pending";
  return {
    ref, state, action, amountMinor, currency: "BRL",
    ...(state === "succeeded" && feeMinor != null && { feeMinor }),
    ...(state === "failed" && { failure: { reason: "refused" as const, message: `iugu: the invoice is ${action}` } }),
  };
}

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

/** By field, as `{ errors: { email: ["não pode ficar em branco"] } }`, or one sentence. */
const Refusal = z.object({ errors: z.union([z.string(), z.record(z.string(), z.union([z.string(), z.array(z.string())]))]) });

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

export function readRefusal({ status, body }: Rejected): Declined {
  const { errors = `it answered ${status}` } = Refusal.safeParse(body).data ?? {};
  const [theirs, sentences] = typeof errors === "string" ? ["", errors] : (Object.entries(errors)[0] ?? ["", ""]);
  const why = `${theirs} ${[sentences].flat()[0] ?? ""}`.trim().slice(0, REFUSAL_CHARS_MAX) || `it answered ${status}`;
  const field = refusedFields.get(theirs);
  const reason = refusedStatuses.get(status) ?? "unspecified";
  return { outcome: "declined", reason, message: `iugu refused: ${why}`, ...(field && { field }) };
}

/** 409: the idempotency key was used before ("Chave de Idempotência"). */
const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [422, "invalid_request"], [429, "rate_limited"],
]);

const refusedFields = new Map([
  ["email", "buyer.email"], ["due_date", "due_date"], ["total", "amount"], ["items", "amount"], ["payer.cpf_cnpj", "buyer.document"],
  ["payer.name", "buyer.name"],
]);
