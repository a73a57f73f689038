/** Cases of keys and projects. */
import { expect } from "vitest";
import { noKey, noProject, noCursor, asService, issuedKey, type Cases } from "./scene.ts";

export const accessCases: Cases = {
  "keys.whoami": [
    {
      title: "names the organization, the project and the key",
      call: () => ({ input: {} }),
      answer: { organization: { name: "Tenant" }, project: { name: "Project 1" }, key: { environment: "test", scopes: ["*"] } },
    },
    {
      title: "names what a narrow key may do",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["rails:read", "sessions:read"] }), input: {} }),
      answer: { key: { scopes: ["rails:read", "sessions:read"] } },
    },
    {
      title: "refuses who has no key",
      call: () => ({ key: null, input: {} }),
      failure: { code: "unauthorized", retry: "never", http: 401 },
    },
  ],

  "keys.create": [
    {
      title: "issues a key of the project",
      call: () => ({ input: { name: "Shop", env: "test", scopes: ["rails:read", "sessions:read"] } }),
      answer: {
        name: "Shop", environment: "test", scopes: ["rails:read", "sessions:read"], full_key: expect.stringMatching(/^csk_test_/),
        expires_at: null, last_used_at: null, revoked_at: null,
      },
    },
    {
      title: "issues a service key to a service key",
      call: (scene) => ({ ...asService(scene), input: { name: "Operator", service: true } }),
      answer: { environment: null, project_id: null, scopes: ["*"], full_key: expect.stringMatching(/^cssk_internal_/) },
    },
    {
      title: "issues no service key to another key",
      call: () => ({ input: { name: "Operator", service: true } }),
      failure: { code: "service_key_required", field: "service", retry: "never", http: 403 },
    },
    {
      title: "refuses another environment than the project's",
      call: () => ({ input: { name: "Shop", env: "live" } }),
      failure: { code: "project_environment_mismatch", field: "env", retry: "never", http: 403 },
    },
    {
      title: "hands out no scope that the issuing key lacks",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["keys:write"] }), input: { name: "Shop", scopes: ["tools:execute"] } }),
      failure: { code: "forbidden", field: "scopes", retry: "never", http: 403 },
    },
    {
      title: "refuses a name longer than it may be",
      call: () => ({ input: { name: "n".repeat(129) } }),
      failure: { code: "validation_failed", field: "name", expected: "Too big: expected string to have <=128 characters", retry: "never", http: 400 },
    },
  ],

  "keys.list": [
    {
      title: "lists keys, newest first",
      call: async (scene) => {
        await issuedKey(scene, { name: "Shop" });
        return { input: {} };
      },
      answer: { keys: [{ name: "Shop", last_used_at: null }, { name: "Key" }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        const before = await issuedKey(scene);
        return { input: { before, limit: 1 } };
      },
      answer: { keys: [{ name: "Key" }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "keys.revoke": [
    {
      title: "revokes a key",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene) } }),
      answer: { name: "Shop", revoked_at: expect.any(String) },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const key_id = await issuedKey(scene);
        await scene.call("keys.revoke", { key_id });
        await scene.pass(1_000);
        return { input: { key_id } };
      },
      answer: { revoked_at: expect.any(String) },
    },
    { title: "knows no other key", call: () => ({ input: { key_id: "key_none" } }), failure: noKey },
  ],

  "keys.rotate": [
    {
      title: "issues a successor beside the key",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene, { scopes: ["rails:read"] }), grace_seconds: 60 } }),
      answer: { name: "Shop", scopes: ["rails:read"], full_key: expect.stringMatching(/^csk_test_/), previous: { name: "Shop", expires_at: expect.any(String) } },
    },
    {
      title: "rotates no key that is revoked",
      call: async (scene) => {
        const key_id = await issuedKey(scene);
        await scene.call("keys.revoke", { key_id });
        return { input: { key_id } };
      },
      failure: { code: "key_not_active", field: "key_id", retry: "never", http: 409 },
    },
    {
      title: "rotates no key that may do more than the one that asks",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["keys:write"] }), input: { key_id: await issuedKey(scene) } }),
      failure: { code: "forbidden", field: "scopes", retry: "never", http: 403 },
    },
    {
      title: "refuses a grace of more than 30 days",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene), grace_seconds: 2_592_001 } }),
      failure: { code: "validation_failed", field: "grace_seconds", expected: "Too big: expected number to be <=2592000", retry: "never", http: 400 },
    },
    { title: "knows no other key", call: () => ({ input: { key_id: "key_none" } }), failure: noKey },
  ],

  "projects.create": [
    {
      title: "creates a live project",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "loja", environment: "live" } }),
      answer: { name: "Loja", slug: "loja", environment: "live", is_default: true, settings: { charge_amount_unit: null, failover_when_not_reached: false, merchant: null } },
    },
    {
      title: "creates a test project with its twins",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "loja" } }),
      answer: { environment: "test", is_default: false, settings: { merchant: { name: "Loja Exemplo Ltda" } } },
    },
    {
      title: "creates none for a project's own key",
      call: () => ({ input: { name: "Loja", slug: "loja" } }),
      failure: { code: "service_key_required", retry: "never", http: 403 },
    },
    {
      title: "refuses a slug of other characters",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "Loja!" } }),
      failure: { code: "slug_invalid", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a reserved slug",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "default" } }),
      failure: { code: "slug_reserved", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug that is taken",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "project-1" } }),
      failure: { code: "slug_conflict", field: "slug", retry: "never", http: 409 },
    },
  ],

  "projects.list": [
    {
      title: "lists the key's own project",
      call: () => ({ input: {} }),
      answer: { projects: [{ slug: "project-1", is_default: true }], next_before: null },
    },
    {
      title: "lists all of the organization's to a service key, and pages",
      call: async (scene) => {
        await scene.pass(1);
        await scene.neighbour("live");
        return { ...asService(scene), input: { limit: 1 } };
      },
      answer: { projects: [{ slug: "project-2", environment: "live" }], next_before: expect.stringMatching(/^prj_/) },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "projects.get": [
    {
      title: "reads a project with its settings",
      call: (scene) => ({ input: { project_id: scene.projectId } }),
      answer: { slug: "project-1", settings: { charge_amount_unit: null, merchant: { tax_id: "11222333000181", default_service: { service_code: "2690" } } } },
    },
    {
      title: "knows no other project",
      call: async (scene) => ({ input: { project_id: (await scene.neighbour()).projectId } }),
      failure: noProject,
    },
  ],

  "projects.update": [
    {
      title: "changes settings and leaves the rest",
      call: (scene) => ({ input: { project_id: scene.projectId, settings: { charge_amount_unit: "major", merchant: null } } }),
      answer: { name: "Project 1", settings: { charge_amount_unit: "major", failover_when_not_reached: false, merchant: null } },
    },
    {
      title: "makes a project the default of its environment",
      call: async (scene) => ({ ...asService(scene), input: { project_id: (await scene.neighbour()).projectId, is_default: true, name: "Main", slug: "main" } }),
      answer: { name: "Main", slug: "main", is_default: true },
    },
    {
      title: "lets no project's own key choose the default",
      call: (scene) => ({ input: { project_id: scene.projectId, is_default: true } }),
      failure: { code: "service_key_required", field: "is_default", retry: "never", http: 403 },
    },
    {
      title: "moves no project to the other environment",
      call: (scene) => ({ input: { project_id: scene.projectId, environment: "live" } }),
      failure: { code: "environment_immutable", field: "environment", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug of other characters",
      call: (scene) => ({ input: { project_id: scene.projectId, slug: "" } }),
      failure: { code: "slug_invalid", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a reserved slug",
      call: (scene) => ({ input: { project_id: scene.projectId, slug: "default" } }),
      failure: { code: "slug_reserved", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug that is taken",
      call: async (scene) => {
        await scene.neighbour("live");
        return { input: { project_id: scene.projectId, slug: "project-2" } };
      },
      failure: { code: "slug_conflict", field: "slug", retry: "never", http: 409 },
    },
    {
      title: "refuses to change nothing",
      call: (scene) => ({ input: { project_id: scene.projectId } }),
      failure: { code: "validation_failed", expected: "name, slug, is_default or settings", retry: "never", http: 400 },
    },
    {
      title: "knows no other project",
      call: async (scene) => ({ input: { project_id: (await scene.neighbour()).projectId, name: "Mine" } }),
      failure: noProject,
    },
  ],
};
