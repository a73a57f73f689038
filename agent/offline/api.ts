/**
 * The wire of the Messages API, as far as the SDK and our loop use it: answers whole or streamed, token counts,
 * errors.
 */
import { randomUUID } from "node:crypto";
import { isObject, parseJson } from "../json.ts";
import { type Move, nextMove } from "./plan.ts";

/** A `fetch` that answers in this process, whatever the address. */
export function offlineMessagesApi(): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    return answer(request);
  };
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== "POST")
    return refusal(405, "invalid_request_error", `${request.method} is not taken here; use POST.`);
  const text = await request.text();
  const body = parseJson(text);
  if (!isObject(body) || !Array.isArray(body["messages"]) || body["messages"].length === 0)
    return refusal(400, "invalid_request_error", "messages: expected a list with at least one message.");
  if (pathname.endsWith("/v1/messages/count_tokens")) return json({ input_tokens: estimatedTokens(text) });
  if (!pathname.endsWith("/v1/messages")) return refusal(404, "not_found_error", `There is no ${pathname} here.`);
  const message = toMessage(body, nextMove(conversationOf(body)), estimatedTokens(text));
  return body["stream"] === true ? streamed(message) : json(message);
}

const conversationOf = (body: Record<string, unknown>) => {
  const tools = Array.isArray(body["tools"]) ? body["tools"].filter(isObject) : [];
  return {
    messages: (body["messages"] as unknown[])
      .filter(isObject)
      .map(({ role, content }) => ({ role: String(role), content })),
    tools: new Set(tools.map(({ name }) => String(name))),
  };
};

type Block =
  | { type: "text"; text: string; citations: null }
  | { type: "tool_use"; id: string; name: string; input: Record<string, unknown> };

interface Message {
  id: string;
  type: "message";
  role: "assistant";
  model: string;
  content: Block[];
  stop_reason: "end_turn" | "tool_use";
  stop_sequence: null;
  usage: Record<"input_tokens" | "output_tokens" | "cache_creation_input_tokens" | "cache_read_input_tokens", number>;
}

function toMessage(body: Record<string, unknown>, move: Move, inputTokens: number): Message {
  const block: Block =
    "text" in move
      ? { type: "text", text: move.text, citations: null }
      : { type: "tool_use", id: newId("toolu"), name: move.tool, input: move.input };
  return {
    id: newId("msg"),
    type: "message",
    role: "assistant",
    model: String(body["model"]),
    content: [block],
    stop_reason: "text" in move ? "end_turn" : "tool_use",
    stop_sequence: null,
    usage: {
      input_tokens: inputTokens,
      output_tokens: estimatedTokens(JSON.stringify(block)),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  };
}

/** As unique as the real ones: a server may keep a run by them. */
const newId = (prefix: string): string => `${prefix}_${randomUUID().replaceAll("-", "").slice(0, 24)}`;

/** Nobody publishes a tokenizer; four characters a token is the customary estimate. */
const estimatedTokens = (text: string): number => Math.max(1, Math.ceil(text.length / 4));

const requestId = () => ({ "request-id": newId("req") });

const json = (body: unknown, status = 200): Response => Response.json(body, { status, headers: requestId() });

const refusal = (status: number, type: string, message: string): Response =>
  json({ type: "error", error: { type, message }, request_id: null }, status);

function streamed(message: Message): Response {
  const events = eventsOf(message);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { value, done } = events.next();
      if (done) return controller.close();
      controller.enqueue(encoder.encode(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", ...requestId() } });
}

type Event = { type: string } & Record<string, unknown>;

function* eventsOf({ content, stop_reason, stop_sequence, usage, ...rest }: Message): Generator<Event, void> {
  const { output_tokens, ...input } = usage;
  const begun = { ...rest, content: [], stop_reason: null, stop_sequence: null, usage: { ...input, output_tokens: 1 } };
  yield { type: "message_start", message: begun };
  yield { type: "ping" };
  for (const [index, block] of content.entries()) {
    const [empty, deltas] = opened(block);
    yield { type: "content_block_start", index, content_block: empty };
    for (const delta of deltas) yield { type: "content_block_delta", index, delta };
    yield { type: "content_block_stop", index };
  }
  yield { type: "message_delta", delta: { stop_reason, stop_sequence }, usage: { output_tokens } };
  yield { type: "message_stop" };
}

/** A block as it is begun, and what fills it. */
function opened(block: Block): [Block, Event[]] {
  if (block.type === "text")
    return [{ ...block, text: "" }, pieces(block.text).map((text) => ({ type: "text_delta", text }))];
  const input = pieces(JSON.stringify(block.input)).map((partial_json) => ({ type: "input_json_delta", partial_json }));
  return [{ ...block, input: {} }, [{ type: "input_json_delta", partial_json: "" }, ...input]];
}

/** Characters of one delta: small enough that a screen is seen to fill, and that no reader gets by without joining. */
const PIECE_CHARS = 16;

const pieces = (text: string): string[] => {
  const characters = [...text];
  const count = Math.ceil(characters.length / PIECE_CHARS);
  return Array.from({ length: count }, (_, index) =>
    characters.slice(index * PIECE_CHARS, (index + 1) * PIECE_CHARS).join(""),
  );
};
