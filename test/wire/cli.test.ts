/** The command line over a socket: its REST commands, and those that run a tool in a session which is closed right after. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { cli, cliRequest, printedDiscovery, printedWizard } from "./support/cli.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk, type TypescriptSession } from "./support/typescript-sdk.ts";

const wire = await startWire();
const command = cli(wire.client);
const lastRequest = () => wire.exchanges.at(-1)!;

/** A command that runs in a session: opened, used, closed. */
async function inSession<Result>(servers: string[], use: (session: TypescriptSession) => Promise<Result>): Promise<Result> {
  const session = await typescriptSdk(wire.client).create("cli-user", { servers });
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

describe("who and what", () => {
  test("whoami says whose key it is, and `login` keeps a key that it answers", async () => {
    const identity = await command.whoami();
    expect(identity).toMatchObject({
      organization: { id: expect.stringMatching(/^org_/), name: expect.any(String) },
      project: { id: expect.stringMatching(/^prj_[A-Za-z0-9]{16}$/), name: expect.any(String) },
      key: { id: expect.any(String), environment: "test", scopes: ["*"] },
    });
    expect(lastRequest().headers.get("user-agent")).toBe("codespar-cli/0.5.5");
    expect((await cli(wire.live).whoami()).key.environment).toBe("live");
  });

  test("a sub-path of the base URL is left out, since paths are resolved against the origin", async () => {
    await cli({ ...wire.client, baseUrl: `${wire.baseUrl}/codespar/` }).whoami();
    expect(lastRequest().target).toBe("/v1/whoami");
  });

  test("health answers scripts that wait for it", async () => {
    expect((await wire.fetch(`${wire.baseUrl}/health`)).ok).toBe(true);
  });
});

describe("servers and tools", () => {
  test("servers are listed, by category and by region", async () => {
    const all = await command.serversList();
    expect(all.map(([id]) => id)).toEqual(expect.arrayContaining(["asaas", "codespar", "zoop", "nuvem-fiscal", "z-api"]));
    const brazilian = await command.serversList({ category: "payments", region: "BR" });
    expect(lastRequest().target).toBe("/v1/servers?category=payments&region=BR");
    expect(brazilian.map(([, , category, region]) => [category, region])).toEqual(brazilian.map(() => ["payments", "BR"]));
    expect(brazilian.length).toBeGreaterThan(0);
    for (const [, , , , status, tools] of all) {
      expect(["live", "beta", "coming-soon"]).toContain(status);
      expect(Number(tools)).toBeGreaterThanOrEqual(0);
    }
  });

  test("the list is there under the other published names too", async () => {
    const page = await cliRequest(wire.client, "GET", "/v1/servers");
    expect(page).toMatchObject({ total: page.data.length, filtered: page.data.length, servers: page.data });
    expect(page.servers[0]).toMatchObject({
      id: expect.any(String), name: expect.any(String), pkg: expect.any(String), category: expect.any(String), country: expect.any(String),
      auth_type: expect.any(String), tools_count: expect.any(Number), description: expect.any(String), status: expect.any(String),
    });
  });

  test("one server is shown with its tools", async () => {
    expect(await command.serversShow("asaas")).toMatchObject({
      id: "asaas", name: "Asaas", description: expect.any(String), auth_type: "api_key", category: "payments", region: "BR",
      tools: expect.arrayContaining([{ name: expect.stringContaining("create_payment"), server: "asaas", description: expect.any(String) }]),
    });
  });

  test("tools are listed, all or a server's", async () => {
    expect((await command.toolsList()).map(([name]) => name)).toEqual(expect.arrayContaining(["codespar_charge", "asaas/create_payment"]));
    const tools = await command.toolsList({ server: "asaas" });
    expect(tools.length).toBeGreaterThan(0);
    expect(tools.every(([, server]) => server === "asaas")).toBe(true);
  });

  test.each(["asaas/create_payment", "codespar_pay"])("the tool %s is shown with its schema; a slash in its name travels encoded", async (name) => {
    expect(await command.toolsShow(name)).toMatchObject({
      name, server: expect.any(String), description: expect.any(String),
      input_schema: { type: "object", properties: expect.any(Object), required: expect.any(Array) },
    });
    expect(lastRequest().target).toBe(`/v1/tools/${encodeURIComponent(name)}`);
  });
});

describe("sessions", () => {
  /** Each a second after the one before: lists are newest first. */
  async function opened(servers: string[]): Promise<TypescriptSession> {
    await wire.app.clock.advance(1_000);
    return typescriptSdk(wire.client).create("cli-user", { servers });
  }

  test("are listed by status, counted, and cut at the limit", async () => {
    const { id, createdAt } = await opened(["asaas", "z-api"]);
    const [newest] = await command.sessionsList({ status: "active", limit: "1" });
    expect(lastRequest().target).toBe("/v1/sessions?status=active&limit=1");
    expect(newest).toEqual([id, "cli-user", "active", "asaas,z-api", createdAt.toISOString(), "0"]);
  });

  test("the list is there under the other published name, with its cursor", async () => {
    const [first, second] = [await opened([]), await opened([])];
    const page = await cliRequest(wire.client, "GET", "/v1/sessions", { query: { limit: "1" } });
    expect(page).toMatchObject({ sessions: page.data, next_before: expect.any(String) });
    expect(page.sessions[0]).toMatchObject({
      id: second.id, org_id: expect.any(String), project_id: expect.any(String), user_id: "cli-user", servers: [], status: "active",
      created_at: expect.any(String), closed_at: null,
    });
    const next = await cliRequest(wire.client, "GET", "/v1/sessions", { query: { limit: "1", before: page.next_before } });
    expect(next.data[0].id).toBe(first.id);
  });

  test("one is shown with both counters and its log, and closed by a POST without a body, twice", async () => {
    const session = await opened(["asaas"]);
    const { tool_call_id: ran } = await session.execute("codespar_charge", mariaCharge);
    const { tool_call_id: refused } = await session.execute("codespar_charge", {});
    expect(await command.sessionsShow(session.id)).toMatchObject({
      id: session.id, user_id: "cli-user", status: "active", servers: ["asaas"], tool_call_count: 2, tool_calls_count: 2,
      created_at: session.createdAt.toISOString(), closed_at: null,
    });
    const logs = await command.sessionsLogs(session.id);
    expect(new Map(logs.map(([id, tool, , status]) => [id, [tool, status]]))).toEqual(new Map([
      [ran, ["codespar_charge", "success"]], [refused, ["codespar_charge", "error"]],
    ]));
    for (const [, , , , duration, at] of logs) expect([Number(duration) >= 0, at]).toEqual([true, session.createdAt.toISOString()]);
    for (let time = 0; time < 2; time += 1) {
      await command.sessionsClose(session.id);
      expect(lastRequest()).toMatchObject({ method: "POST", target: `/v1/sessions/${session.id}/close`, body: undefined, status: 204 });
    }
    expect(await command.sessionsShow(session.id)).toMatchObject({ status: "closed", closed_at: expect.any(String) });
  });
});

describe("connections", () => {
  test("are listed by user, server and status", async () => {
    const rows = await command.connectList({ server_id: "asaas", status: "connected" });
    expect(rows).toEqual([
      [expect.stringMatching(/^ca_/), "asaas", "-", "api_key", "connected", expect.any(String), expect.stringMatching(/Z$/), "-"],
    ]);
    const { connections: [row] } = await cliRequest(wire.client, "GET", "/v1/connections", { query: { server_id: "asaas" } });
    expect(row).toMatchObject({ metadata: expect.any(Object), connection_metadata: expect.any(Object), created_at: expect.any(String), revoked_at: null });
    expect(row).not.toHaveProperty("org_id");
    expect(row).not.toHaveProperty("project_id");
  });

  test("a link is started, opened by its user, and leads back with the connection, which is then revoked by its server's name", async () => {
    const link = await command.connectStart("z-api");
    expect(lastRequest()).toMatchObject({
      target: "/v1/connect/start", body: '{"server_id":"z-api","user_id":"cli-user","redirect_uri":"http://localhost:8910/callback"}',
    });
    const page = await (await fetch(link.authorize_url)).text();
    const names = [...page.matchAll(/<input[^>]*\bname="([^"]+)"/g)].map(([, name]) => name!);
    const hiddenInputs = page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g);
    const hidden = Object.fromEntries([...hiddenInputs].map(([, name, value]) => [name!, value!]));
    const form = new URLSearchParams({ ...Object.fromEntries(names.map((name) => [name, "given-by-the-user"])), ...hidden });
    const origin = new URL(link.authorize_url).origin;
    const done = await fetch(link.authorize_url, { method: "POST", body: form, redirect: "manual", headers: { origin } });
    const back = new URL(done.headers.get("location")!);
    expect([done.status, `${back.origin}${back.pathname}`, back.searchParams.get("status")]).toEqual([303, "http://localhost:8910/callback", "connected"]);
    const id = back.searchParams.get("connection_id")!;

    await command.connectRevoke("z-api");
    expect(wire.exchanges.at(-2)!.target).toBe("/v1/connections?user_id=cli-user&server_id=z-api&status=connected");
    expect(lastRequest()).toMatchObject({ target: `/v1/connections/${id}/revoke`, body: "{}" });
    expect((await command.connectList({ user_id: "cli-user", status: "revoked" })).map(([each]) => each)).toEqual([id]);
    await command.connectRevoke(id);
    expect(lastRequest().status).toBeLessThan(300);
  });
});

