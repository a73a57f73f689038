/**
 * UnblockPay's twin: quotes, pay-ins, payouts and wallet transfers under `/v1`, for one approved customer with one wallet on
 * Polygon. Deposits arrive by themselves: a transaction moves on one status a rest, as its `magic` amounts say.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const unblockpayTwin: TwinDefinition = {
  id: "unblockpay",
  hosts: ["api.unblockpay.com", "api.sandbox.unblockpay.com"],
  magic: {
    "decimals .13": "an amount whose decimals are 13 is answered with 422, insufficient_balance",
    "decimals .14": "an amount whose decimals are 14 is accepted, then failed",
    "decimals .15": "an amount whose decimals are 15 is accepted, then failed and refunded",
  },
  create: (context) => new UnblockpayTwin(context),
};

interface Account {
  key: string;
  customerId: string;
  webhookUrl: string;
}

interface Wallet {
  id: string;
  customer_id: string;
  name: string;
  blockchain: string;
  address: string;
}

interface Quote {
  key: string;
  type: "on_ramp" | "off_ramp";
  expiresAt: string;
  sender: object;
  receiver: object;
  amount: number;
}

interface Transaction {
  id: string;
  key: string;
  type: string;
  status: string;
  sender: object;
  receiver: object;
  createdAt: string;
  deposit?: string;
}

const QUOTE_LIVES_MS = 5 * 60_000;
/** Bank money for one unit of a stablecoin. */
const RATE = 5.5;

class UnblockpayTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const webhookSecret = randomBytes(24).toString("base64url");
    const address = new URL(webhookUrl);
    address.searchParams.set("token", webhookSecret);
    const account: Account = { key: `ubp_${randomUUID()}`, customerId: randomUUID(), webhookUrl: address.href };
    await this.#context.store.put(`account/${account.key}`, account);
    const wallet = await this.#newWallet(account, { customer_id: account.customerId, name: "Sandbox", blockchain: "polygon" });
    return {
      credentials: { api_key: account.key },
      settings: {
        customer_id: account.customerId, wallet_id: wallet.id, blockchain: wallet.blockchain, payer_name: "Maria Silva", payer_document: "11144477735",
        external_account_id: randomUUID(),
      },
      webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const account = await this.#context.store.get<Account>(`account/${request.headers.get("authorization") ?? ""}`);
    if (!account) return failure(401, "unauthorized", "Invalid API key");
    const body = jsonOf(await request.text());
    const [, id] = /^\/v1\/transactions\/([^/]+)$/.exec(pathname) ?? [];
    switch (`${request.method} ${id ? "/transactions/id" : pathname.replace(/^\/v1/, "")}`) {
      case "POST /quote": return this.#quote(account, body);
      case "POST /payin": return this.#fromQuote(account, body, "on_ramp");
      case "POST /payout": return this.#fromQuote(account, body, "off_ramp");
      case "POST /wallet-transfer": return this.#transfer(account, body);
      case "GET /transactions/id": return this.#show(account, id!);
      case "POST /wallets": return this.#wallet(account, body);
      case "GET /wallets": return this.#wallets(account, searchParams);
      default: return failure(404, "not_found", "Not found");
    }
  }

  /** A step that comes again, or after a later one, changes nothing. */
  async run(step: TwinStep): Promise<void> {
    const to = String(step["to"]);
    let moved = false;
    const transaction = await this.#context.store.update<Transaction>(String(step["key"]), (current) => {
      moved = order.indexOf(to) > order.indexOf(current.status);
      return moved ? { ...current, status: to } : current;
    });
    const account = transaction && (await this.#context.store.get<Account>(`account/${transaction.key}`));
    if (!account || !moved) return;
    const event = `${transaction.type === "on_ramp" ? "payin" : "payout"}.${to}`;
    const headers = { "content-type": "application/json" };
    await this.#context.deliver({ url: account.webhookUrl, body: JSON.stringify({ event, data: shown(transaction) }), headers });
  }

  async #quote(account: Account, body: unknown): Promise<Response> {
    const parsed = NewQuote.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { type, sender, receiver } = parsed.data;
    const coins = type === "on_ramp" ? receiver : sender;
    if ((sender.amount === undefined) === (receiver.amount === undefined) || coins.amount === undefined)
      return failure(422, "invalid_amount", "amount belongs on one side");
    const id = randomUUID();
    const expiresAt = new Date(this.#context.clock.now().getTime() + QUOTE_LIVES_MS).toISOString();
    const fiat = Math.round(coins.amount * RATE * 100) / 100;
    const sides = type === "on_ramp" ? { sender: { ...sender, amount: fiat }, receiver } : { sender, receiver: { ...receiver, amount: fiat } };
    await this.#context.store.put(`quote/${id}`, { key: account.key, type, expiresAt, amount: coins.amount, ...sides } satisfies Quote);
    return Response.json({ id, expires_at: expiresAt, commercial_quotation: String(RATE), fees: [], ...sides }, { status: 201 });
  }

  async #fromQuote(account: Account, body: unknown, type: Quote["type"]): Promise<Response> {
    const parsed = NewTransaction.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { quote_id: quoteId, customer_id, sender, receiver } = parsed.data;
    if (customer_id !== account.customerId) return failure(404, "customer_not_found", "Customer not found");
    const quote = await this.#context.store.get<Quote>(`quote/${quoteId}`);
    if (!quote || quote.key !== account.key || quote.type !== type) return failure(404, "quote_not_found", "Quote not found");
    if (new Date(quote.expiresAt) < this.#context.clock.now()) return failure(422, "quote_expired", "Quote has expired");
    if ((await this.#context.store.next(`quote/${quoteId}/uses`)) > 1) return failure(422, "quote_already_used", "Quote was used before");
    const deposit = type === "on_ramp" ? `00020126sandbox-pix-${quoteId}` : `0x${randomBytes(20).toString("hex")}`;
    const sides = { sender: { ...quote.sender, ...sender }, receiver: { ...quote.receiver, ...receiver } };
    return this.#make(account, { type, ...sides, deposit, status: "awaiting_deposit" }, quote.amount);
  }

  async #transfer(account: Account, body: unknown): Promise<Response> {
    const parsed = NewTransfer.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { amount, customer_id, sender, receiver } = parsed.data;
    if (customer_id !== account.customerId) return failure(404, "customer_not_found", "Customer not found");
    const wallet = await this.#context.store.get<Wallet>(walletKey(account, sender.wallet_id));
    if (!wallet) return failure(404, "wallet_not_found", "Wallet not found");
    if (wallet.blockchain !== sender.payment_rail || sender.payment_rail !== receiver.payment_rail)
      return failure(422, "cross_chain_not_supported", "Both sides must be on the wallet's blockchain");
    return this.#make(account, { type: "transfer", sender: { ...sender, amount }, receiver: { ...receiver, amount }, status: "processing" }, amount);
  }

  async #make(account: Account, made: Omit<Transaction, "id" | "key" | "createdAt">, amount: number): Promise<Response> {
    const decimals = String(amount).split(".")[1] ?? "";
    if (decimals === "13") return failure(422, "insufficient_balance", "The wallet has insufficient balance");
    const transaction: Transaction = { id: randomUUID(), key: account.key, createdAt: this.#context.clock.now().toISOString(), ...made };
    const key = transactionKey(account, transaction.id);
    await this.#context.store.put(key, transaction);
    const end = decimals === "14" ? ["failed"] : decimals === "15" ? ["failed", "refunded"] : ["completed"];
    const life = [...(made.status === "awaiting_deposit" ? ["processing"] : []), ...end];
    for (const [nth, to] of life.entries()) {
      const at = new Date(this.#context.clock.now().getTime() + (nth + 1) * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "move", key, to }, at);
    }
    return Response.json(shown(transaction), { status: 201 });
  }

  async #show(account: Account, id: string): Promise<Response> {
    const transaction = await this.#context.store.get<Transaction>(transactionKey(account, id));
    return transaction ? Response.json(shown(transaction)) : failure(404, "transaction_not_found", "Transaction not found");
  }

  async #wallet(account: Account, body: unknown): Promise<Response> {
    const parsed = NewWallet.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    if (parsed.data.customer_id !== account.customerId) return failure(422, "customer_not_allowed", "Customer is not approved");
    return Response.json(await this.#newWallet(account, parsed.data), { status: 201 });
  }

  async #newWallet(account: Account, wanted: z.output<typeof NewWallet>): Promise<Wallet> {
    const wallet: Wallet = { id: randomUUID(), ...wanted, address: `0x${randomBytes(20).toString("hex")}` };
    await this.#context.store.put(walletKey(account, wallet.id), wallet);
    return wallet;
  }

  async #wallets(account: Account, query: URLSearchParams): Promise<Response> {
    const all = await this.#context.store.list<Wallet>(walletKey(account, ""));
    const offset = Number(query.get("offset")) || 0;
    return Response.json({ data: all.slice(offset, offset + (Number(query.get("limit")) || 10)), total: all.length });
  }
}

