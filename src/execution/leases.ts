/** Signs of life: while this process works on calls, their leases are renewed, so that no other takes them over. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../schema/clock.ts";
import type { Database } from "../db/connect.ts";

export interface Leases {
  /** Keeps the lease of a call for as long as `work` takes. */
  during<Result>(toolCallId: string, work: () => Promise<Result>): Promise<Result>;
  renew(): Promise<void>;
  /** Waits until no call is worked on, or the time is up: a caller may have gone while its call is still under way. */
  idle(withinMs: number): Promise<void>;
}

const IDLE_LOOK_MS = 20;

export function createLeases({ db, clock, leaseMs }: { db: Database; clock: Clock; leaseMs: number }): Leases {
  const held = new Set<string>();
  return {
    during: async (toolCallId, work) => {
      held.add(toolCallId);
      try {
        return await work();
      } finally {
        held.delete(toolCallId);
      }
    },
    idle: async (withinMs) => {
      for (let waitedMs = 0; held.size > 0 && waitedMs < withinMs; waitedMs += IDLE_LOOK_MS) await sleep(IDLE_LOOK_MS);
    },
    renew: async () => {
      if (held.size === 0) return;
      await db.sql`
        update tool_calls set lease_until = ${new Date(clock.now().getTime() + leaseMs)}
        where id = any(${[...held]}) and status = 'running' and outcome is null`;
    },
  };
}
