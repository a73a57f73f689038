/**
 * A guest's order at a VTEX store, step after step, never two at a time: a cart, the shopper, where it goes, Pix; then the
 * order, its payment, and the answer that holds the Pix code. Up to the order nothing of it matters to anybody.
 */
import { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { ShopRequest, ShopResult } from "../../schema/meta-tools/shop.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import type { HttpClient, RequestSpec } from "../http.ts";
import { Rejected, type CallContext, type Outcome } from "../provider.ts";
import { declineOf, IDENTITY, refuse, type Declined } from "./refusals.ts";

export interface Store {
  account: string;
  /** Carries the guest's cookies. */
  http: HttpClient;
}

type Items = NonNullable<ShopRequest["items"]>;

export async function placeOrder(store: Store, request: ShopRequest & { items: Items }, call: CallContext): Promise<Outcome<ShopResult>> {
  const shopper = shopperOf(request);
  if ("outcome" in shopper) return shopper;
  try {
    const cart = await fillCart(store, { ...shopper, items: request.items, address: request.address! }, call);
    return "outcome" in cart ? cart : await order(store, cart, call);
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error, "the order");
    throw error;
  }
}

interface Shopper {
  name: string;
  profile: object;
}

/** No profile is kept, so everything a store asks of a guest has to be in the call. */
function shopperOf({ buyer = {}, address }: ShopRequest): Shopper | Declined {
  const { name, email, cpf = "", phone = "" } = buyer;
  if (!name) return refuse("buyer.name", MISSING);
  if (!email) return refuse("buyer.email", MISSING);
  const document = cpf.replace(/\D/g, "");
  if (document.length !== CPF_LENGTH) return refuse("buyer.cpf", "The store needs the shopper's CPF.");
  const number = normalizePhone(phone, "BR");
  if (!number.ok) return refuse("buyer.phone", "The store needs a phone number of the shopper's.");
  if (!address) return refuse("address", "The store needs an address to send to.");
  const [firstName, ...others] = name.trim().split(/\s+/);
  return {
    name,
    profile: {
      email, firstName, lastName: others.join(" ") || firstName, document, documentType: "cpf", phone: number.value, isCorporate: false,
    },
  };
}

/** Its check digits are looked at before anything is asked of a store. */
const CPF_LENGTH = 11;

const MISSING = "The store needs name, e-mail address, CPF and phone number of the shopper.";

// The cart

/** Only the fields we read. Money is in cents. */
const Cents = z.int().min(0).transform((cents) => BigInt(cents));
const Cart = z.object({
  orderFormId: z.string().min(1),
  value: Cents,
  canEditData: z.boolean().nullish(),
  items: z.array(z.object({ id: z.string(), quantity: z.int(), availability: z.string().nullish() })).nullish(),
  shippingData: z.object({
    logisticsInfo: z.array(z.object({
      itemIndex: z.int(),
      slas: z.array(z.object({ id: z.string(), price: z.int().nullish(), deliveryChannel: z.string().nullish() })).nullish(),
    })).nullish(),
  }).nullish(),
  paymentData: z.object({
    paymentSystems: z.array(z.object({ stringId: z.string().nullish(), groupName: z.string().nullish(), name: z.string().nullish() })).nullish(),
    payments: z.array(z.object({ paymentSystem: z.string().nullish(), value: Cents })).nullish(),
  }).nullish(),
});
type Cart = z.output<typeof Cart>;

interface Paid {
  orderFormId: string;
  paymentSystem: string;
  /** What the cart comes to, and what is paid for it: less where the store gives a discount for Pix. */
  cartMinor: bigint;
  totalMinor: bigint;
}

