/**
 * A twin is our stand-in for a provider: it takes the provider's own requests, checks its auth, keeps state, moves through
 * the provider's life cycle on an injected clock and posts the provider's own webhooks, signed its way, to our real route.
 * What a twin leaves out is said in its README. What every twin shows (faults, request log, webhook delivery) is in
 * `twin-host.ts`, so that a twin file holds only what is particular to its company.
 */
import type { Clock } from "../schema/clock.ts";

/** Where a twin keeps what it knows. One store per twin; whoever hosts the twin decides what is behind it. */
export interface TwinStore {
  get<Value>(key: string): Promise<Value | undefined>;
  put(key: string, value: unknown): Promise<void>;
  /** Changes one value atomically; undefined when it does not exist. */
  update<Value>(key: string, change: (value: Value) => Value): Promise<Value | undefined>;
  /** Values whose key starts with `prefix`, in the order of their keys. */
  list<Value>(prefix: string): Promise<Value[]>;
  /** A number that grows by one a call: invoice numbers, protocols. */
  next(counter: string): Promise<number>;
  /** Runs `step` at `at` (once or more: a step must tolerate a repeat). */
  schedule(step: TwinStep, at: Date): Promise<void>;
}

/** A step of a life cycle that comes due: `{ name: "settle", key: "payment/pay_1" }`. JSON. */
export interface TwinStep {
  name: string;
  [field: string]: string | number | boolean | undefined;
}

/** What a twin is given. */
export interface TwinContext {
  store: TwinStore;
  clock: Clock;
  /** How long its life cycle rests between steps. */
  settleAfterMs: number;
  /** Sends a webhook, with the faults the host was told to add. It never throws; delivery is retried by the host. */
  deliver(webhook: TwinWebhook): Promise<void>;
}

/** A webhook as the provider would send it, signed. */
export interface TwinWebhook {
  url: string;
  /** By GET a buyer's browser comes back from the provider's page; it brings no body. */
  method?: "GET" | "POST" | "PUT";
  /** The exact text that is sent and signed. */
  body: string;
  headers: Record<string, string>;
}

/** What opening an account at the provider's sandbox gives: what a connection then holds. */
export interface TwinAccount {
  credentials: Record<string, string>;
  settings: Record<string, string>;
  /** What our inbound route must find on this account's webhooks. */
  webhookSecret: string;
}

export interface Twin {
  /** The provider's API. The request's URL is the one the adapter meant for the real host. */
  fetch(request: Request): Promise<Response>;
  /** Opens a sandbox account whose webhooks go to `webhookUrl`. */
  openAccount(input: { webhookUrl: string }): Promise<TwinAccount>;
  /** A step that came due. Runs at least once; a repeat changes nothing. */
  run(step: TwinStep): Promise<void>;
}

export interface TwinDefinition {
  /** The provider it stands in for. */
  id: string;
  /** Other servers that are the same company: an account opened for one of them is an account here, and its key serves all. */
  also?: readonly string[];
  /** Every host the provider answers on, live and test, so that a transport can find the twin by URL. `*.example` is any one label before it. */
  hosts: readonly string[];
  /** Inputs that make it misbehave without a control call, each in a sentence: `amount ending in 13 centavos is refused`. */
  magic: Readonly<Record<string, string>>;
  create(context: TwinContext): Twin;
}
