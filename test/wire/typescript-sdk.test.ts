/** The TypeScript SDK, 0.9 to 0.11: each of its methods over a socket, what it sends and everything it reads of the answer. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { ApiError } from "./support/requests.ts";
import { startWire } from "./support/start.ts";
import { presets, typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
const sdk = typescriptSdk(wire.client);
const open = () => sdk.create("maria", { servers: [] });
const lastRequest = () => wire.exchanges.at(-1)!;

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("create", () => {
  test("opens an active session of the user, with the servers that were named", async () => {
    const session = await sdk.create("+5511999998888", { servers: ["asaas", "z-api"] });
    expect(session).toMatchObject({
      userId: "+5511999998888", servers: ["asaas", "z-api"], status: "active", createdAt: new Date("2026-11-20T12:00:00.000Z"),
    });
    expect(session.id).toMatch(/^ses_\w+$/);
    expect(lastRequest()).toMatchObject({
      method: "POST", target: "/v1/sessions", body: '{"servers":["asaas","z-api"],"user_id":"+5511999998888"}', status: 201,
    });
  });

  test("the keys of the body come in their order, and mocks are there when they are empty", async () => {
    await sdk.create("maria", { servers: [], mocks: {} });
    expect(lastRequest()).toMatchObject({ body: '{"servers":[],"user_id":"maria","mocks":{}}', status: 201 });
  });

  test("two servers stand in when none are named", async () => {
    expect((await sdk.create("maria")).servers).toEqual(["zoop", "nuvem-fiscal"]);
  });

  test.each(Object.entries(presets))("every server of the preset %s is known", async (preset, servers) => {
    expect((await sdk.create("maria", { preset: preset as keyof typeof presets })).servers).toEqual(servers);
  });

  test("a base URL that ends in a slash doubles it in the path, and works", async () => {
    const session = await typescriptSdk({ ...wire.client, baseUrl: `${wire.baseUrl}/` }).create("maria", { servers: [] });
    expect(lastRequest().target).toBe("//v1/sessions");
    expect((await session.execute("codespar_manage_connections", { action: "list" })).success).toBe(true);
    expect(lastRequest().target).toBe(`//v1/sessions/${session.id}/execute`);
  });

  test("the project of the key may be named by its header, in every later call too", async () => {
    const { project_id: projectId } = await wire.app.call("sessions.get", { session_id: (await open()).id });
    expect(projectId).toMatch(/^prj_[A-Za-z0-9]{16}$/);
    const session = await typescriptSdk({ ...wire.client, projectId }).create("maria", { servers: [] });
    await session.connections();
    expect(lastRequest().headers.get("x-codespar-project")).toBe(projectId);
    expect(lastRequest().status).toBe(200);
  });

  test("what editors are configured with is the session's own MCP address, key and all", async () => {
    const { id, mcp } = await open();
    expect(mcp).toEqual({ url: `${wire.baseUrl}/v1/sessions/${id}/mcp`, headers: { authorization: `Bearer ${wire.client.apiKey}` } });
  });
});

describe("execute", () => {
  test("answers with the whole envelope, its error null", async () => {
    const session = await open();
    const result = await session.execute("codespar_charge", mariaCharge);
    expect(result).toMatchObject({
      success: true, error: null, server: expect.any(String), tool: "codespar_charge", called_at: expect.stringMatching(MOMENT),
    });
    expect(result.duration).toEqual(expect.any(Number));
    expect(result.tool_call_id).toMatch(/^tc_\w+$/);
    expect(JSON.parse(lastRequest().body!)).toEqual({ tool: "codespar_charge", input: mariaCharge });
    expect(lastRequest().headers.get("accept")).toBeNull();
  });

  test("the call's id and key are in the data too, where the published samples look for them", async () => {
    const { data, tool_call_id } = await (await open()).execute("codespar_charge", mariaCharge);
    expect(data).toMatchObject({ tool_call_id, idempotency_key: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  test.each([
    ["an unknown tool", "codespar_dance", {}, /^Tool not registered/],
    ["a tool of a server that no catalogue has", "nowhere/do_it", {}, /^Tool not registered/],
    ["wrong arguments", "codespar_charge", { amount: "much" }, /./],
    ["a payment that the provider declines", "codespar_charge", { ...mariaCharge, buyer: { name: "Maria Silva", document: "111.111.111-11" } }, /./],
  ])("%s is a result and no exception", async (_what, tool, input, error) => {
    const result = await (await open()).execute(tool, input);
    expect(result).toMatchObject({ success: false, server: expect.any(String), tool, error: expect.stringMatching(error) });
    expect(lastRequest().status).toBe(200);
  });

  test("a provider's own tool runs under both of its names, also in a session that does not name its server", async () => {
    const session = await open();
    const customer = { name: "Maria Silva", cpfCnpj: "11144477735" };
    for (const tool of ["asaas/create_customer", "asaas__create_customer"]) {
      const result = await session.execute(tool, customer);
      expect(result).toMatchObject({ success: true, error: null, server: "asaas", tool, data: { id: expect.any(String) } });
    }
  });

  test("in a closed session it is a failed result with the status in front", async () => {
    const session = await open();
    await session.close();
    const { success, data, error, server } = await session.execute("codespar_charge", mariaCharge);
    expect({ success, data, server }).toEqual({ success: false, data: null, server: "" });
    expect(error).toMatch(/^409: \{.*"code":"session_not_active"/);
  });
});

test("a loop is an execution a step, and a step that is repeated is one more of them", async () => {
  const session = await open();
  const before = wire.exchanges.length;
  const steps = [["codespar_discover", { use_case: "charge" }], ["codespar_charge", { amount: 1 }], ["codespar_charge", { amount: 1 }]] as const;
  const results = [];
  for (const [tool, params] of steps) results.push((await session.execute(tool, params)).success);
  expect(results).toEqual([true, false, false]);
  expect(wire.exchanges.slice(before).map(({ headers, status }) => [headers.has("idempotency-key"), status])).toEqual(steps.map(() => [false, 200]));
});

describe("typed wrappers", () => {
  test("discover reads a match whole, and numbers that are null where they are not known", async () => {
    const found = await (await open()).discover("charge a customer with Pix", { country: "BR", limit: 3 });
    const match = {
      server_id: expect.any(String), tool_name: expect.any(String), description: expect.any(String), http_method: expect.any(String),
      endpoint_template: expect.any(String), connection_status: expect.stringMatching(/^(connected|disconnected|not_required)$/),
      known_pitfalls: expect.any(Array), recommended_plan: expect.any(Array),
    };
    expect(found).toMatchObject({
      use_case: "charge a customer with Pix", search_strategy: expect.stringMatching(/^(embedding|trigram|empty)$/), recommended: match,
      next_steps: expect.arrayContaining([expect.any(String)]),
    });
    for (const each of [found.recommended, ...found.related]) {
      expect(each).toMatchObject(match);
      for (const score of [each.cosine_distance, each.trigram_similarity]) expect(score === null || typeof score === "number").toBe(true);
    }
    expect(found.related.length).toBeLessThanOrEqual(2);
    expect(JSON.parse(lastRequest().body!)).toEqual({
      tool: "codespar_discover", input: { use_case: "charge a customer with Pix", country: "BR", limit: 3 },
    });
  });

  test("the connection wizard has its list whatever was asked, and a row, or nothing, for the rest", async () => {
    const session = await open();
    const row = {
      server_id: "asaas", display_name: expect.any(String), auth_type: expect.any(String), status: "connected",
      difficulty: expect.stringMatching(/^(easy|medium|hard)$/), connection_metadata: expect.any(Object), connected_at: expect.stringMatching(MOMENT),
    };
    const listed = await session.connectionWizard({});
    expect(listed).toMatchObject({ action: "list", status: null, initiate: null });
    expect(listed.connections).toContainEqual(expect.objectContaining(row));
    expect(await session.connectionWizard({ server_id: "asaas" })).toMatchObject({
      action: "status", connections: expect.any(Array), status: row, initiate: null,
    });
    expect(await session.connectionWizard({ action: "initiate", server_id: "asaas" })).toMatchObject({
      action: "initiate", connections: expect.any(Array),
      initiate: {
        server_id: "asaas", display_name: expect.any(String), auth_type: expect.any(String), difficulty: expect.any(String), status: expect.any(String),
        connect_url: expect.stringMatching(/^https?:/), instructions: expect.any(Array), required_secrets: expect.any(Array),
        known_pitfalls: expect.any(Array), next_action: expect.any(String),
      },
    });
  });

  test("the wizard never repeats a credential that it was handed", async () => {
    const session = await open();
    const told = await session.connectionWizard({ action: "initiate", server_id: "asaas", api_key: "aact_not_for_you", secret: "aact_not_for_you" });
    expect(JSON.stringify(told)).not.toContain("aact_not_for_you");
  });

  test("a charge is read with its amount in the unit it was sent in", async () => {
    const session = await open();
    const charge = await session.wrapped("charge", mariaCharge);
    expect(charge).toMatchObject({
      id: expect.any(String), status: expect.any(String), amount: 15000, currency: "BRL", method: "pix", pix_copy_paste: expect.any(String),
    });
  });

  test("a charge without a description, and with the metadata of the caller's own, is taken", async () => {
    const { description: _left, ...charge } = mariaCharge;
    expect(await (await open()).wrapped("charge", { ...charge, metadata: { customer_id: "cus_1" } })).toMatchObject({ status: "pending" });
  });

  test("a shipment is quoted, labelled and tracked", async () => {
    const session = await open();
    const parcel = { origin: { postal_code: "01310-100" }, destination: { postal_code: "20040-002" }, items: [{ weight_g: 500, quantity: 1 }] };
    const quote = await session.wrapped("ship", { action: "quote", ...parcel, service_level: "cheapest" });
    expect(quote).toMatchObject({ id: expect.any(String), status: expect.any(String) });
    const to = {
      name: "Maria Silva", document: "111.444.777-35", line_1: "Rua da Quitanda", number: "86", city: "Rio de Janeiro", state: "RJ",
      postal_code: "20040-002",
    };
    const label = await session.wrapped("ship", { action: "label", destination: to });
    expect(label).toMatchObject({ id: expect.any(String), status: expect.any(String), cost_minor: expect.any(Number) });
    const tracked = await session.wrapped("ship", { action: "track", tracking_code: label.tracking_code ?? label.id });
    expect(tracked).toMatchObject({ id: expect.any(String), status: expect.any(String) });
  });

  test("a failed wrapper throws with the error of the result behind its name", async () => {
    await expect((await open()).wrapped("charge", { amount: 1 })).rejects.toThrow(/^charge failed: ./);
  });
});

describe("status", () => {
  test("a payment's is read through any session of the project, and its call may have been made in another", async () => {
    const { tool_call_id: id } = await (await open()).execute("codespar_charge", mariaCharge);
    const asking = await open();
    expect(await asking.paymentStatus(id!)).toMatchObject({
      tool_call_id: id, payment_status: "pending", idempotency_key: expect.any(String), original_status: "success", events: expect.any(Array),
    });
    await wire.app.pass(10_000);
    const settled = await asking.paymentStatus(id!);
    expect(settled.payment_status).toBe("succeeded");
    expect(settled.events[0]).toMatchObject({
      event_type: "commerce.payment.succeeded", received_at: expect.stringMatching(MOMENT), provider: expect.any(String),
      provider_action: expect.any(String), payment_id: expect.any(String),
    });
  });

  test("of a call that has no key it is unknown", async () => {
    const { tool_call_id: id } = await (await open()).execute("codespar_manage_connections", {});
    expect(await (await open()).paymentStatus(id!)).toMatchObject({ payment_status: "unknown", idempotency_key: null, events: [] });
  });

  test("a verification's has the page where the person goes, and its verdict", async () => {
    const session = await open();
    const { tool_call_id: id, data } = await session.execute("codespar_kyc", {
      buyer: { name: "Maria Silva", email: "maria@example.com" }, check_type: "identity",
    });
    expect(data).toMatchObject({
      verification_id: expect.any(String), status: "pending", check_type: "identity", hosted_url: expect.stringMatching(/^https:/), tool_call_id: id,
    });
    expect(await session.verificationStatus(id!)).toMatchObject({
      tool_call_id: id, verification_status: "pending", idempotency_key: expect.any(String), original_status: "success", hosted_url: data.hosted_url,
    });
    await wire.app.pass(10_000);
    const verdict = await session.verificationStatus(id!);
    expect(verdict.verification_status).toBe("approved");
    expect(verdict.events[0]).toMatchObject({
      event_type: "commerce.kyc.approved", received_at: expect.stringMatching(MOMENT), provider: "persona", verification_id: expect.any(String),
    });
  });

  test("of a call that is not there it throws with a code", async () => {
    const error = await (await open()).paymentStatus("tc_01jd5v0000000000000000none").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 404, code: "tool_call_not_found" });
  });
});

describe("connections and tools", () => {
  test("a named server says whether it is connected, so waiting for connections ends at once", async () => {
    const session = await sdk.create("maria", { servers: ["asaas", "melhor-envio", "z-api"] });
    const servers = await session.connections();
    expect(servers.map(({ id, connected }) => [id, connected])).toEqual([["asaas", true], ["melhor-envio", true], ["z-api", true]]);
    for (const server of servers) {
      expect(server).toMatchObject({ name: expect.any(String), category: expect.any(String), country: expect.any(String) });
      expect(["oauth", "api_key", "cert", "none"]).toContain(server.auth_type);
    }
  });

  test("a session without servers is not kept waiting either", async () => {
    const servers = await (await open()).connections();
    expect(servers.length).toBeGreaterThan(0);
    expect(servers.every(({ connected }) => connected)).toBe(true);
  });

  test("tools are asked for once, and found by a part of their name or description", async () => {
    const session = await sdk.create("maria", { servers: ["asaas"] });
    const tools = await session.tools();
    const before = wire.exchanges.length;
    expect((await session.findTools("CREATE_PAYMENT")).map(({ name, server }) => [name, server])).toEqual([["asaas__create_payment", "asaas"]]);
    expect(wire.exchanges.length).toBe(before);
    expect(tools.filter(({ server }) => server === "codespar").map(({ name }) => name)).toContain("codespar_pay");
  });

  test("authorize makes a link that can be opened", async () => {
    const link = await (await open()).authorize("asaas", { redirectUri: "https://shop.example/back?order=7" });
    expect(link).toMatchObject({
      link_token: expect.any(String), authorize_url: expect.stringMatching(/^https?:/), expires_at: expect.stringMatching(MOMENT),
    });
    expect(lastRequest()).toMatchObject({
      target: "/v1/connect/start", body: '{"server_id":"asaas","user_id":"maria","redirect_uri":"https://shop.example/back?order=7"}',
    });
    expect((await fetch(link.authorize_url)).status).toBe(200);
  });
});

describe("send", () => {
  test("answers with the message, the calls and how often the model answered", async () => {
    const result = await (await open()).send("Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35");
    expect(result).toMatchObject({ message: expect.any(String), iterations: 2 });
    expect(result.tool_calls).toMatchObject([{
      id: expect.stringMatching(/^tc_/), tool_name: "codespar_charge", server_id: expect.any(String), status: "success",
      duration_ms: expect.any(Number), input: { amount: 15000 }, output: { status: "pending" }, error_code: null,
    }]);
    expect(lastRequest().headers.get("accept")).toBe("application/json");
  });

  test("each is a conversation of its own: nothing of the one before is known", async () => {
    const session = await open();
    await session.send("Charge R$151 via Pix to Maria Silva, CPF 111.444.777-35");
    expect((await session.send("hello")).tool_calls).toEqual([]);
  });

  test("in a closed session throws with a code", async () => {
    const session = await open();
    await session.close();
    await expect(session.send("hello")).rejects.toMatchObject({ status: 409, code: "session_not_active" });
  });
});

describe("close", () => {
  test("has no body, announces JSON all the same, and may be repeated", async () => {
    const session = await open();
    await session.close();
    expect(lastRequest()).toMatchObject({ method: "DELETE", body: undefined, status: 204 });
    expect(lastRequest().headers.get("content-type")).toBe("application/json");
    await session.close();
    expect(lastRequest().status).toBe(204);
  });

  test("an idle session is closed by the server: some clients never do it", async () => {
    const session = await open();
    wire.app.clock.advance(31 * 60_000);
    await wire.app.settle();
    expect(await wire.app.call("sessions.get", { session_id: session.id })).toMatchObject({ status: "closed", close_reason: "idle_timeout" });
  });
});
