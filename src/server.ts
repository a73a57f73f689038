/**
 * The server, put together: the only place besides `main.ts` that sees every room. A test builds one with a clock it can move,
 * and calls it without a socket.
 */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import type { Logger } from "pino";
import { defaultBounds } from "../agent/bounds.ts";
import { providers as everyProvider, twins as everyTwin } from "../providers/index.ts";
import type { Fetch, ProviderDefinition } from "../providers/provider.ts";
import { liveFetch, presenting, tlsOf, transportPool, twinsFetch } from "../providers/transport.ts";
import { hostTwins, type TwinHost } from "../providers/twin-host.ts";
import type { TwinStep } from "../providers/twin.ts";
import { systemClock, type Clock } from "../schema/clock.ts";
import { bootstrap } from "./access/bootstrap.ts";
import { endLostRuns } from "./agents/runs.ts";
import { createDoor } from "./call.ts";
import { masterKeyIn } from "./connections/master-key.ts";
import { answerConnectPage } from "./connections/page.ts";
import { connectTwins } from "./connections/sandbox.ts";
import { createVault, type Vault } from "./connections/vault.ts";
import { openDatabase, type Database } from "./db/connect.ts";
import { startEmbeddedPostgres } from "./db/embedded.ts";
import { migrate, migrationState } from "./db/migrate.ts";
import type { Door } from "./door.ts";
import { didDocument } from "./identity/did.ts";
import { issuerDid } from "./identity/keys.ts";
import { createHub } from "./events/hub.ts";
import { createLeases } from "./execution/leases.ts";
import { recoverAbandoned } from "./execution/recover.ts";
import { createJobs } from "./jobs/jobs.ts";
import { applyNotification } from "./notifications/apply.ts";
import { receiveNotification } from "./notifications/receive.ts";
import { defaultLimits, type Limits, type Platform } from "./platform.ts";
import { closeIdleSessions } from "./sessions/sessions.ts";
import { SettingsError, type Settings } from "./settings.ts";
import { runLookup } from "./settlement/lookup.ts";
import { runCheckout } from "./shop/checkouts.ts";
import { StartError } from "./start-error.ts";
import { createGraphql } from "./surfaces/graphql/index.ts";
import { createHttp, type Http } from "./surfaces/http.ts";
import { directCallerOf } from "./surfaces/rest/request.ts";
import { createTrpc } from "./surfaces/trpc/index.ts";
import { databaseTwinStore, type TwinStepJob } from "./twins/store.ts";

export interface ServerOptions {
  settings: Settings;
  log: Logger;
  clock?: Clock;
  limits?: Partial<Limits>;
  providers?: readonly ProviderDefinition[];
  /** An open, migrated database instead of the settings' own. The caller closes it. */
  database?: Database;
  /** A test key that the database has to know: of a caller on this machine who was given none. */
  localKey?: string | undefined;
  /** Whether jobs and upkeep run by themselves. A test with a clock of its own runs them by hand. */
  background?: boolean;
}

export interface Server {
  platform: Platform;
  door: Door;
  http: Http;
  /** The twins of test mode; undefined when they are a process of their own. */
  twins: TwinHost | undefined;
  /** A test key made because the database was empty and no key was given. */
  madeKey: string | undefined;
  /** Makes it ready for calls through `door`, without a port. */
  open(): Promise<void>;
  /** The same, and on its port. */
  listen(): Promise<{ url: string; port: number }>;
  /** Runs every due job and all upkeep once. */
  settle(): Promise<void>;
  /** Drains within the time and lets go of everything it opened. */
  stop(): Promise<void>;
}

/** SIGTERM to exit, with streams open. */
export const DRAIN_MS = 8_000;
/** How long calls whose caller has gone may still take after that; what is then unfinished is recovered. */
const LAST_CALLS_MS = 800;
/** How often abandoned calls are looked for. */
const RECOVER_EVERY_MS = 2_000;
const IDLE_EVERY_MS = 60_000;
const PRUNE_EVERY_MS = 10 * 60_000;
/** How far back a stream can be resumed. */
const CHANGES_KEPT_MS = 7 * 24 * 60 * 60_000;

