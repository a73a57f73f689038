/**
 * Mercado Pago's own tools: one request each, in its own words and decimal amounts. Reference: Mercado Pago Developers
 * Brazil, "Create payment", "Search payments", "Create refund", "Create preference", "Create customer", "Search
 * customers", "Get payment methods", read 2026-11-20.
 * Quirk: payments and refunds must carry `X-Idempotency-Key`; it is the call's reference, so it replays.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Reference = z.string().regex(/^[\w-]{1,64}$/).describe("your own id of it; ours when left out");
const Amount = z.number().positive().describe("decimal, in the account's currency: 150.5");
const Email = z.email().max(150);
const Name = z.string().min(1).max(100);
const Identification = z.object({ type: z.string().max(10).describe("CPF or CNPJ"), number: z.string().max(20) });
const Address = z.url({ protocol: /^https?$/ }).max(500);
const payment = z.object({ paymentId: z.string().regex(/^\d{1,20}$/) });
const page = { limit: z.int().min(1).max(100).optional(), offset: z.int().min(0).optional() };

/** A boleto's payer must have all of it. */
const PayerAddress = z.object({
  zip_code: z.string().max(9), street_name: Name, street_number: z.string().min(1).max(20), neighborhood: Name, city: Name,
  federal_unit: z.string().length(2),
});
const Payer = z.object({
  email: Email, first_name: Name.optional(), last_name: Name.optional(), identification: Identification.optional(), address: PayerAddress.optional(),
});

const PaymentFields = z.object({
  transaction_amount: Amount,
  description: z.string().min(1).max(255),
  payer: Payer,
  external_reference: Reference.optional(),
  date_of_expiration: z.iso.datetime({ offset: true }).optional(),
});

const createPayment = (body: object, reference: string) => ({
  method: "POST" as const, path: "/v1/payments", headers: { "x-idempotency-key": reference },
  body: { external_reference: reference, ...body },
});

const queryOf = (filter: Record<string, string | number | undefined>) =>
  Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, value?.toString()]));

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_preference",
    description: "Create a checkout page at Mercado Pago for some items; its `init_point` is the link a buyer pays at.",
    effect: "moves_money",
    input: z.object({
      items: z.array(z.object({
        id: z.string().max(256).optional(),
        title: z.string().min(1).max(256),
        description: z.string().max(256).optional(),
        picture_url: Address.optional(),
        category_id: z.string().max(256).optional(),
        quantity: z.int().positive(),
        currency_id: z.string().length(3).optional().describe("BRL"),
        unit_price: Amount,
      })).min(1).max(100),
      payer: z.object({ name: Name.optional(), surname: Name.optional(), email: Email.optional(), identification: Identification.optional() }).optional(),
      back_urls: z.object({ success: Address.optional(), pending: Address.optional(), failure: Address.optional() }).optional(),
      auto_return: z.enum(["approved", "all"]).optional().describe("needs back_urls.success"),
      external_reference: Reference.optional(),
      notification_url: Address.optional(),
      expires: z.boolean().optional(),
      expiration_date_from: z.iso.datetime({ offset: true }).optional(),
      expiration_date_to: z.iso.datetime({ offset: true }).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/checkout/preferences", body: { external_reference: reference, ...args } }),
  }),
  nativeTool({
    name: "get_preference",
    description: "Read a checkout page made at Mercado Pago.",
    effect: "reads",
    input: z.object({ preferenceId: z.string().min(1).max(100) }),
    request: (args) => ({ method: "GET", path: pathOf("/checkout/preferences/{preferenceId}", args) }),
  }),
  nativeTool({
    name: "create_payment",
    description: "Create a payment at Mercado Pago by any of its methods; a card needs its token. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: PaymentFields.extend({
      payment_method_id: z.string().min(1).max(40).describe("pix, bolbradesco (a boleto), or a brand such as visa"),
      token: z.string().max(100).optional().describe("a card's, made in the buyer's browser"),
      installments: z.int().min(1).max(36).optional(),
      capture: z.boolean().optional(),
    }),
    request: (args, { reference }) => createPayment(args, reference),
  }),
  nativeTool({
    name: "create_pix_payment",
    description: "Create a Pix payment at Mercado Pago. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: PaymentFields,
    request: (args, { reference }) => createPayment({ ...args, payment_method_id: "pix" }, reference),
  }),
  nativeTool({
    name: "get_payment",
    description: "Read a payment at Mercado Pago.",
    effect: "reads",
    input: payment,
    request: (args) => ({ method: "GET", path: pathOf("/v1/payments/{paymentId}", args) }),
  }),
  nativeTool({
    name: "search_payments",
    description: "Search payments at Mercado Pago.",
    effect: "reads",
    input: z.object({
      external_reference: Reference.optional(),
      status: z.enum(["pending", "approved", "authorized", "in_process", "in_mediation", "rejected", "cancelled", "refunded", "charged_back"]).optional(),
      sort: z.enum(["date_created", "date_approved", "date_last_updated", "money_release_date"]).optional(),
      criteria: z.enum(["asc", "desc"]).optional(),
      ...page,
    }),
    request: (args) => ({ method: "GET", path: "/v1/payments/search", query: queryOf(args) }),
  }),
  nativeTool({
    name: "create_refund",
    description: "Refund a payment at Mercado Pago, in whole, or in part with an amount.",
    effect: "moves_money",
    input: payment.extend({ amount: Amount.optional() }),
    request: ({ paymentId, ...body }, { reference }) => ({
      method: "POST", path: pathOf("/v1/payments/{paymentId}/refunds", { paymentId }), headers: { "x-idempotency-key": reference }, body,
    }),
  }),
  nativeTool({
    name: "create_customer",
    description: "Create a customer at Mercado Pago; one e-mail is one customer.",
    effect: "writes",
    input: z.object({ email: Email, first_name: Name.optional(), last_name: Name.optional(), identification: Identification.optional() }),
    request: (args) => ({ method: "POST", path: "/v1/customers", body: args }),
  }),
  nativeTool({
    name: "list_customers",
    description: "Search customers at Mercado Pago by e-mail.",
    effect: "reads",
    input: z.object({ email: Email, ...page }),
    request: (args) => ({ method: "GET", path: "/v1/customers/search", query: queryOf(args) }),
  }),
  nativeTool({
    name: "get_payment_methods",
    description: "List the payment methods of the Mercado Pago account.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/v1/payment_methods" }),
  }),
];
