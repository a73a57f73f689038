/** A TwinStore in the server's database, for test mode in process: a restart of the server does not make a provider forget. */
import type { TwinStep, TwinStore } from "../../providers/twin.ts";
import { transaction, type Database } from "../db/connect.ts";
import type { Clock } from "../../schema/clock.ts";
import type { Jobs } from "../jobs/jobs.ts";

/** Jobs need a tenant; a provider serves them all. */
const NO_TENANT = { orgId: "-", projectId: "-" };

export interface TwinStepJob {
  twin: string;
  step: TwinStep;
}

export function databaseTwinStore({ db, jobs, clock }: { db: Database; jobs: Jobs; clock: Clock }, twin: string): TwinStore {
  const { sql } = db;
  return {
    get: async <Value>(key: string) => {
      const [row] = await sql<{ value: Value }[]>`select value from twin_values where twin = ${twin} and key = ${key}`;
      return row?.value;
    },
    put: async (key, value) => {
      await sql`
        insert into twin_values (twin, key, value) values (${twin}, ${key}, ${sql.json(value as never)})
        on conflict (twin, key) do update set value = excluded.value`;
    },
    update: <Value>(key: string, change: (value: Value) => Value) =>
      transaction(db, async (tx) => {
        const [row] = await tx<{ value: Value }[]>`select value from twin_values where twin = ${twin} and key = ${key} for update`;
        if (!row) return undefined;
        const changed = change(row.value);
        await tx`update twin_values set value = ${tx.json(changed as never)} where twin = ${twin} and key = ${key}`;
        return changed;
      }),
    list: async <Value>(prefix: string) => {
      const rows = await sql<{ value: Value }[]>`
        select value from twin_values where twin = ${twin} and starts_with(key, ${prefix}) order by key`;
      return rows.map((row) => row.value);
    },
    next: async (counter) => {
      const [row] = await sql<{ value: bigint }[]>`
        insert into twin_counters (twin, counter, value) values (${twin}, ${counter}, 1)
        on conflict (twin, counter) do update set value = twin_counters.value + 1 returning value`;
      return Number(row!.value);
    },
    schedule: async (step, at) => {
      await jobs.add(sql, { ...NO_TENANT, kind: "twin", payload: { twin, step } satisfies TwinStepJob, runAt: at });
      if (at <= clock.now()) jobs.kick();
    },
  };
}
