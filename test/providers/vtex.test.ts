/** VTEX against its twin, and what is particular to it: a host a store, a guest's cookies, and the Pix code that comes with a 428. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { CallContext, Fetch } from "../../providers/provider.ts";
import { twinsFetch } from "../../providers/transport.ts";
import { hostTwins } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import { startTwins } from "../../providers/twins-main.ts";
import { CookieJar } from "../../providers/vtex/cookies.ts";
import { vtex } from "../../providers/vtex/index.ts";
import { vtexTwin } from "../../providers/vtex/twin.ts";
import { shop, vtexAccountOf, type ShopRequest } from "../../schema/meta-tools/shop.ts";
import { buildDynamicCode, parseBrCode } from "../../schema/pix/brcode.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const asked = (input: object): ShopRequest => shop.input.parse(input);

const order = {
  action: "checkout", items: [{ variant_id: "102", quantity: 2 }, { variant_id: "201" }],
  buyer: { name: "Maria da Silva", email: "maria@example.com", cpf: "11144477735", phone: "(11) 99999-8888" },
  address: { cep: "01305-000", number: "100" },
};

providerConformance({
  definition: vtex,
  twin: vtexTwin,
  verbs: {
    searchProducts: { request: asked({ query: "camiseta" }) },
    placeOrder: { request: asked(order), declined: asked({ ...order, items: [{ variant_id: "901" }] }), carriesReference: false },
  },
});

async function newStore(change: (fetch: Fetch) => Fetch = (fetch) => fetch) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const host = hostTwins({ twins: [vtexTwin], clock, storeFor: () => store, send: async () => new Response() });
  const sent: Request[] = [];
  const fetch = change(async (request) => {
    sent.push(request.clone());
    return host.fetch(request);
  });
  const connect = (settings: Record<string, string>) => vtex.connect({ credentials: {}, settings, baseUrl: vtex.hosts.test }, fetch);
  const newCall = (): CallContext => {
    const call: CallContext = {
      reference: randomUUID(), toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
      note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
    };
    return call;
  };
  const provider = connect({ account: "sandbox" });
  const place = (input: object, call = newCall()) => provider.placeOrder!(asked(input), call);
  return { clock, sent, connect, provider, newCall, place };
}

test("a product has its variants, its first one in stock before it, prices in centavos", async () => {
  const { provider, newCall } = await newStore();
  expect(await provider.searchProducts!(asked({ query: "CAMISETA basica" }), newCall())).toMatchObject({
    outcome: "accepted",
    result: {
      rail: "vtex",
      products: [{
        product_id: "1", sku_id: "102", title: "Camiseta Básica", price_minor: 4_990n, currency: "BRL", available: true,
        url: "https://sandbox.vtexcommercestable.com.br/camiseta-basica/p",
        variants: [
          { sku_id: "101", price_minor: 4_990n, available: false }, { sku_id: "102", available: true }, { sku_id: "103", price_minor: 5_490n, available: true },
        ],
      }],
    },
  });
  expect(await provider.searchProducts!(asked({ query: "cafeteira" }), newCall())).toMatchObject({ result: { products: [{ available: false, sku_id: "401" }] } });
  expect(await provider.searchProducts!(asked({ query: "nothing like it" }), newCall())).toMatchObject({ outcome: "accepted", result: { products: [] } });
});

test("a merchant is a store of its own, and none but VTEX' hosts are asked", async () => {
  const { connect, newCall, sent } = await newStore();
  await connect({}).searchProducts!(asked({ query: "x", merchant: "Cobasi", limit: 99 }), newCall());
  expect(sent[0]!.url).toBe("https://cobasi.vtexcommercestable.com.br/api/catalog_system/pub/products/search?ft=x&_from=0&_to=19");
  const elsewhere = await connect({}).searchProducts!(asked({ query: "x", merchant: "www.cobasi.com.br" }), newCall());
  expect(elsewhere).toMatchObject({ outcome: "declined", field: "merchant" });
  expect(sent).toHaveLength(1);
});

test.each([
  ["loja", "loja"], ["LOJA-1", "loja-1"], ["loja.myvtex.com", "loja"], ["https://loja.vtexcommercestable.com.br/tenis/p?skuId=1", "loja"],
  ["www.loja.com.br", undefined], ["https://loja.myvtex.com.evil.example/p", undefined], ["127.0.0.1", undefined], ["a.b.myvtex.com", undefined],
  ["loja@evil.example", undefined], ["loja:8080", undefined], ["", undefined],
])("%s names the account %s", (text, account) => {
  expect(vtexAccountOf(text)).toBe(account);
});

test("an order is placed step after step, and its Pix code is for goods and the cheapest delivery", async () => {
  const { place, sent } = await newStore();
  const placed = await place(order);
  // 2 × 49.90 + 189.99, and 9.90 of delivery for each item
  const total = 9_980n + 18_999n + 2n * 990n;
  expect(placed).toMatchObject({ outcome: "accepted", ref: expect.stringMatching(/^v[0-9a-f]{10}$/), result: { total_minor: total } });
  const code = placed.outcome === "accepted" ? placed.result.pix_copia_e_cola! : "";
  expect(parseBrCode(code)).toMatchObject({ ok: true, code: { kind: "dynamic", amountMinor: total, merchantName: "Loja sandbox" } });
  const steps = sent.map(({ method, url }) => `${method} ${new URL(url).pathname.replace(/[0-9a-f]{32}/gi, ":id").replace(/v[0-9a-f]{10}$/, ":order")}`);
  expect(steps).toEqual([
    "GET /api/checkout/pub/orderForm", "POST /api/checkout/pub/orderForm/:id/items", "POST /api/checkout/pub/orderForm/:id/attachments/clientProfileData",
    "GET /api/checkout/pub/postal-code/BRA/01305000", "POST /api/checkout/pub/orderForm/:id/attachments/shippingData",
    "POST /api/checkout/pub/orderForm/:id/attachments/shippingData", "POST /api/checkout/pub/orderForm/:id/attachments/paymentData",
    "POST /api/checkout/pub/orderForm/:id/transaction", "POST /api/pub/transactions/:id/payments", "POST /api/checkout/pub/gatewayCallback/:order",
  ]);
});

test("what is sent of the shopper, and the cookies it is sent with", async () => {
  const { place, sent } = await newStore();
  await place({ ...order, items: [{ variant_id: "102", seller: "loja2" }] });
  const bodies = await Promise.all(sent.map(async (request) => JSON.parse((await request.text()) || "null") as unknown));
  expect(bodies[1]).toEqual({ orderItems: [{ id: "102", quantity: 1, seller: "loja2" }] });
  expect(bodies[2]).toEqual({
    email: "maria@example.com", firstName: "Maria", lastName: "da Silva", document: "11144477735", documentType: "cpf", phone: "+5511999998888", isCorporate: false,
  });
  expect(bodies[5]).toMatchObject({
    selectedAddresses: [{ receiverName: "Maria da Silva", postalCode: "01305000", country: "BRA", street: "Rua Augusta", number: "100", city: "São Paulo", state: "SP" }],
    logisticsInfo: [{ itemIndex: 0, selectedSla: "Normal", selectedDeliveryChannel: "delivery" }],
  });
  expect(bodies[8]).toMatchObject([{ paymentSystem: "125", value: 5_980, currencyCode: "BRL", transaction: { merchantName: "SANDBOX" } }]);
  const cookies = sent.map((request) => (request.headers.get("cookie") ?? "").split("; ").map((each) => each.split("=")[0]));
  expect(cookies[0]).toEqual([""]);
  expect(cookies[1]).toEqual(["checkout.vtex.com", "CheckoutOrderFormOwnership"]);
  expect(cookies[9]).toEqual(["checkout.vtex.com", "CheckoutOrderFormOwnership", "CheckoutDataAccess", "Vtex_CHKO_Auth"]);
});

test("the ids of the order are written down before it is paid for", async () => {
  const { place, newCall } = await newStore((fetch) => async (request) => {
    if (request.url.includes("vtexpayments")) throw new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "ECONNRESET" }) });
    return fetch(request);
  });
  const call = newCall();
  await expect(place(order, call)).rejects.toMatchObject({ name: "OutcomeUnknown" });
  expect(call.notes).toMatchObject({ order_group: expect.stringMatching(/^v/), transaction_id: expect.any(String) });
});

test.each([
  ["what is sold out", { items: [{ variant_id: "401" }] }, { field: "items", message: "The store does not have 1 of 401 to sell." }],
  ["more than there is", { items: [{ variant_id: "301", quantity: 4 }] }, { field: "items" }],
  ["what it does not sell", { items: [{ variant_id: "999" }] }, { field: "items" }],
  ["to where nothing is delivered", { address: { cep: "99999-999" } }, { field: "address" }],
  ["of one whose e-mail address has a profile there", { buyer: { ...order.buyer, email: "known@example.com" } }, { reason: "not_permitted", field: "buyer.email" }],
  ["at a store without Pix", { items: [{ variant_id: "902" }] }, { field: "merchant", message: "The store takes no Pix." }],
  ["that is paid on a page of its own", { items: [{ variant_id: "903" }] }, { field: "merchant" }],
  ["that the store refuses, in its code alone", { items: [{ variant_id: "901" }] }, { message: "The store refused the order (ORD007)." }],
])("an order of %s is declined", async (_what, change, declined) => {
  const { place } = await newStore();
  expect(await place({ ...order, ...change })).toMatchObject({ outcome: "declined", ...declined });
});

test.each([
  ["buyer.name", { buyer: { ...order.buyer, name: undefined } }], ["buyer.email", { buyer: { ...order.buyer, email: undefined } }],
  ["buyer.cpf", { buyer: { ...order.buyer, cpf: "12.345.678/0001-95" } }], ["buyer.phone", { buyer: { ...order.buyer, phone: undefined } }],
  ["address", { address: undefined }],
])("without %s nothing is asked of the store", async (field, change) => {
  const { place, sent } = await newStore();
  expect(await place({ ...order, ...change })).toMatchObject({ outcome: "declined", field });
  expect(sent).toEqual([]);
});

test("no sentence of a refusal repeats what the store said of the shopper", async () => {
  const { place } = await newStore((fetch) => async (request) =>
    (request.url.endsWith("/transaction") ? Response.json({ error: { code: "ORD007 maria@example.com", message: "maria@example.com is blocked" } }, { status: 400 }) : fetch(request)));
  const declined = await place(order);
  expect(declined).toMatchObject({ outcome: "declined", message: "The store refused the order (HTTP 400)." });
});

test("a code for another amount than the order's is not passed on", async () => {
  const code = buildDynamicCode({ location: "pix.example.com/qr/v2/1", merchantName: "Loja", merchantCity: "Sao Paulo", amountMinor: 1n });
  const { place } = await newStore((fetch) => async (request) => (request.url.includes("/gatewayCallback/")
    ? Response.json({ paymentAuthorizationAppCollection: [{ appName: "vtex.pix-payment", appPayload: JSON.stringify({ code }) }] }, { status: 428 }) : fetch(request)));
  expect(await place(order)).toMatchObject({ outcome: "declined", message: "The store gave no Pix code for the total of the order." });
});

test("an order whose payment comes too late is incomplete at the store", async () => {
  const { place, clock } = await newStore((fetch) => async (request) => {
    if (request.url.includes("/gatewayCallback/")) await clock.advance(6 * 60_000);
    return fetch(request);
  });
  expect(await place(order)).toMatchObject({ outcome: "declined", message: "The store refused the order (ORD027)." });
});

test("a product's page is bought by its only variant, or the one it names", async () => {
  const { place } = await newStore();
  const page = (path: string) => place({ ...order, items: undefined, url: `https://sandbox.myvtex.com${path}` });
  expect(await page("/racao-para-caes-15-kg/p")).toMatchObject({ outcome: "accepted", result: { total_minor: 19_989n } });
  expect(await page("/camiseta-basica/p?skuId=103")).toMatchObject({ outcome: "accepted", result: { total_minor: 6_480n } });
  expect(await page("/camiseta-basica/p")).toMatchObject({ outcome: "declined", message: "The product has several variants: name one in `items`." });
  expect(await page("/none/p")).toMatchObject({ outcome: "declined", field: "url" });
  expect(await page("/institutional")).toMatchObject({ outcome: "declined", field: "url" });
});

test("an order is placed with the twins in a process of their own: cookies come through", async () => {
  const twins = await startTwins({ twins: [vtexTwin], port: 0, log: () => {} });
  const fetch = twinsFetch(twins.url, twins.caPem);
  try {
    const provider = vtex.connect({ credentials: {}, settings: { account: "sandbox" }, baseUrl: vtex.hosts.test }, fetch);
    const { newCall } = await newStore();
    expect(await provider.placeOrder!(asked(order), newCall())).toMatchObject({ outcome: "accepted" });
  } finally {
    await fetch.close();
    await twins.stop();
  }
});

test("cookies keep their last value, whatever stands in it", () => {
  const jar = new CookieJar();
  expect(jar.header()).toEqual({});
  jar.take(new Headers([["set-cookie", "a=__ofid=1; path=/"], ["set-cookie", "b=2"]]));
  jar.take(new Headers([["set-cookie", "b=3; secure"]]));
  expect(jar.header()).toEqual({ cookie: "a=__ofid=1; b=3" });
});
