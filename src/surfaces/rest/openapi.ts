/** The REST contract as OpenAPI 3.1, generated from the operations; what the host itself answers is added by hand. */
import { z } from "zod";
import { connectionId, paymentId, projectId, reference as order, sessionId } from "../../../schema/examples/cast.ts";
import { chargeInput, chargeOutput, executeExamples } from "../../../schema/examples/tool-calls.ts";
import { FailureBody, failures, type FailureCode } from "../../../schema/failures.ts";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../../schema/index.ts";
import type { AnyOperation, Operation, Subscription } from "../../../schema/operation.ts";
import { answerExamples, argumentExample, bodyExamples, failureExamples, frameExamples } from "./examples.ts";
import { aliases, frames, shapes, streamedTwins, type Shape } from "./shapes.ts";

export const CONTRACT_VERSION = "0.1.0";

type Json = Record<string, unknown>;

/** The whole document. Built anew at each call; the host keeps one. */
export function openApiDocument(): object {
  const components = new Components();
  components.add(FailureBody);
  const paths: Record<string, Json> = { ...hostPaths };
  for (const operation of [...Object.values(operations), ...Object.values(subscriptions)] as AnyOperation[]) {
    addPath(paths, operation.route, describe(operation, operation.name, components));
  }
  for (const [route, name] of Object.entries(aliases)) {
    addPath(paths, route, describe(operations[name], `${name}.alias`, components));
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "codespar-server",
      version: CONTRACT_VERSION,
      description:
        "Move money and do commerce in Latin America. Amounts are integers in minor units unless said otherwise.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "This server." }],
    security: [{ bearer: [] }],
    tags: [...new Set([...[...Object.keys(operations), ...Object.keys(subscriptions)].map(tagOf), "server"])].map(tag),
    paths,
    components: { ...sharedComponents, examples: examplesIn(paths), schemas: components.schemas },
    // Beside those of the responses also what a tool answers in the body of a 200, as `code` beside `success: false`.
    "x-failures": Object.fromEntries((Object.keys(failures) as FailureCode[]).map((code) => [code, failureRow(code)])),
  };
}

/** `anywhere`: any call may meet it, so a page tells it once. */
function failureRow(code: FailureCode): Json {
  const { http, retry } = failures[code];
  const isCommon = codesOf({ errors: [], scope: "sessions:read" }, true).has(code);
  return { http, retry, message: failureExamples[code]?.message, ...(isCommon && { anywhere: true }) };
}

/** The failures that the paths refer to. */
function examplesIn(paths: Json): Json {
  const text = JSON.stringify(paths);
  const shown = Object.entries(failureExamples).filter(([code]) => text.includes(`"#/components/examples/${code}"`));
  return Object.fromEntries(shown.map(([code, value]) => [code, { value }]));
}

function addPath(paths: Record<string, Json>, route: string, description: Json): void {
  const [method = "", path = ""] = route.split(" ");
  const at = `/v1${path}`;
  paths[at] = { ...paths[at], [method.toLowerCase()]: description };
}

const tag = (name: string): Json => ({ name, ...(subjects[name] !== undefined && { description: subjects[name] }) });

/** What each subject is about, for whoever reads the document as a page. */
const subjects: Partial<Record<string, string>> = {
  sessions: "A caller's scoped permission to use some servers' tools; it ends after 30 idle minutes.",
  servers: "The catalogue: every provider that can be connected, and what it offers.",
  tools: "What can be run: the meta-tools, which the server routes, and each provider's own tools.",
  toolCalls: "Every execution leaves a row: what was asked, who took it, and what became of it.",
  payments: "What became of a charge or a payout, read once or as a stream.",
  verifications: "The verdict on an identity verification, read once or as a stream.",
  connections: "A project's stored credentials for a server. They are written, never read back.",
  rails: "The ways money and goods can move, and how they are doing.",
  ledger: "The books: double entry, append only, in minor units.",
  consents: "A consumer is asked to let an agent spend within limits, and does or does not.",
  mandates: "What consumers have signed that agents may spend, counted to the last centavo.",
  wallets: "A consumer's funds and permissions, one slot a currency.",
  keys: "Who is asking, and how keys are issued, rotated and revoked.",
  projects: "Isolated environments of an organization, test or live, and what each has chosen for itself.",
  logs: "Tool calls as they happen, one line each.",
  server: "What the server itself answers: its health, its documents, MCP, and where providers notify it.",
};

