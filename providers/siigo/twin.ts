/**
 * The stand-in for Siigo: access tokens of a day, customers, products, sales invoices whose payments must add up, and
 * the catalogues they name. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const siigoTwin: TwinDefinition = {
  id: "siigo",
  hosts: ["api.siigo.com"],
  magic: {
    "a total ending in 13 pesos": "the tax authority rejects the stamped invoice",
    "a customer's identification, or a product's code, used before": "is refused, already_exists",
  },
  create: (context) => new SiigoTwin(context),
};

type Json = Record<string, unknown>;

interface Account {
  username: string;
  keyHash: string;
}

interface Call {
  username: string;
  id: string;
  query: URLSearchParams;
  body: unknown;
}

interface Invoice extends Json {
  id: string;
  total: number;
  stamp: { status: string; cufe?: string };
}

const TOKEN_TTL_S = 86_400;
const PAGE_ROWS_DEFAULT = 25;
const PDF = Buffer.from("%PDF-1.4\n%%EOF\n").toString("base64");

const DOCUMENT_TYPES = [
  { id: 24446, code: "1", name: "Factura", description: "Factura electrónica de venta", type: "FV", active: true },
  { id: 24447, code: "1", name: "Nota crédito", description: "Nota crédito", type: "NC", active: true },
];
const TAXES = [
  { id: 13156, name: "IVA 19%", type: "IVA", percentage: 19, active: true }, { id: 13157, name: "IVA 5%", type: "IVA", percentage: 5, active: true },
];
const PAYMENT_TYPES = [
  { id: 5636, name: "Crédito", type: "Cartera", active: true, due_date: true }, { id: 5637, name: "Efectivo", type: "Cartera", active: true, due_date: false },
];
const USERS = [{ id: 629, username: "ventas@example.com", first_name: "Ventas", last_name: "Prueba", email: "ventas@example.com", active: true }];

class SiigoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const [username, accessKey] = [`sandbox-${randomBytes(4).toString("hex")}@example.com`, randomBytes(30).toString("base64")];
    await this.#context.store.put(`account/${username}`, { username, keyHash: hash(accessKey) } satisfies Account);
    return { credentials: { username, access_key: accessKey }, settings: { partner_id: "codespar" }, webhookSecret: randomBytes(16).toString("hex") };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    if (!/^[A-Za-z0-9]{3,100}$/.test(request.headers.get("partner-id") ?? "")) return failure(400, "header_required", "The Partner-Id header is required", ["Partner-Id"]);
    const body: unknown = await request.json().catch(() => undefined);
    if (request.method === "POST" && pathname === "/auth") return this.#grant(body);
    const username = await this.#holder(request.headers.get("authorization"));
    if (!username) return failure(401, "unauthorized", "The access token is missing, wrong or expired", []);
    for (const [pattern, handle] of this.#routes) {
      const match = pattern.exec(`${request.method} ${pathname}`);
      if (match) return handle({ username, id: match[1] ?? "", query, body });
    }
    return failure(404, "not_found", "The requested resource does not exist", []);
  }

  async #grant(body: unknown): Promise<Response> {
    const { username = "", access_key: key = "" } = (body ?? {}) as Record<string, string>;
    const account = await this.#context.store.get<Account>(`account/${username}`);
    if (account?.keyHash !== hash(key)) return failure(401, "unauthorized", "The user or the access key is wrong", []);
    const token = randomBytes(48).toString("base64url");
    await this.#context.store.put(`token/${hash(token)}`, { username, endsAtMs: this.#nowMs() + TOKEN_TTL_S * 1_000 });
    return Response.json({ access_token: token, expires_in: TOKEN_TTL_S, token_type: "Bearer", scope: "SiigoAPI" });
  }

  async #holder(header: string | null): Promise<string | undefined> {
    const token = /^Bearer (\S+)$/.exec(header ?? "")?.[1];
    const granted = token && (await this.#context.store.get<{ username: string; endsAtMs: number }>(`token/${hash(token)}`));
    return granted && granted.endsAtMs > this.#nowMs() ? granted.username : undefined;
  }

  readonly #routes: readonly [RegExp, (call: Call) => Promise<Response>][] = [
    [/^POST \/v1\/invoices$/, (call) => this.#createInvoice(call)],
    [/^GET \/v1\/invoices$/, (call) => this.#list("invoice", call)],
    [/^GET \/v1\/invoices\/([^/]+)$/, (call) => this.#invoice(call, (invoice) => invoice)],
    [/^GET \/v1\/invoices\/([^/]+)\/pdf$/, (call) => this.#invoice(call, ({ id }) => ({ id, base64: PDF }))],
    [/^POST \/v1\/customers$/, (call) => this.#create("customer", "identification", Customer, call)],
    [/^GET \/v1\/customers$/, (call) => this.#list("customer", call)],
    [/^POST \/v1\/products$/, (call) => this.#create("product", "code", Product, call)],
    [/^GET \/v1\/products$/, (call) => this.#list("product", call)],
    [/^GET \/v1\/document-types$/, async ({ query }) => Response.json(DOCUMENT_TYPES.filter(({ type }) => type === query.get("type")))],
    [/^GET \/v1\/payment-types$/, async () => Response.json(PAYMENT_TYPES)],
    [/^GET \/v1\/taxes$/, async () => Response.json(TAXES)],
    [/^GET \/v1\/users$/, async ({ query }) => Response.json(pageOf(USERS, query))],
  ];

  async #create(kind: "customer" | "product", key: string, shape: z.ZodType<Json>, { username, body }: Call): Promise<Response> {
    const parsed = shape.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const value = String(parsed.data[key]);
    if ((await this.#context.store.next(`${kind}s/${username}/${value}`)) > 1) return failure(400, "already_exists", `The ${kind} already exists`, [key]);
    const made = { id: randomUUID(), active: true, ...parsed.data, metadata: { created: this.#now(), last_updated: null } };
    await this.#context.store.put(`${kind}/${username}/${value}`, made);
    return Response.json(made, { status: 201 });
  }

  async #createInvoice({ username, body }: Call): Promise<Response> {
    const parsed = InvoiceRequest.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { document, customer, seller, items, payments, stamp } = parsed.data;
    const { store } = this.#context;
    if (!DOCUMENT_TYPES.some(({ id, type }) => id === document.id && type === "FV")) return failure(400, "invalid_reference", "The document does not exist", ["document.id"]);
    if (!USERS.some(({ id }) => id === seller)) return failure(400, "invalid_reference", "The seller does not exist", ["seller"]);
    const known = await store.get<Json>(`customer/${username}/${customer.identification}`);
    if (!known) return failure(400, "invalid_reference", "The customer does not exist", ["customer.identification"]);
    for (const [at, { code }] of items.entries()) {
      if (!(await store.get(`product/${username}/${code}`))) return failure(400, "invalid_reference", "The product does not exist", [`items[${at}].code`]);
    }
    const cents = items.reduce((sum, item) => sum + totalOf(item), 0n);
    const paid = payments.reduce((sum, { value }) => sum + scaled(value) / 10n ** 4n, 0n);
    if (paid !== cents) {
      const message = `The total payments must be equal to the total invoice. The total invoice calculated is ${decimal(cents)}`;
      return failure(400, "invalid_total_payments", message, ["payments"]);
    }
    const number = await store.next(`number/${username}`);
    const invoice: Invoice = {
      id: randomUUID(), ...parsed.data, prefix: "FV", number, name: `FV-1-${number}`, customer: { id: known["id"], ...customer },
      total: Number(decimal(cents)), balance: 0, stamp: { status: "Draft" }, metadata: { created: this.#now(), last_updated: null },
    };
    await store.put(`invoice/${username}/${invoice.id}`, invoice);
    if (stamp?.send) await store.schedule({ name: "stamp", username, id: invoice.id }, new Date(this.#nowMs() + this.#context.settleAfterMs));
    return Response.json(invoice, { status: 201 });
  }

  async #invoice({ username, id }: Call, show: (invoice: Invoice) => object): Promise<Response> {
    const invoice = await this.#context.store.get<Invoice>(`invoice/${username}/${id}`);
    return invoice ? Response.json(show(invoice)) : failure(404, "not_found", "The invoice does not exist", ["id"]);
  }

  async #list(kind: string, { username, query }: Call): Promise<Response> {
    const rows = await this.#context.store.list<Json>(`${kind}/${username}/`);
    const [from, to] = [query.get("date_start"), query.get("date_end")];
    const isWanted = (row: Json) =>
      ["identification", "code"].every((name) => [null, row[name]].includes(query.get(name)))
      && (from === null || String(row["date"]) >= from) && (to === null || String(row["date"]) <= to);
    return Response.json(pageOf(rows.filter(isWanted), query));
  }

  /** The tax authority answers. A repeat changes nothing. */
  async run({ name, username, id }: TwinStep): Promise<void> {
    if (name !== "stamp") return;
    await this.#context.store.update<Invoice>(`invoice/${String(username)}/${String(id)}`, (invoice) => {
      if (invoice.stamp.status !== "Draft") return invoice;
      const isRejected = Math.trunc(invoice.total) % 100 === 13;
      return { ...invoice, stamp: isRejected ? { status: "Rejected" } : { status: "Accepted", cufe: hash(invoice.id) } };
    });
  }

  #now(): string {
    return this.#context.clock.now().toISOString();
  }

  #nowMs(): number {
    return this.#context.clock.now().getTime();
  }
}

