import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  OutcomeUnknown, SetupMissing, type CallContext, type Fetch, type InboundMessage, type Provider,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import { zApi } from "../../providers/z-api/index.ts";
import { zApiTwin } from "../../providers/z-api/twin.ts";
import type { NotifyRequest } from "../../schema/meta-tools/notify.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const HOOK = "https://codespar.example/v1/webhooks/z-api/ca_1";
const HOUR_MS = 3_600_000;
const aMessage: NotifyRequest = { channel: "whatsapp", to: "+55 11 99999-8888", message: "Seu pedido saiu." };
const credentials = { token: "A22B3AAD2C11A72646680264", client_token: "F00ff92c2022b4ed290e5b6e70f36b308S" };
const settings = { instance_id: "3DF712E49DF860A86AD80A1EFCACDE10" };

const newCall = (clock = new FakeClock()): CallContext => ({
  reference: "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c", toolCallId: "tc_1", clock, signal: undefined, acted: false,
  notes: {}, note: async () => {},
});

/** The adapter and the twin together, in memory. */
async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = zApiTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Request[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(request.clone());
    return twin.fetch(request);
  };
  const provider = zApi.connect({ ...account, baseUrl: zApi.hosts.test }, fetch);
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(HOUR_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { clock, store, twin, account, provider, sent, webhooks, rests, call: newCall(clock) };
}

/** The adapter against an answer written in the test. */
const scripted = (answer: () => Response | Promise<Response>): Provider =>
  zApi.connect({ credentials, settings, baseUrl: zApi.hosts.live }, async () => answer());

const arrived = ({ url, body, headers }: TwinWebhook): InboundMessage =>
  ({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) });

providerConformance({
  definition: zApi,
  twin: zApiTwin,
  detects: [],
  verbs: {
    notify: {
      request: aMessage,
      declined: { ...aMessage, to: "+5511999994043" },
      settles: { to: "delivered" },
      carriesReference: false,
    },
  },
});

