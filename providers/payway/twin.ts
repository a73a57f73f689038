/**
 * The stand-in for Payway: forms that are paid on a page nobody opens, and the payments they leave, listed by the merchant's own
 * number. It tells nobody. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const paywayTwin: TwinDefinition = {
  id: "payway",
  hosts: ["developers.decidir.com", "ventasonline.payway.com.ar"],
  magic: {
    amount_13: "a form whose amount ends in 13 centavos is refused: 400",
    amount_14: "a form whose amount ends in 14 centavos is never paid",
    amount_15: "a form whose amount ends in 15 centavos has its one card refused",
    amount_16: "a form whose amount ends in 16 centavos has one card refused, then is paid",
    amount_17: "a form whose amount ends in 17 centavos is paid, then annulled",
    amount_18: "a form whose amount ends in 18 centavos is paid, then refunded in part",
  },
  create: (context) => new PaywayTwin(context),
};

/** What its payments are after each rest of `settleAfterMs`, by the last two digits of the amount. */
const lives: Record<string, readonly (readonly string[])[]> = {
  usual: [["approved"]],
  14: [],
  15: [["rejected"]],
  16: [["rejected"], ["rejected", "approved"]],
  17: [["approved"], ["annulled"]],
  18: [["approved"], ["approved_with_refund"]],
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  publicKey: string;
}

interface Stored {
  hash: string;
  createdAtMs: number;
  transaction: string;
  payment: Json;
  /** How many rests of its life it has lived. */
  lived: number;
}

const TEMPLATE_ID = 5;

class PaywayTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const [privateKey, publicKey] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
    await this.#context.store.put(`account/${hash(privateKey)}`, { id: hash(privateKey).slice(0, 12), publicKey } satisfies Account);
    const settings = { public_key: publicKey, template_id: String(TEMPLATE_ID), payment_method_id: "1", redirect_url: "https://tienda.example/gracias" };
    return { credentials: { private_key: privateKey }, settings, webhookSecret: randomBytes(16).toString("hex") };
  }

  async fetch(request: Request): Promise<Response> {
    const account = await this.#context.store.get<Account>(`account/${hash(request.headers.get("apikey") ?? "")}`);
    if (!account) return Response.json({ message: "Invalid authentication credentials" }, { status: 401 });
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "POST" && pathname === "/web/forms") return this.#create(account, await request.text());
    if (request.method === "GET" && pathname === "/api/v2/payments") return this.#list(account, searchParams);
    return Response.json({ error_type: "not_found_error", entity_name: "", id: "" }, { status: 404 });
  }

  async #create(account: Account, text: string): Promise<Response> {
    const request = jsonOf(text);
    const invalid = request ? invalidity(request, account) : "body";
    if (!request || invalid) return invalidRequest(invalid ?? "");
    const { clock, store, settleAfterMs } = this.#context;
    const transaction = String((request["site"] as Json)["transaction_id"]);
    const stored: Stored = { hash: randomUUID(), createdAtMs: clock.now().getTime(), transaction, payment: request["payment"] as Json, lived: 0 };
    const key = keyOf(account, stored.hash);
    await store.put(key, stored);
    for (const index of lifeOf(stored).keys()) {
      await store.schedule({ name: "live", key, index }, new Date(stored.createdAtMs + (index + 1) * settleAfterMs));
    }
    return Response.json({ hash: stored.hash }, { status: 201 });
  }

  async #list(account: Account, query: URLSearchParams): Promise<Response> {
    const forms = await this.#context.store.list<Stored>(keyOf(account, ""));
    const [transaction, offset, limit] = [query.get("siteOperationId"), Number(query.get("offset") ?? 0), Number(query.get("pageSize") ?? 50)];
    const all = forms.filter((form) => transaction === null || form.transaction === transaction).flatMap(paymentsOf);
    return Response.json({ limit, offset, results: all.slice(offset, offset + limit), hasMore: all.length > offset + limit });
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    await this.#context.store.update<Stored>(String(step["key"]), (found) => (found.lived === index ? { ...found, lived: index + 1 } : found));
  }
}

const lifeOf = ({ payment }: Stored): readonly (readonly string[])[] => lives[String(payment["amount"]).slice(-2)] ?? lives["usual"]!;

function paymentsOf(form: Stored): Json[] {
  const { hash: formHash, createdAtMs, transaction, payment, lived } = form;
  const statuses = lived === 0 ? [] : lifeOf(form)[lived - 1]!;
  return statuses.map((status, index) => ({
    id: Number.parseInt(hash(`${formHash} ${index}`).slice(0, 8), 16), site_transaction_id: transaction,
    payment_method_id: payment["payment_method_id"], amount: payment["amount"], currency: "ars", status, installments: payment["installments"],
    payment_type: "single", sub_payments: [], date: new Date(createdAtMs).toISOString().slice(0, 16),
  }));
}

function invalidity({ site, customer, payment, public_apikey, success_url, cancel_url }: Json, { publicKey }: Account): string | undefined {
  const { transaction_id: transaction, template } = (site ?? {}) as Json;
  const { amount, currency, payment_method_id: brand, installments, payment_type } = (payment ?? {}) as Json;
  if (typeof transaction !== "string" || !/^[\w-]{1,40}$/.test(transaction)) return "site.transaction_id";
  if ((template as Json | undefined)?.["id"] !== TEMPLATE_ID) return "site.template.id";
  if (typeof customer !== "object") return "customer";
  if (!Number.isInteger(amount) || Number(amount) < 1 || String(amount).endsWith("13")) return "payment.amount";
  if (currency !== "ARS") return "payment.currency";
  if (!Number.isInteger(brand)) return "payment.payment_method_id";
  if (installments !== 1) return "payment.installments";
  if (payment_type !== "single") return "payment.payment_type";
  if (public_apikey !== publicKey) return "public_apikey";
  return typeof success_url === "string" && typeof cancel_url === "string" ? undefined : "success_url";
}

const invalidRequest = (param: string): Response =>
  Response.json({ error_type: "invalid_request_error", validation_errors: [{ code: "invalid_param", param }] }, { status: 400 });

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const keyOf = (account: Account, formHash: string): string => `form/${account.id}/${formHash}`;
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
