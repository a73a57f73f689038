/**
 * The stand-in for Asaas: customers, Pix and boleto charges with their codes and lines, refunds, transfers to Pix keys and
 * Pix codes paid; its webhooks carry the token of the account. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";
import { buildBankSlip, parseBoleto } from "../../schema/boleto.ts";
import { normalizePhone, parseTaxId } from "../../schema/documents.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { buildDynamicCode, parseBrCode, type BrCode } from "../../schema/pix/brcode.ts";
import { makeEndToEndId, parsePixKey } from "../../schema/pix/keys.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import { qrPng } from "../qr-png.ts";
import { calendarDay, wallTime } from "./sao-paulo.ts";

export const asaasTwin: TwinDefinition = {
  id: "asaas",
  hosts: ["api.asaas.com", "api-sandbox.asaas.com"],
  magic: {
    charge_13: "a charge whose amount ends in 13 centavos is refused: 400 invalid_value",
    charge_14: "a charge whose amount ends in 14 centavos is never paid",
    charge_15: "a charge whose amount ends in 15 centavos becomes overdue and is never paid",
    charge_16: "a charge whose amount ends in 16 centavos becomes overdue, then is paid late",
    charge_17: "a charge whose amount ends in 17 centavos is paid, then refunded",
    charge_boleto: "a boleto is CONFIRMED before it is RECEIVED, one step later than a Pix charge",
    transfer_13: "a transfer whose amount ends in 13 centavos is refused: 400 insufficient_balance",
    transfer_14: "a transfer whose amount ends in 14 centavos stays pending",
    transfer_18: "a transfer whose amount ends in 18 centavos is taken, then fails",
    transfer_19: "a transfer whose amount ends in 19 centavos is refused as identical to a recent one: 409",
    code_13: "a code paid with an amount that ends in 13 centavos is refused: 400 insufficient_balance",
    code_14: "a code paid with an amount that ends in 14 centavos stays AWAITING_REQUEST",
    code_15: "a code whose amount ends in 15 centavos cannot be paid any more",
    code_18: "a code paid with an amount that ends in 18 centavos is taken, then REFUSED",
  },
  create: (context) => new AsaasTwin(context),
};

/** What becomes of each, a status every `settleAfterMs`, by the last two digits of its amount. A boleto's ways are longer. */
const lives = {
  payment: { usual: ["RECEIVED"], 14: [], 15: ["OVERDUE"], 16: ["OVERDUE", "RECEIVED"], 17: ["RECEIVED", "REFUNDED"] },
  boleto: {
    usual: ["CONFIRMED", "RECEIVED"], 14: [], 15: ["OVERDUE"], 16: ["OVERDUE", "CONFIRMED", "RECEIVED"],
    17: ["CONFIRMED", "RECEIVED", "REFUNDED"],
  },
  transfer: { usual: ["DONE"], 14: [], 18: ["FAILED"] },
  pix: { usual: ["DONE"], 14: [], 18: ["REFUSED"] },
} satisfies Record<string, Record<string, readonly string[]>>;

/** What Asaas keeps of a charge here; a contract decides the true figure. */
const FEE_MINOR = 199n;
/** The bank of its boletos: Asaas itself. */
const BANK = "461";
/** What ten digits of a boleto can say. */
const BOLETO_MINOR_MAX = 9_999_999_999n;
/** The identification of Asaas in the payment system. */
const ISPB = "19540550";
const PAYMENT_FILTERS = ["customer", "status", "externalReference"];
const PIX_FILTERS = ["status", "type", "endToEndIdentifier"];
const PAGE_ROWS_DEFAULT = 10;
const PAGE_ROWS_MAX = 100;

interface Account {
  id: string;
  webhookUrl: string;
  webhookToken: string;
}

/** `pix` is a Pix transaction: here, a code that was paid. */
type Kind = "payment" | "transfer" | "pix";
type Json = Record<string, unknown>;

/** One of them as it is answered. */
interface Wire extends Json {
  id: string;
  status: string;
  value: number;
}

interface Stored {
  createdAtMs: number;
  starts: string;
  /** The statuses ahead of it, and how many it has been through. */
  life: readonly string[];
  lived: number;
  wire: Wire;
}

/** Where one is stored; part of every step. */
interface Place {
  kind: Kind;
  accountId: string;
  id: string;
}

