/** The examples of the OpenAPI document are what the server really reads and sends: each is played through REST against a door that answers it. */
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { operations, subscriptions } from "../../../schema/index.ts";
import type { Operation, Subscription } from "../../../schema/operation.ts";
import { createHttp } from "../../../src/surfaces/http.ts";
import { openApiDocument } from "../../../src/surfaces/rest/openapi.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { scriptedDoor, type Script } from "../../support/scripted-door.ts";

interface Media {
  schema: { allOf?: [unknown, { properties: { code: { enum: string[] } } }] };
  example?: unknown;
  examples?: Record<string, { value?: unknown; $ref?: string }>;
}

interface Described {
  parameters?: { name: string; in: string; example?: unknown; schema?: { examples?: unknown[] }; $ref?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}

const document = openApiDocument() as { paths: Record<string, Record<string, Described>>; components: { examples: Record<string, { value: { code: string } }> } };

const described = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).filter(([method]) => method !== "parameters").map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const));

const at = (route: string): Described => described.find(([there]) => there === route.replace(" ", " /v1"))![1];

const valuesOf = (media: Media | undefined): unknown[] => Object.values(media?.examples ?? {}).map(({ value }) => value);

describe.each(described.filter(([route]) => route.includes(" /v1/")))("%s shows", (_route, { parameters = [], requestBody, responses }) => {
  test("an example of every argument in the path and the query", () => {
    const silent = parameters.filter((parameter) => parameter.$ref === undefined && (parameter.example ?? parameter.schema?.examples) === undefined);
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  test("an example of every body, asked and answered", () => {
    const bodies = [requestBody, ...Object.values(responses)].flatMap((body) => Object.values(body?.content ?? {}));
    for (const media of bodies) expect(media.example ?? Object.keys(media.examples ?? {})[0], JSON.stringify(media.schema).slice(0, 200)).toBeDefined();
  });

  test("the body of every failure it names", () => {
    for (const { content } of Object.values(responses)) {
      const media = content?.["application/json"];
      const codes = media?.schema.allOf?.[1].properties.code.enum ?? [];
      for (const code of codes) {
        expect(media!.examples).toHaveProperty(code, { $ref: `#/components/examples/${code}` });
        expect(document.components.examples[code]?.value.code).toBe(code);
      }
    }
  });
});

function start(script: Script) {
  const door = scriptedDoor(script);
  const clock = new FakeClock();
  const nothing = async () => new Response();
  const http = createHttp({
    door, clock, log: pino({ level: "silent" }), graphql: { handle: () => {}, fetch: nothing }, trpc: { fetch: nothing },
    notifications: nothing, identities: { issuer: () => "did:web:localhost", document: async () => undefined },
    connectPage: nothing, ready: async () => ({ ok: true, checks: {} }),
  });
  return { door, clock, http };
}

/** The request that the document describes: its parameters show the arguments of the first example that has them, its bodies are one an example. */
function requestOf(route: string, { parameters = [], requestBody }: Described, { input, index }: { input: object; index: number }): Request {
  const [method, path] = route.split(" ") as [string, string];
  const given = (place: string) => parameters.filter((parameter) => parameter.in === place && parameter.name in input)
    .map(({ name, example }): [string, unknown] => [name, index === 0 ? example : (input as Record<string, unknown>)[name]]);
  const filled = given("path").reduce((text, [name, value]) => text.replace(`{${name}}`, encodeURIComponent(String(value))), path);
  const query = new URLSearchParams(given("query").map(([name, value]) => [name, String(value)]));
  const body = requestBody && { body: JSON.stringify(valuesOf(requestBody.content["application/json"])[index]) };
  return new Request(`http://localhost/v1${filled}?${query.toString()}`, { method, headers: { authorization: "Bearer csk_test_1" }, ...body });
}

const asText = (input: unknown): Record<string, unknown> =>
  Object.fromEntries(Object.entries(input as object).map(([name, value]) => [name, typeof value === "object" ? value : String(value)]));

const unary = (Object.values(operations) as Operation[]).flatMap((operation) =>
  (operation.examples ?? []).map((example, index) => [`${operation.name} ${example.shows ?? ""}`, operation, example, index] as const));

test.each(unary)("the server reads and answers the example of %s", async (_title, { name, route }, { input, output }, index) => {
  const operation = at(route);
  const { door, http } = start({ operations: { [name]: () => output } });
  const response = await http.fetch(requestOf(route, operation, { input: input as object, index }));
  expect(asText(door.calls[0]?.input)).toEqual(asText(input));
  const answers = valuesOf(operation.responses[response.status]?.content?.["application/json"]);
  expect(response.status === 204 ? [] : answers).toEqual(response.status === 204 ? [] : expect.arrayContaining([await response.json()]));
});

const streams = (Object.values(subscriptions) as Subscription[]).flatMap((stream) =>
  (stream.examples ?? []).slice(0, 1).map((example) => [stream.name, stream, example] as const));

test.each(streams)("the server streams the example of %s", async (name, { route }, { input, items }) => {
  const operation = at(route);
  const idOf = (item: unknown, index: number) => (item as { cursor?: string }).cursor ?? String(index + 1);
  async function* source() {
    for (const [index, item] of items.entries()) yield { id: idOf(item, index), item };
  }
  const { door, clock, http } = start({ subscriptions: { [name]: source } });
  const response = await http.fetch(requestOf(route, operation, { input: input as object, index: 0 }));
  const text = response.text();
  for (let turn = 0; turn < 20; turn++) await clock.advance(turn === 19 ? 6_000 : 0);
  expect(asText(door.calls[0]?.input)).toEqual(asText(input));
  expect(await text).toContain(valuesOf(operation.responses["200"]!.content!["text/event-stream"])[0]);
});
