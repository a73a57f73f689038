import { expect, test } from "vitest";
import type { CallerContext } from "../../../src/door.ts";
import { liveKey, mariaCharge, serviceKey, startApp } from "../../support/app.ts";
import { newTenant } from "../../support/tenants.ts";

const app = await startApp();
const own = await app.call("keys.whoami", {});
const live = await app.call("keys.whoami", {}, { credential: liveKey });
const service: Partial<CallerContext> = { credential: serviceKey, projectId: own.project.id };
let made = 0;
const create = (input: object = {}) => app.call("projects.create", { name: "Loja", slug: `loja-${(made += 1)}`, ...input }, service);

test("a new test project has every twin connected, and a key of it can charge at once", async () => {
  const project = await create({ name: "Loja da Ana", slug: "loja_da-ana" });
  expect(project).toMatchObject({
    org_id: own.organization.id, name: "Loja da Ana", slug: "loja_da-ana", environment: "test", is_default: false,
    settings: { charge_amount_unit: null, failover_when_not_reached: false, merchant: { name: "Loja Exemplo Ltda", tax_id: "11222333000181" } },
  });
  expect(project.id).toMatch(/^prj_[A-Za-z0-9]{16}$/);
  const { full_key: credential } = await app.call("keys.create", { name: "first" }, { credential: serviceKey, projectId: project.id });
  const { servers } = await app.call("sessions.connections", { session_id: (await app.call("sessions.create", { user_id: "ana" }, { credential })).id }, { credential });
  expect(servers.filter(({ connected }) => connected).map(({ id }) => id).sort()).toEqual(app.platform.providers.map(({ id }) => id).sort());
  const { id: session_id } = await app.call("sessions.create", { user_id: "ana" }, { credential });
  expect(await app.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge }, { credential })).toMatchObject({ success: true });
});

test("a new live project has nothing: no connection, no merchant", async () => {
  const project = await create({ environment: "live" });
  expect(project).toMatchObject({ environment: "live", settings: { merchant: null } });
  expect(await app.platform.db.sql`select 1 from connections where project_id = ${project.id}`).toHaveLength(0);
});

test("the first project of its environment is its organization's default one", async () => {
  const other = await newTenant(app);
  const as = { credential: serviceKey, projectId: other.projectId };
  expect(await app.call("projects.create", { name: "Live", slug: "live", environment: "live" }, as)).toMatchObject({ is_default: true, org_id: other.orgId });
  expect(await app.call("projects.create", { name: "Live 2", slug: "live-2", environment: "live" }, as)).toMatchObject({ is_default: false });
});

test.each([
  ["", "slug_invalid", 400], ["Loja", "slug_invalid", 400], ["loja ana", "slug_invalid", 400], ["a".repeat(65), "slug_invalid", 400],
  ["default", "slug_reserved", 400], ["test", "slug_conflict", 409],
] as const)("the slug %j is refused as %s, at creation and later", async (slug, code, http) => {
  await expect(create({ slug })).rejects.toMatchObject({ code, http, at: { field: "slug" } });
  await expect(app.call("projects.update", { project_id: live.project.id, slug }, service)).rejects.toMatchObject({ code, http });
});

