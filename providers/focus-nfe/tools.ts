/** Focus NFe's own tools: one request each, in its own words and decimal BRL. Reference: FocusNFe/api-doc, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const ref = z.string().min(1).max(100);
const named = z.object({ ref });
const ownRef = ref.optional().describe("Your name for this document, unique; one is made when absent.");
const justificativa = z.string().min(15).max(255);

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_nfse",
    description: "Issue an NFS-e (service invoice) at Focus NFe. codespar_invoice does more, and follows it.",
    effect: "writes",
    input: z.looseObject({
      ref: ownRef,
      data_emissao: z.iso.datetime({ offset: true }),
      natureza_operacao: z.string().max(2).default("1"),
      optante_simples_nacional: z.boolean(),
      prestador: z.looseObject({ cnpj: z.string().max(18), inscricao_municipal: z.string().max(20), codigo_municipio: z.string().length(7) }),
      tomador: z.looseObject({ cpf: z.string().max(14).optional(), cnpj: z.string().max(18).optional(), razao_social: z.string().max(115).optional() }),
      servico: z.looseObject({
        valor_servicos: z.number().positive().describe("decimal BRL: 150.5"), iss_retido: z.boolean(), item_lista_servico: z.string().min(1).max(10),
        discriminacao: z.string().min(1).max(2_000), codigo_municipio: z.string().length(7),
      }),
    }),
    request: ({ ref: own, ...body }, { reference }) => ({ method: "POST", path: "/v2/nfse", query: { ref: own ?? reference }, body }),
  }),
  nativeTool({
    name: "get_nfse",
    description: "Read an NFS-e at Focus NFe by its ref: status, number, verification code, errors.",
    effect: "reads",
    input: named,
    request: (args) => ({ method: "GET", path: pathOf("/v2/nfse/{ref}", args) }),
  }),
  nativeTool({
    name: "cancel_nfse",
    description: "Cancel an authorized NFS-e at Focus NFe.",
    effect: "writes",
    input: z.object({ ref, justificativa }),
    request: ({ ref: nfse, justificativa: why }) => ({ method: "DELETE", path: pathOf("/v2/nfse/{ref}", { ref: nfse }), body: { justificativa: why } }),
  }),
  nativeTool({
    name: "create_nfe",
    description: "Issue an NF-e (goods invoice) at Focus NFe, which numbers it. codespar_invoice does more, and follows it.",
    effect: "writes",
    input: z.looseObject({
      ref: ownRef,
      natureza_operacao: z.string().min(1).max(60),
      data_emissao: z.iso.datetime({ offset: true }),
      tipo_documento: z.int().min(0).max(1),
      cnpj_emitente: z.string().max(18),
      nome_destinatario: z.string().max(60).optional(),
      cpf_destinatario: z.string().max(14).optional(),
      cnpj_destinatario: z.string().max(18).optional(),
      items: z.array(z.looseObject({ numero_item: z.int().min(1), descricao: z.string().min(1).max(120), cfop: z.union([z.string(), z.int()]), valor_bruto: z.number() })).min(1).max(990),
    }),
    request: ({ ref: own, ...body }, { reference }) => ({ method: "POST", path: "/v2/nfe", query: { ref: own ?? reference }, body }),
  }),
  nativeTool({
    name: "get_nfe",
    description: "Read an NF-e at Focus NFe by its ref: status, number, access key, what the tax authority said.",
    effect: "reads",
    input: named.extend({ completa: z.int().min(0).max(1).optional().describe("1 also answers what was sent") }),
    request: ({ ref: nfe, completa }) => ({ method: "GET", path: pathOf("/v2/nfe/{ref}", { ref: nfe }), query: { completa: completa?.toString() } }),
  }),
  nativeTool({
    name: "cancel_nfe",
    description: "Cancel an authorized NF-e at Focus NFe.",
    effect: "writes",
    input: z.object({ ref, justificativa }),
    request: ({ ref: nfe, justificativa: why }) => ({ method: "DELETE", path: pathOf("/v2/nfe/{ref}", { ref: nfe }), body: { justificativa: why } }),
  }),
  nativeTool({
    name: "send_correction_letter",
    description: "Send a correction letter (CC-e) for an authorized NF-e at Focus NFe.",
    effect: "writes",
    input: z.object({ ref, correcao: z.string().min(15).max(1_000) }),
    request: ({ ref: nfe, correcao }) => ({ method: "POST", path: pathOf("/v2/nfe/{ref}/carta_correcao", { ref: nfe }), body: { correcao } }),
  }),
];
