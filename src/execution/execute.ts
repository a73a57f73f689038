/**
 * One tool call, from any surface and from the agent: resolve, parse, gate, claim, route, dispatch, record. The eight steps of
 * the pipeline in the order a reader meets them; settlement, the last, happens when the provider says so.
 */
import { rails } from "../../providers/rails.ts";
import { asFailure, Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import { isMetaTool, metaTools, type MetaToolName } from "../../schema/meta-tools/index.ts";
import { isObject, type JsonObject, type MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import { isTerminal } from "../../schema/settlement.ts";
import { findUnstorable } from "../../schema/storable.ts";
import type { Origin, ToolResult } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import { orderedJson, plainJson } from "../json.ts";
import type { LocalAct } from "../ledger/books.ts";
import type { Platform } from "../platform.ts";
import { degradedProviders } from "../rails/health.ts";
import { chooseRoute, type Candidate, type RailNeed, type Route } from "../rails/router.ts";
import { mockedAnswer } from "../sessions/mocks.ts";
import { activeSession, type SessionRow } from "../sessions/sessions.ts";
import { argumentFailure, prepareArguments } from "./arguments.ts";
import { claim, settledFirst, type Claim, type Claimed } from "./claim.ts";
import { dispatch, type Target } from "./dispatch.ts";
import { isMandateRefusal } from "../mandates/decide.ts";
import { localActs, localTools } from "./local-tools.ts";
import { meaning, planners, runIntent, type Plan } from "./plan.ts";
import { NATIVE_RAIL, performNative, performVerb } from "./perform.ts";
import { recordFinished, storedError } from "./record.ts";
import { prepareRefund, refundIn } from "./refund.ts";
import { canonicalName, mockedName, OURS, readName, resolveTool, type ResolvedTool } from "./resolve.ts";
import { findToolCall, MOCKED, toToolResult, type AnsweredRow, type ToolCallRow } from "./rows.ts";

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
  requireStorable(request.input);
  const session = await activeSession(platform, request.principal, request.sessionId);
  const calledAt = platform.clock.now();
  try {
    const { row, replayed } = await run(platform, request, session);
    return toToolResult(row, replayed);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "internal") platform.log.error({ err: error, tool: request.tool }, "a tool call failed unexpectedly");
    if (failure.code === "tool_not_registered") return notRegistered(request.tool, failure, calledAt);
    if (request.headerKey !== undefined && failure.code.startsWith("idempotency_")) throw failure;
    return toToolResult(await writeRefusal(platform, request, failure, calledAt));
  }
}

/** What a caller sends has been checked by the door; what a model wrote has not. Not even a refusal could be written of it. */
function requireStorable(input: JsonObject): void {
  const found = findUnstorable(input);
  if (!found) return;
  const [field, expected] = [found.path.join("."), found.expected];
  throw new Failure("invalid_args", { ...(field && { field }), problem: `expected ${expected}`, expected });
}

