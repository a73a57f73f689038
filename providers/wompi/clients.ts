/**
 * Wompi's two APIs. Payments are asked with the private key and each transaction is signed with the integrity secret; payouts
 * ("Pagos a Terceros") have hosts and credentials of their own.
 */
import { createHash } from "node:crypto";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { SetupMissing, type ConnectionConfig, type Fetch } from "../provider.ts";

export const HOSTS = { live: "https://production.wompi.co/v1", test: "https://sandbox.wompi.co/v1" };
const PAYOUT_HOSTS = { live: "https://api.payouts.wompi.co/v1", test: "https://api.sandbox.payouts.wompi.co/v1" };

export const isTest = ({ baseUrl }: ConnectionConfig): boolean => baseUrl === HOSTS.test;

/** Stands for the connection's public key in the path of a request. */
export const PUBLIC_KEY = ":public_key";

export function paymentsClient({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const publicKey = needed(credentials, "public_key");
  const client = (key: string) => httpClient({ provider: "wompi", baseUrl, fetch, headers: { authorization: `Bearer ${key}` } });
  const [ours, open] = [client(needed(credentials, "private_key")), client(publicKey)];
  // The list of banks is asked with the public key (measured against the sandbox in September 2026 by an integrator).
  const clientFor = ({ path }: RequestSpec) => (path.startsWith("/pse/") ? open : ours);
  const complete = (spec: RequestSpec): RequestSpec => ({
    ...spec,
    path: spec.path.replace(PUBLIC_KEY, encodeURIComponent(publicKey)),
    ...(isUnsigned(spec) && { body: signed(spec.body as Transaction, needed(credentials, "integrity_secret")) }),
  });
  return {
    ask: async (spec, answer, call) => clientFor(spec).ask(complete(spec), answer, call),
    act: async (spec, answer, call) => clientFor(spec).act(complete(spec), answer, call),
    pass: async (spec, call) => clientFor(spec).pass(complete(spec), call),
  };
}

interface Transaction {
  reference: string;
  amount_in_cents: number;
  currency: string;
  expiration_time?: string;
}

const isUnsigned = ({ method, path, body }: RequestSpec): boolean =>
  method === "POST" && path === "/transactions" && typeof body === "object" && body !== null && !("signature" in body);

/** SHA-256 of reference, cents, currency, expiry where there is one, and the secret ("Widget & Checkout Web", step 3). */
function signed(transaction: Transaction, secret: string): object {
  const { reference, amount_in_cents, currency, expiration_time = "" } = transaction;
  const text = `${reference}${amount_in_cents}${currency}${expiration_time}${secret}`;
  return { ...transaction, signature: createHash("sha256").update(text).digest("hex") };
}

export function payoutsClient(connection: ConnectionConfig, fetch: Fetch): HttpClient {
  const { credentials } = connection;
  const headers = { "x-api-key": needed(credentials, "payouts_api_key"), "user-principal-id": needed(credentials, "payouts_user_id") };
  return httpClient({ provider: "wompi", baseUrl: PAYOUT_HOSTS[isTest(connection) ? "test" : "live"], fetch, headers });
}

function needed(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}
