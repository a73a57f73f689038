/** Two providers on one rail: who is chosen and why, and when the other may be tried. */
import { randomUUID } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced, postings } from "../../support/money.ts";

const others = ["ebanx", "iugu", "pagseguro"];
const app = await startApp({ without: others });
const { sql } = app.platform.db;

const MINUTE = 60_000;
const notConnected = others.map((provider) => ({ provider, rail: `${provider}-pix`, rank: -1, verdict: "skipped", reason: "not connected" }));
const charge = (input: object = {}) => app.run("codespar_charge", { ...mariaCharge, idempotency_key: randomUUID(), ...input });
const toolCall = (id: string | null) => app.call("toolCalls.get", { tool_call_id: id! });
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });

const failOver = (isOn: boolean) =>
  sql`update projects set settings = settings || ${sql.json({ failoverWhenNotReached: isOn })} where environment = 'test'`;

/** How many movements each provider was asked for under a key. Refused connections never reach it. */
const sentTo = (key: string | undefined) => {
  const asked = (provider: string, path: RegExp) => app.twins!.requests(provider)
    .filter((request) => request.method === "POST" && path.test(request.path) && key !== undefined && request.body.includes(key)).length;
  return { asaas: asked("asaas", /\/(payments|transfers)$/), "mercado-pago": asked("mercado-pago", /\/(payments|process)$/) };
};

/** As many refused connections as it takes for the router to pass Asaas over. */
async function degradeAsaas(): Promise<void> {
  app.twins!.setFault("asaas", { kind: "down" });
  for (let attempt = 0; attempt < 5; attempt++) expect(await charge()).toMatchObject({ success: false, outcome: "not_reached" });
  await app.twins!.clearFaults("asaas");
}

afterEach(async () => {
  await failOver(false);
  for (const provider of ["asaas", "mercado-pago"]) await app.twins!.clearFaults(provider);
  await app.pass(10_000);
  await app.clock.advance(6 * MINUTE); // what failed is forgotten
  await app.settle();
});

test("the first of the rail is chosen, and the second is named as the next", async () => {
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, provider: "asaas", rail: "asaas-pix" });
  expect(await toolCall(answer.tool_call_id)).toMatchObject({
    routing: [
      { provider: "asaas", rail: "asaas-pix", rank: 0, verdict: "chosen", reason: "priority 1 of the rail, connected" },
      { provider: "mercado-pago", rail: "mercado-pago-pix", rank: 1, verdict: "next", reason: "priority 2 of the rail, connected" },
      ...notConnected,
    ],
    failover_trail: [],
  });
});

test("while Asaas is degraded a charge goes to Mercado Pago, and says why", async () => {
  await degradeAsaas();
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, outcome: "accepted", provider: "mercado-pago", rail: "mercado-pago-pix" });
  expect(answer.data).toMatchObject({ pix_copy_paste: expect.stringMatching(/^000201/), amount: 15_000 });
  const passedOver = { provider: "asaas", rail: "asaas-pix", rank: -1, verdict: "skipped", reason: "degraded: its recent requests failed" };
  expect(await toolCall(answer.tool_call_id)).toMatchObject({
    routing: [passedOver, { provider: "mercado-pago", rail: "mercado-pago-pix", rank: 0, verdict: "chosen", reason: "priority 2 of the rail, connected" }, ...notConnected],
    failover_trail: [passedOver],
  });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 0, "mercado-pago": 1 });
  const { rails } = await app.call("rails.list", { tool: "codespar_charge" });
  const ofBoth = rails.filter(({ method, provider }) => method === "pix" && ["asaas", "mercado-pago"].includes(provider));
  expect(ofBoth.map(({ provider, health }) => [provider, health])).toEqual([["asaas", "degraded"], ["mercado-pago", "healthy"]]);
  await app.pass(5_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", provider: "mercado-pago" });
  expect(await postings(app, answer.tool_call_id)).toEqual([
    "charge_settled: provider:mercado-pago:balance +14851, expense:fees:mercado-pago +149, income:sales -15000",
  ]);
});

test("so does a payout", async () => {
  await degradeAsaas();
  const answer = await app.run("codespar_pay", {
    amount: 8_000, currency: "BRL", method: "pix", recipient: { pix_key: "fornecedor@example.com" }, idempotency_key: randomUUID(),
  });
  expect(answer).toMatchObject({ success: true, provider: "mercado-pago", rail: "mercado-pago-pix" });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 0, "mercado-pago": 1 });
});

test("Asaas is chosen again when its failures are five minutes old", async () => {
  await degradeAsaas();
  expect(await charge()).toMatchObject({ provider: "mercado-pago" });
  await app.clock.advance(5 * MINUTE);
  expect(await charge()).toMatchObject({ success: true, provider: "asaas" });
});

