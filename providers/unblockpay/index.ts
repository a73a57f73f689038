/**
 * UnblockPay: stablecoins out of a wallet to an address, and between stablecoins and bank money. Reference: UnblockPay guide,
 * "Wallet Transfer", "Pay-in", "Payout", "Transactions", "Webhooks", and a public client of its quotes, read 2026-11-20.
 * Quirks: the key is the whole Authorization header; a wallet lives on one blockchain and sends over no other; there is no field
 * for our reference, so only UnblockPay's own id finds a transaction; a quote lives five minutes and serves once.
 */
import { z } from "zod";
import { cryptoRailOf, type CryptoRequest, type CryptoResult } from "../../schema/meta-tools/crypto-pay.ts";
import { fromDecimal, type Currency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { addressFits, declined, jsonOf, required, sameSecret, shortDecimal, type Declined } from "../parts.ts";
import {
  Rejected, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type LookupSubject, type NotificationScheme,
  type Observation, type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const unblockpay: ProviderDefinition = {
  id: "unblockpay",
  title: "UnblockPay",
  category: "crypto",
  country: "INTL",
  authType: "api_key",
  hosts: { live: "https://api.unblockpay.com/v1", test: "https://api.sandbox.unblockpay.com/v1" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true }],
  settings: [
    { name: "customer_id", label: "Customer", secret: false, required: true, hint: "An approved customer: whose wallet it is." },
    { name: "wallet_id", label: "Wallet", secret: false, required: true },
    { name: "blockchain", label: "The wallet's blockchain", secret: false, required: true, hint: "solana, ethereum, polygon or base" },
    { name: "fiat_currency", label: "Bank money", secret: false, required: false, hint: "BRL unless told" },
    { name: "fiat_rail", label: "Bank rail", secret: false, required: false, hint: "pix unless told; spei, us_wire, sepa" },
    { name: "payer_name", label: "Who pays an onramp in", secret: false, required: false },
    { name: "payer_document", label: "The payer's tax id", secret: false, required: false },
    { name: "external_account_id", label: "Bank account of an offramp", secret: false, required: false, hint: "A registered external account." },
  ],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    const { settings } = connection;
    const wallet: Wallet = {
      customerId: required(settings, "customer_id"), walletId: required(settings, "wallet_id"), blockchain: required(settings, "blockchain"),
    };
    return {
      crypto: (request, call) => move(http, wallet, settings, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
  native: { client, tools },
  notifications: { verify, read },
};

function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  return httpClient({ provider: "unblockpay", baseUrl, fetch, headers: { authorization: required(credentials, "api_key") } });
}

type Settings = ConnectionConfig["settings"];

interface Wallet {
  customerId: string;
  walletId: string;
  blockchain: string;
}

interface Order {
  currency: Currency;
  /** Decimal, in units of the currency. */
  amount: string;
  address: string | undefined;
}

async function move(http: HttpClient, wallet: Wallet, settings: Settings, request: CryptoRequest, call: CallContext): Promise<Outcome<CryptoResult>> {
  const order = toOrder(wallet, request);
  if ("outcome" in order) return order;
  try {
    switch (cryptoRailOf(request)) {
      case "stablecoin-payout": return await transfer(http, wallet, order, call);
      case "onramp": return await payIn(http, wallet, settings, order, call);
      case "offramp": return await payOut(http, wallet, settings, order, call);
      default: return declined("not_permitted", "UnblockPay serves the rails stablecoin-payout, onramp and offramp.", "rail");
    }
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

/** The wallet's blockchain is the network, whether the call names it or not: no other can be meant, and a call may insist on it. */
function toOrder({ blockchain }: Wallet, { currency, amount, network, recipient }: CryptoRequest): Order | Declined {
  const amountMinor = fromDecimal(amount, currency);
  if (amountMinor === undefined || amountMinor <= 0n) return declined("invalid_request", `Expected more than zero ${currency}.`, "amount");
  if (network !== undefined && network !== blockchain)
    return declined("not_permitted", `This connection's wallet is on ${blockchain}, and sends over no other network.`, "network");
  const address = recipient?.wallet_address;
  if (address !== undefined && !addressFits(address, blockchain))
    return declined("invalid_request", `${address} is no address of the network ${blockchain}.`, "recipient.wallet_address");
  return { currency, amount: shortDecimal({ amountMinor, currency }), address };
}

const onChain = ({ blockchain, walletId }: Wallet, { currency }: Order) => ({ currency, payment_rail: blockchain, wallet_id: walletId });

const inBank = (settings: Settings) => ({ currency: settings["fiat_currency"] || "BRL", payment_rail: settings["fiat_rail"] || "pix" });

/** The transfer cannot be cancelled once it is made. */
async function transfer(http: HttpClient, wallet: Wallet, order: Order, call: CallContext): Promise<Outcome<CryptoResult>> {
  const { address, currency, amount } = order;
  if (!address) return declined("invalid_request", "Expected the address to send to.", "recipient.wallet_address");
  const body = {
    amount: Number(amount), customer_id: wallet.customerId, sender: onChain(wallet, order),
    receiver: { currency, payment_rail: wallet.blockchain, address },
  };
  const made = await http.act({ method: "POST", path: "/wallet-transfer", body }, Transaction, call);
  return accepted(made, wallet, order, { destination_address: address });
}

/** What the payer is to pay, and where, comes with the answer: a Pix code, or an account. */
async function payIn(http: HttpClient, wallet: Wallet, settings: Settings, order: Order, call: CallContext): Promise<Outcome<CryptoResult>> {
  const [name, document] = [required(settings, "payer_name"), required(settings, "payer_document")];
  const { wallet_id, ...coins } = onChain(wallet, order);
  const quoteId = await quoteFor(http, { type: "on_ramp", sender: inBank(settings), receiver: { ...coins, amount: Number(order.amount) } }, call);
  const body = {
    quote_id: quoteId, customer_id: wallet.customerId, sender: { ...inBank(settings), name, document },
    receiver: order.address ? { ...coins, address: order.address } : { ...coins, wallet_id },
  };
  const made = await http.act({ method: "POST", path: "/payin", body }, Transaction, call);
  return accepted(made, wallet, order, depositOf(made));
}

async function payOut(http: HttpClient, wallet: Wallet, settings: Settings, order: Order, call: CallContext): Promise<Outcome<CryptoResult>> {
  const account = required(settings, "external_account_id");
  const { wallet_id, ...coins } = onChain(wallet, order);
  const quoteId = await quoteFor(http, { type: "off_ramp", sender: { ...coins, amount: Number(order.amount) }, receiver: inBank(settings) }, call);
  const body = { quote_id: quoteId, customer_id: wallet.customerId, sender: { ...coins, wallet_id }, receiver: { external_account_id: account } };
  const made = await http.act({ method: "POST", path: "/payout", body }, Transaction, call);
  return accepted(made, wallet, order, depositOf(made));
}

async function quoteFor(http: HttpClient, body: RequestSpec["body"], call: CallContext): Promise<string> {
  const { id } = await http.ask({ method: "POST", path: "/quote", body }, z.object({ id: z.string() }), call);
  return id;
}

// Only the fields we read.
const Side = z.object({ currency: z.string().optional(), amount: z.union([z.number(), z.string()]).nullish() });
const Transaction = z.object({
  id: z.string(),
  status: z.string(),
  transaction_link: z.url().nullish().catch(undefined),
  sender_deposit_instructions: z.object({ deposit_address: z.string().nullish() }).nullish(),
  sender: Side.nullish().catch(undefined),
  receiver: Side.nullish().catch(undefined),
});
type Transaction = z.output<typeof Transaction>;

const depositOf = ({ sender_deposit_instructions: deposit, transaction_link: link }: Transaction): Partial<CryptoResult> =>
  ({ ...(deposit?.deposit_address && { destination_address: deposit.deposit_address }), ...(link && { payment_url: link }) });

const accepted = (made: Transaction, { blockchain }: Wallet, { amount, currency }: Order, more: Partial<CryptoResult>): Outcome<CryptoResult> => ({
  outcome: "accepted", ref: made.id, state: stateOf(made), action: made.status,
  result: { id: made.id, status: "pending", amount, currency, network: blockchain, ...more },
});

/** An `error` waits for UnblockPay's people, so it ends nothing; neither does a word we do not know. */
const stateOf = ({ status }: Transaction): StateOf<"payment"> => states.get(status) ?? "pending";

const states = new Map<string, StateOf<"payment">>([
  ["awaiting_deposit", "pending"], ["processing", "pending"], ["completed", "succeeded"], ["failed", "failed"], ["cancelled", "failed"],
  ["refunded", "refunded"], ["error", "updated"],
]);

const ErrorBody = z.object({ code: z.string().optional(), message: z.string().optional() });

function declineOf({ status, body }: Rejected): Declined {
  const { code, message = `HTTP ${status}` } = ErrorBody.safeParse(body).data ?? {};
  const reason = /insufficient/i.test(`${code} ${message}`) ? "insufficient_funds" : (declines.get(status) ?? "unspecified");
  return declined(reason, `UnblockPay refused the transaction: ${code ? `${code}, ` : ""}${message}`);
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "not_permitted"], [404, "invalid_request"], [422, "refused"], [429, "rate_limited"],
]);

async function lookup(http: HttpClient, { ref, currency }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  if (ref === undefined) throw new Unanswered("unblockpay: only its own id finds a transaction");
  const found = await http.ask({ method: "GET", path: `/transactions/${encodeURIComponent(ref)}` }, Transaction, call);
  const state = stateOf(found);
  const side = [found.sender, found.receiver].find((each) => each?.currency === currency && each?.amount != null);
  const amountMinor = currency && side?.amount != null ? fromDecimal(side.amount, currency) : undefined;
  return {
    ref, state, action: found.status, ...(amountMinor !== undefined && currency && { amountMinor, currency }),
    ...(state === "failed" && { failure: { reason: "unspecified", message: `UnblockPay: the transaction ended as ${found.status}.` } }),
  };
}

/** UnblockPay is not known to sign: the address it was given proves the sender, and a message is only a hint. */
function verify({ url }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const token = url.searchParams.get("token");
  if (!token) return { ok: false, reason: "the address has no token" };
  return secrets.some((secret) => sameSecret(token, secret)) ? { ok: true } : { ok: false, reason: "the token in the address is not the webhook's" };
}

const Told = z.object({ id: z.string(), status: z.string() });
/** Where in a message the transaction stands is not documented: as itself, or as the `data` of an event. */
const Message = z.union([z.object({ data: Told }).transform(({ data }) => data), Told]);

function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: told } = Message.safeParse(jsonOf(body));
  return told ? [{ eventId: `${told.id}:${told.status}`, ref: told.id, observation: { ref: told.id, action: told.status } }] : [];
}
