/**
 * proxy_execute: one request of the caller's own to a connected provider, with the connection's credentials, only below the
 * provider's own address. It is claimed, dispatched once and logged like every tool call; nobody reads its meaning.
 * Source: wire 1.3.9, facts 4.2.
 */
import { z } from "zod";
import { paymentId, sessionId } from "./examples/cast.ts";
import { Json, operation } from "./operation.ts";

const ENDPOINT_CHARS_MAX = 2_048;
/** A colon could begin a scheme or a port; no provider's path that we know has one. Source: facts 4.2. */
const ENDPOINT = /^\/(?!\/)[^\s\\:#]*$/;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;

/** Headers that are ours to write, or that speak of the connection rather than of the request. */
const RESERVED_HEADERS = [
  "authorization", "connection", "content-length", "cookie", "expect", "forwarded", "host", "keep-alive", "proxy-authorization", "te", "trailer",
  "transfer-encoding", "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-twin-host",
];

const headers = z.record(
  z.string().regex(HEADER_NAME, "expected a header's name").refine((name) => !RESERVED_HEADERS.includes(name.toLowerCase()), "expected a header that a caller may set"),
  z.string().max(4_096).regex(/^[\t\x20-\x7e]*$/, "expected printable ASCII"),
);

export const proxyExecute = operation({
  name: "tools.proxy",
  field: "proxyExecute",
  summary: "Send one request of your own to a connected provider, with the connection's credentials.",
  effect: "moves_money",
  scope: "tools:execute",
  route: "POST /sessions/{session_id}/proxy_execute",
  input: z.object({
    session_id: z.string(),
    server: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "expected a server id"),
    endpoint: z.string().max(ENDPOINT_CHARS_MAX).regex(ENDPOINT, "expected a path below the provider's address that begins with one / and has no colon"),
    method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    body: Json.optional().describe("Sent as JSON."),
    params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional().describe("The query."),
    headers: headers.optional(),
  }),
  output: z.object({
    status: z.int().describe("The provider's HTTP status; 4xx and 5xx are answers, too."),
    data: Json.describe("Its body: parsed where it is JSON, else text."),
    headers: z.record(z.string(), z.string()),
    duration: z.int().describe("Milliseconds."),
    proxy_call_id: z.string(),
    tool_call_id: z.string().describe("The same call in the log and among the tool calls."),
    replayed: z.boolean().optional(),
  }).meta({ id: "ProxyResult" }),
  errors: [
    "session_not_found", "session_not_active", "server_not_found", "server_not_connected", "proxy_path_refused", "provider_unavailable", "provider_answer_lost",
    "tool_not_mocked", "tool_not_in_session", "idempotency_key_invalid", "idempotency_conflict", "idempotency_in_flight",
  ],
  examples: [{
    input: { session_id: sessionId, server: "asaas", endpoint: "/payments", method: "GET", params: { limit: 1 } },
    output: {
      status: 200, data: { object: "list", totalCount: 1, data: [{ object: "payment", id: paymentId, value: 150, status: "RECEIVED" }] },
      headers: { "content-type": "application/json" }, duration: 84, proxy_call_id: "px_01m7wdm40g0v5tkp6d1cs2n8qx", tool_call_id: "tc_01m7wdm40g0v5tkp6d1cs2n8qx",
    },
  }],
});
