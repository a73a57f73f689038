/**
 * One tool call, from any surface and from the agent: resolve, parse, gate, claim, route, dispatch, record. The eight steps of
 * the pipeline in the order a reader meets them; settlement, the last, happens when the provider says so.
 */
import { asFailure, Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import { isMetaTool, metaToolList, metaTools, type MetaToolName } from "../../schema/meta-tools/index.ts";
import type { JsonObject, MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import { isTerminal } from "../../schema/settlement.ts";
import type { Origin, ToolResult } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import { orderedJson } from "../json.ts";
import type { Platform } from "../platform.ts";
import { degradedProviders } from "../rails/health.ts";
import { chooseRoute, type Route, type RailNeed } from "../rails/router.ts";
import { mockedAnswer } from "../sessions/mocks.ts";
import { activeSession, type SessionRow } from "../sessions/sessions.ts";
import { prepareArguments } from "./arguments.ts";
import { claim, settledFirst, type Claim } from "./claim.ts";
import { dispatch } from "./dispatch.ts";
import { localTools } from "./local-tools.ts";
import { meaning, planners, runIntent, type Plan } from "./plan.ts";
import { storedError } from "./record.ts";
import { findToolCall, MOCKED, toToolResult, type ToolCallRow } from "./rows.ts";

export interface ExecuteRequest {
  principal: Principal;
  sessionId: string;
  tool: string;
  input: JsonObject;
  origin: Origin;
  /** The Idempotency-Key header. Its conflicts are HTTP errors; those of the argument are answered in band (C-60). */
  headerKey?: string | undefined;
  runId?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Throws only what concerns the session or the header's key; everything else about the tool is in the result. */
export async function execute(platform: Platform, request: ExecuteRequest): Promise<ToolResult> {
  const session = await activeSession(platform, request.principal, request.sessionId);
  const calledAt = platform.clock.now();
  try {
    const row = await run(platform, request, session);
    return row.replayed ? toToolResult(row.row, true) : toToolResult(row.row);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "internal") platform.log.error({ err: error, tool: request.tool }, "a tool call failed unexpectedly");
    if (failure.code === "tool_not_registered") return notRegistered(request.tool, failure, calledAt);
    if (request.headerKey !== undefined && failure.code.startsWith("idempotency_")) throw failure;
    return toToolResult(await writeRefusal(platform, request, failure, calledAt));
  }
}

async function run(platform: Platform, request: ExecuteRequest, session: SessionRow): Promise<{ row: ToolCallRow; replayed?: boolean }> {
  const name = canonicalName(request.tool);
  const mocked = await mockedAnswer(platform, session, name);
  if (mocked) return { row: await writeFinished(platform, request, { server: MOCKED, output: mocked, input: request.input }) };
  const tool = resolve(name);

  const { canonical, parsed } = prepareArguments(tool, request.input, {
    environment: request.principal.environment, settings: request.principal.settings, shownOnly: request.origin === "agent",
  });
  const local = localTools[tool.name as MetaToolName]?.(parsed as never);
  if (local) return { row: await writeFinished(platform, request, { server: "codespar", output: await local(platform, request.principal), input: canonical }) };

  const plan = planners[tool.name as MetaToolName]!(parsed as never);
  const route = await routeFor(platform, request.principal, plan.need);
  return claimAndDispatch(platform, request, { tool, canonical, parsed, plan, route });
}

interface Prepared {
  tool: MetaTool;
  canonical: JsonObject;
  parsed: unknown;
  plan: Plan;
  route: Route;
}

async function claimAndDispatch(platform: Platform, request: ExecuteRequest, prepared: Prepared): Promise<{ row: ToolCallRow; replayed?: boolean }> {
  const { principal } = request;
  const verdict = await claim(platform, claimOf(request, prepared));
  if (!verdict.won) return { row: await settledFirst(platform, verdict.first, request.signal), replayed: true };
  const row = await findToolCall(platform, principal.projectId, verdict.id);
  await dispatch(platform, {
    orgId: principal.orgId, projectId: principal.projectId, id: row.id, tool: prepared.tool, parsed: prepared.parsed,
    reference: row.externalReference!, idempotencyKey: row.idempotencyKey ?? row.externalReference!, ranked: prepared.route.ranked,
    settings: principal.settings, calledAt: row.calledAt,
  });
  if (prepared.plan.settles === "invoice") await waitForState(platform, row);
  return { row: await findToolCall(platform, principal.projectId, row.id) };
}

function claimOf({ principal, sessionId, runId, origin, tool: toolName, headerKey }: ExecuteRequest, { tool, canonical, plan, route }: Prepared): Claim {
  const { idempotency_key: written, metadata } = canonical as { idempotency_key?: string; metadata?: Record<string, unknown> };
  const guarded = runId !== undefined && plan.identity !== undefined && plan.acts;
  return {
    principal, sessionId, runId, origin, toolName, canonical, metadata, route, money: plan.money,
    settles: plan.acts ? plan.settles : undefined,
    acts: plan.acts,
    // A key that a model made up protects nothing: only callers name their effects.
    key: headerKey ?? (origin === "agent" ? undefined : written),
    fingerprint: meaning(tool.name as MetaToolName, canonical),
    intent: guarded ? runIntent(runId, tool.name as MetaToolName, plan.identity!) : undefined,
  };
}

/** `asaas__create_payment` and `asaas/create_payment` are one tool. */
const canonicalName = (name: string): string => (isMetaTool(name) ? name : name.replace("__", "/"));

function resolve(name: string): MetaTool {
  if (isMetaTool(name)) return metaTools[name] as unknown as MetaTool;
  const similar = metaToolList.find((tool) => tool.name === `codespar_${name}`)?.name;
  throw new Failure("tool_not_registered", { tool: name, ...(similar && { suggestion: similar }) });
}

async function routeFor(platform: Platform, { projectId }: Principal, need: RailNeed): Promise<Route> {
  const { db, clock, providers } = platform;
  const known = providers.map((provider) => provider.id);
  const [connections, degraded] = await Promise.all([
    listConnected(platform, projectId),
    degradedProviders({ db, now: clock.now() }, projectId, known),
  ]);
  return chooseRoute(need, { connected: new Map(connections.map((each) => [each.serverId, each.id])), degraded, known });
}

/** Waits, within a bound, for a document the caller expects in the answer. */
async function waitForState({ db, hub, clock, limits }: Platform, row: ToolCallRow): Promise<void> {
  const stop = new AbortController();
  const changes = hub.listen({ projectId: row.projectId, topic: "tool_call", subject: row.id }, stop.signal);
  void clock.sleep(limits.settleWaitMs, stop.signal).then(() => stop.abort());
  try {
    do {
      const now = await findToolCall({ db }, row.projectId, row.id);
      if (now.status === "error" || now.outcome === "unknown" || (now.settles && now.state && isTerminal(now.settles, now.state))) return;
    } while (!(await changes.next()).done);
  } finally {
    stop.abort();
  }
}

/** A call that is over as it is written: a mock, or a tool we answer ourselves. */
async function writeFinished(
  platform: Platform,
  { principal, sessionId, tool, origin, runId }: ExecuteRequest,
  { server, output, input }: { server: string; output: unknown; input: JsonObject },
): Promise<ToolCallRow> {
  return writeRow(platform, {
    principal, sessionId, tool, origin, runId, input, server, status: "success", output, failure: undefined, calledAt: platform.clock.now(),
  });
}

/** A refusal leaves a row and no key, so that a corrected repeat is a new call. */
async function writeRefusal(
  platform: Platform,
  { principal, sessionId, tool, origin, runId, input }: ExecuteRequest,
  failure: Failure,
  calledAt: Date,
): Promise<ToolCallRow> {
  return writeRow(platform, { principal, sessionId, tool, origin, runId, input, server: "codespar", status: "error", output: outcomeObject(failure), failure, calledAt });
}

/** The published outcome objects that clients look for in `data`. */
function outcomeObject({ code, message, at }: Failure): unknown {
  if (code === "tool_not_mocked") return { code, tool_name: at["tool"], message };
  if (code === "mocks_exhausted") return { code, message };
  return null;
}

async function writeRow(
  { db, clock, hub }: Platform,
  row: Pick<ExecuteRequest, "principal" | "sessionId" | "tool" | "origin" | "runId"> & {
    input: JsonObject; server: string; status: "success" | "error"; output: unknown; failure: Failure | undefined; calledAt: Date;
  },
): Promise<ToolCallRow> {
  const { orgId, projectId, environment } = row.principal;
  const now = clock.now();
  const id = newId("toolCall", row.calledAt);
  await db.sql`
    insert into tool_calls (org_id, project_id, id, session_id, run_id, origin, environment, tool_name, server_id, status, input, output,
      error_code, error, called_at, finished_at, duration_ms)
    values (${orgId}, ${projectId}, ${id}, ${row.sessionId}, ${row.runId ?? null}, ${row.origin}, ${environment}, ${row.tool}, ${row.server}, ${row.status},
      ${db.sql.json(row.input as never)}, ${row.output === null ? null : orderedJson(db.sql, row.output)}, ${row.failure?.code ?? null},
      ${row.failure ? db.sql.json(storedError(row.failure) as never) : null}, ${row.calledAt}, ${now}, ${now.getTime() - row.calledAt.getTime()})`;
  await hub.record(db.sql, { orgId, projectId, topic: "tool_call", subject: id, sessionId: row.sessionId, data: { status: row.status }, at: now });
  hub.wake();
  return findToolCall({ db }, projectId, id);
}

const notRegistered = (tool: string, failure: Failure, calledAt: Date): ToolResult => ({
  success: false, data: null, error: failure.message, code: failure.code, retry: failure.retry, duration: 0, server: "", tool, provider: null,
  tool_call_id: null, called_at: calledAt,
});
