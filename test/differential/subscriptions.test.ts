/** Every subscription through every door that streams: the same items in the same order, the same places to go on from, the same end. */
import { describe, expect, onTestFinished, test } from "vitest";
import { subscriptions, type SubscriptionName } from "../../schema/index.ts";
import { mariaCharge, startApp } from "../support/app.ts";
import { inProcess, streamingDoors, type FailedOutcome, type Json, type Watch, type WatchOptions } from "../support/doors.ts";
import { compared, throughEveryDoor, type Case } from "../support/every-door.ts";
import { messagesApi } from "../support/messages-api.ts";
import { newTenant, type Tenant } from "../support/tenants.ts";

const app = await startApp();
const doors = streamingDoors(inProcess(app));

/** One stream opened through each door. */
function watchesOf(name: SubscriptionName, input: Json, options: WatchOptions): Watch[] {
  const watches = doors.map((door) => door.watch(name, input, options));
  onTestFinished(async () => void (await Promise.all(watches.map((watch) => watch.stop()))));
  return watches;
}

/** Far more than a change takes to arrive, for a machine that has other things to do. */
const PATIENCE = { timeout: 10_000 };

const lengths = (watches: readonly Watch[]): number[] => watches.map(({ items }) => items.length);

/** Lets time go by, second by second, and at each waits until every watch has read what the status says then. */
async function watched(
  watches: readonly Watch[], seconds: number, read: () => Promise<{ status: string; events: unknown[] }>,
): Promise<void> {
  for (let second = 0; second <= seconds; second += 1) {
    const { status, events } = await read();
    await expect.poll(() => watches.map(({ items }) => items.at(-1)), PATIENCE).toMatchObject(watches.map(() => ({ status, events })));
    await app.pass(1_000);
  }
}

const seen = (items: readonly Json[]): unknown[] => items.map(({ status, events }) => [status, (events as unknown[]).length]);

describe("payments.watch", () => {
  test("tells every change until the money is there, and ends", async () => {
    const tenant = await newTenant(app);
    const { tool_call_id } = await tenant.run("codespar_charge", mariaCharge);
    const watches = watchesOf("payments.watch", { tool_call_id }, { key: tenant.key });
    await watched(watches, 8, () => tenant.call("payments.status", { tool_call_id }));
    const [graphql, trpc, rest] = watches as [Watch, Watch, Watch];
    expect(seen(graphql.items)).toEqual([["pending", 1], ["pending", 2], ["succeeded", 3]]);
    expect([trpc.items, rest.items]).toEqual([graphql.items, graphql.items]);
    expect(rest.ids).toEqual(trpc.ids);
    expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([undefined, undefined, undefined]);
  });

  test("of a payment that is over tells it once, and ends", async () => {
    const tenant = await newTenant(app);
    const { tool_call_id } = await tenant.run("codespar_charge", mariaCharge);
    await app.pass(10_000);
    const watches = watchesOf("payments.watch", { tool_call_id }, { key: tenant.key });
    await watched(watches, 5, () => tenant.call("payments.status", { tool_call_id }));
    expect(watches.map(({ items }) => seen(items))).toEqual([[["succeeded", 3]], [["succeeded", 3]], [["succeeded", 3]]]);
    expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([undefined, undefined, undefined]);
  });
});

describe("verifications.watch", () => {
  test("tells every change until there is a verdict, and ends", async () => {
    const tenant = await newTenant(app);
    const { tool_call_id } = await tenant.run("codespar_kyc", { subject: { name: "Maria Silva" } });
    const watches = watchesOf("verifications.watch", { tool_call_id }, { key: tenant.key });
    await watched(watches, 10, () => tenant.call("verifications.status", { tool_call_id }));
    const [graphql, trpc, rest] = watches as [Watch, Watch, Watch];
    expect(graphql.items.at(0)).toMatchObject({ status: "pending" });
    expect(graphql.items.at(-1)).toMatchObject({ status: "approved", provider: "persona" });
    expect([trpc.items, rest.items]).toEqual([graphql.items, graphql.items]);
    expect(rest.ids).toEqual(trpc.ids);
    expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([undefined, undefined, undefined]);
  });
});

