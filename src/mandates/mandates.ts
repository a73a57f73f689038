/** Mandates as their readers see them, and the three ways to stop or resume one. */
import type { z } from "zod";
import { Failure } from "../../schema/failures.ts";
import type { listMandates as listOperation, Mandate, MandateStatus } from "../../schema/mandates.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Principal } from "../access/keys.ts";
import type { Platform } from "../platform.ts";
import { cursorId, page } from "../pages.ts";
import { statusAt, windowStarts } from "./decide.ts";
import { readStatement } from "./statement.ts";
import type { mandates } from "./tables.ts";

type Row = typeof mandates.$inferSelect & {
  slots: { currency: string; used: string; day: string; month: string; source: string }[];
};

/** Throws mandate_not_found, another project's too. */
export async function getMandate(platform: Platform, principal: Pick<Principal, "projectId">, id: string): Promise<Mandate> {
  const [row] = await read(platform, principal, platform.db.sql`and m.id = ${id}`);
  if (!row) throw new Failure("mandate_not_found", { field: "mandate_id", mandateId: id });
  return toMandate(row, platform.clock.now());
}

export async function listMandates(
  platform: Platform,
  principal: Principal,
  { consumer_id, agent_id, status, limit, before }: Domain<(typeof listOperation)["input"]>,
): Promise<{ mandates: Mandate[]; next_before: string | null }> {
  const { sql } = platform.db;
  const cursor = cursorId("mandate", before);
  const now = platform.clock.now();
  const rows = await read(platform, principal, sql`
    ${consumer_id === undefined ? sql`` : sql`and m.consumer_id = ${consumer_id}`}
    ${agent_id === undefined ? sql`` : sql`and m.agent_id = ${agent_id}`}
    ${status === undefined ? sql`` : sql`and ${status} = case when m.status <> 'revoked' and m.expires_at <= ${now} then 'expired' else m.status end`}
    ${cursor === undefined ? sql`` : sql`and m.id < ${cursor}`}
    order by m.id desc limit ${limit + 1}`);
  const { rows: kept, next_before } = page(rows, limit);
  return { mandates: kept.map((row) => toMandate(row, now)), next_before };
}

type Where = ReturnType<Platform["db"]["sql"]>;

async function read({ db, clock }: Platform, { projectId }: Pick<Principal, "projectId">, where: Where): Promise<Row[]> {
  const { day, month } = windowStarts(clock.now());
  return db.sql<Row[]>`
    select m.org_id as "orgId", m.project_id as "projectId", m.id, m.environment, m.consumer_id as "consumerId", m.agent_id as "agentId", m.status, m.statement,
      m.signatures, m.token, m.uses, m.created_at as "createdAt", m.expires_at as "expiresAt",
      (select coalesce(json_agg(json_build_object('currency', s.currency, 'used', s.used_minor::text, 'source', s.funding_source_id,
          'day', coalesce(w.day, 0)::text, 'month', coalesce(w.month, 0)::text)), '[]')
        from mandate_slots s left join lateral (
          select sum(u.amount_minor) filter (where u.used_at >= ${day}) as day, sum(u.amount_minor) as month from mandate_uses u
          where u.project_id = s.project_id and u.mandate_id = s.mandate_id and u.currency = s.currency and u.used_at >= ${month} and u.state <> 'released') w on true
        where s.project_id = m.project_id and s.mandate_id = m.id) as slots
    from mandates m where m.project_id = ${projectId} ${where}`;
}

function toMandate(row: Row, now: Date): Mandate {
  const statement = readStatement(row.statement);
  const usedOf = (currency: string) => row.slots.find((slot) => slot.currency === currency)!;
  return {
    id: row.id, consumer_id: row.consumerId, agent_id: row.agentId, agent_did: statement.agent.did, environment: row.environment,
    status: statusAt(statement, row.status, now), purpose: statement.purposes.join(", "), payees: statement.payees,
    slots: statement.slots.map(({ currency, rail, cap_minor, per_tx_cap_minor, periodic_cap: periodic }) => {
      const { used, ...window } = usedOf(currency);
      return {
        currency, rail, cap_minor, per_tx_cap_minor, spent_minor: BigInt(used), available_minor: cap_minor - BigInt(used),
        periodic_cap: periodic ? { ...periodic, spent_minor: BigInt(window[periodic.window]) } : null,
      };
    }),
    funding_source_ids: row.slots.map(({ source }) => source), statement: row.statement, signatures: row.signatures, token: row.token,
    created_at: row.createdAt, expires_at: row.expiresAt,
  };
}

/** From which states each verb leads on; in its own state it changes nothing. */
const transitions = {
  pause: { to: "paused", from: ["active"] },
  resume: { to: "active", from: ["paused"] },
  revoke: { to: "revoked", from: ["active", "paused"] },
} as const satisfies Record<string, { to: z.output<typeof MandateStatus>; from: readonly string[] }>;

/** Throws mandate_not_found, mandate_transition_invalid. Whoever spends holds the row, so a spend is before this or refused. */
export async function changeMandate(
  platform: Platform, principal: Principal, verb: keyof typeof transitions, id: string,
): Promise<{ mandate: Mandate; changed: boolean }> {
  const { to, from } = transitions[verb];
  const changed = await platform.db.sql`
    update mandates set status = ${to} where project_id = ${principal.projectId} and id = ${id} and status = any(${from as unknown as string[]}::text[]) returning 1`;
  const mandate = await getMandate(platform, principal, id);
  const isThere = mandate.status === to || (mandate.status === "expired" && changed.length > 0);
  if (!isThere) throw new Failure("mandate_transition_invalid", { mandateId: id, status: mandate.status, wanted: to });
  return { mandate, changed: changed.length > 0 };
}