async function run(platform: Platform, request: ExecuteRequest, session: SessionRow): Promise<{ row: AnsweredRow; replayed?: boolean }> {
  const written = readName(platform, request.tool);
  const mocked = await mockedAnswer(platform, session, mockedName(written));
  if (mocked) return { row: await writeFinished(platform, request, { server: MOCKED, output: mocked, input: request.input }) };
  const resolved = resolveTool(platform, written);
  if (resolved.kind === "native") return claimAndDispatch(platform, request, await prepareNative(platform, request, session, resolved));

  const { tool, provider, name } = resolved;
  const known = { ...(provider && { provider }), ...(name === metaTools.codespar_wallet.name && { consumer_id: session.userId }) };
  const { canonical, parsed } = prepareArguments(tool, { ...known, ...request.input }, projectOf(request));
  if (request.origin !== "direct") refuseOthersWallet(canonical, session);
  const local = localTools[tool.name as MetaToolName]?.(parsed as never);
  if (local) return { row: await writeFinished(platform, request, { server: OURS, output: await local(platform, request.principal, session), input: canonical }) };
  const act = localActs[tool.name as MetaToolName]?.(parsed as never);
  // By what was understood, not by what was written: a default that is spelled out means the same.
  const fingerprint = meaning(name, plainJson(parsed) as JsonObject);
  if (act) return actLocally(platform, request, { name, canonical, fingerprint, ...UNROUTED, plan: { ...OURS_ALONE, identity: canonical } }, act);

  const refund = refundIn(parsed);
  if (refund) return claimAndDispatch(platform, request, { ...(await prepareRefund(platform, session, refund, canonical)), name, serverId: OURS, canonical, fingerprint });

  const plan = withinSession(planners[tool.name as MetaToolName]!(parsed as never), request, session);
  const { ranked, routing, failoverTrail } = await routeFor(platform, session, plan.need);
  const targets = ranked.map(({ rail, connectionId }): Target => ({ provider: rail.provider, rail: rail.id, connectionId, perform: performVerb(tool, rail.verb, parsed) }));
  const prepared: Prepared = { name, serverId: OURS, canonical, fingerprint, plan, targets, routing, failoverTrail };
  return plan.begins ? actLocally(platform, request, prepared, plan.begins) : claimAndDispatch(platform, request, prepared);
}

/** A model sees and fills the wallet of its session's user, whatever consumer it names. */
function refuseOthersWallet({ consumer_id: consumerId }: JsonObject, { userId }: SessionRow): void {
  if (consumerId !== undefined && consumerId !== userId)
    throw new Failure("invalid_args", { field: "consumer_id", problem: "is not this session's user", expected: userId });
}

/** Whatever mandate a model names, it has to be of the session's user. */
function withinSession(plan: Plan, { origin }: ExecuteRequest, { userId }: SessionRow): Plan {
  if (origin === "direct" || !plan.mandate) return plan;
  return { ...plan, mandate: { ...plan.mandate, consumerId: userId } };
}

const UNROUTED = { serverId: OURS, targets: [], routing: [], failoverTrail: [] } satisfies Partial<Prepared>;
const OURS_ALONE = { settles: undefined, acts: true } satisfies Prepared["plan"];

/** An effect of ours: claimed, made and answered in one transaction, so that a repeat finds all of it or nothing. */
async function actLocally(
  platform: Platform, request: ExecuteRequest, prepared: Prepared, act: LocalAct,
): Promise<{ row: AnsweredRow; replayed?: boolean }> {
  const { targets: [target] } = prepared;
  const verdict = await claim(platform, {
    ...claimOf(request, prepared),
    within: async (tx, { id, calledAt }) => recordFinished(tx, { ...request.principal, id }, await act(tx, { ...request.principal, toolCallId: id, at: calledAt }, { platform, target }), calledAt),
  });
  platform.jobs.kick(); // what was begun may have left work behind
  if (!verdict.won) return { row: await settledFirst(platform, verdict.first, request.signal), replayed: true };
  return { row: await findToolCall(platform, request.principal.projectId, verdict.id) };
}

/**
 * What a project's arguments are read by. The agent's model is told that amounts are in minor units, so it writes them so whatever
 * unit the project has stated for its own code.
 */
function projectOf({ principal: { environment, settings }, origin }: ExecuteRequest): Parameters<typeof prepareArguments>[2] {
  if (origin !== "agent") return { environment, settings };
  return { environment, settings: { ...settings, chargeAmountUnit: "minor" }, shownOnly: true };
}

/** A call as it is claimed and dispatched. */
export interface Prepared {
  name: string;
  serverId: string;
  canonical: JsonObject;
  fingerprint: string;
  plan: Pick<Plan, "money" | "settles" | "acts" | "identity" | "mandate">;
  targets: readonly Target[];
  routing: readonly Candidate[];
  failoverTrail: readonly Candidate[];
  /** The charge that is given back. */
  refundOf?: string;
  /** What else has to hold at the claim. */
  within?: Claim["within"];
}

