/**
 * One client for each door, all with the same call: an operation's name and its input in the spelling of the contract
 * go in, its output in that spelling or a failure comes out. Everything is derived from the contract and from what the
 * door says of itself (GraphQL by introspection), so a new operation needs no line here.
 */
import { Client as McpClient, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTRPCUntypedClient, httpLink, httpSubscriptionLink, splitLink, TRPCClientError } from "@trpc/client";
import { EventSource } from "eventsource";
import { createClient as createGraphqlSse } from "graphql-sse";
import { z } from "zod";
import { asFailure, failures, type FailureCode } from "../../schema/failures.ts";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../schema/index.ts";
import type { AnyOperation } from "../../schema/operation.ts";
import {
  buildClientSchema, getIntrospectionQuery, getNamedType, isObjectType, isUnionType, type GraphQLObjectType,
  type GraphQLOutputType, type GraphQLSchema, type IntrospectionQuery,
} from "../../src/surfaces/graphql/graphql-js.ts";
import type { App } from "./app.ts";

export type Json = Record<string, unknown>;

/** `http` of a failure is the status that the door gives or names. */
export type Outcome = { ok: true; value: unknown; http?: number } | FailedOutcome;

export interface FailedOutcome {
  ok: false;
  code: string;
  field?: string;
  expected?: string;
  retry?: string;
  http?: number;
}

export interface CallOptions {
  key?: string | undefined;
  /** The x-codespar-project header. */
  project?: string | undefined;
  idempotencyKey?: string | undefined;
}

export interface TestDoor {
  readonly name: "contract" | "graphql" | "trpc" | "rest" | "mcp";
  has(name: OperationName): boolean;
  call(name: OperationName, input: Json, options: CallOptions): Promise<Outcome>;
}

/** A door with a protocol, whose bytes can be spoiled. */
export interface WireDoor extends TestDoor {
  /** Where it takes the POST of an execution in this session. */
  address(sessionId: string): string;
}

export interface WatchOptions extends CallOptions {
  /** Goes on behind this event as the door's own protocol says it, not as an argument. */
  lastEventId?: string;
}

export interface StreamingDoor extends WireDoor {
  watch(name: SubscriptionName, input: Json, options: WatchOptions): Watch;
}

/** A stream as it is read in the background. */
export interface Watch {
  /** Everything that came, in the spelling of the contract. */
  readonly items: Json[];
  /** Where each came from, in doors whose protocol says it. */
  readonly ids: string[];
  /** How it ended: with the failure that ended it, or with nothing. */
  readonly ended: Promise<FailedOutcome | undefined>;
  stop(): Promise<void>;
}

/** How requests travel: in process, or over a socket. */
export interface Reach {
  url: string;
  fetch: (request: Request) => Promise<Response>;
}

export const inProcess = (app: Pick<App, "http">): Reach =>
  ({ url: "http://localhost", fetch: (request) => app.http.fetch(request) });

/** The doors that have a protocol. */
export const wireDoors = (reach: Reach): [...ReturnType<typeof streamingDoors>, WireDoor] =>
  [...streamingDoors(reach), mcpDoor(reach)];

export const streamingDoors = (reach: Reach): [StreamingDoor, StreamingDoor, StreamingDoor] =>
  [graphqlDoor(reach), trpcDoor(reach), restDoor(reach)];

/** The door behind all doors, called without a protocol: what the others are measured against. */
export const contractDoor = (app: Pick<App, "door" | "context">): TestDoor => ({
  name: "contract",
  has: () => true,
  call: async (name, input, { key, project, idempotencyKey }) => {
    const context = app.context({ credential: key, projectId: project, idempotencyKey });
    try {
      return { ok: true, value: await app.door.call(name, input, context) };
    } catch (error) {
      const { code, at, retry, http } = asFailure(error);
      return failed({ code, field: at.field, expected: at.expected, retry, http });
    }
  },
});

const headersOf = ({ key, project, idempotencyKey }: CallOptions): Record<string, string> => ({
  ...(key !== undefined && { authorization: `Bearer ${key}` }),
  ...(project !== undefined && { "x-codespar-project": project }),
  ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
});

const JSON_BODY = { "content-type": "application/json" };

