import { describe, expect, test } from "vitest";
import {
  type AgentEvent,
  type AgentResult,
  type AgentTools,
  type Bounds,
  defaultBounds,
  newProgress,
  runAgent,
} from "../../agent/loop.ts";
import { createModelClient } from "../../agent/model.ts";
import { unguard } from "../../agent/guard.ts";
import type { Clock } from "../../schema/clock.ts";
import { Failure } from "../../schema/failures.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { messagesApi, type MessagesApi, type ScriptedBlock, type Turn } from "../support/messages-api.ts";

const KEY = "sk-ant-secret-of-this-test";

describe("a run", () => {
  test("tells what happens in order and ends with the model's last words", async () => {
    const { events, result } = await run([
      { content: [text("Charging now."), use("t1", "charge", { amount: 15000 })] },
      { content: [text("Done.")] },
    ]);
    expect(withoutDeltas(events)).toEqual([
      { type: "user_message", content: "Charge R$150" },
      { type: "assistant_text", content: "Charging now.", iteration: 1 },
      { type: "tool_use", id: "t1", name: "charge", input: { amount: 15000 } },
      { type: "tool_result", tool_call: recordOf("t1", "charge", { amount: 15000 }) },
      { type: "assistant_text", content: "Done.", iteration: 2 },
    ]);
    expect(deltas(events, 1)).toBe("Charging now.");
    expect(events.filter(({ type }) => type === "text_delta").length).toBeGreaterThan(2);
    expect(result).toEqual({
      message: "Done.",
      toolCalls: [recordOf("t1", "charge", { amount: 15000 })],
      iterations: 2,
      usage: { inputTokens: 200, outputTokens: 20, cacheReadTokens: 0, cacheWriteTokens: 0 },
    });
  });

  test("speaks the same over a socket", async () => {
    const api = messagesApi([{ content: [use("t1", "charge", { amount: 1 })] }, { content: [text("Done.")] }]);
    const server = await api.listen();
    try {
      const { result } = await run([], {
        api,
        client: await createModelClient({ apiKey: KEY, baseUrl: server.baseUrl, model: "m" }),
      });
      expect(result?.message).toBe("Done.");
      expect(api.requests.map(({ path, headers }) => [path, headers["authorization"]])).toEqual([
        ["/v1/messages", `Bearer ${KEY}`],
        ["/v1/messages", `Bearer ${KEY}`],
      ]);
    } finally {
      await server.close();
    }
  });

  test("runs the tool uses of one answer one after another, in the model's order, and returns all at once", async () => {
    const order: string[] = [];
    const { api, result } = await run(
      [{ content: [use("t1", "charge"), use("t2", "notify"), use("t3", "charge")] }, { content: [text("Done.")] }],
      {
        tools: toolsOf(async ({ id, name, input }) => {
          order.push(`${id} starts`);
          await new Promise((resolve) => setTimeout(resolve, id === "t1" ? 20 : 1));
          order.push(`${id} ends`);
          return { record: recordOf(id, name, input), content: `{"of":"${id}"}`, isError: false };
        }),
      },
    );
    expect(order).toEqual(["t1 starts", "t1 ends", "t2 starts", "t2 ends", "t3 starts", "t3 ends"]);
    expect(result?.toolCalls.map(({ id }) => id)).toEqual(["t1", "t2", "t3"]);
    expect(toolResults(api, 1).map(({ id, content }) => [id, content])).toEqual([
      ["t1", { of: "t1" }],
      ["t2", { of: "t2" }],
      ["t3", { of: "t3" }],
    ]);
  });

  test("echoes thinking with its signature, byte for byte", async () => {
    const thinking = {
      type: "thinking" as const,
      thinking: 'Ação: 15000 é R$150, "certo"\n—',
      signature: "EqQBCkYIB+/=xyz",
    };
    const { api } = await run([
      { content: [thinking, use("t1", "charge", { amount: 15000 })] },
      { content: [text("Done.")] },
    ]);
    expect(api.requests[1]?.text).toContain(
      '{"role":"assistant","content":[{"type":"thinking",' +
        String.raw`"thinking":"Ação: 15000 é R$150, \"certo\"\n—","signature":"EqQBCkYIB+/=xyz"},`,
    );
  });

  test("asks the provider to keep system prompt and tools, and marks nothing else", async () => {
    const { api } = await run([{ content: [use("t1", "charge")] }, { content: [text("Done.")] }]);
    expect(api.requests[1]?.body.system).toEqual([
      { type: "text", text: "You are a test.", cache_control: { type: "ephemeral" } },
    ]);
    expect(api.requests[1]?.body.tools.map(({ name, cache_control }: any) => [name, cache_control])).toEqual([
      ["charge", undefined],
      ["notify", { type: "ephemeral" }],
    ]);
    expect(api.requests[1]?.text.match(/cache_control/g)).toHaveLength(2);
  });

  test("drops the model's request when its listener leaves", async () => {
    const held = new Promise(() => {});
    const api = messagesApi([{ content: [text("Charging now.")], hold: { before: 3, until: held } }]);
    const events = runAgent(await optionsFor(api, {}));
    await events.next();
    expect((await events.next()).value).toMatchObject({ type: "text_delta" });
    await events.return(undefined as never);
    expect(api.requests[0]?.signal.aborted).toBe(true);
  });
});

