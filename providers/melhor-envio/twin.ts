/**
 * The twin of Melhor Envio: a wallet, a cart and the labels bought from it, at prices that follow from weight and
 * distance. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import { CORREIOS, daysOf, loadOf, priceOf, services, type Route, type Service } from "./twin-rates.ts";

/** Postal codes of a range that no city has. */
const MAGIC = {
  unserved: "00999001",
  poor: "00999002",
  canceled: "00999003",
  undelivered: "00999004",
  notGenerated: "00999005",
} as const;

export const melhorEnvioTwin: TwinDefinition = {
  id: "melhor-envio",
  hosts: ["melhorenvio.com.br", "sandbox.melhorenvio.com.br"],
  magic: {
    [`destination ${MAGIC.unserved}`]: "no carrier takes the parcel",
    [`destination ${MAGIC.poor}`]: "the wallet cannot pay the label",
    [`destination ${MAGIC.canceled}`]: "the label is cancelled instead of posted",
    [`destination ${MAGIC.undelivered}`]: "the parcel cannot be delivered",
    [`destination ${MAGIC.notGenerated}`]: "the label is paid, and its generation refused",
  },
  create,
};

interface Account {
  id: string;
  webhookUrl: string;
  webhookSecret: string;
  /** Decimal, in BRL. */
  balance: string;
  tokenExpiresAt: string;
}

interface Order {
  id: string;
  account: string;
  protocol: string;
  status: string;
  /** Decimal, in BRL. */
  price: string;
  serviceId: number;
  to: string;
  tags: { tag: string }[];
  tracking: string | null;
  self_tracking: string | null;
  /** What its printing address ends in. */
  printKey: string;
  created_at: string;
  paid_at: string | null;
  generated_at: string | null;
  posted_at: string | null;
  delivered_at: string | null;
  canceled_at: string | null;
  expired_at: null;
}

/** What the sandbox gives a new account to spend. */
const BALANCE = "10000.00";
/** Longer than their month, because nothing here renews a token, and a test project is to outlive one. */
const TOKEN_VALID_MS = 365 * 86_400_000;