const tagOf = (name: string): string => name.split(".")[0]!;

function describe(operation: AnyOperation, operationId: string, components: Components): Json {
  const { name, summary, route, effect, scope } = operation;
  const shape = shapeOf(operation);
  const input = components.inline(shape.request ?? operation.input);
  const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
  const outside = Object.keys(input.properties).filter((field) => !inPath.includes(field));
  const hasBody = /^(POST|PUT|PATCH) /.test(route) && outside.length > 0;
  const parameters = [
    ...inPath.map((field) => parameter(operation, input, field, "path")),
    ...(hasBody ? [] : outside.map((field) => parameter(operation, input, field, "query"))),
    reference("parameters", "Project"),
    ...(effect === "reads" ? [] : [reference("parameters", "IdempotencyKey")]),
    ...(operation.kind === "stream" ? [reference("parameters", "LastEventId")] : []),
  ];
  return {
    operationId,
    summary,
    description: scope === "none" ? "Any key may call this." : `The key needs the scope \`${scope}\`.`,
    tags: [tagOf(name)],
    parameters,
    ...(hasBody && { requestBody: requestBody(operation, input, outside) }),
    responses: { ...success(operation, shape, components), ...refusals(operation, hasBody) },
  };
}

const shapeOf = ({ name }: AnyOperation): Shape => (shapes as Partial<Record<string, Shape>>)[name] ?? {};

function parameter(operation: AnyOperation, input: ObjectSchema, name: string, place: "path" | "query"): Json {
  const { description, ...schema } = input.properties[name] as Json;
  const required = place === "path" || input.required.includes(name);
  return { name, in: place, required, ...(description !== undefined && { description }), schema, ...argumentExample(operation, name) };
}

function requestBody(operation: AnyOperation, input: ObjectSchema, fields: string[]): Json {
  const required = fields.filter((field) => input.required.includes(field));
  const properties = Object.fromEntries(fields.map((field) => {
    const schema = input.properties[field] as Json;
    return [field, required.includes(field) ? schema : orNull(schema)];
  }));
  const schema = { type: "object", properties, ...(required.length > 0 && { required }) };
  return { required: required.length > 0, content: { "application/json": { schema, ...bodyExamples(operation, fields) } } };
}

/** What need not be there may be null in a body, which is read as absent. */
function orNull({ description, default: fallback, ...schema }: Json): Json {
  return { anyOf: [schema, { type: "null" }], ...(fallback !== undefined && { default: fallback }), ...(description !== undefined && { description }) };
}

function success(operation: AnyOperation, shape: Shape, components: Components): Json {
  if (operation.kind === "stream") {
    return { 200: { description: "The stream.", headers: limited, content: events(operation, components) } };
  }
  const status = shape.status ?? operation.successStatus ?? 200;
  if (status === 204) return { 204: { description: "Done.", headers: limited } };
  const answered = (at: number): Json => ({ description: "Done.", headers: limited, content: answers(operation, shape, at, components) });
  return { [status]: answered(status), ...(shape.statusOf && { 200: answered(200) }) };
}

function answers(operation: Operation, shape: Shape, status: number, components: Components): Json {
  const twin = streamedTwins[operation.name as OperationName];
  return {
    "application/json": { schema: components.add(shape.response ?? operation.output), ...answerExamples(operation, shape, status) },
    ...(twin && events(subscriptions[twin], components)),
  };
}

/** A stream is text to OpenAPI 3.1; what each `data:` line holds is said beside it. */
function events(subscription: Subscription, components: Components): Json {
  return {
    "text/event-stream": {
      schema: {
        type: "string",
        description: "Server-sent events; the `data` of each is JSON. Comment frames keep the connection alive.",
        contentMediaType: "application/json",
        contentSchema: components.add(frames[subscription.name as SubscriptionName] ?? subscription.output),
      },
      ...frameExamples(subscription),
    },
  };
}