describe("stop reasons", () => {
  test.each(["end_turn", "stop_sequence"])("%s ends the run with what was said", async (stopReason) => {
    const { result } = await run([{ content: [text("All set.")], stopReason }]);
    expect(result).toMatchObject({ message: "All set.", iterations: 1 });
  });

  test("tool_use runs the tools and asks again", async () => {
    const { api, result } = await run([
      { content: [use("t1", "charge")], stopReason: "tool_use" },
      { content: [text("Done.")] },
    ]);
    expect(api.requests[1]?.body.messages.map(({ role }: any) => role)).toEqual(["user", "assistant", "user"]);
    expect(result).toMatchObject({ message: "Done.", iterations: 2 });
  });

  test("pause_turn gives the answer back as it is and asks for the rest", async () => {
    const { api, result } = await run([
      { content: [text("Searching")], stopReason: "pause_turn" },
      { content: [text("Found.")] },
    ]);
    expect(api.requests[1]?.body.messages.slice(1)).toEqual([
      { role: "assistant", content: [{ type: "text", text: "Searching" }] },
    ]);
    expect(result).toMatchObject({ message: "Found.", iterations: 2 });
  });

  test("refusal ends the run and says so", async () => {
    const { result } = await run([{ content: [], stopReason: "refusal" }]);
    expect(result?.message).toBe("The model declined to go on with this request.");
  });

  test("refusal runs no tool that was begun", async () => {
    const { result, ran } = await run([{ content: [text("I would "), use("t1", "charge")], stopReason: "refusal" }]);
    expect(result?.message).toBe("I would \n\nThe model declined to go on with this request.");
    expect(ran).toEqual([]);
  });

  test.each([
    ["max_tokens", "4096 tokens in one answer"],
    ["model_context_window_exceeded", "what the model can read at once"],
  ])("%s returns the words there are, marked as cut", async (stopReason, limit) => {
    const { result } = await run([{ content: [text("The charge is")], stopReason }]);
    expect(result?.message).toBe(`The charge is\n\n[Cut off at the limit of ${limit}.]`);
  });

  test.each(["max_tokens", "model_context_window_exceeded"])(
    "%s without a word is a limit that was met",
    async (stopReason) => {
      const { error } = await run([{ content: [], stopReason }]);
      expect(error).toMatchObject({ code: "run_limit_reached" });
    },
  );

  test("max_tokens within tool uses runs none of them, tells the model, and goes on", async () => {
    const { api, ran, result } = await run([
      {
        content: [use("t1", "charge", { amount: 15000 }), { ...use("t2", "charge"), json: '{"amount":15' }],
        stopReason: "max_tokens",
      },
      { content: [text("I will go slower.")] },
    ]);
    expect(ran).toEqual([]);
    expect(toolResults(api, 1)).toMatchObject([
      { id: "t1", isError: true, content: { code: "invalid_args" } },
      { id: "t2", isError: true, content: { code: "invalid_args" } },
    ]);
    expect(toolResults(api, 1)[0]?.content.message).toContain("the answer was cut off before the call was complete");
    expect(result?.toolCalls.map(({ status, error_code }) => [status, error_code])).toEqual([
      ["error", "invalid_args"],
      ["error", "invalid_args"],
    ]);
  });

  test("model_context_window_exceeded within a tool use runs nothing and ends the run", async () => {
    const { error, ran } = await run([{ content: [use("t1", "charge")], stopReason: "model_context_window_exceeded" }]);
    expect(error?.message).toContain("its limit of what the model can read at once");
    expect(ran).toEqual([]);
  });
});