describe("toolCalls.watch", () => {
  /** A session with a charge that waits for its buyer. */
  async function chargedSession(tenant: Tenant): Promise<string> {
    const session_id = await tenant.session();
    await tenant.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge });
    return session_id;
  }

  /** What happens in the session while it is watched, one change at a time. */
  async function happens(tenant: Tenant, session_id: string, watches: readonly Watch[]): Promise<void> {
    const reached = (count: number) => expect.poll(() => lengths(watches), PATIENCE).toEqual(watches.map(() => count));
    await reached(1);
    await tenant.call("tools.execute", { session_id, tool: "codespar_discover", input: { use_case: "ship a parcel" } });
    await reached(2);
    await app.pass(1_000);
    await reached(3);
    await app.pass(1_000);
    await reached(4);
    await tenant.call("sessions.close", { session_id });
  }

  test("tells the present, then every change in its order, until the session closes", async () => {
    const tenant = await newTenant(app);
    const session_id = await chargedSession(tenant);
    const watches = watchesOf("toolCalls.watch", { session_id }, { key: tenant.key });
    await happens(tenant, session_id, watches);
    expect(await Promise.all(watches.map(({ ended }) => ended))).toEqual([undefined, undefined, undefined]);
    const [graphql, trpc, rest] = watches as [Watch, Watch, Watch];
    expect(graphql.items.map(({ tool_call }) => tool_call)).toMatchObject([
      { tool_name: "codespar_charge", state: "pending" }, { tool_name: "codespar_discover", status: "success" },
      { tool_name: "codespar_charge", state: "pending" }, { tool_name: "codespar_charge", state: "succeeded" },
    ]);
    expect([trpc.items, rest.items]).toEqual([graphql.items, graphql.items]);
    expect([trpc.ids, rest.ids]).toEqual([graphql.items.map(({ cursor }) => cursor), trpc.ids]);
  });

  test("goes on behind any change, by an argument or as the protocol says it", async () => {
    const tenant = await newTenant(app);
    const session_id = await chargedSession(tenant);
    const first = watchesOf("toolCalls.watch", { session_id }, { key: tenant.key });
    await happens(tenant, session_id, first);
    await Promise.all(first.map(({ ended }) => ended));
    const cursors = first[0]!.items.map(({ cursor }) => String(cursor));
    for (const [index, after] of cursors.entries()) {
      const resumed = [
        ...watchesOf("toolCalls.watch", { session_id, after }, { key: tenant.key }),
        ...watchesOf("toolCalls.watch", { session_id }, { key: tenant.key, lastEventId: after }),
      ];
      await Promise.all(resumed.map(({ ended }) => ended));
      expect(resumed.map(({ items }) => items.map(({ cursor }) => cursor))).toEqual(resumed.map(() => cursors.slice(index + 1)));
    }
  });
});

