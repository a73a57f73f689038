/**
 * Banco do Brasil, "Pagamentos em Lote" v1: a batch of one Pix. Sources: descriptions and clients generated from the
 * bank's document (versions 1.42), read 2026-11-20. Quirks: the batch is named by a number of seven digits that we choose
 * and that can be used once; ours is made of our reference, which therefore also stands in the payment's free text; the
 * application's key is a query parameter; by contract a batch must be released by a person.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { Reais, Text, type Bank, type Order } from "../bank.ts";
import { decimalOf, type Desk, type Json, type TwinPayment } from "../twin.ts";

const REQUEST_NUMBER_MAX = 9_999_999;

/** The same reference gives the same number, so a repeat is refused; another reference may give it, too. */
export const requestNumber = (reference: string): number =>
  1 + (createHash("sha256").update(reference).digest().readUIntBE(0, 6) % REQUEST_NUMBER_MAX);

/** The states of a batch, 1 to 10, in words of the documents. */
const BATCH = [
  "Consistente", "Parcialmente inconsistente", "Inconsistente", "Pendente", "Em processamento", "Processada", "Rejeitada",
  "Preparando remessa não liberada", "Liberada", "Preparando remessa liberada",
];

const Batch = z.object({
  numeroRequisicao: Text.nullish(),
  estadoRequisicao: z.coerce.number(),
  listaTransferencias: z.array(z.object({
    identificadorPagamento: Text.nullish(), indicadorMovimentoAceito: z.string().nullish(), erros: z.array(Text).nullish(),
    descricaoPagamento: z.string().nullish(), valor: Reais.nullish(),
  })).nullish(),
});

const Told = Batch.transform((batch) => {
  const [transfer] = batch.listaTransferencias ?? [];
  const isRefused = transfer?.indicadorMovimentoAceito === "N";
  return {
    id: batch.numeroRequisicao ?? undefined, status: isRefused ? "Inconsistente" : (BATCH[batch.estadoRequisicao - 1] ?? String(batch.estadoRequisicao)),
    amountMinor: transfer?.valor ?? undefined, reference: transfer?.descricaoPagamento ?? undefined, paymentId: transfer?.identificadorPagamento ?? undefined,
    message: isRefused ? `Banco do Brasil refused the transfer with ${(transfer.erros ?? []).join(", ")}` : undefined,
  };
});

const OnePix = z.object({ estadoPagamento: z.string(), listaDevolucao: z.array(z.object({ codigoMotivo: Text.nullish() })).nullish() });

export const bancoDoBrasil: Bank = {
  id: "banco-do-brasil",
  title: "Banco do Brasil",
  ispb: "00000000",
  hosts: { live: "https://api-ip.bb.com.br/pagamentos-lote/v1", test: "https://homologa-api-ip.bb.com.br:7144/pagamentos-lote/v1" },
  token: {
    live: "https://oauth.bb.com.br/oauth/token", test: "https://oauth.hm.bb.com.br/oauth/token", client: "basic",
    scope: "pagamentos-lote.transferencias-pix-requisicao pagamentos-lote.transferencias-pix-info pagamentos-lote.pix-info",
  },
  credentials: [{
    name: "developer_app_key", label: "Developer application key", secret: true, required: true, hint: "gw-dev-app-key, of the application in the portal",
  }],
  settings: [
    { name: "agencia", label: "Branch", secret: false, required: true, hint: "Of the account that pays, without its check digit" },
    { name: "conta", label: "Account", secret: false, required: true, hint: "Of the account that pays, without its check digit" },
    { name: "digito_conta", label: "Check digit of the account", secret: false, required: true },
    { name: "tipo_pagamento", label: "Kind of payment", secret: false, required: false, hint: "126 suppliers, 128 others (default), as the contract says" },
    { name: "contrato", label: "Payments contract", secret: false, required: false, hint: "Only where there are several" },
  ],
  carries: { query: { "gw-dev-app-key": "developer_app_key" } },
  states: {
    pending: [
      "Consistente", "Pendente", "Em processamento", "Processada", "Preparando remessa não liberada", "Liberada", "Preparando remessa liberada",
      "Agendado", "Bloqueado", "Aguardando débito", "Debitado",
    ],
    succeeded: ["Pago"],
    failed: ["Inconsistente", "Rejeitada", "Rejeitado", "Cancelado", "Vencido", "Devolvido"],
  },
  awaitsApproval: ["Pendente", "Preparando remessa não liberada"],
  repeats: "rejects",
  receives: {
    live: "https://api.bb.com.br/pix/v2", test: "https://api.hm.bb.com.br/pix/v2", scope: "cob.write cob.read pix.write pix.read",
    tools: ["create_pix_cob", "get_pix_cob", "list_pix_cob", "create_pix_devolucao", "get_pix_devolucao"],
  },
  orders: {
    send: (order) => ({ method: "POST", path: "/lotes-transferencias-pix", body: batchOf(order) }),
    told: Told,
    foundBy: "reference",
    find: async ({ reference }, ask) => {
      const number = requestNumber(reference);
      const batch = await ask({ method: "GET", path: `/lotes-transferencias-pix/${number}/solicitacao` }, Told);
      if (!batch || !isOurs(batch.reference, reference)) return undefined;
      const found = { ...batch, id: String(number), reference };
      // Once there is a payment its own state says more than the batch's.
      const pix = batch.paymentId && (await ask({ method: "GET", path: `/pix/${encodeURIComponent(batch.paymentId)}` }, OnePix));
      if (!pix) return found;
      const [returned] = pix.listaDevolucao ?? [];
      const message = returned?.codigoMotivo ? `Banco do Brasil names the reason ${returned.codigoMotivo}` : found.message;
      return { ...found, status: pix.estadoPagamento, message };
    },
  },
  twin: {
    settings: { agencia: "1607", conta: "99738672", digito_conta: "X" },
    words: { checking: "Consistente", draft: "Consistente", awaiting: "Pendente", processing: "Agendado", paid: "Pago", failed: "Rejeitado" },
    problem: ({ code, words }) => ({ erros: [{ codigo: code, mensagem: words }] }),
    routes: {
      "POST /lotes-transferencias-pix": async ({ body, account }, desk) => {
        const number = body["numeroRequisicao"];
        const { agencia, conta } = account.settings;
        const isNumber = Number.isInteger(number) && Number(number) >= 1 && Number(number) <= REQUEST_NUMBER_MAX;
        if (!isNumber) throw desk.refuse(400, "10", "Número da requisição inválido");
        const isAccount = String(body["agenciaDebito"]) === agencia && String(body["contaCorrenteDebito"]) === conta;
        if (!isAccount) throw desk.refuse(400, "11", "Conta de débito inválida");
        if (await desk.find(String(number))) throw desk.refuse(400, "12", "Número da requisição já utilizado");
        const [transfer = {}] = (body["listaTransferencias"] as Json[] | undefined) ?? [];
        if (!/^\d{7,8}$/.test(String(transfer["data"]))) throw desk.refuse(400, "6", "Data de pagamento inválida");
        const { descricaoPagamento } = transfer;
        return batch(await desk.order({ id: String(number), value: transfer["valor"], key: keyOf(transfer), wire: { descricaoPagamento } }));
      },
      "GET /lotes-transferencias-pix/{number}/solicitacao": async ({ path }, desk) => batch(await held(path["number"]!, desk)),
      "GET /pix/{id}": async ({ path }, desk) => {
        const payment = await held(path["id"]!.slice(1), desk);
        return {
          id: Number(path["id"]), estadoPagamento: desk.word(payment), valorPagamento: Number(decimalOf(payment)),
          ...(payment.stage === "failed" && { listaDevolucao: [{ codigoMotivo: 335 }] }),
        };
      },
    },
  },
};