describe("tools", () => {
  test("execute runs in a session of the one server", async () => {
    const result = await inSession(["asaas"], (session) => session.execute("asaas/create_customer", { name: "Maria", cpfCnpj: "11144477735" }));
    expect(result).toMatchObject({ success: true, server: "asaas", tool: "asaas/create_customer" });
    expect(wire.exchanges.slice(-3).map(({ method, status }) => [method, status])).toEqual([["POST", 201], ["POST", 200], ["DELETE", 204]]);
  });

  test("a discovery can be printed, whether it found something or nothing", async () => {
    const found = printedDiscovery(await inSession([], (session) => session.discover("charge with Pix")));
    expect(found.lines.length).toBeGreaterThan(0);
    expect(["EMBEDDING", "TRIGRAM"]).toContain(found.strategy);
    const nothing = printedDiscovery(await inSession([], (session) => session.discover("xqzw", { category: "no-such-category" })));
    expect(nothing).toMatchObject({ strategy: "EMPTY", lines: [] });
  });

  test.each([
    [{}], [{ action: "status", server_id: "asaas" }], [{ action: "initiate", server_id: "asaas" }], [{ action: "initiate", server_id: "wompi" }],
  ])("the wizard's answer to %j can be printed", async (args) => {
    const lines = printedWizard(await inSession([], (session) => session.connectionWizard(args)));
    expect(lines).toContain("asaas connected");
  });

  test("a charge is made from what its flags say, and its status is asked for in another session", async () => {
    const charge = await inSession([], (session) => session.wrapped("charge", mariaCharge));
    expect(charge).toMatchObject({ id: expect.any(String), status: expect.any(String), amount: 15000, currency: "BRL" });
    const status = await inSession([], (session) => session.paymentStatus(charge.tool_call_id));
    expect(status.events.length).toBeGreaterThan(0);
    for (const event of status.events) expect(event).toMatchObject({ event_type: expect.any(String), received_at: expect.any(String) });
  });
});

describe("what ends the process", () => {
  test.each([
    ["a server that is not there", () => command.serversShow("nowhere"), /^GET \/v1\/servers\/nowhere → 404: There is no server nowhere/],
    ["a tool that is not there", () => command.toolsShow("no/tool"), /^GET \/v1\/tools\/no%2Ftool → 404: Tool not registered/],
    ["a session that is not there", () => command.sessionsShow("ses_none"), /→ 404: There is no session ses_none/],
    ["a key that is refused", () => cli({ ...wire.client, apiKey: "csk_test_nobody" }).whoami(), /^GET \/v1\/whoami → 401: ./],
  ])("%s ends it with 1 and a sentence", async (_what, run, message) => {
    await expect(run()).rejects.toMatchObject({ status: 1, message: expect.stringMatching(message) });
  });
});
