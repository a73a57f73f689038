/** Nuvem Fiscal's own tools: one request each, in its own words and decimal BRL. Reference: the vendor's SDK documents, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const id = z.string().min(1).max(64);
const ambiente = z.enum(["homologacao", "producao"]);
const referencia = z.string().max(50).optional().describe("Your name for this document; one is made when absent.");
const document = { CNPJ: z.string().max(14).optional(), CPF: z.string().max(11).optional() };

const infDPS = z.looseObject({
  dhEmi: z.iso.datetime({ offset: true }),
  prest: z.looseObject(document).describe("Who renders the service: CNPJ or CPF."),
  toma: z.looseObject({ ...document, xNome: z.string().min(1).max(300), email: z.string().max(80).optional() }).optional(),
  serv: z.looseObject({
    cServ: z.looseObject({ cTribNac: z.string().min(4).max(6), cTribMun: z.string().max(20).optional(), xDescServ: z.string().min(1).max(2_000) }),
  }),
  valores: z.looseObject({
    vServPrest: z.looseObject({ vServ: z.number().positive().describe("decimal BRL: 150.5") }),
    trib: z.looseObject({ tribMun: z.looseObject({ tribISSQN: z.int().min(1).max(4).describe("1 taxed, 2 export, 3 not incident, 4 immune") }) }),
  }),
});

const infNFe = z.looseObject({
  versao: z.string().default("4.00"),
  ide: z.looseObject({ natOp: z.string().min(1).max(60), serie: z.int().min(0).max(999), nNF: z.int().min(1).max(999_999_999) }),
  emit: z.looseObject(document),
  dest: z.looseObject({ ...document, xNome: z.string().max(60).optional() }).optional(),
  det: z.array(z.looseObject({ nItem: z.int().min(1).max(990), prod: z.looseObject({}), imposto: z.looseObject({}) })).min(1).max(990),
  total: z.looseObject({}),
  transp: z.looseObject({}),
  pag: z.looseObject({}),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_nfse",
    description: "Issue an NFS-e (service invoice) at Nuvem Fiscal from a DPS. codespar_invoice does more, and follows it.",
    effect: "writes",
    input: z.object({ provedor: z.enum(["padrao", "nacional"]).optional(), ambiente, referencia, infDPS }),
    request: (args, { reference }) => ({ method: "POST", path: "/nfse/dps", body: { referencia: reference, ...args } }),
  }),
  nativeTool({
    name: "get_nfse",
    description: "Read an NFS-e at Nuvem Fiscal: status, number, verification code, messages.",
    effect: "reads",
    input: z.object({ id }),
    request: (args) => ({ method: "GET", path: pathOf("/nfse/{id}", args) }),
  }),
  nativeTool({
    name: "cancel_nfse",
    description: "Cancel an authorized NFS-e at Nuvem Fiscal. Some cities ask for a code or a reason.",
    effect: "writes",
    input: z.object({
      id,
      codigo: z.string().max(10).optional(),
      motivo: z.string().max(255).optional(),
      justificativa: z.string().max(255).optional().describe("The same as motivo."),
    }),
    request: ({ id: nfse, codigo, motivo, justificativa }) => ({
      method: "POST", path: pathOf("/nfse/{id}/cancelamento", { id: nfse }), body: { codigo, motivo: motivo ?? justificativa },
    }),
  }),
  nativeTool({
    name: "create_nfe",
    description: "Issue an NF-e (goods invoice) at Nuvem Fiscal from a whole infNFe. codespar_invoice numbers it and follows it.",
    effect: "writes",
    input: z.object({ ambiente, referencia, infNFe }),
    request: (args, { reference }) => ({ method: "POST", path: "/nfe", body: { referencia: reference, ...args } }),
  }),
  nativeTool({
    name: "get_nfe",
    description: "Read an NF-e at Nuvem Fiscal: status, number, access key, what the tax authority said.",
    effect: "reads",
    input: z.object({ id }),
    request: (args) => ({ method: "GET", path: pathOf("/nfe/{id}", args) }),
  }),
  nativeTool({
    name: "cancel_nfe",
    description: "Cancel an authorized NF-e at Nuvem Fiscal.",
    effect: "writes",
    input: z.object({ id, justificativa: z.string().min(15).max(255) }),
    request: ({ id: nfe, justificativa }) => ({ method: "POST", path: pathOf("/nfe/{id}/cancelamento", { id: nfe }), body: { justificativa } }),
  }),
  nativeTool({
    name: "send_correction_letter_nfe",
    description: "Send a correction letter (CC-e) for an authorized NF-e at Nuvem Fiscal.",
    effect: "writes",
    input: z.object({ id, correcao: z.string().min(15).max(1_000) }),
    request: ({ id: nfe, correcao }) => ({ method: "POST", path: pathOf("/nfe/{id}/carta-correcao", { id: nfe }), body: { correcao } }),
  }),
  nativeTool({
    name: "consult_cnpj",
    description: "Look up a Brazilian company by its CNPJ: name, status, activity, address.",
    effect: "reads",
    input: z.object({ cnpj: z.string().min(14).max(18) }),
    request: ({ cnpj }) => ({ method: "GET", path: pathOf("/cnpj/{cnpj}", { cnpj: cnpj.replace(/[./-]/g, "") }) }),
  }),
  nativeTool({
    name: "consult_cep",
    description: "Look up a Brazilian postal code: street, district, city and its IBGE code.",
    effect: "reads",
    input: z.object({ cep: z.string().min(8).max(9) }),
    request: ({ cep }) => ({ method: "GET", path: pathOf("/cep/{cep}", { cep: cep.replace("-", "") }) }),
  }),
  nativeTool({
    name: "list_empresas",
    description: "List the companies registered at Nuvem Fiscal.",
    effect: "reads",
    input: z.object({ top: z.int().min(1).max(100).optional(), skip: z.int().min(0).optional(), cpf_cnpj: z.string().max(18).optional() }),
    request: ({ top, skip, cpf_cnpj }) => ({
      method: "GET", path: "/empresas", query: { $top: top?.toString(), $skip: skip?.toString(), cpf_cnpj: cpf_cnpj?.replace(/[./-]/g, "") },
    }),
  }),
];
