/**
 * A Messages API that follows a script: one turn a request, whatever is asked. It is there as a `fetch` and, for what
 * only a socket can do (a connection that dies), as a server on the loopback interface.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type ScriptedBlock =
  | { type: "text"; text: string }
  | { type: "thinking"; thinking: string; signature: string }
  /** `json` is sent as it stands, readable or not; `pieces` says in how many deltas. */
  | { type: "tool_use"; id: string; name: string; input?: unknown; json?: string; pieces?: number };

export interface Turn {
  content?: ScriptedBlock[];
  /** `tool_use` if any block is one, else `end_turn`. `null` ends the message without saying why. */
  stopReason?: string | null;
  usage?: Partial<
    Record<"input_tokens" | "output_tokens" | "cache_read_input_tokens" | "cache_creation_input_tokens", number>
  >;
  /** An HTTP error in place of an answer. */
  error?: { status: number; type?: string; message?: string; headers?: Record<string, string> };
  /** Stops after so many events: with an error event, by ending the body early, or by dropping the connection. */
  breakAfter?: { events: number; with: "end" | "drop" | { type: string; message?: string } };
  /** Waits before the event of this index (0 is `message_start`). */
  hold?: { before: number; until: Promise<unknown> };
}

export interface RecordedRequest {
  path: string;
  headers: Record<string, string>;
  /** The bytes of the body, for comparisons that must be exact. */
  text: string;
  body: any;
  /** Aborts when the client gives the request up. */
  signal: AbortSignal;
}

export interface MessagesApi {
  requests: RecordedRequest[];
  fetch: typeof fetch;
  /** Starts the server. Close it. */
  listen(): Promise<{ baseUrl: string; close(): Promise<void> }>;
}

/** turns  one a request; a request beyond them is answered 500 */
export function messagesApi(turns: readonly Turn[]): MessagesApi {
  const requests: RecordedRequest[] = [];
  const next = async (request: Request): Promise<Answer> => {
    const text = await request.text();
    const { pathname: path } = new URL(request.url);
    requests.push({
      path,
      headers: Object.fromEntries(request.headers),
      text,
      body: JSON.parse(text),
      signal: request.signal,
    });
    const turn = turns[requests.length - 1] ?? { error: { status: 500, message: "the script has no such turn" } };
    return answerOf(turn, requests.length);
  };
  return {
    requests,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const { status, headers, chunks } = await next(request);
      return new Response(bodyOf(chunks, request.signal), { status, headers });
    },
    listen: () => listen(next),
  };
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  chunks: AsyncGenerator<string, "end" | "drop">;
}

function answerOf(turn: Turn, number: number): Answer {
  const headers = { "request-id": `req_script_${number}` };
  if (turn.error) {
    const { status, type = "api_error", message = "scripted", headers: more } = turn.error;
    const text = JSON.stringify({ type: "error", error: { type, message } });
    return { status, headers: { ...headers, "content-type": "application/json", ...more }, chunks: once(text) };
  }
  return { status: 200, headers: { ...headers, "content-type": "text/event-stream" }, chunks: streamOf(turn, number) };
}

async function* once(text: string): AsyncGenerator<string, "end"> {
  yield text;
  return "end";
}

async function* streamOf(turn: Turn, number: number): AsyncGenerator<string, "end" | "drop"> {
  const { breakAfter, hold } = turn;
  for (const [index, event] of eventsOf(turn, number).entries()) {
    if (hold?.before === index) await hold.until;
    if (breakAfter?.events === index) {
      if (typeof breakAfter.with === "string") return breakAfter.with;
      yield sse({ type: "error", error: { message: "scripted", ...breakAfter.with } });
      return "end";
    }
    yield sse(event);
  }
  return "end";
}

type Event = { type: string } & Record<string, unknown>;

const sse = (event: Event): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

function eventsOf({ content = [], stopReason, usage, breakAfter: _break, hold: _hold }: Turn, number: number): Event[] {
  const { output_tokens = 10, ...input } = { input_tokens: 100, ...usage };
  const message = {
    id: `msg_script_${number}`,
    type: "message",
    role: "assistant",
    model: "scripted",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...input, output_tokens: 1 },
  };
  const reason =
    stopReason === undefined ? (content.some(({ type }) => type === "tool_use") ? "tool_use" : "end_turn") : stopReason;
  return [
    { type: "message_start", message },
    ...content.flatMap((block, index) => [
      { type: "content_block_start", index, content_block: emptied(block) },
      ...deltasOf(block).map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens } },
    { type: "message_stop" },
  ] as Event[];
}

function emptied(block: ScriptedBlock): unknown {
  if (block.type === "text") return { type: "text", text: "" };
  if (block.type === "thinking") return { type: "thinking", thinking: "", signature: "" };
  return { type: "tool_use", id: block.id, name: block.name, input: {} };
}

function deltasOf(block: ScriptedBlock): unknown[] {
  if (block.type === "text") return inPieces(block.text, 3).map((text) => ({ type: "text_delta", text }));
  if (block.type === "thinking")
    return [
      ...inPieces(block.thinking, 2).map((thinking) => ({ type: "thinking_delta", thinking })),
      { type: "signature_delta", signature: block.signature },
    ];
  const json = block.json ?? JSON.stringify(block.input ?? {});
  return inPieces(json, block.pieces ?? 2).map((partial_json) => ({ type: "input_json_delta", partial_json }));
}

function inPieces(text: string, count: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / count));
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

function bodyOf(chunks: Answer["chunks"], signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start: (controller) => signal.addEventListener("abort", () => controller.error(signal.reason), { once: true }),
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (signal.aborted) return;
      if (!done) controller.enqueue(encoder.encode(value));
      else if (value === "drop") controller.error(new TypeError("terminated"));
      else controller.close();
    },
  });
}

async function listen(
  next: (request: Request) => Promise<Answer>,
): Promise<{ baseUrl: string; close(): Promise<void> }> {
  const server = createServer((request, response) => void serve(request, response, next));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  next: (request: Request) => Promise<Answer>,
): Promise<void> {
  const body: Buffer[] = [];
  for await (const chunk of incoming) body.push(chunk as Buffer);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const { status, headers, chunks } = await next(
    new Request(`http://localhost${incoming.url}`, {
      method: incoming.method ?? "GET",
      headers: incoming.headers as Record<string, string>,
      body: Buffer.concat(body),
      signal: gone.signal,
    }),
  );
  response.writeHead(status, headers);
  for (let step = await chunks.next(); ; step = await chunks.next()) {
    if (step.done) return void (step.value === "drop" ? response.destroy() : response.end());
    if (gone.signal.aborted) return;
    response.write(step.value);
  }
}
