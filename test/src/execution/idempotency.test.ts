/** One key, one effect: whatever is repeated, in whatever order and however many at once. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Failure } from "../../../schema/failures.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { askedOf, references } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });

const charge = (key: string, changes: object = {}) => app.run("codespar_charge", { ...mariaCharge, ...changes, idempotency_key: key });
const sentUnder = (reference: unknown) => references(askedOf(app.twins, "/payments")).filter((sent) => sent === reference).length;

test("a repeat under the same key is answered with the first call's answer, and nothing is sent", async () => {
  const first = await charge("order-1");
  const sent = askedOf(app.twins, "/payments").length;
  const again = await charge("order-1");
  expect(first.replayed).toBeUndefined();
  expect(again).toEqual({ ...first, replayed: true });
  expect(askedOf(app.twins, "/payments")).toHaveLength(sent);
});

test("the answer of a charge is the same after it settled", async () => {
  const first = await charge("order-settled");
  await app.pass(5_000);
  expect(await app.call("payments.status", { tool_call_id: first.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await charge("order-settled")).toEqual({ ...first, replayed: true });
});

test("other spellings of the same arguments are the same call", async () => {
  const first = await charge("order-spelled");
  const again = await charge("order-spelled", { amount: 150, amount_unit: "major", buyer: { document: "11144477735", name: "Maria Silva" } });
  expect(again).toEqual({ ...first, replayed: true });
});

test("a default that is spelled out is the same call", async () => {
  const pay = (spelled: object) => app.run("codespar_pay", { amount: 700, recipient: { pix_key: "ana@example.com" }, idempotency_key: "pay-spelled", ...spelled });
  const first = await pay({});
  expect(await pay({ action: "pay", currency: "brl", method: "pix" })).toEqual({ ...first, replayed: true });
});

test("a key that names another effect is a conflict, in band when the key is an argument", async () => {
  const first = await charge("order-2");
  const sent = askedOf(app.twins, "/payments").length;
  const other = await charge("order-2", { amount: 15001 });
  expect(other).toMatchObject({ success: false, code: "idempotency_conflict", field: "idempotency_key", retry: "never", data: null });
  expect(other.error).toContain(first.tool_call_id);
  expect(askedOf(app.twins, "/payments")).toHaveLength(sent);
  expect(await charge("order-2")).toEqual({ ...first, replayed: true });
});

test("another tool under the same key is a conflict too", async () => {
  await charge("order-tool");
  const payout = await app.run("codespar_pay", { amount: 15000, recipient: { pix_key: "a@example.com" }, idempotency_key: "order-tool" });
  expect(payout).toMatchObject({ success: false, code: "idempotency_conflict" });
});

test("a conflict under the header's key is a failure of the request", async () => {
  const first = await app.run("codespar_charge", mariaCharge, { idempotencyKey: "header-1" });
  const again = await app.run("codespar_charge", mariaCharge, { idempotencyKey: "header-1" });
  expect(again).toEqual({ ...first, replayed: true });
  const other = app.run("codespar_charge", { ...mariaCharge, amount: 15001 }, { idempotencyKey: "header-1" });
  await expect(other).rejects.toMatchObject({ code: "idempotency_conflict", http: 422 });
  await expect(other).rejects.toBeInstanceOf(Failure);
});

test("the header's key stands above the argument's", async () => {
  const first = await app.run("codespar_charge", { ...mariaCharge, idempotency_key: "argument-3" }, { idempotencyKey: "header-3" });
  expect(first.idempotency_key).toBe("header-3");
});

test.each(["", "  ", "é", "a".repeat(256), "line\nbreak"])("the key %j is refused", async (key) => {
  expect(await charge(key)).toMatchObject({ success: false, code: "idempotency_key_invalid", field: "idempotency_key" });
  await expect(app.run("codespar_charge", mariaCharge, { idempotencyKey: key })).rejects.toMatchObject({ code: "idempotency_key_invalid", http: 400 });
});

test("eight calls at once under one key are one payment and one answer", async () => {
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, () => charge(key)));
  expect(sentUnder(key)).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
  const [first] = answers.filter(({ replayed }) => !replayed);
  for (const { replayed: _replayed, ...answer } of answers) expect(answer).toEqual(first);
});

test("eight calls at once under one key with different amounts are one payment and seven conflicts", async () => {
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => charge(key, { amount: 20_000 + index })));
  expect(sentUnder(key)).toBe(1);
  expect(answers.filter(({ success }) => success)).toHaveLength(1);
  expect(answers.filter(({ code }) => code === "idempotency_conflict")).toHaveLength(7);
});

test("a repeat waits for the first call within the bound, then is told that it is in flight", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 15_000 });
  const first = charge(key);
  await until(() => sentUnder(key) === 1);
  const inBand = charge(key);
  const underHeader = expect(app.run("codespar_charge", mariaCharge, { idempotencyKey: key }))
    .rejects.toMatchObject({ code: "idempotency_in_flight", http: 409, retryAfterSeconds: 1 });
  await advanceUntil(inBand);
  expect(await inBand).toMatchObject({ success: false, code: "idempotency_in_flight", retry: "same_key" });
  await underHeader;
  await advanceUntil(first);
  expect(await first).toMatchObject({ success: true, outcome: "accepted" });
  expect(await charge(key)).toEqual({ ...(await first), replayed: true });
  expect(sentUnder(key)).toBe(1);
});

test("a repeat that waits is answered as soon as the first call is", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments$", delayMs: 5_000 });
  const first = charge(key);
  await until(() => sentUnder(key) === 1);
  const waiting = charge(key);
  await advanceUntil(first);
  expect(await waiting).toEqual({ ...(await first), replayed: true });
});

test("a UUID as the key goes out as the external reference", async () => {
  const key = randomUUID();
  const answer = await charge(key);
  expect(answer.idempotency_key).toBe(key);
  const status = await app.call("payments.status", { tool_call_id: answer.tool_call_id });
  expect(status).toMatchObject({ idempotency_key: key, external_reference: key });
  expect(sentUnder(key)).toBe(1);
});

test("any other key comes back as it was written, and a UUID goes out in its place", async () => {
  const answer = await charge("pedido 7/2026");
  expect(answer.idempotency_key).toBe("pedido 7/2026");
  const { external_reference: reference } = await app.call("payments.status", { tool_call_id: answer.tool_call_id });
  expect(reference).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(sentUnder(reference)).toBe(1);
});

test("without a key one is made, and a repeat is a payment of its own", async () => {
  const [first, second] = [await app.run("codespar_charge", mariaCharge), await app.run("codespar_charge", mariaCharge)];
  expect(first.idempotency_key).toMatch(/^[0-9a-f-]{36}$/);
  expect(second.idempotency_key).not.toBe(first.idempotency_key);
  expect(second.tool_call_id).not.toBe(first.tool_call_id);
});

test("the made key can be repeated like any other", async () => {
  const first = await app.run("codespar_charge", mariaCharge);
  expect(await charge(first.idempotency_key!)).toEqual({ ...first, replayed: true });
});

test("a call that never left gives its key back", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  const failed = await charge(key);
  expect(failed).toMatchObject({ success: false, code: "provider_unavailable", retry: "same_key", outcome: "not_reached" });
  const second = await charge(key);
  expect(second).toMatchObject({ success: true, outcome: "accepted" });
  expect(second.replayed).toBeUndefined();
  expect(second.tool_call_id).not.toBe(failed.tool_call_id);
  expect(sentUnder(key)).toBe(1);
});

test("the second call under a key given back is the one that settles", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "refused", method: "POST", path: "/payments$" });
  const failed = await charge(key);
  const second = await charge(key);
  await app.pass(5_000);
  expect(await app.call("payments.status", { tool_call_id: second.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await app.call("payments.status", { tool_call_id: failed.tool_call_id })).toMatchObject({ status: "failed", events: [] });
});

test("a refusal by the provider keeps its key: a repeat is answered with it", async () => {
  const first = await charge("declined-1", { amount: 10_013 });
  expect(first).toMatchObject({ success: false, code: "provider_declined", outcome: "declined" });
  const sent = askedOf(app.twins, "/payments").length;
  expect(await charge("declined-1", { amount: 10_013 })).toEqual({ ...first, replayed: true });
  expect(askedOf(app.twins, "/payments")).toHaveLength(sent);
});

test("bad arguments take no key: the corrected call may use it", async () => {
  expect(await charge("corrected-1", { amount: 1.5 })).toMatchObject({ success: false, code: "amount_fraction" });
  const corrected = await charge("corrected-1");
  expect(corrected).toMatchObject({ success: true, outcome: "accepted" });
  expect(corrected.replayed).toBeUndefined();
});

test("a call turned away because the provider limits requests can be repeated under its key", async () => {
  const key = randomUUID();
  app.twins!.setFault("asaas", { kind: "rate_limited", method: "POST", path: "/payments$" });
  expect(await charge(key)).toMatchObject({ success: false, code: "provider_rate_limited", retry: "after" });
  await app.pass(30_000);
  expect(await charge(key)).toMatchObject({ success: true, outcome: "accepted" });
});

test("two keys that differ in case only do not share an external reference", async () => {
  const key = randomUUID();
  const [lower, upper] = [await charge(key), await charge(key.toUpperCase(), { amount: 99_00 })];
  const referenceOf = async (id: string | null) => (await app.call("payments.status", { tool_call_id: id })).external_reference;
  expect(upper.success && (await referenceOf(upper.tool_call_id)) === (await referenceOf(lower.tool_call_id))).toBe(false);
});

/** Waits for what needs only a moment of the database. */
async function until(holds: () => boolean): Promise<void> {
  for (let checks = 0; !holds() && checks < 500; checks++) await sleep(10);
  expect(holds()).toBe(true);
}

/** Lets the clock go by, a second at a time, until the answer is there. */
async function advanceUntil(answer: Promise<unknown>): Promise<void> {
  let settled = false;
  void answer.finally(() => (settled = true)).catch(() => {});
  for (let seconds = 0; !settled && seconds < 60; seconds++) {
    await app.clock.advance(1_000);
    for (let checks = 0; checks < 10 && !settled; checks++) await sleep(5);
  }
}
