/** The objects of Stripe's twin as Stripe writes them, and the money in them. Field names: stripe/openapi fixtures, 2026-08-21. */
import { createHash, randomInt } from "node:crypto";

export type Json = Record<string, unknown>;

/** An object as it is answered. */
export interface Wire extends Json {
  id: string;
  object: string;
  /** Unix seconds; payment links have none. */
  created?: number;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
export const letters = (length: number): string => Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join("");

export const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What Stripe keeps of a card payment here, 2.9 % and 30 cents; a contract decides the true figure. */
export const feeOf = (amount: number): number => Number((BigInt(amount) * 29n + 500n) / 1_000n) + 30;

/** A name followed by how it nests: `line_items[0][price]`. */
export function nestedOf(fields: URLSearchParams): Json {
  const root: Json = {};
  for (const [name, value] of fields) {
    const path = [name.replace(/\[.*$/, ""), ...[...name.matchAll(/\[([^\]]*)\]/g)].map(([, part]) => part!)];
    let at = root;
    for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Json;
    const last = path.at(-1)!;
    at[last === "" ? String(Object.keys(at).length) : last] = value;
  }
  return root;
}

/** The elements of a list as it was sent: under `0`, `1` and so on. */
export const listOf = (value: unknown): unknown[] => (typeof value === "object" && value !== null ? Object.values(value) : []);
export const objectOf = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
export const textOr = <Other>(value: unknown, other: Other): string | Other => (typeof value === "string" && value !== "" ? value : other);
export const isTrue = (value: unknown): boolean => value === "true";

export interface Line {
  quantity: number;
  price: Json;
}

export const sessionWire = (session: { id: string; created: number; expiresAt: number; total: number; currency: string; params: Json }): Wire => ({
  id: session.id, object: "checkout.session", created: session.created, livemode: false,
  amount_subtotal: session.total, amount_total: session.total, currency: session.currency,
  automatic_tax: { enabled: false, liability: null, provider: null, status: null }, billing_address_collection: null,
  cancel_url: textOr(session.params["cancel_url"], null), client_reference_id: textOr(session.params["client_reference_id"], null),
  client_secret: null, custom_fields: [], customer: textOr(session.params["customer"], null), customer_details: null,
  customer_email: textOr(session.params["customer_email"], null), expires_at: session.expiresAt, invoice: null, locale: null,
  metadata: objectOf(session.params["metadata"]), mode: session.params["mode"], payment_intent: null, payment_link: null,
  payment_method_options: {}, payment_method_types: ["card"], payment_status: "unpaid", setup_intent: null, shipping_cost: null,
  shipping_options: [], status: "open", submit_type: null, subscription: null, success_url: session.params["success_url"],
  total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 }, ui_mode: "hosted",
  url: `https://checkout.stripe.com/c/pay/${session.id}`,
});

export const customerWire = (id: string, created: number, params: Json): Wire => ({
  id, object: "customer", created, livemode: false, address: null, balance: 0, currency: null, default_source: null, delinquent: false,
  description: textOr(params["description"], null), email: textOr(params["email"], null), invoice_prefix: id.slice(-8).toUpperCase(),
  invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
  metadata: objectOf(params["metadata"]), name: textOr(params["name"], null), next_invoice_sequence: 1, phone: textOr(params["phone"], null),
  preferred_locales: [], shipping: null, tax_exempt: "none", test_clock: null,
});

export const productWire = (id: string, created: number, params: Json): Wire => ({
  id, object: "product", created, livemode: false, active: true, default_price: null, description: textOr(params["description"], null), images: [],
  marketing_features: [], metadata: objectOf(params["metadata"]), name: params["name"], package_dimensions: null, shippable: null,
  statement_descriptor: null, tax_code: null, type: "service", unit_label: null, updated: created, url: null,
});

export function priceWire(id: string, created: number, { params, product, unitAmount }: { params: Json; product: string; unitAmount: number }): Wire {
  const { interval, interval_count: count = "1" } = objectOf(params["recurring"]);
  const recurring = interval === undefined ? null
    : { interval, interval_count: Number(count), meter: null, trial_period_days: null, usage_type: "licensed" };
  return {
    id, object: "price", created, livemode: false, active: true, billing_scheme: "per_unit", currency: params["currency"], custom_unit_amount: null,
    lookup_key: null, metadata: objectOf(params["metadata"]), nickname: textOr(params["nickname"], null), product, recurring,
    tax_behavior: "unspecified", tiers_mode: null, transform_quantity: null, type: recurring ? "recurring" : "one_time", unit_amount: unitAmount,
    unit_amount_decimal: String(unitAmount),
  };
}

