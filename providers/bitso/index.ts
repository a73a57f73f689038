/**
 * Bitso: crypto out (USDC, USDT, BTC, ETH), one withdrawal a call.
 * Reference: Bitso documentation, "Bitso's Withdrawal Service", "Webhook Signatures", "Nonce v2 Rollout" and "Error
 * Categories", read 2026-11-20.
 * Quirks: the words that name a network are Bitso's own, so each call asks for them (`withdrawal_methods`); USDC may
 * travel as currency `usd` and asset `usdc`; a refusal may arrive as HTTP 200 with `success: false`.
 */
import { createHmac, createPublicKey, randomInt, verify as verifySignature, type KeyObject } from "node:crypto";
import { z } from "zod";
import { systemClock } from "../../schema/clock.ts";
import type { CryptoRequest, CryptoResult } from "../../schema/meta-tools/crypto-pay.ts";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import { currencies, fromDecimal, isCurrency, toDecimal, type Currency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { addressFits } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type LookupSubject,
  type Observation, type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";

export const bitso: ProviderDefinition = {
  id: "bitso",
  title: "Bitso",
  category: "crypto",
  country: "INTL",
  authType: "hmac_signed",
  hosts: { live: "https://api.bitso.com", test: "https://api-stage.bitso.com" },
  credentials: [
    { name: "api_key", label: "API key", secret: true, required: true },
    { name: "api_secret", label: "API secret", secret: true, required: true, hint: "Needs permission to withdraw." },
  ],
  settings: [],
  repeats: "rejects",
  connect(connection, fetch) {
    const http = signedClient(connection, fetch);
    return {
      crypto: (request, call) => send(http, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
  notifications: { verify: (message, { secrets }) => verify(message, secrets), read },
};

function signedClient({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = required(credentials, "api_key");
  const secret = required(credentials, "api_secret");
  return httpClient({
    provider: "bitso",
    baseUrl,
    fetch,
    sign: ({ method, url, body }) => ({
      authorization: authorization({ key, secret, nonce: nextNonce(), method, path: url.pathname + url.search, body }),
    }),
  });
}

function required(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

/** `Bitso key:nonce:signature`. `path` includes the query; `body` is the exact text sent. */
export function authorization(request: {
  key: string;
  secret: string;
  nonce: bigint;
  method: string;
  path: string;
  body: string;
}): string {
  const { key, secret, nonce, method, path, body } = request;
  const signature = createHmac("sha256", secret).update(`${nonce}${method}${path}${body}`).digest("hex");
  return `Bitso ${key}:${nonce}:${signature}`;
}

let lastNonce = 0n;

/**
 * A nonce above every earlier one of this process: "nonce v2", 13 digits of epoch milliseconds and 6 of salt, with
 * which requests may overtake each other. Machine time, not a call's clock: a test that moves its clock forward must
 * not push the nonces of other connections into the future.
 */
function nextNonce(): bigint {
  const fresh = BigInt(systemClock.now().getTime()) * 1_000_000n + BigInt(randomInt(1_000_000));
  lastNonce = fresh > lastNonce ? fresh : lastNonce + 1n;
  return lastNonce;
}

async function send(http: HttpClient, request: CryptoRequest, call: CallContext): Promise<Outcome<CryptoResult>> {
  const order = toOrder(request);
  if ("outcome" in order) return order;
  const route = await routeFor(http, order, call);
  if ("outcome" in route) return route;
  return withdraw(http, order, route, call);
}

type Network = NonNullable<CryptoRequest["network"]>;
type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

interface Order {
  currency: Currency;
  /** Decimal, in units of the currency, without trailing zeros. */
  amount: string;
  address: string;
  network: Network | undefined;
}

const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

const RECEIVE_ELSEWHERE =
  "Bitso only sends crypto here. To be paid, use codespar_charge, or connect a provider that receives crypto.";

const currenciesSent: readonly Currency[] = ["USDC", "USDT", "BTC", "ETH"];

/** The network a coin is native to. A token lives on several, so its sender names one. */
const nativeNetwork: Partial<Record<Currency, Network>> = { BTC: "bitcoin", ETH: "ethereum" };

function toOrder({ direction, currency, amount, recipient, network }: CryptoRequest): Order | Declined {
  if (direction === "receive") return declined("not_permitted", RECEIVE_ELSEWHERE, "direction");
  if (!currenciesSent.includes(currency))
    return declined("not_permitted", `Bitso sends ${currenciesSent.join(", ")} here, not ${currency}.`, "currency");
  if (!recipient)
    return declined("invalid_request", "Expected the address to send to.", "recipient.wallet_address");
  const amountMinor = fromDecimal(amount, currency);
  if (amountMinor === undefined || amountMinor <= 0n) {
    const expected = `Expected more than zero ${currency}, with no more than ${currencies[currency]} decimals.`;
    return declined("invalid_request", expected, "amount");
  }
  const [address, over] = [recipient.wallet_address, network ?? nativeNetwork[currency]];
  if (over && !addressFits(address, over))
    return declined("invalid_request", `${address} is no address of the network ${over}.`, "recipient.wallet_address");
  return { currency, amount: toDecimal({ amountMinor, currency }).replace(/\.?0+$/, ""), address, network: over };
}

interface Route {
  named: Network;
  /** The words of the request that choose it. */
  taxonomy: { currency: string; asset: string; method: string; network: string; protocol: string; chain?: string };
}

/** The one way this withdrawal can leave; a decline when there is none, or the caller named no network. */
async function routeFor(http: HttpClient, { currency, network, address }: Order, call: CallContext): Promise<Route | Declined> {
  const asset = currency.toLowerCase();
  try {
    const { payload } = await http.ask({ method: "GET", path: `/v3/withdrawal_methods/${asset}` }, Methods, call);
    const routes = payload.flatMap((method) => routesOf(method, asset)).filter(({ named }) => (!network || named === network) && addressFits(address, named));
    const names = [...new Set(routes.map(({ named }) => named))];
    const over = network ?? "a network known here";
    if (!routes[0]) return declined("not_permitted", `This Bitso account sends no ${currency} over ${over}.`, "network");
    // Not even one that alone is offered: an address of this form may be good on others, and its owner may watch only one of them.
    if (!network) return declined("invalid_request", `Name the network: ${names.join(" or ")}. ${currency} sent over one that its owner does not use is lost.`, "network");
    return routes[0];
  } catch (error) {
    if (error instanceof Rejected) return declineOf(errorOf(error));
    throw error;
  }
}

// Only the fields we read, here and in every answer below.
const Method = z.object({
  method: z.string(),
  network: z.string().nullish(),
  protocol: z.string().nullish(),
  required_fields: z.array(z.string()).nullish(),
  optional_fields: z.array(z.string()).nullish(),
  currency_configurations: z.array(z.object({
    currency: z.string(),
    asset: z.string(),
    status: z.object({ type: z.string() }).nullish(),
  })).nullish(),
});
const Methods = z.object({ success: z.literal(true), payload: z.array(Method) });

/** What Bitso may call the networks we know: `btc` is from its samples, the others are a network's name or ticker. */
const networkWords: Record<Network, readonly string[]> = {
  bitcoin: ["btc", "bitcoin"],
  ethereum: ["eth", "ethereum"],
  polygon: ["polygon", "matic"],
  solana: ["sol", "solana"],
  base: ["base"],
};

/** `chain` in requests that take it (USDC), as Bitso's withdrawal records show it. */
const chains: Partial<Record<Network, string>> = { polygon: "MATIC", solana: "SOL" };

const networks = Object.keys(networkWords) as Network[];

/** The known networks a method sends `asset` to: its own, or every chain we can name when it leaves that to `chain`. */
function routesOf(method: z.output<typeof Method>, asset: string): Route[] {
  const required = method.required_fields ?? [];
  const fields = [...required, ...(method.optional_fields ?? [])];
  const offer = method.currency_configurations?.find((entry) => entry.asset.toLowerCase() === asset);
  const { network, protocol } = method;
  if (!fields.includes("address") || !network || !protocol || !offer) return [];
  if (offer.status && offer.status.type !== "active") return [];
  const taxonomy = { currency: offer.currency, asset: offer.asset, method: method.method, network, protocol };
  const own = networks.filter((name) => networkWords[name].includes(network.toLowerCase()));
  if (!fields.includes("chain")) return own.map((named) => ({ named, taxonomy }));
  return (own.length > 0 ? own : networks).flatMap((named) => {
    const chain = chains[named];
    if (chain) return [{ named, taxonomy: { ...taxonomy, chain } }];
    return own.length > 0 && !required.includes("chain") ? [{ named, taxonomy }] : [];
  });
}

async function withdraw(
  http: HttpClient, { amount, currency, address }: Order, { named, taxonomy }: Route, call: CallContext,
): Promise<Outcome<CryptoResult>> {
  const body = { ...taxonomy, amount, address, origin_id: call.reference };
  const answer = await http.act({ method: "POST", path: "/v3/withdrawals", body }, Created, call).catch(refusalOf);
  if (!answer.success) {
    if (answer.error.code.startsWith("01")) throw new OutcomeUnknown("bitso: it cannot say what became of the request");
    return declineOf(answer.error);
  }
  const { wid, status } = answer.payload;
  return {
    outcome: "accepted",
    ref: wid,
    state: stateOf(answer.payload),
    action: status,
    result: { id: wid, status: "pending", amount, currency, network: named, destination_address: address },
  };
}

const Withdrawal = z.object({
  wid: z.string(),
  status: z.string(),
  amount: z.union([z.string(), z.number()]).nullish(),
  asset: z.string().nullish(),
  origin_id: z.string().nullish(),
  details: z.object({ origin_id: z.string().nullish() }).nullish(),
});
type Withdrawal = z.output<typeof Withdrawal>;

const ApiError = z.object({
  code: z.union([z.string(), z.number()]).transform((code) => String(code).padStart(4, "0")),
  message: z.string().catch(""),
});
type ApiError = z.output<typeof ApiError>;

const Refusal = z.object({ success: z.literal(false), error: ApiError });
const Created = z.discriminatedUnion("success", [z.object({ success: z.literal(true), payload: Withdrawal }), Refusal]);

function refusalOf(error: unknown): z.output<typeof Refusal> {
  if (error instanceof Rejected) return { success: false, error: errorOf(error) };
  throw error;
}

function errorOf({ status, body }: Rejected): ApiError {
  const parsed = Refusal.safeParse(body);
  if (parsed.success) return parsed.data.error;
  const code = status === 401 || status === 403 ? "0201" : status === 429 || status === 420 ? "0801" : "";
  return { code, message: `HTTP ${status}` };
}

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function declineOf({ code, message }: ApiError): Declined {
  if (/origin.?id/i.test(message) && /already|duplicat|exist|used/i.test(message))
    return declined("duplicate", "Bitso has a withdrawal under this reference already; a lookup tells its state.");
  const [reason, field] = declines[code] ?? declines[code.slice(0, 2)] ?? ["unspecified"];
  const why = message.slice(0, REFUSAL_CHARS_MAX) || "no reason given";
  return declined(reason, `Bitso refused the withdrawal${code && ` (${code})`}: ${why}`, field);
}

/** By code, else by category (its first two digits). Source: Bitso "Error Categories" and the pages under it. */
const declines: Partial<Record<string, readonly [reason: DeclineReason, field?: string]>> = {
  "02": ["unauthorized"],
  "03": ["invalid_request"],
  "0313": ["invalid_request", "currency"],
  "0315": ["invalid_request", "recipient.wallet_address"],
  "0330": ["not_permitted"],
  "0343": ["invalid_request", "amount"],
  "04": ["refused"],
  "0402": ["invalid_request", "amount"],
  "0403": ["invalid_request", "amount"],
  "0404": ["invalid_request", "amount"],
  "0407": ["invalid_request", "amount"],
  "0408": ["invalid_request", "amount"],
  "05": ["refused"],
  "06": ["insufficient_funds"],
  "07": ["not_permitted"],
  "08": ["rate_limited"],
  "17": ["invalid_request"],
};

const states: Partial<Record<string, StateOf<"payment">>> = {
  pending: "pending",
  processing: "pending",
  complete: "succeeded",
  failed: "failed",
};

/** A word we do not know ends nothing. */
const stateOf = ({ status }: Withdrawal): StateOf<"payment"> => states[status.toLowerCase()] ?? "pending";

async function lookup(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const named = subject.ref ? await byWid(http, subject.ref, call) : undefined;
  const found = named ?? (await byReference(http, subject.reference, call));
  return found && toObservation(found, subject.currency);
}

// One withdrawal comes as itself or as a list of one: the documentation shows both.
const Found = z.object({
  success: z.literal(true),
  payload: z.union([z.array(Withdrawal), Withdrawal.transform((one) => [one])]),
});

async function byWid(http: HttpClient, wid: string, call: CallContext): Promise<Withdrawal | undefined> {
  try {
    const path = `/v3/withdrawals/${encodeURIComponent(wid)}`;
    const { payload } = await http.ask({ method: "GET", path }, Found, call);
    return payload.find((withdrawal) => withdrawal.wid === wid);
  } catch (error) {
    // There is no such withdrawal (14.. is "not found"), or it is another account's (0310). The list has the last word.
    if (error instanceof Rejected && /^(0310|14)/.test(errorOf(error).code)) return undefined;
    throw error;
  }
}

/** Only an empty list proves that Bitso never had it; a list of others would mean that it did not read the filter. */
async function byReference(http: HttpClient, reference: string, call: CallContext): Promise<Withdrawal | undefined> {
  const query = { origin_ids: reference };
  const { payload } = await http.ask({ method: "GET", path: "/v3/withdrawals", query }, Found, call);
  const found = payload.find((withdrawal) => originOf(withdrawal) === reference);
  if (!found && payload.length > 0) throw new Unanswered("bitso: its list does not name our reference");
  return found;
}

const originOf = (withdrawal: Withdrawal): string | undefined =>
  withdrawal.details?.origin_id ?? withdrawal.origin_id ?? undefined;

const FAILED = "Bitso could not complete the withdrawal; the funds stayed in the account.";

/** `created_at` is when the withdrawal was asked for, not when it reached this state, so no time is claimed. */
function toObservation(withdrawal: Withdrawal, asked: Currency | undefined): Observation {
  const asset = withdrawal.asset?.toUpperCase() ?? "";
  const currency = isCurrency(asset) ? asset : asked;
  const amountMinor = currency && withdrawal.amount != null ? fromDecimal(withdrawal.amount, currency) : undefined;
  const state = stateOf(withdrawal);
  return {
    ref: withdrawal.wid,
    state,
    action: withdrawal.status,
    ...(currency && { currency }),
    ...(amountMinor !== undefined && { amountMinor }),
    ...(state === "failed" && { failure: { reason: "unspecified", message: FAILED } }),
  };
}

/**
 * RSA-SHA256 over the compact JSON of `payload`. A secret is a pinned public key, PEM or the base64 of Bitso's key
 * list; after a line `key-id: <id>` it is believed only for messages that name that `x-bitso-key-id`.
 */
function verify(message: InboundMessage, secrets: readonly string[]): { ok: true } | { ok: false; reason: string } {
  const signature = message.headers.get("x-bitso-webhook-event-signature");
  const keyId = message.headers.get("x-bitso-key-id");
  if (!signature) return { ok: false, reason: "x-bitso-webhook-event-signature is missing" };
  if (!keyId) return { ok: false, reason: "x-bitso-key-id is missing" };
  const body = jsonOf(message);
  if (!isObject(body) || !isObject(body["payload"])) return { ok: false, reason: "the body has no payload" };
  // What is verified is the parsed object that `read` reads, so a body with two `payload` members gains nothing.
  const signed = Buffer.from(JSON.stringify(body["payload"]));
  const keys = secrets.flatMap(pinnedKeys).filter((pinned) => pinned.keyId === undefined || pinned.keyId === keyId);
  if (keys.length === 0) return { ok: false, reason: "no public key is pinned for this x-bitso-key-id" };
  const isTheirs = keys.some(({ key }) => verifySignature("RSA-SHA256", signed, key, Buffer.from(signature, "base64")));
  return isTheirs ? { ok: true } : { ok: false, reason: "no pinned public key verifies the signature" };
}

function pinnedKeys(secret: string): { key: KeyObject; keyId: string | undefined }[] {
  const keyId = /^key-id:[ \t]*(\S+)/m.exec(secret)?.[1];
  const text = secret.replace(/^key-id:.*$/m, "").trim();
  try {
    const key = text.startsWith("-----BEGIN")
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "rsa" ? [{ key, keyId }] : [];
  } catch {
    return [];
  }
}

function read(message: InboundMessage): ProviderEvent[] {
  const event = WithdrawalEvent.safeParse(jsonOf(message));
  if (!event.success) return [];
  const withdrawal = event.data.payload;
  const reference = originOf(withdrawal);
  return [{
    // Bitso sends no event id; it advises to tell deliveries apart by wid and status.
    eventId: `withdrawal:${withdrawal.wid}:${withdrawal.status}`,
    ref: withdrawal.wid,
    ...(reference && { reference }),
    observation: toObservation(withdrawal, undefined),
  }];
}

const WithdrawalEvent = z.object({ event: z.literal("withdrawal"), payload: Withdrawal });

function jsonOf({ body }: InboundMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
