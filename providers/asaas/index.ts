/**
 * Asaas: Pix in (charges) and Pix out (transfers), BRL. Reference: Asaas API v3, docs.asaas.com, "Cobranças via Pix",
 * "Transfer to another institution's account or Pix key" and the webhook event pages, read 2026-11-20.
 * Quirks: amounts are decimal JSON numbers; a charge needs a customer first, and its Pix code is a second request;
 * `externalReference` is not unique, so nothing there stops a second effect: our claim does.
 */
import type { z } from "zod";
import { normalizePhone, parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { toDecimal } from "../../schema/money.ts";
import { parsePixKey, type PixKeyKind } from "../../schema/pix/keys.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import {
  Customer, observePayment, observeTransfer, page, Payment, paymentStates, PixQrCode, readRefusal, refuse, Transfer,
  transferStates, type Declined, type PaymentState,
} from "./answers.ts";
import { read, verify } from "./notifications.ts";
import { calendarDay, momentOf, shiftDay } from "./sao-paulo.ts";
import { tools } from "./tools.ts";

export const asaas: ProviderDefinition = {
  id: "asaas",
  title: "Asaas",
  category: "payments",
  country: "BR",
  authType: "api_key",
  hosts: { live: "https://api.asaas.com/v3", test: "https://api-sandbox.asaas.com/v3" },
  credentials: [{
    name: "api_key", label: "API key", secret: true, required: true,
    hint: "Integrações > Chaves de API; it begins with $aact_",
  }],
  settings: [],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

/** Whom a test payout without a recipient pays (contradiction C-05): a random key that belongs to nobody. */
export const SYNTHETIC_PAYEE = "5e5d0f1e-7e57-4000-8000-000000000001";

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = credentials["api_key"];
  if (!key) throw new SetupMissing("api_key");
  return httpClient({ provider: "asaas", baseUrl, fetch, headers: { access_token: key } });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const isTest = connection.baseUrl === asaas.hosts.test;
  const client = (): HttpClient => clientFor(connection, fetch);
  return {
    charge: async (request, call) => charge(client(), request, { call, isTest }),
    payout: async (request, call) => payout(client(), request, { call, isTest }),
    lookup: async (subject, call) =>
      subject.verb === "payout"
        ? lookupTransfer(client(), subject, call)
        : lookupPayment(client(), subject, call),
  };
}

interface Circumstances {
  call: CallContext;
  isTest: boolean;
}

// Charges

/** The Asaas word for each method we serve there. */
const billingTypes: Partial<Record<ChargeRequest["method"], string>> = { pix: "PIX" };

async function charge(
  http: HttpClient,
  request: ChargeRequest,
  { call, isTest }: Circumstances,
): Promise<Outcome<ChargeResult>> {
  const { amount, method, buyer } = request;
  const billingType = billingTypes[method];
  if (!billingType) return refuse("not_permitted", "method", `a charge by ${method} is not served through Asaas`);
  if (!buyer.document) return refuse("invalid_request", "buyer.document", "Asaas needs the buyer's CPF or CNPJ");
  const document = parseTaxId(buyer.document, { environment: isTest ? "test" : "live" });
  if (!document.ok) return refuse("invalid_request", "buyer.document", document.reason);
  const unpayable = refuseAmount(request);
  if (unpayable) return unpayable;

  const payment = await orDeclined(async () => {
    const body = {
      customer: await findOrCreateCustomer(http, { ...buyer, document: document.value }, call),
      billingType,
      value: toValue(amount),
      dueDate: request.due_date ?? calendarDay(call.clock.now()),
      description: request.description,
      externalReference: call.reference,
    };
    return http.act({ method: "POST", path: "/payments", body }, Payment, call);
  });
  if ("outcome" in payment) return payment;

  const state = paymentStates.get(payment.status) ?? "pending";
  const code = await instructions(http, payment, call);
  const result = { id: payment.id, status: "pending" as const, amount, currency: "BRL", method, ...code };
  return { outcome: "accepted", ref: payment.id, state, action: payment.status, result };
}

/** A customer belongs to no charge and moves nothing, so making one may be repeated. */
async function findOrCreateCustomer(
  http: HttpClient,
  { name, document, email, phone }: ChargeRequest["buyer"] & { document: string },
  call: CallContext,
): Promise<string> {
  const path = "/customers";
  const { data } = await http.ask({ method: "GET", path, query: { cpfCnpj: document } }, page(Customer), call);
  const known = data.find((customer) => customer.cpfCnpj === document && !customer.deleted);
  if (known) return known.id;
  const body = { name, cpfCnpj: document, email, mobilePhone: phone && nationalPhone(phone) };
  return (await http.ask({ method: "POST", path, body }, Customer, call)).id;
}

/** Area code and number. A phone of another country is left out: Asaas takes none, and a charge does not need it. */
function nationalPhone(phone: string): string | undefined {
  const parsed = normalizePhone(phone, "BR");
  return parsed.ok && parsed.value.startsWith("+55") ? parsed.value.slice(3) : undefined;
}

/** What the buyer pays with. */
async function instructions(http: HttpClient, payment: Payment, call: CallContext): Promise<Partial<ChargeResult>> {
  const path = `/payments/${encodeURIComponent(payment.id)}/pixQrCode`;
  const code = await http.ask({ method: "GET", path }, PixQrCode, call);
  return {
    pix_copy_paste: code.payload,
    pix_qr_code: code.encodedImage,
    charge_url: payment.invoiceUrl ?? undefined,
    expires_at: momentOf(code.expirationDate)?.toISOString(),
  };
}

