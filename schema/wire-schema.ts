/**
 * Reads the wire side of a zod schema: what a caller writes and reads as JSON, whatever the handler makes of it.
 * Projections that speak no JSON Schema (GraphQL) or little of it (a model's tools) are built from it, once at start.
 */
import { z } from "zod";

export type WireShape =
  | { kind: "string"; format: string | undefined }
  | { kind: "integer" | "number" | "boolean" }
  | { kind: "literal"; values: readonly (string | number | boolean)[] }
  | { kind: "enum"; values: readonly string[] }
  | { kind: "list"; element: WireSchema }
  | { kind: "object"; fields: readonly WireField[] }
  /** One of several objects, told apart by the value of `discriminator`. */
  | { kind: "choice"; discriminator: string; members: readonly WireSchema[] }
  /** An object with keys of the caller's. */
  | { kind: "record" }
  /** Any JSON, and what none of the above can say. */
  | { kind: "json" };

export interface WireSchema {
  shape: WireShape;
  /** The name that `.meta({ id })` gave the type, and what it says the type is. */
  id: string | undefined;
  typeDescription: string | undefined;
  /** What this use of the type is. */
  description: string | undefined;
  optional: boolean;
  nullable: boolean;
  /** What stands in when it is absent, where that is plain JSON. */
  default: unknown;
}

export interface WireField extends WireSchema {
  name: string;
}

export function readWire(schema: z.ZodType): WireSchema {
  const { type, innerType, defaultValue, in: source, out: target } = schema.def as WireDef;
  switch (type) {
    case "optional":
      return { ...around(schema, innerType!), optional: true };
    case "nullable":
      return { ...around(schema, innerType!), nullable: true };
    case "default":
    case "prefault":
      return { ...around(schema, innerType!), optional: true, default: plainJson(defaultValue) };
    case "catch":
    case "readonly":
    case "nonoptional":
      return around(schema, innerType!);
    case "pipe":
      return around(schema, source!.def.type === "transform" ? target! : source!);
    default: {
      const shape = readShape(schema);
      return { shape, optional: false, nullable: shape.kind === "json", default: undefined, ...naming(schema) };
    }
  }
}

/** The fields of an object schema, in the order they were written. */
export function readFields(schema: z.ZodType): readonly WireField[] {
  const { shape } = readWire(schema);
  if (shape.kind !== "object") throw new Error(`expected an object schema, not ${shape.kind}`);
  return shape.fields;
}

/** What this file reads of a zod definition; which members are there depends on `type`. */
interface WireDef {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  options?: readonly z.ZodType[];
  discriminator?: string;
  entries?: Record<string, string | number>;
  values?: readonly unknown[];
  defaultValue?: unknown;
}

/** A layer says what it knows (a name, a description); the rest comes from what it wraps. */
function around(schema: z.ZodType, inner: z.ZodType): WireSchema {
  const wrapped = readWire(inner);
  const { id, typeDescription, description } = naming(schema);
  const type = z.globalRegistry.get(schema)?.["type"];
  return {
    ...wrapped,
    ...(type === "integer" && { shape: { kind: "integer" } }),
    ...(id !== undefined && { id, typeDescription }),
    ...(description !== undefined && { description }),
  };
}

function readShape(schema: z.ZodType): WireShape {
  const def = schema.def as WireDef;
  switch (def.type) {
    case "string":
      return { kind: "string", format: (schema as z.ZodString).format ?? undefined };
    case "number":
      return { kind: (schema as z.ZodNumber).isInt ? "integer" : "number" };
    case "boolean":
      return { kind: "boolean" };
    case "literal":
      return { kind: "literal", values: def.values as (string | number | boolean)[] };
    case "enum":
      return { kind: "enum", values: Object.values(def.entries!).map(String) };
    case "array":
      return { kind: "list", element: readWire(def.element!) };
    case "object":
      return {
        kind: "object",
        fields: Object.entries(def.shape!).map(([name, field]) => ({ name, ...readWire(field) })),
      };
    case "union":
      return def.discriminator === undefined
        ? { kind: "json" }
        : { kind: "choice", discriminator: def.discriminator, members: def.options!.map(readWire) };
    case "record":
      return { kind: "record" };
    default:
      return { kind: "json" };
  }
}

/**
 * `.describe()` on a named schema makes an unnamed copy that remembers its parent: the name is the parent's,
 * the description is about this use.
 */
function naming(schema: z.ZodType): Pick<WireSchema, "id" | "typeDescription" | "description"> {
  const description = z.globalRegistry.get(schema)?.description;
  for (
    let origin: z.core.$ZodType | undefined = schema;
    origin !== undefined && origin._zod.def === schema._zod.def;
    origin = origin._zod.parent
  ) {
    const meta = z.globalRegistry.get(origin);
    if (meta?.id === undefined) continue;
    return {
      id: meta.id,
      typeDescription: meta.description,
      description: description === meta.description ? undefined : description,
    };
  }
  return { id: undefined, typeDescription: undefined, description };
}

function plainJson(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
    return plain ? value : undefined;
  }
  return typeof value === "bigint" ? undefined : value;
}
