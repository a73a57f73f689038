/**
 * Which provider serves a call, and why. A pure function over what was read: rail rows, connections, recent health.
 * Failover happens here, when a provider is chosen, and never after a request may have reached one (contradiction C-02).
 */
import { rails, type Rail } from "../../providers/rails.ts";
import { Failure } from "../../schema/failures.ts";
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import type { Currency } from "../../schema/money.ts";
import type { Environment } from "../../schema/tool-calls.ts";

/** What a call needs of a rail. */
export interface RailNeed {
  tool: MetaToolName;
  method: string;
  currency?: Currency | undefined;
  country?: string | undefined;
  /** Named by the caller: only this one, or none. */
  provider?: string | undefined;
}

/** One line of the explanation kept with the call. */
export interface Candidate {
  provider: string;
  rail: string;
  rank: number;
  verdict: "chosen" | "next" | "skipped";
  reason: string;
}

export interface Route {
  /** The chosen one first; the rest may be tried only when nothing left this machine. */
  ranked: { rail: Rail; connectionId: string }[];
  routing: Candidate[];
  /** Providers passed over before dispatch. */
  failoverTrail: Candidate[];
}

export interface RouterView {
  /** Connection id by provider. */
  connected: ReadonlyMap<string, string>;
  degraded: ReadonlySet<string>;
  known: readonly string[];
  environment: Environment;
}

/**
 * Ranks the rail's providers: connected and healthy ones in the order of the rail table, degraded ones only when no other is left.
 *
 * throws  rail_unavailable, provider_unknown, provider_not_on_rail, provider_not_connected, no_eligible_providers
 */
export function chooseRoute(need: RailNeed, view: RouterView): Route {
  const rows = rowsFor(need, view.environment);
  if (need.provider !== undefined) return forced(need, need.provider, rows, view);
  const connected = rows.filter((row) => view.connected.has(row.provider));
  if (connected.length === 0)
    throw new Failure("no_eligible_providers", { rail: label(need), reason: `connect one of ${names(rows)}` }, { retryAfterSeconds: 60 });
  const healthy = connected.filter((row) => !view.degraded.has(row.provider));
  const usable = healthy.length > 0 ? healthy : connected;
  const explained = rows.map((rail): Candidate => {
    const rank = usable.indexOf(rail);
    const base = { provider: rail.provider, rail: rail.id, rank };
    if (rank === 0) return { ...base, verdict: "chosen", reason: healthy.length > 0 ? `priority ${rail.priority} of the rail, connected` : "degraded, but no other is connected" };
    if (rank > 0) return { ...base, verdict: "next", reason: `priority ${rail.priority} of the rail, connected` };
    return { ...base, verdict: "skipped", reason: view.connected.has(rail.provider) ? "degraded: its recent requests failed" : "not connected" };
  });
  return {
    ranked: usable.map((rail) => ({ rail, connectionId: view.connected.get(rail.provider)! })),
    routing: explained,
    failoverTrail: explained.filter((candidate, index) =>
      candidate.verdict === "skipped" && index < explained.findIndex(({ verdict }) => verdict === "chosen")),
  };
}

function forced(need: RailNeed, provider: string, rows: readonly Rail[], view: RouterView): Route {
  if (!view.known.includes(provider))
    throw new Failure("provider_unknown", { field: "provider", provider, known: [...view.known], expected: "the id of a provider" });
  const rail = rows.find((row) => row.provider === provider);
  if (!rail)
    throw new Failure("provider_not_on_rail", { field: "provider", provider, rail: label(need), providers: rows.map((row) => row.provider) });
  refuseLive(need, rail, view.environment);
  const connectionId = view.connected.get(provider);
  if (!connectionId) throw new Failure("provider_not_connected", { field: "provider", provider });
  const chosen: Candidate = { provider, rail: rail.id, rank: 0, verdict: "chosen", reason: "named by the caller" };
  return { ranked: [{ rail, connectionId }], routing: [chosen], failoverTrail: [] };
}

/** The rows that could serve the need, in the order of the table. */
function rowsFor(need: RailNeed, environment: Environment): readonly Rail[] {
  const ofTool = rails.filter((rail) => rail.tool === need.tool);
  const ofMethod = ofTool.filter((rail) => rail.method === need.method);
  if (ofMethod.length === 0)
    throw new Failure("rail_unavailable", { rail: label(need), reason: `this server routes ${list(ofTool.map((rail) => rail.method))} for ${need.tool}` });
  const fitting = ofMethod.filter((rail) =>
    (!need.currency || !rail.currencies || rail.currencies.includes(need.currency)) && (!need.country || rail.country === "INTL" || rail.country === need.country));
  if (fitting.length === 0)
    throw new Failure("rail_unavailable", {
      rail: label(need), reason: `${need.method} settles in ${list(ofMethod.flatMap((rail) => rail.currencies ?? []))} (${list(ofMethod.map((rail) => rail.country))})`,
    });
  const served = fitting.filter((rail) => environment === "test" || rail.refusedLive === undefined || need.provider !== undefined);
  if (served.length === 0) refuseLive(need, fitting[0]!, environment);
  return served.toSorted((a, b) => a.priority - b.priority);
}

/** Throws rail_unavailable for a row that only test mode can serve. */
function refuseLive(need: RailNeed, rail: Rail, environment: Environment): void {
  if (environment === "live" && rail.refusedLive !== undefined)
    throw new Failure("rail_unavailable", { rail: label(need), reason: `${rail.provider} cannot serve it live: ${rail.refusedLive}` });
}

const label = ({ tool, method, currency }: RailNeed): string => [tool, method, currency].filter(Boolean).join(" ");
const list = (values: readonly string[]): string => [...new Set(values)].join(", ");
const names = (rows: readonly Rail[]): string => list(rows.map((row) => row.provider));
