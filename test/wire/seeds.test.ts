/**
 * The samples of the founding pages (FAQ, charge, pay, wallet, kyc), call by call over HTTP as a client makes them, reading
 * what the samples read. Their arguments stand here as they are printed, the wrong CPF of C-53 included.
 */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { pythonSdk } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
const codespar = typescriptSdk(wire.client);
const session = await codespar.create("user_123", { servers: ["stripe"] });
const settled = () => wire.app.pass(10_000);

/** What a sample reads off the envelope, where released types keep it in `data` (C-10). */
type Mirrored = Awaited<ReturnType<typeof session.execute>> & { status?: string; inquiry_id?: string; rail?: string };
const execute = async (tool: string, params: object) => (await session.execute(tool, params)) as Mirrored;

describe("the FAQ", () => {
  test("a payment without an agent: no recipient, no key", async () => {
    const result = await execute("codespar_pay", { method: "pix", amount: 5000, currency: "BRL" });
    expect(result).toMatchObject({ success: true, error: null, status: "pending", tool_call_id: expect.stringMatching(/^tc_/), data: { amount: 5000 } });
  });

  test("inbound by the wrapper, outbound by execute", async () => {
    const charge = await session.wrapped("charge", { amount: 14900, currency: "BRL", method: "pix", buyer: { name: "Maria Silva", document: "12345678900" } });
    expect(charge).toMatchObject({ status: "pending", amount: 14900 });
    const paid = await execute("codespar_pay", { amount: 14900, currency: "BRL", recipient: { document: "12345678900", pix_key: "vendor@example.com" } });
    expect(paid).toMatchObject({ success: true, rail: "asaas-pix" });
  });

  test("polling, and streaming until it is over", async () => {
    const charge = await session.wrapped("charge", { amount: 14900, currency: "BRL", method: "pix", buyer: { name: "Maria Silva", document: "12345678900" } });
    const status = (await session.paymentStatus(charge.tool_call_id)) as unknown as Record<string, unknown>;
    expect(status).toMatchObject({ state: "pending", provider: "asaas", external_reference: expect.any(String), events: expect.any(Array) });
    const seen: string[] = [];
    const streamed = session.paymentStatusStream(charge.tool_call_id, (s) => seen.push((s as unknown as { state: string }).state));
    await settled();
    for (let passed = 0; passed < 10; passed += 1) await wire.app.pass(1_000);
    expect(await streamed).toMatchObject({ payment_status: "succeeded" });
    expect([seen[0], seen.at(-1)]).toEqual(["pending", "succeeded"]);
  });

  test("an NF-e for goods", async () => {
    const result = await execute("codespar_invoice", {
      rail: "nfe",
      customer: {
        name: "Maria Silva", document: "12345678900",
        address: { line_1: "Rua da Quitanda", number: "86", city: "Rio de Janeiro", state: "RJ", postal_code: "20040-002" },
      },
      items: [{ description: "Camiseta", amount: 14900, ncm: "61091000", cfop: "5102" }],
    });
    expect([result.error, result.success]).toEqual([null, true]);
    expect(result.data).toMatchObject({ id: expect.any(String), status: expect.any(String) });
  });

  test("a Mexican and an Argentine document follow the same shape", async () => {
    for (const rail of ["nfci", "factura_ar"]) {
      const document = rail === "nfci" ? "XAXX010101000" : "20123456786";
      const result = await execute("codespar_invoice", {
        rail, customer: { name: "Maria Silva", document, address: { zip: "64000", postal_code: "64000" } }, items: [{ description: "Consultoria", amount: 14900 }],
      });
      expect([rail, result.error, result.success]).toEqual([rail, null, true]);
    }
  });

  test("the wizard, by the server's name alone", async () => {
    const wiz = await session.connectionWizard("asaas" as never);
    expect(wiz).toMatchObject({ current_status: "connected", dashboard_url: expect.stringMatching(/^https?:\/\/.*\/dashboard\/connections/) });
  });

  test("a server's own tools, under the names that the page prints", async () => {
    const created = await execute("mercadopago_create_preference", { items: [{ title: "Order #1234", quantity: 1, unit_price: 149 }] });
    expect(created).toMatchObject({ success: true, server: "mercado-pago", data: { id: expect.any(String) } });
    const refused = await execute("stripe_create_subscription", {});
    expect(refused).toMatchObject({ success: false, error: expect.stringMatching(/^invalid_args/) });
    expect((await session.tools()).map(({ name }) => name)).toContain("stripe__create_subscription");
  });

  test("the payment servers of the catalogue are at least twelve", async () => {
    const headers = { authorization: `Bearer ${wire.client.apiKey}`, "content-type": "application/json" };
    const { servers } = (await (await wire.fetch(`${wire.baseUrl}/v1/servers?category=payments`, { headers })).json()) as { servers: { category: string }[] };
    expect(servers.length).toBeGreaterThanOrEqual(12);
    expect(new Set(servers.map(({ category }) => category))).toEqual(new Set(["payments"]));
  });
});

const order = {
  amount: 9990, currency: "BRL", method: "pix", description: "Order #1234",
  buyer: { name: "Maria Silva", document: "12345678900", phone: "+5511999998888" },
};

