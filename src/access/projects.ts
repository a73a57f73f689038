/** Projects: made, listed and changed; what each has chosen for itself, and the merchant it acts for. */
import { and, desc, eq, sql } from "drizzle-orm";
import postgres from "postgres";
import type { z } from "zod";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { ToolSet } from "../../schema/meta-tools/index.ts";
import type { AmountUnit } from "../../schema/money.ts";
import type { Domain } from "../../schema/operation.ts";
import {
  reservedSlugs, SLUG_CHARS_MAX, type createProject as createProjectOperation, type listProjects as listProjectsOperation,
  type Project, type ProjectSettings as WireSettings, type updateProject as updateProjectOperation,
} from "../../schema/projects.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import { connectTwins } from "../connections/sandbox.ts";
import { transaction, type Sql, type TransactionSql } from "../db/connect.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import type { Principal } from "./keys.ts";
import { projects } from "./tables.ts";

export interface ProjectSettings {
  /** In which unit this project writes charge amounts. Unset is minor in test and a refusal in live (C-61). */
  chargeAmountUnit?: z.infer<typeof AmountUnit>;
  /** Whether the next provider is tried when nothing left this machine (C-02). Off unless switched on. */
  failoverWhenNotReached?: boolean;
  /** Binds direct calls of providers' own tools to the session's servers, as agents and MCP always are (C-56). */
  strictServers?: boolean;
  /** Which meta-tools models and sessions are shown; the nine unless told. */
  toolSet?: ToolSet | undefined;
  merchant?: Merchant;
}

/** The company a project acts for: what a request may leave out is taken from here. */
export interface Merchant {
  name: string;
  taxId: string;
  city: string;
  sender: { postal_code: string; name: string; document: string; phone: string; line_1: string; number: string; city: string; state: string };
  defaultService: { description: string; serviceCode: string };
  defaultParcel: { weight_g: number; width_cm: number; height_cm: number; length_cm: number };
}

/** The sandbox's merchant, so that a plain sentence is a complete request. CNPJ and address are sample values. */
export const sandboxMerchant: Merchant = {
  name: "Loja Exemplo Ltda",
  taxId: "11222333000181",
  city: "Sao Paulo",
  sender: {
    postal_code: "04538132", name: "Loja Exemplo Ltda", document: "11222333000181", phone: "+551130000000",
    line_1: "Avenida Brigadeiro Faria Lima", number: "3477", city: "Sao Paulo", state: "SP",
  },
  defaultService: { description: "Serviços prestados", serviceCode: "2690" },
  defaultParcel: { weight_g: 300, width_cm: 11, height_cm: 6, length_cm: 16 },
};

type ProjectRow = typeof projects.$inferSelect;

/**
 * A test project's twins are connected before it exists, so none is ever seen half connected.
 *
 * throws  service_key_required, slug_invalid, slug_reserved or slug_conflict
 */
export async function createProject(
  platform: Platform,
  principal: Principal,
  { name, slug, environment = principal.environment }: Domain<(typeof createProjectOperation)["input"]>,
): Promise<Project> {
  const { db, clock } = platform;
  requireServiceKey(principal, { what: "create projects" });
  checkSlug(slug);
  const { orgId } = principal;
  const [taken] = await db.sql`select 1 from projects where org_id = ${orgId} and slug = ${slug}`;
  if (taken) throw new Failure("slug_conflict", { field: "slug", slug });
  const now = clock.now();
  const id = newId("project", now);
  if (environment === "test") await connectTwins(platform, { orgId, projectId: id });
  const settings: ProjectSettings = environment === "test" ? { merchant: sandboxMerchant } : {};
  const created = await uniqueSlug(slug, () => insertProject(db.sql, { orgId, id, name, slug, environment, settings, now }));
  return { id, org_id: orgId, name, slug, is_default: created.isDefault, environment, settings: toWire(settings), created_at: now };
}

/** The first project of its environment is the default one. */
export async function insertProject(
  sql: Sql | TransactionSql,
  row: { orgId: string; id: string; name: string; slug: string; environment: Environment; settings: ProjectSettings; now: Date },
): Promise<{ isDefault: boolean }> {
  const [inserted] = await sql<{ is_default: boolean }[]>`
    insert into projects (org_id, id, name, slug, environment, is_default, settings, created_at)
    values (${row.orgId}, ${row.id}, ${row.name}, ${row.slug}, ${row.environment},
            not exists (select 1 from projects where org_id = ${row.orgId} and environment = ${row.environment} and is_default),
            ${sql.json(row.settings as never)}, ${row.now})
    returning is_default`;
  return { isDefault: inserted!.is_default };
}

/** Ids of projects are chance, so pages are in the order of creation. */
export async function listProjects(
  { db }: Platform,
  principal: Principal,
  { limit, before }: Domain<(typeof listProjectsOperation)["input"]>,
): Promise<{ projects: Project[]; next_before: string | null }> {
  const cursor = cursorId("project", before);
  const rows = await db.orm.select().from(projects)
    .where(and(
      known(principal),
      cursor === undefined
        ? undefined
        : sql`(${projects.createdAt}, ${projects.id}) < (select created_at, id from projects where org_id = ${principal.orgId} and id = ${cursor})`,
    ))
    .orderBy(desc(projects.createdAt), desc(projects.id)).limit(limit + 1);
  const { rows: kept, next_before } = page(rows, limit);
  return { projects: kept.map(toProject), next_before };
}