const Filled = z.string().min(1);
const Customer = z.looseObject({
  person_type: z.enum(["Person", "Company"]), id_type: Filled, identification: Filled, name: z.array(Filled).min(1),
  address: z.looseObject({ address: Filled, city: z.looseObject({ country_code: Filled, state_code: Filled, city_code: Filled }) }),
  phones: z.array(z.looseObject({ number: Filled })).min(1), contacts: z.array(z.looseObject({ first_name: Filled })).min(1),
});
const Product = z.looseObject({ code: Filled, name: Filled, account_group: z.int() });
const Item = z.looseObject({
  code: Filled, quantity: z.number().positive().max(1e9), price: z.number().min(0).max(1e15), discount: z.number().min(0).default(0),
  taxes: z.array(z.object({ id: z.int() })).default([]),
});
const InvoiceRequest = z.looseObject({
  document: z.object({ id: z.int() }), date: Filled, customer: z.looseObject({ identification: Filled }), seller: z.int(),
  items: z.array(Item).min(1), payments: z.array(z.looseObject({ id: z.int(), value: z.number().max(1e15) })).min(1),
  stamp: z.object({ send: z.boolean() }).optional(),
});

/** Millionths: a JSON number is read by its digits. */
const scaled = (value: number): bigint => BigInt(value.toFixed(6).replace(".", ""));

