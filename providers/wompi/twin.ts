/**
 * The stand-in for Wompi (Colombia): PSE and card transactions with their acceptance tokens and signatures, payment links, and,
 * on hosts and with keys of their own, payouts to bank accounts. Its events carry checksums. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

const PAYMENT_HOSTS = ["production.wompi.co", "sandbox.wompi.co"];
const PAYOUT_HOSTS = ["api.payouts.wompi.co", "api.sandbox.payouts.wompi.co"];

export const wompiTwin: TwinDefinition = {
  id: "wompi",
  hosts: [...PAYMENT_HOSTS, ...PAYOUT_HOSTS],
  magic: {
    bank_1: "a PSE payment at the bank 1 is approved, as in Wompi's sandbox",
    bank_2: "a PSE payment at the bank 2 is declined, as in Wompi's sandbox",
    bank_3: "a PSE payment at the bank 3 ends in an error, as in Wompi's sandbox",
    transaction_13: "a transaction of an amount that ends in 13 centavos is refused: 422",
    transaction_14: "a transaction of an amount that ends in 14 centavos stays pending",
    payout_13: "a payout of an amount that ends in 13 centavos is refused: 400 EXC_008",
    payout_14: "a payout of an amount that ends in 14 centavos stays pending",
    payout_18: "a payout of an amount that ends in 18 centavos is taken, then fails; so does one with transactionStatus FAILED",
  },
  create: (context) => new WompiTwin(context),
};

/** The banks of Wompi's sandbox, and what becomes of who pays there. */
const pseBanks: Record<string, { name: string; status: string; says: string | null }> = {
  1: { name: "Banco que aprueba", status: "APPROVED", says: null },
  2: { name: "Banco que declina", status: "DECLINED", says: "Transacción RECHAZADA en Sandbox" },
  3: { name: "Banco que simula un error", status: "ERROR", says: "Transacción con ERROR en Sandbox" },
};

const payoutBanks = [
  { id: "6e422ee9-6863-4882-a265-42258b410caa", name: "BANCOLOMBIA", code: "1007" },
  { id: "0d6f2c1e-43a7-4e0b-9d6b-6a1c5a0f1b51", name: "BANCO DAVIVIENDA SA", code: "1051" },
  { id: "a5a1f0f8-9b8c-4a55-8a49-3a1f7d5f9f07", name: "NEQUI", code: "1507" },
];

/** A payout's fee: $500 and the VAT on it. A plan decides the true figure. */
const PAYOUT_FEE = { feeInCents: 50_000, vatPercentage: 19, vatInCents: 9_500, totalInCents: 59_500 };

interface Account {
  id: string;
  webhookUrl: string;
  publicKey: string;
  integritySecret: string;
  eventsSecret: string;
  payoutAccountId: string;
}

type Json = Record<string, unknown>;

interface Transaction extends Json {
  id: string;
  status: string;
  amount_in_cents: number;
  created_at: string;
}

interface Stored {
  wire: Transaction;
  /** What becomes of it, and the page of the bank, which the first answer does not show. */
  ends: { status: string; says: string | null } | null;
  extra: Json;
}

/** A batch of one. */
interface Batch {
  payout: Json & { id: string; status: string; createdAt: string };
  transaction: Json & { id: string; status: string };
  ends: string | null;
}

interface Call {
  account: Account;
  /** The id in the path. */
  id: string;
  query: URLSearchParams;
  body: Json;
  headers: Headers;
}

interface Route {
  method: string;
  pattern: RegExp;
  /** The kind of key it takes; none is for whoever knows the public key in the path. */
  key: "none" | "public" | "private" | "payouts";
  handle: (call: Call) => Promise<unknown>;
}

class WompiTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const secret = () => randomBytes(16).toString("hex");
    const [privateKey, apiKey, userId] = [`prv_test_${secret()}`, secret(), randomUUID()];
    const account: Account = {
      id: randomUUID(), webhookUrl, publicKey: `pub_test_${secret()}`, integritySecret: `test_integrity_${secret()}`,
      eventsSecret: `test_events_${secret()}`, payoutAccountId: randomUUID(),
    };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`public/${account.publicKey}`, account);
    await this.#context.store.put(`private/${hash(privateKey)}`, account);
    await this.#context.store.put(`payouts/${hash(`${userId} ${apiKey}`)}`, account);
    return {
      credentials: {
        public_key: account.publicKey, private_key: privateKey, integrity_secret: account.integritySecret, payouts_api_key: apiKey, payouts_user_id: userId,
      },
      settings: { payout_account_id: account.payoutAccountId },
      webhookSecret: account.eventsSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const isPayouts = PAYOUT_HOSTS.includes(new URL(request.url).host);
    try {
      return await this.#answer(request, isPayouts ? this.#payoutRoutes : this.#paymentRoutes);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return Response.json(error.body, { status: error.status });
    }
  }

  async #answer(request: Request, routes: readonly Route[]): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    const path = pathname.replace(/^\/v1/, "");
    for (const { method, pattern, key, handle } of routes) {
      const match = request.method === method && pattern.exec(path);
      if (!match) continue;
      const id = match[1] ?? "";
      const account = await this.#authenticate(request.headers, key, id);
      const answer = await handle({ account, id, query, body: await bodyOf(request), headers: request.headers });
      return Response.json(answer, { status: method === "POST" ? 201 : 200 });
    }
    throw notFound();
  }

  async #authenticate(headers: Headers, key: Route["key"], publicKey: string): Promise<Account> {
    const { store } = this.#context;
    if (key === "payouts") {
      const account = await store.get<Account>(`payouts/${hash(`${headers.get("user-principal-id")} ${headers.get("x-api-key")}`)}`);
      if (!account) throw new Refused(401, { status: 401, code: "EXC_401", message: "No autorizado.", type: "Security" });
      return account;
    }
    if (key === "none") {
      const account = await store.get<Account>(`public/${publicKey}`);
      if (!account) throw notFound();
      return account;
    }
    const [, bearer = ""] = /^Bearer (\S+)$/.exec(headers.get("authorization") ?? "") ?? [];
    const account = (await store.get<Account>(`private/${hash(bearer)}`)) ?? (key === "public" ? await store.get<Account>(`public/${bearer}`) : undefined);
    if (!account) throw new Refused(401, { error: { type: "INVALID_ACCESS_TOKEN", reason: bearer ? "La llave proporcionada no corresponde a este ambiente" : "Se esperaba una llave" } });
    return account;
  }

  readonly #paymentRoutes: readonly Route[] = [
    { method: "GET", pattern: /^\/merchants\/([^/]+)$/, key: "none", handle: (call) => this.#merchant(call) },
    { method: "GET", pattern: /^\/pse\/financial_institutions$/, key: "public", handle: async () => ({ data: pseInstitutions, meta: {} }) },
    { method: "POST", pattern: /^\/transactions$/, key: "public", handle: (call) => this.#createTransaction(call) },
    { method: "GET", pattern: /^\/transactions$/, key: "private", handle: (call) => this.#listTransactions(call) },
    { method: "GET", pattern: /^\/transactions\/([^/]+)$/, key: "public", handle: async (call) => ({ data: shown(await this.#transaction(call)), meta: {} }) },
    { method: "POST", pattern: /^\/transactions\/([^/]+)\/void$/, key: "private", handle: (call) => this.#void(call) },
    { method: "POST", pattern: /^\/payment_links$/, key: "private", handle: (call) => this.#createLink(call) },
    { method: "GET", pattern: /^\/payment_links\/([^/]+)$/, key: "public", handle: (call) => this.#link(call) },
  ];

  readonly #payoutRoutes: readonly Route[] = [
    { method: "GET", pattern: /^\/banks$/, key: "payouts", handle: async () => payoutBanks },
    { method: "GET", pattern: /^\/accounts$/, key: "payouts", handle: async ({ account }) => enveloped([{ id: account.payoutAccountId, status: "ACTIVE" }]) },
    { method: "POST", pattern: /^\/payouts$/, key: "payouts", handle: (call) => this.#createPayout(call) },
    { method: "GET", pattern: /^\/payouts$/, key: "payouts", handle: (call) => this.#listPayouts(call) },
    { method: "GET", pattern: /^\/payouts\/([^/]+)$/, key: "payouts", handle: async (call) => enveloped((await this.#batch(call)).payout) },
    { method: "GET", pattern: /^\/payouts\/([^/]+)\/transactions$/, key: "payouts", handle: async (call) => enveloped(pageOf([(await this.#batch(call)).transaction])) },
  ];

  // Payments

  async #merchant({ account }: Call): Promise<Json> {
    const presigned = async (type: string) => {
      const acceptance_token = `eyJhbGciOiJIUzI1NiJ9.${randomBytes(24).toString("base64url")}`;
      await this.#context.store.put(`acceptance/${account.id}/${hash(acceptance_token)}`, type);
      return { acceptance_token, permalink: "https://wompi.com/assets/downloadble/terminos.pdf", type };
    };
    return {
      data: {
        id: 1, name: "Comercio de prueba", legal_id_type: "NIT", legal_id: "900123456", public_key: account.publicKey, active: true,
        accepted_currencies: ["COP"], accepted_payment_methods: ["CARD", "PSE"],
        presigned_acceptance: await presigned("END_USER_POLICY"), presigned_personal_data_auth: await presigned("PERSONAL_DATA_AUTH"),
      },
      meta: {},
    };
  }

  async #createTransaction({ account, body }: Call): Promise<Json> {
    const { reference, amount_in_cents, currency, customer_email, customer_data = null, payment_method, redirect_url = null, expiration_time } = body;
    if (typeof reference !== "string" || reference === "") throw invalid("reference", "No está presente");
    if (!Number.isInteger(amount_in_cents) || Number(amount_in_cents) < 1) throw invalid("amount_in_cents", "Debe ser un entero mayor que 0");
    if (currency !== "COP") throw invalid("currency", "La moneda no es válida");
    if (typeof customer_email !== "string" || !customer_email.includes("@")) throw invalid("customer_email", "No es un correo válido");
    await this.#requireAcceptance(account, "acceptance_token", body["acceptance_token"], "END_USER_POLICY");
    await this.#requireAcceptance(account, "accept_personal_auth", body["accept_personal_auth"], "PERSONAL_DATA_AUTH");
    const expiry = expiration_time === undefined ? "" : String(expiration_time);
    if (body["signature"] !== hash(`${reference}${String(amount_in_cents)}${currency}${expiry}${account.integritySecret}`)) throw invalid("signature", "La firma es inválida");
    const method = methodOf(payment_method);
    if (endingOf(amount_in_cents) === "13") throw invalid("amount_in_cents", "El monto no es válido");
    const uses = await this.#context.store.next(`reference/${account.id}/${hash(reference)}`);
    if (uses > 1) throw invalid("reference", "La referencia ya ha sido usada");

    const now = this.#context.clock.now();
    const id = `1${randomInt(10 ** 5)}-${Math.floor(now.getTime() / 1000)}-${randomInt(10 ** 5)}`;
    const wire: Transaction = {
      id, created_at: now.toISOString(), finalized_at: null, amount_in_cents: Number(amount_in_cents), reference, customer_email, customer_data,
      currency, payment_method_type: method.wire["type"], payment_method: method.wire, status: "PENDING", status_message: null, redirect_url, payment_link_id: null,
    };
    const ends = endingOf(amount_in_cents) === "14" ? null : method.ends;
    const extra = method.wire["type"] === "PSE" ? { async_payment_url: `https://sandbox.wompi.co/v1/pse/redirect?ticket_id=${randomUUID().replaceAll("-", "")}` } : {};
    await this.#context.store.put(`transaction/${account.id}/${id}`, { wire, ends, extra } satisfies Stored);
    if (ends) await this.#schedule({ name: "end", accountId: account.id, id });
    return { data: wire, meta: {} };
  }

  async #requireAcceptance(account: Account, field: string, token: unknown, type: string): Promise<void> {
    const issued = typeof token === "string" ? await this.#context.store.get<string>(`acceptance/${account.id}/${hash(token)}`) : undefined;
    if (issued !== type) throw invalid(field, "El token de aceptación no es válido");
  }

  async #listTransactions({ account, query }: Call): Promise<Json> {
    const rows = (await this.#context.store.list<Stored>(`transaction/${account.id}/`)).map(shown);
    const since = query.get("from_date") ?? "";
    const until = `${query.get("until_date") ?? "9999-12-31"}T24`;
    const reference = query.get("reference");
    const fitting = rows.filter((row) => (reference === null || row["reference"] === reference) && row.created_at >= since && row.created_at < until);
    const size = Number(query.get("page_size") ?? 15);
    const start = (Number(query.get("page") ?? 1) - 1) * size;
    return { data: fitting.slice(start, start + size), meta: { page: start / size + 1, page_size: size, total_results: fitting.length } };
  }

  async #transaction({ account, id }: Call): Promise<Stored> {
    const stored = await this.#context.store.get<Stored>(`transaction/${account.id}/${id}`);
    if (!stored) throw notFound();
    return stored;
  }

  async #void(call: Call): Promise<Json> {
    const { wire } = await this.#transaction(call);
    if (wire["payment_method_type"] !== "CARD" || wire.status !== "APPROVED") throw invalid("transaction", "La transacción no puede ser anulada");
    const changed = await this.#context.store.update<Stored>(`transaction/${call.account.id}/${wire.id}`, (stored) =>
      ({ ...stored, wire: { ...stored.wire, status: "VOIDED" } }));
    await this.#schedule({ name: "tell", accountId: call.account.id, id: wire.id });
    return { data: { status: "APPROVED", status_message: null, transaction: shown(changed!) }, meta: {} };
  }

  async #createLink({ account, body }: Call): Promise<Json> {
    const { name, description, single_use, collect_shipping } = body;
    if (typeof name !== "string" || name === "") throw invalid("name", "No está presente");
    if (typeof description !== "string") throw invalid("description", "No está presente");
    if (typeof single_use !== "boolean") throw invalid("single_use", "Debe ser booleano");
    if (typeof collect_shipping !== "boolean") throw invalid("collect_shipping", "Debe ser booleano");
    const id = randomBytes(6).toString("base64url").replace(/[-_]/g, "x").slice(0, 6);
    const link = { ...body, id, active: true, created_at: this.#context.clock.now().toISOString() };
    await this.#context.store.put(`link/${account.id}/${id}`, link);
    return { data: link, meta: {} };
  }

  async #link({ account, id }: Call): Promise<Json> {
    const link = await this.#context.store.get<Json>(`link/${account.id}/${id}`);
    if (!link) throw notFound();
    return { data: link, meta: {} };
  }

  // Payouts

  async #createPayout({ account, body, headers }: Call): Promise<Json> {
    const { reference, accountId, paymentType, transactions, transactionStatus } = body;
    const key = headers.get("idempotency-key") ?? "";
    if (!/^[A-Za-z0-9-]{1,64}$/.test(key)) throw badPayout(["idempotency-key must be 1 to 64 letters, digits and hyphens"]);
    if (typeof reference !== "string" || reference === "") throw badPayout(["reference should not be empty"]);
    if (!["PAYROLL", "PROVIDERS", "OTHER"].includes(String(paymentType))) throw badPayout(["paymentType must be a valid enum value"]);
    if (accountId !== account.payoutAccountId) throw new Refused(400, { status: 400, code: "EXC_019", message: "No se puede realizar el pago con la cuenta elegida.", type: "Business" });
    if (!Array.isArray(transactions) || transactions.length !== 1) throw badPayout(["transactions must contain 1 element"]);
    const issues = issuesOf(transactions[0] as Json);
    if (issues.length > 0) throw badPayout(issues);
    const { amount, reference: own = null, ...payee } = transactions[0] as Json;
    if (endingOf(amount) === "13") throw new Refused(400, { status: 400, code: "EXC_008", message: "Saldo insuficiente para procesar el lote.", type: "Business" });
    const uses = await this.#context.store.next(`idempotency/${account.id}/${hash(key)}`);
    if (uses > 1) throw new Refused(409, { status: 409, code: "EXC_022", message: "Idempotency key ya fue procesada.", type: "Business" });

    const [id, createdAt] = [randomUUID(), this.#context.clock.now().toISOString()];
    const fails = transactionStatus === "FAILED" || endingOf(amount) === "18";
    const batch: Batch = {
      payout: { id, status: "PENDING", reference, amountInCents: amount, currency: "COP", paymentType, totalTransactions: 1, createdAt },
      transaction: { id: randomUUID(), status: "PENDING", amountInCents: amount, reference: own, payeeInfo: payee, fee: PAYOUT_FEE, failureReason: null, appliedAt: null, createdAt },
      ends: endingOf(amount) === "14" ? null : fails ? "FAILED" : "APPROVED",
    };
    await this.#context.store.put(`batch/${account.id}/${id}`, batch);
    if (batch.ends) await this.#schedule({ name: "pay", accountId: account.id, id });
    return enveloped({ payoutId: id, transactions: 1, success: 1, failed: 0 });
  }

  async #listPayouts({ account, query }: Call): Promise<Json> {
    const reference = query.get("reference");
    const rows = (await this.#context.store.list<Batch>(`batch/${account.id}/`)).map(({ payout }) => payout);
    return enveloped(pageOf(rows.filter((row) => reference === null || row["reference"] === reference)));
  }

  async #batch({ account, id }: Call): Promise<Batch> {
    const batch = await this.#context.store.get<Batch>(`batch/${account.id}/${id}`);
    if (!batch) throw new Refused(404, { status: 404, code: "EXC_404", message: "El lote no existe.", type: "Business" });
    return batch;
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${String(step["accountId"])}`);
    if (!account) return;
    if (step.name === "pay") return this.#pay(account, String(step["id"]));
    const stored = await this.#context.store.update<Stored>(`transaction/${account.id}/${String(step["id"])}`, (before) =>
      step.name === "end" && before.wire.status === "PENDING" && before.ends ? ended(before, this.#context.clock.now()) : before);
    if (!stored) return;
    // A repeat finds the status reached, and tells it again with the time it had.
    await this.#deliver(account, "transaction.updated", { transaction: shown(stored) }, {
      properties: ["transaction.id", "transaction.status", "transaction.amount_in_cents"],
      timestamp: Math.floor(Date.parse(String(stored.wire["finalized_at"])) / 1000),
    });
  }

  async #pay(account: Account, id: string): Promise<void> {
    const now = this.#context.clock.now().toISOString();
    const batch = await this.#context.store.update<Batch>(`batch/${account.id}/${id}`, (before) =>
      before.transaction.status === "PENDING" && before.ends ? paid(before, before.ends, now) : before);
    if (!batch) return;
    const timestamp = Date.parse(String(batch.transaction["appliedAt"]));
    const { id: transactionId, status, amountInCents, failureReason, appliedAt } = batch.transaction;
    const transaction = { id: transactionId, payoutId: id, status, amountInCents, failureReason, currency: "COP", appliedAt };
    await this.#deliver(account, "transaction.updated", { transaction }, {
      properties: ["transaction.id", "transaction.status", "transaction.amountInCents"], timestamp,
    });
    await this.#deliver(account, "payout.updated", { payout: batch.payout }, { properties: ["payout.id", "payout.status", "payout.amountInCents"], timestamp });
  }

  async #deliver(account: Account, event: string, data: Json, { properties, timestamp }: { properties: string[]; timestamp: number }): Promise<void> {
    const values = properties.map((path) => path.split(".").reduce<unknown>((at, name) => (at as Json)[name], data));
    const checksum = hash(`${values.join("")}${timestamp}${account.eventsSecret}`).toUpperCase();
    const body = JSON.stringify({ event, data, environment: "test", signature: { properties, checksum }, timestamp, sent_at: this.#context.clock.now().toISOString() });
    await this.#context.deliver({ url: account.webhookUrl, headers: { "content-type": "application/json", "x-event-checksum": checksum }, body });
  }

  #schedule(step: TwinStep): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + this.#context.settleAfterMs));
  }
}

/** A refusal on its way out of a handler. */
class Refused extends Error {
  readonly status: number;
  readonly body: Json;
  constructor(status: number, body: Json) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}

const invalid = (field: string, text: string): Refused =>
  new Refused(422, { error: { type: "INPUT_VALIDATION_ERROR", messages: nested(field.split("."), [text]) } });
const notFound = (): Refused => new Refused(404, { error: { type: "NOT_FOUND_ERROR", reason: "La entidad solicitada no existe" } });
const badPayout = (message: string[]): Refused => new Refused(400, { status: 400, code: "EXC_002", message, type: "Validation" });

const nested = ([name = "", ...rest]: string[], value: unknown): Json => ({ [name]: rest.length > 0 ? nested(rest, value) : value });

async function bodyOf(request: Request): Promise<Json> {
  const text = await request.text();
  try {
    return text === "" ? {} : (JSON.parse(text) as Json);
  } catch {
    throw new Refused(400, { error: { type: "BAD_REQUEST", reason: "El cuerpo no es un JSON válido" } });
  }
}

const pseInstitutions = Object.entries(pseBanks).map(([financial_institution_code, { name }]) => ({ financial_institution_code, financial_institution_name: name }));

/** A payment method as it is kept, and what becomes of a payment by it. */
function methodOf(value: unknown): { wire: Json; ends: Stored["ends"] } {
  const method = (typeof value === "object" && value !== null ? value : {}) as Json;
  if (method["type"] === "CARD") {
    if (!String(method["token"]).startsWith("tok_")) throw invalid("payment_method.token", "El token no es válido");
    return { wire: method, ends: { status: "APPROVED", says: null } };
  }
  if (method["type"] !== "PSE") throw invalid("payment_method.type", "El método de pago no está disponible");
  const { user_type, user_legal_id_type, user_legal_id, financial_institution_code, payment_description } = method;
  if (user_type !== 0 && user_type !== 1) throw invalid("payment_method.user_type", "Debe ser 0 o 1");
  if (!["CC", "CE", "NIT"].includes(String(user_legal_id_type))) throw invalid("payment_method.user_legal_id_type", "No es válido");
  if (!/^\d{5,15}$/.test(String(user_legal_id))) throw invalid("payment_method.user_legal_id", "No es válido");
  if (typeof payment_description !== "string" || payment_description === "") throw invalid("payment_method.payment_description", "No está presente");
  const bank = pseBanks[String(financial_institution_code)];
  if (!bank) throw invalid("payment_method.financial_institution_code", "La institución financiera no existe");
  return { wire: method, ends: bank };
}

function issuesOf({ legalIdType, legalId, personType, bankId, accountType, accountNumber, name, amount }: Json): string[] {
  return [
    !["CC", "CE", "NIT"].includes(String(legalIdType)) && "legalIdType must be a valid enum value",
    !/^\d{5,15}$/.test(String(legalId)) && "legalId must be numeric",
    !["NATURAL", "JURIDICA"].includes(String(personType)) && "personType must be a valid enum value",
    !payoutBanks.some(({ id }) => id === bankId) && "bankId must be a known bank",
    !["AHORROS", "CORRIENTE"].includes(String(accountType)) && "accountType must be a valid enum value",
    !/^\d{6,20}$/.test(String(accountNumber)) && "accountNumber must be 6 to 20 digits",
    (typeof name !== "string" || name === "") && "name should not be empty",
    (!Number.isInteger(amount) || Number(amount) < 1) && "amount must be a positive integer",
  ].filter((issue) => issue !== false);
}

const shown = ({ wire, extra }: Stored): Transaction =>
  Object.keys(extra).length === 0 ? wire : { ...wire, payment_method: { ...(wire["payment_method"] as Json), extra } };

function ended(stored: Stored, now: Date): Stored {
  const { status, says } = stored.ends!;
  return { ...stored, wire: { ...stored.wire, status, status_message: says, finalized_at: now.toISOString() } };
}

function paid(batch: Batch, status: string, now: string): Batch {
  const failureReason = status === "FAILED" ? "Numero cuenta no existe" : null;
  return { ...batch, payout: { ...batch.payout, status: "TOTAL_PAYMENT" }, transaction: { ...batch.transaction, status, failureReason, appliedAt: now } };
}

const enveloped = (value: unknown): Json => ({ status: 200, code: "OK", message: "OK", meta: { trace_id: randomUUID() }, data: value });
const pageOf = (rows: readonly unknown[]): Json => ({ page: 1, pages: 1, limit: 10, total: rows.length, records: rows });

const endingOf = (cents: unknown): string => String(Number(cents) % 100).padStart(2, "0");
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
