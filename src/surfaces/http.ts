/**
 * The HTTP host: one bare node:http router in front of every surface. It names each request, reads its body once within
 * the limit, hands it on, and knows how to stop.
 */
import { setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIPv6, type AddressInfo, type Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Clock } from "../../schema/clock.ts";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import { toolDefinitions } from "../../schema/tool-definitions.ts";
import type { Door } from "../door.ts";
import { docsPage } from "./docs/page.ts";
import { createMcp } from "./mcp/server.ts";
import { parseJson, readNode, readWeb } from "./rest/body.ts";
import { CONTRACT_VERSION, openApiDocument } from "./rest/openapi.ts";
import { answerFailure, decodeSegment, type Inbound, type Log } from "./rest/request.ts";
import { createRest } from "./rest/router.ts";

/** How long a request may take to arrive. */
const HEADERS_MS_MAX = 15_000;
const REQUEST_MS_MAX = 30_000;
/** Longer than the 60 s of usual load balancers: whoever reuses connections should be the one to close them. */
const KEEP_ALIVE_MS = 65_000;
/** How long readiness may take to be known. */
const READY_MS_MAX = 2_000;
/** Sends move money and are cut last: when this part of the time to stop has passed. */
const SENDS_CUT_AT = 0.8;
/** How often a free port is sought that is free on both loopback addresses. */
const PORT_ATTEMPTS_MAX = 5;

export type NodeRequest = IncomingMessage & { body?: unknown };

export interface HttpOptions {
  door: Door;
  /** `handle` finds the body already read in `req.body`. */
  graphql: {
    handle(request: NodeRequest, response: ServerResponse): unknown;
    fetch(request: Request): Response | Promise<Response>;
  };
  trpc: { fetch(request: Request): Response | Promise<Response> };
  /** The inbound webhook of a connection; the body is as it came. */
  notifications(request: Request, params: { serverId: string; connectionId: string }): Promise<Response>;
  /** This server's own DID, and the documents of it and its agents; undefined for any other. */
  identities: { issuer(): string; document(did: string): Promise<object | undefined> };
  /** The page behind a connect link. */
  connectPage(request: Request, token: string): Promise<Response>;
  ready(): Promise<{ ok: boolean; checks: Record<string, unknown> }>;
  clock: Clock;
  log: Log;
  /** Origins whose pages may call us, as browsers spell them: `https://app.example.com`. None unless told. */
  corsOrigins?: readonly string[];
  /** Host names under which MCP clients reach us, beside localhost. Any other is refused: a page may have tricked a browser's DNS. */
  trustedHosts?: readonly string[];
  /** Between two comments on an idle stream. */
  heartbeatMs?: number;
  /** Aborted by `drain`; the surfaces handed in above may listen to the same ones. Its own when absent. */
  stop?: StopControllers;
}

export interface StopControllers {
  watches: AbortController;
  sends: AbortController;
}

export interface Http {
  /** Answers without a socket. Every request that reaches a surface carries its id as x-request-id. */
  fetch(request: Request): Promise<Response>;
  /** Listens on every address; on both loopback addresses for `localhost`. */
  listen(port: number, host?: string): Promise<{ port: number; url: string }>;
  /** Takes no more requests, ends watches, lets requests finish, and cuts what is left when the time is up. */
  drain(timeoutMs: number): Promise<void>;
}

