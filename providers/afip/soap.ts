/**
 * SOAP 1.1 as WSFEv1 speaks it, under a ticket that WSAA grants for twelve hours to a request signed with the certificate.
 * An answer's result is given to the schema as a plain object, every value a string.
 */
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { z } from "zod";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch } from "../provider.ts";
import { accountKey, forgetToken, tokenOf, type Granted } from "../tokens.ts";
import { readIdentity, signedData } from "./cms.ts";

export const HOSTS = { live: "https://servicios1.afip.gov.ar", test: "https://wswhomo.afip.gov.ar" } as const;
const WSAA = { live: "https://wsaa.afip.gov.ar/ws/services/LoginCms", test: "https://wsaahomo.afip.gov.ar/ws/services/LoginCms" } as const;
const NAMESPACE = "http://ar.gov.afip.dif.FEV1/";

/** Elements in the order they are written, which the service's schema prescribes. What is undefined is left out. */
export interface Elements {
  [name: string]: string | number | Elements | Elements[] | undefined;
}

export function xml(elements: Elements): string {
  const written = (name: string, value: string | number | Elements): string => `<${name}>${typeof value === "object" ? xml(value) : escaped(value)}</${name}>`;
  return Object.entries(elements)
    .flatMap(([name, value]) => (value === undefined ? [] : [value].flat().map((each) => written(name, each))))
    .join("");
}

const escaped = (value: string | number): string => String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const parser = new XMLParser({ ignoreAttributes: true, removeNSPrefix: true, parseTagValue: false });

/** Well-formed, or it throws: the parser alone would read half of an answer as a whole one. SOAP has no document types. */
export function parseXml(text: string): unknown {
  if (XMLValidator.validate(text) !== true || /<!DOCTYPE/i.test(text)) throw new Error("not well-formed XML");
  return parser.parse(text);
}

