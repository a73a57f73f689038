/** The first organization of an empty database: its test and live projects, and the keys that open them. */
import { newId } from "../../schema/ids.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import { transaction, type Database, type TransactionSql } from "../db/connect.ts";
import { insertKey, newKey } from "./keys.ts";
import { insertProject, sandboxMerchant, type ProjectSettings } from "./projects.ts";

export interface BootstrapKeys {
  test?: string | undefined;
  live?: string | undefined;
  service?: string | undefined;
  /** A test key of this machine: the first one where no other is given, and added to a database that never knew it. */
  local?: string | undefined;
}

export interface BootstrapResult {
  /** The projects whose twins are to be connected: those of the test environment. */
  testProjects: { orgId: string; projectId: string }[];
  /** A key made here because none was given: it is shown once and kept as a hash. */
  madeKey?: string;
}

/** Serializes first starts of several processes. The number only has to be ours. */
const BOOTSTRAP_LOCK = 72_001;

/**
 * Creates the first organization when there is none. Given keys are created with it; without them a test key is made.
 * On a database that has one already it only states the unit of charges where none was stated, and adds a service key or a key
 * of this machine that it never knew: the operator's ways in. One that was revoked stays so, and no other key is added.
 */
export async function bootstrap(
  db: Database,
  options: { keys: BootstrapKeys; chargeAmountUnit?: "minor" | "major" | undefined; now: Date },
): Promise<BootstrapResult> {
  return transaction(db, async (tx) => {
    await tx`select pg_advisory_xact_lock(${BOOTSTRAP_LOCK})`;
    const [existing] = await tx<{ id: string }[]>`select id from organizations order by id limit 1`;
    if (!existing) return createFirst(tx, options);
    if (options.keys.service) await addServiceKey(tx, { orgId: existing.id, key: options.keys.service, now: options.now });
    if (options.keys.local) await addLocalKey(tx, { orgId: existing.id, key: options.keys.local, now: options.now });
    if (options.chargeAmountUnit) await stateUnit(tx, options.chargeAmountUnit);
    return { testProjects: [] };
  });
}

/** A unit once stated stays: to read the same number another way would charge a hundred times as much, or as little. */
async function stateUnit(tx: TransactionSql, unit: "minor" | "major"): Promise<void> {
  await tx`
    update projects set settings = settings || ${tx.json({ chargeAmountUnit: unit })}::jsonb
    where is_default and not jsonb_exists(settings, 'chargeAmountUnit')`;
}

async function createFirst(
  tx: TransactionSql,
  { keys, chargeAmountUnit, now }: Parameters<typeof bootstrap>[1],
): Promise<BootstrapResult> {
  const orgId = newId("organization", now);
  await tx`insert into organizations (id, name, created_at) values (${orgId}, 'My organization', ${now})`;
  const unit = chargeAmountUnit && { chargeAmountUnit };
  const test = await createProject(tx, { orgId, environment: "test", settings: { merchant: sandboxMerchant, ...unit }, now });
  const live = await createProject(tx, { orgId, environment: "live", settings: { ...unit }, now });

  const madeKey = keys.test || keys.live || keys.service || keys.local ? undefined : newKey("test");
  const testKey = keys.test ?? keys.local ?? madeKey;
  if (testKey) await addProjectKey(tx, { orgId, projectId: test, environment: "test", key: testKey, name: "First test key", now });
  if (keys.live) await addProjectKey(tx, { orgId, projectId: live, environment: "live", key: keys.live, name: "First live key", now });
  if (keys.service) await addServiceKey(tx, { orgId, key: keys.service, now });
  return { testProjects: [{ orgId, projectId: test }], ...(madeKey && { madeKey }) };
}

async function createProject(
  tx: TransactionSql,
  project: { orgId: string; environment: Environment; settings: ProjectSettings; now: Date },
): Promise<string> {
  const id = newId("project", project.now);
  await insertProject(tx, { ...project, id, name: `Default (${project.environment})`, slug: project.environment });
  return id;
}

const addProjectKey = (
  tx: TransactionSql,
  row: { orgId: string; projectId: string; environment: Environment; key: string; name: string; now: Date },
) => insertKey(tx, { ...row, scopes: ["*"] });

const addServiceKey = (tx: TransactionSql, row: { orgId: string; key: string; now: Date }) =>
  insertKey(tx, { ...row, projectId: null, environment: null, name: "Service key", scopes: ["*"] });

async function addLocalKey(tx: TransactionSql, { orgId, key, now }: { orgId: string; key: string; now: Date }): Promise<void> {
  const [project] = await tx<{ id: string }[]>`
    select id from projects where org_id = ${orgId} and environment = 'test' and is_default order by id limit 1`;
  if (project) await addProjectKey(tx, { orgId, projectId: project.id, environment: "test", key, name: "Key of this machine", now });
}
