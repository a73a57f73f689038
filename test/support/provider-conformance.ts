/**
 * What every adapter must show, run against its twin in memory: `providerConformance({ definition, twin, verbs })` in
 * the provider's own test file registers the tests. Each fault is set the moment the request with effect goes out
 * (`call.acted`), so a subject need not say which of its requests that is.
 */
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  NotReached, OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage,
  type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent, type ProviderVerb,
  type ProviderVerbs,
} from "../../providers/provider.ts";
import type { RequestFaultKind, TwinFault } from "../../providers/twin-faults.ts";
import { clientCertificate } from "../../providers/client-certificate.ts";
import { presenting } from "../../providers/transport.ts";
import { hostTwins, type TwinHost } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinAccount, TwinDefinition } from "../../providers/twin.ts";
import { newId } from "../../schema/ids.ts";
import type { Currency } from "../../schema/money.ts";
import type { SettlementState } from "../../schema/settlement.ts";
import { FakeClock } from "./fake-clock.ts";

type RequestOf<Verb extends ProviderVerb> = Parameters<ProviderVerbs[Verb]>[0];
/** A request, or how to get one when it needs something made before (a parcel to track). */
type RequestSource<Verb extends ProviderVerb> = RequestOf<Verb> | Preparation<RequestOf<Verb>>;
type Preparation<Made> = (provider: Provider, call: CallContext) => Promise<Made>;

export interface VerbSubject<Verb extends ProviderVerb> {
  /** The twin accepts it. Parsed, as the pipeline hands it over: amounts are `bigint`. */
  request: RequestSource<Verb>;
  /** The twin declines it: one of its magic inputs. */
  declined?: RequestSource<Verb>;
  /** Where the twin's life cycle takes an accepted request by itself, and in how many rests of `settleAfterMs` (10). */
  settles?: { to: SettlementState; withinSteps?: number };
  /** False where the provider has no field for our reference, as its README says. Default true. */
  carriesReference?: boolean;
  /** False where the provider can be asked only by its own id: without one a lookup throws. Default true. */
  findsByReference?: boolean;
  /** What a repeated dispatch of this verb does, where it differs from the definition's `repeats`. */
  repeats?: ProviderDefinition["repeats"];
  /** False for verbs that only ask. Default: false for `quote`, `track`, `readCard` and `searchProducts`, true for the others. */
  acts?: boolean;
}

/** What a notification scheme can tell: a shared token sees no tampered body; without a timestamp nothing is old. */
export type Detectable = "tampered_body" | "missing_header" | "wrong_secret" | "old_timestamp";

export interface ConformanceSubject {
  definition: ProviderDefinition;
  twin: TwinDefinition;
  verbs: { readonly [Verb in ProviderVerb]?: VerbSubject<Verb> };
  /** Settings an operator types beside those the twin's account gives. */
  settings?: Readonly<Record<string, string>>;
  /** Default: `tampered_body`, `missing_header`, `wrong_secret`. */
  detects?: readonly Detectable[];
}

export interface ConformanceCheck {
  name: string;
  run(): Promise<void>;
}

export function providerConformance(subject: ConformanceSubject): void {
  describe(`${subject.definition.id} conforms`, () => {
    for (const check of conformanceChecks(subject)) test(check.name, check.run);
  });
}

/** The same as a list, for a test of this suite. */
export function conformanceChecks(subject: ConformanceSubject): ConformanceCheck[] {
  const checks: ConformanceCheck[] = [];
  const add = (label: string, name: string, body: (world: World) => Promise<void>) => {
    checks.push({
      name: `${label}: ${name}`,
      run: async () => {
        const world = await newWorld(subject, label);
        await body(world);
        expectNoSecrets(world);
      },
    });
  };
  const { id, notifications } = subject.definition;
  for (const [verb, verbSubject] of Object.entries(subject.verbs)) {
    const named = { verb, ...verbSubject } as Named;
    const addNamed: AddCheck = (name, body) => add(`${id} ${verb}`, name, body);
    addCommonChecks(addNamed, subject, named);
    if (named.acts ?? !ASKING_VERBS.includes(named.verb)) addActingChecks(addNamed, subject, named);
    else addAskingChecks(addNamed, named);
    if (named.settles) addSettlementChecks(addNamed, subject, named);
  }
  if (notifications) addJunkChecks((name, body) => add(`${id} notifications`, name, body), subject);
  return checks;
}

