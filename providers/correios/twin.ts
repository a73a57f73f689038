/**
 * The twin of Correios: a contract with a posting card, prices and deadlines of a fixed table, pre-postings that are
 * accepted, posted and delivered by themselves, and their tracking. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { toDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** CEPs of a range that no city has. */
const MAGIC = { unserved: "00999001", refused: "00999002", cancelled: "00999003", returned: "00999004" } as const;

export const correiosTwin: TwinDefinition = {
  id: "correios",
  hosts: ["api.correios.com.br", "apihom.correios.com.br"],
  magic: {
    [`destination ${MAGIC.unserved}`]: "no service has a price",
    [`destination ${MAGIC.refused}`]: "the pre-posting is refused",
    [`destination ${MAGIC.cancelled}`]: "the pre-posting is cancelled instead of posted",
    [`destination ${MAGIC.returned}`]: "the parcel goes back to its sender",
  },
  create,
};

interface Account {
  user: string;
  codeDigest: string;
  card: string;
  contract: string;
}

interface PrePosting {
  id: string;
  user: string;
  codigoObjeto: string;
  codigoServico: string;
  statusAtual: number;
  dataHoraStatusAtual: string;
  dataHora: string;
  cep: string;
  observacao: string | null;
}

interface PostalEvent {
  codigo: string;
  tipo: string;
  descricao: string;
  dtHrCriado: string;
}

const TOKEN_VALID_MS = 24 * 3_600_000;
const STATUS: Record<number, string> = { 2: "Pré-postado", 3: "Postado", 5: "Cancelado", 7: "Pendente" };
/** Centavos for any parcel and for each half kilogram begun, days for any parcel and for a journey between regions. */
const SERVICES: Record<string, { minor: readonly [bigint, bigint]; days: readonly [number, number] }> = {
  "03220": { minor: [2190n, 310n], days: [1, 2] },
  "03298": { minor: [1540n, 180n], days: [5, 4] },
};
const WEIGHT_MAX_G = 30_000;

