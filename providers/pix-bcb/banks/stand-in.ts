/**
 * For banks whose way of sending no public source states: test mode plays them with a wire of ours, in the manner of the
 * standard's returns (`PUT`, an id of the caller's, `EM_PROCESSAMENTO`). Nothing of it is any bank's, and in live mode
 * their rail is refused (`rails.ts`).
 */
import { z } from "zod";
import { Reais, type Bank } from "../bank.ts";
import { bcbProblem, decimalOf, type Desk, type TwinPayment } from "../twin.ts";

const Told = z.object({ id: z.string().min(1), status: z.string(), valor: Reais, endToEndId: z.string().nullish(), motivo: z.string().nullish() })
  .transform(({ id, status, valor, endToEndId, motivo }) =>
    ({ id, status, amountMinor: valor, endToEndId: endToEndId ?? undefined, message: motivo ?? undefined }));

const pathOf = (reference: string): string => `/pix-enviados/${encodeURIComponent(reference)}`;

/** All of a bank but its own facts. */
export const standIn: Pick<Bank, "states" | "repeats" | "orders" | "twin"> = {
  states: { pending: ["EM_PROCESSAMENTO"], succeeded: ["REALIZADO"], failed: ["NAO_REALIZADO"] },
  repeats: "replays",
  orders: {
    send: ({ reference, amount, key, description }) =>
      ({ method: "PUT", path: pathOf(reference), body: { valor: amount, chave: key.value, descricao: description } }),
    told: Told,
    foundBy: "reference",
    find: ({ reference }, ask) => ask({ method: "GET", path: pathOf(reference) }, Told),
  },
  twin: {
    words: {
      checking: "EM_PROCESSAMENTO", draft: "EM_PROCESSAMENTO", awaiting: "EM_PROCESSAMENTO", processing: "EM_PROCESSAMENTO",
      paid: "REALIZADO", failed: "NAO_REALIZADO",
    },
    problem: bcbProblem,
    routes: {
      "PUT /pix-enviados/{id}": async ({ path, body }, desk) =>
        told((await desk.find(path["id"]!)) ?? (await desk.order({ id: path["id"]!, value: body["valor"], key: body["chave"] })), desk),
      "GET /pix-enviados/{id}": async ({ path }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        return told(payment, desk);
      },
    },
  },
};

const told = (payment: TwinPayment, desk: Desk) => ({
  id: payment.id, status: desk.word(payment), valor: decimalOf(payment), chave: payment.key,
  ...(payment.stage === "paid" && { endToEndId: payment.endToEndId }),
  ...(payment.stage === "failed" && { motivo: "O pagamento não foi realizado" }),
});

/** Receives by the standard at these hosts (a public client, read 2026-11-20); how it sends is told by contract. */
export const bradesco: Bank = {
  ...standIn,
  id: "bradesco",
  title: "Bradesco",
  ispb: "60746948",
  hosts: { live: "https://qrpix.bradesco.com.br/v2", test: "https://qrpix-h.bradesco.com.br/v2" },
  token: { live: "https://qrpix.bradesco.com.br/oauth/token", test: "https://qrpix-h.bradesco.com.br/oauth/token", client: "basic" },
};

/** No developer documentation was found, and no path of it but the host. */
export const caixa: Bank = {
  ...standIn,
  id: "caixa",
  title: "Caixa",
  ispb: "00360305",
  hosts: { live: "https://api.caixa.gov.br", test: "https://sandbox.caixa.invalid" },
  token: { live: "https://api.caixa.gov.br/oauth/token", test: "https://sandbox.caixa.invalid/oauth/token", client: "basic" },
};

/** Not even a host is known: `.invalid` reaches nobody (RFC 2606). */
export const original: Bank = {
  ...standIn,
  id: "original",
  title: "Banco Original",
  ispb: "92894922",
  hosts: { live: "https://pix.original.invalid", test: "https://sandbox.original.invalid" },
  token: { live: "https://pix.original.invalid/oauth/token", test: "https://sandbox.original.invalid/oauth/token", client: "basic" },
};
