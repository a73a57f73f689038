/** The meta-tools as models are shown them. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { metaTools, toolSets } from "../../schema/meta-tools/index.ts";
import { AmountArgument, metaTool, type MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import { CurrencyCode } from "../../schema/money.ts";
import { toolDefinition, toolDefinitions, type ToolProperty } from "../../schema/tool-definitions.ts";

/** What one request may spend on them: four characters a token. */
const TOKENS_MAX = 1_800;

test("all nine together cost a model at most 1,800 tokens", () => {
  const tokens = JSON.stringify(toolDefinitions()).length / 4;
  console.log(`nine tool definitions: ${Math.ceil(tokens)} tokens by characters/4`);
  expect(tokens).toBeLessThanOrEqual(TOKENS_MAX);
});

test("they come in the order of the contract, the same at every call", () => {
  expect(toolDefinitions().map((tool) => tool.name)).toEqual(toolSets.core9.map(({ name }) => name));
  expect(JSON.stringify(toolDefinitions())).toBe(JSON.stringify(toolDefinitions()));
});

describe.each(toolDefinitions("minor", "all").map((tool) => [tool.name, tool] as const))("%s", (name, tool) => {
  test("is one object whose required arguments are all there", () => {
    expect(Object.keys(tool.input_schema)).toEqual(["type", "properties", "required"]);
    expect(tool.input_schema.type).toBe("object");
    expect(Object.keys(tool.input_schema.properties)).toEqual(expect.arrayContaining(tool.input_schema.required));
    const { advertisedRequired } = metaTools[name as keyof typeof metaTools];
    expect(tool.input_schema.required).toEqual(expect.arrayContaining([...advertisedRequired]));
  });

  test("says one type for each argument, and nothing a model has no use for", () => {
    const known = new Set(["type", "description", "enum", "default", "items", "properties", "required"]);
    for (const property of everyProperty(tool.input_schema.properties)) {
      expect(typeof property.type).toBe("string");
      expect(Object.keys(property).filter((key) => !known.has(key))).toEqual([]);
    }
  });
});

test("where a project's amounts are read in major units, every amount that may be is shown so, and no other", () => {
  const amountsOf = (unit: "minor" | "major") => Object.fromEntries(toolDefinitions(unit).map(({ name, input_schema: { properties } }) =>
    [name, (properties["items"]?.items?.properties?.["amount"] ?? properties["amount"])?.description]));
  const [minor, major] = [amountsOf("minor"), amountsOf("major")];
  expect(major).toEqual({
    ...minor, codespar_charge: "major units: R$150.00 is 150", codespar_invoice: "major units: R$150.00 is 150",
  });
  expect(minor["codespar_charge"]).toMatch(/^minor units/);
});

test("a definition says what its fields are on the wire", () => {
  const tool = metaTool({
    name: "codespar_try", description: "Try.", effect: "reads",
    shown: {
      amount: AmountArgument.describe("minor units"),
      currency: CurrencyCode.default("BRL"),
      mode: z.enum(["a", "b"]).default("a"),
      due: z.iso.date().optional(),
      parts: z.array(z.object({ weight: z.number().positive(), note: z.string().max(5).optional() })).optional(),
      extra: z.record(z.string(), z.unknown()).optional(),
      limit: z.number().default(5),
    },
    advertisedRequired: ["mode"],
    output: z.object({}),
  });
  expect(toolDefinition(tool as unknown as MetaTool).input_schema).toEqual({
    type: "object",
    properties: {
      amount: { type: "integer", description: "minor units" },
      currency: { type: "string", default: "BRL" },
      mode: { type: "string", enum: ["a", "b"] },
      due: { type: "string", description: "YYYY-MM-DD" },
      parts: {
        type: "array",
        items: {
          type: "object", properties: { weight: { type: "number" }, note: { type: "string" } }, required: ["weight"],
        },
      },
      extra: { type: "object" },
      limit: { type: "number" },
    },
    required: ["amount", "mode"],
  });
});

function* everyProperty(properties: Record<string, ToolProperty>): Generator<ToolProperty> {
  for (const property of Object.values(properties)) {
    yield property;
    if (property.items !== undefined) yield* everyProperty({ items: property.items });
    if (property.properties !== undefined) yield* everyProperty(property.properties);
  }
}
