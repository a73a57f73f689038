/**
 * proxy_execute: a caller's own request to a connected provider, through the same claim and the same single dispatch as
 * every tool call. Only direct callers have it: neither the agent nor MCP is ever offered it.
 */
import { z } from "zod";
import type { HttpClient, Reply } from "../../providers/http.ts";
import { Rejected, type CallContext, type ConnectionConfig, type Fetch, type ProviderDefinition } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import type { Domain, Wire } from "../../schema/operation.ts";
import type { proxyExecute as proxyOperation } from "../../schema/proxy.ts";
import { connectionConfig, listConnected, reach } from "../connections/connections.ts";
import type { Caller } from "../call.ts";
import type { Platform } from "../platform.ts";
import { knownServer } from "../rails/catalog.ts";
import { activeSession, type SessionRow } from "../sessions/sessions.ts";
import { claimAndDispatch, refuseOutsideSession, type Prepared } from "./execute.ts";
import { maskingText, NATIVE_RAIL, type Perform } from "./perform.ts";
import { meaning } from "./plan.ts";
import { failureOf, type AnsweredRow } from "./rows.ts";

type Input = Domain<(typeof proxyOperation)["input"]>;
type ProxyRequest = Omit<Input, "session_id">;
type Answer = Domain<(typeof proxyOperation)["output"]>;

/** What a proxied call is named in the log: `asaas/proxy_execute`. No tool has that name, so `execute` cannot reach it. */
const PROXY = "proxy_execute";

/** Throws what its operation says. */
export async function proxyExecute(platform: Platform, caller: Caller, { session_id: sessionId, ...input }: Input): Promise<Answer> {
  const { principal, origin, headerKey, signal } = caller;
  const session = await activeSession(platform, principal, sessionId);
  const tool = `${input.server}/${PROXY}`;
  if (session.mocks) throw new Failure("tool_not_mocked", { tool });
  const request = { principal, sessionId, tool, input: { ...input }, origin, headerKey, signal };
  refuseOutsideSession(request, session, tool, input.server);
  const { row, replayed } = await claimAndDispatch(platform, request, await prepareProxy(platform, session, tool, input));
  return { ...answerOf(row), duration: row.durationMs ?? 0, proxy_call_id: row.id.replace(/^tc_/, "px_"), tool_call_id: row.id, ...(replayed && { replayed }) };
}

async function prepareProxy(platform: Platform, session: SessionRow, tool: string, input: ProxyRequest): Promise<Prepared> {
  const { server } = input;
  if (!knownServer(platform, server)) throw new Failure("server_not_found", { field: "server", serverId: server });
  const connection = (await listConnected(platform, session.projectId, session.userId)).find((each) => each.serverId === server);
  const perform = proxyPerformer(platform, tool, input);
  if (!connection || !perform) throw new Failure("server_not_connected", { field: "server", server });
  const target = { provider: server, rail: NATIVE_RAIL, connectionId: connection.id, perform };
  return {
    name: tool, serverId: server, canonical: { ...input }, fingerprint: meaning(tool, { ...input }), failoverTrail: [], targets: [target],
    plan: { settles: undefined, acts: input.method !== "GET" },
    routing: [{ provider: server, rail: NATIVE_RAIL, rank: 0, verdict: "chosen", reason: "named by the caller" }],
  };
}

/** How a proxied call is put to its provider; undefined for the name of any other call, or a server without an adapter. */
export function proxyPerformer({ providers }: Pick<Platform, "providers">, tool: string, input: object): Perform | undefined {
  const [server, name] = tool.split("/");
  const definition = name === PROXY ? providers.find((each) => each.id === server) : undefined;
  return definition?.native && perform(definition, definition.native.client, input as ProxyRequest);
}

const perform = (definition: ProviderDefinition, open: (config: ConnectionConfig, fetch: Fetch) => HttpClient, input: ProxyRequest): Perform =>
  async (platform, connection, call) => {
    const config = await connectionConfig(platform, connection);
    const reply = await send(definition, open(config, reach(platform, definition, connection, config)), input, call);
    return { outcome: "accepted", ref: call.reference, state: "pending", action: "answered", result: readable(reply, maskingText(definition, config)) };
  };

async function send({ id }: ProviderDefinition, client: HttpClient, { endpoint, method, body, params, headers }: ProxyRequest, call: CallContext): Promise<Reply> {
  const query = Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, String(value)]));
  try {
    return await client.pass({ method, path: endpoint, query, ...(body != null && method !== "GET" && { body }), ...(headers && { headers }) }, call);
  } catch (error) {
    if (error instanceof RangeError) throw new Failure("proxy_path_refused", { field: "endpoint", server: id, expected: "a path below the provider's base URL" });
    // Only a token for the connection is asked for before the request, and refused like this.
    if (error instanceof Rejected) throw new Failure("provider_unavailable", { provider: id, reason: `it refused the connection's credentials with ${error.status}` });
    throw error;
  }
}

/** Headers that speak of the connection, or would set something in a browser. */
const KEPT_BACK = new Set(["connection", "keep-alive", "set-cookie", "transfer-encoding", "www-authenticate", "content-length", "content-encoding"]);

/** The answer without our credentials, should the provider repeat them. */
export function readable({ status, headers, text }: Reply, masked: (text: string) => string): z.output<typeof Proxied> {
  const kept = [...headers].filter(([name]) => !KEPT_BACK.has(name)).map(([name, value]) => [name, masked(value)]);
  return { status, headers: Object.fromEntries(kept) as Record<string, string>, data: parsed(masked(text)) };
}

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

const Proxied = z.object({ status: z.int(), headers: z.record(z.string(), z.string()), data: z.unknown() });

/** Throws the failure that the call ended in; a request whose answer was lost is told as that, never as failed. */
function answerOf(row: AnsweredRow): Wire<typeof Proxied> {
  const provider = row.provider ?? row.serverId;
  if (row.status === "running" || row.outcome === "unknown") throw new Failure("provider_answer_lost", { provider, toolCallId: row.id });
  if (row.status === "success") return Proxied.parse(row.output);
  throw failureOf(row);
}