const ASKING_VERBS: readonly ProviderVerb[] = ["quote", "track", "readCard", "searchProducts"];

type AnyRequest = object | Preparation<object>;
interface Named extends Omit<VerbSubject<ProviderVerb>, "request" | "declined"> {
  verb: ProviderVerb;
  request: AnyRequest;
  declined?: AnyRequest;
}
type AddCheck = (name: string, body: (world: World) => Promise<void>) => void;

const SETTLE_AFTER_MS = 1_000;
const SETTLES_WITHIN_STEPS = 10;
const WEBHOOK_URL = "https://hooks.example/notifications/conformance";

interface Arrived extends InboundMessage {
  at: Date;
}

/** A clock that tells when somebody begins to wait. */
class WatchedClock extends FakeClock {
  onSleep: () => void = () => {};

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const slept = super.sleep(ms, signal);
    this.onSleep();
    return slept;
  }
}

interface World {
  label: string;
  clock: WatchedClock;
  host: TwinHost;
  id: string;
  account: TwinAccount;
  /** Of the account, and what the operator typed. */
  settings: Record<string, string>;
  provider: Provider;
  /** The webhooks that came. */
  inbox: Arrived[];
  /** Everything thrown at us, to be searched for secrets. */
  errors: unknown[];
  secrets: string[];
  /** Called before each request that goes out. */
  beforeRequest: (request: Request) => void;
  /** Lets one rest of the life cycle pass, and what came due happen. */
  step(): Promise<void>;
  connect(change: { credentials?: Record<string, string>; settings?: Record<string, string> }): Provider;
}

async function newWorld({ definition, twin, ...subject }: ConformanceSubject, label: string): Promise<World> {
  const clock = new WatchedClock();
  const store = new MemoryTwinStore(clock);
  const inbox: Arrived[] = [];
  const host = hostTwins({
    twins: [twin], clock, storeFor: () => store, settleAfterMs: SETTLE_AFTER_MS,
    send: async (request) => {
      const { method, headers } = request;
      const body = new Uint8Array(await request.arrayBuffer());
      inbox.push({ method, url: new URL(request.url), headers, body, at: clock.now() });
      return Response.json({ received: true });
    },
  });
  const account = await host.openAccount(twin.id, { webhookUrl: WEBHOOK_URL });
  const settings = { ...account.settings, ...subject.settings };
  const secrets = [...secretFields(definition).map((name) => account.credentials[name] ?? ""), account.webhookSecret];
  const connection = { credentials: account.credentials, settings, baseUrl: definition.hosts.test };
  const fetch: Fetch = async (request) => {
    world.beforeRequest(request);
    return host.fetch(request);
  };
  const world: World = {
    label, clock, host, id: twin.id, account, settings, inbox,
    provider: {},
    errors: [],
    secrets: secrets.filter((secret) => secret.length >= 8),
    beforeRequest: () => {},
    step: async () => {
      await clock.advance(SETTLE_AFTER_MS);
      await store.runDue((step) => host.run(twin.id, step));
    },
    connect: (change) => {
      const config = { ...connection, ...change };
      return definition.connect(config, presenting(fetch, definition.mutualTls && clientCertificate(config.credentials)));
    },
  };
  world.provider = world.connect({});
  return world;
}

const secretFields = (definition: ProviderDefinition): string[] =>
  definition.credentials.filter((field) => field.secret).map((field) => field.name);

interface Dispatched {
  call: CallContext;
  request: unknown;
  /** How many requests of this dispatch the twin received. */
  received: number;
  outcome?: Outcome<unknown>;
  error?: unknown;
}

interface Settled {
  ref: string;
  dispatched: Dispatched;
}

interface DispatchOptions {
  provider?: Provider;
  call?: CallContext;
  fault?: TwinFault;
  /** Which request the fault is set for: the first with effect unless this says so. */
  at?: (call: CallContext) => boolean;
  /** Called as the fault is set. Where given, the fault may also come too late to be set. */
  onFault?: (request: Request) => void;
}

