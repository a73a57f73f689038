/** REST: every operation at its route under /v1, its wire form as JSON plus the published spellings of shapes.ts. */
import { z } from "zod";
import type { Clock } from "../../../schema/clock.ts";
import { Failure } from "../../../schema/failures.ts";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../../schema/index.ts";
import type { Operation } from "../../../schema/operation.ts";
import type { CallerContext, Door, Streamed } from "../../door.ts";
import { eventSource } from "../event-source.ts";
import { fieldsOf } from "./body.ts";
import { decodeSegment, directCallerOf, quotaHeaders, type Inbound } from "./request.ts";
import { aliases, shapes, streamedTwins, type Shape } from "./shapes.ts";
import { eventStream, HEARTBEAT_MS, onAbort, scripts, type Script, type StreamSettings } from "./sse.ts";

export interface RestOptions {
  door: Door;
  clock: Clock;
  /** Aborts when watches have to end because the server stops. */
  stopWatches: AbortSignal;
  /** The same for sends, which move money and end last. */
  stopSends: AbortSignal;
  heartbeatMs?: number | undefined;
}

/**
 * Answers a request under /v1.
 *
 * path    the segments behind /v1, still percent-encoded
 * throws  Failure
 */
export type Rest = (inbound: Inbound, path: readonly string[]) => Promise<Response>;

export function createRest(options: RestOptions): Rest {
  return async (inbound, path) => {
    const { method, headers } = inbound.request;
    const there = routesAt(path);
    const at = { method, path: `/v1/${path.join("/")}` };
    if (there.length === 0) throw new Failure("route_not_found", at);
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: methodsOf(there) } });
    const route = there.find((candidate) => takes(candidate, method));
    if (!route) throw new Failure("method_not_allowed", { ...at, allowed: methodsOf(there) });
    const context: CallerContext = { ...directCallerOf(inbound.request), onQuota: (quota) => (inbound.quota = quota) };
    const fields = { ...given(inbound), ...paramsOf(route, path) };
    const streamed = streamedBy(route.name, headers);
    return streamed
      ? stream(streamed, fields, context, inbound, options)
      : answer(route.name as OperationName, fields, context, inbound, options);
  };
}

async function answer(
  name: OperationName,
  fields: Record<string, unknown>,
  context: CallerContext,
  inbound: Inbound,
  { door }: RestOptions,
): Promise<Response> {
  const operation: Operation = operations[name];
  const shape: Shape = (shapes as Partial<Record<OperationName, Shape>>)[name] ?? {};
  const result: object = await door.call(name, shape.input?.(fields) ?? fields, context);
  const isReplayed = "replayed" in result && result.replayed === true;
  const headers = { "cache-control": "no-store", ...quotaHeaders(inbound.quota), ...(isReplayed && { "idempotent-replayed": "true" }) };
  if (shape.status === 204) return new Response(null, { status: 204, headers });
  const body = JSON.stringify(shape.output?.(result) ?? result);
  return new Response(inbound.request.method === "HEAD" ? null : body, {
    status: shape.statusOf?.(result) ?? operation.successStatus ?? 200,
    headers: { "content-type": "application/json", ...headers },
  });
}

async function stream(
  name: SubscriptionName,
  fields: Record<string, unknown>,
  context: CallerContext,
  inbound: Inbound,
  { door, clock, stopWatches, stopSends, heartbeatMs = HEARTBEAT_MS }: RestOptions,
): Promise<Response> {
  const { request, requestId } = inbound;
  const gone = new AbortController();
  onAbort(request.signal, gone.signal, () => gone.abort());
  const input = { ...resumption(name, request.headers), ...fields };
  const source = await eventSource<Streamed<unknown>>({
    open: (signal) => door.subscribe(name, input, { ...context, signal }),
    gone: gone.signal,
  });
  const stop = name === "sessions.sendStream" ? stopSends : stopWatches;
  const settings: StreamSettings = { clock, heartbeatMs, stop, requestId, headers: quotaHeaders(inbound.quota) };
  return eventStream(source, scripts[name] as Script<unknown>, settings, gone);
}

/** Where the caller's earlier stream broke off. A status watch needs none: it opens with the whole state. */
function resumption(name: SubscriptionName, headers: Headers): { after?: string } {
  const { input } = subscriptions[name];
  const after = headers.get("last-event-id");
  return after && "after" in (input as z.ZodObject).shape ? { after } : {};
}

function streamedBy(name: OperationName | SubscriptionName, headers: Headers): SubscriptionName | undefined {
  if (name in subscriptions) return name as SubscriptionName;
  return headers.get("accept")?.includes("text/event-stream") ? streamedTwins[name as OperationName] : undefined;
}

/** The arguments outside the path: a body where the method has one, else the query. */
function given({ request, body }: Inbound): Record<string, unknown> {
  return takesBody(request.method) ? fieldsOf(body) : queryOf(request.url);
}

const takesBody = (method: string): boolean => method === "POST" || method === "PUT" || method === "PATCH";

function queryOf(url: string): Record<string, string> {
  const start = url.indexOf("?");
  if (start === -1) return {};
  const fields: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(url.slice(start))) {
    if (Object.hasOwn(fields, name)) {
      throw new Failure("validation_failed", { field: name, expected: "one value", problem: "given more than once" });
    }
    fields[name] = value;
  }
  return fields;
}

interface RestRoute {
  method: string;
  segments: readonly string[];
  name: OperationName | SubscriptionName;
}

/** Literals come first: `/consumers/mandates/{id}` before `/consumers/{id}/{part}`. */
const routes: readonly RestRoute[] = [
  ...Object.values(operations).map(({ route, name }) => toRoute(route, name)),
  ...Object.values(subscriptions).map(({ route, name }) => toRoute(route, name)),
  ...Object.entries(aliases).map(([route, name]) => toRoute(route, name)),
].sort((a, b) => a.segments.filter(isParam).length - b.segments.filter(isParam).length);

function toRoute(route: string, name: OperationName | SubscriptionName): RestRoute {
  const [method = "", path = ""] = route.split(" ");
  return { method, segments: path.split("/").filter(Boolean), name };
}

const routesAt = (path: readonly string[]): RestRoute[] =>
  routes.filter(({ segments }) =>
    segments.length === path.length && segments.every((segment, at) => isParam(segment) || segment === path[at]));

const takes = (route: RestRoute, method: string): boolean =>
  route.method === method || (method === "HEAD" && hasHead(route));

/** A stream has no head: it would have to be opened to be answered. */
const hasHead = ({ method, name }: RestRoute): boolean => method === "GET" && name in operations;

const methodsOf = (there: readonly RestRoute[]): string =>
  [...new Set([...there.flatMap((route) => (hasHead(route) ? ["GET", "HEAD"] : route.method)), "OPTIONS"])].join(", ");

function isParam(segment: string): boolean {
  return segment.startsWith("{");
}

function paramsOf({ segments }: RestRoute, path: readonly string[]): Record<string, string> {
  const named = segments.map((segment, at) => [segment, path[at]!] as const).filter(([segment]) => isParam(segment));
  return Object.fromEntries(named.map(([segment, value]) => [segment.slice(1, -1), decodeSegment(value)]));
}