const envelope = (body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`;

const message = (path: string, action: string, body: string): RequestSpec => ({
  method: "POST", path, text: { type: "text/xml; charset=utf-8", content: envelope(body) }, headers: { accept: "text/xml", soapaction: `"${action}"` },
});

/** Where the client writes the ticket; no value of ours is ever so. */
const AUTH = "{auth}";

/** One operation of WSFEv1, with the ticket unless it is `public`. */
export const operation = (name: string, parameters: Elements, access: "ticket" | "public" = "ticket"): RequestSpec => message(
  "/wsfev1/service.asmx", NAMESPACE + name,
  `<${name} xmlns="${NAMESPACE}">${xml({ ...(access === "ticket" && { Auth: AUTH }), ...parameters })}</${name}>`,
);

export function soapClient(connection: ConnectionConfig, fetch: Fetch): HttpClient {
  const { baseUrl, credentials, settings } = connection;
  const cuit = (settings["cuit"] ?? "").replaceAll("-", "");
  if (!cuit) throw new SetupMissing("cuit");
  for (const name of ["certificate", "private_key"]) if (!credentials[name]) throw new SetupMissing(name);
  const http = httpClient({ provider: "afip", baseUrl, fetch, answers: "text" });
  const key = accountKey({ provider: "afip", baseUrl, credentials });
  const send = (verb: "ask" | "act"): HttpClient["ask"] => async (spec, answer, call) => {
    const authorized = spec.text?.content.includes(AUTH) ? withTicket(spec, await tokenOf(key, call, () => login(http, connection, call)), cuit) : spec;
    const read = Result.transform((result) => {
      if (errorsOf(result).some(({ Code }) => Code === TICKET_REFUSED)) forgetToken(key);
      return result;
    });
    return http[verb](authorized, read.pipe(answer as z.ZodType<unknown, unknown>), call) as Promise<z.output<typeof answer>>;
  };
  return { ask: send("ask"), act: send("act"), pass: http.pass };
}

/** "ValidacionDeToken": the ticket has ended early, or does not cover this CUIT. */
export const TICKET_REFUSED = "600";

/** A ticket is its two parts as the request carries them. */
function withTicket(spec: RequestSpec, ticket: string, cuit: string): RequestSpec {
  const { type, content } = spec.text!;
  return { ...spec, text: { type, content: content.replace(AUTH, () => `${ticket}<Cuit>${escaped(cuit)}</Cuit>`) } };
}

// Answers

/** The one result of the one response in the body; a fault is none. */
const Result = z.string().transform((text, context): unknown => {
  try {
    const { Envelope: { Body } } = Enveloped.parse(parseXml(text));
    if ("Fault" in Body) throw new Error("a fault");
    return Object.values(Object.values(Body)[0] ?? {})[0];
  } catch {
    context.addIssue({ code: "custom", message: "expected a SOAP answer", path: ["Envelope"] });
    return z.NEVER;
  }
});

const Enveloped = z.object({ Envelope: z.object({ Body: z.record(z.string(), z.record(z.string(), z.unknown())) }) });

/** An element that may come once or more often, within another that may be empty. */
export const listOf = <Item extends z.ZodType>(name: string, item: Item) =>
  z.preprocess((value) => (typeof value === "object" && value !== null ? [(value as Record<string, unknown>)[name] ?? []].flat() : []), z.array(item));

export const Problem = z.object({ Code: z.string(), Msg: z.string().default("") });
export type Problem = z.output<typeof Problem>;

const Problems = z.object({ Errors: listOf("Err", Problem) });
const errorsOf = (result: unknown): Problem[] => Problems.safeParse(result).data?.Errors ?? [];

// WSAA

/** Also how far our clock may differ from theirs. */
const REQUEST_LIVES_MS = 600_000;

async function login(http: HttpClient, { credentials, baseUrl }: ConnectionConfig, call: CallContext): Promise<Granted> {
  const identity = readIdentity({ certificate: credentials["certificate"] ?? "", key: credentials["private_key"] ?? "" });
  if (!identity) throw new Rejected("afip", 401, "The certificate and the private key cannot be read, or do not belong together.");
  const cms = signedData(Buffer.from(ticketRequest(call.clock.now())), identity).toString("base64");
  const body = `<loginCms xmlns="http://wsaa.view.sua.dvadac.desein.afip.gov">${xml({ in0: cms })}</loginCms>`;
  try {
    const { token, sign, expiresAt } = await http.ask(message(baseUrl === HOSTS.live ? WSAA.live : WSAA.test, "", body), Login, call);
    return { token: xml({ Token: token, Sign: sign }), expiresInSeconds: (expiresAt.getTime() - call.clock.now().getTime()) / 1_000 };
  } catch (error) {
    throw loginRefusal(error) ?? error;
  }
}

function ticketRequest(now: Date): string {
  const [from, to] = [-REQUEST_LIVES_MS, REQUEST_LIVES_MS].map((ms) => buenosAiresTime(new Date(now.getTime() + ms)));
  const header = xml({ uniqueId: Math.floor(now.getTime() / 1_000), generationTime: from, expirationTime: to });
  return `<?xml version="1.0" encoding="UTF-8"?><loginTicketRequest version="1.0"><header>${header}</header><service>wsfe</service></loginTicketRequest>`;
}

/** `2026-11-20T09:00:00-03:00`: Argentina has kept UTC-3 all year since 2009 (Decreto 1693/2009). */
export const buenosAiresTime = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().replace(/\.\d{3}Z$/, "-03:00");

/** The ticket is a document inside the answer, escaped. */
const Login = z.string().transform((text, context) => {
  try {
    const ticket = Ticket.parse(parseXml(LoginAnswer.parse(parseXml(text)).Envelope.Body.loginCmsResponse.loginCmsReturn));
    const { header, credentials } = ticket.loginTicketResponse;
    return { ...credentials, expiresAt: new Date(header.expirationTime) };
  } catch {
    context.addIssue({ code: "custom", message: "expected a ticket", path: ["loginCmsReturn"] });
    return z.NEVER;
  }
});

const LoginAnswer = z.object({ Envelope: z.object({ Body: z.object({ loginCmsResponse: z.object({ loginCmsReturn: z.string() }) }) }) });
const Ticket = z.object({
  loginTicketResponse: z.object({
    header: z.object({ expirationTime: z.iso.datetime({ offset: true }) }),
    credentials: z.object({ token: z.string().min(1), sign: z.string().min(1) }),
  }),
});

const Fault = z.object({ Envelope: z.object({ Body: z.object({ Fault: z.object({ faultcode: z.string(), faultstring: z.string().default("") }) }) }) });

/**
 * SOAP 1.1 sends every fault as a 500. Those about the request (cms, xml, coe, wsn) refuse it for good; that a ticket
 * is out already is no refusal, and asking again later is the way.
 */
function loginRefusal(error: unknown): Rejected | undefined {
  const cause = error instanceof Unanswered ? error.cause : undefined;
  if (!(cause instanceof Rejected) || cause.status !== 500 || typeof cause.body !== "string") return undefined;
  try {
    const { faultcode, faultstring } = Fault.parse(parseXml(cause.body)).Envelope.Body.Fault;
    const isAboutUs = /(?:^|:)(?:cms|xml|coe|wsn)\./.test(faultcode) && !faultcode.endsWith("coe.alreadyAuthenticated");
    return isAboutUs ? new Rejected("afip", 401, `${faultcode}: ${faultstring}`) : undefined;
  } catch {
    return undefined;
  }
}
