/**
 * The stand-in for PagBank: checkouts that are paid on a page nobody opens, orders with a Pix code, their charges, refunds;
 * messages proven by the account's token. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const pagseguroTwin: TwinDefinition = {
  id: "pagseguro",
  hosts: ["api.pagseguro.com", "sandbox.api.pagseguro.com"],
  magic: {
    amount_13: "an amount that ends in 13 centavos is refused: 400",
    amount_14: "an amount that ends in 14 centavos is never paid",
    amount_15: "a checkout over an amount that ends in 15 centavos expires unpaid",
    amount_16: "an amount that ends in 16 centavos has one card refused, then is paid",
    amount_17: "an amount that ends in 17 centavos is paid, then given back",
    amount_18: "an amount that ends in 18 centavos is analysed, then paid",
  },
  create: (context) => new PagseguroTwin(context),
};

/** A step every `settleAfterMs`, by the last two digits of the amount: the status a charge gets, or the checkout. */
const lives: Record<string, readonly string[]> = {
  usual: ["PAID"], 14: [], 15: ["EXPIRED"], 16: ["DECLINED", "PAID"], 17: ["PAID", "CANCELED"], 18: ["IN_ANALYSIS", "PAID"],
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  token: string;
}

interface StoredCharge {
  id: string;
  status: string;
  value: number;
  refunded: number;
  paidAt: string | null;
}

/** A checkout, or an order that was made by itself. */
interface Stored {
  id: string;
  accountId: string;
  createdAt: string;
  request: Json;
  value: number;
  status: string;
  /** Of a checkout: the order its buyer makes. */
  orderId: string;
  charges: StoredCharge[];
  lived: number;
}

class PagseguroTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = { id: randomUUID(), token: randomBytes(24).toString("hex") };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`token/${hash(account.token)}`, account);
    return { credentials: { token: account.token }, settings: { notification_url: webhookUrl }, webhookSecret: account.token };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      const [status, body] = await this.#answer(request);
      return Response.json(body, { status });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, message: description, parameter } = error;
      return Response.json({ error_messages: [{ code: "40002", description, ...(parameter && { parameter_name: parameter }) }] }, { status });
    }
  }

  async #answer(request: Request): Promise<[number, unknown]> {
    const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await this.#context.store.get<Account>(`token/${hash(token)}`);
    if (!account) throw new Refused(401, "Invalid credential. Review AUTHORIZATION header");
    const [, kind = "", id = "", action = ""] = /^\/([a-z-]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(new URL(request.url).pathname) ?? [];
    const body = await bodyOf(request);
    switch (`${request.method} ${kind}${id && "/id"}${action && `/${action}`}`) {
      case "POST checkouts": return [201, shownCheckout(await this.#create(account, "CHEC", body))];
      case "GET checkouts/id": return [200, shownCheckout(await this.#find(account, id))];
      case "POST orders": return [201, shownOrder(await this.#create(account, "ORDE", body))];
      case "GET orders/id": return [200, shownOrder(await this.#find(account, id))];
      case "GET charges/id": return [200, shownCharge(...(await this.#chargeOf(account, id)))];
      case "POST charges/id/cancel": return [201, await this.#refund(account, id, body)];
      case "POST public-keys": return [200, { public_key: createHash("sha256").update(account.id).digest("base64"), created_at: 1_600_000_000 }];
      default: throw new Refused(404, "resource not found");
    }
  }

  async #create({ id: accountId }: Account, prefix: "CHEC" | "ORDE", request: Json): Promise<Stored> {
    const value = invalidOr(prefix, request);
    const { store, clock } = this.#context;
    const [id, orderId] = [idOf(prefix), idOf("ORDE")];
    const createdAt = clock.now().toISOString();
    const stored: Stored = {
      id, accountId, createdAt, request, value, status: "ACTIVE", orderId: prefix === "CHEC" ? orderId : id, charges: [], lived: 0,
    };
    await store.put(keyOf(accountId, id), stored);
    if (prefix === "CHEC") await store.put(`order/${accountId}/${orderId}`, id);
    const life = lifeOf(stored);
    for (const index of life.keys()) await this.#schedule({ name: "live", accountId, id, index }, index + 1);
    return stored;
  }

  async run(step: TwinStep): Promise<void> {
    const [accountId, id, index] = [String(step["accountId"]), String(step["id"]), Number(step["index"])];
    const account = await this.#context.store.get<Account>(`account/${accountId}`);
    const now = this.#context.clock.now().toISOString();
    const stored = step.name === "tell"
      ? await this.#context.store.get<Stored>(keyOf(accountId, id))
      : await this.#context.store.update<Stored>(keyOf(accountId, id), (found) => (found.lived === index ? lived(found, now) : found));
    // A repeat finds the step behind it and tells the same again.
    if (account && stored && (step.name === "tell" || stored.lived === index + 1)) await this.#tell(account, stored);
  }

  /** A checkout's own end is told at its address, what becomes of its order at the address of payments. */
  async #tell({ token }: Account, stored: Stored): Promise<void> {
    const isOver = stored.status === "EXPIRED";
    const body = JSON.stringify(isOver ? shownCheckout(stored) : shownOrder(stored));
    const field = stored.id.startsWith("CHEC_") && !isOver ? "payment_notification_urls" : "notification_urls";
    for (const url of (stored.request[field] as string[] | undefined) ?? []) {
      const headers = { "content-type": "application/json", "x-authenticity-token": hash(`${token}-${body}`) };
      await this.#context.deliver({ url, headers, body });
    }
  }

  async #refund(account: Account, chargeId: string, { amount }: Json): Promise<Json> {
    const [charge, stored] = await this.#chargeOf(account, chargeId);
    const value = Number((amount as Json | undefined)?.["value"]);
    const isPossible = charge.status === "PAID" && Number.isInteger(value) && value > 0 && charge.refunded + value <= charge.value;
    if (!isPossible) throw new Refused(400, "invalid amount", "amount.value");
    const refunded = charge.refunded + value;
    const changed = { ...charge, refunded, status: refunded === charge.value ? "CANCELED" : "PAID" };
    await this.#context.store.update<Stored>(keyOf(account.id, stored.id), (found) =>
      ({ ...found, charges: found.charges.map((other) => (other.id === chargeId ? changed : other)) }));
    await this.#schedule({ name: "tell", accountId: account.id, id: stored.id }, 0);
    return shownCharge(changed, stored);
  }

  async #find(account: Account, id: string): Promise<Stored> {
    const { store } = this.#context;
    const owner = id.startsWith("ORDE_") ? await store.get<string>(`order/${account.id}/${id}`) : undefined;
    const stored = await store.get<Stored>(keyOf(account.id, owner ?? id));
    if (!stored || (owner && stored.charges.length === 0)) throw new Refused(404, "resource not found");
    return stored;
  }

  async #chargeOf({ id: accountId }: Account, chargeId: string): Promise<[StoredCharge, Stored]> {
    for (const stored of await this.#context.store.list<Stored>(keyOf(accountId, ""))) {
      const charge = stored.charges.find(({ id }) => id === chargeId);
      if (charge) return [charge, stored];
    }
    throw new Refused(404, "resource not found");
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + rests * this.#context.settleAfterMs));
  }
}

const lifeOf = ({ value }: Stored): readonly string[] => lives[String(value).slice(-2)] ?? lives["usual"]!;

/** A new attempt is a new charge; what follows a charge that was not refused changes that one. */
function lived(stored: Stored, now: string): Stored {
  const status = lifeOf(stored)[stored.lived]!;
  const onwards = { ...stored, lived: stored.lived + 1 };
  if (status === "EXPIRED") return stored.id.startsWith("CHEC_") ? { ...onwards, status } : onwards;
  const last = stored.charges.at(-1);
  const isNew = !last || last.status === "DECLINED";
  const before = isNew ? { id: `CHAR_${uuidOf(`${stored.id} ${stored.charges.length}`)}`, value: stored.value, refunded: 0, paidAt: null } : last;
  const charge = { ...before, status, paidAt: status === "PAID" ? now : before.paidAt, refunded: status === "CANCELED" ? stored.value : before.refunded };
  return { ...onwards, charges: [...(isNew ? stored.charges : stored.charges.slice(0, -1)), charge] };
}

function invalidOr(prefix: "CHEC" | "ORDE", { reference_id, customer, items, qr_codes, payment_methods }: Json): number {
  if (typeof reference_id === "string" && reference_id.length > 64) throw new Refused(400, "must be between 1 and 64 characters", "reference_id");
  const { tax_id: taxId, email } = (customer ?? {}) as Json;
  const isWhole = typeof taxId === "string" && /^\d{11}(\d{3})?$/.test(taxId);
  if ((prefix === "ORDE" || customer !== undefined) && !isWhole) throw new Refused(400, "must be a valid CPF or CNPJ", "customer.tax_id");
  if (email !== undefined && !String(email).includes("@")) throw new Refused(400, "must be a valid email", "customer.email");
  const [item] = (items ?? []) as Json[];
  if (typeof item?.["name"] !== "string" || item["name"].length > (prefix === "CHEC" ? 100 : 64)) throw new Refused(400, "is invalid", "items[0].name");
  const value = prefix === "CHEC" ? item["unit_amount"] : ((qr_codes as Json[] | undefined)?.[0]?.["amount"] as Json | undefined)?.["value"];
  const parameter = prefix === "CHEC" ? "items[0].unit_amount" : "qr_codes[0].amount.value";
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > 999_999_999 || String(value).endsWith("13")) throw new Refused(400, "is invalid", parameter);
  if (prefix === "CHEC" && !Array.isArray(payment_methods)) throw new Refused(400, "is invalid", "payment_methods");
  return Number(value);
}

const shownCheckout = ({ id, createdAt, request, status, orderId, charges }: Stored): Json => ({
  id, reference_id: request["reference_id"], created_at: createdAt, status, items: request["items"], payment_methods: request["payment_methods"],
  expiration_date: request["expiration_date"] ?? new Date(Date.parse(createdAt) + 2 * 3_600_000).toISOString(),
  links: [{ rel: "PAY", href: `https://pagamento.sandbox.pagbank.com.br/pagamento?code=${uuidOf(id)}`, method: "GET" }],
  orders: charges.length > 0 ? [{ id: orderId }] : [],
});

function shownOrder(stored: Stored): Json {
  const { id, orderId, createdAt, request, value, charges } = stored;
  const code = `00020101021226850014br.gov.bcb.pix2563api.pagseguro.com/pix/v2/${uuidOf(id)}`;
  const codes = {
    qr_codes: [{
      id: `QRCO_${uuidOf(id)}`, amount: { value }, text: code, arrangements: ["PIX"],
      expiration_date: (request["qr_codes"] as Json[] | undefined)?.[0]?.["expiration_date"] ?? new Date(Date.parse(createdAt) + 86_400_000).toISOString(),
      links: [{ rel: "QRCODE.PNG", href: `https://sandbox.api.pagseguro.com/qrcode/QRCO_${uuidOf(id)}/png`, media: "image/png", type: "GET" }],
    }],
  };
  return {
    id: orderId, reference_id: request["reference_id"], created_at: createdAt, customer: request["customer"], items: request["items"],
    ...(id.startsWith("ORDE_") && codes),
    ...(charges.length > 0 && { charges: charges.map((charge) => shownCharge(charge, stored)) }),
  };
}

const shownCharge = ({ id, status, value, refunded, paidAt }: StoredCharge, { request, createdAt, ...stored }: Stored): Json => ({
  id, reference_id: request["reference_id"], status, created_at: createdAt, ...(paidAt && { paid_at: paidAt }),
  amount: { value, currency: "BRL", summary: { total: value, paid: paidAt ? value : 0, refunded } },
  payment_response: status === "DECLINED" ? { code: "10000", message: "NAO AUTORIZADO PELO EMISSOR" } : { code: "20000", message: "SUCESSO" },
  payment_method: { type: stored.id.startsWith("CHEC_") ? "CREDIT_CARD" : "PIX" },
});

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly parameter: string | undefined;
  constructor(status: number, message: string, parameter?: string) {
    super(message);
    this.status = status;
    this.parameter = parameter;
  }
}

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, "the body is not JSON");
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const uuidOf = (text: string): string => hash(text).toUpperCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
const idOf = (prefix: string): string => `${prefix}_${randomUUID().toUpperCase()}`;
const keyOf = (accountId: string, id: string): string => `stored/${accountId}/${id}`;
