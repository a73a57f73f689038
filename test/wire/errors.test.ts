/** Refusals as each released client reads them: one flat body, in which every parser finds its code and its sentence. */
import { describe, expect, test } from "vitest";
import { newTenant } from "../support/tenants.ts";
import { cli } from "./support/cli.ts";
import { mcpBin } from "./support/mcp-bin.ts";
import { pythonSdk } from "./support/python-sdk.ts";
import { ApiError } from "./support/requests.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
const nobody = { ...wire.client, apiKey: "csk_test_nobody" };
const thrownBy = (run: Promise<unknown>) => run.then(() => undefined, (error: unknown) => error);

describe("the body", () => {
  test("is flat: the code twice as text, and a sentence", async () => {
    const error = await thrownBy(typescriptSdk(wire.client).create("maria", { servers: ["no-such-server", "asaas"] }));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      status: 400, code: "unknown_servers", message: expect.stringContaining("no-such-server"),
      body: { error: "unknown_servers", code: "unknown_servers", message: (error as ApiError).message, unknown: ["no-such-server"] },
    });
  });

  test("names the field that is wrong", async () => {
    wire.misuseNext();
    expect(await thrownBy(typescriptSdk(wire.client).create("", { servers: [] }))).toMatchObject({
      status: 400, code: "validation_failed", body: { field: "user_id" },
    });
  });
});

describe("a key that is refused", () => {
  test("is 401 with a code to both SDKs", async () => {
    for (const sdk of [typescriptSdk(nobody), pythonSdk(nobody)])
      expect(await thrownBy(sdk.create("maria", {}))).toMatchObject({ status: 401, code: "unauthorized", message: expect.any(String) });
  });

  test("ends the command line with the sentence alone", async () => {
    const error = await thrownBy(cli(nobody).serversList());
    expect(error).toMatchObject({ status: 1, message: expect.stringMatching(/^GET \/v1\/servers → 401: \S/) });
    expect((error as Error).message).not.toContain("{");
  });

  test("sends the MCP process into set-up mode, with its one tool", async () => {
    const bin = await mcpBin(nobody);
    expect([bin.session, bin.listTools().map(({ name }) => name)]).toEqual([undefined, ["codespar_get_started"]]);
  });

  test("is refused when it is missing, too", async () => {
    wire.misuseNext();
    const response = await wire.fetch(`${wire.baseUrl}/v1/whoami`);
    expect([response.status, await response.json()]).toMatchObject([401, { code: "unauthorized" }]);
  });
});

describe("another project", () => {
  test("is never ignored: one of another organization is not there, one of the other environment does not agree with the key", async () => {
    const stranger = await newTenant(wire.app);
    const foreign = typescriptSdk({ ...wire.client, projectId: stranger.projectId });
    expect(await thrownBy(foreign.create("maria", { servers: [] }))).toMatchObject({ status: 404, code: "project_not_found" });
    const live = await typescriptSdk(wire.live).create("maria", { servers: [] });
    const { project_id: projectId } = await wire.app.call("sessions.get", { session_id: live.id }, { credential: wire.live.apiKey });
    expect(await thrownBy(typescriptSdk({ ...wire.client, projectId }).create("maria", { servers: [] })))
      .toMatchObject({ status: 403, code: "project_environment_mismatch" });
  });

  test("its sessions, calls and connections are not there", async () => {
    const stranger = await newTenant(wire.app);
    const sessionId = await stranger.session();
    const command = cli(wire.client);
    expect(await thrownBy(command.sessionsShow(sessionId))).toMatchObject({ message: expect.stringContaining("→ 404: There is no session") });
    expect(await thrownBy(command.connectRevoke("ca_01jd5v0000000000000000none"))).toMatchObject({ message: expect.stringContaining("→ 404: ") });
    const { tool_call_id: id } = await stranger.run("codespar_manage_connections", {});
    const session = await typescriptSdk(wire.client).create("maria", { servers: [] });
    expect(await thrownBy(session.paymentStatus(id!))).toMatchObject({ status: 404, code: "tool_call_not_found" });
    expect(await thrownBy(session.verificationStatus(id!))).toMatchObject({ status: 404, code: "tool_call_not_found" });
  });
});

describe("what the SDKs do not throw for", () => {
  test("a refused execution is a failed result with the body in its error", async () => {
    for (const sdk of [typescriptSdk(wire.client), pythonSdk(wire.client)]) {
      const session = await sdk.create("maria", { servers: ["asaas"] });
      await session.close();
      const result = await session.execute("codespar_pay", {});
      expect(result).toMatchObject({ success: false, data: null, server: "" });
      expect(JSON.parse(result.error!.slice("409: ".length))).toMatchObject({ code: "session_not_active", error: "session_not_active" });
    }
  });

  test("the connections of a session that ended can still be read: a refusal would be no tools at all", async () => {
    const session = await typescriptSdk(wire.client).create("maria", { servers: ["asaas"] });
    await session.close();
    expect(await session.tools()).not.toEqual([]);
  });
});

test("twenty servers in one session are taken", async () => {
  const ids = (await cli(wire.client).serversList()).map(([id]) => id!).slice(0, 20);
  expect((await typescriptSdk(wire.client).create("maria", { servers: ids })).servers).toEqual(ids);
});

test("a path that nobody knows is 404 in the same body", async () => {
  wire.misuseNext();
  const response = await wire.fetch(`${wire.baseUrl}/v1/nowhere`, { headers: { authorization: `Bearer ${wire.client.apiKey}` } });
  expect([response.status, await response.json()]).toMatchObject([404, {
    error: "route_not_found", code: "route_not_found", message: expect.any(String),
  }]);
});