async function lookupPayment(
  http: HttpClient,
  subject: LookupSubject,
  call: CallContext,
): Promise<Observation | undefined> {
  const payment = await find(http, { path: "/payments", row: Payment, subject }, call);
  if (!payment) return undefined;
  const action = payment.deleted ? "DELETED" : payment.status;
  const state = paymentStates.get(action) ?? "pending";
  const observation = observePayment(payment, state, action);
  // Without a ref its answer was lost, and with it the code that the buyer is to pay.
  if (subject.ref !== undefined || state !== "pending") return observation;
  const code = await orDeclined(() => instructions(http, payment, call));
  const result = "outcome" in code ? { charge_url: payment.invoiceUrl ?? undefined } : code;
  return { ...observation, result: { id: payment.id, ...result } };
}

// Payouts

const pixKeyTypes: Record<PixKeyKind, string> = {
  cpf: "CPF", cnpj: "CNPJ", phone: "PHONE", email: "EMAIL", evp: "EVP",
};

async function payout(
  http: HttpClient,
  request: PayoutRequest,
  { call, isTest }: Circumstances,
): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method, recipient, description } = request;
  if (method !== "pix") return refuse("not_permitted", "method", `a payout by ${method} is not served through Asaas`);
  // Asaas can pay a pasted code, but that request takes no reference: an unknown outcome could never be looked up.
  if (request.copia_e_cola) return refuse("not_permitted", "copia_e_cola", `${KEYS_ONLY}; send recipient.pix_key`);
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;
  if (!recipient && !isTest) return refuse("invalid_request", "recipient", "a payout needs a recipient with a pix_key");
  const written = recipient ? recipient.pix_key : SYNTHETIC_PAYEE;
  if (!written) return refuse("invalid_request", "recipient.pix_key", KEYS_ONLY);
  const key = parsePixKey(written);
  if (!key.ok) return refuse("invalid_request", "recipient.pix_key", key.reason);

  // The list of transfers has no documented filter by reference, but one by day.
  await call.note({ requested_on: calendarDay(call.clock.now()) });
  const body = {
    value: toValue(amount),
    operationType: "PIX",
    pixAddressKey: key.value,
    pixAddressKeyType: pixKeyTypes[key.kind],
    description,
    externalReference: call.reference,
  };
  const transfer = await orDeclined(() => http.act({ method: "POST", path: "/transfers", body }, Transfer, call));
  if ("outcome" in transfer) return transfer;

  const state = transferStates.get(transfer.status) ?? "pending";
  const result = { ...transferResult(transfer, state), amount, currency: "BRL", method, recipient: key.value };
  return { outcome: "accepted", ref: transfer.id, state, action: transfer.status, result };
}

const KEYS_ONLY = "payouts through Asaas go to a Pix key";

const transferResult = (transfer: Transfer, state: PaymentState) => ({
  id: transfer.id,
  status: state,
  settled: state === "succeeded",
  end_to_end_id: transfer.endToEndIdentifier ?? undefined,
});

async function lookupTransfer(
  http: HttpClient,
  subject: LookupSubject,
  call: CallContext,
): Promise<Observation | undefined> {
  const day = call.notes["requested_on"];
  // A day more on both sides, should their midnight or our clock be another.
  const days = day && { "dateCreatedLe[ge]": shiftDay(day, -1), "dateCreatedLe[le]": shiftDay(day, 1) };
  const transfer = await find(http, { path: "/transfers", row: Transfer, subject, query: days || {} }, call);
  if (!transfer) return undefined;
  const state = transferStates.get(transfer.status) ?? "pending";
  return { ...observeTransfer(transfer, state, transfer.status), result: transferResult(transfer, state) };
}

// Both

/** Fifteen digits: the most that a JSON number carries exactly. */
const VALUE_MINOR_MAX = 999_999_999_999_999n;

const toValue = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

function refuseAmount({ amount, currency }: { amount: bigint; currency: string }): Declined | undefined {
  if (currency !== "BRL") return refuse("invalid_request", "currency", "Asaas moves BRL only");
  if (amount <= VALUE_MINOR_MAX) return undefined;
  return refuse("invalid_request", "amount", `Asaas takes at most ${VALUE_MINOR_MAX} centavos`);
}

/** Sends what Asaas may refuse; a refusal is an answer. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** The most rows Asaas puts on a page. */
const PAGE_ROWS = 100;
/** Two thousand transfers in three days are searched; past that, an operator must look. */
const PAGES_MAX = 20;

interface Search<Row> {
  path: string;
  row: Row;
  subject: LookupSubject;
  query?: Record<string, string>;
}

/**
 * The object of ours that Asaas has under `subject`. A row counts only if it carries our reference: a list may ignore a
 * filter it does not know, and an id that came in from outside may be of another payment.
 */
async function find<Row extends z.ZodType<{ externalReference?: string | null | undefined }>>(
  http: HttpClient,
  { path, row, subject: { ref, reference }, query }: Search<Row>,
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  const named = ref && await askForOne(http, { path: `${path}/${encodeURIComponent(ref)}`, row }, call);
  if (named && named.externalReference === reference) return named;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const at = { limit: String(PAGE_ROWS), offset: String(pages * PAGE_ROWS) };
    const spec = { method: "GET", path, query: { externalReference: reference, ...query, ...at } } as const;
    const { data, hasMore } = await http.ask(spec, page(row), call);
    const found = data.find((candidate) => candidate.externalReference === reference);
    if (found) return found;
    if (!hasMore) return undefined;
  }
  throw new Unanswered("asaas: its list is too long to search for one reference");
}

async function askForOne<Row extends z.ZodType>(
  http: HttpClient,
  { path, row }: { path: string; row: Row },
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  try {
    return await http.ask({ method: "GET", path }, row, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
