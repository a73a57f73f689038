/**
 * NFe.io: Brazilian service invoices (NFS-e), which it carries to each city's own system.
 * Reference: NFe.io "Nota Fiscal de Serviço" v1 and the vendor's client repositories, read 2026-11-20; see README.md.
 * Quirks: the key goes raw into `Authorization`; an error may be a bare JSON string; the search by our reference
 * answers a list although the document says an object; a repeated reference is a 400 that only its text tells apart.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import type { InvoiceRequest, InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { completing } from "../native.ts";
import { orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const nfeIo: ProviderDefinition = {
  id: "nfe-io",
  title: "NFe.io",
  category: "fiscal",
  country: "BR",
  authType: "api_key",
  // One host for both: whether an invoice is a rehearsal is a property of the company at NFe.io, not of the request.
  hosts: { live: "https://api.nfe.io", test: "https://api.nfe.io" },
  credentials: [
    {
      name: "api_key",
      label: "API key",
      secret: true,
      required: true,
      hint: "The key for invoices, not the one for data.",
    },
  ],
  settings: [
    {
      name: "city_service_code", label: "City service code", secret: false, required: false,
      hint: "For items without a service_code: the code your city gives the service.",
    },
    {
      name: "service_description",
      label: "Service description",
      secret: false,
      required: false,
      hint: "For items without a description.",
    },
  ],
  repeats: "rejects",
  connect,
  native: { client: nativeClient, tools },
  notifications: { verify, read },
};

/** NFe.io itself gives up on a request after 60 s (its 408), so what is not there later never will be. */
export const APPLIED_WITHIN_MS = 60_000;

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = { http: clientFor(connection, fetch), connection };
  return {
    invoice: orDeclined(async (request: InvoiceRequest, call: CallContext) => invoice(api, request, call), toDecline),
    lookup: (subject, call) => lookup(api, subject, call),
  };
}

interface Api {
  http: HttpClient;
  connection: ConnectionConfig;
}

