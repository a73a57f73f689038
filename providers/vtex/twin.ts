/**
 * The stand-in for VTEX: stores of any account with one small catalogue, guests' carts, orders, and the gateway that answers an
 * order's payment with a Pix code. A guest is known by his cookies. What it leaves out is in README.md.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition } from "../twin.ts";
import { deliveriesTo, findProducts, skuOf, streetOf } from "./twin-store.ts";

export const vtexTwin: TwinDefinition = {
  id: "vtex",
  hosts: ["vtexcommercestable.com.br", "*.vtexcommercestable.com.br", "*.vtexpayments.com.br"],
  magic: {
    "variant_id 401": "sold out: it does not go into a cart",
    "variant_id 901": "the store refuses the order: 400 ORD007",
    "variant_id 902": "a store that has it takes no Pix",
    "variant_id 903": "its payment wants a page of its own instead of a Pix code",
    "cep 99999-999": "nothing is delivered there",
    "email known@": "an e-mail address that starts with known@ has a profile at the store, and its holder would have to log in",
  },
  create: (context) => new VtexTwin(context),
};

interface Cart {
  account: string;
  id: string;
  ownership: string;
  items: { id: string; quantity: number; seller: string }[];
  profile?: Record<string, unknown>;
  address?: Record<string, unknown>;
  /** The delivery of each item, once chosen. */
  slas: (string | null)[];
  paymentSystem?: string;
}

interface Order {
  account: string;
  orderGroup: string;
  transactionId: string;
  auth: string;
  value: number;
  items: Cart["items"];
  placedAt: string;
  isPaymentSent: boolean;
}

/** An order whose payment has not come by then is given up as incomplete. */
const INCOMPLETE_AFTER_MS = 5 * 60_000;
const PIX = { stringId: "125", id: 125, name: "Pix", groupName: "instantPaymentPaymentGroup" };
const BOLETO = { stringId: "6", id: 6, name: "Boleto Bancário", groupName: "bankInvoicePaymentGroup" };

class VtexTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  /** A guest needs no account; this is a store to buy at. */
  async openAccount(): Promise<TwinAccount> {
    return { credentials: {}, settings: { account: "sandbox" }, webhookSecret: randomBytes(24).toString("base64url") };
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const account = url.host.split(".")[0]!;
    const guest = new Map([...(request.headers.get("cookie") ?? "").matchAll(/([^=;\s]+)=([^;]*)/g)].map(([, name, value]) => [name!, value!]));
    const body = json(await request.text());
    if (url.host.endsWith("vtexpayments.com.br")) return this.#pay(account, url, body);
    const [, kind, rest = ""] = /^\/api\/(catalog_system\/pub\/products\/search|checkout\/pub\/[^/]+)(?:\/(.*))?$/.exec(url.pathname) ?? [];
    switch (`${request.method} ${kind}`) {
      case "GET catalog_system/pub/products/search": return Response.json(findProducts(account, url.searchParams, rest), { status: 206 });
      case "GET checkout/pub/postal-code": return Response.json(streetOf(rest.replace("BRA/", "")));
      case "GET checkout/pub/orderForm": return this.#newCart(account);
      case "POST checkout/pub/orderForm": return this.#changeCart(account, rest, { guest, body });
      case "POST checkout/pub/gatewayCallback": return this.#finish(account, rest, guest);
      default: return problem(404, "CHK0000", "There is no such route.");
    }
  }

  /** Nothing happens here by itself. */
  async run(): Promise<void> {}

  async #newCart(account: string): Promise<Response> {
    const cart: Cart = { account, id: randomUUID().replaceAll("-", ""), ownership: randomBytes(18).toString("base64url"), items: [], slas: [] };
    await this.#context.store.put(cartKey(account, cart.id), cart);
    const answer = Response.json(shown(cart, true));
    answer.headers.append("set-cookie", `checkout.vtex.com=__ofid=${cart.id}; path=/; secure; HttpOnly`);
    answer.headers.append("set-cookie", `CheckoutOrderFormOwnership=${cart.ownership}; path=/; secure; HttpOnly`);
    return answer;
  }

  async #changeCart(account: string, rest: string, { guest, body }: { guest: Guest; body: unknown }): Promise<Response> {
    const [id = "", ...what] = rest.split("/");
    if (what[0] === "transaction") return this.#place(account, id, { guest, body });
    const change = changes[what.join("/")];
    const parsed = change?.input.safeParse(body);
    if (!change) return problem(404, "CHK0000", "There is no such route.");
    if (!parsed?.success) return problem(400, "ORD002", `${parsed?.error.issues[0]?.path.join(".")}: ${parsed?.error.issues[0]?.message}`);
    const cart = await this.#context.store.update<Cart>(cartKey(account, id), (current) => change.apply(current, parsed.data as never));
    return cart ? Response.json(shown(cart, guest.get("CheckoutOrderFormOwnership") === cart.ownership)) : problem(404, "ORD002", "There is no such cart.");
  }

  async #place(account: string, id: string, { guest, body }: { guest: Guest; body: unknown }): Promise<Response> {
    const cart = await this.#context.store.get<Cart>(cartKey(account, id));
    const asked = z.object({ referenceId: z.literal(id), value: z.int(), referenceValue: z.int(), interestValue: z.int() }).safeParse(body).data;
    if (!cart || guest.get("checkout.vtex.com") !== `__ofid=${id}`) return problem(404, "ORD002", "There is no such cart.");
    if (!cart.profile || !cart.address || !cart.paymentSystem || cart.slas.some((sla) => sla === null)) return problem(400, "ORD006", "The cart is not complete.");
    if (asked?.value !== valueOf(cart)) return problem(400, "CHK0016", "The value of the cart is another one.");
    if (has(cart, "901")) return problem(400, "ORD007", "The order is refused.");
    const order: Order = {
      account, orderGroup: `v${randomBytes(5).toString("hex")}`, transactionId: randomUUID().replaceAll("-", "").toUpperCase(),
      auth: randomBytes(18).toString("base64url"), value: asked.value, items: cart.items, placedAt: this.#context.clock.now().toISOString(), isPaymentSent: false,
    };
    await this.#context.store.put(orderKey(account, order.orderGroup), order);
    return placed(order);
  }

  /** What a shopper owes is sent to the gateway, apart from the store. */
  async #pay(account: string, { pathname, searchParams }: URL, body: unknown): Promise<Response> {
    const [, transactionId] = /^\/api\/pub\/transactions\/([^/]+)\/payments$/.exec(pathname) ?? [];
    const sent = Payments.safeParse(body).data?.[0];
    const key = orderKey(account, searchParams.get("orderId") ?? "");
    const order = await this.#context.store.get<Order>(key);
    if (!order || order.transactionId !== transactionId) return problem(404, "TRA0001", "There is no such transaction.");
    if (sent?.value !== order.value || sent.transaction.id !== transactionId) return problem(400, "TRA0002", "The payment is not that of the order.");
    await this.#context.store.update<Order>(key, (current) => ({ ...current, isPaymentSent: true }));
    return new Response(null, { status: 201 });
  }

  async #finish(account: string, orderGroup: string, guest: Guest): Promise<Response> {
    const order = await this.#context.store.get<Order>(orderKey(account, orderGroup));
    if (!order) return problem(404, "ORD002", "There is no such order.");
    if (guest.get("Vtex_CHKO_Auth") !== order.auth) return problem(403, "CHK0082", "The order is another guest's.");
    const age = this.#context.clock.now().getTime() - Date.parse(order.placedAt);
    if (!order.isPaymentSent || age > INCOMPLETE_AFTER_MS) return problem(400, "ORD027", "The order is incomplete.");
    if (has(order, "903"))
      return Response.json({ RedirectResponseCollection: [{ redirectUrl: "https://payments.example.com/pay" }], paymentAuthorizationAppCollection: [] }, { status: 428 });
    const location = `pix.example.com/qr/v2/${order.transactionId.toLowerCase()}`;
    const code = buildDynamicCode({ location, merchantName: `Loja ${account}`, merchantCity: "Sao Paulo", amountMinor: BigInt(order.value) });
    const appPayload = JSON.stringify({ code, expiresAt: new Date(Date.parse(order.placedAt) + 3_600_000).toISOString(), transactionId: order.transactionId });
    return Response.json({ RedirectResponseCollection: [], paymentAuthorizationAppCollection: [{ appName: "vtex.pix-payment", appPayload }] }, { status: 428 });
  }
}

type Guest = ReadonlyMap<string, string>;

interface Change<Input extends z.ZodType = z.ZodType> {
  input: Input;
  apply(cart: Cart, given: z.output<Input>): Cart;
}
const change = <Input extends z.ZodType>(input: Input, apply: Change<Input>["apply"]): Change => ({ input, apply: apply as Change["apply"] });

