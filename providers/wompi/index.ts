/**
 * Wompi (Colombia): PSE in, bank transfers out, COP. Reference: docs.wompi.co, "Transacciones", "Métodos de pago", "Tokens de
 * aceptación", "Eventos", "Errores" and "Pagos a Terceros", read 2026-11-20.
 * Quirks: amounts are centavos although prices have none; a transaction needs two acceptance tokens and a signature of its own;
 * the bank's page appears on it only a moment later; a reference is taken once; payouts are another API with other keys.
 */
import { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { HttpClient } from "../http.ts";
import {
  Rejected, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome,
  type Provider, type ProviderDefinition,
} from "../provider.ts";
import {
  data, Merchant, observeTransaction, readRefusal, refuse, stateOfTransaction, Transaction, type Declined,
} from "./answers.ts";
import { HOSTS, isTest, paymentsClient, payoutsClient, PUBLIC_KEY } from "./clients.ts";
import { legalIdOf } from "./legal-id.ts";
import { read, verify } from "./notifications.ts";
import { lookupPayout, payout, referenceOfPayout } from "./payouts.ts";
import { tools } from "./tools.ts";

export const wompi: ProviderDefinition = {
  id: "wompi",
  title: "Wompi",
  category: "payments",
  country: "CO",
  authType: "api_key",
  hosts: HOSTS,
  credentials: [
    { name: "public_key", label: "Public key", secret: false, required: true, hint: "Desarrollo > Programadores; it begins with pub_" },
    { name: "private_key", label: "Private key", secret: true, required: true, hint: "Desarrollo > Programadores; it begins with prv_" },
    { name: "integrity_secret", label: "Integrity secret", secret: true, required: true, hint: "Desarrollo > Programadores > Secretos; it signs each transaction" },
    { name: "payouts_api_key", label: "API key of payouts", secret: true, required: false, hint: "Payouts need it: Programadores > Pagos a Terceros" },
    { name: "payouts_user_id", label: "Principal user id of payouts", secret: false, required: false, hint: "Payouts need it: ID Usuario Principal, beside the API key" },
  ],
  settings: [
    { name: "payout_account_id", label: "Origin account of payouts", secret: false, required: false, hint: "Payouts need it: the id of GET /accounts of Pagos a Terceros" },
    { name: "redirect_url", label: "Where buyers return to from their bank", secret: false, required: false },
  ],
  repeats: "rejects",
  connect,
  native: { client: paymentsClient, tools },
  notifications: { verify, read },
};

/** Who pays in test where the request does not say: the payer of Wompi's samples, at the bank of its sandbox that approves. */
export const SYNTHETIC_PAYER = { email: "pagador@example.com", document: "1999888777", bank: "1" };

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const payments = (): HttpClient => paymentsClient(connection, fetch);
  const payouts = (): HttpClient => payoutsClient(connection, fetch);
  return {
    charge: async (request, call) => charge(payments(), request, { connection, call }),
    payout: async (request, call) => payout(payouts, request, { connection, call }),
    lookup: async (subject, call) =>
      subject.verb === "payout" ? lookupPayout(payouts(), subject, call) : lookupTransaction(payments(), subject, call),
    // Only the transactions of payouts are told without our reference.
    referenceOf: async (event, call) => referenceOfPayout(payouts(), event, call),
  };
}

interface Circumstances {
  connection: ConnectionConfig;
  call: CallContext;
}

/** In cents; `amount_in_cents` has this maximum. */
const AMOUNT_MAX = 1_000_000_000_000n;

async function charge(http: HttpClient, request: ChargeRequest, { connection, call }: Circumstances): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method, buyer } = request;
  if (method !== "pse") return refuse("not_permitted", "method", `a charge by ${method} is not served through Wompi`);
  if (currency !== "COP") return refuse("invalid_request", "currency", "Wompi moves COP only");
  if (amount > AMOUNT_MAX) return refuse("invalid_request", "amount", `Wompi takes at most ${AMOUNT_MAX} centavos`);
  const payer = payerOf(request, isTest(connection));
  if ("outcome" in payer) return payer;
  const expiry = request.due_date === undefined ? undefined : endOfDay(request.due_date);
  if (expiry && expiry <= call.clock.now()) return refuse("invalid_request", "due_date", "that day is over");

  // Their list of transactions takes a reference and days.
  await call.note({ requested_at: call.clock.now().toISOString() });
  const redirect = connection.settings["redirect_url"];
  const transaction = await orDeclined(async () => {
    const body = {
      ...(await acceptance(http, call)),
      amount_in_cents: Number(amount),
      currency,
      reference: call.reference,
      customer_email: payer.email,
      customer_data: { full_name: buyer.name, ...payer.phone },
      payment_method: { type: "PSE", ...payer.pse, payment_description: (request.description ?? "Pago").slice(0, DESCRIPTION_MAX) },
      ...(redirect && { redirect_url: redirect }),
      ...(expiry && { expiration_time: expiry.toISOString() }),
    };
    return http.act({ method: "POST", path: "/transactions", body }, data(Transaction), call);
  });
  if ("outcome" in transaction) return transaction;
  const latest = await withBankPage(http, transaction.data, call);
  const expires_at = expiry?.toISOString();
  const result = { id: latest.id, status: "pending" as const, amount, currency, method, ...bankPageOf(latest), expires_at };
  return { outcome: "accepted", ref: latest.id, state: stateOfTransaction(latest), action: latest.status, result };
}

