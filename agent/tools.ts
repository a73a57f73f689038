/** The tools of a run, as the server hands them in, and one use of a tool made safe to feed back to the model. */
import type { ToolCallRecord } from "../schema/agent.ts";
import type { Clock } from "../schema/clock.ts";
import { asFailure, Failure } from "../schema/failures.ts";
import type { ToolUse } from "./completion.ts";
import { guard } from "./guard.ts";

export interface AgentTools {
  definitions: readonly AgentToolDefinition[];
  /**
   * Runs one use and answers for it, failures of the tool included. Called for tools of `definitions` only, one use at
   * a time, in the order the model gave. `content` is what the model reads; the loop wraps it, so give it plain.
   */
  run(use: { id: string; name: string; input: Record<string, unknown> }, signal?: AbortSignal): Promise<ToolOutcome>;
}

interface AgentToolDefinition {
  name: string;
  description: string;
  /** JSON Schema with `type: "object"` at its top. */
  input_schema: object;
}

export interface ToolOutcome {
  record: ToolCallRecord;
  content: string;
  isError: boolean;
}

/** A failure as a model reads it: what to correct, and whether a repeat may help. */
export function failureForModel({ code, message, retry, at, retryAfterSeconds }: Failure): string {
  const { field, expected } = at;
  return JSON.stringify({ code, message, retry, field, expected, retry_after: retryAfterSeconds });
}

/** One use, run or refused. `bug` is what `run` threw although nothing in the contract says so: the run must end. */
export async function performUse(
  use: ToolUse,
  { tools, clock, signal }: { tools: AgentTools; clock: Clock; signal: AbortSignal },
): Promise<ToolOutcome & { bug?: unknown }> {
  const refusal = refusalOf(use, tools.definitions);
  if (refusal) return failed(use, refusal, 0);
  const startedAtMs = clock.now().getTime();
  try {
    const { id, name, input } = use;
    const outcome = await tools.run({ id, name, input }, signal);
    return { ...outcome, content: guard(outcome.content) };
  } catch (error) {
    const outcome = failed(use, asFailure(error), clock.now().getTime() - startedAtMs);
    return error instanceof Failure ? outcome : { ...outcome, bug: error };
  }
}

function refusalOf({ name, problem }: ToolUse, definitions: readonly AgentToolDefinition[]): Failure | undefined {
  if (!definitions.some((tool) => tool.name === name)) {
    const suggestion = definitions.find((tool) => bare(tool.name) === bare(name))?.name;
    return new Failure("tool_not_registered", { tool: name, ...(suggestion && { suggestion }) });
  }
  return problem === undefined
    ? undefined
    : new Failure("invalid_args", { problem: `${problem}, so the tool was not run` });
}

/** `asaas/create_payment`, `Create-Payment` and `create_payment` are one name to whoever looks for what was meant. */
const bare = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^.*(?:__|\/)/, "")
    .replace(/^codespar_/, "")
    .replace(/[^a-z0-9]/g, "");

function failed({ id, name, input }: ToolUse, failure: Failure, durationMs: number): ToolOutcome {
  return {
    record: {
      id,
      tool_name: name,
      server_id: name.includes("__") ? name.slice(0, name.indexOf("__")) : "codespar",
      status: "error",
      duration_ms: durationMs,
      input: input as ToolCallRecord["input"],
      output: null,
      error_code: failure.code,
    },
    content: guard(failureForModel(failure)),
    isError: true,
  };
}