/** `fetch` as client libraries call it. */
const fetchOf = ({ fetch }: Reach) => (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
  fetch(new Request(input, init));

// Failures

interface FailureWords {
  code: string;
  field?: string | undefined;
  expected?: string | undefined;
  retry?: string | undefined;
  http?: number | undefined;
}

const failed = ({ code, field, expected, retry, http }: FailureWords): FailedOutcome => ({
  ok: false, code, ...(field !== undefined && { field }), ...(expected !== undefined && { expected }),
  ...(retry !== undefined && { retry }), ...(http !== undefined && { http }),
});

/** The flat body of a refusal; `http` is the status it came with. */
function flatFailure(body: unknown, http?: number): FailedOutcome {
  const words = FlatBody.safeParse(body);
  if (!words.success) throw new Error(`not a failure: HTTP ${http} ${JSON.stringify(body)}`);
  return failed({ ...words.data, http });
}

const FlatBody = z.object({
  code: z.string(), field: z.string().optional(), expected: z.string().optional(), retry: z.string().optional(),
});

/** The same words as doors with camelCase names carry them. */
const Details = FlatBody.extend({ httpStatus: z.number().optional() })
  .transform(({ httpStatus, ...words }) => ({ ...words, http: httpStatus }));

const statusOf = (code: string): number | undefined =>
  Object.hasOwn(failures, code) ? failures[code as FailureCode].http : undefined;

// GraphQL

function graphqlDoor(reach: Reach): StreamingDoor {
  let schema: Promise<GraphQLSchema> | undefined;

  async function post(body: object, options: CallOptions): Promise<{ status: number; body: GraphqlBody }> {
    const request = new Request(`${reach.url}/graphql`, {
      method: "POST", headers: { ...JSON_BODY, ...headersOf(options) }, body: JSON.stringify(body),
    });
    const response = await reach.fetch(request);
    return { status: response.status, body: (await response.json()) as GraphqlBody };
  }

  async function introspect(): Promise<GraphQLSchema> {
    const { body } = await post({ query: getIntrospectionQuery() }, {});
    return buildClientSchema(body.data as unknown as IntrospectionQuery);
  }

  async function requestOf(operation: AnyOperation, input: Json): Promise<{ query: string; variables: Json }> {
    schema ??= introspect();
    const variables = respell(input, jsonSchemaOf(operation.input), "camel") as Json;
    return { query: documentOf(await schema, operation, Object.keys(variables)), variables };
  }

  const back = ({ field, output }: AnyOperation, data: Json) => respell(data[field], jsonSchemaOf(output), "snake");

  return {
    name: "graphql",
    has: () => true,
    address: () => `${reach.url}/graphql`,
    async call(name, input, options) {
      const operation: AnyOperation = operations[name];
      const { status, body } = await post(await requestOf(operation, input), options);
      if (body.errors !== undefined) return graphqlFailure(body.errors);
      if (body.data === undefined) return flatFailure(body, status);
      return { ok: true, value: back(operation, body.data) };
    },
    watch(name, input, options) {
      const operation: AnyOperation = subscriptions[name];
      const url = `${reach.url}/graphql/stream`;
      const client = createGraphqlSse({ url, headers: headersOf(options), fetchFn: fetchOf(reach), retryAttempts: 0 });
      return watch(async ({ item, end }) => {
        // GraphQL has no events to name, so an argument is its own way.
        const { lastEventId: after } = options;
        const request = await requestOf(operation, { ...input, ...(after !== undefined && { after }) });
        return client.subscribe<Json>(request, {
          next: ({ data, errors }) => (errors ? end(graphqlFailure(errors)) : item(back(operation, data!) as Json)),
          error: (error) => end(failed({ code: String(error) })),
          complete: () => end(),
        });
      });
    },
  };
}

interface GraphqlError {
  message: string;
  extensions?: Readonly<Record<string, unknown>>;
}

interface GraphqlBody {
  data?: Json;
  errors?: GraphqlError[];
}

function graphqlFailure(errors: readonly GraphqlError[]): FailedOutcome {
  const details = errors.map(({ message, extensions }) => {
    const words = Details.safeParse(extensions);
    if (!words.success) throw new Error(`a GraphQL error without a code: ${message}`);
    return words.data;
  });
  return failed(details[0]!);
}

/** The document that asks for everything an operation can answer, with these arguments as variables. */
function documentOf(schema: GraphQLSchema, { kind, effect, field }: AnyOperation, args: readonly string[]): string {
  const type = kind === "stream" ? "subscription" : effect === "reads" ? "query" : "mutation";
  const roots = {
    query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType(),
  };
  const definition = roots[type]!.getFields()[field]!;
  const typeOf = (name: string) => {
    const argument = definition.args.find((each) => each.name === name);
    if (!argument) throw new Error(`${field} has no argument ${name}`);
    return String(argument.type);
  };
  const listed = (write: (name: string) => string) => (args.length === 0 ? "" : `(${args.map(write).join(", ")})`);
  const variables = listed((name) => `$${name}: ${typeOf(name)}`);
  return `${type}${variables} { ${field}${listed((name) => `${name}: $${name}`)}${selectionOf(definition.type)} }`;
}

function selectionOf(type: GraphQLOutputType): string {
  const named = getNamedType(type);
  if (isObjectType(named)) return ` { ${fieldsOf(named)} }`;
  if (!isUnionType(named)) return "";
  return ` { ${named.getTypes().map((member) => `... on ${member.name} { ${fieldsOf(member)} }`).join(" ")} }`;
}

const fieldsOf = (type: GraphQLObjectType): string =>
  Object.values(type.getFields()).map((field) => field.name + selectionOf(field.type)).join(" ");

// The spelling of names: camelCase in GraphQL, snake_case in the contract

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  type?: string;
  const?: unknown;
  enum?: unknown[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
}

/** The wire side of a schema. */
export const jsonSchemaOf = (schema: z.ZodType): JsonSchema => z.toJSONSchema(schema, { io: "input" }) as JsonSchema;

const toCamel = (name: string): string =>
  name.replace(/_+([A-Za-z0-9])/g, (_underscore, next: string) => next.toUpperCase());

/** Renames what the schema names and nothing else: keys inside free JSON are the caller's own. */
function respell(value: unknown, schema: JsonSchema, to: "camel" | "snake", defs = schema.$defs ?? {}): unknown {
  const { items, properties, required = [], enum: values } = resolved(value, schema, defs);
  if (Array.isArray(value)) return items ? value.map((item) => respell(item, items, to, defs)) : value;
  if (typeof value === "string" && values) return to === "camel" ? enumOf(value, values) : (values.find((each) => enumName(String(each)) === value) ?? value);
  if (typeof value !== "object" || value === null || !properties) return value;
  const spell = (name: string): [given: string, wanted: string] =>
    to === "camel" ? [name, toCamel(name)] : [toCamel(name), name];
  const names = new Map(Object.keys(properties).map(spell));
  return Object.fromEntries(Object.entries(value).flatMap(([given, member]) => {
    const name = names.get(given) ?? given;
    const inContract = to === "camel" ? given : name;
    // GraphQL answers null for what the contract leaves out.
    if (to === "snake" && member === null && !required.includes(inContract)) return [];
    const memberSchema = properties[inContract];
    return [[name, memberSchema ? respell(member, memberSchema, to, defs) : member]];
  }));
}

/** A word that is none of the enum's goes as it is, to be refused. */
const enumOf = (value: string, values: readonly unknown[]): string => (values.includes(value) ? enumName(value) : value);

const enumName = (value: string): string => value.replace(/\W/g, "_");

/** The schema that describes this value: references followed, the fitting alternative taken. */
function resolved(value: unknown, schema: JsonSchema, defs: Record<string, JsonSchema>): JsonSchema {
  if (schema.$ref !== undefined) return resolved(value, defs[schema.$ref.split("/").at(-1)!] ?? {}, defs);
  const named = schema.anyOf ?? schema.oneOf;
  if (!named) return schema;
  const alternatives = named.map((each) => resolved(value, each, defs)).filter(({ type }) => type !== "null");
  return alternatives.find((each) => alternatives.length === 1 || fits(value, each)) ?? {};
}

/** Whether an object is of a union's member, by the constants that tell the members apart. */
const fits = (value: unknown, { properties }: JsonSchema): boolean =>
  properties !== undefined && typeof value === "object" && value !== null && Object.entries(properties)
    .every(([name, { const: wanted }]) => wanted === undefined || (value as Json)[name] === wanted);

// tRPC

function trpcDoor(reach: Reach): StreamingDoor {
  const url = `${reach.url}/trpc`;
  const fetch = fetchOf(reach);
  const clientOf = (options: CallOptions) =>
    createTRPCUntypedClient({ links: [splitLink({
      condition: ({ type }) => type === "subscription",
      true: httpSubscriptionLink({ url, EventSource, eventSourceOptions: {
        fetch: (input, init) =>
          fetch(input, { ...init, headers: { ...init.headers, ...headersOf(options) } } as RequestInit),
      } }),
      false: httpLink({ url, fetch: fetch as never, headers: headersOf(options) }),
    })] });

  return {
    name: "trpc",
    has: () => true,
    address: () => `${url}/tools.execute`,
    async call(name, input, options) {
      const client = clientOf(options);
      const ask = operations[name].effect === "reads" ? client.query : client.mutation;
      try {
        return { ok: true, value: await ask.call(client, name, input) };
      } catch (error) {
        return trpcFailure(error);
      }
    },
    watch: (name, input, options) =>
      watch(async ({ item, end }) => {
        const { lastEventId } = options;
        const wanted = { ...input, ...(lastEventId !== undefined && { lastEventId }) };
        const subscription = clientOf(options).subscription(name, wanted, {
          onData: (envelope) => {
            const { id, data } = envelope as { id: string; data: Json };
            item(data, id);
          },
          onError: (error) => end(trpcFailure(error)),
          onComplete: () => end(),
        });
        return () => subscription.unsubscribe();
      }),
  };
}

interface TrpcError {
  data?: { failure?: unknown };
  meta?: { response?: Response; responseJSON?: unknown };
}

function trpcFailure(error: unknown): FailedOutcome {
  if (!(error instanceof TRPCClientError)) throw error;
  const { data, meta } = error as TrpcError;
  if (data?.failure !== undefined) return failed(Details.parse(data.failure));
  return flatFailure(meta?.responseJSON, meta?.response?.status);
}

// REST

function restDoor(reach: Reach): StreamingDoor {
  function requestOf({ route }: AnyOperation, input: Json, options: WatchOptions, signal?: AbortSignal): Request {
    const [method = "", template = ""] = route.split(" ");
    const rest = { ...input };
    const path = template.replace(/\{(\w+)\}/g, (_braces, name: string) => {
      const value = encodeURIComponent(String(rest[name]));
      delete rest[name];
      return value;
    });
    const hasBody = method === "POST" || method === "PUT" || method === "PATCH";
    const asked = Object.entries(rest).map(([name, value]) => [name, String(value)]);
    const query = new URLSearchParams(hasBody ? [] : asked);
    const { lastEventId } = options;
    return new Request(`${reach.url}/v1${path}${query.size > 0 ? `?${query}` : ""}`, {
      method,
      headers: {
        ...JSON_BODY, ...headersOf(options), ...(signal && { accept: "text/event-stream" }),
        ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
      },
      ...(hasBody && { body: JSON.stringify(rest) }),
      ...(signal && { signal }),
    });
  }

  return {
    name: "rest",
    has: () => true,
    address: (sessionId) => `${reach.url}/v1/sessions/${sessionId}/execute`,
    async call(name, input, options) {
      const operation: AnyOperation = operations[name];
      const response = await reach.fetch(requestOf(operation, input, options));
      if (!response.ok) return flatFailure(await response.json(), response.status);
      const { status: http } = response;
      if (http === 204) return { ok: true, value: undefined, http };
      return { ok: true, value: published(await response.json(), jsonSchemaOf(operation.output)), http };
    },
    watch(name, input, options) {
      const gone = new AbortController();
      return watch(async (sink) => {
        const request = requestOf(subscriptions[name], input, options, gone.signal);
        const broken = (error: unknown) => sink.end(gone.signal.aborted ? undefined : failed({ code: String(error) }));
        void readFrames(name, request, reach, sink).catch(broken);
        return () => gone.abort();
      });
    },
  };
}

/** REST adds the names that other released clients read: what the contract does not know is left out, at any depth. */
function published(value: unknown, schema: JsonSchema, defs = schema.$defs ?? {}): unknown {
  const { items, properties } = resolved(value, schema, defs);
  if (Array.isArray(value)) return items ? value.map((item) => published(item, items, defs)) : value;
  if (typeof value !== "object" || value === null || !properties) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, member]) =>
    Object.hasOwn(properties, name) ? [[name, published(member, properties[name]!, defs)]] : []));
}

