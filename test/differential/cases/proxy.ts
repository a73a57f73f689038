/** Cases of a caller's own requests to a provider. */
import type { CallOf, Scene } from "../../support/every-door.ts";
import { closedSession, noSession, NOWHERE, type Cases } from "./scene.ts";

const request = { server: "asaas", endpoint: "/customers", method: "POST", body: { name: "Ana", cpfCnpj: "11144477735" } };

const proxied = (change: object = {}, session: object = {}) => async (scene: Scene): Promise<CallOf> =>
  ({ input: { session_id: await scene.session(session), ...request, ...change } });

/** The request as the first under its key, and another one under the same key to come. */
const under = (idempotencyKey: string, next: object = {}) => async (scene: Scene): Promise<CallOf> => {
  const { input } = await proxied()(scene);
  await scene.app.door.call("tools.proxy", input, scene.app.context({ credential: scene.key, idempotencyKey }));
  return { input: { ...input, ...next }, idempotencyKey };
};

/** The next request to Asaas ends so; a fault serves one request, so each door meets its own. */
const failing = (kind: "refused" | "reset_after") => async (scene: Scene): Promise<CallOf> => {
  scene.app.twins!.setFault("asaas", { kind, method: "POST", path: "/customers$" });
  return proxied()(scene);
};

const disconnected = async (scene: Scene): Promise<CallOf> => {
  const { connections } = await scene.call("connections.list", { server_id: "asaas" });
  await scene.call("connections.revoke", { connection_id: connections[0]!.id });
  return proxied()(scene);
};

async function unfinished(scene: Scene): Promise<CallOf> {
  const call = await under("proxy-1")(scene);
  const leaseUntil = new Date(scene.app.clock.now().getTime() + 30_000);
  await scene.app.platform.db.sql`
    update tool_calls set status = 'running', outcome = null, lease_until = ${leaseUntil}
    where project_id = ${scene.projectId} and idempotency_key = 'proxy-1'`;
  return call;
}

const strict = async (scene: Scene): Promise<CallOf> => {
  await scene.app.platform.db.sql`update projects set settings = settings || '{"strictServers":true}' where id = ${scene.projectId}`;
  return proxied({}, { servers: ["persona"] })(scene);
};

export const proxyCases: Cases = {
  "tools.proxy": [
    {
      title: "sends a request of the caller's own",
      call: proxied(),
      answer: { status: 200, data: { object: "customer", name: "Ana" }, headers: { "content-type": "application/json" } },
    },
    {
      title: "answers with what the provider refused",
      call: async (scene) => ({ input: { session_id: await scene.session(), server: "asaas", endpoint: "/payments/pay_none", method: "GET" } }),
      answer: { status: 404 },
    },
    { title: "runs one request under one key", call: under("proxy-1"), answer: { status: 200, replayed: true } },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE, ...request } }), failure: noSession },
    {
      title: "runs nothing in a closed session",
      call: async (scene) => ({ input: { session_id: await closedSession(scene), ...request } }),
      failure: { code: "session_not_active", retry: "never", http: 409 },
    },
    { title: "knows no other server", call: proxied({ server: "nowhere" }), failure: { code: "server_not_found", field: "server", retry: "never", http: 404 } },
    { title: "reaches no server that is not connected", call: disconnected, failure: { code: "server_not_connected", field: "server", retry: "ask_human", http: 404 } },
    {
      title: "leads nowhere but to the provider",
      call: proxied({ endpoint: "/../../admin" }),
      failure: { code: "proxy_path_refused", field: "endpoint", expected: "a path below the provider's base URL", retry: "never", http: 400 },
    },
    { title: "says that nothing was sent", call: failing("refused"), failure: { code: "provider_unavailable", retry: "same_key", http: 503 } },
    { title: "says that an answer was lost", call: failing("reset_after"), failure: { code: "provider_answer_lost", retry: "same_key", http: 502 } },
    {
      title: "lets nothing out of a mocked session",
      call: proxied({}, { mocks: { codespar_pay: { id: "p" } } }),
      failure: { code: "tool_not_mocked", retry: "never", http: 422 },
    },
    { title: "keeps to a strict session's servers", call: strict, failure: { code: "tool_not_in_session", retry: "never", http: 403 } },
    {
      title: "refuses a key that is none",
      call: async (scene) => ({ ...(await proxied()(scene)), idempotencyKey: "k".repeat(256) }),
      failure: { code: "idempotency_key_invalid", field: "idempotency_key", retry: "never", http: 400 },
    },
    {
      title: "refuses another request under one key",
      call: under("proxy-1", { body: { name: "Bia" } }),
      failure: { code: "idempotency_conflict", field: "idempotency_key", retry: "never", http: 422 },
    },
    { title: "does not wait for ever for the first under its key", call: unfinished, failure: { code: "idempotency_in_flight", retry: "same_key", http: 409 } },
  ],
};
