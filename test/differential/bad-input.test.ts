/**
 * Bad input through every door: a stable code, the field, what was expected and whether to repeat, the same everywhere. Where a door
 * cannot express a case it says so in the clear words of its own protocol.
 */
import { describe, expect, test } from "vitest";
import { BODY_BYTES_MAX, JSON_DEPTH_MAX } from "../../src/surfaces/rest/body.ts";
import { mariaCharge, serviceKey, startApp } from "../support/app.ts";
import { inProcess, wireDoors, type WireDoor } from "../support/doors.ts";
import { compared, everyDoor, throughEveryDoor, type Case, type Scene } from "../support/every-door.ts";
import { newTenant } from "../support/tenants.ts";

const app = await startApp({ limits: { inFlightWaitMs: 0 } });
const doors = everyDoor(app);

/** A call of a tool in a new session. */
const executing = (tool: string, input: object) => async (scene: Scene) => ({ input: { session_id: await scene.session(), tool, input } });
const charging = (changes: object) => executing("codespar_charge", { ...mariaCharge, ...changes });
const buyer = (document: string) => ({ buyer: { name: "Maria Silva", document } });

/** A charge with the key of a live project. */
const chargingLive = (changes: object) => async (scene: Scene) => {
  const live = await scene.neighbour("live", {});
  return { key: live.key, input: { session_id: await live.session(), tool: "codespar_charge", input: { ...mariaCharge, ...changes } } };
};

/** A charge in a session that declared these mocks. */
const chargingMocked = (mocks: object, calledBefore = 0) => async (scene: Scene) => {
  const input = { session_id: await scene.session({ mocks }), tool: "codespar_charge", input: mariaCharge };
  for (let call = 0; call < calledBefore; call += 1) await scene.call("tools.execute", input);
  return { input };
};

const missing = (field: string, expected: string) => ({ code: "invalid_args", field, expected, retry: "never" });
const wrongTaxId = (field: string) => ({ code: "tax_id_invalid", field, expected: "a CPF or CNPJ", retry: "never" });
const fraction = (field: string) => ({ code: "amount_fraction", field, expected: "an integer in minor units", retry: "never" });
const unknownCurrency = {
  code: "currency_unknown", field: "currency", retry: "never",
  expected: "expected one of BRL, MXN, ARS, PEN, COP, CLP, USD, EUR, USDC, USDT, BTC, ETH, MATIC",
};

