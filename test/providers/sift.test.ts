/** Sift, adapter and twin together in memory: what goes out, what a score means, and what a decision changes. */
import { createHmac, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sift } from "../../providers/sift/index.ts";
import { siftTwin } from "../../providers/sift/twin.ts";
import { OutcomeUnknown, SetupMissing, type CallContext, type Fetch } from "../../providers/provider.ts";
import { kyc, type KycRequest } from "../../schema/meta-tools/kyc.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const check = (email: string, more: object = {}): KycRequest =>
  kyc.input.parse({ subject: { name: "Ana Souza", email, phone: "+5511999990000" }, check_type: "risk-score", ...more });

async function world() {
  const native = await nativeWorld(sift, siftTwin);
  const sent: { url: URL; body: any; authorization: string | null }[] = [];
  const toTwin: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ url: new URL(request.url), body: text && JSON.parse(text), authorization: request.headers.get("authorization") });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext => {
    const call: CallContext = {
      reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {},
      note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
    };
    return call;
  };
  const connect = (settings: object = {}, fetch = toTwin) =>
    sift.connect({ ...native.account, settings: { ...native.account.settings, ...settings }, baseUrl: sift.hosts.test }, fetch);
  return { ...native, sent, newCall, connect };
}

describe("scoring a user", () => {
  test("an event goes out with the key as Basic and in the body, and the score comes back with no page to visit", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    const outcome = await connect().verify!(check("ana@example.com"), call);
    const key = account.credentials["api_key"];
    expect(sent).toEqual([{
      url: new URL("https://api.sift.com/v205/events?return_score=true&abuse_types=payment_abuse"),
      authorization: `Basic ${Buffer.from(`${key}:`).toString("base64")}`,
      body: {
        $type: "$create_account", $api_key: key, $user_id: call.reference, $name: "Ana Souza", $user_email: "ana@example.com",
        $phone: "+5511999990000", codespar_reference: call.reference,
      },
    }]);
    expect(outcome).toMatchObject({ outcome: "accepted", ref: call.reference, state: "approved", result: { score: 0.12, hosted_url: null, status: "pending" } });
  });

  test("the merchant's own name for the user is Sift's, so that history counts", async () => {
    const { connect, newCall, sent } = await world();
    const call = newCall();
    await connect().verify!(check("ana@example.com", { metadata: { user_id: "user-17" } }), call);
    expect([sent[0]!.body.$user_id, call.notes]).toEqual(["user-17", { user_id: "user-17" }]);
  });

  test.each([
    ["ana@example.com", {}, "approved"],
    ["doubt@example.com", {}, "review"],
    ["fraud@example.com", {}, "rejected"],
    ["fraud@example.com", { reject_from: "" }, "review"],
    ["ana@example.com", { review_from: "0.9", reject_from: "0.6" }, "review"],
    ["ana@example.com", { abuse_type: "account_abuse" }, "review"],
  ])("%s with %o is %s", async (email, settings, state) => {
    const { connect, newCall } = await world();
    expect(await connect(settings).verify!(check(email), newCall())).toMatchObject({ outcome: "accepted", state });
  });

  test.each(["identity", "document", "sanctions"])("a %s check is declined before anything is sent", async (check_type) => {
    const { connect, newCall, sent } = await world();
    expect(await connect().verify!(check("ana@example.com", { check_type }), newCall())).toMatchObject({ outcome: "declined", reason: "not_permitted" });
    expect(sent).toEqual([]);
  });

  test("an error with HTTP 200 is a refusal when it is ours, and unknown when Sift itself failed", async () => {
    const { connect, newCall } = await world();
    const answering = (status: number): Fetch => async () => Response.json({ status, error_message: "no" });
    expect(await connect({}, answering(60)).verify!(check("a@b.co"), newCall())).toMatchObject({ outcome: "declined", reason: "rate_limited" });
    await expect(connect({}, answering(-4)).verify!(check("a@b.co"), newCall())).rejects.toThrow(OutcomeUnknown);
  });
});

