/** The Python SDK over a socket: what differs from its sibling in TypeScript, in what it sends and in what it reads. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { pythonDate, pythonSdk } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";

const wire = await startWire();
const sdk = pythonSdk(wire.client);
const open = () => sdk.create("maria", { servers: ["asaas"] });
const lastRequest = () => wire.exchanges.at(-1)!;

describe("create", () => {
  test("opens a session, and sends metadata, which no other client does", async () => {
    const session = await sdk.create("maria", { servers: ["asaas"], metadata: { plan: "gold" } });
    expect(session).toMatchObject({ user_id: "maria", servers: ["asaas"], status: "active", created_at: new Date("2026-11-20T12:00:00.000Z") });
    expect(lastRequest().body).toBe('{"servers":["asaas"],"user_id":"maria","metadata":{"plan":"gold"}}');
    const headers = ["user-agent", "accept", "content-type"].map((name) => lastRequest().headers.get(name));
    expect(headers).toEqual(["codespar-python/0.10.0", "application/json", "application/json"]);
  });

  test("an empty list becomes the default pair, which is known", async () => {
    expect((await sdk.create("maria", { servers: [] })).servers).toEqual(["zoop", "nuvem-fiscal"]);
  });

  test("a trailing slash of the base URL is left out", async () => {
    await pythonSdk({ ...wire.client, baseUrl: `${wire.baseUrl}//` }).create("maria", { servers: ["asaas"] });
    expect(lastRequest().target).toBe("/v1/sessions");
  });

  test("mocks that are no objects are refused by the server: this client sends them as they are", async () => {
    await expect(sdk.create("maria", { servers: ["asaas"], mocks: { "asaas/create_payment": "paid" } }))
      .rejects.toMatchObject({ status: 400, code: "mocks_invalid", body: { field: "mocks.asaas/create_payment" } });
  });
});

describe("execute", () => {
  test("has the whole envelope", async () => {
    const result = await (await open()).execute("codespar_charge", mariaCharge);
    expect(result).toMatchObject({
      success: true, error: null, duration: expect.any(Number), server: expect.any(String), tool: "codespar_charge", tool_call_id: expect.any(String),
    });
    pythonDate(result.called_at!);
  });

  test("of a session that is not there is a failed result with the status in front", async () => {
    const session = await open();
    await session.close();
    expect(await session.execute("codespar_charge", mariaCharge)).toMatchObject({
      success: false, data: null, error: expect.stringMatching(/^409: \{/), server: "",
    });
  });
});

describe("typed wrappers", () => {
  test("a charge has every member that its type requires", async () => {
    expect(await (await open()).charge(mariaCharge)).toMatchObject({
      id: expect.any(String), status: "pending", amount: 15000, currency: "BRL", method: "pix", pix_copy_paste: expect.any(String), raw: null,
    });
  });

  test("a quote has every member that the type of a shipment requires", async () => {
    const session = await open();
    const quote = { action: "quote", origin: { postal_code: "01310-100" }, destination: { postal_code: "20040-002" }, items: [{ weight_g: 500 }] };
    expect(await session.ship(quote)).toMatchObject({ id: expect.any(String), status: expect.any(String) });
  });

  test("discover and the wizard answer as they do in TypeScript", async () => {
    const session = await open();
    expect(await session.discover("send a WhatsApp message")).toMatchObject({
      use_case: "send a WhatsApp message", related: expect.any(Array), next_steps: expect.any(Array),
    });
    expect(await session.connection_wizard({ action: "status", server_id: "asaas" })).toMatchObject({
      action: "status", status: { server_id: "asaas", status: "connected" },
    });
  });

  test("a failure is thrown with status 0", async () => {
    await expect((await open()).charge({ amount: 1 })).rejects.toMatchObject({ status: 0, message: expect.stringMatching(/^charge failed: ./) });
  });
});

test("status envelopes have dates that Python 3.10 can read", async () => {
  const session = await open();
  const charge = await session.execute("codespar_charge", mariaCharge);
  const check = await session.execute("codespar_kyc", { buyer: { name: "Maria Silva" }, check_type: "identity" });
  await wire.app.pass(10_000);
  const payment = await session.payment_status(charge.tool_call_id!);
  expect(payment).toMatchObject({ payment_status: "succeeded", original_status: "success" });
  expect(payment.events.length).toBeGreaterThan(0);
  const verification = await session.verification_status(check.tool_call_id!);
  expect(verification).toMatchObject({ verification_status: "approved", hosted_url: expect.any(String) });
  expect(verification.events.length).toBeGreaterThan(0);
});

describe("explicit nulls", () => {
  test("scopes that are null are no scopes", async () => {
    const link = await (await open()).authorize("asaas", { redirect_uri: "https://shop.example/back" });
    expect(lastRequest().body).toBe('{"server_id":"asaas","user_id":"maria","redirect_uri":"https://shop.example/back","scopes":null}');
    expect(link).toMatchObject({ link_token: expect.any(String), authorize_url: expect.stringMatching(/^https?:/) });
  });

  test("a null among the arguments of a tool is an argument that is not there", async () => {
    const result = await (await open()).execute("codespar_charge", { ...mariaCharge, due_date: null, metadata: null });
    expect(result).toMatchObject({ success: true, error: null });
  });
});

describe("connections and tools", () => {
  test("are read from the one answer", async () => {
    const session = await open();
    expect(await session.connections()).toMatchObject([{ id: "asaas", connected: true }]);
    for (const tool of await session.tools()) {
      expect(tool).toMatchObject({
        name: expect.any(String), description: expect.any(String), input_schema: { type: "object" }, server: expect.any(String),
      });
    }
  });
});

describe("send", () => {
  test("answers once where JSON is accepted", async () => {
    expect(await (await open()).send("hello")).toMatchObject({ message: expect.any(String), tool_calls: [], iterations: 1 });
  });

  test("a refusal is thrown with its code", async () => {
    const session = await open();
    wire.misuseNext();
    await expect(session.send("")).rejects.toMatchObject({ status: 400, code: "validation_failed" });
  });
});

test("closing has no body and is done twice without harm", async () => {
  const session = await open();
  for (let time = 0; time < 2; time += 1) {
    await session.close();
    expect(lastRequest()).toMatchObject({ method: "DELETE", body: undefined, status: 204 });
  }
});
