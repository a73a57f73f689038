/**
 * Foxbit: a Brazilian exchange; here USDT out of its account, as a withdrawal to an address. Reference: Foxbit REST API v3, as the
 * exchange library CCXT and the vendor's Python package show it, read 2026-11-20.
 * Quirks: requests are signed over the decoded query; a withdrawal has no field for our reference, nor any protection from a second
 * one; how its answer names it is not documented, so the rail is refused live (`rails.ts`). The own tools are not.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import { systemClock } from "../../schema/clock.ts";
import { cryptoRailOf, type CryptoRequest, type CryptoResult } from "../../schema/meta-tools/crypto-pay.ts";
import { fromDecimal, isCurrency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { addressFits, declined, required, shortDecimal, type Declined } from "../parts.ts";
import {
  Rejected, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type LookupSubject, type Observation, type Outcome, type ProviderDefinition,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const foxbit: ProviderDefinition = {
  id: "foxbit",
  title: "Foxbit",
  category: "crypto",
  country: "BR",
  authType: "hmac_signed",
  // No sandbox is documented.
  hosts: { live: "https://api.foxbit.com.br/rest/v3", test: "https://api.foxbit.com.br/rest/v3" },
  credentials: [
    { name: "api_key", label: "API key", secret: true, required: true },
    { name: "api_secret", label: "API secret", secret: true, required: true, hint: "Of an HMAC key." },
  ],
  settings: [],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    return {
      crypto: (request, call) => send(http, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
  native: { client, tools },
};

/** Machine time signs, not a call's clock: Foxbit compares it with its own. */
function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const [key, secret] = [required(credentials, "api_key"), required(credentials, "api_secret")];
  return httpClient({
    provider: "foxbit", baseUrl, fetch,
    sign: ({ method, url, body }) => {
      const timestamp = String(systemClock.now().getTime());
      const signature = signatureOf(secret, { timestamp, method, url, body });
      return { "x-fb-access-key": key, "x-fb-access-timestamp": timestamp, "x-fb-access-signature": signature };
    },
  });
}

/** Hex HMAC-SHA256 of timestamp, method, path, query and body, the query as it reads before it is percent-encoded. */
export function signatureOf(secret: string, request: { timestamp: string; method: string; url: URL; body: string }): string {
  const { timestamp, method, url, body } = request;
  const query = [...url.searchParams].map(([name, value]) => `${name}=${value}`).join("&");
  return createHmac("sha256", secret).update(timestamp + method + url.pathname + query + body).digest("hex");
}

async function send(http: HttpClient, request: CryptoRequest, call: CallContext): Promise<Outcome<CryptoResult>> {
  const body = toWithdrawal(request);
  if ("outcome" in body) return body;
  try {
    const made = await http.act({ method: "POST", path: "/withdrawals", body }, Made, call);
    const { currency, network } = request;
    return {
      outcome: "accepted", ref: made.sn, state: stateOf(made.state), action: made.state ?? "SUBMITTED",
      result: { id: made.sn, status: "pending", amount: body.amount, currency, ...(network && { network }), destination_address: body.destination_address },
    };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

interface Withdrawal {
  currency_symbol: string;
  amount: string;
  destination_address: string;
  network_code: string;
}

const RECEIVE_ELSEWHERE = "Foxbit has one deposit address for all payers, so who paid cannot be told. Connect another provider to receive crypto.";

function toWithdrawal(request: CryptoRequest): Withdrawal | Declined {
  const { currency, amount, recipient, network } = request;
  if (cryptoRailOf(request) !== "send") return declined("not_permitted", RECEIVE_ELSEWHERE, "direction");
  const amountMinor = fromDecimal(amount, currency);
  if (amountMinor === undefined || amountMinor <= 0n) return declined("invalid_request", `Expected more than zero ${currency}.`, "amount");
  if (!recipient) return declined("invalid_request", "Expected the address to send to.", "recipient.wallet_address");
  if (!network) return declined("invalid_request", `Name the network. ${currency} sent over one that its owner does not use is lost.`, "network");
  const { wallet_address: address } = recipient;
  if (!addressFits(address, network)) return declined("invalid_request", `${address} is no address of the network ${network}.`, "recipient.wallet_address");
  return { currency_symbol: currency.toLowerCase(), amount: shortDecimal({ amountMinor, currency }), destination_address: address, network_code: network };
}

// Only the fields we read. An answer without `sn` leaves the outcome unknown: nothing else names a withdrawal.
const Made = z.object({ sn: z.string().min(1), state: z.string().optional() });
const Listed = z.object({
  data: z.array(z.object({ sn: z.string(), state: z.string(), currency_symbol: z.string().optional(), amount: z.string().optional(), fee: z.string().optional() })),
});

/** A word we do not know, and `ACCEPTED`, which is not said to be the last, end nothing. */
const stateOf = (state = ""): StateOf<"payment"> => states.get(state) ?? "pending";

const states = new Map<string, StateOf<"payment">>([["DONE", "succeeded"], ["REJECTED", "failed"], ["CANCELED", "failed"], ["CANCELLED", "failed"], ["FAILED", "failed"]]);

const ErrorBody = z.object({ error: z.object({ message: z.string().catch(""), code: z.union([z.string(), z.number()]).optional() }) });

function declineOf({ status, body }: Rejected): Declined {
  const { message = "" } = ErrorBody.safeParse(body).data?.error ?? {};
  const reason = /insufficient|balance/i.test(message) ? "insufficient_funds" : (declines.get(status) ?? "unspecified");
  return declined(reason, `Foxbit refused the withdrawal: ${message || `HTTP ${status}`}`);
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"], [422, "refused"], [429, "rate_limited"],
]);

const PAGE_MAX = 100;

/** Withdrawals are listed, newest first; one is not asked for by its number. */
async function lookup(http: HttpClient, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  if (ref === undefined) throw new Unanswered("foxbit: only its own number finds a withdrawal");
  const { data } = await http.ask({ method: "GET", path: "/withdrawals", query: { page_size: String(PAGE_MAX) } }, Listed, call);
  const found = data.find(({ sn }) => sn === ref);
  if (!found) throw new Unanswered("foxbit: the withdrawal is not among those it lists");
  const currency = found.currency_symbol?.toUpperCase() ?? "";
  const amountMinor = isCurrency(currency) && found.amount ? fromDecimal(found.amount, currency) : undefined;
  const state = stateOf(found.state);
  return {
    ref, state, action: found.state, ...(amountMinor !== undefined && isCurrency(currency) && { amountMinor, currency }),
    ...(state === "failed" && { failure: { reason: "unspecified", message: `Foxbit: the withdrawal ended as ${found.state}.` } }),
  };
}