test("refusals of what was asked degrade nobody", async () => {
  for (let attempt = 0; attempt < 6; attempt++) expect(await charge({ amount: 10_013 })).toMatchObject({ outcome: "declined" });
  expect(await charge()).toMatchObject({ success: true, provider: "asaas" });
});

test("a provider that the caller names is used, whichever comes first", async () => {
  const answer = await charge({ provider: "mercado-pago" });
  expect(answer).toMatchObject({ success: true, provider: "mercado-pago" });
  expect(await toolCall(answer.tool_call_id)).toMatchObject({
    routing: [{ provider: "mercado-pago", rank: 0, verdict: "chosen", reason: "named by the caller" }], failover_trail: [],
  });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 0, "mercado-pago": 1 });
});

test("a provider that the caller names is used even while it is degraded", async () => {
  await degradeAsaas();
  const answer = await charge({ provider: "asaas" });
  expect(answer).toMatchObject({ success: true, outcome: "accepted", provider: "asaas" });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 1, "mercado-pago": 0 });
});

test("a provider of another rail is refused with the names of the right ones", async () => {
  const key = randomUUID();
  expect(await charge({ provider: "z-api", idempotency_key: key })).toMatchObject({
    success: false, code: "provider_not_on_rail", field: "provider", retry: "never",
    error: expect.stringContaining("Providers on this rail: asaas, mercado-pago"),
  });
  expect(sentTo(key)).toEqual({ asaas: 0, "mercado-pago": 0 });
});

test("a request that never left is not tried elsewhere unless the project says so", async () => {
  app.twins!.setFault("asaas", { kind: "down" });
  const key = randomUUID();
  expect(await charge({ idempotency_key: key })).toMatchObject({
    success: false, code: "provider_unavailable", outcome: "not_reached", provider: "asaas", retry: "same_key",
  });
  expect(sentTo(key)).toEqual({ asaas: 0, "mercado-pago": 0 });
});

test("where the project says so, a request that never left goes to the next, and one provider has the payment", async () => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, outcome: "accepted", provider: "mercado-pago", rail: "mercado-pago-pix" });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 0, "mercado-pago": 1 });
  const attempts = await sql`select attempt, provider, outcome from dispatches where tool_call_id = ${answer.tool_call_id} order by attempt`;
  expect([...attempts]).toEqual([
    { attempt: 1, provider: "asaas", outcome: "not_reached" }, { attempt: 2, provider: "mercado-pago", outcome: "accepted" },
  ]);
  await app.pass(5_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", provider: "mercado-pago", final_amount_minor: 15_000 });
  expect(await postings(app, answer.tool_call_id)).toEqual([
    "charge_settled: provider:mercado-pago:balance +14851, expense:fees:mercado-pago +149, income:sales -15000",
  ]);
});

test("so does one whose preparation found the provider down", async () => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind: "down" });
  expect(await charge()).toMatchObject({ success: true, provider: "mercado-pago" });
});

test("the trail names the provider that could not be reached", async () => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ failover_trail: [{ provider: "asaas" }] });
});

test("when neither can be reached the call ends as not reached, and its key is free", async () => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  app.twins!.setFault("mercado-pago", { kind: "down" });
  const key = randomUUID();
  const answer = await charge({ idempotency_key: key });
  expect(answer).toMatchObject({ success: false, outcome: "not_reached", provider: "mercado-pago" });
  for (const provider of ["asaas", "mercado-pago"]) await app.twins!.clearFaults(provider);
  const again = await charge({ idempotency_key: key });
  expect(again).toMatchObject({ success: true, outcome: "accepted", provider: "asaas" });
  expect(sentTo(key)).toEqual({ asaas: 1, "mercado-pago": 0 });
});

test("a provider that the caller names has no next", async () => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind: "down" });
  const answer = await charge({ provider: "asaas" });
  expect(answer).toMatchObject({ success: false, outcome: "not_reached", provider: "asaas" });
});

test.each(["reset_after", "reset_before", "error_after", "truncated"] as const)("after %s the outcome is unknown, and no other provider is asked", async (kind) => {
  await failOver(true);
  app.twins!.setFault("asaas", { kind, method: "POST", path: "/payments$" });
  const answer = await charge();
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending", provider: "asaas" });
  await app.pass(2 * MINUTE);
  expect(await toolCall(answer.tool_call_id)).toMatchObject({ provider: "asaas", outcome: kind === "reset_before" ? "not_reached" : "accepted" });
  expect(sentTo(answer.idempotency_key)).toEqual({ asaas: 1, "mercado-pago": 0 });
});

test("a refusal is an answer, and no other provider is asked", async () => {
  await failOver(true);
  const key = randomUUID();
  expect(await charge({ amount: 10_013, idempotency_key: key })).toMatchObject({ success: false, outcome: "declined", provider: "asaas" });
  expect(sentTo(key)).toEqual({ asaas: 1, "mercado-pago": 0 });
});

test("at the end of it all the books balance", () => expectBalanced(app));
