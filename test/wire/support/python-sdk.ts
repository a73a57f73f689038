/**
 * The Python SDK as a server sees it: httpx, a `User-Agent` and an `Accept` in every request, explicit nulls, dates that Python 3.10
 * must be able to read, and typed results without the members it does not know.
 */
import { lastEnvelope, pythonChat, type ChatEvent, type ChatResult } from "./frames.ts";
import {
  ApiError, codeIn, identityOf, parsed, refusedResult, type ConnectLink, type PaymentEnvelope, type ProxyAnswer, type ServerRow, type SessionRow,
  type ToolResult, type ToolRow, type VerificationEnvelope,
} from "./requests.ts";
import type { ClientOptions } from "./start.ts";

const DEFAULT_SERVERS = ["zoop", "nuvem-fiscal"];

export interface PythonSession {
  id: string;
  user_id: string;
  servers: string[];
  status: string;
  created_at: Date;
  execute(tool: string, params: object): Promise<ToolResult>;
  proxy_execute(request: { server: string; endpoint: string; method: string; body?: unknown; params?: object; headers?: object }): Promise<ProxyAnswer>;
  send(message: string): Promise<ChatResult>;
  send_stream(message: string): AsyncGenerator<ChatEvent>;
  discover(use_case: string, options?: { category?: string; country?: string; limit?: number }): Promise<any>;
  connection_wizard(options: object): Promise<any>;
  charge(args: object): Promise<any>;
  ship(args: object): Promise<any>;
  ledger(args: object): Promise<any>;
  issue(args: object): Promise<any>;
  shop(args: object): Promise<any>;
  payment_status(toolCallId: string): Promise<PaymentEnvelope>;
  payment_status_stream(toolCallId: string, onUpdate?: (envelope: PaymentEnvelope) => void): Promise<PaymentEnvelope>;
  verification_status(toolCallId: string): Promise<VerificationEnvelope>;
  verification_status_stream(toolCallId: string, onUpdate?: (envelope: VerificationEnvelope) => void): Promise<VerificationEnvelope>;
  authorize(server_id: string, options: { redirect_uri: string; scopes?: string }): Promise<ConnectLink>;
  connections(): Promise<ServerRow[]>;
  tools(): Promise<ToolRow[]>;
  close(): Promise<void>;
}

export const pythonSdk = (given: ClientOptions) => {
  const options = { ...given, baseUrl: given.baseUrl.replace(/\/+$/, "") };
  return {
    /** An empty list is falsy in Python, so it becomes the default pair. Metadata is sent by this client alone. */
    async create(user_id: string, { servers, metadata, mocks }: { servers?: string[]; metadata?: object; mocks?: object } = {}): Promise<PythonSession> {
      const body = { servers: servers?.length ? servers : DEFAULT_SERVERS, user_id, ...(metadata && { metadata }), ...(mocks && { mocks }) };
      return session(options, (await ask(options, "POST", "/v1/sessions", { body })) as SessionRow);
    },
  };
};

interface Asked {
  body?: object;
  accept?: string;
}

