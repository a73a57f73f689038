/** The whole server on a socket, in a process of its own. */
import type { Observation } from "../providers/provider.ts";
import { transaction } from "../src/db/connect.ts";
import { lockCall, settle } from "../src/settlement/settle.ts";
import { answerParent } from "./child.ts";
import { startProduct } from "./product.ts";

export type ProductChild = typeof functions;

const { server, key, session, charge } = await startProduct(process.env["DATABASE_URL"]!);
const { url } = await server.listen();

const functions = {
  where: () => ({ url, key }),
  payment: async () => {
    const sessionId = await session();
    return { sessionId, toolCallId: (await charge(sessionId)).toolCallId };
  },
  /** Settles one more step, as an applied notification does. Returns when the step was committed, in `monotonicNs`. */
  update: async ({ toolCallId, ref }: { toolCallId: string; ref: string }) => {
    const { platform } = server;
    const observation: Observation = { ref, state: "updated", action: "PAYMENT_UPDATED" };
    const [row] = await platform.db.sql<{ projectId: string }[]>`
      select project_id as "projectId" from tool_calls where id = ${toolCallId}`;
    await transaction(platform.db, async (tx) => {
      const locked = await lockCall(tx, row!.projectId, toolCallId);
      await settle(platform, tx, locked!, { key: ref, provider: "asaas", observation });
    });
    const committedAt = monotonicNs();
    platform.hub.wake();
    return committedAt;
  },
};

/** Nanoseconds of the clock that all processes of a machine share. A string, because it crosses as JSON. */
const monotonicNs = (): string => String(process.hrtime.bigint());

answerParent(functions, () => server.stop());
