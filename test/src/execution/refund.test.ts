/** Charges given back: in whole, in parts, never more than came in, and booked once whoever tells of it. */
import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import type { TwinFault } from "../../../providers/twin-faults.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced, postings } from "../../support/money.ts";

const app = await startApp();
const { sql } = app.platform.db;
const MINUTE = 60_000;
const SETTLED = "charge_settled: provider:asaas:balance +14801, expense:fees:asaas +199, income:sales -15000";
const given = (key: "charge_refunded" | "charge_returned", amount: number, provider = "asaas") =>
  `${key}: income:sales +${amount}, provider:${provider}:balance -${amount}`;

/** A charge that was paid, at a provider that is named. */
async function paidCharge(change: object = {}): Promise<string> {
  const { tool_call_id: id } = await app.run("codespar_charge", { ...mariaCharge, provider: "asaas", idempotency_key: randomUUID(), ...change });
  await app.pass(5_000);
  return id!;
}
const refund = (refund_of: string, change: object = {}) => app.run("codespar_pay", { refund_of, idempotency_key: randomUUID(), ...change });
/** Time in steps of a minute: lookups are far apart. */
const later = async (minutes: number): Promise<void> => {
  for (let passed = 0; passed < minutes; passed++) {
    await app.clock.advance(MINUTE);
    await app.settle();
  }
};
const status = async (id: string | null) => (await app.call("payments.status", { tool_call_id: id })).status;
const setFault = (fault: TwinFault, server = "asaas") => app.twins!.setFault(server, fault);
const refOf = async (id: string) => (await sql<{ ref: string }[]>`select provider_ref as ref from tool_calls where id = ${id}`)[0]!.ref;
const askedFor = async (id: string, server = "asaas") => {
  const ref = await refOf(id);
  return app.twins!.requests(server).filter(({ method, path }) => method === "POST" && path.includes(ref) && /\/refunds?$/.test(path));
};
/** The provider gives the charge back without us, as its own pages would. */
const refundThere = async (id: string, body: object = {}) => {
  const session_id = (await app.call("sessions.create", { user_id: "maria", servers: ["asaas"] })).id;
  return app.call("tools.execute", { session_id, tool: "asaas/refund_payment", input: { id: await refOf(id), ...body } });
};

beforeEach(() => app.twins!.clearFaults("asaas"));

test("a charge is given back in full, by a call and a movement of its own", async () => {
  const charge = await paidCharge();
  const answer = await refund(charge);
  expect(answer).toMatchObject({
    success: true, error: null, provider: "asaas",
    data: { status: "succeeded", settled: true, amount: 15_000, currency: "BRL", method: "pix", rail: "refund", provider: "asaas" },
  });
  await app.pass(5_000);
  expect([await status(charge), await status(answer.tool_call_id)]).toEqual(["refunded", "succeeded"]);
  expect(await postings(app, charge)).toEqual([SETTLED]);
  expect(await postings(app, answer.tool_call_id)).toEqual([given("charge_refunded", 15_000)]);
  expect(await askedFor(charge)).toHaveLength(1);
  await expectBalanced(app);
});

