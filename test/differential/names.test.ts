/** The spelling of names: what GraphQL calls a field says which field of the contract it is, and the other way round. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { operations, subscriptions } from "../../schema/index.ts";
import type { AnyOperation } from "../../schema/operation.ts";
import { camelCase } from "../../src/surfaces/names.ts";
import { jsonSchemaOf } from "../support/doors.ts";

const every: AnyOperation[] = [...Object.values(operations), ...Object.values(subscriptions)];

/** The inverse of camelCase, for words that each begin with a letter: `p50_ms`, `tool_call_id`. */
const toSnake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Every name that a schema gives to a member, at any depth. */
function namesIn(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties = {} } = schema as { properties?: object };
  return [...Object.keys(properties), ...Object.values(schema).flatMap(namesIn)];
}

const names = [...new Set(every.flatMap(({ input, output }) => [input, output].flatMap((schema) => namesIn(jsonSchemaOf(schema)))))];

test("no two names of the contract have one camelCase", () => {
  expect(names.length).toBeGreaterThan(80);
  expect(new Set(names.map(camelCase)).size).toBe(names.length);
});

test("names whose words each begin with a letter turn back into themselves", () => {
  const lettered = names.filter((name) => !/_\d/.test(name));
  expect(lettered.map((name) => toSnake(camelCase(name)))).toEqual(lettered);
});

const snake = fc.array(fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/), { minLength: 1, maxLength: 5 }).map((words) => words.join("_"));

test("any name of lettered words turns back into itself", () => {
  fc.assert(fc.property(snake, (name) => toSnake(camelCase(name)) === name));
});

test("the same letters cut into other words are another camelCase", () => {
  const letters = fc.stringMatching(/^[a-z]{2,10}$/);
  const cuts = fc.array(fc.boolean(), { minLength: 9, maxLength: 9 });
  const cut = (text: string, before: readonly boolean[]) =>
    [...text].map((letter, index) => (index > 0 && before[index - 1] ? `_${letter}` : letter)).join("");
  fc.assert(fc.property(letters, cuts, cuts, (text, one, other) => {
    const [a, b] = [cut(text, one), cut(text, other)];
    return (camelCase(a) === camelCase(b)) === (a === b);
  }));
});

test("camelCase changes nothing the second time", () => {
  fc.assert(fc.property(snake, (name) => camelCase(camelCase(name)) === camelCase(name)));
});
