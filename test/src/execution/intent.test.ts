/** What an agent plans again within one run is the same effect, however it words it; what differs in substance is another. */
import { expect, test } from "vitest";
import { newId } from "../../../schema/ids.ts";
import type { Origin } from "../../../schema/tool-calls.ts";
import { execute } from "../../../src/execution/execute.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { askedOf, supplierPayout, testPrincipal } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });
const principal = await testPrincipal(app);
const sessionId = await app.session();

/** The tool uses of one run. What a model writes beside the arguments it is shown is dropped before it means anything. */
function newRun(origin: Origin = "agent"): (tool: string, input: object) => ReturnType<typeof execute> {
  const runId = newId("run", app.clock.now());
  return (tool, input) => execute(app.platform, { principal, sessionId, runId, origin, tool, input: { ...input } });
}
const sent = (what: "/payments" | "/transfers" = "/payments"): number => askedOf(app.twins, what).length;

test.each([
  ["other words", { description: "Pedido 1234, obrigado!" }],
  ["the document with dots", { buyer: { name: "MARIA  SILVA", document: "111.444.777-35" } }],
  ["another due date", { due_date: "2026-12-24" }],
  ["a key that the model made up", { idempotency_key: "please-do-it-again" }],
])("the same charge with %s is answered with the first, and nothing is sent", async (_what, rewording) => {
  const run = newRun();
  const first = await run("codespar_charge", { ...mariaCharge, buyer: { name: "Maria Silva", document: "11144477735" } });
  const before = sent();
  const again = await run("codespar_charge", { ...mariaCharge, ...rewording });
  expect(first).toMatchObject({ success: true, outcome: "accepted" });
  expect(again).toEqual({ ...first, replayed: true });
  expect(sent()).toBe(before);
});

test.each([
  ["another amount", { amount: 15_001 }],
  ["another payee", { buyer: { name: "Maria Silva", document: "52998224725" } }],
  ["another order", { metadata: { order_id: "1235" } }],
])("%s in the same run is a charge of its own", async (_what, difference) => {
  const run = newRun("mcp");
  const first = await run("codespar_charge", { ...mariaCharge, metadata: { order_id: "1234" } });
  const before = sent();
  const other = await run("codespar_charge", { ...mariaCharge, metadata: { order_id: "1234" }, ...difference });
  expect(other.replayed).toBeUndefined();
  expect(other.tool_call_id).not.toBe(first.tool_call_id);
  expect(sent()).toBe(before + 1);
});

test("a model that writes an amount in reais, and says so, charges reais", async () => {
  const answer = await newRun()("codespar_charge", { ...mariaCharge, amount: 150, amount_unit: "major" });
  expect(answer).toMatchObject({ success: true, data: { amount: 15_000 } });
});

test("without a document the e-mail names the payee, whatever its case", async () => {
  const run = newRun();
  const pay = (key: string) => run("codespar_pay", { ...supplierPayout, recipient: { pix_key: key } });
  const first = await pay("Fornecedor@Example.com");
  const before = sent("/transfers");
  expect(await pay(" fornecedor@example.com ")).toEqual({ ...first, replayed: true });
  expect(sent("/transfers")).toBe(before);
});

test("a payout to the same person under another Pix key is another payout", async () => {
  const run = newRun();
  await run("codespar_pay", { ...supplierPayout, recipient: { pix_key: "fornecedor@example.com" } });
  const before = sent("/transfers");
  await run("codespar_pay", { ...supplierPayout, recipient: { pix_key: "+5511999998888" } });
  expect(sent("/transfers")).toBe(before + 1);
});

test("a new run is a new intent", async () => {
  await newRun()("codespar_charge", mariaCharge);
  const before = sent();
  const other = await newRun()("codespar_charge", mariaCharge);
  expect(other.replayed).toBeUndefined();
  expect(sent()).toBe(before + 1);
});

test("direct calls are not merged without a key", async () => {
  const before = sent();
  const [first, second] = [await app.run("codespar_charge", mariaCharge), await app.run("codespar_charge", mariaCharge)];
  expect(second.tool_call_id).not.toBe(first.tool_call_id);
  expect(sent()).toBe(before + 2);
});

test("six uses of a tool at once within a run are one charge", async () => {
  const run = newRun();
  const before = sent();
  const answers = await Promise.all(Array.from({ length: 6 }, (_, index) => run("codespar_charge", { ...mariaCharge, description: `Try ${index}` })));
  expect(new Set(answers.map((answer) => answer.tool_call_id)).size).toBe(1);
  expect(sent()).toBe(before + 1);
});

test("a charge of unknown outcome is not sent again by its run", async () => {
  const run = newRun();
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/payments$" });
  const first = await run("codespar_charge", mariaCharge);
  const before = sent();
  const again = await run("codespar_charge", { ...mariaCharge, description: "Trying again" });
  expect(first).toMatchObject({ success: true, outcome: "unknown" });
  expect(again).toEqual({ ...first, replayed: true });
  expect(sent()).toBe(before);
});

test("a charge that never left may be tried again by its run", async () => {
  const run = newRun();
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  expect(await run("codespar_charge", mariaCharge)).toMatchObject({ success: false, outcome: "not_reached" });
  expect(await run("codespar_charge", mariaCharge)).toMatchObject({ success: true, outcome: "accepted" });
});

test("a declined charge stands for no intent: the agent may correct it and ask again in the same run", async () => {
  const run = newRun();
  const first = await run("codespar_charge", { ...mariaCharge, amount: 10_013 });
  const before = sent();
  const again = await run("codespar_charge", { ...mariaCharge, amount: 10_013, due_date: "2026-12-24" });
  expect(again).toMatchObject({ success: false, code: "provider_declined" });
  expect(again.tool_call_id).not.toBe(first.tool_call_id);
  expect(again.replayed).toBeUndefined();
  expect(sent()).toBe(before + 1);
});
