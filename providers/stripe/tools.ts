/** Stripe's own tools: one request each, in Stripe's words, amounts in minor units. Reference: docs.stripe.com/api, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";
import { formOf, type FormValue } from "./form.ts";

const Id = z.string().min(1).max(255);
const Amount = z.int().min(1).max(99_999_999).describe("minor units: 1999 is $19.99");
const CurrencyWord = z.string().length(3).describe("lower case: usd");
const Text = z.string().min(1).max(500);
const Metadata = z.record(z.string().max(40), z.string().max(500)).optional();
const Url = z.url().max(2_000);
const LineItems = z.array(z.object({ price: Id, quantity: z.int().min(1).max(999_999).default(1) })).min(1).max(20);
const Recurring = z.object({ interval: z.enum(["day", "week", "month", "year"]), interval_count: z.int().min(1).max(365).optional() });
const SubscriptionItems = z.array(z.object({ price: Id, quantity: z.int().min(1).max(999_999).optional() })).min(1).max(20);
const page = { limit: z.int().min(1).max(100).optional(), starting_after: Id.optional() };
const byId = z.object({ id: Id });

type Parameters = { readonly [name: string]: FormValue };

/** A repeat under the same key is answered as the first was. */
const post = (path: string, parameters: Parameters, reference: string) =>
  ({ method: "POST", path, headers: { "idempotency-key": reference }, form: formOf(parameters) }) as const;

const get = (path: string, parameters: Parameters = {}) => ({ method: "GET", path, query: formOf(parameters) }) as const;

const createCustomer = nativeTool({
  name: "create_customer",
  description: "Create a customer at Stripe.",
  effect: "writes",
  input: z.object({
    email: z.email().max(512).optional(), name: z.string().min(1).max(256).optional(), phone: z.string().max(20).optional(),
    description: Text.optional(), metadata: Metadata,
  }),
  request: (args, { reference }) => post("/customers", args, reference),
});

const createProduct = nativeTool({
  name: "create_product",
  description: "Create a product at Stripe, with its default price if one is given.",
  effect: "writes",
  input: z.object({
    name: z.string().min(1).max(250), description: Text.optional(), metadata: Metadata,
    default_price_data: z.object({ currency: CurrencyWord, unit_amount: Amount, recurring: Recurring.optional() }).optional(),
  }),
  request: (args, { reference }) => post("/products", args, reference),
});

const createSubscription = nativeTool({
  name: "create_subscription",
  description: "Subscribe a Stripe customer to recurring prices; Stripe charges the customer's payment method every period.",
  effect: "moves_money",
  input: z.object({
    customer: Id, items: SubscriptionItems, default_payment_method: Id.optional(), trial_period_days: z.int().min(1).max(730).optional(),
    metadata: Metadata,
  }),
  request: (args, { reference }) => post("/subscriptions", args, reference),
});

const createRefund = nativeTool({
  name: "create_refund",
  description: "Refund a Stripe payment, in whole or, with amount, in part.",
  effect: "moves_money",
  input: z.object({
    payment_intent: Id, amount: Amount.optional(), reason: z.enum(["duplicate", "fraudulent", "requested_by_customer"]).optional(), metadata: Metadata,
  }),
  request: (args, { reference }) => post("/refunds", args, reference),
});

const createCheckoutSession = nativeTool({
  name: "create_checkout_session",
  description: "Create a Stripe Checkout page for existing prices. codespar_charge takes any amount, and follows the payment.",
  effect: "moves_money",
  input: z.object({
    mode: z.enum(["payment", "subscription"]).default("payment"), line_items: LineItems, success_url: Url, cancel_url: Url.optional(),
    customer: Id.optional(), customer_email: z.email().max(512).optional(), metadata: Metadata,
  }),
  request: (args, { reference }) => post("/checkout/sessions", args, reference),
});

