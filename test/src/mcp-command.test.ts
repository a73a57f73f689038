/** `codespar-server mcp` over real pipes: the platform in the process, a server elsewhere, no key yet, and how it ends. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Client } from "@modelcontextprotocol/client";
import { toolSets } from "../../schema/meta-tools/index.ts";
import { mariaCharge } from "../support/app.ts";
import { eras } from "../support/mcp-eras.ts";
import { connectMcp, databaseRuns, newMcpFolder, runMcp, usualDataDir, type RawMcp } from "../support/mcp-process.ts";
import { processKey, startServerProcess, type ServerProcess } from "../support/server-process.ts";

const TEST_MS_MAX = 120_000;
/** Nothing listens there. */
const NOWHERE = "http://127.0.0.1:1";

/** Where the command runs here: its first run makes a database, the others find it. */
const folder = await newMcpFolder();
const dataDir = usualDataDir(folder);
/** A server elsewhere, and the data it runs on. */
const serverDataDir = join(await newMcpFolder(), "data");
let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ port: 0, env: { DATA_DIR: serverDataDir } });
}, TEST_MS_MAX);

const chargeBy = (client: Client, args: object = mariaCharge) => client.callTool({ name: "codespar_charge", arguments: { ...args } });

/** What a client of 2025 sends to list the tools. */
const LISTING = [
  {
    jsonrpc: "2.0", id: 1, method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
  },
  { jsonrpc: "2.0", method: "notifications/initialized" },
  { jsonrpc: "2.0", id: 2, method: "tools/list" },
];

async function runUntilListed(): Promise<RawMcp> {
  const mcp = runMcp({ folder });
  LISTING.forEach(mcp.send);
  await expect.poll(() => mcp.output(), { timeout: TEST_MS_MAX }).toContain('"id":2');
  return mcp;
}

describe("in this process", { timeout: TEST_MS_MAX }, () => {
  test("a client that closes stdin ends it, with the database; only the protocol was written to stdout", async () => {
    const mcp = await runUntilListed();
    expect(await databaseRuns(dataDir)).toBe(true);
    mcp.closeStdin();
    expect([await mcp.exited, mcp.errors()]).toEqual([0, ""]);
    expect(await databaseRuns(dataDir)).toBe(false);
    const messages = mcp.output().trim().split("\n").map((line) => JSON.parse(line) as object);
    expect(messages).toMatchObject([{ id: 1, result: {} }, { id: 2, result: { tools: expect.any(Array) } }]);
    const { mode } = await stat(join(dataDir, "mcp.key"));
    expect(mode & 0o777).toBe(0o600);
  });

  test.each(eras)("in the era of %s it lists meta-tools and its servers' own, and a charge has a Pix code", async (era, options) => {
    const { client, errors } = await connectMcp({ folder, args: ["--servers", "asaas"] }, options);
    expect(client.getNegotiatedProtocolVersion()).toMatch(new RegExp(`^${era}-`));
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...toolSets.core9.map(({ name }) => name), "asaas__create_payment"]));
    const result = await chargeBy(client);
    expect(result).toMatchObject({ structuredContent: { success: true, provider: "asaas", data: { status: "pending", amount: 15000 } } });
    expect((result.structuredContent as { data: { pix_copy_paste: string } }).data.pix_copy_paste).toMatch(/^000201.*BR/);
    expect(await chargeBy(client, { ...mariaCharge, amount: 1.5 })).toMatchObject({ isError: true, structuredContent: { code: "amount_fraction" } });
    expect(errors()).toBe("");
  });

  test("a signal ends it like a client that leaves", async () => {
    const mcp = await runUntilListed();
    mcp.signal("SIGTERM");
    expect([await mcp.exited, mcp.errors()]).toEqual([0, ""]);
    expect(await databaseRuns(dataDir)).toBe(false);
  });

  test("a key that the database does not know stops the start with what to do, and leaves nothing running", async () => {
    const mcp = runMcp({ folder, env: { CODESPAR_API_KEY: "csk_test_of_another_server_1234" } });
    expect(await mcp.exited).toBe(1);
    expect(mcp.errors()).toBe(
      "The MCP server did not start. CODESPAR_API_KEY is refused by the database here: This API key is unknown, revoked or expired. " +
        "Send `Authorization: Bearer csk_test_…` (or csk_live_…). Leave it out to use a test key of this machine, or set CODESPAR_BASE_URL " +
        "to the server it belongs to.\n",
    );
    expect([mcp.output(), await databaseRuns(dataDir)]).toEqual(["", false]);
  });

  test("it joins a server that runs on the same data, and leaves it running", async () => {
    const { client } = await connectMcp({ folder, env: { DATA_DIR: serverDataDir }, args: ["--user", "ana"] }, {});
    const { structuredContent } = await chargeBy(client);
    const { tool_call_id } = structuredContent as { tool_call_id: string };
    expect((await server.rest("GET", `/tool-calls/${tool_call_id}`)).body).toMatchObject({ id: tool_call_id, origin: "mcp", status: "success" });
    await client.close();
    expect((await server.rest("GET", "/sessions?user_id=ana")).body).toMatchObject({
      sessions: [{ status: "active", servers: ["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie"] }],
    });
  });
});