async function readFrames(name: SubscriptionName, request: Request, reach: Reach, sink: WatchSink): Promise<void> {
  const { item, end } = sink;
  const response = await reach.fetch(request);
  if (!response.ok) return end(flatFailure(await response.json(), response.status));
  for await (const { event, id, data } of framesOf(response.body!)) {
    if (name === "sessions.sendStream") item(fromSuperset(data), id);
    else if (event === "error") return end(flatFailure(data, statusOf(String(data["code"]))));
    else if (event !== "done") item(data, id);
  }
  end();
}

/** One released client reads a record or result from the top level of its frame, another from a member: this one. */
function fromSuperset(data: Json): Json {
  const { type, cursor } = data;
  if (type === "tool_result") return { type, cursor, tool_call: data["toolCall"] };
  if (type === "done") return { type, cursor, result: data["result"] };
  return data;
}

interface Frame {
  event: string;
  id: string | undefined;
  data: Json;
}

/** Read as released clients do: an empty line ends a frame, which has one `data:` line; a comment is its own frame. */
async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  let text = "";
  for await (const chunk of textOf(body)) {
    const frames = (text + chunk).split("\n\n");
    text = frames.pop()!;
    for (const frame of frames) {
      const { event = "", id, data } = Object.fromEntries(frame.split("\n").map(fieldOf));
      if (data !== undefined) yield { event, id, data: JSON.parse(data) as Json };
    }
  }
}

