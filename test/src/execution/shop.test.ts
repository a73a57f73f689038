/** codespar_shop over VTEX' twin: a search, an order begun at once and placed by a job, and what its reader is told from then on. */
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { newId } from "../../../schema/ids.ts";
import { parseBrCode } from "../../../schema/pix/brcode.ts";
import { execute } from "../../../src/execution/execute.ts";
import { createServer } from "../../../src/server.ts";
import { readSettings } from "../../../src/settings.ts";
import { liveKey, startApp, testKey } from "../../support/app.ts";
import { testPrincipal } from "../../support/money.ts";
import { newTenant } from "../../support/tenants.ts";

const app = await startApp();
const buyer = { name: "Maria Silva", email: "maria@example.com", cpf: "111.444.777-35", phone: "11999998888" };
const address = { cep: "01415-001", number: "100" };
const order = { action: "checkout", merchant: "sandbox", items: [{ variant_id: "102" }], buyer, address };

const begin = async (input: object) => {
  const begun = await app.run("codespar_shop", { action: "checkout", ...input });
  return { begun, id: (begun.data as { checkout_session_id: string }).checkout_session_id };
};
const statusOf = async (checkout_session_id: string, run = app.run) => (await run("codespar_shop", { action: "checkout_status", checkout_session_id })).data;
const requests = () => app.twins!.requests("vtex");

test("a search is the default, and says which rail found what", async () => {
  const found = await app.run("codespar_shop", { query: "camiseta", limit: 100 });
  expect(found).toMatchObject({
    success: true, provider: "vtex",
    data: { rail: "vtex", products: [{ product_id: "1", title: "Camiseta Básica", price_minor: 4_990, currency: "BRL", available: true, variants: [{ sku_id: "101", available: false }, {}, {}] }] },
  });
  expect(requests().at(-1)).toMatchObject({ host: "sandbox.vtexcommercestable.com.br", path: expect.stringContaining("_to=19") });
  expect(await app.run("codespar_shop", { query: "zzz" })).toMatchObject({ success: true, data: { rail: "vtex", products: [] } });
});

test("a checkout is in progress at once, then waits for its shopper to pay, and says so at every read", async () => {
  const { begun, id } = await begin(order);
  expect(begun).toMatchObject({ success: true, error: null, status: "in_progress", data: { checkout_session_id: expect.stringMatching(/^cks_/), status: "in_progress" } });
  expect(await statusOf(id)).toEqual({ checkout_session_id: id, status: "in_progress", rail: "vtex" });
  await app.pass(1_000);
  const ready = await statusOf(id);
  expect(ready).toEqual({ checkout_session_id: id, status: "ready_for_payment", rail: "vtex", total_minor: 5_980, pix_copia_e_cola: expect.any(String) });
  expect(parseBrCode((ready as { pix_copia_e_cola: string }).pix_copia_e_cola)).toMatchObject({ ok: true, code: { amountMinor: 5_980n } });
  await app.pass(60_000);
  expect(await statusOf(id)).toEqual(ready);
  expect(await app.call("ledger.transactions", { tool_call_id: begun.tool_call_id }), "no money of the merchant's moved").toMatchObject({ transactions: [] });
});

test.each([
  ["no_shipping", { address: { cep: "99999-999" } }, "browser_worker_checkout_failed"],
  ["identity_required", { buyer: { ...buyer, email: "known@example.com" } }, "browser_worker_checkout_failed"],
  ["identity_required", { buyer: undefined }, "browser_worker_checkout_failed"],
  ["checkout_failed", { items: [{ variant_id: "401" }] }, "browser_worker_checkout_failed"],
  ["checkout_failed", { items: [{ variant_id: "901" }] }, "browser_worker_checkout_failed"],
])("a checkout that cannot be finished is canceled, for a reason that names nobody: %s", async (reason_code, change, error) => {
  const { begun, id } = await begin({ ...order, ...change });
  expect(begun).toMatchObject({ success: true, status: "in_progress" });
  await app.pass(1_000);
  const canceled = await statusOf(id);
  expect(canceled).toEqual({ checkout_session_id: id, status: "canceled", rail: "vtex", error, reason_code, reason_hint: expect.any(String) });
  expect(JSON.stringify(canceled)).not.toMatch(/maria|example\.com|111\.?444|99999/i);
  expect(await statusOf(id)).toEqual(canceled);
});

