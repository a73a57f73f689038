/**
 * Transbank (Chile): Webpay Plus, cards on Transbank's own page, CLP. Reference: transbankdevelopers.cl, "Webpay Plus" and its
 * API reference 1.2, read 2026-11-20.
 * Quirks: nothing notifies; the buyer's browser comes back to us, and then the transaction must be confirmed or is given back to
 * the buyer; it is known by its token alone; CLP has no decimals.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type LookupSubject, type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools, TRANSACTIONS } from "./tools.ts";

export const transbank: ProviderDefinition = {
  id: "transbank",
  title: "Transbank Webpay",
  category: "payments",
  country: "CL",
  authType: "two_header",
  hosts: { live: "https://webpay3g.transbank.cl", test: "https://webpay3gint.transbank.cl" },
  credentials: [
    { name: "commerce_code", label: "Commerce code", secret: false, required: true, hint: "Twelve digits: Tbk-Api-Key-Id" },
    { name: "api_key_secret", label: "API key secret", secret: true, required: true, hint: "Tbk-Api-Key-Secret" },
    { name: "webhook_secret", label: "Webhook secret", secret: true, required: true, hint: "This connection's own; proves the address a buyer comes back to" },
  ],
  settings: [
    { name: "notification_url", label: "Return address", secret: false, required: true, hint: "This connection's own webhook address, which buyers come back through" },
    { name: "redirect_url", label: "Page after payment", secret: false, required: false, hint: "Where a buyer who came back is sent on to" },
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read, acknowledge, byBrowser: true },
};

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const headers = { "tbk-api-key-id": needed(credentials, "commerce_code"), "tbk-api-key-secret": needed(credentials, "api_key_secret") };
  return httpClient({ provider: "transbank", baseUrl, fetch, headers });
}

function needed(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, connection, request, call),
    payout: (request, call) => payout(http, connection, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
  };
}

async function charge(http: HttpClient, connection: ConnectionConfig, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method } = request;
  if (method !== "webpay") return refuse("not_permitted", "method", `a charge by ${method} is not served through Transbank`);
  if (currency !== "CLP") return refuse("invalid_request", "currency", "Webpay takes CLP only");
  const made = await create(http, connection, amount, call);
  if ("outcome" in made) return made;
  const page = `${made.url}?token_ws=${encodeURIComponent(made.token)}`;
  const expires_at = new Date(call.clock.now().getTime() + OPENS_WITHIN_MS).toISOString();
  const result = { id: made.token, status: "pending" as const, amount, currency, method, checkout_url: page, charge_url: page, expires_at };
  return { outcome: "accepted", ref: made.token, state: "pending", action: "INITIALIZED", result };
}

/** A token that has not been brought to the page by then opens it no more. */
const OPENS_WITHIN_MS = 5 * 60_000;

/**
 * Webpay pays nobody. In test a transaction stands in for the payout that the published table gives it; the rail table lets no live
 * call come here, and none would be sent.
 */
async function payout(http: HttpClient, connection: ConnectionConfig, request: PayoutRequest, call: CallContext): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method } = request;
  const isSimulated = connection.baseUrl === transbank.hosts.test && (method === "card" || method === "transbank");
  if (!isSimulated) return refuse("not_permitted", "method", "Webpay takes payments and makes none");
  if (currency !== "CLP") return refuse("invalid_request", "currency", "Webpay takes CLP only");
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  const made = await create(http, connection, amount, call);
  if ("outcome" in made) return made;
  const result = { id: made.token, status: "pending", settled: false, amount, currency, method, recipient: request.recipient?.name };
  return { outcome: "accepted", ref: made.token, state: "pending", action: "INITIALIZED", result };
}