function create({ store, clock, settleAfterMs, deliver }: TwinContext): Twin {
  const accountKey = (id: string) => `account/${id}`;
  const orderKey = (id: string) => `order/${id}`;
  const codeKey = (code: string) => `code/${code}`;
  const now = () => localTime(clock.now());
  const inSteps = (count: number) => new Date(clock.now().getTime() + count * settleAfterMs);

  async function fetch(request: Request): Promise<Response> {
    const account = await accountOf(request);
    if (!account) return Response.json({ message: "Unauthenticated." }, { status: 401 });
    if (!/\(.+@.+\)/.test(request.headers.get("user-agent") ?? ""))
      return Response.json({ message: "User-Agent: name of the application (contact e-mail)" }, { status: 400 });
    const url = new URL(request.url);
    const path = url.pathname.replace(/^\/api\/v2/, "");
    const body: unknown = request.method === "POST" ? await request.json().catch(() => undefined) : undefined;
    switch (`${request.method} ${path}`) {
      case "POST /me/shipment/calculate":
        return calculate(body);
      case "POST /me/cart":
        return addToCart(account, body);
      case "POST /me/shipment/checkout":
        return ofOrders(account, body, (orders) => checkout(account, orders));
      case "POST /me/shipment/generate":
        return ofOrders(account, body, generate);
      case "POST /me/shipment/print":
        return ofOrders(account, body, print);
      case "POST /me/shipment/tracking":
        return ofOrders(account, body, tracking);
      case "POST /me/shipment/cancel":
        return cancel(account, body);
      case "GET /me/orders/search":
        return search(account, url.searchParams.get("q") ?? "");
      case "GET /me/balance":
        return Response.json({ balance: toNumber(cents(account.balance)), reserved: 0, debts: 0 });
    }
    const [, place, id] = /^\/me\/(orders|cart)\/([^/]+)$/.exec(path) ?? [];
    return request.method === "GET" && id ? show(account, id, place === "cart") : missing();
  }

  async function accountOf(request: Request): Promise<Account | undefined> {
    const token = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const id = token && (await store.get<string>(`token/${digestOf(token)}`));
    const account = id ? await store.get<Account>(accountKey(id)) : undefined;
    return account && new Date(account.tokenExpiresAt) > clock.now() ? account : undefined;
  }

  function calculate(body: unknown): Response {
    const asked = CalculateRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const { from, to, products } = asked.data;
    const load = loadOf(products);
    const insuredMinor = products.reduce(
      (sum, product) => sum + cents(product.insurance_value) * BigInt(product.quantity),
      0n,
    );
    return Response.json(
      services.map((service) => offer(service, { load, insuredMinor, from: from.postal_code, to: to.postal_code })),
    );
  }

  async function addToCart(account: Account, body: unknown): Promise<Response> {
    const asked = CartRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const { service: id, from, to, volumes, options } = asked.data;
    const service = services.find((one) => one.id === id);
    const load = loadOf(volumes.map((volume) => ({ ...volume, quantity: 1 })));
    const route = { load, insuredMinor: cents(options.insurance_value), from: from.postal_code, to: to.postal_code };
    const refusal = service ? refusalOf(service, route) : "Serviço não encontrado.";
    if (!service || refusal) return unprocessable("service", refusal ?? "");
    const at = clock.now();
    const order: Order = {
      id: randomUUID(),
      account: account.id,
      protocol: await protocol("ORD"),
      status: "pending",
      price: toDecimal({ amountMinor: priceOf(service, route), currency: "BRL" }),
      serviceId: service.id,
      to: to.postal_code,
      tags: options.tags,
      tracking: null,
      self_tracking: null,
      printKey: randomBytes(9).toString("base64url"),
      created_at: localTime(at),
      paid_at: null,
      generated_at: null,
      posted_at: null,
      delivered_at: null,
      canceled_at: null,
      expired_at: null,
    };
    await store.put(orderKey(order.id), order);
    await announce("order.created", order);
    return Response.json(shown(order), { status: 201 });
  }

  /** `ORD-` or `PUR-`, year and month, and a number. */
  async function protocol(kind: string): Promise<string> {
    const month = clock.now().toISOString().slice(0, 7).replace("-", "");
    return `${kind}-${month}${10_000 + (await store.next(`protocol/${kind}`))}`;
  }

  /** Takes orders out of the cart all together or not at all; whoever comes second finds them paid. */
  async function checkout(account: Account, orders: Order[]): Promise<Response> {
    const at = now();
    const claimed: Order[] = [];
    for (const { id } of orders) {
      let isOurs = false;
      const order = await store.update<Order>(orderKey(id), (current) => {
        isOurs = current.status === "pending";
        return isOurs ? { ...current, status: "released", paid_at: at } : current;
      });
      if (order && isOurs) claimed.push(order);
    }
    const refusal = claimed.length < orders.length
      ? "One or more orders have already been paid."
      : (await debit(account, claimed)) ? undefined : "Saldo insuficiente na carteira.";
    if (refusal) {
      for (const { id } of claimed)
        await store.update<Order>(orderKey(id), (order) => ({ ...order, status: "pending", paid_at: null }));
      return Response.json({ message: refusal }, { status: 422 });
    }
    for (const order of claimed) {
      await announce("order.released", order);
      if (order.to === MAGIC.notGenerated) continue;
      await store.schedule({ name: "post", id: order.id }, inSteps(1));
      await store.schedule({ name: "arrive", id: order.id }, inSteps(2));
    }
    const total = toNumber(totalOf(claimed));
    return Response.json({
      purchase: {
        id: randomUUID(),
        protocol: await protocol("PUR"),
        total,
        discount: 0,
        status: "paid",
        paid_at: at,
        canceled_at: null,
        created_at: at,
        updated_at: at,
        orders: claimed.map(shown),
      },
      digitable: null, redirect: null, message: null, token: null, payment_id: null,
    });
  }

  /** Whether the wallet could pay, and did. */
  async function debit({ id }: Account, orders: Order[]): Promise<boolean> {
    let isPaid = false;
    await store.update<Account>(accountKey(id), (account) => {
      const left = cents(account.balance) - totalOf(orders);
      isPaid = left >= 0n && !orders.some((order) => order.to === MAGIC.poor);
      return isPaid ? { ...account, balance: toDecimal({ amountMinor: left, currency: "BRL" }) } : account;
    });
    return isPaid;
  }

  async function generate(orders: Order[]): Promise<Response> {
    const answers: [id: string, answer: { status: boolean; message: string }][] = [];
    for (const { id, status, to } of orders) {
      const isReady = status === "released" && to !== MAGIC.notGenerated;
      if (isReady) await makeLabel(id);
      const message = isReady ? "Envio gerado com sucesso" : "Não foi possível gerar o envio";
      answers.push([id, { status: isReady, message }]);
    }
    return Response.json(Object.fromEntries(answers));
  }

  async function makeLabel(id: string): Promise<void> {
    const codes = trackingCodes();
    const order = await store.update<Order>(orderKey(id), (current) => {
      if (current.status !== "released") return current;
      const tracking = serviceOf(current).company.id === CORREIOS.id ? codes.tracking : null;
      return { ...current, status: "generated", generated_at: now(), tracking, self_tracking: codes.own };
    });
    if (order?.status !== "generated") return;
    for (const code of [order.tracking, order.self_tracking]) if (code) await store.put(codeKey(code), id);
    await announce("order.generated", order);
  }

  /** Until it is posted; what was paid goes back to the wallet. */
  async function cancel(account: Account, body: unknown): Promise<Response> {
    const asked = CancelRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const { id } = asked.data.order;
    const before = await store.get<Order>(orderKey(id));
    if (before?.account !== account.id) return unprocessable("order.id", "O pedido selecionado é inválido.");
    let isOurs = false;
    const order = await store.update<Order>(orderKey(id), (current) => {
      isOurs = ["pending", "released", "generated"].includes(current.status);
      return isOurs ? { ...current, status: "canceled", canceled_at: now() } : current;
    });
    if (!order || !isOurs) return Response.json({ message: "O envio não pode ser cancelado." }, { status: 422 });
    if (order.paid_at) {
      await store.update<Account>(accountKey(account.id), (current) =>
        ({ ...current, balance: toDecimal({ amountMinor: cents(current.balance) + cents(order.price), currency: "BRL" }) }));
    }
    await announce("order.cancelled", order);
    return Response.json({ [id]: { canceled: true } });
  }

  function print(orders: Order[]): Response {
    if (orders.some((order) => !order.generated_at))
      return Response.json({ message: "As etiquetas ainda não foram geradas." }, { status: 400 });
    return Response.json({ url: `https://sandbox.melhorenvio.com.br/imprimir/${orders[0]!.printKey}` });
  }

  function tracking(orders: Order[]): Response {
    return Response.json(Object.fromEntries(orders.map((order) => {
      const { id, protocol: number, status, tracking: code, self_tracking: own } = order;
      return [id, { id, protocol: number, status, tracking: code, melhorenvio_tracking: own, ...datesOf(order) }];
    })));
  }

  async function show(account: Account, id: string, inCart: boolean): Promise<Response> {
    const order = await store.get<Order>(orderKey(id));
    return order?.account === account.id && (!inCart || order.status === "pending")
      ? Response.json(shown(order))
      : missing();
  }

  async function search(account: Account, text: string): Promise<Response> {
    const id = await store.get<string>(codeKey(text));
    const order = id && (await store.get<Order>(orderKey(id)));
    return Response.json(order && order.account === account.id ? [shown(order)] : []);
  }

  /** What these routes take, `{ orders: [id] }`, as the orders they name. */
  async function ofOrders(
    account: Account, body: unknown, then: (orders: Order[]) => Response | Promise<Response>,
  ): Promise<Response> {
    const asked = OrdersRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const orders: Order[] = [];
    for (const id of new Set(asked.data.orders)) {
      const order = await store.get<Order>(orderKey(id));
      if (order?.account !== account.id) return unprocessable("orders.0", "O pedido selecionado é inválido.");
      orders.push(order);
    }
    return then(orders);
  }

  /** The sandbox posts and delivers by itself. A repeat finds it done and only tells of it again. */
  async function run({ name, id }: TwinStep): Promise<void> {
    if (typeof id !== "string") return;
    const order = await store.get<Order>(orderKey(id));
    if (!order) return;
    if (name === "post") {
      if (order.status === "released") await makeLabel(id);
      if (order.to === MAGIC.canceled) await move(id, "generated", "canceled", "canceled_at", "order.cancelled");
      else await move(id, "generated", "posted", "posted_at", "order.posted");
    }
    if (name === "arrive") {
      if (order.to === MAGIC.undelivered) await move(id, "posted", "undelivered", undefined, "order.undelivered");
      else await move(id, "posted", "delivered", "delivered_at", "order.delivered");
    }
  }

  async function move(
    id: string, from: string, to: string, date: "canceled_at" | "posted_at" | "delivered_at" | undefined, event: string,
  ): Promise<void> {
    const order = await store.update<Order>(orderKey(id), (current) =>
      current.status === from ? { ...current, status: to, ...(date && { [date]: now() }) } : current);
    if (order?.status === to) await announce(event, order);
  }

  async function announce(event: string, order: Order): Promise<void> {
    const account = await store.get<Account>(accountKey(order.account));
    if (!account) return;
    const { id, protocol: number, status, tags, tracking: code, self_tracking: own } = order;
    const trackingUrl = own && `https://www.melhorrastreio.com.br/rastreio/${own}`;
    const data = {
      id,
      protocol: number,
      status,
      tags,
      tracking: code,
      self_tracking: own,
      user_id: account.id,
      tracking_url: trackingUrl,
      ...datesOf(order),
    };
    const body = JSON.stringify({ event, data });
    const signature = createHmac("sha256", account.webhookSecret).update(body).digest("hex");
    await deliver({
      url: account.webhookUrl,
      body,
      headers: { "content-type": "application/json", "x-me-signature": signature },
    });
  }

  async function openAccount({ webhookUrl }: { webhookUrl: string }) {
    const at = clock.now();
    const expiresAt = new Date(at.getTime() + TOKEN_VALID_MS);
    const account: Account = {
      id: randomUUID(),
      webhookUrl,
      webhookSecret: randomBytes(30).toString("base64url").replace(/[-_]/g, "x"),
      balance: BALANCE,
      tokenExpiresAt: expiresAt.toISOString(),
    };
    const token = tokenFor(account.id, at, expiresAt);
    await store.put(accountKey(account.id), account);
    await store.put(`token/${digestOf(token)}`, account.id);
    return {
      credentials: { access_token: token },
      settings: {
        contact_email: "sandbox@example.com",
        origin_postal_code: "01310100",
        origin_name: "Loja de Teste",
        origin_document: "11222333000181",
        origin_phone: "1130000000",
        origin_line_1: "Avenida Paulista",
        origin_number: "1000",
        origin_city: "São Paulo",
        origin_state: "SP",
        parcel_weight_g: "500",
        parcel_width_cm: "16",
        parcel_height_cm: "6",
        parcel_length_cm: "22",
      },
      webhookSecret: account.webhookSecret,
    };
  }

  return { fetch, openAccount, run };
}

