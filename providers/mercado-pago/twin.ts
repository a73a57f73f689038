/**
 * The stand-in for Mercado Pago: Pix payments with their codes, search, refunds, and transactions that send money to Pix
 * keys; idempotency keys that replay; webhooks that name an object and say no more. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import { normalizePhone, parseTaxId } from "../../schema/documents.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import { makeEndToEndId, parsePixKey } from "../../schema/pix/keys.ts";
import { qrPng } from "../asaas/qr-png.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const mercadoPagoTwin: TwinDefinition = {
  id: "mercado-pago",
  hosts: ["api.mercadopago.com"],
  magic: {
    payment_13: "a payment whose amount ends in 13 centavos is refused: 400, code 4037",
    payment_14: "a payment whose amount ends in 14 centavos is never paid",
    payment_15: "a payment whose amount ends in 15 centavos expires unpaid",
    payment_16: "a payment whose amount ends in 16 centavos is in process, then paid",
    payment_17: "a payment whose amount ends in 17 centavos is paid, then refunded",
    transaction_13: "a transaction whose amount ends in 13 centavos is refused: 400",
    transaction_14: "a transaction whose amount ends in 14 centavos stays new",
    transaction_17: "a transaction whose amount ends in 17 centavos is processed, then sent back by the other bank",
    transaction_18: "a transaction whose amount ends in 18 centavos is taken, then fails at the other bank",
    transaction_19: "a transaction whose amount ends in 19 centavos fails at once for want of funds",
  },
  create: (context) => new MercadoPagoTwin(context),
};

type Status = readonly [status: string, detail: string];

/** The first status of each, and those it goes through, one every `settleAfterMs`, by the last two digits of its amount. */
const lives: Record<Kind, { first: Status; then: Record<string, readonly Status[]> }> = {
  payment: {
    first: ["pending", "pending_waiting_transfer"],
    then: {
      usual: [["approved", "accredited"]], 14: [], 15: [["cancelled", "expired"]],
      16: [["in_process", "pending_contingency"], ["approved", "accredited"]],
      17: [["approved", "accredited"], ["refunded", "refunded"]],
    },
  },
  transaction_intent: {
    first: ["new", ""],
    then: {
      usual: [["processed", "approved"]], 14: [], 18: [["failed", "by_bank"]], 19: [],
      17: [["processed", "approved"], ["reverted", "refunded"]],
    },
  },
};

/** What Mercado Pago keeps of a Pix payment here, in hundredths of a percent; a contract decides the true figure. */
const PIX_FEE_BASIS_POINTS = 99n;
/** The identification of Mercado Pago in the payment system. */
const ISPB = "10573521";
const EXPIRES_AFTER_MS = 24 * 3_600_000;
const PAGE_ROWS_DEFAULT = 30;

type Kind = "payment" | "transaction_intent";
type Json = Record<string, unknown>;

interface Account {
  userId: number;
  token: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Stored {
  createdAtMs: number;
  cents: string;
  status: string;
  detail: string;
  /** How many of the statuses ahead it has been through. */
  lived: number;
  /** Where its notifications go. */
  notifyUrl: string | undefined;
  approvedAtMs?: number;
  refundedCents: string;
  /** What was asked for. */
  request: Json;
}

/** Where one is stored; part of every step. */
interface Place {
  kind: Kind;
  userId: number;
  id: string;
}

/** The answer that a key replays. */
interface Kept {
  request: string;
  status: number;
  body: string;
}

class MercadoPagoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const userId = randomInt(100_000_000, 2_000_000_000);
    const account: Account = {
      userId,
      token: `TEST-${digits(16)}-${digits(6)}-${randomBytes(16).toString("hex")}-${userId}`,
      webhookUrl,
      webhookSecret: randomBytes(32).toString("hex"),
    };
    await this.#context.store.put(`account/${userId}`, account);
    await this.#context.store.put(`token/${hash(account.token)}`, account);
    return {
      credentials: { access_token: account.token },
      settings: { notification_url: webhookUrl },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return await this.#answer(request);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, message, word, code } = error;
      const cause = code === undefined ? [] : [{ code, description: message, data: null }];
      return Response.json({ message, error: word, status, cause }, { status });
    }
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    const account = await this.#authenticate(request.headers.get("authorization"));
    const body = await request.text();
    const [, paymentId, action] = /^\/v1\/payments(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? [];
    const [, intentId] = /^\/v1\/transaction-intents\/([^/]+)$/.exec(pathname) ?? [];
    switch (`${request.method} ${pathname.split("/")[2]}${action ? ` ${action}` : ""}`) {
      case "POST payments": return this.#once(account, request, body, () => this.#createPayment(account, body));
      case "POST payments refunds":
        return this.#once(account, request, body, () => this.#refund(account, paymentId!, body));
      case "GET payments":
        return Response.json(paymentId === "search" ? await this.#search(account, query) : await this.#show({ kind: "payment", userId: account.userId, id: paymentId ?? "" }));
      case "POST transaction-intents":
        if (intentId === "process") return this.#once(account, request, body, () => this.#createIntent(account, request, body));
        break;
      case "GET transaction-intents":
        return Response.json(await this.#show({ kind: "transaction_intent", userId: account.userId, id: intentId ?? "" }));
    }
    throw new Refused(404, "resource not found", "not_found");
  }

  async #authenticate(header: string | null): Promise<Account> {
    const [, token] = /^Bearer (\S+)$/.exec(header ?? "") ?? [];
    if (!token) throw new Refused(401, "authorization value not present", "unauthorized");
    const account = await this.#context.store.get<Account>(`token/${hash(token)}`);
    if (!account) throw new Refused(401, "invalid access token", "unauthorized");
    return account;
  }
}