describe("tools that fail", () => {
  test("a failure the tool answers for reaches the model as an error it can act on", async () => {
    const { api } = await run([{ content: [use("t1", "charge")] }, { content: [text("Sorry.")] }], {
      tools: toolsOf(async ({ id, name, input }) => ({
        record: { ...recordOf(id, name, input), status: "error", error_code: "provider_declined" },
        content: '{"code":"provider_declined","retry":"never"}',
        isError: true,
      })),
    });
    expect(toolResults(api, 1)).toEqual([
      { id: "t1", isError: true, content: { code: "provider_declined", retry: "never" } },
    ]);
  });

  test("a thrown Failure is reported and told with its code, field and retry", async () => {
    const { api, result } = await run(
      [{ content: [use("t1", "charge", { amount: 1.5 })] }, { content: [text("Sorry.")] }],
      {
        tools: toolsOf(async () => {
          throw new Failure("amount_fraction", { field: "amount", amount: "1.5" });
        }),
      },
    );
    expect(toolResults(api, 1)).toMatchObject([
      {
        isError: true,
        content: {
          code: "amount_fraction",
          field: "amount",
          retry: "never",
          message: expect.stringContaining("minor units"),
        },
      },
    ]);
    expect(result?.toolCalls).toMatchObject([
      { id: "t1", status: "error", error_code: "amount_fraction", input: { amount: 1.5 } },
    ]);
  });

  test("anything else that a tool throws ends the run, once the call is reported; no further tool starts", async () => {
    const bug = new TypeError("x is undefined");
    const { events, error, ran } = await run([{ content: [use("t1", "charge"), use("t2", "notify")] }], {
      tools: toolsOf(async () => {
        throw bug;
      }),
    });
    expect(error).toBe(bug);
    expect(ran).toEqual(["t1"]);
    expect(events.at(-1)).toMatchObject({ type: "tool_result", tool_call: { id: "t1", error_code: "internal" } });
    expect(JSON.stringify(events)).not.toContain("undefined");
  });

  test.each([
    ["codespar_charge", "charge"],
    ["NOTIFY", "notify"],
  ])("an unknown tool %s is not run; the model reads that %s was meant", async (name, meant) => {
    const { api, ran, result } = await run([{ content: [use("t1", name)] }, { content: [text("Sorry.")] }]);
    expect(ran).toEqual([]);
    expect(toolResults(api, 1)).toMatchObject([
      {
        isError: true,
        content: { code: "tool_not_registered", message: `Tool not registered: ${name}. Did you mean ${meant}?` },
      },
    ]);
    expect(result?.toolCalls).toMatchObject([{ tool_name: name, status: "error", error_code: "tool_not_registered" }]);
  });

  test("the server of an unknown native tool is the part before its two underscores", async () => {
    const { result } = await run([{ content: [use("t1", "asaas__create_payment")] }, { content: [text("Sorry.")] }]);
    expect(result?.toolCalls).toMatchObject([{ server_id: "asaas" }]);
  });

  test.each([
    ['{"amount":15000', "the JSON ends before it is complete"],
    ['{"amount":15', "the JSON ends before it is complete"],
    ["[15000]", "expected a JSON object"],
    ['"15000"', "expected a JSON object"],
  ])("input %s is refused, although the SDK would read it", async (json, problem) => {
    const { api, ran } = await run([{ content: [{ ...use("t1", "charge"), json }] }, { content: [text("Sorry.")] }]);
    expect(ran).toEqual([]);
    expect(toolResults(api, 1)).toMatchObject([
      {
        isError: true,
        content: { code: "invalid_args", message: `The arguments: ${problem}, so the tool was not run.` },
      },
    ]);
  });

  test.each([1, 2, 7, 100])("input in %i deltas arrives whole", async (pieces) => {
    const input = { buyer: { name: "João “Zé” \\ Silva" }, amounts: [1, 2, 3], note: "\n\u2028" };
    const { result } = await run([
      { content: [{ ...use("t1", "charge", input), pieces }] },
      { content: [text("Done.")] },
    ]);
    expect(result?.toolCalls[0]?.input).toEqual(input);
  });

  test("input without any delta is an empty object", async () => {
    const { result } = await run([{ content: [{ ...use("t1", "charge"), json: "" }] }, { content: [text("Done.")] }]);
    expect(result?.toolCalls).toMatchObject([{ input: {}, status: "success" }]);
  });
});