/** Refusals in band: the session is found, so the call succeeds and says why the tool did not run (contradiction C-60). */
const arguments_: Case[] = [
  {
    title: "an unknown tool",
    call: executing("codespar_nothing", {}),
    refusal: { code: "tool_not_registered", retry: "never" },
  },
  {
    title: "an unknown native tool",
    call: executing("asaas/create_everything", {}),
    refusal: { code: "tool_not_registered", retry: "never" },
  },
  {
    title: "an unknown native tool in the other spelling",
    call: executing("asaas__create_everything", {}),
    refusal: { code: "tool_not_registered", retry: "never" },
  },
  { title: "no amount", call: charging({ amount: undefined }), refusal: missing("amount", "expected number") },
  { title: "null for an amount", call: charging({ amount: null }), refusal: missing("amount", "expected number") },
  { title: "no buyer", call: charging({ buyer: undefined }), refusal: missing("buyer", "expected object") },
  {
    title: "a buyer without a name",
    call: charging({ buyer: { document: "11144477735" } }),
    refusal: missing("buyer.name", "expected string"),
  },
  { title: "no arguments at all", call: executing("codespar_notify", {}), refusal: missing("to", "expected string") },
  { title: "text for an amount", call: charging({ amount: "150,00" }), refusal: missing("amount", "expected number") },
  { title: "a fraction in minor units", call: charging({ amount: 150.5 }), refusal: fraction("amount") },
  {
    title: "a fraction in minor units inside a list",
    call: executing("codespar_invoice", { recipient: { name: "Maria Silva" }, items: [{ amount: 100 }, { amount: 0.5 }] }),
    refusal: fraction("items.1.amount"),
  },
  {
    title: "more decimals than the currency has",
    call: charging({ amount: 150.255, amount_unit: "major" }),
    refusal: { code: "invalid_args", field: "amount", expected: "an amount in BRL", retry: "never" },
  },
  {
    title: "an amount of nothing",
    call: charging({ amount: 0 }),
    refusal: { code: "invalid_args", field: "amount", expected: "expected 1 to 9007199254740991 minor units, not 0", retry: "never" },
  },
  { title: "an unknown currency", call: charging({ currency: "XXX" }), refusal: unknownCurrency },
  {
    title: "a method that is none",
    call: charging({ method: "barter" }),
    refusal: {
      code: "invalid_args", field: "method", expected: "expected one of pix, boleto, card, wallet, pse, oxxo, spei, webpay", retry: "never",
    },
  },
  {
    title: "a CPF whose check digits are wrong",
    call: charging(buyer("111.444.777-36")),
    refusal: wrongTaxId("buyer.document"),
  },
  {
    title: "a CNPJ whose check digits are wrong",
    call: charging(buyer("11.222.333/0001-82")),
    refusal: wrongTaxId("buyer.document"),
  },
  {
    title: "the documented sample CPF in test",
    call: charging(buyer("12345678900")),
    answer: { success: true, status: "pending" },
  },
  {
    title: "the documented sample CPF in live",
    call: chargingLive({ ...buyer("12345678900"), amount_unit: "minor" }),
    refusal: wrongTaxId("buyer.document"),
  },
  {
    title: "a live amount that could be in two units",
    call: chargingLive({}),
    refusal: { code: "amount_unit_unset", field: "amount_unit", expected: "minor or major", retry: "ask_human" },
  },
  {
    title: "an unknown provider",
    call: charging({ provider: "nobody" }),
    refusal: { code: "provider_unknown", field: "provider", expected: "the id of a provider", retry: "never" },
  },
  {
    title: "a provider that is not on the rail",
    call: charging({ provider: "nfe-io" }),
    refusal: { code: "provider_not_on_rail", field: "provider", retry: "never" },
  },
  {
    title: "a method without a rail",
    call: charging({ method: "webpay" }),
    refusal: { code: "rail_unavailable", retry: "never" },
  },
  {
    title: "a currency the rail does not settle in",
    call: charging({ currency: "MXN" }),
    refusal: { code: "rail_unavailable", retry: "never" },
  },
  {
    title: "a rail that nobody is connected to",
    call: chargingLive({ amount_unit: "minor" }),
    refusal: { code: "no_eligible_providers", retry: "after" },
  },
  {
    title: "a provider that is not connected",
    call: chargingLive({ amount_unit: "minor", provider: "asaas" }),
    refusal: { code: "provider_not_connected", field: "provider", retry: "ask_human" },
  },
  {
    title: "a tool that a strict session does not mock",
    call: chargingMocked({ codespar_pay: {} }),
    refusal: { code: "tool_not_mocked", retry: "never" },
  },
  {
    title: "a mock that is used up",
    call: chargingMocked({ codespar_charge: [{ id: "1" }, { id: "2" }] }, 2),
    refusal: { code: "mocks_exhausted", retry: "never" },
  },
  {
    title: "a key in the arguments that names another effect",
    call: async (scene) => {
      await scene.run("codespar_charge", { ...mariaCharge, idempotency_key: "order-1" });
      return charging({ amount: 15_001, idempotency_key: "order-1" })(scene);
    },
    refusal: { code: "idempotency_conflict", field: "idempotency_key", retry: "never" },
  },
  {
    title: "a key in the arguments that is none",
    call: charging({ idempotency_key: "chave única" }),
    refusal: { code: "idempotency_key_invalid", field: "idempotency_key", retry: "never" },
  },
];

