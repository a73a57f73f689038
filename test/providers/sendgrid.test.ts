/** SendGrid, adapter and twin together in memory: what goes out, where the id comes from, what events say and how they are signed. */
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { OutcomeUnknown, type CallContext, type Fetch, type InboundMessage } from "../../providers/provider.ts";
import { sendgrid } from "../../providers/sendgrid/index.ts";
import { sendgridTwin } from "../../providers/sendgrid/twin.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { notify, type NotifyRequest } from "../../schema/meta-tools/notify.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const mail = (change: object = {}): NotifyRequest =>
  notify.input.parse({ channel: "email", to: "maria@example.com", message: "Seu pedido saiu.\nChega amanhã.", ...change });

async function world() {
  const native = await nativeWorld(sendgrid, sendgridTwin);
  const sent: { url: string; authorization: string | null; body: any }[] = [];
  const toTwin: Fetch = async (request) => {
    sent.push({ url: request.url, authorization: request.headers.get("authorization"), body: await request.clone().json() });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (settings: object = {}, fetch = toTwin) =>
    sendgrid.connect({ ...native.account, settings: { ...native.account.settings, ...settings }, baseUrl: sendgrid.hosts.test }, fetch);
  return { ...native, sent, newCall, connect };
}

const arrived = ({ body, headers }: Pick<TwinWebhook, "body" | "headers">): InboundMessage =>
  ({ method: "POST", url: new URL("https://hooks.example/sendgrid"), headers: new Headers(headers), body: new TextEncoder().encode(body) });

describe("an e-mail", () => {
  test("goes out from the connection's sender with our reference, and its id is in the answer's header", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    const outcome = await connect().notify!(mail(), call);
    expect(outcome).toMatchObject({ outcome: "accepted", ref: expect.stringMatching(/^[\w-]{22}$/), state: "queued", result: { sent: true, channel: "email" } });
    expect(sent).toEqual([{
      url: "https://api.sendgrid.com/v3/mail/send", authorization: `Bearer ${account.credentials["api_key"]}`,
      body: {
        from: { email: "loja@example.com", name: "Loja" }, subject: "Seu pedido saiu.",
        personalizations: [{ to: [{ email: "maria@example.com" }], custom_args: { codespar_reference: call.reference } }],
        content: [{ type: "text/plain", value: "Seu pedido saiu.\nChega amanhã." }],
      },
    }]);
  });

  test.each([
    [{ subject: "Pedido 7" }, { default_subject: "Loja" }, "Pedido 7"],
    [{}, { default_subject: "Loja" }, "Loja"],
    [{ message: "x".repeat(200) }, {}, "x".repeat(78)],
  ])("with %o has a subject of its own, the connection's or its first line's", async (change, settings, subject) => {
    const { connect, newCall, sent } = await world();
    await connect(settings).notify!(mail(change), newCall());
    expect(sent[0]!.body.subject).toBe(subject);
  });

  test("a template brings its variables, and needs no text", async () => {
    const { connect, newCall, sent } = await world();
    expect(await connect().notify!(mail({ message: undefined, template: "d-1", variables: { name: "Maria" } }), newCall())).toMatchObject({ outcome: "accepted" });
    expect(sent[0]!.body).toMatchObject({ template_id: "d-1", personalizations: [{ dynamic_template_data: { name: "Maria" } }] });
  });

  test.each([
    ["channel", { channel: "sms" }], ["to", { to: "+5511999998888" }], ["message", { message: undefined }],
  ])("with a bad %s is declined before anything is sent", async (field, change) => {
    const { connect, newCall, sent } = await world();
    expect(await connect().notify!(mail(change), newCall())).toMatchObject({ outcome: "declined", field });
    expect(sent).toEqual([]);
  });

  test("a refusal names our field", async () => {
    const { connect, newCall } = await world();
    expect(await connect().notify!(mail({ to: "refused@example.com" }), newCall()))
      .toEqual({ outcome: "declined", reason: "invalid_request", field: "to", message: "SendGrid refused the e-mail: Does not contain a valid address." });
  });

  test("an answer without an id leaves the outcome unknown", async () => {
    const { connect, newCall } = await world();
    await expect(connect({}, async () => new Response(null, { status: 202 })).notify!(mail(), newCall())).rejects.toThrow(OutcomeUnknown);
  });
});

