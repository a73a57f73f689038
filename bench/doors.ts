/**
 * Requests per second of one cheap read through each door, over loopback, and what one costs the server's process,
 * against a bare node:http handler that answers a JSON of the same size. MCP has no reads but tools: its row executes
 * the tool that reads a payment, and REST executes the same one for comparison.
 */
import { setTimeout as sleep } from "node:timers/promises";
import autocannon from "autocannon";
import type { BareChild } from "./bare-child.ts";
import { startChild, type Child } from "./child.ts";
import type { ProductChild } from "./product-child.ts";
import { fine, times, whole, type Section } from "./report.ts";

export interface Doors {
  connections: number;
  doors: DoorFigures[];
}

interface DoorFigures {
  name: string;
  answerBytes: number;
  served: Served;
  /** Measured just before, with as many bytes. */
  bare: Served;
  requestsRatio: number;
  cpuRatio: number;
}

interface Served {
  perSecond: number;
  /** In whole milliseconds. */
  p50Ms: number;
  p99Ms: number;
  /** Of the server's process, for one request. */
  cpuUs: number;
}

interface Door {
  name: string;
  request: HttpRequest;
}

export interface HttpRequest {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string;
}

const CONNECTIONS = 32;
/** Every door is first used for this part of the time, uncounted: code that has run a thousand times is other code. */
const WARM_SHARE = 0.5;
/** Of a door's time, what the bare handler gets beside it. */
const BARE_SHARE = 0.5;
/** The load's connections end in the middle of requests, which the server then finishes for nobody. */
const FINISH_MS = 500;

export async function measureDoors({ databaseUrl, seconds }: { databaseUrl: string; seconds: number }): Promise<Doors> {
  const product = startChild<ProductChild>("product-child.ts", { DATABASE_URL: databaseUrl });
  const bareServer = startChild<BareChild>("bare-child.ts");
  try {
    const { url, key } = await product.call("where", undefined);
    const { url: bareUrl } = await bareServer.call("where", undefined);
    const bareRequest: HttpRequest = { url: bareUrl, method: "GET", headers: {} };
    const doors = doorsOf({ url, key, ...(await product.call("payment", undefined)) });
    await load(bareServer, bareRequest, seconds * WARM_SHARE);
    for (const { request } of doors) await load(product, request, seconds * WARM_SHARE);
    const figures: DoorFigures[] = [];
    for (const door of doors) {
      const bytes = await answerBytes(door);
      await bareServer.call("answerWith", { bytes });
      const bare = await load(bareServer, bareRequest, seconds * BARE_SHARE);
      const served = await load(product, door.request, seconds);
      figures.push({
        name: door.name, answerBytes: bytes, served, bare,
        requestsRatio: served.perSecond / bare.perSecond, cpuRatio: served.cpuUs / bare.cpuUs,
      });
    }
    await sleep(FINISH_MS);
    return { connections: CONNECTIONS, doors: figures };
  } finally {
    await Promise.all([product.stop(), bareServer.stop()]);
  }
}

interface Subject {
  url: string;
  key: string;
  sessionId: string;
  toolCallId: string;
}

function doorsOf({ url, key, sessionId, toolCallId }: Subject): Door[] {
  const headers = { authorization: `Bearer ${key}` };
  const get = (path: string): HttpRequest => ({ url: url + path, method: "GET", headers });
  const post = (path: string, body: object): HttpRequest => ({
    url: url + path, method: "POST", body: JSON.stringify(body),
    headers: { ...headers, "content-type": "application/json", accept: "application/json, text/event-stream" },
  });
  const input = encodeURIComponent(JSON.stringify({ tool_call_id: toolCallId }));
  const query = { query: paymentStatus("query"), variables: { id: toolCallId } };
  const tool = { name: "codespar_pay", arguments: { action: "status", payment_id: toolCallId } };
  const mcpCall = { jsonrpc: "2.0", id: 1, method: "tools/call", params: tool };
  const execution = { tool: tool.name, input: tool.arguments };
  return [
    { name: "REST: payment status", request: get(`/v1/tool-calls/${toolCallId}/payment-status`) },
    { name: "GraphQL: payment status", request: post("/graphql", query) },
    { name: "tRPC: payment status", request: get(`/trpc/payments.status?input=${input}`) },
    { name: "MCP: tool that reads it", request: post(`/v1/sessions/${sessionId}/mcp`, mcpCall) },
    { name: "REST: the same tool", request: post(`/v1/sessions/${sessionId}/execute`, execution) },
  ];
}

/** Every field of a payment's status, as the other doors answer them. */
export const paymentStatus = (kind: "query" | "subscription"): string => `${kind} ($id: String!) {
  paymentStatus(toolCallId: $id) {
    status state paymentStatus toolCallId idempotencyKey externalReference provider rail originalStatus outcome
    observedAt amountMinor finalAmountMinor currency settledAt
    events { eventType receivedAt provider providerAction paymentId }
  }
}`;

/** What one answer holds. Throws unless it is the payment's. */
async function answerBytes({ name, request: { url, ...init } }: Door): Promise<number> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isPending = /\\?"status\\?": ?\\?"pending/.test(text);
  if (!response.ok || !isPending) throw new Error(`${name} answered ${response.status}: ${text.slice(0, 500)}`);
  return Buffer.byteLength(text);
}

async function load(server: Child<never>, request: HttpRequest, seconds: number): Promise<Served> {
  const cpuBefore = await server.cpuUs();
  const result = await autocannon({ ...request, connections: CONNECTIONS, duration: seconds });
  const { "2xx": answered, non2xx, errors, duration, latency } = result;
  const cpuUs = (await server.cpuUs()) - cpuBefore;
  if (non2xx + errors > 0 || answered === 0)
    throw new Error(`${request.url}: ${answered} answers, ${non2xx} refusals, ${errors} errors`);
  return { perSecond: answered / duration, p50Ms: latency.p50, p99Ms: latency.p99, cpuUs: cpuUs / answered };
}

export const doorsSection = ({ connections, doors }: Doors): Section => ({
  title: "One read through each door, against a bare node:http handler that answers as many bytes",
  notes: [
    `${connections} connections over loopback; the load runs in another process. Every request but a bare one is ` +
    "authenticated and reads PostgreSQL; a tool is executed, which also writes its row.",
  ],
  header: ["request", "bytes", "requests/s", "bare/s", "ratio", "CPU µs", "bare CPU µs", "ratio", "p50 ms", "p99 ms"],
  rows: doors.map(({ name, answerBytes, served, bare, requestsRatio, cpuRatio }) => [
    name, whole(answerBytes), whole(served.perSecond), whole(bare.perSecond), times(requestsRatio),
    whole(served.cpuUs), fine(bare.cpuUs), times(cpuRatio), milliseconds(served.p50Ms), milliseconds(served.p99Ms),
  ]),
});

const milliseconds = (value: number): string => (value < 1 ? "<1" : whole(value));
