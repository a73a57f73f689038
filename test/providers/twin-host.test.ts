import { describe, expect, test, vi } from "vitest";
import { neverLeft } from "../../providers/http.ts";
import { providerById, providers, twins } from "../../providers/index.ts";
import { OutcomeUnknown, Rejected, type Provider, type ProviderDefinition } from "../../providers/provider.ts";
import { rails } from "../../providers/rails.ts";
import type { TwinFault } from "../../providers/twin-faults.ts";
import { DELIVERY_ATTEMPTS_MAX, DELIVERY_TIMEOUT_MS, hostTwins, LOG_ENTRIES_MAX, type TwinHost } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinAccount, TwinDefinition } from "../../providers/twin.ts";
import { examplepay, examplepayTwin } from "../support/example-provider.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { conformanceChecks, providerConformance, type ConformanceSubject } from "../support/provider-conformance.ts";

const ID = "examplepay";
const HOOK = "https://hooks.example/examplepay";
const API = "https://sandbox.examplepay.example/v1";

interface Bench {
  clock: FakeClock;
  store: MemoryTwinStore;
  host: TwinHost;
  account: TwinAccount;
  /** Webhooks that came, as `PAID chg_1`, whole in `webhooks`. */
  told: string[];
  webhooks: Request[];
  /** How the receiver answers next; 200 when empty. A function is called first. */
  answers: (number | "refused" | (() => Promise<void>))[];
  charge(amount?: string): Promise<Response>;
  charges(): Promise<number>;
  fault(fault: TwinFault): void;
  pass(ms: number): Promise<void>;
}

async function bench(twin: TwinDefinition = examplepayTwin, webhookUrl = HOOK): Promise<Bench> {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const [told, webhooks, answers]: [string[], Request[], Bench["answers"]] = [[], [], []];
  const host = hostTwins({
    twins: [twin], clock, storeFor: () => store, settleAfterMs: 1_000,
    send: async (request) => {
      webhooks.push(request.clone());
      const { charge } = (await request.json()) as { charge: { id: string; status: string } };
      told.push(`${charge.status} ${charge.id}`);
      const answer = answers.shift() ?? 200;
      if (answer === "refused") throw new TypeError("fetch failed");
      if (typeof answer === "function") await answer();
      return new Response("", { status: typeof answer === "number" ? answer : 200 });
    },
  });
  const account = await host.openAccount(ID, { webhookUrl });
  const headers = { authorization: `Bearer ${account.credentials["api_key"]}` };
  return {
    clock, store, host, account, told, webhooks, answers,
    charge: (amount = "150.00") => {
      const body = JSON.stringify({ external_id: "order-1", amount });
      return host.fetch(new Request(`${API}/charges`, { method: "POST", headers, body }));
    },
    charges: async () => (await store.list("charge/")).length,
    fault: (fault) => host.setFault(ID, fault),
    pass: async (ms) => {
      await clock.advance(ms);
      await store.runDue((step) => host.run(ID, step));
    },
  };
}

const failure = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(() => expect.fail("it did not fail"), (error: unknown) => error);

test("every provider has its twin, and every rail its provider", () => {
  expect(twins.flatMap(({ id, also = [] }) => [id, ...also]).toSorted()).toEqual(providers.map(({ id }) => id).toSorted());
  expect(rails.filter(({ provider }) => providerById(provider)?.id !== provider)).toEqual([]);
});

