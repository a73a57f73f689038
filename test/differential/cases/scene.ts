/** The scenes that cases of several subjects share, and the failures that many end in. */
import type { OperationName } from "../../../schema/index.ts";
import { mariaCharge, serviceKey } from "../../support/app.ts";
import type { Case, Scene } from "../../support/every-door.ts";

export type Cases = Partial<Record<OperationName, Case[]>>;

export const NOWHERE = "ses_01jd5v0000000000000000none";
export const NO_CALL = "tc_01jd5v0000000000000000none";
export const NO_CONNECTION = "ca_01jd5v0000000000000000none";

/** What a door says that checks arguments by its own types, before there is a call. */
export const byGraphql = { graphql: { code: "GRAPHQL_VALIDATION_FAILED" } } as const;

export const noSession = { code: "session_not_found", field: "session_id", retry: "never", http: 404 };
export const noToolCall = { code: "tool_call_not_found", field: "tool_call_id", retry: "never", http: 404 };
export const noToolCallId = { code: "invalid_tool_call_id", field: "tool_call_id", retry: "never", http: 400 };
export const noKey = { code: "key_not_found", field: "key_id", retry: "never", http: 404 };
export const noProject = { code: "project_not_found", field: "project_id", retry: "never", http: 404 };
export const noServer = { code: "server_not_found", field: "server_id", retry: "never", http: 404 };
export const notConnectable = { code: "server_not_connectable", field: "server_id", retry: "never", http: 422 };
export const noConnection = { code: "connection_not_found", field: "connection_id", retry: "never", http: 404 };
export const connectionOver = { code: "connection_not_active", retry: "never", http: 409 };
export const noCursor = { code: "cursor_invalid", field: "before", retry: "never", http: 400 };

export const label = {
  action: "label",
  destination: {
    postal_code: "01310-100", name: "Maria Silva", document: "111.444.777-35", phone: "+5511999998888", line_1: "Avenida Paulista",
    number: "1000", city: "Sao Paulo", state: "SP",
  },
};

export const verification = { subject: { name: "Maria Silva", document: "111.444.777-35", document_type: "cpf" }, check_type: "identity" };

export const asService = ({ projectId }: Scene) => ({ key: serviceKey, project: projectId });

/** A key of the tenant's beside its own, a moment younger. */
export async function issuedKey(scene: Scene, input: object = {}): Promise<string> {
  await scene.pass(1);
  return (await scene.call("keys.create", { name: "Shop", ...input })).id;
}

/** A charge in a new session. */
export const charged = async (scene: Scene, input: object = mariaCharge) => (await scene.run("codespar_charge", input)).tool_call_id;

/** A call of a tool in a new session. */
export const executing = (tool: string, input: object, options: object = {}) => async (scene: Scene) =>
  ({ input: { session_id: await scene.session(), tool, input }, ...options });

export async function closedSession(scene: Scene): Promise<string> {
  const id = await scene.session();
  await scene.call("sessions.close", { session_id: id });
  return id;
}

/** Three sessions, the last one closed, each a moment after the one before. */
export async function threeSessions(scene: Scene): Promise<string[]> {
  const ids = [];
  for (const user_id of ["ana", "ana", "rui"]) {
    ids.push(await scene.session({ user_id }));
    await scene.pass(1);
  }
  await scene.call("sessions.close", { session_id: ids[2] });
  return ids;
}

/** Three calls of one session, each a moment after the one before; the last one refused. */
export async function threeCalls(scene: Scene): Promise<{ session_id: string; ids: string[] }> {
  const session_id = await scene.session();
  const ids = [];
  for (const [tool, input] of [["codespar_charge", mariaCharge], ["codespar_discover", { use_case: "ship a parcel" }], ["codespar_charge", {}]] as const) {
    ids.push((await scene.call("tools.execute", { session_id, tool, input })).tool_call_id!);
    await scene.pass(1);
  }
  return { session_id, ids };
}

/** A user's own connection, and then another's. */
export async function twoConnections(scene: Scene): Promise<[string, string]> {
  const connect = async (user_id: string) => {
    const { id } = await scene.call("connections.create", { server_id: "persona", secret: "any", user_id, connection_metadata: { inquiry_template_id: "itmpl_1", note: "mine" } });
    await scene.pass(1);
    return id;
  };
  return [await connect("ana"), await connect("rui")];
}

export async function revokedConnection(scene: Scene): Promise<string> {
  const [connection_id] = await twoConnections(scene);
  await scene.call("connections.revoke", { connection_id });
  return connection_id;
}

/** A charge under this key whose first call has not ended. */
export async function unfinishedCharge(scene: Scene, key: string): Promise<void> {
  const id = await charged(scene, { ...mariaCharge, idempotency_key: key });
  const leaseUntil = new Date(scene.app.clock.now().getTime() + 30_000);
  await scene.app.platform.db.sql`
    update tool_calls set status = 'running', outcome = null, lease_until = ${leaseUntil} where project_id = ${scene.projectId} and id = ${id}`;
}
