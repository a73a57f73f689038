/**
 * The standard's own operations as native tools, the same at every bank that serves them: immediate charges, received Pix,
 * returns. Source: Central Bank of Brazil, API Pix 2.9.0. Amounts are text with two decimals there.
 */
import { z } from "zod";
import { makeTxid } from "../../schema/pix/keys.ts";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";
import type { Bank } from "./bank.ts";

const Amount = z.string().regex(/^\d{1,10}\.\d{2}$/).describe("Reais with two decimals: 150.00");
const Txid = z.string().regex(/^[a-zA-Z0-9]{26,35}$/);
const EndToEndId = z.string().regex(/^[a-zA-Z0-9]{32}$/);
const RefundId = z.string().regex(/^[a-zA-Z0-9]{1,35}$/);
const Moment = z.iso.datetime({ offset: true });
const Page = { page: z.int().min(0).max(100_000).optional(), page_size: z.int().min(1).max(1_000).optional() };

const between = ({ from, to, page, page_size }: { from: string; to: string; page?: number | undefined; page_size?: number | undefined }) => ({
  inicio: from, fim: to, "paginacao.paginaAtual": page?.toString(), "paginacao.itensPorPagina": page_size?.toString(),
});

const tools = {
  create_pix_cob: nativeTool({
    name: "create_pix_cob",
    description: "Create an immediate Pix charge at the bank, for one of the account's own Pix keys. Its code is in pixCopiaECola.",
    effect: "moves_money",
    input: z.object({
      amount: Amount,
      dict_key: z.string().max(77).describe("The Pix key that receives."),
      expires_in: z.int().min(1).max(2_147_483_647).optional().describe("Seconds; a day where absent."),
      description: z.string().max(140).optional(),
      payer: z.object({
        name: z.string().max(200), cpf: z.string().regex(/^\d{11}$/).optional(), cnpj: z.string().regex(/^[0-9A-Z]{14}$/).optional(),
      }).optional(),
      txid: Txid.optional().describe("Made from the call where absent."),
    }),
    request: ({ amount, dict_key, expires_in, description, payer, txid }, { reference }) => ({
      method: "PUT", path: `/cob/${txid ?? makeTxid(reference)}`,
      body: {
        calendario: { expiracao: expires_in ?? 86_400 }, valor: { original: amount }, chave: dict_key, solicitacaoPagador: description,
        devedor: payer && { nome: payer.name, cpf: payer.cpf, cnpj: payer.cnpj },
      },
    }),
  }),
  get_pix_cob: nativeTool({
    name: "get_pix_cob", description: "Read an immediate Pix charge by its txid, with the Pix that paid it.", effect: "reads",
    input: z.object({ txid: Txid }),
    request: (args) => ({ method: "GET", path: pathOf("/cob/{txid}", args) }),
  }),
  list_pix_cob: nativeTool({
    name: "list_pix_cob", description: "List the immediate Pix charges made between two moments.", effect: "reads",
    input: z.object({
      from: Moment, to: Moment, ...Page,
      status: z.enum(["ATIVA", "CONCLUIDA", "REMOVIDA_PELO_USUARIO_RECEBEDOR", "REMOVIDA_PELO_PSP"]).optional(),
    }),
    request: (args) => ({ method: "GET", path: "/cob", query: { ...between(args), status: args.status } }),
  }),
  list_pix: nativeTool({
    name: "list_pix", description: "List the Pix that were received between two moments.", effect: "reads",
    input: z.object({ from: Moment, to: Moment, ...Page }),
    request: (args) => ({ method: "GET", path: "/pix", query: between(args) }),
  }),
  get_pix: nativeTool({
    name: "get_pix", description: "Read a received Pix by its end-to-end id.", effect: "reads",
    input: z.object({ end_to_end_id: EndToEndId }),
    request: (args) => ({ method: "GET", path: pathOf("/pix/{end_to_end_id}", args) }),
  }),
  create_pix_devolucao: nativeTool({
    name: "create_pix_devolucao", description: "Return a received Pix, in whole or in part. A refund_id is taken once.", effect: "moves_money",
    input: z.object({ end_to_end_id: EndToEndId, refund_id: RefundId, amount: Amount, reason: z.string().max(140).optional() }),
    request: ({ amount, reason, ...ids }) =>
      ({ method: "PUT", path: pathOf("/pix/{end_to_end_id}/devolucao/{refund_id}", ids), body: { valor: amount, descricao: reason } }),
  }),
  get_pix_devolucao: nativeTool({
    name: "get_pix_devolucao", description: "Read a return of a received Pix.", effect: "reads",
    input: z.object({ end_to_end_id: EndToEndId, refund_id: RefundId }),
    request: (args) => ({ method: "GET", path: pathOf("/pix/{end_to_end_id}/devolucao/{refund_id}", args) }),
  }),
} satisfies Record<string, NativeTool>;

export type ReceivingTool = keyof typeof tools;

export const toolsOf = ({ receives }: Bank): readonly NativeTool[] => (receives?.tools ?? []).map((name) => tools[name]);