/** Throws project_not_found, for another's too. */
export async function getProject(platform: Platform, principal: Principal, id: string): Promise<Project> {
  return toProject(await findProject(platform, principal, id));
}

/** throws  project_not_found, service_key_required, environment_immutable, slug_invalid, slug_reserved or slug_conflict */
export async function updateProject(
  platform: Platform,
  principal: Principal,
  { project_id: id, environment, ...change }: Domain<(typeof updateProjectOperation)["input"]>,
): Promise<Project> {
  const project = await findProject(platform, principal, id);
  if (environment === undefined && Object.keys(change).length === 0)
    throw new Failure("validation_failed", { problem: "there is nothing to change", expected: "name, slug, is_default or settings" });
  if (change.is_default) requireServiceKey(principal, { field: "is_default", what: "choose the default project" });
  if (environment !== undefined && environment !== project.environment)
    throw new Failure("environment_immutable", { field: "environment", projectId: id, environment: project.environment });
  if (change.slug !== undefined) checkSlug(change.slug);
  await uniqueSlug(change.slug, () => transaction(platform.db, (tx) => applyChange(tx, project, change)));
  return getProject(platform, principal, id);
}

type Change = Pick<Domain<(typeof updateProjectOperation)["input"]>, "name" | "slug" | "is_default" | "settings">;

async function applyChange(tx: TransactionSql, { orgId, id, environment }: ProjectRow, { name, slug, is_default, settings }: Change): Promise<void> {
  const { set, unset } = fromWire(settings ?? {});
  // One change of an organization's projects at a time: two that both become the default would not see each other.
  await tx`select 1 from organizations where id = ${orgId} for update`;
  await tx`
    update projects set name = coalesce(${name ?? null}, name), slug = coalesce(${slug ?? null}, slug),
      settings = (settings || ${tx.json(set as never)}) - ${unset}::text[]
    where org_id = ${orgId} and id = ${id}`;
  if (is_default)
    await tx`update projects set is_default = (id = ${id}) where org_id = ${orgId} and environment = ${environment} and is_default <> (id = ${id})`;
}

/** A project key knows of its own project only. */
const known = ({ keyKind, orgId, projectId }: Principal) =>
  and(eq(projects.orgId, orgId), keyKind === "service" ? undefined : eq(projects.id, projectId));

async function findProject({ db }: Platform, principal: Principal, id: string): Promise<ProjectRow> {
  const [row] = await db.orm.select().from(projects).where(and(known(principal), eq(projects.id, id))).limit(1);
  if (!row) throw new Failure("project_not_found", { field: "project_id", projectId: id });
  return row;
}

function requireServiceKey({ keyKind }: Principal, at: { field?: string; what: string }): void {
  if (keyKind !== "service") throw new Failure("service_key_required", at);
}

function checkSlug(slug: string): void {
  if (slug.length > SLUG_CHARS_MAX || !/^[a-z0-9_-]+$/.test(slug)) throw new Failure("slug_invalid", { field: "slug" });
  if (reservedSlugs.includes(slug)) throw new Failure("slug_reserved", { field: "slug", slug });
}

const UNIQUE_VIOLATION = "23505";

async function uniqueSlug<Result>(slug: string | undefined, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    const isTaken = error instanceof postgres.PostgresError && error.code === UNIQUE_VIOLATION && error.constraint_name === "projects_slug";
    throw isTaken ? new Failure("slug_conflict", { field: "slug", slug: slug! }) : error;
  }
}

const toProject = (row: ProjectRow): Project => ({
  id: row.id, org_id: row.orgId, name: row.name, slug: row.slug, is_default: row.isDefault, environment: row.environment,
  settings: toWire(row.settings), created_at: row.createdAt,
});

const toWire = ({ chargeAmountUnit, failoverWhenNotReached, strictServers, toolSet, merchant }: ProjectSettings): WireSettings => ({
  charge_amount_unit: chargeAmountUnit ?? null,
  failover_when_not_reached: failoverWhenNotReached ?? false,
  strict_servers: strictServers ?? false,
  tool_set: toolSet ?? "core9",
  merchant: merchant
    ? {
        name: merchant.name, tax_id: merchant.taxId, city: merchant.city, sender: merchant.sender,
        default_service: { description: merchant.defaultService.description, service_code: merchant.defaultService.serviceCode },
        default_parcel: merchant.defaultParcel,
      }
    : null,
});

/** What a change sets, and the names of what it unsets. */
function fromWire(change: Partial<WireSettings>): { set: ProjectSettings; unset: string[] } {
  const { charge_amount_unit: unit, failover_when_not_reached: failover, strict_servers: strict, tool_set: toolSet, merchant } = change;
  return {
    set: {
      ...(unit && { chargeAmountUnit: unit }),
      ...(failover !== undefined && { failoverWhenNotReached: failover }),
      ...(strict !== undefined && { strictServers: strict }),
      ...(toolSet !== undefined && { toolSet }),
      ...(merchant && { merchant: toMerchant(merchant) }),
    },
    unset: [...(unit === null ? ["chargeAmountUnit"] : []), ...(merchant === null ? ["merchant"] : [])],
  };
}

const toMerchant = ({ name, tax_id, city, sender, default_service, default_parcel }: NonNullable<WireSettings["merchant"]>): Merchant => ({
  name, taxId: tax_id, city, sender,
  defaultService: { description: default_service.description, serviceCode: default_service.service_code },
  defaultParcel: default_parcel,
});
