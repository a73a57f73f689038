import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical, DEPTH_MAX, fingerprint } from "../../schema/jcs.ts";

describe("canonical JSON", () => {
  test("keys are sorted at every level and white space is gone", () => {
    const payment = JSON.parse('{ "to": "loja", "amount": 150.0, "items": [ { "qty": 2, "id": "é" } ], "Note": null }');
    expect(canonical(payment)).toBe('{"Note":null,"amount":150,"items":[{"id":"é","qty":2}],"to":"loja"}');
  });

  test("keys sort by UTF-16 code units: digits as text, upper before lower, an emoji before a high BMP letter", () => {
    const keys = { "é": 1, "z": 2, "Z": 3, "2": 4, "10": 5, "": 6, "\n": 7, "😀": 8, "\uFB00": 9 };
    expect(canonical(keys)).toBe('{"":6,"\\n":7,"10":5,"2":4,"Z":3,"z":2,"é":1,"😀":8,"\uFB00":9}');
  });

  test.each([
    ["333333333.33333329", "333333333.3333333"],
    ["1E30", "1e+30"],
    ["4.50", "4.5"],
    ["2e-3", "0.002"],
    ["0.000000000000000000000000001", "1e-27"],
    ["1000000000000000000000", "1e+21"],
    ["123456789012345680000", "123456789012345680000"],
    ["0.0000001", "1e-7"],
    ["0.0000010", "0.000001"],
    ["-0", "0"],
    ["5e-324", "5e-324"],
    ["9007199254740991", "9007199254740991"],
  ])("the number %s is written as ECMAScript does: %s", (read, written) => {
    expect(canonical(JSON.parse(read))).toBe(written);
  });

  test("strings escape only what must be, and nothing is normalized", () => {
    expect(canonical("€$\u000f\nA'B\"\\/\u007f\u0080")).toBe('"€$\\u000f\\nA\'B\\"\\\\/\u007f\u0080"');
    expect(canonical("\b\t\n\f\r\u001b")).toBe('"\\b\\t\\n\\f\\r\\u001b"');
    expect(canonical("A\u030a")).toBe('"A\u030a"');
  });

  test.each<[string, unknown, string]>([
    ["a bigint", { items: [{ price: 100n }] }, "$.items[0].price is a bigint; write it as a decimal string"],
    ["NaN", [Number.NaN], "$[0] is NaN, which JSON does not have"],
    ["an infinity", { rate: -Infinity }, "$.rate is -Infinity, which JSON does not have"],
    ["an undefined member", { fee: undefined }, "$.fee is undefined, which JSON does not have"],
    // oxlint-disable-next-line no-sparse-arrays
    ["a hole in an array", [1, , 3], "$[1] is undefined, which JSON does not have"],
    ["a function", { toJSON: () => 1 }, "$.toJSON is function, which JSON does not have"],
    ["a Date", { at: new Date(0) }, "$.at is not a plain object; turn dates, maps and class instances into JSON first"],
    ["a Map", new Map(), "$ is not a plain object; turn dates, maps and class instances into JSON first"],
    ["a lone surrogate", { name: "\ud83d" }, "$.name has a lone surrogate, which is not a character"],
    ["a lone surrogate in a key", { "\ude00": 1 }, "$ has a lone surrogate, which is not a character"],
  ])("%s is refused, and the place is named", (_name, value, message) => {
    expect(() => canonical(value)).toThrow(new TypeError(message));
  });

  test("nesting is bounded, so neither a cycle nor a hostile body exhausts the stack", () => {
    const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels));
    expect(canonical(nested(DEPTH_MAX))).toBe("[".repeat(DEPTH_MAX) + "]".repeat(DEPTH_MAX));
    expect(() => canonical(nested(DEPTH_MAX + 1))).toThrow(/is deeper than 128 levels/);
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(() => canonical(cycle)).toThrow(TypeError);
  });

  test("a __proto__ key is a key like any other", () => {
    expect(canonical(JSON.parse('{"b":1,"__proto__":{"a":2}}'))).toBe('{"__proto__":{"a":2},"b":1}');
  });

  const json = fc.jsonValue({ stringUnit: "binary" });

  test("parsing gives the value back", () => {
    fc.assert(fc.property(json, (value) => {
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }));
  });

  test("the order in which keys were written does not matter", () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(Object.entries(value).reverse().map(([key, member]) => [key, reversed(member)]));
    };
    fc.assert(fc.property(json, (value) => {
      expect(canonical(reversed(value))).toBe(canonical(value));
    }));
  });

  test("different values have different texts", () => {
    fc.assert(fc.property(json, json, (left, right) => {
      const sameValue = JSON.stringify(JSON.parse(canonical(left))) === JSON.stringify(JSON.parse(canonical(right)));
      expect(canonical(left) === canonical(right)).toBe(sameValue);
    }));
  });
});

describe("fingerprint", () => {
  test("is the SHA-256 of the canonical text in UTF-8", () => {
    // printf '{"a":"ção","b":1}' | sha256sum
    expect(fingerprint({ b: 1, a: "ção" })).toBe("4d896a593fc0372545ea256daaa379330f6c6fba5e83f79723eb48fc2ae22593");
    // printf '{}' | sha256sum
    expect(fingerprint({})).toBe("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  });

  test("null, absent and the texts of values are all different", () => {
    const values = [{}, { a: null }, { a: "null" }, { a: [] }, [], "{}", { a: 1 }, { a: "1" }];
    expect(new Set(values.map(fingerprint)).size).toBe(values.length);
  });
});