/** Throws SettingsError or StartError for what an operator can mend, with everything let go of. */
export async function createServer(options: ServerOptions): Promise<Server> {
  const vault = createVault(await masterKey(options.settings));
  const database = await openOwnDatabase(options);
  try {
    await vault.check(database.db.sql);
    return await assemble(options, database, vault);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function assemble(options: ServerOptions, database: OwnDatabase, vault: Vault): Promise<Server> {
  const { settings, log, clock = systemClock, providers = everyProvider, background = true } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { db } = database;
  const jobs = createJobs({ db, clock, log });
  const hub = createHub({ db, log });
  const leases = createLeases({ db, clock, leaseMs: limits.leaseMs });
  const { transport, twins, openTwinAccount, closeTransport } = await providersReach(options, { db, jobs, clock, send: (request) => http.fetch(request) });

  const platform: Platform = {
    db, clock, log, hub, jobs, leases, vault, providers, transport, openTwinAccount, limits,
    publicUrl: settings.PUBLIC_URL?.replace(/\/+$/, "") ?? `http://localhost:${settings.PORT}`,
    bounds: {
      ...defaultBounds, turns: settings.AGENT_TURNS_MAX, toolCalls: settings.AGENT_TOOL_CALLS_MAX, outputTokens: settings.AGENT_OUTPUT_TOKENS_MAX,
      inputTokens: settings.AGENT_INPUT_TOKENS_MAX, timeMs: settings.AGENT_SECONDS_MAX * 1000,
    },
    model: { apiKey: settings.ANTHROPIC_API_KEY, baseUrl: settings.ANTHROPIC_BASE_URL, model: settings.ANTHROPIC_MODEL },
  };
  jobs.handle("lookup", (job) => runLookup(platform, job));
  jobs.handle("checkout", (job) => runCheckout(platform, job));
  jobs.handle("notification", (job) => applyNotification(platform, job));
  jobs.handle("twin", async ({ payload }: { payload: TwinStepJob }) => twins?.run(payload.twin, payload.step as TwinStep));

  const door = createDoor(platform, { writes: settings.RATE_LIMIT_WRITES_PER_MINUTE, reads: settings.RATE_LIMIT_READS_PER_MINUTE });
  const stop = { watches: new AbortController(), sends: new AbortController() };
  const surface = {
    door, contextOf: directCallerOf, stop: { watches: stop.watches.signal, sends: stop.sends.signal },
    report: (error: unknown, requestId: string | undefined) => log.error({ err: error, requestId }, "a surface failed"),
  };
  const http = createHttp({
    door, clock, log, stop, corsOrigins: settings.CORS_ORIGINS, trustedHosts: ownHosts(settings),
    graphql: createGraphql({ ...surface, development: settings.NODE_ENV !== "production" }),
    trpc: createTrpc(surface),
    notifications: (request, params) => receiveNotification(platform, request, params),
    identities: { issuer: () => issuerDid(platform), document: (did) => didDocument(platform, did) },
    connectPage: (request, token) => answerConnectPage(platform, request, token),
    ready: () => readiness(db),
  });

  const keys = { test: settings.BOOTSTRAP_TEST_KEY, live: settings.BOOTSTRAP_LIVE_KEY, service: settings.BOOTSTRAP_SERVICE_KEY, local: options.localKey };
  const { madeKey } = await bootstrap(db, { keys, chargeAmountUnit: settings.CHARGE_AMOUNT_UNIT, now: clock.now() });
  await hub.start();
  const upkeep = background ? startUpkeep(platform) : undefined;
  if (background) jobs.start();
  const open = async () => {
    await connectTestProjects(platform);
    await vault.check(db.sql); // another process may have sealed something first, under a key that is not ours
  };

  return {
    platform, door, http, twins, madeKey, open,
    listen: async () => {
      const listening = await http.listen(settings.PORT, settings.HOST).catch((error: NodeJS.ErrnoException) => {
        throw unusableAddress(settings, error) ?? error;
      });
      platform.publicUrl = settings.PUBLIC_URL?.replace(/\/+$/, "") ?? listening.url;
      await open();
      return listening;
    },
    settle: async () => {
      await recoverAbandoned(platform);
      await closeIdleSessions(platform);
      await endLostRuns(platform);
      await jobs.runDue();
    },
    stop: async () => {
      await http.drain(DRAIN_MS);
      await leases.idle(LAST_CALLS_MS);
      await within(LAST_CALLS_MS, upkeep?.stop());
      await jobs.stop();
      await hub.stop();
      await within(LAST_CALLS_MS, closeTransport());
      await database.close();
    },
  };
}

/** The names under which this server is reached, where the settings say so. */
const ownHosts = ({ PUBLIC_URL, HOST }: Settings): string[] => [
  ...(PUBLIC_URL ? [new URL(PUBLIC_URL).hostname] : []),
  ...(EVERY_ADDRESS.includes(HOST) ? [] : [isIPv6(HOST) ? `[${HOST}]` : HOST]),
];

const EVERY_ADDRESS = ["0.0.0.0", "::"];

/** Waits for `work`, but no longer than this: a provider that takes its time must not hold up a stop. */
const within = (ms: number, work: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.race([work, new Promise((resolve) => setTimeout(resolve, ms).unref())]);

/** Serializes processes that start at once, lest each open accounts. The number only has to be ours. */
const CONNECT_LOCK = 72_002;

/** Test projects whose twins are not all connected yet: new ones, and old ones after a provider was added. */
export async function connectTestProjects(platform: Platform): Promise<void> {
  const lock = await platform.db.sql.reserve();
  try {
    await lock`select pg_advisory_lock(${CONNECT_LOCK})`;
    const projects = await lock<{ orgId: string; projectId: string }[]>`
      select org_id as "orgId", id as "projectId" from projects where environment = 'test'`;
    for (const project of projects) await connectTwins(platform, project);
  } finally {
    await lock`select pg_advisory_unlock(${CONNECT_LOCK})`;
    lock.release();
  }
}

/** For errors of an address that was set; undefined for any other error. */
function unusableAddress({ PORT, HOST }: Settings, { code = "" }: NodeJS.ErrnoException): SettingsError | undefined {
  const expected: Record<string, string> = {
    EADDRINUSE: `PORT: expected a free port; port ${PORT} of ${HOST} is in use. End the process that listens there, or choose another port. Example: PORT=0 (any free one)`,
    EACCES: `PORT: expected a port that this user may open; port ${PORT} is not. Example: PORT=4000`,
    EADDRNOTAVAIL: `HOST: expected an address of this machine; ${HOST} is not one. Example: HOST=0.0.0.0 (all of them)`,
    ENOTFOUND: `HOST: expected a name that has an address; ${HOST} has none. Example: HOST=0.0.0.0 (all addresses)`,
  };
  return expected[code] === undefined ? undefined : new SettingsError(expected[code]);
}

interface OwnDatabase {
  db: Database;
  close(): Promise<void>;
}

async function openOwnDatabase({ settings, database, log }: ServerOptions): Promise<OwnDatabase> {
  if (database) return { db: database, close: async () => {} };
  const say = (line: string) => log.info(line);
  const embedded = settings.DATABASE_URL === undefined ? await startEmbeddedPostgres({ dataDir: settings.DATA_DIR, log: say }) : undefined;
  const db = openDatabase({ url: settings.DATABASE_URL ?? embedded!.url });
  const close = async () => {
    await db.close();
    await embedded?.stop();
  };
  try {
    await db.sql`select 1`.catch((error: Error) => {
      throw new StartError(`The database cannot be reached: ${error.message}. Check that it runs and that DATABASE_URL is right.`, { cause: error });
    });
    await migrate(db, { log: say });
    return { db, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The key that seals stored credentials. Every process of a shared database must be given the same, so it is never made up for one. */
async function masterKey(settings: Settings): Promise<Uint8Array> {
  if (settings.MASTER_KEY) return Buffer.from(settings.MASTER_KEY, "base64");
  if (!settings.DATABASE_URL) return masterKeyIn(settings.DATA_DIR);
  throw new SettingsError("MASTER_KEY: expected 32 bytes in base64, the same at every start of every process that shares DATABASE_URL. Example: MASTER_KEY=the output of: openssl rand -base64 32");
}

interface ProvidersReach extends Pick<Platform, "transport" | "openTwinAccount"> {
  twins: TwinHost | undefined;
  closeTransport(): Promise<void>;
}

/** The one place that picks where requests go: a test call to the twin, a live call to the real host. */
async function providersReach(
  { settings }: ServerOptions,
  hosting: { db: Database; jobs: Platform["jobs"]; clock: Clock; send: Fetch },
): Promise<ProvidersReach> {
  const live = transportPool((certificate) => liveFetch(tlsOf(certificate)));
  if (settings.TWINS_URL) {
    const twinsUrl = settings.TWINS_URL;
    const twinsCa = await readTwinsCa(settings.TWINS_CA_FILE!);
    const toTwins = transportPool((certificate) => twinsFetch(twinsUrl, twinsCa, certificate));
    return {
      twins: undefined,
      transport: (environment, certificate) => (environment === "test" ? toTwins : live).for(certificate),
      openTwinAccount: (providerId, account) => openRemoteAccount(toTwins.for(), twinsUrl, providerId, account),
      closeTransport: async () => void (await Promise.all([live.close(), toTwins.close()])),
    };
  }
  const twins = hostTwins({
    twins: everyTwin, clock: hosting.clock, settleAfterMs: settings.TWIN_SETTLE_MS, send: hosting.send,
    storeFor: (id) => databaseTwinStore(hosting, id),
  });
  return {
    twins,
    transport: (environment, certificate) => (environment === "test" ? presenting(twins.fetch, certificate) : live.for(certificate)),
    openTwinAccount: (providerId, account) => twins.openAccount(providerId, account),
    closeTransport: () => live.close(),
  };
}

const readTwinsCa = (file: string): Promise<string> =>
  readFile(file, "utf8").catch(({ code }: NodeJS.ErrnoException) => {
    throw new SettingsError(`TWINS_CA_FILE: expected the file the twins process wrote its CA to; ${file} cannot be read (${code}). Example: TWINS_CA_FILE=.twins/ca.pem`);
  });

async function openRemoteAccount(
  toTwins: Fetch, twinsUrl: string, providerId: string, account: { webhookUrl: string },
): ReturnType<Platform["openTwinAccount"]> {
  const request = new Request(`${twinsUrl}/_twin/${providerId}/accounts`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(account),
  });
  const response = await toTwins(request);
  if (!response.ok) throw new Error(`the twins process answered ${response.status} for an account at ${providerId}`);
  return (await response.json()) as Awaited<ReturnType<Platform["openTwinAccount"]>>;
}

async function readiness(db: Database): Promise<{ ok: boolean; checks: Record<string, unknown> }> {
  try {
    const { pending } = await migrationState(db);
    return { ok: pending.length === 0, checks: { database: "ok", migrations: pending.length === 0 ? "ok" : { pending } } };
  } catch {
    return { ok: false, checks: { database: "unreachable" } };
  }
}

/** What must be done every so often by every process: signs of life, and picking up what dead processes left. */
function startUpkeep(platform: Platform): { stop(): Promise<void> } {
  const { log, leases, limits } = platform;
  const running = new Set<Promise<unknown>>();
  const every = (ms: number, name: string, task: () => Promise<unknown>) =>
    setInterval(() => {
      const run = task().catch((error: unknown) => log.error({ err: error }, `${name} failed`));
      running.add(run);
      void run.finally(() => running.delete(run));
    }, ms);
  const timers = [
    every(limits.leaseMs / 3, "renewing leases", () => leases.renew()),
    every(RECOVER_EVERY_MS, "recovering calls", () => recoverAbandoned(platform)),
    every(IDLE_EVERY_MS, "closing idle sessions", () => closeIdleSessions(platform)),
    every(PRUNE_EVERY_MS, "forgetting old changes", () => platform.hub.prune(new Date(platform.clock.now().getTime() - CHANGES_KEPT_MS))),
    every(IDLE_EVERY_MS, "ending lost runs", () => endLostRuns(platform)),
  ];
  return {
    stop: async () => {
      timers.forEach((timer) => clearInterval(timer));
      await Promise.all(running);
    },
  };
}
