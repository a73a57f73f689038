/**
 * What every twin shows, so that a twin file holds only its company: a log of what it received, faults it is told to
 * show, and webhooks delivered until they are taken. It opens no socket: requests come in through `fetch`, and webhooks
 * leave through the injected `send`. What must survive a crash (a twin's state, a webhook not yet taken) is in the
 * twin's store; faults and logs belong to this process and end with it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { z } from "zod";
import type { Clock } from "../schema/clock.ts";
import type { Fetch } from "./provider.ts";
import { CLIENT_CERTIFICATE_HEADER } from "./transport.ts";
import {
  DELIVERY_FAULTS, failing, Faults, halfAnswer, htmlPage, misshapen, networkError, REQUEST_FAULTS, SECRET_NAME, SHAPE_FAULTS, tooMany, truncated, TwinFault,
  type ActiveFault, type FaultKind,
} from "./twin-faults.ts";
import type { Twin, TwinAccount, TwinDefinition, TwinStep, TwinStore, TwinWebhook } from "./twin.ts";

export const SETTLE_AFTER_MS = 3_000;
/** The log forgets the oldest beyond this many, and what is longer than this of a body. */
export const LOG_ENTRIES_MAX = 1_000;
export const LOG_BODY_CHARS_MAX = 20_000;
/** A webhook that is not taken is offered again after 5 s, then after twice as long each time, and so often in all. */
export const DELIVERY_ATTEMPTS_MAX = 8;
export const DELIVERY_BACKOFF_MS = 5_000;
/** A receiver that has not answered by then has not taken it. */
export const DELIVERY_TIMEOUT_MS = 10_000;
/** The step of the host itself; no twin may use the name. */
export const DELIVER_STEP = "deliver";
const SECRETS_MAX = 1_000;
const HURRIED_STEPS_MAX = 50;

/** A request as it was received, its secrets masked. */
export interface RecordedRequest {
  at: string;
  method: string;
  host: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
  /** What the caller saw; absent when it saw no answer. */
  status?: number;
  fault?: FaultKind;
  /** Why the twin itself failed: a bug in the twin, answered as a 500. */
  bug?: string;
}

/** An attempt to deliver a webhook, or why there was none; its secrets masked. */
export interface RecordedWebhook {
  at: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  attempt: number;
  /** The receiver's answer; absent when there was none. */
  status?: number;
  outcome: "taken" | "not_taken" | "given_up" | "dropped" | "held";
}

export interface TwinHostOptions {
  twins: readonly TwinDefinition[];
  clock: Clock;
  storeFor(id: string): TwinStore;
  /** Carries a webhook to its URL. */
  send(request: Request): Promise<Response>;
  /** How long the life cycles rest between steps. */
  settleAfterMs?: number;
}

export interface TwinHost {
  /** Finds the twin by the host of the URL. Rejects as the network would: with a `code` in the chain of causes. */
  fetch: Fetch;
  openAccount(id: string, input: { webhookUrl: string }): Promise<TwinAccount>;
  /** Runs a step that came due: the twin's own, or a delivery. */
  run(id: string, step: TwinStep): Promise<void>;
  /** Oldest first. */
  requests(id: string): readonly RecordedRequest[];
  webhooks(id: string): readonly RecordedWebhook[];
  setFault(id: string, fault: TwinFault): void;
  /** Also sends what `webhook_held` held. */
  clearFaults(id: string): Promise<void>;
  /**
   * The same over HTTP, JSON, under `/_twin/<id>/`; whoever mounts it decides who may call it.
   * `GET requests`, `GET webhooks`, `GET|POST|DELETE faults`, `POST steps/run` (a step), `POST accounts`
   * (`webhookUrl`).
   */
  control(request: Request): Promise<Response>;
}

