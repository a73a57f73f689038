/**
 * The stand-in for ePayco: logins, links de cobro, the transactions that buyers make on their pages, and signed confirmations. What it
 * leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const epaycoTwin: TwinDefinition = {
  id: "epayco",
  hosts: ["apify.epayco.co"],
  magic: {
    amount_13: "an amount that ends in 13 pesos is refused: success false",
    amount_14: "an amount that ends in 14 pesos is never paid",
    amount_16: "an amount that ends in 16 pesos has one card refused, then is paid",
    amount_17: "an amount that ends in 17 pesos is paid, then reversed",
    amount_18: "an amount that ends in 18 pesos is held, then paid",
  },
  create: (context) => new EpaycoTwin(context),
};

/** What the buyer's transactions come to, a word every `settleAfterMs`, by the last two digits of the pesos. */
const lives: Record<string, readonly string[]> = {
  usual: ["Aceptada"], 14: [], 16: ["Rechazada", "Aceptada"], 17: ["Aceptada", "Reversada"], 18: ["Pendiente", "Aceptada"],
};

const codes: Record<string, number> = { Aceptada: 1, Rechazada: 2, Pendiente: 3, Reversada: 6 };

export const TOKEN_LIVES_MS = 20 * 60_000;

type Json = Record<string, unknown>;

interface Account {
  id: string;
  secretHash: string;
  customerId: string;
  key: string;
}

interface Transaction {
  referencePayco: number;
  status: string;
}

interface Stored {
  txtCode: number;
  accountId: string;
  request: Json;
  transactions: Transaction[];
  lived: number;
}

class EpaycoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const [publicKey, privateKey, key] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex"), randomBytes(20).toString("hex")];
    const customerId = String(500_000 + (await this.#context.store.next("customers")));
    const account: Account = { id: hash(publicKey).slice(0, 12), secretHash: hash(privateKey), customerId, key };
    await this.#context.store.put(`keys/${publicKey}`, account);
    await this.#context.store.put(`account/${account.id}`, account);
    return {
      credentials: { public_key: publicKey, private_key: privateKey },
      settings: { p_cust_id_cliente: customerId, notification_url: webhookUrl },
      webhookSecret: key,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const authorization = request.headers.get("authorization") ?? "";
    if (request.method !== "POST") return refusal(404, "Not found");
    if (pathname === "/login") return this.#login(authorization);
    const [, token = ""] = /^Bearer (\S+)$/.exec(authorization) ?? [];
    const session = await this.#context.store.get<{ account: Account; untilMs: number }>(`token/${hash(token)}`);
    if (!session || session.untilMs <= this.#context.clock.now().getTime()) return refusal(401, "Unauthorized.");
    const body = jsonOf(await request.text());
    if (!body) return refusal(400, "Error", "the body is not JSON");
    switch (pathname) {
      case "/collection/link/create": return this.#create(session.account, body);
      case "/transaction": return this.#search(session.account, body);
      case "/transaction/detail": return this.#detail(session.account, body);
      default: return refusal(404, "Not found");
    }
  }

  async #login(authorization: string): Promise<Response> {
    const [, encoded = ""] = /^Basic (\S+)$/.exec(authorization) ?? [];
    const [publicKey = "", privateKey = ""] = Buffer.from(encoded, "base64").toString().split(":");
    const account = await this.#context.store.get<Account>(`keys/${publicKey}`);
    if (!account || account.secretHash !== hash(privateKey)) return refusal(401, "Unauthorized.");
    const token = randomBytes(30).toString("base64url");
    await this.#context.store.put(`token/${hash(token)}`, { account, untilMs: this.#context.clock.now().getTime() + TOKEN_LIVES_MS });
    return Response.json({ token });
  }

  async #create({ id: accountId }: Account, request: Json): Promise<Response> {
    const { amount, currency, title, description, typeSell, quantity } = request;
    const isAmount = typeof amount === "string" && /^[1-9]\d{3,}$/.test(amount) && !amount.endsWith("13");
    if (!isAmount) return refusal(200, "Error", "validation error", "property Amount must be between 1000 and 200000000");
    if (currency !== "COP" || !title || !description || !typeSell || quantity !== 1) return refusal(200, "Error", "validation error", "a property is missing");
    const { store, clock, settleAfterMs } = this.#context;
    const stored: Stored = { txtCode: 1_000_000 + (await store.next("links")), accountId, request, transactions: [], lived: 0 };
    await store.put(keyOf(accountId, stored.txtCode), stored);
    for (const index of lifeOf(stored).keys()) {
      await store.schedule({ name: "live", accountId, txtCode: stored.txtCode, index }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    }
    const data = { ...request, txtCode: stored.txtCode, routeLink: `https://payco.link/${stored.txtCode}`, state: 1 };
    return Response.json({ success: true, titleResponse: "Success", textResponse: "link created", lastAction: "create sell", data });
  }

  async #search({ id }: Account, { filter }: Json): Promise<Response> {
    const { referenceClient } = (filter ?? {}) as Json;
    const links = await this.#context.store.list<Stored>(keyOf(id, ""));
    const rows = links.filter(({ request }) => request["reference"] === referenceClient).flatMap(({ transactions, request }) =>
      transactions.map(({ referencePayco, status }) => ({ referencePayco, status, referenceClient, description: request["description"] })));
    return Response.json({ success: true, titleResponse: "Successful consult", data: { data: rows } });
  }

  async #detail({ id }: Account, { filter }: Json): Promise<Response> {
    const { referencePayco } = (filter ?? {}) as Json;
    for (const link of await this.#context.store.list<Stored>(keyOf(id, ""))) {
      const found = link.transactions.find((transaction) => transaction.referencePayco === referencePayco);
      if (!found) continue;
      const log = { x_ref_payco: found.referencePayco, x_extra1: link.request["extra1"], x_id_invoice: String(link.txtCode), x_cod_response: codes[found.status] };
      const data = { ...found, amount: Number(link.request["amount"]), description: link.request["description"], log };
      return Response.json({ success: true, titleResponse: "Successful consult", data });
    }
    return Response.json({ success: true, titleResponse: "Successful consult", data: null });
  }

  async run(step: TwinStep): Promise<void> {
    const [accountId, index] = [String(step["accountId"]), Number(step["index"])];
    const stored = await this.#context.store.update<Stored>(keyOf(accountId, Number(step["txtCode"])), (found) =>
      found.lived === index ? lived(found) : found);
    const account = await this.#context.store.get<Account>(`account/${accountId}`);
    // A repeat finds the word reached and tells it again.
    if (stored?.lived === index + 1 && account) await this.#tell(account, stored);
  }

  async #tell({ customerId, key }: Account, { txtCode, request, transactions }: Stored): Promise<void> {
    const { referencePayco, status } = transactions.at(-1)!;
    const form: Record<string, string> = {
      x_cust_id_cliente: customerId, x_ref_payco: String(referencePayco), x_id_invoice: String(txtCode), x_description: String(request["description"]),
      x_amount: String(request["amount"]), x_currency_code: "COP", x_transaction_id: String(referencePayco * 10), x_response: status,
      x_cod_response: String(codes[status]), x_extra1: String(request["extra1"] ?? ""),
    };
    const signed = [customerId, key, form["x_ref_payco"], form["x_transaction_id"], form["x_amount"], form["x_currency_code"]].join("^");
    const body = new URLSearchParams({ ...form, x_signature: hash(signed) }).toString();
    await this.#context.deliver({ url: String(request["urlConfirmation"]), headers: { "content-type": "application/x-www-form-urlencoded" }, body });
  }
}

const lifeOf = ({ request }: Stored): readonly string[] => lives[String(request["amount"]).slice(-2)] ?? lives["usual"]!;

/** After a refused card another is tried; what follows anything else is the same transaction. */
function lived(stored: Stored): Stored {
  const status = lifeOf(stored)[stored.lived]!;
  const last = stored.transactions.at(-1);
  const isNew = !last || last.status === "Rechazada";
  const transaction = { referencePayco: isNew ? stored.txtCode * 100 + stored.lived : last.referencePayco, status };
  return { ...stored, lived: stored.lived + 1, transactions: [...(isNew ? stored.transactions : stored.transactions.slice(0, -1)), transaction] };
}

const refusal = (status: number, titleResponse: string, textResponse = titleResponse, errorMessage?: string): Response =>
  Response.json({ success: false, titleResponse, textResponse, data: errorMessage ? { totalErrors: 1, errors: [{ codError: "A001", errorMessage }] } : {} }, { status });

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyOf = (accountId: string, txtCode: number | ""): string => `link/${accountId}/${txtCode}`;