function refusals(operation: AnyOperation, hasBody: boolean): Json {
  const byStatus = new Map<number, FailureCode[]>();
  for (const code of codesOf(operation, hasBody)) {
    const { http } = failures[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [status, refusal(codes)]));
}

/** What an operation may meet on the way in, and then its own. */
function codesOf({ errors, scope }: Pick<AnyOperation, "errors" | "scope">, hasBody: boolean): Set<FailureCode> {
  return new Set([
    ...(hasBody ? (["body_malformed", "body_too_large"] as const) : []),
    "validation_failed",
    "unauthorized",
    ...(scope === "none" ? [] : (["forbidden"] as const)),
    "project_not_found",
    "project_environment_mismatch",
    "rate_limited",
    ...errors,
    "internal",
    "shutting_down",
  ]);
}

function refusal(codes: readonly FailureCode[]): Json {
  const named = { type: "object", properties: { code: { type: "string", enum: codes } } };
  const isLimit = codes.includes("rate_limited");
  return {
    description: codes.map((code) => `\`${code}\``).join(", "),
    headers: isLimit ? { ...limited, "retry-after": reference("headers", "RetryAfter") } : headers,
    content: { "application/json": { schema: { allOf: [reference("schemas", "FailureBody"), named] }, examples: failureReferences(codes) } },
  };
}

const failureReferences = (codes: readonly FailureCode[]): Json =>
  Object.fromEntries(codes.filter((code) => code in failureExamples).map((code) => [code, reference("examples", code)]));

interface ObjectSchema {
  properties: Json;
  required: readonly string[];
}

/** The schemas that have an id, each once, with references rewritten to where OpenAPI keeps them. */
class Components {
  readonly schemas: Json = {};

  /** The schema, or a reference to it where it has an id; what it refers to is kept. */
  add(schema: z.ZodType): Json {
    const { $schema: _dialect, $defs = {}, ...root } = z.toJSONSchema(schema, { io: "input", override: terse });
    for (const [id, definition] of Object.entries(relocated($defs) as Json)) this.#keep(id, definition);
    return relocated(root) as Json;
  }

  #keep(id: string, definition: unknown): void {
    const kept = this.schemas[id];
    if (kept && JSON.stringify(kept) !== JSON.stringify(definition)) throw new Error(`two schemas have the id ${id}`);
    this.schemas[id] = definition;
  }

  inline(schema: z.ZodType): ObjectSchema {
    const { properties = {}, required = [] } = this.add(schema) as Partial<ObjectSchema>;
    return { properties, required };
  }
}

/** The format says it; the pattern behind it is 300 characters long. */
function terse({ jsonSchema }: { jsonSchema: { format?: string; pattern?: string } }): void {
  if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
}

function relocated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relocated);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, part]) => [key, key === "$ref" ? moved(part) : relocated(part)]);
  return Object.fromEntries(members);
}

const moved = (reference: string): string => reference.replace("#/$defs/", "#/components/schemas/");

const reference = (kind: "schemas" | "examples" | "parameters" | "headers", name: string): Json =>
  ({ $ref: `#/components/${kind}/${name}` });

const headers = { "x-request-id": reference("headers", "RequestId") };

/** Where a key's calls are counted. */
const limited = {
  ...headers,
  "ratelimit-limit": reference("headers", "RateLimitLimit"),
  "ratelimit-remaining": reference("headers", "RateLimitRemaining"),
  "ratelimit-reset": reference("headers", "RateLimitReset"),
};

