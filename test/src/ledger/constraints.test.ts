/** What the database itself refuses, whoever writes to it: books that do not balance, that change, or that say a thing twice. */
import { expect, test } from "vitest";
import { newId } from "../../../schema/ids.ts";
import { transaction, type TransactionSql } from "../../../src/db/connect.ts";
import { post } from "../../../src/ledger/post.ts";
import { balanced, type Entry } from "../../../src/ledger/rules.ts";
import { testDatabase } from "../../support/database.ts";

const db = await testDatabase();
const at = new Date("2026-11-20T12:00:00.000Z");

type Line = [account: string, direction: string, amountMinor: bigint, currency?: string];
const sale: Line[] = [["provider:asaas:balance", "debit", 15_000n], ["income:sales", "credit", 15_000n]];

/** Writes a ledger transaction with these lines past all our code. */
async function write(tx: TransactionSql, lines: Line[], { key, project = "prj_1" }: { key?: string; project?: string } = {}): Promise<string> {
  const id = newId("ledgerTransaction", at);
  await tx`
    insert into ledger_transactions (org_id, project_id, id, key, description, occurred_at, posted_at)
    values ('org_1', ${project}, ${id}, ${key ?? id}, 'by hand', ${at}, ${at})`;
  for (const [index, line] of lines.entries()) await writeLine(tx, id, index + 1, line, project);
  return id;
}

async function writeLine(tx: TransactionSql, id: string, line: number, [account, direction, amount, currency = "BRL"]: Line, project = "prj_1"): Promise<void> {
  await tx`
    insert into ledger_entries (org_id, project_id, transaction_id, line, account, currency, direction, amount_minor)
    values ('org_1', ${project}, ${id}, ${line}, ${account}, ${currency}, ${direction}, ${amount})`;
}
const written = (lines: Line[], as: Parameters<typeof write>[2] = {}): Promise<string> => db.sql.begin((tx) => write(tx, lines, as)) as Promise<string>;
const transactions = async (): Promise<number> => (await db.sql`select id from ledger_transactions`).length;

test("a balanced transaction is written", async () => {
  const before = await transactions();
  await written(sale);
  await written([["a", "debit", 100n], ["b", "debit", 50n], ["c", "credit", 150n], ["d", "debit", 7n, "USD"], ["e", "credit", 7n, "USD"]]);
  expect(await transactions()).toBe(before + 2);
});

test.each<[string, Line[], RegExp]>([
  ["whose sides differ", [["a", "debit", 15_000n], ["b", "credit", 14_999n]], /does not balance in BRL/],
  ["with one side only", [["a", "debit", 15_000n], ["b", "debit", 15_000n]], /does not balance in BRL/],
  ["with one entry", [["a", "debit", 15_000n]], /has 1 entries/],
  ["without entries", [], /has 0 entries/],
  ["that balances over two currencies only", [["a", "debit", 100n], ["b", "credit", 100n, "USD"]], /does not balance in/],
  ["with a negative entry", [["a", "debit", -100n], ["b", "credit", -100n]], /ledger_entries_amount/],
  ["with an entry of nothing", [["a", "debit", 0n], ["b", "credit", 0n]], /ledger_entries_amount/],
  ["with a third direction", [["a", "debit", 100n], ["b", "Credit", 100n]], /ledger_entries_direction/],
])("a transaction %s is refused and leaves nothing", async (_what, lines, reason) => {
  const before = await transactions();
  await expect(written(lines)).rejects.toThrow(reason);
  expect(await transactions()).toBe(before);
});

test("an entry of no transaction is refused, and so is one of another project's", async () => {
  await expect(db.sql.begin((tx) => writeLine(tx, "ltx_nowhere", 1, sale[0]!))).rejects.toThrow(/is complete: its entries are append only/);
  const id = await written(sale);
  await expect(db.sql.begin((tx) => writeLine(tx, id, 3, sale[0]!, "prj_2"))).rejects.toThrow(/is complete: its entries are append only/);
});

test("an entry that comes later and unbalances its transaction is refused", async () => {
  const id = await written(sale);
  await expect(db.sql.begin((tx) => writeLine(tx, id, 3, ["a", "debit", 1n]))).rejects.toThrow(/is complete: its entries are append only/);
});

test("entries that come later are refused even if they balance", async () => {
  const id = await written(sale);
  const later = db.sql.begin(async (tx) => {
    await writeLine(tx, id, 3, ["a", "debit", 1n]);
    await writeLine(tx, id, 4, ["b", "credit", 1n]);
  });
  await expect(later).rejects.toThrow(/append only/);
});

test.each([
  ["an entry's amount", "update ledger_entries set amount_minor = amount_minor + 1"],
  ["an entry's account", "update ledger_entries set account = 'income:mine'"],
  ["a transaction's key", "update ledger_transactions set key = key || '!'"],
  ["a settlement event", "update settlement_events set state = 'succeeded'"],
])("a change of %s is refused", async (_what, statement) => {
  await written(sale);
  await keptEvent();
  await expect(db.sql.unsafe(statement)).rejects.toThrow(/append only: UPDATE refused/);
});

test.each(["ledger_entries", "ledger_transactions", "settlement_events"])("a deletion from %s is refused", async (table) => {
  await written(sale);
  await keptEvent();
  await expect(db.sql.unsafe(`delete from ${table}`)).rejects.toThrow(/append only: DELETE refused|violates foreign key/);
});

test("emptying the books is refused", async () => {
  await written(sale);
  await expect(db.sql.begin(async (tx) => {
    await tx.unsafe("truncate ledger_entries, ledger_transactions");
    throw new Error("it was not refused");
  })).rejects.toThrow(/append only/);
});

test("a key is posted once in a project, and once in each", async () => {
  await written(sale, { key: "charge_settled:tc_1" });
  await expect(written(sale, { key: "charge_settled:tc_1" })).rejects.toThrow(/ledger_transactions_key/);
  await written(sale, { key: "charge_settled:tc_1", project: "prj_2" });
});

test("eight postings under one key at once are one", async () => {
  const debit: Entry = { account: "provider:asaas:balance", currency: "BRL", direction: "debit", amountMinor: 15_000n };
  const posting = balanced({
    key: "charge_settled:tc_8", toolCallId: "tc_8", description: "Charge settled", occurredAt: at,
    entries: [debit, { ...debit, account: "income:sales", direction: "credit" }],
  });
  const tenant = { orgId: "org_1", projectId: "prj_1" };
  const posted = await Promise.all(Array.from({ length: 8 }, () => transaction(db, (tx) => post(tx, tenant, posting, at))));
  expect(posted.filter(Boolean)).toHaveLength(1);
  expect(await db.sql`select 1 from ledger_entries e join ledger_transactions t on t.id = e.transaction_id where t.key = 'charge_settled:tc_8'`).toHaveLength(2);
});

test("the same claim of a provider about a call is kept once", async () => {
  await keptEvent("evt_1");
  await expect(keptEvent("evt_1")).rejects.toThrow(/settlement_events_key/);
});

async function keptEvent(key = newId("notification", at)): Promise<void> {
  await db.sql`
    insert into settlement_events (org_id, project_id, tool_call_id, event_key, event_type, state, occurred_at, received_at)
    values ('org_1', 'prj_1', 'tc_1', ${key}, 'commerce.payment.pending', 'pending', ${at}, ${at})`;
}
