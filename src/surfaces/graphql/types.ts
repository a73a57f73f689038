/**
 * GraphQL types read from the wire side of zod schemas: one type for each name, made when it is first met. A schema
 * without a name is named after where it stands; what GraphQL has no type for is `Json`. So no schema needs an entry
 * anywhere.
 */
import type SchemaBuilder from "@pothos/core";
import type { CallerContext } from "../../door.ts";
import { camelCase, pascalCase, sentence } from "../names.ts";
import type { WireField, WireSchema } from "../../../schema/wire-schema.ts";
import { scalarCoercion } from "./scalars.ts";

/** What resolvers are given beside their arguments. */
export interface GraphqlContext {
  caller: CallerContext;
  request: Request;
}

export type Builder = InstanceType<typeof SchemaBuilder<{ Context: GraphqlContext }>>;

/** A Pothos type. Pothos infers shapes from static types; ours come from values, so they are `any` to it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type TypeRef = any;

export interface Types {
  /** `name` is for a schema that has none of its own. */
  output(schema: WireSchema, name: string): TypeRef;
  /** The fields of an object as arguments, and how to respell their values for the door. */
  args(fields: readonly WireField[], owner: string): { args: TypeRef; respell: RespellObject };
}

/** From what GraphQL coerced to what the door reads. */
type Respell = (value: unknown) => unknown;
type RespellObject = (values: object) => Record<string, unknown>;

const unlessNull = (respell: Respell): Respell => (value) => (value === null ? null : respell(value));

export function createTypes(builder: Builder): Types {
  const named = new Map<string, { ref: TypeRef; fingerprint: string }>();

  /** What has no type of its own: records, free JSON, and what GraphQL cannot say. */
  const json = once("Json", JSON_SCHEMA, () => scalarType(builder, "Json", JSON_SCHEMA));

  /** Two different types of one name are a mistake in the contract, found at start. */
  function once(name: string, schema: WireSchema, make: () => TypeRef): TypeRef {
    const fingerprint = JSON.stringify(schema.shape);
    const known = named.get(name);
    if (known?.fingerprint === fingerprint) return known.ref;
    if (known !== undefined) throw new Error(`GraphQL: two different types are named ${name}`);
    const ref = make();
    named.set(name, { ref, fingerprint });
    return ref;
  }

  function leaf(schema: WireSchema, name: string): TypeRef {
    const { shape, id } = schema;
    const own = id ?? name;
    if (shape.kind === "enum") return once(own, schema, () => enumType(builder, own, schema, shape.values));
    const plain = id === undefined ? builtIn(schema) : undefined;
    if (plain !== undefined) return plain;
    return id === undefined ? json : once(id, schema, () => scalarType(builder, id, schema));
  }

  function output(schema: WireSchema, name: string): TypeRef {
    const { shape } = schema;
    const own = schema.id ?? name;
    switch (shape.kind) {
      case "list":
        return shape.element.shape.kind === "list" ? [json] : [output(shape.element, name)];
      case "object":
        return once(own, schema, () => objectType(own, schema, shape.fields));
      case "choice":
        return once(own, schema, () => unionType(own, schema, shape.discriminator, shape.members));
      default:
        return leaf(schema, name);
    }
  }

  function objectType(name: string, schema: WireSchema, fields: readonly WireField[]): TypeRef {
    const types = fields.map((field) => output(field, name + pascalCase(field.name)));
    return builder.objectRef<TypeRef>(name).implement({
      description: schema.typeDescription ?? sentence(name),
      fields: (t) => respelled(fields, (field, index) =>
        t.field({
          type: types[index],
          description: field.description ?? sentence(field.name),
          nullable: nullability(field),
          resolve: (parent) => parent[field.name],
        })),
    });
  }

  function unionType(name: string, schema: WireSchema, discriminator: string, members: readonly WireSchema[]): TypeRef {
    const types = members.map((member, index) => output(member, `${name}${index + 1}`));
    const byValue = new Map(members.flatMap((member, index) =>
      discriminatorValues(member, discriminator).map((value) => [value, types[index]] as const)));
    return builder.unionType(name, {
      description: schema.typeDescription ?? sentence(name),
      types,
      resolveType: (item: TypeRef) => byValue.get(item[discriminator]),
    });
  }

  /** An input type, and how its values are respelled; no `respell` where they pass as they are. */
  function input(schema: WireSchema, name: string): { type: TypeRef; respell?: Respell } {
    const { shape } = schema;
    if (shape.kind === "choice") return { type: json };
    if (shape.kind === "list") {
      const { type, respell } = shape.element.shape.kind === "list" ? { type: json } : input(shape.element, name);
      return { type: [type], ...(respell && { respell: (items) => (items as unknown[]).map(unlessNull(respell)) }) };
    }
    if (shape.kind !== "object") return { type: leaf(schema, name) };
    const own = `${schema.id ?? name}Input`;
    const { define, respell } = inputFields(shape.fields, schema.id ?? name);
    const type = once(own, schema, () =>
      builder.inputType(own, { description: schema.typeDescription ?? sentence(schema.id ?? name), fields: define }));
    return { type, respell: (value) => respell(value as object) };
  }

  function inputFields(fields: readonly WireField[], owner: string) {
    const inputs = fields.map((field) => input(field, owner + pascalCase(field.name)));
    const define = (t: TypeRef) =>
      respelled(fields, (field, index) => t.field({ type: inputs[index]!.type, ...inputOptions(field) }));
    const written = respelled(fields, (field, index) => ({ field, respell: inputs[index]!.respell }));
    const respell: RespellObject = (values) => {
      const wire: Record<string, unknown> = {};
      for (const [name, value] of Object.entries(values)) {
        const { field, respell: deeper } = written[name]!;
        // Clients send null for what they leave out; the door knows null only where the contract does.
        if (value === null && !field.nullable) continue;
        wire[field.name] = deeper === undefined ? value : unlessNull(deeper)(value);
      }
      return wire;
    };
    return { define, respell };
  }

  function args(fields: readonly WireField[], owner: string): ReturnType<Types["args"]> {
    const { define, respell } = inputFields(fields, owner);
    return { args: builder.args(define), respell };
  }

  return { output, args };
}

