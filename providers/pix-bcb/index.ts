/**
 * Pix payouts through Brazilian banks, one core for all: what a bank does its own way is its row (`banks/`). References:
 * the Central Bank's Pix API 2.9.0 and the sources that each row names, read 2026-11-20.
 * Quirks: no bank sends by the standard, which has no such operation; some want a draft first; at some a person must
 * approve what was ordered, which is pending until then.
 */
import { parseTaxId } from "../../schema/documents.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { toDecimal } from "../../schema/money.ts";
import { parsePixKey } from "../../schema/pix/keys.ts";
import { calendarDay } from "../asaas/sao-paulo.ts";
import { certificateProblem } from "../client-certificate.ts";
import {
  Rejected, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome,
  type Provider, type ProviderDefinition,
} from "../provider.ts";
import { readRefusal, refuse, type Declined } from "./answers.ts";
import type { Ask, Bank, Order, Payment, PaymentState } from "./bank.ts";
import { clientFor, credentialsOf, isTest, receivingClient } from "./client.ts";
import { noticesOf } from "./notifications.ts";
import { toolsOf } from "./tools.ts";

export const bankProvider = (bank: Bank): ProviderDefinition => ({
  id: bank.id,
  title: bank.title,
  category: "payments",
  country: "BR",
  authType: "cert",
  hosts: bank.hosts,
  credentials: credentialsOf(bank),
  settings: bank.settings ?? [],
  repeats: bank.repeats,
  mutualTls: true,
  connect: (connection, fetch) => connect({ bank, connection, fetch }),
  ...(bank.receives && { native: { client: (connection: ConnectionConfig, fetch: Fetch) => receivingClient(bank, connection, fetch), tools: toolsOf(bank) } }),
  ...(bank.notice !== undefined && { notifications: noticesOf(bank.notice) }),
});

/** Whom a test payout without a recipient pays (contradiction C-05): a random key that belongs to nobody. */
export const SYNTHETIC_PAYEE = "5e5d0f1e-7e57-4000-8000-000000000001";

interface Account {
  bank: Bank;
  connection: ConnectionConfig;
  fetch: Fetch;
}

function connect(account: Account): Provider {
  return {
    payout: async (request, call) => payout(account, request, call),
    lookup: async (subject, call) => lookup(account, subject, call),
  };
}

// Sending

async function payout(account: Account, request: PayoutRequest, call: CallContext): Promise<Outcome<PayoutResult>> {
  const { bank } = account;
  const order = orderOf(account, request, call);
  if ("outcome" in order) return order;
  const unusable = certificateProblem(account.connection.credentials, call.clock.now());
  if (unusable) return { outcome: "declined", reason: "unauthorized", message: unusable };
  await call.note({ requested_on: order.day });
  const payment = await orDeclined(bank, async () => {
    const id = await draft(account, order, call);
    const http = clientFor(bank, account.connection, account.fetch, refusing(bank));
    const told = await http.act(bank.orders.send({ ...order, id }), bank.orders.told, call);
    return { ...told, id: told.id ?? id };
  });
  if ("outcome" in payment) return payment;
  const state = stateOf(bank, payment.status);
  const result = { ...resultOf(bank, payment), amount: order.amountMinor, currency: "BRL", method: request.method, recipient: order.key.value };
  return { outcome: "accepted", ref: payment.id, state, action: payment.status, result };
}

/** Fifteen digits: the most that a JSON number carries exactly. The standard has ten before the decimals. */
const AMOUNT_MINOR_MAX = 999_999_999_999n;

/** What is refused here is refused before anything is sent. */
function orderOf({ bank, connection }: Account, request: PayoutRequest, call: CallContext): Order | Declined {
  const { amount, currency, method, recipient, description } = request;
  const environment = isTest(bank, connection) ? "test" : "live";
  if (method !== "pix") return refuse("not_permitted", "method", `a payout by ${method} is not served through ${bank.title}`);
  if (request.copia_e_cola) return refuse("not_permitted", "copia_e_cola", `${KEYS_ONLY}; send recipient.pix_key`);
  if (amount === undefined || amount === 0n) return refuse("invalid_request", "amount", "a payout needs an amount");
  if (currency !== "BRL") return refuse("invalid_request", "currency", "Pix moves BRL only");
  if (amount > AMOUNT_MINOR_MAX) return refuse("invalid_request", "amount", `a Pix is at most ${AMOUNT_MINOR_MAX} centavos`);
  if (!recipient && environment === "live") return refuse("invalid_request", "recipient", "a payout needs a recipient with a pix_key");
  const written = recipient ? recipient.pix_key : SYNTHETIC_PAYEE;
  if (!written) return refuse("invalid_request", "recipient.pix_key", KEYS_ONLY);
  const key = parsePixKey(written);
  if (!key.ok) return refuse("invalid_request", "recipient.pix_key", key.reason);
  const document = documentOf(bank, { key, written: recipient ? recipient.document : SYNTHETIC_DOCUMENT, environment });
  if (typeof document === "object") return document;
  const decimal = toDecimal({ amountMinor: amount, currency: "BRL" });
  return {
    amountMinor: amount, amount: decimal, value: Number(decimal), key, document, name: recipient?.name, description,
    reference: call.reference, day: calendarDay(call.clock.now()), settings: connection.settings, id: "",
  };
}