async function dispatch(
  world: World, { verb }: Named, source: AnyRequest, options: DispatchOptions = {},
): Promise<Dispatched> {
  const { provider = world.provider, call = newCall(world), fault, at = (current) => current.acted, onFault } = options;
  const request = typeof source === "function" ? await source(world.provider, newCall(world)) : source;
  const before = received(world);
  let faultIsSet = false;
  world.beforeRequest = (sent) => {
    if (!fault || faultIsSet || !at(call)) return;
    faultIsSet = true;
    world.host.setFault(world.id, fault);
    onFault?.(sent);
  };
  const ended = await endOf(world, async () => {
    const send = provider[verb] as ((request: unknown, call: CallContext) => Promise<Outcome<unknown>>) | undefined;
    if (!send) throw new Error(`${world.label}: connect() gives no ${verb}`);
    return send.call(provider, request, call);
  });
  world.beforeRequest = () => {};
  await world.host.clearFaults(world.id);
  const expected = fault !== undefined && onFault === undefined;
  if (expected) expect(faultIsSet, `${world.label}: the request that a fault was meant for never went out`).toBe(true);
  return { call, request, received: received(world) - before, ...ended };
}

async function endOf(
  world: World, send: () => Promise<Outcome<unknown>>,
): Promise<Pick<Dispatched, "outcome" | "error">> {
  try {
    return { outcome: await send() };
  } catch (error) {
    world.errors.push(error);
    return { error };
  }
}

function newCall(world: World, change: Partial<CallContext> = {}): CallContext {
  const call: CallContext = {
    reference: randomUUID(),
    toolCallId: newId("toolCall", world.clock.now()),
    clock: world.clock,
    signal: undefined,
    acted: false,
    notes: {},
    note: async (notes) => {
      call.notes = { ...call.notes, ...notes };
    },
    ...change,
  };
  return call;
}

/** As after a crash: what is left of the call is its reference and its notes, and perhaps the provider's id. */
async function lookup(
  world: World, { verb }: Named, { call, request }: Pick<Dispatched, "call" | "request">, ref?: string,
): Promise<Observation | undefined> {
  const { currency } = request as { currency?: Currency };
  try {
    const again = newCall(world, { reference: call.reference, notes: call.notes });
    return await world.provider.lookup!({ verb, reference: call.reference, ref, currency }, again);
  } catch (error) {
    world.errors.push(error);
    throw error;
  }
}

const received = (world: World): number => world.host.requests(world.id).length;

type Accepted = Extract<Outcome<unknown>, { outcome: "accepted" }>;

function expectAccepted(world: World, { outcome, error }: Dispatched): Accepted {
  if (error) throw new Error(`${world.label}: it threw instead of being accepted`, { cause: error });
  expect(outcome, world.label).toMatchObject({ outcome: "accepted" });
  return outcome as Accepted;
}

function expectDeclined(world: World, { outcome, error, call }: Dispatched, reason?: string): void {
  if (error) throw new Error(`${world.label}: a decline is a value, but it threw`, { cause: error });
  expect(outcome, world.label).toMatchObject({ outcome: "declined", ...(reason && { reason }) });
  expect((outcome as { message: string }).message, `${world.label}: a decline says why`).not.toBe("");
  expect(call.acted, `${world.label}: a decline leaves acted false`).toBe(false);
}

function expectUnknown(world: World, { outcome, error, call }: Dispatched): void {
  expect(outcome, `${world.label}: no answer can be read, so none may be given`).toBeUndefined();
  expect(error, world.label).toBeInstanceOf(OutcomeUnknown);
  expect(call.acted, `${world.label}: it may have had its effect`).toBe(true);
}

/** Neither what the host wrote down nor what was thrown shows a credential. */
function expectNoSecrets(world: World): void {
  const log = JSON.stringify([world.host.requests(world.id), world.host.webhooks(world.id)]);
  const thrown = world.errors.map((error) => inspect(error, { depth: 8 })).join("\n");
  for (const secret of world.secrets) {
    expect(log.includes(secret), `${world.label}: a credential stands in the twin's log`).toBe(false);
    expect(thrown.includes(secret), `${world.label}: a credential stands in an error, its stack or cause`).toBe(false);
  }
}

