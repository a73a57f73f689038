/**
 * The stand-in for a bank, one for all: mutual TLS, token endpoint, bearer and the life of a payment. A bank's row says on
 * which paths it takes payments and how it writes them. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { makeEndToEndId, parsePixKey } from "../../schema/pix/keys.ts";
import { certificateFingerprint } from "../client-certificate.ts";
import { CLIENT_CERTIFICATE_HEADER } from "../transport.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import type { Bank } from "./bank.ts";
import { newClientCertificate } from "./twin-certificate.ts";
import { receive, RECEIVE_STEP, receivingRoutes } from "./twin-receiving.ts";

/** A bank's own part. */
export interface BankTwin {
  /** Method and path below the base URL, its variables in braces: `GET /pix/{id}`. */
  routes: Readonly<Record<string, (call: TwinCall, desk: Desk) => Promise<Json | undefined>>>;
  /** Its word for each stage of a payment. */
  words: Readonly<Record<Stage, string>>;
  /** What an account there has beside its client. */
  settings?: Readonly<Record<string, string>>;
  /** A refusal in its shape. */
  problem(refusal: { status: number; code: string; words: string; field?: string }): Json;
  /** Where every payment waits for a person. */
  alwaysApproved?: true;
  /** Of a webhook. */
  notice?(payment: TwinPayment): unknown;
}

export type Json = Record<string, unknown>;

/** `draft` only where the bank has one; `checking` is a draft that may not be sent yet. */
export type Stage = "checking" | "draft" | "awaiting" | "processing" | "paid" | "failed";

export interface TwinPayment {
  id: string;
  accountId: string;
  cents: string;
  key: string;
  /** What of the request the bank repeats. */
  wire: Json;
  stage: Stage;
  endToEndId: string;
  /** The stages ahead, one every rest. */
  ahead: readonly Stage[];
  lived: number;
}

export interface TwinCall {
  /** The variables of the path. */
  path: Record<string, string>;
  query: URLSearchParams;
  headers: Headers;
  body: Json;
  account: Account;
}

/** What a bank's routes do with payments. */
export interface Desk {
  /** Takes an order, or refuses it by its magic amount. `asDraft` waits to be sent. */
  order(input: { id: string; value: unknown; key: unknown; wire?: Json; asDraft?: boolean; fields?: { value: string; key: string } }): Promise<TwinPayment>;
  /** What is begun by its key alone, and is no payment yet: its end-to-end id. */
  begin(key: unknown): Promise<string>;
  /** The key that was begun under it. */
  begun(endToEndId: string): Promise<string | undefined>;
  /** Sends a draft. */
  send(id: string): Promise<TwinPayment>;
  find(id: string): Promise<TwinPayment | undefined>;
  list(): Promise<TwinPayment[]>;
  word(payment: TwinPayment): string;
  refuse(status: number, code: string, words: string, field?: string): Error;
  notFound(): Error;
}

interface Account {
  id: string;
  clientId: string;
  secret: string;
  settings: Record<string, string>;
  fingerprint: string;
  webhookUrl: string;
  webhookToken: string;
  appKey: string;
}

export const magic = {
  13: "a payment whose amount ends in 13 centavos is refused for lack of funds",
  14: "a payment whose amount ends in 14 centavos stays in process",
  16: "a payment whose amount ends in 16 centavos waits for a person, who approves it a rest later",
  17: "a payment whose amount ends in 17 centavos waits for a person, who turns it down",
  18: "a payment whose amount ends in 18 centavos is taken, then fails",
  21: "a draft of an amount that ends in 21 centavos is never ready to be sent",
} as const;

export const bankTwin = (bank: Bank): TwinDefinition => ({
  id: bank.id,
  hosts: [...new Set([...basesOf(bank), bank.token.live, bank.token.test].map((url) => new URL(url).host))],
  magic: Object.fromEntries(Object.entries(magic).map(([ending, words]) => [`amount_${ending}`, words])),
  create: (context) => new BankTwinServer(bank, context),
});