/** Centavos of a line: quantity by price, less the discount, with its taxes, rounded half up. */
function totalOf({ quantity, price, discount, taxes }: z.output<typeof Item>): bigint {
  const percent = taxes.reduce((sum, { id }) => sum + (TAXES.find((tax) => tax.id === id)?.percentage ?? 0), 0);
  const net = scaled(quantity) * scaled(price) - scaled(discount) * 10n ** 6n;
  return (net * BigInt(100 + percent) / 100n + 5n * 10n ** 9n) / 10n ** 10n;
}

const decimal = (cents: bigint): string => `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;

function pageOf(rows: readonly unknown[], query: URLSearchParams): Json {
  const [page, size] = [Number(query.get("page") ?? 1), Number(query.get("page_size") ?? PAGE_ROWS_DEFAULT)];
  return { pagination: { page, page_size: size, total_results: rows.length }, results: rows.slice((page - 1) * size, page * size) };
}

const invalid = (error: z.ZodError): Response => {
  const field = error.issues[0]?.path.join(".") ?? "body";
  return failure(400, "parameter_required", `The ${field} field is required or invalid`, [field]);
};

const failure = (status: number, code: string, message: string, params: string[]): Response =>
  Response.json({ Status: status, Errors: [{ Code: code, Message: message, Params: params, Detail: "https://siigoapi.docs.apiary.io" }] }, { status });

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