test("a slug is unique in its organization only, also when two want it at once", async () => {
  const slug = "wanted";
  const outcomes = await Promise.allSettled([create({ slug, environment: "live" }), create({ slug, environment: "live" })]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(outcomes.find((outcome) => outcome.status === "rejected")).toMatchObject({ reason: { code: "slug_conflict" } });
  const other = await newTenant(app);
  await app.call("projects.create", { name: "Same", slug, environment: "live" }, { credential: serviceKey, projectId: other.projectId });
});

test("a project's own key minds that project and knows of no other", async () => {
  expect(await app.call("projects.list", {})).toMatchObject({ projects: [{ id: own.project.id, is_default: true }], next_before: null });
  expect(await app.call("projects.get", { project_id: own.project.id })).toMatchObject({ slug: "test" });
  for (const operation of ["projects.get", "projects.update"] as const)
    await expect(app.call(operation, { project_id: live.project.id, name: "Mine" })).rejects.toMatchObject({ code: "project_not_found", http: 404, at: { field: "project_id" } });
  await expect(app.call("projects.create", { name: "Mine", slug: "mine" })).rejects.toMatchObject({ code: "service_key_required", http: 403 });
  await expect(app.call("projects.update", { project_id: own.project.id, is_default: true })).rejects.toMatchObject({ code: "service_key_required" });
});

test("a service key sees all projects of the organization it acts in, and of no other", async () => {
  const other = await newTenant(app);
  const { projects } = await app.call("projects.list", {}, service);
  expect(projects.map(({ id }) => id)).toEqual(expect.arrayContaining([own.project.id, live.project.id]));
  expect(projects.map(({ id }) => id)).not.toContain(other.projectId);
  await expect(app.call("projects.get", { project_id: other.projectId }, service)).rejects.toMatchObject({ code: "project_not_found" });
  expect(await app.call("projects.get", { project_id: other.projectId }, { credential: serviceKey, projectId: other.projectId })).toMatchObject({ org_id: other.orgId });
});

test("pages walk every project once, newest first, also those of one moment", async () => {
  for (let count = 0; count < 5; count += 1) {
    if (count === 3) await app.clock.advance(1);
    await create({ environment: "live" });
  }
  const { projects } = await app.call("projects.list", { limit: 100 }, service);
  const seen: string[] = [];
  let before: string | undefined;
  do {
    const page = await app.call("projects.list", { limit: 2, ...(before && { before }) }, service);
    seen.push(...page.projects.map(({ id }) => id));
    before = page.next_before ?? undefined;
  } while (before);
  expect(seen).toEqual(projects.map(({ id }) => id));
  const dates = projects.map(({ created_at }) => created_at);
  expect(dates).toEqual(dates.toSorted().toReversed());
});

test("a live project says once in which unit it writes charges, and its next charge is read so", async () => {
  const as = { credential: liveKey };
  const { id: session_id } = await app.call("sessions.create", { user_id: "u" }, as);
  const charge = () => app.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge }, as);
  expect(await charge()).toMatchObject({ success: false, code: "amount_unit_unset", error: expect.stringContaining("charge_amount_unit") });
  const changed = await app.call("projects.update", { project_id: live.project.id, settings: { charge_amount_unit: "major" } }, as);
  expect(changed.settings).toMatchObject({ charge_amount_unit: "major", failover_when_not_reached: false });
  expect(await charge()).not.toMatchObject({ code: "amount_unit_unset" });
  await app.call("projects.update", { project_id: live.project.id, settings: { charge_amount_unit: null } }, as);
  expect(await charge()).toMatchObject({ code: "amount_unit_unset" });
});

test("a change of settings keeps what it does not name, and a merchant is replaced whole or taken away", async () => {
  const { id: project_id } = await create();
  const change = (settings: object) => app.call("projects.update", { project_id, settings }, service);
  const first = await change({ failover_when_not_reached: true, charge_amount_unit: "minor" });
  const merchant = { ...first.settings.merchant!, name: "Loja Nova", tax_id: "11144477735" };
  expect((await change({ merchant })).settings).toEqual({ charge_amount_unit: "minor", failover_when_not_reached: true, strict_servers: false, tool_set: "core9", merchant });
  expect((await change({ merchant: null, failover_when_not_reached: false })).settings)
    .toEqual({ charge_amount_unit: "minor", failover_when_not_reached: false, strict_servers: false, tool_set: "core9", merchant: null });
  await expect(change({ merchant: { ...merchant, tax_id: "12" } })).rejects.toMatchObject({ code: "validation_failed", at: { field: "settings.merchant.tax_id" } });
});

test("the environment of a project cannot be changed, and a change must change something", async () => {
  const project_id = own.project.id;
  await expect(app.call("projects.update", { project_id, environment: "live" })).rejects.toMatchObject({ code: "environment_immutable", http: 400 });
  expect(await app.call("projects.update", { project_id, environment: "test" })).toMatchObject({ environment: "test" });
  await expect(app.call("projects.update", { project_id, charge_amount_unit: "minor" })).rejects.toMatchObject({ code: "validation_failed", at: { expected: "name, slug, is_default or settings" } });
});

test("of projects that become the default at once one is it, in its environment alone", async () => {
  const ids = [(await create({ environment: "live" })).id, (await create({ environment: "live" })).id];
  await Promise.all(ids.map((project_id) => app.call("projects.update", { project_id, is_default: true }, service)));
  const { projects } = await app.call("projects.list", { limit: 100 }, service);
  const defaults = projects.filter(({ is_default }) => is_default);
  expect(defaults.map(({ environment }) => environment).sort()).toEqual(["live", "test"]);
  expect(ids).toContain(defaults.find(({ environment }) => environment === "live")!.id);
});
