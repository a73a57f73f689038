/**
 * Itaú, SISPAG ("Cash Management"): `POST /sispag/v1/transferencias`. Sources: five public clients that agree on path,
 * headers and the fields used here, read 2026-11-20. Quirks: an accepted order is not a paid one; what the company's
 * rules do not pre-authorize waits for a person; a payment is looked for in the list, by our reference and its day. Another
 * client speaks `/sispag_transferencias/v1/transferencias_pix/chave_pix`: which one a contract opens is unknown.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { shiftDay } from "../../asaas/sao-paulo.ts";
import { Unanswered } from "../../provider.ts";
import { Reais, Text, type Bank, type Order } from "../bank.ts";
import { decimalOf } from "../twin.ts";

const Sent = z.object({ cod_pagamento: z.string().min(1), status_pagamento: z.string() })
  .transform(({ cod_pagamento, status_pagamento }) => ({ id: cod_pagamento, status: status_pagamento }));

const Found = z.object({
  data: z.object({
    itens: z.array(z.object({
      id_pagamento: z.string(), status: z.string(), motivo: z.string().nullish(), valor_pagamento: Reais.nullish(), referencia_empresa: z.string().nullish(),
    })),
    total: Text.nullish(),
  }),
});

/** How long it may be is not known; without its dashes our reference has 32 characters. */
const companyReference = (reference: string): string => reference.replaceAll("-", "");

const correlation = (reference: string) => ({ "x-itau-correlationID": reference, "x-itau-flowID": reference });

export const itau: Bank = {
  id: "itau",
  title: "Itaú",
  ispb: "60701190",
  hosts: { live: "https://api.itau.com.br/sispag/v1", test: "https://devportal.itau.com.br/sandboxapi/itau-ep9-gtw-sispag-ext/v1" },
  token: { live: "https://sts.itau.com.br/api/oauth/token", test: "https://devportal.itau.com.br/api/jwt", client: "form" },
  settings: [
    { name: "agencia", label: "Branch", secret: false, required: true, hint: "Of the account that pays" },
    { name: "conta", label: "Account", secret: false, required: true, hint: "Of the account that pays, with its check digit and without a dash" },
    { name: "documento", label: "CNPJ or CPF of the account", secret: false, required: true },
    { name: "modulo_sispag", label: "SISPAG module", secret: false, required: false, hint: "Fornecedores (default) or Diversos" },
  ],
  carries: { headers: { "x-itau-apikey": "client_id" } },
  states: {
    pending: [
      "Sucesso", "Sucesso (pre-autorizado)", "Pendente de autorização", "Pendente de efetivacao", "Autorizado", "Pendente de alteração/exclusão",
    ],
    succeeded: ["Efetuado"],
    failed: ["Rejeitado", "Nao incluido", "Não Efetuado", "Rejeitado em arquivo"],
  },
  awaitsApproval: ["Sucesso (pre-autorizado)", "Pendente de autorização"],
  repeats: "ignores",
  orders: {
    send: (order) => ({ method: "POST", path: "/transferencias", headers: correlation(order.reference), body: transferOf(order) }),
    told: Sent,
    foundBy: "reference",
    find: async ({ reference, settings, day }, ask) => {
      // Without a note no request was made ready, let alone sent.
      if (day === undefined) return undefined;
      const query = {
        agencia_operacao: settings["agencia"], conta_operacao: settings["conta"], cnpj_empresa: settings["documento"], tipo_lista: "Detalhada",
        data_inicial: shiftDay(day, -1), data_final: shiftDay(day, 1), referencia_empresa: companyReference(reference),
      };
      const { data = { itens: [] } } = (await ask({ method: "GET", path: "/pagamentos_sispag", headers: correlation(reference), query }, Found)) ?? {};
      const item = data.itens.find(({ referencia_empresa }) => referencia_empresa === companyReference(reference));
      // A list that holds others may have passed the filter over, and hold ours on another page.
      if (!item && Number(data.total ?? 0) > data.itens.length) throw new Unanswered("itau: its list is longer than its first page");
      return item && { id: item.id_pagamento, status: item.status, amountMinor: item.valor_pagamento ?? undefined, message: item.motivo ?? undefined };
    },
  },
  twin: {
    settings: { agencia: "2937", conta: "00223416", documento: "11222333000181" },
    words: {
      checking: "Pendente de efetivacao", draft: "Pendente de efetivacao", awaiting: "Pendente de autorização", processing: "Autorizado",
      paid: "Efetuado", failed: "Não Efetuado",
    },
    problem: ({ code, words, field = "" }) => ({ codigo: code, mensagem: words, campos: field === "" ? [] : [{ campo: field, mensagem: words }] }),
    routes: {
      "POST /transferencias": async ({ body, account, headers }, desk) => {
        const { valor_pagamento: value, chave: key, referencia_empresa, data_pagamento, pagador } = body;
        const { agencia, conta } = (pagador ?? {}) as Record<string, unknown>;
        if (!headers.get("x-itau-correlationID")) throw desk.refuse(400, "400", "x-itau-correlationID é obrigatório", "x-itau-correlationID");
        const isAccount = agencia === account.settings["agencia"] && conta === account.settings["conta"];
        if (!isAccount) throw desk.refuse(422, "422", "Conta do pagador inválida", "pagador");
        const fields = { value: "valor_pagamento", key: "chave" };
        const payment = await desk.order({ id: randomUUID(), value, key, wire: { referencia_empresa, data_pagamento }, fields });
        const status = payment.stage === "awaiting" ? "Sucesso (pre-autorizado)" : "Sucesso";
        return { status_pagamento: status, cod_pagamento: payment.id, valor_pagamento: decimalOf(payment), tipo_pagamento: "Transferência Pix" };
      },
      "GET /pagamentos_sispag": async ({ query }, desk) => {
        const isWithin = (day: unknown) => String(day) >= query.get("data_inicial")! && String(day) <= query.get("data_final")!;
        const isNamed = (reference: unknown) => reference === query.get("referencia_empresa");
        const found = (await desk.list()).filter(({ wire }) => isNamed(wire["referencia_empresa"]) && isWithin(wire["data_pagamento"]));
        const itens = found.map((payment) => ({
          id_pagamento: payment.id, status: desk.word(payment), valor_pagamento: decimalOf(payment), ...payment.wire,
          motivo: payment.stage === "failed" ? "Conta do favorecido encerrada" : "",
        }));
        return { data: { itens, total: String(itens.length) } };
      },
    },
  },
};

const transferOf = ({ amount, day, key, reference, description, settings }: Order) => ({
  valor_pagamento: amount,
  data_pagamento: day,
  chave: key.value,
  referencia_empresa: companyReference(reference),
  identificacao_comprovante: companyReference(reference),
  informacoes_entre_usuarios: description,
  pagador: {
    tipo_conta: "CC", agencia: settings["agencia"], conta: settings["conta"], tipo_pessoa: settings["documento"]?.length === 11 ? "F" : "J",
    documento: settings["documento"], modulo_sispag: settings["modulo_sispag"] ?? "Fornecedores",
  },
});
