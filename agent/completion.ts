/**
 * One answer of the model: streamed, read to its end, and repeated when it breaks on the way. Nothing acts on an answer
 * before it is complete, so a repeat cannot repeat an effect.
 */
import type { Anthropic } from "@anthropic-ai/sdk";
import type { Clock } from "../schema/clock.ts";
import { Failure } from "../schema/failures.ts";
import { isObject, parseJson } from "./json.ts";
import { BrokenAnswer, readModelError } from "./model-error.ts";

type Message = Anthropic.Message;
type Usage = Anthropic.Usage;

export interface Completion {
  message: Message;
  toolUses: ToolUse[];
}

export interface ToolUse {
  id: string;
  name: string;
  input: Record<string, unknown>;
  /** Why the input cannot be trusted to be what the model meant. Such a use is refused. */
  problem?: string;
}

export interface CompletionRequest {
  client: Anthropic;
  params: Anthropic.MessageCreateParamsNonStreaming;
  signal: AbortSignal;
  clock: Clock;
  /** How often a broken answer is asked for again. */
  retries: number;
  /** Which answer of the run this is, from 1. */
  iteration: number;
  /** Called for every attempt, a broken one with what it had used until then. */
  onUsage(usage: Usage): void;
}

export interface TextDelta {
  type: "text_delta";
  text: string;
  iteration: number;
}

/**
 * Yields text as it arrives; after a break the text begins anew.
 *
 * throws  Failure("model_failed"); anything at all once `signal` has aborted
 */
export async function* complete(request: CompletionRequest): AsyncGenerator<TextDelta, Completion> {
  const { signal, clock, retries, client } = request;
  for (let attempt = 0; ; attempt++) {
    try {
      return yield* attemptOnce(request);
    } catch (error) {
      if (signal.aborted) throw error;
      const { reason, cause, isPassing, waitMs } = await readModelError(error, client.apiKey);
      if (!isPassing || attempt >= retries) throw new Failure("model_failed", { reason }, { cause });
      await clock.sleep(waitMs ?? backOffMs(attempt), signal);
      signal.throwIfAborted();
    }
  }
}

const BACK_OFF_FIRST_MS = 500;
const BACK_OFF_MAX_MS = 8_000;

const backOffMs = (attempt: number): number => Math.min(BACK_OFF_FIRST_MS * 2 ** attempt, BACK_OFF_MAX_MS);

async function* attemptOnce(request: CompletionRequest): AsyncGenerator<TextDelta, Completion> {
  const { client, params, signal, iteration, onUsage } = request;
  signal.throwIfAborted();
  // The SDK's retries wait on the machine's clock and stop once a stream has begun; ours cover both.
  const stream = client.messages.stream(params, { signal, maxRetries: 0 });
  const inputs: string[] = [];
  try {
    for await (const event of stream) {
      if (event.type !== "content_block_delta") continue;
      const { delta, index } = event;
      if (delta.type === "text_delta") yield { type: "text_delta", text: delta.text, iteration };
      if (delta.type === "input_json_delta") inputs[index] = (inputs[index] ?? "") + delta.partial_json;
    }
    const message = await stream.finalMessage();
    if (message.stop_reason === null) throw new BrokenAnswer("the answer ended without a stop reason");
    onUsage(message.usage);
    return { message, toolUses: toolUsesOf(message, inputs) };
  } catch (error) {
    if (stream.currentMessage) onUsage(stream.currentMessage.usage);
    throw error;
  }
}

const toolUsesOf = (message: Message, inputs: readonly string[]): ToolUse[] =>
  message.content.flatMap((block, index) => {
    if (block.type !== "tool_use") return [];
    const { id, name } = block;
    const problem = waitsForUs(message) ? problemOf(block.input, inputs[index]) : CUT;
    return [{ id, name, input: isObject(block.input) ? block.input : {}, ...(problem && { problem }) }];
  });

/** Any other stop reason means that the model might have gone on to say more, or something else. */
const waitsForUs = ({ stop_reason: reason }: Message): boolean => reason === "tool_use" || reason === "pause_turn";

const CUT = "the answer was cut off before the call was complete; make fewer calls at once";

/**
 * The SDK closes what was left open in a cut input, which turns `{"amount":15000` or even `{"amount":15` into a valid
 * argument. So what was sent is parsed again, strictly.
 */
function problemOf(parsed: unknown, sent: string | undefined): string | undefined {
  if (sent && parseJson(sent) === undefined) return "the JSON ends before it is complete";
  return isObject(parsed) ? undefined : "expected a JSON object";
}