async function fillCart(
  { http }: Store, { items, name, profile, address }: Shopper & { items: Items; address: NonNullable<ShopRequest["address"]> }, call: CallContext,
): Promise<Paid | Declined> {
  const { orderFormId } = await http.ask({ method: "GET", path: CARTS }, Cart, call);
  const attach = (what: string, body: object): Promise<Cart> => http.ask({ method: "POST", path: `${CARTS}/${orderFormId}/${what}`, body }, Cart, call);

  const orderItems = items.map(({ variant_id: id, quantity, seller = "1" }) => ({ id, quantity, seller }));
  const filled = await attach("items", { orderItems });
  const missing = orderItems.find((wanted) => !filled.items?.some((got) => isAsWanted(got, wanted)));
  if (missing) return refuse("items", `The store does not have ${missing.quantity} of ${missing.id} to sell.`, "refused");
  const known = await attach("attachments/clientProfileData", profile);
  if (known.canEditData === false) return IDENTITY;

  const selectedAddresses = [await destination(http, name, address, call)];
  const priced = await attach("attachments/shippingData", { clearAddressIfPostalCodeNotFound: false, selectedAddresses });
  const logisticsInfo = deliveries(priced);
  if (!logisticsInfo) return refuse("address", "The store does not deliver this to the address.", "refused");
  const shipped = await attach("attachments/shippingData", { clearAddressIfPostalCodeNotFound: false, selectedAddresses, logisticsInfo });

  const paymentSystem = shipped.paymentData?.paymentSystems?.find(({ groupName }) => groupName === PIX_GROUP)?.stringId;
  if (!paymentSystem) return refuse("merchant", "The store takes no Pix.", "refused");
  const value = Number(shipped.value);
  const paid = await attach("attachments/paymentData", { payments: [{ paymentSystem, referenceValue: value, value, installments: 1 }] });
  const [payment, ...others] = paid.paymentData?.payments ?? [];
  if (!payment || others.length > 0 || payment.paymentSystem !== paymentSystem || payment.value <= 0n || payment.value > paid.value)
    return refuse("merchant", "The store did not take Pix for the whole of the cart.", "refused");
  return { orderFormId, paymentSystem, cartMinor: paid.value, totalMinor: payment.value };
}

const CARTS = "/api/checkout/pub/orderForm";
const PIX_GROUP = "instantPaymentPaymentGroup";

const isAsWanted = (got: NonNullable<Cart["items"]>[number], wanted: { id: string; quantity: number }): boolean =>
  got.id === wanted.id && got.quantity === wanted.quantity && got.availability === "available";

/** The cheapest delivery of every item; undefined where one cannot be delivered. */
function deliveries({ shippingData }: Cart): object[] | undefined {
  const lines = shippingData?.logisticsInfo ?? [];
  const chosen = lines.map(({ itemIndex, slas }) => {
    const [cheapest] = (slas ?? []).filter(({ deliveryChannel }) => deliveryChannel === "delivery").toSorted((a, b) => (a.price ?? 0) - (b.price ?? 0));
    return cheapest && { itemIndex, selectedSla: cheapest.id, selectedDeliveryChannel: "delivery" };
  });
  return lines.length > 0 && chosen.every((each) => each !== undefined) ? chosen : undefined;
}

const PostalCode = z.object({ street: z.string().nullish(), neighborhood: z.string().nullish(), city: z.string().nullish(), state: z.string().nullish() });

/** A CEP is enough: the store knows what street it is. */
async function destination(http: HttpClient, receiverName: string, address: NonNullable<ShopRequest["address"]>, call: CallContext): Promise<object> {
  const postalCode = address.cep.replace(/\D/g, "");
  const isWhole = address.street && address.neighborhood && address.city && address.state;
  const known = isWhole ? {} : await http.ask({ method: "GET", path: `/api/checkout/pub/postal-code/BRA/${postalCode}` }, PostalCode, call);
  const { street, neighborhood, city, state } = { ...known, ...present(address) };
  return {
    addressType: "residential", receiverName, postalCode, country: "BRA", street, number: address.number ?? null, complement: address.complement ?? null,
    neighborhood, city, state,
  };
}

