/**
 * The command line as a server sees it: a REST client of its own, and the TypeScript SDK for what runs in a session. A path is resolved
 * against the origin, so nothing of a base URL's path is left. What it prints is read without a guard: a member that is missing throws.
 */
import { logLines, type LogLine } from "./frames.ts";
import { codeIn, identityOf, parsed, type ConnectLink } from "./requests.ts";
import type { ClientOptions } from "./start.ts";

/** How the process ends when it fails: 1 for what it was told, 2 for what it did not expect. */
export class CliExit extends Error {
  readonly status: 1 | 2;

  constructor(status: 1 | 2, message: string) {
    super(message);
    this.status = status;
  }
}

interface Asked {
  query?: Record<string, string | undefined>;
  body?: object;
}

/** Anything but a 204 is read as JSON, and a success without any is not expected. */
export async function cliRequest(options: ClientOptions, method: string, path: string, { query = {}, body }: Asked = {}): Promise<any> {
  const url = new URL(path, options.baseUrl);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  const headers = { ...identityOf(options), "content-type": "application/json", "user-agent": "codespar-cli/0.5.5" };
  const response = await options.fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    .catch((error: Error) => { throw new CliExit(1, error.message); });
  const text = await response.text();
  if (!response.ok) throw new CliExit(1, [`${method} ${path} → ${response.status}`, detailIn(text)].filter(Boolean).join(": "));
  if (response.status === 204) return undefined;
  if (text === "") throw new CliExit(2, "unexpected end of JSON input");
  return JSON.parse(text);
}

function detailIn(text: string): string | undefined {
  const body = parsed(text) as { message?: string; error?: { message?: string } | string } | undefined;
  if (body === undefined) return undefined;
  return body.message ?? (typeof body.error === "object" ? body.error.message : codeIn(body));
}

/** Upper-cased as a table's cell is; what is no text throws. */
const cell = (text: string): string => text.trim();
const optional = (value: string | number | undefined | null): string => (value === undefined || value === null ? "-" : String(value));
const moment = (text: string | undefined | null): string => (text ? new Date(text).toISOString() : "-");

interface MandateOptions {
  agent_id: string;
  consumer_id: string;
  rail?: string;
}