describe("a model that fails", () => {
  test.each([
    ["an error event", { breakAfter: { events: 4, with: { type: "overloaded_error" } } }],
    ["a body that ends early", { breakAfter: { events: 4, with: "end" } }],
    ["a connection that dies", { breakAfter: { events: 4, with: "drop" } }],
    ["an answer without a stop reason", { stopReason: null }],
  ] as [string, Partial<Turn>][])("%s is asked again; the tools before it are not run again", async (_name, fault) => {
    const { api, ran, result, clock } = await run([
      { content: [use("t1", "charge")] },
      { content: [text("The charge is made."), use("t2", "notify")], ...fault },
      { content: [text("The charge is made, I notify."), use("t3", "notify")] },
      { content: [text("Done.")] },
    ]);
    expect(ran).toEqual(["t1", "t3"]);
    expect(api.requests[2]?.text).toBe(api.requests[1]?.text);
    expect(result).toMatchObject({ message: "Done.", iterations: 3 });
    expect(clock.slept.slice(1)).toEqual([500]);
  });

  test("a connection that dies is survived over a real socket, too", async () => {
    const api = messagesApi([
      { content: [text("The charge")], breakAfter: { events: 3, with: "drop" } },
      { content: [text("Done.")] },
    ]);
    const server = await api.listen();
    try {
      const { result } = await run([], {
        api,
        client: await createModelClient({ apiKey: KEY, baseUrl: server.baseUrl, model: "m" }),
      });
      expect(result?.message).toBe("Done.");
    } finally {
      await server.close();
    }
  });

  test("text of a broken answer comes again under its iteration, and assistant_text holds the whole one", async () => {
    const { events } = await run([
      { content: [text("abcdef")], breakAfter: { events: 4, with: "end" } },
      { content: [text("uvwxyz")] },
    ]);
    expect(deltas(events, 1)).toBe("abcduvwxyz");
    expect(withoutDeltas(events).at(-1)).toEqual({ type: "assistant_text", content: "uvwxyz", iteration: 1 });
  });

  test("input that is no JSON at all breaks the answer, which is asked for again", async () => {
    const { ran, result } = await run([
      { content: [{ ...use("t1", "charge"), json: '{"amount": fifteen}' }] },
      { content: [use("t2", "charge")] },
      { content: [text("Done.")] },
    ]);
    expect(ran).toEqual(["t2"]);
    expect(result?.iterations).toBe(2);
  });

  test("after its retries the run fails and says with what", async () => {
    const broken: Turn = {
      content: [text("abc")],
      breakAfter: { events: 3, with: { type: "overloaded_error", message: KEY } },
    };
    const { api, error, progress, clock } = await run([{ content: [use("t1", "charge")] }, broken, broken, broken]);
    expect(error).toMatchObject({ code: "model_failed", at: { reason: "it reported overloaded_error" } });
    expect(api.requests).toHaveLength(4);
    expect(clock.slept.slice(1)).toEqual([500, 1000]);
    expect(progress).toMatchObject({ iterations: 1, toolCalls: [{ id: "t1" }], usage: { inputTokens: 400 } });
  });

  test("an overloaded provider is asked again when it says", async () => {
    const { result, clock } = await run([
      { error: { status: 529, type: "overloaded_error" } },
      { error: { status: 429, type: "rate_limit_error", headers: { "retry-after": "7" } } },
      { content: [text("Done.")] },
    ]);
    expect(result).toMatchObject({ message: "Done.", iterations: 1 });
    expect(clock.slept.slice(1)).toEqual([500, 7000]);
  });

  test("no wait is longer than half a minute, whatever the provider asks", async () => {
    const { clock } = await run([
      { error: { status: 503, headers: { "retry-after": "86400" } } },
      { content: [text("Done.")] },
    ]);
    expect(clock.slept.slice(1)).toEqual([30_000]);
  });

  test.each([
    [401, "authentication_error", "HTTP 401, authentication_error: check ANTHROPIC_API_KEY"],
    [400, "invalid_request_error", "HTTP 400, invalid_request_error"],
    [404, "not_found_error", "HTTP 404, not_found_error: check the model's name and the address"],
  ])("HTTP %i is final, and no word of it gives the key away", async (status, type, reason) => {
    const { api, error } = await run([{ error: { status, type, message: `${KEY} is not good` } }]);
    expect(error).toMatchObject({ code: "model_failed", at: { reason } });
    expect(api.requests).toHaveLength(1);
    expect(error?.message).not.toContain(KEY);
    expect(String((error as Failure).cause)).toContain("[key] is not good");
    expect(String((error as Failure).cause)).not.toContain(KEY);
  });

  test("an address where nobody listens is named as such", async () => {
    const server = await messagesApi([]).listen();
    await server.close();
    const client = await createModelClient({ apiKey: KEY, baseUrl: server.baseUrl, model: "m" });
    const { error } = await run([], { client, bounds: { retries: 0 } });
    expect(error).toMatchObject({ code: "model_failed", at: { reason: "it could not be reached" } });
  });
});

