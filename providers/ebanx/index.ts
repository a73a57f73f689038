/**
 * EBANX: Pix charges, BRL. Reference: docs.ebanx.com, "Pix" (Direct API), "Retrieve a Payment", "Payment Notification" and "API Error
 * Codes", read 2026-11-20.
 * Quirks: the integration key stands in each body; refusals come with status 200; a message names payments by their hash alone and
 * is signed with a key of EBANX's; the amount in reais may hold taxes, so only what was asked for in the merchant's currency is read.
 */
import { createPublicKey, verify as isSigned, type KeyObject } from "node:crypto";
import { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { completing } from "../native.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type LookupSubject, type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const ebanx: ProviderDefinition = {
  id: "ebanx",
  title: "EBANX",
  category: "payments",
  country: "BR",
  authType: "api_key",
  hosts: { live: "https://api.ebanxpay.com", test: "https://sandbox.ebanxpay.com" },
  credentials: [{ name: "integration_key", label: "Integration key", secret: true, required: true, hint: "Dashboard > Account Settings > Integration" }],
  settings: [{ name: "notification_url", label: "Notification address", secret: false, required: false, hint: "This connection's own webhook address, unless the dashboard has it" }],
  repeats: "rejects",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = credentials["integration_key"];
  if (!key) throw new SetupMissing("integration_key");
  const http = httpClient({ provider: "ebanx", baseUrl, fetch, isRefusal });
  return completing(http, (spec: RequestSpec) => ({ ...spec, body: { ...(spec.body as object | undefined), integration_key: key } }));
}

const Failed = z.object({ status: z.literal("ERROR"), status_code: z.string().nullish(), status_message: z.string().nullish() });

const isRefusal = ({ body }: { body: unknown }): boolean => Failed.safeParse(body).success;

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, connection.settings, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
    referenceOf: async ({ ref }, call) => (ref === undefined ? undefined : (await query(http, { hash: ref }, call))?.merchant_payment_code ?? undefined),
  };
}

