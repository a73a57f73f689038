import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { NotReached, OutcomeUnknown, SetupMissing, type CallContext } from "../../providers/provider.ts";
import type { TwinFault } from "../../providers/twin-faults.ts";
import { hostTwins } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import { zoop } from "../../providers/zoop/index.ts";
import { zoopTwin } from "../../providers/zoop/twin.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { rails } from "../../providers/rails.ts";
import { FakeClock } from "../support/fake-clock.ts";

const REST_MS = 60_000;
const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";

function newCall(clock: FakeClock): CallContext {
  return { reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} };
}

/** The tools and the twin together, in memory. */
async function world() {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const host = hostTwins({ twins: [zoopTwin], clock, storeFor: () => store, settleAfterMs: REST_MS, send: async () => new Response() });
  const account = await host.openAccount("zoop", { webhookUrl: "https://codespar.example/v1/webhooks/zoop/ca_1" });
  const connection = { credentials: account.credentials, settings: account.settings, baseUrl: zoop.hosts.test };
  const run = async (name: string, args: object, as: { credentials?: object; reference?: string } = {}) => {
    const tool = zoop.native!.tools.find((each) => each.name === name)!;
    const spec = tool.request(tool.input.parse(args), { reference: as.reference ?? randomUUID() });
    const http = zoop.native!.client({ ...connection, credentials: { ...account.credentials, ...as.credentials } }, host.fetch);
    return (await http[tool.effect === "reads" ? "ask" : "act"](spec, z.record(z.string(), z.any()), newCall(clock))) as Record<string, any>;
  };
  const { items } = await run("list_sellers", {});
  return {
    clock, account, host, run,
    seller: items[0].id as string,
    last: () => host.requests("zoop").at(-1)!,
    fault: (fault: TwinFault) => host.setFault("zoop", fault),
    refused: async (name: string, args: object, as: { credentials?: object } = {}) =>
      run(name, args, as).then(() => expect.fail("it was taken"), (error: { status: number; body: unknown }) => ({ status: error.status, body: error.body })),
    rest: async () => {
      await clock.advance(REST_MS);
      await store.runDue((step) => host.run("zoop", step));
    },
  };
}

const error = (status_code: number, category: string, type = "invalid_request_error") =>
  ({ status: status_code, body: { error: { status_code, category, type, message: expect.any(String), status: expect.any(String) } } });

