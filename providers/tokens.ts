/**
 * Access tokens by client credentials, for providers that sell theirs by the hour: fetched once per account, kept in this
 * process until shortly before they end, and fetched again when the provider refuses one early.
 */
import { createHash } from "node:crypto";
import type { HttpClient, RequestSpec } from "./http.ts";
import { Rejected, type CallContext, type ConnectionConfig } from "./provider.ts";

/** A token this close to its end is not used any more: a request must not outlive it. */
export const TOKEN_MARGIN_MS = 60_000;
/** Accounts whose tokens are kept; the oldest is forgotten first. */
const ACCOUNTS_MAX = 1_000;

export interface Granted {
  token: string;
  expiresInSeconds: number;
}

interface Kept {
  granted: Promise<Granted>;
  /** Until when it may be used; unknown while it is being fetched. */
  usableUntil: number;
}

const kept = new Map<string, Kept>();

/**
 * `http` with a bearer token on every request. A 401 promises that nothing was done, so such a request is sent once more
 * with a new token.
 *
 * account  whose token it is
 * grant    asks the provider for a new one
 */
export function withBearer(
  http: HttpClient,
  account: { provider: string } & Pick<ConnectionConfig, "credentials" | "baseUrl">,
  grant: (call: CallContext) => Promise<Granted>,
): HttpClient {
  const key = accountKey(account);
  const authorized = async (spec: RequestSpec, call: CallContext) =>
    ({ ...spec, headers: { ...spec.headers, authorization: `Bearer ${await tokenOf(key, call, grant)}` } });
  const send = (verb: "ask" | "act"): HttpClient["ask"] => async (spec, answer, call) => {
    try {
      return await http[verb](await authorized(spec, call), answer, call);
    } catch (error) {
      if (!(error instanceof Rejected) || error.status !== 401 || !kept.delete(key)) throw error;
      return http[verb](await authorized(spec, call), answer, call);
    }
  };
  const pass: HttpClient["pass"] = async (spec, call) => {
    const reply = await http.pass(await authorized(spec, call), call);
    return reply.status === 401 && kept.delete(key) ? http.pass(await authorized(spec, call), call) : reply;
  };
  return { ask: send("ask"), act: send("act"), pass };
}

/** Whose token it is, for `tokenOf`: of these credentials, at this address. */
export const accountKey = ({ provider, baseUrl, credentials }: { provider: string } & Pick<ConnectionConfig, "credentials" | "baseUrl">): string =>
  createHash("sha256").update(JSON.stringify([provider, baseUrl, credentials])).digest("hex");

/** The provider refused it early: the next caller asks for another. */
export const forgetToken = (key: string): boolean => kept.delete(key);

/** Callers that come while a token is being fetched wait for the same one. */
export async function tokenOf(key: string, call: CallContext, grant: (call: CallContext) => Promise<Granted>): Promise<string> {
  const known = kept.get(key);
  if (known && call.clock.now().getTime() < known.usableUntil) return (await known.granted).token;
  const entry: Kept = { granted: grant(call), usableUntil: Infinity };
  kept.delete(key);
  kept.set(key, entry);
  for (const oldest of [...kept.keys()].slice(0, -ACCOUNTS_MAX)) kept.delete(oldest);
  try {
    const { token, expiresInSeconds } = await entry.granted;
    entry.usableUntil = call.clock.now().getTime() + expiresInSeconds * 1_000 - TOKEN_MARGIN_MS;
    return token;
  } catch (error) {
    if (kept.get(key) === entry) kept.delete(key);
    throw error;
  }
}