describe("logs.watch", () => {
  test("tells earlier lines, oldest first, then each call when it begins and when it ends, whatever session it is in", async () => {
    const tenant = await newTenant(app);
    await tenant.run("codespar_discover", { use_case: "ship" });
    await app.pass(1);
    await tenant.run("codespar_charge", {});
    const watches = watchesOf("logs.watch", {}, { key: tenant.key });
    const reached = (count: number) => expect.poll(() => lengths(watches), PATIENCE).toEqual(watches.map(() => count));
    await reached(2);
    await tenant.run("codespar_charge", mariaCharge);
    await expect.poll(() => watches.map(({ items }) => items.at(-1)), PATIENCE).toMatchObject(watches.map(() => ({ tool: "codespar_charge", status: "success" })));
    await app.pass(5_000);
    await tenant.run("codespar_notify", { channel: "whatsapp", to: "+5511999998888", message: "Olá" });
    await expect.poll(() => watches.map(({ items }) => items.at(-1)), PATIENCE).toMatchObject(watches.map(() => ({ server: "z-api", status: "success" })));
    for (const { items } of watches) {
      const [discovered, refused, ...later] = items;
      expect(discovered).toMatchObject({ tool: "codespar_discover", server: "codespar", status: "success", duration_ms: expect.any(Number), called_at: expect.any(String) });
      expect(refused).toMatchObject({ tool: "codespar_charge", server: "codespar", status: "error", error: expect.any(String) });
      expect(later.filter(({ status }) => status === "success")).toMatchObject([{ server: "asaas" }, { server: "z-api" }]);
    }
  });

  test("tells only what was asked for", async () => {
    const tenant = await newTenant(app);
    await tenant.run("codespar_discover", { use_case: "ship" });
    const watches = watchesOf("logs.watch", { server: "asaas", tool: "codespar_charge", status: "success", limit: 5 }, { key: tenant.key });
    await tenant.run("codespar_discover", { use_case: "ship" });
    await tenant.run("codespar_charge", {});
    const { tool_call_id } = await tenant.run("codespar_charge", mariaCharge);
    await expect.poll(() => lengths(watches), PATIENCE).toEqual([1, 1, 1]);
    expect(watches.map(({ items }) => items)).toMatchObject(watches.map(() => [{ id: tool_call_id, server: "asaas", status: "success" }]));
  });

  test("goes on behind any line, by an argument or as the protocol says it: what ended meanwhile is told once, what settled is not", async () => {
    const tenant = await newTenant(app);
    const first = watchesOf("logs.watch", { limit: 0 }, { key: tenant.key });
    const ids: (string | null)[] = [];
    for (const [tool, input] of [["codespar_discover", { use_case: "ship" }], ["codespar_charge", mariaCharge], ["codespar_discover", { use_case: "pay" }]] as const) {
      ids.push((await tenant.run(tool, input)).tool_call_id);
      await expect.poll(() => first.map(({ items }) => items.at(-1)?.id), PATIENCE).toEqual(first.map(() => ids.at(-1)));
    }
    const settled = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    await expect.poll(() => first.map(({ items }) => items.at(-1)), PATIENCE).toMatchObject(first.map(() => ({ id: settled.tool_call_id, status: "success" })));
    const cursors = ids.map((id) => first[0]!.items.findLast((line) => line.id === id)!.cursor as string);
    await app.pass(10_000);
    expect(await tenant.call("payments.status", { tool_call_id: settled.tool_call_id! })).toMatchObject({ status: "succeeded" });

    for (const [index, after] of cursors.entries()) {
      const resumed = [
        ...watchesOf("logs.watch", { after, status: "success" }, { key: tenant.key }),
        ...watchesOf("logs.watch", { status: "success" }, { key: tenant.key, lastEventId: after }),
      ];
      const rest = [...ids.slice(index + 1), settled.tool_call_id];
      await expect.poll(() => resumed.map(({ items }) => items.map(({ id }) => id)), PATIENCE).toEqual(resumed.map(() => rest));
      await Promise.all(resumed.map(({ stop }) => stop()));
    }
  });
});