const discovering = async (scene: Scene) => ({ session_id: await scene.session(), tool: "codespar_discover", input: { use_case: "ship" } });
const noSession = { code: "session_not_found", field: "session_id", retry: "never", http: 404 };
const unauthorized = { code: "unauthorized", retry: "never", http: 401 };
const invalid = (field: string, expected: string) => ({ code: "validation_failed", field, expected, retry: "never", http: 400 });

/** What is refused before there is a session to answer in. */
const requests: Case[] = [
  { title: "no key", call: async (scene) => ({ key: null, input: await discovering(scene) }), failure: unauthorized },
  {
    title: "a key that is none of ours",
    call: async (scene) => ({ key: "sk_live_0123456789abcdef", input: await discovering(scene) }),
    failure: unauthorized,
  },
  {
    title: "a key that was never made",
    call: async (scene) => ({ key: "csk_test_0123456789abcdef0123456789ab", input: await discovering(scene) }),
    failure: unauthorized,
  },
  {
    title: "a revoked key",
    call: async (scene) => ({ key: await scene.addKey({ revoked: true }), input: await discovering(scene) }),
    failure: unauthorized,
  },
  {
    title: "a key that may only read",
    // An MCP client must be able to read its session, too.
    call: async (scene) => ({ key: await scene.addKey({ scopes: ["sessions:read", "tool-calls:read"] }), input: await discovering(scene) }),
    failure: { code: "forbidden", retry: "never", http: 403 },
  },
  {
    title: "a service key that names no project",
    call: async (scene) => ({ key: serviceKey, input: await discovering(scene) }),
    failure: { code: "validation_failed", field: "x-codespar-project", retry: "never", http: 400 },
  },
  {
    title: "a project of another organization",
    call: async (scene) => ({ project: (await newTenant(scene.app)).projectId, input: await discovering(scene) }),
    failure: { code: "project_not_found", retry: "never", http: 404 },
  },
  {
    title: "a project of the other environment",
    call: async (scene) => ({ project: (await scene.neighbour("live")).projectId, input: await discovering(scene) }),
    failure: { code: "project_environment_mismatch", retry: "never", http: 403 },
  },
  {
    title: "an unknown session",
    call: async (scene) => ({ input: { ...await discovering(scene), session_id: "nonsense" } }),
    failure: noSession,
  },
  {
    title: "a session of another project",
    call: async (scene) => ({ input: { ...await discovering(scene), session_id: await (await scene.neighbour()).session() } }),
    failure: noSession,
  },
  {
    title: "a session of another organization",
    call: async (scene) => ({ input: { ...await discovering(scene), session_id: await (await newTenant(scene.app)).session() } }),
    failure: noSession,
  },
  {
    title: "a body beyond its limit",
    call: async (scene) => ({ input: { ...await discovering(scene), input: { use_case: "a".repeat(BODY_BYTES_MAX) } } }),
    failure: { code: "body_too_large", retry: "never", http: 413 },
    // Without a protocol there is no body.
    without: ["contract"],
  },
  {
    title: "arguments that are no object",
    call: async (scene) => ({ input: { ...await discovering(scene), input: "ship" } }),
    failure: invalid("input", "expected record"),
    // MCP's own types have no other arguments than objects, and its client sends no others.
    without: ["mcp"],
  },
];

const lists: Case[] = [
  {
    title: "a limit of nothing",
    call: () => ({ input: { limit: 0 } }),
    failure: invalid("limit", "Too small: expected number to be >=1"),
  },
  {
    title: "a limit beyond the longest page",
    call: () => ({ input: { limit: 101 } }),
    failure: invalid("limit", "Too big: expected number to be <=100"),
  },
  {
    title: "a limit that is no number",
    call: () => ({ input: { limit: "many" } }),
    failure: invalid("limit", "expected number"),
    own: { graphql: { code: "GRAPHQL_VALIDATION_FAILED" } },
  },
  {
    title: "a cursor of another list",
    call: () => ({ input: { before: "tc_01jd5v0000000000000000none" } }),
    failure: { code: "cursor_invalid", field: "before", retry: "never", http: 400 },
  },
];

