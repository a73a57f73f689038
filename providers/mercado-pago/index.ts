/**
 * Mercado Pago: Pix and boleto in (payments) and Pix out (Payouts, once "Money Out"), BRL. Reference: Mercado Pago
 * Developers Brazil, "Create payment", "Get payment", "Create transaction via Pix", "Get information about a
 * transaction", and the guides to Money Out and to webhooks, read 2026-11-20.
 * Quirks: `X-Idempotency-Key` is mandatory and replays; a payer's e-mail is required; a webhook carries an id and no
 * state; a payout cannot be searched by our reference; test or live is the token's own property, the host is one.
 */
import { createPrivateKey, sign, type KeyObject } from "node:crypto";
import type { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { toDecimal } from "../../schema/money.ts";
import { parsePixKey, type PixKeyKind } from "../../schema/pix/keys.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch,
  type LookupSubject, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import {
  asDeclined, Found, Intent, momentOf, observeIntent, observePayment, Payment, readRefusal, refuse, type Declined,
} from "./answers.ts";
import { BOLETO, boletoAddress, boletoLine, type Address } from "./boletos.ts";
import { read, verify } from "./notifications.ts";
import { lookupRefund, refund } from "./refunds.ts";
import { tools } from "./tools.ts";

export const mercadoPago: ProviderDefinition = {
  id: "mercado-pago",
  title: "Mercado Pago",
  category: "payments",
  country: "BR",
  authType: "api_key",
  hosts: { live: "https://api.mercadopago.com", test: "https://api.mercadopago.com" },
  credentials: [
    {
      name: "access_token", label: "Access token", secret: true, required: true,
      hint: "Suas integrações > Credenciais; one that begins with TEST- makes it a test connection",
    },
    {
      name: "signing_key", label: "Signing key for payouts", secret: true, required: false,
      hint: "Live payouts need it: an Ed25519 private key in PEM, whose public key Mercado Pago has",
    },
  ],
  settings: [{
    name: "notification_url", label: "Notification URL for payouts", secret: false, required: false,
    hint: "Payouts need it: this connection's webhook address, at most 500 characters",
  }],
  repeats: "replays",
  connect,
  native: { client: (connection, fetch) => open(connection, fetch).http, tools },
  notifications: { verify, read },
};

/** Mercado Pago's own pattern for payers that do not exist: `test_payer_[0-9]{1,10}@testuser.com`. */
export const SYNTHETIC_EMAIL = "test_payer_1@testuser.com";
/** Whom a test payout without a recipient pays (contradiction C-05): a random key that belongs to nobody. */
export const SYNTHETIC_PAYEE = "5e5d0f1e-7e57-4000-8000-000000000001";
/** Whose key it is said to be in test when nobody says: a sample CPF. */
export const SYNTHETIC_HOLDER = "11144477735";

const PAYMENTS = "/v1/payments";
const INTENTS = "/v1/transaction-intents";

interface Connected {
  http: HttpClient;
  isTest: boolean;
  settings: ConnectionConfig["settings"];
}

function open({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): Connected {
  const token = credentials["access_token"];
  if (!token) throw new SetupMissing("access_token");
  const isTest = token.startsWith("TEST-");
  const headers = { authorization: `Bearer ${token}` };
  const http = httpClient({
    provider: "mercado-pago", baseUrl, fetch, headers, sign: payoutHeaders(isTest, credentials["signing_key"]),
  });
  return { http, isTest, settings };
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const connected = (): Connected => open(connection, fetch);
  return {
    charge: async (request, call) => charge(connected(), request, call),
    payout: async (request, call) => payout(connected(), request, call),
    refund: async (request, call) => refund(connected().http, request, { once, orDeclined, value: toValue(request.amount) }, call),
    lookup: async (subject, call) => {
      const { http } = connected();
      if (subject.verb === "refund") return lookupRefund(http, call);
      return subject.verb === "payout" ? lookupIntent(http, subject, call) : lookupPayment(http, subject, call);
    },
    referenceOf: async (event, call) => referenceOf(connected().http, event, call),
  };
}

/** Only payouts are signed, and only live ones. */
const payoutHeaders = (isTest: boolean, pem: string | undefined) =>
  ({ url, body }: { url: URL; body: string }): Record<string, string> => {
    if (url.pathname !== `${INTENTS}/process`) return {};
    if (isTest) return { "x-test-token": "true", "x-enforce-signature": "false" };
    const signature = sign(null, Buffer.from(body), signingKey(pem)).toString("base64");
    return { "x-enforce-signature": "true", "x-signature": signature };
  };

/** A key that cannot be read is as good as none; why it cannot be is not told, for the reason may quote it. */
function signingKey(pem: string | undefined): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem ?? "");
  } catch {}
  if (key?.asymmetricKeyType !== "ed25519") throw new SetupMissing("signing_key");
  return key;
}

// Charges