export function createHttp(options: HttpOptions): Http {
  const { graphql, clock, log, corsOrigins = [] } = options;
  const { watches, sends } = options.stop ?? { watches: new AbortController(), sends: new AbortController() };
  const stop: Stop = { requested: false, watches, sends };
  setMaxListeners(0, stop.watches.signal, stop.sends.signal); // one a stream
  const { answer, close } = createRouter(options, stop);
  const servers: Server[] = [];
  /** Connections on which nothing was asked yet; Node does not count them as idle. */
  const silent = new Set<Socket>();

  async function fetch(request: Request): Promise<Response> {
    const requestId = chooseId(request.headers.get("x-request-id"), clock);
    const extra = { ...corsHeaders(request.headers.get("origin"), corsOrigins), "x-request-id": requestId };
    if (isPreflight(request.method, request.headers.get("access-control-request-method"), extra)) {
      const headers = { ...extra, ...preflight(request.headers.get("access-control-request-headers")) };
      return new Response(null, { status: 204, headers });
    }
    const response = await readWeb(request).then(
      (body) => answer({ request: rebuilt(request, requestId, body), body, requestId }),
      (error: unknown) => answerFailure(error, requestId, log),
    );
    const headers = { ...Object.fromEntries(response.headers), ...extra };
    return new Response(response.body, { status: response.status, headers });
  }

  async function onRequest(request: NodeRequest & { rawBody?: Buffer }, response: ServerResponse): Promise<void> {
    const requestId = chooseId(request.headers["x-request-id"] as string | undefined, clock);
    nameRequest(request, requestId);
    const extra = { ...corsHeaders(request.headers.origin, corsOrigins), "x-request-id": requestId };
    for (const [name, value] of Object.entries(extra)) response.setHeader(name, value);
    if (stop.requested) response.setHeader("connection", "close");
    if (isPreflight(request.method, request.headers["access-control-request-method"], extra)) {
      response.writeHead(204, preflight(request.headers["access-control-request-headers"])).end();
      return;
    }
    const refuse = (error: unknown) => answerFailure(error, requestId, log);
    try {
      const body = await readNode(request);
      if (body === "gone") return;
      if (!stop.requested && segmentsOf(`http://h${request.url}`)[0] === "graphql") {
        request.body = forGraphql(request, body);
        await graphql.handle(request, response);
        return;
      }
      if (body) request.rawBody = body;
      // Its light Request reads `rawBody`. It makes the global Response a light one, too: 18 us a request, not 82.
      const listener = getRequestListener((web) => answer({ request: web, body, requestId }), {
        hostname: "localhost",
        errorHandler: (error) => refuse(badUrl(error)),
      });
      await listener(request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else await write(response, refuse(error));
    }
  }

  function open(port: number, host: string | undefined): Promise<Server> {
    const server = createServer(limits, (request, response) => {
      silent.delete(request.socket);
      const closeIfIdle = () => stop.requested && setImmediate(() => server.closeIdleConnections());
      request.once("close", closeIfIdle); // a refused body may end behind its answer
      response.once("close", closeIfIdle);
      void onRequest(request, response);
    });
    server.on("connection", (socket) => {
      silent.add(socket);
      socket.once("close", () => silent.delete(socket));
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, ...(host !== undefined && { host }) }, () => {
        server.off("error", reject);
        resolve(server);
      });
    });
  }

  /** Both loopback addresses on one port; only the first where the machine has no IPv6. */
  async function openLoopback(port: number, attemptsLeft = PORT_ATTEMPTS_MAX): Promise<Server[]> {
    const four = await open(port, "127.0.0.1");
    try {
      return [four, await open(portOf(four), "::1")];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return [four];
      await new Promise((resolve) => four.close(resolve));
      if (code !== "EADDRINUSE" || port !== 0 || attemptsLeft === 1) throw error;
      return openLoopback(port, attemptsLeft - 1);
    }
  }

  return {
    fetch,
    listen: async (port, host) => {
      const opened = host === "localhost" ? await openLoopback(port) : [await open(port, host)];
      servers.push(...opened);
      const bound = portOf(opened[0]!);
      return { port: bound, url: `http://${isIPv6(host ?? "") ? `[${host}]` : (host ?? "localhost")}:${bound}` };
    },
    drain: async (timeoutMs) => {
      stop.requested = true;
      const closed = Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      const done = new AbortController();
      for (const socket of silent) socket.destroy();
      stop.watches.abort();
      const cut = clock.sleep(timeoutMs * SENDS_CUT_AT, done.signal).then(() => {
        stop.sends.abort();
        return close();
      });
      await Promise.race([closed, clock.sleep(timeoutMs, done.signal)]);
      done.abort();
      for (const server of servers) server.closeAllConnections();
      await Promise.all([closed, cut]);
    },
  };
}

/** The server's wish to stop, as what answers requests sees it. */
interface Stop extends StopControllers {
  requested: boolean;
}