const walletKey = (account: Account, id: string): string => `wallet/${account.key}/${id}`;
const transactionKey = (account: Account, id: string): string => `transaction/${account.key}/${id}`;

const order = ["awaiting_deposit", "processing", "completed", "failed", "refunded"];

const Side = z.looseObject({ currency: z.string(), payment_rail: z.string(), amount: z.number().positive().optional() });
const NewQuote = z.object({ type: z.enum(["on_ramp", "off_ramp"]), sender: Side, receiver: Side });
const NewTransaction = z.object({
  quote_id: z.string(), customer_id: z.string(), sender: z.record(z.string(), z.unknown()), receiver: z.record(z.string(), z.unknown()),
});
const Coins = z.object({ currency: z.enum(["USDC", "USDT"]), payment_rail: z.string() });
const NewTransfer = z.object({
  amount: z.number().positive(), customer_id: z.string(), sender: Coins.extend({ wallet_id: z.string() }), receiver: Coins.extend({ address: z.string() }),
});
const NewWallet = z.object({ customer_id: z.string(), name: z.string().min(1), blockchain: z.string() });

const shown = ({ id, type, status, sender, receiver, createdAt, deposit }: Transaction): object => ({
  id, type, status, sender, receiver, created_at: createdAt, transaction_link: `https://pay.sandbox.unblockpay.com/${id}`,
  ...(deposit && { sender_deposit_instructions: { deposit_address: deposit } }),
});

function invalid({ issues: [issue] }: z.ZodError): Response {
  return failure(400, "validation_error", `${issue!.path.join(".") || "body"}: ${issue!.message}`);
}

const failure = (status: number, code: string, message: string): Response => Response.json({ code, message }, { status });
