/**
 * The tool loop: ask the model, run the tools it names in the order it named them, tell it what they returned, until it
 * answers or a bound is met. Every effect goes through `tools.run`; the loop itself touches nothing.
 */
import type { Anthropic } from "@anthropic-ai/sdk";
import type { SendEvent, ToolCallRecord } from "../schema/agent.ts";
import type { Clock } from "../schema/clock.ts";
import { Failure } from "../schema/failures.ts";
import { type Bounds, deadline, type Deadline } from "./bounds.ts";
import { complete, type Completion, type ToolUse } from "./completion.ts";
import { type AgentTools, performUse } from "./tools.ts";

export { type Bounds, defaultBounds } from "./bounds.ts";
export { type AgentTools, failureForModel, type ToolOutcome } from "./tools.ts";

/** What happens in a run, without the places and the end that the server adds. */
export type AgentEvent = WithoutCursor<Exclude<SendEvent, { type: "done" | "error" }>>;
type WithoutCursor<Event> = Event extends unknown ? Omit<Event, "cursor"> : never;

/** What a run has done so far. After a failure it is what was done before it. */
export interface AgentProgress {
  /** The last words of the model. */
  message: string;
  toolCalls: ToolCallRecord[];
  /** How many times the model answered, broken answers not counted. */
  iterations: number;
  usage: { inputTokens: number; outputTokens: number; cacheReadTokens: number; cacheWriteTokens: number };
}
export type AgentResult = AgentProgress;

export const newProgress = (): AgentProgress => ({
  message: "",
  toolCalls: [],
  iterations: 0,
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
});

export interface RunOptions {
  client: Anthropic;
  model: string;
  system: string;
  message: string;
  tools: AgentTools;
  bounds: Bounds;
  /** Cancels the run: the model's request is dropped, a tool at work is waited for, and no further one is started. */
  signal?: AbortSignal | undefined;
  clock: Clock;
  /** Kept up to date while the run goes on, so that its work can be reported when it fails. It is also the result. */
  progress?: AgentProgress | undefined;
}

/**
 * Runs one message to its answer.
 *
 * yields   `user_message`; then per answer of the model `text_delta`s, `assistant_text` when it said anything, and a
 *          `tool_use` and a `tool_result` for each tool. `assistant_text` is what was said: deltas of an answer that
 *          broke are followed by those of its repeat, under the same iteration
 * throws   Failure: run_limit_reached, model_failed, run_cancelled; whatever else `tools.run` threw, as it is
 */
export async function* runAgent(options: RunOptions): AsyncGenerator<AgentEvent, AgentResult> {
  const { bounds, clock, signal, message, progress = newProgress() } = options;
  const time = deadline(clock, bounds.timeMs, signal);
  const run: Run = { ...options, progress, time, messages: [{ role: "user", content: message }] };
  try {
    yield { type: "user_message", content: message };
    for (let turn = 1; turn <= bounds.turns; turn++) {
      const completion = yield* nextCompletion(run);
      if (isOver(run, completion)) return progress;
      requireAnotherTurn(run);
      yield* runTools(run, completion);
    }
    throw limitReached(`${bounds.turns} model turns`);
  } finally {
    time.end();
  }
}

interface Run extends RunOptions {
  progress: AgentProgress;
  time: Deadline;
  messages: Anthropic.MessageParam[];
}

async function* nextCompletion(run: Run): AsyncGenerator<AgentEvent, Completion> {
  const { progress } = run;
  requireTime(run);
  const completion = yield* askModel(run, progress.iterations + 1);
  progress.iterations += 1;
  const said = textOf(completion.message);
  if (said) {
    progress.message = said;
    yield { type: "assistant_text", content: said, iteration: progress.iterations };
  }
  return completion;
}

async function* askModel(run: Run, iteration: number): AsyncGenerator<AgentEvent, Completion> {
  const { client, clock, bounds, progress, time } = run;
  const onUsage = (usage: Anthropic.Usage) => addUsage(progress, usage);
  try {
    return yield* complete({
      client,
      clock,
      params: paramsOf(run),
      signal: time.signal,
      retries: bounds.retries,
      iteration,
      onUsage,
    });
  } catch (error) {
    // Whatever an interrupted request threw, the interruption is the reason.
    requireTime(run);
    throw error;
  }
}

const CACHED = { cache_control: { type: "ephemeral" } } as const;