describe.each([["tools.execute", arguments_], ["tools.execute", requests], ["sessions.list", lists]] as const)("%s", (name, cases) => {
  test.each(cases)("$title", async (each) => {
    const runs = await throughEveryDoor(app, doors, name, each);
    const { actual, expected } = compared(each, runs);
    expect(actual).toEqual(expected);
    expect(runs[0]!.outcome).toMatchObject(each.answer ? { ok: true, value: each.answer } : {});
  });
});

test("a closed session is refused, and followed by a successor where a client cannot open one itself", async () => {
  const tenant = await newTenant(app);
  const session_id = await tenant.session({ servers: ["asaas"] });
  await tenant.call("sessions.close", { session_id });
  const input = { session_id, tool: "codespar_discover", input: { use_case: "ship" } };
  for (const door of doors) {
    const outcome = await door.call("tools.execute", input, { key: tenant.key });
    const refused = { ok: false, code: "session_not_active", retry: "never" };
    const answered = { ok: true, value: { success: true } };
    expect([door.name, outcome]).toMatchObject([door.name, door.name === "mcp" ? answered : refused]);
  }
  const { sessions } = await tenant.call("sessions.list", { status: "active" });
  expect(sessions).toMatchObject([{ user_id: "maria", servers: ["asaas"], metadata: { successor_of: session_id }, tool_call_count: 1 }]);
});

describe("bodies that are no JSON object, over a socket", async () => {
  const { port } = await app.http.listen(0, "127.0.0.1");
  const reach = { url: `http://127.0.0.1:${port}`, fetch: (request: Request) => fetch(request) };
  const tenant = await newTenant(app);
  const session = await tenant.session();

  async function post(door: WireDoor, body: BodyInit): Promise<[status: number, body: unknown]> {
    const headers = {
      "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${tenant.key}`,
    };
    const response = await reach.fetch(new Request(door.address(session), { method: "POST", headers, body }));
    return [response.status, await response.json()];
  }

  const deep = `{"a":${"[".repeat(JSON_DEPTH_MAX)}${"]".repeat(JSON_DEPTH_MAX)}}`;
  const bodies: [string, BodyInit][] = [
    ["cut off", '{"tool":'],
    ["followed by more", '{"tool":1} x'],
    ["not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["nested too deep", deep],
  ];
  const malformed = {
    error: "body_malformed", code: "body_malformed", retry: "never", expected: "one JSON object",
    request_id: expect.stringMatching(/^req_/),
  };

  const [graphql, trpc, rest, mcp] = wireDoors(reach);

  describe.each([graphql, trpc, rest, mcp])("$name", (door) => {
    test.each(bodies)("%s", async (_title, body) => {
      expect(await post(door, body)).toMatchObject([400, malformed]);
    });
  });

  test.each([graphql, trpc, rest, mcp])("$name: beyond the limit", async (door) => {
    const [status, answer] = await post(door, JSON.stringify({ query: "a".repeat(BODY_BYTES_MAX) }));
    expect([status, answer]).toMatchObject([413, { code: "body_too_large", retry: "never" }]);
  });

  test("in process GraphQL says it in its own words", async () => {
    const [door] = wireDoors(inProcess(app));
    const headers = { "content-type": "application/json" };
    const response = await app.http.fetch(new Request(door.address(session), { method: "POST", headers, body: '{"tool":' }));
    const error = { message: "POST body sent invalid JSON.", extensions: { code: "BAD_REQUEST" } };
    expect([response.status, await response.json()]).toMatchObject([400, { errors: [error] }]);
  });
});
