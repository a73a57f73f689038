/**
 * How the released clients read event streams, each in its own way on the same bytes. Their tolerances and their blind spots are
 * kept on purpose: what one of them cannot read, no test that uses its parser can read either.
 */

type Json = Record<string, unknown>;
type Bytes = AsyncIterable<Uint8Array>;

export interface ChatRecord {
  id: string;
  tool_name: string;
  server_id: string;
  status: "success" | "error";
  duration_ms: number;
  input: unknown;
  output: unknown;
  error_code: string | null;
}

export interface ChatResult {
  message: string;
  tool_calls: ChatRecord[];
  iterations: number;
}

/** What both SDKs hand to their callers. */
export type ChatEvent =
  | { type: "user_message"; content: string }
  | { type: "assistant_text"; content: string; iteration: number }
  | { type: "tool_use"; id: string; name: string; input: Json }
  | { type: "tool_result"; toolCall: ChatRecord }
  | { type: "done"; result: ChatResult }
  | { type: "error"; error: string; message?: string };

/** Whole frames, without their blank line. What follows the last blank line is told apart: most readers lose it. */
async function* framesOf(body: Bytes): AsyncGenerator<{ frame: string; isWhole: boolean }> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const frames = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = frames.pop()!;
    for (const frame of frames) yield { frame, isWhole: true };
  }
  if (rest !== "") yield { frame: rest, isWhole: false };
}

/** The lines behind `field:`, trimmed and joined with nothing in between. */
const valueOf = (frame: string, field: string): string =>
  frame.split("\n").filter((line) => line.startsWith(`${field}:`)).map((line) => line.slice(field.length + 1).trim()).join("");

/**
 * The TypeScript SDK: the `event:` line says what it is, the data is the record or the result itself. A frame that begins with a
 * colon is dropped whole, unreadable data is skipped, an unfinished last frame is read. It reads on until the body ends.
 */
export async function* typescriptChat(body: Bytes): AsyncGenerator<ChatEvent> {
  for await (const { frame } of framesOf(body)) {
    if (frame.startsWith(":")) continue;
    const data = valueOf(frame, "data");
    const json = data === "" ? undefined : readable(data);
    if (json === undefined) continue;
    const event = typescriptEvents[valueOf(frame, "event")]?.(json);
    if (event) yield event;
  }
}

function readable(data: string): Json | undefined {
  try {
    return JSON.parse(data) as Json;
  } catch {
    return undefined;
  }
}

const typescriptEvents: Record<string, (json: Json) => ChatEvent> = {
  user_message: (json) => ({ type: "user_message", content: json["content"] as string }),
  assistant_text: (json) => ({ type: "assistant_text", content: json["content"] as string, iteration: json["iteration"] as number }),
  tool_use: (json) => ({ type: "tool_use", id: json["id"] as string, name: json["name"] as string, input: json["input"] as Json }),
  tool_result: (json) => ({ type: "tool_result", toolCall: recordIn(json) }),
  done: (json) => ({ type: "done", result: resultIn(json) }),
  error: errorEvent,
};

export class PythonStreamError extends Error {}

/**
 * The Python SDK: the `type` member of the data says what it is and the `event:` line nothing; record and result are members of it.
 * Unreadable data is an error, an unfinished last frame is lost. It reads on until the body ends.
 */
export async function* pythonChat(body: Bytes): AsyncGenerator<ChatEvent> {
  for await (const { frame, isWhole } of framesOf(body)) {
    const data = valueOf(frame, "data");
    if (!isWhole || data === "") continue;
    const json = readable(data);
    if (json === undefined) throw new PythonStreamError(`not JSON: ${data}`);
    const event = pythonEvents[json["type"] as string]?.(json);
    if (event) yield event;
  }
}

const pythonEvents: Record<string, (json: Json) => ChatEvent> = {
  ...typescriptEvents,
  tool_result: (json) => ({ type: "tool_result", toolCall: recordIn((json["toolCall"] ?? json["tool_call"]) as Json) }),
  done: (json) => ({ type: "done", result: resultIn(json["result"] as Json) }),
};

function errorEvent({ error, message }: Json): ChatEvent {
  return { type: "error", error: error as string, ...(message !== undefined && { message: message as string }) };
}

const recordIn = (json: Json): ChatRecord => {
  const { id, tool_name, server_id, status, duration_ms, input, output, error_code } = json as unknown as ChatRecord;
  return { id, tool_name, server_id, status, duration_ms, input, output, error_code };
};

const resultIn = (json: Json): ChatResult => {
  const { message, tool_calls, iterations } = json as unknown as ChatResult;
  return { message, tool_calls: tool_calls.map((record) => recordIn(record as unknown as Json)), iterations };
};

/**
 * Status streams, which both SDKs read alike: the last envelope counts, `done` ends the reading, but only with data in it. Comments
 * and other names are passed over, an unfinished last frame is lost.
 *
 * throws  when the stream ends before it said anything
 */
export async function lastEnvelope<Envelope>(body: Bytes, onUpdate: (envelope: Envelope) => void): Promise<Envelope> {
  let last: Envelope | undefined;
  for await (const { frame, isWhole } of framesOf(body)) {
    const data = valueOf(frame, "data");
    if (!isWhole || frame.startsWith(":") || data === "") continue;
    const event = valueOf(frame, "event");
    if (event === "done") break;
    if (event !== "snapshot" && event !== "update") continue;
    last = JSON.parse(data) as Envelope;
    onUpdate(last);
  }
  if (last === undefined) throw new Error("the stream ended before its snapshot");
  return last;
}

export interface LogLine {
  id: string;
  tool: string;
  server: string;
  status: string;
  duration_ms?: number;
  called_at?: string;
  session_id?: string;
  error?: string;
}

/** The command line's log: every frame with `data: ` in it is a line, whatever its event; a frame it cannot read is passed over. */
export async function* logLines(body: Bytes): AsyncGenerator<LogLine> {
  for await (const { frame, isWhole } of framesOf(body)) {
    const data = frame.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice("data: ".length)).join("");
    const json = isWhole && data !== "" ? readable(data) : undefined;
    if (json !== undefined) yield json as unknown as LogLine;
  }
}