describe("of a server elsewhere", { timeout: TEST_MS_MAX }, () => {
  test.each(eras)("in the era of %s it lists and charges there, for the user and the project it was told", async (era, options) => {
    const { body: { project } } = await server.rest("GET", "/whoami");
    const user = `rui-${era}`;
    const env = { CODESPAR_BASE_URL: `${server.url}/`, CODESPAR_API_KEY: processKey, CODESPAR_USER_ID: user, CODESPAR_SERVERS: "asaas, z-api", CODESPAR_PROJECT: project.id };
    const { client, errors } = await connectMcp({ folder, env }, options);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["codespar_pay", "asaas__create_payment"]));
    const told: number[] = [];
    const result = await client.callTool({ name: "codespar_charge", arguments: { ...mariaCharge } }, { onprogress: ({ progress }) => told.push(progress) });
    expect(result).toMatchObject({ structuredContent: { success: true, data: { pix_copy_paste: expect.stringMatching(/^000201/) } } });
    expect(told[0]).toBe(0);
    const { body: { sessions: [session] } } = await server.rest("GET", `/sessions?user_id=${user}`);
    expect(session).toMatchObject({ servers: ["asaas", "z-api"], tool_call_count: 1 });

    await server.rest("DELETE", `/sessions/${session.id}`);
    expect(await chargeBy(client)).toMatchObject({ structuredContent: { success: true } });
    expect((await server.rest("GET", `/sessions?user_id=${user}&status=active`)).body.sessions).toMatchObject([{ metadata: { successor_of: session.id } }]);
    expect(errors()).toBe("");
  });

  test("a refused key and a server that is not there are each one clear line", async () => {
    const wrong = runMcp({ folder, env: { CODESPAR_BASE_URL: server.url, CODESPAR_API_KEY: "csk_test_wrong_0123456789" } });
    const nowhere = runMcp({ folder, args: ["--url", NOWHERE], env: { CODESPAR_API_KEY: processKey } });
    expect([await wrong.exited, await nowhere.exited]).toEqual([1, 1]);
    expect(wrong.errors()).toBe(
      `The MCP server did not start. The server at ${server.url} opened no session (401). This API key is unknown, revoked or expired. ` +
        "Send `Authorization: Bearer csk_test_…` (or csk_live_…).\n",
    );
    expect(nowhere.errors()).toMatch(/^The MCP server did not start\. The server at http:\/\/127\.0\.0\.1:1 cannot be reached \(.+\)\. Check --url .+\n$/);
    expect(await databaseRuns(dataDir)).toBe(false);
  });

  test("without a key there is one tool, which says what to do, and nothing is sent", async () => {
    const { client } = await connectMcp({ folder, args: ["--url", NOWHERE] }, {});
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["codespar_get_started"]);
    const { content, isError } = await client.callTool({ name: "codespar_get_started" });
    expect(isError).toBeFalsy();
    expect(content).toMatchObject([{ text: expect.stringContaining("CODESPAR_API_KEY") }]);
    expect(await chargeBy(client)).toMatchObject({ isError: true });
  });

  test("a call that gets no answer is not called failed", async () => {
    const { client } = await connectMcp({ folder, args: ["--url", server.url], env: { CODESPAR_API_KEY: processKey } }, {});
    await client.listTools();
    await server.kill();
    expect(await chargeBy(client)).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/may or may not have been carried out/) }] });
  });
});

describe("a command line", { timeout: TEST_MS_MAX }, () => {
  test("that asks for help gets it; one that cannot be read is refused with status 2", async () => {
    const help = runMcp({ folder, args: ["--help"] });
    const wrong = runMcp({ folder, args: ["--prest", "all"] });
    const unknown = runMcp({ folder }, "mpc");
    expect([await help.exited, await wrong.exited, await unknown.exited]).toEqual([0, 2, 2]);
    expect(help.output()).toMatch(/^codespar-server mcp: [^]+CODESPAR_BASE_URL[^]+--preset/);
    expect(wrong.errors()).toMatch(/^Unknown option '--prest'.*\n$/);
    expect(unknown.errors()).toMatch(/^There is no command mpc\. .*\n$/);
  });
});
