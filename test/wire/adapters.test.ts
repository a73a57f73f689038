/** The tools as twelve frameworks are handed them: what each adapter makes of our list, and what it gets by calling one. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { adapters, claudeBlock, langchainField } from "./support/adapters.ts";
import type { ToolRow } from "./support/requests.ts";
import { cli } from "./support/cli.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
/** Every server there is, twenty a session: the whole of what may be advertised. */
const ids = (await cli(wire.client).serversList()).map(([id]) => id!);
const twenties = Array.from({ length: Math.ceil(ids.length / 20) }, (_, nth) => ids.slice(nth * 20, nth * 20 + 20));
const sessions = await Promise.all(twenties.map((servers) => typescriptSdk(wire.client).create("maria", { servers })));
const lists = await Promise.all(sessions.map((session) => session.tools()));
const session = await typescriptSdk(wire.client).create("maria", { servers: ["asaas"] });
const tools = await session.tools();

const TYPES = ["string", "integer", "number", "boolean", "object", "array"];

const REFUSED = ["$schema", "$ref", "$defs", "anyOf", "oneOf", "allOf", "additionalProperties", "const", "not"];

/** A schema and all the schemas in it. */
function* within(schema: Record<string, any>, path: string): Generator<[string, Record<string, any>]> {
  yield [path, schema];
  for (const [name, property] of Object.entries(schema["properties"] ?? {})) yield* within(property as Record<string, any>, `${path}.${name}`);
  if (schema["items"]) yield* within(schema["items"], `${path}[]`);
}

describe.each(lists.map((list) => [`${list.length} tools`, list] as const))("a list of %s", (_size, list: ToolRow[]) => {
  test("has each name once, in the alphabet of every model API", () => {
    const names = list.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/);
  });

  test("says of each tool what it does and whose it is", () => {
    for (const { name, description, server } of list) {
      expect(description.length).toBeGreaterThan(0);
      expect(server).toBe(name.includes("__") ? name.slice(0, name.indexOf("__")) : "codespar");
    }
  });

  test("has schemas of objects, with properties and a list of the required ones", () => {
    for (const { name, input_schema: schema } of list) {
      expect(schema, name).toMatchObject({ type: "object", properties: expect.any(Object), required: expect.any(Array) });
      for (const required of schema["required"] as string[]) expect(Object.keys(schema["properties"] as object), name).toContain(required);
    }
  });

  test("has one type for each property, however deep, and nothing of JSON Schema that Gemini refuses", () => {
    for (const { name, input_schema } of list) for (const [path, schema] of within(input_schema, name)) {
      expect(TYPES, path).toContain(schema["type"]);
      for (const word of REFUSED) expect(Object.keys(schema), path).not.toContain(word);
    }
  });
});

describe("published definitions that the agents were written against", () => {
  const published = (name: string) => {
    const { properties, required } = tools.find((tool) => tool.name === name)!.input_schema as { properties: object; required: string[] };
    return { properties: Object.keys(properties).sort(), required: required.toSorted() };
  };

  test("of codespar_invoice have these arguments, and require the type", () => {
    expect(published("codespar_invoice")).toEqual({
      properties: ["action", "correction", "dueDate", "invoice_id", "items", "reason", "recipient", "type"], required: ["type"],
    });
  });

  test("of codespar_notify have these arguments, and require channel and recipient", () => {
    expect(published("codespar_notify")).toEqual({ properties: ["channel", "message", "template", "to", "variables"], required: ["channel", "to"] });
  });

  test("of codespar_pay require the action alone, and have what a payment and a status read need", () => {
    const { properties, required } = published("codespar_pay");
    expect(required).toEqual(["action"]);
    const needed = ["action", "amount", "copia_e_cola", "currency", "description", "method", "payment_id", "recipient"];
    expect(properties).toEqual(expect.arrayContaining(needed));
  });
});

test("every name is taken by execute as it is advertised, and echoed", async () => {
  for (const name of new Set(lists.flat().map((tool) => tool.name))) {
    const result = await session.execute(name, {});
    expect(result.tool).toBe(name);
    if (!result.success) expect(result.error, name).not.toMatch(/^Tool not registered/);
  }
});

describe("an adapter's tools", () => {
  test.each(Object.keys(adapters) as (keyof typeof adapters)[])("of %s are as many as ours, all named and described", (name) => {
    const made = adapters[name](session, tools);
    const each = Array.isArray(made)
      ? made.map((tool) => ("function" in tool ? tool.function : tool))
      : Object.entries(made).map(([key, tool]) => ({ name: key, ...tool }));
    expect(each.map((tool) => tool.name)).toEqual(tools.map((tool) => tool.name));
    for (const tool of each) expect(tool.description).toEqual(expect.stringMatching(/./));
  });

  test("of Gemini are rebuilt from properties and required alone, and lose nothing", () => {
    for (const [at, { parameters }] of adapters["google-genai"](session, tools).entries()) expect(parameters).toEqual(tools[at]!.input_schema);
  });

  test("of LangChain have a type of its own for every argument that is no text", () => {
    const charge = adapters.langchain(session, tools).find(({ name }) => name === "codespar_charge")!;
    expect(charge.schema).toMatchObject({ amount: "number", currency: "string", method: "string", description: "string?", buyer: "record" });
    for (const { name, input_schema } of tools) {
      const properties = Object.entries(input_schema["properties"] as Record<string, { type: string }>);
      for (const [field, property] of properties) expect(langchainField(property, true) === "string", `${name}.${field}`).toBe(property.type === "string");
    }
  });

  test("are called under their advertised names: data as text, data as it is, or the error thrown", async () => {
    const text = await adapters.langchain(session, tools).find(({ name }) => name === "codespar_charge")!.invoke(mariaCharge);
    expect(JSON.parse(text as string)).toMatchObject({ status: "pending", amount: 15000 });
    const customer = { name: "Maria", cpfCnpj: "11144477735" };
    expect(await adapters.vercel(session, tools)["asaas__create_customer"]!.execute(customer)).toMatchObject({ name: "Maria" });
    expect(await adapters.mastra(session, tools)["asaas__create_customer"]!.execute({ context: customer })).toMatchObject({ name: "Maria" });
    await expect(adapters.crewai(session, tools).find(({ name }) => name === "codespar_charge")!.run({})).rejects.toThrow(/amount/);
  });

  test("of Claude are answered by a block: the data, or the error marked as one", async () => {
    expect(JSON.parse(claudeBlock(await session.execute("codespar_discover", { use_case: "charge" })).content)).toMatchObject({ use_case: "charge" });
    const failed = claudeBlock(await session.execute("codespar_discover", {}));
    expect([failed.is_error, typeof JSON.parse(failed.content).error]).toEqual([true, "string"]);
  });
});