describe("events", () => {
  test.each([
    ["maria@example.com", ["sent", "delivered"]], ["reader@example.com", ["sent", "delivered", "read"]], ["bounce@example.com", ["sent", "failed"]],
  ])("of mail to %s say %o", async (to, states) => {
    const { connect, newCall, rests, webhooks } = await world();
    const call = newCall();
    const { ref } = (await connect().notify!(mail({ to }), call)) as { ref: string };
    await rests(3);
    const events = webhooks.flatMap((webhook) => sendgrid.notifications!.read(arrived(webhook)));
    expect(events.map(({ ref: id, reference, observation }) => [id, reference, observation.state])).toEqual(states.map((state) => [ref, call.reference, state]));
    if (to.startsWith("bounce@")) expect(events.at(-1)!.observation.failure!.message).toContain("does not exist");
  });

  test("many come in one message; those of no concern are left out", () => {
    const event = (name: string, nth: number) => ({ event: name, sg_event_id: `e${nth}`, sg_message_id: "m1.filter.1", timestamp: 1_790_000_000 });
    const body = JSON.stringify(["processed", "unsubscribe", "deferred", "spamreport", "click"].map(event));
    expect(sendgrid.notifications!.read(arrived({ body, headers: {} })).map(({ eventId, observation: { state } }) => [eventId, state]))
      .toEqual([["e0", "sent"], ["e2", "sent"], ["e4", "read"]]);
  });

  test("one signed two days ago, one without a time, and a key of another kind are refused", async () => {
    const { connect, newCall, rests, webhooks, account, clock } = await world();
    await connect().notify!(mail(), newCall());
    await rests(1);
    const verify = (now: Date, change: Record<string, string> = {}, secrets = [account.webhookSecret]) =>
      sendgrid.notifications!.verify(arrived({ ...webhooks[0]!, headers: { ...webhooks[0]!.headers, ...change } }), { secrets, settings: {}, now }).ok;
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ type: "spki", format: "der" }).toString("base64");
    expect(verify(clock.now())).toBe(true);
    expect(verify(new Date(clock.now().getTime() + 48 * 3_600_000))).toBe(false);
    expect(verify(clock.now(), { "x-twilio-email-event-webhook-timestamp": "" })).toBe(false);
    expect(verify(clock.now(), {}, [rsa, "nothing"])).toBe(false);
  });
});

test("each of its own tools is one request, answered in SendGrid's words", async () => {
  const { run, refusal, unrun, sent, rests } = await nativeWorld(sendgrid, sendgridTwin);
  const content = [{ type: "text/plain", value: "Oi" }];
  expect(await run("send_mail", { personalizations: [{ to: [{ email: "bounce@example.com" }] }], subject: "Oi", content })).toEqual({});
  expect(await run("send_template", { to: "maria@example.com", template_id: "d-1", from: { email: "outra@example.com" } })).toEqual({});
  expect(sent.map(({ body }) => JSON.parse(body).from.email)).toEqual(["loja@example.com", "outra@example.com"]);
  await rests(2);
  expect(await run("get_bounces", { limit: 5 })).toMatchObject([{ email: "bounce@example.com" }]);
  expect(await run("delete_bounce", { email: "bounce@example.com" })).toEqual({});
  expect(await run("get_bounces")).toEqual([]);
  expect(await run("list_templates", { generations: "dynamic", page_size: 5 })).toMatchObject({ result: [{ id: "d-1" }] });
  expect(await run("get_stats", { start_date: "2026-11-01" })).toMatchObject([{ date: "2026-11-01" }]);
  expect(await refusal("delete_bounce", { email: "nobody@example.com" })).toMatchObject({ status: 404 });
  expect(unrun()).toEqual([]);
});

providerConformance({
  definition: sendgrid,
  twin: sendgridTwin,
  verbs: { notify: { request: mail(), declined: mail({ to: "refused@example.com" }), settles: { to: "delivered" } } },
});
