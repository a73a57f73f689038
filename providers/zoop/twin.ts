/**
 * The stand-in for Zoop: one marketplace an account, with its sellers, buyers and transactions by Pix, boleto and card token.
 * It sends no webhooks, for how Zoop signs its own is not known. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import { parseTaxId } from "../../schema/documents.ts";
import { toDecimal } from "../../schema/money.ts";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const zoopTwin: TwinDefinition = {
  id: "zoop",
  hosts: ["api.zoop.ws"],
  magic: {
    amount_below_50: "a transaction of less than 50 centavos is refused: 400 transaction_amount_error",
    amount_14: "a Pix or boleto whose amount ends in 14 centavos is never paid",
    amount_18: "a card transaction whose amount ends in 18 centavos is refused: 402 authorization_refused",
    amount_51: "a card transaction whose amount ends in 51 centavos is refused: 402 insufficient_funds_error",
  },
  create: (context) => new ZoopTwin(context),
};

const AMOUNT_MIN = 50;
const PAGE_ROWS_DEFAULT = 20;
const PAGE_ROWS_MAX = 100;

type Json = Record<string, unknown>;

interface Marketplace {
  id: string;
}

type Kind = "buyer" | "seller" | "transaction";

interface Stored {
  /** Grows by one an object: tells the order of those made at one moment. */
  ordinal: number;
  wire: Wire;
  /** Centavos still charged, of a transaction. */
  cents?: number;
}

interface Wire extends Json {
  id: string;
  resource: Kind;
}

interface Call {
  marketplace: Marketplace;
  /** The id in the path, or the kind of seller. */
  id: string;
  query: URLSearchParams;
  body: Json;
}

interface Answer {
  status: number;
  body: unknown;
}

class ZoopTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const key = `zpk_test_${randomBytes(18).toString("base64url").replace(/[-_]/g, "x")}`;
    const marketplace: Marketplace = { id: newId() };
    await this.#context.store.put(`key/${hash(key)}`, marketplace);
    const owner = { first_name: "Loja", last_name: "de Teste", email: "loja@example.com", taxpayer_id: "11144477735" };
    await this.#put(marketplace, this.#sellerWire(marketplace, "individual", owner));
    return { credentials: { api_key: key }, settings: { marketplace_id: marketplace.id }, webhookSecret: newId() };
  }

  async fetch(request: Request): Promise<Response> {
    const { status, body } = await this.#answer(request).catch(refusalOf);
    return Response.json(body, { status });
  }

  async #answer(request: Request): Promise<Answer> {
    const { pathname, searchParams: query } = new URL(request.url);
    const known = await this.#authenticate(request.headers.get("authorization"));
    const [, id, path = ""] = /^\/v[12]\/marketplaces\/([^/]+)(\/.*?)\/?$/.exec(pathname) ?? [];
    if (id !== undefined && id !== known.id) throw gone();
    for (const { method, pattern, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(path);
      if (!match) continue;
      const isNew = method === "POST" && !path.endsWith("/void");
      const call = { marketplace: known, id: match[1] ?? "", query, body: await bodyOf(request) };
      return { status: isNew ? 201 : 200, body: await handle(call) };
    }
    throw new Refused(404, "endpoint_not_found", "The requested URL was not found on the server");
  }

  async #authenticate(header: string | null): Promise<Marketplace> {
    const [, basic = ""] = /^Basic (\S+)$/.exec(header ?? "") ?? [];
    const [key = ""] = Buffer.from(basic, "base64").toString().split(":");
    const marketplace = await this.#context.store.get<Marketplace>(`key/${hash(key)}`);
    if (!marketplace) throw new Refused(401, "authentication_failed", "The API Key provided is not known.");
    return marketplace;
  }

  readonly #routes: { method: string; pattern: RegExp; handle: (call: Call) => Promise<unknown> }[] = [
    { method: "POST", pattern: /^\/buyers$/, handle: (call) => this.#createBuyer(call) },
    { method: "POST", pattern: /^\/sellers\/(individuals|businesses)$/, handle: (call) => this.#createSeller(call) },
    { method: "GET", pattern: /^\/sellers$/, handle: (call) => this.#list("seller", call) },
    { method: "GET", pattern: /^\/sellers\/([^/]+)$/, handle: ({ marketplace, id }) => this.#find(marketplace, "seller", id) },
    { method: "GET", pattern: /^\/sellers\/([^/]+)\/balances$/, handle: (call) => this.#balances(call) },
    { method: "POST", pattern: /^\/transactions$/, handle: (call) => this.#createTransaction(call) },
    { method: "GET", pattern: /^\/transactions$/, handle: (call) => this.#list("transaction", call) },
    { method: "GET", pattern: /^\/transactions\/([^/]+)$/, handle: ({ marketplace, id }) => this.#find(marketplace, "transaction", id) },
    { method: "POST", pattern: /^\/transactions\/([^/]+)\/void$/, handle: (call) => this.#void(call) },
  ];

  // Buyers and sellers

  async #createBuyer({ marketplace, body }: Call): Promise<Wire> {
    needs(body, "first_name", "last_name", "email");
    if (body["taxpayer_id"] !== undefined) await this.#claimTaxId(marketplace, "buyer", String(body["taxpayer_id"]));
    return this.#put(marketplace, {
      ...this.#resource(marketplace, "buyer"), status: "active", ...personOf(body), ...account, default_debit: null, default_credit: null,
    });
  }

  async #createSeller({ marketplace, id: kind, body }: Call): Promise<Wire> {
    const type = kind === "businesses" ? "business" : "individual";
    const taxId = type === "business" ? "ein" : "taxpayer_id";
    needs(body, taxId, ...(type === "business" ? ["business_name"] : ["first_name", "last_name", "email"]));
    await this.#claimTaxId(marketplace, "seller", String(body[taxId]));
    return this.#put(marketplace, this.#sellerWire(marketplace, type, body));
  }

  #sellerWire(marketplace: Marketplace, type: "individual" | "business", body: Json): Wire {
    const { ein = null, business_name = null, business_email = null, business_phone = null, business_address = null, owner = null } = body;
    const own = type === "business" ? { ein, business_name, business_email, business_phone, business_address, owner } : personOf(body);
    return { ...this.#resource(marketplace, "seller"), status: "active", type, ...own, ...account, statement_descriptor: null, mcc: null };
  }

  async #claimTaxId(marketplace: Marketplace, kind: Kind, text: string): Promise<void> {
    const document = parseTaxId(text, { environment: "test" });
    if (!document.ok) throw new Refused(400, "invalid_parameter", "Invalid parameter(s). Your parameter value is incorrect. Please verify request parameters.");
    if ((await this.#context.store.next(`tax-id/${marketplace.id}/${kind}/${document.value}`)) > 1)
      throw new Refused(409, "duplicate_taxpayer_id", "Customer with this taxpayer_id already exists.");
  }

  /** What the seller has been paid; here nothing is held back, and nothing leaves. */
  async #balances({ marketplace, id }: Call): Promise<Json> {
    await this.#find(marketplace, "seller", id);
    const rows = await this.#context.store.list<Stored>(`transaction/${marketplace.id}/`);
    const paid = rows.filter(({ wire }) => wire["on_behalf_of"] === id && wire["status"] === "succeeded");
    const balance = reais(paid.reduce((sum, { cents = 0 }) => sum + cents, 0));
    return { items: { current_balance: balance, account_balance: balance } };
  }

  // Transactions

  async #createTransaction({ marketplace, body }: Call): Promise<Wire> {
    needs(body, "on_behalf_of", "amount", "payment_type");
    const { amount, payment_type: type, customer, on_behalf_of: seller, token, currency = "BRL" } = body;
    const cents = centsOf(amount);
    if (currency !== "BRL") throw new Refused(400, "invalid_parameter", "Invalid parameter(s): currency.");
    await this.#find(marketplace, "seller", String(seller));
    if (customer !== undefined) await this.#find(marketplace, "buyer", String(customer));
    const method = methods[String(type)];
    if (!method) throw new Refused(400, "unsupported_payment_type", "Invalid request: unsupported payment type.");
    if (type === "boleto" && customer === undefined) throw missing("customer");
    if (method === "card") checkCard(cents, { token, customer });

    const resource = this.#resource(marketplace, "transaction");
    const status = method === "card" ? "succeeded" : "pending";
    const wire: Wire = {
      ...resource, status, amount: reais(cents), original_amount: reais(cents), currency, description: body["description"] ?? null, payment_type: type,
      transaction_number: null, sales_receipt: newId(), on_behalf_of: seller, customer: customer ?? null, reference_id: body["reference_id"] ?? null,
      statement_descriptor: null, payment_method: paymentMethodOf(method, resource.id, cents, body), installment_plan: null, refunded: false,
      voided: false, captured: method === "card", fees: "0.00", fee_details: null, expected_on: resource["created_at"],
      history: [this.#event(resource.id, "created", cents, status)],
    };
    await this.#put(marketplace, wire, { cents });
    if (status === "pending" && cents % 100 !== 14)
      await this.#context.store.schedule({ name: "pay", key: keyOf(marketplace, wire) }, new Date(this.#now().getTime() + this.#context.settleAfterMs));
    return wire;
  }

  /** The amount goes down by what is given back; at nothing the transaction is canceled. */
  async #void({ marketplace, id, body }: Call): Promise<Wire> {
    const transaction = await this.#find(marketplace, "transaction", id);
    needs(body, "on_behalf_of");
    if (body["on_behalf_of"] !== transaction["on_behalf_of"]) throw gone();
    let refusal: Refused | undefined;
    const changed = await this.#context.store.update<Stored>(keyOf(marketplace, transaction), (stored) => {
      const { cents = 0, wire } = stored;
      const given = body["amount"] === undefined ? cents : Number(body["amount"]);
      const isPart = given !== cents;
      const isPossible = wire["status"] === "succeeded" && given > 0 && given <= cents && (!isPart || wire["payment_type"] === "credit");
      if (!isPossible) refusal = new Refused(402, "void_transaction_error", "The void request failed. Transaction could not be voided.");
      if (!isPossible) return stored;
      const status = isPart ? "succeeded" : "canceled";
      const history = [...(wire["history"] as Json[]), this.#event(id, "voided", given, status)];
      const fields = { status, amount: reais(cents - given), voided: !isPart, history, updated_at: this.#now().toISOString() };
      return { ...stored, cents: cents - given, wire: { ...wire, ...fields } };
    });
    if (refusal) throw refusal;
    return changed!.wire;
  }

  async run(step: TwinStep): Promise<void> {
    await this.#context.store.update<Stored>(String(step["key"]), (stored) => {
      const { wire, cents = 0 } = stored;
      if (wire["status"] !== "pending") return stored;
      const history = [...(wire["history"] as Json[]), this.#event(wire.id, "paid", cents, "succeeded")];
      return { ...stored, wire: { ...wire, status: "succeeded", history, updated_at: this.#now().toISOString() } };
    });
  }

  // Storage

  async #put(marketplace: Marketplace, wire: Wire, more: Pick<Stored, "cents"> = {}): Promise<Wire> {
    await this.#context.store.put(keyOf(marketplace, wire), { ...more, ordinal: await this.#context.store.next("object"), wire });
    return wire;
  }

  async #find(marketplace: Marketplace, resource: Kind, id: string): Promise<Wire> {
    const stored = await this.#context.store.get<Stored>(keyOf(marketplace, { id, resource }));
    if (!stored) throw gone();
    return stored.wire;
  }

  async #list(kind: Kind, { marketplace, query }: Call): Promise<Json> {
    const stored = await this.#context.store.list<Stored>(`${kind}/${marketplace.id}/`);
    const order = query.get("sort") === "time-ascending" ? 1 : -1;
    const rows = stored.sort((a, b) => order * (a.ordinal - b.ordinal)).map(({ wire }) => wire);
    const filters = ["status", "payment_type"].flatMap((name) => (query.has(name) ? [[name, query.get(name)] as const] : []));
    const fitting = rows.filter((wire) => filters.every(([name, value]) => wire[name] === value));
    const limit = Math.min(Number(query.get("limit") ?? PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX);
    const offset = Number(query.get("offset") ?? 0);
    const items = fitting.slice(offset, offset + limit);
    const uri = `/v1/marketplaces/${marketplace.id}/${kind}s`;
    return { resource: "list", uri, items, limit, offset, has_more: offset + items.length < fitting.length, query_count: items.length, total: fitting.length };
  }

  #resource(marketplace: Marketplace, resource: Kind): Wire {
    const id = newId();
    const at = this.#now().toISOString();
    return { id, resource, uri: `/v1/marketplaces/${marketplace.id}/${resource}s/${id}`, created_at: at, updated_at: at, metadata: {} };
  }

  #event(transaction: string, operation: string, cents: number, status: string): Json {
    return { id: newId(), transaction, amount: reais(cents), operation_type: operation, status, created_at: this.#now().toISOString() };
  }

  #now(): Date {
    return this.#context.clock.now();
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly category: string;
  constructor(status: number, category: string, message: string) {
    super(message);
    this.status = status;
    this.category = category;
  }
}