async function charge(
  { http, isTest }: Connected, request: ChargeRequest, call: CallContext,
): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method, buyer } = request;
  if (method !== "pix" && method !== "boleto") return refuse("not_permitted", "method", `a charge by ${method} is ${NOT_SERVED}`);
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;
  const address = method === "boleto" ? boletoAddress(request, { now: call.clock.now(), isTest }) : undefined;
  if (address && "outcome" in address) return address;
  const email = buyer.email ?? (isTest ? SYNTHETIC_EMAIL : undefined);
  if (!email) return refuse("invalid_request", "buyer.email", "Mercado Pago needs the buyer's e-mail");
  const document = buyer.document === undefined ? undefined : taxId(buyer.document, isTest);
  if (document && !document.ok) return refuse("invalid_request", "buyer.document", document.reason);

  const identification = document && identificationOf(document);
  const body = toPayment({ ...request, buyer: { ...buyer, email } }, { identification, address }, call);
  const payment = await orDeclined(() => http.act(once(PAYMENTS, body, call), Payment, call));
  if ("outcome" in payment) return payment;

  const observation = observePayment(payment);
  const over = asDeclined(observation);
  if (over) return over;
  const { ref, state, action } = observation;
  const result = { id: ref, status: "pending" as const, amount, currency, method, ...instructions(payment, call) };
  return { outcome: "accepted", ref, state, action, result };
}

interface Payer {
  identification: Identification | undefined;
  /** A boleto's. */
  address: Address | undefined;
}

function toPayment(
  { amount, method, description, buyer, due_date: dueDate }: ChargeRequest, { identification, address }: Payer, call: CallContext,
): object {
  const [first_name, ...others] = buyer.name.trim().split(/\s+/);
  return {
    transaction_amount: toValue(amount),
    description,
    payment_method_id: method === "boleto" ? BOLETO : "pix",
    external_reference: call.reference,
    // The end of that day in São Paulo, which has kept UTC-3 all year since 2019 (Decreto 9.772/2019).
    date_of_expiration: dueDate && `${dueDate}T23:59:59.000-03:00`,
    payer: { email: buyer.email, first_name, last_name: others.join(" ") || undefined, identification, address },
  };
}

/** What the buyer pays with. */
function instructions(payment: Payment, call: CallContext): Partial<ChargeResult> {
  const { point_of_interaction: point, transaction_details: details, date_of_expiration: expires } = payment;
  const { qr_code, qr_code_base64, ticket_url } = point?.transaction_data ?? {};
  return {
    pix_copy_paste: qr_code ?? undefined,
    pix_qr_code: qr_code_base64 ?? undefined,
    barcode_line: payment.payment_method_id === BOLETO ? boletoLine(payment, call.clock.now()) : undefined,
    charge_url: ticket_url ?? details?.external_resource_url ?? undefined,
    expires_at: momentOf(expires)?.toISOString(),
  };
}

async function lookupPayment(
  http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext,
): Promise<Observation | undefined> {
  const id = ref ?? told;
  const named = id === undefined ? undefined : await byId(http, { path: PAYMENTS, id, answer: Payment }, call);
  // An id that came in from outside may be of another payment.
  const payment = named?.external_reference === reference ? named : await search(http, reference, call);
  if (!payment && id !== undefined) throw new Unanswered("mercado-pago: it does not know its own payment");
  if (!payment) return undefined;
  const observation = observePayment(payment);
  if (observation.state !== "pending") return observation;
  return { ...observation, result: { id: payment.id, ...instructions(payment, call) } };
}

/** Only an empty list proves that it never had it; a list of others would mean that it did not read the filter. */
async function search(http: HttpClient, reference: string, call: CallContext): Promise<Payment | undefined> {
  const spec = { method: "GET", path: `${PAYMENTS}/search`, query: { external_reference: reference } } as const;
  const { results } = await http.ask(spec, Found, call);
  if (results.length === 0) return undefined;
  const found = results.find((row) => row.external_reference === reference);
  const payment = found && (await byId(http, { path: PAYMENTS, id: found.id, answer: Payment }, call));
  if (!payment) throw new Unanswered("mercado-pago: its search does not lead to our reference");
  return payment;
}

// Payouts

/** `PIX_CODE` is the only word left for a random key. */
const chaveTypes: Record<PixKeyKind, string> = {
  cpf: "CPF", cnpj: "CNPJ", phone: "PHONE", email: "EMAIL", evp: "PIX_CODE",
};

async function payout(
  { http, isTest, settings }: Connected, request: PayoutRequest, call: CallContext,
): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method, recipient, copia_e_cola: code } = request;
  if (method !== "pix") return refuse("not_permitted", "method", `a payout by ${method} is ${NOT_SERVED}`);
  if (code) return refuse("not_permitted", "copia_e_cola", `${KEYS_ONLY}; send recipient.pix_key`);
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;
  const payee = payeeOf(recipient, isTest);
  if ("outcome" in payee) return payee;
  // Without it a payout whose answer is lost could never be found: there is no search, only what a notification tells.
  const notificationUrl = settings["notification_url"];
  if (!notificationUrl) throw new SetupMissing("notification_url");

  const body = toTransaction({ value: toValue(amount), ...payee, notificationUrl }, call);
  const intent = await orDeclined(() => http.act(once(`${INTENTS}/process`, body, call), Intent, call));
  if ("outcome" in intent) return intent;

  const observation = observeIntent(intent);
  const over = asDeclined(observation);
  if (over) return over;
  const { ref, state, action } = observation;
  const result = { ...payoutResult(observation), amount, currency, method, recipient: payee.chave.value };
  return { outcome: "accepted", ref, state, action, result };
}

