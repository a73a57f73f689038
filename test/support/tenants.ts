/** Organizations of their own inside one app: many runs begin in equal, fresh state without a database each. */
import type { OperationName, Operations } from "../../schema/index.ts";
import { newId } from "../../schema/ids.ts";
import type { Wire } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import { hashKey, newKey, shownPrefix } from "../../src/access/keys.ts";
import { sandboxMerchant, type ProjectSettings } from "../../src/access/projects.ts";
import { connectTwins } from "../../src/connections/sandbox.ts";
import type { App } from "./app.ts";

/** A project with a key of its own. */
export interface Tenant {
  readonly orgId: string;
  readonly projectId: string;
  readonly key: string;
  /** Calls the contract itself with the tenant's key. */
  call<Name extends OperationName>(name: Name, input: unknown): Promise<Wire<Operations[Name]["output"]>>;
  /** An active session; `input` adds to how it is opened. */
  session(input?: object): Promise<string>;
  run(tool: string, input: object): Promise<Wire<Operations["tools.execute"]["output"]>>;
  /** A further key of this project. */
  addKey(options: { scopes?: readonly string[]; revoked?: boolean }): Promise<string>;
  /** Another project of the same organization. */
  neighbour(environment?: Environment, settings?: ProjectSettings): Promise<Tenant>;
}

/** A test project, every twin (or those of `servers`) connected, in an organization of its own. Two of them differ in ids and keys alone. */
export async function newTenant(app: App, servers?: readonly string[]): Promise<Tenant> {
  const now = app.clock.now();
  const orgId = newId("organization", now);
  await app.platform.db.sql`insert into organizations (id, name, created_at) values (${orgId}, 'Tenant', ${now})`;
  return newProject(app, { orgId, environment: "test", number: 1, settings: { merchant: sandboxMerchant }, servers });
}

interface ProjectSpec {
  orgId: string;
  environment: Environment;
  /** Which one of its organization. */
  number: number;
  settings: ProjectSettings;
  /** Whose twins are connected; all of them unless told. */
  servers?: readonly string[] | undefined;
}

async function newProject(app: App, { orgId, environment, number, settings, servers }: ProjectSpec): Promise<Tenant> {
  const { sql } = app.platform.db;
  const now = app.clock.now();
  const projectId = newId("project", now);
  await sql`
    insert into projects (org_id, id, name, slug, environment, is_default, settings, created_at)
    values (${orgId}, ${projectId}, ${`Project ${number}`}, ${`project-${number}`}, ${environment}, ${number === 1},
      ${sql.json(settings as never)}, ${now})`;
  if (environment === "test") await connectInOrder(app, { orgId, projectId }, servers);

  const addKey: Tenant["addKey"] = async ({ scopes = ["*"], revoked = false }) => {
    const key = newKey(environment);
    await sql`
      insert into api_keys (org_id, project_id, id, name, prefix, hash, environment, scopes, created_at, revoked_at)
      values (${orgId}, ${projectId}, ${newId("apiKey", now)}, 'Key', ${shownPrefix(key)}, ${hashKey(key)},
        ${environment}, ${[...scopes]}, ${now}, ${revoked ? now : null})`;
    return key;
  };
  const key = await addKey({});
  const call: Tenant["call"] = (name, input) => app.door.call(name, input, app.context({ credential: key }));
  const session: Tenant["session"] = async (input) =>
    (await call("sessions.create", { user_id: "maria", ...input })).id;
  let projects = number;
  return {
    orgId, projectId, key, addKey, call, session,
    run: async (tool, input) => call("tools.execute", { session_id: await session(), tool, input }),
    neighbour: (other = "test", its = { merchant: sandboxMerchant }) =>
      newProject(app, { orgId, environment: other, number: (projects += 1), settings: its, servers }),
  };
}

/** One a millisecond: lists of connections are in the order of their ids, which within one is left to chance. */
async function connectInOrder({ platform }: App, project: { orgId: string; projectId: string }, servers?: readonly string[]): Promise<void> {
  const { clock } = platform;
  const providers = platform.providers.filter(({ id }) => servers?.includes(id) ?? true);
  for (const [index, provider] of providers.entries()) {
    const at = new Date(clock.now().getTime() - providers.length + index);
    const then = { now: () => at, sleep: (ms: number) => clock.sleep(ms) };
    await connectTwins({ ...platform, clock: then, providers: [provider] }, project);
  }
}
