/**
 * Bitso's twin: withdrawals over `/v3`, each request signed and its nonce used once, an `origin_id` used once, and
 * `withdrawal` webhooks signed with an RSA key of its own. What it leaves out is in the README.
 */
import { createHmac, generateKeyPair, randomBytes, randomInt, randomUUID, sign } from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";
import { fromDecimal, isCurrency } from "../../schema/money.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const bitsoTwin: TwinDefinition = {
  id: "bitso",
  hosts: ["api.bitso.com", "api-stage.bitso.com"],
  magic: {
    "amount .13": "an amount whose decimals are 13 (20.13) is refused for lack of funds (0602)",
    "amount .14": "an amount whose decimals are 14 is accepted and fails later",
    "amount .15": "an amount whose decimals are 15 is refused because it exceeds the account's limit (0501)",
  },
  create: (context) => new BitsoTwin(context),
};

interface Account {
  key: string;
  secret: string;
  webhookUrl: string;
  keyId: string;
  privateKey: string;
}

type Status = "pending" | "processing" | "complete" | "failed";

interface Withdrawal {
  key: string;
  wid: string;
  status: Status;
  createdAt: string;
  currency: string;
  asset: string;
  method: string;
  network: string;
  protocol: string;
  amount: string;
  address: string;
  chain: string | undefined;
  originId: string | undefined;
  /** The rank of the last state that was announced; below every rank at first. */
  told: number;
}

const LIST_MAX = 100;
const LIST_DEFAULT = 25;

class BitsoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const { keyId, privateKey, publicKey } = await (signingKey ??= makeSigningKey());
    const secret = randomBytes(16).toString("hex");
    const account: Account = { key: letters(10), secret, webhookUrl, keyId, privateKey };
    await this.#context.store.put(`account/${account.key}`, account);
    return {
      credentials: { api_key: account.key, api_secret: account.secret },
      settings: {},
      webhookSecret: `key-id: ${keyId}\n${publicKey}`,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const body = await request.text();
    const account = await this.#authenticate(request, url, body);
    if (account instanceof Response) return account;
    const path = url.pathname.replace(/\/$/, "");
    const [, resource, id] = /^\/v3\/(withdrawals|withdrawal_methods)(?:\/([^/]+))?$/.exec(path) ?? [];
    switch (`${request.method} ${resource}${id ? "/id" : ""}`) {
      case "GET withdrawal_methods/id": return success(methodsOf(id!));
      case "POST withdrawals": return this.#create(account, body);
      case "GET withdrawals/id": return this.#show(account, id!);
      case "GET withdrawals": return this.#list(account, url.searchParams);
      default: return failure(404, "1401", "Not found");
    }
  }

  /** Moves a withdrawal on and announces it. A step that comes again, or after a later one, changes nothing. */
  async run(step: TwinStep): Promise<void> {
    const to = step["to"] as Status;
    let moved = false;
    const withdrawal = await this.#context.store.update<Withdrawal>(String(step["key"]), (current) => {
      moved = rank[to] > current.told;
      return moved ? { ...current, status: to, told: rank[to] } : current;
    });
    if (withdrawal && moved) await this.#announce(withdrawal);
  }

  async #authenticate(request: Request, url: URL, body: string): Promise<Account | Response> {
    const header = request.headers.get("authorization") ?? "";
    const [, key, nonce, signature] = /^Bitso ([^:]+):(\d+):([0-9a-f]{64})$/.exec(header) ?? [];
    if (!key || !nonce) return failure(401, "0208", "Authentication is required to execute requested operation");
    const account = await this.#context.store.get<Account>(`account/${key}`);
    if (!account) return failure(401, "0201", "Check your credentials");
    const signed = `${nonce}${request.method}${url.pathname}${url.search}${body}`;
    if (createHmac("sha256", account.secret).update(signed).digest("hex") !== signature)
      return failure(401, "0215", "Incorrect request signature");
    if (nonce.length < 14 || nonce.length > 19) return failure(401, "0206", "Invalid nonce type");
    const uses = await this.#context.store.next(`nonce/${key}/${nonce}`);
    return uses === 1 ? account : failure(401, "0207", "Invalid nonce value");
  }

  async #create(account: Account, body: string): Promise<Response> {
    const order = Order.safeParse(json(body));
    if (!order.success) {
      const field = order.error.issues[0]?.path.join(".") || "body";
      return failure(400, "0303", `Required field missing: ${field}`);
    }
    const refusal = refusalOf(order.data);
    if (refusal) return failure(400, ...refusal);
    const { origin_id: originId, ...rest } = order.data;
    if (originId && (await this.#context.store.next(`claim/${account.key}/${originId}`)) > 1)
      return failure(400, "0304", `The field origin_id (${originId}) was used already`);
    const now = this.#context.clock.now();
    const withdrawal: Withdrawal = {
      ...rest,
      key: account.key,
      wid: randomBytes(16).toString("hex"),
      status: "pending",
      createdAt: now.toISOString().replace(/\.\d+Z$/, "+00:00"),
      chain: rest.chain,
      originId,
      told: -1,
    };
    const key = keyOf(account.key, withdrawal.wid);
    await this.#context.store.put(key, withdrawal);
    if (originId) await this.#context.store.put(`origin/${account.key}/${originId}`, withdrawal.wid);
    await this.#scheduleLife(key, endOf(rest.amount), now);
    return success(shown(withdrawal));
  }

  async #scheduleLife(key: string, end: Status, from: Date): Promise<void> {
    const life: Status[] = ["pending", "processing", end];
    for (const [rests, to] of life.entries()) {
      const at = new Date(from.getTime() + rests * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "move", key, to }, at);
    }
  }

  async #show(account: Account, wid: string): Promise<Response> {
    const withdrawal = await this.#context.store.get<Withdrawal>(keyOf(account.key, wid));
    if (!withdrawal) return failure(400, "0310", "Incorrect WID (non-existent or does not belong to user)");
    return success([shown(withdrawal)]);
  }

  async #list(account: Account, query: URLSearchParams): Promise<Response> {
    const named = (name: string) => (query.get(name) ?? "").split(",").filter(Boolean).slice(0, LIST_MAX);
    const origins = named("origin_ids");
    const wids = named("wids");
    for (const origin of origins) {
      const wid = await this.#context.store.get<string>(`origin/${account.key}/${origin}`);
      if (wid) wids.push(wid);
    }
    const isFiltered = query.has("origin_ids") || query.has("wids");
    const found = isFiltered
      ? await Promise.all(wids.map((wid) => this.#context.store.get<Withdrawal>(keyOf(account.key, wid))))
      : (await this.#context.store.list<Withdrawal>(keyOf(account.key, ""))).slice(0, LIST_DEFAULT);
    return success(found.filter((withdrawal) => withdrawal !== undefined).map(shown));
  }

  async #announce(withdrawal: Withdrawal): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${withdrawal.key}`);
    if (!account) return;
    const payload = shown(withdrawal);
    const signature = sign("RSA-SHA256", Buffer.from(JSON.stringify(payload)), account.privateKey);
    await this.#context.deliver({
      url: account.webhookUrl,
      body: JSON.stringify({ event: "withdrawal", payload }),
      headers: {
        "content-type": "application/json",
        "x-bitso-key-id": account.keyId,
        "x-bitso-webhook-event-signature": signature.toString("base64"),
      },
    });
  }
}

interface SigningKey {
  keyId: string;
  privateKey: string;
  publicKey: string;
}

/**
 * Bitso's keys belong to no account, and making one takes a quarter of a second: so there is one a process.
 * Each account keeps it, so that a twin that is started again signs as before.
 */
let signingKey: Promise<SigningKey> | undefined;

