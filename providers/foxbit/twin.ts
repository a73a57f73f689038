/**
 * Foxbit's twin: one market, orders that fill at once at one price or rest at a limit, and withdrawals that are done one
 * rest later. Signatures are checked over the decoded query; Foxbit posts nothing.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { jsonOf, sameSecret } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import { signatureOf } from "./index.ts";

export const foxbitTwin: TwinDefinition = {
  id: "foxbit",
  hosts: ["api.foxbit.com.br"],
  magic: {
    "decimals .13": "a withdrawal whose decimals are 13 is answered with 422, insufficient balance",
    "decimals .14": "a withdrawal whose decimals are 14 is accepted, then rejected",
  },
  create: (context) => new FoxbitTwin(context),
};

interface Withdrawal {
  sn: string;
  state: string;
  asked: z.output<typeof NewWithdrawal>;
  createdAt: string;
}

interface Order {
  id: number;
  state: string;
  asked: z.output<typeof NewOrder>;
  createdAt: string;
}

const PRICE = "5.5";
const market = { symbol: "usdtbrl", quantity_min: "0.1", quantity_increment: "0.000001", price_min: "0.01", price_increment: "0.0001" };

class FoxbitTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const [key, secret] = [randomBytes(16).toString("hex"), randomBytes(32).toString("hex")];
    await this.#context.store.put(`account/${key}`, secret);
    return { credentials: { api_key: key, api_secret: secret }, settings: {}, webhookSecret: "" };
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const text = await request.text();
    const key = request.headers.get("x-fb-access-key") ?? "";
    const secret = await this.#context.store.get<string>(`account/${key}`);
    const timestamp = request.headers.get("x-fb-access-timestamp") ?? "";
    const expected = secret && signatureOf(secret, { timestamp, method: request.method, url, body: text });
    if (!expected || !sameSecret(request.headers.get("x-fb-access-signature") ?? "", expected)) return failure(401, 2001, "Authentication error");
    const path = url.pathname.replace("/rest/v3", "");
    const [, orderId] = /^\/orders\/by-order-id\/(\d+)$/.exec(path) ?? [];
    switch (`${request.method} ${orderId ? "/orders/id" : path}`) {
      case "GET /markets": return Response.json({ data: [market] });
      case "GET /markets/usdtbrl/ticker/24hr": return Response.json({ data: [{ market_symbol: "usdtbrl", last_trade: { price: PRICE, volume: "1.0" } }] });
      case "GET /markets/usdtbrl/orderbook": return Response.json({ asks: [[PRICE, "1000.0"]], bids: [["5.4", "1000.0"]] });
      case "GET /accounts": return Response.json({ data: [{ currency_symbol: "usdt", balance: "1000.0", balance_available: "1000.0", balance_locked: "0.0" }] });
      case "POST /withdrawals": return this.#withdraw(key, jsonOf(text));
      case "GET /withdrawals": return this.#withdrawals(key, url.searchParams);
      case "POST /orders": return this.#order(key, jsonOf(text));
      case "GET /orders": return this.#orders(key, url.searchParams);
      case "GET /orders/id": return this.#showOrder(key, orderId!);
      case "PUT /orders/cancel": return this.#cancel(key, jsonOf(text));
      default: return failure(404, 404, "Resource not found");
    }
  }

  async run(step: TwinStep): Promise<void> {
    await this.#context.store.update<Withdrawal>(String(step["key"]), (current) =>
      (current.state === "SUBMITTED" ? { ...current, state: String(step["to"]) } : current));
  }

  async #withdraw(key: string, body: unknown): Promise<Response> {
    const parsed = NewWithdrawal.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const decimals = parsed.data.amount.split(".")[1];
    if (decimals === "13") return failure(422, 4011, "Insufficient balance");
    const nth = await this.#context.store.next(`withdrawals/${key}`);
    const now = this.#context.clock.now();
    const made: Withdrawal = { sn: `W${String(nth).padStart(12, "0")}`, state: "SUBMITTED", asked: parsed.data, createdAt: now.toISOString() };
    const place = `withdrawal/${key}/${made.sn}`;
    await this.#context.store.put(place, made);
    const to = decimals === "14" ? "REJECTED" : "DONE";
    await this.#context.store.schedule({ name: "end", key: place, to }, new Date(now.getTime() + this.#context.settleAfterMs));
    return Response.json({ sn: made.sn, state: made.state, ...made.asked }, { status: 201 });
  }

  async #withdrawals(key: string, query: URLSearchParams): Promise<Response> {
    const all = await this.#context.store.list<Withdrawal>(`withdrawal/${key}/`);
    const data = all.toReversed().slice(0, Number(query.get("page_size")) || 20).map(({ sn, state, asked, createdAt }) => ({
      sn, state, currency_symbol: asked.currency_symbol, amount: asked.amount, fee: "0.0", created_at: createdAt,
      details_crypto: { destination_address: asked.destination_address },
    }));
    return Response.json({ data });
  }

  async #order(key: string, body: unknown): Promise<Response> {
    const parsed = NewOrder.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const id = await this.#context.store.next(`orders/${key}`);
    const state = parsed.data.type === "MARKET" ? "FILLED" : "ACTIVE";
    const order: Order = { id, state, asked: parsed.data, createdAt: this.#context.clock.now().toISOString() };
    await this.#context.store.put(orderKey(key, id), order);
    return Response.json({ id, ...(parsed.data.client_order_id && { client_order_id: parsed.data.client_order_id }) }, { status: 201 });
  }

  async #orders(key: string, query: URLSearchParams): Promise<Response> {
    const all = await this.#context.store.list<Order>(`order/${key}/`);
    const fitting = all.filter(({ state, asked }) =>
      (query.get("state") ?? state) === state && (query.get("side") ?? asked.side) === asked.side);
    return Response.json({ data: fitting.toReversed().slice(0, Number(query.get("page_size")) || 20).map(shown) });
  }

  async #showOrder(key: string, id: string): Promise<Response> {
    const order = await this.#context.store.get<Order>(orderKey(key, Number(id)));
    return order ? Response.json(shown(order)) : failure(404, 404, "Order not found");
  }

  async #cancel(key: string, body: unknown): Promise<Response> {
    const id = Cancel.safeParse(body).data?.id ?? 0;
    let cancelled = false;
    await this.#context.store.update<Order>(orderKey(key, id), (order) => {
      cancelled = order.state === "ACTIVE";
      return cancelled ? { ...order, state: "CANCELED" } : order;
    });
    return cancelled ? Response.json({ data: [{ id }] }) : failure(422, 4020, "Order cannot be canceled");
  }
}

const orderKey = (key: string, id: number): string => `order/${key}/${String(id).padStart(12, "0")}`;

const Decimal = z.string().regex(/^\d+(\.\d+)?$/);
const NewWithdrawal = z.object({ currency_symbol: z.string(), amount: Decimal, destination_address: z.string().min(8), network_code: z.string().optional() });
const NewOrder = z.object({
  market_symbol: z.literal("usdtbrl"), side: z.enum(["BUY", "SELL"]), type: z.enum(["LIMIT", "MARKET"]), quantity: Decimal, price: Decimal.optional(),
  client_order_id: z.string().optional(),
}).refine(({ type, price }) => type === "MARKET" || price !== undefined, { path: ["price"], error: "is required" });
const Cancel = z.object({ type: z.literal("ID"), id: z.number() });

const shown = ({ id, state, asked, createdAt }: Order): object => ({
  id, market_symbol: asked.market_symbol, side: asked.side, type: asked.type, state, price: asked.price ?? PRICE, quantity: asked.quantity,
  quantity_executed: state === "FILLED" ? asked.quantity : "0.0", created_at: createdAt, client_order_id: asked.client_order_id,
});

function invalid({ issues: [issue] }: z.ZodError): Response {
  return failure(400, 400, `${issue!.path.join(".") || "body"}: ${issue!.message}`);
}

const failure = (status: number, code: number, message: string): Response => Response.json({ error: { message, code, details: [] } }, { status });
