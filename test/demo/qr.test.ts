import fc from "fast-check";
import { encode } from "uqr";
import { expect, test } from "vitest";
import { terminalQr } from "../../demo/qr.ts";

const CODE =
  "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal" +
  "6008BRASILIA62070503***63041D3D";
const ON = "\u001b[38;5;16;48;5;231m";
const OFF = "\u001b[0m";

/** The modules a camera would see, top to bottom: true is dark. `inkIsDark` says what a drawn half stands for. */
function modules(lines: string[], inkIsDark: boolean): boolean[][] {
  const half = (line: string, drawn: string) => [...line].map((block) => drawn.includes(block) === inkIsDark);
  return lines.flatMap((line) => [half(line, "▀█"), half(line, "▄█")]);
}

const plainLines = (text: string): string[] => terminalQr(text).split("\n");
const colorLines = (text: string): string[] =>
  terminalQr(text, { color: true }).split("\n").map((line) => line.slice(ON.length, -OFF.length));

test("a finder pattern stands in the corner, behind a quiet zone of four modules", () => {
  expect(colorLines(CODE).slice(0, 6).map((line) => line.slice(0, 12))).toEqual([
    "            ",
    "            ",
    "    █▀▀▀▀▀█ ",
    "    █ ███ █ ",
    "    █ ▀▀▀ █ ",
    "    ▀▀▀▀▀▀▀ ",
  ]);
});

test("a usual Pix code is 53 columns by 27 lines", () => {
  expect(plainLines(CODE).map((line) => line.length)).toEqual(Array.from({ length: 27 }, () => 53));
});

test("in colour every line is black on white and gives the terminal its colours back", () => {
  for (const line of terminalQr(CODE, { color: true }).split("\n")) {
    expect(line.startsWith(ON) && line.endsWith(OFF)).toBe(true);
  }
});

test("without colour there are no escapes, and light modules are what is drawn", () => {
  expect(terminalQr(CODE)).toMatch(/^[ ▀▄█\n]+$/);
  expect(plainLines(CODE)[0]).toBe("█".repeat(53));
});

test("both renderings show the modules that encode the text", () => {
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 120 }), (text) => {
    const { data } = encode(text, { ecc: "L", boostEcc: true, border: 4 });
    expect(modules(colorLines(text), true).slice(0, data.length)).toEqual(data);
    expect(modules(plainLines(text), false).slice(0, data.length)).toEqual(data);
  }), { numRuns: 20 });
});

test("a text longer than a QR code holds is refused", () => {
  expect(() => terminalQr("x".repeat(2954))).toThrow();
});
