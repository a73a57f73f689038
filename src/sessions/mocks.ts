/**
 * Mocks a session declares: answers by tool, returned verbatim. One object answers every call; a list is used up in order.
 * Source: facts C-13, C-57 and the published mocks rules. They exist only for test keys, so they can never stand for a real payment.
 */
import { Failure } from "../../schema/failures.ts";
import { isMetaTool } from "../../schema/meta-tools/index.ts";
import { MOCKS_BYTES_MAX } from "../../schema/sessions.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Database } from "../db/connect.ts";

type Answer = Record<string, unknown>;
export type Mocks = Record<string, Answer | Answer[]>;

/** Tools that answer although a session is strict: they reach no provider. */
const ALWAYS_REAL = ["codespar_discover", "codespar_manage_connections", "codespar_list_tools"];

const NATIVE_KEY = /^[a-z0-9][a-z0-9-]*\/[a-z0-9][a-z0-9_-]*$/;

/** Checks declared mocks in the published order: permitted, size, shape. `{}` declares none: released clients send it with live keys too. */
export function parseMocks(mocks: Record<string, unknown> | undefined, environment: Environment): Mocks | null {
  if (mocks === undefined || Object.keys(mocks).length === 0) return null;
  if (environment === "live") throw new Failure("mocks_not_permitted", {});
  if (Buffer.byteLength(JSON.stringify(mocks)) > MOCKS_BYTES_MAX)
    throw new Failure("mocks_payload_too_large", { limitBytes: MOCKS_BYTES_MAX });
  for (const [tool, answer] of Object.entries(mocks)) {
    if (!isMetaTool(tool) && !NATIVE_KEY.test(tool))
      throw new Failure("mocks_invalid", { field: `mocks.${tool}`, problem: `${tool} is neither a meta-tool nor server/tool` });
    if (!(Array.isArray(answer) ? answer : [answer]).every(isAnswer))
      throw new Failure("mocks_invalid", { field: `mocks.${tool}`, problem: "expected an object, or a list of objects" });
  }
  return mocks as Mocks;
}

const isAnswer = (value: unknown): value is Answer => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The declared answer to a call of `tool`, its canonical name.
 *
 * returns  undefined when the tool is to be run for real
 * throws   tool_not_mocked in a strict session; mocks_exhausted
 */
export async function mockedAnswer(
  { db }: { db: Database },
  session: { orgId: string; projectId: string; id: string; mocks: Mocks | null },
  tool: string,
): Promise<Answer | undefined> {
  if (!session.mocks) return undefined;
  if (!Object.hasOwn(session.mocks, tool)) {
    if (ALWAYS_REAL.includes(tool)) return undefined;
    throw new Failure("tool_not_mocked", { tool });
  }
  const declared = session.mocks[tool]!;
  if (!Array.isArray(declared)) return declared;
  const [row] = await db.sql<{ used: number }[]>`
    insert into mock_uses (org_id, project_id, session_id, tool, used)
    values (${session.orgId}, ${session.projectId}, ${session.id}, ${tool}, 1)
    on conflict (project_id, session_id, tool) do update set used = mock_uses.used + 1 returning used`;
  const answer = declared[row!.used - 1];
  if (!answer) throw new Failure("mocks_exhausted", { tool });
  return answer;
}
