/**
 * The standard's API of every bank's twin: immediate charges that are paid a rest later, the Pix that pay them, and their
 * returns. Source: Central Bank of Brazil, API Pix 2.9.0.
 */
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { buildDynamicCode } from "../../schema/pix/brcode.ts";
import { isTxid, makeReturnId, parsePixKey } from "../../schema/pix/keys.ts";
import type { TwinContext, TwinStep } from "../twin.ts";
import type { BankTwin, Desk, Json } from "./twin.ts";

export const RECEIVE_STEP = "receive";

interface Cob extends Json {
  txid: string;
  revisao: number;
  status: string;
  valor: { original: string };
  calendario: { criacao: string; expiracao: unknown };
  pix?: Pix[];
}

interface Return extends Json {
  id: string;
  valor: string;
  status: string;
}

interface Pix extends Json {
  endToEndId: string;
  txid: string;
  valor: string;
  horario: string;
  devolucoes?: Return[];
}

const keys = (accountId: string) => ({ cob: `cob/${accountId}/`, pix: `pix/${accountId}/` });

export function receivingRoutes({ store, clock, settleAfterMs }: TwinContext, accountId: string): BankTwin["routes"] {
  const at = keys(accountId);
  const later = (step: TwinStep) => store.schedule(step, new Date(clock.now().getTime() + settleAfterMs));
  const pixOf = async (id: string, desk: Desk): Promise<Pix> => {
    const pix = await store.get<Pix>(at.pix + id);
    if (!pix) throw desk.notFound();
    return pix;
  };
  return {
    "PUT /cob/{txid}": async ({ path, body }, desk) => {
      const txid = path["txid"]!;
      const known = await store.get<Cob>(at.cob + txid);
      if (known && known.status !== "ATIVA") throw desk.refuse(400, "CobOperacaoInvalida", "A cobrança já existe e não está ativa", "cob.txid");
      const cob = { ...newCob(txid, body, clock.now(), desk), ...(known && { revisao: known.revisao + 1, calendario: known.calendario }) };
      await store.put(at.cob + txid, cob);
      if (!known) await later({ name: RECEIVE_STEP, accountId, txid });
      return cob;
    },
    "GET /cob/{txid}": async ({ path }, desk) => {
      const cob = await store.get<Cob>(at.cob + path["txid"]!);
      if (!cob) throw desk.notFound();
      return cob;
    },
    "GET /cob": async ({ query }, desk) => {
      const status = query.get("status");
      const cobs = (await store.list<Cob>(at.cob)).filter((cob) => status === null || cob.status === status);
      return paged("cobs", cobs.filter(({ calendario }) => isWithin(calendario.criacao, query, desk)), query);
    },
    "GET /pix": async ({ query }, desk) => paged("pix", (await store.list<Pix>(at.pix)).filter(({ horario }) => isWithin(horario, query, desk)), query),
    "GET /pix/{id}": async ({ path }, desk) => pixOf(path["id"]!, desk),
    "PUT /pix/{id}/devolucao/{return}": async ({ path, body }, desk) => {
      const pix = await pixOf(path["id"]!, desk);
      const isUsed = pix.devolucoes?.some(({ id }) => id === path["return"]);
      if (isUsed) throw desk.refuse(400, "PixDevolucaoInvalida", "O id já foi utilizado por outra devolução", "devolucao.id");
      const amount = fromDecimal(String(body["valor"]), "BRL") ?? 0n;
      const left = (pix.devolucoes ?? []).reduce((rest, { valor }) => rest - fromDecimal(valor, "BRL")!, fromDecimal(pix.valor, "BRL")!);
      if (amount <= 0n || amount > left) throw desk.refuse(400, "PixDevolucaoInvalida", "O valor supera o que resta do Pix", "devolucao.valor");
      const made: Return = {
        id: path["return"]!, rtrId: makeReturnId({ ispb: pix.endToEndId.slice(1, 9), at: clock.now(), unique: pix.endToEndId.slice(-11) }),
        valor: toDecimal({ amountMinor: amount, currency: "BRL" }), horario: { solicitacao: clock.now().toISOString() }, status: "EM_PROCESSAMENTO",
      };
      await store.put(at.pix + pix.endToEndId, { ...pix, devolucoes: [...(pix.devolucoes ?? []), made] });
      await later({ name: RECEIVE_STEP, accountId, pix: pix.endToEndId, id: made.id });
      return made;
    },
    "GET /pix/{id}/devolucao/{return}": async ({ path }, desk) => {
      const found = (await pixOf(path["id"]!, desk)).devolucoes?.find(({ id }) => id === path["return"]);
      if (!found) throw desk.notFound();
      return found;
    },
  };
}

