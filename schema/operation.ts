/**
 * What an operation is. Each one is defined once; GraphQL, tRPC, REST, OpenAPI and MCP are projections of the definition.
 *
 * A value that is not JSON (a date, an amount) is a `z.codec(wire, domain)`. The door parses input, runs the handler on
 * domain values and encodes its result, so every projection describes the wire side (`io: "input"`) of both schemas.
 */
import { z } from "zod";
import type { FailureCode } from "./failures.ts";
import { storable } from "./storable.ts";

/** What an operation may do. Said once, read by every surface: GraphQL kind, HTTP method, MCP hint, idempotency. */
export type Effect = "reads" | "writes" | "moves_money";

/** What a key can be allowed. `*` in a key's scopes allows all. */
export const scopes = [
  "sessions:create",
  "sessions:read",
  "tools:execute",
  "tool-calls:read",
  "connections:read",
  "connections:write",
  "servers:read",
  "rails:read",
  "ledger:read",
  "keys:read",
  "keys:write",
  "projects:read",
  "projects:write",
  "consents:read",
  "consents:write",
  "mandates:read",
  "mandates:write",
  "mandates:spend",
  "wallets:read",
  "wallets:write",
] as const;

/** What a key must be allowed for an operation; `none` is for every key. */
export type Scope = (typeof scopes)[number] | "none";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Route = `${Method} /${string}`;

/** One call as it reads on the wire. Written once; OpenAPI and the page at /docs spell it as REST. */
export interface Example<Input extends z.ZodType, Output extends z.ZodType> {
  /** What it shows, in a few words, where an operation has several. */
  readonly shows?: string;
  readonly input: Wire<Input>;
  readonly output: Wire<Output>;
}

/** One stream: what was asked for, and items as they follow each other. */
export interface StreamExample<Input extends z.ZodType, Item extends z.ZodType> {
  readonly shows?: string;
  readonly input: Wire<Input>;
  readonly items: readonly Wire<Item>[];
}

export interface Operation<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
  Does extends Effect = Effect,
> {
  readonly kind: "unary";
  /** `subject.verb`; a surface respells it and decides nothing. */
  readonly name: Name;
  /** Its field in the graph, where nouns read better than verbs: `paymentStatus`. */
  readonly field: string;
  readonly summary: string;
  readonly effect: Does;
  readonly scope: Scope;
  /** Method and path under /v1; `{name}` is an input field of that name. */
  readonly route: Route;
  /** HTTP status of success, where it is not 200. */
  readonly successStatus?: 201 | 204;
  readonly input: Input;
  readonly output: Output;
  readonly errors: readonly FailureCode[];
  /** The first is the one to show where there is room for one. Together they name every argument of the path and the query. */
  readonly examples?: readonly Example<Input, Output>[];
}

/** An operation that answers with many items over time. A surface turns it into its own kind of stream. */
export interface Subscription<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Item extends z.ZodType = z.ZodType,
> {
  readonly kind: "stream";
  readonly name: Name;
  readonly field: string;
  readonly summary: string;
  readonly effect: Effect;
  readonly scope: Scope;
  readonly route: Route;
  readonly input: Input;
  /** One item of the stream, as every surface sends it. */
  readonly output: Item;
  readonly errors: readonly FailureCode[];
  readonly examples?: readonly StreamExample<Input, Item>[];
}

export type AnyOperation = Operation | Subscription;

export const operation = <const Name extends string, Input extends z.ZodType, Output extends z.ZodType, const Does extends Effect>(
  definition: Omit<Operation<Name, Input, Output, Does>, "kind">,
): Operation<Name, Input, Output, Does> => ({ kind: "unary", ...definition, input: storable(definition.input) });

export const subscription = <const Name extends string, Input extends z.ZodType, Item extends z.ZodType>(
  definition: Omit<Subscription<Name, Input, Item>, "kind">,
): Subscription<Name, Input, Item> => ({ kind: "stream", ...definition, input: storable(definition.input) });

/** What a caller writes for an operation (JSON). */
export type Wire<Schema extends z.ZodType> = z.input<Schema>;
/** What a handler works with (dates, bigints). */
export type Domain<Schema extends z.ZodType> = z.output<Schema>;

/** JavaScript knows a year 0, PostgreSQL does not. */
function hasYear(text: string): boolean {
  return !text.startsWith("0000");
}

/** A moment on the wire: ISO 8601, UTC, exactly three fraction digits (some released clients read no other form). */
export const Timestamp = z.codec(z.iso.datetime({ precision: 3 }).refine(hasYear, "expected a year from 0001 on"), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString() as `${string}Z`,
}).meta({ id: "Timestamp", description: "ISO 8601, UTC, milliseconds: 2026-11-20T12:00:00.000Z." });

/** Any JSON value, passed through as it is. */
export const Json = z.unknown().meta({ id: "Json", description: "Any JSON value." });

/** How long a page of a list may be. */
export const PAGE_LIMIT_MAX = 100;
export const PAGE_LIMIT_DEFAULT = 50;

/** The arguments every list takes. REST sends them as text, so the limit reads both. */
export const pageInput = {
  limit: z.coerce.number<number | string>().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT)
    .describe(`How many rows, 1 to ${PAGE_LIMIT_MAX}.`),
  before: z.string().optional().describe("`next_before` of the page before, to read on."),
};
