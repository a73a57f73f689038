/**
 * GraphQL at /graphql, for frontends: queries, mutations, and subscriptions over server-sent events. A pure projection
 * of the contract: a new operation appears here by itself.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createYoga, handleStreamOrSingleExecutionResult, type Plugin } from "graphql-yoga";
import type { CallerContext, Door } from "../../door.ts";
import { wholeContract, type Contract, type Report, type StopSignals } from "../contract.ts";
import { publicError } from "./errors.ts";
import { boundedParserCache, useLimits } from "./limits.ts";
import { buildGraphqlSchema } from "./schema.ts";
import { useGraphqlSse } from "./sse.ts";
import type { GraphqlContext } from "./types.ts";

const GRAPHQL_PATH = "/graphql";

export interface GraphqlOptions {
  door: Door;
  /** Introspection and GraphiQL are served only then. */
  development: boolean;
  contextOf(request: Request): CallerContext;
  report?: Report;
  /** Without it, subscriptions outlive the server's wish to stop. */
  stop?: StopSignals;
  contract?: Contract;
}

export interface GraphqlSurface {
  /** For `node:http`. Where the host has read the body, `body` is it: parsed JSON, text or bytes. */
  handle(request: IncomingMessage & { body?: unknown }, response: ServerResponse): Promise<void>;
  fetch(request: Request): Promise<Response>;
}

export function createGraphql(options: GraphqlOptions): GraphqlSurface {
  const { door, development, contextOf, report = () => {}, stop, contract = wholeContract } = options;
  const yoga = createYoga<object, GraphqlContext>({
    schema: buildGraphqlSchema(contract, { door, report, stop }),
    graphqlEndpoint: GRAPHQL_PATH,
    context: ({ request }) => ({ caller: contextOf(request), request }),
    maskedErrors: { maskError: (error) => publicError(error, undefined, report) },
    parserAndValidationCache: boundedParserCache(),
    graphiql: development,
    // The host's business: cross-origin rules, health, the size of a body, logs.
    cors: false, landingPage: false, multipart: false, logging: false, maxRequestBodySize: false,
    plugins: [useLimits({ development }), usePublicErrors(report), useGraphqlSse(report)],
  });
  return {
    async handle(request, response) {
      if (request.body !== undefined) request.body = readBody(request.body, request.headers["content-type"]);
      await yoga(request, response);
    },
    fetch: async (request) => yoga.fetch(request),
  };
}

/** Masks results, where the request is known; yoga's own masking then covers what fails before there is one. */
function usePublicErrors(report: Report): Plugin<GraphqlContext> {
  const told: ResultHook = ({ args, result, setResult }) => {
    if (result.errors === undefined) return;
    const { requestId } = args.contextValue.caller;
    setResult({ ...result, errors: result.errors.map((error) => publicError(error, requestId, report)) });
  };
  return {
    onExecute: () => ({ onExecuteDone: (done) => handleStreamOrSingleExecutionResult(done, told) }),
    onSubscribe: () => ({ onSubscribeResult: (opened) => handleStreamOrSingleExecutionResult(opened, told) }),
  };
}

type ResultHook = Parameters<typeof handleStreamOrSingleExecutionResult<GraphqlContext>>[1];

/**
 * What yoga reads as a body: it takes a non-empty object for parsed JSON, whatever the content type, and text for text.
 * An empty body must still be text, or yoga would wait for a stream that has been read.
 */
function readBody(body: unknown, contentType: string | undefined): unknown {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) {
    return isFilledObject(body) ? body : JSON.stringify(body);
  }
  const text = body.toString();
  const parsed = contentType?.includes("json") ? parseJson(text) : undefined;
  return isFilledObject(parsed) ? parsed : text || " ";
}

const isFilledObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
