import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { Passthrough } from "../../providers/native.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext } from "../../providers/provider.ts";
import { siigo } from "../../providers/siigo/index.ts";
import { siigoTwin } from "../../providers/siigo/twin.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";

const DAY_MS = 86_400_000;
const customer = {
  person_type: "Person", id_type: "13", identification: "1032456789", name: ["María", "Gómez"],
  address: { address: "Calle 1 # 2-3", city: { country_code: "Co", state_code: "11", city_code: "11001" } },
  phones: [{ number: "3001234567" }], contacts: [{ first_name: "María", email: "maria@example.com" }],
};
const product = { code: "CAN-1", name: "Taza", account_group: 1253 };
const invoice = (value: number, change: object = {}) => ({
  document: { id: 24446 }, date: "2026-11-20", customer: { identification: "1032456789" }, seller: 629,
  items: [{ code: "CAN-1", quantity: 2, price: 10_000.5, taxes: [{ id: 13156 }] }], payments: [{ id: 5637, value }], ...change,
});

const newCall = (): CallContext => ({
  reference: "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c", toolCallId: "tc_1", clock: new FakeClock(), signal: undefined, acted: false, notes: {}, note: async () => {},
});

/** A company that has the customer and the product. */
async function company() {
  const world = await nativeWorld(siigo, siigoTwin);
  await world.run("create_customer", customer);
  await world.run("create_product", product);
  return world;
}

test("each tool is one request with the partner and a token, answered in Siigo's words", async () => {
  const { run, unrun, sent, account } = await company();
  expect(await run("list_document_types", { type: "FV" })).toMatchObject([{ id: 24446, type: "FV" }]);
  expect(await run("list_payment_methods", { document_type: "FV" })).toMatchObject([{ id: 5636 }, { id: 5637 }]);
  expect(await run("list_taxes")).toMatchObject([{ id: 13156, percentage: 19 }, {}]);
  expect(await run("list_users")).toMatchObject({ results: [{ id: 629 }] });
  expect(await run("list_customers", { identification: "1032456789" })).toMatchObject({ pagination: { total_results: 1 }, results: [customer] });
  expect(await run("list_products", { code: "OTHER", page: 1, page_size: 10 })).toMatchObject({ pagination: { page_size: 10, total_results: 0 } });
  const { id, name } = await run("create_invoice", invoice(23_801.19));
  expect(name).toMatch(/^FV-1-\d+$/);
  expect(await run("get_invoice", { invoiceId: id })).toMatchObject({ total: 23_801.19, stamp: { status: "Draft" } });
  expect(await run("get_invoice_pdf", { invoiceId: id })).toMatchObject({ id, base64: expect.any(String) });
  expect(await run("list_invoices", { date_start: "2026-11-20", date_end: "2026-11-20" })).toMatchObject({ results: [{ id }] });
  expect(await run("list_invoices", { date_start: "2026-11-21" })).toMatchObject({ results: [] });
  expect(unrun()).toEqual([]);

  const [first, ...others] = sent;
  expect([first!.url, JSON.parse(first!.body)]).toEqual(["https://api.siigo.com/auth", account.credentials]);
  expect(others.some(({ url }) => url.endsWith("/auth"))).toBe(false);
  expect(sent.every(({ headers }) => headers.get("partner-id") === "codespar")).toBe(true);
  expect(others.every(({ headers }) => /^Bearer \S+$/.test(headers.get("authorization")!))).toBe(true);
});

test("a token is bought anew when its day is over", async () => {
  const { run, sent, clock } = await company();
  await clock.advance(DAY_MS);
  await run("list_taxes");
  expect(sent.filter(({ url }) => url.endsWith("/auth"))).toHaveLength(2);
});

describe("an invoice", () => {
  test("goes to the tax authority only when it is told to, and may be rejected there", async () => {
    const { run, rests } = await company();
    const stamp = { send: true };
    const [accepted, rejected, kept] = [
      await run("create_invoice", invoice(23_801.19, { stamp })),
      await run("create_invoice", invoice(13, { stamp, items: [{ code: "CAN-1", quantity: 1, price: 13 }] })),
      await run("create_invoice", invoice(23_801.19)),
    ];
    await rests(1);
    const status = async ({ id }: { id: string }) => (await run("get_invoice", { invoiceId: id })).stamp.status;
    expect([await status(accepted), await status(rejected), await status(kept)]).toEqual(["Accepted", "Rejected", "Draft"]);
  });

  test.each([
    ["payments that fall short", invoice(23_801.18), "invalid_total_payments", ["payments"]],
    ["an unknown document", invoice(23_801.19, { document: { id: 1 } }), "invalid_reference", ["document.id"]],
    ["an unknown seller", invoice(23_801.19, { seller: 1 }), "invalid_reference", ["seller"]],
    ["an unknown customer", invoice(23_801.19, { customer: { identification: "1" } }), "invalid_reference", ["customer.identification"]],
    ["an unknown product", invoice(1, { items: [{ code: "X", quantity: 1, price: 1 }] }), "invalid_reference", ["items[0].code"]],
  ])("with %s is refused", async (_name, args, Code, Params) => {
    const { refusal } = await company();
    expect(await refusal("create_invoice", args)).toMatchObject({ status: 400, body: { Errors: [{ Code, Params }] } });
  });

  test("whose answer is lost is unknown, for nothing there finds it again", async () => {
    const call = newCall();
    const credentials = { username: "lost@example.com", access_key: "a-key-of-siigo" };
    const http = siigo.native!.client({ credentials, settings: { partner_id: "codespar" }, baseUrl: siigo.hosts.live }, async (request) =>
      request.url.endsWith("/auth") ? Response.json({ access_token: "t", expires_in: 86_400 }) : Promise.reject(new Error("socket hang up")));
    await expect(http.act({ method: "POST", path: "/v1/invoices", body: {} }, Passthrough, call)).rejects.toBeInstanceOf(OutcomeUnknown);
  });
});

test.each([
  ["create_customer", customer], ["create_product", product],
])("%s refuses a second of the same", async (name, args) => {
  const { refusal } = await company();
  expect((await refusal(name, args)).body).toMatchObject({ Errors: [{ Code: "already_exists" }] });
});

test("a wrong access key sends nothing but the question for a token, and is named nowhere", async () => {
  const { open, run, sent, account } = await nativeWorld(siigo, siigoTwin);
  const http = open({ credentials: { ...account.credentials, access_key: "a-wrong-key-of-siigo" } });
  const error: unknown = await run("create_product", product, http).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 401 });
  expect(inspect(error, { depth: 8 })).not.toContain("a-wrong-key-of-siigo");
  expect(sent.map(({ url }) => new URL(url).pathname)).toEqual(["/auth"]);
});

test("a token that cannot be had leaves a call that sent nothing", async () => {
  const { account } = await nativeWorld(siigo, siigoTwin);
  const http = siigo.native!.client({ ...account, baseUrl: siigo.hosts.live }, async () => new Response("<html>", { status: 502 }));
  const call = newCall();
  await expect(http.act({ method: "POST", path: "/v1/products", body: product }, Passthrough, call)).rejects.toBeInstanceOf(Unanswered);
  expect(call.acted).toBe(false);
});

test.each([
  ["username", { credentials: { access_key: "x" } }], ["access_key", { credentials: { username: "x" } }], ["partner_id", { settings: {} }],
])("without %s there is no client", async (setting, change) => {
  const { open } = await nativeWorld(siigo, siigoTwin);
  expect(() => open(change)).toThrow(SetupMissing);
  expect(() => open(change)).toThrow(setting);
});