const STATUS_WORDS: Record<number, string> = { 400: "Bad Request", 401: "Unauthorized", 402: "Request Failed", 404: "Not Found", 409: "Conflict" };
const CARD_ERRORS = ["authorization_refused", "card_customer_not_associated", "insufficient_funds_error"];

function refusalOf(error: unknown): Answer {
  if (!(error instanceof Refused)) throw error;
  const { status, category, message } = error;
  const type = CARD_ERRORS.includes(category) ? "card_error" : "invalid_request_error";
  return { status, body: { error: { status: STATUS_WORDS[status], status_code: status, type, category, message } } };
}

const gone = (): Refused => new Refused(404, "resource_not_found", "The resource does not exist or has been deleted.");
const missing = (name: string): Refused =>
  new Refused(400, "missing_required_param", `Missing required parameter(s). Please verify request parameters: ${name}.`);

function needs(body: Json, ...names: string[]): void {
  for (const name of names) if (body[name] === undefined || body[name] === "") throw missing(name);
}

function centsOf(amount: unknown): number {
  if (typeof amount !== "number" || !Number.isInteger(amount) || amount < AMOUNT_MIN)
    throw new Refused(400, "transaction_amount_error", "The minimum amount is 0.50. The amount must be a positive integer in cents.");
  return amount;
}