describe("cancelling", () => {
  test("in the middle of an answer drops the request and runs no tool", async () => {
    const cancel = new AbortController();
    const api = messagesApi([{ content: [use("t1", "charge")], hold: { before: 2, until: new Promise(() => {}) } }]);
    const running = run([], { api, signal: cancel.signal });
    await until(() => api.requests.length === 1);
    cancel.abort();
    const { error, ran } = await running;
    expect(error).toMatchObject({ code: "run_cancelled" });
    expect(api.requests[0]?.signal.aborted).toBe(true);
    expect(ran).toEqual([]);
  });

  test("while a tool runs waits for it, reports it, and starts no later one", async () => {
    const cancel = new AbortController();
    let heard = false;
    const { api, error, events, ran, progress } = await run([{ content: [use("t1", "charge"), use("t2", "notify")] }], {
      signal: cancel.signal,
      tools: toolsOf(async ({ id, name, input }, signal) => {
        cancel.abort();
        heard = signal!.aborted;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return { record: recordOf(id, name, input), content: "{}", isError: false };
      }),
    });
    expect(heard).toBe(true);
    expect(error).toMatchObject({ code: "run_cancelled" });
    expect(ran).toEqual(["t1"]);
    expect(events.at(-1)).toMatchObject({ type: "tool_result", tool_call: { id: "t1", status: "success" } });
    expect(progress.toolCalls).toHaveLength(1);
    expect(api.requests).toHaveLength(1);
  });

  test("between the news of a tool use and its start keeps it from starting", async () => {
    const cancel = new AbortController();
    const { error, ran } = await run([{ content: [use("t1", "charge")] }], {
      signal: cancel.signal,
      onEvent: ({ type }) => {
        if (type === "tool_use") cancel.abort();
      },
    });
    expect(error).toMatchObject({ code: "run_cancelled" });
    expect(ran).toEqual([]);
  });

  test("before the run asks nobody", async () => {
    const { api, error } = await run([{ content: [text("Done.")] }], { signal: AbortSignal.abort() });
    expect(error).toMatchObject({ code: "run_cancelled" });
    expect(api.requests).toHaveLength(0);
  });
});

