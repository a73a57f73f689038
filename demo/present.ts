/** How the demo looks in a terminal: plain text, colour only where it is wanted. */
import { terminalQr } from "./qr.ts";

export interface Screen {
  title(text: string): void;
  step(text: string, detail?: string): void;
  say(text: string): void;
  /** Text as it arrives, without a line end. */
  stream(text: string): void;
  endStream(): void;
  pixCode(code: string): void;
  table(header: string[], rows: string[][]): void;
}

const codes = { bold: 1, dim: 2, green: 32, cyan: 36 } as const;

export function createScreen(out: NodeJS.WriteStream): Screen {
  const colour = out.isTTY && !process.env["NO_COLOR"];
  const paint = (style: keyof typeof codes, text: string) => (colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
  const line = (text = "") => void out.write(`${text}\n`);
  const startedAt = Date.now();
  const elapsed = () => paint("dim", `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)}s`);
  let streaming = false;
  return {
    title: (text) => line(`\n${paint("bold", text)}\n`),
    step: (text, detail) => line(`${elapsed()}  ${paint("green", text)}${detail ? `  ${detail}` : ""}`),
    say: (text) => line(text),
    stream: (text) => {
      if (!streaming) out.write(`${elapsed()}  `);
      streaming = true;
      out.write(paint("cyan", text.replaceAll("\n", "\n        ")));
    },
    endStream: () => {
      if (streaming) line();
      streaming = false;
    },
    pixCode: (code) => {
      line();
      line(terminalQr(code, { color: colour }));
      line(`${paint("bold", "Pix copia e cola")}\n${code}\n`);
    },
    table: (header, rows) => {
      const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
      const format = (row: string[]) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd();
      line(paint("dim", format(header)));
      rows.forEach((row) => line(format(row)));
    },
  };
}
