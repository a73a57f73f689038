/**
 * Banco Inter, "Banking" API: `POST /banking/v2/pix`. Sources: developers.inter.co as public clients and a public fake
 * server quote it, read 2026-11-20. Quirks: `x-id-idempotente` (a UUID) answers a repeat with the first answer; the
 * payment carries no other reference of ours, so one whose answer was lost cannot be asked for.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Reais, Text, type Bank } from "../bank.ts";
import { decimalOf, type TwinPayment } from "../twin.ts";

const Sent = z.object({ codigoSolicitacao: z.string().min(1), tipoRetorno: z.string(), endToEnd: z.string().nullish() })
  .transform(({ codigoSolicitacao, tipoRetorno, endToEnd }) => ({ id: codigoSolicitacao, status: tipoRetorno, endToEndId: endToEnd ?? undefined }));

const Failure = z.object({ codigoErro: Text.nullish(), descricaoErro: z.string().nullish() });
const Found = z.object({
  transacaoPix: z.object({
    codigoSolicitacao: z.string(), status: z.string(), valor: Reais, endToEnd: z.string().nullish(), erros: z.array(Failure).nullish(),
  }),
}).transform(({ transacaoPix: { codigoSolicitacao, status, valor, endToEnd, erros } }) =>
  ({ id: codigoSolicitacao, status, amountMinor: valor, endToEndId: endToEnd ?? undefined, message: erros?.[0]?.descricaoErro ?? undefined }));

export const inter: Bank = {
  id: "inter",
  title: "Banco Inter",
  ispb: "00416968",
  hosts: { live: "https://cdpj.partners.bancointer.com.br", test: "https://cdpj-sandbox.partners.uatinter.co" },
  token: {
    live: "https://cdpj.partners.bancointer.com.br/oauth/v2/token", test: "https://cdpj-sandbox.partners.uatinter.co/oauth/v2/token",
    client: "form", scope: "pagamento-pix.write pagamento-pix.read",
  },
  settings: [{
    name: "conta_corrente", label: "Account number", secret: false, required: false, hint: "Only where the application serves several accounts",
  }],
  carries: { headers: { "x-conta-corrente": "conta_corrente" } },
  states: {
    pending: ["PROCESSADO", "APROVACAO", "AGENDADO", "CRIADO", "ENVIADO", "EM_PROCESSAMENTO", "AGUARDANDO_APROVACAO"],
    succeeded: ["PAGO", "TRANSACAO_CONCLUIDA"],
    failed: ["CANCELADO", "FALHA", "REPROVADO", "EXPIRADO"],
  },
  awaitsApproval: ["APROVACAO", "AGUARDANDO_APROVACAO"],
  repeats: "replays",
  receives: {
    live: "https://cdpj.partners.bancointer.com.br/pix/v2", test: "https://cdpj-sandbox.partners.uatinter.co/pix/v2",
    scope: "cob.write cob.read pix.write pix.read", tools: ["create_pix_cob", "get_pix_cob", "list_pix_cob", "list_pix", "get_pix", "create_pix_devolucao"],
  },
  orders: {
    send: ({ value, description, key, reference }) => ({
      method: "POST", path: "/banking/v2/pix", headers: { "x-id-idempotente": reference },
      body: { valor: value, descricao: description, destinatario: { tipo: "CHAVE", chave: key.value } },
    }),
    told: Sent,
    foundBy: "id",
    find: ({ id }, ask) => ask({ method: "GET", path: `/banking/v2/pix/${encodeURIComponent(id)}` }, Found),
  },
  notice: "codigoSolicitacao",
  twin: {
    words: {
      checking: "CRIADO", draft: "CRIADO", awaiting: "AGUARDANDO_APROVACAO", processing: "EM_PROCESSAMENTO", paid: "PAGO", failed: "REPROVADO",
    },
    problem: ({ words, field }) => ({
      title: words, detail: words, timestamp: "2026-11-20T12:00:00-03:00", ...(field && { violacoes: [{ razao: words, propriedade: field }] }),
    }),
    routes: {
      "POST /banking/v2/pix": async ({ headers, body }, desk) => {
        const key = headers.get("x-id-idempotente");
        if (!key) throw desk.refuse(400, "", "O cabeçalho x-id-idempotente é obrigatório", "x-id-idempotente");
        const known = (await desk.list()).find(({ wire }) => wire["key"] === key);
        if (known) return sent(known);
        const { tipo, chave } = (body["destinatario"] ?? {}) as Record<string, unknown>;
        if (tipo !== "CHAVE") throw desk.refuse(400, "", "O tipo do destinatário é inválido", "destinatario.tipo");
        const fields = { value: "valor", key: "destinatario.chave" };
        return sent(await desk.order({ id: randomUUID(), value: body["valor"], key: chave, wire: { key }, fields }));
      },
      "GET /banking/v2/pix/{id}": async ({ path }, desk) => {
        const payment = await desk.find(path["id"]!);
        if (!payment) throw desk.notFound();
        return {
          transacaoPix: {
            codigoSolicitacao: payment.id, status: desk.word(payment), valor: Number(decimalOf(payment)), chave: payment.key,
            ...(payment.stage === "paid" && { endToEnd: payment.endToEndId }),
            erros: payment.stage === "failed" ? [{ codigoErro: "1", descricaoErro: "O pagamento não foi realizado" }] : [],
          },
          historico: [],
        };
      },
    },
    notice: ({ id }) => [{ codigoSolicitacao: id }],
  },
};

const sent = ({ id, stage }: TwinPayment) => ({ tipoRetorno: stage === "awaiting" ? "APROVACAO" : "PROCESSADO", codigoSolicitacao: id });