export const cli = (options: ClientOptions) => {
  const ask = (method: string, path: string, asked?: Asked) => cliRequest(options, method, path, asked);
  const connectionsOf = async (query: Asked["query"]): Promise<any[]> => (await ask("GET", "/v1/connections", { query: query! })).connections;
  return {
    whoami: () => ask("GET", "/v1/whoami"),
    serversList: async (query: { category?: string; region?: string } = {}): Promise<string[][]> =>
      (await ask("GET", "/v1/servers", { query })).data.map((row: any) =>
        [cell(row.id), cell(row.name), optional(row.category), optional(row.region), optional(row.status), optional(row.tool_count)]),
    serversShow: (id: string) => ask("GET", `/v1/servers/${encodeURIComponent(id)}`),
    toolsList: async (query: { server?: string } = {}): Promise<string[][]> =>
      (await ask("GET", "/v1/tools", { query })).data.map((row: any) => [cell(row.name), cell(row.server), optional(row.description)]),
    toolsShow: (name: string) => ask("GET", `/v1/tools/${encodeURIComponent(name)}`),
    sessionsList: async (query: { status?: string; limit?: string } = {}): Promise<string[][]> =>
      (await ask("GET", "/v1/sessions", { query })).data.map((row: any) =>
        [cell(row.id), optional(row.user_id), optional(row.status), (row.servers ?? []).join(","), moment(row.created_at), optional(row.tool_call_count)]),
    sessionsShow: (id: string) => ask("GET", `/v1/sessions/${encodeURIComponent(id)}`),
    sessionsLogs: async (id: string): Promise<string[][]> =>
      (await ask("GET", `/v1/sessions/${encodeURIComponent(id)}/logs`)).data.map((row: any) =>
        [cell(row.id), cell(row.tool), cell(row.server), cell(row.status), optional(row.duration_ms), moment(row.called_at)]),
    sessionsClose: (id: string) => ask("POST", `/v1/sessions/${encodeURIComponent(id)}/close`),
    connectList: async (query: { user_id?: string; server_id?: string; status?: string } = {}): Promise<string[][]> =>
      (await connectionsOf(query)).map((row) => [
        cell(row.id), cell(row.server_id), optional(row.user_id), cell(row.auth_type), cell(row.status), optional(row.display_name),
        moment(row.connected_at), moment(row.expires_at),
      ]),
    connectStart: async (server_id: string, { user_id = "cli-user", redirect_uri = "http://localhost:8910/callback" } = {}): Promise<ConnectLink> => {
      const link: ConnectLink = await ask("POST", "/v1/connect/start", { body: { server_id, user_id, redirect_uri } });
      if (!/^https?:$/.test(new URL(link.authorize_url).protocol)) throw new CliExit(1, "refused to open it");
      return { ...link, expires_at: new Date(link.expires_at).toISOString() };
    },
    /** An id is revoked as it is; of a server, the user's first connection. */
    connectRevoke: async (which: string, user_id = "cli-user"): Promise<unknown> => {
      const id: string = which.startsWith("ca_") ? which : (await connectionsOf({ user_id, server_id: which, status: "connected" }))[0].id;
      return ask("POST", `/v1/connections/${encodeURIComponent(id)}/revoke`, { body: {} });
    },
    /** Neither a content type nor a user agent of its own; the signal is the user's interruption. */
    async *logsTail(query: Record<string, string> = {}, signal?: AbortSignal): AsyncGenerator<LogLine> {
      const url = new URL("/v1/logs/stream", options.baseUrl);
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      const response = await options.fetch(url, { headers: { ...identityOf(options), accept: "text/event-stream" }, ...(signal && { signal }) });
      if (response.status === 404) throw new CliExit(1, "this server has no log stream");
      if (response.status === 401 || response.status === 403) throw new CliExit(1, "check the key");
      if (!response.ok) throw new CliExit(1, `logs tail → ${response.status}`);
      yield* logLines(response.body!);
    },
    mandateCreate: async (intent: object, { agent_id, consumer_id, rail = "usdc-onchain" }: MandateOptions): Promise<any> => {
      const { token } = await ask("POST", "/v1/consents/init", { body: { agent_id, intent } });
      const path = `/v1/consents/${encodeURIComponent(cell(token))}/submit`;
      return ask("POST", path, { body: { consumer_id, rail, provider_token: `${rail}:${consumer_id}` } });
    },
    spend: (mandateId: string, body: { amount_minor: number; payee: string; agent_id: string }): Promise<any> =>
      ask("POST", `/v1/consumers/mandates/${encodeURIComponent(mandateId)}/spend`, { body }),
    wallet: (consumerId: string): Promise<any> => ask("GET", `/v1/consumers/${encodeURIComponent(consumerId)}/wallet`),
    transfer: (consumerId: string, body: object): Promise<any> =>
      ask("POST", `/v1/consumers/${encodeURIComponent(consumerId)}/wallet/transfer`, { body }),
    /** The document of a DID at the configured server, when the place that did:web names did not answer. No key is sent. */
    didDocument: async (did: string): Promise<any> => {
      const url = new URL(`/v1/agents/${encodeURIComponent(did)}/did.json`, options.baseUrl);
      const response = await options.fetch(url, { headers: { accept: "application/did+json, application/json" } });
      if (!response.ok) throw new CliExit(1, `no document of ${did}`);
      return await response.json();
    },
  };
};

/** What the command line prints of a discovery: a match's line, its advice and the next steps. */
export function printedDiscovery(result: any): { strategy: string; lines: string[]; next: string[] } {
  const number = (value: number | null): string => (value === null ? "-" : value.toFixed(3));
  const line = (match: any): string =>
    [
      `${match.server_id}.${match.tool_name}`, match.description.slice(0, 60), number(match.cosine_distance), number(match.trigram_similarity),
      match.connection_status.toUpperCase(),
    ].join(" ");
  const matches = [...(result.recommended === null ? [] : [result.recommended]), ...result.related];
  return { strategy: result.search_strategy.toUpperCase(), lines: matches.map(line), next: result.next_steps.map(String) };
}

/** What it prints of the connection wizard. */
export function printedWizard(result: any): string[] {
  const rows = result.connections.map((row: any) => `${row.server_id} ${row.status}`);
  const { initiate } = result;
  if (initiate === null) return rows;
  return [
    ...rows, initiate.connect_url, ...initiate.instructions.map(cell), ...initiate.known_pitfalls.map(cell),
    ...initiate.required_secrets.map(({ name, hint }: { name: string; hint?: string }) => `${cell(name)} ${optional(hint)}`),
  ];
}
