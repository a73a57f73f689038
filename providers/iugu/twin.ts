/**
 * The stand-in for iugu: invoices payable by Pix or boleto, refunds, cancellations and customers; idempotency keys that are
 * refused when they come again; triggers with the token of the account. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import { buildBankSlip, parseBoleto } from "../../schema/boleto.ts";
import { parseTaxId } from "../../schema/documents.ts";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const iuguTwin: TwinDefinition = {
  id: "iugu",
  hosts: ["api.iugu.com"],
  magic: {
    invoice_13: "an invoice whose total ends in 13 centavos is refused: 422",
    invoice_14: "an invoice whose total ends in 14 centavos is never paid",
    invoice_15: "an invoice whose total ends in 15 centavos expires unpaid",
    invoice_17: "an invoice whose total ends in 17 centavos is paid, then refunded",
  },
  create: (context) => new IuguTwin(context),
};

/** What becomes of an invoice, a status every `settleAfterMs`, by the last two digits of its total. */
const lives: Record<string, readonly string[]> = { usual: ["paid"], 14: [], 15: ["expired"], 17: ["paid", "refunded"] };

/** What iugu keeps of an invoice here; a contract decides the true figure. */
const FEE_CENTS = 199;
/** The bank of its boletos: iugu itself. */
const BANK = "401";
/** What ten digits of a boleto can say. */
const BOLETO_CENTS_MAX = 9_999_999_999;
const PAGE_ROWS_MAX = 100;

type Json = Record<string, unknown>;

interface Account {
  id: string;
  webhookUrl: string;
  webhookToken: string;
}

type Kind = "invoice" | "customer";

interface Wire extends Json {
  id: string;
}

interface Stored {
  /** Grows by one an object: tells the order of those made at one moment. */
  ordinal: number;
  createdAtMs: number;
  wire: Wire;
  life: readonly string[];
  lived: number;
}

interface Call {
  account: Account;
  /** The id in the path. */
  id: string;
  query: URLSearchParams;
  body: Json;
}

class IuguTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const token = newId() + newId();
    const account: Account = { id: newId(), webhookUrl, webhookToken: randomBytes(24).toString("base64url").replace(/[-_]/g, "x") };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`token/${hash(token)}`, account);
    return { credentials: { api_token: token }, settings: {}, webhookSecret: account.webhookToken };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return Response.json({ errors: error.errors }, { status: error.status });
    }
  }

  async #answer(request: Request): Promise<unknown> {
    const { pathname, searchParams: query } = new URL(request.url);
    const account = await this.#authenticate(request.headers.get("authorization"));
    const path = pathname.replace(/^\/v1/, "");
    for (const { method, pattern, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(path);
      if (!match) continue;
      const call = { account, id: match[1] ?? "", query, body: await bodyOf(request) };
      const key = request.headers.get("idempotency-key");
      return key === null || method !== "POST" ? handle(call) : this.#once(`key/${account.id}${path}/${key}`, () => handle(call));
    }
    throw new Refused(404, "Not Found");
  }

  async #authenticate(header: string | null): Promise<Account> {
    const [, basic = ""] = /^Basic (\S+)$/.exec(header ?? "") ?? [];
    const [token = ""] = Buffer.from(basic, "base64").toString().split(":");
    const account = await this.#context.store.get<Account>(`token/${hash(token)}`);
    if (!account) throw new Refused(401, "Unauthorized");
    return account;
  }

  readonly #routes: { method: string; pattern: RegExp; handle: (call: Call) => Promise<unknown> }[] = [
    { method: "POST", pattern: /^\/invoices$/, handle: (call) => this.#createInvoice(call) },
    { method: "GET", pattern: /^\/invoices$/, handle: (call) => this.#list("invoice", call) },
    { method: "GET", pattern: /^\/invoices\/([^/]+)$/, handle: ({ account, id }) => this.#find(account, id) },
    { method: "PUT", pattern: /^\/invoices\/([^/]+)\/cancel$/, handle: (call) => this.#cancel(call) },
    { method: "POST", pattern: /^\/invoices\/([^/]+)\/refund$/, handle: (call) => this.#refund(call) },
    { method: "POST", pattern: /^\/customers$/, handle: (call) => this.#createCustomer(call) },
    { method: "GET", pattern: /^\/customers$/, handle: (call) => this.#list("customer", call) },
  ];

  /** A key is spent by a request that succeeded; after one that was refused it may be used again. */
  async #once(place: string, make: () => Promise<unknown>): Promise<unknown> {
    const { store } = this.#context;
    const refusals = (await store.get<number>(place)) ?? 0;
    if ((await store.next(`${place}/${refusals}`)) > 1) throw new Refused(409, "Idempotency-Key already used");
    try {
      return await make();
    } catch (error) {
      await store.put(place, refusals + 1);
      throw error;
    }
  }

  async #createInvoice({ account, body }: Call): Promise<Wire> {
    const { email, due_date: due, items, payable_with: methods = ["all"], payer, custom_variables: variables = [] } = body;
    if (!email) throw invalid("email", "não pode ficar em branco");
    if (!/^\d{4}-\d{2}-\d{2}$/.test(String(due))) throw invalid("due_date", "não é válido");
    if (String(due) < this.#now().toISOString().slice(0, 10)) throw invalid("due_date", "não pode ser no passado");
    const total = totalOf(items);
    if (ending(total) === "13") throw invalid("total", "não é aceito");
    const { name, cpf_cnpj: document } = (payer ?? {}) as Json;
    const isBySlip = (methods as unknown[]).includes("bank_slip");
    if (isBySlip && total > BOLETO_CENTS_MAX) throw invalid("total", "não é aceito");
    if (isBySlip && !name) throw invalid("payer.name", "não pode ficar em branco");
    if (isBySlip && !document) throw invalid("payer.cpf_cnpj", "não pode ficar em branco");
    if (document !== undefined && !parseTaxId(String(document), { environment: "test" }).ok) throw invalid("payer.cpf_cnpj", "não é válido");

    const id = newId();
    const secureId = `${id.toLowerCase()}-${id.slice(0, 4).toLowerCase()}`;
    const isByPix = (methods as unknown[]).some((method) => method === "pix" || method === "all");
    const wire: Wire = {
      id, due_date: due, currency: "BRL", email, items_total_cents: total, status: "pending", total_cents: total, total_paid_cents: 0,
      taxes_paid_cents: null, paid_at: null, payable_with: methods, order_id: null, secure_id: secureId, secure_url: `https://faturas.iugu.com/${secureId}`,
      customer_id: body["customer_id"] ?? null, payer_name: name ?? null, payer_cpf_cnpj: document ?? null, refunded_cents: 0,
      created_at_iso: this.#now().toISOString(), items, custom_variables: variables,
      pix: isByPix ? { qrcode: `https://faturas.iugu.com/qr_code/${secureId}`, qrcode_text: codeOf(id, total), status: "qr_code_created" } : null,
      bank_slip: isBySlip ? slipOf(id, total, String(due)) : null,
    };
    const life = lives[ending(total)] ?? lives["usual"]!;
    await this.#put("invoice", account, { wire, life });
    await this.#schedule({ name: "notify", account: account.id, id, event: "invoice.created", status: "pending" }, 0);
    for (const index of life.keys()) await this.#schedule({ name: "live", account: account.id, id, index }, index + 1);
    return wire;
  }

  async #cancel({ account, id }: Call): Promise<Wire> {
    const { status } = await this.#find(account, id);
    if (status !== "pending" && status !== "expired") throw new Refused(422, "Fatura não pode ser cancelada");
    return this.#become(account, id, { status: "canceled" });
  }

  async #refund({ account, id, body }: Call): Promise<Wire> {
    const { status, total_cents: total, refunded_cents: before } = await this.#find(account, id);
    const left = Number(total) - Number(before);
    const amount = Number(body["partial_value_refund_cents"] ?? left);
    if ((status !== "paid" && status !== "partially_refunded") || amount > left) throw new Refused(422, "Fatura não pode ser reembolsada");
    return this.#become(account, id, { status: amount === left ? "refunded" : "partially_refunded", refunded_cents: Number(before) + amount });
  }

  async #createCustomer({ account, body }: Call): Promise<Wire> {
    const { name, email, cpf_cnpj = null } = body;
    if (!name) throw invalid("name", "não pode ficar em branco");
    if (!email) throw invalid("email", "não pode ficar em branco");
    const at = this.#now().toISOString();
    const wire = { id: newId(), email, name, cpf_cnpj, notes: null, created_at: at, updated_at: at, custom_variables: [] };
    return this.#put("customer", account, { wire, life: [] });
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${String(step["account"])}`);
    if (!account) return;
    const id = String(step["id"]);
    if (step.name === "notify") await this.#notify(account, { id, event: String(step["event"]), status: String(step["status"]) });
    if (step.name === "live") await this.#live(account, id, Number(step["index"]));
  }

  async #live(account: Account, id: string, index: number): Promise<void> {
    let reached: string | undefined;
    await this.#context.store.update<Stored>(keyOf("invoice", account, id), (stored) => {
      const { life, lived, wire } = stored;
      const isOnItsWay = wire["status"] === (index === 0 ? "pending" : life[index - 1]);
      if (lived !== index || !isOnItsWay) return stored;
      reached = life[index]!;
      return { ...stored, lived: index + 1, wire: { ...wire, status: reached, ...changesOf(reached, wire, this.#now()) } };
    });
    if (reached !== undefined) await this.#schedule({ name: "notify", account: account.id, id, event: "invoice.status_changed", status: reached }, 0);
  }

  async #become(account: Account, id: string, fields: Json & { status: string }): Promise<Wire> {
    const changed = await this.#context.store.update<Stored>(keyOf("invoice", account, id), (stored) => ({ ...stored, wire: { ...stored.wire, ...fields } }));
    await this.#schedule({ name: "notify", account: account.id, id, event: "invoice.status_changed", status: fields.status }, 0);
    return changed!.wire;
  }

  async #notify(account: Account, { id, event, status }: { id: string; event: string; status: string }): Promise<void> {
    const body = new URLSearchParams({ event, "data[id]": id, "data[status]": status, "data[account_id]": account.id }).toString();
    await this.#context.deliver({
      url: account.webhookUrl, body, headers: { "content-type": "application/x-www-form-urlencoded", authorization: account.webhookToken },
    });
  }

  // Storage

  async #put(kind: Kind, account: Account, { wire, life }: Pick<Stored, "wire" | "life">): Promise<Wire> {
    const stored: Stored = { ordinal: await this.#context.store.next("object"), createdAtMs: this.#now().getTime(), wire, life, lived: 0 };
    await this.#context.store.put(keyOf(kind, account, wire.id), stored);
    return wire;
  }

  async #find(account: Account, id: string): Promise<Wire> {
    const stored = await this.#context.store.get<Stored>(keyOf("invoice", account, id));
    if (!stored) throw new Refused(404, "Invoice Not Found");
    return stored.wire;
  }

  async #list(kind: Kind, { account, query }: Call): Promise<Json> {
    const rows = (await this.#context.store.list<Stored>(`${kind}/${account.id}/`)).sort((a, b) => b.ordinal - a.ordinal);
    const [from, to] = [momentOf(query.get("created_at_from"), 0), momentOf(query.get("created_at_to"), Infinity)];
    const status = query.get("status_filter");
    const fitting = rows.filter(({ createdAtMs, wire }) => createdAtMs >= from && createdAtMs <= to && (status === null || wire["status"] === status));
    const start = Number(query.get("start") ?? 0);
    const limit = Math.min(Number(query.get("limit") ?? PAGE_ROWS_MAX), PAGE_ROWS_MAX);
    return { totalItems: fitting.length, items: fitting.slice(start, start + limit).map(({ wire }) => wire) };
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#now().getTime() + rests * this.#context.settleAfterMs));
  }

  #now(): Date {
    return this.#context.clock.now();
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly errors: string | Record<string, string[]>;
  constructor(status: number, errors: string | Record<string, string[]>) {
    super("refused");
    this.status = status;
    this.errors = errors;
  }
}

const invalid = (field: string, message: string): Refused => new Refused(422, { [field]: [message] });

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, "Bad Request");
  }
}

function totalOf(items: unknown): number {
  const rows = (Array.isArray(items) ? items : []) as Json[];
  const total = rows.reduce((sum, { price_cents: price, quantity }) => sum + Number(price) * Number(quantity), 0);
  if (!Number.isInteger(total) || total <= 0) throw invalid("items", "não são válidos");
  return total;
}

function changesOf(status: string, { total_cents: total }: Wire, now: Date): Json {
  if (status === "paid") return { paid_at: now.toISOString(), total_paid_cents: total, taxes_paid_cents: Math.min(FEE_CENTS, Number(total)) };
  return status === "refunded" ? { refunded_cents: total } : {};
}

const momentOf = (text: string | null, otherwise: number): number => (text === null ? otherwise : Date.parse(text));

const codeOf = (id: string, total: number): string =>
  buildDynamicCode({ location: `qr.iugu.com/public/payload/v2/${id}`, amountMinor: BigInt(total), merchantName: "Loja de Teste", merchantCity: "Sao Paulo" });

const ending = (total: number): string => String(total % 100).padStart(2, "0");
const newId = (): string => randomBytes(16).toString("hex").toUpperCase();
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
function slipOf(id: string, total: number, dueDate: string): Json {
  const digitable_line = buildBankSlip({ bank: BANK, freeField: digitsOf(id, 25), amountMinor: BigInt(total), dueDate });
  const slip = parseBoleto(digitable_line, { today: dueDate });
  return { digitable_line, barcode_data: slip.ok ? slip.boleto.barcode : null };
}

const digitsOf = (text: string, count: number): string => BigInt(`0x${hash(text)}`).toString().slice(0, count);
const keyOf = (kind: Kind, account: Account, id: string): string => `${kind}/${account.id}/${id}`;