/** What a session's `servers` bound: the agent and MCP always, a key's holder where the session or the project says so (C-56). Throws tool_not_in_session. */
export function refuseOutsideSession(
  { origin, principal }: Pick<ExecuteRequest, "origin" | "principal">, { servers, strictServers }: Pick<SessionRow, "servers" | "strictServers">, tool: string, serverId: string,
): void {
  const isBound = origin !== "direct" || strictServers || principal.settings.strictServers === true;
  if (isBound && !servers.includes(serverId)) throw new Failure("tool_not_in_session", { tool, servers });
}

/** A provider's own tool: its arguments are its own, its route is its name. */
async function prepareNative(
  platform: Platform,
  { input, origin, principal }: ExecuteRequest,
  session: SessionRow,
  { name, server, tool }: Extract<ResolvedTool, { kind: "native" }>,
): Promise<Prepared> {
  refuseOutsideSession({ origin, principal }, session, name, server.id);
  const { idempotency_key: _key, ...written } = input;
  const parsed = tool.input.safeParse(written);
  if (!parsed.success) throw argumentFailure(parsed.error.issues[0]!, written);
  const connection = (await listConnected(platform, principal.projectId, session.userId)).find((each) => each.serverId === server.id);
  if (!connection) throw new Failure("provider_not_connected", { provider: server.id });
  const acts = tool.effect !== "reads";
  return {
    name, serverId: server.id, canonical: input, fingerprint: meaning(name, input), failoverTrail: [],
    plan: { settles: undefined, acts, ...(acts && { identity: written }) },
    targets: [{ provider: server.id, rail: NATIVE_RAIL, connectionId: connection.id, perform: performNative(server, tool, parsed.data) }],
    routing: [{ provider: server.id, rail: NATIVE_RAIL, rank: 0, verdict: "chosen", reason: "its own tool" }],
  };
}

/** Throws what `claim` throws, and call_cancelled; past the claim, whatever happens is in the row. */
export async function claimAndDispatch(platform: Platform, request: ExecuteRequest, prepared: Prepared): Promise<{ row: AnsweredRow; replayed?: boolean }> {
  // The last moment: a claimed call is finished whoever waits for it, because its claim may have been seen.
  if (request.signal?.aborted) throw new Failure("call_cancelled", {});
  const { orgId, projectId, settings } = request.principal;
  const verdict = await claim(platform, claimOf(request, prepared));
  if (!verdict.won) return { row: await settledFirst(platform, verdict.first, request.signal), replayed: true };
  const { id, key, reference, calledAt } = verdict;
  try {
    await dispatch(platform, { orgId, projectId, id, reference, calledAt, settings, idempotencyKey: key ?? reference, targets: prepared.targets });
    if (prepared.plan.settles === "invoice") await waitForState(platform, { projectId, id }, request.signal);
    return { row: await findToolCall(platform, projectId, id) };
  } catch (error) {
    // Behind the claim nothing is a refusal any more: what went wrong here is picked up by whoever finds the lease over.
    platform.log.error({ err: error, toolCallId: id }, "a claimed call could not be finished; it will be recovered");
    return { row: rowUnderWay(request.tool, prepared, verdict) };
  }
}

/** A claimed call as it stands before its answer, when its row cannot be read. */
function rowUnderWay(toolName: string, { serverId, targets: [target] }: Prepared, { id, key, calledAt }: Claimed): AnsweredRow {
  return {
    id, toolName, serverId, provider: target?.provider ?? null, rail: target?.rail ?? null, idempotencyKey: key, status: "running",
    outcome: null, output: null, error: null, durationMs: null, calledAt,
  };
}

