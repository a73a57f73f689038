/**
 * The one HTTP client of all adapters. It knows two kinds of request: `ask`, which changes nothing that matters and may be
 * repeated, and `act`, which has the effect and is sent once; `pass` is one of the two, by its method. What comes back is a parsed body, or one of four
 * errors that say how much is known (`provider.ts`).
 */
import { z } from "zod";
import { NotReached, OutcomeUnknown, Rejected, Unanswered, type CallContext, type Fetch } from "./provider.ts";

/** A provider that has not answered by then is not waited for. */
export const REQUEST_TIMEOUT_MS = 20_000;
/** No answer we read is near this; a longer one is refused rather than buffered. */
export const RESPONSE_BYTES_MAX = 2_000_000;

export interface RequestSpec {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Appended to the base URL, or absolute (a provider with a second host). */
  path: string;
  query?: Record<string, string | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as `application/x-www-form-urlencoded`, in place of `body`; what is undefined is left out. */
  form?: Record<string, string | undefined>;
  /** Sent as it stands, in place of `body`: XML. */
  text?: { type: string; content: string };
  headers?: Record<string, string>;
  /** Headers of the answer that say what its body does not: with them a schema is given `{ headers, body }`. */
  answerHeaders?: readonly string[];
}

export interface HttpClient {
  /** A request without effect. Throws Rejected, or Unanswered when asking again is the only way to know. */
  ask<Schema extends z.ZodType>(spec: RequestSpec, answer: Schema, call: CallContext): Promise<z.output<Schema>>;
  /** The request with the effect. Throws Rejected (definite), NotReached (never left) or OutcomeUnknown. */
  act<Schema extends z.ZodType>(spec: RequestSpec, answer: Schema, call: CallContext): Promise<z.output<Schema>>;
  /**
   * One request as a caller wrote it, with the connection's credentials and only below its base URL; every status is an
   * answer. Throws RangeError for a path that leads elsewhere, Unanswered for a GET, NotReached or OutcomeUnknown otherwise.
   */
  pass(spec: RequestSpec, call: CallContext): Promise<Reply>;
}

/** What a provider answered, unread. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

export interface HttpOptions {
  provider: string;
  baseUrl: string;
  fetch: Fetch;
  headers?: Record<string, string>;
  /** Signs each request as it is about to be sent; may add headers. The body is the exact text that goes out. */
  sign?: (request: { method: string; url: URL; body: string }) => Record<string, string>;
  /** Is told the headers of every answer: a guest's cookies. */
  heard?: (headers: Headers) => void;
  /** How its answers are written; as `text`, a schema is given the text itself. JSON unless told. */
  answers?: "json" | "text";
  /** Where refusals do not come as 4xx: whether an answer says that nothing was done. Such a one is told as a 400. */
  isRefusal?: (answer: { status: number; body: unknown }) => boolean;
  timeoutMs?: number;
}

export function httpClient(options: HttpOptions): HttpClient {
  return {
    ask: (spec, answer, call) => askFor(options, prepare(options, spec), call, (reply) => parse(options, spec, accepted(options, reply), answer)),
    act: (spec, answer, call) => actOnce(options, prepare(options, spec), call, (reply) => parse(options, spec, accepted(options, reply), answer)),
    pass: async (spec, call) => {
      const request = prepare(options, confined(options, spec));
      return spec.method === "GET" ? askFor(options, request, call, (reply) => reply) : actOnce(options, request, call, (reply) => reply);
    },
  };
}

async function askFor<Read>(options: HttpOptions, request: Request, call: CallContext, read: (reply: Reply) => Read): Promise<Read> {
  try {
    return read(await exchange(options, request, call));
  } catch (error) {
    if (error instanceof Rejected && isDefinite(error.status)) throw error;
    throw new Unanswered(`${options.provider}: ${reason(error)}`, { cause: error });
  }
}

/** What failed before this (a body that is no JSON, a signature that cannot be made) has sent nothing. */
async function actOnce<Read>(options: HttpOptions, request: Request, call: CallContext, read: (reply: Reply) => Read): Promise<Read> {
  if (call.sendBefore && call.clock.now() > call.sendBefore) throw new NotReached(`${options.provider}: too late to send`);
  const actedBefore = call.acted;
  call.acted = true;
  try {
    return read(await exchange(options, request, call));
  } catch (error) {
    const definite = neverLeft(error) || (error instanceof Rejected && isDefinite(error.status));
    if (!definite) throw new OutcomeUnknown(`${options.provider}: ${reason(error)}`, { cause: error });
    call.acted = actedBefore;
    if (error instanceof Rejected) throw error;
    throw new NotReached(`${options.provider}: ${reason(error)}`, { cause: error });
  }
}

/** Dot segments are resolved before the look, encoded ones too; and no header of the caller's takes the place of a credential. */
function confined({ provider, baseUrl, headers: ours = {} }: HttpOptions, spec: RequestSpec): RequestSpec {
  const base = new URL(baseUrl);
  const url = new URL(baseUrl + spec.path);
  const isBelow = spec.path.startsWith("/") && url.origin === base.origin && `${url.pathname}/`.startsWith(`${base.pathname.replace(/\/$/, "")}/`);
  if (!isBelow) throw new RangeError(`${spec.path} leads away from ${provider}`);
  const taken = new Set(Object.keys(ours).map((name) => name.toLowerCase()));
  const headers = Object.entries(spec.headers ?? {}).filter(([name]) => !taken.has(name.toLowerCase()));
  return { ...spec, headers: Object.fromEntries(headers) };
}