const sharedComponents = {
  securitySchemes: {
    bearer: { type: "http", scheme: "bearer", description: "An API key: csk_test_… or csk_live_…" },
  },
  headers: {
    RequestId: {
      description: "Names this request in the server's log; a caller's own is kept.", schema: { type: "string" },
    },
    RateLimitLimit: { description: "Calls of this kind that the key may make in a minute.", schema: { type: "integer" } },
    RateLimitRemaining: { description: "How many of them are left.", schema: { type: "integer" } },
    RateLimitReset: { description: "Seconds until there are as many again.", schema: { type: "integer" } },
    RetryAfter: { description: "Seconds to wait before a repeat.", schema: { type: "integer" } },
  },
  parameters: {
    Project: {
      name: "x-codespar-project", in: "header", required: false, schema: { type: "string" }, example: projectId,
      description: "The project that a service key acts in. A project's own key needs none, and is refused for another project's.",
    },
    IdempotencyKey: {
      name: "Idempotency-Key", in: "header", required: false, schema: { type: "string", minLength: 1, maxLength: 255 }, example: order,
      description: "Your name for this one effect, bare or quoted: a repeat returns the first answer.",
    },
    LastEventId: {
      name: "Last-Event-ID", in: "header", required: false, schema: { type: "string" }, example: "7412.91",
      description: "The id of the last event that was read; the stream resumes behind it.",
    },
  },
};

const plain = (operationId: string, summary: string, responses: Json): Json =>
  ({ operationId, summary, tags: ["server"], security: [], responses });

const shown = (example: object): Json => ({ "application/json": { schema: { type: "object" }, example } });
const json = (description: string, example: object): Json => ({ description, headers, content: shown(example) });
const webPage = (description: string): Json => ({ description, headers, content: { "text/html": { schema: { type: "string" } } } });
const failed = (code: FailureCode): Json => refusal([code]);

const RPC_ANSWER = {
  jsonrpc: "2.0", id: 1,
  result: { content: [{ type: "text", text: JSON.stringify(chargeOutput, null, 2) }], structuredContent: executeExamples[0]!.output },
};

const rpc = (operationId: string, summary: string, parameters: Json[]): Json => ({
  post: {
    operationId, summary, tags: ["server"], parameters,
    requestBody: { required: true, content: shown({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "codespar_charge", arguments: chargeInput } }) },
    responses: {
      200: {
        description: "A JSON-RPC answer.", headers,
        content: {
          ...shown(RPC_ANSWER), "text/event-stream": { schema: { type: "string" }, example: `event: message\ndata: ${JSON.stringify(RPC_ANSWER)}\n\n` },
        },
      },
      202: { description: "A notification was taken.", headers },
      401: failed("unauthorized"),
      404: failed("session_not_found"),
    },
  },
  get: notOffered(`${operationId}.stream`, "A stream of the server's own messages, which MCP clients ask for: there is none.", parameters),
  delete: notOffered(`${operationId}.end`, "The end of an MCP session: no state is kept between requests.", parameters),
});

const pathParameter = (name: string, example: string): Json => ({ name, in: "path", required: true, schema: { type: "string" }, example });

const metaToolsAnswer = json("They may be kept for five minutes.", {
  generated_from: `codespar-server ${CONTRACT_VERSION}`,
  tools: [{ name: "codespar_discover", description: "Find a tool for a need that the other tools do not cover.", inputSchema: { type: "object" } }],
});

const notOffered = (operationId: string, summary: string, parameters: Json[]): Json =>
  ({ operationId, summary, tags: ["server"], parameters, responses: { 401: failed("unauthorized"), 405: json("A JSON-RPC error.", { jsonrpc: "2.0", error: { code: -32000, message: "Method not allowed." }, id: null }) } });