function createRouter({ door, graphql, trpc, notifications, identities, connectPage, ready, clock, log, ...options }: HttpOptions, stop: Stop) {
  const { trustedHosts, heartbeatMs, corsOrigins = [] } = options;
  const rest = createRest({ door, clock, stopWatches: stop.watches.signal, stopSends: stop.sends.signal, heartbeatMs });
  const mcp = createMcp({ door, log, clock, trustedHosts, trustedOrigins: corsOrigins.map(hostOf) });
  const openApi = openApiDocument();
  const document = JSON.stringify(openApi);
  const docs = docsPage(openApi);

  async function route(inbound: Inbound): Promise<Response> {
    const { request } = inbound;
    const path = segmentsOf(request.url);
    const [first, ...behind] = path;
    if (first === undefined) return page(request, WELCOME, "text/plain; charset=utf-8");
    if (isAt(path, "health")) return json(request, { status: "ok" });
    if (isAt(path, "ready")) return readiness(request);
    if (stop.requested) throw new Failure("shutting_down", {}, { retryAfterSeconds: 1 });
    if (first === "graphql") return graphql.fetch(request);
    if (first === "trpc") {
      // tRPC would parse anything, however deep, and pass on the parser's own words; a body that is no JSON ends here, as at every door.
      if (inbound.body) parseJson(inbound.body);
      return trpc.fetch(request);
    }
    if (isAt(path, "mcp")) return mcp.handle(inbound, undefined);
    if (isAt(path, "openapi.json") || isAt(path, "v1", "openapi.json")) return page(request, document, JSON_TYPE);
    if (isAt(path, "docs")) return only(request, ["GET", "HEAD"], () => docs(request));
    if (isAt(path, "meta-tools.json") || isAt(path, "v1", "meta-tools.json")) return only(request, ["GET", "HEAD"], () => metaTools(request));
    if (first === "connect" && behind.length === 1) return only(request, ["GET", "HEAD", "POST"], () => connectPage(request, decodeSegment(behind[0]!)));
    if (isAt(path, ".well-known", "did.json")) return identity(request, identities.issuer());
    if (path.length === 3 && path[2] === "did.json") return identity(request, [identities.issuer(), path[0], path[1]].join(":"));
    if (first !== "v1") throw new Failure("route_not_found", { method: request.method, path: `/${path.join("/")}` });
    return versioned(inbound, behind);
  }

  async function versioned(inbound: Inbound, path: string[]): Promise<Response> {
    const { request } = inbound;
    const [subject, id = "", part = ""] = path;
    if (path.length !== 3) return rest(inbound, path);
    if (subject === "webhooks") {
      const connection = { serverId: decodeSegment(id), connectionId: decodeSegment(part) };
      return only(request, ["GET", "POST"], () => notifications(request, connection));
    }
    if (subject === "agents" && part === "did.json") return identity(request, decodeSegment(id));
    if (subject === "sessions" && part === "mcp") return mcp.handle(inbound, decodeSegment(id));
    return rest(inbound, path);
  }

  async function identity(request: Request, did: string): Promise<Response> {
    const document = await identities.document(did);
    if (!document) throw new Failure("did_not_found", { did });
    return page(request, JSON.stringify(document), "application/did+json");
  }

  async function readiness(request: Request): Promise<Response> {
    const silence = { ok: false, checks: { ready: "no answer" } };
    const known = new AbortController();
    const asked = ready().catch((error: unknown) => {
      log.error({ err: error }, "readiness could not be told");
      return silence;
    });
    const { ok, checks } = await Promise.race([asked, clock.sleep(READY_MS_MAX, known.signal).then(() => silence)]);
    known.abort();
    const isReady = ok && !stop.requested;
    const told = { ok: isReady, checks: { ...checks, ...(stop.requested && { stopping: true }) } };
    return json(request, told, isReady ? 200 : 503);
  }

  return {
    answer: (inbound: Inbound): Promise<Response> =>
      route(inbound).catch((error: unknown) => answerFailure(error, inbound.requestId, log, inbound.quota)),
    close: () => mcp.close(),
  };
}

/** The meta-tools as the hosted service publishes them: anybody may read them, and keep them for five minutes. */
const META_TOOLS = JSON.stringify({
  generated_from: `codespar-server ${CONTRACT_VERSION}`,
  tools: toolDefinitions("minor", "all").map(({ name, description, input_schema }) => ({ name, description, inputSchema: input_schema })),
});

const metaTools = (request: Request): Response =>
  new Response(request.method === "HEAD" ? null : META_TOOLS, {
    headers: { "content-type": JSON_TYPE, "access-control-allow-origin": "*", "cache-control": "public, max-age=300" },
  });

