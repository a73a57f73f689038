/**
 * The stand-in for Omie: customers, products, sales orders and accounts of one company, called by name with the
 * application's key in the body. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition } from "../twin.ts";

export const omieTwin: TwinDefinition = {
  id: "omie",
  hosts: ["app.omie.com.br"],
  magic: {
    "an integration code used before": "is refused, Client-102",
    "a page beyond the last": "is refused, Client-5113, an empty list too",
  },
  create: (context) => new OmieTwin(context),
};

type Json = Record<string, unknown>;
type Kind = "cliente" | "produto" | "pedido" | "contapagar";

interface Account {
  appKey: string;
  secretHash: string;
}

interface Listing {
  kind: Kind | "categoria" | "contareceber";
  /** The name of the rows in the answer. */
  rows: string;
}

interface Making {
  kind: Kind;
  /** Omie's name of its own code and of the caller's, and where in the parameter they stand. */
  code: string;
  ownCode: string;
  within?: string;
  done: string;
  param: z.ZodType<Json>;
}

const listings: Record<string, Listing> = {
  "/geral/clientes/ListarClientes": { kind: "cliente", rows: "clientes_cadastro" },
  "/geral/produtos/ListarProdutos": { kind: "produto", rows: "produto_servico_cadastro" },
  "/produtos/pedido/ListarPedidos": { kind: "pedido", rows: "pedido_venda_produto" },
  "/financas/contapagar/ListarContasPagar": { kind: "contapagar", rows: "conta_pagar_cadastro" },
  "/financas/contareceber/ListarContasReceber": { kind: "contareceber", rows: "conta_receber_cadastro" },
  "/geral/categorias/ListarCategorias": { kind: "categoria", rows: "categoria_cadastro" },
};

const Filled = z.string().min(1);
const Day = z.string().regex(/^\d{2}\/\d{2}\/\d{4}$/);

const makings: Record<string, Making> = {
  "/geral/clientes/IncluirCliente": {
    kind: "cliente", code: "codigo_cliente_omie", ownCode: "codigo_cliente_integracao", done: "Cliente cadastrado com sucesso!",
    param: z.looseObject({
      codigo_cliente_integracao: Filled, razao_social: Filled,
      cnpj_cpf: Filled.refine((text) => parseTaxId(text, { environment: "test" }).ok),
    }),
  },
  "/geral/produtos/IncluirProduto": {
    kind: "produto", code: "codigo_produto", ownCode: "codigo_produto_integracao", done: "Produto cadastrado com sucesso!",
    param: z.looseObject({ codigo_produto_integracao: Filled, codigo: Filled, descricao: Filled, unidade: Filled, ncm: Filled }),
  },
  "/produtos/pedido/IncluirPedido": {
    kind: "pedido", code: "codigo_pedido", ownCode: "codigo_pedido_integracao", within: "cabecalho", done: "Pedido cadastrado com sucesso!",
    param: z.looseObject({
      cabecalho: z.looseObject({ codigo_pedido_integracao: Filled, codigo_cliente: z.int(), data_previsao: Day }),
      det: z.array(z.looseObject({ produto: z.looseObject({ codigo_produto: z.int(), quantidade: z.number().positive(), valor_unitario: z.number() }) })).min(1),
    }),
  },
  "/financas/contapagar/IncluirContaPagar": {
    kind: "contapagar", code: "codigo_lancamento_omie", ownCode: "codigo_lancamento_integracao", done: "Lançamento cadastrado com sucesso!",
    param: z.looseObject({
      codigo_lancamento_integracao: Filled, codigo_cliente_fornecedor: z.int(), data_vencimento: Day, valor_documento: z.number().positive(),
      codigo_categoria: Filled,
    }),
  },
};

/** What every company has from the start. */
const CATEGORIES = [
  { codigo: "1.01.01", descricao: "Clientes - Venda de Mercadoria" }, { codigo: "2.04.01", descricao: "Despesas Administrativas" },
];

class OmieTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const [appKey, secret] = [String(randomInt(10 ** 12, 10 ** 13)), randomBytes(16).toString("hex")];
    await this.#context.store.put(`account/${appKey}`, { appKey, secretHash: hash(secret) } satisfies Account);
    return { credentials: { app_key: appKey, app_secret: secret }, settings: {}, webhookSecret: randomBytes(16).toString("hex") };
  }

  /** Nothing here lives on by itself. */
  async run(): Promise<void> {}

  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST") return fault("Server", "Método HTTP não suportado");
    const asked = Asked.safeParse(await request.json().catch(() => undefined));
    if (!asked.success) return fault("Client-71", "Estrutura da requisição inválida");
    const { call, app_key: appKey, app_secret: secret, param: [param = {}] } = asked.data;
    const account = await this.#context.store.get<Account>(`account/${appKey}`);
    if (account?.secretHash !== hash(secret)) return fault("Client-103", "A chave de acesso não está preenchida ou não é válida");
    const place = new URL(request.url).pathname.replace(/^\/api\/v1/, "") + call;
    if (listings[place]) return this.#list(appKey, listings[place], param);
    if (makings[place]) return this.#make(appKey, makings[place], param);
    if (place === "/produtos/pedido/ConsultarPedido") return this.#showOrder(appKey, param);
    return fault("Client-2", `Method "${call}" not exists`);
  }

  async #list(appKey: string, { kind, rows }: Listing, param: Json): Promise<Response> {
    const stored = kind === "categoria" ? CATEGORIES : await this.#context.store.list<Json>(`${kind}/${appKey}/`);
    const filter = Object.entries((param["clientesFiltro"] ?? {}) as Json);
    const found = stored.filter((row) => filter.every(([name, value]) => String((row as Json)[name] ?? "").includes(String(value))));
    const [page, size] = [Number(param["pagina"] ?? 1), Number(param["registros_por_pagina"] ?? 50)];
    const shown = found.slice((page - 1) * size, page * size);
    if (shown.length === 0) return fault("Client-5113", `Não existem registros para a página [${page}]!`);
    const counts = { pagina: page, total_de_paginas: Math.ceil(found.length / size), registros: shown.length, total_de_registros: found.length };
    return Response.json({ ...counts, [rows]: shown });
  }

  async #make(appKey: string, { kind, code, ownCode, within, done, param: shape }: Making, param: Json): Promise<Response> {
    const parsed = shape.safeParse(param);
    if (!parsed.success) return fault("Client-101", `Tag [${parsed.error.issues[0]?.path.join(".") ?? ""}] inválida ou não preenchida!`);
    const head = (within ? parsed.data[within] : parsed.data) as Json;
    const own = String(head[ownCode]);
    if (await this.#isUnknownParty(appKey, kind, head)) return fault("Client-101", "Cliente não cadastrado para o código informado!");
    const { store } = this.#context;
    if ((await store.next(`own/${kind}/${appKey}/${own}`)) > 1) return fault("Client-102", `Já existe um cadastro para o Código de Integração [${own}]!`);
    const number = await store.next(kind);
    const id = CODES_FROM + number;
    const made = { ...head, [code]: id, ...(kind === "pedido" && { numero_pedido: String(number), etapa: head["etapa"] ?? "10" }) };
    await store.put(`${kind}/${appKey}/${id}`, within ? { ...parsed.data, [within]: made } : made);
    const numbered = kind === "pedido" ? { numero_pedido: String(number) } : {};
    return Response.json({ [code]: id, [ownCode]: own, codigo_status: "0", descricao_status: done, ...numbered });
  }

  async #isUnknownParty(appKey: string, kind: Kind, head: Json): Promise<boolean> {
    const party = kind === "pedido" ? head["codigo_cliente"] : kind === "contapagar" ? head["codigo_cliente_fornecedor"] : undefined;
    return party !== undefined && !(await this.#context.store.get(`cliente/${appKey}/${String(party)}`));
  }

  async #showOrder(appKey: string, { codigo_pedido: code, codigo_pedido_integracao: own }: Json): Promise<Response> {
    const orders = await this.#context.store.list<{ cabecalho: Json }>(`pedido/${appKey}/`);
    const found = orders.find(({ cabecalho }) => cabecalho["codigo_pedido"] === code || (own !== undefined && cabecalho["codigo_pedido_integracao"] === own));
    return found ? Response.json({ pedido_venda_produto: found }) : fault("Client-107", "Pedido não cadastrado!");
  }
}

const CODES_FROM = 4_214_000_000;

const Asked = z.object({ call: z.string(), app_key: z.string(), app_secret: z.string(), param: z.array(z.record(z.string(), z.unknown())).max(1) });

const fault = (code: string, message: string): Response =>
  Response.json({ faultstring: `ERROR: ${message}`, faultcode: `SOAP-ENV:${code}` }, { status: 500 });

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