/** Another reference may have taken the number. How much of the free text is kept is not known; what is not repeated tells nothing. */
const isOurs = (repeated: string | undefined, reference: string): boolean => !repeated || reference.startsWith(repeated.trim());

function batchOf({ settings, value, key, description, reference, day }: Order) {
  const [year, month, date] = day.split("-");
  return {
    numeroRequisicao: requestNumber(reference),
    numeroContrato: settings["contrato"] ? Number(settings["contrato"]) : undefined,
    agenciaDebito: Number(settings["agencia"]),
    contaCorrenteDebito: Number(settings["conta"]),
    digitoVerificadorContaCorrente: settings["digito_conta"],
    tipoPagamento: Number(settings["tipo_pagamento"] ?? "128"),
    listaTransferencias: [{
      data: Number(`${date}${month}${year}`), valor: value, descricaoPagamento: reference, descricaoPagamentoInstantaneo: description, ...payeeOf(key),
    }],
  };
}

/** CPF, CNPJ and phones are numbers there; a CNPJ with letters can only be text. */
function payeeOf({ kind, value }: Order["key"]): Json {
  const number = /^\d+$/.test(value) ? Number(value) : value;
  switch (kind) {
    case "phone": return { formaIdentificacao: 1, dddTelefone: Number(value.slice(3, 5)), telefone: Number(value.slice(5)) };
    case "email": return { formaIdentificacao: 2, email: value };
    case "cpf": return { formaIdentificacao: 3, cpf: number };
    case "cnpj": return { formaIdentificacao: 3, cnpj: number };
    case "evp": return { formaIdentificacao: 4, identificacaoAleatoria: value };
  }
}

// The twin

function keyOf({ formaIdentificacao, dddTelefone, telefone, email, cpf, cnpj, identificacaoAleatoria }: Json): string {
  switch (formaIdentificacao) {
    case 1: return `+55${String(dddTelefone)}${String(telefone)}`;
    case 2: return String(email);
    case 3: return cpf === undefined ? String(cnpj).padStart(14, "0") : String(cpf).padStart(11, "0");
    default: return String(identificacaoAleatoria);
  }
}

async function held(id: string, desk: Desk): Promise<TwinPayment> {
  const payment = await desk.find(id);
  if (!payment) throw desk.notFound();
  return payment;
}

/** What the batch says of itself follows the payment from afar. */
function batch(payment: TwinPayment): Json {
  const states = { checking: 1, draft: 1, awaiting: 4, processing: 5, paid: 6, failed: 6 } as const;
  const valor = Number(decimalOf(payment));
  return {
    numeroRequisicao: Number(payment.id), estadoRequisicao: states[payment.stage], quantidadeTransferencias: 1, valorTransferencias: valor,
    quantidadeTransferenciasValidas: 1, valorTransferenciasValidas: valor,
    listaTransferencias: [{
      identificadorPagamento: Number(`9${payment.id}`), valor, descricaoPagamento: payment.wire["descricaoPagamento"], indicadorMovimentoAceito: "S", erros: [],
    }],
  };
}