test.each(["https://produto.mercadolivre.com.br/MLB-1", "https://shop.example.com/p/42", "http://www.cobasi.com.br/racao/p"])(
  "a page that only a browser could order from is taken, and found canceled: %s", async (url) => {
    const before = requests().length;
    const { begun, id } = await begin({ url });
    expect(begun).toMatchObject({ success: true, status: "in_progress" });
    expect(await statusOf(id)).toMatchObject({ status: "canceled", error: "browser_worker_unconfigured" });
    await app.pass(2_000);
    expect(requests().length).toBe(before);
  });

test("the page of a VTEX store is ordered from like its items", async () => {
  const { id } = await begin({ url: "https://sandbox.myvtex.com/racao-para-caes-15-kg/p", buyer, address });
  await app.pass(1_000);
  expect(await statusOf(id)).toMatchObject({ status: "ready_for_payment", total_minor: 19_989 });
});

test.each([
  ["query", "invalid_args", {}],
  ["action", "invalid_args", { action: "buy" }],
  ["items", "items_required", { action: "checkout", merchant: "sandbox", buyer, address }],
  ["url", "meli_url_required", { action: "checkout", merchant: "MercadoLivre", items: order.items }],
  ["merchant", "rail_unavailable", { action: "search", merchant: "mercado libre", query: "tv" }],
  ["url", "invalid_args", { ...order, url: "https://sandbox.myvtex.com/x/p" }],
  ["url", "invalid_args", { action: "checkout", url: "ftp://shop.example.com/p" }],
  ["items.0.variant_id", "invalid_args", { ...order, items: [{ quantity: 1 }] }],
  ["address.cep", "invalid_args", { ...order, address: { cep: "123" } }],
  ["buyer.cpf", "tax_id_invalid", { ...order, buyer: { ...buyer, cpf: "111.444.777-36" } }],
  ["checkout_session_id", "invalid_args", { action: "checkout_status" }],
  ["merchant", "provider_declined", { query: "x", merchant: "www.cobasi.com.br" }],
])("what is missing or wrong is named: %s, %s", async (field, code, input) => {
  const refused = await app.run("codespar_shop", input);
  expect(refused).toMatchObject({ success: false, code, field, error: expect.stringMatching(new RegExp(`^${code}: `)) });
  expect(refused.error).not.toMatch(/maria@|444/);
});

test("a repeat under its key is the same checkout, and one order at the store", async () => {
  const keyed = { ...order, idempotency_key: "order-77" };
  const before = requests().filter(({ path }) => path.endsWith("/transaction")).length;
  const [first, again] = [await begin(keyed), await begin(keyed)];
  await app.pass(2_000);
  expect(await begin(keyed)).toMatchObject({ id: first.id, begun: { replayed: true } });
  expect(again.id).toBe(first.id);
  expect(requests().filter(({ path }) => path.endsWith("/transaction")).length).toBe(before + 1);
  expect(await app.run("codespar_shop", { ...keyed, items: [{ variant_id: "103" }] })).toMatchObject({ success: false, code: "idempotency_conflict" });
});

test("what an agent asks for twice in one run is one checkout, and a canceled one can be asked for again", async () => {
  const principal = await testPrincipal(app);
  const [runId, sessionId] = [newId("run", app.clock.now()), await app.session()];
  const use = async (input: object) => {
    const { data } = await execute(app.platform, { principal, sessionId, runId, origin: "agent", tool: "codespar_shop", input: { ...input } });
    return (data as { checkout_session_id: string }).checkout_session_id;
  };
  const first = await use(order);
  await app.pass(1_000);
  expect(await use({ ...order, buyer: { ...buyer, name: "MARIA SILVA" }, idempotency_key: "made-up" })).toBe(first);
  expect(await use({ ...order, items: [{ variant_id: "103" }] })).not.toBe(first);
  const canceled = await use({ ...order, items: [{ variant_id: "201" }], buyer: undefined });
  await app.pass(1_000);
  const again = await use({ ...order, items: [{ variant_id: "201" }] });
  expect(again).not.toBe(canceled);
  await app.pass(1_000);
  expect(await statusOf(again)).toMatchObject({ status: "ready_for_payment" });
  expect(await use({ action: "checkout", url: "https://shop.example.com/p" })).toMatch(/^cks_/);
});

