/**
 * The twin of AFIP: WSAA, which grants tickets to signed requests, and WSFEv1, which numbers and authorizes vouchers. It
 * answers at once, as the real one does. What it leaves out is in README.md.
 */
import { createHmac, randomInt, timingSafeEqual, verify, X509Certificate } from "node:crypto";
import { ContentInfo, SignedData } from "@peculiar/asn1-cms";
import { AsnConvert } from "@peculiar/asn1-schema";
import { z } from "zod";
import { checkDigits } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition } from "../twin.ts";
import { buenosAiresTime, parseXml, xml, type Elements } from "./soap.ts";
import { TWIN_CERTIFICATE, TWIN_PRIVATE_KEY } from "./twin-identity.ts";

export const afipTwin: TwinDefinition = {
  id: "afip",
  hosts: ["servicios1.afip.gov.ar", "wswhomo.afip.gov.ar", "wsaa.afip.gov.ar", "wsaahomo.afip.gov.ar"],
  magic: {
    "total ending in 13 centavos": "the voucher is refused: Resultado R, observation 10015",
    "total ending in 14 centavos": "error 502, an active transaction: nothing is authorized, and the answer does not say so",
  },
  create,
};

/** A ticket's life. */
export const TICKET_LASTS_MS = 12 * 3_600_000;

interface Account {
  cuit: string;
}

interface Stored extends Elements {
  CbteDesde: string;
  CbteFch: string;
}