export function hostTwins(options: TwinHostOptions): TwinHost {
  const hosted = new Map(options.twins.flatMap((definition) => {
    const twin = new HostedTwin(definition, options);
    return [definition.id, ...(definition.also ?? [])].map((id) => [id, twin] as const);
  }));
  const byHost = new Map<string, HostedTwin>();
  for (const { id, hosts } of options.twins) for (const host of hosts) byHost.set(host, hosted.get(id)!);
  const twin = (id: string): HostedTwin => {
    const found = hosted.get(id);
    if (!found) throw new Error(`there is no twin ${id}; there are ${[...hosted.keys()].join(", ")}`);
    return found;
  };
  return {
    fetch: async (request) => {
      const { host } = new URL(request.url);
      const found = byHost.get(host) ?? byHost.get(host.replace(/^[^.]+/, "*"));
      if (!found) throw networkError("ENOTFOUND");
      return found.fetch(request);
    },
    openAccount: async (id, input) => twin(id).openAccount(input),
    run: async (id, step) => twin(id).run(step),
    requests: (id) => [...twin(id).requests],
    webhooks: (id) => [...twin(id).webhooks],
    setFault: (id, fault) => twin(id).faults.add(TwinFault.parse(fault)),
    clearFaults: async (id) => twin(id).clearFaults(),
    control: (request) => control(hosted, request),
  };
}

class HostedTwin {
  readonly faults = new Faults();
  readonly requests: RecordedRequest[] = [];
  readonly webhooks: RecordedWebhook[] = [];
  readonly #clock: Clock;
  readonly #send: TwinHostOptions["send"];
  readonly #store: TwinStore;
  readonly #twin: Twin;
  readonly #secrets = new Set<string>();
  #held: DeliverStep[] = [];
  /** Present while a request with `webhook_first` is served: the steps that follow from it, to be run at once. */
  readonly #hurried = new AsyncLocalStorage<TwinStep[] | undefined>();

