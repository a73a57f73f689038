/** A bank's HTTP client: a bearer by client credentials, both over the connection's certificate, which `fetch` presents. */
import { z } from "zod";
import { certificateFields } from "../client-certificate.ts";
import { httpClient, type HttpClient, type HttpOptions, type RequestSpec } from "../http.ts";
import { completing } from "../native.ts";
import { basic } from "../parts.ts";
import { SetupMissing, type CallContext, type ConnectionConfig, type ConnectionField, type Fetch } from "../provider.ts";
import { withBearer, type Granted } from "../tokens.ts";
import type { Bank } from "./bank.ts";

const CLIENT_ID: ConnectionField = {
  name: "client_id", label: "Client ID", secret: false, required: true, hint: "Of the application in the bank's developer portal",
};
const CLIENT_SECRET: ConnectionField = { name: "client_secret", label: "Client secret", secret: true, required: true };

export const credentialsOf = ({ token, credentials = [] }: Bank): readonly ConnectionField[] =>
  [CLIENT_ID, ...(token.client === "id" ? [] : [CLIENT_SECRET]), ...credentials, ...certificateFields];

export const isTest = ({ hosts }: Bank, { baseUrl }: ConnectionConfig): boolean => baseUrl === hosts.test;

/** `refusal` tells answers that say with a 2xx that nothing was done. */
export function clientFor(bank: Bank, connection: ConnectionConfig, fetch: Fetch, isRefusal?: HttpOptions["isRefusal"]): HttpClient {
  const { baseUrl, settings } = connection;
  const missing = bank.settings?.find(({ name, required }) => required && !settings[name]);
  if (missing) throw new SetupMissing(missing.name);
  const headers = { ...bank.headers, ...named(connection, bank.carries?.headers) };
  const query = named(connection, bank.carries?.query);
  const options = { provider: bank.id, baseUrl, fetch, headers, ...(isRefusal && { isRefusal }) };
  const http = completing(httpClient(options), (spec) => ({ ...spec, query: { ...query, ...spec.query } }));
  return withBearer(http, { ...connection, provider: bank.id }, (call) => grant(bank, connection, fetch, call));
}

/** The client of the standard's API, with a token of its own and nothing of the account that pays. */
export function receivingClient(bank: Bank, connection: ConnectionConfig, fetch: Fetch): HttpClient {
  const { live, test, scope } = bank.receives!;
  const { scope: _, ...token } = bank.token;
  const receiving = { ...bank, hosts: { live, test }, token: { ...token, ...(scope !== undefined && { scope }) }, settings: [] };
  return clientFor(receiving, { ...connection, baseUrl: isTest(bank, connection) ? test : live }, fetch);
}

const Token = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() });

async function grant(bank: Bank, connection: ConnectionConfig, fetch: Fetch, call: CallContext): Promise<Granted> {
  const http = httpClient({ provider: bank.id, baseUrl: connection.baseUrl, fetch, headers: { ...bank.headers } });
  const answer = await http.ask(tokenRequest(bank, connection), Token, call);
  return { token: answer.access_token, expiresInSeconds: answer.expires_in };
}

function tokenRequest(bank: Bank, connection: ConnectionConfig): RequestSpec {
  const { client, scope } = bank.token;
  const [id, secret] = [needed(connection, "client_id"), client === "id" ? "" : needed(connection, "client_secret")];
  return {
    method: "POST", path: isTest(bank, connection) ? bank.token.test : bank.token.live,
    form: { grant_type: "client_credentials", scope, ...(client !== "basic" && { client_id: id }), ...(client === "form" && { client_secret: secret }) },
    ...(client === "basic" && { headers: { authorization: basic(id, secret) } }),
  };
}

/** What the row names, filled in; an optional setting that is absent is left out. */
const named = (connection: ConnectionConfig, names: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(names).flatMap(([wire, name]) => {
    const value = connection.credentials[name] ?? connection.settings[name];
    return value ? [[wire, value]] : [];
  }));

function needed({ credentials }: ConnectionConfig, name: string): string {
  const value = credentials[name];
  if (!value) throw new SetupMissing(name);
  return value;
}