/** A charge is paid, or a return done. A repeat finds it so. */
export async function receive({ store, clock }: TwinContext, step: TwinStep, endToEndIdOf: (id: string) => string): Promise<void> {
  const at = keys(String(step["accountId"]));
  if (step["pix"] !== undefined)
    return void (await store.update<Pix>(at.pix + String(step["pix"]), (pix) => ({
      ...pix, devolucoes: pix.devolucoes!.map((one) => (one.id === step["id"] ? { ...one, status: "DEVOLVIDO" } : one)),
    })));
  const cob = await store.get<Cob>(at.cob + String(step["txid"]));
  if (cob?.status !== "ATIVA" || cob.valor.original.endsWith("14")) return;
  const { txid, valor: { original: valor } } = cob;
  const pix: Pix = { endToEndId: endToEndIdOf(txid), txid, valor, horario: clock.now().toISOString() };
  await store.put(at.pix + pix.endToEndId, pix);
  await store.put(at.cob + txid, { ...cob, status: "CONCLUIDA", pix: [pix] });
}

function newCob(txid: string, { calendario, valor, chave, devedor, solicitacaoPagador }: Json, now: Date, desk: Desk): Cob {
  const original = String((valor as Json | undefined)?.["original"]);
  const amountMinor = /^\d{1,10}\.\d{2}$/.test(original) ? fromDecimal(original, "BRL") : undefined;
  if (!isTxid(txid, "dynamic")) throw desk.refuse(400, "CobOperacaoInvalida", "O txid é inválido", "cob.txid");
  if (amountMinor === undefined || amountMinor === 0n) throw desk.refuse(400, "CobOperacaoInvalida", "O valor é inválido", "cob.valor.original");
  if (!parsePixKey(String(chave)).ok) throw desk.refuse(400, "CobOperacaoInvalida", "A chave é inválida", "cob.chave");
  const location = `pix.example.com/qr/v2/${txid}`;
  return {
    calendario: { criacao: now.toISOString(), expiracao: (calendario as Json | undefined)?.["expiracao"] ?? 86_400 },
    txid, revisao: 0, loc: { id: 1, location, tipoCob: "cob" }, location, status: "ATIVA", valor: { original }, chave, devedor, solicitacaoPagador,
    pixCopiaECola: buildDynamicCode({ location, amountMinor, merchantName: "Loja de Teste", merchantCity: "Sao Paulo" }),
  };
}

function isWithin(moment: string, query: URLSearchParams, desk: Desk): boolean {
  const [from, to] = [Date.parse(query.get("inicio") ?? ""), Date.parse(query.get("fim") ?? "")];
  if (Number.isNaN(from) || Number.isNaN(to)) throw desk.refuse(400, "ConsultaInvalida", "inicio e fim são obrigatórios", "inicio");
  return Date.parse(moment) >= from && Date.parse(moment) <= to;
}

function paged(name: string, rows: readonly Json[], query: URLSearchParams): Json {
  const page = Number(query.get("paginacao.paginaAtual") ?? 0);
  const size = Number(query.get("paginacao.itensPorPagina") ?? 100);
  const paginacao = {
    paginaAtual: page, itensPorPagina: size, quantidadeDePaginas: Math.max(1, Math.ceil(rows.length / size)), quantidadeTotalDeItens: rows.length,
  };
  return { parametros: { inicio: query.get("inicio"), fim: query.get("fim"), paginacao }, [name]: rows.slice(page * size, (page + 1) * size) };
}