describe("a message", () => {
  test("is one POST whose path and header hold the credentials", async () => {
    const { provider, sent, account, call } = await world();
    const outcome = await provider.notify!(aMessage, call);
    expect(sent).toHaveLength(1);
    const { instance_id } = account.settings;
    const { token, client_token } = account.credentials;
    expect(sent[0]!.method).toBe("POST");
    expect(sent[0]!.url).toBe(`https://api.z-api.io/instances/${instance_id}/token/${token}/send-text`);
    expect(sent[0]!.headers.get("client-token")).toBe(client_token);
    expect(sent[0]!.headers.get("content-type")).toBe("application/json");
    expect(await sent[0]!.json()).toEqual({ phone: "5511999998888", message: "Seu pedido saiu." });
    if (outcome.outcome !== "accepted") throw new Error("it was declined");
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "queued", action: "QUEUED",
      result: { id: outcome.ref, messageId: outcome.ref, status: "queued", sent: true, channel: "whatsapp" },
    });
    expect(outcome.ref).toMatch(/^[0-9A-F]{20}$/);
  });

  test.each([
    ["(11) 99999-8888", "5511999998888"], ["5511999998888", "5511999998888"], ["+14155550100", "14155550100"],
  ])("to %s goes to %s", async (to, phone) => {
    const { provider, sent, call } = await world();
    await provider.notify!({ ...aMessage, to }, call);
    expect(await sent[0]!.json()).toMatchObject({ phone });
  });

  test.each([
    ["channel", "not_permitted", { channel: "sms" as const }],
    ["template", "not_permitted", { template: "order_shipped" }],
    ["message", "invalid_request", { message: undefined }],
    ["to", "invalid_request", { to: "maria@example.com" }],
    ["to", "invalid_request", { to: "+55119999" }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent, call } = await world();
    const outcome = await provider.notify!({ ...aMessage, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("that got no answer stays unknown, for there is nothing to look it up by", async () => {
    const provider = scripted(() => Promise.reject(new Error("socket hang up")));
    const call = newCall();
    await expect(provider.notify!(aMessage, call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
    expect(provider.lookup).toBeUndefined();
  });

  test("whose answer names no message stays unknown, although the status is 200", async () => {
    const provider = scripted(() => Response.json({ error: "NOT_FOUND", message: "no such method" }));
    await expect(provider.notify!(aMessage, newCall())).rejects.toBeInstanceOf(OutcomeUnknown);
  });
});

describe("a refusal", () => {
  test.each([
    [400, { error: "null not allowed" }, { reason: "unauthorized" }],
    [400, { error: "your client-token is not configured" }, { reason: "unauthorized" }],
    [400, { error: "Instance not found" }, { reason: "unauthorized" }],
    [400, { error: "BAD", message: "Bad phone" }, { reason: "invalid_request", field: "to", message: "Bad phone" }],
    [400, { error: "Message too long" }, { reason: "invalid_request", message: "Message too long" }],
    [401, {}, { reason: "unauthorized", message: "Z-API answered 401" }],
    [405, { error: "METHOD_NOT_ALLOWED" }, { reason: "unspecified" }],
    [415, "text", { reason: "unspecified", message: "Z-API answered 415" }],
    [429, {}, { reason: "rate_limited" }],
  ])("with status %i and body %j is a decline", async (status, body, expected) => {
    const provider = scripted(() => Response.json(body, { status }));
    expect(await provider.notify!(aMessage, newCall())).toMatchObject({ outcome: "declined", ...expected });
  });

  test("that repeats our tokens is told without them", async () => {
    const { token, client_token } = credentials;
    const error = `Client-Token ${client_token} not allowed for ${token}`;
    const provider = scripted(() => Response.json({ error }, { status: 403 }));
    expect(await provider.notify!(aMessage, newCall())).toEqual({
      outcome: "declined", reason: "unauthorized", message: "Client-Token *** not allowed for ***",
    });
  });
});

test("an error of the network shows no part of the address", async () => {
  const provider = zApi.connect({ credentials, settings, baseUrl: "https://api.z-api.io" }, async (request) => {
    throw new TypeError(`fetch failed: ${request.url}`);
  });
  const error: unknown = await provider.notify!(aMessage, newCall()).catch((thrown: unknown) => thrown);
  expect((error as Error).message).toBe("z-api: no readable answer");
});

test.each(["instance_id", "token", "client_token"])("without %s nothing is sent, and it is named", async (name) => {
  const without = (values: Record<string, string>) => ({ ...values, [name]: "" });
  const connection = { credentials: without(credentials), settings: without(settings), baseUrl: zApi.hosts.live };
  const provider = zApi.connect(connection, () => {
    throw new Error("it was sent");
  });
  const missing: unknown = await provider.notify!(aMessage, newCall()).catch((thrown: unknown) => thrown);
  expect(missing).toBeInstanceOf(SetupMissing);
  expect(missing).toMatchObject({ setting: name });
  expect(inspect(missing)).not.toContain(credentials.token);
});

describe("its own tools", () => {
  const phone = "5511999998888";

  test("each is one request below the instance's path, and is answered", async () => {
    const { run, unrun, sent, account } = await nativeWorld(zApi, zApiTwin);
    const queued = { messageId: expect.stringMatching(/^[0-9A-F]{20}$/), zaapId: expect.any(String) };
    expect(await run("send_text", { phone, message: "Oi", delayMessage: 3 })).toMatchObject(queued);
    expect(await run("send_image", { phone, image: "https://shop.example/a.png", caption: "A" })).toMatchObject(queued);
    expect(await run("send_document", { phone, document: "https://shop.example/a.pdf", extension: "pdf" })).toMatchObject(queued);
    expect(await run("send_audio", { phone, audio: "https://shop.example/a.mp3" })).toMatchObject(queued);
    const place = { title: "Loja", address: "Avenida Paulista, 1000", latitude: "-23.5613", longitude: "-46.6565" };
    expect(await run("send_location", { phone, ...place })).toMatchObject(queued);
    expect(await run("send_contact", { phone, contactName: "Loja", contactPhone: "551130000000" })).toMatchObject(queued);
    expect(await run("send_button_list", { phone, message: "Ok?", buttonList: { buttons: [{ label: "Sim" }] } })).toMatchObject(queued);
    expect(await run("read_message", { phone, messageId: "3EB0A1" })).toEqual({});
    expect(await run("check_number", { phone })).toMatchObject({ exists: true });
    expect(await run("check_number", { phone: "5511999994040" })).toMatchObject({ exists: false });
    expect(await run("get_status")).toMatchObject({ connected: true });
    expect(unrun()).toEqual([]);
    const { instance_id } = account.settings;
    const { token, client_token } = account.credentials;
    const below = `https://api.z-api.io/instances/${instance_id}/token/${token}`;
    expect(sent.slice(0, 3).map(({ url, body }) => [url, JSON.parse(body)])).toEqual([
      [`${below}/send-text`, { phone, message: "Oi", delayMessage: 3 }],
      [`${below}/send-image`, { phone, image: "https://shop.example/a.png", caption: "A" }],
      [`${below}/send-document/pdf`, { phone, document: "https://shop.example/a.pdf" }],
    ]);
    expect(sent.every(({ headers }) => headers.get("client-token") === client_token)).toBe(true);
  });

  test("a message sent by one is delivered like any other", async () => {
    const { run, rests, webhooks } = await nativeWorld(zApi, zApiTwin);
    const { messageId } = await run("send_image", { phone, image: "https://shop.example/a.png" });
    await rests(2);
    const told = webhooks.map(({ body }) => JSON.parse(body)).filter(({ type }) => type === "MessageStatusCallback");
    expect(told).toMatchObject([{ status: "SENT", ids: [messageId] }, { status: "RECEIVED", ids: [messageId] }]);
  });

  test("without the instance's token there is no client", async () => {
    const { open } = await nativeWorld(zApi, zApiTwin);
    expect(() => open({ credentials: { client_token: "x" } })).toThrow(SetupMissing);
  });
});

describe("a notification", () => {
  const { verify, read } = zApi.notifications!;
  const secret = "an-unguessable-secret-of-32-chars";
  const instanceId = settings.instance_id;
  const momment = 1_795_176_000_000;
  const callback = { type: "MessageStatusCallback", status: "RECEIVED", ids: ["3EB0A1"], instanceId, momment };
  const message = (body: unknown, address = `${HOOK}?token=${secret}`) =>
    arrived({ url: address, headers: {}, body: typeof body === "string" ? body : JSON.stringify(body) });
  const verdict = (given: InboundMessage, context: { secrets?: string[]; settings?: Record<string, string> } = {}) =>
    verify(given, { secrets: [secret], settings, now: new Date(), ...context });

  test.each([
    ["the secret in its address", message(callback), {}, true],
    ["the secret of before", message(callback), { secrets: ["new", secret] }, true],
    ["another secret", message(callback, `${HOOK}?token=${secret}x`), {}, false],
    ["a part of the secret", message(callback, `${HOOK}?token=${secret.slice(1)}`), {}, false],
    ["no secret", message(callback, HOOK), {}, false],
    ["an empty secret where ours is empty", message(callback, `${HOOK}?token=`), { secrets: [""] }, false],
    ["the secret, where we have none", message(callback), { secrets: [] }, false],
    ["another instance in its body", message({ ...callback, instanceId: "3DF7" }), {}, false],
    ["no instance in its body", message({ ...callback, instanceId: undefined }), {}, false],
    ["an instance, where the connection has none", message(callback), { settings: {} }, false],
    ["neither instance nor connected instance", message("{}"), { settings: {} }, false],
    ["no JSON", message("{"), {}, false],
  ])("with %s is judged", (_name, given, context, ok) => {
    const found = verdict(given, context);
    expect(found.ok).toBe(ok);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  test.each([
    ["SENT", "sent"], ["RECEIVED", "delivered"], ["READ", "read"], ["PLAYED", "read"],
  ])("%s is read as %s", (status, state) => {
    expect(read(message({ ...callback, status }))).toEqual([{
      eventId: `3EB0A1:${status}:${state}`,
      ref: "3EB0A1",
      observation: { ref: "3EB0A1", state, action: status, occurredAt: new Date(1_795_176_000_000) },
    }]);
  });

  test("of several messages is as many events", () => {
    const events = read(message({ ...callback, ids: ["3EB0A1", "3EB0A2"] }));
    expect(events.map(({ ref }) => ref)).toEqual(["3EB0A1", "3EB0A2"]);
  });

  test("of a delivery that failed says why", () => {
    const error = "Phone number does not exist";
    expect(read(message({ type: "DeliveryCallback", messageId: "3EB0A1", instanceId, error }))).toEqual([{
      eventId: "3EB0A1:DeliveryCallback:failed",
      ref: "3EB0A1",
      observation: {
        ref: "3EB0A1", state: "failed", action: "DeliveryCallback",
        failure: { reason: "refused", message: error },
      },
    }]);
  });

  test.each([
    ["our own phone reading", { ...callback, status: "READ_BY_ME" }],
    ["a status to come", { ...callback, status: "TELEPATHY" }],
    ["a message received", { ...callback, type: "ReceivedCallback" }],
    ["a delivery of no message", { type: "DeliveryCallback" }],
    ["no JSON", "{"],
  ])("of %s is read as nothing", (_name, body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("the twin", () => {
  const eventsOf = (webhooks: TwinWebhook[]) =>
    webhooks.flatMap((webhook) => zApi.notifications!.read(arrived(webhook)));

  test.each([
    ["+5511999998888", ["sent", "sent", "delivered"]],
    ["+5511999994040", ["failed"]],
    ["+5511999994041", ["sent", "sent"]],
    ["+5511999994042", ["sent", "sent", "delivered", "read"]],
  ])("takes a message to %s through %j", async (to, states) => {
    const { provider, rests, webhooks, call } = await world();
    await provider.notify!({ ...aMessage, to }, call);
    expect(webhooks).toEqual([]);
    await rests(4);
    expect(eventsOf(webhooks).map(({ observation }) => observation.state)).toEqual(states);
  });

  test("calls back at the registered address with the account's secret", async () => {
    const { provider, rests, webhooks, account, call } = await world();
    const { ref } = await provider.notify!(aMessage, call);
    await rests(1);
    const address = `${HOOK}?token=${account.webhookSecret}`;
    expect(webhooks.map(({ url }) => url)).toEqual([address, address]);
    const momment = Date.parse("2026-11-20T13:00:00.000Z");
    const common = { phone: "5511999998888", instanceId: account.settings["instance_id"], momment };
    expect(webhooks.map(({ body }) => JSON.parse(body))).toEqual([
      { ...common, type: "DeliveryCallback", messageId: ref, zaapId: expect.stringMatching(/^[0-9A-F]{32}$/) },
      { ...common, type: "MessageStatusCallback", status: "SENT", ids: [ref], phoneDevice: 0, isGroup: false },
    ]);
    const context = { secrets: [account.webhookSecret], settings: account.settings, now: new Date() };
    for (const webhook of webhooks) expect(zApi.notifications!.verify(arrived(webhook), context)).toEqual({ ok: true });
  });

  test("tells a repeated step again as the same events", async () => {
    const { provider, clock, store, twin, webhooks, call } = await world();
    await provider.notify!(aMessage, call);
    await clock.advance(2 * HOUR_MS);
    const steps: TwinStep[] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of steps) for (let run = 0; run < 2; run++) await twin.run(step);
    const ids = eventsOf(webhooks).map(({ eventId }) => eventId);
    expect({ told: ids.length, distinct: new Set(ids).size }).toEqual({ told: 6, distinct: 3 });
  });

  interface Change {
    method?: string;
    path?: string;
    clientToken?: string;
    type?: string;
    body?: object;
  }
  type Refused = [name: string, change: Change, status: number, error: string];
  test.each([
    ["another instance", { path: "/instances/OTHER/token/{token}/send-text" }, 400, "Instance not found"],
    ["another token", { path: "/instances/{id}/token/OTHER/send-text" }, 400, "Instance not found"],
    ["no security token", { clientToken: "" }, 400, "null not allowed"],
    ["another security token", { clientToken: "FxS" }, 403, "Client-Token FxS not allowed"],
    ["another method", { method: "PUT" }, 405, "METHOD_NOT_ALLOWED"],
    ["another type of body", { type: "text/plain" }, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["an unknown verb", { path: "/instances/{id}/token/{token}/send-fax" }, 404, "NOT_FOUND"],
    ["no message", { body: { phone: "5511999998888" } }, 400, "BAD_REQUEST"],
    ["a phone with a mask", { body: { phone: "+55 11 99999-8888", message: "Oi" } }, 400, "BAD_REQUEST"],
  ] satisfies Refused[])("refuses a request with %s", async (_name, change: Change, status, error) => {
    const { twin, account } = await world();
    const { token = "", client_token = "" } = account.credentials;
    const { instance_id = "" } = account.settings;
    const { method = "POST", path = "/instances/{id}/token/{token}/send-text" } = change;
    const { clientToken = client_token, type = "application/json" } = change;
    const { body = { phone: "5511999998888", message: "Oi" } } = change;
    const url = `https://api.z-api.io${path.replace("{id}", instance_id).replace("{token}", token)}`;
    const headers = { "content-type": type, "client-token": clientToken };
    const response = await twin.fetch(new Request(url, { method, headers, body: JSON.stringify(body) }));
    expect({ status: response.status, ...(await response.json() as object) }).toMatchObject({ status, error });
  });
});
