/** The page at /docs: complete, sound as HTML, and harmless whatever the document says. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { pino } from "pino";
import { systemClock } from "../../../schema/clock.ts";
import { failures } from "../../../schema/failures.ts";
import { prettyJson } from "../../../src/surfaces/docs/curl.ts";
import { renderDocs } from "../../../src/surfaces/docs/page.ts";
import { createHttp } from "../../../src/surfaces/http.ts";
import { openApiDocument } from "../../../src/surfaces/rest/openapi.ts";
import { scriptedDoor } from "../../support/scripted-door.ts";

interface Described {
  operationId: string;
  summary: string;
  parameters?: { name?: string }[];
  responses: Record<string, { content?: Record<string, { examples?: Record<string, object> }> }>;
}

const document = openApiDocument() as { paths: Record<string, Record<string, Described>>; components: { schemas: object } };
const page = renderDocs(document);

interface Tag {
  name: string;
  closes: boolean;
  attributes: Record<string, string>;
}

const TAG = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*>/g;

/** The tags of a page without its doctype and style, and the text between them. */
function read(html: string): { tags: Tag[]; text: string } {
  const body = html.replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "");
  const tags = [...body.matchAll(TAG)].map(([, slash, name, attributes]) => ({
    name: name!, closes: slash === "/",
    attributes: Object.fromEntries([...attributes!.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)].map(([, key, value = ""]) => [key!, decoded(value)])),
  }));
  return { tags, text: decoded(body.replace(TAG, "\u0000")) };
}

const decoded = (text: string): string => text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

const { tags, text } = read(page);
const attribute = (name: string, of = tags): string[] => of.flatMap(({ attributes }) => (name in attributes ? [attributes[name]!] : []));

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).filter(([method]) => method !== "parameters").map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const));

/** The part of the page from this id to the next article. */
const partOf = (id: string): string => page.slice(page.indexOf(`id="${id}"`)).split("</article>")[0]!;

/** A body with an example of its own, or none at all. */
const isShown = (content: Described["responses"][string]["content"]): boolean =>
  content === undefined || Object.values(content).some((media) => "example" in media || Object.values(media.examples ?? {}).some((each) => "value" in each));

