import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { twilio } from "../../providers/twilio/index.ts";
import { twilioTwin } from "../../providers/twilio/twin.ts";
import type { NotifyRequest } from "../../schema/meta-tools/notify.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const HOOK = "https://codespar.example/v1/webhooks/twilio/ca_1";
const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOUR_MS = 3_600_000;
const TEMPLATE = "HXb5b62575e6e4ff6129ad7c8efe1f983e";
const aMessage: NotifyRequest = { channel: "sms", to: "+55 11 99999-8888", message: "Seu pedido saiu." };
const credentials = { auth_token: "0123456789abcdef0123456789abcdef" };
const settings = { account_sid: `AC${"1".repeat(32)}`, sms_from: "+14155550100", notification_url: HOOK };

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/** The adapter and the twin together, in memory. */
async function world(change: Record<string, string> = {}) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = twilioTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: { url: string; headers: Headers; form: Record<string, string> }[] = [];
  const fetch: Fetch = async (request) => {
    sent.push({ url: request.url, headers: request.headers, form: Object.fromEntries(new URLSearchParams(await request.clone().text())) });
    return twin.fetch(request);
  };
  const provider = twilio.connect({ ...account, settings: { ...account.settings, ...change }, baseUrl: twilio.hosts.test }, fetch);
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(HOUR_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { account, provider, sent, webhooks, rests, call: newCall(clock) };
}

const scripted = (answer: () => Response | Promise<Response>, given = settings): Provider =>
  twilio.connect({ credentials, settings: given, baseUrl: twilio.hosts.live }, async () => answer());

const arrived = ({ url, body, headers }: TwinWebhook): InboundMessage =>
  ({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) });

providerConformance({
  definition: twilio,
  twin: twilioTwin,
  verbs: {
    notify: {
      request: aMessage,
      declined: { ...aMessage, to: "+5511999994043" },
      settles: { to: "delivered" },
      findsByReference: false,
    },
  },
});