const clientFor = ({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient =>
  httpClient({ provider: "nfe-io", baseUrl, fetch, headers: { authorization: credentials["api_key"] ?? "" } });

/** Where invoices of goods are. */
const GOODS_HOST = "https://api.nfse.io";

/** A tool's path is below the connection's company; goods are on a host of their own. */
function nativeClient(connection: ConnectionConfig, fetch: Fetch): HttpClient {
  const company = companyPath(connection);
  return completing(clientFor(connection, fetch), (spec) => ({
    ...spec, path: spec.path.startsWith("/productinvoices") ? `${GOODS_HOST}/v2${company}${spec.path}` : `/v1${company}${spec.path}`,
  }));
}

/** `/v1/companies/{company_id}/serviceinvoices`, for a connection that has all it needs. */
const invoicesPath = (connection: ConnectionConfig): string => `/v1${companyPath(connection)}/serviceinvoices`;

function companyPath({ credentials, settings }: ConnectionConfig): string {
  if (!credentials["api_key"]) throw new SetupMissing("api_key");
  if (!settings["company_id"]) throw new SetupMissing("company_id");
  return `/companies/${encodeURIComponent(settings["company_id"])}`;
}

async function invoice(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (request.type !== "nfse") return declined("not_permitted", "NFe.io issues only nfse here.", "type");
  switch (request.action) {
    case "issue":
      return issue(api, request, call);
    case "status":
      return status(api, request, call);
    case "amend":
      return declined(
        "not_permitted",
        "An NFS-e cannot be amended here: cancel it at NFe.io and issue another.",
        "action",
      );
  }
}

async function issue(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const { http, connection } = api;
  const path = invoicesPath(connection);
  const body = toServiceInvoice(request, connection.settings, call.reference);
  if ("outcome" in body) return body;
  await call.note({ sent_at: call.clock.now().toISOString() });
  try {
    return toOutcome(await http.act({ method: "POST", path, body }, Invoice, call), connection);
  } catch (error) {
    if (isRepeat(error)) return earlier(api, call);
    throw error;
  }
}

const isRepeat = (error: unknown): boolean =>
  error instanceof Rejected &&
  error.status === 400 &&
  /external ?id.*already exists/i.test(messageOf(error.body) ?? "");

/** The reference is made for one call, so an invoice that has it already is what an earlier try of this call made. */
async function earlier({ http, connection }: Api, call: CallContext): Promise<Outcome<InvoiceResult>> {
  call.acted = true;
  try {
    const found = await byReference(http, invoicesPath(connection), call.reference, call);
    if (found) return toOutcome(found, connection);
  } catch (error) {
    if (!(error instanceof Unanswered) && !(error instanceof Rejected)) throw error;
  }
  throw new OutcomeUnknown("nfe-io: an invoice with this reference exists and cannot be read now");
}

async function status(
  { http, connection }: Api,
  { invoice_id: id }: InvoiceRequest,
  call: CallContext,
): Promise<Outcome<InvoiceResult>> {
  const path = invoicesPath(connection);
  if (!id) return declined("invalid_request", "Expected the id that issuing the invoice returned.", "invoice_id");
  const found = await byId(http, `${path}/${encodeURIComponent(id)}`, call);
  return found
    ? toOutcome(found, connection)
    : declined("invalid_request", "NFe.io has no invoice with this id.", "invoice_id");
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

interface ServiceInvoice {
  externalId: string;
  cityServiceCode: string;
  description: string;
  servicesAmount: number;
  borrower: Borrower;
}

/** One NFS-e is one service with one amount: amounts of items are added up, their descriptions put below each other. */
function toServiceInvoice(
  { recipient, items = [] }: InvoiceRequest,
  settings: ConnectionConfig["settings"],
  reference: string,
): ServiceInvoice | Declined {
  if (!recipient) return invalid("recipient", "Expected who receives the service: name, document, email.");
  if (items.length === 0) return invalid("items", "Expected at least one item with its amount.");
  const unpriced = items.findIndex((item) => item.amount === undefined);
  if (unpriced >= 0) return invalid(`items.${unpriced}.amount`, "Expected the line total in centavos.");
  const borrower = toBorrower(recipient);
  if ("outcome" in borrower) return borrower;
  const code = items.find((item) => item.service_code)?.service_code;
  const other = items.findIndex((item) => item.service_code && item.service_code !== code);
  if (other >= 0)
    return invalid(
      `items.${other}.service_code`,
      "One NFS-e carries one service code: issue one invoice for each code.",
    );
  const cityServiceCode = code ?? settings["city_service_code"];
  if (!cityServiceCode) throw new SetupMissing("city_service_code");
  const description = items.flatMap((item) => item.description ?? []).join("\n") || settings["service_description"];
  if (!description) return invalid("items.0.description", "Expected what the service was.");
  const amountMinor = items.reduce((sum, item) => sum + (item.amount ?? 0n), 0n);
  // The wire wants a JSON number, which carries every amount of up to 15 digits exactly.
  const servicesAmount = Number(toDecimal({ amountMinor, currency: "BRL" }));
  if (fromDecimal(servicesAmount, "BRL") !== amountMinor)
    return invalid("items", "The total is more than NFe.io can be told to the centavo.");
  return { externalId: reference, cityServiceCode, description, servicesAmount, borrower };
}

type Recipient = NonNullable<InvoiceRequest["recipient"]>;

interface Borrower {
  type?: "NaturalPerson" | "LegalEntity";
  federalTaxNumber?: number;
  name?: string;
  email?: string;
  phoneNumber?: string;
  address?: Record<string, unknown>;
}

function toBorrower({ name, document, email, phone, address }: Recipient): Borrower | Declined {
  const given = {
    ...(name && { name }),
    ...(email && { email }),
    ...(phone && { phoneNumber: phone }),
    ...(address && { address: toAddress(address) }),
  };
  if (!document) return given;
  // Which documents a live project may send is decided before this; the published sample of test projects passes.
  const parsed = parseTaxId(document, { environment: "test" });
  if (!parsed.ok) return invalid("recipient.document", parsed.reason);
  if (!/^\d+$/.test(parsed.value))
    return invalid("recipient.document", "NFe.io takes the CNPJ as a number: one with letters cannot be sent yet.");
  return {
    type: parsed.kind === "cpf" ? "NaturalPerson" : "LegalEntity",
    federalTaxNumber: Number(parsed.value),
    ...given,
  };
}

/** An address is free-form in the argument: the tool's usual names are read, and NFe.io's own. */
function toAddress(address: Record<string, unknown>): Record<string, unknown> {
  const first = (...names: string[]) =>
    names.map((name) => address[name]).find((value) => typeof value === "string" && value !== "");
  const city = address["city"];
  const code = first("city_code");
  return withoutUndefined({
    country: first("country") === "BR" ? "BRA" : first("country") ?? "BRA",
    postalCode: first("postal_code", "postalCode"),
    street: first("street", "line_1"),
    number: first("number"),
    additionalInformation: first("complement", "line_2", "additionalInformation"),
    district: first("district", "neighborhood"),
    city: typeof city === "string" ? withoutUndefined({ code, name: city }) : city,
    state: first("state"),
  });
}

const withoutUndefined = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

// Only the fields we read.
const Invoice = z.object({
  id: z.string().min(1),
  flowStatus: z.string(),
  flowMessage: z.string().nullish(),
  externalId: z.string().nullish(),
  number: z.union([z.number(), z.string()]).nullish(),
  checkCode: z.string().nullish(),
  servicesAmount: z.number().nullish(),
  issuedOn: z.string().nullish(),
  cancelledOn: z.string().nullish(),
  modifiedOn: z.string().nullish(),
});
type Invoice = z.output<typeof Invoice>;

type InvoiceState = StateOf<"invoice">;

/** What is not here is on its way. A cancellation that failed leaves the invoice valid. */
const finalStates: Partial<Record<string, InvoiceState>> = {
  Issued: "authorized",
  CancelFailed: "authorized",
  IssueFailed: "rejected",
  Cancelled: "cancelled",
};

const stateOf = ({ flowStatus }: Pick<Invoice, "flowStatus">): InvoiceState => finalStates[flowStatus] ?? "processing";

/** The words of the tool's result. */
const statusWords: Record<InvoiceState, string> = {
  processing: "processing", authorized: "autorizada", rejected: "rejeitada", cancelled: "cancelada",
};

function toOutcome(found: Invoice, connection: ConnectionConfig): Outcome<InvoiceResult> {
  const amount = amountOf(found);
  return {
    outcome: "accepted",
    ref: found.id,
    state: stateOf(found),
    action: found.flowStatus,
    result: { ...toResult(found, connection), ...(amount !== undefined && { amount }) },
  };
}

const amountOf = ({ servicesAmount }: Invoice): bigint | undefined =>
  servicesAmount == null ? undefined : fromDecimal(servicesAmount, "BRL");

/** Number and files exist once the city has taken the invoice. The files' addresses want the connection's key. */
function toResult(found: Invoice, connection?: ConnectionConfig): Omit<InvoiceResult, "amount"> {
  const state = stateOf(found);
  const isIssued = state === "authorized" || state === "cancelled";
  const page = connection && `${connection.baseUrl}${invoicesPath(connection)}/${encodeURIComponent(found.id)}`;
  return {
    id: found.id,
    status: statusWords[state],
    ...(isIssued && found.number != null && { number: String(found.number) }),
    ...(isIssued && found.checkCode && { verification_code: found.checkCode }),
    ...(isIssued && page && { pdf_url: `${page}/pdf`, xml_url: `${page}/xml` }),
    ...(isIssued && found.issuedOn && { issued_at: found.issuedOn }),
    ...(state === "rejected" && found.flowMessage && { reason: found.flowMessage }),
  };
}

async function lookup(
  { http, connection }: Api,
  { ref, reference }: LookupSubject,
  call: CallContext,
): Promise<Observation | undefined> {
  const path = invoicesPath(connection);
  const found =
    (ref && await byId(http, `${path}/${encodeURIComponent(ref)}`, call)) ||
    (await byReference(http, path, reference, call));
  if (found) return toObservation(found, connection);
  if (ref) throw new Unanswered("nfe-io: it does not show an invoice that it made");
  if (isUnderWay(call)) throw new Unanswered("nfe-io: the invoice may still be on its way");
  return undefined;
}

async function byId(http: HttpClient, path: string, call: CallContext): Promise<Invoice | undefined> {
  try {
    return await http.ask({ method: "GET", path }, Invoice, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

const Found = z.union([
  z.object({ serviceInvoices: z.array(Invoice) }).transform(({ serviceInvoices }) => serviceInvoices),
  Invoice.transform((one) => [one]),
]);

/** An empty list is how NFe.io says that it has none; a 404 is something else and proves nothing. */
async function byReference(
  http: HttpClient,
  invoices: string,
  reference: string,
  call: CallContext,
): Promise<Invoice | undefined> {
  const path = `${invoices}/external/${encodeURIComponent(reference)}`;
  const found = await http.ask({ method: "GET", path }, Found, call);
  return found.find(({ externalId }) => externalId == null || externalId === reference);
}

/** The search lags behind a new invoice by seconds, and a request without an answer may still be applied. */
function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["sent_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < APPLIED_WITHIN_MS;
}

function toObservation(found: Invoice, connection?: ConnectionConfig): Observation {
  const state = stateOf(found);
  const amountMinor = amountOf(found);
  const occurredAt = momentOf(
    { authorized: found.issuedOn, cancelled: found.cancelledOn, rejected: found.modifiedOn, processing: null }[state],
  );
  return {
    ref: found.id,
    state,
    action: found.flowStatus,
    ...(occurredAt && { occurredAt }),
    ...(amountMinor !== undefined && { amountMinor, currency: "BRL" as const }),
    result: toResult(found, connection),
    ...(state === "rejected" && {
      failure: {
        reason: "refused" as const,
        message: found.flowMessage || "The city refused the invoice and gave no reason.",
      },
    }),
  };
}

/** A time without a zone could be any of several moments, so it is none. */
function momentOf(text: string | null | undefined): Date | undefined {
  if (!text || !/(?:Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

function toDecline({ status, body }: Rejected): Declined {
  const message = messageOf(body) ?? `NFe.io answered ${status}.`;
  if (status === 401 || status === 403) return declined("unauthorized", "NFe.io refused the API key for this company.");
  if (status === 429) return declined("rate_limited", "NFe.io is limiting our requests.");
  if (status === 404) return declined("not_permitted", message);
  return declined("invalid_request", message, fieldOf(message));
}

/** Refusals open with the name of their field: `borrower.federalTaxNumber borrower federal tax number is not valid`. */
const fieldOf = (message: string): string | undefined => fields.find(([theirs]) => message.includes(theirs))?.[1];

const fields: readonly (readonly [theirs: string, ours: string])[] = [
  ["borrower.federalTaxNumber", "recipient.document"],
  ["borrower.address", "recipient.address"],
  ["borrower.email", "recipient.email"],
  ["borrower.phoneNumber", "recipient.phone"],
  ["borrower.name", "recipient.name"],
  ["cityServiceCode", "items.0.service_code"],
  ["servicesAmount", "items.0.amount"],
  ["description", "items.0.description"],
];

/** The first message of any of the shapes seen: a bare string, a list of errors, or errors by field under a title. */
function messageOf(body: unknown): string | undefined {
  const error = ErrorBody.safeParse(body);
  if (!error.success) return undefined;
  if (typeof error.data === "string") return error.data || undefined;
  const { errors, message, title } = error.data;
  if (Array.isArray(errors)) return errors[0]?.message;
  const [field, reasons] = Object.entries(errors ?? {})[0] ?? [];
  return field ? `${field} ${reasons?.[0] ?? ""}`.trim() : message ?? title;
}

const ErrorBody = z.union([
  z.string(),
  z.object({
    errors: z.union([z.array(z.object({ message: z.string() })), z.record(z.string(), z.array(z.string()))]).optional(),
    message: z.string().optional(),
    title: z.string().optional(),
  }),
]);

/** `x-hub-signature: sha1=<40 hex digits, in any case>`, HMAC-SHA1 of the bytes of the body. There is no time in it. */
function verify(
  message: InboundMessage,
  { secrets }: { secrets: readonly string[] },
): { ok: true } | { ok: false; reason: string } {
  const given = /^sha1=([0-9a-f]{40})$/i.exec(message.headers.get("x-hub-signature") ?? "")?.[1];
  if (!given) return { ok: false, reason: "x-hub-signature is missing or is not sha1= and 40 hex digits" };
  const theirs = Buffer.from(given, "hex");
  const isOurs = (secret: string) => timingSafeEqual(createHmac("sha1", secret).update(message.body).digest(), theirs);
  return secrets.some((secret) => secret !== "" && isOurs(secret))
    ? { ok: true }
    : { ok: false, reason: "x-hub-signature does not match the body" };
}

const Message = z.object({ action: z.string(), payload: Invoice.extend({ flowStatus: z.string().nullish() }) });

/** What each event claims where the invoice in it does not say. */
const claimed: Partial<Record<string, string>> = {
  issued_successfully: "Issued",
  issued_failed: "IssueFailed",
  issued_error: "IssueFailed",
  cancelled_successfully: "Cancelled",
  cancelled_failed: "CancelFailed",
  cancelled_error: "CancelFailed",
};

/** The event comes as `service_invoice.issued_successfully`, or as its last word with the first in `x-hook-event`. */
function read(message: InboundMessage): ProviderEvent[] {
  const parsed = Message.safeParse(jsonOf(message));
  if (!parsed.success) return [];
  const { action, payload } = parsed.data;
  const [, prefix, event = ""] = /^(?:(\w+)\.)?(\w+)$/.exec(action) ?? [];
  const subject = prefix ?? message.headers.get("x-hook-event") ?? "service_invoice";
  const flowStatus = payload.flowStatus ?? claimed[event];
  if (!/^service_invoice\b/.test(subject) || !flowStatus) return [];
  return [{
    // Not x-hook-id: it is not signed, so a message sent again with another one would look new.
    eventId: `${event}:${payload.id}:${payload.modifiedOn ?? ""}`,
    ref: payload.id,
    ...(payload.externalId && { reference: payload.externalId }),
    observation: toObservation({ ...payload, flowStatus }),
  }];
}

function jsonOf({ body }: InboundMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