describe("what it tells", () => {
  test.each(operations)("%s: its route, and what it needs, answers and fails with", (route, { operationId, summary, parameters = [], responses }) => {
    const told = decoded(partOf(operationId).replace(/<[^>]*>/g, ""));
    expect(told).toContain(route);
    if (operationId.endsWith(".alias")) return;
    expect(told).toContain(summary);
    expect(told).toMatch(/curl [^]*"\$CODESPAR_BASE_URL\//);
    for (const { name } of parameters) if (name !== undefined) expect(told).toContain(name);
    const codes = Object.values(responses).flatMap(({ content = {} }) => Object.values(content).flatMap(({ examples = {} }) => Object.entries(examples)));
    for (const [code, example] of codes) if ("$ref" in example) expect(partOf(operationId)).toContain(`href="#failure-${code}"`);
    for (const [status, { content }] of Object.entries(responses)) if (isShown(content)) expect(told).toContain(`Answer ${status}`);
  });

  test("every failure with its status, whether to repeat, and a sentence", () => {
    for (const [code, { http, retry }] of Object.entries(failures)) {
      const [row = ""] = page.slice(page.indexOf(`<tr id="failure-${code}"`)).split("</tr>");
      expect(row.replace(/<[^>]*>/g, " ")).toMatch(new RegExp(`${code}\\s+${http}\\s+${retry}\\s+\\S`));
    }
  });

  test("every shape", () => {
    expect(attribute("id")).toEqual(expect.arrayContaining(Object.keys(document.components.schemas).map((name) => `shape-${name}`)));
  });
});

describe("as HTML", () => {
  const VOID = new Set(["meta"]);

  test("every element that opens closes, in order", () => {
    const open: string[] = [];
    for (const { name, closes } of tags) {
      if (closes) expect(open.pop()).toBe(name);
      else if (!VOID.has(name)) open.push(name);
    }
    expect(open).toEqual([]);
  });

  test("every id is there once, and every link leads to one or to a page of ours", () => {
    const ids = attribute("id");
    expect(ids.length).toBe(new Set(ids).size);
    const links = [...attribute("href"), ...attribute("aria-labelledby").map((id) => `#${id}`)];
    expect(links.length).toBeGreaterThan(300);
    const elsewhere = new Set(links.filter((link) => !(link.startsWith("#") && ids.includes(link.slice(1)))));
    expect([...elsewhere].sort()).toEqual(["/meta-tools.json", "/openapi.json"]);
  });

  test("nothing of it runs, loads or is styled by hand", () => {
    expect(tags.filter(({ name }) => ["script", "link", "img", "iframe", "form", "object", "base"].includes(name))).toEqual([]);
    expect(tags.flatMap(({ attributes }) => Object.keys(attributes)).filter((name) => name.startsWith("on") || name === "style" || name === "src")).toEqual([]);
    expect(text).not.toMatch(/undefined|\[object/);
  });

  test("headings go down one step at a time", () => {
    const levels = tags.filter(({ name, closes }) => /^h\d$/.test(name) && !closes).map(({ name }) => Number(name[1]));
    expect(levels[0]).toBe(1);
    levels.slice(1).forEach((level, at) => expect(level - levels[at]!).toBeLessThanOrEqual(1));
  });
});

test("whatever the document says is text on the page", () => {
  const EVIL = `"><script>alert('&1')</script><b onclick=x>`;
  const schema = { type: EVIL, format: EVIL, description: EVIL, enum: undefined };
  const evil = {
    info: { title: EVIL, version: EVIL, description: EVIL },
    tags: [{ name: EVIL, description: `\`${EVIL}\`` }],
    paths: {
      [`/${EVIL}`]: {
        post: {
          operationId: EVIL, summary: EVIL, description: EVIL, tags: [EVIL],
          parameters: [{ name: EVIL, in: "query", description: EVIL, schema, example: EVIL }],
          requestBody: { content: { "application/json": { schema: { properties: { [EVIL]: { ...schema, default: EVIL } } }, examples: { a: { summary: EVIL, value: EVIL }, b: { summary: EVIL, value: { [EVIL]: EVIL } } } } } },
          responses: { [`2${EVIL}`]: { description: EVIL, content: { [EVIL]: { schema: { $ref: `#/components/schemas/${EVIL}` }, examples: { [EVIL]: { $ref: `#/${EVIL}` }, a: { value: EVIL } } } } } },
        },
      },
    },
    components: { schemas: { [EVIL]: { enum: [EVIL], description: EVIL }, other: { const: EVIL }, more: { properties: { [EVIL]: { anyOf: [schema, { const: EVIL }] } } } } },
    "x-failures": { [EVIL]: { http: EVIL, retry: EVIL, message: EVIL } },
  };
  const hostile = read(renderDocs(evil));
  expect(new Set(hostile.tags.map(({ name }) => name)).has("script")).toBe(false);
  expect(new Set(hostile.tags.map(({ name }) => name)).has("b")).toBe(false);
  expect(hostile.tags.flatMap(({ attributes }) => Object.keys(attributes)).filter((name) => name.startsWith("on"))).toEqual([]);
  const html = renderDocs(evil).replace("<!doctype html>", "").replace(/<style>[^<]*<\/style>/, "");
  expect(html.replace(TAG, "")).not.toMatch(/[<>"']/);
  expect(hostile.text.split(EVIL).length).toBeGreaterThan(20);
});

test("JSON takes a line where it fits on one, and means the same either way", () => {
  expect(prettyJson({ a: 1, b: [true, null], c: {} })).toBe(`{ "a": 1, "b": [true, null], "c": {} }`);
  const long = { text: "x".repeat(60), list: [{ a: "y".repeat(60) }, [], {}], nothing: null };
  expect(prettyJson(long)).toContain(`\n  "list": [\n    {`);
  expect(JSON.parse(prettyJson(long))).toEqual(long);
});

describe("at /docs", () => {
  const http = createHttp({
    door: scriptedDoor({}), clock: systemClock, log: pino({ level: "silent" }),
    graphql: { handle: () => {}, fetch: () => new Response() }, trpc: { fetch: () => new Response() },
    notifications: async () => new Response(), identities: { issuer: () => "did:web:localhost", document: async () => undefined },
    connectPage: async () => new Response(), ready: async () => ({ ok: true, checks: {} }),
  });
  const ask = (path: string, method = "GET") => http.fetch(new Request(`http://localhost${path}`, { method }));

  test("it is read without a key, and a browser is told to let in its style and nothing else", async () => {
    const response = await ask("/docs");
    const body = await response.text();
    const [, style] = /<style>([^<]*)<\/style>/.exec(body)!;
    expect([response.status, body]).toEqual([200, page]);
    const hash = createHash("sha256").update(style!).digest("base64");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8", "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    });
  });

  test("HEAD has the same headers, and nothing else is taken", async () => {
    const [get, head, post, slash] = [await ask("/docs"), await ask("/docs", "HEAD"), await ask("/docs", "POST"), await ask("/docs/")];
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("content-security-policy")).toBe(get.headers.get("content-security-policy"));
    expect([post.status, post.headers.get("allow"), slash.status]).toEqual([405, "GET, HEAD, OPTIONS", 200]);
  });

  test("the welcome names it", async () => {
    expect(await (await ask("/")).text()).toContain("GET /docs");
  });
});
