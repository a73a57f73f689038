/** Another provider is tried only when nothing left this machine and the project said so; what may have left stays where it went. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import type { RequestFaultKind } from "../../../providers/twin-faults.ts";
import { dispatch } from "../../../src/execution/dispatch.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced, postings, testPrincipal } from "../../support/money.ts";

const app = await startApp({ without: ["ebanx", "iugu", "pagseguro"] });
const { orgId, projectId } = await testPrincipal(app);
const { sql } = app.platform.db;

const LEASE_MS = 30_000;
const PAYMENTS = { method: "POST", path: "/payments$" } as const;
const charge = (key: string, changes: object = {}) => app.run("codespar_charge", { ...mariaCharge, ...changes, idempotency_key: key });
const status = (id: string | null) => app.call("payments.status", { tool_call_id: id });
/** Where a charge under this key was asked for, in the order of the asking. */
const askedAt = (key: string): string[] =>
  ["asaas", "mercado-pago"].flatMap((provider) =>
    app.twins!.requests(provider).filter(({ method, path, body }) => method === "POST" && path.endsWith("/payments") && body.includes(key)).map(() => provider));
const failover = (isOn: boolean) => sql`update projects set settings = settings || ${sql.json({ failoverWhenNotReached: isOn })} where id = ${projectId}`;

beforeEach(async () => {
  for (const provider of ["asaas", "mercado-pago"]) await app.twins!.clearFaults(provider);
  await sql`update dispatches set started_at = started_at - interval '1 hour'`; // what earlier tests broke does not count against a provider
  await failover(true);
});

test("a provider that is not reached is passed over for the next, under the same reference", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", ...PAYMENTS });
  const answer = await charge(key);
  expect(answer).toMatchObject({ success: true, outcome: "accepted", provider: "mercado-pago", rail: "mercado-pago-pix", idempotency_key: key });
  expect(askedAt(key)).toEqual(["mercado-pago"]);
  await app.pass(10_000);
  expect(await status(answer.tool_call_id)).toMatchObject({ status: "succeeded", provider: "mercado-pago", external_reference: key });
  expect(await postings(app, answer.tool_call_id)).toEqual([expect.stringMatching(/^charge_settled: provider:mercado-pago:balance /)]);
  expect(await charge(key)).toMatchObject({ replayed: true, tool_call_id: answer.tool_call_id });
});

test("where the project did not say so, no other provider is tried", async () => {
  const key = randomUUID();
  await failover(false);
  app.twins!.setFault("asaas", { kind: "refused", ...PAYMENTS });
  expect(await charge(key)).toMatchObject({ success: false, code: "provider_unavailable", outcome: "not_reached", provider: "asaas" });
  expect(askedAt(key)).toEqual([]);
});

test("a provider that the caller named is the only one tried", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", ...PAYMENTS });
  expect(await charge(key, { provider: "asaas" })).toMatchObject({ success: false, outcome: "not_reached" });
  expect(askedAt(key)).toEqual([]);
});

const left: RequestFaultKind[] = ["reset_before", "reset_after", "error_before", "error_after", "html", "truncated", "half_answer"];
test.each(left)("after %s the charge may have left, and goes nowhere else", async (kind) => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind, ...PAYMENTS });
  expect(await charge(key)).toMatchObject({ success: true, outcome: "unknown", provider: "asaas" });
  await app.pass(50_000);
  expect(askedAt(key)).toEqual(["asaas"]);
});

test("a refusal is an answer: the charge goes nowhere else", async () => {
  const key = randomUUID();
  expect(await charge(key, { amount: 10_013 })).toMatchObject({ success: false, outcome: "declined", provider: "asaas" });
  expect(askedAt(key)).toEqual(["asaas"]);
});

test("when none is reached the key is free again", async () => {
  const key = randomUUID();
  for (const provider of ["asaas", "mercado-pago"]) app.twins!.setFault(provider, { kind: "refused", ...PAYMENTS });
  expect(await charge(key)).toMatchObject({ success: false, outcome: "not_reached", provider: "mercado-pago", retry: "same_key" });
  expect(await charge(key)).toMatchObject({ success: true, outcome: "accepted", provider: "asaas" });
  expect(askedAt(key)).toEqual(["asaas"]);
});

test("a call whose process died under its second attempt is looked up where that one went", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", ...PAYMENTS });
  app.twins!.setFault("mercado-pago", { kind: "slow", ...PAYMENTS, delayMs: 10 * LEASE_MS });
  const abandoned = charge(key);
  await expect.poll(() => askedAt(key)).toEqual(["mercado-pago"]);
  await sleep(50); // the twin has applied it and begins to wait
  await app.pass(LEASE_MS + 10_000);
  const found = await charge(key);
  expect(found).toMatchObject({ success: true, outcome: "accepted", provider: "mercado-pago", replayed: true });
  expect(await status(found.tool_call_id)).toMatchObject({ status: "succeeded", provider: "mercado-pago" });
  await app.clock.advance(10 * LEASE_MS);
  expect(await abandoned).toMatchObject({ success: true, outcome: "accepted", tool_call_id: found.tool_call_id });
  expect(askedAt(key)).toEqual(["mercado-pago"]);
  expect(await postings(app, found.tool_call_id)).toHaveLength(1);
});

test("a process that wakes up late does not turn a call back to the provider it had in mind", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", ...PAYMENTS });
  app.twins!.setFault("mercado-pago", { kind: "slow", ...PAYMENTS, delayMs: 5_000 });
  const answer = charge(key);
  await expect.poll(() => askedAt(key)).toEqual(["mercado-pago"]);
  const [call] = await sql<{ id: string; connectionId: string; calledAt: Date }[]>`
    select t.id, c.id as "connectionId", t.called_at as "calledAt" from tool_calls t join connections c on c.project_id = t.project_id and c.server_id = 'asaas'
    where t.idempotency_key = ${key}`;
  const never = (): never => {
    throw new Error("it was sent a second time");
  };
  await dispatch(app.platform, {
    orgId, projectId, id: call!.id, reference: key, idempotencyKey: key, settings: {}, calledAt: call!.calledAt,
    targets: [{ provider: "asaas", rail: "asaas-pix", connectionId: call!.connectionId, perform: never }],
  });
  await sleep(50);
  await app.clock.advance(5_000);
  expect(await answer).toMatchObject({ success: true, outcome: "accepted", provider: "mercado-pago", rail: "mercado-pago-pix" });
});

test("at the end of it all the books balance", () => expectBalanced(app));
