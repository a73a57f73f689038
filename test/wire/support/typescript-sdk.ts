/**
 * The TypeScript SDK, 0.9 to 0.11, as a server sees it: its requests to the byte, and of the answers what it reads. The base URL is
 * put in front of the path as it was given, so one that ends in a slash doubles it.
 */
import { lastEnvelope, typescriptChat, type ChatEvent, type ChatResult } from "./frames.ts";
import {
  ApiError, codeIn, identityOf, parsed, refusedResult, type ConnectLink, type PaymentEnvelope, type ProxyAnswer, type ServerRow, type SessionRow,
  type ToolResult, type ToolRow, type VerificationEnvelope,
} from "./requests.ts";
import type { ClientOptions } from "./start.ts";

/** What each preset stands for; the server is sent the list. */
export const presets = {
  brazilian: ["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie"],
  mexican: ["conekta", "facturapi", "skydropx"],
  argentinian: ["afip", "andreani"],
  colombian: ["wompi", "siigo", "coordinadora"],
  all: ["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie", "conekta", "facturapi", "afip", "wompi"],
} as const;

const DEFAULT_SERVERS = ["zoop", "nuvem-fiscal"];

export interface SessionConfig {
  servers?: string[];
  preset?: keyof typeof presets;
  mocks?: Record<string, unknown>;
}

export interface TypescriptSession {
  id: string;
  userId: string;
  servers: string[];
  status: string;
  createdAt: Date;
  /** What editors are configured with. */
  mcp: { url: string; headers: Record<string, string> };
  execute(tool: string, params: object): Promise<ToolResult>;
  proxyExecute(request: { server: string; endpoint: string; method: string; body?: unknown; params?: object; headers?: object }): Promise<ProxyAnswer>;
  send(message: string): Promise<ChatResult>;
  sendStream(message: string): AsyncGenerator<ChatEvent>;
  discover(useCase: string, options?: { category?: string; country?: string; limit?: number }): Promise<any>;
  connectionWizard(options: object): Promise<any>;
  /** The other typed wrappers: the arguments as they are, the data as it came. */
  wrapped(name: "charge" | "ship" | "ledger" | "issue" | "shop", args: object): Promise<any>;
  paymentStatus(toolCallId: string): Promise<PaymentEnvelope>;
  paymentStatusStream(toolCallId: string, onUpdate?: (envelope: PaymentEnvelope) => void): Promise<PaymentEnvelope>;
  verificationStatus(toolCallId: string): Promise<VerificationEnvelope>;
  verificationStatusStream(toolCallId: string, onUpdate?: (envelope: VerificationEnvelope) => void): Promise<VerificationEnvelope>;
  authorize(serverId: string, options: { redirectUri: string; scopes?: string }): Promise<ConnectLink>;
  connections(): Promise<ServerRow[]>;
  tools(): Promise<ToolRow[]>;
  findTools(words: string): Promise<ToolRow[]>;
  close(): Promise<void>;
}

export const typescriptSdk = (options: ClientOptions) => ({
  /** `servers` where they are given, an empty list too; else the preset's; else two of them. */
  async create(userId: string, { servers, preset, mocks }: SessionConfig = {}): Promise<TypescriptSession> {
    const body = { servers: servers ?? (preset ? presets[preset] : DEFAULT_SERVERS), user_id: userId, mocks };
    return session(options, (await ask(options, "POST", "/v1/sessions", { body })) as SessionRow);
  },
});

interface Asked {
  body?: object;
  accept?: string;
}

