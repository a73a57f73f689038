/** Mocks as the released clients declare them: when they are taken, and what comes back, by execution and by a model. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { demoScenario } from "./support/harness.ts";
import { pythonSdk } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const pay = (id: string, name: string, input: object = {}) => ({ type: "tool_use", id, name, input }) as const;
const wire = await startWire({
  turns: [
    // The model's part of a demo: a payment that is declined, told as such.
    { content: [pay("tu_1", "codespar_pay", { action: "pay", amount: 250_000, currency: "BRL", description: "12 instalments", method: "card" })] },
    { content: [{ type: "text", text: "Declined." }] },
    { content: [pay("tu_2", "codespar_notify", { channel: "slack", to: "#sales", message: "declined" })] },
    { content: [{ type: "text", text: "Told." }] },
    // One counter over both names of a tool.
    { content: [pay("tu_3", "asaas__create_payment", { value: 10 })] },
    { content: [{ type: "text", text: "Made." }] },
    // What is not mocked, and what is used up.
    { content: [pay("tu_4", "asaas__create_customer"), pay("tu_5", "codespar_charge")] },
    { content: [{ type: "text", text: "No." }] },
  ],
});
const create = (mocks: Record<string, unknown>, servers: string[] = []) => typescriptSdk(wire.client).create("maria", { servers, mocks });

describe("a declared answer", () => {
  /** Keys in an order that no sorting makes, texts and numbers as a store might change them. */
  const verbatim = { status: "paid", id: "pay_1", zebra: [{ b: 1, a: null }], amount: 1.1, text: "ação 🎉", nested: { z: { y: [] }, a: "" } };

  test("comes back verbatim, its keys in their order and nothing added", async () => {
    const session = await create({ "asaas/create_payment": verbatim });
    const { success, data, error } = await session.execute("asaas/create_payment", { value: 10 });
    expect([success, JSON.stringify(data), error]).toEqual([true, JSON.stringify(verbatim), null]);
  });

  test("of one object is the same at every call", async () => {
    const session = await create({ codespar_charge: { id: "chg_1" } });
    for (let call = 0; call < 3; call += 1) expect((await session.execute("codespar_charge", mariaCharge)).data).toEqual({ id: "chg_1" });
  });

  test("of a list is used up one a call, and then it says so", async () => {
    const session = await create({ codespar_charge: [{ n: 1 }, { n: 2 }] });
    expect((await session.execute("codespar_charge", {})).data).toEqual({ n: 1 });
    expect((await session.execute("codespar_charge", {})).data).toEqual({ n: 2 });
    expect(await session.execute("codespar_charge", {})).toMatchObject({
      success: false, data: { code: "mocks_exhausted", message: expect.any(String) }, error: expect.stringContaining("mocks_exhausted"),
    });
  });

  test("of an empty list is used up from the start", async () => {
    const session = await create({ codespar_charge: [] });
    expect((await session.execute("codespar_charge", {})).data).toMatchObject({ code: "mocks_exhausted" });
  });

  test("is a success whatever it says", async () => {
    const declined = { status: "rejected", category: "non_recoverable", error_code: "51", reason: "insufficient funds" };
    const session = await create({ codespar_pay: declined });
    const paid = await session.execute("codespar_pay", { amount: 100, currency: "BRL", recipient: "maria@example.com" });
    expect(paid).toMatchObject({ success: true, data: declined, error: null });
  });

  test("comes before the arguments are looked at", async () => {
    const session = await create({ codespar_notify: { messageId: "m_1", sent: true } });
    expect((await session.execute("codespar_notify", { channel: "slack", to: "#sales" })).data).toEqual({ messageId: "m_1", sent: true });
  });

  test("is found under both names of a provider's tool, with one counter", async () => {
    const session = await create({ "asaas/create_payment": [{ n: 1 }, { n: 2 }] });
    expect((await session.execute("asaas__create_payment", {})).data).toEqual({ n: 1 });
    expect((await session.execute("asaas/create_payment", {})).data).toEqual({ n: 2 });
    expect((await session.execute("asaas__create_payment", {})).data).toMatchObject({ code: "mocks_exhausted" });
  });

  test("may be of a tool and a server that nobody here has", async () => {
    const session = await create({ "some-server/some_tool": { ok: true } });
    expect((await session.execute("some-server/some_tool", {})).data).toEqual({ ok: true });
  });

  test("is counted by session", async () => {
    const mocks = { codespar_charge: [{ n: 1 }] };
    for (let each = 0; each < 2; each += 1) expect((await (await create(mocks)).execute("codespar_charge", {})).data).toEqual({ n: 1 });
  });
});

