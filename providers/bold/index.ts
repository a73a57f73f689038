/**
 * Bold (Colombia): cards and PSE on a page of Bold's own (API Link de pagos), COP. Reference: developers.bold.co, "API Link de
 * pagos" and "Webhook", read 2026-11-20.
 * Quirks: prices are whole pesos; the key follows the word `x-api-key` inside the header `Authorization`; what is past of a
 * payment (that it was voided) only its messages tell, which can be asked for again.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type LookupSubject, type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";

export const bold: ProviderDefinition = {
  id: "bold",
  title: "Bold",
  category: "payments",
  country: "CO",
  authType: "api_key",
  // One host: whether a link is of test its key decides.
  hosts: { live: "https://integrations.api.bold.co", test: "https://integrations.api.bold.co" },
  credentials: [
    { name: "identity_key", label: "Identity key", secret: true, required: true, hint: "Panel de comercios > Integraciones > Botón de pagos: Llave de identidad" },
  ],
  settings: [
    { name: "callback_url", label: "Page after payment", secret: false, required: false, hint: "https; where Bold sends a buyer who has paid" },
  ],
  repeats: "ignores",
  connect,
  notifications: { verify, read },
};

function connect({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): Provider {
  const key = credentials["identity_key"];
  if (!key) throw new SetupMissing("identity_key");
  const http = httpClient({ provider: "bold", baseUrl, fetch, headers: { authorization: `x-api-key ${key}` }, isRefusal });
  return {
    charge: (request, call) => charge(http, settings, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
  };
}

/** Errors may come with a 200; then nothing was made. */
const isRefusal = ({ status, body }: { status: number; body: unknown }): boolean =>
  status === 200 && z.object({ errors: z.array(z.unknown()).min(1) }).safeParse(body).success;