export const stripeTools: readonly NativeTool[] = [
  createCustomer,
  nativeTool({
    name: "retrieve_customer",
    description: "Read a customer at Stripe.",
    effect: "reads",
    input: byId,
    request: (args) => get(pathOf("/customers/{id}", args)),
  }),
  createProduct,
  nativeTool({
    name: "create_price",
    description: "Create a price of a product at Stripe; recurring ones can be subscribed to.",
    effect: "writes",
    input: z.object({
      currency: CurrencyWord, product: Id, unit_amount: Amount, recurring: Recurring.optional(), nickname: z.string().max(200).optional(),
      metadata: Metadata,
    }),
    request: (args, { reference }) => post("/prices", args, reference),
  }),
  createSubscription,
  nativeTool({
    name: "update_subscription",
    description: "Change a Stripe subscription: end it with its period, or how changes are billed.",
    effect: "moves_money",
    input: z.object({
      id: Id, cancel_at_period_end: z.boolean().optional(), default_payment_method: Id.optional(),
      proration_behavior: z.enum(["create_prorations", "none", "always_invoice"]).optional(), metadata: Metadata,
    }),
    request: ({ id, ...args }, { reference }) => post(pathOf("/subscriptions/{id}", { id }), args, reference),
  }),
  nativeTool({
    name: "cancel_subscription",
    description: "Cancel a Stripe subscription at once.",
    effect: "moves_money",
    input: z.object({ id: Id, invoice_now: z.boolean().optional(), prorate: z.boolean().optional() }),
    request: ({ id, ...args }) => ({ method: "DELETE", path: pathOf("/subscriptions/{id}", { id }), form: formOf(args) }),
  }),
  nativeTool({
    name: "create_payment_intent",
    description: "Create a payment at Stripe; with a payment method and confirm it is charged at once.",
    effect: "moves_money",
    input: z.object({
      amount: Amount, currency: CurrencyWord, customer: Id.optional(), payment_method: Id.optional(), confirm: z.boolean().optional(),
      capture_method: z.enum(["automatic", "automatic_async", "manual"]).optional(), description: Text.optional(),
      receipt_email: z.email().max(800).optional(), metadata: Metadata,
    }),
    // A call without a browser cannot follow a redirect, so cards alone.
    request: (args, { reference }) => post("/payment_intents", { ...args, payment_method_types: ["card"] }, reference),
  }),
  nativeTool({
    name: "retrieve_payment_intent",
    description: "Read a payment at Stripe.",
    effect: "reads",
    input: byId,
    request: (args) => get(pathOf("/payment_intents/{id}", args)),
  }),
  createRefund,
  nativeTool({
    name: "create_payment_link",
    description: "Create a Stripe page that anybody with the link can pay at, as often as they like.",
    effect: "moves_money",
    input: z.object({ line_items: LineItems, allow_promotion_codes: z.boolean().optional(), metadata: Metadata }),
    request: (args, { reference }) => post("/payment_links", args, reference),
  }),
  createCheckoutSession,
  nativeTool({
    name: "retrieve_balance",
    description: "Read the balance of the Stripe account.",
    effect: "reads",
    input: z.object({}),
    request: () => get("/balance"),
  }),
];

/** The endpoints that the published server of this name has in common with Stripe; its `/checkouts` is none of Stripe's. */
export const acpTools: readonly NativeTool[] = [
  createCheckoutSession,
  createCustomer,
  nativeTool({
    name: "list_customers",
    description: "List the customers at Stripe, newest first, or those of one e-mail address.",
    effect: "reads",
    input: z.object({ email: z.email().max(512).optional(), ...page }),
    request: (args) => get("/customers", args),
  }),
  createProduct,
  nativeTool({
    name: "list_products",
    description: "List the products at Stripe, newest first.",
    effect: "reads",
    input: z.object({ active: z.boolean().optional(), ...page }),
    request: (args) => get("/products", args),
  }),
  nativeTool({
    name: "create_payment_link",
    description: "Create a Stripe page for one price that anybody with the link can pay at, as often as they like.",
    effect: "moves_money",
    input: z.object({ price: Id, quantity: z.int().min(1).max(999_999).default(1) }),
    request: ({ price, quantity }, { reference }) => post("/payment_links", { line_items: [{ price, quantity }] }, reference),
  }),
  createSubscription,
  createRefund,
  nativeTool({
    name: "list_payment_intents",
    description: "List the payments at Stripe, newest first, or those of one customer.",
    effect: "reads",
    input: z.object({ customer: Id.optional(), ...page }),
    request: (args) => get("/payment_intents", args),
  }),
  nativeTool({
    name: "get_balance",
    description: "Read the balance of the Stripe account.",
    effect: "reads",
    input: z.object({}),
    request: () => get("/balance"),
  }),
];
