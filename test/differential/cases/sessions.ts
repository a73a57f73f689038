/** Cases of sessions: opened, read, listed, closed, what they reach and what was called in them. */
import { expect } from "vitest";
import { NOWHERE, byGraphql, noSession, noCursor, closedSession, threeSessions, threeCalls, type Cases } from "./scene.ts";

export const sessionCases: Cases = {
  "sessions.create": [
    {
      title: "opens a session",
      call: () => ({ input: { user_id: "maria", servers: ["asaas", "asaas", "nfe-io"], metadata: { order_id: "1234", some_Key: "kept" } } }),
      answer: { environment: "test", servers: ["asaas", "nfe-io"], status: "active", metadata: { order_id: "1234", some_Key: "kept" }, tool_call_count: 0 },
    },
    {
      title: "keeps declared mocks with their keys as they were written",
      call: () => ({ input: { user_id: "maria", mocks: { codespar_charge: { pix_copy_paste: "MOCK", nestedKey: { some_key: 1 } } } } }),
      answer: { status: "active", servers: [] },
    },
    {
      title: "refuses servers nobody knows",
      call: () => ({ input: { user_id: "maria", servers: ["asaas", "nowhere"] } }),
      failure: { code: "unknown_servers", field: "servers", retry: "never", http: 400 },
    },
    {
      title: "refuses a mock of what is no tool",
      call: () => ({ input: { user_id: "maria", mocks: { "asaas__create_payment": {} } } }),
      failure: { code: "mocks_invalid", field: "mocks.asaas__create_payment", retry: "never", http: 400 },
    },
    {
      title: "refuses mocks with a live key",
      call: async (scene) => ({ key: (await scene.neighbour("live")).key, input: { user_id: "maria", mocks: { codespar_charge: {} } } }),
      failure: { code: "mocks_not_permitted", retry: "never", http: 403 },
    },
    {
      title: "refuses mocks beyond 64 KiB",
      call: () => ({ input: { user_id: "maria", mocks: { codespar_charge: { text: "a".repeat(65_536) } } } }),
      failure: { code: "mocks_payload_too_large", retry: "never", http: 413 },
    },
    {
      title: "refuses to open a session for nobody",
      call: () => ({ input: {} }),
      failure: { code: "validation_failed", field: "user_id", expected: "expected string", retry: "never", http: 400 },
      own: byGraphql,
    },
    {
      title: "refuses a user id longer than it may be",
      call: () => ({ input: { user_id: "m".repeat(129) } }),
      failure: { code: "validation_failed", field: "user_id", expected: "Too big: expected string to have <=128 characters", retry: "never", http: 400 },
    },
  ],

  "sessions.get": [
    {
      title: "reads a session with what was called in it",
      call: async (scene) => ({ input: { session_id: (await threeCalls(scene)).session_id } }),
      answer: { status: "active", user_id: "maria", tool_call_count: 3, closed_at: null, close_reason: null },
    },
    {
      title: "reads one that has idled out as closed",
      call: async (scene) => {
        const session_id = await scene.session();
        await scene.app.platform.db.sql`
          update sessions set last_active_at = ${new Date(scene.app.clock.now().getTime() - 1_800_000)} where project_id = ${scene.projectId}`;
        return { input: { session_id } };
      },
      answer: { status: "closed", close_reason: "idle_timeout", expires_at: null },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "sessions.list": [
    {
      title: "lists every session, newest first",
      call: async (scene) => {
        await threeSessions(scene);
        return { input: {} };
      },
      answer: { sessions: [{ user_id: "rui", status: "closed" }, { user_id: "ana", status: "active" }, { user_id: "ana" }], next_before: null },
    },
    {
      title: "filters by status and user, and pages",
      call: async (scene) => {
        const [, second] = await threeSessions(scene);
        return { input: { status: "active", user_id: "ana", limit: 1, before: second } };
      },
      answer: { sessions: [{ user_id: "ana", status: "active" }], next_before: null },
    },
    {
      title: "names where the next page begins",
      call: async (scene) => {
        await threeSessions(scene);
        return { input: { limit: 2 } };
      },
      answer: { sessions: [{ user_id: "rui" }, { user_id: "ana" }], next_before: expect.stringMatching(/^ses_/) },
    },
    {
      title: "refuses a cursor that it never gave",
      call: () => ({ input: { before: "yesterday" } }),
      failure: noCursor,
    },
  ],

  "sessions.close": [
    {
      title: "closes a session",
      call: async (scene) => ({ input: { session_id: await scene.session() } }),
      answer: { status: "closed", close_reason: "closed_by_caller", expires_at: null },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const session_id = await closedSession(scene);
        await scene.pass(1_000);
        return { input: { session_id } };
      },
      answer: { status: "closed", close_reason: "closed_by_caller" },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "sessions.connections": [
    {
      title: "lists every connected server of a session that names none",
      call: async (scene) => ({ input: { session_id: await scene.session() } }),
      answer: { servers: expect.arrayContaining([expect.objectContaining({ id: "asaas", auth_type: "api_key", connected: true })]) },
    },
    {
      title: "lists the servers that a session names, connected or not",
      call: async (scene) => {
        const { connections } = await scene.call("connections.list", { server_id: "bitso" });
        await scene.call("connections.revoke", { connection_id: connections[0]!.id });
        return { input: { session_id: await scene.session({ servers: ["bitso", "asaas"] }) } };
      },
      answer: { servers: [{ id: "bitso", connected: false }, { id: "asaas", connected: true }] },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "sessions.logs": [
    {
      title: "lists the calls of a session, newest first",
      call: async (scene) => ({ input: { session_id: (await threeCalls(scene)).session_id } }),
      answer: { logs: [{ tool: "codespar_charge", status: "error" }, { tool: "codespar_discover", server: "codespar" }, { tool: "codespar_charge", status: "success" }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        const { session_id, ids } = await threeCalls(scene);
        return { input: { session_id, limit: 1, before: ids[2] } };
      },
      answer: { logs: [{ tool: "codespar_discover" }], next_before: expect.stringMatching(/^tc_/) },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
    {
      title: "refuses a cursor that it never gave",
      call: async (scene) => ({ input: { session_id: await scene.session(), before: "1" } }),
      failure: noCursor,
    },
  ],
};
