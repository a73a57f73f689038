/**
 * The next move of a conversation: another tool call, or the words that end it. Decided from the conversation alone.
 */
import { display } from "../../schema/money.ts";
import { isObject } from "../json.ts";
import { field, type Outcome, readOutcome } from "./outcomes.ts";
import { planRequest, type Request, type Step } from "./steps.ts";
import { capitalized, words, type Words } from "./words.ts";

export type Move = { tool: string; input: Record<string, unknown> } | { text: string };

export interface Conversation {
  messages: readonly { role: string; content: unknown }[];
  /** Names of the tools that the request offers. */
  tools: ReadonlySet<string>;
}

export function nextMove({ messages, tools }: Conversation): Move {
  const start = messages.findLastIndex(({ role, content }) => role === "user" && textIn(content) !== "");
  const request = planRequest(textIn(messages[start]?.content));
  const states = new Map<Step, State>();
  const results = resultsIn(messages.slice(start + 1));
  const done = (step: Step): Outcome | undefined => states.get(step)?.outcome;
  for (const step of request.steps) {
    const state = stateOf(step, { states, results, tools });
    if (state === "next") return { tool: step.tool, input: step.input(done) };
    states.set(step, state);
  }
  return { text: report(request, states) };
}

/** A step that will not be called (again), and why. */
interface State {
  kind: "done" | "failed" | "missing" | "not_offered" | "held_back";
  outcome?: Outcome;
}

function stateOf(
  step: Step,
  {
    states,
    results,
    tools,
  }: {
    states: ReadonlyMap<Step, State>;
    results: Result[];
    tools: ReadonlySet<string>;
  },
): State | "next" {
  if (step.missing.length > 0) return { kind: "missing" };
  if (!tools.has(step.tool)) return { kind: "not_offered" };
  if (step.after && states.get(step.after)?.kind !== "done") return { kind: "held_back" };
  const at = results.findIndex(({ tool }) => tool === step.tool);
  if (at < 0) return "next";
  const [{ outcome }] = results.splice(at, 1) as [Result];
  return { kind: outcome.isOk ? "done" : "failed", outcome };
}

interface Result {
  tool: string;
  outcome: Outcome;
}

/** Every tool use with its result, in order. One without a result counts as failed: it is not tried again. */
function resultsIn(messages: Conversation["messages"]): Result[] {
  const blocks = messages
    .flatMap(({ content }) => (Array.isArray(content) ? content : []) as unknown[])
    .filter(isObject);
  return blocks.flatMap((block) => {
    if (block["type"] !== "tool_use") return [];
    const result = blocks.find((other) => other["type"] === "tool_result" && other["tool_use_id"] === block["id"]);
    return [
      {
        tool: String(block["name"]),
        outcome: readOutcome(result ?? { content: "There is no result.", is_error: true }),
      },
    ];
  });
}

function textIn(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .flatMap((block) => (isObject(block) && block["type"] === "text" ? [String(block["text"])] : []))
    .join("\n");
}

function report({ language, steps }: Request, states: ReadonlyMap<Step, State>): string {
  const say = words[language];
  if (steps.length === 0) return say.help;
  const heldBack: Step[] = [];
  const parts = steps.flatMap((step) => {
    const { kind, outcome } = states.get(step)!;
    const name = nameOf(step, say);
    // What the step before it asks for is not asked for twice.
    const asks = step.missing.filter((missing) => !step.after?.missing.includes(missing));
    if (kind === "done") return [describe(step, outcome!.body, say)];
    if (kind === "not_offered") return [say.notOffered(name, step.tool)];
    if (kind === "missing" && asks.length > 0)
      return [
        say.need(
          name,
          listed(
            asks.map((missing) => say.ask[missing]),
            say,
          ),
        ),
      ];
    if (kind === "missing" || kind === "held_back") heldBack.push(step);
    if (kind !== "failed") return [];
    if (outcome!.isUnclear) return [say.unclear(name, field(outcome!.body, "tool_call_id", "id"))];
    return [say.failed(name, outcome!.code, outcome!.sentence)];
  });
  if (heldBack.length > 0)
    parts.push(
      say.notDone(
        listed(
          heldBack.map((step) => nameOf(step, say)),
          say,
        ),
      ),
    );
  return parts.join("\n");
}

const nameOf = ({ kind }: Step, say: Words): string => say.step[kind];

const listed = (items: readonly string[], { and }: Words): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} ${and} ${items.at(-1)}`;

/** What was done, as the tool's answer has it. Codes and links end their line, so that they can be copied. */
function describe(step: Step, body: Record<string, unknown>, say: Words): string {
  const { amount, name } = step.about;
  const about = [amount && display(amount), name && `${say.to} ${name}`].filter(Boolean).join(" ");
  const title = [capitalized(nameOf(step, say)), about && ` (${about})`].filter(Boolean).join("");
  const head = [title, headOf(step, body, say)].filter(Boolean).join(": ");
  const details = [
    [say.label.pixCode, field(body, "pix_copy_paste")],
    [say.label.trackingCode, field(body, "tracking_code")],
    [
      say.label.link,
      field(
        body,
        "checkout_url",
        "charge_url",
        "payment_url",
        "hosted_url",
        "inquiry_url",
        "label_url",
        "pdf_url",
        "connect_url",
      ),
    ],
    [say.label.expires, field(body, "expires_at")],
  ];
  return [head, ...details.flatMap(([label, value]) => (value ? [`${label}: ${value}`] : []))].join("\n");
}

function headOf({ kind }: Step, body: Record<string, unknown>, say: Words): string {
  const cost = body["cost_minor"];
  switch (kind) {
    case "quote":
      return rows(
        body["quotes"],
        (quote) =>
          `${field(quote, "carrier") ?? ""} ${field(quote, "service") ?? ""}, ${brl(quote["cost_minor"])}` +
          (field(quote, "delivery_days") ? `, ${field(quote, "delivery_days")} ${say.days}` : ""),
        say,
      );
    case "discover":
      return rows(body["matches"], (match) => field(match, "tool_name", "name") ?? "", say);
    case "connections":
      return isObject(body["initiate"])
        ? (field(body, "server_id") ?? "")
        : rows(
            body["connections"],
            (row) => `${field(row, "server_id", "display_name") ?? ""} (${field(row, "status") ?? "?"})`,
            say,
          );
    default:
      return [
        field(body, "number") && `${say.label.number} ${field(body, "number")}`,
        field(body, "status"),
        typeof cost === "number" && `${say.label.cost} ${brl(cost)}`,
      ]
        .filter(Boolean)
        .join(", ");
  }
}

/** Rows that a report lists; more than a person reads at once are left out. */
const ROWS_MAX = 10;

function rows(list: unknown, write: (row: Record<string, unknown>) => string, say: Words): string {
  const written = (Array.isArray(list) ? list : []).filter(isObject).slice(0, ROWS_MAX).map(write);
  return written.length > 0 ? written.join("; ") : say.nothingFound;
}

const brl = (minor: unknown): string =>
  typeof minor === "number" && Number.isSafeInteger(minor)
    ? display({ amountMinor: BigInt(minor), currency: "BRL" })
    : "?";
