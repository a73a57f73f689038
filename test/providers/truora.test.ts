/** Truora, adapter and twin together in memory: links and checks, what each answer means, and what a JWT proves. */
import { createHmac, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage } from "../../providers/provider.ts";
import { truora } from "../../providers/truora/index.ts";
import { truoraTwin } from "../../providers/truora/twin.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { kyc, type KycRequest } from "../../schema/meta-tools/kyc.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const check = (check_type: string, change: object = {}): KycRequest => kyc.input.parse({
  subject: { name: "Ana Souza", document: "529.982.247-25", document_type: "cpf", email: "ana@example.com", phone: "+5511999990000", ...change }, check_type,
});

const STEP_MS = 1_000;

async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = truoraTwin.create({ store, clock, settleAfterMs: STEP_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: "https://hooks.example/truora" });
  const sent: { method: string; url: string; form: Record<string, string>; key: string | null }[] = [];
  const toTwin: Fetch = async (request) => {
    const form = Object.fromEntries(new URLSearchParams(await request.clone().text()));
    sent.push({ method: request.method, url: request.url, form, key: request.headers.get("truora-api-key") });
    return twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (settings: object = {}, fetch = toTwin) =>
    truora.connect({ ...account, settings: { ...account.settings, ...settings }, baseUrl: truora.hosts.test }, fetch);
  return {
    account, webhooks, sent, newCall, connect,
    find: (ref: string) => connect().lookup!({ verb: "verify", reference: "r", ref, currency: undefined }, newCall()),
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(STEP_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
  };
}

const answer = (body: object): Fetch => async () => Response.json(body);

describe("an identity process", () => {
  test("a web token is asked for our reference, and its link is the person's page", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    const outcome = await connect().verify!(check("identity"), call);
    expect(sent).toEqual([{
      method: "POST", url: "https://api.account.truora.com/v1/api-keys", key: account.credentials["api_key"],
      form: {
        key_type: "web", grant: "digital-identity", api_key_version: "1", country: "ALL", flow_id: account.settings["flow_id"],
        redirect_url: account.settings["redirect_url"], account_id: call.reference, phone: "+5511999990000", emails: "ana@example.com",
      },
    }]);
    expect(outcome).toMatchObject({
      outcome: "accepted", ref: expect.stringMatching(/^IDP/), state: "pending",
      result: { check_type: "identity", hosted_url: expect.stringMatching(/^https:\/\/identity\.truora\.com\/\?token=[\w.-]+$/) },
    });
    expect(call.acted).toBe(false);
  });

  test.each([
    ["ana@example.com", "approved"], ["declined@example.com", "rejected"], ["expired@example.com", "expired"],
  ])("of %s ends %s, and until the link is opened it is pending", async (email, state) => {
    const { connect, newCall, rests, find } = await world();
    const { ref } = (await connect().verify!(check("document", { email }), newCall())) as { ref: string };
    expect(await find(ref)).toEqual({ ref, state: "pending", action: "not started" });
    await rests(1);
    expect(await find(ref)).toMatchObject({ state: "pending", action: "pending" });
    await rests(1);
    expect(await find(ref)).toMatchObject({ state, ...(state === "rejected" && { failure: { message: "Truora: invalid_document." } }) });
  });

  test("a token that names no process is no answer, because nothing could be asked about it", async () => {
    const { connect, newCall } = await world();
    await expect(connect({}, answer({ api_key: "a.e30.c" })).verify!(check("identity"), newCall())).rejects.toThrow(Unanswered);
  });

  test.each(["flow_id", "redirect_url"])("without the setting %s nothing is sent", async (name) => {
    const { connect, newCall, sent } = await world();
    await expect(connect({ [name]: "" }).verify!(check("identity"), newCall())).rejects.toThrow(new SetupMissing(name));
    expect(sent).toEqual([]);
  });
});

