/** A caller that no longer waits: what has not been claimed is not begun, what has been claimed is finished without it. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";
import { askedOf } from "../../support/money.ts";

const app = await startApp({ limits: { settleWaitMs: 60_000 } });
const charge = (key: string, signal?: AbortSignal) => app.run("codespar_charge", { ...mariaCharge, idempotency_key: key }, { signal });
const sent = () => askedOf(app.twins, "/payments").length;

test("a call cancelled before its claim sends nothing and leaves its key free", async () => {
  const key = randomUUID();
  const before = sent();
  expect(await charge(key, AbortSignal.abort())).toMatchObject({ success: false, code: "call_cancelled", retry: "same_key" });
  expect(sent()).toBe(before);
  const repeated = await charge(key);
  expect(repeated).toMatchObject({ success: true });
  expect(repeated.replayed).toBeUndefined();
});

test("a call cancelled after its claim is finished and kept, and its repeat finds it", async () => {
  const key = randomUUID();
  const leaving = new AbortController();
  app.twins!.setFault("asaas", { kind: "slow", method: "POST", path: "/payments", delayMs: 1_000 });
  const before = sent();
  const left = charge(key, leaving.signal);
  await expect.poll(sent).toBe(before + 1);
  leaving.abort();
  let isAnswered = false;
  void left.then(() => (isAnswered = true));
  // The twin begins to wait some time after it has noted the request, so time goes by until it has.
  await expect.poll(async () => (await app.clock.advance(1_000), isAnswered), { interval: 100, timeout: 15_000 }).toBe(true);
  const answer = await left;
  expect(answer).toMatchObject({ success: true, outcome: "accepted" });
  expect(await charge(key)).toMatchObject({ success: true, replayed: true, tool_call_id: answer.tool_call_id });
});

test("a call that waits for its document stops waiting, and the document still comes", async () => {
  const leaving = new AbortController();
  const customer = { name: "Maria Silva", document: "111.444.777-35" };
  const waiting = app.run("codespar_invoice", { customer, items: [{ description: "Consulting", amount: 15000 }] }, { signal: leaving.signal });
  let isAnswered = false;
  void waiting.then(() => (isAnswered = true));
  await expect.poll(() => app.twins!.requests("nfe-io").filter(({ method }) => method === "POST").length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(isAnswered).toBe(false);
  leaving.abort();
  const { tool_call_id } = await waiting;
  await app.pass(20_000);
  expect(await app.call("toolCalls.get", { tool_call_id: tool_call_id! })).toMatchObject({ status: "success", state: "authorized" });
});