describe("sessions.sendStream", () => {
  const charge = "Charge R$ 20 via Pix to Maria Silva, CPF 111.444.777-35";

  /** The doors with `send` made of its stream: what came is what it answers. */
  const streamed = doors.map((door) => ({
    name: door.name,
    has: () => true,
    call: async (_name: string, input: Json, options: WatchOptions) => {
      const watch = door.watch("sessions.sendStream", input, options);
      const failure = await watch.ended;
      await watch.stop();
      return failure ?? { ok: true as const, value: whole(watch.items) };
    },
  }));

  const sending = (message: string) => async (scene: Tenant) => ({ input: { session_id: await scene.session(), message } });

  test.each<Case>([
    { title: "a request that is carried out", call: sending(charge) },
    { title: "a request that cannot be read", call: sending("hello") },
    {
      title: "a run that is read again from its first event",
      call: async (scene) => {
        const session_id = await scene.session();
        const { cursor } = await firstEvent(scene, session_id, charge);
        return { input: { session_id, message: charge, after: cursor } };
      },
    },
  ])("$title: the same events, and the same rows", async (each) => {
    const runs = await throughEveryDoor(app, streamed, "sessions.send", each);
    const { actual, expected } = compared(each, runs);
    expect(actual).toEqual(expected);
    expect((runs[0]!.answered as Json[]).at(-1)).toMatchObject({ type: "done", result: { tool_calls: expect.any(Array) } });
    expect((runs[0]!.left["runs"] as Json[]).length).toBe(1);
  });

  test("tells what happens in its order, and its last event is what send answers", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    for (const door of doors) {
      const watch = door.watch("sessions.sendStream", { session_id, message: "hello" }, { key: tenant.key });
      await watch.ended;
      const types = whole(watch.items).map(({ type }) => type);
      expect([door.name, types]).toEqual([door.name, ["user_message", "text_delta", "assistant_text", "done"]]);
      const answer = await door.call("sessions.send", { session_id, message: "hello" }, { key: tenant.key });
      const { result } = watch.items.at(-1) as { result: { run_id: string } };
      expect([door.name, answer]).toMatchObject([door.name, { ok: true, value: { ...result, run_id: expect.stringMatching(/^run_/) } }]);
    }
  });

  test("goes on behind any event that was kept, by an argument or as the protocol says it, and starts nothing", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    const [first] = doors;
    const watch = first.watch("sessions.sendStream", { session_id, message: charge }, { key: tenant.key });
    await watch.ended;
    const kept = watch.items.filter(({ type }) => type !== "text_delta");
    expect(kept.map(({ type }) => type)).toEqual(["user_message", "tool_use", "tool_result", "assistant_text", "done"]);
    for (const [index, { cursor }] of kept.slice(0, -1).entries()) {
      const after = String(cursor);
      const resumed = [
        ...watchesOf("sessions.sendStream", { session_id, message: charge, after }, { key: tenant.key }),
        ...watchesOf("sessions.sendStream", { session_id, message: charge }, { key: tenant.key, lastEventId: after }),
      ];
      await Promise.all(resumed.map(({ ended }) => ended));
      expect(resumed.map(({ items }) => items)).toEqual(resumed.map(() => kept.slice(index + 1)));
    }
    const { tool_calls } = await tenant.call("toolCalls.list", { session_id });
    expect(tool_calls.length).toBe(1);
  });

  test("tells in the stream what ended a run", async () => {
    const model = messagesApi(doors.map(() => ({ error: { status: 400, type: "invalid_request_error" } })));
    const { baseUrl, close } = await model.listen();
    onTestFinished(close);
    app.platform.model = { apiKey: "sk-ant-test", baseUrl, model: "scripted" };
    onTestFinished(() => void (app.platform.model = { model: "none" }));
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    for (const door of doors) {
      const watch = door.watch("sessions.sendStream", { session_id, message: "hello" }, { key: tenant.key });
      expect([door.name, await watch.ended]).toEqual([door.name, undefined]);
      expect([door.name, watch.items]).toMatchObject([door.name, [
        { type: "user_message", content: "hello" },
        { type: "error", error: "model_failed", message: expect.stringContaining("The model did not answer (HTTP 400") },
      ]]);
    }
  });
});

/** The first event of a run that is over by now. */
async function firstEvent(tenant: Tenant, session_id: string, message: string): Promise<{ cursor: string }> {
  const events: { cursor: string }[] = [];
  const stream = await app.door.subscribe("sessions.sendStream", { session_id, message }, app.context({ credential: tenant.key }));
  for await (const { item } of stream) events.push(item);
  return events[0]!;
}

/** Deltas of one answer as one: where a text is cut lies within ids, whose length is all that two runs have in common. */
function whole(items: readonly Json[]): Json[] {
  return items.reduce<Json[]>((all, item) => {
    const last = all.at(-1);
    if (item["type"] !== "text_delta" || last?.["type"] !== "text_delta") return [...all, { ...item }];
    return [...all.slice(0, -1), { ...last, text: String(last["text"]) + String(item["text"]) }];
  }, []);
}

