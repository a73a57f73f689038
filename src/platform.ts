/** What every subject of the server works with. Built once in `server.ts`; a test builds it with a clock it can move. */
import type { Logger } from "pino";
import type { ClientCertificate } from "../providers/client-certificate.ts";
import type { Fetch, ProviderDefinition } from "../providers/provider.ts";
import type { Clock } from "../schema/clock.ts";
import type { Environment } from "../schema/tool-calls.ts";
import type { Bounds } from "../agent/bounds.ts";
import type { ModelOptions } from "../agent/model.ts";
import type { Vault } from "./connections/vault.ts";
import type { Database } from "./db/connect.ts";
import type { Hub } from "./events/hub.ts";
import type { Leases } from "./execution/leases.ts";
import type { Jobs } from "./jobs/jobs.ts";

export interface Platform {
  db: Database;
  clock: Clock;
  log: Logger;
  hub: Hub;
  jobs: Jobs;
  leases: Leases;
  vault: Vault;
  providers: readonly ProviderDefinition[];
  /** The one place that decides where a provider's requests go: its twin in test, its real host in live; with the certificate given. */
  transport(environment: Environment, certificate?: ClientCertificate): Fetch;
  /** Opens an account at a provider's twin. Test projects only. */
  openTwinAccount(providerId: string, account: { webhookUrl: string }): Promise<TwinAccountOpened>;
  /** Where providers reach us: `http://localhost:4000`. */
  publicUrl: string;
  model: ModelOptions;
  /** How much one agent run may do. */
  bounds: Bounds;
  limits: Limits;
}

export interface TwinAccountOpened {
  credentials: Record<string, string>;
  settings: Record<string, string>;
  webhookSecret: string;
}

/** Bounds that tests shorten. Each says what it bounds. */
export interface Limits {
  /** How long a repeat waits for the first call under its key (C-54). */
  inFlightWaitMs: number;
  /** For how long a claim is trusted to be worked on without a sign of life. */
  leaseMs: number;
  /** A provider that has not heard of a request is believed only this long after the request left. */
  notFoundBelievedAfterMs: number;
  /** How long a tool whose answer is a document waits for it: an NFS-e, a label. */
  settleWaitMs: number;
}

export const defaultLimits: Limits = {
  inFlightWaitMs: 10_000,
  leaseMs: 30_000,
  notFoundBelievedAfterMs: 60_000,
  settleWaitMs: 8_000,
};