  constructor(definition: TwinDefinition, options: TwinHostOptions) {
    this.#clock = options.clock;
    this.#send = options.send;
    this.#store = options.storeFor(definition.id);
    this.#twin = definition.create({
      store: scheduling(this.#store, (step, at) => this.#schedule(step, at)),
      clock: options.clock,
      settleAfterMs: options.settleAfterMs ?? SETTLE_AFTER_MS,
      deliver: (webhook) => this.#deliver(webhook),
    });
  }

  async fetch(request: Request): Promise<Response> {
    request.signal.throwIfAborted();
    const received = await receive(request);
    const hurry = this.faults.take(["webhook_first"], received);
    const fault = this.faults.take(REQUEST_FAULTS, received);
    if (fault?.kind === "refused" || fault?.kind === "down") throw networkError("ECONNREFUSED");
    const entry = this.#record(received, fault ?? hurry);
    const answer = await this.#answer(received, entry, { fault, hurry: hurry !== undefined, request });
    entry.status = answer.status;
    return answer;
  }

  async openAccount(input: { webhookUrl: string }): Promise<TwinAccount> {
    const account = await this.#twin.openAccount(input);
    for (const secret of [...Object.values(account.credentials), account.webhookSecret]) {
      if (secret.length >= 8) this.#secrets.add(secret);
    }
    for (const oldest of [...this.#secrets].slice(0, -SECRETS_MAX)) this.#secrets.delete(oldest);
    return account;
  }

  async run(step: TwinStep): Promise<void> {
    if (step.name === DELIVER_STEP) await this.#attempt(step as DeliverStep);
    else await this.#twin.run(step);
  }

  async clearFaults(): Promise<void> {
    this.faults.clear();
    await this.#release(this.#clock.now());
  }

  async #answer(
    received: Received,
    entry: RecordedRequest,
    { fault, hurry, request }: { fault: ActiveFault | undefined; hurry: boolean; request: Request },
  ): Promise<Response> {
    switch (fault?.kind) {
      case "reset_before": throw networkError("ECONNRESET");
      case "error_before": return failing(fault);
      case "rate_limited": return tooMany(fault);
    }
    const answer = await this.#apply(received, entry, hurry);
    switch (fault?.kind) {
      case "reset_after": throw networkError("ECONNRESET");
      case "error_after": return failing(fault);
      case "truncated": return truncated(answer);
      case "half_answer": return halfAnswer(answer);
      case "html": return htmlPage(fault);
      case "slow": await this.#clock.sleep(fault.delayMs ?? 60_000, request.signal);
    }
    request.signal.throwIfAborted();
    return answer;
  }

  async #apply(received: Received, entry: RecordedRequest, hurry: boolean): Promise<Response> {
    try {
      const following: TwinStep[] = [];
      return await this.#hurried.run(hurry ? following : undefined, async () => {
        const answer = await this.#twin.fetch(forTwin(received));
        // What runs may add to what follows, which the iteration then comes to.
        for (const [nth, step] of following.entries()) {
          if (nth < HURRIED_STEPS_MAX) await this.run(step);
          else await this.#store.schedule(step, this.#clock.now());
        }
        return answer;
      });
    } catch (error) {
      entry.bug = error instanceof Error ? error.message : String(error);
      return Response.json({ error: "the twin itself failed; its request log says why" }, { status: 500 });
    }
  }

  async #schedule(step: TwinStep, at: Date): Promise<void> {
    const following = this.#hurried.getStore();
    if (following) following.push(step);
    else await this.#store.schedule(step, at);
  }

  async #deliver(webhook: TwinWebhook): Promise<void> {
    const { method = "POST" } = webhook;
    const subject = { method, path: pathOf(webhook.url), body: webhook.body };
    const { url, body, headers } = misshapen(webhook, this.faults.take(SHAPE_FAULTS, subject));
    const step: DeliverStep = { name: DELIVER_STEP, method, url, body, headers: JSON.stringify(headers), attempt: 1 };
    const fault = this.faults.take(DELIVERY_FAULTS, subject);
    if (fault?.kind === "webhook_dropped") return this.#note(step, "dropped");
    if (fault?.kind === "webhook_held") {
      this.#held.push(step);
      return this.#note(step, "held");
    }
    const now = this.#clock.now();
    if (fault?.kind === "webhook_delayed") await this.#store.schedule(step, later(now, fault.delayMs ?? 60_000));
    else await this.#schedule(step, now);
    if (fault?.kind === "webhook_duplicated") {
      const { copies = 1, delayMs = 0 } = fault;
      for (let copy = 1; copy <= copies; copy++) await this.#schedule(step, later(now, copy * delayMs));
    }
    await this.#release(later(now, 1));
  }

  async #release(at: Date): Promise<void> {
    const held = this.#held;
    this.#held = [];
    for (const step of held) await this.#schedule(step, at);
  }

  async #attempt(step: DeliverStep): Promise<void> {
    const status = await this.#post(step);
    // A browser is taken in by a redirect, too.
    if (status !== undefined && status >= 200 && status < (step.method === "GET" ? 400 : 300)) return this.#note(step, "taken", status);
    if (step.attempt >= DELIVERY_ATTEMPTS_MAX) return this.#note(step, "given_up", status);
    this.#note(step, "not_taken", status);
    const waitMs = DELIVERY_BACKOFF_MS * 2 ** (step.attempt - 1);
    await this.#store.schedule({ ...step, attempt: step.attempt + 1 }, later(this.#clock.now(), waitMs));
  }

  async #post({ url, method, headers, body }: DeliverStep): Promise<number | undefined> {
    try {
      const webhook = (signal: AbortSignal) => new Request(url, { method, headers: JSON.parse(headers), signal, redirect: "manual", ...(method !== "GET" && { body }) });
      // Whatever the receiver starts is no consequence of the request being served, although it began inside it.
      const send = (signal: AbortSignal) => this.#hurried.exit(() => this.#send(webhook(signal)));
      const answer = await within(DELIVERY_TIMEOUT_MS, send);
      await answer.body?.cancel();
      return answer.status;
    } catch {
      return undefined; // refused, reset, or no answer in time: not taken, whatever the reason
    }
  }

  #record({ method, url, headers, body }: Received, fault: ActiveFault | undefined): RecordedRequest {
    const entry: RecordedRequest = {
      at: this.#clock.now().toISOString(),
      method,
      host: url.host,
      path: this.#masked(url.pathname + url.search),
      headers: this.#maskedHeaders(headers),
      body: this.#masked(body).slice(0, LOG_BODY_CHARS_MAX),
      ...(fault && { fault: fault.kind }),
    };
    append(this.requests, entry);
    return entry;
  }

  #note(step: DeliverStep, outcome: RecordedWebhook["outcome"], status?: number): void {
    append(this.webhooks, {
      at: this.#clock.now().toISOString(),
      method: step.method,
      url: this.#masked(step.url),
      headers: this.#maskedHeaders(JSON.parse(step.headers)),
      body: this.#masked(step.body).slice(0, LOG_BODY_CHARS_MAX),
      attempt: step.attempt,
      outcome,
      ...(status !== undefined && { status }),
    });
  }

  #maskedHeaders(headers: Record<string, string>): Record<string, string> {
    const shown = Object.entries(headers).filter(([name]) => name !== CLIENT_CERTIFICATE_HEADER).map(([name, value]) =>
      [name, SECRET_NAME.test(name) ? masked(value) : this.#masked(value)]);
    return Object.fromEntries(shown);
  }

  #masked(text: string): string {
    const known = [...this.#secrets].reduce((shown, secret) => shown.replaceAll(secret, masked(secret)), text);
    const hide = (_: string, name: string, value: string) => name + masked(value);
    return known
      .replace(/(\/tokens?\/|[?&](?:api_?key|\w*token|\w*secret)=)([^/?&#]+)/gi, hide)
      .replace(/("(?:\w*token|\w*secret|password|api_?key)"\s*:\s*")([^"]*)/gi, hide);
  }
}

const masked = (secret: string): string =>
  secret.length < 16 || secret.startsWith("***") ? "***" : `***${secret.slice(-4)}`;

function append<Entry>(log: Entry[], entry: Entry): void {
  log.push(entry);
  if (log.length > LOG_ENTRIES_MAX) log.shift();
}

const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms);

/** Rejects when the time is up, whether or not `work` heeds its signal. */
async function within<Value>(ms: number, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
  const deadline = new AbortController();
  const { signal } = deadline;
  const late = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const timer = setTimeout(() => deadline.abort(), ms);
  try {
    return await Promise.race([work(signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A webhook on its way, whole, so that a retry needs nothing but the step. */
interface DeliverStep extends TwinStep {
  name: typeof DELIVER_STEP;
  method: string;
  url: string;
  body: string;
  /** JSON. */
  headers: string;
  attempt: number;
}

interface Received {
  method: string;
  url: URL;
  path: string;
  headers: Record<string, string>;
  body: string;
  bytes: Uint8Array<ArrayBuffer>;
}

async function receive(request: Request): Promise<Received> {
  const url = new URL(request.url);
  const bytes = new Uint8Array(await request.arrayBuffer());
  return {
    method: request.method,
    url,
    path: url.pathname + url.search,
    headers: Object.fromEntries(request.headers),
    body: new TextDecoder().decode(bytes),
    bytes,
  };
}

/** The request without its signal: a caller that stops listening does not stop a provider. */
const forTwin = ({ method, url, headers, bytes }: Received): Request =>
  new Request(url, { method, headers, ...(bytes.length > 0 && { body: bytes }) });

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** `store` with another `schedule`. */
const scheduling = (store: TwinStore, schedule: TwinStore["schedule"]): TwinStore => ({
  get: (key) => store.get(key),
  put: (key, value) => store.put(key, value),
  update: (key, change) => store.update(key, change),
  list: (prefix) => store.list(prefix),
  next: (counter) => store.next(counter),
  schedule,
});

const CONTROLS = "expected GET requests, GET webhooks, GET|POST|DELETE faults, POST steps/run or POST accounts";
const Account = z.strictObject({ webhookUrl: z.url() });
const Step = z.object({ name: z.string() }).catchall(z.union([z.string(), z.number(), z.boolean()]));

async function control(hosted: ReadonlyMap<string, HostedTwin>, request: Request): Promise<Response> {
  const [, id = "", what] = /^\/_twin\/([^/]+)\/(.+)$/.exec(new URL(request.url).pathname) ?? [];
  const twin = hosted.get(id);
  if (!twin) return problem(404, `there is no twin ${id}; there are ${[...hosted.keys()].join(", ")}`);
  try {
    switch (`${request.method} ${what}`) {
      case "GET requests": return Response.json({ requests: twin.requests });
      case "GET webhooks": return Response.json({ webhooks: twin.webhooks });
      case "GET faults": return Response.json({ faults: twin.faults.list() });
      case "POST faults": twin.faults.add(TwinFault.parse(await request.json())); break;
      case "DELETE faults": await twin.clearFaults(); break;
      case "POST steps/run": await twin.run(Step.parse(await request.json())); break;
      case "POST accounts": {
        const account = await twin.openAccount(Account.parse(await request.json()));
        return Response.json(account, { status: 201 });
      }
      default: return problem(404, CONTROLS);
    }
  } catch (error) {
    if (error instanceof z.ZodError) return problem(400, z.prettifyError(error));
    return problem(400, error instanceof Error ? error.message : "it failed");
  }
  return new Response(null, { status: 204 });
}

const problem = (status: number, message: string): Response => Response.json({ error: message }, { status });