function addCommonChecks(add: AddCheck, { definition, twin }: ConformanceSubject, subject: Named): void {
  add("the definition and its twin agree on id and hosts", async (world) => {
    expect(twin.id, world.label).toBe(definition.id);
    for (const base of Object.values(definition.hosts)) {
      expect(twin.hosts, `${world.label}: the twin answers on the host of ${base}`).toContain(new URL(base).host);
      expect(base, `${world.label}: no trailing slash`).not.toMatch(/\/$/);
    }
  });

  // A provider without a secret serves whoever comes.
  if (secretFields(definition).length > 0) add("wrong credentials are declined as unauthorized", async (world) => {
    const credentials = { ...world.account.credentials };
    for (const name of secretFields(definition)) credentials[name] = otherValue(credentials[name] ?? "");
    const provider = world.connect({ credentials });
    expectDeclined(world, await dispatch(world, subject, subject.request, { provider }), "unauthorized");
  });

  const { declined } = subject;
  if (declined !== undefined) {
    add("a decline is a value", async (world) => expectDeclined(world, await dispatch(world, subject, declined)));
  }

  for (const { name } of definition.settings.filter((field) => field.required)) {
    add(`without the setting ${name} nothing is sent`, async (world) => {
      const settings = Object.fromEntries(Object.entries(world.settings).filter(([other]) => other !== name));
      const attempt = async () => dispatch(world, subject, subject.request, { provider: world.connect({ settings }) });
      const { error, received } = await attempt().catch((thrown: unknown) => ({ error: thrown, received: 0 }));
      expect(error, `${world.label}: it is missed`).toBeInstanceOf(SetupMissing);
      expect(received, `${world.label}: requests without it`).toBe(0);
    });
  }
}

/** The same shape with another last character, so that only the value is wrong. */
const otherValue = (value: string): string =>
  value.replace(/[A-Za-z0-9](?=[^A-Za-z0-9]*$)/, (last) => (last === "0" ? "1" : "0"));

/** The twin did it, and the caller cannot know. */
const APPLIED =
  ["reset_after", "error_after", "truncated", "half_answer", "html"] as const satisfies RequestFaultKind[];
const NOT_APPLIED = ["reset_before", "error_before"] as const satisfies RequestFaultKind[];
/** No adapter sends more requests a call. */
const REQUESTS_MAX = 20;

function addActingChecks(add: AddCheck, { definition }: ConformanceSubject, subject: Named): void {
  const { request } = subject;

  add("an accepted request has the provider's id and carries our reference", async (world) => {
    const dispatched = await dispatch(world, subject, request);
    const { ref, action } = expectAccepted(world, dispatched);
    expect(ref, `${world.label}: ref`).not.toBe("");
    expect(action, `${world.label}: the provider's own word for the state`).not.toBe("");
    expect(dispatched.call.acted, `${world.label}: the request with effect goes through http.act`).toBe(true);
    const carried = JSON.stringify(world.host.requests(world.id)).includes(dispatched.call.reference);
    expect(carried, `${world.label}: the reference reached the provider`).toBe(subject.carriesReference ?? true);
  });

  add("a refused connection reaches nobody", async (world) => {
    let before = -1;
    const onFault = () => (before = received(world));
    const dispatched = await dispatch(world, subject, request, { fault: { kind: "refused" }, onFault });
    expect(dispatched.error, world.label).toBeInstanceOf(NotReached);
    expect(dispatched.call.acted, `${world.label}: acted`).toBe(false);
    expect(received(world), `${world.label}: requests after the refusal`).toBe(before);
  });

  add("a provider that is down from the start is left without effect", async (world) => {
    const dispatched = await dispatch(world, subject, request, { fault: { kind: "down" }, at: () => true });
    expect(dispatched.outcome, `${world.label}: no answer`).toBeUndefined();
    expect(dispatched.call.acted, `${world.label}: acted`).toBe(false);
    expect(dispatched.received, `${world.label}: requests received`).toBe(0);
  });

  for (const kind of [...APPLIED, ...NOT_APPLIED]) {
    add(`${words(kind)} leaves the outcome unknown`, async (world) => {
      expectUnknown(world, await dispatch(world, subject, request, { fault: { kind } }));
    });
  }

  add("a caller that gives up leaves the outcome unknown", async (world) => {
    const giveUp = new AbortController();
    world.clock.onSleep = () => giveUp.abort(); // the twin sleeps once it has applied the request
    const call = newCall(world, { signal: giveUp.signal });
    expectUnknown(world, await dispatch(world, subject, request, { call, fault: { kind: "slow" } }));
  });

  add("a 429 is a decline", async (world) => {
    expectDeclined(world, await dispatch(world, subject, request, { fault: { kind: "rate_limited" } }), "rate_limited");
  });

  add("a read that is refused after the effect does not make a decline of it", async (world) => {
    await forEachLaterRequest(world, subject, { kind: "rate_limited" }, async (dispatched, broken, nth) => {
      if (broken.method !== "GET") return; // a later request with effect may well be declined
      const when = `${world.label}: as request ${nth} after the effect was refused`;
      expect(dispatched.outcome?.outcome, when).not.toBe("declined");
      expect(dispatched.call.acted, `${when}, acted`).toBe(true);
    });
  });

  add("a repeated dispatch does what the definition says", async (world) => {
    const repeats = subject.repeats ?? definition.repeats;
    const first = await dispatch(world, subject, request);
    const { ref } = expectAccepted(world, first);
    const call = newCall(world, { reference: first.call.reference });
    const again = await dispatch(world, subject, first.request as AnyRequest, { call });
    const says = `${world.label}: \`repeats: "${repeats}"\``;
    const duplicate = { outcome: "declined", reason: "duplicate" };
    if (repeats === "rejects") return expect(again.outcome, says).toMatchObject(duplicate);
    const second = expectAccepted(world, again);
    if (repeats === "replays") expect(second.ref, says).toBe(ref);
    else expect(second.ref, says).not.toBe(ref);
  });

  if (looksUp(definition)) addLookupChecks(add, subject);
}

