/**
 * The stand-in for Mercado Pago: Pix payments with their codes, boletos with their lines, a search, refunds, and transactions that send money to
 * Pix keys; checkout pages and customers; idempotency keys that replay; webhooks that name an object and say no more. What it leaves out is in
 * README.md.
 */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { buildBankSlip, parseBoleto } from "../../schema/boleto.ts";
import { normalizePhone, parseDocument, parseTaxId } from "../../schema/documents.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import { parsePixKey } from "../../schema/pix/keys.ts";
import { qrPng } from "../qr-png.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const mercadoPagoTwin: TwinDefinition = {
  id: "mercado-pago",
  hosts: ["api.mercadopago.com"],
  magic: {
    payment_13: "a payment whose amount ends in 13 centavos is refused: 400, code 4037",
    payment_14: "a payment whose amount ends in 14 centavos is never paid",
    payment_15: "a payment whose amount ends in 15 centavos expires unpaid",
    payment_16: "a payment whose amount ends in 16 centavos is in process, then paid",
    payment_17: "a payment whose amount ends in 17 centavos is paid, then refunded",
    transaction_13: "a transaction whose amount ends in 13 centavos is refused: 400",
    transaction_14: "a transaction whose amount ends in 14 centavos stays new",
    transaction_17: "a transaction whose amount ends in 17 centavos is processed, then sent back by the other bank",
    transaction_18: "a transaction whose amount ends in 18 centavos is taken, then fails at the other bank",
    transaction_19: "a transaction whose amount ends in 19 centavos fails at once for want of funds",
  },
  create: (context) => new MercadoPagoTwin(context),
};

type Kind = "payment" | "transaction_intent";
type Standing = readonly [status: string, detail: string];

/** How each stands at first and then, one standing every `settleAfterMs`, by the last two digits of its amount. */
const lives: Record<Kind | "boleto", Record<string, readonly [Standing, ...Standing[]]>> = {
  payment: {
    usual: [["pending", "pending_waiting_transfer"], ["approved", "accredited"]],
    14: [["pending", "pending_waiting_transfer"]],
    15: [["pending", "pending_waiting_transfer"], ["cancelled", "expired"]],
    16: [["pending", "pending_waiting_transfer"], ["in_process", "pending_contingency"], ["approved", "accredited"]],
    17: [["pending", "pending_waiting_transfer"], ["approved", "accredited"], ["refunded", "refunded"]],
  },
  boleto: {
    usual: [["pending", "pending_waiting_payment"], ["approved", "accredited"]],
    14: [["pending", "pending_waiting_payment"]],
    15: [["pending", "pending_waiting_payment"], ["cancelled", "expired"]],
    16: [["pending", "pending_waiting_payment"], ["in_process", "pending_contingency"], ["approved", "accredited"]],
    17: [["pending", "pending_waiting_payment"], ["approved", "accredited"], ["refunded", "refunded"]],
  },
  transaction_intent: {
    usual: [["new", ""], ["processed", "approved"]],
    14: [["new", ""]],
    17: [["new", ""], ["processed", "approved"], ["reverted", "refunded"]],
    18: [["new", ""], ["failed", "by_bank"]],
    19: [["failed", "insufficient_funds"]],
  },
};

/** What Mercado Pago keeps of a boleto here. */
const BOLETO_FEE_MINOR = 349n;
/** What Mercado Pago keeps of a Pix payment here, in hundredths of a percent; a contract decides the true figure. */
const PIX_FEE_BASIS_POINTS = 99n;
const DAY_MS = 24 * 3_600_000;
/** How long each may be paid unless its request says. */
const EXPIRES_AFTER_MS = { pix: DAY_MS, bolbradesco: 3 * DAY_MS };
/** The longest that a boleto may be asked to live. */
const BOLETO_DAYS_MAX = 30;
/** The bank of its boletos, Bradesco, and what ten digits of one can say. */
const BANK = "237";
const BOLETO_MINOR_MAX = 9_999_999_999n;
type Method = keyof typeof EXPIRES_AFTER_MS;
/** The methods of the twin's accounts. */
const METHODS = [
  { id: "pix", name: "PIX", payment_type_id: "bank_transfer", status: "active" },
  { id: "bolbradesco", name: "Boleto", payment_type_id: "ticket", status: "active" },
];
const PAGE_ROWS_DEFAULT = 30;
const PAGE_ROWS_MAX = 100;

