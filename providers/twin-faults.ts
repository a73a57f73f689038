/**
 * What can be told to go wrong at a twin, and how each fault looks to whoever calls it or receives its webhooks.
 * `twin-host.ts` decides when: nothing here keeps time, sends or records.
 */
import { z } from "zod";
import type { TwinWebhook } from "./twin.ts";

const FAULTS_MAX = 100;

/** What can go wrong with a request. "Applied" means that the twin did what it was asked. */
export const requestFaults = {
  refused: "the connection is refused; nothing is applied, nothing is recorded",
  down: "every matching request is refused until the faults are cleared; webhooks still leave",
  reset_before: "the connection breaks before anything is applied",
  reset_after: "applied, then the connection breaks before an answer",
  error_before: "`status` (503) is answered and nothing applied; 404 on a lookup shows a provider that lags behind",
  error_after: "applied, then `status` (503) is answered",
  rate_limited: "429 with Retry-After of `retryAfterSeconds` (30); nothing is applied",
  truncated: "applied; the answer is half of its JSON",
  half_answer: "applied; the connection breaks in the middle of the answer",
  html: "applied; the answer is an HTML page with `status` (200)",
  slow: "applied; the answer comes after `delayMs` (60000) of the clock",
  webhook_first: "applied, and every step that follows from it runs, webhooks included, before the answer",
} as const;

/** What can go wrong with a webhook. */
export const webhookFaults = {
  webhook_duplicated: "sent once, and `copies` (1) times more, each `delayMs` (0) after the one before",
  webhook_dropped: "never sent",
  webhook_delayed: "sent after `delayMs` (60000)",
  webhook_held: "sent after the next one, or when the faults are cleared",
  webhook_forged: "the body is changed after signing: `find` becomes `replaceWith`, or digits change",
  webhook_unsigned: "without what proves the sender: headers that are the provider's own, and secrets in the address",
  webhook_mis_signed: "what proves the sender keeps its shape and has another value, as made with another secret",
} as const;

export type RequestFaultKind = keyof typeof requestFaults;
export type WebhookFaultKind = keyof typeof webhookFaults;
export type FaultKind = RequestFaultKind | WebhookFaultKind;

const regexpText = z.string().max(200).refine(isRegexp, "expected a regular expression");

/** One fault, for the next `times` requests or webhooks that match everything given. */
export const TwinFault = z.strictObject({
  kind: z.enum(Object.keys({ ...requestFaults, ...webhookFaults }) as FaultKind[]),
  times: z.int().min(1).max(1_000).default(1),
  method: z.string().optional(),
  path: regexpText.optional().describe("Searched in the path with its query."),
  body: regexpText.optional(),
  status: z.int().min(200).max(599).optional(),
  delayMs: z.int().min(0).max(86_400_000).optional(),
  retryAfterSeconds: z.int().min(0).max(86_400).optional(),
  copies: z.int().min(1).max(20).optional(),
  find: regexpText.optional(),
  replaceWith: z.string().max(1_000).optional(),
});
export type TwinFault = z.input<typeof TwinFault>;
export type ActiveFault = z.output<typeof TwinFault>;

/** An error of the shape that `fetch` rejects with. */
export function networkError(code: string): Error {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });
}

export const REQUEST_FAULTS = (Object.keys(requestFaults) as RequestFaultKind[]).filter((kind) => kind !== "webhook_first");
export const SHAPE_FAULTS = ["webhook_forged", "webhook_unsigned", "webhook_mis_signed"] as const;
export const DELIVERY_FAULTS = ["webhook_duplicated", "webhook_dropped", "webhook_delayed", "webhook_held"] as const;

/** Headers that hold what a log may not show. A signature may be shown: it proves one message and opens nothing. */
export const SECRET_NAME = /authorization|token|secret|password|cookie|api[-_]?key/i;

export class Faults {
  #active: ActiveFault[] = [];