const TOKEN_SECONDS = 600;

/** Of both its APIs. */
const basesOf = ({ hosts, receives }: Bank): string[] => [...(receives ? [receives.live, receives.test] : []), hosts.live, hosts.test];

class BankTwinServer implements Twin {
  readonly #bank: Bank;
  readonly #context: TwinContext;

  constructor(bank: Bank, context: TwinContext) {
    this.#bank = bank;
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const { certificate, privateKey } = newClientCertificate(`${this.#bank.id} test client`, this.#context.clock.now());
    const account: Account = {
      id: randomUUID(), clientId: randomUUID(), secret: randomBytes(24).toString("base64url"), appKey: randomBytes(16).toString("hex"),
      settings: { ...this.#bank.twin.settings }, fingerprint: certificateFingerprint(certificate)!,
      webhookUrl, webhookToken: randomBytes(24).toString("base64url"),
    };
    await this.#context.store.put(`client/${account.clientId}`, account);
    await this.#context.store.put(`account/${account.id}`, account);
    const named = Object.fromEntries((this.#bank.credentials ?? []).map(({ name }) => [name, account.appKey]));
    const secret: Record<string, string> = this.#bank.token.client === "id" ? {} : { client_secret: account.secret };
    return {
      credentials: { client_id: account.clientId, ...secret, ...named, certificate, private_key: privateKey },
      settings: account.settings, webhookSecret: account.webhookToken,
    };
  }

  async fetch(request: Request): Promise<Response> {
    try {
      const url = new URL(request.url);
      const { live, test } = this.#bank.token;
      const isToken = request.method === "POST" && [live, test].some((token) => new URL(token).host === url.host && new URL(token).pathname === url.pathname);
      return Response.json(isToken ? await this.#grant(request) : ((await this.#answer(request, url)) ?? {}));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return Response.json(error.body, { status: error.status });
    }
  }

  async #grant(request: Request): Promise<Json> {
    const form = new URLSearchParams(await request.text());
    const [basicId, basicSecret] = Buffer.from(request.headers.get("authorization")?.replace("Basic ", "") ?? "", "base64").toString().split(":");
    const isBasic = this.#bank.token.client === "basic";
    const account = await this.#context.store.get<Account>(`client/${(isBasic ? basicId : form.get("client_id")) ?? ""}`);
    const isSecret = this.#bank.token.client === "id" || (isBasic ? basicSecret : form.get("client_secret")) === account?.secret;
    const { token: { scope }, receives } = this.#bank;
    if (!account || !isSecret) throw new Refused(401, { error: "invalid_client", error_description: "Client authentication failed" });
    if (form.get("grant_type") !== "client_credentials") throw new Refused(400, { error: "unsupported_grant_type" });
    if (![scope, receives?.scope].includes(form.get("scope") ?? undefined)) throw new Refused(400, { error: "invalid_scope" });
    this.#checkCertificate(request, account);
    const token = randomBytes(32).toString("base64url");
    const until = this.#context.clock.now().getTime() + TOKEN_SECONDS * 1_000;
    await this.#context.store.put(`token/${hash(token)}`, { accountId: account.id, until });
    return { access_token: token, token_type: "Bearer", expires_in: TOKEN_SECONDS };
  }

  #checkCertificate(request: Request, account: Account): void {
    if (request.headers.get(CLIENT_CERTIFICATE_HEADER) !== account.fingerprint)
      throw this.#refuse(403, "acesso_negado", "A conexão não apresentou o certificado do cliente");
  }

  async #answer(request: Request, url: URL): Promise<Json | undefined> {
    const account = await this.#authenticate(request);
    this.#checkCertificate(request, account);
    this.#checkCarried(request, url, account);
    const desk = this.#desk(account);
    const base = basesOf(this.#bank).find((candidate) => `${url.origin}${url.pathname}`.startsWith(candidate)) ?? url.origin;
    const isReceiving = base === this.#bank.receives?.live || base === this.#bank.receives?.test;
    const routes = isReceiving ? receivingRoutes(this.#context, account.id) : this.#bank.twin.routes;
    for (const [route, handle] of Object.entries(routes)) {
      const path = match(route, request.method, `${url.origin}${url.pathname}`.slice(base.length));
      if (path) return handle({ path, query: url.searchParams, headers: request.headers, body: await this.#bodyOf(request), account }, desk);
    }
    throw desk.notFound();
  }

  async #authenticate(request: Request): Promise<Account> {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const known = token && (await this.#context.store.get<{ accountId: string; until: number }>(`token/${hash(token)}`));
    const account = known && known.until > this.#context.clock.now().getTime() && (await this.#context.store.get<Account>(`account/${known.accountId}`));
    if (!account) throw this.#refuse(401, "nao_autorizado", "O token de acesso não é válido");
    return account;
  }

  /** The application's key, in whatever header or parameter the bank wants it. */
  #checkCarried(request: Request, url: URL, account: Account): void {
    const { headers = {}, query = {} } = this.#bank.carries ?? {};
    const values: Record<string, string> = { client_id: account.clientId, ...account.settings };
    for (const { name } of this.#bank.credentials ?? []) values[name] = account.appKey;
    const isRight = (name: string, given: string | null) => values[name] === undefined || values[name] === given;
    const all = [
      ...Object.entries(headers).map(([wire, name]) => isRight(name, request.headers.get(wire))),
      ...Object.entries(query).map(([wire, name]) => isRight(name, url.searchParams.get(wire))),
      ...Object.entries(this.#bank.headers ?? {}).map(([wire, value]) => request.headers.get(wire) === value),
    ];
    if (!all.every(Boolean)) throw this.#refuse(403, "acesso_negado", "A aplicação não é conhecida");
  }

  async #bodyOf(request: Request): Promise<Json> {
    const text = await request.text();
    try {
      return text === "" ? {} : (JSON.parse(text) as Json);
    } catch {
      throw this.#refuse(400, "json_invalido", "O corpo da requisição não é um JSON válido");
    }
  }

  // Payments

  #desk(account: Account): Desk {
    const { store } = this.#context;
    const keyOf = (id: string) => `payment/${account.id}/${id}`;
    const { words } = this.#bank.twin;
    return {
      order: async ({ id, value, key, wire = {}, asDraft = false, fields = { value: "valor", key: "chave" } }) => {
        const cents = typeof value === "number" || typeof value === "string" ? fromDecimal(value, "BRL") : undefined;
        if (cents === undefined || cents <= 0n) throw this.#refuse(400, "valor_invalido", "O valor é inválido", fields.value);
        if (!parsePixKey(String(key)).ok) throw this.#refuse(400, "chave_invalida", "A chave Pix é inválida", fields.key);
        const ending = String(cents % 100n).padStart(2, "0");
        if (ending === "13") throw this.#refuse(422, "saldo_insuficiente", "Saldo insuficiente");
        const [first, ...ahead] = lifeOf(ending, this.#bank.twin.alwaysApproved);
        const payment: TwinPayment = {
          id, accountId: account.id, cents: cents.toString(), key: String(key), wire, lived: 0,
          endToEndId: this.#endToEndId(id),
          ...(asDraft ? { stage: ending === "21" ? "checking" : "draft", ahead: [first, ...ahead] } : { stage: first, ahead }),
        };
        await store.put(keyOf(id), payment);
        if (!asDraft) await this.#live(payment);
        return payment;
      },
      begin: async (key) => {
        if (!parsePixKey(String(key)).ok) throw this.#refuse(400, "chave_invalida", "A chave Pix é inválida", "chave");
        const id = this.#endToEndId(randomUUID());
        await store.put(`begun/${account.id}/${id}`, key);
        return id;
      },
      begun: (id) => store.get<string>(`begun/${account.id}/${id}`),
      send: async (id) => {
        const sent = await store.update<TwinPayment>(keyOf(id), (payment) =>
          payment.stage === "draft" ? { ...payment, stage: payment.ahead[0]!, ahead: payment.ahead.slice(1) } : payment);
        if (!sent) throw this.#desk(account).notFound();
        if (sent.stage === "checking") throw this.#refuse(422, "em_validacao", "O pagamento ainda está em validação");
        await this.#live(sent);
        return sent;
      },
      find: async (id) => store.get<TwinPayment>(keyOf(id)),
      list: async () => store.list<TwinPayment>(`payment/${account.id}/`),
      word: ({ stage }) => words[stage],
      refuse: (status, code, said, field) => this.#refuse(status, code, said, field),
      notFound: () => this.#refuse(404, "nao_encontrado", "O recurso solicitado não foi encontrado"),
    };
  }

  #endToEndId(unique: string): string {
    return makeEndToEndId({ ispb: this.#bank.ispb, at: this.#context.clock.now(), unique: hash(unique).slice(0, 11) });
  }

  #refuse(status: number, code: string, words: string, field?: string): Refused {
    return new Refused(status, this.#bank.twin.problem({ status, code, words, ...(field && { field }) }));
  }

  /** Schedules the next stage, which schedules the one after: steps that come due together may run in any order. */
  async #live({ accountId, id, ahead, lived: index }: TwinPayment): Promise<void> {
    if (index >= ahead.length) return;
    const at = new Date(this.#context.clock.now().getTime() + this.#context.settleAfterMs);
    await this.#context.store.schedule({ name: "live", accountId, id, index }, at);
  }

  async run(step: TwinStep): Promise<void> {
    if (step.name === RECEIVE_STEP) return receive(this.#context, step, (id) => this.#endToEndId(id));
    const index = Number(step["index"]);
    const moved = await this.#context.store.update<TwinPayment>(`payment/${String(step["accountId"])}/${String(step["id"])}`, (payment) =>
      payment.lived === index ? { ...payment, stage: payment.ahead[index] ?? payment.stage, lived: index + 1 } : payment);
    if (moved?.lived !== index + 1) return;
    await this.#notify(moved);
    await this.#live(moved);
  }

  async #notify(payment: TwinPayment): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${payment.accountId}`);
    const body = this.#bank.twin.notice?.(payment);
    if (!account || body === undefined) return;
    const url = new URL(account.webhookUrl);
    url.searchParams.set("token", account.webhookToken);
    await this.#context.deliver({ url: url.toString(), headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  }
}

/** The stages of a payment from its sending on. */
function lifeOf(ending: string, alwaysApproved = false): [Stage, ...Stage[]] {
  if (ending === "14") return ["processing"];
  if (ending === "17") return ["awaiting", "failed"];
  if (ending === "18") return ["processing", "failed"];
  return ending === "16" || alwaysApproved ? ["awaiting", "processing", "paid"] : ["processing", "paid"];
}

/** `123.45`, as a payment's amount is written. */
export const decimalOf = ({ cents }: TwinPayment): string => toDecimal({ amountMinor: BigInt(cents), currency: "BRL" });

/** The problem document of RFC 7807, as the Central Bank writes it. */
export const bcbProblem: BankTwin["problem"] = ({ status, code, words, field }) => ({
  type: `https://pix.bcb.gov.br/api/v2/error/${code}`, title: words, status, detail: words,
  ...(field && { violacoes: [{ razao: words, propriedade: field }] }),
});

class Refused extends Error {
  readonly status: number;
  readonly body: Json;
  constructor(status: number, body: Json) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The variables of a route; undefined when it is another. */
function match(route: string, method: string, path: string): Record<string, string> | undefined {
  const [verb, template = ""] = route.split(" ");
  const pattern = new RegExp(`^${template.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`);
  const found = verb === method ? pattern.exec(path) : null;
  return found ? Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)])) : undefined;
}
