/**
 * The stand-in for PicPay's e-commerce API: payments by the seller's reference, their status, cancellations and refunds; its
 * notifications carry the seller's token and say no status. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { parseTaxId } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import { qrPng } from "../qr-png.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const picpayTwin: TwinDefinition = {
  id: "picpay",
  hosts: ["appws.picpay.com"],
  magic: {
    payment_13: "a payment whose value ends in 13 centavos is refused: 422",
    payment_14: "a payment whose value ends in 14 centavos is never paid",
    payment_15: "a payment whose value ends in 15 centavos expires unpaid",
    payment_16: "a payment whose value ends in 16 centavos is analysed, then paid",
    payment_17: "a payment whose value ends in 17 centavos is paid, then refunded",
  },
  create: (context) => new PicpayTwin(context),
};

/** What becomes of a payment, a status every `settleAfterMs`, by the last two digits of its value. */
const lives: Record<string, readonly string[]> = {
  usual: ["paid"], 14: [], 15: ["expired"], 16: ["analysis", "paid"], 17: ["paid", "refunded"],
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  sellerToken: string;
}

interface Stored {
  referenceId: string;
  callbackUrl: string;
  status: string;
  authorizationId: string | null;
  life: readonly string[];
  lived: number;
}

class PicpayTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = { id: randomUUID(), sellerToken: randomUUID() };
    const token = randomUUID();
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`token/${hash(token)}`, account);
    return { credentials: { picpay_token: token }, settings: { callback_url: webhookUrl }, webhookSecret: account.sellerToken };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, message, field } = error;
      return Response.json({ message, ...(field !== undefined && { errors: [{ message, field }] }) }, { status });
    }
  }

  async #answer(request: Request): Promise<unknown> {
    const account = await this.#context.store.get<Account>(`token/${hash(request.headers.get("x-picpay-token") ?? "")}`);
    if (!account) throw new Refused(401, "Unauthorized");
    const path = new URL(request.url).pathname.replace(/^\/ecommerce\/public/, "");
    const [, id = "", action] = /^\/payments(?:\/([^/]+)\/(status|cancellations))?$/.exec(path) ?? ["", "", "none"];
    const body = await bodyOf(request);
    switch (`${request.method} ${action ?? "payments"}`) {
      case "POST payments": return this.#create(account, body);
      case "GET status": return this.#status(account, id);
      case "POST cancellations": return this.#cancel(account, id, body);
      default: throw new Refused(404, "Not found");
    }
  }

  async #create(account: Account, { referenceId, callbackUrl, value, expiresAt, buyer }: Json): Promise<Json> {
    if (!referenceId) throw new Refused(422, "referenceId is required", "referenceId");
    if (!callbackUrl) throw new Refused(422, "callbackUrl is required", "callbackUrl");
    const { firstName, document } = (buyer ?? {}) as Json;
    if (!firstName) throw new Refused(422, "firstName is required", "buyer.firstName");
    if (!parseTaxId(String(document ?? ""), { environment: "test" }).ok) throw new Refused(422, "document is invalid", "buyer.document");
    const cents = typeof value === "number" ? fromDecimal(value, "BRL") : undefined;
    if (cents === undefined || cents <= 0n) throw new Refused(422, "value is invalid", "value");
    const ending = String(cents % 100n).padStart(2, "0");
    if (ending === "13") throw new Refused(422, "value is not accepted", "value");
    if ((await this.#context.store.next(`taken/${account.id}/${String(referenceId)}`)) > 1) throw new Refused(422, "referenceId was used before", "referenceId");

    const life = lives[ending] ?? lives["usual"]!;
    const stored: Stored = { referenceId: String(referenceId), callbackUrl: String(callbackUrl), status: "created", authorizationId: null, life, lived: 0 };
    await this.#context.store.put(keyOf(account.id, stored.referenceId), stored);
    for (const index of life.keys()) await this.#schedule({ name: "live", account: account.id, id: stored.referenceId, index }, index + 1);
    const paymentUrl = `https://app.picpay.com/checkout/${hash(stored.referenceId).slice(0, 32)}`;
    const qrcode = { content: paymentUrl, base64: `data:image/png;base64,${qrPng(paymentUrl).toString("base64")}` };
    return { referenceId, paymentUrl, ...(expiresAt !== undefined && { expiresAt }), qrcode };
  }

  async #status(account: Account, id: string): Promise<Json> {
    const { referenceId, status, authorizationId } = await this.#find(account, id);
    return { referenceId, status, ...(authorizationId && { authorizationId }) };
  }

  async #cancel(account: Account, id: string, { authorizationId }: Json): Promise<Json> {
    const payment = await this.#find(account, id);
    if (payment.status !== "created" && payment.status !== "paid") throw new Refused(422, "the payment cannot be cancelled");
    if (payment.status === "paid" && authorizationId !== payment.authorizationId) throw new Refused(422, "authorizationId is invalid", "authorizationId");
    const status = payment.status === "paid" ? "refunded" : "expired";
    await this.#context.store.update<Stored>(keyOf(account.id, id), (stored) => ({ ...stored, status }));
    await this.#schedule({ name: "notify", account: account.id, id }, 0);
    return { referenceId: id, cancellationId: randomBytes(12).toString("hex") };
  }

  async run(step: TwinStep): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${String(step["account"])}`);
    if (!account) return;
    const id = String(step["id"]);
    if (step.name === "notify") await this.#notify(account, id);
    if (step.name === "live") await this.#live(account, id, Number(step["index"]));
  }

  async #live(account: Account, id: string, index: number): Promise<void> {
    let moved = false;
    await this.#context.store.update<Stored>(keyOf(account.id, id), (stored) => {
      const isOnItsWay = stored.lived === index && stored.status === (index === 0 ? "created" : stored.life[index - 1]);
      if (!isOnItsWay) return stored;
      moved = true;
      const status = stored.life[index]!;
      return { ...stored, lived: index + 1, status, authorizationId: stored.authorizationId ?? (status === "paid" ? hash(id).slice(0, 24) : null) };
    });
    if (moved) await this.#schedule({ name: "notify", account: account.id, id }, 0);
  }

  async #notify(account: Account, id: string): Promise<void> {
    const { callbackUrl, referenceId, authorizationId } = await this.#find(account, id);
    await this.#context.deliver({
      url: callbackUrl, headers: { "content-type": "application/json", "x-seller-token": account.sellerToken },
      body: JSON.stringify({ referenceId, ...(authorizationId && { authorizationId }) }),
    });
  }

  async #find(account: Account, id: string): Promise<Stored> {
    const stored = await this.#context.store.get<Stored>(keyOf(account.id, id));
    if (!stored) throw new Refused(404, "the payment does not exist");
    return stored;
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + rests * this.#context.settleAfterMs));
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly field: string | undefined;
  constructor(status: number, message: string, field?: string) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, "the body is no JSON");
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyOf = (account: string, id: string): string => `payment/${account}/${id}`;
