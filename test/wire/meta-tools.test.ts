/** Meta-tools beyond the first nine, as callers and the published harnesses use them, and the published arguments of `codespar_pay`. */
import { describe, expect, test } from "vitest";
import { inSession } from "./support/harness.ts";
import { mcpBin } from "./support/mcp-bin.ts";
import { pythonSdk } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
// The nine are the default set; those who use the others have their project show them.
const { projects } = await wire.app.call("projects.list", {});
await wire.app.call("projects.update", { project_id: projects[0]!.id, settings: { tool_set: "all" } });

describe("further meta-tools", () => {
  const execute = async (tool: string, input: Record<string, unknown>) => (await inSession(wire.client, (session) => session.execute(tool, input))).result;
  const open = () => typescriptSdk(wire.client).create("maria", { servers: [] });

  describe("codespar_list_tools and codespar_get_started", () => {
    test("list_tools always succeeds, with data", async () => {
      const result = await execute("codespar_list_tools", {});
      expect(result).toMatchObject({ success: true, error: null });
      expect(result.data).not.toBeNull();
    });

    test("list_tools answers in a session that declared mocks, too", async () => {
      const session = await typescriptSdk(wire.client).create("maria", { servers: [], mocks: { codespar_pay: {} } });
      expect(await session.execute("codespar_list_tools", {})).toMatchObject({ success: true, error: null });
    });

    test("get_started needs no arguments", async () => {
      expect(await execute("codespar_get_started", {})).toMatchObject({ success: true, error: null, data: expect.anything() });
    });

    test("every meta-tool is advertised, ours as their server", async () => {
      const tools = await (await open()).tools();
      const names = [
        "discover", "manage_connections", "shop", "charge", "ship", "ledger", "issue", "pay", "kyc", "invoice", "notify", "crypto_pay", "checkout",
        "wallet", "list_tools",
      ].map((name) => `codespar_${name}`);
      expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
      for (const name of names) expect(tools.find((tool) => tool.name === name)!.server).toBe("codespar");
      expect((await mcpBin(wire.client)).listTools().map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    });
  });

  describe("codespar_shop", () => {
    const offer = { product_id: expect.any(String), available: expect.any(Boolean), variants: expect.any(Array) };

    test("searches, and what it offers can be bought", async () => {
      const found = await (await open()).wrapped("shop", { action: "search", query: "ração", limit: 3 });
      expect(found).toMatchObject({ rail: expect.any(String), products: expect.any(Array) });
      expect(found.products.length).toBeLessThanOrEqual(3);
      for (const product of found.products) {
        expect(product).toMatchObject(offer);
        for (const variant of product.variants) expect(variant).toMatchObject({ sku_id: expect.any(String), available: expect.any(Boolean) });
        if (product.price_minor !== undefined) expect(Number.isInteger(product.price_minor)).toBe(true);
      }
    });

    test("a search is what is meant when no action is said, and needs its query", async () => {
      expect(await execute("codespar_shop", { query: "coleira" })).toMatchObject({ success: true, data: { products: expect.any(Array) } });
      expect(await execute("codespar_shop", { action: "search" })).toMatchObject({ success: false, error: expect.stringMatching(/./) });
    });

    test("a checkout by a URL alone begins, and never with more than a promise", async () => {
      const result = await execute("codespar_shop", { action: "checkout", url: "https://shop.example/p/1" });
      expect(result).toMatchObject({ success: true, error: null, data: { checkout_session_id: expect.any(String), status: "in_progress" } });
    });

    test("a checkout by items begins, and its status is one of three", async () => {
      const session = await open();
      const { products } = await session.wrapped("shop", { query: "ração", merchant: "cobasi" });
      const checkout = await session.wrapped("shop", {
        action: "checkout", merchant: "cobasi", items: [{ variant_id: products[0].variants[0].sku_id, quantity: 1 }],
        buyer: { name: "Maria Silva", email: "maria@example.com", cpf: "11144477735", phone: "+5511999998888" },
        address: { cep: "20040-002", number: "86" },
      });
      expect(checkout).toMatchObject({ checkout_session_id: expect.any(String), status: "in_progress" });
      const status = await session.wrapped("shop", { action: "checkout_status", checkout_session_id: checkout.checkout_session_id });
      expect(status.checkout_session_id).toBe(checkout.checkout_session_id);
      expect(["in_progress", "ready_for_payment", "canceled"]).toContain(status.status);
      if (status.status === "ready_for_payment") expect(status).toMatchObject({ total_minor: expect.any(Number), pix_copia_e_cola: expect.any(String) });
      expect(JSON.stringify(checkout)).not.toContain("11144477735");
    });

    test("the status of a checkout that was never issued is canceled, in a session of its own", async () => {
      expect(await execute("codespar_shop", { action: "checkout_status", checkout_session_id: "cks_sample" })).toMatchObject({
        success: true, error: null, data: { checkout_session_id: "cks_sample", status: "canceled", error: expect.any(String) },
      });
    });

    test.each([
      ["a checkout of nothing", { action: "checkout", merchant: "cobasi" }, /items_required/],
      ["a checkout of a listing without its URL", { action: "checkout", merchant: "mercadolivre" }, /meli_url_required/],
      ["an action that it has not", { action: "steal" }, /invalid_args/],
    ])("%s is refused by a bare word", async (_what, input, error) => {
      expect(await execute("codespar_shop", input)).toMatchObject({ success: false, error: expect.stringMatching(error) });
    });
  });

  describe("codespar_ledger", () => {
    test("opens an account, books an entry and reads the balance", async () => {
      const session = await open();
      const account = await session.wrapped("ledger", { action: "account", asset: "BRL", alias: "@wallet/maria", name: "Maria" });
      expect(account).toMatchObject({ id: expect.any(String), account_id: expect.any(String), alias: "@wallet/maria" });
      const entry = await session.wrapped("ledger", {
        action: "entry", asset: "BRL", description: "top-up",
        source: [{ account: "@external/BRL", amount: 1_000 }], destination: [{ account: "@wallet/maria", amount: 1_000 }],
      });
      expect(entry).toMatchObject({ id: expect.any(String), status: expect.any(String) });
      const balance = await session.wrapped("ledger", { action: "balance", account: account.account_id });
      expect(balance).toMatchObject({ account_id: account.account_id, balances: expect.anything() });
    });

    test("an entry whose sides differ is refused", async () => {
      const unequal = {
        action: "entry", asset: "BRL", source: [{ account: "@external/BRL", amount: 2 }], destination: [{ account: "@revenue/store", amount: 1 }],
      };
      expect(await execute("codespar_ledger", unequal)).toMatchObject({ success: false, error: expect.stringMatching(/./) });
    });

    test.todo("a receipt that is not there is an answer, and receipts are a list with its count: receipts are not built yet");
  });

  test("codespar_issue makes a card, freezes it, thaws it and cancels it", async () => {
    const session = await open();
    const card = await session.wrapped("issue", { action: "card-virtual", cardholder_id: "usr_1", program_id: "prg_1" });
    expect(card).toMatchObject({ id: expect.any(String), status: "ACTIVE", card_type: "VIRTUAL" });
    for (const [control, status] of [["freeze", "BLOCKED"], ["unfreeze", "ACTIVE"], ["cancel", "DISABLED"]])
      expect(await session.wrapped("issue", { action: "card-control", card_id: card.id, control, reason: "test" })).toMatchObject({ status });
    expect(await session.wrapped("issue", { action: "card-get", card_id: card.id })).toMatchObject({ id: card.id, status: "DISABLED" });
    expect(await execute("codespar_issue", { action: "card-physical", cardholder_id: "usr_1", program_id: "prg_1" })).toMatchObject({ success: false });
  });

  test("books, cards and shops are read by Python's types, too", async () => {
    const session = await pythonSdk(wire.client).create("maria", { servers: ["asaas"] });
    expect(await session.ledger({ action: "account", asset: "BRL", alias: "@wallet/ana" })).toMatchObject({
      account_id: expect.any(String), alias: "@wallet/ana",
    });
    expect(await session.issue({ action: "card-virtual", cardholder_id: "usr_1", program_id: "prg_1" })).toMatchObject({
      id: expect.any(String), status: "ACTIVE",
    });
    expect(await session.shop({ query: "coleira" })).toMatchObject({ rail: expect.any(String), products: expect.any(Array) });
  });

  test("codespar_checkout takes priced items and answers with an object", async () => {
    const result = await execute("codespar_checkout", { items: [{ name: "Shirt", quantity: 2, price: 149 }], currency: "BRL", paymentMethod: "pix" });
    expect(result).toMatchObject({ success: true, error: null, data: expect.any(Object) });
  });

  test("codespar_wallet reads a balance and a statement, and mints a code for a top-up", async () => {
    expect(await execute("codespar_wallet", {})).toMatchObject({ success: true, data: { balance: expect.anything() } });
    expect(await execute("codespar_wallet", { action: "statement", limit: 5 })).toMatchObject({ success: true, data: expect.any(Object) });
    expect(await execute("codespar_wallet", { action: "receive", amount: 15_000, description: "Top-up" }))
      .toMatchObject({ success: true, data: { pix_copia_e_cola: expect.stringMatching(/^000201/) } });
  });

  describe("codespar_pay", () => {
    test("is advertised with every argument of its published definition", async () => {
      const { input_schema } = (await (await open()).tools()).find(({ name }) => name === "codespar_pay")!;
      expect(Object.keys(input_schema["properties"] as object).sort()).toEqual([
        "action", "amount", "checkout_session_id", "consumer_id", "copia_e_cola", "country", "currency", "description", "linha_digitavel",
        "mandateId", "method", "payment_id", "recipient",
      ]);
      expect(input_schema["required"]).toEqual(["action"]);
    });
  });
});
