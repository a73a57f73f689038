/** The stream of a send, the same bytes read by both SDKs: a model that follows a script, so that every kind of event comes. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import type { Turn } from "../support/messages-api.ts";
import { pythonChat, typescriptChat, type ChatEvent } from "./support/frames.ts";
import { pythonSdk } from "./support/python-sdk.ts";
import { soon, startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const charge = { type: "tool_use", id: "tu_1", name: "codespar_charge", input: mariaCharge } as const;
const customer = { type: "tool_use", id: "tu_2", name: "asaas__create_customer", input: { name: "Maria", cpfCnpj: "11144477735" } } as const;
const unknown = { type: "tool_use", id: "tu_3", name: "codespar_dance", input: {} } as const;
/** Three completions: words and two calls, a call that fails, and the last words. */
const conversation: Turn[] = [
  { content: [{ type: "text", text: "On it." }, charge, customer] },
  { content: [unknown] },
  { content: [{ type: "text", text: "Charged." }] },
];

/** Every test has its own turns of the model, in the order of the file. */
let letGo = () => {};
const held = new Promise<void>((resolve) => (letGo = resolve));
const wire = await startWire({
  turns: [
    ...conversation, ...conversation, ...conversation,
    { content: [{ type: "text", text: "Slowly." }], hold: { before: 2, until: held } },
    { error: { status: 400, message: "no" } },
    { content: [{ type: "text", text: "Hi." }] },
    { content: [{ type: "text", text: "Hi." }] },
  ],
});

async function all(events: AsyncIterable<ChatEvent>): Promise<ChatEvent[]> {
  const told = [];
  for await (const event of events) told.push(event);
  return told;
}

const record = (tool_name: string, more: object) => ({
  id: expect.any(String), tool_name, server_id: "asaas", status: "success", duration_ms: expect.any(Number), error_code: null,
  output: expect.any(Object), ...more,
});
const records = [
  record("codespar_charge", { input: mariaCharge, output: expect.objectContaining({ status: "pending" }) }),
  record("asaas__create_customer", { input: customer.input }),
  record("codespar_dance", { server_id: expect.any(String), status: "error", input: {}, output: null, error_code: "tool_not_registered" }),
];
const wholeConversation = [
  { type: "user_message", content: "charge Maria" },
  { type: "assistant_text", content: "On it.", iteration: 1 },
  { type: "tool_use", id: "tu_1", name: "codespar_charge", input: mariaCharge },
  { type: "tool_result", toolCall: records[0] },
  { type: "tool_use", id: "tu_2", name: "asaas__create_customer", input: customer.input },
  { type: "tool_result", toolCall: records[1] },
  { type: "tool_use", id: "tu_3", name: "codespar_dance", input: {} },
  { type: "tool_result", toolCall: records[2] },
  { type: "assistant_text", content: "Charged.", iteration: 3 },
  { type: "done", result: { message: "Charged.", tool_calls: records, iterations: 3 } },
];

/** Uses and results in any order among the calls of one completion, everything else as it is told. */
const told = (events: readonly ChatEvent[]) => [
  events.filter(({ type }) => type !== "tool_use" && type !== "tool_result"),
  events.filter(({ type }) => type === "tool_use"),
  events.filter(({ type }) => type === "tool_result"),
];

test.each(["TypeScript", "Python"])("to the %s SDK every event comes, in order, and the body ends behind done", async (language) => {
  const events = language === "TypeScript"
    ? (await typescriptSdk(wire.client).create("maria", { servers: ["asaas"] })).sendStream("charge Maria")
    : (await pythonSdk(wire.client).create("maria", { servers: ["asaas"] })).send_stream("charge Maria");
  expect(told(await all(events))).toEqual(told(wholeConversation as ChatEvent[]));
  expect(wire.exchanges.at(-1)!.headers.get("accept")).toBe("text/event-stream");
});