/** A JSON Web Token by its looks; its signature is noise, because only this twin reads it. */
function tokenFor(subject: string, from: Date, to: Date): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const seconds = (at: Date) => Math.floor(at.getTime() / 1000);
  const jti = randomBytes(40).toString("hex");
  const claims = { aud: "1", jti, iat: seconds(from), nbf: seconds(from), exp: seconds(to), sub: subject };
  return `${part({ typ: "JWT", alg: "RS256", jti })}.${part(claims)}.${randomBytes(255).toString("base64url")}x`;
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const serviceOf = ({ serviceId }: Order): Service => services.find((service) => service.id === serviceId)!;

function offer(service: Service, route: Route) {
  const { id, name, company } = service;
  const error = refusalOf(service, route);
  if (error) return { id, name, error, company };
  const price = toDecimal({ amountMinor: priceOf(service, route), currency: "BRL" });
  const days = daysOf(service, route);
  const range = { min: Math.max(1, days - 1), max: days };
  return {
    id,
    name,
    price,
    custom_price: price,
    discount: "0.00",
    currency: "R$",
    delivery_time: days,
    delivery_range: range,
    custom_delivery_time: days,
    custom_delivery_range: range,
    additional_services: { receipt: false, own_hand: false, collect: false },
    company,
  };
}