describe("a session that declares any is strict", () => {
  test.each([["codespar_charge"], ["asaas/create_payment"], ["asaas__create_payment"], ["nowhere/do_it"]])(
    "%s is not run, and says that it is not mocked",
    async (tool) => {
      const session = await create({ codespar_pay: { id: "pay_1" } });
      const before = wire.app.twins!.requests("asaas").length;
      const result = await session.execute(tool, mariaCharge);
      expect(result).toMatchObject({
        success: false, error: expect.stringContaining("tool_not_mocked"),
        data: { code: "tool_not_mocked", tool_name: expect.any(String), message: expect.any(String) },
      });
      expect(wire.app.twins!.requests("asaas")).toHaveLength(before);
    },
  );

  test("a meta-tool that would use a mocked tool is not mocked itself", async () => {
    const session = await create({ "asaas/create_payment": { id: "pay_1" } });
    expect((await session.execute("codespar_charge", mariaCharge)).data).toMatchObject({ code: "tool_not_mocked", tool_name: "codespar_charge" });
  });

  test.each([["codespar_discover", { use_case: "charge with Pix" }], ["codespar_manage_connections", {}]])("%s answers all the same", async (tool, args) => {
    const session = await create({ codespar_pay: { id: "pay_1" } });
    expect(await session.execute(tool, args)).toMatchObject({ success: true, error: null });
  });

  test("an empty map declares none, so tools run", async () => {
    expect(await (await create({})).execute("codespar_charge", mariaCharge)).toMatchObject({ success: true, data: { status: "pending" } });
  });
});

describe("at create", () => {
  test.each([
    ["a key with two underscores", { asaas__create_payment: {} }],
    ["a key that is no tool", { "Asaas/Create": {} }],
    ["a key of three parts", { "a/b/c": {} }],
    ["text for an answer", { codespar_pay: "paid" }],
    ["a number in a list of answers", { codespar_pay: [{}, 1] }],
    ["null for an answer", { codespar_pay: null }],
  ])("%s is refused", async (_what, mocks) => {
    await expect(pythonSdk(wire.client).create("maria", { servers: ["asaas"], mocks })).rejects.toMatchObject({ status: 400, code: "mocks_invalid" });
  });

  test("64 KiB are taken, a byte more is not; it is bytes that count", async () => {
    const sized = (bytes: number) => ({ codespar_pay: { t: `é${"a".repeat(bytes - Buffer.byteLength('{"codespar_pay":{"t":"é"}}'))}` } });
    expect(Buffer.byteLength(JSON.stringify(sized(65_536)))).toBe(65_536);
    expect((await create(sized(65_536))).status).toBe("active");
    await expect(create(sized(65_537))).rejects.toMatchObject({ status: 413, code: "mocks_payload_too_large" });
  });

  test("a live key may declare none, but an empty map is no declaration", async () => {
    const live = typescriptSdk(wire.live);
    await expect(live.create("maria", { servers: [], mocks: { codespar_pay: {} } })).rejects.toMatchObject({ status: 403, code: "mocks_not_permitted" });
    expect((await live.create("maria", { servers: [], mocks: {} })).status).toBe("active");
  });

  test("the gates are in order: permitted before valid, valid before the servers are known", async () => {
    const servers = ["no-such-server"];
    await expect(typescriptSdk(wire.live).create("maria", { servers, mocks: { a__b: {} } })).rejects.toMatchObject({ code: "mocks_not_permitted" });
    await expect(create({ a__b: {} }, servers)).rejects.toMatchObject({ code: "mocks_invalid" });
    await expect(create({ codespar_pay: {} }, servers)).rejects.toMatchObject({ code: "unknown_servers", body: { unknown: servers } });
  });
});

describe("told by a model", () => {
  test("a declined payment is a successful call of the trace, and a message to a channel that does not exist is sent", async () => {
    const declined = { status: "rejected", category: "customer_data", error_code: "E1", reason: "no" };
    const mocks = { codespar_pay: declined, codespar_notify: { messageId: "m_1", sent: true } };
    const [first, second] = await demoScenario(wire.client, mocks, ["pay it", "tell them"]);
    expect(first).toMatchObject({ message: "Declined.", iterations: 2 });
    expect(first!.tool_calls).toMatchObject([{ tool_name: "codespar_pay", status: "success", error_code: null }]);
    expect(JSON.stringify(first!.tool_calls[0]!.output)).toBe(JSON.stringify(declined));
    expect(second!.tool_calls).toMatchObject([{ tool_name: "codespar_notify", status: "success", output: { messageId: "m_1", sent: true } }]);
  });

  test("a provider's tool has the name the model used, the server in front of it, and the counter of both names", async () => {
    const session = await create({ "asaas/create_payment": [{ n: 1 }] }, ["asaas"]);
    const { tool_calls } = await session.send("create a payment");
    expect(tool_calls).toMatchObject([{ tool_name: "asaas__create_payment", server_id: "asaas", status: "success", output: { n: 1 }, error_code: null }]);
    expect((await session.execute("asaas/create_payment", {})).data).toMatchObject({ code: "mocks_exhausted" });
  });

  test("what is not mocked or used up is a failed record with its outcome, and no failed request", async () => {
    const session = await create({ codespar_charge: [] }, ["asaas"]);
    const { tool_calls, message } = await session.send("write and charge");
    expect(message).toBe("No.");
    expect(tool_calls).toMatchObject([
      {
        tool_name: "asaas__create_customer", server_id: "asaas", status: "error", error_code: "tool_not_mocked",
        output: { code: "tool_not_mocked", tool_name: expect.any(String), message: expect.any(String) },
      },
      { tool_name: "codespar_charge", status: "error", error_code: "mocks_exhausted", output: { code: "mocks_exhausted", message: expect.any(String) } },
    ]);
  });
});