function claimOf({ principal, sessionId, runId, origin, tool, headerKey }: ExecuteRequest, prepared: Prepared): Claim {
  const { name, canonical, fingerprint, plan, targets: [target], serverId, routing, failoverTrail } = prepared;
  const { idempotency_key: written, metadata } = canonical as { idempotency_key?: string; metadata?: Record<string, unknown> };
  const guarded = runId !== undefined && plan.identity !== undefined && plan.acts;
  return {
    // What is booked and looked up goes by the meta-tool, by whichever spelling it was called; another tool is kept as its caller wrote it.
    toolName: isMetaTool(name) ? name : tool,
    principal, sessionId, runId, origin, canonical: asKept(name, canonical), metadata, fingerprint, target, serverId, routing, failoverTrail, money: plan.money,
    settles: plan.acts ? plan.settles : undefined,
    mandate: plan.mandate,
    refundOf: prepared.refundOf,
    within: prepared.within,
    acts: plan.acts,
    // A key that a model made up protects nothing: only callers name their effects.
    key: headerKey ?? (origin === "agent" ? undefined : written),
    intent: guarded ? runIntent(runId, name, plan.identity!) : undefined,
  };
}

async function routeFor(platform: Platform, { projectId, userId, environment }: SessionRow, need: RailNeed): Promise<Route> {
  const { db, clock, providers } = platform;
  const known = providers.map((provider) => provider.id);
  const eligible = new Set(rails.filter((rail) => rail.tool === need.tool && rail.method === need.method).map((rail) => rail.provider));
  const [connections, degraded] = await Promise.all([
    listConnected(platform, projectId, userId),
    degradedProviders({ db, now: clock.now() }, projectId, [...eligible]),
  ]);
  return chooseRoute(need, { connected: new Map(connections.map((each) => [each.serverId, each.id])), degraded, known, environment });
}

/** Waits, within a bound and for as long as the caller does, for a document the caller expects in the answer. */
async function waitForState(
  { db, hub, clock, limits }: Platform, row: Pick<ToolCallRow, "projectId" | "id">, signal: AbortSignal | undefined,
): Promise<void> {
  const stop = new AbortController();
  const until = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const changes = hub.listen({ projectId: row.projectId, topic: "tool_call", subject: row.id }, until);
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
  const kept = isObject(output) ? asKept(tool, output) : output;
  const row = await writeRow(platform, {
    principal, sessionId, tool, origin, runId, input, server, status: "success", output: kept, failure: undefined, calledAt: platform.clock.now(),
  });
  return kept === output ? row : { ...row, output };
}

/** What a row keeps of a tool's arguments, or of its result: all but what the tool says is not kept. */
function asKept(tool: string, json: JsonObject): JsonObject {
  const name = mockedName(canonicalName(tool));
  const unkept = isMetaTool(name) ? (metaTools[name] as MetaTool).unkept : undefined;
  return unkept ? Object.fromEntries(Object.entries(json).filter(([key]) => !unkept.includes(key))) : json;
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
  if (isMandateRefusal(code)) return { code: "policy_denied", rule_id: `mandate:${code}`, message };
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
      ${db.sql.json(asKept(row.tool, row.input) as never)}, ${row.output === null ? null : orderedJson(db.sql, row.output)}, ${row.failure?.code ?? null},
      ${row.failure ? db.sql.json(storedError(row.failure) as never) : null}, ${row.calledAt}, ${now}, ${now.getTime() - row.calledAt.getTime()})`;
  await hub.record(db.sql, { orgId, projectId, topic: "tool_call", subject: id, sessionId: row.sessionId, data: { status: row.status }, at: now });
  hub.wake();
  return findToolCall({ db }, projectId, id);
}

const notRegistered = (tool: string, failure: Failure, calledAt: Date): ToolResult => ({
  success: false, data: null, error: failure.message, code: failure.code, retry: failure.retry, duration: 0, server: "", tool, provider: null,
  tool_call_id: null, called_at: calledAt,
});