/** One charge of a request: its own amount and day, and its place in a plan. */
interface Charge {
  cents: bigint;
  dueDate: string;
  installment?: string | null;
  installmentNumber?: number | null;
}

interface Call {
  account: Account;
  /** The id in the path. */
  id: string;
  query: URLSearchParams;
  body: Json;
}

class AsaasTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const key = `$aact_hmlg_${randomBytes(72).toString("base64url")}`;
    const account: Account = { id: randomUUID(), webhookUrl, webhookToken: randomBytes(24).toString("base64url") };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`key/${hash(key)}`, account);
    return { credentials: { api_key: key }, settings: {}, webhookSecret: account.webhookToken };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json(await this.#answer(request));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, code, message } = error;
      return Response.json({ errors: [{ code, description: message }] }, { status });
    }
  }

  async #answer(request: Request): Promise<unknown> {
    const { pathname, searchParams: query } = new URL(request.url);
    const account = await this.#authenticate(request.headers.get("access_token"));
    const path = pathname.replace(/^(?:\/api)?\/v3/, "");
    for (const { method, pattern, handle } of this.#routes) {
      const match = request.method === method && pattern.exec(path);
      if (match) return handle({ account, id: match[1] ?? "", query, body: await bodyOf(request) });
    }
    throw notFound();
  }

  async #authenticate(key: string | null): Promise<Account> {
    if (!key) throw new Refused(401, "access_token_not_found", "O cabeçalho access_token é obrigatório.");
    if (!key.startsWith("$aact_")) throw new Refused(401, "invalid_access_token_format", "O formato não é de chave.");
    const account = await this.#context.store.get<Account>(`key/${hash(key)}`);
    if (!account) throw new Refused(401, "invalid_access_token", "A chave de API é inválida.");
    return account;
  }

  readonly #routes: { method: string; pattern: RegExp; handle: (call: Call) => Promise<unknown> }[] = [
    { method: "GET", pattern: /^\/customers$/, handle: (call) => this.#listCustomers(call) },
    { method: "POST", pattern: /^\/customers$/, handle: (call) => this.#createCustomer(call) },
    { method: "GET", pattern: /^\/customers\/([^/]+)$/, handle: (call) => this.#showCustomer(call) },
    { method: "GET", pattern: /^\/payments$/, handle: (call) => this.#listPayments(call) },
    { method: "POST", pattern: /^\/payments$/, handle: (call) => this.#createPayment(call) },
    { method: "GET", pattern: /^\/payments\/([^/]+)$/, handle: (call) => this.#find(placeOf("payment", call)) },
    { method: "GET", pattern: /^\/payments\/([^/]+)\/pixQrCode$/, handle: (call) => this.#pixQrCode(call) },
    { method: "GET", pattern: /^\/payments\/([^/]+)\/identificationField$/, handle: (call) => this.#boletoLine(call) },
    { method: "POST", pattern: /^\/payments\/([^/]+)\/refund$/, handle: (call) => this.#refund(call) },
    { method: "GET", pattern: /^\/payments\/([^/]+)\/refunds$/, handle: (call) => this.#listRefunds(call) },
    { method: "GET", pattern: /^\/installments\/([^/]+)\/payments$/, handle: (call) => this.#listInstallments(call) },
    { method: "GET", pattern: /^\/finance\/balance$/, handle: (call) => this.#balance(call) },
    { method: "GET", pattern: /^\/transfers$/, handle: (call) => this.#listTransfers(call) },
    { method: "POST", pattern: /^\/transfers$/, handle: (call) => this.#createTransfer(call) },
    { method: "GET", pattern: /^\/transfers\/([^/]+)$/, handle: (call) => this.#find(placeOf("transfer", call)) },
    { method: "POST", pattern: /^\/pix\/qrCodes\/decode$/, handle: (call) => this.#decodeCode(call) },
    { method: "POST", pattern: /^\/pix\/qrCodes\/pay$/, handle: (call) => this.#payCode(call) },
    { method: "GET", pattern: /^\/pix\/transactions$/, handle: (call) => this.#listTransactions(call) },
    { method: "GET", pattern: /^\/pix\/transactions\/([^/]+)$/, handle: (call) => this.#find(placeOf("pix", call)) },
  ];

  // Customers

  async #listCustomers({ account, query }: Call): Promise<Json> {
    const document = query.get("cpfCnpj");
    const prefix = `customer/${account.id}/${document === null ? "" : `${document}/`}`;
    const rows = await this.#context.store.list<Json>(prefix);
    const name = query.get("name")?.toLowerCase() ?? "";
    return list(rows.filter((row) => String(row["name"]).toLowerCase().includes(name)), query);
  }

  async #showCustomer({ account, id }: Call): Promise<Json> {
    const rows = await this.#context.store.list<Json>(`customer/${account.id}/`);
    const found = rows.find((row) => row["id"] === id);
    if (!found) throw notFound();
    return found;
  }

  async #createCustomer({ account, body }: Call): Promise<Json> {
    const { name, cpfCnpj, email = null, mobilePhone = null } = body;
    if (typeof name !== "string" || name === "") throw invalid("name");
    const document = parseTaxId(String(cpfCnpj ?? ""), { environment: "test" });
    if (!document.ok) throw new Refused(400, "invalid_object", "O CPF/CNPJ informado é inválido.");
    if (mobilePhone !== null && !/^\d{10,11}$/.test(String(mobilePhone))) throw invalid("mobilePhone");
    const id = `cus_${String(await this.#context.store.next("customer")).padStart(12, "0")}`;
    const customer = {
      object: "customer", id, dateCreated: calendarDay(this.#now()), name, email, mobilePhone,
      cpfCnpj: document.value, personType: document.kind === "cpf" ? "FISICA" : "JURIDICA", deleted: false,
    };
    await this.#context.store.put(`customer/${account.id}/${document.value}/${id}`, customer);
    await this.#context.store.put(`customer-id/${account.id}/${id}`, true);
    return customer;
  }

  // Charges

  async #createPayment({ account, body }: Call): Promise<Json> {
    const { customer, billingType, dueDate, installmentCount } = body;
    const isKnown = await this.#context.store.get(`customer-id/${account.id}/${String(customer)}`);
    if (!isKnown) throw invalid("customer");
    if (billingType !== "PIX" && billingType !== "BOLETO") throw invalid("billingType");
    const today = calendarDay(this.#now());
    const isDay = /^\d{4}-\d{2}-\d{2}$/.test(String(dueDate));
    if (!isDay || String(dueDate) < today) throw invalid("dueDate");
    if (installmentCount !== undefined) return this.#createPlan(account, body);
    const cents = centsOf(body["value"]);
    if (ending(cents) === "13" || (billingType === "BOLETO" && cents > BOLETO_MINOR_MAX)) throw invalid("value");
    return this.#addPayment(account, body, { cents, dueDate: String(dueDate) });
  }

  /** A plan is as many charges, a month apart; the answer is the first, and the last takes what a division leaves over. */
  async #createPlan(account: Account, body: Json): Promise<Json> {
    const count = Number(body["installmentCount"]);
    if (!Number.isInteger(count) || count < 2) throw invalid("installmentCount");
    const total = centsOf(body["totalValue"]);
    const each = total / BigInt(count);
    const installment = randomUUID();
    const charges: Json[] = [];
    for (let nth = 1; nth <= count; nth++) {
      const cents = nth === count ? total - each * BigInt(count - 1) : each;
      const dueDate = shiftMonth(String(body["dueDate"]), nth - 1);
      charges.push(await this.#addPayment(account, body, { cents, dueDate, installment, installmentNumber: nth }));
    }
    return charges[0]!;
  }

  async #addPayment(
    account: Account,
    { customer, billingType, description = null, externalReference = null }: Json,
    { cents, dueDate, installment = null, installmentNumber = null }: Charge,
  ): Promise<Wire> {
    const code = lowerCode(16);
    const isBoleto = billingType === "BOLETO";
    return this.#add({ kind: "payment", accountId: account.id }, isBoleto ? "boleto" : "payment", {
      object: "payment", id: `pay_${code}`, dateCreated: calendarDay(this.#now()), customer, value: reais(cents),
      netValue: reais(cents > FEE_MINOR ? cents - FEE_MINOR : 0n), originalValue: null, interestValue: null,
      description, billingType, pixTransaction: null, status: "PENDING", dueDate, originalDueDate: dueDate,
      paymentDate: null, clientPaymentDate: null, installment, installmentNumber,
      invoiceUrl: `https://sandbox.asaas.com/i/${code}`, externalReference, deleted: false, creditDate: null,
      estimatedCreditDate: null, transactionReceiptUrl: null,
      bankSlipUrl: isBoleto ? `https://sandbox.asaas.com/b/pdf/${code}` : null, refunds: null,
    });
  }

  async #listPayments({ account, query }: Call): Promise<Json> {
    const rows = newestFirst(await this.#context.store.list<Stored>(`payment/${account.id}/`));
    const isWanted = (row: Wire) => PAYMENT_FILTERS.every((name) => [null, row[name]].includes(query.get(name)));
    return list(rows.filter(isWanted), query);
  }

  async #listInstallments({ account, id, query }: Call): Promise<Json> {
    const rows = (await this.#context.store.list<Stored>(`payment/${account.id}/`)).map(({ wire }) => wire);
    const plan = rows.filter((row) => row["installment"] === id);
    if (plan.length === 0) throw notFound();
    return list(plan.sort((a, b) => Number(a["installmentNumber"]) - Number(b["installmentNumber"])), query);
  }

  /** What came in less fees and refunds, less what is going out: a sandbox account may owe. */
  async #balance({ account }: Call): Promise<Json> {
    const payments = (await this.#context.store.list<Stored>(`payment/${account.id}/`)).map(({ wire }) => wire);
    const transfers = (await this.#context.store.list<Stored>(`transfer/${account.id}/`)).map(({ wire }) => wire);
    const received = payments.filter(({ status }) => status === "RECEIVED" || status === "REFUNDED");
    const cameIn = received.map((wire) => unrefunded(wire) - (centsOf(wire.value) - centsOf(wire["netValue"])));
    const codes = (await this.#context.store.list<Stored>(`pix/${account.id}/`)).map(({ wire }) => wire);
    const wentOut = [...transfers, ...codes].filter(({ status }) => status !== "FAILED" && status !== "REFUSED").map(({ value }) => -centsOf(value));
    return { balance: reais([...cameIn, ...wentOut].reduce((sum, cents) => sum + cents, 0n)) };
  }

  async #pixQrCode(call: Call): Promise<Json> {
    const payment = await this.#find(placeOf("payment", call));
    const payload = buildDynamicCode({
      location: `pix-h.asaas.com/qr/cobv/${hash(payment.id).slice(0, 32)}`,
      amountMinor: centsOf(payment.value),
      merchantName: "Loja de Teste",
      merchantCity: "Joinville",
    });
    const [year = "", rest = ""] = String(payment["dueDate"]).split(/(?<=^\d{4})/);
    const expirationDate = `${Number(year) + 1}${rest} 23:59:59`;
    const encodedImage = qrPng(payload).toString("base64");
    return { encodedImage, payload, expirationDate, description: payment["description"] };
  }

  async #boletoLine(call: Call): Promise<Json> {
    const payment = await this.#find(placeOf("payment", call));
    if (payment["billingType"] !== "BOLETO") throw new Refused(400, "invalid_action", "A cobrança não é por boleto.");
    const nossoNumero = digitsOf(payment.id, 8);
    const identificationField = buildBankSlip({
      bank: BANK, freeField: `0001${digitsOf(payment.id, 13)}${nossoNumero}`, amountMinor: centsOf(payment.value), dueDate: String(payment["dueDate"]),
    });
    const slip = parseBoleto(identificationField, { today: calendarDay(this.#now()) });
    return { identificationField, nossoNumero, barCode: slip.ok ? slip.boleto.barcode : null };
  }

  async #refund(call: Call): Promise<Json> {
    const place = placeOf("payment", call);
    const paid = await this.#find(place);
    if (paid.status !== "RECEIVED") throw new Refused(400, "invalid_action", "A cobrança não foi recebida.");
    if (paid["billingType"] === "BOLETO") throw new Refused(400, "invalid_action", "Um boleto é estornado por outro caminho.");
    const wanted = call.body["value"] === undefined ? unrefunded(paid) : centsOf(call.body["value"]);
    if (wanted > unrefunded(paid)) throw invalid("value");
    const { description = null } = call.body;
    const now = wallTime(this.#now());
    const refund = { dateCreated: now, status: "DONE", value: reais(wanted), description, effectiveDate: now };
    // Of two at once the second may find too little left.
    let isTaken = false;
    const changed = await this.#context.store.update<Stored>(keyOf(place), (stored) => {
      isTaken = stored.wire.status === "RECEIVED" && wanted <= unrefunded(stored.wire);
      return isTaken ? { ...stored, wire: withRefund(stored.wire, refund) } : stored;
    });
    if (!changed || !isTaken) throw invalid("value");
    const event = changed.wire.status === "REFUNDED" ? "PAYMENT_REFUNDED" : "PAYMENT_PARTIALLY_REFUNDED";
    await this.#schedule({ name: "notify", ...place, event, ordinal: refundsOf(changed.wire).length }, 0);
    return changed.wire;
  }

  async #listRefunds(call: Call): Promise<Json> {
    const payment = await this.#find(placeOf("payment", call));
    return list(refundsOf(payment), call.query);
  }

  // Transfers

  async #createTransfer({ account, body }: Call): Promise<Json> {
    const { value, pixAddressKey, pixAddressKeyType, operationType = "PIX" } = body;
    const { description = null, externalReference = null } = body;
    const cents = centsOf(value);
    if (operationType !== "PIX") throw invalid("operationType");
    if (!isKeyOf(String(pixAddressKeyType), String(pixAddressKey ?? ""))) throw invalid("pixAddressKey");
    if (ending(cents) === "13") throw new Refused(400, "insufficient_balance", "Saldo insuficiente.");
    if (ending(cents) === "19") throw new Refused(409, "conflict", "Há uma transferência idêntica recente.");

    const today = calendarDay(this.#now());
    return this.#add({ kind: "transfer", accountId: account.id }, "transfer", {
      object: "transfer", id: randomUUID(), dateCreated: today, status: "PENDING", effectiveDate: null,
      endToEndIdentifier: null, type: "BANK_ACCOUNT", value: Number(value), netValue: Number(value), transferFee: 0,
      scheduleDate: today, authorized: true, failReason: null, transactionReceiptUrl: null, externalReference,
      operationType, description, bankAccount: { pixAddressKey },
    });
  }

  /** By day only, as documented: a filter by `externalReference` is passed over. */
  async #listTransfers({ account, query }: Call): Promise<Json> {
    const since = query.get("dateCreatedLe[ge]") ?? "";
    const until = query.get("dateCreatedLe[le]") ?? "9999-12-31";
    const rows = newestFirst(await this.#context.store.list<Stored>(`transfer/${account.id}/`));
    const isWithin = ({ dateCreated }: Json) => String(dateCreated) >= since && String(dateCreated) <= until;
    return list(rows.filter(isWithin), query);
  }

  // Pix codes

  async #decodeCode({ body }: Call): Promise<Json> {
    const code = codeOf(body["payload"]);
    const { amountMinor = null, txid = null, merchantName } = code;
    const canBePaid = amountMinor === null || ending(amountMinor) !== "15";
    return {
      payload: body["payload"], type: code.kind === "static" ? "STATIC" : "DYNAMIC", conciliationIdentifier: txid,
      value: amountMinor && reais(amountMinor), totalValue: amountMinor && reais(amountMinor), receiver: { name: merchantName },
      canBePaid, cannotBePaidReason: canBePaid ? null : "O QR Code expirou.",
    };
  }

  async #payCode({ account, body }: Call): Promise<Json> {
    const { qrCode, value, description = null } = body;
    const code = codeOf((qrCode as Json | undefined)?.["payload"]);
    const cents = centsOf(value);
    if (code.amountMinor !== undefined && code.amountMinor !== cents) throw invalid("value");
    if (ending(cents) === "13") throw new Refused(400, "insufficient_balance", "Saldo insuficiente.");
    if (ending(cents) === "15") throw new Refused(400, "invalid_action", "O QR Code expirou.");
    return this.#add({ kind: "pix", accountId: account.id }, "pix", {
      id: randomUUID(), endToEndIdentifier: null, value: reais(cents), refundedValue: 0, effectiveDate: null, scheduledDate: null,
      status: "AWAITING_REQUEST", type: "DEBIT", originType: code.kind === "static" ? "STATIC_QRCODE" : "DYNAMIC_QRCODE",
      conciliationIdentifier: code.txid ?? null, description, transactionReceiptUrl: null, refusalReason: null, chargedFeeValue: 0,
      canBeCanceled: false, dateCreated: wallTime(this.#now()), externalAccount: { name: code.merchantName }, externalReference: null,
    });
  }

  async #listTransactions({ account, query }: Call): Promise<Json> {
    const rows = newestFirst(await this.#context.store.list<Stored>(`pix/${account.id}/`));
    return list(rows.filter((row) => PIX_FILTERS.every((name) => [null, row[name]].includes(query.get(name)))), query);
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const place = { kind: step["kind"] as Kind, accountId: String(step["accountId"]), id: String(step["id"]) };
    if (step.name === "notify") return this.#notify(place, String(step["event"]), Number(step["ordinal"]));
    const index = Number(step["index"]);
    const now = this.#now();
    const moved = await this.#context.store.update<Stored>(keyOf(place), (stored) =>
      stored.lived === index && isOnItsWay(stored) ? arrive(stored, place.kind, now) : stored);
    // A repeat finds the status reached, and tells it again under the same event id.
    if (moved?.lived !== index + 1 || moved.wire.status !== moved.life[index]) return;
    await this.#notify(place, `${place.kind.toUpperCase()}_${moved.wire.status}`, 0);
  }

  async #add(at: Omit<Place, "id">, way: keyof typeof lives, wire: Wire): Promise<Wire> {
    const place: Place = { ...at, id: wire.id };
    const ways: Record<string, readonly string[]> = lives[way];
    const life = ways[ending(centsOf(wire.value))] ?? lives[way].usual;
    const stored: Stored = { createdAtMs: this.#now().getTime(), starts: wire.status, life, lived: 0, wire };
    await this.#context.store.put(keyOf(place), stored);
    await this.#schedule({ name: "notify", ...place, event: `${at.kind.toUpperCase()}_CREATED`, ordinal: 0 }, 0);
    for (const index of life.keys()) await this.#schedule({ name: "live", ...place, index }, index + 1);
    return wire;
  }

  /** `ordinal` tells apart events of one name about one object. */
  async #notify(place: Place, event: string, ordinal: number): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${place.accountId}`);
    const stored = await this.#context.store.get<Stored>(keyOf(place));
    // No webhook of a code that was paid is documented.
    if (!account || !stored || place.kind === "pix") return;
    const unique = hash(`${event} ${place.id} ${ordinal}`);
    await this.#context.deliver({
      url: account.webhookUrl,
      headers: { "content-type": "application/json", "asaas-access-token": account.webhookToken },
      body: JSON.stringify({
        id: `evt_${unique.slice(0, 32)}&${Number.parseInt(unique.slice(32, 40), 16)}`,
        event,
        dateCreated: wallTime(this.#now()),
        account: { id: account.id, ownerId: null },
        [place.kind]: stored.wire,
      }),
    });
  }

  async #find(place: Place): Promise<Wire> {
    const stored = await this.#context.store.get<Stored>(keyOf(place));
    if (!stored) throw notFound();
    return stored.wire;
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#now().getTime() + rests * this.#context.settleAfterMs));
  }

  #now(): Date {
    return this.#context.clock.now();
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, description: string) {
    super(description);
    this.status = status;
    this.code = code;
  }
}

const invalid = (field: string): Refused => new Refused(400, `invalid_${field}`, `O campo ${field} é inválido.`);
const notFound = (): Refused => new Refused(404, "not_found", "O recurso não existe.");

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, "invalid_json", "O corpo da requisição não é um JSON válido.");
  }
}

