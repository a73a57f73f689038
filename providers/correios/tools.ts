/** Correios' own tools: one request each, in their words. Reference: CWS as its public clients show it, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Cep = z.string().regex(/^\d{8}$/).describe("8 digits");
const Service = z.string().regex(/^\d{5}$/).describe("product code: 03220 is SEDEX, 03298 is PAC");
const Centimetres = z.number().positive().max(300).optional().describe("cm");
const Id = z.object({ id: z.string().min(1).max(64) });

const Party = z.object({
  nome: z.string().min(1).max(100),
  cpfCnpj: z.string().max(18).optional(),
  dddCelular: z.string().max(3).optional(),
  celular: z.string().max(12).optional(),
  email: z.string().max(100).optional(),
  endereco: z.object({
    cep: Cep,
    logradouro: z.string().min(1).max(100),
    numero: z.string().max(10),
    complemento: z.string().max(60).optional(),
    bairro: z.string().max(60).optional(),
    cidade: z.string().min(1).max(60),
    uf: z.string().length(2),
  }),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "track_package",
    description: "Track an object of Correios by its code.",
    effect: "reads",
    input: z.object({ code: z.string().regex(/^[A-Z]{2}\d{9}[A-Z]{2}$/).describe("AA123456785BR") }),
    request: (args) => ({ method: "GET", path: pathOf("/srorastro/v1/objetos/{code}", args), query: { resultado: "T" } }),
  }),
  nativeTool({
    name: "calculate_shipping",
    description: "Calculate what Correios charges for a parcel. Prices are those of the contract only when it is named.",
    effect: "reads",
    input: z.object({
      cepOrigem: Cep,
      cepDestino: Cep,
      peso: z.number().positive().max(30_000).describe("grams"),
      comprimento: Centimetres,
      altura: Centimetres,
      largura: Centimetres,
      servicos: z.array(Service).min(1).max(5).default(["03220", "03298"]),
      nuContrato: z.string().max(20).optional(),
      nuDR: z.int().positive().optional(),
    }),
    request: ({ servicos, peso, ...given }) => ({
      method: "POST",
      path: "/preco/v1/nacional",
      body: {
        idLote: "1",
        parametrosProduto: servicos.map((coProduto, index) => ({
          coProduto, nuRequisicao: String(index + 1), psObjeto: String(peso), tpObjeto: "2", ...given,
          ...Object.fromEntries(sides.flatMap((side) => (given[side] === undefined ? [] : [[side, String(given[side])]]))),
        })),
      },
    }),
  }),
  nativeTool({
    name: "get_delivery_time",
    description: "Read in how many days a service of Correios delivers between two CEPs.",
    effect: "reads",
    input: z.object({ cepOrigem: Cep, cepDestino: Cep, codigoServico: Service }),
    request: ({ cepOrigem, cepDestino, ...args }) =>
      ({ method: "GET", path: pathOf("/prazo/v1/nacional/{codigoServico}", args), query: { cepOrigem, cepDestino } }),
  }),
  nativeTool({
    name: "find_cep",
    description: "Find the street, district, city and state of a CEP.",
    effect: "reads",
    input: z.object({ cep: Cep }),
    request: (args) => ({ method: "GET", path: pathOf("/cep/v2/enderecos/{cep}", args) }),
  }),
  nativeTool({
    name: "create_prepost",
    description: "Create a pre-posting at Correios; the contract is billed when the parcel is posted. codespar_ship does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      codigoServico: Service,
      remetente: Party,
      destinatario: Party,
      pesoInformado: z.string().regex(/^\d{1,5}$/).describe("grams"),
      codigoFormatoObjetoInformado: z.enum(["1", "2", "3"]).describe("1 envelope, 2 box, 3 roll"),
      alturaInformada: z.string().max(5).optional(),
      larguraInformada: z.string().max(5).optional(),
      comprimentoInformado: z.string().max(5).optional(),
      numeroCartaoPostagem: z.string().max(20).optional(),
      chaveNFe: z.string().length(44).optional(),
      itensDeclaracaoConteudo: z
        .array(z.object({ conteudo: z.string().max(60), quantidade: z.string().max(5), valor: z.string().max(12).describe("decimal BRL: 150.50") }))
        .max(50)
        .optional(),
    }),
    request: (args, { reference }) => ({
      method: "POST", path: "/prepostagem/v1/prepostagens", body: { cienteObjetoNaoProibido: "1", observacao: reference, ...args },
    }),
  }),
  nativeTool({
    name: "get_prepost",
    description: "Read a pre-posting at Correios by its id.",
    effect: "reads",
    input: Id,
    request: ({ id }) => ({ method: "GET", path: "/prepostagem/v2/prepostagens", query: { id } }),
  }),
  nativeTool({
    name: "list_preposts",
    description: "List pre-postings at Correios, by object code or by the days they were made on.",
    effect: "reads",
    input: z.object({
      codigoObjeto: z.string().max(13).optional(),
      dataInicialCriacaoPrePostagem: z.iso.date().optional(),
      dataFinalCriacaoPrePostagem: z.iso.date().optional(),
      page: z.int().min(0).default(0),
      size: z.int().min(1).max(50).default(10),
    }),
    request: ({ page, size, ...query }) =>
      ({ method: "GET", path: "/prepostagem/v2/prepostagens", query: { ...query, page: String(page), size: String(size) } }),
  }),
  nativeTool({
    name: "cancel_prepost",
    description: "Cancel a pre-posting at Correios that is not posted yet.",
    effect: "writes",
    input: Id,
    request: (args) => ({ method: "DELETE", path: pathOf("/prepostagem/v1/prepostagens/{id}", args) }),
  }),
];

const sides = ["comprimento", "largura", "altura"] as const;