describe("bounds", () => {
  const charging = (id: string): Turn => ({ content: [text(`step ${id}`), use(id, "charge")] });

  test("turns: the last answer may not start what nobody would read", async () => {
    const { error, ran, progress } = await run([charging("t1"), charging("t2")], { bounds: { turns: 2 } });
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "2 model turns" } });
    expect(ran).toEqual(["t1"]);
    expect(progress).toMatchObject({ message: "step t2", iterations: 2, toolCalls: [{ id: "t1" }] });
  });

  test("turns: as many answers as there are turns are enough when the last one is final", async () => {
    const { result } = await run([charging("t1"), { content: [text("Done.")] }], { bounds: { turns: 2 } });
    expect(result?.message).toBe("Done.");
  });

  test("tool calls: those within the bound are run and reported, in order", async () => {
    const { error, ran, events } = await run(
      [{ content: [use("t1", "charge"), use("t2", "charge"), use("t3", "charge")] }],
      {
        bounds: { toolCalls: 2 },
      },
    );
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "2 tool calls" } });
    expect(ran).toEqual(["t1", "t2"]);
    expect(events.flatMap((event) => (event.type === "tool_use" ? [event.id] : []))).toEqual(["t1", "t2"]);
  });

  test("tool calls: refused ones count, so a model cannot be wrong for ever", async () => {
    const { error, api } = await run(
      Array.from({ length: 5 }, (_, index) => ({ content: [use(`t${index}`, "nonsense")] })),
      {
        bounds: { toolCalls: 3 },
      },
    );
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "3 tool calls" } });
    expect(api.requests).toHaveLength(4);
  });

  test("output tokens: the rest of them bounds the next answer, and none left ends the run", async () => {
    const usage = { output_tokens: 600 };
    const { error, api, ran } = await run(
      [
        { ...charging("t1"), usage },
        { ...charging("t2"), usage },
      ],
      {
        bounds: { outputTokens: 1000, maxTokens: 900 },
      },
    );
    expect(api.requests.map(({ body }) => body.max_tokens)).toEqual([900, 400]);
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "1000 output tokens" } });
    expect(ran).toEqual(["t1"]);
  });

  test("input tokens: cached ones count", async () => {
    const usage = { input_tokens: 10, cache_read_input_tokens: 500, cache_creation_input_tokens: 490 };
    const { error, progress } = await run([{ ...charging("t1"), usage }], { bounds: { inputTokens: 1000 } });
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "1000 input tokens" } });
    expect(progress.usage).toEqual({ inputTokens: 10, outputTokens: 10, cacheReadTokens: 500, cacheWriteTokens: 490 });
  });

  test("a final answer is returned even when it took the last token", async () => {
    const { result } = await run([{ content: [text("Done.")], usage: { output_tokens: 5000 } }], {
      bounds: { outputTokens: 1000 },
    });
    expect(result?.message).toBe("Done.");
  });

  test("time: a model that does not answer is given up", async () => {
    const clock = new FakeClock();
    const api = messagesApi([{ content: [text("Done.")], hold: { before: 1, until: new Promise(() => {}) } }]);
    const running = run([], { api, clock });
    await until(() => api.requests.length === 1);
    await clock.advance(120_000);
    const { error } = await running;
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "120 seconds" } });
    expect(api.requests[0]?.signal.aborted).toBe(true);
  });

  test("time: a tool at work is waited for and reported, and no later one starts", async () => {
    const clock = new FakeClock();
    const { error, progress, ran } = await run([{ content: [use("t1", "charge"), use("t2", "charge")] }], {
      clock,
      tools: toolsOf(async ({ id, name, input }) => {
        await clock.advance(120_000);
        return { record: recordOf(id, name, input), content: "{}", isError: false };
      }),
    });
    expect(error).toMatchObject({ code: "run_limit_reached", at: { limit: "120 seconds" } });
    expect(ran).toEqual(["t1"]);
    expect(progress.toolCalls).toHaveLength(1);
  });

  test("time: a wait for the provider ends with it", async () => {
    const clock = new FakeClock();
    const api = messagesApi([{ error: { status: 529, headers: { "retry-after": "30" } } }]);
    const running = run([], { api, clock, bounds: { timeMs: 10_000 } });
    await until(() => api.requests.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await clock.advance(10_000);
    expect((await running).error).toMatchObject({ code: "run_limit_reached", at: { limit: "10 seconds" } });
    expect(api.requests).toHaveLength(1);
  });
});

