/**
 * Facturapi: Mexican invoices (CFDI 4.0, type ingreso), stamped by SAT while the request waits.
 * Reference: Facturapi's OpenAPI document v2 of 2026-08-20, its guides and its clients on GitHub, read 2026-11-20; see README.md.
 * Quirks: test and live differ by the key alone; a stamping service that stutters makes the answer a 202 and the invoice `pending`.
 */
import { z } from "zod";
import type { InvoiceRequest, InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider, type ProviderDefinition,
  type ProviderEvent,
} from "../provider.ts";
import { codeOf, declined, Found, Invoice, toDecline, toObservation, toOutcome } from "./answers.ts";
import { toCfdi } from "./cfdi.ts";
import { read, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

export const facturapi: ProviderDefinition = {
  id: "facturapi",
  title: "Facturapi",
  category: "fiscal",
  country: "MX",
  authType: "api_key",
  hosts: { live: "https://www.facturapi.io/v2", test: "https://www.facturapi.io/v2" },
  credentials: [{ name: "api_key", label: "Secret key", secret: true, required: true, hint: "sk_test_… issues rehearsals, sk_live_… binding invoices." }],
  settings: [
    { name: "payment_form", label: "Payment form", secret: false, required: false, hint: "SAT's code, such as 03 for a transfer or 04 for a credit card. Not read with PPD." },
    { name: "payment_method", label: "Payment method", secret: false, required: false, hint: "PUE (paid at once; when empty) or PPD (paid later)." },
    { name: "cfdi_use", label: "CFDI use", secret: false, required: false, hint: "SAT's code, such as G03 for general expenses. G01 when empty." },
    { name: "product_key", label: "Product key", secret: false, required: false, hint: "SAT's ClaveProdServ, for items without a service_code." },
    { name: "unit_key", label: "Unit key", secret: false, required: false, hint: "SAT's unit, such as E48 for a service. H87 (a piece) when empty." },
    { name: "iva_rate", label: "IVA rate", secret: false, required: false, hint: "0.16 when empty; 0.08, 0 or exento." },
    { name: "customer_tax_system", label: "Buyers' tax regime", secret: false, required: false, hint: "SAT's code, such as 616, for buyers whose address has no tax_system." },
    { name: "series", label: "Series", secret: false, required: false },
  ],
  repeats: "rejects",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

/** What is not there this long after sending never will be: three times as long as we wait for an answer. */
export const APPLIED_WITHIN_MS = 60_000;

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = credentials["api_key"];
  if (!key) throw new SetupMissing("api_key");
  return httpClient({ provider: "facturapi", baseUrl, fetch, headers: { authorization: `Bearer ${key}` } });
}

interface Api {
  http: HttpClient;
  settings: ConnectionConfig["settings"];
  baseUrl: string;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = (): Api => ({ http: clientFor(connection, fetch), settings: connection.settings, baseUrl: connection.baseUrl });
  return {
    invoice: orDeclined(async (request: InvoiceRequest, call: CallContext) => invoice(api(), request, call), toDecline),
    lookup: async (subject, call) => lookup(api(), subject, call),
    referenceOf: async (event, call) => referenceOf(api(), event, call),
  };
}

async function invoice(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (request.type !== "nfci") return declined("not_permitted", "Facturapi issues only nfci (CFDI) here.", "type");
  switch (request.action) {
    case "issue":
      return issue(api, request, call);
    case "status":
      return status(api, request, call);
    case "amend":
      return declined("not_permitted", "A CFDI is not amended: issue another, then cancel this one with motive 01 by cancel_invoice.", "action");
  }
}

async function issue({ http, settings, baseUrl }: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const body = toCfdi(request, settings, call.reference);
  if ("outcome" in body) return body as Outcome<InvoiceResult>;
  await call.note({ sent_at: call.clock.now().toISOString() });
  try {
    return toOutcome(await http.act({ method: "POST", path: "/invoices", body }, Invoice, call), baseUrl);
  } catch (error) {
    if (error instanceof Rejected && codeOf(error) === "idempotency_key_in_use") return earlier({ http, baseUrl }, call);
    throw error;
  }
}

/** The key is made for one call, so an invoice that has it already is what an earlier try of this call made. */
async function earlier({ http, baseUrl }: Pick<Api, "http" | "baseUrl">, call: CallContext): Promise<Outcome<InvoiceResult>> {
  call.acted = true;
  try {
    const found = await byReference(http, call.reference, call);
    if (found) return toOutcome(found, baseUrl);
  } catch (error) {
    if (!(error instanceof Unanswered) && !(error instanceof Rejected)) throw error;
  }
  throw new OutcomeUnknown("facturapi: an invoice with this key exists and cannot be read now");
}

async function status({ http, baseUrl }: Api, { invoice_id: id }: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (!id) return declined("invalid_request", "Expected the id that issuing the invoice returned.", "invoice_id");
  const found = await byId(http, id, call);
  return found ? toOutcome(found, baseUrl) : declined("invalid_request", "Facturapi has no invoice with this id.", "invoice_id");
}

async function lookup({ http, baseUrl }: Api, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const found = (ref && await byId(http, ref, call)) || (await byReference(http, reference, call));
  if (found) return toObservation(found, baseUrl);
  if (ref) throw new Unanswered("facturapi: it does not show an invoice that it made");
  if (isUnderWay(call)) throw new Unanswered("facturapi: the invoice may still be on its way");
  return undefined;
}

async function byId(http: HttpClient, id: string, call: CallContext): Promise<Invoice | undefined> {
  try {
    return await http.ask({ method: "GET", path: `/invoices/${encodeURIComponent(id)}` }, Invoice, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

async function byReference(http: HttpClient, reference: string, call: CallContext): Promise<Invoice | undefined> {
  const found = await http.ask({ method: "GET", path: "/invoices", query: { external_id: reference } }, Found, call);
  return found.find(({ external_id: ours }) => ours === reference);
}

/** A request without an answer may still be applied. */
function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["sent_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < APPLIED_WITHIN_MS;
}

const Named = z.object({ external_id: z.string().nullish() });

/** A message may carry an invoice by its id alone. */
async function referenceOf({ http }: Api, { ref }: ProviderEvent, call: CallContext): Promise<string | undefined> {
  if (!ref) return undefined;
  try {
    const found = await http.ask({ method: "GET", path: `/invoices/${encodeURIComponent(ref)}` }, Named, call);
    return found.external_id ?? undefined;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