describe("a background check", () => {
  test("it goes out by document and country, with the operator's word that the person agreed", async () => {
    const { connect, newCall, sent } = await world();
    expect(await connect().verify!(check("sanctions"), newCall()))
      .toMatchObject({ outcome: "accepted", ref: expect.stringMatching(/^CHK/), state: "pending", action: "not_started", result: { hosted_url: null } });
    expect(sent).toMatchObject([{
      url: "https://api.checks.truora.com/v1/checks", form: { national_id: "52998224725", country: "BR", type: "person", user_authorized: "true" },
    }]);
  });

  test.each([
    ["529.982.247-25", "approved", 0.02], ["000.000.102-35", "review", 0.7], ["000.000.101-54", "rejected", 0.95],
  ])("of %s is %s: their score is 1 where there is no risk, ours 0", async (document, state, score) => {
    const { connect, newCall, rests, find } = await world();
    const { ref } = (await connect().verify!(check("risk-score", { document }), newCall())) as { ref: string };
    await rests(1);
    expect(await find(ref)).toMatchObject({ state, action: "completed", result: { score } });
  });

  test("one that ends in error waits for a person, and has no score", async () => {
    const { connect, newCall, rests, find } = await world();
    const { ref } = (await connect().verify!(check("risk-score", { document: "000.000.103-16" }), newCall())) as { ref: string };
    await rests(1);
    expect(await find(ref)).toEqual({ ref, state: "review", action: "error" });
  });

  test.each([
    ["without a document", { document: undefined }, {}, "subject.document"],
    ["in a country that Truora does not cover", { country: "US", document_type: "ssn" }, {}, "subject.country"],
    ["without any country", { document_type: "passport" }, { country: "" }, "subject.country"],
    ["whose persons did not agree", {}, { user_authorized: "no" }, undefined],
  ])("one %s is declined before anything is sent", async (_what, change, settings, field) => {
    const { connect, newCall, sent } = await world();
    const outcome = await connect(settings).verify!(check("risk-score", change), newCall());
    expect(outcome).toMatchObject({ outcome: "declined", ...(field && { field }) });
    expect(sent).toEqual([]);
  });

  test("a subject's own country comes before the connection's", async () => {
    const { connect, newCall, sent } = await world();
    await connect().verify!(check("sanctions", { document: "1.020.333.444", document_type: "cc", country: "co" }), newCall());
    expect(sent[0]!.form).toMatchObject({ national_id: "1020333444", country: "CO" });
  });

  test("nothing of it can be found without Truora's id", async () => {
    const { connect, newCall } = await world();
    await expect(connect().lookup!({ verb: "verify", reference: "r", ref: undefined, currency: undefined }, newCall())).rejects.toThrow(Unanswered);
  });
});

describe("webhooks", () => {
  const messageOf = (body: string): InboundMessage =>
    ({ method: "POST", url: new URL("https://hooks.example"), headers: new Headers(), body: new TextEncoder().encode(body) });
  const verdict = (body: string, secret: string) => truora.notifications!.verify(messageOf(body), { secrets: [secret], settings: {}, now: new Date(0) });
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");

  test("a JWT says which process changed and how, and carries no state", async () => {
    const { connect, newCall, rests, webhooks, account } = await world();
    const { ref } = (await connect().verify!(check("identity"), newCall())) as { ref: string };
    await rests(2);
    expect(webhooks.map(({ body }) => truora.notifications!.read(messageOf(body)))).toEqual(["created", "success"].map((action) =>
      [{ eventId: `${ref}:${action}`, ref, observation: { ref, action } }]));
    expect(verdict(`"${webhooks[0]!.body}"`, account.webhookSecret)).toEqual({ ok: true });
    for (const secret of ["another-secret", ""]) expect(verdict(webhooks[0]!.body, secret)).toMatchObject({ ok: false });
  });

  test("one that names another algorithm, or none, is refused whatever its signature", () => {
    for (const alg of ["none", "HS384", "RS256"]) {
      const signed = `${encoded({ alg })}.${encoded({ events: [] })}`;
      expect(verdict(`${signed}.${createHmac("sha256", "s3cret").update(signed).digest("base64url")}`, "s3cret")).toMatchObject({ ok: false });
      expect(verdict(`${signed}.`, "s3cret")).toMatchObject({ ok: false });
    }
  });
});

const identity = {
  request: check("identity"), declined: check("identity", { email: "refused@example.com" }), settles: { to: "approved" },
  acts: false, findsByReference: false,
} as const;
const background = {
  request: check("sanctions"), declined: check("sanctions", { document: "000.000.104-05" }), settles: { to: "approved" },
  carriesReference: false, findsByReference: false,
} as const;

describe.each([["identity", identity], ["sanctions", background]])("%s", (_kind, subject) => {
  providerConformance({ definition: truora, twin: truoraTwin, detects: ["tampered_body"], verbs: { verify: subject } });
});
