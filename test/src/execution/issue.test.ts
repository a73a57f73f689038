/** codespar_issue over Pomelo's twin: cards made, controlled and read, each once, in their own project. */
import { expect, test } from "vitest";
import { newId } from "../../../schema/ids.ts";
import { execute } from "../../../src/execution/execute.ts";
import { startApp } from "../../support/app.ts";
import { testPrincipal } from "../../support/money.ts";
import { newTenant } from "../../support/tenants.ts";

const app = await startApp();
const holder = { cardholder_id: "usr-1", program_id: "afg-1" };
const dataOf = ({ data }: { data: unknown }) => data as { id: string; status: string };
const requests = () => app.twins!.requests("pomelo").filter(({ path }) => path.startsWith("/cards"));

test("a virtual card is the default, and is active at once", async () => {
  const made = await app.run("codespar_issue", holder);
  expect(made).toMatchObject({
    success: true, error: null, provider: "pomelo",
    data: { id: expect.stringMatching(/^crd-/), status: "ACTIVE", card_type: "VIRTUAL", last_four: expect.stringMatching(/^\d{4}$/), ...holder, rail: "card-virtual" },
  });
});

test("a card is frozen, unfrozen, frozen again and cancelled, in one session", async () => {
  const session_id = await app.session();
  const act = async (input: object) => dataOf(await app.call("tools.execute", { session_id, tool: "codespar_issue", input })).status;
  const { id: card_id } = dataOf(await app.run("codespar_issue", holder));
  const states = [];
  for (const control of ["freeze", "unfreeze", "freeze", "cancel"]) states.push(await act({ action: "card-control", card_id, control, reason: "asked by its holder" }));
  expect(states).toEqual(["BLOCKED", "ACTIVE", "BLOCKED", "DISABLED"]);
  expect(await act({ action: "card-get", card_id })).toBe("DISABLED");
});

test("a physical card needs an address, and waits for its holder", async () => {
  const address = { line_1: "Rua Augusta", number: "100", city: "São Paulo", state: "SP", postal_code: "01305-000", country: "BR" };
  const made = await app.run("codespar_issue", { action: "card-physical", ...holder, shipping_address: address });
  expect(made).toMatchObject({ success: true, data: { status: "CREATED", card_type: "PHYSICAL" } });
});

test.each([
  ["action", { action: "card-clone" }],
  ["cardholder_id", { program_id: "afg-1" }],
  ["program_id", { cardholder_id: "usr-1" }],
  ["shipping_address", { action: "card-physical", ...holder }],
  ["card_id", { action: "card-control", control: "freeze" }],
  ["control", { action: "card-control", card_id: "crd-1" }],
  ["control", { action: "card-control", card_id: "crd-1", control: "delete" }],
  ["card_id", { action: "card-get" }],
])("what is missing or unknown is named, and nothing is sent: %s", async (field, input) => {
  const before = requests().length;
  expect(await app.run("codespar_issue", input)).toMatchObject({ success: false, code: "invalid_args", field });
  expect(requests().length).toBe(before);
});

test("a refusal of the issuer is passed on", async () => {
  expect(await app.run("codespar_issue", { ...holder, cardholder_id: "unknown-1" })).toMatchObject({
    success: false, code: "provider_declined", error: expect.stringContaining("There is no user unknown-1"),
  });
  expect(await app.run("codespar_issue", { action: "card-get", card_id: "crd-none" })).toMatchObject({ success: false, code: "provider_declined" });
});

test("a repeat under its key is the same card; without one it is another", async () => {
  const keyed = { ...holder, idempotency_key: "card-for-maria" };
  const first = await app.run("codespar_issue", keyed);
  const again = await app.run("codespar_issue", keyed);
  expect(again).toMatchObject({ success: true, replayed: true, data: first.data });
  expect(dataOf(await app.run("codespar_issue", holder)).id).not.toBe(dataOf(first).id);
  expect(await app.run("codespar_issue", { ...keyed, cardholder_id: "usr-2" })).toMatchObject({ success: false, code: "idempotency_conflict" });
});

test("an agent that asks twice in one run gets one card, and may freeze it as often as it is asked to", async () => {
  const principal = await testPrincipal(app);
  const [runId, sessionId] = [newId("run", app.clock.now()), await app.session()];
  const use = async (input: object) => dataOf(await execute(app.platform, { principal, sessionId, runId, origin: "agent", tool: "codespar_issue", input: { ...input } }));
  const { id: card_id } = await use({ ...holder, cardholder_id: "usr-run" });
  expect((await use({ ...holder, cardholder_id: "usr-run", reason: "again" })).id).toBe(card_id);
  const states = [];
  for (const control of ["freeze", "unfreeze", "freeze"]) states.push((await use({ action: "card-control", card_id, control })).status);
  expect(states).toEqual(["BLOCKED", "ACTIVE", "BLOCKED"]);
});

test("a card whose answer was lost is not issued twice, and is no failure", async () => {
  app.twins!.setFault("pomelo", { kind: "reset_after", method: "POST", path: "/cards/v1" });
  const before = requests().length;
  const lost = await app.run("codespar_issue", { ...holder, idempotency_key: "lost" });
  expect(lost).toMatchObject({ success: true, outcome: "unknown", data: { status: "pending" } });
  await app.pass(120_000);
  expect(await app.run("codespar_issue", { ...holder, idempotency_key: "lost" })).toMatchObject({ outcome: "unknown", replayed: true });
  expect(requests().length).toBe(before + 1);
});

test("a control whose answer was lost is found done", async () => {
  const { id: card_id } = dataOf(await app.run("codespar_issue", holder));
  app.twins!.setFault("pomelo", { kind: "reset_after", method: "PATCH", path: "/cards/v1" });
  const lost = await app.run("codespar_issue", { action: "card-control", card_id, control: "freeze" });
  expect(lost).toMatchObject({ success: true, outcome: "unknown" });
  await app.pass(5_000);
  expect(await app.call("toolCalls.get", { tool_call_id: lost.tool_call_id })).toMatchObject({ status: "success", output: { id: card_id, status: "BLOCKED" } });
});

test("another project's card is not there", async () => {
  const { id: card_id } = dataOf(await app.run("codespar_issue", holder));
  const other = await newTenant(app);
  expect(await other.run("codespar_issue", { action: "card-get", card_id })).toMatchObject({ success: false, code: "provider_declined" });
});
