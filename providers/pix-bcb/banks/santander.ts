/**
 * Santander, "Management Payments Partners": a Pix is created in a workspace, then authorized. Sources: the public
 * `santander_sdk` (Python) and its types, read 2026-11-20. Quirks: a refusal may come with 200 and `REJECTED`; nothing
 * stops a second draft, but one is paid once.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { PixKeyKind } from "../../../schema/pix/keys.ts";
import { Reais, type Bank, type Order } from "../bank.ts";
import { decimalOf, type Desk, type TwinPayment } from "../twin.ts";

const Told = z.object({
  id: z.string().min(1), status: z.string(), paymentValue: Reais.nullish(), tags: z.array(z.string()).nullish(), rejectReason: z.string().nullish(),
  transaction: z.object({ endToEnd: z.string().nullish() }).nullish(),
}).transform(({ id, status, paymentValue, tags, rejectReason, transaction }) => ({
  id, status, amountMinor: paymentValue ?? undefined, reference: tags?.[0], endToEndId: transaction?.endToEnd ?? undefined,
  message: rejectReason ?? undefined,
}));

const keyTypes: Record<PixKeyKind, string> = { cpf: "CPF", cnpj: "CNPJ", phone: "CELULAR", email: "EMAIL", evp: "EVP" };

const payments = ({ settings }: Pick<Order, "settings">, id?: string): string =>
  `/management_payments_partners/v1/workspaces/${encodeURIComponent(settings["workspace_id"] ?? "")}/pix_payments${id === undefined ? "" : `/${encodeURIComponent(id)}`}`;

export const santander: Bank = {
  id: "santander",
  title: "Santander",
  ispb: "90400888",
  hosts: { live: "https://trust-open.api.santander.com.br", test: "https://trust-sandbox.api.santander.com.br" },
  token: {
    live: "https://trust-open.api.santander.com.br/auth/oauth/v2/token", test: "https://trust-sandbox.api.santander.com.br/auth/oauth/v2/token",
    client: "form",
  },
  settings: [{ name: "workspace_id", label: "Workspace ID", secret: false, required: true, hint: "Of a payments workspace that the application may use" }],
  carries: { headers: { "X-Application-Key": "client_id" } },
  states: {
    pending: ["PENDING_VALIDATION", "READY_TO_PAY", "PENDING_CONFIRMATION", "AUTHORIZED"],
    succeeded: ["PAYED"],
    failed: ["REJECTED"],
  },
  repeats: "ignores",
  orders: {
    draft: {
      request: (order) => ({
        method: "POST", path: payments(order),
        body: {
          tags: [order.reference], paymentValue: order.amount, remittanceInformation: order.description,
          dictCode: order.key.value, dictCodeType: keyTypes[order.key.kind],
        },
      }),
      told: Told,
      words: ["READY_TO_PAY", "PENDING_VALIDATION"],
    },
    send: (order) => ({ method: "PATCH", path: payments(order, order.id), body: { paymentValue: order.amount, status: "AUTHORIZED" } }),
    told: Told,
    foundBy: "id",
    find: (at, ask) => ask({ method: "GET", path: payments(at, at.id) }, Told),
  },
  twin: {
    settings: { workspace_id: "0f5bd7c1-6c0f-4a51-9d3a-7f5f1a2b3c4d" },
    words: {
      checking: "PENDING_VALIDATION", draft: "READY_TO_PAY", awaiting: "PENDING_CONFIRMATION", processing: "PENDING_CONFIRMATION",
      paid: "PAYED", failed: "REJECTED",
    },
    problem: ({ status, code, words, field = "" }) => ({
      _errorCode: status, _message: words, _details: words, _errors: [{ _code: code, _field: field, _message: words }],
    }),
    routes: {
      "POST /management_payments_partners/v1/workspaces/{workspace}/pix_payments": async ({ path, body, account }, desk) => {
        if (path["workspace"] !== account.settings["workspace_id"]) throw desk.notFound();
        const { paymentValue: value, dictCode: key, dictCodeType, tags } = body;
        if (!Object.values(keyTypes).includes(String(dictCodeType))) throw desk.refuse(400, "001", "Tipo de chave inválido", "dictCodeType");
        const fields = { value: "paymentValue", key: "dictCode" };
        return told(await desk.order({ id: randomUUID(), value, key, wire: { tags }, asDraft: true, fields }), desk);
      },
      "PATCH /management_payments_partners/v1/workspaces/{workspace}/pix_payments/{id}": async ({ path, body }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        if (body["paymentValue"] !== decimalOf(payment)) throw desk.refuse(400, "002", "O valor difere do criado", "paymentValue");
        if (body["status"] !== "AUTHORIZED") throw desk.refuse(400, "003", "O status é inválido", "status");
        return told(await desk.send(payment.id), desk);
      },
      "GET /management_payments_partners/v1/workspaces/{workspace}/pix_payments/{id}": async ({ path }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        return told(payment, desk);
      },
    },
  },
};

const told = (payment: TwinPayment, desk: Desk) => ({
  id: payment.id, status: desk.word(payment), paymentValue: decimalOf(payment), dictCode: payment.key, tags: payment.wire["tags"],
  transaction: { value: decimalOf(payment), endToEnd: payment.stage === "paid" ? payment.endToEndId : null },
  ...(payment.stage === "failed" && { rejectReason: "O pagamento foi rejeitado" }),
});
