/**
 * A QR code for a terminal, so that a demo's Pix code can be scanned from the screen: two modules a character, in half
 * blocks.
 */
import { encode } from "uqr";

/** What ISO/IEC 18004 asks for on every side; scanners use it to find the symbol. */
const QUIET_ZONE_MODULES = 4;

// Fixed entries of the 256-colour palette (16 black, 231 white), which no terminal theme repaints.
const BLACK_ON_WHITE = "\u001b[38;5;16;48;5;231m";
const RESET = "\u001b[0m";

/** By which halves are drawn: none, lower, upper, both. */
const BLOCKS = [" ", "▄", "▀", "█"] as const;

/**
 * Draws `text` as a QR code; the longest Pix code (512 characters) is 85 columns wide, a usual one about 55.
 *
 * color    true writes black on white explicitly, right on every terminal (use it when the output is a TTY). Without it
 *          the light modules are drawn in the terminal's own foreground: right on a dark terminal, and on a light one
 *          an inverted symbol, which most scanners also read.
 * returns  lines joined by newlines, all of one width, no newline at the end
 * throws   when the text is longer than a QR code holds (2953 bytes)
 */
export function terminalQr(text: string, { color = false }: { color?: boolean } = {}): string {
  // Low correction keeps the symbol small; boosting spends what room is left in it on more.
  const { data } = encode(text, { ecc: "L", boostEcc: true, border: QUIET_ZONE_MODULES });
  // Dark modules are `true`; in colour they are the ink, without it the light ones are.
  const isDrawn = (module: boolean | undefined): boolean => module !== undefined && module === color;
  const lines: string[] = [];
  for (let row = 0; row < data.length; row += 2) {
    const line = data[row]!.map((upper, column) => {
      const lower = data[row + 1]?.[column];
      return BLOCKS[(isDrawn(upper) ? 2 : 0) + (isDrawn(lower) ? 1 : 0)];
    }).join("");
    lines.push(color ? BLACK_ON_WHITE + line + RESET : line);
  }
  return lines.join("\n");
}