/** Refusals that promise nothing was done. A 408, a 425 and every 5xx promise nothing, nor does a redirect. */
const isDefinite = (status: number): boolean => status >= 400 && status < 500 && status !== 408 && status !== 425;

/**
 * Whether an error of `fetch` shows that no byte of the request left: an allow-list; whatever is not on it may have left.
 * Source: Node.js `errno` and `ERR_TLS_*` codes, OpenSSL verify codes, undici 7 error codes.
 */
export function neverLeft(error: unknown): boolean {
  const found: { code?: unknown; syscall?: unknown }[] = [];
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    found.push(at as { code?: unknown });
    if (at instanceof AggregateError) found.push(...(at.errors as { code?: unknown }[]));
  }
  const coded = found.filter(({ code }) => code !== undefined);
  return coded.length > 0 && coded.every(({ code, syscall }) => NEVER_LEFT.has(code) || (NEVER_CONNECTED.has(code) && syscall === "connect"));
}

const NEVER_LEFT = new Set<unknown>([
  "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID", "CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);
/** Codes that an established connection can end with, too: they show that nothing left only while connecting. */
const NEVER_CONNECTED = new Set<unknown>(["ENETUNREACH", "EHOSTUNREACH"]);

/** The request as it will leave, signature and all. */
function prepare(options: HttpOptions, spec: RequestSpec): Request {
  const url = new URL(/^https?:/.test(spec.path) ? spec.path : options.baseUrl + spec.path);
  for (const [name, value] of Object.entries(spec.query ?? {})) if (value !== undefined) url.searchParams.set(name, value);
  const { type, content: body } = contentOf(spec);
  return new Request(url, {
    method: spec.method,
    headers: {
      accept: "application/json",
      "user-agent": "codespar-server",
      ...(body && { "content-type": type }),
      ...options.headers,
      ...spec.headers,
      ...options.sign?.({ method: spec.method, url, body }),
    },
    ...(body && { body }),
    redirect: "manual",
  });
}

function contentOf({ body, form, text }: RequestSpec): { type: string; content: string } {
  if (text) return text;
  if (!form) return { type: "application/json", content: body === undefined ? "" : JSON.stringify(body) };
  const written = Object.entries(form).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]]));
  return { type: "application/x-www-form-urlencoded", content: new URLSearchParams(written).toString() };
}

async function exchange(options: HttpOptions, request: Request, call: CallContext): Promise<Reply> {
  const deadline = deadlineOf(options.timeoutMs ?? REQUEST_TIMEOUT_MS, call.signal);
  try {
    const response = await options.fetch(new Request(request, { signal: deadline.signal }));
    options.heard?.(response.headers);
    return { status: response.status, headers: response.headers, text: await boundedText(response) };
  } finally {
    deadline.end();
  }
}

/** Not `AbortSignal.any` over `AbortSignal.timeout`: Node 20 lets the garbage collector take the timeout, and the deadline with it. */
function deadlineOf(ms: number, caller: AbortSignal | undefined): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException("no answer in time", "TimeoutError")), ms);
  const giveUp = () => controller.abort(caller?.reason);
  if (caller?.aborted) giveUp();
  caller?.addEventListener("abort", giveUp, { once: true });
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      caller?.removeEventListener("abort", giveUp);
    },
  };
}

/** Throws Rejected for every status but 2xx, and for what the provider means as a refusal. */
function accepted({ provider, answers, isRefusal }: HttpOptions, reply: Reply): Reply {
  const { status, text } = reply;
  if (isRefusal?.({ status, body: jsonOrText(text) })) throw new Rejected(provider, 400, jsonOrText(text));
  if (status < 200 || status > 299) throw new Rejected(provider, status, answers === "text" ? text : jsonOrText(text));
  return reply;
}

function parse<Schema extends z.ZodType>({ answers }: HttpOptions, { answerHeaders }: RequestSpec, { text, headers }: Reply, schema: Schema): z.output<Schema> {
  const body: unknown = answers === "text" ? text : text === "" ? {} : JSON.parse(text);
  if (!answerHeaders) return schema.parse(body);
  return schema.parse({ body, headers: Object.fromEntries(answerHeaders.map((name) => [name, headers.get(name) ?? undefined])) });
}

async function boundedText(response: Response): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > RESPONSE_BYTES_MAX) throw new Error(`the answer is larger than ${RESPONSE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(0, 500);
  }
}

/** Why, in words that hold no secret: URLs may carry credentials, so messages of the network stack are reduced to their code. */
function reason(error: unknown): string {
  if (error instanceof Rejected) return `answered ${error.status}`;
  if (error instanceof z.ZodError) return `its answer lacks ${error.issues[0]?.path.join(".") || "a known shape"}`;
  if (error instanceof SyntaxError) return "its answer is not JSON";
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string") return code;
    if (at.name === "TimeoutError") return "no answer in time";
    if (at.name === "AbortError") return "the call was cancelled";
  }
  return error instanceof Error && /larger than/.test(error.message) ? error.message : "no readable answer";
}
