/**
 * The stand-in for Conekta: orders paid in cash at OXXO, by SPEI or on a hosted page, their refunds, customers, and orders of
 * cash to be picked up; its webhooks are signed with DIGEST. What it leaves out is in README.md.
 */
import { createHash, createPublicKey, randomBytes, randomInt, randomUUID, sign } from "node:crypto";
import { checkDigits } from "../../schema/documents.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const conektaTwin: TwinDefinition = {
  id: "conekta",
  hosts: ["api.conekta.io"],
  magic: {
    order_13: "an order whose total ends in 13 centavos is refused: 422",
    order_14: "an order whose total ends in 14 centavos is never paid",
    order_15: "an order whose total ends in 15 centavos expires unpaid",
    order_16: "an order whose total ends in 16 centavos is answered with the reference of another chain than OXXO",
    order_17: "an order whose total ends in 17 centavos is paid, then refunded",
    payout_13: "a payout order whose amount ends in 13 centavos is refused: 402",
    payout_14: "a payout order whose amount ends in 14 centavos is never picked up",
    payout_15: "a payout order whose amount ends in 15 centavos expires",
  },
  create: (context) => new ConektaTwin(context),
};

/** A key for tests, made for this file and used nowhere else: every account of the twin signs with it. */
const TEST_SIGNING_KEY = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCuprubqpYlsgHJ
8PcsNnKSSub0IEyURRrBiHvBLtOKPi0syXRtkVFZvcKIJPzPrzFc6h51pm7en2rV
JUMTmeIG9fJFom/Hmzy97zo0PIp0KxvRe7LYudK5ZtRpM1OLDFTZ1AHkvjQM5oqS
rPiBH7Nzn43JvLtrr7Wgqiz2pnDk+p6yUFkw44kSX8TR77J3skGNjSY9pdFj4pvC
1KZzMki9Lu2EaEghsgFY6klfLJx34wxxxDufDk2DL2ZbBiMO2c28B9/lR9RC8OAe
jhRjaxsfVkDTBZWRPKDf7s8xFfoMZca/C12EdHYm0qeifug2zBJoieBhk+ImGyQ2
hCY1szVTAgMBAAECggEAG9yfe0LodxUBsgyN8fCxsGLgmzt33AN2ND+otnXY62nl
3Qo6V6xiFPXvzbZQ2nTxZAg5Wb12XG+EJIKwQ7U92KxtvOwf9vDt7ML4PxMVZ1jl
NDMOogJq+obMBghZIIqUErf+oVYyiYhRvPp5HmhHQX/Hp9JC9/fs+reLOsHsqqqI
1TNxqbKkIwFluKWd0n5ZWPq0alsMAqUuQFthSUWy4hDEa13o+Qmd1yHYZl1Hp3+r
opHxIHKsmT2A7Qnc803fcuzY7xakpXzY0Vatqr2vRBZBq/ylDlZPdH+XhhnRgikI
J3aj+IqymwQTpMvgwrxQF45v8fSOHJq8FagRI5gj4QKBgQDo2NqmyRPuT8FDlprd
H+sDiZu37lacT9raee515I/JDZzjVk6VF1CF/glCMYIYZ1emPh9tiG2edlH3ZJCa
LyP00FVKXTz2nxkyBnc2j3a7G3HnhhEHRNPAMcp2PDbzTh9y841p/GVX1C2UWug3
yFumrCWCiYVOCFzQrv63B0yqkQKBgQDABH/J1cUH2oEanDz/QpG+lTEut+0h44sm
GsCWjKbafDtr2dxg3f93wwAvgGMjmHt0pHwwu4VCKeDVOh5qBH4TFGLJvKYDz3CW
Q8jUcIiDuKJQ+C1pOi7mcGlyNYFtJM7zbkd76dbe6VB13OpRwQD3HODEYZs/lkRL
1MuElxhrowKBgQC2gYKgR+s/V3P8LgekWmgylaFgQYfRbSX1KK0n6sZoqCrYZcWi
RmvvGnbXU0bNKfMhcn/fspd5JPSKHGDa+SgNs12ms/4csAdnlnnKYhiF/7T/661d
LS1r75rpobjQa+NqjkvBTvuAI+a16asqTfjIYxXjgzbhOtzFFOTBQQ9ugQKBgBJM
G3U7NpRCAQ1tF+7nBAZaJx6hjiotiaPu5q0x5/Bn6C2ly/c7EE30Of9Mx6WrsQ/z
YJYwOEmOvgrzh9Roay8cQTGiFVvFl5/qA6gitQ+AN49ppsIhNjjlO1cTvCqPWF0g
BBXNuZjyOKWSkI2Ly7DAgraT6nxLsGRdeas/zqbrAoGAdQK6rGN6tUAUYbgQYWkC
u38FpDuTefmUK+NXjBgYlM+DabKDQt4mWw96Niy+mYFvVgHgZJ4HS9kPxDF1uzc6
+1253uUdgoTVyq35XLdzJAytV0x7SkALunAatV5wlgCuQTN5OPesjm/hIPGAW6bt
+bmtmr8NO1v1mmRfZ0elWPs=
-----END PRIVATE KEY-----
`;

/** What becomes of one, a status every `settleAfterMs`, by the last two digits of its amount. */
const lives: Record<Kind, Record<string, readonly string[]>> = {
  order: { usual: ["paid"], 14: [], 15: ["expired"], 17: ["paid", "refunded"] },
  payout_order: { usual: ["confirmed"], 14: [], 15: ["expired"] },
};

/** Conekta's own default for a cash reference. */
const EXPIRES_AFTER_SECONDS = 30 * 86_400;
const PAGE_ROWS_DEFAULT = 20;
const PAGE_ROWS_MAX = 250;

interface Account {
  id: string;
  webhookUrl: string;
}

type Kind = "order" | "payout_order";
type Json = Record<string, unknown>;

/** As it is answered. */
interface Wire extends Json {
  id: string;
  amount: number;
  created_at: number;
}

interface Stored {
  /** The statuses ahead of it, and how many it has been through. */
  life: readonly string[];
  lived: number;
  wire: Wire;
}

/** Where one is stored; part of every step. */
interface Place {
  kind: Kind;
  accountId: string;
  id: string;
}

interface Call {
  account: Account;
  /** The id in the path. */
  id: string;
  query: URLSearchParams;
  body: Json;
  idempotencyKey: string | null;
}

class ConektaTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const key = `key_${randomBytes(17).toString("base64url").replace(/[-_]/g, "x")}`;
    const account: Account = { id: randomUUID(), webhookUrl };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`key/${hash(key)}`, account);
    const webhookSecret = createPublicKey(TEST_SIGNING_KEY).export({ type: "spki", format: "pem" }).toString();
    return { credentials: { api_key: key }, settings: {}, webhookSecret };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, type, code, message, param } = error;
      const details = [{ debug_message: message, message, param, code: `conekta.errors.${code}` }];
      return Response.json({ details, log_id: randomBytes(12).toString("hex"), type, object: "error" }, { status });
    }
  }

  async #answer(request: Request): Promise<unknown> {
    const { pathname, searchParams: query } = new URL(request.url);
    const account = await this.#authenticate(request.headers.get("authorization"));
    if (!/^application\/vnd\.conekta-v2\.\d\.\d\+json$/.test(request.headers.get("accept") ?? "")) throw new Refused(406, "api_error", "api.version", "Accept names no version.");
    for (const { method, pattern, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(pathname);
      if (!match) continue;
      const idempotencyKey = request.headers.get("idempotency-key");
      return handle({ account, id: match[1] ?? "", query, body: await bodyOf(request), idempotencyKey });
    }
    throw notFound();
  }

  /** Basic with the key as user and no password, or the key as a bearer. */
  async #authenticate(header: string | null): Promise<Account> {
    const [, scheme, value = ""] = /^(Basic|Bearer) (.+)$/.exec(header ?? "") ?? [];
    const key = scheme === "Basic" ? Buffer.from(value, "base64").toString().replace(/:$/, "") : value;
    if (key === "") throw new Refused(401, "authentication_error", "authentication.missing_key", "Please include your access key in your request.");
    const account = await this.#context.store.get<Account>(`key/${hash(key)}`);
    if (!account) throw new Refused(401, "authentication_error", "authentication.unrecognized_key", "The access key is not recognized.");
    return account;
  }

  readonly #routes: { method: string; pattern: RegExp; handle: (call: Call) => Promise<unknown> }[] = [
    { method: "POST", pattern: /^\/orders$/, handle: (call) => this.#createOrder(call) },
    { method: "GET", pattern: /^\/orders$/, handle: (call) => this.#list("order", call) },
    { method: "GET", pattern: /^\/orders\/([^/]+)$/, handle: (call) => this.#find(placeOf("order", call)) },
    { method: "POST", pattern: /^\/orders\/([^/]+)\/cancel$/, handle: (call) => this.#cancelOrder(call) },
    { method: "POST", pattern: /^\/orders\/([^/]+)\/refunds$/, handle: (call) => this.#refund(call) },
    { method: "POST", pattern: /^\/customers$/, handle: (call) => this.#createCustomer(call) },
    { method: "GET", pattern: /^\/customers$/, handle: (call) => this.#listCustomers(call) },
    { method: "GET", pattern: /^\/customers\/([^/]+)$/, handle: (call) => this.#findCustomer(call) },
    { method: "POST", pattern: /^\/payout_orders$/, handle: (call) => this.#createPayoutOrder(call) },
    { method: "GET", pattern: /^\/payout_orders$/, handle: (call) => this.#list("payout_order", call) },
    { method: "GET", pattern: /^\/payout_orders\/([^/]+)$/, handle: (call) => this.#find(placeOf("payout_order", call)) },
  ];

  // Customers

  async #createCustomer({ account, body }: Call): Promise<Json> {
    const { name, email, phone = null } = body;
    requireText(name, "name");
    requireText(email, "email");
    const id = `cus_${code()}`;
    const customer = { id, object: "customer", livemode: false, created_at: this.#seconds(), name, email, phone, corporate: false };
    await this.#context.store.put(`customer/${account.id}/${id}`, customer);
    return customer;
  }

  async #listCustomers({ account, query }: Call): Promise<Json> {
    return paged("customers", await this.#context.store.list<Wire>(`customer/${account.id}/`), query);
  }

  async #findCustomer({ account, id }: Call): Promise<Json> {
    const customer = await this.#context.store.get<Json>(`customer/${account.id}/${id}`);
    if (!customer) throw notFound();
    return customer;
  }

  // Orders

  async #createOrder({ account, body, idempotencyKey }: Call): Promise<Json> {
    const key = idempotencyKey && `idempotency/${account.id}/${hash(idempotencyKey)}`;
    const first = key && await this.#context.store.get<Json>(key);
    if (first) return first;
    const { currency, customer_info, line_items, charges, checkout, metadata = {} } = body;
    if (currency !== "MXN") throw invalid("currency");
    const customer = await this.#customerOf(account, customer_info);
    const amount = totalOf(line_items);
    if (ending(amount) === "13") throw invalid("line_items[0].unit_price");
    const id = `ord_${code()}`;
    const order: Wire = {
      id, object: "order", livemode: false, amount, amount_refunded: 0, currency, customer_info: customer, metadata,
      created_at: this.#seconds(), updated_at: this.#seconds(), is_refundable: false,
      payment_status: charges === undefined ? null : "pending_payment",
      line_items: listOf((line_items as Json[]).map((item, nth) => ({ ...item, id: `line_item_${nth}`, object: "line_item", parent_id: id }))),
      ...(charges !== undefined && { charges: listOf(this.#charges(charges, { id, amount })) }),
      ...(checkout !== undefined && { checkout: this.#checkout(checkout) }),
    };
    await this.#add({ kind: "order", accountId: account.id }, order);
    if (key) await this.#context.store.put(key, order);
    return order;
  }

  async #customerOf(account: Account, info: unknown): Promise<Json> {
    const { customer_id, name, email, phone } = asObject(info, "customer_info");
    if (customer_id !== undefined) {
      const known = await this.#context.store.get<Json>(`customer/${account.id}/${String(customer_id)}`);
      if (!known) throw invalid("customer_info.customer_id");
      return { object: "customer_info", customer_id, name: known["name"], email: known["email"], phone: known["phone"] };
    }
    requireText(name, "customer_info.name");
    requireText(email, "customer_info.email");
    requireText(phone, "customer_info.phone");
    return { object: "customer_info", customer_id: null, name, email, phone, corporate: false };
  }

  #charges(charges: unknown, { id, amount }: { id: string; amount: number }): Json[] {
    if (!Array.isArray(charges) || charges.length !== 1) throw invalid("charges");
    const { amount: part = amount, payment_method, reference_id = null } = asObject(charges[0], "charges[0]");
    if (part !== amount) throw invalid("charges[0].amount");
    const { type, expires_at = this.#seconds() + EXPIRES_AFTER_SECONDS } = asObject(payment_method, "charges[0].payment_method");
    if (typeof expires_at !== "number" || expires_at <= this.#seconds()) throw invalid("charges[0].payment_method.expires_at");
    const method = methods[String(type)]?.(amount);
    if (!method) throw invalid("charges[0].payment_method.type");
    return [{
      id: randomBytes(12).toString("hex"), object: "charge", livemode: false, created_at: this.#seconds(), currency: "MXN",
      description: "Payment from order", status: "pending_payment", amount, fee: feeOf(amount), paid_at: null, reference_id, order_id: id,
      payment_method: { ...method, expires_at }, refunds: null,
    }];
  }

  #checkout(checkout: unknown): Json {
    const { type, allowed_payment_methods, expires_at = this.#seconds() + EXPIRES_AFTER_SECONDS } = asObject(checkout, "checkout");
    if (type !== "HostedPayment") throw invalid("checkout.type");
    if (!Array.isArray(allowed_payment_methods) || allowed_payment_methods.length === 0) throw invalid("checkout.allowed_payment_methods");
    const id = randomUUID();
    const slug = id.replaceAll("-", "");
    return { id, object: "checkout", type, allowed_payment_methods, status: "Issued", slug, expires_at, url: `https://pay.conekta.io/checkout/${slug}` };
  }

  async #cancelOrder(call: Call): Promise<Json> {
    const place = placeOf("order", call);
    await this.#find(place);
    const changed = await this.#context.store.update<Stored>(keyOf(place), (stored) =>
      isOpen(stored.wire) ? { ...stored, wire: withStatus(stored.wire, "canceled", this.#seconds()) } : stored);
    if (changed?.wire["payment_status"] !== "canceled") throw new Refused(428, "preconditions_error", "preconditions.order", "The order is not pending.");
    await this.#schedule({ name: "notify", ...place, event: "order.canceled", ordinal: 0 }, 0);
    return changed.wire;
  }

  async #refund(call: Call): Promise<Json> {
    const place = placeOf("order", call);
    const before = await this.#find(place);
    const refundable = isPaid(before) ? before.amount - Number(before["amount_refunded"]) : 0;
    const { amount = refundable } = call.body;
    if (refundable === 0) throw new Refused(428, "preconditions_error", "preconditions.refund", "The order was not paid.");
    if (!Number.isInteger(amount) || Number(amount) < 1 || Number(amount) > refundable) throw invalid("amount");
    const changed = await this.#context.store.update<Stored>(keyOf(place), (stored) =>
      isPaid(stored.wire) && stored.wire["amount_refunded"] === before["amount_refunded"]
        ? { ...stored, wire: withRefund(stored.wire, Number(amount)) }
        : stored);
    const wire = changed?.wire ?? before;
    await this.#schedule({ name: "notify", ...place, event: `order.${String(wire["payment_status"])}`, ordinal: Number(wire["amount_refunded"]) }, 0);
    return wire;
  }

  // Payouts

  async #createPayoutOrder({ account, body }: Call): Promise<Json> {
    const { allowed_payout_methods, amount, currency, customer_info, payout, reason, metadata = {} } = body;
    if (!Array.isArray(allowed_payout_methods) || allowed_payout_methods.join() !== "cashout") throw invalid("allowed_payout_methods");
    const { type } = asObject(asObject(payout, "payout")["payout_method"], "payout.payout_method");
    if (type !== "cashout") throw invalid("payout.payout_method.type");
    if (!Number.isInteger(amount) || Number(amount) < 1) throw invalid("amount");
    if (currency !== "MXN") throw invalid("currency");
    requireText(reason, "reason");
    const { customer_id } = asObject(customer_info, "customer_info");
    const customer = await this.#context.store.get<Json>(`customer/${account.id}/${String(customer_id)}`);
    if (!customer) throw invalid("customer_info.customer_id");
    if (ending(Number(amount)) === "13") throw new Refused(402, "processing_error", "processing.payout", "The payout could not be processed.");
    const id = randomUUID();
    const one = { id: `payout_${code()}`, object: "payout", livemode: false, amount, currency, payout_order_id: id, status: "open" };
    return this.#add({ kind: "payout_order", accountId: account.id }, {
      id, object: "payout_order", livemode: false, allowed_payout_methods, amount: Number(amount), currency, reason, metadata, status: "open",
      created_at: this.#seconds(), updated_at: this.#seconds(), expires_at: this.#seconds() + EXPIRES_AFTER_SECONDS,
      customer_info: { id: customer_id, object: "customer_info", name: customer["name"], email: customer["email"] }, payouts: [one],
    });
  }

  // Both

  async #list(kind: Kind, { account, query }: Call): Promise<Json> {
    const rows = (await this.#context.store.list<Stored>(`${kind}/${account.id}/`)).map(({ wire }) => wire);
    const since = Number(query.get("created_at.gte") ?? 0);
    const until = Number(query.get("created_at.lte") ?? Number.MAX_SAFE_INTEGER);
    const status = query.get("payment_status");
    const fits = ({ created_at, payment_status }: Wire) =>
      created_at >= since && created_at <= until && (status === null || payment_status === status);
    return paged(`${kind}s`, rows.filter(fits).sort((a, b) => b.created_at - a.created_at), query);
  }

  async run(step: TwinStep): Promise<void> {
    const place = { kind: step["kind"] as Kind, accountId: String(step["accountId"]), id: String(step["id"]) };
    if (step.name === "notify") return this.#notify(place, String(step["event"]), Number(step["ordinal"]));
    const index = Number(step["index"]);
    const now = this.#seconds();
    const moved = await this.#context.store.update<Stored>(keyOf(place), (stored) =>
      stored.lived === index && isOnItsWay(stored)
        ? { ...stored, lived: index + 1, wire: withStatus(stored.wire, stored.life[index]!, now) }
        : stored);
    // A repeat finds the status reached, and tells it again under the same event id.
    if (moved?.lived !== index + 1 || statusOf(moved.wire) !== moved.life[index]) return;
    const family = place.kind === "order" ? "order" : "cashout";
    await this.#notify(place, `${family}.${statusOf(moved.wire)}`, 0);
  }

  async #add(at: Omit<Place, "id">, wire: Wire): Promise<Wire> {
    const place: Place = { ...at, id: wire.id };
    const life = lives[at.kind][ending(wire.amount)] ?? lives[at.kind]["usual"] ?? [];
    await this.#context.store.put(keyOf(place), { life, lived: 0, wire } satisfies Stored);
    if (wire["payment_status"] === "pending_payment") await this.#schedule({ name: "notify", ...place, event: "order.pending_payment", ordinal: 0 }, 0);
    for (const index of life.keys()) await this.#schedule({ name: "live", ...place, index }, index + 1);
    return wire;
  }

  /** `ordinal` tells apart events of one name about one object. */
  async #notify(place: Place, type: string, ordinal: number): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${place.accountId}`);
    const stored = await this.#context.store.get<Stored>(keyOf(place));
    if (!account || !stored) return;
    const id = hash(`${type} ${place.id} ${ordinal}`).slice(0, 24);
    const body = JSON.stringify({ id, object: "event", livemode: false, created_at: this.#seconds(), type, data: { object: stored.wire, previous_attributes: {} } });
    const digest = sign("RSA-SHA256", Buffer.from(body), TEST_SIGNING_KEY).toString("base64");
    await this.#context.deliver({ url: account.webhookUrl, headers: { "content-type": "application/json", digest }, body });
  }

  async #find(place: Place): Promise<Wire> {
    const stored = await this.#context.store.get<Stored>(keyOf(place));
    if (!stored) throw notFound();
    return stored.wire;
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + rests * this.#context.settleAfterMs));
  }

  #seconds(): number {
    return Math.floor(this.#context.clock.now().getTime() / 1000);
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly param: string | null;
  constructor(status: number, type: string, code: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
  }
}

