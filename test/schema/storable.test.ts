import { expect, test } from "vitest";
import { findUnstorable, NESTING_MAX } from "../../schema/storable.ts";

const nested = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + "1" + "}".repeat(levels));

test.each([
  ["NUL in a text", { a: ["x", "b\0c"] }, "a.1"],
  ["half a character", { note: "a\ud800" }, "note"],
  ["NUL in a name", { a: { "b\0": 1 } }, "a"],
  ["a number beyond all numbers", JSON.parse('{"metadata":{"x":1e400}}'), "metadata.x"],
  ["too many levels", nested(NESTING_MAX + 1), Array(NESTING_MAX).fill("a").join(".")],
])("%s is found where it stands", (_what, value, place) => {
  expect(findUnstorable(value)?.path.join(".")).toBe(place);
});

test.each([
  ["whole characters of two halves", { a: "😀 ç \u001f" }],
  ["as many levels as there may be", nested(NESTING_MAX)],
  ["a name that JavaScript gives a meaning", JSON.parse('{"__proto__":{"constructor":null}}')],
  ["what is no JSON any more", { at: new Date(), amount: 10n ** 30n, absent: undefined }],
])("%s is not", (_what, value) => {
  expect(findUnstorable(value)).toBeUndefined();
});