function create({ store, clock }: TwinContext): Twin {
  const keyOf = (cuit: string, pointOfSale: string, type: string) => `${cuit}/${pointOfSale}/${type}`;
  const voucherKey = (sequence: string, number: string | number) => `voucher/${sequence}/${String(number).padStart(8, "0")}`;

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const body = bodyOf(await request.text());
    if (request.method !== "POST" || !body) return new Response("Bad Request", { status: 400 });
    if (url.host.startsWith("wsaa")) return url.pathname === "/ws/services/LoginCms" ? login(body) : new Response(null, { status: 404 });
    if (url.pathname !== "/wsfev1/service.asmx") return new Response(null, { status: 404 });
    const [name = "", parameters] = Object.entries(body)[0] ?? [];
    const isNamed = (request.headers.get("soapaction") ?? "").replaceAll('"', "") === `http://ar.gov.afip.dif.FEV1/${name}`;
    if (!isNamed) return fault("soap:Client", "Server did not recognize the value of HTTP Header SOAPAction.");
    if (name === "FEDummy") return answer(name, { AppServer: "OK", DbServer: "OK", AuthServer: "OK" });
    const operation = operations[name];
    if (!operation) return fault("soap:Client", `Unknown operation ${name}.`);
    const { data } = Authenticated.safeParse(parameters);
    const refused = data ? await unauthenticated(data.Auth) : "Auth is missing.";
    if (!data || refused) return answer(name, problem(600, `ValidacionDeToken: ${refused}`));
    return answer(name, await operation(data.Auth.Cuit, data));
  }

  // WSAA

  function login(body: Record<string, unknown>): Response {
    const { data } = LoginRequest.safeParse(body);
    const content = data && signedContent(data.loginCms.in0);
    if (!data || content === undefined) return fault("ns1:cms.bad", "El CMS no es valido");
    if (content === false) return fault("ns1:cms.sign.invalid", "Firma inválida o algoritmo no soportado");
    const asked = TicketRequest.safeParse(parsed(content));
    if (!asked.success) return fault("ns1:xml.bad", "No se ha podido interpretar el XML contra el SCHEMA");
    const { header, service } = asked.data.loginTicketRequest;
    const now = clock.now().getTime();
    if (Date.parse(header.generationTime) > now) return fault("ns1:xml.generationTime.invalid", "generationTime posee formato o dato inválido");
    if (Date.parse(header.expirationTime) <= now) return fault("ns1:xml.expirationTime.expired", "expirationTime expirado");
    if (service !== "wsfe") return fault("ns1:wsn.notFound", "Servicio informado inexistente");
    const expirationTime = buenosAiresTime(new Date(now + TICKET_LASTS_MS));
    const token = Buffer.from(xml({ sso: { service, expirationTime } })).toString("base64");
    const credentials = xml({ header: { generationTime: buenosAiresTime(clock.now()), expirationTime }, credentials: { token, sign: signOf(token) } });
    const ticket = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><loginTicketResponse version="1.0">${credentials}</loginTicketResponse>`;
    return soap(200, xml({ loginCmsResponse: { loginCmsReturn: ticket } }));
  }

  /** Why not; undefined for a ticket of ours that lives, and a CUIT that it may act for. */
  async function unauthenticated({ Token, Sign, Cuit }: z.output<typeof Auth>): Promise<string | undefined> {
    const { data } = Sso.safeParse(parsed(Buffer.from(Token, "base64").toString()));
    if (!data || !same(Sign, signOf(Token))) return "No validaron las fechas del token o la firma del hash.";
    if (Date.parse(data.sso.expirationTime) <= clock.now().getTime()) return "El token ha expirado.";
    return (await store.get<Account>(`account/${Cuit}`)) ? undefined : `No aparecio CUIT en lista de relaciones: ${Cuit}`;
  }

  // WSFEv1

  const operations: Partial<Record<string, (cuit: string, parameters: unknown) => Promise<Elements>>> = {
    FECompUltimoAutorizado: lastNumber,
    FECAESolicitar: authorize,
    FECompConsultar: consult,
    FECompTotXRequest: async () => ({ RegXReq: 250 }),
    FEParamGetCotizacion: async (_cuit, parameters) => {
      const { MonId } = z.object({ MonId: z.string() }).parse(parameters);
      const rate = rates[MonId];
      return rate ? { ResultGet: { MonId, MonCotiz: rate, FchCotiz: dayOf(clock.now()) } } : problem(602, NO_DATA);
    },
    ...Object.fromEntries(Object.entries(tables).map(([name, rows]) => [name, async () => ({ ResultGet: rows })])),
  };

  async function lastNumber(cuit: string, parameters: unknown): Promise<Elements> {
    const { PtoVta, CbteTipo } = Sequence.parse(parameters);
    if (PtoVta !== POINT_OF_SALE) return { PtoVta, CbteTipo, CbteNro: 0, ...problem(11002, NOT_ENABLED) };
    return { PtoVta, CbteTipo, CbteNro: await lastOf(keyOf(cuit, PtoVta, CbteTipo)) };
  }

  const lastOf = async (sequence: string): Promise<number> => (await store.get<number>(`last/${sequence}`)) ?? 0;

  async function authorize(cuit: string, parameters: unknown): Promise<Elements> {
    const asked = CaeRequest.safeParse(parameters);
    if (!asked.success) return problem(10000, `El requerimiento no cumple el esquema: ${asked.error.issues[0]?.path.join(".")}`);
    const { FeCabReq: { PtoVta, CbteTipo }, FeDetReq: { FECAEDetRequest: detail } } = asked.data.FeCAEReq;
    if (detail.ImpTotal.endsWith("14")) return problem(502, "Error interno de base de datos - Autorizador CAE - Transacción Activa");
    const sequence = keyOf(cuit, PtoVta, CbteTipo);
    const refused = (await misnumbered(sequence, detail)) ?? mistaken(CbteTipo, detail);
    const number = Number(detail.CbteDesde);
    const isEnabled = PtoVta === POINT_OF_SALE;
    const isTaken = isEnabled && !refused && !(await claim(sequence, number));
    const observation = isEnabled ? (refused ?? (isTaken ? OUT_OF_TURN : undefined)) : { Code: 10005, Msg: NOT_ENABLED };
    const processed = dayOf(clock.now()) + buenosAiresTime(clock.now()).slice(11, 19).replaceAll(":", "");
    const cab = (Resultado: string) => ({ Cuit: cuit, PtoVta, CbteTipo, FchProceso: processed, CantReg: 1, Resultado, Reproceso: "N" });
    const { Concepto, DocTipo, DocNro, CbteDesde, CbteHasta, CbteFch } = detail;
    const det = { Concepto, DocTipo, DocNro, CbteDesde, CbteHasta, CbteFch };
    if (observation) {
      const refusal = { ...det, Resultado: "R", Observaciones: { Obs: observation }, CAE: "", CAEFchVto: "" };
      return { FeCabResp: cab("R"), FeDetResp: { FECAEDetResponse: refusal } };
    }
    const [cae, expires] = [newCae(), dayOf(new Date(clock.now().getTime() + 10 * 86_400_000))];
    const kept = { ...detail, Iva: undefined, Resultado: "A", CodAutorizacion: cae, EmisionTipo: "CAE", FchVto: expires, FchProceso: processed, PtoVta, CbteTipo };
    await store.put(voucherKey(sequence, number), kept);
    return { FeCabResp: cab("A"), FeDetResp: { FECAEDetResponse: { ...det, Resultado: "A", CAE: cae, CAEFchVto: expires } } };
  }

  /** Whether `number` is the next, which it then is for nobody else. */
  async function claim(sequence: string, number: number): Promise<boolean> {
    let isNext = false;
    await store.update<number>(`last/${sequence}`, (last) => {
      isNext = number === last + 1;
      return isNext ? number : last;
    });
    return isNext;
  }

  async function misnumbered(sequence: string, { CbteDesde, CbteHasta, CbteFch }: z.output<typeof Detail>): Promise<Elements | undefined> {
    const last = await lastOf(sequence);
    const before = await store.get<Stored>(voucherKey(sequence, last));
    const isNext = CbteDesde === CbteHasta && Number(CbteDesde) === last + 1 && CbteFch >= (before?.CbteFch ?? "");
    return isNext ? undefined : OUT_OF_TURN;
  }

  async function consult(cuit: string, parameters: unknown): Promise<Elements> {
    const { FeCompConsReq: { PtoVta, CbteTipo, CbteNro } } = ConsultRequest.parse(parameters);
    const found = await store.get<Stored>(voucherKey(keyOf(cuit, PtoVta, CbteTipo), CbteNro));
    return found ? { ResultGet: found } : problem(602, NO_DATA);
  }

  async function openAccount() {
    const cuit = newCuit();
    await store.put(`account/${cuit}`, { cuit } satisfies Account);
    for (const type of TYPES) await store.put(`last/${keyOf(cuit, POINT_OF_SALE, type)}`, 0);
    return {
      credentials: { certificate: TWIN_CERTIFICATE, private_key: TWIN_PRIVATE_KEY },
      settings: { cuit, point_of_sale: POINT_OF_SALE, vat_condition: "responsable_inscripto", concept: "2", buyer_vat_condition: "responsable_inscripto" },
      webhookSecret: "",
    };
  }

  return { fetch, openAccount, run: async () => {} };
}

const POINT_OF_SALE = "1";
/** Facturas A, B and C. */
const TYPES = ["1", "6", "11"];
const NOT_ENABLED = "El punto de venta no se encuentra habilitado a usar el presente WS. Ver metodo FEParamGetPtosVenta";
const NO_DATA = "No existen datos en nuestros registros para los parametros ingresados.";
const OUT_OF_TURN = { Code: 10016, Msg: "El numero o fecha del comprobante no se corresponde con el proximo a autorizar. Consultar metodo FECompUltimoAutorizado." };

// Requests

const Auth = z.object({ Token: z.string(), Sign: z.string(), Cuit: z.string() });
const Authenticated = z.looseObject({ Auth });
const Sequence = z.object({ PtoVta: z.string(), CbteTipo: z.string() });
const amount = z.string().regex(/^\d{1,13}(?:\.\d{1,2})?$/);
const day = z.string().regex(/^\d{8}$/);
const Detail = z.looseObject({
  Concepto: z.enum(["1", "2", "3"]), DocTipo: z.string(), DocNro: z.string().regex(/^\d{1,11}$/), CbteDesde: z.string().regex(/^\d{1,8}$/), CbteHasta: z.string(), CbteFch: day,
  ImpTotal: amount, ImpTotConc: amount, ImpNeto: amount, ImpOpEx: amount, ImpTrib: amount, ImpIVA: amount,
  FchServDesde: day.optional(), FchServHasta: day.optional(), FchVtoPago: day.optional(), MonId: z.string(), MonCotiz: z.string(), CondicionIVAReceptorId: z.string().optional(),
  Iva: z.object({ AlicIva: z.object({ Id: z.string(), BaseImp: amount, Importe: amount }) }).optional(),
});
const CaeRequest = z.object({ FeCAEReq: z.object({ FeCabReq: z.object({ CantReg: z.literal("1"), ...Sequence.shape }), FeDetReq: z.object({ FECAEDetRequest: Detail }) }) });
const ConsultRequest = z.object({ FeCompConsReq: z.object({ ...Sequence.shape, CbteNro: z.string() }) });
const LoginRequest = z.object({ loginCms: z.object({ in0: z.string().min(1) }) });
const TicketRequest = z.object({ loginTicketRequest: z.object({ header: z.object({ uniqueId: z.string(), generationTime: z.string(), expirationTime: z.string() }), service: z.string() }) });
const Sso = z.object({ sso: z.object({ expirationTime: z.string() }) });

/** What ARCA checks of a voucher itself, as far as our adapter can get it wrong. */
function mistaken(type: string, detail: z.output<typeof Detail>): Elements | undefined {
  const minor = (text: string) => fromDecimal(text, "ARS") ?? 0n;
  const { ImpTotal, ImpTotConc, ImpNeto, ImpOpEx, ImpTrib, ImpIVA, DocTipo, CondicionIVAReceptorId: condition, Iva, Concepto, CbteFch } = detail;
  const sum = [ImpTotConc, ImpNeto, ImpOpEx, ImpTrib, ImpIVA].reduce((all, part) => all + minor(part), 0n);
  const isService = Concepto !== "1";
  const dates = [detail.FchServDesde, detail.FchServHasta, detail.FchVtoPago];
  const wrong: readonly (readonly [code: number, message: string, is: boolean])[] = [
    [10015, "El campo DocNro no es valido.", ImpTotal.endsWith("13")],
    [10013, "Para comprobantes A el campo DocTipo debe ser 80 (CUIT).", type === "1" && DocTipo !== "80"],
    [10246, "El campo Condicion IVA receptor es obligatorio.", !condition],
    [10243, "El valor del campo Condicion IVA receptor no es valido para la clase de comprobante.", type === "1" && !["1", "6", "13", "16"].includes(condition ?? "")],
    [10048, "El campo ImpTotal debe ser igual a la suma de ImpTotConc + ImpNeto + ImpOpEx + ImpTrib + ImpIVA.", minor(ImpTotal) !== sum],
    [10018, "Si ImpIVA es mayor a 0 el objeto IVA es obligatorio, y sus importes los mismos.", minor(ImpIVA) !== minor(Iva?.AlicIva.Importe ?? "0")],
    [10071, "Para comprobantes tipo C el campo IVA no debe informarse.", type === "11" && (Iva !== undefined || minor(ImpIVA) > 0n)],
    [10032, "Para concepto 2 o 3 son obligatorias las fechas del servicio y de vencimiento del pago.", isService !== dates.every((date) => date !== undefined)],
    [10036, "La fecha de vencimiento del pago no puede ser anterior a la del comprobante.", isService && (detail.FchVtoPago ?? "") < CbteFch],
  ];
  const [Code, Msg] = wrong.find(([, , is]) => is) ?? [];
  return Code === undefined || Msg === undefined ? undefined : { Code, Msg };
}

/** What was signed; undefined when it is no CMS, false when it was signed by somebody else, or not this. */
function signedContent(base64: string): string | false | undefined {
  try {
    const { content } = AsnConvert.parse(Buffer.from(base64, "base64"), ContentInfo);
    const { certificates, encapContentInfo, signerInfos } = AsnConvert.parse(content, SignedData);
    const signed = Buffer.from(encapContentInfo.eContent!.single!.buffer);
    const certificate = new X509Certificate(Buffer.from(AsnConvert.serialize(certificates![0]!.certificate!)));
    const isOurs = certificate.fingerprint256 === OURS.fingerprint256;
    return isOurs && verify("sha256", signed, certificate.publicKey, Buffer.from(signerInfos[0]!.signature.buffer)) ? signed.toString() : false;
  } catch {
    return undefined;
  }
}

const OURS = new X509Certificate(TWIN_CERTIFICATE);

/** Stands in for WSAA's own signature, so that a ticket needs no row of its own. */
const signOf = (token: string): string => createHmac("sha256", "the twin of WSAA").update(token).digest("base64");

const same = (one: string, other: string): boolean => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

function parsed(text: string): unknown {
  try {
    return parseXml(text);
  } catch {
    return undefined;
  }
}

const Enveloped = z.object({ Envelope: z.object({ Body: z.record(z.string(), z.unknown()) }) });

const bodyOf = (text: string): Record<string, unknown> | undefined => Enveloped.safeParse(parsed(text)).data?.Envelope.Body;

// Answers

const soap = (status: number, body: string): Response => new Response(
  `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>${body}</soap:Body></soap:Envelope>`,
  { status, headers: { "content-type": "text/xml; charset=utf-8" } },
);

const answer = (name: string, result: Elements): Response =>
  soap(200, `<${name}Response xmlns="http://ar.gov.afip.dif.FEV1/">${xml({ [`${name}Result`]: result })}</${name}Response>`);

const fault = (faultcode: string, faultstring: string): Response => soap(500, `<soap:Fault>${xml({ faultcode, faultstring })}</soap:Fault>`);

const problem = (Code: number, Msg: string): Elements => ({ Errors: { Err: { Code, Msg } } });

const dayOf = (at: Date): string => buenosAiresTime(at).slice(0, 10).replaceAll("-", "");

const newCae = (): string => `7${Array.from({ length: 13 }, () => randomInt(10)).join("")}`;

/** A company's. One remainder in eleven has no check digit, so another number is taken. */
function newCuit(): string {
  for (;;) {
    const base = `30${randomInt(10_000_000, 100_000_000)}`;
    const digits = checkDigits("cuit", base);
    if (digits) return base + digits;
  }
}

const rates: Partial<Record<string, string>> = { PES: "1", DOL: "1450.5", "060": "1690.25", "012": "271.3" };

const row = (Id: number | string, Desc: string): Elements => ({ Id, Desc, FchDesde: "20100917", FchHasta: "NULL" });

const tables: Record<string, Elements> = {
  FEParamGetTiposCbte: { CbteTipo: [row(1, "Factura A"), row(6, "Factura B"), row(11, "Factura C")] },
  FEParamGetTiposConcepto: { ConceptoTipo: [row(1, "Producto"), row(2, "Servicios"), row(3, "Productos y Servicios")] },
  FEParamGetTiposDoc: { DocTipo: [row(80, "CUIT"), row(86, "CUIL"), row(96, "DNI"), row(99, "Doc. (Otro)")] },
  FEParamGetTiposIva: { IvaTipo: [row(3, "0%"), row(4, "10.5%"), row(5, "21%"), row(6, "27%"), row(8, "5%"), row(9, "2.5%")] },
  FEParamGetTiposMonedas: { Moneda: [row("PES", "Pesos Argentinos"), row("DOL", "Dólar Estadounidense"), row("060", "Euro"), row("012", "Real")] },
  FEParamGetTiposTributos: { TributoTipo: [row(1, "Impuestos nacionales"), row(2, "Impuestos provinciales"), row(3, "Impuestos municipales"), row(99, "Otro")] },
  FEParamGetPtosVenta: { PtoVenta: [{ Nro: POINT_OF_SALE, EmisionTipo: "CAE", Bloqueado: "N", FchBaja: "NULL" }] },
};
