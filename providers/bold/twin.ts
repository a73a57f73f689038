/**
 * The stand-in for Bold: payment links that are paid on a page nobody opens, what was told of them, and messages signed with the
 * account's secret key. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const boldTwin: TwinDefinition = {
  id: "bold",
  hosts: ["integrations.api.bold.co"],
  magic: {
    amount_13: "an amount that ends in 13 pesos is refused: 400",
    amount_14: "an amount that ends in 14 pesos is never paid",
    amount_15: "a link over an amount that ends in 15 pesos expires unpaid",
    amount_16: "an amount that ends in 16 pesos has one attempt refused, then is paid",
    amount_17: "an amount that ends in 17 pesos is paid, then voided",
    amount_18: "a link over an amount that ends in 18 pesos is cancelled",
  },
  create: (context) => new BoldTwin(context),
};

interface Turn {
  /** Of the link, from now on. */
  status: string;
  /** What is told. */
  type?: string;
}

/** A turn every `settleAfterMs`, by the last two digits of the pesos. */
const lives: Record<string, readonly Turn[]> = {
  usual: [{ status: "PAID", type: "SALE_APPROVED" }],
  14: [],
  15: [{ status: "EXPIRED" }],
  16: [{ status: "REJECTED", type: "SALE_REJECTED" }, { status: "PAID", type: "SALE_APPROVED" }],
  17: [{ status: "PAID", type: "SALE_APPROVED" }, { status: "PAID", type: "VOID_APPROVED" }],
  18: [{ status: "CANCELLED" }],
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  secretKey: string;
  webhookUrl: string;
}

interface Stored {
  id: string;
  accountId: string;
  createdAtMs: number;
  request: Json;
  total: number;
  lived: number;
  told: Json[];
}

class BoldTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const [identityKey, secretKey] = [randomBytes(32).toString("base64url"), randomBytes(16).toString("base64url")];
    const account: Account = { id: hash(identityKey).slice(0, 12), secretKey, webhookUrl };
    await this.#context.store.put(`account/${hash(identityKey)}`, account);
    await this.#context.store.put(`byId/${account.id}`, account);
    return { credentials: { identity_key: identityKey }, settings: {}, webhookSecret: secretKey };
  }

  async fetch(request: Request): Promise<Response> {
    const [, key = ""] = /^x-api-key (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await this.#context.store.get<Account>(`account/${hash(key)}`);
    if (!account) return Response.json({ Message: "User is not authorized to access this resource with an explicit deny" }, { status: 403 });
    const { pathname, searchParams } = new URL(request.url);
    const [, linkId] = /^\/online\/link\/v1\/([^/]+)$/.exec(pathname) ?? [];
    const [, reference] = /^\/payments\/webhook\/notifications\/([^/]+)$/.exec(pathname) ?? [];
    if (request.method === "POST" && pathname === "/online/link/v1") return this.#create(account, await request.text());
    if (request.method === "GET" && linkId) return this.#show(account, linkId);
    if (request.method === "GET" && reference && searchParams.get("is_external_reference") === "true") return this.#tellAgain(account, reference);
    return refusal(404, { path: "not found" });
  }

  async #create({ id: accountId }: Account, text: string): Promise<Response> {
    const request = jsonOf(text);
    const invalid = request ? invalidity(request) : { body: "is not JSON" };
    if (!request || invalid) return refusal(400, invalid ?? {});
    const { store, clock } = this.#context;
    const total = Number((request["amount"] as Json)["total_amount"]);
    const id = `LNK_${randomBytes(5).toString("hex").toUpperCase()}`;
    const stored: Stored = { id, accountId, createdAtMs: clock.now().getTime(), request, total, lived: 0, told: [] };
    await store.put(keyOf(accountId, id), stored);
    for (const index of lifeOf(stored).keys()) {
      await store.schedule({ name: "live", accountId, id, index }, new Date(stored.createdAtMs + (index + 1) * this.#context.settleAfterMs));
    }
    return Response.json({ payload: { payment_link: id, url: `https://checkout.bold.co/${id}` }, errors: [] }, { status: 201 });
  }

  async #show({ id: accountId }: Account, id: string): Promise<Response> {
    const stored = await this.#context.store.get<Stored>(keyOf(accountId, id));
    return stored ? Response.json(shown(stored)) : refusal(404, { payment_link: "does not exist" });
  }

  async #tellAgain({ id: accountId }: Account, reference: string): Promise<Response> {
    const links = await this.#context.store.list<Stored>(keyOf(accountId, ""));
    const notifications = links.filter(({ request }) => request["reference"] === reference).flatMap(({ told }) => told);
    return Response.json({ notifications });
  }

  async run(step: TwinStep): Promise<void> {
    const [accountId, id, index] = [String(step["accountId"]), String(step["id"]), Number(step["index"])];
    const account = await this.#context.store.get<Account>(`byId/${accountId}`);
    const nowMs = this.#context.clock.now().getTime();
    const stored = await this.#context.store.update<Stored>(keyOf(accountId, id), (found) => (found.lived === index ? lived(found, nowMs) : found));
    const message = stored?.lived === index + 1 && lifeOf(stored)[index]?.type ? stored.told.at(-1) : undefined;
    if (!account || !message) return;
    // A repeat finds the message that was kept and tells it again.
    const body = JSON.stringify(message);
    const signature = createHmac("sha256", account.secretKey).update(Buffer.from(body).toString("base64")).digest("hex");
    await this.#context.deliver({ url: account.webhookUrl, headers: { "content-type": "application/json", "x-bold-signature": signature }, body });
  }
}