describe("refusals before the first item", () => {
  const noToolCall = { code: "tool_call_not_found", field: "tool_call_id", retry: "never", http: 404 };
  const noToolCallId = { code: "invalid_tool_call_id", field: "tool_call_id", retry: "never", http: 400 };
  const noSession = { code: "session_not_found", field: "session_id", retry: "never", http: 404 };
  const noCursor = { code: "cursor_invalid", field: "after", retry: "never", http: 400 };
  const unauthorized = { code: "unauthorized", retry: "never", http: 401 };
  const forbidden = { code: "forbidden", retry: "never", http: 403 };
  const NO_CALL = "tc_01jd5v0000000000000000none";
  const NOWHERE = "ses_01jd5v0000000000000000none";
  type Input = (tenant: Tenant) => Promise<{ input: Json; key?: string | undefined }>;
  const plainly = (input: Json): Input => async ({ key }) => ({ input, key });
  const narrowly = (input: Json): Input => async (tenant) => ({ input, key: await tenant.addKey({ scopes: ["rails:read"] }) });
  const inSession = (input: Json): Input => async (tenant) => ({ key: tenant.key, input: { session_id: await tenant.session(), ...input } });

  const cases: Record<SubscriptionName, [title: string, call: Input, failure: Omit<FailedOutcome, "ok">][]> = {
    "payments.watch": [
      ["an unknown call", plainly({ tool_call_id: NO_CALL }), noToolCall],
      ["what is no id", plainly({ tool_call_id: "1/2" }), noToolCallId],
      ["no key", async () => ({ input: { tool_call_id: NO_CALL } }), unauthorized],
    ],
    "verifications.watch": [
      ["an unknown call", plainly({ tool_call_id: NO_CALL }), noToolCall],
      ["what is no id", plainly({ tool_call_id: "1/2" }), noToolCallId],
      ["a key that may not read", narrowly({ tool_call_id: NO_CALL }), forbidden],
    ],
    "toolCalls.watch": [
      ["an unknown session", plainly({ session_id: NOWHERE }), noSession],
      ["a cursor that no stream gave", inSession({ after: "yesterday" }), noCursor],
      ["no key", async () => ({ input: { session_id: NOWHERE } }), unauthorized],
    ],
    "logs.watch": [
      [
        "more earlier lines than there may be",
        plainly({ limit: 101 }),
        { code: "validation_failed", field: "limit", expected: "Too big: expected number to be <=100", retry: "never", http: 400 },
      ],
      ["a cursor that no stream gave", plainly({ after: "yesterday" }), noCursor],
      ["a key that may not read", narrowly({}), forbidden],
    ],
    "sessions.sendStream": [
      ["an unknown session", plainly({ session_id: NOWHERE, message: "hello" }), noSession],
      ["a cursor that no stream gave", inSession({ message: "hello", after: "yesterday" }), noCursor],
      [
        "an empty message",
        inSession({ message: "" }),
        {
          code: "validation_failed", field: "message", expected: "Too small: expected string to have >=1 characters", retry: "never",
          http: 400,
        },
      ],
      [
        "a closed session",
        async (tenant) => {
          const session_id = await tenant.session();
          await tenant.call("sessions.close", { session_id });
          return { key: tenant.key, input: { session_id, message: "hello" } };
        },
        { code: "session_not_active", retry: "never", http: 409 },
      ],
      [
        "a live project without a model",
        async (tenant) => {
          const live = await tenant.neighbour("live");
          return { key: live.key, input: { session_id: await live.session(), message: "hello" } };
        },
        { code: "anthropic_not_configured", retry: "ask_human", http: 503 },
      ],
    ],
  };

  const rows = Object.entries(cases).flatMap(([name, each]) => each.map((row) => [name as SubscriptionName, ...row] as const));

  test.each(rows)("%s: %s", async (name, _title, call, failure) => {
    const tenant = await newTenant(app);
    const { input, key } = await call(tenant);
    for (const door of doors) {
      const watch = door.watch(name, input, { key });
      expect([door.name, await watch.ended, watch.items]).toEqual([door.name, { ok: false, ...failure }, []]);
      await watch.stop();
    }
  });

  test("every subscription has some", () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(subscriptions).sort());
  });
});
