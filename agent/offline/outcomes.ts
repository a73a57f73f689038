/** What became of a tool use, read from the tool result that the conversation carries. */
import { isObject, parseJson } from "../json.ts";
import { unguard } from "../guard.ts";

export interface Outcome {
  /** Whether steps that build on this one may go on. */
  isOk: boolean;
  /** Nobody knows yet whether it happened. */
  isUnclear: boolean;
  body: Record<string, unknown>;
  code: string;
  sentence: string;
}

/** States in which a tool that answered has still not done what it was asked for. */
const undone = new Set([
  "rejected",
  "declined",
  "failed",
  "denied",
  "error",
  "refused",
  "canceled",
  "cancelled",
  "expired",
  "rejeitada",
  "cancelada",
  "recusada",
]);

/**
 * content  a `tool_result`'s: a text or text blocks; plain or guarded, JSON or not, bare or in an envelope with `data`
 */
export function readOutcome({ content, is_error: isError }: { content?: unknown; is_error?: unknown }): Outcome {
  const parsed = parseJson(unguard(textOf(content)));
  const outer = isObject(parsed) ? parsed : { message: typeof parsed === "string" ? parsed : textOf(content) };
  const body = isObject(outer["data"]) ? { ...outer, ...outer["data"] } : outer;
  const isUnclear = outer["outcome"] === "unknown" || outer["code"] === "outcome_unknown";
  const isUndone = isError === true || outer["success"] === false || undone.has(String(body["status"]).toLowerCase());
  const code = text(outer["code"]) ?? text(outer["error"]) ?? text(body["reason"]) ?? text(body["status"]) ?? "error";
  return {
    isOk: !isUnclear && !isUndone,
    isUnclear,
    body,
    code,
    sentence:
      text(outer["message"]) ??
      (outer["code"] === undefined ? undefined : text(outer["error"])) ??
      text(body["reason"]) ??
      "",
  };
}

/** The first of `names` that holds a text or a number, as a text. */
export function field(body: Record<string, unknown>, ...names: string[]): string | undefined {
  for (const name of names) {
    const value = body[name];
    if (typeof value === "number" || (typeof value === "string" && value !== "")) return String(value);
  }
  return undefined;
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((block) => (isObject(block) && typeof block["text"] === "string" ? block["text"] : "")).join("");
}