describe("codespar_charge", () => {
  test("the wrapper in TypeScript and in Python", async () => {
    const sample = { ...order, metadata: { order_id: "1234" } };
    const charge = await session.wrapped("charge", sample);
    expect([charge.id, charge.pix_copy_paste, charge.tool_call_id]).toEqual([expect.any(String), expect.stringMatching(/^000201/), expect.stringMatching(/^tc_/)]);
    const python = await pythonSdk(wire.client).create("user_123", { servers: ["asaas"] });
    expect(await python.charge(sample)).toMatchObject({ id: expect.any(String), pix_copy_paste: expect.stringMatching(/^000201/) });
    expect(await wire.app.call("toolCalls.get", { tool_call_id: charge.tool_call_id })).toMatchObject({ metadata: { order_id: "1234" } });
  });

  test("direct execute", async () => {
    expect(await execute("codespar_charge", order)).toMatchObject({ success: true, data: { pix_copy_paste: expect.stringMatching(/^000201/) } });
  });

  test("charge, then ask until it is over", async () => {
    const charge = await session.wrapped("charge", order);
    let status = (await session.paymentStatus(charge.tool_call_id)) as unknown as { status: string };
    for (let asked = 0; status.status === "pending" && asked < 30; asked += 1) {
      await wire.app.pass(2_000);
      status = (await session.paymentStatus(charge.tool_call_id)) as unknown as { status: string };
    }
    expect(status.status).toBe("succeeded");
  });
});

describe("codespar_pay", () => {
  test("direct execute, in TypeScript and in Python, and what became of it", async () => {
    const sample = () => ({
      amount: 25000, currency: "BRL", method: "pix", recipient: { document: "12345678900", pix_key: "vendor@example.com" }, idempotency_key: randomUUID(),
    });
    const result = await execute("codespar_pay", sample());
    expect([result.tool_call_id, result.status, result.rail]).toEqual([expect.stringMatching(/^tc_/), "pending", "asaas-pix"]);
    const python = await pythonSdk(wire.client).create("user_123", { servers: ["asaas"] });
    const again = (await python.execute("codespar_pay", sample())) as Mirrored;
    expect([again["tool_call_id"], again["status"]]).toEqual([expect.stringMatching(/^tc_/), "pending"]);
    await settled();
    expect(await session.paymentStatus(result.tool_call_id!)).toMatchObject({ status: "succeeded", final_amount_minor: 25000, settled_at: expect.any(String) });
  });
});

describe("codespar_wallet", () => {
  test("fund, check, spend", async () => {
    const received = await execute("codespar_wallet", { action: "receive", amount: 15000, description: "Top up" });
    expect(received.data).toMatchObject({ pix_copia_e_cola: expect.stringMatching(/^00020126|^000201/) });
    await settled();
    expect((await execute("codespar_wallet", { action: "balance" })).data).toMatchObject({ balance: 15000, pix_key: null });
    const { token } = await wire.app.call("consents.create", {
      agent_id: "shopper",
      intent: {
        purpose: "spending", cap_minor: 50_000, per_tx_cap_minor: 50_000, currency: "BRL",
        slots: [{ currency: "BRL", rail: "pix", cap_minor: 50_000, per_tx_cap_minor: 50_000 }, { currency: "USDC", rail: "usdc", cap_minor: 9_000_000, per_tx_cap_minor: 9_000_000 }],
      },
    });
    const { mandate_id: mandateId } = await wire.app.call("consents.submit", { token, consumer_id: "user_123" });
    expect(await execute("codespar_pay", { recipient: "vendor@example.com", amount: 9_000, mandateId })).toMatchObject({ success: true, status: "pending" });
    await settled();
    expect((await execute("codespar_wallet", {})).data).toMatchObject({ balance: 6_000 });
    expect((await execute("codespar_wallet", { action: "statement" })).data).toMatchObject({ entries: [{ kind: "debit" }, { kind: "hold" }, { kind: "fund" }] });
  });
});

describe("codespar_kyc", () => {
  test("an inquiry is opened, and asked about until there is a verdict", async () => {
    const inquiry = await execute("codespar_kyc", {
      operation: "create_inquiry",
      subject: { name: "Maria Silva", document: "12345678900", email: "maria@example.com", document_type: "cpf" },
      metadata: { order_id: "1234" },
    });
    expect([inquiry.tool_call_id, inquiry.inquiry_id, inquiry.status]).toEqual([expect.stringMatching(/^tc_/), expect.any(String), "pending"]);
    const seen: string[] = [];
    const streamed = session.verificationStatusStream(inquiry.tool_call_id!, (s) => seen.push((s as unknown as { status: string }).status));
    let v = (await session.verificationStatus(inquiry.tool_call_id!)) as unknown as { status: string };
    for (let asked = 0; v.status === "pending" && asked < 30; asked += 1) {
      await wire.app.pass(3_000);
      v = (await session.verificationStatus(inquiry.tool_call_id!)) as unknown as { status: string };
    }
    expect(["approved", "rejected", "review", "expired"]).toContain(v.status);
    for (let passed = 0; passed < 10; passed += 1) await wire.app.pass(1_000);
    expect(await streamed).toMatchObject({ verification_status: v.status });
    expect(seen.at(-1)).toBe(v.status);
  });
});