/** The system prompt and the tools are the same in every turn and run, so the provider is told to keep them. */
function paramsOf({
  model,
  system,
  tools,
  messages,
  bounds,
  progress,
}: Run): Anthropic.MessageCreateParamsNonStreaming {
  const last = tools.definitions.length - 1;
  return {
    model,
    max_tokens: Math.min(bounds.maxTokens, bounds.outputTokens - progress.usage.outputTokens),
    system: [{ type: "text", text: system, ...CACHED }],
    messages: [...messages],
    ...(last >= 0 && {
      tools: tools.definitions.map(({ name, description, input_schema }, index) => ({
        name,
        description,
        input_schema: input_schema as Anthropic.Tool.InputSchema,
        ...(index === last && CACHED),
      })),
    }),
  };
}

/**
 * Whether the answer ends the run. One that was cut off within a tool use goes on: the use is refused, and the model
 * told.
 */
function isOver({ bounds, progress }: Run, { message, toolUses }: Completion): boolean {
  switch (message.stop_reason) {
    case "tool_use":
      return toolUses.length === 0;
    case "pause_turn":
      return false;
    case "max_tokens":
      if (toolUses.length > 0) return false;
      return endCut(progress, message, `${bounds.maxTokens} tokens in one answer`);
    case "model_context_window_exceeded":
      if (toolUses.length > 0) throw limitReached(CONTEXT);
      return endCut(progress, message, CONTEXT);
    case "refusal":
      progress.message = [textOf(message), "The model declined to go on with this request."]
        .filter(Boolean)
        .join("\n\n");
      return true;
    default:
      return true;
  }
}

const CONTEXT = "what the model can read at once";

/** A cut answer that says something is an answer, and says that it is cut. */
function endCut(progress: AgentProgress, message: Anthropic.Message, limit: string): true {
  const said = textOf(message);
  if (!said) throw limitReached(limit);
  progress.message = `${said}\n\n[Cut off at the limit of ${limit}.]`;
  return true;
}

/**
 * No tool is started whose result the model could not read any more: a movement that nobody follows up is worse than
 * none.
 */
function requireAnotherTurn({ bounds, progress: { iterations, usage } }: Run): void {
  if (iterations >= bounds.turns) throw limitReached(`${bounds.turns} model turns`);
  if (usage.outputTokens >= bounds.outputTokens) throw limitReached(`${bounds.outputTokens} output tokens`);
  const inputTokens = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  if (inputTokens >= bounds.inputTokens) throw limitReached(`${bounds.inputTokens} input tokens`);
}

async function* runTools(run: Run, { message, toolUses }: Completion): AsyncGenerator<AgentEvent, void> {
  const { messages } = run;
  messages.push({ role: "assistant", content: message.content });
  if (toolUses.length === 0) return;
  const results: Anthropic.ToolResultBlockParam[] = [];
  for (const use of toolUses) results.push(yield* runTool(run, use));
  messages.push({ role: "user", content: results });
}

async function* runTool(run: Run, use: ToolUse): AsyncGenerator<AgentEvent, Anthropic.ToolResultBlockParam> {
  const { tools, clock, bounds, progress, time } = run;
  requireTime(run);
  if (progress.toolCalls.length >= bounds.toolCalls) throw limitReached(`${bounds.toolCalls} tool calls`);
  yield { type: "tool_use", id: use.id, name: use.name, input: use.input as ToolCallRecord["input"] };
  // The listener may have cancelled while it held the event.
  requireTime(run);
  const { record, content, isError, ...rest } = await performUse(use, { tools, clock, signal: time.signal });
  progress.toolCalls.push(record);
  yield { type: "tool_result", tool_call: record };
  if ("bug" in rest) throw rest.bug;
  return { type: "tool_result", tool_use_id: use.id, content, is_error: isError };
}

function requireTime({ signal, time, bounds }: Run): void {
  if (signal?.aborted) throw new Failure("run_cancelled", {});
  if (time.signal.aborted) throw limitReached(`${bounds.timeMs / 1000} seconds`);
}

const limitReached = (limit: string): Failure => new Failure("run_limit_reached", { limit });

const textOf = ({ content }: Anthropic.Message): string =>
  content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");

function addUsage({ usage }: AgentProgress, more: Anthropic.Usage): void {
  usage.inputTokens += more.input_tokens;
  usage.outputTokens += more.output_tokens;
  usage.cacheReadTokens += more.cache_read_input_tokens ?? 0;
  usage.cacheWriteTokens += more.cache_creation_input_tokens ?? 0;
}
