/**
 * The stand-in for EBANX: payments by the merchant's code, their end, refunds asked for, and messages signed with a test key. What
 * it leaves out is in README.md.
 */
import { createHash, createPublicKey, randomBytes, sign } from "node:crypto";
import { parseTaxId } from "../../schema/documents.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** TEST KEY of this twin alone, made for it and known to everybody: it signs as EBANX does, and proves nothing. */
const TEST_SIGNING_KEY = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDcjRwf3OznTWER
3S/S2/Kwct5SB3LM2KV60gOxDj0a8reMcfv4TsvxH45aRzzxtkTe0WgxV/f+rPVd
XfJLF8df4m/rOKV6vLWduma1RjqHcdQZGH9r2AQYINO/CgclYvv4g8vbw/66KPOk
/iXTiajf/f11+rU0xSTTshrBY3ZHqAipwRJolIkRXN65OvdnsTuEDBGngSVyHNBI
5EQrIDuj2bZhUFipA+QnxBvMgM+Q00e1d3+W8b4ACv6gRSu6pdAnFJKIdsrKs0bF
Bgf/bQAcEFSYzq1WFyFDogI+OPsoao8Y8C+xNSnKnUSU8kYPYxc8u1p6DG8OLyjl
5pXqfQlrAgMBAAECggEAQ5r5qQa2k7xTaf9sHm2PeejsHybrWMF8ECb6PLbJok4O
V33FJ/s3ZqUupJu7obgmakq0bpOxkB6CY+ldUQlr8wddGTRW/UWFQmEWBLEPVd9d
jYfF30/rCV5eqeuv/xTVefskbSwqE/RjowrIm4xR+L9Jh3WfQBrCTCYHL4qGgjX8
8vom2PuJi2XONePTI1CcYdOeW3tjGniGgoq1MRELeRSCYbVj6B/KTwXXSXd0ob4a
MDn4YL1FydwZ6dQrf9ZQv3Jtjd1fP/WLYfUI7VWCwbglMMuguTPNwSokmHwCEv35
IeDG4FQQhjXOdHgMzfzzwmfHUeEZ7mdOOFmaBDG6sQKBgQD7RM55lRp/v59gb26a
GYGWIDai/mxxz71vlFyqCZ0MJcW6OA+nqkBJdbY+u1jUNbD+wd/R8UhcskSqvZPw
imdnlKxjqZMbWbIeIIY7fUzgxaV557fv0NSuppM3h2PoVb8wjPYeL8hclR3s4694
QK3ut3m/gpaKK1hx0OX/k1mKmQKBgQDgtDwxFMs+INo8A6ilCR7kefgD5Vje8BK6
IwLiUxSxvXajP5g3m9d9tPhwKK7+6+01xMjLxqVO6d5j0MYwkr0yYLFxuyH12Ali
9lTRNLRTZBeafea+Ehd6Vhq8QVthdjdaUWJjWrlxDwixq1d1E07R82cF7OqcwKvD
J4IA48BaowKBgQCaAwCz0Uqexut/ho26cqvVQwV6Poxl7jlk7QEnUCEs0vIxRC+E
S3yACmCcbuTxnb9RR7BS1JvQBYzFQtIs/AiJmr1XkRcUCpR8lt7wE8tNcpgM8pTx
r4TNUFioDpqUTAqWTbCFrDAZX2UqUBy7jpmN2nQLiJWRNyRNDwgK8VxO8QKBgFje
DzweDC97ELRRgh4bGFOmBTeNOfOZoN5qwFZAI1wUIVp46Tt87+Gwc9zvyh3Zssvk
EsG8w14NUj3JsMg/EIJfCW6AYvL2yOeRooPGw1aDrG4WQu6C+zQP36z6cCiAd23J
6A6BL/wNxRN3PzR3OWIBUIpgY30xGf0pn9m4OTffAoGADOuAZUJe7OcbfNkNrUuS
5FAf6OlJhBWotL4fNkgSXpWt0qMgSajNYI3tR695CYvzKOlbjBdlPth+ETH+QiN6
CDyj6u8pRUzLFVvvAIZNTI40MZ/0oSTYFPS14Z55tt6MQiNAghijkETwbSViB3hn
5JPysSnqWug9NbBmIyavHTk=
-----END PRIVATE KEY-----
`;

export const ebanxTwin: TwinDefinition = {
  id: "ebanx",
  hosts: ["api.ebanxpay.com", "sandbox.ebanxpay.com"],
  magic: {
    amount_13: "an amount that ends in 13 centavos is refused: BP-DR-6",
    amount_14: "an amount that ends in 14 centavos is never paid",
    amount_15: "an amount that ends in 15 centavos is cancelled unpaid",
    amount_18: "the buyer of an amount that ends in 18 centavos is suspended: BP-DR-18",
  },
  create: (context) => new EbanxTwin(context),
};

type Json = Record<string, unknown>;

interface Account {
  id: string;
  webhookUrl: string;
}

interface Stored {
  hash: string;
  accountId: string;
  request: Json;
  amountMinor: string;
  status: "PE" | "CO" | "CA";
  refunds: { id: string; status: "RE"; amount_ext: string }[];
}

class EbanxTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const key = `test_ik_${randomBytes(12).toString("base64url")}`;
    const account: Account = { id: digest(key).slice(0, 16), webhookUrl };
    await this.#context.store.put(`key/${digest(key)}`, account);
    await this.#context.store.put(`account/${account.id}`, account);
    const certificate = createPublicKey(TEST_SIGNING_KEY).export({ type: "spki", format: "pem" }).toString();
    return { credentials: { integration_key: key }, settings: {}, webhookSecret: certificate };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json({ ...(await this.#answer(request)), status: "SUCCESS" });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return Response.json({ status: "ERROR", status_code: error.code, status_message: error.message });
    }
  }

  async #answer(request: Request): Promise<Json> {
    const body = jsonOf(await request.text());
    if (typeof body["integration_key"] !== "string") throw new Refused("BP-SA-1", "Parameter integration_key not found");
    const account = await this.#context.store.get<Account>(`key/${digest(body["integration_key"])}`);
    if (!account) throw new Refused("BP-SA-2", "Invalid integration key");
    switch (`${request.method} ${new URL(request.url).pathname}`) {
      case "POST /ws/direct": return { payment: shown(await this.#create(account, (body["payment"] ?? {}) as Json)) };
      case "POST /ws/query": return { payment: shown(await this.#find(account, body)) };
      case "POST /ws/cancel": return { payment: shown(await this.#cancel(account, body)) };
      case "POST /ws/refund": return this.#refund(account, body);
      default: throw new Refused("BP-GEN-1", "There is no such operation");
    }
  }

  async #create({ id: accountId }: Account, payment: Json): Promise<Stored> {
    const { merchant_payment_code: code, name, email, document, country, payment_type_code, currency_code, amount_total } = payment;
    if (typeof currency_code !== "string") throw new Refused("BP-DR-3", "Field payment.currency_code is required");
    const amountMinor = fromDecimal(String(amount_total), "BRL");
    if (amountMinor === undefined || amountMinor <= 0n || String(amountMinor).endsWith("13")) throw new Refused("BP-DR-6", "Amount reported is less than the minimum amount");
    if (typeof code !== "string" || code === "") throw new Refused("BP-DR-9", "Field payment.merchant_payment_code is required");
    if (code.length > 40) throw new Refused("BP-DR-10", "Parameter merchant_payment_code can have 40 characters maximum");
    if (!name) throw new Refused("BP-DR-13", "Field payment.name is required");
    if (!email) throw new Refused("BP-DR-15", "Field payment.email is required");
    if (!String(email).includes("@")) throw new Refused("BP-DR-17", "Field payment.email must be a valid email");
    if (String(amountMinor).endsWith("18")) throw new Refused("BP-DR-18", "Customer is suspended on EBANX");
    if (!parseTaxId(String(document ?? ""), { environment: "test" }).ok) throw new Refused("BP-DR-23", "Field payment.document must be valid");
    if (country !== "br") throw new Refused("BP-DR-30", "Country must be br");
    if (payment_type_code !== "pix" && payment_type_code !== "boleto") throw new Refused("BP-DR-35", "Invalid payment_type_code");
    if ((await this.#context.store.next(`taken/${accountId}/${code}`)) > 1) throw new Refused("BP-DR-0", `Payment already exists with merchant_payment_code: ${code}`);

    const { store, clock, settleAfterMs } = this.#context;
    const stored: Stored = { hash: randomBytes(24).toString("hex"), accountId, request: payment, amountMinor: String(amountMinor), status: "PE", refunds: [] };
    await store.put(keyOf(accountId, stored.hash), stored);
    await store.put(`code/${accountId}/${code}`, stored.hash);
    const isPaidOrOver = !String(amountMinor).endsWith("14");
    if (isPaidOrOver) await store.schedule({ name: "end", accountId, hash: stored.hash }, new Date(clock.now().getTime() + settleAfterMs));
    return stored;
  }

  async run(step: TwinStep): Promise<void> {
    const [accountId, hash] = [String(step["accountId"]), String(step["hash"])];
    const stored = await this.#context.store.update<Stored>(keyOf(accountId, hash), (found) =>
      found.status === "PE" ? { ...found, status: found.amountMinor.endsWith("15") ? "CA" : "CO" } : found);
    const account = await this.#context.store.get<Account>(`account/${accountId}`);
    if (stored && account) await this.#tell(account, stored);
  }

  async #tell({ webhookUrl }: Account, { hash, request }: Stored): Promise<void> {
    const body = new URLSearchParams({ operation: "payment_status_change", notification_type: "update", hash_codes: hash }).toString();
    const url = typeof request["notification_url"] === "string" ? request["notification_url"] : webhookUrl;
    await this.#context.deliver({
      url, body,
      headers: {
        "content-type": "application/x-www-form-urlencoded", "x-signaturetype": "rsa,sha1",
        "x-signaturecontent": sign("RSA-SHA1", Buffer.from(body), TEST_SIGNING_KEY).toString("base64"),
      },
    });
  }

  async #cancel(account: Account, body: Json): Promise<Stored> {
    const { hash, status } = await this.#find(account, body);
    if (status !== "PE") throw new Refused("BP-CAN-1", "Payment cannot be cancelled");
    const cancelled = await this.#context.store.update<Stored>(keyOf(account.id, hash), (stored) => ({ ...stored, status: "CA" as const }));
    await this.#tell(account, cancelled!);
    return cancelled!;
  }

  async #refund(account: Account, body: Json): Promise<Json> {
    const { hash, status, amountMinor, refunds } = await this.#find(account, body);
    const asked = fromDecimal(String(body["amount"]), "BRL") ?? 0n;
    const given = refunds.reduce((sum, { amount_ext }) => sum + fromDecimal(amount_ext, "BRL")!, 0n);
    if (status !== "CO" || asked <= 0n || asked + given > BigInt(amountMinor)) throw new Refused("BP-REF-1", "The payment cannot be refunded by this amount");
    const refund = { id: String(refunds.length + 1), status: "RE" as const, amount_ext: toDecimal({ amountMinor: asked, currency: "BRL" }) };
    const refunded = await this.#context.store.update<Stored>(keyOf(account.id, hash), (stored) => ({ ...stored, refunds: [...stored.refunds, refund] }));
    return { payment: shown(refunded!), refund, operation: "refund" };
  }

  async #find(account: Account, { hash, merchant_payment_code: code }: Json): Promise<Stored> {
    const found = typeof hash === "string" ? hash : await this.#context.store.get<string>(`code/${account.id}/${String(code)}`);
    const stored = found === undefined ? undefined : await this.#context.store.get<Stored>(keyOf(account.id, found));
    if (!stored) throw new Refused("BP-QUE-1", "Payment not found");
    return stored;
  }
}

function shown({ hash, request, amountMinor, status, refunds }: Stored): Json {
  const amount = toDecimal({ amountMinor: BigInt(amountMinor), currency: "BRL" });
  const isPix = request["payment_type_code"] === "pix";
  const page = `https://sandbox.ebanxpay.com/print/?hash=${hash}`;
  return {
    hash, pin: String(parseInt(hash.slice(0, 8), 16)), country: "br", merchant_payment_code: request["merchant_payment_code"], status,
    payment_type_code: request["payment_type_code"], amount_br: amount, amount_ext: amount, currency_ext: request["currency_code"],
    ...(isPix && { pix: { qr_code_value: `00020126580014br.gov.bcb.pix0136${hash.slice(0, 36)}`, qr_code_url: `${page}&format=qr` } }),
    redirect_url: page, ...(refunds.length > 0 && { refunds }),
  };
}

/** A refusal on its way out of a handler; EBANX sends it with status 200. */
class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Refused("BP-GEN-2", "The request is not JSON");
  }
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyOf = (accountId: string, hash: string): string => `payment/${accountId}/${hash}`;