/** The most that PSE shows of what is paid for. */
const DESCRIPTION_MAX = 30;

interface Payer {
  email: string;
  phone: { phone_number?: string };
  pse: { user_type: 0 | 1; user_legal_id_type: string; user_legal_id: string; financial_institution_code: string };
}

/** PSE wants the payer's bank, which only the caller's own page can have asked for: it comes in `metadata`. */
function payerOf({ buyer, metadata }: ChargeRequest, inTest: boolean): Payer | Declined {
  const said = metadata?.["financial_institution_code"] ?? (inTest ? SYNTHETIC_PAYER.bank : undefined);
  const bank = typeof said === "number" ? String(said) : said;
  if (typeof bank !== "string" || bank === "")
    return refuse("invalid_request", "metadata.financial_institution_code", "PSE needs the buyer's bank, a code of wompi/list_financial_institutions");
  const email = buyer.email ?? (inTest ? SYNTHETIC_PAYER.email : undefined);
  if (!email) return refuse("invalid_request", "buyer.email", "Wompi needs the buyer's e-mail");
  const document = buyer.document ?? (inTest ? SYNTHETIC_PAYER.document : undefined);
  if (!document) return refuse("invalid_request", "buyer.document", "PSE needs the buyer's cédula or NIT");
  const legalId = legalIdOf(document, "buyer.document");
  if ("outcome" in legalId) return legalId;
  const dialled = buyer.phone === undefined ? undefined : normalizePhone(buyer.phone, "CO");
  if (dialled && !dialled.ok) return refuse("invalid_request", "buyer.phone", dialled.reason);
  return {
    email,
    phone: dialled ? { phone_number: dialled.value.slice(1) } : {},
    pse: {
      user_type: legalId.isCompany ? 1 : 0,
      user_legal_id_type: legalId.type,
      user_legal_id: legalId.number,
      financial_institution_code: bank,
    },
  };
}

/** The tokens of Wompi's terms and of its use of personal data, which a buyer accepts to pay. */
async function acceptance(http: HttpClient, call: CallContext): Promise<{ acceptance_token: string; accept_personal_auth?: string }> {
  const { data: merchant } = await http.ask({ method: "GET", path: `/merchants/${PUBLIC_KEY}` }, data(Merchant), call);
  const personal = merchant.presigned_personal_data_auth?.acceptance_token;
  return { acceptance_token: merchant.presigned_acceptance.acceptance_token, ...(personal && { accept_personal_auth: personal }) };
}

/** The last second of a day in Colombia, which has no summer time. */
const endOfDay = (day: string): Date => new Date(`${day}T23:59:59-05:00`);

/** The page of the bank was seen to appear within 5 s. A lookup tells it to whom it comes too late. */
const BANK_PAGE_ASKED_MAX = 8;
const BANK_PAGE_WAIT_MS = 500;

/** The transaction once it names the bank's page or has ended; as it is when that takes too long or cannot be asked. */
async function withBankPage(http: HttpClient, transaction: Transaction, call: CallContext): Promise<Transaction> {
  let latest = transaction;
  for (let asked = 0; asked < BANK_PAGE_ASKED_MAX && !isReady(latest); asked++) {
    if (asked > 0) await call.clock.sleep(BANK_PAGE_WAIT_MS, call.signal);
    const found = await softly(() => http.ask({ method: "GET", path: pathTo(transaction.id) }, data(Transaction), call));
    if (!found) return latest;
    latest = found.data;
  }
  return latest;
}

const isReady = (transaction: Transaction): boolean =>
  transaction.status !== "PENDING" || transaction.payment_method?.extra?.async_payment_url != null;

const bankPageOf = ({ payment_method }: Transaction): { checkout_url: string | undefined } =>
  ({ checkout_url: payment_method?.extra?.async_payment_url ?? undefined });

const pathTo = (id: string): string => `/transactions/${encodeURIComponent(id)}`;

/** What is asked after the effect adds to the answer; without it the answer stands. */
async function softly<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Rejected || error instanceof Unanswered) return undefined;
    throw error;
  }
}

/** Sends what Wompi may refuse; a refusal is an answer. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

// Lookup

const PAGE_ROWS = 50;
const DAY_MS = 86_400_000;

async function lookupTransaction(http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const id = ref ?? told;
  const named = id && await named404(() => http.ask({ method: "GET", path: pathTo(id) }, data(Transaction), call));
  const isOurs = named && named.data.reference === reference;
  const transaction = isOurs ? named.data : await findByReference(http, reference, call);
  return transaction && { ...observeTransaction(transaction), result: { id: transaction.id, ...bankPageOf(transaction) } };
}

/** A row counts only if it carries our reference: a list may pass over a filter it does not know. */
async function findByReference(http: HttpClient, reference: string, call: CallContext): Promise<Transaction | undefined> {
  const at = Date.parse(call.notes["requested_at"] ?? "");
  // A day more on both sides, for which midnight theirs is is not documented.
  const days: Record<string, string> = Number.isNaN(at) ? {} : { from_date: dayOf(at - DAY_MS), until_date: dayOf(at + DAY_MS) };
  const query = { reference, ...days, page: "1", page_size: String(PAGE_ROWS) };
  const { data: rows } = await http.ask({ method: "GET", path: "/transactions", query }, data(z.array(Transaction)), call);
  const found = rows.find((row) => row.reference === reference);
  if (!found && rows.length >= PAGE_ROWS) throw new Unanswered("wompi: its list is not of our reference");
  return found;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

async function named404<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