describe("a request", () => {
  test("finds the twin by the host of its URL, live or test", async () => {
    const { host } = await bench();
    expect((await host.fetch(new Request("https://api.examplepay.example/v1/stores/s"))).status).toBe(401);
    expect((await host.fetch(new Request("https://sandbox.examplepay.example/v1/stores/s"))).status).toBe(401);
  });

  test("to a host that no twin has is one to an unknown name", async () => {
    const { host } = await bench();
    const error = await failure(host.fetch(new Request("https://api.elsewhere.example/")));
    expect(error).toMatchObject({ cause: { code: "ENOTFOUND" } });
    expect(neverLeft(error)).toBe(true);
  });

  test("is written down with what the caller saw", async () => {
    const { host, charge, clock } = await bench();
    await charge();
    await clock.advance(5_000);
    await charge("13.13");
    expect(host.requests(ID)).toMatchObject([
      {
        at: "2026-11-20T12:00:00.000Z", method: "POST", host: "sandbox.examplepay.example", path: "/v1/charges",
        body: '{"external_id":"order-1","amount":"150.00"}', status: 201,
      },
      { at: "2026-11-20T12:00:05.000Z", status: 402 },
    ]);
  });

  test("is written down without its secrets", async () => {
    const { host, account } = await bench();
    const key = account.credentials["api_key"]!;
    await host.fetch(new Request(`${API}/instances/1/token/0123456789abcdefXYZ/send?api_key=abc123&copy=${key}`, {
      method: "POST",
      headers: {
        authorization: "Basic dXNlcjpwYXNzd29yZA==", access_token: "$aact_0123456789", "client-token": "F0123",
        "x-copy": key, "x-plain": "shown",
      },
      body: JSON.stringify({ client_secret: "sss", copy: key, name: "Ana" }),
    }));
    const [entry] = host.requests(ID);
    expect(entry!.path).toBe(`/v1/instances/1/token/***fXYZ/send?api_key=***&copy=***${key.slice(-4)}`);
    expect(entry!.headers).toMatchObject({
      authorization: "***ZA==", access_token: "***6789", "client-token": "***",
      "x-copy": `***${key.slice(-4)}`, "x-plain": "shown",
    });
    expect(entry!.body).toBe(`{"client_secret":"***","copy":"***${key.slice(-4)}","name":"Ana"}`);
  });

  test("is forgotten when many others came after it", async () => {
    const { host } = await bench();
    for (let nth = 0; nth <= LOG_ENTRIES_MAX; nth++) await host.fetch(new Request(`${API}/stores/${nth}`));
    expect(host.requests(ID)).toHaveLength(LOG_ENTRIES_MAX);
    expect(host.requests(ID)[0]!.path).toBe("/v1/stores/1");
  });

  test("that the twin itself fails on is a 500, and the log says why", async () => {
    const { host } = await bench({ ...examplepayTwin, create: (context) => ({
      ...examplepayTwin.create(context),
      fetch: () => Promise.reject(new Error("a bug of ours")),
    }) });
    expect((await host.fetch(new Request(`${API}/charges`))).status).toBe(500);
    expect(host.requests(ID)[0]).toMatchObject({ status: 500, bug: "a bug of ours" });
  });

  test("whose caller gave up before it is not served", async () => {
    const { host } = await bench();
    const request = new Request(`${API}/stores/s`, { signal: AbortSignal.abort() });
    await expect(host.fetch(request)).rejects.toMatchObject({ name: "AbortError" });
    expect(host.requests(ID)).toEqual([]);
  });
});