function refusalOf({ maxGrams }: Service, { load, to }: Route): string | undefined {
  if (to === MAGIC.unserved) return "Transportadora não atende este trecho.";
  return load.billedGrams > maxGrams ? "Peso ou dimensões acima do limite da transportadora." : undefined;
}

const cents = (decimal: string | number): bigint => fromDecimal(decimal, "BRL") ?? 0n;
const totalOf = (orders: readonly Order[]): bigint => orders.reduce((sum, { price }) => sum + cents(price), 0n);
const toNumber = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

/** The code of Correios (UPU S10: two letters, eight digits, a check digit, BR) and the code of Melhor Envio itself. */
function trackingCodes(): { tracking: string; own: string } {
  const digits = String(randomInt(100_000_000)).padStart(8, "0");
  const letters = (count: number) =>
    Array.from({ length: count }, () => String.fromCharCode(65 + randomInt(26))).join("");
  return {
    tracking: `${letters(2)}${digits}${s10CheckDigit(digits)}BR`,
    own: `ME${digits.slice(0, 5)}${letters(4)}BR`,
  };
}

export function s10CheckDigit(digits: string): number {
  const weights = [8, 6, 4, 2, 3, 5, 9, 7];
  const rest = 11 - (weights.reduce((sum, weight, at) => sum + weight * Number(digits[at]), 0) % 11);
  return rest === 10 ? 0 : rest === 11 ? 5 : rest;
}