/** By what follows the cart's id in the path. */
const changes: Record<string, Change> = {
  items: change(
    z.object({ orderItems: z.array(z.object({ id: z.string(), quantity: z.int().positive(), seller: z.string() })).min(1) }),
    (cart, { orderItems }) => ({ ...cart, items: [...cart.items, ...orderItems.filter(({ id }) => skuOf(id))] }),
  ),
  "attachments/clientProfileData": change(
    z.object({ email: z.email(), firstName: z.string().min(1), lastName: z.string().min(1), document: z.string(), documentType: z.string(), phone: z.string() }),
    (cart, profile) => ({ ...cart, profile }),
  ),
  "attachments/shippingData": change(
    z.object({
      selectedAddresses: z.array(z.looseObject({ postalCode: z.string().regex(/^\d{8}$/), receiverName: z.string(), country: z.literal("BRA") })).length(1),
      logisticsInfo: z.array(z.object({ itemIndex: z.int(), selectedSla: z.string(), selectedDeliveryChannel: z.string() })).optional(),
    }),
    (cart, { selectedAddresses: [address], logisticsInfo = [] }) => ({
      ...cart, address, slas: cart.items.map((_, index) => logisticsInfo.find(({ itemIndex }) => itemIndex === index)?.selectedSla ?? null),
    }),
  ),
  "attachments/paymentData": change(
    z.object({ payments: z.array(z.object({ paymentSystem: z.string(), value: z.int(), referenceValue: z.int(), installments: z.int() })).length(1) }),
    (cart, { payments: [payment] }) => ({ ...cart, paymentSystem: payment!.paymentSystem }),
  ),
};

const Payments = z.array(z.object({
  paymentSystem: z.string(), value: z.int(), currencyCode: z.literal("BRL"), transaction: z.object({ id: z.string(), merchantName: z.string() }),
})).length(1);

const has = ({ items }: Pick<Cart, "items">, sku: string): boolean => items.some(({ id }) => id === sku);

function slasOf(cart: Cart): ReturnType<typeof deliveriesTo> {
  return deliveriesTo(String(cart.address?.["postalCode"] ?? ""));
}

function valueOf(cart: Cart): number {
  const goods = cart.items.reduce((sum, { id, quantity }) => sum + (skuOf(id)?.priceCents ?? 0) * quantity, 0);
  return cart.slas.reduce((sum, sla) => sum + (slasOf(cart).find(({ id }) => id === sla)?.price ?? 0), goods);
}

/** Personal data are masked for everybody who does not bring the cookie of the cart's owner. */
function shown(cart: Cart, isOwner: boolean): object {
  const slas = slasOf(cart);
  const isKnown = String(cart.profile?.["email"] ?? "").startsWith("known@");
  const value = valueOf(cart);
  return {
    orderFormId: cart.id, value, canEditData: !isKnown, loggedIn: false, userProfileId: isKnown ? "profile" : null, messages: [],
    items: cart.items.map(({ id, quantity, seller }) => ({
      id, quantity, seller, name: skuOf(id)?.name, sellingPrice: skuOf(id)?.priceCents, availability: (skuOf(id)?.stock ?? 0) >= quantity ? "available" : "withoutStock",
    })),
    clientProfileData: cart.profile && isOwner ? cart.profile : cart.profile && { email: "***" },
    shippingData: cart.address && {
      selectedAddresses: isOwner ? [cart.address] : [],
      logisticsInfo: cart.items.map((_, itemIndex) => ({ itemIndex, selectedSla: cart.slas[itemIndex], slas })),
    },
    paymentData: {
      paymentSystems: has(cart, "902") ? [BOLETO] : [BOLETO, PIX],
      payments: cart.paymentSystem ? [{ paymentSystem: cart.paymentSystem, value, referenceValue: value, installments: 1 }] : [],
    },
  };
}

function placed({ account, orderGroup, transactionId, auth, value }: Order): Response {
  const merchant = { id: account.toUpperCase(), transactionId, merchantName: account.toUpperCase(), payments: [{ paymentSystem: "125", value, referenceValue: value }] };
  const answer = Response.json({
    id: transactionId, orderGroup, merchantTransactions: [merchant], receiverUri: `https://${account}.vtexpayments.com.br/split/${orderGroup}/payments`,
    gatewayCallbackTemplatePath: `/checkout/gatewayCallback/${orderGroup}/{messageCode}`,
  });
  answer.headers.append("set-cookie", `CheckoutDataAccess=VTEX_CHK_Order_Auth=${auth}; path=/; secure; HttpOnly`);
  answer.headers.append("set-cookie", `Vtex_CHKO_Auth=${auth}; path=/; secure; HttpOnly`);
  return answer;
}

const cartKey = (account: string, id: string): string => `cart/${account}/${id}`;
const orderKey = (account: string, orderGroup: string): string => `order/${account}/${orderGroup}`;

const problem = (status: number, code: string, message: string): Response =>
  Response.json({ error: { code, message, exception: null }, operationId: randomUUID() }, { status });

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