const present = (address: NonNullable<ShopRequest["address"]>): Partial<NonNullable<ShopRequest["address"]>> =>
  Object.fromEntries(Object.entries(address).filter(([, value]) => value !== undefined && value !== ""));

// The order

const Transaction = z.object({
  id: z.string().min(1),
  orderGroup: z.string().min(1),
  merchantTransactions: z.array(z.object({ id: z.string(), transactionId: z.string(), merchantName: z.string() })).min(1),
});

/** Past the first request an order exists at the store; without a payment within five minutes it lapses by itself. */
async function order(store: Store, paid: Paid, call: CallContext): Promise<Outcome<ShopResult>> {
  const { orderFormId } = paid;
  const [value, referenceValue] = [Number(paid.totalMinor), Number(paid.cartMinor)];
  const body = { referenceId: orderFormId, savePersonalData: false, optinNewsLetter: false, value, referenceValue, interestValue: 0 };
  const made = await store.http.act({ method: "POST", path: `${CARTS}/${orderFormId}/transaction`, body }, Transaction, call);
  await call.note({ order_group: made.orderGroup, transaction_id: made.id });
  await store.http.act(paymentOf(store, paid, made), z.unknown(), call);
  const code = await pixCode(store.http, made.orderGroup, call);
  if (!isFor(code, paid.totalMinor)) return refuse("merchant", "The store gave no Pix code for the total of the order.", "refused");
  return {
    outcome: "accepted", ref: made.orderGroup, state: "pending", action: "waiting for payment",
    result: { total_minor: paid.totalMinor, pix_copia_e_cola: code },
  };
}

function paymentOf({ account }: Store, { paymentSystem, totalMinor }: Paid, { id, orderGroup, merchantTransactions }: z.output<typeof Transaction>): RequestSpec {
  const value = Number(totalMinor);
  const merchant = merchantTransactions.find(({ transactionId }) => transactionId === id) ?? merchantTransactions[0]!;
  const payment = {
    paymentSystem, paymentSystemName: "Pix", group: PIX_GROUP, installments: 1, installmentsInterestRate: 0, installmentsValue: value, value,
    referenceValue: value, id: merchant.id, interestRate: 0, installmentValue: value, fields: {}, currencyCode: "BRL", originalPaymentIndex: 0,
    transaction: { id, merchantName: merchant.merchantName },
  };
  const host = `https://${account}.vtexpayments.com.br`;
  return { method: "POST", path: `${host}/api/pub/transactions/${encodeURIComponent(id)}/payments`, query: { orderId: orderGroup }, body: [payment] };
}

const Callback = z.object({ paymentAuthorizationAppCollection: z.array(z.object({ appName: z.string().nullish(), appPayload: z.string().nullish() })).nullish() });

/** Status 428 is what a payment that needs its payer is answered with. */
async function pixCode(http: HttpClient, orderGroup: string, call: CallContext): Promise<string | undefined> {
  const spec = { method: "POST", path: `/api/checkout/pub/gatewayCallback/${encodeURIComponent(orderGroup)}`, body: {} } as const;
  const answer: unknown = await http.act(spec, z.unknown(), call).catch((error: unknown) => {
    if (error instanceof Rejected && error.status === 428) return error.body;
    throw error;
  });
  const apps = Callback.safeParse(answer).data?.paymentAuthorizationAppCollection ?? [];
  return apps.map(({ appPayload }) => codeIn(appPayload)).find((code) => code !== undefined);
}

function codeIn(payload: string | null | undefined): string | undefined {
  try {
    return z.object({ code: z.string().min(1) }).safeParse(JSON.parse(payload ?? "null")).data?.code;
  } catch {
    return undefined;
  }
}

/** A code that cannot be read, or that says another amount than the order, is not passed on to somebody who would pay it. */
function isFor(code: string | undefined, totalMinor: bigint): code is string {
  const parsed = code === undefined ? undefined : parseBrCode(code);
  return parsed?.ok === true && (parsed.code.amountMinor === undefined || parsed.code.amountMinor === totalMinor);
}