test("a charge is given back in parts, the last of them without an amount", async () => {
  const charge = await paidCharge();
  const first = await refund(charge, { amount: 4_000, description: "Damaged" });
  await app.pass(5_000);
  expect(await status(charge)).toBe("succeeded");
  const rest = await refund(charge);
  expect(rest.data).toMatchObject({ amount: 11_000, status: "succeeded" });
  await app.pass(5_000);
  expect(await status(charge)).toBe("refunded");
  expect([await postings(app, charge), await postings(app, first.tool_call_id), await postings(app, rest.tool_call_id)]).toEqual([
    [SETTLED], [given("charge_refunded", 4_000)], [given("charge_refunded", 11_000)],
  ]);
  const bodies = (await askedFor(charge)).map(({ body }) => JSON.parse(body));
  expect(bodies).toEqual([{ value: 40, description: expect.stringMatching(/^[0-9a-f-]{36} Damaged$/) }, { value: 110, description: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
});

test("more than is left is refused, and nothing is sent", async () => {
  const charge = await paidCharge();
  await refund(charge, { amount: 10_000 });
  const answer = await refund(charge, { amount: 5_001 });
  expect(answer).toMatchObject({ success: false, code: "refund_refused", field: "refund_of", retry: "never" });
  expect(answer.error).toMatch(/R\$\s50,00 of it is left to give back, and R\$\s50,01 was asked for/);
  expect(await askedFor(charge)).toHaveLength(1);
  expect(await refund(charge, { amount: 5_000 })).toMatchObject({ success: true });
});

test("of two refunds at once that together are too much, one is refused", async () => {
  const charge = await paidCharge();
  const answers = await Promise.all([refund(charge, { amount: 9_000 }), refund(charge, { amount: 9_000 }), refund(charge)]);
  const made = answers.filter(({ success }) => success);
  const total = made.reduce((sum, { data }) => sum + (data as { amount: number }).amount, 0);
  expect(total).toBeLessThanOrEqual(15_000);
  expect(answers.filter(({ code }) => code === "refund_refused").length).toBe(answers.length - made.length);
  expect(await askedFor(charge)).toHaveLength(made.length);
});

test("a refund repeated under its key is one refund, though nothing is left of the charge", async () => {
  const charge = await paidCharge();
  const idempotency_key = randomUUID();
  const first = await refund(charge, { idempotency_key });
  await app.pass(5_000);
  expect(await refund(charge, { idempotency_key })).toMatchObject({ success: true, replayed: true, tool_call_id: first.tool_call_id });
  expect(await refund(charge)).toMatchObject({ success: false, code: "refund_refused" });
  expect(await askedFor(charge)).toHaveLength(1);
});

describe("a refund is refused", () => {
  test("of a charge that was not paid", async () => {
    const charge = await paidCharge({ amount: 15_014 });
    const answer = await refund(charge);
    expect(answer).toMatchObject({ success: false, code: "refund_refused" });
    expect(answer.error).toMatch(/only a charge that was paid can be/);
  });

  test("of a payout, of a call of another project and of none", async () => {
    const payout = await app.run("codespar_pay", { amount: 700, recipient: "maria@example.com", provider: "asaas" });
    await app.pass(5_000);
    expect(await refund(payout.tool_call_id!)).toMatchObject({ success: false, code: "refund_refused", error: expect.stringMatching(/it is no charge/) });
    const charge = await paidCharge();
    await sql`update tool_calls set project_id = 'prj_other' where id = ${charge}`;
    expect(await refund(charge)).toMatchObject({ success: false, code: "tool_call_not_found" });
    expect(await refund("tc_0000000000000000000000")).toMatchObject({ success: false });
  });

  test("of a boleto at Asaas, which gives its payer a form to fill in", async () => {
    const charge = await paidCharge({ method: "boleto", due_date: "2026-12-24" });
    expect(await refund(charge)).toMatchObject({ success: false, code: "provider_declined", error: expect.stringMatching(/by a form/) });
    expect(await askedFor(charge)).toEqual([]);
    expect(await postings(app, charge)).toEqual([SETTLED]);
  });

  test.each([
    ["recipient", { recipient: "maria@example.com" }], ["copia_e_cola", { copia_e_cola: "000201" }], ["provider", { provider: "mercado-pago" }],
    ["currency", { currency: "USD" }], ["mandateId", { mandateId: "mdt_1" }],
  ])("when its %s names another way", async (field, change) => {
    const charge = await paidCharge();
    expect(await refund(charge, change)).toMatchObject({ success: false, code: "invalid_args", field });
    expect(await askedFor(charge)).toEqual([]);
  });

  test("once the connection that took the money is gone, whatever else is connected", async () => {
    const charge = await paidCharge();
    const [connection] = await sql<{ id: string }[]>`select connection_id as id from tool_calls where id = ${charge}`;
    await sql`update connections set status = 'revoked' where id = ${connection!.id}`;
    expect(await refund(charge)).toMatchObject({ success: false, code: "provider_not_connected" });
    await sql`update connections set status = 'connected' where id = ${connection!.id}`;
    expect(await refund(charge)).toMatchObject({ success: true });
  });
});

test("a model cannot give money back: the argument is not its own", async () => {
  const { data } = await app.run("codespar_discover", { use_case: "refund a charge" });
  expect(JSON.stringify(data)).not.toContain("refund_of");
  const { tools } = await app.call("sessions.connections", { session_id: await app.session() });
  expect(JSON.stringify(tools)).not.toContain("refund_of");
});

describe("a refund whose answer was lost", () => {
  test("is found, and not sent again", async () => {
    const charge = await paidCharge();
    setFault({ kind: "reset_after", method: "POST", path: "/refund$" });
    const answer = await refund(charge, { amount: 4_000 });
    expect(answer).toMatchObject({ success: true, outcome: "unknown" });
    await app.pass(MINUTE);
    expect(await status(answer.tool_call_id)).toBe("succeeded");
    expect(await postings(app, answer.tool_call_id)).toEqual([given("charge_refunded", 4_000)]);
    expect(await askedFor(charge)).toHaveLength(1);
  });

  test("counts as given back until it is known", async () => {
    const charge = await paidCharge();
    setFault({ kind: "reset_before", method: "POST", path: "/refund$" });
    const answer = await refund(charge);
    expect(answer).toMatchObject({ outcome: "unknown" });
    expect(await refund(charge, { amount: 1 })).toMatchObject({ success: false, code: "refund_refused" });
    await later(30);
    expect(await status(answer.tool_call_id)).toBe("failed");
    expect(await refund(charge)).toMatchObject({ success: true, data: { amount: 15_000 } });
  });

  test("and that never arrived, of a charge that its provider then gave back itself, leaves true books", async () => {
    const charge = await paidCharge();
    setFault({ kind: "reset_before", method: "POST", path: "/refund$" });
    const answer = await refund(charge);
    await refundThere(charge, { value: 100 });
    await refundThere(charge, { value: 50 });
    await app.pass(5_000);
    expect([await status(charge), await postings(app, charge)]).toEqual(["refunded", [SETTLED]]);
    await later(30);
    expect(await status(answer.tool_call_id)).toBe("failed");
    expect(await postings(app, charge)).toEqual([SETTLED, given("charge_returned", 15_000)]);
    expect(await postings(app, answer.tool_call_id)).toEqual([]);
    await later(180);
    expect(await postings(app, charge)).toHaveLength(2);
    await expectBalanced(app);
  });
});

test("a refund that its provider may have made without us is not denied", async () => {
  const charge = await paidCharge();
  setFault({ kind: "reset_before", method: "POST", path: "/refund$" });
  const answer = await refund(charge);
  await refundThere(charge);
  await later(15);
  expect([await status(charge), await status(answer.tool_call_id)]).toEqual(["refunded", "pending"]);
});

describe("a refund whose process died before it was sent", () => {
  /** The call as that process leaves it: claimed, and no more. */
  async function abandoned(charge: string): Promise<string> {
    setFault({ kind: "error_before", status: 400, method: "POST", path: "/refund$" });
    const { tool_call_id: id } = await refund(charge, { amount: 4_000 });
    await sql`delete from dispatches where tool_call_id = ${id}`;
    await sql`delete from settlement_events where tool_call_id = ${id}`;
    await sql`
      update tool_calls set status = 'running', outcome = null, state = null, output = null, provider_ref = null, finished_at = null, called_at = ${app.clock.now()},
        lease_until = ${app.clock.now()} where id = ${id}`;
    return id!;
  }

  test("is sent by whoever takes it over, to where its charge was made", async () => {
    const charge = await paidCharge();
    const id = await abandoned(charge);
    await app.pass(MINUTE);
    expect(await status(id)).toBe("succeeded");
    expect((await askedFor(charge)).map(({ body }) => (JSON.parse(body) as { value: number }).value)).toEqual([40, 40]);
    expect(await postings(app, id)).toEqual([given("charge_refunded", 4_000)]);
    const transfers = app.twins!.requests("asaas").filter(({ method, path }) => method === "POST" && path.endsWith("/transfers"));
    expect(transfers.filter(({ body }) => (JSON.parse(body) as { value: number }).value === 40)).toEqual([]);
  });
});

describe("what its provider gives back without us", () => {
  test("in full is booked as it always was", async () => {
    const charge = await paidCharge();
    await refundThere(charge);
    await app.pass(5_000);
    expect([await status(charge), await postings(app, charge)]).toEqual(["refunded", [SETTLED, given("charge_returned", 15_000)]]);
    expect(await refund(charge)).toMatchObject({ success: false, code: "refund_refused", error: expect.stringMatching(/given back in full/) });
  });

  test("after a part of ours is booked for the rest alone", async () => {
    const charge = await paidCharge();
    const part = await refund(charge, { amount: 4_000 });
    await refundThere(charge);
    await app.pass(5_000);
    expect([await postings(app, charge), await postings(app, part.tool_call_id)]).toEqual([
      [SETTLED, given("charge_returned", 11_000)], [given("charge_refunded", 4_000)],
    ]);
    await expectBalanced(app);
  });

  test("in part before ours is refused there, as more than is left", async () => {
    const charge = await paidCharge();
    await refundThere(charge, { value: 100 });
    await app.pass(5_000);
    const answer = await refund(charge, { amount: 6_000 });
    expect(answer).toMatchObject({ success: false, code: "provider_declined" });
    expect(await refund(charge, { amount: 5_000 })).toMatchObject({ success: true });
  });
});

test("a charge of Mercado Pago is refunded there, and once by its key", async () => {
  const charge = await paidCharge({ provider: "mercado-pago", buyer: { ...mariaCharge.buyer, email: "maria@example.com" } });
  const part = await refund(charge, { amount: 4_000 });
  expect(part).toMatchObject({ success: true, provider: "mercado-pago", data: { status: "succeeded", amount: 4_000 } });
  const rest = await refund(charge);
  await app.pass(5_000);
  expect(await status(charge)).toBe("refunded");
  const asked = await askedFor(charge, "mercado-pago");
  expect(asked.map(({ body, headers }) => [body, headers["x-idempotency-key"]])).toEqual([
    ['{"amount":40}', (await app.call("payments.status", { tool_call_id: part.tool_call_id })).external_reference],
    ['{"amount":110}', (await app.call("payments.status", { tool_call_id: rest.tool_call_id })).external_reference],
  ]);
  expect(await postings(app, rest.tool_call_id)).toEqual([given("charge_refunded", 11_000, "mercado-pago")]);
  expect((await postings(app, charge)).filter((posting) => posting.startsWith("charge_returned"))).toEqual([]);
  await expectBalanced(app);
});