function addLookupChecks(add: AddCheck, subject: Named): void {
  const { request, findsByReference = true } = subject;

  for (const kind of findsByReference ? APPLIED : []) {
    add(`after ${words(kind)} the lookup finds it by our reference`, async (world) => {
      const dispatched = await dispatch(world, subject, request, { fault: { kind } });
      const found = await lookup(world, subject, dispatched);
      expect(found?.ref, `${world.label}: the ref that a lookup by reference finds`).toMatch(/./);
    });
  }

  add("whichever later request breaks, the call stays one that acted and can be looked up", async (world) => {
    await forEachLaterRequest(world, subject, { kind: "reset_after" }, async (dispatched, _broken, nth) => {
      expect(dispatched.call.acted, `${world.label}: acted, as request ${nth} after the effect broke`).toBe(true);
      const found = await lookup(world, subject, dispatched);
      expect(found?.ref, `${world.label}: lookup, as request ${nth} after the effect broke`).toMatch(/./);
    });
  });

  add("a lookup by the provider's id agrees with the answer", async (world) => {
    const dispatched = await dispatch(world, subject, request);
    const { ref, state } = expectAccepted(world, dispatched);
    expect(await lookup(world, subject, dispatched, ref), world.label).toMatchObject({ ref, state });
  });

  if (findsByReference) {
    add("a lookup of what was never sent finds nothing", async (world) => {
      expect(await lookup(world, subject, { call: newCall(world), request: {} }), world.label).toBeUndefined();
    });
  } else {
    add("a lookup without the provider's id throws, for it cannot say", async (world) => {
      const dispatched = await dispatch(world, subject, request, { fault: { kind: "reset_after" } });
      await expect(lookup(world, subject, dispatched), world.label).rejects.toThrow();
    });
  }

  for (const kind of ["down", "error_before", "html", "truncated", "rate_limited"] as const) {
    add(`under ${words(kind)} a lookup throws, for it cannot say`, async (world) => {
      const dispatched = await dispatch(world, subject, request);
      const { ref } = expectAccepted(world, dispatched);
      world.host.setFault(world.id, { kind, times: REQUESTS_MAX });
      await expect(lookup(world, subject, dispatched, ref), `${world.label}: by the provider's id`).rejects.toThrow();
      await expect(lookup(world, subject, dispatched), `${world.label}: by our reference`).rejects.toThrow();
    });
  }
}

