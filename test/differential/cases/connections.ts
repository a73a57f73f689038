/** Cases of connections. */
import { expect } from "vitest";
import { NO_CONNECTION, noServer, notConnectable, noConnection, connectionOver, noCursor, twoConnections, revokedConnection, type Cases } from "./scene.ts";

export const connectionCases: Cases = {
  "connections.list": [
    {
      title: "lists every connection, newest first",
      call: () => ({ input: { limit: 100 } }),
      answer: { connections: expect.arrayContaining([expect.objectContaining({ server_id: "asaas", status: "connected", user_id: null })]), next_before: null },
    },
    {
      title: "filters by everything there is, and pages",
      call: async (scene) => {
        const [first] = await twoConnections(scene);
        await scene.call("connections.revoke", { connection_id: first });
        return { input: { user_id: "ana", server_id: "persona", status: "revoked", limit: 1, before: "ca_zzzzzzzzzzzzzzzzzzzzzzzzzz" } };
      },
      answer: { connections: [{ user_id: "ana", server_id: "persona", status: "revoked", connection_metadata: {} }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "connections.create": [
    {
      title: "connects a server for a user",
      call: () => ({ input: { server_id: "persona", secret: { api_key: "any" }, user_id: "ana", display_name: "Ana's", connection_metadata: { inquiry_template_id: "itmpl_1", some_Key: "kept" } } }),
      answer: { server_id: "persona", user_id: "ana", display_name: "Ana's", status: "connected", rotated: false, connection_metadata: { some_Key: "kept" } },
    },
    {
      title: "gives a connection that is there other credentials",
      call: () => ({ input: { server_id: "asaas", secret: "any" } }),
      answer: { server_id: "asaas", user_id: null, rotated: true },
    },
    {
      title: "refuses credentials under other names",
      call: () => ({ input: { server_id: "asaas", secret: { key: "any" } } }),
      failure: { code: "validation_failed", field: "secret.key", expected: "api_key", retry: "never", http: 400 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server_id: "nowhere", secret: "any" } }),
      failure: noServer,
    },
    {
      title: "connects nothing without an adapter",
      call: () => ({ input: { server_id: "codespar", secret: "any" } }),
      failure: notConnectable,
    },
  ],

  "connections.revoke": [
    {
      title: "revokes a connection",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0] } }),
      answer: { status: "revoked", already: false },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const [connection_id] = await twoConnections(scene);
        await scene.call("connections.revoke", { connection_id });
        return { input: { connection_id } };
      },
      answer: { status: "revoked", already: true },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION } }),
      failure: noConnection,
    },
  ],

  "connections.updateMetadata": [
    {
      title: "sets and removes settings",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0], connection_metadata: { note: null, some_Key: "kept" } } }),
      answer: { connection_metadata: { some_Key: "kept", inquiry_template_id: expect.any(String) } },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION, connection_metadata: {} } }),
      failure: noConnection,
    },
    {
      title: "changes nothing of a revoked one",
      call: async (scene) => ({ input: { connection_id: await revokedConnection(scene), connection_metadata: {} } }),
      failure: connectionOver,
    },
  ],

  "connections.setWebhookSecret": [
    {
      title: "sets the secret that notifications are signed with",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0], secret: "whsec_1", keep_previous: true } }),
      answer: { server_id: "persona", updated: true },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION, secret: "s" } }),
      failure: noConnection,
    },
    {
      title: "changes nothing of a revoked one",
      call: async (scene) => ({ input: { connection_id: await revokedConnection(scene), secret: "s" } }),
      failure: connectionOver,
    },
    {
      title: "refuses one for a server that sends no notifications",
      call: async (scene) => {
        const [connection_id] = await twoConnections(scene);
        await scene.app.platform.db.sql`update connections set server_id = 'siigo' where id = ${connection_id}`;
        return { input: { connection_id, secret: "s" } };
      },
      failure: { code: "provider_has_no_inbound_webhooks", retry: "never", http: 400 },
    },
  ],

  "connections.start": [
    {
      title: "makes a link for a user",
      call: () => ({ input: { server_id: "asaas", user_id: "ana", redirect_uri: "https://app.example.com/done", scopes: "payments" } }),
      answer: { link_token: expect.stringMatching(/^lnk_/), authorize_url: expect.stringMatching(/\/connect\/lnk_/) },
    },
    {
      title: "refuses to lead anywhere but to a page",
      call: () => ({ input: { server_id: "asaas", user_id: "ana", redirect_uri: "javascript:alert(1)" } }),
      failure: { code: "validation_failed", field: "redirect_uri", expected: "expected an http(s) URL", retry: "never", http: 400 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server_id: "nowhere", user_id: "ana", redirect_uri: "https://app.example.com" } }),
      failure: noServer,
    },
    {
      title: "links to nothing without an adapter",
      call: () => ({ input: { server_id: "codespar", user_id: "ana", redirect_uri: "https://app.example.com" } }),
      failure: notConnectable,
    },
  ],
};