type Json = Record<string, unknown>;

interface Account {
  userId: number;
  webhookUrl: string;
  webhookSecret: string;
}

interface Stored {
  id: string;
  createdAtMs: number;
  updatedAtMs: number;
  approvedAtMs: number | null;
  life: readonly Standing[];
  /** How many standings of its life it has left behind. */
  lived: number;
  status: string;
  detail: string;
  /** Centavos, as text: what a store keeps is JSON. */
  cents: string;
  refundedCents: string;
  /** Where its notifications go. */
  notifyUrl: string | null;
  request: Json;
}

/** Where one is stored; part of every step. */
interface Place {
  kind: Kind;
  userId: number;
  id: string;
}

interface Call {
  account: Account;
  path: string;
  /** The id in the path. */
  id: string;
  query: URLSearchParams;
  headers: Headers;
  text: string;
}

interface Answer {
  status: number;
  body: unknown;
}

class MercadoPagoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const userId = randomInt(100_000_000, 2_000_000_000);
    const token = `TEST-${digits(16)}-${digits(6)}-${randomBytes(16).toString("hex")}-${userId}`;
    const account: Account = { userId, webhookUrl, webhookSecret: randomBytes(32).toString("hex") };
    await this.#context.store.put(`account/${userId}`, account);
    await this.#context.store.put(`token/${hash(token)}`, account);
    return {
      credentials: { access_token: token },
      settings: { notification_url: webhookUrl },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { status, body } = await this.#answer(request).catch(refusalOf);
    return Response.json(body, { status });
  }

  async #answer(request: Request): Promise<Answer> {
    const { pathname: path, searchParams: query } = new URL(request.url);
    const { headers } = request;
    const account = await this.#authenticate(headers.get("authorization"));
    for (const { method, pattern, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(path);
      if (match) return handle({ account, path, id: match[1] ?? "", query, headers, text: await request.text() });
    }
    throw new Refused(404, "resource not found");
  }

  async #authenticate(header: string | null): Promise<Account> {
    const [, token] = /^Bearer (\S+)$/.exec(header ?? "") ?? [];
    if (!token) throw new Refused(401, "authorization value not present");
    const account = await this.#context.store.get<Account>(`token/${hash(token)}`);
    if (!account) throw new Refused(401, "invalid access token");
    return account;
  }

  readonly #routes: { method: string; pattern: RegExp; handle: (call: Call) => Promise<Answer> }[] = [
    {
      method: "POST", pattern: /^\/v1\/payments$/,
      handle: (call) => this.#once(call, () => this.#createPayment(call)),
    },
    { method: "GET", pattern: /^\/v1\/payments\/search$/, handle: (call) => this.#search(call) },
    { method: "GET", pattern: /^\/v1\/payments\/(\d+)$/, handle: (call) => this.#show("payment", call) },
    {
      method: "POST", pattern: /^\/v1\/payments\/(\d+)\/refunds$/,
      handle: (call) => this.#once(call, () => this.#refund(call)),
    },
    { method: "GET", pattern: /^\/v1\/payments\/(\d+)\/refunds$/, handle: (call) => this.#listRefunds(call) },
    { method: "GET", pattern: /^\/v1\/payments\/(\d+\/refunds\/\d+)$/, handle: (call) => this.#showRefund(call) },
    { method: "POST", pattern: /^\/checkout\/preferences$/, handle: (call) => this.#createPreference(call) },
    { method: "GET", pattern: /^\/checkout\/preferences\/([^/]+)$/, handle: (call) => this.#showPreference(call) },
    { method: "POST", pattern: /^\/v1\/customers$/, handle: (call) => this.#createCustomer(call) },
    { method: "GET", pattern: /^\/v1\/customers\/search$/, handle: (call) => this.#searchCustomers(call) },
    { method: "GET", pattern: /^\/v1\/payment_methods$/, handle: async () => ({ status: 200, body: METHODS }) },
    {
      method: "POST", pattern: /^\/v1\/transaction-intents\/process$/,
      handle: (call) => this.#once(call, () => this.#createIntent(call)),
    },
    {
      method: "GET", pattern: /^\/v1\/transaction-intents\/([^/]+)$/,
      handle: (call) => this.#show("transaction_intent", call),
    },
  ];

  /** The first answer to a key is kept, whatever it is, and given again to the same request. */
  async #once({ account, path, headers, text }: Call, make: () => Promise<Answer>): Promise<Answer> {
    const key = headers.get("x-idempotency-key");
    if (!key) throw new Refused(400, "Header X-Idempotency-Key can't be null", 4292);
    const { store } = this.#context;
    const place = `key/${account.userId}${path}/${key}`;
    if ((await store.next(`${place}/uses`)) === 1) {
      const answer = await make().catch(refusalOf);
      await store.put(place, { request: hash(text), answer });
      return answer;
    }
    const kept = await store.get<{ request: string; answer: Answer }>(place);
    if (!kept) throw new Refused(423, "The idempotency key is locked by a request under way");
    if (kept.request !== hash(text)) throw new Refused(409, "The idempotency key was used with another body");
    return kept.answer;
  }

  async #show(kind: Kind, { account: { userId }, id }: Call): Promise<Answer> {
    const stored = await this.#context.store.get<Stored>(keyOf({ kind, userId, id }));
    if (!stored) throw new Refused(404, kind === "payment" ? "Payment not found" : "Transaction not found", 2000);
    return { status: 200, body: kind === "payment" ? shownPayment(stored) : shownIntent(stored, userId) };
  }

  // Payments

  async #createPayment({ account, text }: Call): Promise<Answer> {
    const body = jsonOf(text);
    const { payment_method_id: method, transaction_amount: amount, payer, date_of_expiration: expires } = body;
    if (!METHODS.some(({ id }) => id === method)) throw new Refused(400, "The payment method is neither pix nor bolbradesco");
    const isBoleto = method === "bolbradesco";
    const cents = centsOf(amount);
    if (cents === undefined || ending(cents) === "13" || (isBoleto && cents > BOLETO_MINOR_MAX)) throw new Refused(400, "Invalid transaction_amount", 4037);
    const { email, identification, address } = (payer ?? {}) as Json;
    if (!isEmail(email)) throw new Refused(400, "payer.email must be a valid email", 4050);
    if (identification && !isTaxId(identification)) throw new Refused(400, "Invalid user identification number", 2067);
    if (isBoleto && !identification) throw new Refused(400, "payer.identification is required", 2067);
    if (isBoleto && !isAddress(address)) throw new Refused(400, "payer.address is required in whole");
    const untilMs = expires === undefined ? undefined : Date.parse(String(expires));
    if (untilMs !== undefined && !(untilMs > this.#nowMs())) throw new Refused(400, "date_of_expiration must be in the future", 23);
    if (isBoleto && untilMs !== undefined && untilMs > this.#nowMs() + (BOLETO_DAYS_MAX + 1) * DAY_MS) {
      throw new Refused(400, "date_of_expiration must be within 30 days", 23);
    }
    const id = `1${digits(10)}`;
    const place: Place = { kind: "payment", userId: account.userId, id };
    const stored = await this.#add(place, { cents, notifyUrl: account.webhookUrl, request: body });
    return { status: 201, body: shownPayment(stored) };
  }

  async #search({ account: { userId }, query }: Call): Promise<Answer> {
    const { store } = this.#context;
    const reference = query.get("external_reference");
    const ids = reference && (await store.list<string>(`reference/${userId}/${reference}/`));
    const payments = ids
      ? await Promise.all(ids.map((id) => store.get<Stored>(keyOf({ kind: "payment", userId, id }))))
      : await store.list<Stored>(keyOf({ kind: "payment", userId, id: "" }));
    const status = query.get("status");
    const rows = payments
      .filter((row) => row !== undefined)
      .filter((row) => status === null || row.status === status)
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
    return { status: 200, body: pageOf(rows.map(summary), query) };
  }

  async #refund({ account: { userId }, id, text }: Call): Promise<Answer> {
    const place: Place = { kind: "payment", userId, id };
    const paid = await this.#context.store.get<Stored>(keyOf(place));
    if (!paid) throw new Refused(404, "Payment not found", 2000);
    const { amount } = jsonOf(text || "{}");
    const wanted = amount === undefined ? unrefunded(paid) : centsOf(amount);
    const isPossible = (stored: Stored) =>
      stored.status === "approved" && wanted !== undefined && wanted <= unrefunded(stored);
    if (!isPossible(paid)) throw new Refused(400, "The action is not valid for the current payment state", 2063);
    const now = this.#nowMs();
    // Of two at once the second may find too little left.
    let isTaken = false;
    const changed = await this.#context.store.update<Stored>(keyOf(place), (stored) => {
      isTaken = isPossible(stored);
      return isTaken ? withRefund(stored, wanted!, now) : stored;
    });
    if (!isTaken) throw new Refused(400, "The action is not valid for the current payment state", 2063);
    await this.#schedule({ name: "notify", ...place, ordinal: `refund ${changed?.refundedCents}` }, 0);
    const refund = {
      id: randomInt(10 ** 12), payment_id: Number(id), amount: reais(wanted!), status: "approved",
      date_created: wallTime(now),
    };
    await this.#context.store.put(`refund/${userId}/${id}/refunds/${refund.id}`, refund);
    return { status: 201, body: refund };
  }

  async #listRefunds({ account: { userId }, id }: Call): Promise<Answer> {
    return { status: 200, body: await this.#context.store.list<Json>(`refund/${userId}/${id}/refunds/`) };
  }

  /** The id is that of the payment and of the refund. */
  async #showRefund({ account: { userId }, id }: Call): Promise<Answer> {
    const refund = await this.#context.store.get<Json>(`refund/${userId}/${id}`);
    if (!refund) throw new Refused(404, "Refund not found", 2000);
    return { status: 200, body: refund };
  }

  // Checkout pages and customers

  async #createPreference({ account: { userId }, text }: Call): Promise<Answer> {
    const body = jsonOf(text);
    const { items, back_urls: back, auto_return: autoReturn } = body;
    if (!Array.isArray(items) || items.length === 0 || !items.every(isItem)) throw named("invalid_items", "unit_price invalid");
    if (autoReturn !== undefined && !(back as Json | undefined)?.["success"]) {
      throw named("invalid_auto_return", "auto_return invalid. back_url.success must be defined");
    }
    const id = `${userId}-${randomUUID()}`;
    const page = "mercadopago.com.br/checkout/v1/redirect?pref_id=";
    const preference = {
      ...body, id, client_id: String(userId), collector_id: userId, date_created: wallTime(this.#nowMs()),
      init_point: `https://www.${page}${id}`, sandbox_init_point: `https://sandbox.${page}${id}`,
    };
    await this.#context.store.put(`preference/${userId}/${id}`, preference);
    return { status: 201, body: preference };
  }

  async #showPreference({ account: { userId }, id }: Call): Promise<Answer> {
    const preference = await this.#context.store.get<Json>(`preference/${userId}/${id}`);
    if (!preference) throw new Refused(404, `preference_id ${id} not found`);
    return { status: 200, body: preference };
  }

  async #createCustomer({ account: { userId }, text }: Call): Promise<Answer> {
    const body = jsonOf(text);
    const email = String(body["email"] ?? "");
    if (!isEmail(email)) throw new Refused(400, "the email format is invalid", 106);
    if ((await this.#context.store.next(`customers/${userId}/${email}`)) > 1) throw new Refused(400, "the customer already exist", 101);
    const customer = { ...body, id: `${digits(9)}-${randomBytes(7).toString("hex")}`, date_created: wallTime(this.#nowMs()), live_mode: false };
    await this.#context.store.put(`customer/${userId}/${email}`, customer);
    return { status: 201, body: customer };
  }

  async #searchCustomers({ account: { userId }, query }: Call): Promise<Answer> {
    const customer = await this.#context.store.get<Json>(`customer/${userId}/${query.get("email") ?? ""}`);
    return { status: 200, body: pageOf(customer ? [customer] : [], query) };
  }

  // Transactions

  async #createIntent({ account, text }: Call): Promise<Answer> {
    const body = jsonOf(text);
    const { external_reference: reference, point_of_interaction: point, seller_configuration: seller } = body;
    const { from, to, total_amount: total } = (body["transaction"] ?? {}) as Json;
    const [source, destination] = [onlyAccount(from), onlyAccount(to)];
    if ((point as Json | undefined)?.["type"] !== "PSP_TRANSFER") throw invalid("point_of_interaction");
    if (reference !== undefined && !/^[\w-]{1,64}$/.test(String(reference))) throw invalid("external_reference");
    const cents = centsOf(total);
    if (cents === undefined || ending(cents) === "13") throw invalid("transaction.total_amount");
    if (!source || !destination) throw invalid("transaction.accounts");
    if (source["amount"] !== total || destination["amount"] !== total) throw invalid("transaction.accounts.amount");
    if (destination["type"] !== "current") throw invalid("transaction.to.accounts.type");
    if (!isKey(destination["chave"])) throw invalid("transaction.to.accounts.chave");
    if (!isTaxId((destination["owner"] as Json | undefined)?.["identification"])) throw invalid("owner.identification");
    const { notification_url: notifyUrl = null } = ((seller as Json | undefined)?.["notification_info"] ?? {}) as Json;

    const id = `${account.userId}-01${Array.from({ length: 24 }, () => CROCKFORD[randomInt(32)]).join("")}`;
    const place: Place = { kind: "transaction_intent", userId: account.userId, id };
    const stored = await this.#add(place, { cents, notifyUrl: notifyUrl as string | null, request: body });
    return { status: 202, body: shownIntent(stored, account.userId) };
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const place = { kind: step["kind"] as Kind, userId: Number(step["userId"]), id: String(step["id"]) };
    if (step.name === "notify") return this.#notify(place, "updated", String(step["ordinal"]));
    if (step.name === "created") return this.#notify(place, "created", "0");
    const index = Number(step["index"]);
    const now = this.#nowMs();
    const moved = await this.#context.store.update<Stored>(keyOf(place), (stored) =>
      stored.lived === index - 1 && isOnItsWay(stored) ? arrive(stored, now) : stored);
    // A repeat finds the standing reached, and tells it again under the same id.
    if (moved?.lived === index && isOnItsWay(moved)) await this.#notify(place, "updated", String(index));
  }

  async #add(place: Place, made: Pick<Stored, "notifyUrl" | "request"> & { cents: bigint }): Promise<Stored> {
    const { store } = this.#context;
    const { cents, notifyUrl, request } = made;
    const way = request["payment_method_id"] === "bolbradesco" ? "boleto" : place.kind;
    const life = lives[way][ending(cents)] ?? lives[way]["usual"]!;
    const [[status, detail]] = life;
    const now = this.#nowMs();
    const stored: Stored = {
      id: place.id, createdAtMs: now, updatedAtMs: now, approvedAtMs: null, life, lived: 0, status, detail,
      cents: String(cents), refundedCents: "0", notifyUrl, request,
    };
    await store.put(keyOf(place), stored);
    const reference = request["external_reference"];
    if (place.kind === "payment" && reference) {
      await store.put(`reference/${place.userId}/${String(reference)}/${place.id}`, place.id);
    }
    await this.#schedule({ name: "created", ...place }, 0);
    for (const index of life.keys()) if (index > 0) await this.#schedule({ name: "live", ...place, index }, index);
    return stored;
  }

  /** `ordinal` tells apart the notifications of one action about one object. */
  async #notify(place: Place, what: "created" | "updated", ordinal: string): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${place.userId}`);
    const stored = await this.#context.store.get<Stored>(keyOf(place));
    if (!account || !stored?.notifyUrl) return;
    const { kind, userId, id } = place;
    const url = new URL(stored.notifyUrl);
    url.searchParams.set("data.id", id);
    url.searchParams.set("type", kind);
    const notification = {
      action: `${kind}.${what}`, api_version: "v1", data: { id }, date_created: wallTime(stored.createdAtMs),
      id: String(Number.parseInt(hash(`${kind} ${id} ${what} ${ordinal}`).slice(0, 9), 16)), type: kind,
    };
    const more = kind === "payment"
      ? { live_mode: false, user_id: userId }
      : { last_updated: wallTime(stored.updatedAtMs), status: stored.status };
    const [ts, requestId] = [String(this.#nowMs()), randomUUID()];
    const manifest = `id:${id.toLowerCase()};request-id:${requestId};ts:${ts};`;
    const v1 = createHmac("sha256", account.webhookSecret).update(manifest).digest("hex");
    await this.#context.deliver({
      url: url.href,
      headers: { "content-type": "application/json", "x-request-id": requestId, "x-signature": `ts=${ts},v1=${v1}` },
      body: JSON.stringify({ ...notification, ...more }),
    });
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#nowMs() + rests * this.#context.settleAfterMs));
  }

  #nowMs(): number {
    return this.#context.clock.now().getTime();
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly code: number | undefined;
  /** The word for it, where it is more than the status's. */
  readonly error: string | undefined;
  constructor(status: number, message: string, code?: number, error = errorWords[status]) {
    super(message);
    this.status = status;
    this.code = code;
    this.error = error;
  }
}