const KEYS_ONLY = "payouts through Mercado Pago go to a Pix key";

interface Payee {
  chave: { type: string; value: string };
  identification: Identification;
}

function payeeOf(recipient: PayoutRequest["recipient"], isTest: boolean): Payee | Declined {
  if (!recipient && !isTest) return refuse("invalid_request", "recipient", "a payout needs a recipient with a pix_key");
  const written = recipient ? recipient.pix_key : SYNTHETIC_PAYEE;
  if (!written) return refuse("invalid_request", "recipient.pix_key", KEYS_ONLY);
  const key = parsePixKey(written);
  if (!key.ok) return refuse("invalid_request", "recipient.pix_key", key.reason);
  const chave = { type: chaveTypes[key.kind], value: key.value };
  // A tax id that is a key is its holder's own.
  if (key.kind === "cpf" || key.kind === "cnpj") return { chave, identification: identificationOf(key) };
  const document = recipient?.document ?? (isTest ? SYNTHETIC_HOLDER : undefined);
  if (!document) return refuse("invalid_request", "recipient.document", "Mercado Pago needs the holder's CPF or CNPJ");
  const holder = taxId(document, isTest);
  if (!holder.ok) return refuse("invalid_request", "recipient.document", holder.reason);
  return { chave, identification: identificationOf(holder) };
}

function toTransaction(
  { value, chave, identification, notificationUrl }: Payee & { value: number; notificationUrl: string },
  call: CallContext,
): object {
  return {
    external_reference: call.reference,
    point_of_interaction: { type: "PSP_TRANSFER" },
    seller_configuration: { notification_info: { notification_url: notificationUrl } },
    transaction: {
      from: { accounts: [{ amount: value }] },
      to: { accounts: [{ type: "current", amount: value, chave, owner: { identification } }] },
      total_amount: value,
    },
  };
}

const payoutResult = ({ ref, state, endToEndId }: Observation) =>
  ({ id: ref, status: state, settled: state === "succeeded", end_to_end_id: endToEndId });

/** By its id alone. An id that Mercado Pago gave, and then does not know or gives to another, proves nothing. */
async function lookupIntent(
  http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext,
): Promise<Observation> {
  const id = ref ?? told;
  if (id === undefined) throw new Unanswered("mercado-pago: a payout cannot be searched by our reference");
  const intent = await byId(http, { path: INTENTS, id, answer: Intent }, call);
  if (intent?.external_reference !== reference) {
    throw new Unanswered("mercado-pago: it does not know its own transaction");
  }
  const observation = observeIntent(intent);
  return { ...observation, result: payoutResult(observation) };
}

// Both

async function referenceOf(
  http: HttpClient, { ref, observation }: ProviderEvent, call: CallContext,
): Promise<string | undefined> {
  if (ref === undefined) return undefined;
  const found = observation.action.startsWith("transaction_intent.")
    ? await byId(http, { path: INTENTS, id: ref, answer: Intent }, call)
    : await byId(http, { path: PAYMENTS, id: ref, answer: Payment }, call);
  return found?.external_reference ?? undefined;
}

const NOT_SERVED = "not served through Mercado Pago";

/** The reference names the effect to them too: repeated, it gives the first answer again. */
const once = (path: string, body: object, call: CallContext) =>
  ({ method: "POST", path, headers: { "x-idempotency-key": call.reference }, body }) as const;

const taxId = (document: string, isTest: boolean) => parseTaxId(document, { environment: isTest ? "test" : "live" });

interface Identification {
  type: string;
  number: string;
}

const identificationOf = ({ kind, value }: { kind: string; value: string }): Identification =>
  ({ type: kind.toUpperCase(), number: value });

/** Fifteen digits: the most that a JSON number carries exactly. */
const VALUE_MINOR_MAX = 999_999_999_999_999n;

const toValue = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

function refuseAmount({ amount, currency }: { amount: bigint; currency: string }): Declined | undefined {
  if (currency !== "BRL") return refuse("invalid_request", "currency", "Mercado Pago moves BRL only here");
  if (amount <= VALUE_MINOR_MAX) return undefined;
  return refuse("invalid_request", "amount", `Mercado Pago takes at most ${VALUE_MINOR_MAX} centavos`);
}

/** Sends what may be refused; a refusal is an answer. That a dependency of theirs failed is none: it may have acted. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    if (error.status === 424) throw new OutcomeUnknown("mercado-pago: answered 424", { cause: error });
    return readRefusal(error);
  }
}

async function byId<Answer extends z.ZodType>(
  http: HttpClient, { path, id, answer }: { path: string; id: string; answer: Answer }, call: CallContext,
): Promise<z.output<Answer> | undefined> {
  try {
    return await http.ask({ method: "GET", path: `${path}/${encodeURIComponent(id)}` }, answer, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
