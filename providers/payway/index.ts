/**
 * Payway, once Decidir (Argentina): cards on a form of Payway's own page ("Formulario de pago", resource forms), ARS. Reference: the
 * READMEs of Payway's own SDKs, payway-ar/sdk-php-ventaonline and payway-ar/sdk-java-ventaonline, read 2026-11-20.
 * Quirks: a form is of one card brand; nobody is told of a payment, so it is asked for by our reference; a form cannot be asked for.
 */
import { z } from "zod";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { isCurrency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";

export const payway: ProviderDefinition = {
  id: "payway",
  title: "Payway",
  category: "payments",
  country: "AR",
  authType: "api_key",
  hosts: { live: "https://ventasonline.payway.com.ar", test: "https://developers.decidir.com" },
  credentials: [
    { name: "private_key", label: "Private API key", secret: true, required: true, hint: "Given by Payway's support, one for each environment" },
  ],
  settings: [
    { name: "public_key", label: "Public API key", secret: false, required: true, hint: "Stands in the address that buyers open" },
    { name: "template_id", label: "Form", secret: false, required: true, hint: "The id of the payment form that Payway made for this merchant" },
    { name: "payment_method_id", label: "Card brand", secret: false, required: true, hint: "Payway's number: 1 is Visa; a charge may name another" },
    { name: "redirect_url", label: "Return page", secret: false, required: true, hint: "Where Payway sends the buyer back to, paid or not" },
    { name: "site_id", label: "Site", secret: false, required: false, hint: "Only for a merchant that has several sites" },
  ],
  repeats: "ignores",
  connect,
};

interface Connected {
  http: HttpClient;
  baseUrl: string;
  publicKey: string;
  templateId: string;
  paymentMethodId: string;
  redirectUrl: string;
  siteId: string | undefined;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const connected = open(connection, fetch);
  return {
    charge: (request, call) => charge(connected, request, call),
    lookup: (subject, call) => lookup(connected.http, subject, call),
  };
}

function open({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): Connected {
  const { private_key: key } = credentials;
  const { public_key: publicKey, template_id: templateId, payment_method_id: paymentMethodId, redirect_url: redirectUrl, site_id } = settings;
  if (!key) throw new SetupMissing("private_key");
  if (!publicKey) throw new SetupMissing("public_key");
  if (!templateId) throw new SetupMissing("template_id");
  if (!paymentMethodId) throw new SetupMissing("payment_method_id");
  if (!redirectUrl) throw new SetupMissing("redirect_url");
  const http = httpClient({ provider: "payway", baseUrl, fetch, headers: { apikey: key } });
  return { http, baseUrl, publicKey, templateId, paymentMethodId, redirectUrl, siteId: site_id || undefined };
}

async function charge(connected: Connected, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const unserved = refuseUnserved(request);
  if (unserved) return unserved;
  const { http, baseUrl, publicKey } = connected;
  try {
    const { hash } = await http.act({ method: "POST", path: "/web/forms", body: formFor(connected, request, call) }, Made, call);
    const url = `${baseUrl}/web/forms/${encodeURIComponent(hash)}?apikey=${encodeURIComponent(publicKey)}`;
    const { amount, currency, method } = request;
    const result = { id: hash, status: "pending" as const, amount, currency, method, checkout_url: url, charge_url: url };
    return { outcome: "accepted", ref: hash, state: "pending", action: "form", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** A double holds any fifteen digits; no card is charged so much. */
const CENTAVOS_MAX = 999_999_999_999_999n;

const BrandNumber = z.union([z.int().min(1).max(99_999), z.string().regex(/^\d{1,5}$/)]);

function refuseUnserved({ amount, currency, method, metadata }: ChargeRequest): Declined | undefined {
  if (method !== "card") return refuse("not_permitted", "method", `a charge by ${method} is not served through Payway`);
  if (currency !== "ARS") return refuse("invalid_request", "currency", "Payway is served in ARS only");
  if (amount > CENTAVOS_MAX) return refuse("invalid_request", "amount", "the amount is too large for Payway");
  const brand = metadata?.["payment_method_id"];
  if (brand === undefined || BrandNumber.safeParse(brand).success) return undefined;
  return refuse("invalid_request", "metadata.payment_method_id", "Payway's number of a card brand: digits");
}

/** Centavos, as all of Payway's amounts. The buyer's e-mail is left out: Payway would write to it. Cards are kept for a customer, so each charge is its own. */
function formFor({ publicKey, templateId, paymentMethodId, redirectUrl, siteId }: Connected, request: ChargeRequest, { reference }: CallContext): object {
  return {
    site: { site_id: siteId, transaction_id: reference, template: { id: Number(templateId) } },
    customer: { id: reference },
    payment: {
      amount: Number(request.amount), currency: "ARS", payment_method_id: Number(request.metadata?.["payment_method_id"] ?? paymentMethodId),
      installments: 1, payment_type: "single", sub_payments: [],
    },
    public_apikey: publicKey,
    success_url: redirectUrl,
    cancel_url: redirectUrl,
  };
}

// Reading back

const Made = z.object({ hash: z.string().min(1) });

const Payment = z.object({
  site_transaction_id: z.string().nullish(),
  status: z.string(),
  amount: z.int().transform(BigInt).nullish(),
  currency: z.string().nullish(),
});
type Payment = z.output<typeof Payment>;
const Payments = z.object({ results: z.array(Payment) });

/** A refused card ends nothing: no page says that the buyer may not try again. */
const states = new Map<string, StateOf<"payment">>([
  ["approved", "succeeded"], ["accredited", "succeeded"], ["approved_with_refund", "updated"], ["refunded", "refunded"], ["annulled", "refunded"],
]);

/** Payments are found by our reference; a form that nobody has paid yet is not seen, and cannot be asked for. */
async function lookup(http: HttpClient, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation> {
  const { results } = await http.ask({ method: "GET", path: "/api/v2/payments", query: { siteOperationId: reference } }, Payments, call);
  const ours = results.filter(({ site_transaction_id: theirs }) => theirs === reference);
  const payment = ours.find(({ status }) => states.has(status)) ?? ours[0];
  if (payment) return observe(ref ?? reference, payment);
  if (!ref) throw new Unanswered("payway: no payment is known by our reference, and a form without one cannot be asked for");
  return { ref, state: "pending", action: "form" };
}

function observe(ref: string, { status, amount, currency }: Payment): Observation {
  const code = currency?.toUpperCase();
  return {
    ref, state: states.get(status) ?? "pending", action: status,
    ...(amount != null && { amountMinor: amount }),
    ...(code && isCurrency(code) && { currency: code }),
  };
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  error_type: z.string().nullish().catch(undefined),
  message: z.string().nullish().catch(undefined),
  validation_errors: z.array(z.object({ code: z.string().nullish(), param: z.string().nullish() })).nullish().catch(undefined),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function readRefusal({ status, body }: Rejected): Declined {
  const { error_type: type, message, validation_errors: errors } = Refusal.safeParse(body).data ?? {};
  const { code, param } = errors?.[0] ?? {};
  const said = [type, code, param].filter(Boolean).join(": ") || message || `it answered ${status}`;
  const field = [...refusedFields].find(([theirs]) => param?.endsWith(theirs))?.[1];
  return {
    outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message: `Payway refused: ${said}`.slice(0, REFUSAL_CHARS_MAX),
    ...(field && { field }),
  };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"], [422, "invalid_request"], [429, "rate_limited"],
]);

const refusedFields = new Map<string, string>([["amount", "amount"], ["currency", "currency"], ["payment_method_id", "metadata.payment_method_id"]]);
