/**
 * codespar_shop: what a store sells, and a guest's order at it that ends in the store's own Pix code. The shopper pays; nothing is
 * bought here, and no money of a merchant's moves. Sources: facts 3.12, wire 6.1 and 7.2 (20, 21).
 */
import { z } from "zod";
import { MinorUnits } from "../money.ts";
import { callerArguments, metaTool } from "./meta-tool.ts";

const ITEMS_MAX = 50;
const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 20;
const CEP = /^\d{5}-?\d{3}$/;

const variant = z.object({
  sku_id: z.string().describe("The variant_id of a checkout."),
  title: z.string().optional(),
  price_minor: MinorUnits.optional(),
  currency: z.string().optional(),
  available: z.boolean(),
});

const offer = z.object({
  product_id: z.string(),
  sku_id: z.string().optional(),
  title: z.string().optional(),
  price_minor: MinorUnits.optional(),
  currency: z.string().optional(),
  image: z.string().optional(),
  url: z.string().optional(),
  available: z.boolean(),
  variants: z.array(variant),
});
export type Offer = z.output<typeof offer>;

/** Why a checkout came to nothing. The identifiers are published; they name no person and no order. */
export const CheckoutError = z.enum([
  "browser_worker_unconfigured", "browser_worker_failed", "browser_worker_checkout_failed", "browser_worker_status_failed",
]);
export type CheckoutError = z.output<typeof CheckoutError>;

/** The same, for whoever has to act on it. */
export const CheckoutReason = z.enum([
  "checkout_failed", "no_shipping", "identity_required", "not_connected", "store_temporarily_unavailable",
]);
export type CheckoutReason = z.output<typeof CheckoutReason>;

export const shop = metaTool({
  name: "codespar_shop",
  description:
    "Find products in a store, and place a shopper's order there. checkout answers at once; checkout_status then gives the store's Pix code, which the shopper pays.",
  effect: "writes",
  shown: {
    action: z.enum(["search", "checkout", "checkout_status"]).default("search"),
    query: z.string().min(1).max(200).optional().describe("for search"),
    limit: z.number().default(LIMIT_DEFAULT).transform((limit) => Math.min(LIMIT_MAX, Math.max(1, Math.trunc(limit)))),
    merchant: z.string().min(1).max(200).optional().describe("VTEX account of the store"),
    items: z.array(z.object({
      variant_id: z.string().min(1).max(64).describe("an offer's sku_id"),
      quantity: z.int().positive().max(100).default(1),
      seller: z.string().min(1).max(64).optional(),
    })).min(1).max(ITEMS_MAX).optional().describe("for checkout, or url"),
    url: z.url({ protocol: /^https?$/ }).max(2_000).optional().describe("a product's page"),
    buyer: z.object({
      name: z.string().min(1).max(200), email: z.email().max(254), cpf: z.string().max(20), phone: z.string().max(32),
    }).partial().optional().describe("who receives it; all four are needed"),
    address: z.object({
      cep: z.string().regex(CEP, "expected a CEP, such as 01305-000"),
      street: z.string().max(200).optional(),
      number: z.string().max(20).optional(),
      complement: z.string().max(100).optional(),
      neighborhood: z.string().max(100).optional(),
      city: z.string().max(100).optional(),
      state: z.string().max(40).optional(),
    }).optional(),
    checkout_session_id: z.string().min(1).max(128).optional().describe("for checkout_status"),
  },
  caller: {
    ...callerArguments,
    consumer_id: z.string().max(128).optional().describe("Taken and not used: profiles of shoppers are not kept, so what is not in `buyer` is not known."),
  },
  unkept: ["buyer", "address", "consumer_id", "pix_copia_e_cola"],
  output: z.object({
    rail: z.string().optional(),
    products: z.array(offer).optional(),
    checkout_session_id: z.string().optional(),
    status: z.enum(["in_progress", "ready_for_payment", "canceled"]).optional(),
    message: z.string().optional(),
    total_minor: MinorUnits.optional(),
    pix_copia_e_cola: z.string().optional(),
    error: CheckoutError.optional().describe("Why it was canceled."),
    reason_code: CheckoutReason.optional(),
    reason_hint: z.string().optional(),
  }),
});
export type ShopRequest = z.output<typeof shop.input>;
export type ShopResult = z.output<typeof shop.output>;

/** Spellings that mean Mercado Livre, whose pages only a browser can order from. */
export const isMercadoLivre = (merchant: string): boolean => /^(?:meli|mercado[ -]?li(?:v|b)re)$/i.test(merchant.trim());

/**
 * The VTEX account that a merchant's name or a page's address stands for: `loja`, `loja.myvtex.com`, `https://loja.vtexcommercestable.com.br/…`.
 *
 * returns  undefined for an address elsewhere, a store's own domain among them: requests go to VTEX' hosts alone
 */
export function vtexAccountOf(text: string): string | undefined {
  const host = /^(?:https?:\/\/)?([^/?#]+)/i.exec(text.trim())?.[1]?.toLowerCase() ?? "";
  return /^([a-z0-9][a-z0-9-]{0,62})(?:\.(?:myvtex\.com|vtexcommercestable\.com\.br))?$/.exec(host)?.[1];
}
