/** The caller's own books: posted once, balanced, apart from the server's. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";
import { expectBalanced } from "../../support/money.ts";

const app = await startApp();
const ledger = (input: object) => app.run("codespar_ledger", input);
const entry = (change: object = {}) => ({
  action: "entry", asset: "BRL", source: [{ account: "@external/BRL", amount: 15_000 }],
  destination: [{ account: "@wallet/maria", amount: 14_000 }, { account: "@revenue/store", amount: 1_000 }], description: "Order 1042", ...change,
});
const balance = async (account: string) => ((await ledger({ action: "balance", account })).data as { balances: object[] }).balances;

test("an entry is posted, and balances read what went in less what went out", async () => {
  const posted = await ledger(entry());
  expect(posted).toMatchObject({ success: true, server: "codespar", data: { id: expect.stringMatching(/^ltx_/), status: "POSTED", tool_call_id: posted.tool_call_id } });
  expect(await balance("@wallet/maria")).toEqual([{ asset: "BRL", scale: 2, balance: "14000" }]);
  expect(await balance("@external/BRL")).toEqual([{ asset: "BRL", scale: 2, balance: "-15000" }]);
  expect(await balance("@nobody")).toEqual([]);
  const { transactions } = await app.call("ledger.transactions", { tool_call_id: posted.tool_call_id! });
  expect(transactions).toMatchObject([{ id: (posted.data as { id: string }).id, description: "Order 1042" }]);
  await expectBalanced(app);
});

test("a repeat under one key posts once, also when 16 come at once; another entry under it is refused", async () => {
  const idempotency_key = randomUUID();
  const once = entry({ source: [{ account: "@a", amount: 5 }], destination: [{ account: "@b", amount: 5 }], idempotency_key });
  const answers = await Promise.all(Array.from({ length: 16 }, () => ledger(once)));
  expect(new Set(answers.map(({ tool_call_id }) => tool_call_id)).size).toBe(1);
  expect(answers.filter(({ replayed }) => replayed)).toHaveLength(15);
  expect(await balance("@b")).toMatchObject([{ balance: "5" }]);
  expect(await ledger({ ...once, description: "Another" })).toMatchObject({ success: false, code: "idempotency_conflict" });
});

test.each([
  ["sides that differ", { destination: [{ account: "@b", amount: 1 }] }, "destination"],
  ["a side that is missing", { source: undefined }, "source"],
  ["the server's own accounts", { source: [{ account: "provider:asaas:balance", amount: 15_000 }] }, "source.0.account"],
  ["an amount that is none", { source: [{ account: "@a", amount: 1.5 }] }, "source.0.amount"],
  ["decimals other than the asset's", { scale: 6 }, "scale"],
])("%s are refused, and nothing is posted", async (_what, change, field) => {
  const before = await app.platform.db.sql`select count(*) from ledger_transactions`;
  expect(await ledger(entry(change))).toMatchObject({ success: false, field });
  expect(await app.platform.db.sql`select count(*) from ledger_transactions`).toEqual(before);
});

test("an account is what it is called, and one of the server's can be read", async () => {
  expect(await ledger({ action: "account", asset: "USDC", alias: "@wallet/rui", name: "Rui" })).toMatchObject({ success: true, data: { account_id: "@wallet/rui", alias: "@wallet/rui", status: "ACTIVE" } });
  await app.run("codespar_charge", mariaCharge);
  await app.pass(10_000);
  expect(await balance("income:sales")).toMatchObject([{ asset: "BRL", balance: "-15000" }]);
  expect(await ledger({ action: "account", asset: "BRL" })).toMatchObject({ success: false, field: "alias" });
  expect(await ledger({ action: "balance" })).toMatchObject({ success: false, field: "account" });
});
