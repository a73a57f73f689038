/** The catalogue: servers, their tools, and what a connection to one is made of, also in the shapes that released clients read. */
import { z } from "zod";
import { describe, expect, test } from "vitest";
import { nativeTool } from "../../../providers/native.ts";
import { httpClient } from "../../../providers/http.ts";
import { toolDefinitions } from "../../../schema/tool-definitions.ts";
import { getServer, listServers, listServerTools } from "../../../src/rails/servers.ts";
import { getTool, listTools } from "../../../src/rails/tools.ts";
import { liveKey, startApp, testKey } from "../../support/app.ts";
import { newTenant } from "../../support/tenants.ts";

const app = await startApp();

const read = async (path: string, key = testKey) => {
  const response = await app.http.fetch(new Request(`http://localhost/v1${path}`, { headers: { authorization: `Bearer ${key}`, "content-type": "application/json" } }));
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

/** The platform with a provider whose own tools are known. */
const asaas = app.platform.providers.find(({ id }) => id === "asaas")!;
const withTools = {
  providers: [{
    ...asaas,
    native: {
      client: ({ baseUrl }: { baseUrl: string }, fetch: never) => httpClient({ provider: "asaas", baseUrl, fetch, headers: {} }),
      tools: [
        nativeTool({
          name: "create_payment", description: "Create a payment.", effect: "moves_money",
          input: z.object({ value: z.number().describe("R$"), customer: z.string(), kind: z.enum(["PIX", "BOLETO"]).optional(), split: z.array(z.object({ to: z.string() })).optional() }),
          request: (args) => ({ method: "POST", path: "/v3/payments", body: args }),
        }),
        nativeTool({ name: "get_payment", description: "Read a payment.", effect: "reads", input: z.object({ id: z.string() }), request: ({ id }) => ({ method: "GET", path: `/v3/payments/${id}` }) }),
      ],
    },
  }],
};
const all = { limit: 5_000, offset: 0 };

describe("servers", () => {
  test("every server that a client's presets name is there, with those that have an adapter", async () => {
    const { servers, total, filtered } = await app.call("servers.list", {});
    const ids = servers.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(ids).toEqual(expect.arrayContaining([
      "zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie", "conekta", "facturapi", "skydropx", "afip", "andreani", "wompi", "siigo", "coordinadora",
      "asaas", "nfe-io", "stripe", "stripe-acp", "twilio", "correios", "codespar",
    ]));
    expect([new Set(ids).size, total, filtered]).toEqual([ids.length, ids.length, ids.length]);
  });

  test("says what a server can do, and whether it can be connected", async () => {
    expect(await app.call("servers.get", { server_id: "asaas" })).toMatchObject({
      id: "asaas", name: "Asaas", category: "payments", country: "BR", auth_type: "api_key", status: "beta",
      capabilities: expect.arrayContaining(["codespar_charge", "codespar_pay"]), connectable: true, sandbox_available: true,
      description: expect.stringMatching(/codespar_charge \(pix/),
    });
    expect(await app.call("servers.get", { server_id: "codespar" })).toMatchObject({ status: "live", connectable: false, sandbox_available: false });
    expect(await app.call("servers.get", { server_id: "z-api" })).toMatchObject({ auth_type: "path_secret" });
  });

  test.each([
    [{ category: "fiscal", country: "mx" }, ["facturapi"]],
    [{ country: "AR" }, ["afip", "andreani", "payway"]],
    [{ q: "ENVIO melhor" }, ["melhor-envio"]],
    [{ status: "beta", category: "identity" }, ["konduto", "persona", "sift", "truora"]],
    [{ auth_type: "cert" }, ["afip", "banco-do-brasil", "bradesco", "c6", "caixa", "inter", "itau", "original", "santander", "sicoob", "sicredi"]],
    [{ q: "nothing like it" }, []],
  ])("filters by %o", async (filter, ids) => {
    const { servers, filtered } = await app.call("servers.list", filter);
    expect([servers.map(({ id }) => id), filtered]).toEqual([ids, ids.length]);
  });

  test("pages by offset, and says how many there are", async () => {
    const { servers } = await app.call("servers.list", {});
    const page = await app.call("servers.list", { limit: 3, offset: 2 });
    expect(page).toMatchObject({ limit: 3, offset: 2, total: servers.length, filtered: servers.length });
    expect(page.servers).toEqual(servers.slice(2, 5));
  });

  test("the command line reads its rows in `data`, and the typed client in `servers`", async () => {
    const { status, body } = await read("/servers?category=payments&region=BR");
    expect(status).toBe(200);
    expect(body["data"]).toEqual(body["servers"]);
    for (const row of body["data"] as Record<string, unknown>[]) {
      expect(row).toMatchObject({ id: expect.any(String), name: expect.any(String), category: "payments", region: "BR", country: "BR", status: expect.any(String), pkg: expect.any(String) });
      expect(row["tool_count"]).toBe(row["tools_count"]);
    }
    expect(await read("/providers/asaas")).toMatchObject({ status: 200, body: { id: "asaas", region: "BR", tools: expect.any(Array) } });
  });

  test("an unknown server is none", async () => {
    for (const path of ["/servers/nowhere", "/servers/nowhere/tools", "/servers/nowhere/auth-schema", "/tools?server=nowhere"])
      expect(await read(path)).toMatchObject({ status: 404, body: { code: "server_not_found", message: expect.stringContaining("nowhere") } });
  });
});

describe("tools", () => {
  test("the meta-tools are the tools of the server codespar", async () => {
    const { tools } = await app.call("servers.get", { server_id: "codespar" });
    expect(tools.map(({ name }) => name)).toEqual(toolDefinitions("minor", "all").map(({ name }) => name));
    expect(await app.call("servers.tools", { server_id: "codespar" })).toEqual({ server_id: "codespar", total: tools.length, tools });
    expect((await read("/tools?server=codespar")).body["data"]).toEqual(tools);
  });

  test("a session may name the server codespar, which needs no connection", async () => {
    const { id: session_id } = await app.call("sessions.create", { user_id: "maria", servers: ["codespar"] });
    const { servers } = await app.call("sessions.connections", { session_id });
    expect(servers).toMatchObject([{ id: "codespar", auth_type: "none", connected: true }]);
  });

  test("the counts of the servers are the tools that there are", () => {
    const { servers } = listServers(withTools, all);
    const { tools, total } = listTools(withTools, all);
    expect(servers.reduce((sum, { tools_count }) => sum + tools_count, 0)).toBe(total);
    expect(tools.length).toBe(total);
    expect(new Set(tools.map(({ name }) => name)).size).toBe(total);
    for (const { id, tools_count } of servers) expect([id, listServerTools(withTools, id).total]).toEqual([id, tools_count]);
  });

  test("a provider's own tools are named as execute takes them", () => {
    expect(listTools(withTools, { server: "asaas", ...all })).toMatchObject({ filtered: 2, tools: [{ name: "asaas/create_payment", server: "asaas" }, { name: "asaas/get_payment", server: "asaas" }] });
    expect(getServer(withTools, "asaas")).toMatchObject({ tools_count: 2, description: expect.stringContaining("tools of its own (2)") });
  });

  test.each(["asaas/create_payment", "asaas__create_payment"])("%s is one tool, with a schema of single types", (name) => {
    expect(getTool(withTools, name)).toEqual({
      name: "asaas/create_payment", server: "asaas", description: "Create a payment.", effect: "moves_money", output_schema: null,
      input_schema: {
        type: "object",
        properties: {
          value: { type: "number", description: "R$" }, customer: { type: "string" }, kind: { type: "string", enum: ["PIX", "BOLETO"] },
          split: { type: "array", items: { type: "object", properties: { to: { type: "string" } }, required: ["to"] } },
        },
        required: ["value", "customer"],
      },
    });
  });

  test("a meta-tool is described as models are shown it, with what it answers", async () => {
    const shown = toolDefinitions().find(({ name }) => name === "codespar_charge")!;
    const tool = await app.call("tools.get", { tool: "codespar_charge" });
    expect(tool).toMatchObject({ ...shown, server: "codespar", effect: "moves_money", output_schema: { type: "object", properties: { pix_copy_paste: { type: "string" } } } });
    for (const { name } of toolDefinitions())
      expect(await app.call("tools.get", { tool: name })).toMatchObject({ name, input_schema: { type: "object" }, output_schema: expect.any(Object) });
  });

  test("amounts are described in the unit that the project writes them in", async () => {
    const major = await (await newTenant(app)).neighbour("test", { chargeAmountUnit: "major" });
    const { input_schema } = await major.call("tools.get", { tool: "codespar_charge" });
    const { tools } = await major.call("sessions.connections", { session_id: await major.session() });
    expect(input_schema).toEqual(tools.find(({ name }) => name === "codespar_charge")!.input_schema);
    expect(input_schema).toMatchObject({ properties: { amount: { type: "number" } } });
  });

  test("an unknown tool is named, whichever way it is written", async () => {
    for (const name of ["asaas%2Fdo_everything", "asaas__do_everything", "codespar_nothing"])
      expect(await read(`/tools/${name}`)).toMatchObject({ status: 404, body: { code: "tool_not_registered", message: expect.stringMatching(/^Tool not registered/) } });
  });

  test("the meta-tools are published for everybody to read and keep", async () => {
    for (const path of ["/meta-tools.json", "/v1/meta-tools.json"]) {
      const response = await app.http.fetch(new Request(`http://localhost${path}`));
      expect([response.status, response.headers.get("access-control-allow-origin"), response.headers.get("cache-control")]).toEqual([200, "*", "public, max-age=300"]);
      const { generated_from, tools } = (await response.json()) as { generated_from: string; tools: { name: string; inputSchema: object }[] };
      expect(generated_from).toMatch(/^codespar-server /);
      expect(tools).toEqual(toolDefinitions("minor", "all").map(({ name, description, input_schema }) => ({ name, description, inputSchema: input_schema })));
    }
  });
});

describe("what a connection is made of", () => {
  test("a server's credentials are its fields, and what is no secret its settings", async () => {
    expect(await app.call("servers.authSchema", { server_id: "z-api" })).toEqual({
      server_id: "z-api", auth_type: "path_secret", environment: "test", base_url: expect.stringMatching(/^https:/), oauth_authorize_url: null,
      fields: [
        { name: "token", label: "Instance token", hint: expect.any(String), required: true, kind: "path_secret" },
        { name: "client_token", label: "Account security token", hint: expect.any(String), required: true, kind: "path_secret" },
      ],
      settings: [{ name: "instance_id", label: "Instance ID", hint: expect.any(String), required: true }],
    });
  });

  test("a live key is told the provider's real address", async () => {
    const { base_url, environment } = await app.call("servers.authSchema", { server_id: "asaas" }, { credential: liveKey });
    expect({ base_url, environment }).toEqual({ base_url: asaas.hosts.live, environment: "live" });
  });

  test("our own server cannot be connected, and says why", async () => {
    await expect(app.call("servers.authSchema", { server_id: "codespar" })).rejects.toMatchObject({ code: "server_not_connectable", http: 422, message: expect.stringContaining("needs no connection") });
  });
});

test("the catalogue needs the scope servers:read and nothing of a tenant", async () => {
  const tenant = await newTenant(app);
  const reader = await tenant.addKey({ scopes: ["servers:read"] });
  expect((await app.call("servers.list", {}, { credential: reader })).servers).toEqual((await app.call("servers.list", {})).servers);
  const other = await tenant.addKey({ scopes: ["rails:read"] });
  await expect(app.call("tools.list", {}, { credential: other })).rejects.toMatchObject({ code: "forbidden" });
});
