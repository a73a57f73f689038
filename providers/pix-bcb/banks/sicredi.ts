/**
 * Sicredi, Multipag: `POST /v1/pagamentos/pix/chave`. Sources: four public clients that agree on hosts, path and body,
 * read 2026-11-20. Quirks: the payee's CPF or CNPJ is wanted beside the key; who pays stands in the body of an order and
 * in the headers of a question; some clients send the secret as Basic.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Reais, Text, type Bank } from "../bank.ts";
import { decimalOf, type Desk, type TwinPayment } from "../twin.ts";

const Told = z.object({
  idTransacao: z.string().min(1), idPagamentoPix: Text.nullish(), status: z.string(), valorPagamento: Reais.nullish(), endToEnd: z.string().nullish(),
}).transform(({ idTransacao, idPagamentoPix, status, valorPagamento, endToEnd }) =>
  ({ id: idPagamentoPix ?? idTransacao, reference: idTransacao, status, amountMinor: valorPagamento ?? undefined, endToEndId: endToEnd ?? undefined }));

export const sicredi: Bank = {
  id: "sicredi",
  title: "Sicredi",
  ispb: "01181521",
  hosts: { live: "https://mtls-api-parceiro.sicredi.com.br/multipag", test: "https://mtls-api-parceiro.sicredi.com.br/sb/multipag-pagamento-sandbox" },
  token: {
    live: "https://mtls-api-parceiro.sicredi.com.br/thirdparty/auth/token", test: "https://mtls-api-parceiro.sicredi.com.br/sb/thirdparty/auth/token",
    client: "form", scope: "multipag.pix.pagar multipag.pix.consultar",
  },
  settings: [
    { name: "cooperativa", label: "Cooperative", secret: false, required: true, hint: "Four digits" },
    { name: "conta", label: "Account", secret: false, required: true, hint: "Of the account that pays" },
    { name: "documento", label: "CNPJ or CPF of the account", secret: false, required: true },
  ],
  carries: { headers: { "x-cooperativa": "cooperativa", "x-conta": "conta", "x-documento": "documento" } },
  needsDocument: true,
  states: { pending: ["RECEBIDO", "AGENDADO"], succeeded: ["SUCESSO"], failed: ["CANCELADO"] },
  repeats: "ignores",
  orders: {
    send: ({ settings: { cooperativa, conta, documento }, day, value, key, document, description, reference }) => ({
      method: "POST", path: "/v1/pagamentos/pix/chave",
      body: {
        cooperativa, conta, documento, idTransacao: reference, identificadorPagamentoAssociado: reference, dataPagamento: day,
        chavePix: key.value, documentoBeneficiario: document, mensagemPix: description, valorPagamento: value,
      },
    }),
    told: Told,
    foundBy: "reference",
    find: ({ reference }, ask) => ask({ method: "GET", path: `/v1/pagamentos/pix/${encodeURIComponent(reference)}` }, Told),
  },
  twin: {
    settings: { cooperativa: "0100", conta: "000001", documento: "11222333000181" },
    words: { checking: "RECEBIDO", draft: "RECEBIDO", awaiting: "RECEBIDO", processing: "RECEBIDO", paid: "SUCESSO", failed: "CANCELADO" },
    problem: ({ code, words }) => ({ code, message: words }),
    routes: {
      "POST /v1/pagamentos/pix/chave": async ({ body, account: { settings } }, desk) => {
        const { idTransacao, chavePix: key, documentoBeneficiario, valorPagamento: value } = body;
        if (!/^[a-zA-Z0-9:-]{1,100}$/.test(String(idTransacao))) throw desk.refuse(400, "ID_INVALIDO", "idTransacao inválido");
        const isDocument = /^(?:\d{11}|[0-9A-Z]{12}\d{2})$/.test(String(documentoBeneficiario));
        if (!isDocument) throw desk.refuse(400, "DOCUMENTO_INVALIDO", "documentoBeneficiario inválido");
        const isAccount = body["cooperativa"] === settings["cooperativa"] && body["conta"] === settings["conta"];
        if (!isAccount) throw desk.refuse(400, "CONTA_INVALIDA", "Conta inválida");
        const fields = { value: "valorPagamento", key: "chavePix" };
        return told(await desk.order({ id: randomUUID(), value, key, wire: { idTransacao }, fields }), desk);
      },
      "GET /v1/pagamentos/pix/{id}": async ({ path }, desk) => {
        const payment = (await desk.list()).find(({ wire }) => wire["idTransacao"] === path["id"]);
        if (!payment) throw desk.notFound();
        return told(payment, desk);
      },
    },
  },
};

const told = (payment: TwinPayment, desk: Desk) => ({
  idTransacao: payment.wire["idTransacao"], idPagamentoPix: payment.id, status: desk.word(payment), valorPagamento: Number(decimalOf(payment)),
  ...(payment.stage === "paid" && { endToEnd: payment.endToEndId }),
});
