/**
 * Asaas: Pix and boleto in (charges), Pix out (transfers to a key, and codes paid), BRL. Reference: Asaas API v3,
 * docs.asaas.com, "Cobranças via Pix", "Get digitable bill line", "Transfer to another institution's account or Pix key",
 * "Pagar um QRCode" and the webhook event pages, read 2026-11-20.
 * Quirks: amounts are decimal JSON numbers; a charge needs a customer first, and what it is paid with is a second request;
 * `externalReference` is not unique, so nothing there stops a second effect: our claim does.
 */
import { parseBoleto } from "../../schema/boleto.ts";
import { normalizePhone, parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { parsePixKey, type PixKeyKind } from "../../schema/pix/keys.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  SetupMissing, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome,
  type Provider, type ProviderDefinition,
} from "../provider.ts";
import {
  BoletoLine, Customer, observePayment, observeTransfer, page, Payment, paymentStates, PixQrCode, refuse, Transfer,
  transferStates, type Declined, type PaymentState,
} from "./answers.ts";
import { read, verify } from "./notifications.ts";
import { lookupCode, paidByCode, payCode } from "./pix-codes.ts";
import { lookupRefund, refund } from "./refunds.ts";
import { find, orDeclined, refuseAmount, toValue } from "./requests.ts";
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
    refund: async (request, call) => refund(client(), request, call),
    lookup: async (subject, call) => {
      if (subject.verb === "refund") return lookupRefund(client(), subject, call);
      if (subject.verb !== "payout") return lookupPayment(client(), subject, call);
      return paidByCode(call) ? lookupCode(client(), subject, call) : lookupTransfer(client(), subject, call);
    },
  };
}

interface Circumstances {
  call: CallContext;
  isTest: boolean;
}

// Charges

/** The Asaas word for each method we serve there. */
const billingTypes: Partial<Record<ChargeRequest["method"], string>> = { pix: "PIX", boleto: "BOLETO" };

async function charge(
  http: HttpClient,
  request: ChargeRequest,
  { call, isTest }: Circumstances,
): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method, buyer } = request;
  const billingType = billingTypes[method];
  if (!billingType) return refuse("not_permitted", "method", `a charge by ${method} is not served through Asaas`);
  if (!buyer.document) return refuse("invalid_request", "buyer.document", "Asaas needs the buyer's CPF or CNPJ");
  const document = parseTaxId(buyer.document, { environment: isTest ? "test" : "live" });
  if (!document.ok) return refuse("invalid_request", "buyer.document", document.reason);
  const unpayable = refuseAmount(request) ?? (method === "boleto" ? refuseBoleto(request, call) : undefined);
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
  const means = await instructions(http, payment, call);
  const result = { id: payment.id, status: "pending" as const, amount, currency, method, ...means };
  return { outcome: "accepted", ref: payment.id, state, action: payment.status, result };
}

/** What ten digits of a boleto can say. */
const BOLETO_MINOR_MAX = 9_999_999_999n;

function refuseBoleto({ amount, due_date: dueDate }: ChargeRequest, call: CallContext): Declined | undefined {
  if (!dueDate) return refuse("invalid_request", "due_date", "a boleto needs the day on which it is due");
  if (dueDate < calendarDay(call.clock.now())) return refuse("invalid_request", "due_date", "that day is over in São Paulo");
  if (amount > BOLETO_MINOR_MAX) return refuse("invalid_request", "amount", `a boleto is of at most ${BOLETO_MINOR_MAX} centavos`);
  return undefined;
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
const instructions = (http: HttpClient, payment: Payment, call: CallContext): Promise<Partial<ChargeResult>> =>
  payment.billingType === "BOLETO" ? boletoOf(http, payment, call) : pixCodeOf(http, payment, call);

async function pixCodeOf(http: HttpClient, payment: Payment, call: CallContext): Promise<Partial<ChargeResult>> {
  const path = `/payments/${encodeURIComponent(payment.id)}/pixQrCode`;
  const code = await http.ask({ method: "GET", path }, PixQrCode, call);
  return {
    pix_copy_paste: code.payload,
    pix_qr_code: code.encodedImage,
    charge_url: payment.invoiceUrl ?? undefined,
    expires_at: momentOf(code.expirationDate)?.toISOString(),
  };
}

/** A boleto is a page that can always be paid from; its line may come later, and it has a Pix code where the account has a key. */
async function boletoOf(http: HttpClient, payment: Payment, call: CallContext): Promise<Partial<ChargeResult>> {
  const path = `/payments/${encodeURIComponent(payment.id)}/identificationField`;
  const told = await orDeclined(() => http.ask({ method: "GET", path }, BoletoLine, call));
  const slip = "outcome" in told ? undefined : parseBoleto(told.identificationField, { today: calendarDay(call.clock.now()) });
  const asked = await orDeclined(() => pixCodeOf(http, payment, call));
  const code = "outcome" in asked ? {} : asked;
  return {
    // A line whose digits do not hold is one that no bank takes.
    barcode_line: slip?.ok ? slip.boleto.line : undefined,
    pix_copy_paste: code.pix_copy_paste,
    pix_qr_code: code.pix_qr_code,
    charge_url: payment.bankSlipUrl ?? payment.invoiceUrl ?? undefined,
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
  // Without a ref its answer was lost, and with it what the buyer is to pay with.
  if (subject.ref !== undefined || state !== "pending") return observation;
  const means = await orDeclined(() => instructions(http, payment, call));
  const result = "outcome" in means ? { charge_url: payment.invoiceUrl ?? undefined } : means;
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
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;
  if (request.copia_e_cola) return payCode(http, { ...request, amount, code: request.copia_e_cola }, call);
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

const KEYS_ONLY = "payouts through Asaas go to a Pix key or pay a Pix code";

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
