/** MCP hosts: the package's own process, which speaks our REST, and editors that are pointed at the session's address. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { mcpBin } from "./support/mcp-bin.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
const session = await typescriptSdk(wire.client).create("maria", { servers: ["asaas"] });

describe("the package's process", () => {
  test("opens a session for its user with the preset's servers, and lists the tools", async () => {
    const before = wire.exchanges.length;
    const bin = await mcpBin(wire.client);
    expect(wire.exchanges.slice(before).map(({ method, target, status }) => [method, target, status])).toEqual([
      ["POST", "/v1/sessions", 201], ["GET", `/v1/sessions/${bin.session!.id}/connections`, 200],
    ]);
    expect(wire.exchanges[before]!.body).toBe('{"servers":["zoop","nuvem-fiscal","melhor-envio","z-api","omie"],"user_id":"mcp-user"}');
    expect(bin.listTools().map(({ name }) => name)).toEqual(expect.arrayContaining(["codespar_charge", "codespar_pay", "codespar_discover"]));
    for (const { inputSchema, description } of bin.listTools()) expect([inputSchema["type"], typeof description]).toEqual(["object", "string"]);
  });

  test("calls a tool: the data as text, or the error as one", async () => {
    const bin = await mcpBin(wire.client, { servers: ["asaas"] });
    const charged = await bin.callTool("codespar_charge", mariaCharge);
    expect(charged.isError).toBeUndefined();
    expect(JSON.parse(charged.content[0]!.text)).toMatchObject({ status: "pending", amount: 15000 });
    const refused = await bin.callTool("codespar_charge", {});
    expect(refused).toMatchObject({ isError: true, content: [{ type: "text", text: expect.stringMatching(/./) }] });
  });
});

describe("the address that editors are given", () => {
  const client = new Client({ name: "editor", version: "1.0.0" });
  afterAll(() => client.close());

  test("has the same tools as the session, under the same names", async () => {
    const { mcp, tools } = session;
    await client.connect(new StreamableHTTPClientTransport(new URL(mcp.url), { requestInit: { headers: mcp.headers }, fetch: wire.fetch }));
    const listed = await client.listTools();
    expect(listed.tools.map(({ name, inputSchema }) => [name, inputSchema])).toEqual((await tools()).map(({ name, input_schema }) => [name, input_schema]));
  });

  test("runs a call as an execution of the session", async () => {
    const result = await client.callTool({ name: "asaas__create_customer", arguments: { name: "Maria", cpfCnpj: "11144477735" } });
    expect(result.isError).toBeFalsy();
    expect((result.content as { text: string }[])[0]!.text).toContain("Maria");
    const { tool_calls } = await wire.app.call("toolCalls.list", { session_id: session.id });
    expect(tool_calls.map(({ tool_name, origin }) => [tool_name, origin])).toEqual([["asaas__create_customer", "mcp"]]);
  });

  test("goes on in a successor when the session has ended: an editor is open for days", async () => {
    await session.close();
    const result = await client.callTool({ name: "codespar_discover", arguments: { use_case: "charge" } });
    expect(result.isError).toBeFalsy();
  });
});
