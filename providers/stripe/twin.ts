/**
 * The stand-in for Stripe: checkout sessions with the payments, charges and refunds behind them, customers, products,
 * prices, subscriptions, payment links and the balance; idempotency keys that replay; webhooks signed with the account's
 * secret. One company: it takes the requests of both servers. What it leaves out is in README.md.
 */
import { createHmac } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import {
  balanceTransactionWire, chargeWire, customerWire, disputeWire, hash, intentWire, isTrue, letters, linkWire, listOf, nestedOf, objectOf, priceWire,
  productWire, refundWire, sessionWire, subscriptionWire, textOr, type Json, type Line, type Wire,
} from "./twin-objects.ts";

export const stripeTwin: TwinDefinition = {
  id: "stripe",
  also: ["stripe-acp"],
  hosts: ["api.stripe.com"],
  magic: {
    session_below_50: "a session of less than 50 cents in all is refused: 400 amount_too_small",
    session_14: "a session whose total ends in 14 cents is not paid, and expires after 24 hours",
    session_15: "a session whose total ends in 15 cents expires unpaid at the next step",
    session_16: "a session whose total ends in 16 cents is completed unpaid, then paid",
    session_17: "a session whose total ends in 17 cents is paid, then refunded",
    session_18: "a session whose total ends in 18 cents is completed unpaid, then its payment fails",
    session_19: "a session whose total ends in 19 cents is paid, then disputed",
    pm_card_chargeDeclined: "a payment confirmed with this payment method is refused: 402 card_declined",
    pm_card_chargeDeclinedInsufficientFunds: "a payment confirmed with this payment method is refused: 402, for want of funds",
  },
  create: (context) => new StripeTwin(context),
};

type Turn = "paid" | "expired" | "unpaid" | "paid_late" | "failed" | "refunded" | "disputed";

/** What becomes of a session that is paid once, a turn every `settleAfterMs`, by the last two digits of its total. */
const lives: Record<string, readonly Turn[]> = {
  usual: ["paid"], 14: [], 15: ["expired"], 16: ["unpaid", "paid_late"], 17: ["paid", "refunded"], 18: ["unpaid", "failed"], 19: ["paid", "disputed"],
};

const SESSION_SECONDS = 24 * 3_600;
const SESSION_SECONDS_MIN = 30 * 60;
const KEY_LIVES_SECONDS = 24 * 3_600;
const AMOUNT_MIN = 50;
const AMOUNT_MAX = 99_999_999;
const CURRENCIES = ["usd", "eur", "brl", "mxn", "ars", "pen", "cop", "clp"];
const PAGE_ROWS_DEFAULT = 10;
const PAGE_ROWS_MAX = 100;

interface Account {
  id: string;
  webhookUrl: string;
  webhookSecret: string;
}

type Kind =
  | "balance_transactions" | "charges" | "checkout/sessions" | "customers" | "disputes" | "payment_intents" | "payment_links" | "prices" | "products"
  | "refunds" | "subscriptions";

interface Stored {
  /** Grows by one an object: tells the order of those made in one second. */
  ordinal: number;
  wire: Wire;
  /** The turns of a session's life, and how many it has been through. */
  life?: readonly Turn[];
  lived?: number;
  /** What a session hands on to its payment. */
  intentData?: Json;
}

/** What is known of an idempotency key; its answer is absent while its request is under way. */
interface Kept {
  request: string;
  atSeconds: number;
  /** How often the key was free to be used anew: after a refusal, or a day later. */
  generation: number;
  isFree?: boolean;
  answer?: Answer;
}

interface Call {
  account: Account;
  /** The id in the path. */
  id: string;
  params: Json;
}

interface Answer {
  status: number;
  body: unknown;
}

interface Route {
  method: string;
  pattern: RegExp;
  /** The parameters it takes; those with a star must be there. */
  takes: string;
  handle: (call: Call) => Promise<unknown>;
}

class StripeTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const key = `sk_test_51${letters(97)}`;
    const account: Account = { id: `acct_${letters(16)}`, webhookUrl, webhookSecret: `whsec_${letters(32)}` };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`key/${hash(key)}`, account);
    return { credentials: { api_key: key }, settings: { success_url: "https://shop.example/paid" }, webhookSecret: account.webhookSecret };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return await this.#answer(request);
    } catch (error) {
      return Response.json(...asAnswer(error));
    }
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    const path = pathname.replace(/^\/v1/, "");
    const account = await this.#authenticate(request.headers.get("authorization"));
    const text = await request.text();
    const params = nestedOf(request.method === "GET" ? searchParams : new URLSearchParams(text));
    for (const { method, pattern, takes, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(path);
      if (!match) continue;
      const answer = async (): Promise<Answer> => {
        checkParameters(takes, params);
        return { status: 200, body: await handle({ account, id: match[1] ?? "", params }) };
      };
      const key = method === "POST" ? request.headers.get("idempotency-key") : null;
      if (key === null) return Response.json((await answer()).body);
      return this.#once({ place: `idempotency/${account.id}/${key}`, request: hash(`${path}${search} ${text}`) }, answer);
    }
    throw new Refused(404, { message: `Unrecognized request URL (${request.method}: ${pathname}).` });
  }

  async #authenticate(header: string | null): Promise<Account> {
    const [, bearer] = /^Bearer (\S+)$/.exec(header ?? "") ?? [];
    const [, basic] = /^Basic (\S+)$/.exec(header ?? "") ?? [];
    const key = bearer ?? (basic && Buffer.from(basic, "base64").toString().replace(/:.*$/, ""));
    if (!key) throw new Refused(401, { message: "You did not provide an API key." });
    const account = await this.#context.store.get<Account>(`key/${hash(key)}`);
    if (!account) throw new Refused(401, { message: `Invalid API Key provided: ${key.slice(0, 8)}****${key.slice(-4)}` });
    return account;
  }

  readonly #routes: Route[] = [
    {
      method: "POST", pattern: /^\/checkout\/sessions$/, handle: (call) => this.#createSession(call),
      takes: "mode* line_items payment_method_types client_reference_id metadata payment_intent_data customer customer_email success_url cancel_url expires_at",
    },
    { method: "GET", pattern: /^\/checkout\/sessions\/([^/]+)$/, takes: "expand", handle: (call) => this.#show("checkout/sessions", call) },
    { method: "POST", pattern: /^\/checkout\/sessions\/([^/]+)\/expire$/, takes: "", handle: (call) => this.#expireSession(call) },
    { method: "POST", pattern: /^\/customers$/, takes: "email name phone description metadata", handle: (call) => this.#createCustomer(call) },
    { method: "POST", pattern: /^\/products$/, takes: "name* description default_price_data metadata", handle: (call) => this.#createProduct(call) },
    {
      method: "POST", pattern: /^\/prices$/, takes: "currency* product* unit_amount* recurring nickname metadata",
      handle: ({ account, params }) => this.#createPrice(account, params, String(params["product"])),
    },
    {
      method: "POST", pattern: /^\/subscriptions$/, takes: "customer* items* default_payment_method trial_period_days metadata",
      handle: (call) => this.#createSubscription(call),
    },
    {
      method: "POST", pattern: /^\/subscriptions\/([^/]+)$/, takes: "cancel_at_period_end default_payment_method proration_behavior metadata",
      handle: (call) => this.#updateSubscription(call),
    },
    { method: "DELETE", pattern: /^\/subscriptions\/([^/]+)$/, takes: "invoice_now prorate", handle: (call) => this.#cancelSubscription(call) },
    {
      method: "POST", pattern: /^\/payment_intents$/, handle: (call) => this.#createIntent(call),
      takes: "amount* currency* customer payment_method payment_method_types confirm capture_method description receipt_email metadata",
    },
    { method: "POST", pattern: /^\/refunds$/, takes: "payment_intent charge amount reason metadata", handle: (call) => this.#createRefund(call) },
    { method: "POST", pattern: /^\/payment_links$/, takes: "line_items* allow_promotion_codes metadata", handle: (call) => this.#createLink(call) },
    { method: "GET", pattern: /^\/balance$/, takes: "", handle: (call) => this.#balance(call) },
    ...(["checkout/sessions", "customers", "payment_intents", "products", "subscriptions"] as const).map((kind): Route => ({
      method: "GET", pattern: new RegExp(`^/${kind}$`), handle: (call) => this.#list(kind, call),
      takes: "limit starting_after created expand active customer email payment_intent status",
    })),
    ...(["customers", "payment_intents", "charges", "prices", "products", "refunds", "subscriptions"] as const).map((kind): Route => ({
      method: "GET", pattern: new RegExp(`^/${kind}/([^/]+)$`), takes: "expand", handle: (call) => this.#show(kind, call),
    })),
  ];

  /** The first answer to a key is given again to the same request. What was refused unread is not kept: it may be repaired and sent again. */
  async #once({ place, request }: { place: string; request: string }, make: () => Promise<Answer>): Promise<Response> {
    const { store } = this.#context;
    const atSeconds = this.#seconds();
    const kept = await store.get<Kept>(place);
    if (kept && !kept.isFree && kept.atSeconds + KEY_LIVES_SECONDS > atSeconds) {
      if (kept.request !== request) throw new Refused(400, { type: "idempotency_error", message: KEY_REUSED });
      if (!kept.answer) throw keyInUse();
      return Response.json(kept.answer.body, { status: kept.answer.status, headers: { "idempotent-replayed": "true" } });
    }
    const used: Kept = { request, atSeconds, generation: (kept?.generation ?? 0) + 1 };
    if ((await store.next(`${place}/${used.generation}`)) !== 1) throw keyInUse();
    await store.put(place, used);
    try {
      const answer = await make().catch(paymentRefusal);
      await store.put(place, { ...used, answer });
      return Response.json(answer.body, { status: answer.status });
    } catch (error) {
      await store.put(place, { ...used, isFree: true });
      throw error;
    }
  }

  // Checkout sessions

  async #createSession({ account, params }: Call): Promise<Wire> {
    const mode = String(params["mode"]);
    if (!["payment", "subscription"].includes(mode)) throw invalid("mode", `Invalid mode: must be one of payment or subscription`);
    if (!textOr(params["success_url"], undefined)) throw missing("success_url");
    const email = textOr(params["customer_email"], undefined);
    if (email && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email)) throw invalid("customer_email", `Invalid email address: ${email}`, "email_invalid");
    await this.#expect(account, "customers", params["customer"], "customer");
    const lines = await this.#lines(account, params["line_items"], "line_items");
    const total = lines.reduce((sum, { price, quantity }) => sum + Number(price["unit_amount"]) * quantity, 0);
    const currency = String(lines[0]!.price["currency"]);
    checkAmount(total, currency);

    const created = this.#seconds();
    const expiresAt = Number(params["expires_at"] ?? created + SESSION_SECONDS);
    if (expiresAt < created + SESSION_SECONDS_MIN || expiresAt > created + SESSION_SECONDS)
      throw invalid("expires_at", "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.");
    const wire = sessionWire({ id: `cs_test_a1${letters(56)}`, created, expiresAt, total, currency, params });
    const life = mode === "payment" ? (lives[String(total % 100)] ?? lives["usual"]!) : [];
    await this.#put(account, "checkout/sessions", wire, { life, lived: 0, intentData: objectOf(params["payment_intent_data"]) });
    for (const index of life.keys()) await this.#schedule({ name: "live", account: account.id, id: wire.id, index }, index + 1);
    await this.#context.store.schedule({ name: "expire", account: account.id, id: wire.id }, new Date(expiresAt * 1_000));
    return wire;
  }

  async #expireSession({ account, id }: Call): Promise<Wire> {
    const session = await this.#find(account, "checkout/sessions", id);
    if (session["status"] !== "open") throw invalid("session", "Only Checkout Sessions with a status in [\"open\"] can be expired.");
    await this.#schedule({ name: "expire", account: account.id, id }, 0);
    return this.#change(account, "checkout/sessions", id, { status: "expired", url: null });
  }

  /** What is sold: existing prices, or prices made on the spot. */
  async #lines(account: Account, items: unknown, param: string): Promise<Line[]> {
    const lines = await Promise.all(listOf(items).map(objectOf).map(async (item, index): Promise<Line> => {
      const at = `${param}[${index}]`;
      const quantity = Number(item["quantity"] ?? 1);
      if (item["price"] !== undefined) return { quantity, price: await this.#expect(account, "prices", item["price"], `${at}[price]`) as Wire };
      const price = objectOf(item["price_data"]);
      if (!CURRENCIES.includes(String(price["currency"]))) throw invalid(`${at}[price_data][currency]`, `Invalid currency: ${String(price["currency"])}.`);
      if (!textOr(objectOf(price["product_data"])["name"], undefined)) throw missing(`${at}[price_data][product_data][name]`);
      return { quantity, price: { ...price, unit_amount: integer(price["unit_amount"], `${at}[price_data][unit_amount]`) } };
    }));
    if (lines.length === 0) throw missing(param);
    return lines;
  }

  // Customers, products, prices

  async #createCustomer({ account, params }: Call): Promise<Wire> {
    return this.#put(account, "customers", customerWire(`cus_${letters(14)}`, this.#seconds(), params));
  }

  async #createProduct({ account, params }: Call): Promise<Wire> {
    const product = productWire(`prod_${letters(14)}`, this.#seconds(), params);
    const priceData = params["default_price_data"];
    const price = priceData === undefined ? undefined : await this.#createPrice(account, objectOf(priceData), product.id, product);
    return this.#put(account, "products", { ...product, default_price: price?.id ?? null });
  }

  async #createPrice(account: Account, params: Json, product: string, made?: Wire): Promise<Wire> {
    if (!made) await this.#expect(account, "products", product, "product");
    if (!CURRENCIES.includes(String(params["currency"]))) throw invalid("currency", `Invalid currency: ${String(params["currency"])}.`);
    const unitAmount = integer(params["unit_amount"], "unit_amount");
    return this.#put(account, "prices", priceWire(`price_1${letters(23)}`, this.#seconds(), { params, product, unitAmount }));
  }

  // Subscriptions

  async #createSubscription({ account, params }: Call): Promise<Wire> {
    await this.#expect(account, "customers", params["customer"], "customer");
    const lines = await this.#lines(account, params["items"], "items");
    if (lines.some(({ price }) => price["recurring"] === null))
      throw invalid("items", "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.");
    const currency = lines[0]!.price["currency"];
    return this.#put(account, "subscriptions", subscriptionWire(`sub_1${letters(23)}`, this.#seconds(), { params, lines, currency }));
  }

  async #updateSubscription({ account, id, params }: Call): Promise<Wire> {
    const subscription = await this.#find(account, "subscriptions", id);
    if (subscription["status"] === "canceled") throw invalid("id", "A canceled subscription can only update its cancellation_details and metadata.");
    const ends = objectOf(listOf(objectOf(subscription["items"])["data"])[0])["current_period_end"];
    const atEnd = params["cancel_at_period_end"];
    return this.#change(account, "subscriptions", id, {
      metadata: { ...objectOf(subscription["metadata"]), ...objectOf(params["metadata"]) },
      ...(params["default_payment_method"] !== undefined && { default_payment_method: params["default_payment_method"] }),
      ...(atEnd !== undefined && {
        cancel_at_period_end: isTrue(atEnd), cancel_at: isTrue(atEnd) ? ends : null, canceled_at: isTrue(atEnd) ? this.#seconds() : null,
      }),
    });
  }

  async #cancelSubscription({ account, id }: Call): Promise<Wire> {
    const subscription = await this.#find(account, "subscriptions", id);
    if (subscription["status"] === "canceled") throw noSuch("subscriptions", id, 404);
    const now = this.#seconds();
    return this.#change(account, "subscriptions", id, { status: "canceled", canceled_at: now, ended_at: now });
  }

  // Payments, refunds, links, balance

  async #createIntent({ account, params }: Call): Promise<Wire> {
    const amount = integer(params["amount"], "amount");
    checkAmount(amount, String(params["currency"]));
    await this.#expect(account, "customers", params["customer"], "customer");
    const confirm = isTrue(params["confirm"]);
    if (confirm && !params["payment_method"]) throw invalid("payment_method", "You cannot confirm this PaymentIntent because it's missing a payment method.");
    const intent = await this.#put(account, "payment_intents", intentWire(`pi_3${letters(23)}`, this.#seconds(), { ...params, amount }));
    if (!confirm) return intent;
    const declineCode = declines[String(params["payment_method"])];
    if (declineCode) throw await this.#declined(account, intent, declineCode);
    if (params["capture_method"] === "manual")
      return this.#change(account, "payment_intents", intent.id, { status: "requires_capture", amount_capturable: amount });
    return this.#pay(account, intent);
  }

  async #declined(account: Account, intent: Wire, declineCode: string): Promise<Refused> {
    const error = {
      type: "card_error", code: "card_declined", decline_code: declineCode,
      message: declineCode === "insufficient_funds" ? "Your card has insufficient funds." : "Your card was declined.",
    };
    const after = { status: "requires_payment_method", payment_method: null, last_payment_error: error };
    return new Refused(402, { ...error, payment_intent: await this.#change(account, "payment_intents", intent.id, after) });
  }

  /** Ids come from the payment's own, so that a step that is run again makes nothing new. */
  async #pay(account: Account, intent: Wire): Promise<Wire> {
    const [chargeId, transactionId] = [`ch_3${hash(intent.id).slice(0, 23)}`, `txn_3${hash(intent.id).slice(0, 23)}`];
    const now = this.#seconds();
    const { amount, currency } = intent as { amount?: unknown; currency?: unknown };
    const transaction = balanceTransactionWire(transactionId, now, { amount: Number(amount), currency, source: chargeId });
    await this.#put(account, "balance_transactions", transaction);
    await this.#put(account, "charges", chargeWire(chargeId, now, intent, transactionId));
    return this.#change(account, "payment_intents", intent.id, { status: "succeeded", amount_received: amount, latest_charge: chargeId });
  }

  async #createRefund({ account, params }: Call): Promise<Wire> {
    const intent = await this.#expect(account, "payment_intents", params["payment_intent"], "payment_intent");
    const charge = await this.#expect(account, "charges", params["charge"] ?? intent?.["latest_charge"] ?? undefined, "charge");
    if (!charge) throw intent ? invalid("payment_intent", "This PaymentIntent does not have a successful charge to refund.") : missing("charge");
    const left = Number(charge["amount"]) - Number(charge["amount_refunded"]);
    if (left === 0) throw invalid("charge", `Charge ${charge.id} has already been refunded.`, "charge_already_refunded");
    const amount = params["amount"] === undefined ? left : integer(params["amount"], "amount");
    if (amount > left) throw invalid("amount", "Refund amount is greater than unrefunded amount on charge.");
    return this.#refund(account, charge, { amount, params });
  }

  async #refund(account: Account, charge: Wire, { amount, params }: { amount: number; params: Json }): Promise<Wire> {
    const refunded = Number(charge["amount_refunded"]) + amount;
    await this.#change(account, "charges", charge.id, { amount_refunded: refunded, refunded: refunded === charge["amount"] });
    const refund = refundWire(`re_3${letters(23)}`, this.#seconds(), { amount, charge, params });
    await this.#tellSoon(account, { type: "charge.refunded", kind: "charges", id: charge.id, ordinal: refunded });
    return this.#put(account, "refunds", refund);
  }

  async #createLink({ account, params }: Call): Promise<Wire> {
    const lines = await this.#lines(account, params["line_items"], "line_items");
    return this.#put(account, "payment_links", linkWire(`plink_1${letters(23)}`, { params, currency: lines[0]!.price["currency"] }));
  }

  /** Nothing of it becomes available: it has no payouts. */
  async #balance({ account }: Call): Promise<Json> {
    const net = new Map<string, number>([["usd", 0]]);
    for (const { wire } of await this.#context.store.list<Stored>(`charges/${account.id}/`)) {
      const transaction = await this.#find(account, "balance_transactions", String(wire["balance_transaction"]));
      const currency = String(wire["currency"]);
      net.set(currency, (net.get(currency) ?? 0) + Number(transaction["net"]) - Number(wire["amount_refunded"]));
    }
    const slots = (of: (amount: number) => number) =>
      [...net].map(([currency, amount]) => ({ amount: of(amount), currency, source_types: { card: of(amount) } }));
    return { object: "balance", available: slots(() => 0), livemode: false, pending: slots((amount) => amount) };
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${String(step["account"])}`);
    if (!account) return;
    const id = String(step["id"]);
    if (step.name === "notify") await this.#tell(account, step as unknown as Told);
    if (step.name === "expire") await this.#expire(account, id);
    if (step.name === "live") await this.#live(account, id, Number(step["index"]));
  }

  async #live(account: Account, id: string, index: number): Promise<void> {
    const stored = await this.#context.store.get<Stored>(keyOf("checkout/sessions", account, id));
    const turn = stored?.life?.[index];
    if (!stored || !turn || stored.lived !== index || !isBefore(turn, stored.wire)) return;
    await this.#turns[turn](account, stored);
    await this.#context.store.update<Stored>(keyOf("checkout/sessions", account, id), (now) => ({ ...now, lived: index + 1 }));
  }

  readonly #turns: Record<Turn, (account: Account, stored: Stored) => Promise<void>> = {
    paid: async (account, stored) => {
      await this.#complete(account, stored, "paid");
      await this.#tellSoon(account, { type: "checkout.session.completed", kind: "checkout/sessions", id: stored.wire.id, ordinal: 0 });
    },
    unpaid: async (account, stored) => {
      await this.#complete(account, stored, "unpaid");
      await this.#tellSoon(account, { type: "checkout.session.completed", kind: "checkout/sessions", id: stored.wire.id, ordinal: 0 });
    },
    paid_late: async (account, { wire }) => {
      await this.#pay(account, await this.#find(account, "payment_intents", String(wire["payment_intent"])));
      await this.#change(account, "checkout/sessions", wire.id, { payment_status: "paid" });
      await this.#tellSoon(account, { type: "checkout.session.async_payment_succeeded", kind: "checkout/sessions", id: wire.id, ordinal: 0 });
    },
    failed: async (account, { wire }) => {
      await this.#change(account, "payment_intents", String(wire["payment_intent"]), { status: "requires_payment_method" });
      await this.#tellSoon(account, { type: "checkout.session.async_payment_failed", kind: "checkout/sessions", id: wire.id, ordinal: 0 });
    },
    expired: (account, { wire }) => this.#expire(account, wire.id),
    refunded: async (account, { wire }) => {
      const charge = await this.#chargeOf(account, wire);
      const amount = Number(charge["amount"]) - Number(charge["amount_refunded"]);
      if (amount > 0) await this.#refund(account, charge, { amount, params: {} });
    },
    disputed: async (account, { wire }) => {
      const charge = await this.#chargeOf(account, wire);
      await this.#change(account, "charges", charge.id, { disputed: true });
      const dispute = await this.#put(account, "disputes", disputeWire(`du_1${hash(charge.id).slice(0, 23)}`, this.#seconds(), charge));
      await this.#tellSoon(account, { type: "charge.dispute.created", kind: "disputes", id: dispute.id, ordinal: 0 });
    },
  };

  /** The buyer has been through the page: only now is there a payment. */
  async #complete(account: Account, { wire, intentData }: Stored, paid: "paid" | "unpaid"): Promise<void> {
    const unique = hash(wire.id).slice(0, 23);
    const { amount_total: amount, currency, customer } = wire;
    const params = { ...intentData, amount: Number(amount), currency, customer, payment_method: `pm_1${unique}` };
    const processing = { ...intentWire(`pi_3${unique}`, this.#seconds(), params), status: "processing" };
    const intent = await this.#put(account, "payment_intents", processing);
    if (paid === "paid") await this.#pay(account, intent);
    await this.#change(account, "checkout/sessions", wire.id, {
      status: "complete", payment_status: paid, payment_intent: intent.id, url: null,
      customer_details: { address: null, email: wire["customer_email"] ?? "buyer@example.com", name: null, phone: null, tax_exempt: "none", tax_ids: [] },
    });
  }

  async #expire(account: Account, id: string): Promise<void> {
    const session = await this.#find(account, "checkout/sessions", id);
    if (session["status"] === "complete") return;
    await this.#change(account, "checkout/sessions", id, { status: "expired", url: null });
    await this.#tellSoon(account, { type: "checkout.session.expired", kind: "checkout/sessions", id, ordinal: 0 });
  }

  async #chargeOf(account: Account, session: Wire): Promise<Wire> {
    const intent = await this.#find(account, "payment_intents", String(session["payment_intent"]));
    return this.#find(account, "charges", String(intent["latest_charge"]));
  }

  #tellSoon(account: Account, told: Omit<Told, "name" | "account">): Promise<void> {
    return this.#schedule({ name: "notify", account: account.id, ...told }, 0);
  }

  /** The event's id comes from what it tells, so that one told again is the same event. */
  async #tell(account: Account, { type, kind, id, ordinal }: Told): Promise<void> {
    const created = this.#seconds();
    const body = JSON.stringify({
      id: `evt_1${hash(`${type} ${id} ${ordinal}`).slice(0, 23)}`, object: "event", api_version: "2025-03-31.basil", created,
      data: { object: await this.#find(account, kind, id) }, livemode: false, pending_webhooks: 1, request: { id: null, idempotency_key: null }, type,
    });
    const v1 = createHmac("sha256", account.webhookSecret).update(`${created}.${body}`).digest("hex");
    await this.#context.deliver({
      url: account.webhookUrl, body, headers: { "content-type": "application/json; charset=utf-8", "stripe-signature": `t=${created},v1=${v1}` },
    });
  }

  // Storage

  async #put(account: Account, kind: Kind, wire: Wire, more: Partial<Stored> = {}): Promise<Wire> {
    await this.#context.store.put(keyOf(kind, account, wire.id), { ...more, ordinal: await this.#context.store.next("object"), wire });
    return wire;
  }

  async #change(account: Account, kind: Kind, id: string, fields: Json): Promise<Wire> {
    const changed = await this.#context.store.update<Stored>(keyOf(kind, account, id), (stored) => ({ ...stored, wire: { ...stored.wire, ...fields } }));
    if (!changed) throw noSuch(kind, id, 404);
    return changed.wire;
  }

  async #find(account: Account, kind: Kind, id: string): Promise<Wire> {
    const stored = await this.#context.store.get<Stored>(keyOf(kind, account, id));
    if (!stored) throw noSuch(kind, id, 404);
    return stored.wire;
  }

  /** An object that a parameter names, where it names one. */
  async #expect(account: Account, kind: Kind, id: unknown, param: string): Promise<Wire | undefined> {
    if (id === undefined) return undefined;
    const stored = await this.#context.store.get<Stored>(keyOf(kind, account, String(id)));
    if (!stored) throw noSuch(kind, String(id), 400, param);
    return stored.wire;
  }

  async #show(kind: Kind, { account, id, params }: Call): Promise<Wire> {
    return this.#expanded(account, await this.#find(account, kind, id), listOf(params["expand"]).map(String));
  }

  async #list(kind: Kind, { account, params }: Call): Promise<Json> {
    const rows = (await this.#context.store.list<Stored>(`${kind}/${account.id}/`)).sort((a, b) => b.ordinal - a.ordinal).map(({ wire }) => wire);
    const fitting = rows.filter((wire) => fits(wire, params));
    const limit = Math.min(Number(params["limit"] ?? PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX);
    const after = params["starting_after"];
    const start = after === undefined ? 0 : fitting.findIndex(({ id }) => id === after) + 1;
    if (after !== undefined && start === 0) throw noSuch(kind, String(after), 400, "starting_after");
    const paths = listOf(params["expand"]).map((path) => String(path).replace(/^data\./, ""));
    const data = await Promise.all(fitting.slice(start, start + limit).map((wire) => this.#expanded(account, wire, paths)));
    return { object: "list", data, has_more: start + limit < fitting.length, url: `/v1/${kind}` };
  }

  /** Ids along a path (`payment_intent.latest_charge`) become the objects they name. */
  async #expanded(account: Account, wire: Wire, paths: readonly string[]): Promise<Wire> {
    const root = structuredClone(wire);
    for (const path of paths) {
      let at: Json = root;
      for (const part of path.split(".")) {
        const kind = expandable[part];
        if (!kind) throw invalid("expand", `This property cannot be expanded (${part}).`);
        if (typeof at[part] === "string") at[part] = await this.#find(account, kind, at[part]);
        if (!at[part]) break;
        at = at[part] as Json;
      }
    }
    return root;
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + rests * this.#context.settleAfterMs));
  }

  #seconds(): number {
    return Math.floor(this.#context.clock.now().getTime() / 1_000);
  }
}

/** A webhook to be sent: a step. */
interface Told extends TwinStep {
  account: string;
  type: string;
  kind: Kind;
  id: string;
  /** Tells apart events of one type about one object. */
  ordinal: number;
}

const KEY_REUSED = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
const keyInUse = (): Refused =>
  new Refused(409, { type: "idempotency_error", code: "idempotency_key_in_use", message: "Another request that uses this Idempotency Key is under way." });

/** A declined card is the outcome of a request that was carried out, and kept as such. */
function paymentRefusal(error: unknown): Answer {
  const [body, { status }] = asAnswer(error);
  if (status !== 402) throw error;
  return { status, body };
}

const expandable: Partial<Record<string, Kind>> = {
  payment_intent: "payment_intents", latest_charge: "charges", balance_transaction: "balance_transactions", customer: "customers",
  default_price: "prices", product: "products",
};

/** Stripe's own test payment methods. */
const declines: Partial<Record<string, string>> = {
  pm_card_chargeDeclined: "generic_decline", pm_card_chargeDeclinedInsufficientFunds: "insufficient_funds",
};

interface ErrorBody {
  type?: string;
  code?: string;
  message: string;
  param?: string;
  decline_code?: string;
  payment_intent?: Wire;
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly body: ErrorBody;
  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.status = status;
    this.body = body;
  }
}

function asAnswer(error: unknown): [body: object, init: { status: number }] {
  if (!(error instanceof Refused)) throw error;
  return [{ error: { type: "invalid_request_error", ...error.body } }, { status: error.status }];
}

const invalid = (param: string, message: string, code?: string): Refused => new Refused(400, { message, param, ...(code && { code }) });
const missing = (param: string): Refused => invalid(param, `Missing required param: ${param}.`, "parameter_missing");

const noSuch = (kind: Kind, id: string, status: number, param = "id"): Refused =>
  new Refused(status, { code: "resource_missing", message: `No such ${kind.replace("/", ".").replace(/s$/, "")}: '${id}'`, param });

function checkParameters(takes: string, params: Json): void {
  const names = takes.split(" ");
  const known = new Set(names.map((name) => name.replace("*", "")));
  for (const name of Object.keys(params)) if (!known.has(name)) throw invalid(name, `Received unknown parameter: ${name}`, "parameter_unknown");
  for (const name of names) if (name.endsWith("*") && params[name.slice(0, -1)] === undefined) throw missing(name.slice(0, -1));
}

function integer(value: unknown, param: string): number {
  if (value === undefined) throw missing(param);
  if (!/^\d{1,15}$/.test(String(value))) throw invalid(param, `Invalid integer: ${String(value)}`, "parameter_invalid_integer");
  return Number(value);
}

function checkAmount(amount: number, currency: string): void {
  if (!CURRENCIES.includes(currency)) throw invalid("currency", `Invalid currency: ${currency}.`);
  if (amount < AMOUNT_MIN) throw new Refused(400, { code: "amount_too_small", message: "The total amount must convert to at least 50 cents." });
  if (amount > AMOUNT_MAX) throw new Refused(400, { code: "amount_too_large", message: "The total amount must be no more than $999,999.99." });
}

/** The filters of a list; `created` takes a range. */
function fits(wire: Wire, { limit: _limit, starting_after: _after, expand: _expand, created, ...wanted }: Json): boolean {
  const { gte = 0, lte = Infinity } = objectOf(created);
  const at = wire.created ?? 0;
  const isWithin = at >= Number(gte) && at <= Number(lte);
  return isWithin && Object.entries(wanted).every(([name, value]) => String(wire[name]) === value);
}

/** Whether nothing but time has moved it: a session that was expired through the API leaves its life. */
function isBefore(turn: Turn, { status, payment_status: paid }: Wire): boolean {
  if (turn === "paid" || turn === "unpaid" || turn === "expired") return status === "open";
  return status === "complete" && paid === (turn === "paid_late" || turn === "failed" ? "unpaid" : "paid");
}

const keyOf = (kind: Kind, account: Account, id: string): string => `${kind}/${account.id}/${id}`;
