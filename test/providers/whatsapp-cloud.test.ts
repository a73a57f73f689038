/** WhatsApp Cloud, adapter and twin together in memory: what goes out, what a status means, how Meta proves itself and asks. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SetupMissing, type CallContext, type Fetch, type InboundMessage } from "../../providers/provider.ts";
import { whatsappCloud } from "../../providers/whatsapp-cloud/index.ts";
import { whatsappCloudTwin } from "../../providers/whatsapp-cloud/twin.ts";
import { notify, type NotifyRequest } from "../../schema/meta-tools/notify.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const aMessage = (change: object = {}): NotifyRequest => notify.input.parse({ channel: "whatsapp", to: "+55 11 99999-8888", message: "Seu pedido saiu.", ...change });

async function world() {
  const native = await nativeWorld(whatsappCloud, whatsappCloudTwin);
  const sent: { url: string; authorization: string | null; body: any }[] = [];
  const toTwin: Fetch = async (request) => {
    sent.push({ url: request.url, authorization: request.headers.get("authorization"), body: await request.clone().json() });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (settings: object = {}, fetch = toTwin) =>
    whatsappCloud.connect({ ...native.account, settings: { ...native.account.settings, ...settings }, baseUrl: whatsappCloud.hosts.test }, fetch);
  return { ...native, sent, newCall, connect };
}

const messageOf = (body: string, headers: Record<string, string> = {}, url = "https://hooks.example/whatsapp"): InboundMessage =>
  ({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) });

describe("a message", () => {
  test("goes out from the number's id, our reference with it", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    expect(await connect().notify!(aMessage(), call)).toMatchObject({
      outcome: "accepted", ref: expect.stringMatching(/^wamid\./), state: "queued", action: "accepted", result: { sent: true, channel: "whatsapp" },
    });
    expect(sent).toEqual([{
      url: `https://graph.facebook.com/v23.0/${account.settings["phone_number_id"]}/messages`, authorization: `Bearer ${account.credentials["access_token"]}`,
      body: {
        messaging_product: "whatsapp", recipient_type: "individual", to: "5511999998888", type: "text", text: { body: "Seu pedido saiu." },
        biz_opaque_callback_data: call.reference,
      },
    }]);
  });

  test.each([
    [{ 2: "1234", 1: "Maria" }, [{ type: "text", text: "Maria" }, { type: "text", text: "1234" }]],
    [{ name: "Maria" }, [{ type: "text", parameter_name: "name", text: "Maria" }]],
  ])("a template is filled by place or by name: %o", async (variables, parameters) => {
    const { connect, newCall, sent } = await world();
    await connect({ graph_version: "v24.0", template_language: "es_MX" }).notify!(aMessage({ template: "order_shipped", variables }), newCall());
    expect(sent[0]!.url).toContain("/v24.0/");
    expect(sent[0]!.body).toMatchObject({
      type: "template", template: { name: "order_shipped", language: { code: "es_MX" }, components: [{ type: "body", parameters }] },
    });
  });

  test.each([
    ["channel", { channel: "sms" }], ["message", { message: undefined }], ["to", { to: "+55119999" }],
  ])("with a bad %s is declined before anything is sent", async (field, change) => {
    const { connect, newCall, sent } = await world();
    expect(await connect().notify!(aMessage(change), newCall())).toMatchObject({ outcome: "declined", field });
    expect(sent).toEqual([]);
  });

  test.each([
    [131047, "not_permitted", "template"], [190, "unauthorized", undefined], [130429, "rate_limited", undefined], [7, "invalid_request", undefined],
  ])("refused with code %i is %s", async (code, reason, field) => {
    const { connect, newCall } = await world();
    const refusing: Fetch = async () => Response.json({ error: { code, message: "no", error_data: { details: "because" } } }, { status: 400 });
    expect(await connect({}, refusing).notify!(aMessage(), newCall()))
      .toEqual({ outcome: "declined", reason, message: `WhatsApp refused the message (${code}): because`, ...(field && { field }) });
  });
});

describe("statuses", () => {
  test.each([
    ["+5511999998888", ["sent", "delivered"], undefined],
    ["+5511999994042", ["sent", "delivered", "read"], undefined],
    ["+5511999994040", ["sent", "failed"], "The recipient has no WhatsApp"],
    ["+5511999994047", ["failed"], expect.stringContaining("24 hours")],
  ])("to %s come as %o", async (to, states, failure) => {
    const { connect, newCall, rests, webhooks } = await world();
    const call = newCall();
    const { ref } = (await connect().notify!(aMessage({ to }), call)) as { ref: string };
    await rests(3);
    const events = webhooks.flatMap(({ body }) => whatsappCloud.notifications!.read(messageOf(body)));
    expect(events.map(({ ref: id, reference, observation }) => [id, reference, observation.state])).toEqual(states.map((state) => [ref, call.reference, state]));
    expect(events.at(-1)!.observation.failure?.message).toEqual(failure);
  });

  test("messages that people send us, and words we do not know, are of no concern", () => {
    const value = { messages: [{ id: "wamid.1", text: { body: "Oi" } }], statuses: [{ id: "wamid.2", status: "deleted" }] };
    expect(whatsappCloud.notifications!.read(messageOf(JSON.stringify({ entry: [{ changes: [{ value }] }] })))).toEqual([]);
  });
});

describe("Meta's question before it posts", () => {
  const ask = (query: string, settings = { verify_token: "t0ken" }) =>
    whatsappCloud.notifications!.handshake!(messageOf("", {}, `https://hooks.example/?${query}`), { settings });

  test("is answered with its challenge when it knows the verify token", async () => {
    const answer = ask("hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1158201444");
    expect([answer!.status, answer!.headers.get("content-type"), await answer!.text()]).toEqual([200, "text/plain", "1158201444"]);
  });

  test.each([
    ["another token", "hub.mode=subscribe&hub.verify_token=other&hub.challenge=1"],
    ["no token", "hub.mode=subscribe&hub.challenge=1"],
    ["another mode", "hub.mode=unsubscribe&hub.verify_token=t0ken&hub.challenge=1"],
    ["a challenge that is markup", "hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=%3Cscript%3E"],
  ])("is not answered to %s", (_what, query) => expect(ask(query)).toBeUndefined());

  test("is answered to nobody where no verify token is set", () => {
    expect(ask("hub.mode=subscribe&hub.verify_token=&hub.challenge=1", { verify_token: "" })).toBeUndefined();
  });
});

test("each of its own tools is one request, answered in Meta's words", async () => {
  const { run, refusal, unrun, open } = await nativeWorld(whatsappCloud, whatsappCloudTwin);
  const to = "5511999998888";
  const { messages: [{ id }] } = await run("send_text_message", { to, body: "Oi", preview_url: true });
  expect(await run("send_template_message", { to, template_name: "order_shipped", language_code: "pt_BR" })).toMatchObject({ contacts: [{ wa_id: to }] });
  expect(await run("send_media_message", { to, media_type: "document", link: "https://example.com/nf.pdf", filename: "nf.pdf" })).toMatchObject({ messages: [{}] });
  expect(await run("mark_message_as_read", { message_id: id })).toEqual({ success: true });
  expect(await run("list_templates", { limit: 5 })).toMatchObject({ data: [{ name: "order_shipped" }] });
  expect(await run("get_business_profile", { fields: "about" })).toMatchObject({ data: [{ about: "Loja" }] });
  expect(await refusal("send_media_message", { to, media_type: "image" })).toMatchObject({ status: 400, body: { error: { code: 100 } } });
  await expect(run("list_templates", {}, open({ settings: {} }))).rejects.toThrow(SetupMissing);
  expect(unrun()).toEqual([]);
});

providerConformance({
  definition: whatsappCloud,
  twin: whatsappCloudTwin,
  verbs: { notify: { request: aMessage(), declined: aMessage({ to: "+5511999994043" }), settles: { to: "delivered" } } },
});