const invalid = (param: string): Refused =>
  new Refused(422, "parameter_validation_error", `parameter_validation.${param}`, `The parameter "${param}" is not valid.`, param);
const notFound = (): Refused => new Refused(404, "resource_not_found_error", "resource_not_found.entity", "The resource was not found.");

function requireText(value: unknown, param: string): void {
  if (typeof value !== "string" || value === "") throw invalid(param);
}

function asObject(value: unknown, param: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(param);
  return value as Json;
}

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw invalid("body");
  }
}

function totalOf(lineItems: unknown): number {
  if (!Array.isArray(lineItems) || lineItems.length === 0) throw invalid("line_items");
  return lineItems.reduce<number>((total, item: Json, nth) => {
    const { name, unit_price, quantity } = item;
    requireText(name, `line_items[${nth}].name`);
    if (!Number.isInteger(unit_price) || Number(unit_price) < 0) throw invalid(`line_items[${nth}].unit_price`);
    if (!Number.isInteger(quantity) || Number(quantity) < 1) throw invalid(`line_items[${nth}].quantity`);
    return total + Number(unit_price) * Number(quantity);
  }, 0);
}

const methods: Record<string, ((amount: number) => Json) | undefined> = {
  cash: (amount) => {
    const isOxxo = ending(amount) !== "16";
    const where = isOxxo
      ? { type: "oxxo", service_name: "OxxoPay", store_name: "OXXO" }
      : { type: "cash", service_name: "Cash", store_names: ["7 Eleven", "Farmacias del Ahorro"], product_type: "cash_in" };
    const reference = `980000${digits(8)}`;
    return { object: "cash_payment", ...where, reference, barcode_url: `https://barcodes.conekta.com/${reference}.png` };
  },
  spei: () => {
    const account = `646180${digits(11)}`;
    const clabe = account + checkDigits("clabe", account);
    return { object: "bank_transfer_payment", type: "spei", bank: "STP", clabe, receiving_account_bank: "STP", receiving_account_number: clabe, payment_attempts: [] };
  },
};

