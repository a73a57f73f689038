/** When a provider is asked about a call again. The questions themselves are in `lookup.ts`. */
import type { TransactionSql } from "../db/connect.ts";
import type { Platform } from "../platform.ts";

export interface LookupPayload {
  toolCallId: string;
  /** `unknown`: did it happen at all? `follow`: it was accepted; what became of it, should its webhook be lost? */
  purpose: "unknown" | "follow";
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits before each question. An unknown outcome is asked about until it is known, at the last wait; the rest end with it. */
export const waits = {
  unknown: { ms: [2 * SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR], forEver: true },
  follow: { ms: [10 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR, 168 * HOUR], forEver: false },
} as const satisfies Record<LookupPayload["purpose"], { ms: readonly number[]; forEver: boolean }>;

/** Queues questions about a call, in the transaction that learned they are needed. */
export async function scheduleLookup(
  { jobs, clock }: Platform,
  tx: TransactionSql,
  call: { orgId: string; projectId: string; id: string },
  purpose: LookupPayload["purpose"],
): Promise<void> {
  const payload: LookupPayload = { toolCallId: call.id, purpose };
  const runAt = new Date(clock.now().getTime() + waits[purpose].ms[0]!);
  await jobs.add(tx, { orgId: call.orgId, projectId: call.projectId, kind: "lookup", key: `${call.id}.${purpose}`, payload, runAt });
}
