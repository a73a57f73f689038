/** How providers have been doing: what the router skips, and what operators read. Only dispatches count, not declines. */
import { rails } from "../../providers/rails.ts";
import type { RailStatus } from "../../schema/rails.ts";
import type { z } from "zod";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import type { Database } from "../db/connect.ts";
import type { Platform } from "../platform.ts";

/** A provider is judged by its latest dispatches: this many, at most this old. */
const JUDGED_MAX = 20;
const JUDGED_WITHIN_MS = 5 * 60_000;
/** From this many failures on, and this share of them, it is passed over. */
const FAILURES_MIN = 5;
const FAILURE_SHARE = 0.5;

/** The providers of a project that are failing now. A failure is a request that never left, or got no readable answer. */
export async function degradedProviders(
  { db, now }: { db: Pick<Database, "sql">; now: Date },
  projectId: string,
  providers: readonly string[],
): Promise<Set<string>> {
  const since = new Date(now.getTime() - JUDGED_WITHIN_MS);
  const rows = await db.sql<{ provider: string }[]>`
    select wanted.provider from unnest(${providers as string[]}::text[]) as wanted(provider)
    cross join lateral (
      select count(*) filter (where recent.outcome in ('not_reached', 'unknown')) as failures, count(*) as attempts from (
        select outcome from dispatches d
        where d.project_id = ${projectId} and d.provider = wanted.provider and d.started_at > ${since} and d.outcome is not null
        order by d.started_at desc limit ${JUDGED_MAX}) as recent) as judged
    where judged.failures >= ${FAILURES_MIN}::int and judged.failures >= ${FAILURE_SHARE}::float8 * judged.attempts`;
  return new Set(rows.map(({ provider }) => provider));
}

interface Tally {
  provider: string;
  rail: string;
  attempts: number;
  successes: number;
  p50_ms: number | null;
  last_error: string | null;
  last_attempt_at: Date | null;
}

/** Every rail with its connection and the last 24 hours. */
export async function railStatuses(platform: Platform, principal: Principal, tool?: string): Promise<z.output<typeof RailStatus>[]> {
  const { db, clock } = platform;
  const now = clock.now();
  const since = new Date(now.getTime() - 24 * 60 * 60_000);
  const [tallies, connections, degraded] = await Promise.all([
    db.sql<Tally[]>`
      select provider, rail, count(*)::int as attempts, count(*) filter (where outcome in ('accepted', 'declined'))::int as successes,
             percentile_disc(0.5) within group (order by duration_ms)::int as p50_ms,
             (array_agg(error order by started_at desc) filter (where error is not null))[1] as last_error, max(started_at) as last_attempt_at
      from dispatches where project_id = ${principal.projectId} and started_at > ${since} group by provider, rail`,
    listConnected(platform, principal.projectId),
    degradedProviders({ db, now }, principal.projectId, rails.map((rail) => rail.provider)),
  ]);
  const connected = new Set(connections.map((connection) => connection.serverId));
  return rails.filter((rail) => tool === undefined || rail.tool === tool).map((rail) => {
    const tally = tallies.find((each) => each.provider === rail.provider && each.rail === rail.id);
    return {
      id: rail.id, tool: rail.tool, method: rail.method, currencies: [...(rail.currencies ?? [])], country: rail.country,
      provider: rail.provider, priority: rail.priority, connected: connected.has(rail.provider),
      health: degraded.has(rail.provider) ? "degraded" as const : tally ? "healthy" as const : "untried" as const,
      attempts: tally?.attempts ?? 0, successes: tally?.successes ?? 0, p50_ms: tally?.p50_ms ?? null,
      last_error: tally?.last_error ?? null, last_attempt_at: tally?.last_attempt_at ?? null,
    };
  });
}
