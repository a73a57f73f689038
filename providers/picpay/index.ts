/**
 * PicPay: charges of PicPay's wallet, BRL, by the e-commerce API. Reference: picpay.github.io/picpay-docs-digital-payments,
 * "Accepting payments", "Get payment status", "Cancel order", "Manage notifications", read 2026-11-20.
 * Quirks: the payment has no id but ours (`referenceId`); its status is all that can be asked for; amounts are decimal JSON numbers.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { formatDocument, parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const picpay: ProviderDefinition = {
  id: "picpay",
  title: "PicPay",
  category: "payments",
  country: "BR",
  authType: "api_key",
  // No sandbox is documented: what is sent here is real.
  hosts: { live: "https://appws.picpay.com/ecommerce/public", test: "https://appws.picpay.com/ecommerce/public" },
  credentials: [{ name: "picpay_token", label: "x-picpay-token", secret: true, required: true, hint: "Painel Lojista > Ajustes > Meu checkout" }],
  settings: [
    { name: "callback_url", label: "Notification address", secret: false, required: true, hint: "This connection's own webhook address" },
    { name: "return_url", label: "Page after payment", secret: false, required: false, hint: "Where PicPay sends a buyer who has paid" },
  ],
  repeats: "rejects",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const token = credentials["picpay_token"];
  if (!token) throw new SetupMissing("picpay_token");
  return httpClient({ provider: "picpay", baseUrl, fetch, headers: { "x-picpay-token": token } });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, connection.settings, request, call),
    lookup: ({ reference }, call) => lookup(http, reference, call),
  };
}

const Payment = z.object({ referenceId: z.string(), paymentUrl: z.string(), expiresAt: z.string().nullish() });
const Status = z.object({ referenceId: z.string(), status: z.string() });

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

async function charge(
  http: HttpClient, settings: ConnectionConfig["settings"], request: ChargeRequest, call: CallContext,
): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method, buyer } = request;
  if (method !== "wallet") return refuse("not_permitted", "method", `a charge by ${method} is not served through PicPay`);
  if (currency !== "BRL") return refuse("invalid_request", "currency", "PicPay moves BRL only");
  if (amount > VALUE_MINOR_MAX) return refuse("invalid_request", "amount", `PicPay takes at most ${VALUE_MINOR_MAX} centavos`);
  // There is one host for everything, so the sample CPF is passed on: PicPay refuses it.
  const document = buyer.document === undefined ? undefined : parseTaxId(buyer.document, { environment: "test" });
  if (document && !document.ok) return refuse("invalid_request", "buyer.document", document.reason);
  const body = toPayment(settings, request, { reference: call.reference, document: document && formatDocument(document) });
  try {
    const payment = await http.act({ method: "POST", path: "/payments", body }, Payment, call);
    const paying = { checkout_url: payment.paymentUrl, charge_url: payment.paymentUrl, expires_at: momentOf(payment.expiresAt) };
    const result = { id: call.reference, status: "pending" as const, amount, currency, method, ...paying };
    return { outcome: "accepted", ref: call.reference, state: "pending", action: "created", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** Fifteen digits: the most that a JSON number carries exactly. */
const VALUE_MINOR_MAX = 999_999_999_999_999n;

function toPayment(
  settings: ConnectionConfig["settings"], { amount, buyer }: ChargeRequest, { reference, document }: { reference: string; document: string | undefined },
): object {
  const callbackUrl = settings["callback_url"];
  if (!callbackUrl) throw new SetupMissing("callback_url");
  const [firstName, ...others] = buyer.name.trim().split(/\s+/);
  return {
    referenceId: reference,
    callbackUrl,
    returnUrl: settings["return_url"] || undefined,
    value: Number(toDecimal({ amountMinor: amount, currency: "BRL" })),
    buyer: { firstName, lastName: others.join(" ") || undefined, document, email: buyer.email },
  };
}

function momentOf(text: string | null | undefined): string | undefined {
  const at = new Date(text ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** An expired order is one whose time is up or that was cancelled: it cannot be paid any more. */
const states = new Map<string, StateOf<"payment">>([
  ["paid", "succeeded"], ["completed", "succeeded"], ["expired", "failed"], ["refunded", "refunded"], ["chargeback", "updated"],
]);

async function lookup(http: HttpClient, reference: string, call: CallContext): Promise<Observation | undefined> {
  try {
    const path = `/payments/${encodeURIComponent(reference)}/status`;
    const { status } = await http.ask({ method: "GET", path }, Status.extend({ referenceId: z.literal(reference) }), call);
    const state = states.get(status) ?? "pending";
    const failure = state === "failed" && { failure: { reason: "refused" as const, message: `PicPay: the payment is ${status}` } };
    return { ref: reference, state, action: status, currency: "BRL", ...failure };
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

const Refusal = z.object({
  message: z.string().nullish(),
  errors: z.array(z.object({ message: z.string().nullish(), field: z.string().nullish() })).nullish(),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

/** Ours is a UUID, so the one thing wrong with a `referenceId` is that it was used before. */
function readRefusal({ status, body }: Rejected): Declined {
  const { message, errors } = Refusal.safeParse(body).data ?? {};
  const theirs = errors?.[0]?.field ?? "";
  const why = (errors?.[0]?.message || message || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const reason = theirs === "referenceId" ? "duplicate" : (refusedStatuses.get(status) ?? "unspecified");
  const field = refusedFields.get(theirs);
  return { outcome: "declined", reason, message: `PicPay refused: ${why}`, ...(field && { field }) };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [422, "invalid_request"], [429, "rate_limited"],
]);

const refusedFields = new Map([
  ["value", "amount"], ["buyer.document", "buyer.document"], ["buyer.email", "buyer.email"], ["buyer.firstName", "buyer.name"],
  ["buyer.lastName", "buyer.name"],
]);

/** The seller's token, sent as it is with every message: no signature, no time, no status. */
function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = message.headers.get("x-seller-token");
  if (!given) return { ok: false, reason: "the header x-seller-token is missing" };
  const isOurs = secrets.filter(Boolean).some((secret) => timingSafeEqual(digest(secret), digest(given)));
  return isOurs ? { ok: true } : { ok: false, reason: "the header x-seller-token is not the seller's" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const Notification = z.object({ referenceId: z.string().min(1), authorizationId: z.string().nullish() });

/** Only that something changed. Messages have no id of their own, and those of two changes may be alike. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const { data } = Notification.safeParse(jsonOf(body));
  if (!data) return [];
  const { referenceId: reference, authorizationId } = data;
  return [{ eventId: `${reference}:${authorizationId ?? ""}`, reference, ref: reference, observation: { ref: reference, action: "notified" } }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
