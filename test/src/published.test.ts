/** What `npm run publish:contract -- --check` says. */
import { expect, test } from "vitest";
import { differenceOf, publishedFiles } from "../../src/published.ts";

test("the published files are the same at every run", () => {
  expect(publishedFiles()).toEqual(publishedFiles());
  expect(Object.keys(publishedFiles())).toEqual(["schema.graphql", "openapi.json", "tools.json", "../../providers/RAILS.md"]);
});

test("a difference is named by file and line", () => {
  expect(differenceOf("a.json", "1\n2\n", "1\n2\n")).toBeUndefined();
  expect(differenceOf("a.json", "1\n2\n", "1\n3\n")).toBe('a.json:2 is "2", the contract says "3"');
  expect(differenceOf("a.json", "1\n2\n3\n", "1\n2")).toBe("a.json has lines at its end that the contract has not");
  expect(differenceOf("a.json", undefined, "1\n")).toBe("a.json is missing");
});
