/** `send` through every door: the same words, the same tool calls and the same rows, with the offline planner and with a model. */
import { expect, onTestFinished, test } from "vitest";
import { operations } from "../../schema/index.ts";
import { startApp } from "../support/app.ts";
import { compared, everyDoor, throughEveryDoor, type Case, type Scene } from "../support/every-door.ts";
import { messagesApi, type Turn } from "../support/messages-api.ts";

const sentence =
  "Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35, then issue the NFS-e, create a Correios label to 01310-100 and tell her " +
  "on WhatsApp +5511999998888";

const saying = (message: string, sessionOf = (scene: Scene) => scene.session()) => async (scene: Scene) =>
  ({ input: { session_id: await sessionOf(scene), message } });

const offline: Case[] = [
  {
    title: "a sentence is charged, invoiced, shipped and told",
    call: saying(sentence),
    answer: {
      iterations: 5,
      tool_calls: [
        { tool_name: "codespar_charge", server_id: "asaas", status: "success" },
        { tool_name: "codespar_invoice", server_id: "nfe-io", status: "success" },
        { tool_name: "codespar_ship", server_id: "melhor-envio", status: "success" },
        { tool_name: "codespar_notify", server_id: "z-api", status: "success" },
      ],
    },
  },
  {
    title: "what the planner cannot read is answered, and nothing is called",
    call: saying("hello"),
    answer: { iterations: 1, tool_calls: [] },
  },
  {
    title: "no other session is known",
    call: () => ({ input: { session_id: "ses_01jd5v0000000000000000none", message: "hello" } }),
    failure: { code: "session_not_found", field: "session_id", retry: "never", http: 404 },
  },
  {
    title: "nothing runs in a closed session",
    call: saying(sentence, async (scene) => {
      const session_id = await scene.session();
      await scene.call("sessions.close", { session_id });
      return session_id;
    }),
    failure: { code: "session_not_active", retry: "never", http: 409 },
  },
  {
    title: "a live key has no offline planner",
    call: async (scene) => {
      const live = await scene.neighbour("live");
      return { key: live.key, input: { session_id: await live.session(), message: "hello" } };
    },
    failure: { code: "anthropic_not_configured", retry: "ask_human", http: 503 },
  },
  {
    title: "a key in the header that is none is refused",
    call: async (scene) => ({ idempotencyKey: "k".repeat(256), input: { session_id: await scene.session(), message: "hello" } }),
    failure: { code: "idempotency_key_invalid", field: "idempotency_key", retry: "never", http: 400 },
  },
  {
    title: "a key in the header that names another message is refused",
    call: async (scene) => {
      const session_id = await scene.session();
      const caller = scene.app.context({ credential: scene.key, idempotencyKey: "message-1" });
      await scene.app.door.call("sessions.send", { session_id, message: "hello" }, caller);
      return { idempotencyKey: "message-1", input: { session_id, message: "hello again" } };
    },
    failure: { code: "idempotency_conflict", field: "idempotency_key", retry: "never", http: 422 },
  },
  {
    title: "an empty message is refused",
    call: saying(""),
    failure: {
      code: "validation_failed", field: "message", expected: "Too small: expected string to have >=1 characters", retry: "never",
      http: 400,
    },
  },
];

const searching = (use_case: string): Turn =>
  ({ content: [{ type: "tool_use", id: "toolu_000000000000000000000001", name: "codespar_discover", input: { use_case } }] });

/** What a model answers to one message, and what the caller reads then. */
const withModel: (Case & { turns: readonly Turn[] })[] = [
  {
    title: "a model's tool calls are run and its words returned",
    turns: [searching("ship a parcel"), { content: [{ type: "text", text: "Melhor Envio ships it." }] }],
    call: saying("Who ships a parcel?"),
    answer: { message: "Melhor Envio ships it.", iterations: 2, tool_calls: [{ tool_name: "codespar_discover", status: "success" }] },
  },
  {
    title: "a model that refuses the request is a failure",
    turns: [{ error: { status: 400, type: "invalid_request_error" } }],
    call: saying("Who ships a parcel?"),
    failure: { code: "model_failed", retry: "after", http: 502 },
  },
  {
    title: "a model that never ends is stopped",
    turns: Array.from({ length: 12 }, (_, index) => searching(`ship parcel ${index}`)),
    call: saying("Who ships a parcel?"),
    failure: { code: "run_limit_reached", retry: "never", http: 422 },
  },
];

const app = await startApp();

test.each(offline)("offline: $title", async (each) => {
  const runs = await throughEveryDoor(app, everyDoor(app), "sessions.send", each);
  const { actual, expected } = compared(each, runs);
  expect(actual).toEqual(expected);
  expect(runs[0]!.outcome).toMatchObject(each.answer ? { ok: true, value: each.answer } : {});
});

test.each(withModel)("$title", async ({ turns, ...each }) => {
  const doorsCount = 4;
  const model = messagesApi(Array.from({ length: doorsCount }, () => turns).flat());
  const { baseUrl, close } = await model.listen();
  onTestFinished(close);
  app.platform.model = { apiKey: "sk-ant-test", baseUrl, model: "scripted" };
  onTestFinished(() => void (app.platform.model = { model: "none" }));

  const runs = await throughEveryDoor(app, everyDoor(app), "sessions.send", each);
  const { actual, expected } = compared(each, runs);
  expect(actual).toEqual(expected);
  expect(runs[0]!.outcome).toMatchObject(each.answer ? { ok: true, value: each.answer } : {});
  expect(model.requests.length).toBe(doorsCount * turns.length);
});

test("every failure that send declares is met", () => {
  const met = new Set([...offline, ...withModel].map(({ failure }) => failure?.code));
  expect(operations["sessions.send"].errors.filter((code) => !met.has(code))).toEqual([]);
});