const KEYS_ONLY = "payouts through banks go to a Pix key";

/** A key that is a tax id names its holder. */
function documentOf(
  bank: Bank, { key, written, environment }: { key: Order["key"]; written: string | undefined; environment: "live" | "test" },
): string | undefined | Declined {
  if (key.kind === "cpf" || key.kind === "cnpj") return key.value;
  if (!written)
    return bank.needsDocument && refuse("invalid_request", "recipient.document", `${bank.title} needs the payee's CPF or CNPJ beside the key`);
  const document = parseTaxId(written, { environment });
  return document.ok ? document.value : refuse("invalid_request", "recipient.document", document.reason);
}

/** Of the payee that a test payout has without a recipient: its check digits are right. */
const SYNTHETIC_DOCUMENT = "00000000191";

/** How often a draft that the bank still checks is asked for, and how long is waited between. */
const DRAFT_ASKED_MAX = 8;
const DRAFT_WAIT_MS = 1_000;

/** The id of a draft that may be sent, written down; empty where the bank wants none. */
async function draft(account: Account, order: Order, call: CallContext): Promise<string> {
  const { bank, connection, fetch } = account;
  const { draft: wanted } = bank.orders;
  if (!wanted) return "";
  const http = clientFor(bank, connection, fetch, refusing(bank, wanted.told));
  let told = await http.ask(wanted.request(order), wanted.told, call);
  const { id } = told;
  if (id === undefined) throw new Unanswered(`${bank.id}: its draft has no id`);
  await call.note({ payment_id: id });
  for (let asked = 0; told.status !== wanted.words[0]; asked++) {
    if (stateOf(bank, told.status) === "failed") throw new Rejected(bank.id, 400, { detail: told.message });
    if (asked >= DRAFT_ASKED_MAX) throw new Unanswered(`${bank.id}: it is still checking the payment; nothing was sent`);
    if (asked > 0) await call.clock.sleep(DRAFT_WAIT_MS, call.signal);
    told = (await bank.orders.find({ ...order, id }, asking(account, call))) ?? told;
  }
  return id;
}

/** A 2xx whose payment has failed: nothing was sent. */
const refusing = (bank: Bank, told = bank.orders.told) => ({ status, body }: { status: number; body: unknown }): boolean => {
  const payment = status < 300 ? told.safeParse(body).data : undefined;
  return payment !== undefined && stateOf(bank, payment.status) === "failed";
};

/** Sends what the bank may refuse; a refusal is an answer. */
async function orDeclined<Value>(bank: Bank, send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    const said = [bank.orders.told, bank.orders.draft?.told].map((told) => told?.safeParse(error.body).data?.message).find(Boolean);
    return readRefusal(error, { title: bank.title, said });
  }
}

// Reading back

async function lookup(account: Account, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { bank, connection } = account;
  const { orders } = bank;
  const id = ref ?? told ?? call.notes["payment_id"] ?? "";
  if (orders.foundBy === "id" && id === "") {
    // A draft's id is written down before anything is sent: without one nothing was.
    if (orders.draft) return undefined;
    throw new Unanswered(`${bank.id}: it can be asked only by its own id, which its lost answer held`);
  }
  const payment = await orders.find({ id, reference, settings: connection.settings, day: call.notes["requested_on"] }, asking(account, call));
  if (!payment || (payment.reference !== undefined && payment.reference !== reference)) return undefined;
  // What is still a draft was never sent; once its answer is known it was.
  if (ref === undefined && orders.draft?.words.includes(payment.status)) return undefined;
  return observe(bank, { ...payment, id: payment.id ?? id });
}

function asking({ bank, connection, fetch }: Account, call: CallContext): Ask {
  const http = clientFor(bank, connection, fetch);
  return async (spec, answer) => {
    try {
      return await http.ask(spec, answer, call);
    } catch (error) {
      if (error instanceof Rejected && error.status === 404) return undefined;
      throw error;
    }
  };
}

function observe(bank: Bank, payment: Payment & { id: string }): Observation {
  const { id: ref, status: action, amountMinor, endToEndId, message } = payment;
  const state = stateOf(bank, action);
  return {
    ref, state, action,
    currency: "BRL",
    ...(amountMinor !== undefined && { amountMinor }),
    ...(endToEndId && { endToEndId }),
    result: resultOf(bank, payment),
    ...(state === "failed" && { failure: { reason: "refused", message: message ?? `the payment ended as ${action}` } }),
  };
}

const resultOf = (bank: Bank, { id, status, endToEndId }: Payment & { id: string }) => {
  const state = stateOf(bank, status);
  return {
    id, status: state, settled: state === "succeeded", end_to_end_id: endToEndId,
    ...(bank.awaitsApproval && { requires_approval: bank.awaitsApproval.includes(status) }),
  };
};

const stateOf = ({ states }: Bank, status: string): PaymentState =>
  (Object.keys(states) as PaymentState[]).find((state) => states[state]!.includes(status)) ?? "pending";
