/** The benchmarks run and count right. How fast anything is, is for `npm run bench` to say. */
import { expect, test } from "vitest";
import { measureCharges } from "../../bench/charges.ts";
import { figuresOf, percentilesOf, sum } from "../../bench/measure.ts";
import { withBlock } from "../../bench/report.ts";
import { measureTokens, TOKENS_MAX } from "../../bench/tokens.ts";
import { testDatabase } from "../support/database.ts";

test("charges are measured against the statements that one of them made", async () => {
  const { url } = await testDatabase();
  const { statements, transactions, runs } = await measureCharges({ databaseUrl: url, seconds: 0.1, callers: [1, 2] });
  expect(statements).toBeGreaterThan(5);
  expect(transactions).toBeGreaterThanOrEqual(1);
  expect(runs.map((run) => run.callers)).toEqual([1, 2]);
  for (const { charges, bare, ratio } of runs) {
    for (const figure of [...Object.values(charges), ...Object.values(bare)]) {
      expect(figure).toBeGreaterThan(0);
      expect(Number.isFinite(figure)).toBe(true);
    }
    expect(ratio).toBe(charges.perSecond / bare.perSecond);
  }
});

test("the nine tools are measured one by one and together", () => {
  const { tools, total, ratio } = measureTokens();
  expect(tools).toHaveLength(9);
  expect(tools.find((tool) => tool.name === "codespar_charge")).toMatchObject({ characters: expect.any(Number) });
  const alone = tools.reduce((characters, tool) => characters + tool.characters, 0);
  expect(total.characters).toBe(alone + "[]".length + ",".length * 8);
  expect(ratio).toBe(total.characters / 4 / TOKENS_MAX);
});

test("percentiles are the nearest rank, and runs add up", () => {
  const latenciesMs = Array.from({ length: 200 }, (_, at) => 200 - at);
  expect(percentilesOf(latenciesMs)).toEqual({ p50Ms: 100, p99Ms: 198 });
  const one = { count: 2, seconds: 1, cpuUs: 30, latenciesMs: [1, 3] };
  const other = { count: 1, seconds: 0.5, cpuUs: 60, latenciesMs: [2] };
  expect(figuresOf(sum([one, other]))).toEqual({ perSecond: 2, p50Ms: 2, p99Ms: 3, cpuUs: 30 });
});

test("the README's block is replaced between its marks and nowhere else", () => {
  const text = "# Speed\n<!-- bench:start -->\nold\n<!-- bench:end -->\n## More\n";
  expect(withBlock(text, "| new |")).toBe("# Speed\n<!-- bench:start -->\n| new |\n<!-- bench:end -->\n## More\n");
  expect(() => withBlock("no marks", "x")).toThrow("expected <!-- bench:start --> once");
  expect(() => withBlock(text + text, "x")).toThrow("expected <!-- bench:start --> once");
});
