import { describe, expect, test } from "vitest";
import { OutcomeUnknown, type CallContext, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { zenvia } from "../../providers/zenvia/index.ts";
import { zenviaTwin } from "../../providers/zenvia/twin.ts";
import type { NotifyRequest } from "../../schema/meta-tools/notify.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/zenvia/ca_1";
const HOUR_MS = 3_600_000;
const aMessage: NotifyRequest = { channel: "sms", to: "+55 11 99999-8888", message: "Seu pedido saiu." };
const settings = { sms_from: "loja", whatsapp_from: "loja-whatsapp" };

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = zenviaTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const { credentials } = await twin.openAccount({ webhookUrl: HOOK });
  const sent: { url: string; token: string | null; body: unknown }[] = [];
  const provider = zenvia.connect({ credentials, settings, baseUrl: zenvia.hosts.test }, async (request) => {
    sent.push({ url: request.url, token: request.headers.get("x-api-token"), body: await request.clone().json() });
    return twin.fetch(request);
  });
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(HOUR_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { credentials, provider, sent, webhooks, rests, call: newCall(clock) };
}

const scripted = (answer: () => Response): Provider =>
  zenvia.connect({ credentials: { api_token: "a-token-of-zenvia" }, settings, baseUrl: zenvia.hosts.live }, async () => answer());

const message = (body: string, headers: Record<string, string> = {}): InboundMessage =>
  ({ method: "POST", url: new URL(HOOK), headers: new Headers(headers), body: new TextEncoder().encode(body) });

providerConformance({
  definition: zenvia,
  twin: zenviaTwin,
  detects: ["missing_header", "wrong_secret"],
  verbs: { notify: { request: aMessage, declined: { ...aMessage, to: "+5511999994043" }, settles: { to: "delivered" } } },
});

describe("a message", () => {
  test("is one POST to its channel, our reference its external id", async () => {
    const { provider, sent, credentials, call } = await world();
    const outcome = await provider.notify!(aMessage, call);
    expect(sent).toEqual([{
      url: "https://api.zenvia.com/v2/channels/sms/messages", token: credentials["api_token"],
      body: { from: "loja", to: "5511999998888", contents: [{ type: "text", text: "Seu pedido saiu." }], externalId: REFERENCE },
    }]);
    expect(outcome).toMatchObject({ outcome: "accepted", state: "queued", result: { status: "queued", sent: true, channel: "sms" } });
  });

  test("on WhatsApp may be a template with its fields", async () => {
    const { provider, sent, call } = await world();
    await provider.notify!({ channel: "whatsapp", to: aMessage.to, template: "order_shipped", variables: { name: "Maria" } }, call);
    expect(sent[0]).toMatchObject({
      url: "https://api.zenvia.com/v2/channels/whatsapp/messages",
      body: { from: "loja-whatsapp", contents: [{ type: "template", templateId: "order_shipped", fields: { name: "Maria" } }] },
    });
  });

  test.each([
    ["channel", "not_permitted", { channel: "email" as const }],
    ["template", "not_permitted", { template: "order_shipped" }],
    ["message", "invalid_request", { message: undefined }],
    ["to", "invalid_request", { to: "+55119999" }],
  ])("with a bad %s is declined as %s before anything is sent", async (field, reason, change) => {
    const { provider, sent, call } = await world();
    expect(await provider.notify!({ ...aMessage, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("on a channel without a sender names the setting", async () => {
    const provider = zenvia.connect({ credentials: { api_token: "x" }, settings: { whatsapp_from: "x" }, baseUrl: zenvia.hosts.live }, () => {
      throw new Error("it was sent");
    });
    await expect(provider.notify!(aMessage, newCall())).rejects.toMatchObject({ name: "SetupMissing", setting: "sms_from" });
  });

  test("whose answer names no message stays unknown", async () => {
    await expect(scripted(() => Response.json({})).notify!(aMessage, newCall())).rejects.toBeInstanceOf(OutcomeUnknown);
  });

  test.each([
    ["+5511999998888", ["sent", "delivered"]], ["+5511999994040", ["sent", "failed"]], ["+5511999994041", ["sent"]],
    ["+5511999994042", ["sent", "delivered", "read"]], ["+5511999994044", ["failed"]],
  ])("to %s goes through %j, each told under our reference", async (to, states) => {
    const { provider, rests, webhooks, call } = await world();
    await provider.notify!({ ...aMessage, to }, call);
    await rests(4);
    const events = webhooks.flatMap(({ body }) => zenvia.notifications!.read(message(body)));
    expect(events.map(({ observation }) => observation.state)).toEqual(states);
    expect(events.every(({ reference }) => reference === REFERENCE)).toBe(true);
  });
});

test.each([
  [400, { code: "VALIDATION_ERROR", message: "Validation error", details: [{ path: "to", message: "is invalid" }] }, { reason: "invalid_request", field: "to", message: "Validation error: is invalid" }],
  [400, { code: "VALIDATION_ERROR", message: "x", details: [{ path: "contents.0.text" }] }, { reason: "invalid_request", field: "message" }],
  [401, { code: "AUTHENTICATION_ERROR" }, { reason: "unauthorized" }],
  [409, { code: "DUPLICATED", message: "x" }, { reason: "duplicate" }],
  [429, {}, { reason: "rate_limited" }],
  [404, "text", { reason: "unspecified", message: "Zenvia answered 404" }],
])("a refusal with status %i and body %j is a decline", async (status, body, expected) => {
  expect(await scripted(() => Response.json(body, { status })).notify!(aMessage, newCall())).toMatchObject({ outcome: "declined", ...expected });
});

describe("a status event", () => {
  const { verify, read } = zenvia.notifications!;
  const secret = "an-unguessable-secret-of-32-chars";
  const event = {
    id: "e1", type: "MESSAGE_STATUS", message: { id: "m1", externalId: REFERENCE },
    messageStatus: { code: "NOT_DELIVERED", timestamp: "2026-11-20T12:00:00.000Z", causes: [{ reason: "No such phone" }] },
  };

  test.each([
    ["the secret", { "x-webhook-secret": secret }, [secret], true],
    ["the secret of before", { "x-webhook-secret": secret }, ["new", secret], true],
    ["a part of it", { "x-webhook-secret": secret.slice(1) }, [secret], false],
    ["no header", {}, [secret], false],
    ["an empty header where ours is empty", { "x-webhook-secret": "" }, [""], false],
  ])("with %s is judged", (_name, headers: Record<string, string>, secrets, ok) => {
    expect(verify(message(JSON.stringify(event), headers), { secrets, settings, now: new Date() }).ok).toBe(ok);
  });

  test("of a failure says when and why", () => {
    expect(read(message(JSON.stringify(event)))).toEqual([{
      eventId: "e1", ref: "m1", reference: REFERENCE,
      observation: {
        ref: "m1", state: "failed", action: "NOT_DELIVERED", occurredAt: new Date("2026-11-20T12:00:00.000Z"), failure: { reason: "refused", message: "No such phone" },
      },
    }]);
  });

  test.each([
    ["an incoming message", { ...event, type: "MESSAGE" }], ["a word to come", { ...event, messageStatus: { code: "TELEPATHY" } }], ["nothing", {}],
  ])("of %s is read as nothing", (_name, body) => {
    expect(read(message(JSON.stringify(body)))).toEqual([]);
  });
});

test("each of its own tools is one request with a content", async () => {
  const { run, unrun, sent, refusal } = await nativeWorld(zenvia, zenviaTwin);
  const to = "5511999998888";
  expect(await run("send_sms", { from: "loja", to, text: "Oi" })).toMatchObject({ id: expect.any(String), channel: "sms" });
  expect(await run("send_whatsapp", { from: "loja", to, text: "Oi" })).toMatchObject({ channel: "whatsapp" });
  await run("send_template", { from: "loja", to, templateId: "order_shipped", fields: { name: "Maria" } });
  expect(unrun()).toEqual([]);
  expect(sent.map(({ body }) => JSON.parse(body).contents)).toEqual([
    [{ type: "text", text: "Oi" }], [{ type: "text", text: "Oi" }], [{ type: "template", templateId: "order_shipped", fields: { name: "Maria" } }],
  ]);
  expect(sent.every(({ body }) => /^[0-9a-f-]{36}$/.test(JSON.parse(body).externalId))).toBe(true);
  expect(await refusal("send_sms", { from: "loja", to: "5511999994043", text: "Oi" })).toMatchObject({ status: 400, body: { code: "VALIDATION_ERROR" } });
});
