/** Every operation shows how it is called and what it answers, and its own schemas agree. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { failureExamples } from "../../schema/examples/failures.ts";
import { failures } from "../../schema/failures.ts";
import { operations, subscriptions } from "../../schema/index.ts";
import { isMetaTool, metaTools } from "../../schema/meta-tools/index.ts";
import type { AnyOperation } from "../../schema/operation.ts";

const all = ([...Object.values(operations), ...Object.values(subscriptions)] as AnyOperation[]).map((operation) => [operation.name, operation] as const);

const fieldsOf = ({ input }: AnyOperation): string[] => Object.keys((input as z.ZodObject).shape);

/** What must not be missing: arguments that no body holds stand in a table of their own, each beside its example. */
function outsideTheBody(operation: AnyOperation): string[] {
  const inPath = [...operation.route.matchAll(/\{(\w+)\}/g)].map(([, field]) => field!);
  return /^(POST|PUT|PATCH) /.test(operation.route) ? inPath : fieldsOf(operation);
}

describe.each(all)("%s", (name, operation) => {
  const { examples = [] } = operation;

  test("has an example", () => {
    const outcome = operation.kind === "stream" ? "items: [{ … }]" : "output: { … }";
    expect(examples.length, `${name} has no example. In its definition in schema/, behind \`errors\`, add
  examples: [{ input: { … }, ${outcome} }],
with wire values (dates as text, amounts as integers) of the cast in schema/examples/cast.ts; what is long becomes a value beside it`).toBeGreaterThan(0);
  });

  test("reads the input of each example, and knows every member of it", () => {
    for (const { input } of examples) {
      expect(operation.input.safeParse(input).error?.issues ?? [], `input of an example of ${name}`).toEqual([]);
      expect(fieldsOf(operation)).toEqual(expect.arrayContaining(Object.keys(input as object)));
    }
  });

  test("would answer what each example shows, member for member", () => {
    const answers = examples.flatMap((example) => ("items" in example ? example.items : [example.output]));
    for (const answer of answers) {
      const { data, error } = operation.output.safeParse(answer);
      expect(error?.issues ?? [], `output of an example of ${name}`).toEqual([]);
      expect(z.encode(operation.output, data)).toEqual(answer);
    }
  });

  test("shows every argument of the path and the query", () => {
    const shown = new Set(examples.flatMap(({ input }) => Object.keys(input as object)));
    const missing = outsideTheBody(operation).filter((field) => !shown.has(field));
    expect(missing, `add ${missing.join(", ")} to the input of an example of ${name}`).toEqual([]);
  });

  test("tells its examples apart, where it has several", () => {
    const titles = examples.map(({ shows }) => shows);
    if (examples.length > 1) expect(new Set(titles).size, `every example of ${name} needs its own \`shows\``).toBe(examples.length);
    if (examples.length > 1) expect(titles).not.toContain(undefined);
  });
});

test.each(Object.keys(failures))("the failure %s has an example", (code) => {
  expect(failureExamples, `add \`${code}: { … }\` to schema/examples/failures.ts: what its sentence is filled with`).toHaveProperty(code);
});

test("the meta-tools agree with the arguments and results that execute shows", () => {
  const called = operations["tools.execute"].examples!.filter(({ input, output }) => isMetaTool(input.tool) && output.success);
  expect(called.length).toBeGreaterThan(2);
  for (const { input, output } of called) {
    const tool = metaTools[input.tool as keyof typeof metaTools];
    expect(tool.input.safeParse(input.input).error, input.tool).toBeUndefined();
    expect(tool.output.safeParse(output.data).error, input.tool).toBeUndefined();
  }
});
