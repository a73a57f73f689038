/**
 * PagBank (PagSeguro): cards on a page of PagBank's own (Checkout) and Pix by order, BRL. Reference: developer.pagbank.com.br,
 * "Criar Checkout", "Objeto Checkout", "Consultar Checkout", "Objeto Order", "Webhooks", read 2026-11-20.
 * Quirks: a checkout holds no money, the orders that buyers make on its page do; orders have no status, their charges have;
 * nothing can be searched by our reference.
 */
import { parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome,
  type Provider, type ProviderDefinition,
} from "../provider.ts";
import { Checkout, decisive, linkOf, observeCharge, observeUnpaid, Order, readRefusal, refuse, type Charge, type Declined } from "./answers.ts";
import { read, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

export const pagseguro: ProviderDefinition = {
  id: "pagseguro",
  title: "PagBank",
  category: "payments",
  country: "BR",
  authType: "api_key",
  hosts: { live: "https://api.pagseguro.com", test: "https://sandbox.api.pagseguro.com" },
  credentials: [
    { name: "token", label: "Token", secret: true, required: true, hint: "Venda online > Integrações > Gerar token; its messages are proven by it, too" },
  ],
  settings: [
    { name: "notification_url", label: "Notification address", secret: false, required: true, hint: "This connection's own webhook address" },
    { name: "redirect_url", label: "Page after payment", secret: false, required: false, hint: "Where a buyer who has paid by card is sent" },
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const token = credentials["token"];
  if (!token) throw new SetupMissing("token");
  return httpClient({ provider: "pagseguro", baseUrl, fetch, headers: { authorization: `Bearer ${token}` } });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, connection.settings, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
  };
}

type Settings = ConnectionConfig["settings"];

async function charge(http: HttpClient, settings: Settings, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const unserved = refuseUnserved(request, call);
  if (unserved) return unserved;
  try {
    return await (request.method === "pix" ? chargePix : chargeCard)(http, settings, request, call);
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** `unit_amount` has nine digits. */
const CENTAVOS_MAX = 999_999_999n;

function refuseUnserved({ amount, currency, method, buyer, due_date }: ChargeRequest, { clock }: CallContext): Declined | undefined {
  if (method !== "card" && method !== "pix") return refuse("not_permitted", "method", `a charge by ${method} is not served through PagBank`);
  if (currency !== "BRL") return refuse("invalid_request", "currency", "PagBank takes BRL only");
  if (amount > CENTAVOS_MAX) return refuse("invalid_request", "amount", "PagBank takes at most R$ 9.999.999,99");
  if (due_date !== undefined && endOfDay(due_date) <= clock.now()) return refuse("invalid_request", "due_date", "that day is over");
  if (method === "pix" && !taxIdOf(buyer.document)) return refuse("invalid_request", "buyer.document", "PagBank needs the payer's CPF or CNPJ");
  return undefined;
}

async function chargeCard(http: HttpClient, settings: Settings, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const { id, status, expiration_date, links } = await http.act(
    { method: "POST", path: "/checkouts", body: checkoutFor(settings, request, call) }, Checkout, call);
  const page = linkOf(links, "PAY");
  const result = { ...resultOf(id, request), checkout_url: page, charge_url: page, expires_at: momentOf(expiration_date) };
  return { outcome: "accepted", ref: id, state: "pending", action: status, result };
}

async function chargePix(http: HttpClient, settings: Settings, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const { id, qr_codes } = await http.act({ method: "POST", path: "/orders", body: orderFor(settings, request, call) }, Order, call);
  const [code] = qr_codes ?? [];
  const result = {
    ...resultOf(id, request), pix_copy_paste: code?.text ?? undefined, qr_code_url: linkOf(code?.links, "QRCODE.PNG"),
    expires_at: momentOf(code?.expiration_date),
  };
  return { outcome: "accepted", ref: id, state: "pending", action: "WAITING", result };
}

const resultOf = (id: string, { amount, currency, method }: ChargeRequest) => ({ id, status: "pending" as const, amount, currency, method });

/** Cards alone and one instalment: interest would make the amount paid another than the one asked for. */
function checkoutFor(settings: Settings, request: ChargeRequest, { reference }: CallContext): object {
  const { due_date } = request;
  const customer = customerOf(request);
  return {
    reference_id: reference,
    ...(due_date !== undefined && { expiration_date: lastSecond(due_date) }),
    // A half-known customer is refused; an unknown one is asked on the page.
    ...("tax_id" in customer && "email" in customer && { customer }),
    items: [itemOf(request, CHECKOUT_NAME_CHARS_MAX)],
    payment_methods: [{ type: "CREDIT_CARD" }, { type: "DEBIT_CARD" }],
    payment_methods_configs: [{ type: "CREDIT_CARD", config_options: [{ option: "INSTALLMENTS_LIMIT", value: "1" }] }],
    redirect_url: settings["redirect_url"] || undefined,
    notification_urls: [notificationUrl(settings)],
    payment_notification_urls: [notificationUrl(settings)],
  };
}

function orderFor(settings: Settings, request: ChargeRequest, { reference }: CallContext): object {
  const { amount, due_date } = request;
  return {
    reference_id: reference,
    customer: customerOf(request),
    items: [itemOf(request, ORDER_NAME_CHARS_MAX)],
    qr_codes: [{ amount: { value: Number(amount) }, ...(due_date !== undefined && { expiration_date: lastSecond(due_date) }) }],
    notification_urls: [notificationUrl(settings)],
  };
}

const CHECKOUT_NAME_CHARS_MAX = 100;
const ORDER_NAME_CHARS_MAX = 64;

const itemOf = ({ amount, description }: ChargeRequest, nameCharsMax: number) =>
  ({ name: (description || "Pagamento").slice(0, nameCharsMax), quantity: 1, unit_amount: Number(amount) });

function customerOf({ buyer: { name, email, document } }: ChargeRequest): object {
  const taxId = taxIdOf(document);
  return { name, ...(email && { email }), ...(taxId && { tax_id: taxId }) };
}

/** With the CPF of published samples, which a test project lets through; whether it may, was decided before. */
function taxIdOf(document: string | undefined): string | undefined {
  const parsed = document === undefined ? undefined : parseTaxId(document, { environment: "test" });
  return parsed?.ok ? parsed.value : undefined;
}

function notificationUrl(settings: Settings): string {
  const url = settings["notification_url"];
  if (!url) throw new SetupMissing("notification_url");
  return url;
}

/** A day ends in São Paulo, which has kept UTC-3 all year since 2019. */
const lastSecond = (day: string): string => `${day}T23:59:59-03:00`;
const endOfDay = (day: string): Date => new Date(lastSecond(day));

function momentOf(text: string | null | undefined): string | undefined {
  const at = new Date(text ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

// Reading back

async function lookup(http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const id = ref ?? told;
  if (!id) throw new Unanswered("pagseguro: a payment can be asked for only by PagBank's own id, which is not known");
  const isOurs = (theirs: string | null | undefined) => theirs === reference || (ref !== undefined && theirs == null);
  const found = id.startsWith("CHEC_") ? await checkoutOf(http, id, isOurs, call) : await orderOf(http, id, isOurs, call);
  if (!found && !ref) throw new Unanswered("pagseguro: the id that was told is not of this payment, and no other can be asked for");
  return found;
}

type IsOurs = (reference: string | null | undefined) => boolean;

/** A page of orders; a buyer does not try more cards than that. */
const ORDERS_MAX = 100;

async function checkoutOf(http: HttpClient, id: string, isOurs: IsOurs, call: CallContext): Promise<Observation | undefined> {
  const query = { offset: "0", limit: String(ORDERS_MAX) };
  const checkout = await known(http.ask({ method: "GET", path: `/checkouts/${encodeURIComponent(id)}`, query }, Checkout, call));
  if (!checkout || !isOurs(checkout.reference_id)) return undefined;
  const charges: Charge[] = [];
  for (const order of (checkout.orders ?? []).slice(0, ORDERS_MAX)) charges.push(...((await getOrder(http, order.id, call))?.charges ?? []));
  const found = decisive(charges);
  const page = linkOf(checkout.links, "PAY");
  const result = { id, ...(page && { checkout_url: page, charge_url: page }) };
  return { ...(found ? observeCharge(id, found) : observeUnpaid(checkout)), result };
}

async function orderOf(http: HttpClient, id: string, isOurs: IsOurs, call: CallContext): Promise<Observation | undefined> {
  const order = await getOrder(http, id, call);
  if (!order || !isOurs(order.reference_id)) return undefined;
  const found = decisive(order.charges ?? []);
  const [code] = order.qr_codes ?? [];
  const result = { id, ...(code?.text && { pix_copy_paste: code.text }) };
  return { ...(found ? observeCharge(id, found) : { ref: id, state: "pending", action: "WAITING", currency: "BRL" }), result };
}

const getOrder = (http: HttpClient, id: string, call: CallContext): Promise<Order | undefined> =>
  known(http.ask({ method: "GET", path: `/orders/${encodeURIComponent(id)}` }, Order, call));

async function known<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