const methods: Partial<Record<string, "card" | "boleto" | "pix">> = { credit: "card", debit: "card", boleto: "boleto", pix: "pix" };

function checkCard(cents: number, { token, customer }: { token: unknown; customer: unknown }): void {
  if (token === undefined && customer === undefined) throw missing("token");
  if (token === undefined) throw new Refused(402, "card_customer_not_associated", "Transaction denied. No active card.");
  if (cents % 100 === 18) throw new Refused(402, "authorization_refused", "Transaction denied.");
  if (cents % 100 === 51) throw new Refused(402, "insufficient_funds_error", "Requested credit exceeds remaining settled funds.");
}

function paymentMethodOf(method: "card" | "boleto" | "pix", transaction: string, cents: number, body: Json): Json {
  const id = newId();
  switch (method) {
    case "card":
      return { id, resource: "card", card_brand: "Visa", first4_digits: "4111", last4_digits: "1111" };
    case "boleto": {
      const { expiration_date = null, payment_limit_date = null, body_instructions = null } = (body["payment_method"] ?? {}) as Json;
      const url = `https://api-boleto-sandbox.example/${id}`;
      return { id, resource: "boleto", url, barcode: digitsOf(id, 44), expiration_date, payment_limit_date, body_instructions };
    }
    case "pix": {
      const location = `pix.zoop.example/qr/v2/${transaction}`;
      const emv = buildDynamicCode({ location, amountMinor: BigInt(cents), merchantName: "Loja de Teste", merchantCity: "Rio de Janeiro" });
      return { id, qr_code: { emv } };
    }
  }
}

const account = { account_balance: "0.00", current_balance: "0.00", delinquent: false, description: null };

const personOf = ({ first_name = null, last_name = null, email = null, taxpayer_id = null, phone_number = null, birthdate = null, address = null }: Json): Json =>
  ({ first_name, last_name, email, taxpayer_id, phone_number, birthdate, address });

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, "invalid_parameter", "The body is no JSON.");
  }
}

const reais = (cents: number): string => toDecimal({ amountMinor: BigInt(cents), currency: "BRL" });
const newId = (): string => randomBytes(16).toString("hex");
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const digitsOf = (text: string, count: number): string => BigInt(`0x${hash(text)}`).toString().slice(0, count);
const keyOf = (marketplace: Marketplace, { resource, id }: Pick<Wire, "resource" | "id">): string => `${resource}/${marketplace.id}/${id}`;