const lifeOf = ({ total }: Stored): readonly Turn[] => lives[String(total).slice(-2)] ?? lives["usual"]!;

function lived(stored: Stored, nowMs: number): Stored {
  const { type } = lifeOf(stored)[stored.lived]!;
  const lived = stored.lived + 1;
  return { ...stored, lived, told: type ? [...stored.told, messageOf(stored, type, nowMs)] : stored.told };
}

function messageOf({ id, total, request, lived }: Stored, type: string, nowMs: number): Json {
  const paymentId = `TX${hash(id).slice(0, 9).toUpperCase()}`;
  return {
    id: hash(`${id} ${lived}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5"), type, subject: paymentId, source: "/payments",
    spec_version: "1.0", time: nowMs * 1_000_000,
    data: {
      payment_id: paymentId, merchant_id: "TWIN", created_at: new Date(nowMs).toISOString(),
      amount: { currency: "COP", total, taxes: [], tip: 0 }, metadata: { reference: request["reference"] }, payment_method: (request["payment_methods"] as string[])[0],
    },
    datacontenttype: "application/json",
  };
}

function shown(stored: Stored): Json {
  const { id, total, request, createdAtMs, lived, told } = stored;
  const status = lived === 0 ? "ACTIVE" : lifeOf(stored)[lived - 1]!.status;
  return {
    api_version: 1, id, total, subtotal: total, tip_amount: 0, taxes: [], status, expiration_date: request["expiration_date"] ?? null,
    creation_date: createdAtMs * 1_000_000, description: request["description"] ?? null, payment_method: (request["payment_methods"] as string[])[0],
    transaction_id: told.at(-1)?.["subject"] ?? null, amount_type: "CLOSE", is_sandbox: true, reference: request["reference"],
  };
}

function invalidity({ amount_type, amount, reference, description, payment_methods, expiration_date }: Json): Json | undefined {
  const { currency, total_amount: total } = (amount ?? {}) as Json;
  if (amount_type !== "CLOSE") return { amount_type: "must be CLOSE" };
  if (currency !== "COP") return { currency: "must be COP" };
  if (!Number.isInteger(total) || Number(total) < 1_000 || String(total).endsWith("13")) return { total_amount: "must be at least 1000" };
  if (typeof reference !== "string" || !/^[\w-]{1,60}$/.test(reference)) return { reference: "is invalid" };
  if (typeof description !== "string" || description.length < 2 || description.length > 100) return { description: "must have 2 to 100 characters" };
  if (expiration_date !== undefined && !Number.isInteger(expiration_date)) return { expiration_date: "is invalid" };
  const known = ["CREDIT_CARD", "PSE", "BOTON_BANCOLOMBIA", "NEQUI"];
  const isKnown = Array.isArray(payment_methods) && payment_methods.length > 0 && payment_methods.every((method) => known.includes(String(method)));
  return isKnown ? undefined : { payment_methods: "is invalid" };
}

const refusal = (status: number, error: Json): Response => Response.json({ payload: {}, errors: [error] }, { status });

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyOf = (accountId: string, id: string): string => `link/${accountId}/${id}`;