test("another project's checkout answers as one that never was", async () => {
  const { id } = await begin(order);
  await app.pass(1_000);
  const other = await newTenant(app);
  const neutral = (checkout_session_id: string) => ({ checkout_session_id, status: "canceled", error: "browser_worker_status_failed" });
  expect(await statusOf(id, other.run)).toEqual(neutral(id));
  expect(await statusOf("cks_sample", other.run)).toEqual(neutral("cks_sample"));
  expect(await statusOf(id)).toMatchObject({ status: "ready_for_payment" });
});

test("no row keeps who the shopper is or the Pix code, and the shopper is sealed until the order is placed", async () => {
  const { id } = await begin({ ...order, consumer_id: "consumer-9" });
  const { sql } = app.platform.db;
  const everything = async () => JSON.stringify([
    await sql`select * from checkouts where id = ${id}`, await sql`select input, output, error from tool_calls`, await sql`select * from jobs where kind = 'checkout'`,
    await sql`select data from outbox`,
  ], (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  expect(await everything()).not.toMatch(/maria|11144477735|111\.444|999998888|Rua Augusta|01415|consumer-9/i);
  await app.pass(1_000);
  const { pix_copia_e_cola: code } = (await statusOf(id)) as { pix_copia_e_cola: string };
  await app.run("codespar_shop", { action: "checkout", buyer, address });
  await app.run("vtex/codespar_shop", { action: "checkout", buyer, address });
  expect(await app.run("vtex__codespar_shop", { action: "checkout_status", checkout_session_id: id }), "by another spelling").toMatchObject({ data: { pix_copia_e_cola: code } });
  const after = await everything();
  expect(after).not.toContain(code);
  expect(after).not.toMatch(/maria|11144477735|111\.444|999998888|01415/i);
});

test("an order whose answer was lost is canceled, and not placed again", async () => {
  app.twins!.setFault("vtex", { kind: "reset_after", path: "/transaction$" });
  const before = requests().filter(({ path }) => path.endsWith("/transaction")).length;
  const { id } = await begin(order);
  await app.pass(120_000);
  expect(await statusOf(id)).toMatchObject({ status: "canceled", error: "browser_worker_failed", reason_code: "checkout_failed" });
  expect(requests().filter(({ path }) => path.endsWith("/transaction")).length).toBe(before + 1);
});

test("a store that cannot be reached is one to try again later", async () => {
  app.twins!.setFault("vtex", { kind: "down", times: 3 });
  const { id } = await begin(order);
  await app.pass(1_000);
  expect(await statusOf(id)).toMatchObject({ status: "canceled", error: "browser_worker_failed", reason_code: "store_temporarily_unavailable" });
  await app.twins!.clearFaults("vtex");
});

test("a checkout whose process died is canceled by the next, not placed twice", async () => {
  const { id } = await begin(order);
  await app.platform.db.sql`update checkouts set started_at = ${app.clock.now()} where id = ${id}`;
  const before = requests().length;
  await app.pass(1_000);
  expect(await statusOf(id)).toMatchObject({ status: "canceled", error: "browser_worker_failed" });
  expect(requests().length).toBe(before);
});

test("another process places the order, and any process says what became of it", async () => {
  const { id } = await begin(order);
  const settings = readSettings({ MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), DATABASE_URL: "postgres://unused", BOOTSTRAP_TEST_KEY: testKey });
  const second = await createServer({ settings, log: pino({ level: "silent" }), clock: app.clock, database: app.platform.db, background: false });
  afterAll(() => second.stop());
  await second.settle();
  const session_id = await app.session();
  const read = { session_id, tool: "codespar_shop", input: { action: "checkout_status", checkout_session_id: id } };
  const there = await second.door.call("tools.execute", read, app.context());
  expect(there.data).toMatchObject({ status: "ready_for_payment", total_minor: 5_980 });
  expect(await statusOf(id)).toEqual(there.data);
});

test("a live project names its store when it connects, without a credential, and a page needs no store at all", async () => {
  const live = { credential: liveKey };
  const { id: session_id } = await app.call("sessions.create", { user_id: "maria" }, live);
  const run = (input: object) => app.call("tools.execute", { session_id, tool: "codespar_shop", input }, live);
  expect(await run({ query: "x" })).toMatchObject({ success: false, code: "no_eligible_providers" });
  expect(await run({ action: "checkout", url: "https://shop.example.com/p" })).toMatchObject({ success: true, status: "in_progress" });
  const connected = await app.call("connections.create", { server_id: "vtex", secret: {}, connection_metadata: { account: "loja" } }, live);
  expect(connected).toMatchObject({ server_id: "vtex", status: "connected", auth_type: "none", webhook_url: null });
});
