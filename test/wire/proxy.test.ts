/** Row 9 of the published endpoints, the raw passthrough: what both SDKs send to `proxy_execute`, and what they read of its answer. */
import { describe, expect, test } from "vitest";
import { pythonSdk } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();

describe("proxy_execute", () => {
  const typescript = (mocks?: Record<string, unknown>) => typescriptSdk(wire.client).create("maria", {
    servers: ["mercado-pago"], ...(mocks && { mocks }),
  });
  const lastRequest = () => wire.exchanges.at(-1)!;

  test("passes a question on with its query, and tells the provider's answer as it came", async () => {
    const session = await typescript();
    const answer = await session.proxyExecute({
      server: "mercado-pago", endpoint: "/v1/payments/search", method: "GET", params: { external_reference: "none", limit: 1 },
    });
    expect(answer).toMatchObject({ status: 200, data: { results: [] }, headers: expect.any(Object), duration: expect.any(Number) });
    for (const value of Object.values(answer.headers)) expect(typeof value).toBe("string");
    if (answer.proxy_call_id !== undefined) expect(answer.proxy_call_id).toMatch(/^p[xc]_/);
    expect(lastRequest()).toMatchObject({
      method: "POST", target: `/v1/sessions/${session.id}/proxy_execute`, status: 200,
      body: '{"server":"mercado-pago","endpoint":"/v1/payments/search","method":"GET","params":{"external_reference":"none","limit":1}}',
    });
  });

  test("a refusal of the provider is a 200 with the provider's status in it", async () => {
    const answer = await (await typescript()).proxyExecute({ server: "mercado-pago", endpoint: "/v1/payments/999999999999", method: "GET" });
    expect([lastRequest().status, answer.status]).toEqual([200, 404]);
  });

  test("explicit nulls of Python are absent", async () => {
    const session = await pythonSdk(wire.client).create("maria", { servers: ["mercado-pago"] });
    const answer = await session.proxy_execute({ server: "mercado-pago", endpoint: "/v1/payments/search", method: "GET" });
    expect(lastRequest().body).toBe('{"server":"mercado-pago","endpoint":"/v1/payments/search","method":"GET","body":null,"params":null,"headers":null}');
    expect(answer.status).toBe(200);
  });

  test("passes headers of the caller's on, but never answers with the credential that it used", async () => {
    const answer = await (await typescript()).proxyExecute({
      server: "mercado-pago", endpoint: "/v1/payments/search", method: "GET", headers: { "x-caller": "1" },
    });
    expect(JSON.stringify(answer)).not.toMatch(/authorization|bearer/i);
  });

  const sdks = [["typescript", typescriptSdk], ["python", pythonSdk]] as const;
  test.each(sdks)("a server that is not connected is thrown, with a message, to the SDK in %s", async (_language, sdk) => {
    const session = await sdk(wire.client).create("maria", { servers: ["wompi"] });
    const request = { server: "no-such-server", endpoint: "/x", method: "GET" };
    const proxied = "proxyExecute" in session ? session.proxyExecute(request) : session.proxy_execute(request);
    await expect(proxied).rejects.toMatchObject({ status: expect.any(Number), code: expect.any(String), message: expect.stringMatching(/./) });
    expect(lastRequest().status).toBeGreaterThanOrEqual(400);
  });

  test("a session that declared mocks lets nothing leave the server", async () => {
    const session = await typescript({ codespar_pay: { id: "pay_1" } });
    const before = wire.app.twins!.requests("mercado-pago").length;
    await expect(session.proxyExecute({ server: "mercado-pago", endpoint: "/v1/payments/search", method: "GET" })).rejects.toMatchObject({
      code: "tool_not_mocked",
    });
    expect(wire.app.twins!.requests("mercado-pago")).toHaveLength(before);
  });
});