async function charge(http: HttpClient, settings: ConnectionConfig["settings"], request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const document = taxIdOf(request.buyer.document);
  const unserved = refuseUnserved(request, document);
  if (unserved) return unserved;
  const { amount, currency, method } = request;
  const body = { operation: "request", payment: paymentFor(settings, request, { reference: call.reference, document: document! }) };
  try {
    const { payment: { hash: id, status, pix, redirect_url } } = await http.act({ method: "POST", path: "/ws/direct", body }, Answer, call);
    const result = {
      id, status: "pending" as const, amount, currency, method, pix_copy_paste: pix?.qr_code_value ?? undefined,
      qr_code_url: pix?.qr_code_url ?? undefined, checkout_url: redirect_url ?? undefined, charge_url: redirect_url ?? undefined,
    };
    return { outcome: "accepted", ref: id, state: stateOf(status), action: status, result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** A double holds any fifteen digits; no Pix is so large. */
const CENTAVOS_MAX = 999_999_999_999_999n;

function refuseUnserved({ amount, currency, method, buyer }: ChargeRequest, document: string | undefined): Declined | undefined {
  if (method !== "pix") return refuse("not_permitted", "method", `a charge by ${method} is not served through EBANX`);
  if (currency !== "BRL") return refuse("invalid_request", "currency", "EBANX takes Pix in BRL only");
  if (amount > CENTAVOS_MAX) return refuse("invalid_request", "amount", "the amount is too large for EBANX");
  if (!document) return refuse("invalid_request", "buyer.document", "EBANX needs the payer's CPF or CNPJ");
  if (!buyer.email) return refuse("invalid_request", "buyer.email", "EBANX needs the payer's e-mail");
  return undefined;
}

/** With the CPF of published samples, which a test project lets through; whether it may, was decided before. */
function taxIdOf(document: string | undefined): string | undefined {
  const parsed = document === undefined ? undefined : parseTaxId(document, { environment: "test" });
  return parsed?.ok ? parsed.value : undefined;
}

const NAME_CHARS_MAX = 100;

function paymentFor(
  settings: ConnectionConfig["settings"], { amount, buyer: { name, email } }: ChargeRequest, { reference, document }: { reference: string; document: string },
): object {
  return {
    name: name.slice(0, NAME_CHARS_MAX), email, document, country: "br",
    payment_type_code: "pix",
    merchant_payment_code: reference,
    currency_code: "BRL",
    amount_total: Number(toDecimal({ amountMinor: amount, currency: "BRL" })),
    notification_url: settings["notification_url"] || undefined,
  };
}

// Reading back

const Payment = z.object({
  hash: z.string().min(1),
  merchant_payment_code: z.string().nullish(),
  status: z.string(),
  amount_ext: z.union([z.string(), z.number()]).nullish(),
  currency_ext: z.string().nullish(),
  redirect_url: z.string().nullish(),
  pix: z.object({ qr_code_value: z.string().nullish(), qr_code_url: z.string().nullish() }).nullish(),
});
type Payment = z.output<typeof Payment>;
const Answer = z.object({ payment: Payment });

const states = new Map<string, StateOf<"payment">>([["OP", "pending"], ["PE", "pending"], ["CO", "succeeded"], ["CA", "failed"]]);

const stateOf = (status: string) => states.get(status) ?? "pending";

async function lookup(http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const payment = await query(http, ref ? { hash: ref } : { merchant_payment_code: reference }, call);
  if (payment && (payment.merchant_payment_code ?? reference) === reference) return observe(payment);
  if (!ref && told) throw new Unanswered("ebanx: a payment that a message told of is not found by our reference yet");
  return undefined;
}

function observe({ hash: ref, status, amount_ext, currency_ext, pix, redirect_url }: Payment): Observation {
  const state = stateOf(status);
  const amountMinor = amount_ext != null && currency_ext === "BRL" ? fromDecimal(amount_ext, "BRL") : undefined;
  return {
    ref, state, action: status, currency: "BRL",
    ...(amountMinor !== undefined && { amountMinor }),
    result: { id: ref, ...(pix?.qr_code_value && { pix_copy_paste: pix.qr_code_value }), ...(redirect_url && { checkout_url: redirect_url, charge_url: redirect_url }) },
    ...(state === "failed" && { failure: { reason: "unspecified", message: "the payment was cancelled, or its time was up" } }),
  };
}

/** The codes of "there is no such payment" stand in no page that was read, so its words decide; any other refusal says nothing. */
async function query(http: HttpClient, by: { hash: string } | { merchant_payment_code: string }, call: CallContext): Promise<Payment | undefined> {
  try {
    return (await http.ask({ method: "POST", path: "/ws/query", body: by }, Answer, call)).payment;
  } catch (error) {
    const { data: refusal } = Failed.safeParse(error instanceof Rejected ? error.body : undefined);
    const isAbsent = /payment.*not (?:found|exist)|not found.*payment/i.test(refusal?.status_message ?? "") && !refusal?.status_code?.startsWith("BP-SA");
    if (isAbsent) return undefined;
    if (error instanceof Rejected) throw new Unanswered(`ebanx: ${refusal?.status_code ?? `answered ${error.status}`}`, { cause: error });
    throw error;
  }
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function readRefusal({ status, body }: Rejected): Declined {
  const { status_code: code = "", status_message } = Failed.safeParse(body).data ?? {};
  const said = (status_message ?? `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const message = `EBANX refused: ${code ? `${code}: ` : ""}${said}`;
  const known = refusedCodes.find(([codes]) => codes.test(code ?? ""));
  const reason = known?.[1] ?? refusedStatuses.get(status) ?? (code ? "invalid_request" : "unspecified");
  return { outcome: "declined", reason, message, ...(known?.[2] && { field: known[2] }) };
}

const refusedStatuses = new Map<number, DeclineReason>([[401, "unauthorized"], [403, "unauthorized"], [429, "rate_limited"]]);

/** "API Error Codes", the part on payments and customers. */
const refusedCodes: readonly (readonly [RegExp, DeclineReason, string?])[] = [
  [/^BP-DR-0$/, "duplicate"], [/^BP-SA-/, "unauthorized"], [/^BP-DR-[5-8]$/, "invalid_request", "amount"], [/^BP-DR-1[34]$/, "invalid_request", "buyer.name"],
  [/^BP-DR-1[5-7]$/, "invalid_request", "buyer.email"], [/^BP-DR-2[23]$/, "invalid_request", "buyer.document"], [/^BP-DR-(?:18|40)$/, "refused"],
  [/^BP-(?:CH-1|DR-3[56]|DR-7[78])$/, "not_permitted"],
];

// Notifications

/**
 * `X-SignatureContent`: RSA over SHA-1 of the body, in base64. The connection's webhook secret is EBANX's certificate, as its
 * documentation offers it for download.
 */
function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const signature = headers.get("x-signaturecontent");
  if (!signature) return { ok: false, reason: "the header X-SignatureContent is missing" };
  const isTheirs = secrets.some((secret) => {
    const key = keyIn(secret);
    return key !== undefined && isSigned("RSA-SHA1", body, key, Buffer.from(signature, "base64"));
  });
  return isTheirs ? { ok: true } : { ok: false, reason: "X-SignatureContent does not match the body under EBANX's certificate" };
}

function keyIn(certificate: string): KeyObject | undefined {
  try {
    const key = createPublicKey(certificate);
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Several payments in one message, each by its hash and without what became of it. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const form = new URLSearchParams(new TextDecoder().decode(body));
  if (form.get("operation") !== "payment_status_change") return [];
  const action = form.get("notification_type") ?? "update";
  const hashes = (form.get("hash_codes") ?? "").split(",").map((hash) => hash.trim()).filter(Boolean);
  return hashes.map((ref) => ({ eventId: `${action}:${ref}`, ref, observation: { ref, action } }));
}