function create({ store, clock, settleAfterMs }: TwinContext): Twin {
  const prepostKey = (id: string) => `prepost/${id}`;
  const eventsKey = (code: string) => `events/${code}`;
  const now = () => localTime(clock.now());

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const body: unknown = await request.json().catch(() => undefined);
    if (url.pathname === "/token/v1/autentica/cartaopostagem") return grant(request, body);
    const user = await userOf(request);
    if (!user) return refusal(401, url, "GTW-006: Token inválido ou expirado.");
    const [, family, rest = ""] = /^\/(preco|prazo|cep|prepostagem|srorastro)\/v[12]\/(.+)$/.exec(url.pathname) ?? [];
    const last = decodeURIComponent(rest.split("/")[1] ?? "");
    switch (`${request.method} ${family}/${rest.split("/")[0]}`) {
      case "POST preco/nacional": return prices(url, body);
      case "POST prazo/nacional": return deadlines(url, body);
      case "GET prazo/nacional": return deadline(url, last);
      case "GET cep/enderecos": return address(url, last);
      case "POST prepostagem/prepostagens": return prepost(url, user, body);
      case "GET prepostagem/prepostagens": return list(url, user);
      case "DELETE prepostagem/prepostagens": return cancel(url, user, last);
      case "GET srorastro/objetos": return track(last);
    }
    return refusal(404, url, "Recurso não encontrado.");
  }

  async function grant(request: Request, body: unknown): Promise<Response> {
    const url = new URL(request.url);
    const basic = /^Basic (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const [user = "", ...code] = Buffer.from(basic, "base64").toString().split(":");
    const account = await store.get<Account>(`account/${user}`);
    if (!account || account.codeDigest !== digestOf(code.join(":"))) return refusal(401, url, "Usuário ou código de acesso inválido.");
    const { numero } = z.object({ numero: z.string() }).safeParse(body).data ?? {};
    if (numero !== account.card) return refusal(400, url, "Cartão de postagem inválido para o usuário.");
    const token = randomBytes(48).toString("base64url");
    const expiresAt = new Date(clock.now().getTime() + TOKEN_VALID_MS);
    await store.put(`token/${digestOf(token)}`, { user, expiresAt: expiresAt.toISOString() });
    const cartaoPostagem = { numero, contrato: account.contract, dr: 72 };
    return Response.json({ ambiente: "HOMOLOGACAO", id: user, cartaoPostagem, expiraEm: localTime(expiresAt), token }, { status: 201 });
  }

  async function userOf(request: Request): Promise<string | undefined> {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const known = await store.get<{ user: string; expiresAt: string }>(`token/${digestOf(token)}`);
    return known && new Date(known.expiresAt) > clock.now() ? known.user : undefined;
  }

  async function prepost(url: URL, user: string, body: unknown): Promise<Response> {
    const asked = PrePostRequest.safeParse(body);
    if (!asked.success) return invalid(url, asked.error);
    const { codigoServico, destinatario, observacao } = asked.data;
    const { cep } = destinatario.endereco;
    if (!SERVICES[codigoServico]) return refusal(400, url, "PPN-105: Serviço não vinculado ao cartão de postagem.");
    if (cep === MAGIC.refused) return refusal(400, url, "PPN-201: CEP do destinatário não localizado.");
    const made: PrePosting = {
      id: `PR${randomBytes(16).toString("base64url")}`,
      user,
      codigoObjeto: objectCode(),
      codigoServico,
      statusAtual: 7,
      dataHoraStatusAtual: now(),
      dataHora: now(),
      cep,
      observacao: observacao ?? null,
    };
    await store.put(prepostKey(made.id), made);
    for (const [index, name] of ["accept", "post", "arrive"].entries())
      await store.schedule({ name, id: made.id }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    return Response.json(shown(made), { status: 201 });
  }

  async function list(url: URL, user: string): Promise<Response> {
    const query = (name: string) => url.searchParams.get(name);
    const [size, number] = [Number(query("size") ?? 10), Number(query("page") ?? 0)];
    const [from, to] = [query("dataInicialCriacaoPrePostagem"), query("dataFinalCriacaoPrePostagem")];
    const fits = (one: PrePosting) => one.user === user
      && (!query("id") || one.id === query("id"))
      && (!query("codigoObjeto") || one.codigoObjeto === query("codigoObjeto"))
      && (!from || one.dataHora.slice(0, 10) >= from) && (!to || one.dataHora.slice(0, 10) <= to);
    const found = (await store.list<PrePosting>("prepost/")).filter(fits);
    const itens = found.slice(number * size, (number + 1) * size);
    const last = (number + 1) * size >= found.length;
    const page = {
      size, number, numberElements: itens.length, totalPages: Math.ceil(found.length / size), count: found.length,
      first: number === 0, last, next: !last, previous: number > 0,
    };
    return Response.json({ itens: itens.map(shown), page });
  }

  async function cancel(url: URL, user: string, id: string): Promise<Response> {
    const known = await store.get<PrePosting>(prepostKey(id));
    if (known?.user !== user) return refusal(404, url, "PPN-010: Pré-postagem não encontrada.");
    const changed = await move(id, [7, 2], 5);
    if (changed?.statusAtual !== 5) return refusal(400, url, "PPN-011: Pré-postagem não pode ser cancelada.");
    return Response.json(shown(changed));
  }

  const move = (id: string, from: number[], to: number) =>
    store.update<PrePosting>(prepostKey(id), (current) =>
      from.includes(current.statusAtual) ? { ...current, statusAtual: to, dataHoraStatusAtual: now() } : current);

  async function track(code: string): Promise<Response> {
    const eventos = await store.get<PostalEvent[]>(eventsKey(code));
    const object = eventos
      ? { codObjeto: code, eventos: eventos.toReversed() }
      : { codObjeto: code, mensagem: "SRO-020: Objeto não encontrado na base de dados dos Correios." };
    return Response.json({ versao: "1.0.0", quantidade: 1, objetos: [object], resultado: "Todos os Eventos" });
  }

  /** A repeat finds it done. */
  async function run({ name, id }: TwinStep): Promise<void> {
    if (typeof id !== "string") return;
    if (name === "accept") await move(id, [7], 2);
    if (name === "post") {
      const cep = (await store.get<PrePosting>(prepostKey(id)))?.cep;
      const moved = await move(id, [2], cep === MAGIC.cancelled ? 5 : 3);
      if (moved?.statusAtual === 3) await scan(moved, { codigo: "PO", tipo: "01", descricao: "Objeto postado" });
    }
    if (name === "arrive") {
      const posted = await store.get<PrePosting>(prepostKey(id));
      if (posted?.statusAtual !== 3) return;
      const end = posted.cep === MAGIC.returned
        ? { tipo: "23", descricao: "Objeto devolvido ao remetente" }
        : { tipo: "01", descricao: "Objeto entregue ao destinatário" };
      await scan(posted, { codigo: "BDE", ...end });
    }
  }

  async function scan({ codigoObjeto }: PrePosting, event: Omit<PostalEvent, "dtHrCriado">): Promise<void> {
    const events = (await store.get<PostalEvent[]>(eventsKey(codigoObjeto))) ?? [];
    if (events.some(({ codigo }) => codigo === event.codigo)) return;
    await store.put(eventsKey(codigoObjeto), [...events, { ...event, dtHrCriado: now() }]);
  }

  async function openAccount() {
    const account = { user: `11222333${randomInt(1_000_000).toString().padStart(6, "0")}`, card: "0070000000", contract: "9912000000" };
    const accessCode = randomBytes(30).toString("base64url").replace(/[-_]/g, "x");
    await store.put(`account/${account.user}`, { ...account, codeDigest: digestOf(accessCode) });
    return {
      credentials: { user: account.user, access_code: accessCode },
      settings: {
        posting_card: account.card,
        contract: account.contract,
        contract_dr: "72",
        origin_postal_code: "01310100",
        origin_name: "Loja de Teste",
        origin_document: "11222333000181",
        origin_phone: "1130000000",
        origin_number: "1000",
        parcel_weight_g: "500",
        parcel_width_cm: "16",
        parcel_height_cm: "6",
        parcel_length_cm: "22",
      },
      webhookSecret: "",
    };
  }

  return { fetch, openAccount, run };
}

function prices(url: URL, body: unknown): Response {
  const asked = z.object({ parametrosProduto: z.array(PriceRequest).min(1) }).safeParse(body);
  if (!asked.success) return invalid(url, asked.error);
  return Response.json(asked.data.parametrosProduto.map(({ coProduto, nuRequisicao, cepDestino, psObjeto }) => {
    const service = SERVICES[coProduto];
    const grams = Number(psObjeto);
    const head = { coProduto, nuRequisicao };
    if (!service) return { ...head, txErro: "PRC-120: Serviço não disponível no contrato." };
    if (cepDestino === MAGIC.unserved) return { ...head, txErro: "PRC-101: Serviço não disponível para o trecho informado." };
    if (grams > WEIGHT_MAX_G) return { ...head, txErro: "PRC-108: Peso excede o limite do serviço." };
    const amountMinor = service.minor[0] + service.minor[1] * BigInt(Math.ceil(grams / 500));
    const price = toDecimal({ amountMinor, currency: "BRL" }).replace(".", ",");
    return { ...head, pcBase: price, pcReferencia: price, pcFinal: price };
  }));
}

function deadlines(url: URL, body: unknown): Response {
  const asked = z.object({ parametrosPrazo: z.array(DeadlineRequest).min(1) }).safeParse(body);
  if (!asked.success) return invalid(url, asked.error);
  return Response.json(asked.data.parametrosPrazo.map((one) => ({ nuRequisicao: one.nuRequisicao, ...termOf(one) })));
}

function deadline(url: URL, coProduto: string): Response {
  const asked = DeadlineRequest.safeParse({ ...Object.fromEntries(url.searchParams), coProduto });
  return asked.success ? Response.json(termOf(asked.data)) : invalid(url, asked.error);
}

function termOf({ coProduto, cepOrigem, cepDestino }: z.output<typeof DeadlineRequest>) {
  const service = SERVICES[coProduto];
  if (!service) return { coProduto, txErro: "PRZ-120: Serviço inexistente." };
  return { coProduto, prazoEntrega: service.days[0] + (cepOrigem[0] === cepDestino[0] ? 0 : service.days[1]), entregaDomiciliar: "S" };
}

/** Every CEP is a street of one city of its region. */
function address(url: URL, cep: string): Response {
  if (!/^\d{8}$/.test(cep)) return refusal(400, url, "CEP-001: CEP inválido.");
  const [uf, localidade] = cep < "20000000" ? ["SP", "São Paulo"] : ["RJ", "Rio de Janeiro"];
  return Response.json({ cep, uf, localidade, logradouro: "Avenida Rio Branco", bairro: "Centro" });
}

/** Two letters, eight digits, a check digit and BR (UPU S10). */
function objectCode(): string {
  const digits = String(randomInt(100_000_000)).padStart(8, "0");
  const rest = 11 - ([8, 6, 4, 2, 3, 5, 9, 7].reduce((sum, weight, at) => sum + weight * Number(digits[at]), 0) % 11);
  return `AD${digits}${rest === 10 ? 0 : rest === 11 ? 5 : rest}BR`;
}

const shown = ({ user: _user, cep: _cep, ...one }: PrePosting) => ({ ...one, descStatusAtual: STATUS[one.statusAtual] });

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** `2026-11-20T09:00:00`, in Brasília's time. */
const localTime = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().slice(0, 19);

const Cep = z.string().regex(/^\d{8}$/, "CEP inválido.");
const PriceRequest = z.object({
  coProduto: z.string(), nuRequisicao: z.string(), cepOrigem: Cep, cepDestino: Cep, psObjeto: z.string().regex(/^\d+$/, "psObjeto inválido."),
});
const DeadlineRequest = z.object({ coProduto: z.string(), nuRequisicao: z.string().optional(), cepOrigem: Cep, cepDestino: Cep });
const PartyRequest = z.object({
  nome: z.string().min(1),
  endereco: z.object({ cep: Cep, logradouro: z.string().min(1), numero: z.string().min(1), cidade: z.string().min(1), uf: z.string().length(2) }),
});
const PrePostRequest = z.object({
  remetente: PartyRequest,
  destinatario: PartyRequest,
  codigoServico: z.string(),
  pesoInformado: z.string().regex(/^\d+$/, "pesoInformado inválido."),
  codigoFormatoObjetoInformado: z.enum(["1", "2", "3"]),
  cienteObjetoNaoProibido: z.literal("1"),
  observacao: z.string().optional(),
});

const refusal = (status: number, url: URL, message: string): Response =>
  Response.json({ msgs: [message], path: url.pathname, causa: null }, { status });

function invalid(url: URL, error: z.ZodError): Response {
  const { path, message } = error.issues[0] ?? { path: [], message: "" };
  return refusal(400, url, `${path.join(".")}: ${message}`);
}