describe("a message", () => {
  test("is one form under the account, with our reference in the address of its callback", async () => {
    const { provider, sent, account, call } = await world();
    const outcome = await provider.notify!(aMessage, call);
    if (outcome.outcome !== "accepted") throw new Error("it was declined");
    expect(sent).toHaveLength(1);
    const { account_sid } = account.settings;
    expect(sent[0]!.url).toBe(`https://api.twilio.com/2010-04-01/Accounts/${account_sid}/Messages.json`);
    expect(sent[0]!.headers.get("content-type")).toBe("application/x-www-form-urlencoded");
    const basic = Buffer.from(`${account_sid}:${account.credentials["auth_token"]}`).toString("base64");
    expect(sent[0]!.headers.get("authorization")).toBe(`Basic ${basic}`);
    expect(sent[0]!.form).toEqual({
      To: "+5511999998888", From: "+15005550006", Body: "Seu pedido saiu.", StatusCallback: `${HOOK}?reference=${REFERENCE}`,
    });
    expect(outcome).toMatchObject({ state: "queued", action: "queued", result: { id: outcome.ref, status: "queued", sent: true, channel: "sms" } });
    expect(outcome.ref).toMatch(/^SM[0-9a-f]{32}$/);
  });

  test("on WhatsApp names both numbers so", async () => {
    const { provider, sent, call } = await world();
    await provider.notify!({ ...aMessage, channel: "whatsapp" }, call);
    expect(sent[0]!.form).toMatchObject({ To: "whatsapp:+5511999998888", From: "whatsapp:+15005550006" });
  });

  test("by a template carries its content SID and the variables as text", async () => {
    const { provider, sent, call } = await world();
    await provider.notify!({ channel: "whatsapp", to: aMessage.to, template: TEMPLATE, variables: { 1: "Maria", 2: 17 } }, call);
    expect(sent[0]!.form).toMatchObject({ ContentSid: TEMPLATE, ContentVariables: '{"1":"Maria","2":"17"}' });
    expect(sent[0]!.form["Body"]).toBeUndefined();
  });

  test("without a sender of its own goes by the messaging service", async () => {
    const service = `MG${"2".repeat(32)}`;
    const { provider, sent, call } = await world({ sms_from: "", messaging_service_sid: service });
    expect(await provider.notify!(aMessage, call)).toMatchObject({ outcome: "accepted", action: "accepted", state: "queued" });
    expect(sent[0]!.form).toMatchObject({ MessagingServiceSid: service });
    expect(sent[0]!.form["From"]).toBeUndefined();
  });

  test("without a callback address is sent all the same", async () => {
    const { provider, sent, call } = await world({ notification_url: "" });
    expect(await provider.notify!(aMessage, call)).toMatchObject({ outcome: "accepted" });
    expect(sent[0]!.form["StatusCallback"]).toBeUndefined();
  });

  test("may be proven by an API key in place of the account's token", async () => {
    const requests: Request[] = [];
    const keyed = { auth_token: "the-secret-of-the-key", api_key_sid: `SK${"3".repeat(32)}` };
    const provider = twilio.connect({ credentials: keyed, settings, baseUrl: twilio.hosts.live }, async (request) => {
      requests.push(request);
      return Response.json({ sid: "SM1", status: "queued" }, { status: 201 });
    });
    await provider.notify!(aMessage, newCall());
    expect(Buffer.from(requests[0]!.headers.get("authorization")!.slice(6), "base64").toString()).toBe(`${keyed.api_key_sid}:the-secret-of-the-key`);
    expect(requests[0]!.url).toContain(settings.account_sid);
  });

  test.each([
    ["channel", "not_permitted", { channel: "email" as const }],
    ["message", "invalid_request", { message: undefined }],
    ["template", "invalid_request", { template: "order_shipped" }],
    ["to", "invalid_request", { to: "(11) 99999-8888" }],
    ["to", "invalid_request", { to: "5511999998888" }],
    ["to", "invalid_request", { to: "+551199" }],
  ])("with a bad %s is declined as %s before anything is sent", async (field, reason, change) => {
    const { provider, sent, call } = await world();
    expect(await provider.notify!({ ...aMessage, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    ["sms" as const, "sms_from"], ["whatsapp" as const, "whatsapp_from"],
  ])("by %s without any sender names the setting %s", async (channel, setting) => {
    const { provider, sent, call } = await world({ sms_from: "", whatsapp_from: "" });
    await expect(provider.notify!({ ...aMessage, channel }, call)).rejects.toMatchObject({ name: "SetupMissing", setting });
    expect(sent).toEqual([]);
  });
});

describe("a refusal", () => {
  test.each([
    [400, 21211, { reason: "invalid_request", field: "to" }],
    [400, 21408, { reason: "not_permitted", field: "to" }],
    [400, 21610, { reason: "not_permitted", field: "to" }],
    [400, 21617, { reason: "invalid_request", field: "message" }],
    [400, 21606, { reason: "invalid_request" }],
    [401, 20003, { reason: "unauthorized" }],
    [404, 20404, { reason: "unspecified" }],
    [429, 20429, { reason: "rate_limited" }],
  ])("with status %i and code %i is a decline", async (status, code, expected) => {
    const provider = scripted(() => Response.json({ code, message: "Twilio's words", status }, { status }));
    expect(await provider.notify!(aMessage, newCall())).toEqual({ outcome: "declined", message: "Twilio's words", ...expected });
  });

  test("that is no JSON is a decline without a field", async () => {
    const provider = scripted(() => new Response("nope", { status: 400 }));
    expect(await provider.notify!(aMessage, newCall())).toEqual({ outcome: "declined", reason: "invalid_request", message: "Twilio answered 400" });
  });
});

describe("a lookup", () => {
  const subject = { verb: "notify" as const, reference: REFERENCE, currency: undefined };

  test("without a SID cannot say, and one that a callback told is enough", async () => {
    const { provider, webhooks, rests, call } = await world();
    await provider.notify!(aMessage, call);
    await expect(provider.lookup!({ ...subject, ref: undefined }, call)).rejects.toBeInstanceOf(Unanswered);
    await rests(1);
    const [event] = twilio.notifications!.read(arrived(webhooks[0]!));
    expect(event!.reference).toBe(REFERENCE);
    expect(await provider.lookup!({ ...subject, ref: undefined, told: event!.ref }, call)).toMatchObject({ ref: event!.ref, state: "sent" });
  });

  test("of a message whose record was deleted throws, for it was sent", async () => {
    const { provider, call } = await world();
    await expect(provider.lookup!({ ...subject, ref: `SM${"0".repeat(32)}` }, call)).rejects.toMatchObject({ status: 404 });
  });

  test.each([
    ["+5511999994040", "failed", { reason: "refused", message: "Unknown destination handset" }],
    ["+5511999994044", "failed", { reason: "not_permitted", message: "Outside the messaging window" }],
    ["+5511999994041", "sent", undefined],
    ["+5511999994042", "read", undefined],
  ])("of a WhatsApp message to %s ends as %s", async (to, state, failure) => {
    const { provider, rests, call } = await world();
    const { ref } = (await provider.notify!({ ...aMessage, channel: "whatsapp", to }, call)) as { ref: string };
    await rests(4);
    const found = await provider.lookup!({ ...subject, ref }, call);
    expect([found!.state, found!.failure]).toEqual([state, failure]);
  });

  test("that finds a word of tomorrow calls it queued", async () => {
    const provider = scripted(() => Response.json({ sid: "SM1", status: "teleported" }));
    expect(await provider.lookup!({ ...subject, ref: "SM1" }, newCall())).toEqual({ ref: "SM1", state: "queued", action: "teleported" });
  });
});

test("an answer without a SID leaves the outcome unknown", async () => {
  const provider = scripted(() => Response.json({ status: "queued" }, { status: 201 }));
  await expect(provider.notify!(aMessage, newCall())).rejects.toBeInstanceOf(OutcomeUnknown);
});

test.each(["auth_token", "account_sid"])("without %s nothing is sent, and it is named without the secret", async (name) => {
  const without = (values: Record<string, string>) => ({ ...values, [name]: "" });
  const provider = twilio.connect({ credentials: without(credentials), settings: without(settings), baseUrl: twilio.hosts.live }, () => {
    throw new Error("it was sent");
  });
  const missing: unknown = await provider.notify!(aMessage, newCall()).catch((thrown: unknown) => thrown);
  expect(missing).toBeInstanceOf(SetupMissing);
  expect(missing).toMatchObject({ setting: name });
  expect(inspect(missing)).not.toContain(credentials.auth_token);
});

describe("a status callback", () => {
  const { verify, read } = twilio.notifications!;
  const form = { MessageSid: `SM${"4".repeat(32)}`, MessageStatus: "delivered", To: "+5511999998888", From: "+14155550100" };
  const message = (parameters: Record<string, string>, url: string, signature?: string): InboundMessage => ({
    method: "POST", url: new URL(url), headers: new Headers(signature ? { "x-twilio-signature": signature } : {}),
    body: new TextEncoder().encode(new URLSearchParams(parameters).toString()),
  });
  const judged = (given: InboundMessage, secrets: string[], notificationUrl = "") =>
    verify(given, { secrets, settings: { notification_url: notificationUrl }, now: new Date() }).ok;

  // Twilio's own example of "Webhooks security".
  const documented = { Digits: "1234", To: "+18005551212", From: "+14158675309", Caller: "+14158675309", CallSid: "CA1234567890ABCDE" };
  const url = "https://mycompany.com/myapp.php?foo=1&bar=2";
  const signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

  test("verifies as Twilio's documented example does", () => {
    expect(judged(message(documented, url, signature), ["12345"])).toBe(true);
    expect(judged(message(documented, url, signature), ["new", "12345"])).toBe(true);
  });

  test("is signed for the address that Twilio was given, whatever host a proxy shows", () => {
    const shown = message(documented, "http://10.0.0.7:3000/myapp.php?foo=1&bar=2", signature);
    expect(judged(shown, ["12345"], "https://mycompany.com/myapp.php")).toBe(true);
    expect(judged(shown, ["12345"])).toBe(false);
  });

  test.each([
    ["another secret", message(documented, url, signature), ["12346"]],
    ["an empty secret", message(documented, url, signature), [""]],
    ["no secret", message(documented, url, signature), []],
    ["another parameter", message({ ...documented, Digits: "1235" }, url, signature), ["12345"]],
    ["another query", message(documented, url.replace("bar=2", "bar=3"), signature), ["12345"]],
    ["a part of the signature", message(documented, url, signature.slice(0, -1)), ["12345"]],
    ["no signature", message(documented, url), ["12345"]],
  ])("with %s is refused", (_name, given, secrets) => {
    expect(judged(given, secrets)).toBe(false);
  });

  test("tells our reference, the SID and the state", () => {
    expect(read(message(form, `${HOOK}?reference=${REFERENCE}`))).toEqual([{
      eventId: `${form.MessageSid}:delivered`, ref: form.MessageSid, reference: REFERENCE,
      observation: { ref: form.MessageSid, state: "delivered", action: "delivered" },
    }]);
  });

  test("of a failure says why", () => {
    const [event] = read(message({ ...form, MessageStatus: "undelivered", ErrorCode: "30005" }, HOOK));
    expect(event).toMatchObject({ observation: { state: "failed", failure: { reason: "refused", message: expect.stringContaining("30005") } } });
    expect(event!.reference).toBeUndefined();
  });

  test.each([
    ["an incoming message", { ...form, MessageStatus: "received" }], ["a call", { CallSid: "CA1", CallStatus: "ringing" }], ["nothing", {}],
  ])("of %s is read as nothing", (_name, parameters) => {
    expect(read(message(parameters, HOOK))).toEqual([]);
  });
});

describe("its own tools", () => {
  test("each is one request, answered in Twilio's words", async () => {
    const { run, unrun, sent, rests } = await nativeWorld(twilio, twilioTwin);
    const To = "+5511999998888";
    const { sid: Sid, from } = await run("send_message", { To, Body: "Oi" });
    expect(from).toBe("+15005550006");
    expect(await run("send_message", { To: `whatsapp:${To}`, From: "whatsapp:+14155550100", ContentSid: TEMPLATE, ContentVariables: '{"1":"Maria"}' }))
      .toMatchObject({ from: "whatsapp:+14155550100" });
    await rests(2);
    expect(await run("get_message", { Sid })).toMatchObject({ status: "delivered", body: "Oi" });
    expect(await run("list_messages", { To, DateSentAfter: "2026-11-20", PageSize: 5 })).toMatchObject({ messages: [{ sid: Sid }], page_size: 5 });
    expect(await run("list_messages", { DateSentBefore: "2026-11-19" })).toMatchObject({ messages: [] });
    expect(await run("delete_message", { Sid })).toEqual({});
    expect(await run("list_messages", { To })).toMatchObject({ messages: [] });
    const { sid: ServiceSid } = await run("create_verify_service", { FriendlyName: "Loja", CodeLength: 6 });
    expect(await run("start_verification", { ServiceSid, To, Channel: "sms" })).toMatchObject({ status: "pending", valid: false });
    expect(await run("check_verification", { ServiceSid, To, Code: "000000" })).toMatchObject({ status: "pending" });
    expect(await run("check_verification", { ServiceSid, To, Code: "123456" })).toMatchObject({ status: "approved", valid: true });
    expect(await run("lookup_phone", { PhoneNumber: To })).toMatchObject({ valid: true, country_code: "BR" });
    expect(await run("lookup_phone", { PhoneNumber: "123" })).toMatchObject({ valid: false });
    expect(unrun()).toEqual([]);
    expect(new Set(sent.map(({ url }) => new URL(url).host))).toEqual(new Set(twilioTwin.hosts));
    expect(sent.find(({ url }) => url.includes("DateSent%3E"))!.url).toContain("DateSent%3E=2026-11-20");
  });

  test("a message that names its sender keeps it, and one that names none goes by the channel's", async () => {
    const { run, sent, open, account } = await nativeWorld(twilio, twilioTwin);
    const http = open({ settings: { ...account.settings, whatsapp_from: "+14155550111" } });
    await run("send_message", { To: "whatsapp:+5511999998888", Body: "Oi" }, http);
    await run("send_message", { To: "+5511999998888", MessagingServiceSid: `MG${"2".repeat(32)}`, Body: "Oi" }, http);
    expect(sent.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))).toEqual([
      { To: "whatsapp:+5511999998888", From: "whatsapp:+14155550111", Body: "Oi" },
      { To: "+5511999998888", MessagingServiceSid: `MG${"2".repeat(32)}`, Body: "Oi" },
    ]);
  });

  test("a code is checked five times, within ten minutes, and once it is approved no more", async () => {
    const { run, refusal, clock } = await nativeWorld(twilio, twilioTwin);
    const { sid: ServiceSid } = await run("create_verify_service", { FriendlyName: "Loja" });
    const check = (Code: string) => ({ ServiceSid, To: "+5511999998888", Code });
    const start = () => run("start_verification", { ServiceSid, To: "+5511999998888", Channel: "sms" });
    await start();
    for (let nth = 0; nth < 5; nth++) await run("check_verification", check("000000"));
    expect(await refusal("check_verification", check("123456"))).toMatchObject({ status: 429, body: { code: 60202 } });
    await start();
    await run("check_verification", check("123456"));
    expect(await refusal("check_verification", check("123456"))).toMatchObject({ status: 404 });
    await start();
    await clock.advance(600_000);
    expect(await refusal("check_verification", check("123456"))).toMatchObject({ status: 404 });
  });

  test.each([
    ["+15005550001", 21211], ["+15005550004", 21610], ["+15005550009", 21614],
  ])("a message to Twilio's test number %s is refused with code %i", async (To, code) => {
    const { refusal } = await nativeWorld(twilio, twilioTwin);
    expect(await refusal("send_message", { To, Body: "Oi" })).toMatchObject({ status: 400, body: { code } });
  });
});
