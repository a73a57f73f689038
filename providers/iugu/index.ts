/**
 * iugu: Pix and boleto charges, BRL, as invoices. Reference: dev.iugu.com, "Faturas", "Cobrar com PIX por API", "Chave de
 * Idempotência", "Gatilhos" and the list of statuses, read 2026-11-20.
 * Quirks: there is one host, and the token decides whether money is real; our reference travels as a custom variable; a key that
 * comes again is refused with 409, so only a lookup tells what its first request did.
 */
import { parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { Invoice, InvoicePage, observe, readRefusal, REFERENCE_VARIABLE, referenceOn, refuse, type Declined } from "./answers.ts";
import { read, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

export const iugu: ProviderDefinition = {
  id: "iugu",
  title: "iugu",
  category: "payments",
  country: "BR",
  authType: "http_basic",
  hosts: { live: "https://api.iugu.com/v1", test: "https://api.iugu.com/v1" },
  credentials: [{ name: "api_token", label: "API token", secret: true, required: true, hint: "Configurações > Integração via API; of test or of production" }],
  settings: [],
  repeats: "rejects",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const token = credentials["api_token"];
  if (!token) throw new SetupMissing("api_token");
  const authorization = basic(token, "");
  return httpClient({ provider: "iugu", baseUrl, fetch, headers: { authorization } });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const http = clientFor(connection, fetch);
  return {
    charge: (request, call) => charge(http, request, call),
    lookup: (subject, call) => lookup(http, subject, call),
    referenceOf: (event, call) => referenceOf(http, event, call),
  };
}

const INVOICES = "/invoices";

/** The iugu word for each method we serve there. */
const payableWith: Partial<Record<ChargeRequest["method"], string>> = { pix: "pix", boleto: "bank_slip" };

async function charge(http: HttpClient, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method, buyer, due_date: dueDate } = request;
  const word = payableWith[method];
  if (!word) return refuse("not_permitted", "method", `a charge by ${method} is not served through iugu`);
  if (currency !== "BRL") return refuse("invalid_request", "currency", "iugu moves BRL only");
  if (!buyer.email) return refuse("invalid_request", "buyer.email", "iugu needs the buyer's e-mail");
  if (method === "boleto" && !buyer.document) return refuse("invalid_request", "buyer.document", "a boleto needs the buyer's CPF or CNPJ");
  if (method === "boleto" && !dueDate) return refuse("invalid_request", "due_date", "a boleto needs the day until which it can be paid");
  // The host does not tell test from production, so the sample CPF is passed on: in production iugu refuses it.
  const document = buyer.document === undefined ? undefined : parseTaxId(buyer.document, { environment: "test" });
  if (document && !document.ok) return refuse("invalid_request", "buyer.document", document.reason);

  const body = {
    email: buyer.email,
    due_date: dueDate ?? inSaoPaulo(call.clock.now()).slice(0, 10),
    items: [{ description: request.description?.trim() || "Pagamento", quantity: 1, price_cents: Number(amount) }],
    payable_with: [word],
    payer: { name: buyer.name, email: buyer.email, cpf_cnpj: document?.value },
    custom_variables: [{ name: REFERENCE_VARIABLE, value: call.reference }],
  };
  // Invoices can be listed by the time they were made, and not by our reference.
  await call.note({ requested_at: call.clock.now().toISOString() });
  const headers = { "idempotency-key": call.reference };
  const invoice = await orDeclined(() => http.act({ method: "POST", path: INVOICES, headers, body }, Invoice, call));
  if ("outcome" in invoice) return invoice;

  const { ref, state, action } = observe(invoice);
  const result = { id: ref, status: "pending" as const, amount, currency, method, ...instructions(invoice) };
  return { outcome: "accepted", ref, state, action, result };
}

/** What the buyer pays with. */
const instructions = ({ pix, bank_slip: slip, secure_url: page }: Invoice): Partial<ChargeResult> => ({
  pix_copy_paste: pix?.qrcode_text ?? undefined,
  qr_code_url: pix?.qrcode ?? undefined,
  barcode_line: slip?.digitable_line ?? undefined,
  charge_url: page ?? undefined,
});

async function lookup(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { ref, told, reference } = subject;
  const id = ref ?? told;
  const named = id === undefined ? undefined : await byId(http, id, call);
  // An id that came in from outside may be of another invoice.
  const invoice = named && referenceOn(named) === reference ? named : await search(http, reference, call);
  if (!invoice && id !== undefined) throw new Unanswered("iugu: it does not know its own invoice");
  if (!invoice) return undefined;
  const observation = observe(invoice);
  if (observation.state !== "pending") return observation;
  return { ...observation, result: { id: invoice.id, ...instructions(invoice) } };
}

async function byId(http: HttpClient, id: string, call: CallContext): Promise<Invoice | undefined> {
  try {
    return await http.ask({ method: "GET", path: `${INVOICES}/${encodeURIComponent(id)}` }, Invoice, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

/** The most rows iugu puts on a page. */
const PAGE_ROWS = 100;
/** Two thousand invoices of two hours are searched; past that, an operator must look. */
const PAGES_MAX = 20;
/** How far their clock and ours may be apart, on either side. */
const CLOCKS_APART_MS = 3_600_000;

async function search(http: HttpClient, reference: string, call: CallContext): Promise<Invoice | undefined> {
  const at = call.notes["requested_at"];
  const shifted = (ms: number) => at && `${inSaoPaulo(new Date(Date.parse(at) + ms))}-03:00`;
  const made = { created_at_from: shifted(-CLOCKS_APART_MS), created_at_to: shifted(CLOCKS_APART_MS) };
  for (let start = 0; start < PAGES_MAX * PAGE_ROWS; start += PAGE_ROWS) {
    const query = { ...made, limit: String(PAGE_ROWS), start: String(start) };
    const { items, totalItems } = await http.ask({ method: "GET", path: INVOICES, query }, InvoicePage, call);
    const found = items.find((invoice) => referenceOn(invoice) === reference);
    if (found) return found;
    if (start + items.length >= totalItems) return undefined;
    if (items.length < PAGE_ROWS) throw new Unanswered("iugu: a page of its list is not whole");
  }
  throw new Unanswered("iugu: its list is too long to search for one reference");
}

async function referenceOf(http: HttpClient, { ref }: ProviderEvent, call: CallContext): Promise<string | undefined> {
  const invoice = ref === undefined ? undefined : await byId(http, ref, call);
  return invoice && referenceOn(invoice);
}

/** `2026-11-20T09:00:00`. São Paulo has kept UTC-3 all year since 2019 (Decreto 9.772/2019). */
const inSaoPaulo = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().slice(0, 19);

/** Sends what iugu may refuse; a refusal is an answer. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}
