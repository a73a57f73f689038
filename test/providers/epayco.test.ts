import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { epayco } from "../../providers/epayco/index.ts";
import { epaycoTwin } from "../../providers/epayco/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/epayco/ca_1";
const MINUTE_MS = 60_000;
const aCharge: ChargeRequest = { amount: 5_990_000n, currency: "COP", method: "card", description: "Pedido 17", buyer: { name: "Ana López" } };
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "COP" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = epaycoTwin.create({ store, clock, settleAfterMs: MINUTE_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const paths: string[] = [];
  const provider = epayco.connect({ ...account, baseUrl: epayco.hosts.test }, (request) => {
    paths.push(new URL(request.url).pathname);
    return twin.fetch(request);
  });
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(MINUTE_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { clock, twin, account, provider, webhooks, rests, paths, call: newCall(clock) };
}

let accounts = 0;

/** The adapter against answers written in the test, by path, and what it sent. Each has keys of its own, so no token is shared. */
function scripted(answers: Record<string, unknown>, status = 200) {
  const sent: { line: string; authorization: string | null; body: any }[] = [];
  const settings = { p_cust_id_cliente: "500", notification_url: HOOK, return_url: "https://tienda.example/gracias" };
  const connection = { credentials: { public_key: `pub-${accounts++}`, private_key: "priv" }, settings, baseUrl: epayco.hosts.live };
  const provider = epayco.connect(connection, async (request) => {
    const { pathname } = new URL(request.url);
    sent.push({ line: `${request.method} ${pathname}`, authorization: request.headers.get("authorization"), body: await request.clone().json() });
    return pathname === "/login" ? Response.json({ token: "t0ken" }) : Response.json(answers[pathname], { status });
  });
  return { provider, sent, publicKey: connection.credentials.public_key };
}

const MADE = { success: true, data: { txtCode: 33412, routeLink: "https://payco.link/33412" } };
const rows = (...statuses: string[]) => ({ success: true, data: { data: statuses.map((status, index) => ({ referencePayco: 100 + index, status })) } });
const detail = (status: string, log: object = { x_extra1: REFERENCE }) => ({ success: true, data: { status, amount: 59900, log } });

async function accepted(provider: Provider, request: ChargeRequest, call = newCall()) {
  const outcome = await provider.charge!(request, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

// The signature stands in the body, where the suite's other faults do not look; the tests of a notification do.
providerConformance({
  definition: epayco, twin: epaycoTwin, detects: ["tampered_body"],
  verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 5_991_300n }, settles: { to: "succeeded" }, findsByReference: false } },
});

describe("a charge by card", () => {
  test("is one link in whole pesos under our reference, asked for with a token of its own", async () => {
    const { provider, sent, publicKey } = scripted({ "/collection/link/create": MADE });
    const { ref, result } = await accepted(provider, { ...aCharge, due_date: "2026-11-30" });
    expect(sent).toEqual([
      { line: "POST /login", authorization: `Basic ${Buffer.from(`${publicKey}:priv`).toString("base64")}`, body: {} },
      {
        line: "POST /collection/link/create", authorization: "Bearer t0ken",
        body: {
          quantity: 1, onePayment: true, typeSell: "2", id: 0, amount: "59900", currency: "COP", base: "0", tax: "0", title: "Pedido 17", description: "Pedido 17",
          reference: REFERENCE, extra1: REFERENCE, urlConfirmation: HOOK, methodConfirmation: "POST", urlResponse: "https://tienda.example/gracias",
          expirationDate: "2026-11-30 23:59:59",
        },
      },
    ]);
    expect({ ref, result }).toEqual({
      ref: "33412",
      result: {
        id: "33412", status: "pending", amount: 5_990_000n, currency: "COP", method: "card", checkout_url: "https://payco.link/33412",
        charge_url: "https://payco.link/33412", expires_at: "2026-12-01T04:59:59.000Z",
      },
    });
  });

  test("uses a token again until it is old", async () => {
    const { provider, paths, clock, call } = await world();
    await accepted(provider, aCharge, call);
    await accepted(provider, aCharge, call);
    await clock.advance(16 * MINUTE_MS);
    await accepted(provider, aCharge, call);
    expect(paths.filter((path) => path === "/login")).toHaveLength(2);
  });

  test.each([
    ["method", "not_permitted", { method: "pse" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 5_990_001n }],
    ["due_date", "invalid_request", { due_date: "2001-01-01" }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted({});
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    [200, { success: false, titleResponse: "Error", textResponse: "validation", data: { errors: [{ errorMessage: "property Amount must be between 5000 and 200000" }] } },
      { reason: "invalid_request", field: "amount", message: "ePayco refused: property Amount must be between 5000 and 200000" }],
    [200, { success: false, titleResponse: "Unauthorized." }, { reason: "unauthorized" }],
    [429, {}, { reason: "rate_limited" }],
    [418, {}, { reason: "unspecified", message: "ePayco refused: it answered 418" }],
  ])("refused with %i and %j is declined", async (status, body, expected) => {
    const call = newCall();
    expect(await scripted({ "/collection/link/create": body }, status).provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });

  test.each(["public_key", "private_key"])("without %s is not connected", (name) => {
    const credentials = { public_key: "a", private_key: "b", [name]: "" };
    expect(() => epayco.connect({ credentials, settings: {}, baseUrl: "" }, fetch)).toThrow(new SetupMissing(name));
  });
});

describe("a lookup", () => {
  test.each([
    [["Aceptada"], "succeeded", "Aceptada"], [["Rechazada", "Aceptada"], "succeeded", "Aceptada"], [["Aceptada", "Reversada"], "refunded", "Reversada"],
  ])("reads transactions that are %j as %s, by the record of the one that decides", async (statuses, state, status) => {
    const { provider, sent } = scripted({ "/transaction": rows(...statuses), "/transaction/detail": detail(status) });
    expect(await provider.lookup!({ ...subject, ref: "33412" }, newCall())).toEqual({ ref: "33412", state, action: status, currency: "COP", amountMinor: 5_990_000n });
    expect(sent.slice(1).map(({ line, body }) => [line, body.filter])).toEqual([
      ["POST /transaction", { referenceClient: REFERENCE }], ["POST /transaction/detail", { referencePayco: 100 + statuses.length - 1 }],
    ]);
  });

  test.each([[[]], [["Rechazada"]], [["Pendiente"]], [["Fallida", "Cancelada"]]])("reads transactions that are %j as pending", async (statuses) => {
    const { provider } = scripted({ "/transaction": rows(...statuses) });
    expect(await provider.lookup!({ ...subject, ref: "33412" }, newCall())).toEqual({ ref: "33412", state: "pending", action: statuses[0] ?? "link", currency: "COP" });
  });

  test("of a lost answer finds the payment once it is tried, and never denies before", async () => {
    const paid = scripted({ "/transaction": rows("Aceptada"), "/transaction/detail": detail("Aceptada", { x_id_invoice: REFERENCE }) });
    expect(await paid.provider.lookup!(subject, newCall())).toMatchObject({ ref: "100", state: "succeeded" });
    await expect(scripted({ "/transaction": rows() }).provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
  });

  test.each([[{ x_extra1: "another" }], [{}]])("believes no payment whose own record says %j", async (log) => {
    const { provider } = scripted({ "/transaction": rows("Aceptada"), "/transaction/detail": detail("Aceptada", log) });
    await expect(provider.lookup!({ ...subject, ref: "33412" }, newCall())).rejects.toThrow(Unanswered);
  });
});

describe("a notification", () => {
  const { verify, read } = epayco.notifications!;
  const form = { x_ref_payco: "101", x_transaction_id: "1010", x_amount: "59900", x_currency_code: "COP", x_cod_response: "1", x_response: "Aceptada", x_extra1: REFERENCE };
  const signed = (change: object = {}) => {
    const all: Record<string, string> = { ...form, x_signature: createHash("sha256").update("500^pkey^101^1010^59900^COP").digest("hex"), ...change };
    return new URLSearchParams(all).toString();
  };
  const message = (body: string): InboundMessage => ({ method: "POST", url: new URL(HOOK), headers: new Headers(), body: new TextEncoder().encode(body) });

  test.each([
    ["its own signature", {}, ["pkey"], "500", true],
    ["the key of before", {}, ["new", "pkey"], "500", true],
    ["another amount", { x_amount: "1" }, ["pkey"], "500", false],
    ["another merchant", {}, ["pkey"], "501", false],
    ["another key", {}, ["other", ""], "500", false],
    ["no signature", { x_signature: "" }, ["pkey"], "500", false],
  ])("with %s is judged", (_name, change, secrets, p_cust_id_cliente, ok) => {
    expect(verify(message(signed(change)), { secrets, settings: { p_cust_id_cliente }, now: new Date() }).ok).toBe(ok);
  });

  test("names its transaction and our reference, and claims no state", () => {
    expect(read(message(signed()))).toEqual([{ eventId: "101:1010:1", ref: "101", reference: REFERENCE, observation: { ref: "101", action: "Aceptada" } }]);
    expect(read(message(signed({ x_extra1: "17" })))[0]).not.toHaveProperty("reference");
  });

  test("without our reference leads to it by its transaction", async () => {
    const event = read(message(signed({ x_extra1: "" })))[0]!;
    expect(await scripted({ "/transaction/detail": detail("Aceptada") }).provider.referenceOf!(event, newCall())).toBe(REFERENCE);
    expect(await scripted({ "/transaction/detail": { success: true, data: null } }).provider.referenceOf!(event, newCall())).toBeUndefined();
  });
});

describe("the twin", () => {
  test.each([
    [5_991_400n, "pending", []], [5_991_600n, "succeeded", ["Rechazada", "Aceptada"]], [5_991_700n, "refunded", ["Aceptada", "Reversada"]],
    [5_991_800n, "succeeded", ["Pendiente", "Aceptada"]],
  ])("takes %i centavos to %s through %j", async (amount, state, told) => {
    const { provider, call, rests, webhooks } = await world();
    const { ref } = await accepted(provider, { ...aCharge, amount }, call);
    await rests(3);
    expect(await provider.lookup!({ ...subject, ref }, call)).toMatchObject({ state });
    expect(webhooks.map(({ body }) => new URLSearchParams(body).get("x_response"))).toEqual(told);
  });

  test("ends a token after twenty minutes, and shows no account what is another's", async () => {
    const { provider, call, rests, twin, clock } = await world();
    await accepted(provider, aCharge, call);
    await rests(1);
    const other = await twin.openAccount({ webhookUrl: HOOK });
    const stranger = epayco.connect({ ...other, baseUrl: epayco.hosts.test }, (request) => twin.fetch(request));
    await expect(stranger.lookup!(subject, call)).rejects.toThrow(Unanswered);
    const { public_key, private_key } = other.credentials;
    const authorization = `Basic ${Buffer.from(`${public_key}:${private_key}`).toString("base64")}`;
    const ask = (path: string, headers: Record<string, string>) => twin.fetch(new Request(`https://apify.epayco.co${path}`, { method: "POST", headers, body: "{}" }));
    const { token } = await (await ask("/login", { authorization })).json() as { token: string };
    expect((await ask("/transaction", { authorization: `Bearer ${token}` })).status).toBe(200);
    await clock.advance(20 * MINUTE_MS);
    expect((await ask("/transaction", { authorization: `Bearer ${token}` })).status).toBe(401);
  });
});