const limits = { headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX, keepAliveTimeout: KEEP_ALIVE_MS };

const JSON_TYPE = "application/json";

const WELCOME = `codespar-server: lets agents and backends move money and do commerce in Latin America.

POST /graphql        GraphQL, subscriptions over SSE
     /trpc           tRPC
     /v1             REST, described at GET /docs and by GET /openapi.json
POST /mcp            MCP over Streamable HTTP
GET  /health /ready  is it up, can it serve

Send Authorization: Bearer csk_test_… (or csk_live_…).
`;

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).hostname : origin);

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** The path's segments, still percent-encoded. Duplicate slashes count once: released clients join URLs that way. */
function segmentsOf(url: string): string[] {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start === -1) return [];
  const end = url.slice(start).search(/[?#]/);
  return url.slice(start, end === -1 ? undefined : start + end).split("/").filter(Boolean);
}

const isAt = (path: readonly string[], ...place: string[]): boolean =>
  path.length === place.length && path.every((segment, at) => segment === place[at]);

type Answer = Response | Promise<Response>;

function only(request: Request, methods: string[], handle: () => Answer): Answer {
  if (methods.includes(request.method)) return handle();
  const allowed = [...methods, "OPTIONS"].join(", ");
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: allowed } });
  throw new Failure("method_not_allowed", { method: request.method, path: new URL(request.url).pathname, allowed });
}

const page = (request: Request, body: string, type: string, status = 200): Answer =>
  only(request, ["GET", "HEAD"], () => {
    return new Response(request.method === "HEAD" ? null : body, { status, headers: { "content-type": type } });
  });

const json = (request: Request, body: object, status?: number): Answer =>
  page(request, JSON.stringify(body), JSON_TYPE, status);

const badUrl = (cause: unknown): Failure =>
  new Failure("validation_failed", { problem: "the URL or the Host header is malformed" }, { cause });

/** The caller's own id where it is fit for a log, else a new one. */
const chooseId = (given: string | null | undefined, clock: Clock): string =>
  given && /^[\w.:-]{1,128}$/.test(given) ? given : newId("request", clock.now());

/** Surfaces read the id from the header, in either of Node's two spellings of headers. */
function nameRequest({ headers, rawHeaders }: IncomingMessage, requestId: string): void {
  if (headers["x-request-id"] === requestId) return;
  headers["x-request-id"] = requestId;
  rawHeaders.forEach((name, at) => {
    if (at % 2 === 0 && name.toLowerCase() === "x-request-id") rawHeaders[at] = "x-request-id-refused";
  });
  rawHeaders.push("x-request-id", requestId);
}

function corsHeaders(origin: string | null | undefined, allowed: readonly string[]): Record<string, string> {
  if (allowed.length === 0) return {};
  if (!origin || !allowed.includes(origin)) return { vary: "origin" };
  return {
    vary: "origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "x-request-id, retry-after, idempotent-replayed, mcp-session-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset",
  };
}

const isPreflight = (method: string | undefined, asked: string | null | undefined, headers: object): boolean =>
  method === "OPTIONS" && typeof asked === "string" && "access-control-allow-origin" in headers;

/** What an allowed origin asks for is granted: nothing here is authorized by where a call comes from. */
const preflight = (headers: string | null | undefined): Record<string, string> => ({
  "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
  ...(headers && { "access-control-allow-headers": headers }),
  "access-control-max-age": "600",
});

function rebuilt(request: Request, requestId: string, body: Uint8Array<ArrayBuffer> | undefined): Request {
  const headers = new Headers(request.headers);
  headers.set("x-request-id", requestId);
  if (!headers.has("host")) headers.set("host", new URL(request.url).host);
  return new Request(request.url, { method: request.method, headers, signal: request.signal, ...(body && { body }) });
}

/** Parsed where it is JSON: that halves the library's work. An empty object it would take for a body not yet read. */
function forGraphql({ headers }: IncomingMessage, body: Buffer | undefined): unknown {
  if (!body || !headers["content-type"]?.includes("json")) return body;
  const parsed = parseJson(body);
  return typeof parsed === "object" && parsed !== null && Object.keys(parsed).length > 0 ? parsed : body;
}

async function write(response: ServerResponse, answer: Response): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(await answer.text());
}