const fieldOf = (line: string): [name: string, value: string] =>
  [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)];

async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const chunks = body as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>;
  for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
}

// MCP

/** Has only tools: an execution is a call of the tool in the session that the URL names. */
function mcpDoor(reach: Reach): WireDoor {
  return {
    name: "mcp",
    has: (name) => name === "tools.execute",
    address: (sessionId) => `${reach.url}/v1/sessions/${sessionId}/mcp`,
    async call(_name, { session_id, tool, input = {} }, options) {
      let refusal: FailedOutcome | undefined;
      const fetch = async (url: string | URL | Request, init?: RequestInit) => {
        const response = await fetchOf(reach)(url, init);
        const { status } = response;
        // A client asks for a stream of its own, and goes on without when it is told that there is none.
        if (status >= 400 && status !== 405) refusal = flatFailure(await response.clone().json(), status);
        return response;
      };
      const client = new McpClient({ name: "test", version: "1.0.0" });
      const url = new URL(`${reach.url}/v1/sessions/${encodeURIComponent(String(session_id))}/mcp`);
      try {
        const requestInit = { headers: headersOf(options) };
        await client.connect(new StreamableHTTPClientTransport(url, { fetch: fetch as never, requestInit }));
        const { structuredContent } = await client.callTool({ name: String(tool), arguments: input as Json });
        if ("success" in (structuredContent as Json)) return { ok: true, value: structuredContent };
        // The result of a tool carries no status: the one that belongs to its code stands in.
        return flatFailure(structuredContent, statusOf(String((structuredContent as Json)["code"])));
      } catch (error) {
        if (refusal) return refusal;
        throw error;
      } finally {
        await client.close();
      }
    },
  };
}

// Watches

interface WatchSink {
  item(item: Json, id?: string): void;
  end(failure?: FailedOutcome): void;
}

/** Begins reading at once. `open` answers how to let go. */
function watch(open: (sink: WatchSink) => Promise<() => void>): Watch {
  const items: Json[] = [];
  const ids: string[] = [];
  let end: WatchSink["end"] = () => {};
  const ended = new Promise<FailedOutcome | undefined>((resolve) => (end = resolve));
  const opened = open({
    end,
    item: (item, id) => {
      items.push(item);
      if (id !== undefined) ids.push(id);
    },
  });
  opened.catch((error: unknown) => end(failed({ code: String(error) })));
  return {
    items, ids, ended,
    stop: async () => {
      const letGo = await opened;
      letGo();
      end();
    },
  };
}