const listOf = (data: readonly Json[]): Json => ({ object: "list", has_more: false, total: data.length, data });

function paged(path: string, rows: readonly Wire[], query: URLSearchParams): Json {
  const limit = Math.min(Number(query.get("limit") ?? PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX);
  const after = rows.findIndex(({ id }) => id === query.get("next"));
  const data = rows.slice(after + 1, after + 1 + limit);
  const has_more = after + 1 + data.length < rows.length;
  const next_page_url = has_more ? `https://api.conekta.io/${path}?limit=${limit}&next=${data.at(-1)!.id}` : null;
  return { object: "list", has_more, total: rows.length, next_page_url, previous_page_url: null, data };
}

const placeOf = (kind: Kind, { account, id }: Call): Place => ({ kind, accountId: account.id, id });
const keyOf = ({ kind, accountId, id }: Place): string => `${kind}/${accountId}/${id}`;

const statusOf = (wire: Wire): string => String(wire["payment_status"] ?? wire["status"] ?? "pending_payment");
const isPaid = (wire: Wire): boolean => ["paid", "partially_refunded"].includes(statusOf(wire));
const isOpen = (wire: Wire): boolean => ["pending_payment", "open"].includes(statusOf(wire));

/** Whether nothing but time has moved it: one canceled or refunded through the API leaves its life. */
const isOnItsWay = ({ life, lived, wire }: Stored): boolean =>
  lived === 0 ? isOpen(wire) : statusOf(wire) === life[lived - 1];

function withStatus(wire: Wire, status: string, now: number): Wire {
  if (wire["object"] === "payout_order") return { ...wire, status, updated_at: now };
  if (status === "refunded") return withRefund(wire, wire.amount);
  return { ...withCharges(wire, { status, paid_at: status === "paid" ? now : null }), payment_status: status, is_refundable: status === "paid", updated_at: now };
}

function withRefund(wire: Wire, amount: number): Wire {
  const refunded = Number(wire["amount_refunded"]) + amount;
  const payment_status = refunded === wire.amount ? "refunded" : "partially_refunded";
  return { ...withCharges(wire, { status: payment_status }), amount_refunded: refunded, payment_status };
}

function withCharges(wire: Wire, change: Json): Wire {
  const charges = wire["charges"] as { data: Json[] } | undefined;
  return charges ? { ...wire, charges: { ...charges, data: charges.data.map((one) => ({ ...one, ...change })) } } : wire;
}

/** 3.9%, down to the centavo; a contract decides the true figure. */
const feeOf = (amount: number): number => Math.floor((amount * 39) / 1000);
const ending = (amount: number): string => String(amount % 100).padStart(2, "0");

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const code = (): string => `2${randomBytes(12).toString("base64url").replace(/[-_]/g, "x")}`;
const digits = (length: number): string => Array.from({ length }, () => randomInt(10)).join("");
