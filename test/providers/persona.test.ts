/** Persona, adapter and twin together in memory: what goes out, what each status means, and what its webhooks prove. */
import { createHmac, randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { persona } from "../../providers/persona/index.ts";
import { personaTwin } from "../../providers/persona/twin.ts";
import {
  NotReached, OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type Fetch, type InboundMessage, type LookupSubject,
} from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { Twin, TwinAccount, TwinWebhook } from "../../providers/twin.ts";
import { kyc, type KycRequest } from "../../schema/meta-tools/kyc.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "5f0c2b7e-7c50-4d4c-9a4a-0f6f2f3e8a11";
const STEP_MS = 1_000;

const subject = {
  name: "Ana Maria Souza", document: "529.982.247-25", document_type: "cpf",
  email: "ana@example.com", phone: "+5511999990000",
};
const check = (change: object = {}): KycRequest => kyc.input.parse({ subject: { ...subject, ...change } });

interface Sent {
  method: string;
  url: URL;
  headers: Headers;
  body: string;
}

let clock: FakeClock;
let store: MemoryTwinStore;
let twin: Twin;
let account: TwinAccount;
let sent: Sent[];
let webhooks: TwinWebhook[];

beforeEach(async () => {
  clock = new FakeClock();
  store = new MemoryTwinStore(clock);
  sent = [];
  webhooks = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  twin = personaTwin.create({ store, clock, settleAfterMs: STEP_MS, deliver });
  account = await twin.openAccount({ webhookUrl: "https://hooks.example/persona" });
});

const toTwin: Fetch = async (request) => {
  const { method, url, headers } = request;
  sent.push({ method, url: new URL(url), headers, body: await request.clone().text() });
  return twin.fetch(request);
};

const connect = (fetch: Fetch = toTwin, change: { settings?: object; credentials?: object } = {}) =>
  persona.connect({
    credentials: { ...account.credentials, ...change.credentials },
    settings: { ...account.settings, ...change.settings },
    baseUrl: persona.hosts.test,
  }, fetch);

const newCall = (reference: string = REFERENCE): CallContext => ({
  reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {},
});

const about = (ref?: string, reference = REFERENCE): LookupSubject =>
  ({ verb: "verify", reference, ref, currency: undefined });

const dispatch = (request = check(), fetch = toTwin, call = newCall()) => connect(fetch).verify!(request, call);
const find = (subject = about(), fetch = toTwin) => connect(fetch).lookup!(subject, newCall());

async function step(): Promise<void> {
  await clock.advance(STEP_MS);
  await store.runDue((due) => twin.run(due));
}

const isCreate = ({ method, url }: Request): boolean => method === "POST" && url.endsWith("/inquiries");
const isLink = ({ url }: Request): boolean => url.endsWith("/generate-one-time-link");

/** An answer in place of the twin's to requests of one kind. */
const answering = (isMeant: (request: Request) => boolean, status: number, body: unknown): Fetch => async (request) =>
  isMeant(request) ? Response.json(body, { status }) : toTwin(request);

describe("starting an inquiry", () => {
  test("it goes out as JSON:API with the template, our reference and the person, under our key", async () => {
    await dispatch();
    const [created] = sent;
    expect(`${created!.method} ${created!.url}`).toBe("POST https://api.withpersona.com/api/v1/inquiries");
    expect(JSON.parse(created!.body)).toEqual({
      data: {
        attributes: {
          "inquiry-template-id": account.settings["inquiry_template_id"],
          "reference-id": REFERENCE,
          fields: {
            "name-first": "Ana",
            "name-last": "Maria Souza",
            "email-address": "ana@example.com",
            "phone-number": "+5511999990000",
            "identification-number": "529.982.247-25",
          },
        },
      },
    });
    expect(created!.headers.get("authorization")).toBe(`Bearer ${account.credentials["api_key"]}`);
    expect(created!.headers.get("persona-version")).toBe("2023-01-05");
    expect(created!.headers.get("idempotency-key")).toBe(REFERENCE);
  });

  test("then a one-time link is asked for, and both are the answer", async () => {
    const outcome = await dispatch();
    const id = outcome.ref!;
    expect(id).toMatch(/^inq_[A-Za-z0-9]{24}$/);
    expect(`${sent[1]!.method} ${sent[1]!.url.pathname}`).toBe(`POST /api/v1/inquiries/${id}/generate-one-time-link`);
    expect(sent[1]!.headers.get("idempotency-key")).toBeNull();
    const link = expect.stringMatching(/^https:\/\/withpersona\.com\/verify\?code=\w{32}$/);
    expect(outcome).toEqual({
      outcome: "accepted",
      ref: id,
      state: "pending",
      action: "created",
      result: {
        id, inquiry_id: id, verification_id: id, status: "pending", check_type: "identity",
        inquiry_url: link, hosted_url: link,
      },
    });
  });

  test("what is not known of the person is not sent, nor a document without the template's name for it", async () => {
    const request = kyc.input.parse({ subject: { name: "Ana", document: "529.982.247-25" }, check_type: "document" });
    const outcome = await connect(toTwin, { settings: { document_field: "" } }).verify!(request, newCall());
    expect(JSON.parse(sent[0]!.body).data.attributes.fields).toEqual({ "name-first": "Ana" });
    expect(outcome).toMatchObject({ outcome: "accepted", result: { check_type: "document" } });
  });

  test.each(["risk-score", "sanctions"])("a %s check is declined before anything is sent", async (check_type) => {
    const request = kyc.input.parse({ subject, check_type });
    expect(await dispatch(request)).toEqual({
      outcome: "declined",
      reason: "not_permitted",
      message: `Persona runs identity and document checks here; connect another provider for ${check_type}.`,
      field: "check_type",
    });
    expect(sent).toEqual([]);
  });

  test("without the template nothing is sent, and the setting is named", async () => {
    const provider = connect(toTwin, { settings: { inquiry_template_id: undefined } });
    await expect(provider.verify!(check(), newCall())).rejects.toThrow(new SetupMissing("inquiry_template_id"));
    expect(sent).toEqual([]);
  });

  test("without a key there is no connection", () => {
    expect(() => connect(toTwin, { credentials: { api_key: "" } })).toThrow(new SetupMissing("api_key"));
  });

  test("a link that does not come leaves the inquiry made: not a decline", async () => {
    for (const status of [403, 503, 200]) {
      const broken = answering(isLink, status, { meta: {} });
      const call = newCall(randomUUID());
      await expect(dispatch(check(), broken, call)).rejects.toThrow(/persona/);
      expect(call.acted).toBe(true);
    }
  });
});

describe("repeats", () => {
  test("the same key and the same request give the same inquiry", async () => {
    const first = await dispatch();
    const again = await dispatch();
    expect(again.ref).toBe(first.ref);
    expect(await store.list("inquiry/")).toHaveLength(1);
  });

  test("the same key and another request are a conflict", async () => {
    const first = await dispatch();
    const other = await dispatch(check({ name: "Bruno Lima" }));
    expect(other).toMatchObject({ outcome: "declined", reason: "duplicate" });
    expect(await find()).toMatchObject({ ref: first.ref });
    expect(await store.list("inquiry/")).toHaveLength(1);
  });

  test("a refusal is replayed as well", async () => {
    const refused = check({ email: "refused@example.com" });
    const first = await dispatch(refused);
    expect(first).toMatchObject({ outcome: "declined", reason: "invalid_request", field: "subject.email" });
    expect(await dispatch(refused)).toEqual(first);
  });
});

describe("refusals", () => {
  const errors = (details: string, pointer?: string) =>
    ({ errors: [{ title: "Record invalid", details, ...(pointer && { source: { pointer } }) }] });

  test.each([
    [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"],
    [409, "duplicate"], [418, "unspecified"], [422, "invalid_request"], [429, "rate_limited"],
  ])("HTTP %i is %s", async (status, reason) => {
    const call = newCall();
    const outcome = await dispatch(check(), answering(isCreate, status, errors("Why not")), call);
    expect(outcome).toEqual({ outcome: "declined", reason, message: "Persona refused the inquiry: Why not" });
    expect(call.acted).toBe(false);
  });

  test.each([
    ["/data/attributes/inquiry-template-id", "inquiry_template_id"],
    ["/data/attributes/fields/name-last", "subject.name"],
    ["/data/attributes/fields/phone-number", "subject.phone"],
  ])("an error at %s names %s", async (pointer, field) => {
    const outcome = await dispatch(check(), answering(isCreate, 422, errors("Invalid", pointer)));
    expect(outcome).toMatchObject({ outcome: "declined", field });
  });

  test("an answer that is no JSON:API is read by its status", async () => {
    const outcome = await dispatch(check(), answering(isCreate, 403, "<html>"));
    const message = "Persona refused the inquiry: HTTP 403";
    expect(outcome).toEqual({ outcome: "declined", reason: "unauthorized", message });
  });

  test("a template of another account is refused by the twin and named", async () => {
    const provider = connect(toTwin, { settings: { inquiry_template_id: "itmpl_of_another" } });
    expect(await provider.verify!(check(), newCall()))
      .toMatchObject({ outcome: "declined", reason: "invalid_request", field: "inquiry_template_id" });
  });

  test("a wrong key is unauthorized", async () => {
    const provider = connect(toTwin, { credentials: { api_key: "persona_sandbox_wrong" } });
    expect(await provider.verify!(check(), newCall())).toMatchObject({ outcome: "declined", reason: "unauthorized" });
  });
});

describe("silence", () => {
  const failing = (code: string, reaches: boolean): Fetch => async (request) => {
    if (!isCreate(request)) return toTwin(request);
    if (reaches) await toTwin(request);
    throw networkError(code);
  };

  test("no answer is unknown; a lookup by our reference finds the inquiry and gets a link for it", async () => {
    const call = newCall();
    await expect(dispatch(check(), failing("ECONNRESET", true), call)).rejects.toThrow(OutcomeUnknown);
    expect(call.acted).toBe(true);
    expect(await find()).toEqual({
      ref: expect.stringMatching(/^inq_/),
      state: "pending",
      action: "created",
      result: {
        inquiry_url: expect.stringMatching(/^https:\/\/withpersona\.com\/verify\?code=/),
        hosted_url: expect.stringMatching(/^https:\/\/withpersona\.com\/verify\?code=/),
      },
    });
  });

  test("a link that is refused does not hide the inquiry from a lookup, one without an answer does", async () => {
    await dispatch();
    const found = await find(about(), answering(isLink, 403, {}));
    expect(found).toMatchObject({ state: "pending" });
    expect(found).not.toHaveProperty("result");
    await expect(find(about(), answering(isLink, 503, {}))).rejects.toThrow(Unanswered);
  });

  test("a refused connection reached nobody", async () => {
    await expect(dispatch(check(), failing("ECONNREFUSED", false))).rejects.toThrow(NotReached);
    expect(await find()).toBeUndefined();
  });
});

describe("looking up", () => {
  const inquiry = (status: string, reference: string | null = REFERENCE) =>
    ({ type: "inquiry", id: "inq_1", attributes: { status, "reference-id": reference } });
  const showing = (data: unknown): Fetch => async () => Response.json({ data });

  test("by id it is one request and no new link", async () => {
    const { ref } = await dispatch();
    expect(await find(about(ref))).toEqual({ ref, state: "pending", action: "created" });
    const asked = sent.slice(2).map(({ method, url }) => `${method} ${url.pathname}`);
    expect(asked).toEqual([`GET /api/v1/inquiries/${ref}`]);
  });

  test("by reference the list is filtered, and one of nobody is not there", async () => {
    expect(await find()).toBeUndefined();
    expect(sent[0]!.url.pathname).toBe("/api/v1/inquiries");
    expect([...sent[0]!.url.searchParams]).toEqual([["filter[reference-id]", REFERENCE]]);
  });

  test("an id that Persona does not know is looked for by reference before it is called missing", async () => {
    const { ref } = await dispatch();
    expect(await find(about("inq_gone"))).toMatchObject({ ref });
    expect(await find(about("inq_gone", randomUUID()))).toBeUndefined();
  });

  test("another account's inquiry is not there", async () => {
    const { ref } = await dispatch();
    const other = await twin.openAccount({ webhookUrl: "https://hooks.example/other" });
    expect(await connect(toTwin, { credentials: other.credentials }).lookup!(about(ref), newCall())).toBeUndefined();
  });

  test("a list of others proves nothing, nor does a refusal", async () => {
    await expect(find(about(), showing([inquiry("approved", randomUUID())]))).rejects.toThrow(Unanswered);
    for (const status of [401, 404, 429])
      await expect(find(about(), async () => Response.json({}, { status }))).rejects.toThrow(Rejected);
  });

  test.each([
    ["created", "pending"], ["pending", "pending"], ["completed", "review"], ["needs_review", "review"],
    ["approved", "approved"], ["declined", "rejected"], ["failed", "rejected"], ["expired", "expired"],
    ["paused", "pending"],
  ])("%s means %s", async (status, state) => {
    const found = await find(about("inq_1"), showing(inquiry(status)));
    expect(found).toMatchObject({ ref: "inq_1", state, action: status });
    expect(found?.failure).toEqual(state === "rejected"
      ? { reason: "refused", message: `Persona: the inquiry was ${status}.` }
      : undefined);
  });

  test.each([["yes", "approved"], ["TRUE", "approved"], ["no", "review"], ["", "review"]])(
    "completed with completed_is_approved %j means %s",
    async (completed_is_approved, state) => {
      const provider = connect(showing(inquiry("completed")), { settings: { completed_is_approved } });
      expect(await provider.lookup!(about("inq_1"), newCall())).toMatchObject({ state });
    },
  );
});

describe("the twin's life", () => {
  const told = () => webhooks.map(({ body }) => {
    const { name, payload } = JSON.parse(body).data.attributes;
    return [name, payload.data.attributes.status];
  });

  async function life(change: object): Promise<unknown[]> {
    const { ref } = await dispatch(check(change));
    await store.runDue((due) => twin.run(due));
    for (let rests = 0; rests < 4; rests++) await step();
    const found = await find(about(ref));
    return [...told().map(([name]) => name), found?.state];
  }

  test("an inquiry is created, started, completed and approved, one rest after another", async () => {
    await dispatch();
    await store.runDue((due) => twin.run(due));
    expect(told()).toEqual([["inquiry.created", "created"]]);
    for (let rests = 0; rests < 3; rests++) await step();
    expect(told()).toEqual([
      ["inquiry.created", "created"],
      ["inquiry.started", "pending"],
      ["inquiry.completed", "completed"],
      ["inquiry.approved", "approved"],
    ]);
  });

  test.each([
    [{ name: "Ana Declined" }, ["inquiry.completed", "inquiry.declined", "rejected"]],
    [{ document: "000.000.101-54" }, ["inquiry.completed", "inquiry.declined", "rejected"]],
    [{ name: "Review Lima" }, ["inquiry.completed", "inquiry.marked-for-review", "review"]],
    [{ document: "00000010235" }, ["inquiry.completed", "inquiry.marked-for-review", "review"]],
    [{ name: "Bruno FAILED" }, ["inquiry.failed", "rejected"]],
    [{ name: "Bia Expired" }, ["inquiry.expired", "expired"]],
    [{ document: "000.000.103-16" }, ["inquiry.expired", "expired"]],
    [{ name: "Ana Reviewer" }, ["inquiry.completed", "inquiry.approved", "approved"]],
  ])("%j ends as its magic says", async (change, ending) => {
    expect(await life(change)).toEqual(["inquiry.created", "inquiry.started", ...ending]);
  });

  test("a step that comes again, or after a later one, changes nothing", async () => {
    const { ref } = await dispatch();
    const key = `inquiry/${account.credentials["api_key"]}/${ref}`;
    for (const to of ["approved", "approved", "completed", "created"]) await twin.run({ name: "move", key, to });
    expect(told()).toEqual([["inquiry.approved", "approved"]]);
    expect(await find(about(ref))).toMatchObject({ state: "approved" });
  });

  test("a request that is no inquiry is answered in Persona's form", async () => {
    const ask = async (method: string, path: string, body?: string) => {
      const headers = { authorization: `Bearer ${account.credentials["api_key"]}` };
      const url = `https://api.withpersona.com/api/v1${path}`;
      const answer = await twin.fetch(new Request(url, { method, headers, ...(body && { body }) }));
      return [answer.status, ((await answer.json()) as { errors: { details: string }[] }).errors[0]!.details];
    };
    expect(await ask("POST", "/inquiries", "{}")).toEqual([400, "param is missing or the value is invalid: data"]);
    expect(await ask("GET", "/accounts")).toEqual([404, "There is no GET /api/v1/accounts."]);
    expect(await ask("GET", "/inquiries/inq_none")).toEqual([404, "There is no inquiry inq_none."]);
  });
});

describe("webhooks", () => {
  const NOW = new Date("2026-11-20T12:00:00Z");
  const NOW_S = NOW.getTime() / 1000;
  const { verify, read } = persona.notifications!;
  const body = '{"data":{"id":"evt_1"}}';

  const signed = (t: number, secret: string, text = body): string =>
    `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${text}`).digest("hex")}`;
  const message = (header: string | undefined, text = body): InboundMessage => ({
    method: "POST",
    url: new URL("https://hooks.example/persona"),
    headers: new Headers(header === undefined ? {} : { "persona-signature": header }),
    body: new TextEncoder().encode(text),
  });
  const result = (header: string | undefined, secrets = ["wbhsec_a"], text = body) =>
    verify(message(header, text), { secrets, settings: {}, now: NOW });

  test("the signature is HMAC-SHA256 in hex over the time, a dot and the body", () => {
    // printf '%s' '1795176000.{"data":{"id":"evt_1"}}' | openssl dgst -sha256 -hmac wbhsec_a
    const v1 = "532060156ce2bef86ea893af717987d2e6df9eb157ce271bbaaf83e41d1a7994";
    expect(result(`t=1795176000,v1=${v1}`)).toEqual({ ok: true });
  });

  test("while a secret rotates any pair may match any secret", () => {
    const both = `${signed(NOW_S, "wbhsec_old")} ${signed(NOW_S, "wbhsec_new")}`;
    expect(result(both, ["wbhsec_new"])).toEqual({ ok: true });
    expect(result(both, ["wbhsec_old"])).toEqual({ ok: true });
    expect(result(signed(NOW_S, "wbhsec_new"), ["wbhsec_old", "wbhsec_new"])).toEqual({ ok: true });
    expect(result(both, ["wbhsec_other"])).toEqual({ ok: false, reason: "persona-signature matches no secret" });
  });

  test("five minutes either way are taken, not a second more", () => {
    expect(result(signed(NOW_S - 300, "wbhsec_a"))).toEqual({ ok: true });
    expect(result(signed(NOW_S + 300, "wbhsec_a"))).toEqual({ ok: true });
    const late = { ok: false, reason: "persona-signature is not of the last five minutes" };
    expect(result(signed(NOW_S - 301, "wbhsec_a"))).toEqual(late);
    expect(result(signed(NOW_S + 301, "wbhsec_a"))).toEqual(late);
  });

  test("an old signature beside a fresh wrong one is not enough", () => {
    expect(result(`${signed(NOW_S - 301, "wbhsec_a")} ${signed(NOW_S, "wbhsec_b")}`)).toMatchObject({ ok: false });
  });

  test.each([
    ["missing", undefined],
    ["empty", ""],
    ["of another form", "v1=abc"],
    ["without a time", `v1=${"0".repeat(64)}`],
    ["too short", signed(NOW_S, "wbhsec_a").slice(0, -1)],
    ["too long", `${signed(NOW_S, "wbhsec_a")}0`],
    ["of another secret", signed(NOW_S, "wbhsec_b")],
    ["of another time", signed(NOW_S - 1, "wbhsec_a").replace(`t=${NOW_S - 1}`, `t=${NOW_S}`)],
  ])("a signature that is %s is refused", (_, header) => {
    expect(result(header)).toMatchObject({ ok: false });
  });

  test("a changed body is refused", () => {
    const header = signed(NOW_S, "wbhsec_a");
    expect(result(header, ["wbhsec_a"], body.replace("evt_1", "evt_2"))).toMatchObject({ ok: false });
  });

  test("more pairs than a rotation needs are not tried", () => {
    const noise = Array.from({ length: 4 }, () => signed(NOW_S, "wbhsec_b")).join(" ");
    expect(result(`${noise} ${signed(NOW_S, "wbhsec_a")}`)).toMatchObject({ ok: false });
  });

  test("one that the twin sends verifies, and tells the verdict on this call", async () => {
    const { ref } = await dispatch();
    for (let rests = 0; rests < 3; rests++) await step();
    const { headers, body: text } = webhooks.at(-1)!;
    const arrived = message(headers["persona-signature"], text);
    expect(verify(arrived, { secrets: [account.webhookSecret], settings: {}, now: clock.now() })).toEqual({ ok: true });
    expect(read(arrived)).toEqual([{
      eventId: expect.stringMatching(/^evt_[A-Za-z0-9]{24}$/),
      ref,
      reference: REFERENCE,
      observation: { ref, state: "approved", action: "approved", occurredAt: new Date("2026-11-20T12:00:03.000Z") },
    }]);
  });

  const event = (change: { name?: string; status?: string; reference?: string | null; at?: string }) => JSON.stringify({
    data: {
      type: "event",
      id: "evt_1",
      attributes: {
        name: change.name ?? "inquiry.declined",
        "created-at": change.at ?? "2026-11-20T11:59:58.000Z",
        payload: {
          data: {
            type: "inquiry",
            id: "inq_1",
            attributes: { status: change.status ?? "declined", "reference-id": change.reference ?? null },
          },
        },
      },
    },
  });

  test("a refusal says so, and an inquiry of nobody's reference is known by its id", () => {
    expect(read(message("", event({})))).toEqual([{
      eventId: "evt_1",
      ref: "inq_1",
      observation: {
        ref: "inq_1", state: "rejected", action: "declined", occurredAt: new Date("2026-11-20T11:59:58.000Z"),
        failure: { reason: "refused", message: "Persona: the inquiry was declined." },
      },
    }]);
  });

  test("completed is review: a message does not know whether the connection calls it final", () => {
    expect(read(message("", event({ name: "inquiry.completed", status: "completed" }))))
      .toMatchObject([{ observation: { state: "review", action: "completed" } }]);
  });

  test("a time that cannot be read does not hide the verdict", () => {
    const [found] = read(message("", event({ at: "yesterday" })));
    expect(found?.observation).toMatchObject({ state: "rejected" });
    expect(found?.observation).not.toHaveProperty("occurredAt");
  });

  test("events about other things, and bodies of no kind, are of no concern", () => {
    expect(read(message("", event({ name: "inquiry-session.started" })))).toEqual([]);
    expect(read(message("", event({ name: "report/watchlist.ready" })))).toEqual([]);
    expect(read(message("", body))).toEqual([]);
    expect(read(message("", "not json"))).toEqual([]);
  });
});

test("no error and no decline shows the key", async () => {
  const broken: Fetch = async (request) => {
    throw new Error(`cannot reach ${request.url} with ${request.headers.get("authorization")}`);
  };
  const said = [
    await dispatch(check(), broken).catch((error: Error) => error.message),
    await find(about(), broken).catch((error: Error) => error.message),
    await dispatch(check(), answering(isCreate, 401, {})),
  ];
  expect(inspect(said, { depth: 5 })).not.toContain(account.credentials["api_key"]);
  expect(said.slice(0, 2)).toEqual(["persona: no readable answer", "persona: no readable answer"]);
});

providerConformance({
  definition: persona,
  twin: personaTwin,
  verbs: {
    verify: { request: check(), declined: check({ email: "refused@example.com" }), settles: { to: "approved" } },
  },
  detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
});
