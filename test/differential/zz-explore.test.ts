import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { startApp, mariaCharge } from "../support/app.ts";
import { newTenant } from "../support/tenants.ts";
import { Normalizer, rowsOf } from "../support/sameness.ts";
const app = await startApp();
const calls: [string, object][] = [
  ["codespar_charge", mariaCharge],
  ["codespar_pay", { amount: 2500, currency: "BRL", method: "pix", recipient: { pix_key: "maria@example.com", name: "Maria" } }],
  ["codespar_invoice", { type: "nfse", recipient: { name: "Maria Silva", document: "111.444.777-35" }, items: [{ amount: 15000 }] }],
  ["codespar_ship", { action: "label", destination: { postal_code: "01310-100", name: "Maria Silva", document: "111.444.777-35", phone: "+5511999998888", line_1: "Av Paulista", number: "1", city: "Sao Paulo", state: "SP" } }],
  ["codespar_ship", { action: "quote", destination: { postal_code: "01310-100" } }],
  ["codespar_notify", { channel: "whatsapp", to: "+5511999998888", message: "hi" }],
  ["codespar_crypto_pay", { amount: "29.90", currency: "USDC", direction: "send", recipient: { wallet_address: "0x52908400098527886E0F7030069857D2E4169EE7" }, network: "polygon" }],
  ["codespar_kyc", { subject: { name: "Maria Silva", document: "111.444.777-35", document_type: "cpf" }, check_type: "identity" }],
  ["codespar_discover", { use_case: "charge pix" }],
  ["codespar_manage_connections", { action: "list" }],
  ["codespar_nothing", { }],
  ["codespar_charge", { }],
];
test("explore", async () => {
  const tenants = await Promise.all([newTenant(app), newTenant(app)]);
  const sessions = await Promise.all(tenants.map((t) => t.session()));
  const answers: unknown[][] = [[], []];
  for (const [tool, input] of calls) {
    for (const n of [0, 1]) answers[n]!.push(await tenants[n]!.call("tools.execute", { session_id: sessions[n], tool, input }));
    await app.clock.advance(1);
  }
  await app.pass(10_000);
  for (const n of [0, 1]) {
    const normal = new Normalizer();
    writeFileSync(`/tmp/scratch/run-${n}.json`, JSON.stringify([normal.of(answers[n]), normal.ofRows(await rowsOf(app.platform.db, tenants[n]!.projectId))], null, 1));
  }
});
