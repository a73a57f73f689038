/**
 * The one HTTP client of all adapters. It knows two kinds of request: `ask`, which changes nothing that matters and may be
 * repeated, and `act`, which has the effect and is sent once. What comes back is a parsed body, or one of four
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
}

export interface HttpClient {
  /** A request without effect. Throws Rejected, or Unanswered when asking again is the only way to know. */
  ask<Schema extends z.ZodType>(spec: RequestSpec, answer: Schema, call: CallContext): Promise<z.output<Schema>>;
  /** The request with the effect. Throws Rejected (definite), NotReached (never left) or OutcomeUnknown. */
  act<Schema extends z.ZodType>(spec: RequestSpec, answer: Schema, call: CallContext): Promise<z.output<Schema>>;
}

export interface HttpOptions {
  provider: string;
  baseUrl: string;
  fetch: Fetch;
  headers?: Record<string, string>;
  /** Signs each request as it is about to be sent; may add headers. The body is the exact text that goes out. */
  sign?: (request: { method: string; url: URL; body: string }) => Record<string, string>;
  /** How its answers are written; as `text`, a schema is given the text itself. JSON unless told. */
  answers?: "json" | "text";
  /** Where refusals do not come as 4xx: whether an answer says that nothing was done. Such a one is told as a 400. */
  isRefusal?: (answer: { status: number; body: unknown }) => boolean;
  timeoutMs?: number;
}

export function httpClient(options: HttpOptions): HttpClient {
  return {
    async ask(spec, answer, call) {
      try {
        return parse(options, await exchange(options, prepare(options, spec), call), answer);
      } catch (error) {
        if (error instanceof Rejected && isDefinite(error.status)) throw error;
        throw new Unanswered(`${options.provider}: ${reason(error)}`, { cause: error });
      }
    },
    async act(spec, answer, call) {
      // What fails up to here (a body that is no JSON, a signature that cannot be made) has sent nothing.
      const request = prepare(options, spec);
      if (call.sendBefore && call.clock.now() > call.sendBefore) throw new NotReached(`${options.provider}: too late to send`);
      const actedBefore = call.acted;
      call.acted = true;
      try {
        return parse(options, await exchange(options, request, call), answer);
      } catch (error) {
        const definite = neverLeft(error) || (error instanceof Rejected && isDefinite(error.status));
        if (!definite) throw new OutcomeUnknown(`${options.provider}: ${reason(error)}`, { cause: error });
        call.acted = actedBefore;
        if (error instanceof Rejected) throw error;
        throw new NotReached(`${options.provider}: ${reason(error)}`, { cause: error });
      }
    },
  };
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

interface Answer {
  status: number;
  text: string;
}

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

async function exchange(options: HttpOptions, request: Request, call: CallContext): Promise<Answer> {
  const deadline = deadlineOf(options.timeoutMs ?? REQUEST_TIMEOUT_MS, call.signal);
  try {
    const response = await options.fetch(new Request(request, { signal: deadline.signal }));
    const text = await boundedText(response);
    const { status } = response;
    if (options.isRefusal?.({ status, body: jsonOrText(text) })) throw new Rejected(options.provider, 400, jsonOrText(text));
    if (!response.ok) throw new Rejected(options.provider, status, options.answers === "text" ? text : jsonOrText(text));
    return { status, text };
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

function parse<Schema extends z.ZodType>({ answers }: HttpOptions, answer: Answer, schema: Schema): z.output<Schema> {
  if (answers === "text") return schema.parse(answer.text);
  const body: unknown = answer.text === "" ? {} : JSON.parse(answer.text);
  return schema.parse(body);
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
