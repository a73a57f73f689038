/**
 * VTEX: what a store sells, and a guest's order that ends in the store's own Pix code. Reference: VTEX Legacy Search, Checkout
 * and Payments Gateway APIs, "orderForm fields", and public clients that closed guest orders by Pix, read 2026-11-20.
 * Quirks: one host a store, `{account}.vtexcommercestable.com.br`; a guest is his cookies; prices of the catalogue are
 * decimals in major units, those of a cart cents; the Pix code comes with HTTP 428.
 */
import { z } from "zod";
import { vtexAccountOf, type Offer, type ShopRequest, type ShopResult } from "../../schema/meta-tools/shop.ts";
import { fromDecimal } from "../../schema/money.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, type CallContext, type ConnectionConfig, type Fetch, type Outcome, type ProviderDefinition,
} from "../provider.ts";
import { CookieJar } from "./cookies.ts";
import { placeOrder, type Store } from "./order.ts";
import { declineOf, refuse, type Declined } from "./refusals.ts";

export const vtex: ProviderDefinition = {
  id: "vtex",
  title: "VTEX",
  category: "ecommerce",
  country: "BR",
  authType: "none",
  hosts: { live: "https://vtexcommercestable.com.br", test: "https://vtexcommercestable.com.br" },
  credentials: [],
  settings: [
    { name: "account", label: "Store account", secret: false, required: false, hint: "As in account.myvtex.com. A call may name another store as its merchant." },
  ],
  repeats: "ignores",
  connect: (connection, fetch) => ({
    searchProducts: async (request, call) => {
      const store = storeOf(connection, fetch, request.merchant);
      return "outcome" in store ? store : search(store, request, call);
    },
    placeOrder: async (request, call) => {
      const store = storeOf(connection, fetch, request.url ?? request.merchant);
      if ("outcome" in store) return store;
      const items = request.items ?? (await itemsOf(store, request.url ?? "", call));
      return "outcome" in items ? items : placeOrder(store, { ...request, items }, call);
    },
  }),
};

/** A store, with cookies that are one guest's. */
function storeOf({ settings, baseUrl }: ConnectionConfig, fetch: Fetch, merchant: string | undefined): Store | Declined {
  const named = merchant ?? settings["account"];
  if (!named) throw new SetupMissing("account");
  const account = vtexAccountOf(named);
  if (!account) return refuse("merchant", "Expected the VTEX account of a store, such as loja of loja.myvtex.com.");
  const jar = new CookieJar();
  const http: HttpClient = httpClient({
    provider: "vtex", baseUrl: baseUrl.replace("://", `://${account}.`), fetch, sign: () => jar.header(), heard: (headers) => jar.take(headers),
  });
  return { account, http };
}

async function search({ account, http }: Store, { query = "", limit }: ShopRequest, call: CallContext): Promise<Outcome<ShopResult>> {
  try {
    const range = { ft: query, _from: "0", _to: String(limit - 1) };
    const products = await http.ask({ method: "GET", path: SEARCH, query: range }, Products, call);
    return { outcome: "accepted", ref: account, state: "pending", action: "found", result: { rail: "vtex", products: products.map(toOffer) } };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error, "the search");
    throw error;
  }
}

const SEARCH = "/api/catalog_system/pub/products/search";

// Only the fields we read.
const Products = z.array(z.object({
  productId: z.string(),
  productName: z.string().nullish(),
  link: z.string().nullish(),
  items: z.array(z.object({
    itemId: z.string(),
    name: z.string().nullish(),
    images: z.array(z.object({ imageUrl: z.string().nullish() })).nullish(),
    sellers: z.array(z.object({
      sellerId: z.string(),
      sellerDefault: z.boolean().nullish(),
      commertialOffer: z.object({ Price: z.number().nullish(), AvailableQuantity: z.number().nullish() }).nullish(),
    })),
  })),
}));
type Product = z.output<typeof Products>[number];

function toOffer({ productId, productName, link, items }: Product): Offer {
  const variants = items.map(toVariant);
  const shown = variants.findIndex(({ available }) => available);
  const first = variants[Math.max(0, shown)];
  const image = items[Math.max(0, shown)]?.images?.[0]?.imageUrl;
  return {
    product_id: productId,
    ...(first && { sku_id: first.sku_id, ...(first.price_minor !== undefined && { price_minor: first.price_minor }) }),
    ...(productName && { title: productName }), currency: "BRL", ...(image && { image }), ...(link && { url: link }),
    available: shown >= 0, variants,
  };
}

function toVariant({ itemId, name, sellers }: Product["items"][number]): Offer["variants"][number] {
  const seller = sellers.find(({ sellerDefault }) => sellerDefault) ?? sellers[0];
  const { Price: price, AvailableQuantity: stock } = seller?.commertialOffer ?? {};
  const minor = price == null ? undefined : fromDecimal(price, "BRL");
  return { sku_id: itemId, ...(name && { title: name }), ...(minor !== undefined && { price_minor: minor, currency: "BRL" }), available: (stock ?? 0) > 0 };
}

/** What a product's page sells: the variant its address names, or the only one there is. */
async function itemsOf({ http }: Store, url: string, call: CallContext): Promise<NonNullable<ShopRequest["items"]> | Declined> {
  const { pathname, searchParams } = new URL(url);
  const [, slug] = /^\/([^/]+)\/p\/?$/.exec(pathname) ?? [];
  if (!slug) return refuse("url", "The address is not that of a product's page, which ends in /p.");
  try {
    const [product] = await http.ask({ method: "GET", path: `${SEARCH}/${slug}/p` }, Products, call);
    const named = searchParams.get("skuId") ?? searchParams.get("idsku");
    const skus = product?.items.filter(({ itemId }) => named === null || itemId === named) ?? [];
    if (skus.length === 1) return [{ variant_id: skus[0]!.itemId, quantity: 1 }];
    return refuse("url", skus.length === 0 ? "The store has no such product." : "The product has several variants: name one in `items`.");
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error, "the search");
    throw error;
  }
}