const didDocument = (operationId: string, summary: string): Json => plain(operationId, summary, {
  200: {
    description: "A DID document.", headers,
    content: {
      "application/did+json": {
        schema: { type: "object" },
        example: {
          id: "did:web:pay.example.com",
          verificationMethod: [{
            id: "did:web:pay.example.com#test-1", type: "JsonWebKey2020", controller: "did:web:pay.example.com",
            publicKeyJwk: { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
          }],
        },
      },
    },
  },
  404: failed("did_not_found"),
});

/** What the host answers beside the operations. */
const hostPaths: Record<string, Json> = {
  "/health": { get: plain("server.health", "Whether the process is up.", { 200: json("It is.", { status: "ok" }) }) },
  "/ready": {
    get: plain("server.ready", "Whether it can serve.", {
      200: json("It can.", { ok: true, checks: { database: "ok", migrations: "ok" } }),
      503: json("It cannot.", { ok: false, checks: { database: "no answer" } }),
    }),
  },
  "/docs": { get: plain("server.docs", "This document as a page.", { 200: webPage("The page. It may be kept for five minutes.") }) },
  "/openapi.json": { get: plain("server.openapi", "This document.", { 200: json("OpenAPI 3.1.", { openapi: "3.1.0", info: { title: "codespar-server", version: CONTRACT_VERSION }, paths: {} }) }) },
  "/v1/openapi.json": { get: plain("server.openapiV1", "This document.", { 200: json("OpenAPI 3.1.", { openapi: "3.1.0", info: { title: "codespar-server", version: CONTRACT_VERSION }, paths: {} }) }) },
  "/meta-tools.json": { get: plain("server.metaTools", "The meta-tools, for whoever wants to read them.", { 200: metaToolsAnswer }) },
  "/v1/meta-tools.json": { get: plain("server.metaToolsV1", "The same.", { 200: metaToolsAnswer }) },
  "/v1/agents/{did}/did.json": { parameters: [pathParameter("did", "did:web:pay.example.com")], get: didDocument("server.didOf", "The public keys of this server or one of its agents.") },
  "/.well-known/did.json": { get: didDocument("server.did", "The public keys of this server, where did:web looks for them.") },
  "/{project_id}/{agent_id}/did.json": {
    parameters: [pathParameter("project_id", projectId), pathParameter("agent_id", "shopper")],
    get: didDocument("server.didOfAgent", "The public keys of an agent, where did:web looks for them."),
  },
  "/connect/{link_token}": {
    parameters: [pathParameter("link_token", "lnk_example")],
    get: plain("connections.page", "The page on which a user connects a server.", { 200: webPage("The form."), 410: webPage("The link was used, or is over.") }),
    post: {
      ...plain("connections.submit", "What the page's form sends.", {
        303: { description: "Connected: on to `redirect_uri`, with `status=connected` and `connection_id`.", headers },
        403: webPage("Not sent from that page."), 410: webPage("The link was used, or is over."), 422: webPage("The form again, with what is wrong."),
      }),
      requestBody: { required: true, content: { "application/x-www-form-urlencoded": { schema: { type: "object", additionalProperties: { type: "string" } } } } },
    },
  },
  "/mcp": rpc("server.mcp", "MCP over Streamable HTTP, in a session of its own.", [reference("parameters", "Project")]),
  "/v1/sessions/{session_id}/mcp": rpc("sessions.mcp", "MCP over Streamable HTTP, in this session.", [
    pathParameter("session_id", sessionId), reference("parameters", "Project"),
  ]),
  "/v1/webhooks/{server}/{connection}": {
    get: {
      ...plain("server.visited", "A provider's question before it posts here (WhatsApp Cloud), or the buyer whom a provider's page sends back (Webpay).", {
        200: {
          description: "The provider's challenge, or a page that says that the shop may be gone back to.", headers,
          content: { "text/plain": { schema: { type: "string" }, example: "1158201444" }, "text/html": { schema: { type: "string" }, example: "<!doctype html><title>Thank you</title>" } },
        },
        303: { description: "To the shop's own page.", headers },
        401: failed("notification_rejected"),
        404: failed("connection_not_found"),
        405: failed("method_not_allowed"),
      }),
      parameters: [pathParameter("server", "whatsapp-cloud"), pathParameter("connection", connectionId)],
    },
    post: {
      ...plain("server.notify", "Where providers notify us; each signs in its own way.", {
        200: { description: "Taken.", headers },
        401: failed("notification_rejected"),
        404: failed("connection_not_found"),
        413: failed("body_too_large"),
      }),
      parameters: [pathParameter("server", "asaas"), pathParameter("connection", connectionId)],
      requestBody: { required: true, content: { "*/*": { schema: {}, example: { id: "evt_1", event: "PAYMENT_RECEIVED", payment: { id: paymentId } } } } },
    },
  },
};
