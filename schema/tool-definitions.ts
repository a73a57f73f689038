/**
 * The meta-tools as a model is shown them, in the shape of the Anthropic API. Every word here is paid for in every
 * request, so bounds, patterns and formats stay out: the door checks them and names the field that is wrong.
 */
import type { z } from "zod";
import { toolSets, type ToolSet } from "./meta-tools/index.ts";
import { amountUnits } from "./money.ts";
import type { MetaTool } from "./meta-tools/meta-tool.ts";
import { readFields, type WireField, type WireSchema } from "./wire-schema.ts";

/** The JSON Schema of one argument: always one type, so that every model and client can read it. */
export interface ToolProperty {
  type: "string" | "integer" | "number" | "boolean" | "object" | "array";
  description?: string;
  enum?: readonly (string | number | boolean)[];
  default?: string;
  items?: ToolProperty;
  properties?: Record<string, ToolProperty>;
  required?: string[];
}

export interface ToolInputSchema {
  type: "object";
  properties: Record<string, ToolProperty>;
  required: string[];
}

export interface ToolDefinition {
  name: string;
  description: string;
  input_schema: ToolInputSchema;
}

/**
 * The meta-tools of a set, in the order of the contract. Built once; callers do not change it.
 *
 * unit  in which the amounts will be read that a caller may write in either: a model writes what it is shown
 */
export const toolDefinitions = (unit: "minor" | "major" = "minor", set: ToolSet = "core9"): readonly ToolDefinition[] => definitions[set][unit];

export const toolDefinition = (tool: MetaTool): ToolDefinition =>
  ({ name: tool.name, description: tool.description, input_schema: inputSchemaOf(tool.shown, tool.advertisedRequired) });

/** The arguments of any tool, in the schema that every model and client can read. */
export function inputSchemaOf(arguments_: z.ZodObject, alsoRequired: readonly string[] = []): ToolInputSchema {
  const fields = readFields(arguments_);
  const required = requiredOf(fields);
  for (const name of alsoRequired) if (!required.includes(name)) required.push(name);
  return { type: "object", properties: propertiesOf(fields, required), required };
}

const requiredOf = (fields: readonly WireField[]): string[] =>
  fields.filter((field) => !field.optional).map((field) => field.name);

const propertiesOf = (fields: readonly WireField[], required: readonly string[]): Record<string, ToolProperty> =>
  Object.fromEntries(fields.map((field) => [field.name, propertyOf(field, required.includes(field.name))]));

function propertyOf(schema: WireSchema, required: boolean): ToolProperty {
  const description = schema.description ?? formatHint(schema);
  // Which method or currency applies when none is given changes the outcome; a quantity of 1 is what anyone assumes.
  const fallback = !required && typeof schema.default === "string" ? schema.default : undefined;
  return {
    ...typeOf(schema),
    ...(description !== undefined && { description }),
    ...(fallback !== undefined && { default: fallback }),
  };
}

function typeOf({ shape }: WireSchema): ToolProperty {
  switch (shape.kind) {
    case "enum":
      return { type: "string", enum: shape.values };
    case "literal":
      return { type: typeof shape.values[0] as "string" | "number" | "boolean", enum: shape.values };
    case "list":
      return { type: "array", items: propertyOf(shape.element, true) };
    case "object": {
      const required = requiredOf(shape.fields);
      const properties = propertiesOf(shape.fields, required);
      return { type: "object", properties, ...(required.length > 0 && { required }) };
    }
    case "choice":
    case "record":
    case "json":
      return { type: "object" };
    default:
      return { type: shape.kind };
  }
}

const formatHint = ({ shape }: WireSchema): string | undefined =>
  shape.kind === "string" && shape.format === "date" ? "YYYY-MM-DD" : undefined;

const MAJOR: ToolProperty = { type: "number", description: "major units: R$150.00 is 150" };

function inMajorUnits(tool: ToolDefinition): ToolDefinition {
  const copy = structuredClone(tool);
  for (const [path, { unit, mayBeMajor }] of Object.entries(amountUnits)) {
    const [name, ...fields] = path.split(".");
    if (name !== tool.name || unit !== "minor" || !mayBeMajor) continue;
    const holder = fields.slice(0, -1).reduce<Record<string, ToolProperty> | undefined>(
      (at, field) => at?.[field]?.items?.properties, copy.input_schema.properties,
    );
    const last = fields[fields.length - 1]!;
    if (holder && Object.hasOwn(holder, last)) holder[last] = MAJOR;
  }
  return copy;
}

function inBothUnits(tools: readonly MetaTool[]): Record<"minor" | "major", readonly ToolDefinition[]> {
  const minor = tools.map(toolDefinition);
  return { minor, major: minor.map(inMajorUnits) };
}

const definitions = { core9: inBothUnits(toolSets.core9), all: inBothUnits(toolSets.all) };