export const intentWire = (id: string, created: number, params: Json & { amount: number }): Wire => ({
  id, object: "payment_intent", created, livemode: false, amount: params.amount, amount_capturable: 0, amount_received: 0, application: null,
  application_fee_amount: null, automatic_payment_methods: null, canceled_at: null, cancellation_reason: null,
  capture_method: textOr(params["capture_method"], "automatic_async"), client_secret: `${id}_secret_${letters(25)}`,
  confirmation_method: "automatic", currency: params["currency"], customer: textOr(params["customer"], null),
  description: textOr(params["description"], null), last_payment_error: null, latest_charge: null, metadata: objectOf(params["metadata"]),
  next_action: null, payment_method: textOr(params["payment_method"], null), payment_method_options: {}, payment_method_types: ["card"],
  processing: null, receipt_email: textOr(params["receipt_email"], null), setup_future_usage: null, shipping: null, statement_descriptor: null,
  status: params["payment_method"] ? "requires_confirmation" : "requires_payment_method",
});

export const chargeWire = (id: string, created: number, intent: Wire, balanceTransaction: string): Wire => ({
  id, object: "charge", created, livemode: false, amount: intent["amount"], amount_captured: intent["amount"], amount_refunded: 0,
  balance_transaction: balanceTransaction, captured: true, currency: intent["currency"], customer: intent["customer"],
  description: intent["description"], disputed: false, failure_code: null, failure_message: null, metadata: intent["metadata"], paid: true,
  payment_intent: intent.id, payment_method: intent["payment_method"], refunded: false, status: "succeeded",
});

export function balanceTransactionWire(id: string, created: number, { amount, currency, source }: { amount: number; currency: unknown; source: string }): Wire {
  const fee = feeOf(amount);
  return {
    id, object: "balance_transaction", created, amount, available_on: created + 2 * 86_400, currency, description: null, exchange_rate: null, fee,
    fee_details: [{ amount: fee, application: null, currency, description: "Stripe processing fees", type: "stripe_fee" }], net: amount - fee,
    reporting_category: "charge", source, status: "pending", type: "charge",
  };
}

export const refundWire = (id: string, created: number, { amount, charge, params }: { amount: number; charge: Wire; params: Json }): Wire => ({
  id, object: "refund", created, amount, balance_transaction: null, charge: charge.id, currency: charge["currency"],
  destination_details: { card: { type: "refund" }, type: "card" }, metadata: objectOf(params["metadata"]), payment_intent: charge["payment_intent"],
  reason: textOr(params["reason"], null), receipt_number: null, source_transfer_reversal: null, status: "succeeded", transfer_reversal: null,
});

export const disputeWire = (id: string, created: number, charge: Wire): Wire => ({
  id, object: "dispute", created, livemode: false, amount: charge["amount"], charge: charge.id, currency: charge["currency"], metadata: {},
  payment_intent: charge["payment_intent"], reason: "fraudulent", status: "needs_response",
});

export const linkWire = (id: string, { params, currency }: { params: Json; currency: unknown }): Wire => ({
  id, object: "payment_link", livemode: false, active: true, after_completion: { hosted_confirmation: { custom_message: null }, type: "hosted_confirmation" },
  allow_promotion_codes: isTrue(params["allow_promotion_codes"]), billing_address_collection: "auto", currency, custom_fields: [],
  customer_creation: "if_required", metadata: objectOf(params["metadata"]), payment_intent_data: null, payment_method_collection: "if_required",
  payment_method_types: null, submit_type: "auto", subscription_data: null, url: `https://buy.stripe.com/test_${letters(18)}`,
});

export function subscriptionWire(id: string, created: number, { params, lines, currency }: { params: Json; lines: readonly Line[]; currency: unknown }): Wire {
  const trialDays = Number(params["trial_period_days"] ?? 0);
  const trialEnd = trialDays > 0 ? created + trialDays * 86_400 : null;
  const items = lines.map(({ price, quantity }, index) => ({
    id: `si_${hash(`${id}/${index}`).slice(0, 14)}`, object: "subscription_item", created, current_period_start: created,
    current_period_end: trialEnd ?? periodEnd(created, objectOf(price["recurring"])), discounts: [], metadata: {}, price, quantity, subscription: id,
    tax_rates: [],
  }));
  return {
    id, object: "subscription", created, livemode: false, application: null, automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: trialEnd ?? created, cancel_at: null, cancel_at_period_end: false, canceled_at: null,
    cancellation_details: { comment: null, feedback: null, reason: null }, collection_method: "charge_automatically", currency,
    customer: params["customer"], days_until_due: null, default_payment_method: textOr(params["default_payment_method"], null), description: null,
    discounts: [], ended_at: null, items: { object: "list", data: items, has_more: false, url: `/v1/subscription_items?subscription=${id}` },
    latest_invoice: null, metadata: objectOf(params["metadata"]), start_date: created, status: trialEnd === null ? "active" : "trialing",
    trial_end: trialEnd, trial_start: trialEnd === null ? null : created,
  };
}

function periodEnd(start: number, { interval, interval_count: count }: Json): number {
  const at = new Date(start * 1_000);
  const times = Number(count);
  if (interval === "day" || interval === "week") at.setUTCDate(at.getUTCDate() + times * (interval === "week" ? 7 : 1));
  else at.setUTCMonth(at.getUTCMonth() + times * (interval === "year" ? 12 : 1));
  return at.getTime() / 1_000;
}
