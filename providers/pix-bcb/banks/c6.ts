/**
 * C6 Bank, scheduled payments: items are decoded, read back, submitted, and approved by a person in the bank's app.
 * Source: one public client that went through the bank's homologation, read 2026-11-20; the base path is not in it.
 * Quirks: a group that is still decoded is answered with 422; what the submission answers is not known, so its word is
 * ours; no field takes a reference of ours.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Rejected } from "../../provider.ts";
import { Reais, type Bank } from "../bank.ts";
import { bcbProblem, decimalOf } from "../twin.ts";

const DECODING = "DECODING";
/** Ours. */
const SUBMITTED = "SUBMITTED";

const Group = z.object({ group_id: z.string().min(1) }).transform(({ group_id }) => ({ id: group_id, status: DECODING }));
const Submitted = z.looseObject({}).transform(() => ({ status: SUBMITTED }));
const Items = z.object({ items: z.array(z.object({ status: z.string(), amount: Reais.nullish(), error_message: z.string().nullish() })) });

export const c6: Bank = {
  id: "c6",
  title: "C6 Bank",
  ispb: "31872495",
  hosts: { live: "https://baas-api.c6bank.info", test: "https://baas-api-sandbox.c6bank.info" },
  token: { live: "https://baas-api.c6bank.info/v1/auth", test: "https://baas-api-sandbox.c6bank.info/v1/auth", client: "form" },
  settings: [{ name: "payer_name", label: "Name of the payer", secret: false, required: true, hint: "As the account's holder is called" }],
  headers: { "partner-software-name": "codespar-server", "partner-software-version": "1" },
  states: {
    pending: [DECODING, SUBMITTED, "READ_DATA", "PROCESSING", "SCHEDULED"],
    succeeded: ["PROCESSED"],
    failed: ["ERROR", "DECODE_ERROR", "CANCELED", "SCHEDULING_CANCELLED"],
  },
  awaitsApproval: [SUBMITTED, "PROCESSING"],
  repeats: "ignores",
  receives: {
    live: "https://baas-api.c6bank.info/v2/pix", test: "https://baas-api-sandbox.c6bank.info/v2/pix",
    tools: ["create_pix_cob", "get_pix_cob", "list_pix_cob"],
  },
  orders: {
    draft: {
      request: ({ value, day, description, key, name, settings }) => ({
        method: "POST", path: "/v1/schedule_payments/decode",
        body: {
          items: [{
            amount: value, transaction_date: day, description, content: key.value, beneficiary_name: name, payer_name: settings["payer_name"],
          }],
        },
      }),
      told: Group,
      words: ["READ_DATA", DECODING, "DECODE_ERROR"],
    },
    send: ({ id, settings }) => ({
      method: "POST", path: "/v1/schedule_payments/submit", body: { group_id: id, uploader_name: settings["payer_name"] },
    }),
    told: Submitted,
    foundBy: "id",
    find: async ({ id }, ask) => {
      const found = await ask({ method: "GET", path: `/v1/schedule_payments/${encodeURIComponent(id)}/items` }, Items).catch((error: unknown) => {
        if (error instanceof Rejected && error.status === 422) return { items: [] };
        throw error;
      });
      const [item] = found?.items ?? [];
      return found && { id, status: item?.status ?? DECODING, amountMinor: item?.amount ?? undefined, message: item?.error_message ?? undefined };
    },
  },
  twin: {
    settings: { payer_name: "Loja Teste" },
    alwaysApproved: true,
    words: { checking: DECODING, draft: "READ_DATA", awaiting: "PROCESSING", processing: "SCHEDULED", paid: "PROCESSED", failed: "CANCELED" },
    problem: bcbProblem,
    routes: {
      "POST /v1/schedule_payments/decode": async ({ body }, desk) => {
        const [item = {}] = (body["items"] as Record<string, unknown>[] | undefined) ?? [];
        const fields = { value: "amount", key: "content" };
        const { id } = await desk.order({ id: randomUUID(), value: item["amount"], key: item["content"], asDraft: true, fields });
        return { group_id: id };
      },
      "GET /v1/schedule_payments/{id}/items": async ({ path }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        if (payment.stage === "checking") throw desk.refuse(422, "ItensEmDecodificacao", "Itens em processo de decodificação");
        return { items: [{ id: payment.id, status: desk.word(payment), amount: Number(decimalOf(payment)), content: payment.key }] };
      },
      "POST /v1/schedule_payments/submit": async ({ body }, desk) => {
        if (typeof body["uploader_name"] !== "string") throw desk.refuse(400, "Invalido", "uploader_name é obrigatório", "uploader_name");
        return { group_id: (await desk.send(String(body["group_id"]))).id };
      },
    },
  },
};
