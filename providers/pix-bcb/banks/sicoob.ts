/**
 * Sicoob, "Pix Pagamentos" v2: a payment is begun by its key, then made effective. Sources: the bank's own generated
 * clients (Java, C#: `ApiDePagamentosPixApi`, `RequisicaoLancamentoEfetivacao`, `RetornoPagamento`), read 2026-11-20.
 * Quirks: what begins a payment tells its end-to-end id, which names it from then on; there is no client secret; no field
 * takes a reference of ours.
 */
import { z } from "zod";
import { Reais, type Bank } from "../bank.ts";
import { bcbProblem, decimalOf, type Desk, type TwinPayment } from "../twin.ts";

/** Ours: the answer that begins a payment has no word for its state. */
const BEGUN = "INICIADO";
const Begun = z.object({ endToEndId: z.string().min(1) }).transform(({ endToEndId }) => ({ id: endToEndId, status: BEGUN, endToEndId }));

const Told = z.object({ endToEndId: z.string().min(1), estado: z.string().nullish(), valor: Reais, detalheRejeicao: z.string().nullish() })
  .transform(({ endToEndId, estado, valor, detalheRejeicao }) =>
    ({ id: endToEndId, status: estado ?? "EM_PROCESSAMENTO", endToEndId, amountMinor: valor, message: detalheRejeicao ?? undefined }));

export const sicoob: Bank = {
  id: "sicoob",
  title: "Sicoob",
  ispb: "02038232",
  hosts: { live: "https://api.sicoob.com.br/pix-pagamentos/v2", test: "https://sandbox.sicoob.com.br/sicoob/sandbox/pix-pagamentos/v2" },
  token: {
    live: "https://auth.sicoob.com.br/auth/realms/cooperado/protocol/openid-connect/token",
    test: "https://auth.sicoob.com.br/auth/realms/cooperado/protocol/openid-connect/token",
    client: "id", scope: "pixpagamentos_escrita pixpagamentos_consulta",
  },
  carries: { headers: { client_id: "client_id" } },
  states: {
    pending: ["EM_PROCESSAMENTO", BEGUN],
    succeeded: ["FINALIZADO"],
    failed: ["NÃO_REALIZADO", "REJEITADO"],
  },
  repeats: "ignores",
  receives: {
    live: "https://api.sicoob.com.br/pix/api/v2", test: "https://sandbox.sicoob.com.br/sicoob/sandbox/pix/api/v2",
    scope: "cob.write cob.read pix.write pix.read", tools: ["create_pix_cob", "get_pix_cob", "list_pix_cob"],
  },
  orders: {
    draft: { request: ({ key }) => ({ method: "POST", path: "/pagamentos", body: { chave: key.value } }), told: Begun, words: [BEGUN] },
    send: ({ id, amount, description }) => ({
      method: "POST", path: "/pagamentos/confirmacao", body: { endToEndId: id, valor: amount, descricao: description, meioIniciacao: "CHAVE" },
    }),
    told: Told,
    foundBy: "id",
    find: ({ id }, ask) => ask({ method: "GET", path: `/pagamentos/${encodeURIComponent(id)}` }, Told),
  },
  twin: {
    words: {
      checking: BEGUN, draft: BEGUN, awaiting: "EM_PROCESSAMENTO", processing: "EM_PROCESSAMENTO", paid: "FINALIZADO", failed: "REJEITADO",
    },
    problem: bcbProblem,
    routes: {
      "POST /pagamentos": async ({ body }, desk) => {
        return { endToEndId: await desk.begin(body["chave"]), chave: body["chave"] };
      },
      "POST /pagamentos/confirmacao": async ({ body }, desk) => {
        const { endToEndId, valor, meioIniciacao } = body;
        const key = await desk.begun(String(endToEndId));
        if (!key) throw desk.refuse(400, "PagamentoNaoIniciado", "O pagamento não foi iniciado", "endToEndId");
        if (await desk.find(String(endToEndId))) throw desk.refuse(400, "PagamentoDuplicado", "O pagamento já existe", "endToEndId");
        if (meioIniciacao !== "CHAVE") throw desk.refuse(400, "MeioInvalido", "O meio de iniciação é inválido", "meioIniciacao");
        return told(await desk.order({ id: String(endToEndId), value: valor, key }), desk);
      },
      "GET /pagamentos/{id}": async ({ path }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        return told(payment, desk);
      },
    },
  },
};

const told = (payment: TwinPayment, desk: Desk) => ({
  endToEndId: payment.id, estado: desk.word(payment), valor: Number(decimalOf(payment)), origem: {}, destino: {},
  ...(payment.stage === "failed" && { detalheRejeicao: "O pagamento foi rejeitado" }),
});
