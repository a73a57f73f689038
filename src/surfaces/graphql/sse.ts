/**
 * The graphql-sse protocol at /graphql/stream: one connection for each operation, or one reserved connection for all of
 * a client. The protocol is the library's; the plugin that joins it to yoga is not used: it answers a syntax error with
 * a stack trace, hides validation errors, and bounds neither reservations nor what waits for a slow reader.
 */
import { randomUUID } from "node:crypto";
import { createHandler, TOKEN_HEADER_KEY, TOKEN_QUERY_KEY, type Handler, type RequestParams } from "graphql-sse";
import { isAsyncIterable, type Plugin, type YogaServer } from "graphql-yoga";
import type { Report } from "../contract.ts";
import { publicError } from "./errors.ts";
import { getOperationAST, GraphQLError, type ExecutionArgs } from "./graphql-js.ts";

const STREAM_PATH = "/graphql/stream";

/** Connections reserved and not yet opened, of all clients together, and for how long one is kept. */
const RESERVED_MAX = 1_000;
const RESERVED_MS = 30_000;
/** Results that wait for a reader; the operations of that reader then pause. */
const WAITING_MAX = 100;

type SseRequest = Parameters<Handler<Request>>[0];
type SseResponse = Awaited<ReturnType<Handler<Request>>>;

export function useGraphqlSse(report: Report): Plugin {
  const serverContexts = new WeakMap<Request, object>();
  const flows = new Map<string | Request, Flow>();
  const reserved = new Map<string, NodeJS.Timeout>();
  let yoga: YogaServer<object, object>;

  const handler: Handler<Request> = createHandler<Request>({
    authenticate(request) {
      if (request.method !== "PUT") return tokenOf(request);
      return reserved.size < RESERVED_MAX ? reserve() : TOO_MANY;
    },
    onSubscribe: (request, params) => run(request, params),
    onNext: (_context, request) => flows.get(tokenOf(request) ?? request.raw)?.sent(),
  });

  /** A token nobody can guess: whoever has it reads the results. What is never opened is opened and closed by us. */
  function reserve(): string {
    const token = randomUUID();
    const expire = async () => {
      const [stream] = await handler(openingOf(token));
      reserved.delete(token);
      if (typeof stream === "object") await stream?.return();
    };
    reserved.set(token, setTimeout(() => void expire(), RESERVED_MS).unref());
    return token;
  }

  async function run(request: SseRequest, params: RequestParams) {
    const enveloped = yoga.getEnveloped({ ...serverContexts.get(request.raw), request: request.raw, params });
    try {
      const document = enveloped.parse(params.query);
      const errors: readonly GraphQLError[] = enveloped.validate(enveloped.schema, document);
      if (errors.length > 0) return refusal(errors);
      const args: ExecutionArgs = {
        schema: enveloped.schema, document, contextValue: await enveloped.contextFactory(),
        variableValues: params.variables as Record<string, unknown>, operationName: params.operationName,
      };
      const isStream = getOperationAST(document, params.operationName)?.operation === "subscription";
      const result = await (isStream ? enveloped.subscribe(args) : enveloped.execute(args));
      // A refused subscription has errors alone; the library knows a result by its `data`.
      return isAsyncIterable(result) ? result : { data: undefined as never, ...result };
    } catch (error) {
      return refusal([publicError(error, undefined, report)]);
    }
  }

  async function answer(request: Request): Promise<Response> {
    const { Response } = yoga.fetchAPI;
    const sseRequest = toSseRequest(request);
    const [body, init] = await handler(sseRequest);
    if (body === null || typeof body === "string") return new Response(body, init);
    const token = tokenOf(sseRequest);
    if (token !== null) {
      clearTimeout(reserved.get(token));
      reserved.delete(token);
    }
    return new Response(stream(body, token ?? request, request.signal), init);
  }

  function stream(messages: AsyncGenerator<string>, key: string | Request, gone: AbortSignal): ReadableStream {
    const { ReadableStream, TextEncoder } = yoga.fetchAPI;
    const encoder = new TextEncoder();
    const flow = new Flow();
    flows.set(key, flow);
    const close = () => {
      flows.delete(key);
      flow.close();
      void messages.return(undefined);
    };
    gone.addEventListener("abort", close, { once: true });
    if (gone.aborted) close();
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await messages.next();
        if (done) {
          close();
          return controller.close();
        }
        if (value.startsWith("event: next")) flow.taken();
        controller.enqueue(encoder.encode(value));
      },
      cancel: close,
    });
  }

  return {
    onYogaInit({ yoga: server }) {
      yoga = server;
    },
    // Not async: every query passes here, and a promise each would cost it two turns.
    onRequest({ request, serverContext, endResponse }) {
      if (!request.url.includes(STREAM_PATH)) return undefined;
      serverContexts.set(request, serverContext);
      return answer(request).then(endResponse);
    },
  };
}

/** Results on their way to one reader: beyond `WAITING_MAX` the sender waits, so that memory does not. */
class Flow {
  #waiting = 0;
  #senders: (() => void)[] = [];
  #closed = false;

  async sent(): Promise<void> {
    this.#waiting += 1;
    if (this.#waiting <= WAITING_MAX || this.#closed) return;
    await new Promise<void>((resume) => this.#senders.push(resume));
  }

  taken(): void {
    this.#waiting -= 1;
    if (this.#waiting <= WAITING_MAX) this.#resume();
  }

  close(): void {
    this.#closed = true;
    this.#resume();
  }

  #resume(): void {
    for (const resume of this.#senders.splice(0)) resume();
  }
}

function tokenOf(request: SseRequest): string | null {
  const header = request.headers.get(TOKEN_HEADER_KEY);
  return header ?? new URL(request.url, "http://localhost").searchParams.get(TOKEN_QUERY_KEY);
}

const toSseRequest = (request: Request): SseRequest => ({
  method: request.method, url: request.url, headers: request.headers, body: () => request.text(),
  raw: request, context: undefined,
});

const openingOf = (token: string): SseRequest => ({
  method: "GET", url: STREAM_PATH, body: null, raw: undefined as never, context: undefined,
  headers: { get: (name) => ({ accept: "text/event-stream", [TOKEN_HEADER_KEY]: token })[name] },
});

const TOO_MANY: SseResponse = [
  JSON.stringify({ errors: [{ message: "Too many reserved streams. Open one, or subscribe without reserving." }] }),
  {
    status: 503, statusText: "Service Unavailable",
    headers: { "content-type": "application/json; charset=utf-8", "retry-after": String(RESERVED_MS / 1000) },
  },
];

/** The request's own mistakes as a result, which the protocol carries in both modes. `http` is for yoga alone. */
function refusal(errors: readonly GraphQLError[]) {
  return {
    data: undefined as never,
    errors: errors.map(({ message, nodes, source, positions, extensions: { http: _forYoga, ...extensions } }) =>
      new GraphQLError(message, { nodes, source, positions, extensions })),
  };
}