async function create(http: HttpClient, connection: ConnectionConfig, amount: bigint, call: CallContext): Promise<z.output<typeof Made> | Declined> {
  const { reference } = call;
  const body = { buy_order: buyOrderOf(reference), session_id: reference, amount: Number(amount), return_url: returnAddress(connection, reference) };
  try {
    return await http.act({ method: "POST", path: TRANSACTIONS, body }, Made, call);
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** At most 26 characters, so a part of our reference; the whole of it is the session id. */
const buyOrderOf = (reference: string): string => reference.replaceAll("-", "").slice(0, 26);

/** The buyer's browser sees it, so it carries a proof of this one charge and never the secret. */
function returnAddress({ credentials, settings }: ConnectionConfig, reference: string): string {
  const address = new URL(needed(settings, "notification_url"));
  address.searchParams.set("reference", reference);
  address.searchParams.set("token", proofOf(needed(credentials, "webhook_secret"), reference));
  return address.href;
}

const proofOf = (secret: string, reference: string): string => createHmac("sha256", secret).update(reference).digest("hex");

// Reading back

const Made = z.object({ token: z.string().min(1), url: z.string().min(1) });

const Transaction = z.object({
  status: z.string(),
  amount: z.int().min(0).transform(BigInt).nullish(),
  session_id: z.string().nullish(),
  transaction_date: z.string().nullish(),
  response_code: z.number().nullish(),
});
type Transaction = z.output<typeof Transaction>;

const states = new Map<string, StateOf<"payment">>([
  ["INITIALIZED", "pending"], ["AUTHORIZED", "succeeded"], ["CAPTURED", "succeeded"], ["FAILED", "failed"],
  ["REVERSED", "refunded"], ["NULLIFIED", "refunded"], ["PARTIALLY_NULLIFIED", "updated"],
]);

/** The page opens for 5 minutes and waits for a buyer for 10: what has not begun to be paid by then will not be. */
const ABANDONED_AFTER_MS = 60 * 60_000;

/** Confirms what a buyer has paid: unconfirmed money goes back. Confirming what is unpaid, or confirmed, is refused and changes nothing. */
async function lookup(http: HttpClient, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  if (!ref) throw new Unanswered("transbank: a transaction can be asked for only by its token, which is not known");
  const path = `${TRANSACTIONS}/${encodeURIComponent(ref)}`;
  const found = await http.ask({ method: "GET", path }, Transaction, call);
  if (found.session_id != null && found.session_id !== reference) return undefined;
  return observe(ref, found.status === "INITIALIZED" ? await confirmed(http, path, found, call) : found, call);
}

async function confirmed(http: HttpClient, path: string, found: Transaction, call: CallContext): Promise<Transaction> {
  try {
    return await http.ask({ method: "PUT", path }, Transaction, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 422) return found;
    throw error;
  }
}

function observe(ref: string, { status, amount, transaction_date, response_code }: Transaction, { clock }: CallContext): Observation {
  const at = new Date(transaction_date ?? "");
  const isAbandoned = status === "INITIALIZED" && clock.now().getTime() - at.getTime() > ABANDONED_AFTER_MS;
  const state = isAbandoned ? "failed" : (states.get(status) ?? "pending");
  const message = isAbandoned ? "the buyer never paid" : `the card was refused${response_code == null ? "" : `, response code ${response_code}`}`;
  return {
    ref, state, action: status, currency: "CLP", result: { id: ref },
    ...(amount != null && { amountMinor: amount }),
    ...(state === "succeeded" && !Number.isNaN(at.getTime()) && { occurredAt: at }),
    ...(state === "failed" && { failure: { reason: isAbandoned ? "unspecified" : "refused", message } }),
  };
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({ error_message: z.string().nullish() });

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function readRefusal({ status, body }: Rejected): Declined {
  const why = (Refusal.safeParse(body).data?.error_message || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const field = /amount/i.test(why) ? { field: "amount" } : {};
  return { outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message: `Transbank refused: ${why}`, ...field };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [422, "invalid_request"], [429, "rate_limited"],
]);

// The buyer who comes back

/** The address of one charge, proven by an HMAC of its reference. Transbank itself signs nothing. */
function verify({ url }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const { reference, token } = Object.fromEntries(url.searchParams);
  if (!reference || !token) return { ok: false, reason: "the address has no reference or no token" };
  const isOurs = secrets.filter(Boolean).some((secret) => timingSafeEqual(digest(proofOf(secret, reference)), digest(token)));
  return isOurs ? { ok: true } : { ok: false, reason: "the token in the address is not that of its reference" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** That a buyer is back, whether paid, given up or timed out: what became of it a lookup says, which also confirms it. */
function read({ url }: InboundMessage): ProviderEvent[] {
  const { reference, token_ws, TBK_TOKEN } = Object.fromEntries(url.searchParams);
  const ref = token_ws ?? TBK_TOKEN;
  if (!reference) return [];
  return [{ eventId: `returned:${reference}`, reference, ...(ref && { ref }), observation: { ref: ref ?? reference, action: "returned" } }];
}

function acknowledge({ redirect_url: page }: Readonly<Record<string, string>>): Response {
  if (page) return new Response(null, { status: 303, headers: { location: page } });
  const text = "<!doctype html><html lang=\"es\"><meta charset=\"utf-8\"><title>Webpay</title><p>Gracias. Puede volver a la tienda.</p></html>";
  return new Response(text, { headers: { "content-type": "text/html; charset=utf-8" } });
}