/** JSON is announced in every request, also where there is none. */
function request(options: ClientOptions, method: string, path: string, { body, accept }: Asked = {}): Promise<Response> {
  const headers = { ...identityOf(options), "content-type": "application/json", ...(accept !== undefined && { accept }) };
  return options.fetch(`${options.baseUrl}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

async function ask(options: ClientOptions, method: string, path: string, asked?: Asked): Promise<unknown> {
  const response = await request(options, method, path, asked);
  if (!response.ok) throw await refusal(response);
  return await response.json();
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  const body = parsed(text);
  const code = codeIn(body);
  const { message } = (body ?? {}) as { message?: string };
  return new ApiError(message ?? code ?? text, { status: response.status, code, body });
}

async function stream(options: ClientOptions, method: string, path: string, asked: Asked = {}): Promise<ReadableStream<Uint8Array>> {
  const response = await request(options, method, path, { ...asked, accept: "text/event-stream" });
  if (!response.ok) throw await refusal(response);
  return response.body!;
}

function session(options: ClientOptions, row: SessionRow): TypescriptSession {
  const at = `/v1/sessions/${row.id}`;
  let known: { servers: ServerRow[]; tools: ToolRow[] } | undefined;

  const execute = async (tool: string, input: object): Promise<ToolResult> => {
    const response = await request(options, "POST", `${at}/execute`, { body: { tool, input } });
    if (!response.ok) return refusedResult(tool, response.status, await response.text());
    return (await response.json()) as ToolResult;
  };
  const wrap = async (name: string, args: object): Promise<unknown> => {
    const { success, data, error } = await execute(`codespar_${name}`, args);
    if (!success) throw new Error(`${name} failed: ${error}`);
    return data;
  };
  /** A refusal is not told: what was known before stands, or nothing. */
  const reach = async () => {
    const response = await request(options, "GET", `${at}/connections`);
    if (response.ok) known = (await response.json()) as typeof known;
    return known ?? { servers: [], tools: [] };
  };
  const status = (toolCallId: string, kind: string) => `/v1/tool-calls/${encodeURIComponent(toolCallId)}/${kind}-status`;
  const follow = async <Envelope>(toolCallId: string, kind: string, onUpdate: (envelope: Envelope) => void = () => {}) =>
    lastEnvelope<Envelope>(await stream(options, "GET", `${status(toolCallId, kind)}/stream`), onUpdate);
  const tools = async () => (known ?? (await reach())).tools;

  return {
    id: row.id, userId: row.user_id, servers: row.servers, status: row.status, createdAt: new Date(row.created_at),
    mcp: { url: `${options.baseUrl}${at}/mcp`, headers: identityOf(options) },
    execute,
    proxyExecute: async ({ server, endpoint, method, body, params, headers }) =>
      (await ask(options, "POST", `${at}/proxy_execute`, { body: { server, endpoint, method, body, params, headers } })) as ProxyAnswer,
    send: async (message) => (await ask(options, "POST", `${at}/send`, { body: { message }, accept: "application/json" })) as ChatResult,
    async *sendStream(message) {
      yield* typescriptChat(await stream(options, "POST", `${at}/send`, { body: { message } }));
    },
    discover: (useCase, more) => wrap("discover", { use_case: useCase, ...more }),
    connectionWizard: (args) => wrap("manage_connections", args),
    wrapped: wrap,
    paymentStatus: async (id) => (await ask(options, "GET", status(id, "payment"))) as PaymentEnvelope,
    paymentStatusStream: (id, onUpdate) => follow<PaymentEnvelope>(id, "payment", onUpdate),
    verificationStatus: async (id) => (await ask(options, "GET", status(id, "verification"))) as VerificationEnvelope,
    verificationStatusStream: (id, onUpdate) => follow<VerificationEnvelope>(id, "verification", onUpdate),
    authorize: async (serverId, { redirectUri, scopes }) => {
      const body = { server_id: serverId, user_id: row.user_id, redirect_uri: redirectUri, scopes };
      return (await ask(options, "POST", "/v1/connect/start", { body })) as ConnectLink;
    },
    connections: async () => (await reach()).servers,
    tools,
    findTools: async (words) => {
      const wanted = words.toLowerCase();
      return (await tools()).filter(({ name, description }) => name.toLowerCase().includes(wanted) || description.toLowerCase().includes(wanted));
    },
    /** Whatever is answered is swallowed. */
    close: async () => void (await request(options, "DELETE", at).catch(() => {})),
  };
}
