/** What a run says: tables for a terminal, and the same tables between two marks of the README. */

export interface Section {
  title: string;
  /** What the table means, in Markdown sentences. */
  notes: string[];
  header: string[];
  rows: string[][];
}

/** Where and when it was measured, in words that name no particular machine. */
export interface Machine {
  date: string;
  cores: number;
  node: string;
  database: string;
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
/** Three significant digits at least: 0.0123 says something that 0.01 does not. */
export const fine = (value: number): string => (value >= 100 ? whole(value) : value.toPrecision(3));
export const times = (ratio: number): string => `${fine(ratio)}×`;

const describe = ({ date, cores, node, database }: Machine): string =>
  `${date}, ${cores} cores, Node ${node}, ${database}`;

export function terminalText(machine: Machine, sections: readonly Section[]): string {
  const parts = sections.map(({ title, notes, header, rows }) => {
    const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
    const padded = (cell: string, column: number) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
    const lines = [header, ...rows].map((cells) => `  ${cells.map(padded).join("  ")}`);
    return [title, ...notes.map((note) => note.replaceAll("`", "")), "", ...lines].join("\n");
  });
  return `${[describe(machine), ...parts].join("\n\n")}\n`;
}

export function markdown(machine: Machine, command: string, sections: readonly Section[]): string {
  const parts = sections.map(({ title, notes, header, rows }) => {
    const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
    const ruler = `|---|${"---:|".repeat(header.length - 1)}`;
    return [`**${title}**`, "", ...notes, "", line(header), ruler, ...rows.map(line)].join("\n");
  });
  return [`Printed by \`${command}\` (${describe(machine)}).`, ...parts].join("\n\n");
}

const START = "<!-- bench:start -->";
const END = "<!-- bench:end -->";

/** The text with `block` between the marks and nothing else changed. Throws unless it has each mark once, in order. */
export function withBlock(text: string, block: string): string {
  const [before, rest, ...more] = text.split(START);
  const [, after, ...evenMore] = rest?.split(END) ?? [];
  if (after === undefined || more.length + evenMore.length > 0)
    throw new Error(`expected ${START} once, and ${END} once behind it`);
  return `${before}${START}\n${block}\n${END}${after}`;
}
