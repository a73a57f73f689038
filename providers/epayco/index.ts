/**
 * ePayco (Colombia): cards on a page of ePayco's own (link de cobro), COP. ePayco's own pages could not be read: what is sent and read
 * here is what several public integrations agree on, read 2026-11-20 (README.md).
 * Quirks: a link holds no money, the transactions that buyers make on its page do, and these are searched by our reference; refusals
 * may come with status 200; the signature of a message leaves out what became of the payment.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type LookupSubject, type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { withBearer, type Granted } from "../tokens.ts";

export const epayco: ProviderDefinition = {
  id: "epayco",
  title: "ePayco",
  category: "payments",
  country: "CO",
  authType: "http_basic",
  // One host: whether a link is of test the account's own mode decides.
  hosts: { live: "https://apify.epayco.co", test: "https://apify.epayco.co" },
  credentials: [
    { name: "public_key", label: "PUBLIC_KEY", secret: false, required: true, hint: "Panel > Integraciones > Llaves API" },
    { name: "private_key", label: "PRIVATE_KEY", secret: true, required: true, hint: "Beside it" },
  ],
  settings: [
    { name: "p_cust_id_cliente", label: "P_CUST_ID_CLIENTE", secret: false, required: true, hint: "Panel > Integraciones > Llaves API; part of each message's signature" },
    { name: "notification_url", label: "Confirmation address", secret: false, required: true, hint: "This connection's own webhook address" },
    { name: "return_url", label: "Page after payment", secret: false, required: false, hint: "Where ePayco sends the buyer back to" },
  ],
  repeats: "ignores",
  connect,
  notifications: { verify, read },
};

/** Integrators keep a token for 15 minutes. */
const TOKEN_LIVES_SECONDS = 15 * 60;

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { public_key: publicKey, private_key: privateKey } = credentials;
  if (!publicKey) throw new SetupMissing("public_key");
  if (!privateKey) throw new SetupMissing("private_key");
  const http = httpClient({ provider: "epayco", baseUrl, fetch, isRefusal });
  const headers = { authorization: basic(publicKey, privateKey) };
  const grant = async (call: CallContext): Promise<Granted> => {
    const { token } = await http.ask({ method: "POST", path: "/login", body: {}, headers }, z.object({ token: z.string().min(1) }), call);
    return { token, expiresInSeconds: TOKEN_LIVES_SECONDS };
  };
  return withBearer(http, { provider: "epayco", credentials, baseUrl }, grant);
}

const isRefusal = ({ status, body }: { status: number; body: unknown }): boolean =>
  status === 200 && z.object({ success: z.literal(false) }).safeParse(body).success;

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, connection.settings, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
    referenceOf: async ({ ref }, call) => (ref === undefined ? undefined : referenceIn(await detailOf(http, ref, call))),
  };
}

