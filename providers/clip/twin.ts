/**
 * The stand-in for Clip: checkouts that are paid on a page nobody opens, read back by their own id, told of at the address
 * each one names. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { fromDecimal } from "../../schema/money.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const clipTwin: TwinDefinition = {
  id: "clip",
  hosts: ["api.payclip.com"],
  magic: {
    amount_13: "a checkout whose amount ends in 13 centavos is refused: 400",
    amount_14: "a checkout whose amount ends in 14 centavos is never paid",
    amount_15: "a checkout whose amount ends in 15 centavos expires unpaid",
    amount_16: "a checkout whose amount ends in 16 centavos has one card refused, then is paid",
    amount_18: "a checkout whose amount ends in 18 centavos has five cards refused and is cancelled",
  },
  create: (context) => new ClipTwin(context),
};

type Status = "CREATED" | "PENDING" | "COMPLETED" | "CANCELED" | "EXPIRED";

/** A status every `settleAfterMs`, by the last two digits of the amount. */
const lives: Record<string, readonly Status[]> = {
  usual: ["CREATED", "COMPLETED"],
  14: ["CREATED"],
  15: ["CREATED", "EXPIRED"],
  16: ["CREATED", "PENDING", "COMPLETED"],
  18: ["CREATED", "PENDING", "CANCELED"],
};

const EXPIRES_AFTER_MS = 3 * 24 * 3_600_000;

type Json = Record<string, unknown>;

interface Account {
  id: string;
  secretHash: string;
}

interface Stored {
  id: string;
  accountId: string;
  createdAtMs: number;
  expiresAt: string;
  life: readonly Status[];
  /** How many statuses of its life it has left behind. */
  lived: number;
  request: Json;
}

class ClipTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const [apiKey, secretKey, webhookSecret] = [`test_${randomUUID()}`, randomUUID(), randomBytes(24).toString("base64url")];
    const account: Account = { id: hash(apiKey).slice(0, 16), secretHash: hash(secretKey) };
    await this.#context.store.put(`account/${hash(apiKey)}`, account);
    const address = new URL(webhookUrl);
    address.searchParams.set("token", webhookSecret);
    return {
      credentials: { api_key: apiKey, secret_key: secretKey, notification_url: address.href },
      settings: { redirect_url: "https://tienda.example/gracias" },
      webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const account = await this.#authenticate(request.headers.get("authorization"));
    if (!account) return failure(401, "Unauthorized");
    const { pathname } = new URL(request.url);
    const [, id] = /^\/v2\/checkout(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (request.method === "POST" && pathname === "/v2/checkout") return this.#create(account, await request.text());
    if (request.method === "GET" && id) return this.#show(account, id);
    return failure(404, "Not Found");
  }

  async #authenticate(header: string | null): Promise<Account | undefined> {
    const [, encoded = ""] = /^Basic (\S+)$/.exec(header ?? "") ?? [];
    const [apiKey = "", secretKey = ""] = Buffer.from(encoded, "base64").toString().split(":");
    const account = await this.#context.store.get<Account>(`account/${hash(apiKey)}`);
    return account?.secretHash === hash(secretKey) ? account : undefined;
  }

  async #create({ id: accountId }: Account, text: string): Promise<Response> {
    const request = jsonOf(text);
    const invalid = request ? invalidity(request) : "the body is not JSON";
    if (!request || invalid) return failure(400, invalid ?? "");
    const { clock, store } = this.#context;
    const createdAtMs = clock.now().getTime();
    const life = lives[endingOf(request["amount"])] ?? lives["usual"]!;
    const expiresAt = String(request["expires_at"] ?? new Date(createdAtMs + EXPIRES_AFTER_MS).toISOString());
    const stored: Stored = { id: randomUUID(), accountId, createdAtMs, expiresAt, life, lived: 0, request };
    await store.put(keyOf(accountId, stored.id), stored);
    for (const index of life.keys()) await this.#schedule({ name: "live", accountId, id: stored.id, index }, index);
    return Response.json(shown(stored));
  }

  async #show({ id: accountId }: Account, id: string): Promise<Response> {
    const stored = await this.#context.store.get<Stored>(keyOf(accountId, id));
    return stored ? Response.json(shown(stored)) : failure(404, "The payment request was not found");
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const key = keyOf(String(step["accountId"]), String(step["id"]));
    const stored = await this.#context.store.update<Stored>(key, (found) =>
      found.lived === index - 1 ? { ...found, lived: index } : found);
    // A repeat finds the status reached and tells it again.
    if (stored?.lived === index) await this.#tell(stored);
  }

  async #tell(stored: Stored): Promise<void> {
    const { id, createdAtMs, expiresAt, lived, request } = stored;
    const url = request["webhook_url"];
    if (typeof url !== "string") return;
    const status = statusOf(stored);
    const now = this.#context.clock.now().toISOString();
    const at = (which: Status) => (status === which ? now : null);
    const body = JSON.stringify({
      id: uuidOf(`${id} ${lived}`), api_version: "1.0", payment_request_id: id, transaction_id: uuidOf(id), resource: "CHECKOUT",
      resource_status: status, detail_type: `Payment Request ${status}`, attempts: 1, sent_date: now,
      created_at: new Date(createdAtMs).toISOString(), completed_at: at("COMPLETED"), expires_at: expiresAt,
      canceled_at: at("CANCELED"), expired_at: at("EXPIRED"), declined_at: at("PENDING"), payment_date: at("COMPLETED"),
      me_reference_id: (request["metadata"] as Json | undefined)?.["me_reference_id"] ?? null,
      receipt_no: null, payment_type: null, barcode: null, customer_email: null,
    });
    await this.#context.deliver({ url, headers: { "content-type": "application/json" }, body });
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    const { store, clock, settleAfterMs } = this.#context;
    return store.schedule(step, new Date(clock.now().getTime() + rests * settleAfterMs));
  }
}

function invalidity({ amount, currency, purchase_description: description, redirection_url: pages }: Json): string | undefined {
  if (typeof amount !== "number" || !((fromDecimal(amount, "MXN") ?? 0n) > 0n) || endingOf(amount) === "13") return "amount is invalid";
  if (currency !== "MXN") return "currency must be MXN";
  if (typeof description !== "string" || description === "" || description.length > 250) return "purchase_description is invalid";
  const { success, error, default: usual } = (pages ?? {}) as Json;
  return [success, error, usual].every((page) => typeof page === "string") ? undefined : "redirection_url is invalid";
}

/** The last two digits of the centavos. */
const endingOf = (amount: unknown): string => String(fromDecimal(amount as number, "MXN") ?? "").slice(-2);

const statusOf = ({ life, lived }: Stored): Status => life[lived] ?? "CREATED";

const shown = (stored: Stored): Json => {
  const { amount, currency, purchase_description, redirection_url, metadata } = stored.request;
  return {
    payment_request_id: stored.id, status: `CHECKOUT_${statusOf(stored)}`, amount, currency, purchase_description, redirection_url,
    metadata: metadata ?? {}, created_at: new Date(stored.createdAtMs).toISOString(), expires_at: stored.expiresAt,
    payment_request_url: `https://pago.clip.mx/${stored.id}`,
  };
};

const keyOf = (accountId: string, id: string): string => `checkout/${accountId}/${id}`;

const failure = (status: number, message: string): Response => Response.json({ message }, { status });

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
/** The same id for the same thing, so that a repeat is known by it. */
const uuidOf = (text: string): string => hash(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