describe("the bytes", () => {
  test("of one answer are the same events to both parsers, and each result is under both names", async () => {
    const session = await typescriptSdk(wire.client).create("maria", { servers: ["asaas"] });
    const response = await wire.fetch(`${wire.baseUrl}/v1/sessions/${session.id}/send`, {
      method: "POST", body: '{"message":"charge Maria"}',
      headers: { authorization: `Bearer ${wire.client.apiKey}`, "content-type": "application/json", accept: "text/event-stream" },
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("content-encoding")).toBeNull();
    const [one, other] = response.body!.tee();
    const [typescript, python] = await Promise.all([all(typescriptChat(one)), all(pythonChat(other))]);
    expect(python).toEqual(typescript);
    const { frames } = wire.exchanges.at(-1)!;
    const data = (event: string) => frames.filter((frame) => frame.includes(`event: ${event}\n`))
      .map((frame) => JSON.parse(frame.slice(frame.indexOf("data: ") + "data: ".length)) as Record<string, unknown>);
    for (const { toolCall, ...result } of data("tool_result")) expect(result).toMatchObject({ type: "tool_result", ...(toolCall as object) });
    expect(data("tool_result")).toHaveLength(3);
    const [{ result, ...done } = {}] = data("done");
    expect(done).toMatchObject({ type: "done", ...(result as object) });
    expect(frames.at(-1)).toContain("event: done\n");
  });

  test("a silent model leaves a comment every 15 seconds, so that nobody's idle limit of 60 is met", async () => {
    const session = await typescriptSdk(wire.client).create("maria", { servers: [] });
    const reading = all(session.sendStream("take your time"));
    const comments = () => wire.exchanges.at(-1)!.frames.filter((frame) => frame.startsWith(":"));
    await expect.poll(() => wire.model!.requests.length, soon).toBe(10);
    for (let beat = 1; beat <= 4; beat += 1) {
      await wire.app.clock.advance(15_000);
      await expect.poll(() => comments().length, soon).toBe(beat);
    }
    expect(comments()[0]).toBe(": heartbeat 2026-11-20T12:00:15.000Z");
    letGo();
    expect((await reading).at(-1)).toMatchObject({ type: "done", result: { message: "Slowly." } });
  });
});

test("a model that fails on the way is an error event, and the last, to both", async () => {
  const session = await typescriptSdk(wire.client).create("maria", { servers: [] });
  const events = await all(session.sendStream("hello"));
  expect(events.map(({ type }) => type)).toEqual(["user_message", "error"]);
  expect(events[1]).toEqual({ type: "error", error: "model_failed", message: expect.any(String) });
  const { frames } = wire.exchanges.at(-1)!;
  const bytes = new TextEncoder().encode(`${frames.join("\n\n")}\n\n`);
  expect(await all(pythonChat(new Response(bytes).body!))).toEqual(events);
});

describe("before the stream begins", () => {
  test("a refusal is ordinary JSON: TypeScript reads its code, Python its status and its text", async () => {
    const session = await typescriptSdk(wire.client).create("maria", { servers: [] });
    await session.close();
    await expect(all(session.sendStream("hello"))).rejects.toMatchObject({ status: 409, code: "session_not_active" });
    const python = await pythonSdk(wire.client).create("maria", { servers: ["asaas"] });
    await python.close();
    await expect(all(python.send_stream("hello"))).rejects.toMatchObject({
      status: 409, code: undefined, message: expect.stringContaining("session_not_active"),
    });
  });
});

test("a reader that drops the connection does no harm to the next send, which is a conversation of its own", async () => {
  const session = await typescriptSdk(wire.client).create("maria", { servers: [] });
  for await (const event of session.sendStream("hello")) {
    expect(event.type).toBe("user_message");
    await expect.poll(() => wire.model!.requests.length, soon).toBe(12);
    break;
  }
  expect(await session.send("are you there?")).toMatchObject({ message: "Hi.", tool_calls: [], iterations: 1 });
  const { messages } = wire.model!.requests.at(-1)!.body as { messages: unknown[] };
  expect([messages.length, JSON.stringify(messages).includes("hello")]).toEqual([1, false]);
});
