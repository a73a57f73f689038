/** Examples as text that a person reads and copies: JSON on as few lines as fit, and commands for a shell. */
import { codesOf, examplesOf, type DescribedOperation, type Parameter } from "./document.ts";

/** A line of JSON may be as long as this. */
const WIDTH = 76;

/** JSON as a person would write it: what fits on a line stands on one. */
export function prettyJson(value: unknown, indent = ""): string {
  const line = onOneLine(value);
  if (typeof value !== "object" || value === null || indent.length + line.length <= WIDTH) return line;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => inner + prettyJson(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${prettyJson(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

function onOneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${onOneLine(item)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

/** The first example as a command. What is a secret or differs from server to server is a variable of the shell. */
export function curl(operation: DescribedOperation): string {
  const { method, security, requestBody, responses } = operation;
  const isStream = Object.keys(responses["200"]?.content ?? {}).join() === "text/event-stream";
  const body = Object.values(requestBody?.content ?? {}).flatMap(examplesOf)[0];
  const verb = method === "GET" || (method === "POST" && body) ? "" : ` -X ${method}`;
  return [
    `curl${isStream ? " -N" : ""}${verb} "$CODESPAR_BASE_URL${target(operation)}"`,
    ...(security?.length === 0 ? [] : [`-H "Authorization: Bearer $CODESPAR_API_KEY"`]),
    ...(codesOf(operation).includes("idempotency_conflict") ? [`-H "Idempotency-Key: order-1042"`] : []),
    ...(body ? [`-H "Content-Type: application/json"`, `-d ${quoted(prettyJson(body.value))}`] : []),
  ].join(" \\\n  ");
}

/** Path and query, every example in its place. An encoded value means nothing to a shell, in double quotes. */
function target({ path, parameters }: DescribedOperation): string {
  const given = (place: string) => parameters.filter((parameter) => parameter.in === place && parameter.example !== undefined);
  const filled = given("path").reduce((text, { name, example }) => text.replace(`{${name}}`, () => encodeURIComponent(String(example))), path);
  const query = given("query").map(({ name, example }: Parameter) => `${encodeURIComponent(name)}=${encodeURIComponent(String(example))}`);
  return query.length === 0 ? filled : `${filled}?${query.join("&")}`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
