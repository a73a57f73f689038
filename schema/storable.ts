/** What a JSON value may hold here: what PostgreSQL stores and canonical JSON signs. JSON itself allows a little more. */
import type { z } from "zod";

/** Deeper than any argument of ours. What works on a value recurses. */
export const NESTING_MAX = 64;

interface Unstorable {
  path: (string | number)[];
  expected: string;
}

/** The first part of a value that cannot be kept: NUL, half a character, a number beyond all numbers, nesting without end. */
export function findUnstorable(value: unknown, path: (string | number)[] = []): Unstorable | undefined {
  if (typeof value === "string") return UNSTORABLE_TEXT.test(value) ? { path, expected: "text without NUL and without half characters" } : undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : { path, expected: "a finite number" };
  if (typeof value !== "object" || value === null) return undefined;
  if (path.length === NESTING_MAX) return { path, expected: `at most ${NESTING_MAX} levels of nesting` };
  for (const [key, item] of Object.entries(value)) {
    if (UNSTORABLE_TEXT.test(key)) return { path, expected: "names without NUL and without half characters" };
    const found = findUnstorable(item, [...path, Array.isArray(value) ? Number(key) : key]);
    if (found) return found;
  }
  return undefined;
}

const UNSTORABLE_TEXT = /[\0\p{Surrogate}]/u;

/** The schema, refusing what cannot be stored. */
export const storable = <Schema extends z.ZodType>(schema: Schema): Schema =>
  schema.superRefine((value, context) => {
    const found = findUnstorable(value);
    if (found) context.addIssue({ code: "custom", path: found.path, message: `expected ${found.expected}` });
  });
