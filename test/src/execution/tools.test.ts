/** Every meta-tool over its twin, from the call to what became of it. */
import { expect, test } from "vitest";
import { startApp } from "../../support/app.ts";

const app = await startApp();
const stateOf = async (id: string | null) => (await app.call("toolCalls.get", { tool_call_id: id })).state;

test("a payout leaves with the key it is correlated by, and settles", async () => {
  const pay = await app.run("codespar_pay", { amount: 25000, currency: "BRL", method: "pix", recipient: { document: "111.444.777-35", pix_key: "vendor@example.com" } });
  expect(pay).toMatchObject({ success: true, provider: "asaas", status: "pending", rail: "asaas-pix" });
  await app.pass(15_000);
  expect(await app.call("payments.status", { tool_call_id: pay.tool_call_id })).toMatchObject({ status: "succeeded", final_amount_minor: 25000 });
});

test("an NFS-e is authorized, with its number and PDF", async () => {
  const invoice = await app.run("codespar_invoice", { customer: { name: "Maria Silva", document: "111.444.777-35" }, items: [{ description: "Consulting", amount: 15000 }] });
  expect(invoice).toMatchObject({ success: true, provider: "nfe-io", rail: "nfse" });
  await app.pass(20_000);
  const row = await app.call("toolCalls.get", { tool_call_id: invoice.tool_call_id });
  expect(row.state).toBe("authorized");
  expect(row.output).toMatchObject({ status: "autorizada", number: expect.any(String), pdf_url: expect.stringContaining("http") });
});

test("invoices of Mexico and of Argentina are authorized at once, for buyers with a tax id of that country", async () => {
  const buyer = { name: "Dunder Mifflin", document: "ABC101010111", address: { zip: "85900", tax_system: "601" } };
  expect(await app.run("codespar_invoice", { type: "nfci", recipient: buyer, items: [{ description: "Ukelele", amount: 69120, quantity: 2 }] }))
    .toMatchObject({ success: true, provider: "facturapi", rail: "nfci", status: "autorizada" });
  const factura = await app.run("codespar_invoice", { type: "factura_ar", recipient: { name: "Almacén Sur SA", document: "30-50001091-2" }, items: [{ description: "Consultoría", amount: 121000 }] });
  expect(factura).toMatchObject({ success: true, provider: "afip", rail: "factura_ar", status: "autorizada", data: { number: "00001-00000001" } });
});

test("goods get an NF-e, with its number, key and DANFE", async () => {
  const address = { postal_code: "20040-002", street: "Avenida Rio Branco", number: "1", district: "Centro", city: "Rio de Janeiro", city_code: "3304557", state: "RJ" };
  const items = [{ description: "Caneca", amount: 4990, ncm: "69120000", cfop: "6108" }];
  const nfe = await app.run("codespar_invoice", { type: "nfe", recipient: { name: "Maria Silva", document: "111.444.777-35", address }, items });
  expect(nfe).toMatchObject({ success: true, provider: "focus-nfe", status: "processing" });
  await app.pass(20_000);
  const row = await app.call("toolCalls.get", { tool_call_id: nfe.tool_call_id });
  expect([row.state, row.output]).toMatchObject(["authorized", { status: "autorizada", number: "1", access_key: expect.stringMatching(/^\d{44}$/), pdf_url: expect.stringContaining("DANFE") }]);
});

test("a Correios label is bought, booked at its price, and can be tracked", async () => {
  const label = await app.run("codespar_ship", { action: "label", carrier: "correios", destination: { postal_code: "01310-100", name: "Maria Silva", document: "111.444.777-35" } });
  expect(label).toMatchObject({ success: true, provider: "melhor-envio", rail: "domestic-label" });
  const data = label.data as { label_url: string; cost_minor: number; carrier: string };
  expect(data).toMatchObject({ carrier: expect.stringMatching(/correios/i), label_url: expect.stringContaining("http") });
  const { transactions } = await app.call("ledger.transactions", { tool_call_id: label.tool_call_id });
  expect(transactions[0]!.entries.map(({ direction, amount_minor }) => [direction, amount_minor])).toEqual([["debit", String(data.cost_minor)], ["credit", String(data.cost_minor)]]);
});

test("a quote compares carriers and costs nothing", async () => {
  const quote = await app.run("codespar_ship", { action: "quote", destination: { postal_code: "01310-100" } });
  expect(quote.success).toBe(true);
  const { quotes } = quote.data as { quotes: { carrier: string; cost_minor: number }[] };
  expect(new Set(quotes.map(({ carrier }) => carrier)).size).toBeGreaterThan(1);
});

test("a WhatsApp message is sent and delivered", async () => {
  const message = await app.run("codespar_notify", { recipient: "+5511999998888", message: "Your order is on its way" });
  expect(message).toMatchObject({ success: true, provider: "z-api" });
  await app.pass(15_000);
  expect(await stateOf(message.tool_call_id)).toMatch(/^(delivered|read)$/);
});

test("a stablecoin withdrawal settles", async () => {
  const crypto = await app.run("codespar_crypto_pay", { amount: "29.90", currency: "USDC", direction: "send", network: "polygon", recipient: { wallet_address: "0x1111111111111111111111111111111111111111", country: "BR" } });
  expect(crypto).toMatchObject({ success: true, provider: "bitso", status: "pending" });
  await app.pass(15_000);
  expect(await app.call("payments.status", { tool_call_id: crypto.tool_call_id })).toMatchObject({ status: "succeeded", final_amount_minor: 29_900_000, currency: "USDC" });
});

test("an identity verification is approved, with the page the person finished it on", async () => {
  const kyc = await app.run("codespar_kyc", { operation: "create_inquiry", subject: { name: "Maria Silva", document: "12345678909", email: "maria@example.com", document_type: "cpf" } });
  expect(kyc).toMatchObject({ success: true, provider: "persona", status: "pending", inquiry_id: expect.stringMatching(/^inq_/) });
  await app.pass(20_000);
  expect(await app.call("verifications.status", { tool_call_id: kyc.tool_call_id })).toMatchObject({ status: "approved", hosted_url: expect.stringContaining("http") });
});

test("the books balance after all of it", async () => {
  expect(await app.call("ledger.trialBalance", {})).toMatchObject({ balanced: true });
});

test("discover finds the tool for a need, and says so when there is none", async () => {
  const found = await app.run("codespar_discover", { use_case: "charge a buyer with pix" });
  expect(found.data).toMatchObject({ recommended: { tool_name: "codespar_charge", server_id: "asaas", connection_status: "connected" } });
  const none = await app.run("codespar_discover", { use_case: "zzzz qqqq" });
  expect(none.data).toMatchObject({ search_strategy: "empty", recommended: null });
});

test("manage_connections lists the sandbox's connections and never asks for a credential", async () => {
  const list = await app.run("codespar_manage_connections", { action: "list" });
  expect((list.data as { connections: { status: string }[] }).connections.every(({ status }) => status === "connected")).toBe(true);
  const wizard = await app.run("codespar_manage_connections", { action: "initiate", server_id: "persona" });
  expect(wizard.data).toMatchObject({ action: "initiate", current_status: "connected", required_fields: expect.arrayContaining(["inquiry_template_id"]) });
  const { initiate } = wizard.data as { initiate: { instructions: string[] } };
  expect(initiate.instructions[0], "names a way that exists").toContain("POST /v1/connect/start with server_id persona");
});
