/** HTML that cannot be forgotten to escape: what a template is given is text, unless another template made it. */

/** A piece of a page, as it is sent. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | readonly Part[];

export const html = (pieces: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(pieces.reduce((before, piece, at) => before + written(parts[at - 1]) + piece));

/** A sentence of the contract: what stands between backticks is code. */
export const prose = (sentence: string): Html =>
  html`${sentence.split(/`([^`]+)`/).map((part, at) => (at % 2 === 1 ? html`<code>${part}</code>` : part))}`;

function written(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(written).join("");
  return String(part).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