/** `2026-11-20 09:00:00`, in Brasília's time: the zone is a guess of ours. */
const localTime = (at: Date): string =>
  new Date(at.getTime() - 3 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");

const datesOf = ({ created_at, paid_at, generated_at, posted_at, delivered_at, canceled_at, expired_at }: Order) =>
  ({ created_at, paid_at, generated_at, posted_at, delivered_at, canceled_at, expired_at });

function shown(order: Order) {
  const { id, protocol, status, price, serviceId, tags, tracking, self_tracking } = order;
  const { name, company } = serviceOf(order);
  return {
    id, protocol, service_id: serviceId, price: toNumber(cents(price)), status, tags, tracking, self_tracking,
    service: { id: serviceId, name, company }, ...datesOf(order),
  };
}

const field = (name: string) => `O campo ${name} é obrigatório.`;
const PostalCode = z.object({
  postal_code: z.string(field("postal_code")).regex(/^\d{8}$/, "O CEP informado é inválido."),
});
const measures = {
  width: z.number().positive(),
  height: z.number().positive(),
  length: z.number().positive(),
  weight: z.number().positive(),
};
const Amount = z.union([z.number(), z.string()]);

const CalculateRequest = z.object({
  from: PostalCode,
  to: PostalCode,
  products: z
    .array(z.object({ ...measures, insurance_value: Amount, quantity: z.int().positive() }))
    .min(1, field("products")),
});
const CartRequest = z.object({
  service: z.int(field("service")),
  from: PostalCode,
  to: PostalCode,
  volumes: z.array(z.object(measures)).length(1, "Informe um volume."),
  options: z.object({ insurance_value: Amount, tags: z.array(z.object({ tag: z.string() })).default([]) }),
});
const CancelRequest = z.object({
  order: z.object({ id: z.string(field("order.id")), reason_id: z.string(field("order.reason_id")), description: z.string().optional() }),
});
const OrdersRequest = z.object({ orders: z.array(z.string()).min(1, field("orders")) });

const unprocessable = (name: string, message: string): Response =>
  Response.json({ message: "The given data was invalid.", errors: { [name]: [message] } }, { status: 422 });

function invalid(error: z.ZodError): Response {
  const { path, message } = error.issues[0] ?? { path: [], message: "" };
  return unprocessable(path.join("."), message);
}

const missing = (): Response => Response.json({ message: "Not found." }, { status: 404 });
