/** The tools of a server elsewhere: its MCP route behind ours, so that a client that only speaks stdio reaches it. */
import { Client, ProtocolError as RefusedThere, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { ProtocolError, type CallToolResult } from "@modelcontextprotocol/server";
import { isObject } from "../../../schema/meta-tools/meta-tool.ts";
import { CONTRACT_VERSION } from "../rest/openapi.ts";
import { INSTRUCTIONS } from "./door-tools.ts";
import type { ToolSource, ToolUse } from "./protocol.ts";

export interface Relay extends ToolSource {
  close(): Promise<void>;
}

export interface Remote {
  /** Without a slash at its end. */
  baseUrl: string;
  apiKey: string;
  projectId: string | undefined;
  userId: string;
  servers: readonly string[];
}

/** How long the server may take to open a session, and to say what it speaks. */
const CONNECT_MS_MAX = 20_000;
/** How long a call may take without a word: the server reports every few seconds. */
const SILENCE_MS_MAX = 60_000;
const CALL_MS_MAX = 10 * 60_000;

/** Opens a session there. Throws an Error that says what is wrong with the server, the key or the session. */
export async function openRelay(remote: Remote): Promise<Relay> {
  const headers = { authorization: `Bearer ${remote.apiKey}`, ...(remote.projectId && { "x-codespar-project": remote.projectId }) };
  const sessionId = await openSession(remote, headers);
  const client = new Client({ name: "codespar-server mcp", version: CONTRACT_VERSION }, { versionNegotiation: { mode: "auto" } });
  const route = new URL(`${remote.baseUrl}/v1/sessions/${encodeURIComponent(sessionId)}/mcp`);
  await client.connect(new StreamableHTTPClientTransport(route, { requestInit: { headers } }), { timeout: CONNECT_MS_MAX });
  return {
    instructions: INSTRUCTIONS,
    list: () => client.request({ method: "tools/list" }),
    call: (use) => callThere(client, use, remote.baseUrl),
    close: () => client.close(),
  };
}

async function openSession({ baseUrl, userId, servers }: Remote, headers: Record<string, string>): Promise<string> {
  const response = await fetch(`${baseUrl}/v1/sessions`, {
    method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify({ user_id: userId, servers }),
    signal: AbortSignal.timeout(CONNECT_MS_MAX),
  }).catch((error: Error) => {
    throw new Error(`The server at ${baseUrl} cannot be reached (${reasonOf(error)}). Check --url or CODESPAR_BASE_URL, and that it runs.`, { cause: error });
  });
  const body: unknown = await response.json().catch(() => undefined);
  const { id, message } = isObject(body) ? body : {};
  if (response.ok && typeof id === "string") return id;
  throw new Error(`The server at ${baseUrl} opened no session (${response.status}). ${typeof message === "string" ? message : "It is no CodeSpar server."}`);
}

/** The answer as it was given there. What the network did to it is said in words: a call must not be repeated on a guess. */
async function callThere(client: Client, { name, input, signal, report }: ToolUse, baseUrl: string): Promise<CallToolResult> {
  const request = { method: "tools/call", params: { name, arguments: input } } as const;
  const waiting = { timeout: SILENCE_MS_MAX, maxTotalTimeout: CALL_MS_MAX, resetTimeoutOnProgress: true };
  try {
    return await client.request(request, { ...waiting, signal, onprogress: (at) => void report?.(at) });
  } catch (error) {
    if (error instanceof RefusedThere) throw new ProtocolError(error.code, error.message, error.data);
    return { content: [{ type: "text", text: unanswered(baseUrl, error) }], isError: true };
  }
}

const unanswered = (baseUrl: string, error: unknown): string =>
  `No answer came from ${baseUrl} (${reasonOf(error)}), so the call may or may not have been carried out. Look before you repeat it.`;

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message || (cause as NodeJS.ErrnoException).code}` : message;
};