describe("the server", () => {
  test("gives tools and no verb, and no rail names it", () => {
    const connection = { credentials: { api_key: "zpk_test_x" }, settings: { marketplace_id: "m" }, baseUrl: zoop.hosts.test };
    expect(zoop.connect(connection, () => Promise.reject(new Error("it was sent")))).toEqual({});
    expect(rails.filter(({ provider }) => provider === "zoop")).toEqual([]);
    expect(zoop.notifications).toBeUndefined();
  });

  test("sends the key as the user of Basic, and the marketplace in the path", async () => {
    const { run, account, seller, host } = await world();
    const sent: Request[] = [];
    const connection = { credentials: account.credentials, settings: account.settings, baseUrl: zoop.hosts.live };
    const http = zoop.native!.client(connection, (request) => {
      sent.push(request);
      return host.fetch(request);
    });
    const tool = zoop.native!.tools.find(({ name }) => name === "get_seller")!;
    await http.ask(tool.request({ id: seller }, { reference: REFERENCE }), z.unknown(), newCall(new FakeClock()));
    expect(sent[0]!.url).toBe(`https://api.zoop.ws/v1/marketplaces/${account.settings["marketplace_id"]}/sellers/${seller}`);
    expect(sent[0]!.headers.get("authorization")).toBe(`Basic ${btoa(`${account.credentials["api_key"]}:`)}`);
    expect(await run("get_seller", { id: seller })).toMatchObject({ id: seller, resource: "seller", status: "active" });
  });

  test.each([
    ["api_key", { credentials: {}, settings: { marketplace_id: "m" } }],
    ["marketplace_id", { credentials: { api_key: "zpk_test_x" }, settings: {} }],
  ])("without %s sends nothing and names what is missing", (setting, connection) => {
    const connect = () => zoop.native!.client({ ...connection, baseUrl: zoop.hosts.test }, () => Promise.reject(new Error("it was sent")));
    expect(connect).toThrow(SetupMissing);
    expect(connect).toThrow(setting);
  });

  test("tells a refused connection from a lost answer", async () => {
    const { run, fault, seller } = await world();
    const charge = { on_behalf_of: seller, amount: 1990 };
    fault({ kind: "refused" });
    await expect(run("create_pix_payment", charge)).rejects.toBeInstanceOf(NotReached);
    fault({ kind: "reset_after" });
    await expect(run("create_pix_payment", charge)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect((await run("list_transactions", {}))["total"]).toBe(1);
  });

  test("shows the key in no log and no refusal", async () => {
    const { run, refused, host, account } = await world();
    await run("list_sellers", {});
    const refusal = await refused("list_sellers", {}, { credentials: { api_key: "zpk_test_another" } });
    expect(refusal).toEqual(error(401, "authentication_failed"));
    const shown = JSON.stringify([host.requests("zoop"), refusal]);
    expect(shown).not.toContain(account.credentials["api_key"]);
    expect(shown).not.toContain(btoa(`${account.credentials["api_key"]}:`));
  });
});

describe("a Pix payment", () => {
  test("is a transaction with our reference and a code to pay, and is paid by itself", async () => {
    const { run, seller, last, rest } = await world();
    const made = await run("create_pix_payment", { on_behalf_of: seller, amount: 1990, description: "Pedido 17" }, { reference: REFERENCE });
    expect(JSON.parse(last().body)).toEqual({
      reference_id: REFERENCE, currency: "BRL", payment_type: "pix", on_behalf_of: seller, amount: 1990, description: "Pedido 17",
    });
    expect(made).toMatchObject({ resource: "transaction", status: "pending", amount: "19.90", reference_id: REFERENCE, payment_type: "pix" });
    expect(parseBrCode(made["payment_method"].qr_code.emv)).toMatchObject({ ok: true, code: { kind: "dynamic", amountMinor: 1990n } });
    await rest();
    expect(await run("get_pix_payment", { id: made["id"] })).toMatchObject({ status: "succeeded", history: [{ operation_type: "created" }, { status: "succeeded" }] });
    expect(await run("get_balance", { seller_id: seller })).toEqual({ items: { current_balance: "19.90", account_balance: "19.90" } });
  });

  test("of an amount that ends in 14 is never paid, and so cannot be given back", async () => {
    const { run, seller, rest, refused } = await world();
    const { id } = await run("create_pix_payment", { on_behalf_of: seller, amount: 1014 });
    await rest();
    expect(await run("get_transaction", { id })).toMatchObject({ status: "pending" });
    expect(await refused("refund_transaction", { id, on_behalf_of: seller })).toEqual(error(402, "void_transaction_error"));
  });
});

describe("a transaction", () => {
  const card = { payment_type: "credit", token: "0123456789abcdef0123456789abcdef" };

  test("by card is done at once, and can be given back in parts until nothing is left", async () => {
    const { run, seller, last } = await world();
    const { id, status } = await run("create_transaction", { ...card, on_behalf_of: seller, amount: 10_000 });
    expect(status).toBe("succeeded");
    const part = await run("refund_transaction", { id, on_behalf_of: seller, amount: 2_500 });
    expect([last().method, last().path.replace(/^.*\/transactions/, "/transactions")]).toEqual(["POST", `/transactions/${id}/void`]);
    expect(part).toMatchObject({ status: "succeeded", amount: "75.00", original_amount: "100.00", voided: false });
    const whole = await run("refund_transaction", { id, on_behalf_of: seller });
    expect(whole).toMatchObject({ status: "canceled", amount: "0.00", original_amount: "100.00", voided: true });
    expect((await run("get_balance", { seller_id: seller }))["items"].current_balance).toBe("0.00");
  });

  test("by boleto needs a buyer, and is paid by itself", async () => {
    const { run, seller, refused, rest } = await world();
    const boleto = { payment_type: "boleto", on_behalf_of: seller, amount: 4990, payment_method: { expiration_date: "2026-12-01", body_instructions: ["Não receber após o vencimento"] } };
    expect(await refused("create_transaction", boleto)).toEqual(error(400, "missing_required_param"));
    const { id: customer } = await run("create_buyer", { first_name: "Maria", last_name: "Silva", email: "maria@example.com", taxpayer_id: "529.982.247-25" });
    const made = await run("create_transaction", { ...boleto, customer });
    expect(made["payment_method"]).toMatchObject({ resource: "boleto", url: expect.stringMatching(/^https:/), barcode: expect.stringMatching(/^\d{44}$/), expiration_date: "2026-12-01" });
    await rest();
    expect((await run("list_transactions", { payment_type: "boleto", status: "succeeded" }))["items"]).toMatchObject([{ id: made["id"], customer }]);
    expect((await run("list_transactions", { status: "pending" }))["items"]).toEqual([]);
  });

  test.each([
    [{ ...card, amount: 49 }, error(400, "transaction_amount_error")],
    [{ ...card, amount: 1018 }, error(402, "authorization_refused", "card_error")],
    [{ ...card, amount: 1051 }, error(402, "insufficient_funds_error", "card_error")],
    [{ payment_type: "credit", amount: 1000 }, error(400, "missing_required_param")],
    [{ ...card, amount: 1000, on_behalf_of: "0".repeat(32) }, error(404, "resource_not_found")],
    [{ ...card, amount: 1000, customer: "0".repeat(32) }, error(404, "resource_not_found")],
  ])("like %j is refused", async (change, expected) => {
    const { refused, seller } = await world();
    expect(await refused("create_transaction", { on_behalf_of: seller, ...change })).toEqual(expected);
  });

  test("of one marketplace does not exist in another, and belongs to its seller", async () => {
    const { run, seller, refused, host, account } = await world();
    const { id } = await run("create_transaction", { ...card, on_behalf_of: seller, amount: 1_000 });
    expect(await refused("refund_transaction", { id, on_behalf_of: "0".repeat(32) })).toEqual(error(404, "resource_not_found"));
    const other = await host.openAccount("zoop", { webhookUrl: "https://codespar.example/other" });
    expect(await refused("get_transaction", { id }, { credentials: other.credentials })).toEqual(error(404, "resource_not_found"));
    expect(account.settings["marketplace_id"]).not.toBe(other.settings["marketplace_id"]);
  });

  test("with an amount that is no whole number of centavos is not sent", () => {
    const tool = zoop.native!.tools.find(({ name }) => name === "create_transaction")!;
    expect(tool.input.safeParse({ ...card, on_behalf_of: "s", amount: 19.9 }).success).toBe(false);
  });
});

describe("sellers and buyers", () => {
  test("are individuals by CPF or businesses by CNPJ, each on its own path", async () => {
    const { run, last } = await world();
    const individual = await run("create_seller", { type: "individual", first_name: "João", last_name: "Reis", email: "joao@example.com", taxpayer_id: "52998224725" });
    expect(last().path).toMatch(/\/sellers\/individuals$/);
    const owner = { first_name: "Ana", last_name: "Reis", email: "ana@example.com", taxpayer_id: "52998224725" };
    const business = await run("create_seller", { type: "business", business_name: "Reis Ltda", ein: "11.222.333/0001-81", business_email: "reis@example.com", owner });
    expect(last().path).toMatch(/\/sellers\/businesses$/);
    expect(JSON.parse(last().body)).not.toHaveProperty("type");
    expect(business).toMatchObject({ type: "business", business_name: "Reis Ltda", owner: { first_name: "Ana" } });
    const { items, total } = await run("list_sellers", { limit: 2, sort: "time-descending" });
    expect([items.map(({ id }: { id: string }) => id), total]).toEqual([[business["id"], individual["id"]], 3]);
  });

  test("need the fields of their kind, a true tax id, and one that is not taken", async () => {
    const { run, refused } = await world();
    const buyer = { first_name: "Maria", last_name: "Silva", email: "maria@example.com", taxpayer_id: "52998224725" };
    await run("create_buyer", buyer);
    expect(await refused("create_buyer", buyer)).toEqual(error(409, "duplicate_taxpayer_id"));
    expect(await refused("create_buyer", { ...buyer, taxpayer_id: "52998224726" })).toEqual(error(400, "invalid_parameter"));
    expect(await refused("create_seller", { type: "business", business_name: "Reis Ltda" })).toEqual(error(400, "missing_required_param"));
    expect(await refused("get_balance", { seller_id: "0".repeat(32) })).toEqual(error(404, "resource_not_found"));
  });
});