async function charge(http: HttpClient, settings: ConnectionConfig["settings"], request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const unserved = refuseUnserved(request, call);
  if (unserved) return unserved;
  const { amount, currency, method, due_date } = request;
  try {
    const spec = { method: "POST", path: "/collection/link/create", body: linkFor(settings, request, call) } as const;
    const { data: { txtCode, routeLink } } = await http.act(spec, Made, call);
    const expires_at = due_date === undefined ? undefined : endOfDay(due_date).toISOString();
    const result = { id: txtCode, status: "pending" as const, amount, currency, method, checkout_url: routeLink, charge_url: routeLink, expires_at };
    return { outcome: "accepted", ref: txtCode, state: "pending", action: "link", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

function refuseUnserved({ amount, currency, method, due_date }: ChargeRequest, { clock }: CallContext): Declined | undefined {
  if (method !== "card") return refuse("not_permitted", "method", `a charge by ${method} is not served through ePayco`);
  if (currency !== "COP") return refuse("invalid_request", "currency", "ePayco is asked for COP only");
  if (amount % 100n !== 0n) return refuse("invalid_request", "amount", "prices in Colombia are whole pesos: the last two digits must be 00");
  if (due_date !== undefined && endOfDay(due_date) <= clock.now()) return refuse("invalid_request", "due_date", "that day is over");
  return undefined;
}

const TITLE_CHARS_MAX = 100;

/** Sold once, as a link alone (`typeSell` 2; 1 writes an e-mail, 3 a text message). No tax is told apart. */
function linkFor(settings: ConnectionConfig["settings"], { amount, currency, description, due_date }: ChargeRequest, { reference }: CallContext): object {
  const { notification_url: notificationUrl, p_cust_id_cliente: customerId } = settings;
  if (!notificationUrl) throw new SetupMissing("notification_url");
  if (!customerId) throw new SetupMissing("p_cust_id_cliente"); // without it no confirmation could be believed
  const text = (description || "Pago").slice(0, TITLE_CHARS_MAX);
  return {
    quantity: 1, onePayment: true, typeSell: "2", id: 0,
    amount: String(amount / 100n), currency, base: "0", tax: "0",
    title: text, description: text,
    reference, extra1: reference,
    urlConfirmation: notificationUrl, methodConfirmation: "POST",
    urlResponse: settings["return_url"] || undefined,
    ...(due_date !== undefined && { expirationDate: `${due_date} 23:59:59` }),
  };
}

/** The last second of a day in Colombia, which keeps no summer time. */
const endOfDay = (day: string): Date => new Date(`${day}T23:59:59-05:00`);

// Reading back

const Text = z.union([z.string(), z.number()]).transform(String);
const Pesos = z.union([z.string(), z.number()]).transform((value) => fromDecimal(value, "COP"));

const Made = z.object({ data: z.object({ txtCode: Text, routeLink: z.string().min(1) }) });
const Row = z.object({ referencePayco: Text, status: z.string() });
const Rows = z.object({ data: z.object({ data: z.array(Row).nullish() }).nullish() });
const Detail = z.object({
  data: z.object({
    status: z.string(),
    amount: Pesos.nullish(),
    log: z.object({ x_extra1: Text.nullish(), x_id_invoice: Text.nullish() }).nullish(),
  }).nullish(),
});
type Detail = NonNullable<z.output<typeof Detail>["data"]>;

/** A refused attempt ends nothing: the link can be paid by another card. So none of their words is a failed payment. */
const states = new Map<string, StateOf<"payment">>([
  ["aceptada", "succeeded"], ["aprobada", "succeeded"], ["reversada", "refunded"],
]);

const stateOf = ({ status }: { status: string }) => states.get(status.trim().toLowerCase()) ?? "pending";
const weight: readonly StateOf<"payment">[] = ["refunded", "succeeded", "pending"];

/** What buyers did on the page of a link. Of one that nobody has tried, nothing is searched by our reference. */
async function lookup(http: HttpClient, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation> {
  const spec = { method: "POST", path: "/transaction", body: { filter: { referenceClient: reference } } } as const;
  const rows = (await http.ask(spec, Rows, call)).data?.data ?? [];
  const [found] = [...rows].sort((a, b) => weight.indexOf(stateOf(a)) - weight.indexOf(stateOf(b)));
  if (!found && !ref) throw new Unanswered("epayco: nobody has tried to pay yet, and a link itself cannot be searched");
  const id = ref ?? found!.referencePayco;
  if (!found || stateOf(found) === "pending") return { ref: id, state: "pending", action: found?.status ?? "link", currency: "COP" };
  const detail = await detailOf(http, found.referencePayco, call);
  if (!detail || referenceIn(detail) !== reference) throw new Unanswered("epayco: the transaction found by our reference does not carry it");
  return { ref: id, state: stateOf(detail), action: detail.status, currency: "COP", ...(detail.amount != null && { amountMinor: detail.amount }) };
}

const detailOf = async (http: HttpClient, referencePayco: string, call: CallContext): Promise<Detail | undefined> => {
  const spec = { method: "POST", path: "/transaction/detail", body: { filter: { referencePayco: Number(referencePayco) } } } as const;
  return (await http.ask(spec, Detail, call)).data ?? undefined;
};

/** Which of the two fields a link's own reference comes back in, integrations do not agree. */
const referenceIn = (detail: Detail | undefined): string | undefined =>
  [detail?.log?.x_extra1, detail?.log?.x_id_invoice].find((text) => text && UUID.test(text)) ?? undefined;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  titleResponse: z.string().nullish().catch(undefined),
  textResponse: z.string().nullish().catch(undefined),
  data: z.object({ errors: z.array(z.object({ errorMessage: z.string().nullish() })).nullish() }).nullish().catch(undefined),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function readRefusal({ status, body }: Rejected): Declined {
  const { titleResponse, textResponse, data } = Refusal.safeParse(body).data ?? {};
  const why = (data?.errors?.[0]?.errorMessage || textResponse || titleResponse || `it answered ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const reason = /unauthorized/i.test(titleResponse ?? "") ? "unauthorized" : (refusedStatuses.get(status) ?? "unspecified");
  return { outcome: "declined", reason, message: `ePayco refused: ${why}`, ...(/amount/i.test(why) && { field: "amount" }) };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [422, "invalid_request"], [429, "rate_limited"],
]);

// Notifications

const SIGNED = ["x_ref_payco", "x_transaction_id", "x_amount", "x_currency_code"] as const;

/** `x_signature`: SHA-256 of the merchant's id, P_KEY and four fields, joined by `^`. What became of it is not among them. */
function verify(message: InboundMessage, context: { secrets: readonly string[]; settings: Readonly<Record<string, string>> }): ReturnType<NotificationScheme["verify"]> {
  const form = formOf(message);
  const given = form.get("x_signature")?.toLowerCase();
  if (!given) return { ok: false, reason: "x_signature is missing" };
  const values = SIGNED.map((name) => form.get(name) ?? "");
  const isOurs = context.secrets.filter(Boolean).some((key) =>
    isSame(sha256([context.settings["p_cust_id_cliente"] ?? "", key, ...values].join("^")), given));
  return isOurs ? { ok: true } : { ok: false, reason: "x_signature does not match" };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const isSame = (ours: string, given: string): boolean => timingSafeEqual(Buffer.from(sha256(ours)), Buffer.from(sha256(given)));

/** A claim without a state: the search says what it comes to. */
function read(message: InboundMessage): ProviderEvent[] {
  const form = formOf(message);
  const ref = form.get("x_ref_payco");
  if (!ref) return [];
  const reference = [form.get("x_extra1"), form.get("x_id_invoice")].find((text) => text && UUID.test(text));
  const eventId = `${ref}:${form.get("x_transaction_id") ?? ""}:${form.get("x_cod_response") ?? ""}`;
  return [{ eventId, ref, ...(reference && { reference }), observation: { ref, action: form.get("x_response") ?? "confirmed" } }];
}

const formOf = ({ body }: InboundMessage): URLSearchParams => new URLSearchParams(new TextDecoder().decode(body));