const errorWords: Partial<Record<number, string>> = {
  400: "bad_request", 401: "unauthorized", 404: "not_found", 409: "conflict", 423: "locked",
};

function refusalOf(error: unknown): Answer {
  if (!(error instanceof Refused)) throw error;
  const { status, message, code, error: word } = error;
  const cause = code === undefined ? [] : [{ code, description: message, data: null }];
  return { status, body: { message, error: word, status, cause } };
}

const named = (word: string, message: string): Refused => new Refused(400, message, undefined, word);
const invalid = (field: string): Refused => new Refused(400, `${field} is invalid`);

function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Refused(400, "Invalid JSON body");
  }
}

const isEmail = (value: unknown): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(String(value ?? ""));

const isItem = (item: unknown): boolean => {
  const { title, quantity, unit_price: price } = (item ?? {}) as Json;
  return typeof title === "string" && title !== "" && Number.isInteger(quantity) && Number(quantity) > 0 && centsOf(price) !== undefined;
};

function pageOf(rows: readonly unknown[], query: URLSearchParams): Json {
  const limit = Math.min(Number(query.get("limit") ?? PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX);
  const offset = Number(query.get("offset") ?? 0);
  return { paging: { total: rows.length, limit, offset }, results: rows.slice(offset, offset + limit) };
}

const keyOf = ({ kind, userId, id }: Place): string => `${kind}/${userId}/${id}`;

/** Whether nothing but time has moved it: a payment refunded through the API leaves its life. */
const isOnItsWay = ({ life, lived, status, detail }: Stored): boolean =>
  status === life[lived]?.[0] && detail === life[lived]?.[1];

function arrive(stored: Stored, now: number): Stored {
  const lived = stored.lived + 1;
  const [status, detail] = stored.life[lived] ?? [stored.status, stored.detail];
  const approvedAtMs = status === "approved" ? now : stored.approvedAtMs;
  const refundedCents = status === "refunded" || status === "reverted" ? stored.cents : stored.refundedCents;
  return { ...stored, lived, status, detail, approvedAtMs, refundedCents, updatedAtMs: now };
}

const unrefunded = ({ cents, refundedCents }: Stored): bigint => BigInt(cents) - BigInt(refundedCents);

function withRefund(stored: Stored, cents: bigint, now: number): Stored {
  const refunded = { ...stored, refundedCents: String(BigInt(stored.refundedCents) + cents), updatedAtMs: now };
  if (unrefunded(refunded) > 0n) return { ...refunded, detail: "partially_refunded" };
  return { ...refunded, status: "refunded", detail: "refunded" };
}

const methodOf = ({ request }: Stored): Method => request["payment_method_id"] as Method;

const expiryOf = (stored: Stored): string =>
  String(stored.request["date_of_expiration"] ?? wallTime(stored.createdAtMs + EXPIRES_AFTER_MS[methodOf(stored)]));

/** What a search tells of a payment: no code, no fee. */
function summary(stored: Stored): Json {
  const { payment_type_id } = METHODS.find(({ id }) => id === methodOf(stored))!;
  const { createdAtMs, updatedAtMs, approvedAtMs, cents, refundedCents, request } = stored;
  return {
    id: Number(stored.id), date_created: wallTime(createdAtMs), date_last_updated: wallTime(updatedAtMs),
    date_approved: approvedAtMs && wallTime(approvedAtMs),
    date_of_expiration: expiryOf(stored),
    operation_type: "regular_payment", payment_method_id: methodOf(stored), payment_type_id,
    status: stored.status, status_detail: stored.detail, currency_id: "BRL", live_mode: false,
    description: request["description"] ?? null, external_reference: request["external_reference"] ?? null,
    transaction_amount: reais(BigInt(cents)), transaction_amount_refunded: reais(BigInt(refundedCents)),
    installments: 1, captured: true, metadata: {},
  };
}

function shownPayment(stored: Stored): Json {
  const cents = BigInt(stored.cents);
  const isBoleto = methodOf(stored) === "bolbradesco";
  const fee = isBoleto ? BOLETO_FEE_MINOR : (cents * PIX_FEE_BASIS_POINTS + 9_999n) / 10_000n;
  const code = hash(stored.id).slice(0, 32);
  const qrCode = buildDynamicCode({
    location: `pix-qr.mercadopago.com/instore/p/v2/${code}`,
    amountMinor: cents,
    merchantName: "Loja de Teste",
    merchantCity: "Sao Paulo",
  });
  return {
    ...summary(stored),
    payer: { id: null, email: null, identification: { type: null, number: null } },
    fee_details: stored.approvedAtMs
      ? [{ type: "mercadopago_fee", amount: reais(fee), fee_payer: "collector" }]
      : [],
    transaction_details: {
      net_received_amount: stored.approvedAtMs ? reais(cents - fee) : 0, total_paid_amount: reais(cents),
      overpaid_amount: 0, ...(isBoleto && slipOf(stored, code)),
    },
    point_of_interaction: isBoleto ? null : {
      type: "OPENPLATFORM",
      transaction_data: {
        qr_code: qrCode, qr_code_base64: qrPng(qrCode).toString("base64"),
        ticket_url: `https://www.mercadopago.com.br/sandbox/payments/${stored.id}/ticket?caller_id=1&hash=${code}`,
      },
    },
  };
}

/** Due on the day in São Paulo at whose end it expires. */
function slipOf(stored: Stored, code: string): Json {
  const { id, cents } = stored;
  const dueDate = new Date(Date.parse(expiryOf(stored)) - 3 * 3_600_000).toISOString().slice(0, 10);
  const freeField = BigInt(`0x${hash(`slip ${id}`)}`).toString().slice(0, 25).padEnd(25, "0");
  const digitable_line = buildBankSlip({ bank: BANK, freeField, amountMinor: BigInt(cents), dueDate });
  const slip = parseBoleto(digitable_line, { today: dueDate });
  return {
    external_resource_url: `https://www.mercadopago.com.br/sandbox/payments/${id}/ticket?caller_id=1&payment_method_id=bolbradesco&hash=${code}`,
    digitable_line, barcode: { content: slip.ok ? slip.boleto.barcode : null },
  };
}

function shownIntent(stored: Stored, userId: number): Json {
  const { id, createdAtMs, updatedAtMs, status, detail, cents, refundedCents, request } = stored;
  const amount = toDecimal({ amountMinor: BigInt(cents), currency: "BRL" }).replace(".", ",");
  const destination = onlyAccount((request["transaction"] as Json)["to"]);
  return {
    id, created_date: wallTime(createdAtMs), last_updated_date: wallTime(updatedAtMs), status,
    external_reference: request["external_reference"] ?? null,
    point_of_interaction: request["point_of_interaction"],
    seller_configuration: request["seller_configuration"],
    transaction: {
      from: { accounts: [{ amount }] },
      to: { accounts: [{ amount, origin_id: id.split("-")[1], status_detail: detail, owner: destination?.["owner"] }] },
      paid_amount: reais(BigInt(cents) - BigInt(refundedCents)),
      refunded_amount: reais(BigInt(refundedCents)),
      payer: { id: userId },
      total_amount: reais(BigInt(cents)),
    },
  };
}

/** One account on each side of a transaction. */
function onlyAccount(side: unknown): Json | undefined {
  const accounts = (side as { accounts?: Json[] } | undefined)?.accounts;
  return accounts?.length === 1 ? accounts[0] : undefined;
}

function isKey(chave: unknown): boolean {
  const { type, value } = (chave ?? {}) as Json;
  // How a phone is wanted is not documented: with +55 or without.
  if (type === "PHONE") return normalizePhone(String(value), "BR").ok;
  const key = parsePixKey(String(value ?? ""));
  return key.ok && (key.kind === "evp" ? "PIX_CODE" : key.kind.toUpperCase()) === type;
}

/** Every part of it is wanted. */
function isAddress(address: unknown): boolean {
  const { zip_code: cep, street_name, street_number, neighborhood, city, federal_unit: state } = (address ?? {}) as Json;
  const isWritten = [street_name, street_number, neighborhood, city].every((part) => typeof part === "string" && part !== "");
  return isWritten && parseDocument(String(cep ?? ""), ["cep"]).ok && /^[A-Z]{2}$/.test(String(state));
}

function isTaxId(identification: unknown): boolean {
  const { type, number } = (identification ?? {}) as Json;
  const parsed = parseTaxId(String(number ?? ""), { environment: "test" });
  return parsed.ok && parsed.kind.toUpperCase() === type;
}

function centsOf(value: unknown): bigint | undefined {
  const cents = typeof value === "number" ? fromDecimal(value, "BRL") : undefined;
  return cents !== undefined && cents > 0n ? cents : undefined;
}

const reais = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));
const ending = (cents: bigint): string => String(cents % 100n).padStart(2, "0");

/** Its times are told four hours behind UTC, wherever the account is. */
const wallTime = (atMs: number): string => new Date(atMs - 4 * 3_600_000).toISOString().replace("Z", "-04:00");

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const digits = (length: number): string => Array.from({ length }, () => randomInt(10)).join("");