test("a live client without a key is refused before anything is asked", async () => {
  await expect(createModelClient({ model: "m" })).rejects.toMatchObject({ code: "anthropic_not_configured" });
});

const text = (words: string): ScriptedBlock => ({ type: "text", text: words });
const use = (id: string, name: string, input: unknown = {}) => ({ type: "tool_use" as const, id, name, input });

const recordOf = (id: string, tool: string, input: Record<string, unknown>) => ({
  id,
  tool_name: tool,
  server_id: "codespar",
  status: "success" as const,
  duration_ms: 3,
  input: input as never,
  output: { ok: true },
  error_code: null,
});

function toolsOf(implementation: AgentTools["run"]): AgentTools {
  return {
    definitions: ["charge", "notify"].map((name) => ({
      name,
      description: `Does ${name}.`,
      input_schema: { type: "object" },
    })),
    run: implementation,
  };
}

/** Short waits are over at once and written down; the run's own time never passes. */
class WaitlessClock implements Clock {
  slept: number[] = [];
  now = (): Date => new Date("2026-11-20T12:00:00.000Z");
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    if (ms < 60_000) return Promise.resolve();
    return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
  }
}

interface Setup {
  api?: MessagesApi;
  client?: Awaited<ReturnType<typeof createModelClient>>;
  tools?: AgentTools;
  bounds?: Partial<Bounds>;
  signal?: AbortSignal;
  clock?: Clock;
  onEvent?: (event: AgentEvent) => void;
}

async function optionsFor(api: MessagesApi, { client, tools, bounds, signal, clock }: Setup) {
  return {
    client: client ?? (await createModelClient({ apiKey: KEY, model: "m", fetch: api.fetch })),
    model: "m",
    system: "You are a test.",
    message: "Charge R$150",
    tools:
      tools ??
      toolsOf(async ({ id, name, input }) => ({
        record: recordOf(id, name, input),
        content: '{"ok":true}',
        isError: false,
      })),
    bounds: { ...defaultBounds, ...bounds },
    signal,
    clock: clock ?? new WaitlessClock(),
    progress: newProgress(),
  };
}

async function run(turns: Turn[], setup: Setup = {}) {
  const { api = messagesApi(turns), onEvent } = setup;
  const waitless = new WaitlessClock();
  const options = await optionsFor(api, { ...setup, clock: setup.clock ?? waitless });
  const ran: string[] = [];
  const tools: AgentTools = {
    ...options.tools,
    run: (one, signal) => {
      ran.push(one.id);
      return options.tools.run(one, signal);
    },
  };
  const events: AgentEvent[] = [];
  let result: AgentResult | undefined;
  let error: Error | undefined;
  try {
    const running = runAgent({ ...options, tools });
    for (let step = await running.next(); ; step = await running.next()) {
      if (step.done) {
        result = step.value;
        break;
      }
      events.push(step.value);
      onEvent?.(step.value);
    }
  } catch (thrown) {
    error = thrown as Error;
  }
  return { api, events, result, error, ran, progress: options.progress, clock: waitless };
}

const withoutDeltas = (events: AgentEvent[]) => events.filter(({ type }) => type !== "text_delta");

const deltas = (events: AgentEvent[], iteration: number): string =>
  events
    .flatMap((event) => (event.type === "text_delta" && event.iteration === iteration ? [event.text] : []))
    .join("");

/** The tool results that a request carries last, unwrapped and parsed. */
const toolResults = (api: MessagesApi, request: number): { id: string; isError: boolean; content: any }[] =>
  api.requests[request]?.body.messages.at(-1).content.map(({ tool_use_id, is_error, content }: any) => {
    expect(content).toMatch(/^<tool_data_[0-9a-f]{16}>/);
    return { id: tool_use_id, isError: is_error, content: JSON.parse(unguard(content)) };
  });

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !isSo(); tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isSo()).toBe(true);
}