describe("a fault of a request", () => {
  test.each([
    ["refused", "ECONNREFUSED", 0], ["down", "ECONNREFUSED", 0],
    ["reset_before", "ECONNRESET", 0], ["reset_after", "ECONNRESET", 1],
  ] as const)("%s rejects with %s, with %i charges made", async (kind, code, made) => {
    const { fault, charge, charges } = await bench();
    fault({ kind });
    expect(await failure(charge())).toMatchObject({ message: "fetch failed", cause: { code } });
    expect(await charges()).toBe(made);
  });

  test.each([
    ["error_before", 503, 0], ["error_after", 503, 1], ["rate_limited", 429, 0], ["html", 200, 1], ["truncated", 201, 1],
    ["half_answer", 201, 1], ["webhook_first", 201, 1],
  ] as const)("%s answers %i, with %i charges made", async (kind, status, made) => {
    const { fault, charge, charges } = await bench();
    fault({ kind });
    expect((await charge()).status).toBe(status);
    expect(await charges()).toBe(made);
  });

  test("answers what it was told to answer", async () => {
    const { fault, charge } = await bench();
    fault({ kind: "error_before", status: 404 });
    fault({ kind: "html", status: 502 });
    fault({ kind: "rate_limited", retryAfterSeconds: 7 });
    expect((await charge()).status).toBe(404);
    const page = await charge();
    expect([page.status, page.headers.get("content-type")]).toEqual([502, "text/html"]);
    expect(await page.text()).toMatch(/^<!doctype html>/);
    expect((await charge()).headers.get("retry-after")).toBe("7");
  });

  test("cuts the JSON, or breaks the connection in its middle", async () => {
    const { fault, charge } = await bench();
    const whole = await (await charge()).text();
    fault({ kind: "truncated" });
    const cut = await (await charge()).text();
    expect([whole.length > cut.length, cut.length > 0]).toEqual([true, true]);
    expect(() => JSON.parse(cut)).toThrow(SyntaxError);
    fault({ kind: "half_answer" });
    const half = await charge();
    expect(await failure(half.text())).toMatchObject({ cause: { code: "ECONNRESET" } });
  });

  test("slow answers when the clock says so", async () => {
    const { fault, charge, charges, clock } = await bench();
    fault({ kind: "slow", delayMs: 30_000 });
    let answered = false;
    const answer = charge().then((response) => ((answered = true), response));
    await vi.waitUntil(async () => (await charges()) === 1);
    await clock.advance(29_999);
    expect([answered, await charges()]).toEqual([false, 1]);
    await clock.advance(1);
    expect((await answer).status).toBe(201);
  });

  test("strikes as often as it was told, then no more", async () => {
    const { fault, charge } = await bench();
    fault({ kind: "error_before", times: 2 });
    expect([(await charge()).status, (await charge()).status, (await charge()).status]).toEqual([503, 503, 201]);
  });

  test("down stays until it is cleared", async () => {
    const { fault, charge, host } = await bench();
    fault({ kind: "down" });
    await failure(charge());
    await failure(charge());
    await host.clearFaults(ID);
    expect((await charge()).status).toBe(201);
    expect(host.requests(ID)).toHaveLength(1);
  });

  test("strikes only what matches all that was given", async () => {
    const { fault, charge, host } = await bench();
    fault({ kind: "error_before", method: "post", path: "/charges$", body: '"13\\.13"' });
    expect((await host.fetch(new Request(`${API}/charges`))).status).toBe(401);
    expect((await charge("150.00")).status).toBe(201);
    expect((await charge("13.13")).status).toBe(503);
    expect(host.requests(ID).map((entry) => entry.fault)).toEqual([undefined, undefined, "error_before"]);
  });

  test("that is none is refused, with the field at fault", async () => {
    const { fault } = await bench();
    expect(() => fault({ kind: "meteor" as "down" })).toThrow(/kind/);
    expect(() => fault({ kind: "down", path: "(" })).toThrow(/expected a regular expression/);
  });
});