async function makeSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  return {
    keyId: randomUUID(),
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

const rank: Record<Status, number> = { pending: 0, processing: 1, complete: 2, failed: 2 };

const keyOf = (account: string, wid: string): string => `withdrawal/${account}/${wid}`;

const Order = z.object({
  currency: z.string(),
  asset: z.string(),
  method: z.string(),
  network: z.string(),
  protocol: z.string(),
  amount: z.string(),
  address: z.string(),
  chain: z.string().optional(),
  origin_id: z.string().optional(),
});
type Order = z.output<typeof Order>;

/** Code and message of a refusal; undefined when there is nothing to refuse. */
function refusalOf(order: Order): [code: string, message: string] | undefined {
  const { amount, address } = order;
  const way = ways.find((candidate) => taxonomy.every((word) => candidate[word] === order[word]));
  if (!way) return ["0304", `The field method (${order.method}) is either invalid or missing`];
  const place = way.places[order.chain ?? ""];
  if (!place) return ["0304", `The field chain (${order.chain ?? ""}) is either invalid or missing`];
  if (!addressShapes[place].test(address)) return ["0315", "Invalid address"];
  const symbol = order.asset.toUpperCase();
  const amountMinor = isCurrency(symbol) ? fromDecimal(amount, symbol) : undefined;
  if (amountMinor === undefined) return ["0407", "Invalid precision"];
  if (amountMinor <= 0n) return ["0343", "The amount must be greater than 0."];
  if (decimalsOf(amount) === "13") return ["0602", "The withdrawal amount exceeds the available balance."];
  if (decimalsOf(amount) === "15") return ["0501", "This amount exceeds your daily or monthly withdrawal limit."];
  return undefined;
}

const endOf = (amount: string): Status => (decimalsOf(amount) === "14" ? "failed" : "complete");

const decimalsOf = (amount: string): string => (amount.split(".")[1] ?? "").replace(/0+$/, "");

const addressShapes = {
  evm: /^0x[0-9a-fA-F]{40}$/,
  bitcoin: /^(bc1[0-9a-z]{11,71}|[13mn2][1-9A-HJ-NP-Za-km-z]{25,34}|tb1[0-9a-z]{11,71})$/,
  solana: /^[1-9A-HJ-NP-Za-km-z]{32,44}$/,
} as const;

const taxonomy = ["currency", "asset", "method", "network", "protocol"] as const;

interface Way extends Record<(typeof taxonomy)[number], string> {
  title: string;
  /** The shape of an address by `chain`; the empty name where the method takes no chain. */
  places: Partial<Record<string, keyof typeof addressShapes>>;
}

/** How money leaves. Bitso has shown the words of USDC and BTC; those of USDT and ETH are the twin's, in that form. */
const ways: readonly Way[] = [
  {
    currency: "usd", asset: "usdc", method: "usdc_trf", network: "circle", protocol: "usdc_trf",
    title: "Circle Transfer", places: { MATIC: "evm", SOL: "solana" },
  },
  {
    currency: "usdt", asset: "usdt", method: "erc20", network: "eth", protocol: "erc20",
    title: "Tether", places: { "": "evm" },
  },
  {
    currency: "btc", asset: "btc", method: "btc", network: "btc", protocol: "btc",
    title: "Bitcoin", places: { "": "bitcoin" },
  },
  {
    currency: "eth", asset: "eth", method: "eth", network: "eth", protocol: "eth",
    title: "Ether", places: { "": "evm" },
  },
];

/** What `withdrawal_methods` answers: to another Bitso user, then over a chain. */
function methodsOf(ticker: string): object[] {
  const offered = ways.filter(({ asset }) => asset === ticker.toLowerCase());
  const toUsers = offered.slice(0, 1).map(({ currency, asset }) => ({
    method: "bt", network: "bt", protocol: "bt", name: "Bitso Transfer",
    required_fields: [],
    optional_fields: ["notes", "refcode", "email", "phone", "origin_id"],
    currency_configurations: configurations(currency, asset),
  }));
  const overChains = offered.map(({ currency, asset, method, network, protocol, title, places }) => ({
    method, network, protocol, name: title,
    required_fields: ["address", ...("" in places ? [] : ["chain"])],
    optional_fields: ["origin_id", "max_fee"],
    currency_configurations: configurations(currency, asset),
  }));
  return [...toUsers, ...overChains];
}

const configurations = (currency: string, asset: string): object[] => [
  { currency, asset, fee: { amount: "0.00000000", type: "fixed" }, status: { type: "active", description: "Ok" } },
];

const shown = ({ wid, status, createdAt, amount, address, chain, originId, ...words }: Withdrawal): object => ({
  wid,
  status,
  created_at: createdAt,
  currency: words.currency,
  method: words.method,
  method_name: ways.find(({ method }) => method === words.method)?.title,
  amount,
  asset: words.asset,
  network: words.network,
  protocol: words.protocol,
  details: { origin_id: originId ?? null, address, ...(chain && { addressTag: null, chain }) },
});

const success = (payload: unknown): Response => Response.json({ success: true, payload });

const failure = (status: number, code: string, message: string): Response =>
  Response.json({ success: false, error: { code, message } }, { status });

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const letters = (length: number): string => Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