function request(options: ClientOptions, method: string, path: string, { body, accept = "application/json" }: Asked = {}): Promise<Response> {
  const headers = { ...identityOf(options), "content-type": "application/json", accept, "user-agent": "codespar-python/0.10.0" };
  return options.fetch(`${options.baseUrl}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

async function ask(options: ClientOptions, method: string, path: string, asked?: Asked): Promise<unknown> {
  const response = await request(options, method, path, asked);
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  const body = parsed(text);
  const code = codeIn(body);
  throw new ApiError((body as { message?: string } | undefined)?.message ?? code ?? text, { status: response.status, code, body });
}

/** A refused stream carries its status and the beginning of the text, and no code. */
async function stream(options: ClientOptions, method: string, path: string, asked: Asked = {}): Promise<ReadableStream<Uint8Array>> {
  const response = await request(options, method, path, { ...asked, accept: "text/event-stream" });
  if (!response.ok) throw new ApiError((await response.text()).slice(0, 200), { status: response.status });
  return response.body!;
}

/** What `datetime.fromisoformat` of Python 3.10 reads: no fraction, or three or six digits of it. */
export function pythonDate(text: string): Date {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?(Z|[+-]\d\d:\d\d)$/.test(text)) throw new Error(`Python 3.10 cannot read ${text}`);
  return new Date(text);
}

interface Dated {
  events: { received_at: string }[];
}

const datesRead = <Envelope extends Dated>(envelope: Envelope): Envelope => {
  for (const { received_at } of envelope.events) pythonDate(received_at);
  return envelope;
};

/** The members a typed result has room for; a required one that is missing is an error. */
function typed(data: Record<string, unknown>, { required, optional }: { required: string[]; optional: string[] }): Record<string, unknown> {
  const missing = required.filter((name) => !Object.hasOwn(data, name));
  if (missing.length > 0) throw new Error(`KeyError: ${missing.join(", ")}`);
  return Object.fromEntries([...required, ...optional].map((name) => [name, data[name] ?? null]));
}

function session(options: ClientOptions, row: SessionRow): PythonSession {
  const at = `/v1/sessions/${row.id}`;
  const execute = async (tool: string, input: object): Promise<ToolResult> => {
    const response = await request(options, "POST", `${at}/execute`, { body: { tool, input } });
    const text = await response.text();
    return response.ok ? (JSON.parse(text) as ToolResult) : refusedResult(tool, response.status, text);
  };
  const wrap = async (name: string, args: object): Promise<any> => {
    const { success, data, error } = await execute(`codespar_${name}`, args);
    if (!success) throw new ApiError(`${name} failed: ${error}`, { status: 0 });
    return data;
  };
  const reach = async () => {
    const response = await request(options, "GET", `${at}/connections`);
    return response.ok ? ((await response.json()) as { servers: ServerRow[]; tools: ToolRow[] }) : { servers: [], tools: [] };
  };
  const status = (toolCallId: string, kind: string) => `/v1/tool-calls/${encodeURIComponent(toolCallId)}/${kind}-status`;
  const follow = async <Envelope extends Dated>(toolCallId: string, kind: string, onUpdate: (envelope: Envelope) => void = () => {}) =>
    lastEnvelope<Envelope>(await stream(options, "GET", `${status(toolCallId, kind)}/stream`), (envelope) => onUpdate(datesRead(envelope)));

  return {
    id: row.id, user_id: row.user_id, servers: row.servers, status: row.status, created_at: pythonDate(row.created_at),
    execute,
    proxy_execute: async ({ server, endpoint, method, body = null, params = null, headers = null }) =>
      (await ask(options, "POST", `${at}/proxy_execute`, { body: { server, endpoint, method, body, params, headers } })) as ProxyAnswer,
    send: async (message) => (await ask(options, "POST", `${at}/send`, { body: { message } })) as ChatResult,
    async *send_stream(message) {
      yield* pythonChat(await stream(options, "POST", `${at}/send`, { body: { message } }));
    },
    discover: (use_case, more) => wrap("discover", { use_case, ...more }),
    connection_wizard: (args) => wrap("manage_connections", args),
    charge: async (args) => typed(await wrap("charge", args), {
      required: ["id", "status", "amount", "currency", "method"], optional: ["charge_url", "pix_qr_code", "pix_copy_paste", "raw"],
    }),
    ship: async (args) => typed(await wrap("ship", args), {
      required: ["id", "status"], optional: ["tracking_code", "label_url", "carrier", "estimated_delivery", "cost_minor", "raw"],
    }),
    /** Arguments of the receipts are dropped on the way out. */
    ledger: async ({ receipt_id: _receipt, consumer_id: _consumer, limit: _limit, ...args }: Record<string, unknown>) =>
      typed(await wrap("ledger", args), { required: [], optional: ["id", "account_id", "alias", "status", "balances", "raw"] }),
    issue: async (args) =>
      typed(await wrap("issue", args), { required: [], optional: ["id", "status", "card_type", "last_four", "cardholder_id", "program_id", "raw"] }),
    /** A checkout is in progress, whatever the answer says. */
    shop: async (args: { action?: string }) => {
      const data = await wrap("shop", args);
      return args.action === "checkout" ? { ...data, status: "in_progress" } : data;
    },
    payment_status: async (id) => datesRead((await ask(options, "GET", status(id, "payment"))) as PaymentEnvelope),
    payment_status_stream: (id, onUpdate) => follow<PaymentEnvelope>(id, "payment", onUpdate),
    verification_status: async (id) => datesRead((await ask(options, "GET", status(id, "verification"))) as VerificationEnvelope),
    verification_status_stream: (id, onUpdate) => follow<VerificationEnvelope>(id, "verification", onUpdate),
    authorize: async (server_id, { redirect_uri, scopes = null as unknown as string }) => {
      const link = (await ask(options, "POST", "/v1/connect/start", { body: { server_id, user_id: row.user_id, redirect_uri, scopes } })) as ConnectLink;
      pythonDate(link.expires_at);
      return link;
    },
    connections: async () => (await reach()).servers,
    tools: async () => (await reach()).tools,
    close: async () => void (await request(options, "DELETE", at).catch(() => {})),
  };
}
