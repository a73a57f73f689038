/** The REST contract as OpenAPI 3.1, generated from the operations; what the host itself answers is added by hand. */
import { z } from "zod";
import { FailureBody, failures, type FailureCode } from "../../../schema/failures.ts";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../../schema/index.ts";
import type { AnyOperation } from "../../../schema/operation.ts";
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
    tags: [...new Set([...Object.keys(operations).map(tagOf), "server"])].map((name) => ({ name })),
    paths,
    components: { ...sharedComponents, schemas: components.schemas },
  };
}

function addPath(paths: Record<string, Json>, route: string, description: Json): void {
  const [method = "", path = ""] = route.split(" ");
  const at = `/v1${path}`;
  paths[at] = { ...paths[at], [method.toLowerCase()]: description };
}

const tagOf = (name: string): string => name.split(".")[0]!;

function describe(operation: AnyOperation, operationId: string, components: Components): Json {
  const { name, summary, route, effect, scope } = operation;
  const shape = shapeOf(operation);
  const input = components.inline(shape.request ?? operation.input);
  const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
  const outside = Object.keys(input.properties).filter((field) => !inPath.includes(field));
  const hasBody = /^(POST|PUT|PATCH) /.test(route) && outside.length > 0;
  const parameters = [
    ...inPath.map((field) => parameter(input, field, "path")),
    ...(hasBody ? [] : outside.map((field) => parameter(input, field, "query"))),
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
    ...(hasBody && { requestBody: requestBody(input, outside) }),
    responses: { ...success(operation, shape, components), ...refusals(operation, hasBody) },
  };
}

const shapeOf = ({ name }: AnyOperation): Shape => (shapes as Partial<Record<string, Shape>>)[name] ?? {};

function parameter(input: ObjectSchema, name: string, place: "path" | "query"): Json {
  const { description, ...schema } = input.properties[name] as Json;
  const required = place === "path" || input.required.includes(name);
  return { name, in: place, required, ...(description !== undefined && { description }), schema };
}

function requestBody(input: ObjectSchema, fields: string[]): Json {
  const required = fields.filter((field) => input.required.includes(field));
  const properties = Object.fromEntries(fields.map((field) => {
    const schema = input.properties[field] as Json;
    return [field, required.includes(field) ? schema : orNull(schema)];
  }));
  const schema = { type: "object", properties, ...(required.length > 0 && { required }) };
  return { required: required.length > 0, content: { "application/json": { schema } } };
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
  const twin = streamedTwins[operation.name as OperationName];
  const content = {
    "application/json": { schema: components.add(shape.response ?? operation.output) },
    ...(twin && events(subscriptions[twin], components)),
  };
  const done = { description: "Done.", headers: limited, content };
  return { [status]: done, ...(shape.statusOf && { 200: done }) };
}

/** A stream is text to OpenAPI 3.1; what each `data:` line holds is said beside it. */
function events({ name, output }: AnyOperation, components: Components): Json {
  return {
    "text/event-stream": {
      schema: {
        type: "string",
        description: "Server-sent events; the `data` of each is JSON. Comment frames keep the connection alive.",
        contentMediaType: "application/json",
        contentSchema: components.add(frames[name as SubscriptionName] ?? output),
      },
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

/** What every operation may meet on the way in, and then its own. */
function codesOf({ errors, scope }: AnyOperation, hasBody: boolean): Set<FailureCode> {
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
    content: { "application/json": { schema: { allOf: [reference("schemas", "FailureBody"), named] } } },
  };
}

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

const reference = (kind: "schemas" | "parameters" | "headers", name: string): Json =>
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
      name: "x-codespar-project", in: "header", required: false, schema: { type: "string" },
      description: "The project that a service key acts in. A project's own key needs none, and is refused for another project's.",
    },
    IdempotencyKey: {
      name: "Idempotency-Key", in: "header", required: false, schema: { type: "string", minLength: 1, maxLength: 255 },
      description: "Your name for this one effect, bare or quoted: a repeat returns the first answer.",
    },
    LastEventId: {
      name: "Last-Event-ID", in: "header", required: false, schema: { type: "string" },
      description: "The id of the last event that was read; the stream resumes behind it.",
    },
  },
};

const plain = (operationId: string, summary: string, responses: Json): Json =>
  ({ operationId, summary, tags: ["server"], security: [], responses });

const anyObject = { "application/json": { schema: { type: "object" } } };
const json = (description: string): Json => ({ description, headers, content: anyObject });
const webPage = (description: string): Json => ({ description, headers, content: { "text/html": { schema: { type: "string" } } } });
const failed = (code: FailureCode): Json => refusal([code]);

const rpc = (operationId: string, summary: string, parameters: Json[]): Json => ({
  post: {
    operationId, summary, tags: ["server"], parameters,
    requestBody: { required: true, content: anyObject },
    responses: {
      200: {
        description: "A JSON-RPC answer.", headers,
        content: { ...anyObject, "text/event-stream": { schema: { type: "string" } } },
      },
      202: { description: "A notification was taken.", headers },
      401: failed("unauthorized"),
      404: failed("session_not_found"),
    },
  },
  get: notOffered(`${operationId}.stream`, "A stream of the server's own messages, which MCP clients ask for: there is none.", parameters),
  delete: notOffered(`${operationId}.end`, "The end of an MCP session: no state is kept between requests.", parameters),
});

const notOffered = (operationId: string, summary: string, parameters: Json[]): Json =>
  ({ operationId, summary, tags: ["server"], parameters, responses: { 401: failed("unauthorized"), 405: json("A JSON-RPC error.") } });

const pathParameter = (name: string): Json => ({ name, in: "path", required: true, schema: { type: "string" } });

/** What the host answers beside the operations. */
const hostPaths: Record<string, Json> = {
  "/health": { get: plain("server.health", "Whether the process is up.", { 200: json("It is.") }) },
  "/ready": {
    get: plain("server.ready", "Whether it can serve.", { 200: json("It can."), 503: json("It cannot.") }),
  },
  "/openapi.json": { get: plain("server.openapi", "This document.", { 200: json("OpenAPI 3.1.") }) },
  "/v1/openapi.json": { get: plain("server.openapiV1", "This document.", { 200: json("OpenAPI 3.1.") }) },
  "/meta-tools.json": { get: plain("server.metaTools", "The meta-tools, for whoever wants to read them.", { 200: json("They may be kept for five minutes.") }) },
  "/v1/meta-tools.json": { get: plain("server.metaToolsV1", "The same.", { 200: json("They may be kept for five minutes.") }) },
  "/connect/{link_token}": {
    parameters: [pathParameter("link_token")],
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
    pathParameter("session_id"), reference("parameters", "Project"),
  ]),
  "/v1/webhooks/{server}/{connection}": {
    post: {
      ...plain("server.notify", "Where providers notify us; each signs in its own way.", {
        200: { description: "Taken.", headers },
        401: failed("notification_rejected"),
        404: failed("connection_not_found"),
        413: failed("body_too_large"),
      }),
      parameters: [pathParameter("server"), pathParameter("connection")],
      requestBody: { required: true, content: { "*/*": { schema: {} } } },
    },
  },
};
