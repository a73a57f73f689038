/**
 * Text that a tool or provider wrote, made ready for a model to read: bounded in length, and wrapped so that nothing
 * inside can end the wrapper and pass for an instruction of ours. The system prompt says what the wrapper means.
 */
import { randomBytes } from "node:crypto";
import { parseJson } from "./json.ts";

/** A tool result longer than this is cut: it is paid for again in every further completion of the run. */
export const RESULT_CHARS_MAX = 24_000;

/**
 * In a result that is too long, strings beyond this are cut first. A Pix code has at most 512 characters and stays
 * whole.
 */
export const STRING_CHARS_MAX = 1_500;

const TAG = "tool_data";

/**
 * Wraps `text` as data: `<tool_data_9f3c…>{"id":"…"}</tool_data_9f3c…>`.
 *
 * Within the wrapper every `<` is written `\u003c`, which JSON reads as the same string, so no tag can begin there. The
 * nonce keeps a text that was written earlier, with an older wrapper in it, from looking like the one around it.
 *
 * text     JSON passes as it is written, so that numbers keep every digit; anything else becomes a JSON string
 * returns  one element whose content is one JSON value
 */
export function guard(text: string, nonce: string = randomBytes(8).toString("hex")): string {
  const tag = `${TAG}_${nonce}`;
  return `<${tag}>${bounded(text).replaceAll("<", "\\u003c")}</${tag}>`;
}

/** The text that `guard` was given, if it was JSON; the JSON string of it if not. Text that is not guarded passes. */
export function unguard(text: string): string {
  return /^<(tool_data_[0-9a-f]+)>([^<]*)<\/\1>$/.exec(text)?.[2] ?? text;
}

function bounded(text: string): string {
  if (parseJson(text) === undefined) return JSON.stringify(shortened(text, RESULT_CHARS_MAX));
  if (text.length <= RESULT_CHARS_MAX) return text;
  const trimmed = text.replace(JSON_STRING, shortenedString);
  if (trimmed.length <= RESULT_CHARS_MAX) return trimmed;
  return JSON.stringify({ cut_off: true, beginning: shortened(trimmed, RESULT_CHARS_MAX / 2) });
}

const JSON_STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

const shortenedString = (literal: string): string =>
  literal.length <= STRING_CHARS_MAX
    ? literal
    : JSON.stringify(shortened(JSON.parse(literal) as string, STRING_CHARS_MAX));

const shortened = (text: string, charsMax: number): string =>
  text.length <= charsMax ? text : `${text.slice(0, charsMax)}… [${text.length - charsMax} characters cut]`;