  add(fault: ActiveFault): void {
    if (this.#active.length >= FAULTS_MAX) throw new Error(`there are ${FAULTS_MAX} faults already; clear them first`);
    this.#active.push(fault);
  }

  list(): readonly ActiveFault[] {
    return this.#active;
  }

  clear(): void {
    this.#active = [];
  }

  /** The first fault of these kinds that matches; used up by one. */
  take(kinds: readonly FaultKind[], subject: { method: string; path: string; body: string }): ActiveFault | undefined {
    const fault = this.#active.find((candidate) => kinds.includes(candidate.kind) && matches(candidate, subject));
    const isUsedUp = fault !== undefined && fault.kind !== "down" && --fault.times === 0;
    if (isUsedUp) this.#active = this.#active.filter((other) => other !== fault);
    return fault;
  }
}

const matches = (fault: ActiveFault, subject: { method: string; path: string; body: string }): boolean =>
  (fault.method === undefined || fault.method.toUpperCase() === subject.method) &&
  (fault.path === undefined || new RegExp(fault.path).test(subject.path)) &&
  (fault.body === undefined || new RegExp(fault.body).test(subject.body));

function isRegexp(text: string): boolean {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}

export const failing = ({ status = 503 }: ActiveFault): Response =>
  Response.json({ error: "a fault of the twin" }, { status });

export const tooMany = ({ retryAfterSeconds = 30 }: ActiveFault): Response =>
  Response.json({ error: "too many requests" }, { status: 429, headers: { "retry-after": String(retryAfterSeconds) } });

export const htmlPage = ({ status = 200 }: ActiveFault): Response =>
  new Response("<!doctype html><title>Error</title><h1>Something went wrong</h1>", {
    status, headers: { "content-type": "text/html" },
  });

export async function truncated(answer: Response): Promise<Response> {
  const text = await answer.text();
  const half = text.slice(0, Math.max(1, text.length >> 1)) || "{";
  return new Response(half, { status: wholeStatus(answer), headers: plain(answer) });
}

export async function halfAnswer(answer: Response): Promise<Response> {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const half = bytes.subarray(0, bytes.length >> 1);
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(half),
    pull: (stream) => stream.error(networkError("ECONNRESET")),
  }, { highWaterMark: 0 });
  const headers = { ...plain(answer), "content-length": String(bytes.length + 1) };
  return new Response(body, { status: wholeStatus(answer), headers });
}

/** A 204 cannot carry the half of a body. */
const wholeStatus = ({ status }: Response): number => (status === 204 || status === 304 ? 200 : status);

const plain = ({ headers }: Response): Record<string, string> => {
  const { "content-length": _length, ...rest } = Object.fromEntries(headers);
  return rest;
};

export function misshapen(webhook: TwinWebhook, fault: ActiveFault | undefined): TwinWebhook {
  switch (fault?.kind) {
    case "webhook_forged": return { ...webhook, body: forged(webhook.body, fault) };
    case "webhook_unsigned": return withProof(webhook, () => undefined);
    case "webhook_mis_signed": return withProof(webhook, misSigned);
    default: return webhook;
  }
}

/** Changes or removes what proves the sender: the headers that are the provider's own, and secrets in the address. */
function withProof(webhook: TwinWebhook, change: (value: string) => string | undefined): TwinWebhook {
  const url = new URL(webhook.url);
  for (const [name, value] of [...url.searchParams].filter(([name]) => SECRET_NAME.test(name))) {
    const changed = change(value);
    if (changed === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, changed);
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(webhook.headers)) {
    const kept = isCommon(name) ? value : change(value);
    if (kept !== undefined) headers[name] = kept;
  }
  return { ...webhook, url: url.href, headers };
}

const isCommon = (name: string): boolean => /^(content-type|content-length|user-agent|accept|host|date)$/i.test(name);

/** Still JSON of the same shape, yet every digit but 0 is another, so that any part a scheme signs is changed. */
const forged = (body: string, { find, replaceWith = "" }: ActiveFault): string =>
  find === undefined
    ? body.replace(/[1-9]/g, (digit) => String((Number(digit) % 9) + 1))
    : body.replace(new RegExp(find, "g"), replaceWith);

/** Another letter, in any case, in the middle of the last word: a base64 text's last one may carry no bits. */
function misSigned(value: string): string {
  const word = /[A-Za-z0-9+/]+=*$/.exec(value);
  if (!word) return `${value}x`;
  const at = word.index + (word[0].length >> 1);
  return value.slice(0, at) + (value[at]!.toLowerCase() === "a" ? "b" : "a") + value.slice(at + 1);
}