const placeOf = (kind: Kind, { account, id }: Call): Place => ({ kind, accountId: account.id, id });
const keyOf = ({ kind, accountId, id }: Place): string => `${kind}/${accountId}/${id}`;

const newestFirst = (rows: Stored[]): Wire[] =>
  rows.sort((a, b) => b.createdAtMs - a.createdAtMs).map(({ wire }) => wire);

function list(rows: readonly unknown[], query: URLSearchParams): Json {
  const limit = Math.min(Number(query.get("limit") ?? PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX);
  const offset = Number(query.get("offset") ?? 0);
  const data = rows.slice(offset, offset + limit);
  return { object: "list", hasMore: offset + data.length < rows.length, totalCount: rows.length, limit, offset, data };
}

/** Whether nothing but time has moved it: a charge refunded through the API leaves its life. */
const isOnItsWay = ({ starts, life, lived, wire }: Stored): boolean =>
  wire.status === (lived === 0 ? starts : life[lived - 1]);

function arrive(stored: Stored, kind: Kind, now: Date): Stored {
  const { life, lived, wire } = stored;
  const status = life[lived] ?? wire.status;
  const changes = changesOf[kind](wire, status, now);
  return { ...stored, lived: lived + 1, wire: { ...wire, status, ...changes } };
}

/** What a status brings with it. */
const changesOf: Record<Kind, (wire: Wire, status: string, now: Date) => Json> = {
  payment: paymentChanges, transfer: transferChanges, pix: transactionChanges,
};

function paymentChanges({ value }: Wire, status: string, now: Date): Json {
  if (status === "REFUNDED") {
    return { refunds: [{ dateCreated: wallTime(now), status: "DONE", value, description: null }] };
  }
  if (status !== "RECEIVED") return {};
  const today = calendarDay(now);
  return {
    paymentDate: today, clientPaymentDate: today, creditDate: today, estimatedCreditDate: today,
    pixTransaction: randomUUID(), transactionReceiptUrl: receiptUrl(),
  };
}

function transferChanges({ id }: Wire, status: string, now: Date): Json {
  if (status === "FAILED") return { failReason: "A instituição de destino recusou a transferência." };
  if (status !== "DONE") return {};
  return { effectiveDate: calendarDay(now), endToEndIdentifier: endToEndOf(id, now), transactionReceiptUrl: receiptUrl() };
}

function transactionChanges({ id }: Wire, status: string, now: Date): Json {
  if (status === "REFUSED") return { refusalReason: "A instituição de destino recusou o pagamento." };
  return { effectiveDate: wallTime(now), endToEndIdentifier: endToEndOf(id, now), transactionReceiptUrl: receiptUrl() };
}

const endToEndOf = (id: string, at: Date): string => makeEndToEndId({ ispb: ISPB, at, unique: id.replaceAll("-", "").slice(0, 11) });

/** Throws for a text that is no code. */
function codeOf(payload: unknown): BrCode {
  const read = parseBrCode(typeof payload === "string" ? payload : "");
  if (!read.ok) throw new Refused(400, "invalid_object", "O payload do QR Code é inválido.");
  return read.code;
}

/** The same day so many months later, or the last of a shorter month. */
function shiftMonth(day: string, months: number): string {
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  const last = new Date(Date.UTC(year, month + months, 0));
  return `${last.toISOString().slice(0, 8)}${String(Math.min(date, last.getUTCDate())).padStart(2, "0")}`;
}

const receiptUrl = (): string => `https://sandbox.asaas.com/comprovantes/${randomInt(10 ** 12)}`;

function isKeyOf(type: string, key: string): boolean {
  // How Asaas wants a phone is not documented: with +55 or without.
  if (type === "PHONE") return normalizePhone(key, "BR").ok;
  const parsed = parsePixKey(key);
  return parsed.ok && parsed.kind.toUpperCase() === type;
}

function centsOf(value: unknown): bigint {
  const cents = typeof value === "number" ? fromDecimal(value, "BRL") : undefined;
  if (cents === undefined || cents <= 0n) throw invalid("value");
  return cents;
}

const reais = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));
const ending = (cents: bigint): string => String(cents % 100n).padStart(2, "0");

const refundsOf = (wire: Wire): { value: number }[] => (wire["refunds"] as { value: number }[] | null) ?? [];

const unrefunded = (wire: Wire): bigint =>
  refundsOf(wire).reduce((left, { value }) => left - centsOf(value), centsOf(wire.value));

function withRefund(wire: Wire, refund: { value: number }): Wire {
  const refunded = { ...wire, refunds: [...refundsOf(wire), refund] };
  return { ...refunded, status: unrefunded(refunded) === 0n ? "REFUNDED" : wire.status };
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** So many digits, the same of one text every time. */
const digitsOf = (text: string, length: number): string => BigInt(`0x${hash(text)}`).toString().padStart(length, "0").slice(-length);

const LOWER = "abcdefghijklmnopqrstuvwxyz0123456789";
const lowerCode = (length: number): string => Array.from({ length }, () => LOWER[randomInt(LOWER.length)]).join("");
