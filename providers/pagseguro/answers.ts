/** What PagBank answers, and what it means here: checkouts, orders and their charges, refusals. */
import { z } from "zod";
import { isCurrency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const Cents = z.int().min(0).transform(BigInt);
const Links = z.array(z.object({ rel: z.string(), href: z.string() })).nullish();

export const Checkout = z.object({
  id: z.string().min(1),
  reference_id: z.string().nullish(),
  status: z.string(),
  expiration_date: z.string().nullish(),
  links: Links,
  orders: z.array(z.object({ id: z.string() })).nullish(),
});
export type Checkout = z.output<typeof Checkout>;

const Charge = z.object({
  status: z.string(),
  paid_at: z.string().nullish(),
  amount: z.object({
    value: Cents,
    currency: z.string().nullish(),
    summary: z.object({ paid: Cents.nullish(), refunded: Cents.nullish() }).nullish(),
  }),
  payment_response: z.object({ message: z.string().nullish() }).nullish(),
});
export type Charge = z.output<typeof Charge>;

export const Order = z.object({
  id: z.string().min(1),
  reference_id: z.string().nullish(),
  qr_codes: z.array(z.object({ text: z.string().nullish(), expiration_date: z.string().nullish(), links: Links })).nullish(),
  charges: z.array(Charge).nullish(),
});
export type Order = z.output<typeof Order>;

export const linkOf = (links: z.output<typeof Links>, rel: string): string | undefined => links?.find((link) => link.rel === rel)?.href;

const waiting = ["WAITING", "IN_ANALYSIS", "AUTHORIZED"];

/** A cancelled charge that had been paid is a refund; one that had not, and a declined one, is an attempt that came to nothing. */
function stateOf({ status, amount: { value, summary } }: Charge): StateOf<"payment"> {
  const [paid, refunded] = [summary?.paid ?? 0n, summary?.refunded ?? 0n];
  if (refunded >= value && value > 0n) return "refunded";
  if (status === "PAID") return "succeeded";
  if (status === "CANCELED" && (paid > 0n || refunded > 0n)) return "refunded";
  return waiting.includes(status) ? "pending" : "failed";
}

const weight: readonly StateOf<"payment">[] = ["refunded", "succeeded", "pending", "failed"];

/** The charge that says what became of the whole; a refused one says nothing while the buyer may try again. */
export function decisive(charges: readonly Charge[]): { charge: Charge; state: StateOf<"payment"> } | undefined {
  const judged = charges.map((charge) => ({ charge, state: stateOf(charge) })).filter(({ state }) => state !== "failed");
  return judged.sort((a, b) => weight.indexOf(a.state) - weight.indexOf(b.state))[0];
}

export function observeCharge(ref: string, { charge, state }: { charge: Charge; state: StateOf<"payment"> }): Observation {
  const { amount: { value, currency }, status, paid_at } = charge;
  const paidAt = new Date(paid_at ?? "");
  return {
    ref, state, action: status, amountMinor: value,
    ...(currency && isCurrency(currency) && { currency }),
    ...(state === "succeeded" && !Number.isNaN(paidAt.getTime()) && { occurredAt: paidAt }),
  };
}

/** A checkout nobody has paid: it ends when its time is up or the merchant closes it. */
export function observeUnpaid({ id, status }: Checkout): Observation {
  const isOver = status === "EXPIRED" || status === "INACTIVE";
  return {
    ref: id, state: isOver ? "failed" : "pending", action: status, currency: "BRL",
    ...(isOver && { failure: { reason: "unspecified" as const, message: `the checkout ended as ${status}` } }),
  };
}

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  error_messages: z.array(z.object({ description: z.string().nullish(), parameter_name: z.string().nullish() })).min(1),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

export function readRefusal({ status, body }: Rejected): Declined {
  const [first] = Refusal.safeParse(body).data?.error_messages ?? [];
  const parameter = first?.parameter_name ?? "";
  const why = [parameter, first?.description].filter(Boolean).join(": ").slice(0, REFUSAL_CHARS_MAX) || `it answered ${status}`;
  const field = refusedFields.find(([path]) => path.test(parameter))?.[1];
  return { outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message: `PagBank refused: ${why}`, ...(field && { field }) };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [422, "invalid_request"], [429, "rate_limited"],
]);

const refusedFields: readonly (readonly [RegExp, string])[] = [
  [/unit_amount|amount/, "amount"], [/tax_id/, "buyer.document"], [/email/, "buyer.email"], [/customer\.name/, "buyer.name"], [/expiration_date/, "due_date"],
];