/** Dispatches once for every request that follows the first with effect, and lets the fault fall on that one. */
async function forEachLaterRequest(
  world: World, subject: Named, fault: TwinFault,
  check: (dispatched: Dispatched, broken: Request, nth: number) => Promise<void>,
): Promise<void> {
  for (let nth = 1; nth <= REQUESTS_MAX; nth++) {
    let sinceEffect = -1;
    let broken: Request | undefined;
    const at = (call: CallContext) => call.acted && ++sinceEffect === nth;
    const onFault = (request: Request) => (broken = request);
    const dispatched = await dispatch(world, subject, subject.request, { fault, at, onFault });
    if (!broken) return;
    await check(dispatched, broken, nth);
  }
}

function looksUp(definition: ProviderDefinition): boolean {
  const anything = (fields: readonly { name: string }[]) =>
    Object.fromEntries(fields.map(({ name }) => [name, "anything"]));
  const [credentials, settings] = [anything(definition.credentials), anything(definition.settings)];
  const nowhere: Fetch = () => Promise.reject(new Error("connect sends nothing"));
  return definition.connect({ credentials, settings, baseUrl: definition.hosts.test }, nowhere).lookup !== undefined;
}

const words = (kind: string): string => kind.replaceAll("_", " ");

function addAskingChecks(add: AddCheck, subject: Named): void {
  const { request } = subject;

  add("an answer comes without an effect", async (world) => {
    const dispatched = await dispatch(world, subject, request);
    expectAccepted(world, dispatched);
    expect(dispatched.call.acted, `${world.label}: a question goes through http.ask`).toBe(false);
  });

  for (const kind of ["down", ...APPLIED, ...NOT_APPLIED] as const) {
    add(`${words(kind)} is no answer`, async (world) => {
      const dispatched = await dispatch(world, subject, request, { fault: { kind }, at: () => true });
      expect(dispatched.error, world.label).toBeInstanceOf(Unanswered);
      expect(dispatched.call.acted, `${world.label}: acted`).toBe(false);
    });
  }

  add("a 429 is a decline", async (world) => {
    const fault: TwinFault = { kind: "rate_limited" };
    expectDeclined(world, await dispatch(world, subject, request, { fault, at: () => true }), "rate_limited");
  });
}