describe("a webhook", () => {
  test("comes when the life cycle gets there, and not before the answer", async () => {
    const { charge, told, pass, host } = await bench();
    await charge();
    expect(told).toEqual([]);
    await pass(1_000);
    expect(told).toEqual(["PAID chg_1"]);
    expect(host.webhooks(ID)).toMatchObject([
      { at: "2026-11-20T12:00:01.000Z", method: "POST", url: HOOK, attempt: 1, status: 200, outcome: "taken" },
    ]);
  });

  test("is offered again, after longer each time, until it is taken", async () => {
    const { charge, told, answers, pass, host } = await bench();
    answers.push(500, "refused", 302);
    await charge();
    await pass(1_000);
    for (const waitMs of [4_999, 1, 9_999, 1, 19_999, 1, 3_600_000]) await pass(waitMs);
    expect(told).toHaveLength(4);
    const attempts = host.webhooks(ID).map(({ at, attempt, outcome, status }) => [at.slice(11, 19), attempt, outcome, status]);
    expect(attempts).toEqual([
      ["12:00:01", 1, "not_taken", 500], ["12:00:06", 2, "not_taken", undefined], ["12:00:16", 3, "not_taken", 302],
      ["12:00:36", 4, "taken", 200],
    ]);
  });

  test("is given up after so many attempts", async () => {
    const { charge, told, answers, pass, host } = await bench();
    answers.push(...Array.from({ length: 20 }, () => 503));
    await charge();
    for (let hour = 0; hour < 20; hour++) await pass(3_600_000);
    expect(told).toHaveLength(DELIVERY_ATTEMPTS_MAX);
    expect(host.webhooks(ID).at(-1)).toMatchObject({ attempt: 8, outcome: "given_up", status: 503 });
  });

  test("whose receiver never answers is offered again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    try {
      const { charge, answers, pass, host } = await bench();
      answers.push(() => new Promise(() => {}));
      await charge();
      const passing = pass(1_000);
      await vi.waitUntil(() => vi.getTimerCount() === 1);
      vi.advanceTimersByTime(DELIVERY_TIMEOUT_MS);
      await passing;
      expect(host.webhooks(ID)).toMatchObject([{ attempt: 1, outcome: "not_taken" }]);
      await pass(5_000);
      expect(host.webhooks(ID).at(-1)).toMatchObject({ attempt: 2, outcome: "taken" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("that was not taken survives its host", async () => {
    const { charge, answers, pass, store, clock } = await bench();
    answers.push(503);
    await charge();
    await pass(1_000);
    const later: Request[] = [];
    const send = async (request: Request) => (later.push(request), new Response());
    const next = hostTwins({ twins: [examplepayTwin], clock, storeFor: () => store, send });
    await clock.advance(5_000);
    await store.runDue((step) => next.run(ID, step));
    expect(later.map((request) => request.url)).toEqual([HOOK]);
    expect(next.webhooks(ID)).toMatchObject([{ attempt: 2, outcome: "taken" }]);
  });

  test("may be sent more than once, the same to the byte", async () => {
    const { charge, webhooks, fault, pass } = await bench();
    fault({ kind: "webhook_duplicated", copies: 2, delayMs: 600_000 });
    await charge();
    await pass(1_000);
    await pass(600_000);
    await pass(600_000);
    const texts = await Promise.all(webhooks.map((request) => request.text()));
    expect(texts).toHaveLength(3);
    expect(new Set(texts).size).toBe(1);
    expect(new Set(webhooks.map((request) => request.headers.get("example-signature"))).size).toBe(1);
  });

  test("may be lost, or late", async () => {
    const { charge, told, fault, pass, host } = await bench();
    fault({ kind: "webhook_dropped", body: "chg_1" });
    fault({ kind: "webhook_delayed", delayMs: 50_000, body: "chg_2" });
    await charge();
    await charge();
    await pass(1_000);
    await pass(49_999);
    expect(told).toEqual([]);
    await pass(1);
    expect(told).toEqual(["PAID chg_2"]);
    expect(host.webhooks(ID).map((entry) => entry.outcome)).toEqual(["dropped", "taken"]);
  });

  test("may be overtaken by the next one", async () => {
    const { charge, told, fault, pass } = await bench();
    fault({ kind: "webhook_held" });
    await charge();
    await pass(1_000);
    await charge();
    await pass(1_000);
    await pass(1);
    expect(told).toEqual(["PAID chg_2", "PAID chg_1"]);
  });

  test("that is held comes when the faults are cleared", async () => {
    const { charge, told, fault, pass, host } = await bench();
    fault({ kind: "webhook_held" });
    await charge();
    await pass(1_000);
    expect(told).toEqual([]);
    await host.clearFaults(ID);
    await pass(0);
    expect(told).toEqual(["PAID chg_1"]);
  });

  const misshapen = async (fault?: TwinFault) => {
    const { account, charge, webhooks, clock, pass, ...rest } = await bench();
    if (fault) rest.fault(fault);
    await charge();
    await pass(1_000);
    const [webhook] = webhooks;
    const { headers } = webhook!;
    const body = new Uint8Array(await webhook!.arrayBuffer());
    const context = { secrets: [account.webhookSecret], settings: {}, now: clock.now() };
    const { ok } = examplepay.notifications!.verify({ method: "POST", url: new URL(HOOK), headers, body }, context);
    const read = JSON.parse(new TextDecoder().decode(body)) as unknown;
    return { ok, body: read, headers, signature: headers.get("example-signature") };
  };

  const told = { id: "evt_chg_1", charge: { id: "chg_1", external_id: "order-1", amount: "150.00", status: "PAID" } };
  const signed = /^1795176001000\.[0-9a-f]{64}$/;

  test("is as the twin signed it when nothing goes wrong", async () => {
    expect(await misshapen()).toMatchObject({ ok: true, body: told, signature: expect.stringMatching(signed) });
  });

  test("may be forged: another body under the signature of the first", async () => {
    const body = { id: "evt_chg_2", charge: { id: "chg_2", external_id: "order-2", amount: "260.00", status: "PAID" } };
    const came = await misshapen({ kind: "webhook_forged" });
    expect(came).toMatchObject({ ok: false, body, signature: expect.stringMatching(signed) });
  });

  test("may be forged to say what a test wants it to say", async () => {
    const { ok, body } = await misshapen({ kind: "webhook_forged", find: '"150\\.00"', replaceWith: '"9.00"' });
    expect([ok, body]).toEqual([false, { ...told, charge: { ...told.charge, amount: "9.00" } }]);
  });

  test("may come without its signature", async () => {
    const { ok, body, headers } = await misshapen({ kind: "webhook_unsigned" });
    expect([ok, body, Object.fromEntries(headers)]).toEqual([false, told, { "content-type": "application/json" }]);
  });

  test("may carry a signature of the right shape that is not the right one", async () => {
    const came = await misshapen({ kind: "webhook_mis_signed" });
    expect(came).toMatchObject({ ok: false, body: told, signature: expect.stringMatching(signed) });
  });

  test.each([
    ["webhook_unsigned", HOOK],
    ["webhook_mis_signed", `${HOOK}?token=0123a56a`],
  ] as const)("whose secret stands in the address goes, with %s, to %s", async (kind, url) => {
    const { charge, webhooks, fault, pass } = await bench(examplepayTwin, `${HOOK}?token=0123456a`);
    fault({ kind });
    await charge();
    await pass(1_000);
    expect(webhooks[0]?.url).toBe(url);
  });

  test("may come before the answer of the request that it follows from", async () => {
    const { charge, told, fault, pass } = await bench();
    fault({ kind: "webhook_first" });
    expect((await charge()).status).toBe(201);
    expect(told).toEqual(["PAID chg_1"]);
    await pass(3_600_000);
    expect(told).toEqual(["PAID chg_1"]);
  });

  test("may come although the answer never does", async () => {
    const { charge, told, fault } = await bench();
    fault({ kind: "webhook_first" });
    fault({ kind: "reset_after" });
    await failure(charge());
    expect(told).toEqual(["PAID chg_1"]);
  });

  test("that makes its receiver send another request hurries only its own", async () => {
    const { charge, told, fault, answers, pass } = await bench();
    fault({ kind: "webhook_first" });
    answers.push(async () => void (await charge()));
    await charge();
    expect(told).toEqual(["PAID chg_1"]);
    await pass(1_000);
    expect(told).toEqual(["PAID chg_1", "PAID chg_2"]);
  });
});

describe("control over HTTP", () => {
  const call = (host: TwinHost, line: string, body?: unknown) => {
    const [method, path] = line.split(" ") as [string, string];
    const text = body === undefined ? undefined : JSON.stringify(body);
    return host.control(new Request(`https://127.0.0.1:4010${path}`, { method, ...(text && { body: text }) }));
  };

  test("opens an account, sets a fault and shows what was received", async () => {
    const { host } = await bench();
    const opened = await call(host, "POST /_twin/examplepay/accounts", { webhookUrl: HOOK });
    const account = (await opened.json()) as TwinAccount;
    expect([opened.status, account.credentials["api_key"]]).toEqual([201, expect.stringMatching(/^exk_/)]);
    const set = await call(host, "POST /_twin/examplepay/faults", { kind: "error_after", path: "/stores" });
    expect(set.status).toBe(204);
    const { faults } = (await (await call(host, "GET /_twin/examplepay/faults")).json()) as { faults: unknown };
    expect(faults).toEqual([{ kind: "error_after", path: "/stores", times: 1 }]);
    await host.fetch(new Request(`${API}/stores/s`));
    const { requests } = (await (await call(host, "GET /_twin/examplepay/requests")).json()) as { requests: unknown };
    expect(requests).toMatchObject([{ path: "/v1/stores/s", status: 503, fault: "error_after" }]);
  });

  test("runs a step before its time, and shows the webhooks", async () => {
    const { host, charge, told, store } = await bench();
    await charge();
    expect((await call(host, "POST /_twin/examplepay/steps/run", { name: "pay", id: "chg_1" })).status).toBe(204);
    await store.runDue((step) => host.run(ID, step));
    expect(told).toEqual(["PAID chg_1"]);
    const { webhooks } = (await (await call(host, "GET /_twin/examplepay/webhooks")).json()) as { webhooks: unknown };
    expect(webhooks).toMatchObject([{ outcome: "taken" }]);
  });

  test("clears the faults", async () => {
    const { host, fault, charge } = await bench();
    fault({ kind: "down" });
    expect((await call(host, "DELETE /_twin/examplepay/faults")).status).toBe(204);
    expect((await charge()).status).toBe(201);
  });

  test.each([
    ["GET /_twin/nobody/requests", undefined, 404, /there is no twin nobody; there are examplepay/],
    ["GET /_twin/examplepay/weather", undefined, 404, /expected GET requests/],
    ["POST /_twin/examplepay/faults", { kind: "meteor" }, 400, /kind/],
    ["POST /_twin/examplepay/faults", { kind: "down", until: "noon" }, 400, /until/],
    ["POST /_twin/examplepay/accounts", { webhookUrl: "nowhere" }, 400, /webhookUrl/],
    ["POST /_twin/examplepay/steps/run", { id: "chg_1" }, 400, /name/],
  ])("%s %j says what is wrong", async (line, body, status, problem) => {
    const answer = await call((await bench()).host, line, body);
    expect(answer.status).toBe(status);
    expect(((await answer.json()) as { error: string }).error).toMatch(problem);
  });
});

const subject: ConformanceSubject = {
  definition: examplepay,
  twin: examplepayTwin,
  detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
  verbs: {
    charge: {
      request: { amount: 15000n, currency: "BRL", method: "pix", buyer: { name: "Ana Souza" } },
      declined: { amount: 1313n, currency: "BRL", method: "pix", buyer: { name: "Ana Souza" } },
      settles: { to: "succeeded", withinSteps: 1 },
    },
  },
};

providerConformance(subject);

describe("the conformance suite notices", () => {
  type Charge = NonNullable<Provider["charge"]>;
  const failing = async (change: Partial<ProviderDefinition>): Promise<string[]> => {
    const failed: string[] = [];
    for (const { name, run } of conformanceChecks({ ...subject, definition: { ...examplepay, ...change } })) {
      await run().catch(() => failed.push(name.replace("examplepay ", "")));
    }
    return failed;
  };
  const withProvider = (change: (provider: Provider) => Provider): Partial<ProviderDefinition> => ({
    connect: (connection, fetch) => change(examplepay.connect(connection, fetch)),
  });
  const withCharge = (change: (charge: Charge) => Charge) =>
    withProvider((provider) => ({ ...provider, charge: change(provider.charge!) }));
  const scheme = examplepay.notifications!;

  test("silence reported as a decline", async () => {
    const failed = await failing(withCharge((charge) => async (request, call) => {
      try {
        return await charge(request, call);
      } catch (error) {
        if (!(error instanceof OutcomeUnknown)) throw error;
        return { outcome: "declined", reason: "unspecified", message: "no answer" };
      }
    }));
    expect(failed).toContain("charge: reset after leaves the outcome unknown");
    expect(failed).toContain("charge: a caller that gives up leaves the outcome unknown");
  });

  test("a request sent again after silence", async () => {
    const twice = (charge: Charge): Charge => (request, call) => charge(request, call).catch(() => charge(request, call));
    const failed = await failing(withCharge(twice));
    expect(failed).toContain("charge: error after leaves the outcome unknown");
    expect(failed).toContain("charge: a refused connection reaches nobody");
  });

  test("a refusal that is thrown", async () => {
    const failed = await failing(withCharge((charge) => async (request, call) => {
      const outcome = await charge(request, call);
      if (outcome.outcome === "declined") throw new Rejected("examplepay", 402, {});
      return outcome;
    }));
    expect(failed).toEqual(expect.arrayContaining([
      "charge: wrong credentials are declined as unauthorized", "charge: a decline is a value", "charge: a 429 is a decline",
    ]));
  });

  test("a read after the effect whose refusal becomes a decline", async () => {
    const failed = await failing(withCharge((charge) => async (request, call) => {
      try {
        return await charge(request, call);
      } catch (error) {
        if (!(error instanceof Rejected)) throw error;
        return { outcome: "declined", reason: "rate_limited", message: "no" };
      }
    }));
    expect(failed).toEqual(["charge: a read that is refused after the effect does not make a decline of it"]);
  });

  test("a reference that never reached the provider", async () => {
    const failed = await failing(withCharge((charge) => (request, call) => {
      const inner = { ...call, reference: "0" };
      return charge(request, inner).finally(() => (call.acted = inner.acted));
    }));
    expect(failed).toContain("charge: an accepted request has the provider's id and carries our reference");
    expect(failed).toContain("charge: after truncated the lookup finds it by our reference");
  });

  test("a lookup that takes silence for absence", async () => {
    const failed = await failing(withProvider(({ charge, lookup }) => ({
      ...(charge && { charge }), lookup: (...of) => lookup!(...of).catch(() => undefined),
    })));
    expect(failed).toEqual([
      "charge: under down a lookup throws, for it cannot say", "charge: under error before a lookup throws, for it cannot say",
      "charge: under html a lookup throws, for it cannot say", "charge: under truncated a lookup throws, for it cannot say",
      "charge: under rate limited a lookup throws, for it cannot say",
    ]);
  });

  test("a promise about repeats that is not kept", async () => {
    expect(await failing({ repeats: "replays" })).toEqual(["charge: a repeated dispatch does what the definition says"]);
    expect(await failing({ repeats: "rejects" })).toEqual(["charge: a repeated dispatch does what the definition says"]);
  });

  test("a setting that is missed too late", async () => {
    const failed = await failing({ connect: (connection, fetch) =>
      examplepay.connect({ ...connection, settings: { store_id: "store-1", ...connection.settings } }, fetch) });
    expect(failed).toEqual(["charge: without the setting store_id nothing is sent"]);
  });

  test("signatures that nobody checks", async () => {
    const failed = await failing({ notifications: { ...scheme, verify: () => ({ ok: true }) } });
    expect(failed).toEqual([
      "charge: a webhook with tampered body is refused", "charge: a webhook with missing header is refused",
      "charge: a webhook with wrong secret is refused", "charge: a webhook with old timestamp is refused",
      "notifications: junk is refused without a throw",
    ]);
  });

  test("only the first of two secrets tried", async () => {
    const failed = await failing({ notifications: { ...scheme, verify: (message, context) =>
      scheme.verify(message, { ...context, secrets: context.secrets.slice(0, 1) }) } });
    expect(failed).toEqual(["charge: while a secret is rotated either one verifies"]);
  });

  test("events that have a new id each time", async () => {
    let nth = 0;
    const failed = await failing({ notifications: { ...scheme, read: (message) =>
      scheme.read(message).map((event) => ({ ...event, eventId: String(nth++) })) } });
    expect(failed).toEqual(["charge: a webhook that comes twice is the same event"]);
  });

  test("events that name no call of ours", async () => {
    const failed = await failing({ notifications: { ...scheme, read: (message) =>
      scheme.read(message).map(({ eventId, observation }) => ({ eventId, ref: "other", observation })) } });
    expect(failed).toContain("charge: its webhooks verify, and one says succeeded of this very call");
  });

  test("a credential in an error", async () => {
    const failed = await failing({ connect: (connection, fetch) => {
      const provider = examplepay.connect(connection, fetch);
      const told = (error: unknown): never => {
        if (!(error instanceof OutcomeUnknown)) throw error;
        throw new OutcomeUnknown("no answer", { cause: new Error(connection.credentials["api_key"]) });
      };
      return { ...provider, charge: (request, call) => provider.charge!(request, call).catch(told) };
    } });
    expect(failed).toContain("charge: reset after leaves the outcome unknown");
  });
});