describe("decisions", () => {
  test("a decision made at Sift outweighs the score, and its webhook only says that there is one", async () => {
    const { connect, newCall, rests, webhooks } = await world();
    const call = newCall();
    const { ref } = (await connect().verify!(check("blocked@example.com"), call)) as { ref: string };
    await rests(1);
    const [webhook] = webhooks;
    const message = { method: "POST", url: new URL(webhook!.url), headers: new Headers(webhook!.headers), body: new TextEncoder().encode(webhook!.body) };
    const [event] = sift.notifications!.read(message);
    expect(event).toMatchObject({ ref, observation: { ref, action: "looks_bad_payment_abuse" } });
    expect(event!.observation).not.toHaveProperty("state");
    expect(await connect().lookup!({ verb: "verify", reference: call.reference, ref, currency: undefined }, newCall()))
      .toMatchObject({ state: "rejected", action: "looks_bad_payment_abuse", result: { score: 0.7 }, failure: { reason: "refused" } });
  });

  test("a signature over SHA-256 is believed as well, and no other algorithm", async () => {
    const body = new TextEncoder().encode('{"entity":{"type":"user","id":"u"},"decision":{"id":"d"},"time":1}');
    const signed = (header: string, algorithm: string) => sift.notifications!.verify({
      method: "POST", url: new URL("https://hooks.example"), body,
      headers: new Headers({ "x-sift-science-signature": `${header}=${createHmac(algorithm, "s3cret-key").update(body).digest("hex")}` }),
    }, { secrets: ["s3cret-key"], settings: {}, now: new Date(0) });
    expect(signed("sha256", "sha256")).toEqual({ ok: true });
    expect(signed("md5", "md5")).toMatchObject({ ok: false });
    expect(signed("sha1", "sha256")).toMatchObject({ ok: false });
  });
});

describe("its own tools", () => {
  test("each is one request, answered in Sift's words", async () => {
    const { run, unrun, sent, account } = await nativeWorld(sift, siftTwin);
    const user_id = "user-17";
    expect(await run("send_event", { type: "$login", fields: { $user_id: user_id, $user_email: "doubt@example.com" }, return_score: true }))
      .toMatchObject({ status: 0, score_response: { scores: { payment_abuse: { score: 0.7 } } } });
    expect(await run("get_user_score", { user_id })).toMatchObject({ user_id, latest_decisions: {} });
    expect(await run("rescore_user", { user_id, abuse_types: "payment_abuse" })).toMatchObject({ status: 0 });
    expect(await run("apply_decision_to_user", { user_id, decision_id: "looks_bad_payment_abuse", source: "MANUAL_REVIEW", analyst: "ana" }))
      .toMatchObject({ entity: { id: user_id } });
    expect(await run("get_user_decisions", { user_id })).toMatchObject({ decisions: { payment_abuse: { decision: { id: "looks_bad_payment_abuse" } } } });
    expect(await run("send_chargeback", { user_id, order_id: "order-1", chargeback_state: "$received" })).toMatchObject({ status: 0 });
    expect(await run("label_user", { user_id, is_bad: true, abuse_type: "payment_abuse" })).toMatchObject({ status: 0 });
    expect(unrun()).toEqual([]);
    expect(new URL(sent[3]!.url).pathname).toBe(`/v3/accounts/${account.settings["account_id"]}/users/user-17/decisions`);
    expect(JSON.parse(sent[5]!.body)).toMatchObject({ $type: "$chargeback", $user_id: user_id, $api_key: account.credentials["api_key"] });
  });

  test("a decision needs the account's id, and one the account has", async () => {
    const { run, refusal, open } = await nativeWorld(sift, siftTwin);
    const args = { user_id: "u", decision_id: "anything", source: "MANUAL_REVIEW" };
    expect(await refusal("apply_decision_to_user", args)).toMatchObject({ status: 400 });
    await expect(run("apply_decision_to_user", args, open({ settings: {} }))).rejects.toThrow(SetupMissing);
  });
});

providerConformance({
  definition: sift,
  twin: siftTwin,
  verbs: {
    verify: { request: check("doubt@example.com"), declined: check("refused@example.com"), settles: { to: "approved", withinSteps: 3 } },
  },
});
