/** MCP over the whole platform, with the official client: its sessions, their tools, and who may reach it by which name. */
import { request } from "node:http";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, describe, expect, test } from "vitest";
import { SESSION_IDLE_MS } from "../../../schema/sessions.ts";
import { mariaCharge, startApp, testKey } from "../../support/app.ts";
import { eras } from "../../support/mcp-eras.ts";

const app = await startApp({ env: { PUBLIC_URL: "https://pay.example.com" } });
const { port, url } = await app.http.listen(0, "127.0.0.1");

async function connect(path: string, options: (typeof eras)[number][1]): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" }, options);
  await client.connect(new StreamableHTTPClientTransport(new URL(url + path), { requestInit: { headers: { authorization: `Bearer ${testKey}` } } }));
  afterAll(() => client.close());
  return client;
}

const charge = async (client: Client) => (await client.callTool({ name: "codespar_charge", arguments: { ...mariaCharge } })).structuredContent;

describe.each(eras)("in the era of %s", (_era, options) => {
  test("a session's route lists its servers' own tools, which run", async () => {
    const { id } = await app.call("sessions.create", { user_id: "maria", servers: ["asaas"] });
    const client = await connect(`/v1/sessions/${id}/mcp`, options);
    const { tools } = await client.listTools();
    const { tools: shown } = await app.call("sessions.connections", { session_id: id });
    expect(tools.map(({ name }) => name)).toEqual(shown.map(({ name }) => name));
    const answer = await client.callTool({ name: "asaas__create_customer", arguments: { name: "Maria Silva", cpfCnpj: "11144477735" } });
    expect(answer).toMatchObject({ structuredContent: { success: true, server: "asaas" } });
  });

  test("a session's route goes on in a successor for the same user when the session was closed, and again when that has idled", async () => {
    const user_id = `ana-${options.versionNegotiation ? 2026 : 2025}`;
    const { id } = await app.call("sessions.create", { user_id, servers: ["z-api"] });
    const client = await connect(`/v1/sessions/${id}/mcp`, options);
    const active = async () => (await app.call("sessions.list", { user_id, status: "active" })).sessions;
    await app.call("sessions.close", { session_id: id });
    expect(await charge(client)).toMatchObject({ success: true });
    expect(await charge(client)).toMatchObject({ success: true });
    const [second, ...more] = await active();
    expect([second, more]).toMatchObject([{ servers: ["z-api"], metadata: { successor_of: id }, tool_call_count: 2 }, []]);
    await app.clock.advance(SESSION_IDLE_MS);
    expect(await active()).toEqual([]);
    expect(await charge(client)).toMatchObject({ success: true });
    expect((await active()).map(({ metadata }) => metadata)).toEqual([{ successor_of: id }]);
    expect((await client.listTools()).tools).not.toEqual([]);
  });
});

test("the public name of the server is taken, and any other refused", async () => {
  const ask = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { host, authorization: `Bearer ${testKey}`, "content-type": "application/json", accept: "application/json, text/event-stream" };
      const asked = request({ host: "127.0.0.1", port, path: "/mcp", method: "POST", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.once("error", reject).end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }));
    });
  expect([await ask("pay.example.com"), await ask(`localhost:${port}`), await ask("evil.example.com")]).toEqual([200, 200, 403]);
});