async function charge(http: HttpClient, settings: ConnectionConfig["settings"], request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const unserved = refuseUnserved(request, call);
  if (unserved) return unserved;
  const { amount, currency, method, due_date } = request;
  try {
    const spec = { method: "POST", path: "/online/link/v1", body: linkFor(settings, request, call) } as const;
    const { payload: { payment_link: id, url } } = await http.act(spec, Made, call);
    const expires_at = due_date === undefined ? undefined : endOfDay(due_date).toISOString();
    const result = { id, status: "pending" as const, amount, currency, method, checkout_url: url, charge_url: url, expires_at };
    return { outcome: "accepted", ref: id, state: "pending", action: "ACTIVE", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

const methods = new Map<string, string>([["card", "CREDIT_CARD"], ["pse", "PSE"]]);

function refuseUnserved({ amount, currency, method, due_date }: ChargeRequest, { clock }: CallContext): Declined | undefined {
  if (!methods.has(method)) return refuse("not_permitted", "method", `a charge by ${method} is not served through Bold`);
  if (currency !== "COP") return refuse("invalid_request", "currency", "Bold takes COP only");
  if (amount % 100n !== 0n) return refuse("invalid_request", "amount", "prices in Colombia are whole pesos: the last two digits must be 00");
  if (due_date !== undefined && endOfDay(due_date) <= clock.now()) return refuse("invalid_request", "due_date", "that day is over");
  return undefined;
}

const DESCRIPTION_CHARS_MAX = 100;

/** The buyer's e-mail is left out: Bold would write to it. */
function linkFor(settings: ConnectionConfig["settings"], { amount, method, description, due_date }: ChargeRequest, { reference }: CallContext): object {
  return {
    amount_type: "CLOSE",
    amount: { currency: "COP", total_amount: Number(amount / 100n), tip_amount: 0 },
    reference,
    description: descriptionOf(description),
    // Nanoseconds of a whole second are a multiple of 512, so the number is exact although it is beyond 2^53.
    ...(due_date !== undefined && { expiration_date: endOfDay(due_date).getTime() * 1_000_000 }),
    callback_url: settings["callback_url"] || undefined,
    payment_methods: [methods.get(method)],
  };
}

/** Two characters at least. */
const descriptionOf = (text: string | undefined): string => (text && text.length > 1 ? text.slice(0, DESCRIPTION_CHARS_MAX) : "Pago");

/** The last second of a day in Colombia, which keeps no summer time. */
const endOfDay = (day: string): Date => new Date(`${day}T23:59:59-05:00`);

// Reading back

const Made = z.object({ payload: z.object({ payment_link: z.string().min(1), url: z.string().min(1) }) });

const Pesos = z.union([z.number(), z.string()]).transform((value, context) => {
  const amountMinor = fromDecimal(value, "COP");
  if (amountMinor !== undefined) return amountMinor;
  context.addIssue({ code: "custom", message: "not an amount" });
  return z.NEVER;
});

const LinkFields = z.object({ status: z.string(), total: Pesos.nullish(), reference: z.string().nullish(), transaction_id: z.string().nullish() });
/** The page shows it bare; some integrations read it from `payload`, as the other answers are. */
const Link = z.union([LinkFields, z.object({ payload: LinkFields }).transform(({ payload }) => payload)]);
type Link = z.output<typeof Link>;

/** A refused attempt ends nothing: no page says that the buyer may not try again. */
const states = new Map<string, StateOf<"payment">>([
  ["ACTIVE", "pending"], ["PROCESSING", "pending"], ["REJECTED", "pending"], ["PAID", "succeeded"],
  ["CANCELLED", "failed"], ["CANCELED", "failed"], ["EXPIRED", "failed"],
]);

async function lookup(http: HttpClient, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  if (!ref?.startsWith("LNK_")) return lookupByReference(http, reference, call);
  const link = await linkOf(http, ref, call);
  if (!link || (link.reference != null && link.reference !== reference)) return undefined;
  const found = observe(ref, link);
  if (found.state !== "succeeded") return found;
  const messages = await messagesOf(http, reference, call);
  return messages.some(({ type }) => type === "VOID_APPROVED") ? { ...found, state: "refunded", action: "VOID_APPROVED" } : found;
}

/** A link is asked for by its own id alone. What was told of its payments is asked for by reference, so an unpaid one stays unseen. */
async function lookupByReference(http: HttpClient, reference: string, call: CallContext): Promise<Observation> {
  const messages = await messagesOf(http, reference, call);
  const told = messages.find(({ type }) => type === "VOID_APPROVED") ?? messages.find(({ type }) => type === "SALE_APPROVED");
  if (!told) throw new Unanswered("bold: no payment is known by our reference, and a link can be asked for only by its own id, which is not known");
  const { type, subject, data } = told;
  return {
    ref: subject ?? reference, state: type === "VOID_APPROVED" ? "refunded" : "succeeded", action: type, currency: "COP",
    ...(data?.amount?.total != null && { amountMinor: data.amount.total }),
  };
}

function observe(ref: string, { status, total }: Link): Observation {
  const state = states.get(status) ?? "pending";
  return {
    ref, state, action: status, currency: "COP",
    ...(total != null && { amountMinor: total }),
    ...(state === "failed" && { failure: { reason: "unspecified", message: `the payment link ended as ${status}` } }),
  };
}

const linkOf = (http: HttpClient, id: string, call: CallContext): Promise<Link | undefined> =>
  known(http.ask({ method: "GET", path: `/online/link/v1/${encodeURIComponent(id)}` }, Link, call));

const Message = z.object({
  id: z.string().nullish(),
  type: z.string(),
  subject: z.string().nullish(),
  data: z.object({
    payment_id: z.string().nullish(),
    amount: z.object({ total: Pesos.nullish() }).nullish(),
    metadata: z.object({ reference: z.string().nullish() }).nullish(),
  }).nullish(),
});
const Messages = z.object({ notifications: z.array(Message).nullish() });

/** What Bold told of the payments of a reference; some of it may be of another that looks alike, so each is looked at. */
async function messagesOf(http: HttpClient, reference: string, call: CallContext): Promise<z.output<typeof Message>[]> {
  const path = `/payments/webhook/notifications/${encodeURIComponent(reference)}`;
  const answer = await known(http.ask({ method: "GET", path, query: { is_external_reference: "true" } }, Messages, call));
  return (answer?.notifications ?? []).filter(({ data }) => data?.metadata?.reference === reference);
}

async function known<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  errors: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).nullish().catch(undefined),
  message: z.string().nullish().catch(undefined),
  Message: z.string().nullish().catch(undefined),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

/** Its own `{errors: [{field: text}]}`, or `{Message}` of what stands before it. */
function readRefusal({ status, body }: Rejected): Declined {
  const { errors, message, Message: gateway } = Refusal.safeParse(body).data ?? {};
  const first = errors?.[0];
  const [field = "", text] = typeof first === "object" ? (Object.entries(first)[0] ?? []) : ["", first];
  const said = typeof first === "object" ? Object.values(first).filter((part) => typeof part === "string").join(": ") : text;
  const why = String(said || message || gateway || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const ours = refusedFields.get(field);
  return { outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message: `Bold refused: ${why}`, ...(ours && { field: ours }) };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [422, "invalid_request"], [429, "rate_limited"],
]);

const refusedFields = new Map([["amount", "amount"], ["total_amount", "amount"], ["expiration_date", "due_date"], ["description", "description"]]);

// Notifications

/** `x-bold-signature`: hex HMAC-SHA256 of the body in base64, keyed with the secret key. In Bold's test mode that key is empty, which proves nothing. */
function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = headers.get("x-bold-signature")?.trim().toLowerCase();
  if (!given) return { ok: false, reason: "the header x-bold-signature is missing" };
  const encoded = Buffer.from(body).toString("base64");
  const isOurs = secrets.filter(Boolean).some((secret) => isSame(createHmac("sha256", secret).update(encoded).digest("hex"), given));
  return isOurs ? { ok: true } : { ok: false, reason: "x-bold-signature does not match" };
}

const isSame = (ours: string, given: string): boolean => timingSafeEqual(digest(ours), digest(given));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const told = ["SALE_APPROVED", "SALE_REJECTED", "VOID_APPROVED", "VOID_REJECTED"];

/** A claim without a state: the link, or what was told before, says what it comes to. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: message } = Message.safeParse(jsonOf(body));
  const reference = message?.data?.metadata?.reference;
  if (!message?.id || !reference || !told.includes(message.type)) return [];
  return [{ eventId: message.id, reference, observation: { ref: message.subject ?? message.data?.payment_id ?? reference, action: message.type } }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