function addSettlementChecks(
  add: AddCheck, { definition, detects = DETECTS }: ConformanceSubject, subject: Named,
): void {
  const { to, withinSteps = SETTLES_WITHIN_STEPS } = subject.settles!;
  const scheme = definition.notifications;

  if (looksUp(definition)) {
    add(`it settles to ${to}, and the lookup says so`, async (world) => {
      const dispatched = await dispatch(world, subject, subject.request);
      const { ref } = expectAccepted(world, dispatched);
      for (let step = 0; step < withinSteps; step++) await world.step();
      const final = { ref, state: to };
      expect(await lookup(world, subject, dispatched, ref), world.label).toMatchObject(final);
      if (subject.findsByReference === false) return;
      expect(await lookup(world, subject, dispatched), `${world.label}: by reference`).toMatchObject(final);
    });
  }
  if (!scheme) return;

  /** Dispatches, lets the whole life cycle pass, and gives the messages that came of it. */
  const settle = async (world: World, fault?: TwinFault) => {
    const dispatched = await dispatch(world, subject, subject.request);
    const { ref } = expectAccepted(world, dispatched);
    if (fault) world.host.setFault(world.id, fault);
    for (let step = 0; step < withinSteps; step++) await world.step();
    expect(world.inbox.length, `${world.label}: webhooks that came`).toBeGreaterThan(0);
    return { ref, dispatched };
  };
  /** The states told of a dispatch. After a message without one the server asks, so what a lookup says is told. */
  const statesTold = async (world: World, events: readonly ProviderEvent[], { ref, dispatched }: Settled) => {
    const ours = events.filter((event) => event.ref === ref || event.reference === dispatched.call.reference);
    return Promise.all(ours.map(async (event) =>
      event.observation.state ?? (await lookup(world, subject, dispatched, event.ref))?.state));
  };
  const verify = (world: World, message: Arrived, secrets = [world.account.webhookSecret], now = message.at) =>
    scheme.verify(message, { secrets, settings: world.settings, now });

  add(`its webhooks verify, and one says ${to} of this very call`, async (world) => {
    const settled = await settle(world);
    for (const message of world.inbox) expect(verify(world, message), world.label).toEqual({ ok: true });
    const events = world.inbox.flatMap((message) => scheme.read(message));
    expect(await statesTold(world, events, settled), `${world.label}: states told`).toContain(to);
    const ids = events.map((event) => event.eventId);
    expect([...new Set(ids)], `${world.label}: each event has its own id`).toEqual(ids);
  });

  add("a webhook that comes twice is the same event", async (world) => {
    await settle(world, { kind: "webhook_duplicated", times: REQUESTS_MAX });
    const ids = world.inbox.slice(-2).map((message) => scheme.read(message).map((event) => event.eventId));
    expect(ids[1], `${world.label}: event ids of the repeat`).toEqual(ids[0]);
  });

  add("a webhook may come before the answer", async (world) => {
    const at = subject.acts === false ? () => true : undefined;
    const dispatched = await dispatch(world, subject, subject.request, { fault: { kind: "webhook_first" }, ...(at && { at }) });
    const { ref } = expectAccepted(world, dispatched);
    const events = world.inbox.flatMap((message) => scheme.read(message));
    expect(await statesTold(world, events, { ref, dispatched }), `${world.label}: states told`).toContain(to);
  });

  add("while a secret is rotated either one verifies", async (world) => {
    await settle(world);
    const secrets = ["another-secret-being-rotated-in-1", world.account.webhookSecret];
    expect(verify(world, world.inbox[0]!, secrets), world.label).toEqual({ ok: true });
  });

  const refused: Record<Detectable, (world: World) => Promise<{ ok: boolean }>> = {
    tampered_body: async (world) => {
      await settle(world, { kind: "webhook_forged", times: REQUESTS_MAX });
      return verify(world, world.inbox.at(-1)!);
    },
    missing_header: async (world) => {
      await settle(world, { kind: "webhook_unsigned", times: REQUESTS_MAX });
      return verify(world, world.inbox.at(-1)!);
    },
    wrong_secret: async (world) => {
      await settle(world, { kind: "webhook_mis_signed", times: REQUESTS_MAX });
      const other = await world.host.openAccount(world.id, { webhookUrl: WEBHOOK_URL });
      const wrong = [[], [""], ...(other.webhookSecret === world.account.webhookSecret ? [] : [[other.webhookSecret]])];
      const [first] = world.inbox;
      for (const secrets of wrong) {
        expect(verify(world, first!, secrets), `${world.label}: with "${secrets.join()}"`).toMatchObject({ ok: false });
      }
      return verify(world, world.inbox.at(-1)!);
    },
    old_timestamp: async (world) => {
      await settle(world);
      const { at } = world.inbox[0]!;
      return verify(world, world.inbox[0]!, undefined, new Date(at.getTime() + 3_600_000));
    },
  };
  for (const kind of detects) {
    add(`a webhook with ${words(kind)} is refused`, async (world) => {
      expect(await refused[kind](world), world.label).toMatchObject({ ok: false });
    });
  }
}

const DETECTS: readonly Detectable[] = ["tampered_body", "missing_header", "wrong_secret"];

function addJunkChecks(add: AddCheck, { definition, detects = DETECTS }: ConformanceSubject): void {
  const scheme = definition.notifications!;
  const junk = (world: World, text: string): Arrived => {
    const body = new TextEncoder().encode(text);
    return { method: "POST", url: new URL(WEBHOOK_URL), headers: new Headers(), body, at: world.clock.now() };
  };

  add("junk is refused without a throw", async (world) => {
    for (const body of ["", "not json", "[]", "null", "{}"]) {
      const context = { secrets: [world.account.webhookSecret, ""], settings: world.settings, now: world.clock.now() };
      const { ok } = scheme.verify(junk(world, body), context);
      if (detects.includes("missing_header")) expect(ok, `${world.label}: verify(${body})`).toBe(false);
    }
  });

  add("a message of no concern is read as nothing", async (world) => {
    expect(scheme.read(junk(world, "{}")), world.label).toEqual([]);
  });
}
