/** The OpenAPI document: complete, and sound by an independent linter. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { failures } from "../../../schema/failures.ts";
import { operations, subscriptions } from "../../../schema/index.ts";
import type { AnyOperation } from "../../../schema/operation.ts";
import { openApiDocument } from "../../../src/surfaces/rest/openapi.ts";

interface Described {
  operationId: string;
  parameters: { name?: string; in?: string; required?: boolean; $ref?: string }[];
  requestBody?: { required: boolean; content: Record<string, { schema: { properties: object; required?: string[] } }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: { $ref?: string } }> }>;
}

const document = openApiDocument() as {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, { properties?: object }> };
};

const all = [...Object.values(operations), ...Object.values(subscriptions)] as AnyOperation[];

const describedAt = (route: string): Described | undefined => {
  const [method, path] = route.split(" ") as [string, string];
  return document.paths[`/v1${path}`]?.[method.toLowerCase()];
};

test("redocly finds no error in it, and no example that its schema refuses", async () => {
  const folder = await mkdtemp(join(tmpdir(), "codespar-openapi-"));
  const file = join(folder, "openapi.json");
  await writeFile(file, JSON.stringify(document));
  const lint = promisify(execFile)(
    process.execPath,
    [join("node_modules", "@redocly", "cli", "bin", "cli.js"), "lint", file, "--format=json"],
    { env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" } },
  );
  const { stdout } = await lint.catch((failed: { stdout: string }) => failed);
  await rm(folder, { recursive: true });
  const { problems, totals } = JSON.parse(stdout) as { problems: { severity: string; ruleId: string }[]; totals: { errors: number } };
  // It only warns of an example that its schema refuses, and of a component that nobody refers to.
  const minded = ["no-invalid-media-type-examples", "no-invalid-parameter-examples", "no-unused-components"];
  expect(problems.filter(({ severity, ruleId }) => severity === "error" || minded.includes(ruleId))).toEqual([]);
  expect(totals.errors).toBe(0);
}, 30_000);

test.each(all.map((operation) => [operation.name, operation] as const))("%s is at its route, with every failure it may meet", (name, operation) => {
  const described = describedAt(operation.route)!;
  expect(described.operationId).toBe(name);
  const inPath = described.parameters.filter((parameter) => parameter.in === "path").map((parameter) => `{${parameter.name}}`);
  expect(inPath).toEqual(operation.route.match(/\{\w+\}/g) ?? []);
  for (const code of [...operation.errors, "unauthorized", "rate_limited", "internal"] as const) {
    expect(described.responses[failures[code].http]?.description).toContain(`\`${code}\``);
  }
});

test("the published spellings are described: the alias route, the second list, the second argument", () => {
  expect(Object.keys(describedAt("POST /sessions/{session_id}/close")!.responses)).toContain("204");
  expect(Object.keys(document.components.schemas["RestSessionPage"]!.properties!)).toEqual(["sessions", "data", "next_before"]);
  const { schema } = describedAt("POST /sessions/{session_id}/execute")!.requestBody!.content["application/json"]!;
  expect(Object.keys(schema.properties)).toEqual(["tool", "input", "params"]);
  expect(schema.required).toEqual(["tool"]);
});

test("streams are described as event streams, and send as both", () => {
  const contentOf = (route: string) => Object.keys(describedAt(route)!.responses["200"]!.content!);
  expect(contentOf("GET /tool-calls/{tool_call_id}/payment-status/stream")).toEqual(["text/event-stream"]);
  expect(contentOf("POST /sessions/{session_id}/send")).toEqual(["application/json", "text/event-stream"]);
});

test("what reads takes its arguments in the query, none of them required where a default stands behind it", () => {
  const { parameters, requestBody } = describedAt("GET /sessions")!;
  expect(requestBody).toBeUndefined();
  expect(parameters.filter((parameter) => parameter.in === "query").map(({ name, required }) => [name, required])).toEqual([
    ["status", false], ["user_id", false], ["limit", false], ["before", false],
  ]);
});

test("every subject says what it is about", () => {
  const { tags } = document as unknown as { tags: { name: string; description?: string }[] };
  const silent = tags.filter(({ description }) => description === undefined).map(({ name }) => name);
  expect(silent, `add ${silent.join(", ")} to \`subjects\` in src/surfaces/rest/openapi.ts`).toEqual([]);
});

test("every reference leads somewhere", () => {
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target!);
  expect(references.length).toBeGreaterThan(100);
  for (const reference of new Set(references)) {
    const found = reference.slice(2).split("/").reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
    expect(found, reference).toBeDefined();
  }
});