const JSON_SCHEMA: WireSchema = {
  shape: { kind: "json" }, id: "Json", typeDescription: "Any JSON value.", description: undefined,
  optional: false, nullable: false, default: undefined,
};

const builtIns = { string: "String", integer: "Int", number: "Float", boolean: "Boolean" } as const;

function builtIn({ shape }: WireSchema): string | undefined {
  if (shape.kind !== "literal") return builtIns[shape.kind as keyof typeof builtIns];
  const [value] = shape.values;
  return Number.isInteger(value) ? "Int" : builtIns[typeof value as "string" | "number" | "boolean"];
}

function scalarType(builder: Builder, name: string, schema: WireSchema): TypeRef {
  const description = schema.typeDescription ?? sentence(name);
  return (builder.scalarType as TypeRef)(name, { description, ...scalarCoercion(name, schema.shape) });
}

function enumType(builder: Builder, name: string, schema: WireSchema, values: readonly string[]): TypeRef {
  const byName = Object.fromEntries(values.map((value) => [enumName(value), { value }]));
  if (Object.keys(byName).length < values.length) throw new Error(`GraphQL: two values of ${name} have one spelling`);
  return builder.enumType(name, { description: schema.typeDescription ?? sentence(name), values: byName });
}

/** `risk-score` as `risk_score`, `2fa` as `_2fa`. */
const enumName = (value: string): string =>
  value.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d|$|(true|false|null)$)/, "_");

function discriminatorValues({ shape }: WireSchema, discriminator: string): readonly unknown[] {
  const field = shape.kind === "object" ? shape.fields.find((each) => each.name === discriminator)?.shape : undefined;
  return field?.kind === "literal" || field?.kind === "enum" ? field.values : [];
}

/** A map of fields under their GraphQL names. */
function respelled<Made>(
  fields: readonly WireField[], make: (field: WireField, index: number) => Made,
): Record<string, Made> {
  const byName = Object.fromEntries(fields.map((field, index) => [camelCase(field.name), make(field, index)]));
  if (Object.keys(byName).length === fields.length) return byName;
  throw new Error(`GraphQL: two of these have one spelling: ${fields.map(({ name }) => name).join(", ")}`);
}

const isNull = (schema: WireSchema): boolean => schema.optional || schema.nullable;

const nullability = (schema: WireSchema): TypeRef =>
  schema.shape.kind === "list" ? { list: isNull(schema), items: isNull(schema.shape.element) } : isNull(schema);

function inputOptions(field: WireField): object {
  const required = !isNull(field);
  return {
    description: field.description ?? sentence(field.name),
    required: field.shape.kind === "list" ? { list: required, items: !isNull(field.shape.element) } : required,
    // An object cannot be written as the default of a scalar in a schema; the door supplies it all the same.
    ...(field.default !== undefined && !isObject(field.default) && { defaultValue: field.default }),
  };
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
