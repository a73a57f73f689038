/**
 * Omie's own tools: one call each, in Omie's words: decimal BRL, days as dd/mm/aaaa. Reference: developer.omie.com.br, read
 * 2026-11-20 through public clients. A call that makes something carries an integration code, ours unless one is given; a
 * second one under the same code is refused.
 * Quirk: the public MCP server sends an order as flat fields; the service takes `cabecalho` and `det`.
 */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";
import type { Effect } from "../../schema/operation.ts";

const Code = z.int().positive();
const OwnCode = z.string().min(1).max(60).describe("your own id of it; ours when left out");
const Text = z.string().min(1).max(120);
const Day = z.string().regex(/^\d{2}\/\d{2}\/\d{4}$/).describe("dd/mm/aaaa");
const Reais = z.number().min(0).describe("decimal BRL: 150.5");
const YesNo = z.enum(["S", "N"]);
const page = { pagina: z.int().min(1).default(1), registros_por_pagina: z.int().min(1).max(500).default(50) };

interface Service<Input extends z.ZodObject> {
  name: string;
  /** The address of the service, and the call. */
  path: string;
  call: string;
  description: string;
  effect: Effect;
  input: Input;
  /** The one parameter of the call; the arguments themselves when absent. */
  param?(args: z.output<Input>, reference: string): object;
}

const service = <Input extends z.ZodObject>({ path, call, param, ...tool }: Service<Input>): NativeTool =>
  nativeTool({
    ...tool,
    request: (args, { reference }) => ({ method: "POST", path, body: { call, param: [param ? param(args, reference) : args] } }),
  });

export const tools: readonly NativeTool[] = [
  service({
    name: "list_customers", path: "/geral/clientes/", call: "ListarClientes", effect: "reads",
    description: "List customers and suppliers in Omie.",
    input: z.object({
      ...page,
      clientesFiltro: z.object({
        cnpj_cpf: z.string().max(20).optional(), razao_social: Text.optional(), nome_fantasia: Text.optional(), email: z.string().max(254).optional(),
      }).optional(),
    }),
  }),
  service({
    name: "create_customer", path: "/geral/clientes/", call: "IncluirCliente", effect: "writes",
    description: "Create a customer or supplier in Omie.",
    input: z.object({
      codigo_cliente_integracao: OwnCode.optional(),
      razao_social: z.string().min(1).max(60),
      cnpj_cpf: z.string().max(20),
      nome_fantasia: Text.optional(),
      email: z.string().max(500).optional(),
      telefone1_ddd: z.string().max(5).optional(),
      telefone1_numero: z.string().max(15).optional(),
      endereco: z.string().max(60).optional(),
      endereco_numero: z.string().max(60).optional(),
      complemento: z.string().max(60).optional(),
      bairro: z.string().max(60).optional(),
      cidade: z.string().max(60).optional(),
      estado: z.string().length(2).optional(),
      cep: z.string().max(10).optional(),
    }),
    param: (args, reference) => ({ codigo_cliente_integracao: reference, ...args }),
  }),
  service({
    name: "list_products", path: "/geral/produtos/", call: "ListarProdutos", effect: "reads",
    description: "List products in Omie.",
    input: z.object({ ...page, apenas_importado_api: YesNo.default("N"), filtrar_apenas_omiepdv: YesNo.default("N") }),
  }),
  service({
    name: "create_product", path: "/geral/produtos/", call: "IncluirProduto", effect: "writes",
    description: "Create a product in Omie.",
    input: z.object({
      codigo_produto_integracao: OwnCode.optional(),
      codigo: z.string().min(1).max(60),
      descricao: Text,
      unidade: z.string().min(1).max(6),
      ncm: z.string().min(1).max(13),
      valor_unitario: Reais,
    }),
    param: (args, reference) => ({ codigo_produto_integracao: reference, ...args }),
  }),
  service({
    name: "create_order", path: "/produtos/pedido/", call: "IncluirPedido", effect: "writes",
    description: "Create a sales order in Omie.",
    input: z.object({
      cabecalho: z.object({
        codigo_pedido_integracao: OwnCode.optional(),
        codigo_cliente: Code,
        data_previsao: Day,
        etapa: z.string().max(2).optional().describe("10: the first stage"),
        codigo_parcela: z.string().max(3).optional().describe("000: at once"),
      }),
      det: z.array(z.object({
        ide: z.object({ codigo_item_integracao: z.string().min(1).max(30) }),
        produto: z.object({
          codigo_produto: Code, quantidade: z.number().positive(), valor_unitario: Reais, cfop: z.string().max(10).optional(),
        }),
      })).min(1).max(200),
      informacoes_adicionais: z.object({
        codigo_categoria: z.string().max(20).optional(), codigo_conta_corrente: Code.optional(),
        consumidor_final: YesNo.optional(), enviar_email: YesNo.optional(),
      }).optional(),
      frete: z.object({ modalidade: z.string().max(1) }).optional().describe('modalidade "9": none'),
    }),
    param: ({ cabecalho, det, ...rest }, reference) =>
      ({ cabecalho: { codigo_pedido_integracao: reference, quantidade_itens: det.length, ...cabecalho }, det, ...rest }),
  }),
  service({
    name: "get_sales_order", path: "/produtos/pedido/", call: "ConsultarPedido", effect: "reads",
    description: "Read a sales order in Omie, by Omie's code or by your own.",
    input: z.object({ codigo_pedido: Code.optional(), codigo_pedido_integracao: OwnCode.optional() }),
  }),
  service({
    name: "list_orders", path: "/produtos/pedido/", call: "ListarPedidos", effect: "reads",
    description: "List sales orders in Omie.",
    input: z.object({ ...page, apenas_importado_api: YesNo.default("N"), etapa: z.string().max(2).optional() }),
  }),
  service({
    name: "get_financial", path: "/financas/contareceber/", call: "ListarContasReceber", effect: "reads",
    description: "List accounts receivable in Omie.",
    input: z.object({ ...page, apenas_importado_api: YesNo.default("N") }),
  }),
  service({
    name: "create_account_payable", path: "/financas/contapagar/", call: "IncluirContaPagar", effect: "writes",
    description: "Write an account payable into Omie. Nothing is paid by it.",
    input: z.object({
      codigo_lancamento_integracao: OwnCode.optional(),
      codigo_cliente_fornecedor: Code,
      data_vencimento: Day,
      valor_documento: Reais,
      codigo_categoria: z.string().min(1).max(20).describe("a code of list_categories: 2.04.01"),
      data_previsao: Day.optional(),
      id_conta_corrente: Code.optional(),
      numero_documento: z.string().max(20).optional(),
      observacao: z.string().max(1_000).optional(),
    }),
    param: (args, reference) => ({ codigo_lancamento_integracao: reference, data_previsao: args.data_vencimento, ...args }),
  }),
  service({
    name: "list_accounts_payable", path: "/financas/contapagar/", call: "ListarContasPagar", effect: "reads",
    description: "List accounts payable in Omie.",
    input: z.object({ ...page, apenas_importado_api: YesNo.default("N") }),
  }),
  service({
    name: "list_categories", path: "/geral/categorias/", call: "ListarCategorias", effect: "reads",
    description: "List the categories that Omie's accounts are written under.",
    input: z.object(page),
  }),
];
