/**
 * The stand-in for Transbank's Webpay Plus: transactions, a page that a buyer pays on by magic, the buyer's way back, confirmation
 * and refunds. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const transbankTwin: TwinDefinition = {
  id: "transbank",
  hosts: ["webpay3g.transbank.cl", "webpay3gint.transbank.cl"],
  magic: {
    amount_13: "a transaction whose amount ends in 13 is refused: 422",
    amount_14: "a transaction whose amount ends in 14 is never opened",
    amount_15: "a transaction whose amount ends in 15 is given up by its buyer",
    amount_18: "a transaction whose amount ends in 18 has its card refused",
  },
  create: (context) => new TransbankTwin(context),
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  commerceCode: string;
  secretHash: string;
}

/** What the buyer has done; nothing of it shows in the status before the transaction is confirmed. */
type Page = "unopened" | "paid" | "refused" | "given_up";

interface Stored {
  token: string;
  accountId: string;
  request: Json;
  amount: number;
  createdAt: string;
  page: Page;
  status: string;
  balance: number;
}

const endings: Record<string, Page> = { 14: "unopened", 15: "given_up", 18: "refused" };

class TransbankTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const number = await this.#context.store.next("commerce");
    const commerceCode = String(597_000_000_000 + number);
    const [secret, webhookSecret] = [randomBytes(32).toString("hex").toUpperCase(), randomBytes(24).toString("base64url")];
    const account: Account = { id: commerceCode, commerceCode, secretHash: hash(secret) };
    await this.#context.store.put(`account/${commerceCode}`, account);
    return {
      credentials: { commerce_code: commerceCode, api_key_secret: secret, webhook_secret: webhookSecret },
      settings: { notification_url: webhookUrl },
      webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return Response.json({ error_message: error.message }, { status: error.status });
    }
  }

  async #answer(request: Request): Promise<Json> {
    const account = await this.#context.store.get<Account>(`account/${request.headers.get("tbk-api-key-id") ?? ""}`);
    if (!account || account.secretHash !== hash(request.headers.get("tbk-api-key-secret") ?? "")) throw new Refused(401, "Not Authorized");
    const path = new URL(request.url).pathname.replace(/^\/rswebpaytransaction\/api\/webpay\/v1\.2\/transactions/, "");
    const [matches, token = "", action = ""] = /^(?:\/(\w+)(\/refunds)?)?$/.exec(path) ?? [];
    if (matches === undefined) throw new Refused(404, "Not Found");
    const body = await bodyOf(request);
    switch (`${request.method} ${token && "/token"}${action}`) {
      case "POST ": return this.#create(account, body);
      case "GET /token": return shown(await this.#find(account, token));
      case "PUT /token": return this.#confirm(account, token);
      case "POST /token/refunds": return this.#refund(account, token, body);
      default: throw new Refused(405, "Method Not Allowed");
    }
  }

  async #create({ id: accountId }: Account, request: Json): Promise<Json> {
    const { buy_order, session_id, amount, return_url } = request;
    if (typeof buy_order !== "string" || buy_order === "" || buy_order.length > 26) throw new Refused(422, "Invalid value for parameter: buy_order");
    if (typeof session_id !== "string" || session_id === "" || session_id.length > 61) throw new Refused(422, "Invalid value for parameter: session_id");
    if (!Number.isInteger(amount) || Number(amount) < 1 || String(amount).endsWith("13")) throw new Refused(422, "Invalid value for parameter: amount");
    if (typeof return_url !== "string" || !URL.canParse(return_url) || return_url.length > 256) throw new Refused(422, "Invalid value for parameter: return_url");
    const { store, clock, settleAfterMs } = this.#context;
    const token = `01ab${randomBytes(30).toString("hex")}`;
    const now = clock.now();
    const stored: Stored = {
      token, accountId, request, amount: Number(amount), createdAt: now.toISOString(), page: "unopened", status: "INITIALIZED", balance: Number(amount),
    };
    await store.put(keyOf(accountId, token), stored);
    if (endings[String(amount).slice(-2)] !== "unopened") {
      await store.schedule({ name: "buyer", accountId, token }, new Date(now.getTime() + settleAfterMs));
    }
    return { token, url: "https://webpay3gint.transbank.cl/webpayserver/initTransaction" };
  }

  /** The buyer has done at the page, and the browser goes back to the shop. */
  async run(step: TwinStep): Promise<void> {
    const stored = await this.#context.store.update<Stored>(keyOf(String(step["accountId"]), String(step["token"])), (found) =>
      found.page === "unopened" ? { ...found, page: endings[String(found.amount).slice(-2)] ?? "paid" } : found);
    if (!stored) return;
    const { token, page, request } = stored;
    const address = new URL(String(request["return_url"]));
    const brought = page === "given_up"
      ? { TBK_TOKEN: token, TBK_ORDEN_COMPRA: String(request["buy_order"]), TBK_ID_SESION: String(request["session_id"]) }
      : { token_ws: token };
    for (const [name, value] of Object.entries(brought)) address.searchParams.set(name, value);
    await this.#context.deliver({ url: address.href, method: "GET", headers: {}, body: "" });
  }

  async #confirm(account: Account, token: string): Promise<Json> {
    const { page, status } = await this.#find(account, token);
    if (page === "given_up") throw new Refused(422, "Transaction has been cancelled by the user");
    if (page === "unopened") throw new Refused(422, "Invalid status '0' for transaction while authorizing");
    if (status !== "INITIALIZED") throw new Refused(422, "Transaction already locked by another process");
    const confirmed = await this.#context.store.update<Stored>(keyOf(account.id, token), (stored) =>
      ({ ...stored, status: page === "paid" ? "AUTHORIZED" : "FAILED" }));
    return shown(confirmed!);
  }

  async #refund(account: Account, token: string, { amount }: Json): Promise<Json> {
    const { status, balance, amount: whole } = await this.#find(account, token);
    const isPossible = ["AUTHORIZED", "PARTIALLY_NULLIFIED"].includes(status) && Number.isInteger(amount) && Number(amount) > 0 && Number(amount) <= balance;
    if (!isPossible) throw new Refused(422, "Amount to refund is bigger than authorized");
    const left = balance - Number(amount);
    const type = left === 0 && balance === whole ? "REVERSED" : "NULLIFIED";
    await this.#context.store.update<Stored>(keyOf(account.id, token), (stored) =>
      ({ ...stored, balance: left, status: left > 0 ? "PARTIALLY_NULLIFIED" : type }));
    return type === "REVERSED" ? { type } : { type, balance: left, nullified_amount: amount, authorization_code: "123456", response_code: 0 };
  }

  async #find({ id }: Account, token: string): Promise<Stored> {
    const stored = await this.#context.store.get<Stored>(keyOf(id, token));
    if (!stored) throw new Refused(422, "Invalid value for parameter: token");
    return stored;
  }
}

function shown({ amount, status, request, createdAt, balance }: Stored): Json {
  const common = { amount, status, buy_order: request["buy_order"], session_id: request["session_id"], transaction_date: createdAt };
  if (status === "INITIALIZED") return { ...common, accounting_date: createdAt.slice(5, 10).replace("-", ""), installments_number: 0 };
  const isRefused = status === "FAILED";
  return {
    ...common, vci: isRefused ? "TSN" : "TSY", card_detail: { card_number: "6623" }, accounting_date: createdAt.slice(5, 10).replace("-", ""),
    authorization_code: isRefused ? "000000" : "1213", payment_type_code: "VN", response_code: isRefused ? -1 : 0, installments_number: 0, balance,
  };
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(422, "Invalid JSON");
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyOf = (accountId: string, token: string): string => `transaction/${accountId}/${token}`;
