/**
 * Agent runs: one per message. The loop itself lives in `agent/` and knows nothing of us; here it is given the session's tools
 * (through the same pipeline as every caller), and what happens is written down before it is told, so a client that lost its
 * stream reads on from its cursor.
 */
import { failureForModel, newProgress, runAgent, type AgentProgress, type AgentTools } from "../../agent/loop.ts";
import { createModelClient } from "../../agent/model.ts";
import { systemPrompt } from "../../agent/system.ts";
import type { SendEvent, SendResult, ToolCallRecord } from "../../schema/agent.ts";
import { asFailure, Failure, failures, type FailureCode } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import { isObject, type JsonObject } from "../../schema/meta-tools/meta-tool.ts";
import type { ToolResult } from "../../schema/tool-calls.ts";
import type { Caller } from "../call.ts";
import type { Streamed } from "../door.ts";
import { checkedKey } from "../execution/claim.ts";
import { execute } from "../execution/execute.ts";
import { orderedJson } from "../json.ts";
import type { Platform } from "../platform.ts";
import { activeSession } from "../sessions/sessions.ts";
import { sessionTools } from "../sessions/tools.ts";

/** A run that has gone on for this long past its time has lost its process: the tool at work when the time is up takes less. */
const LOST_AFTER_MS = 3 * 60_000;
/** Strings longer than this (a QR image) tell a model nothing; it reads that they exist. A Pix code has up to 512 characters. */
const MODEL_STRING_CHARS_MAX = 600;

type Event = Streamed<SendEvent>;
/** An event before it has its place. */
type NewEvent = SendEvent extends infer Each ? (Each extends unknown ? Omit<Each, "cursor"> : never) : never;

/** One message, answered. Rejects with the run's failure; what it had done stands in its tool calls. */
export async function send(platform: Platform, caller: Caller, input: { session_id: string; message: string }): Promise<SendResult> {
  let last: SendEvent | undefined;
  for await (const { item } of await startRun(platform, caller, input)) last = item;
  if (last?.type === "done") return last.result;
  if (last?.type === "error") throw failureNamed(last.error, last.message);
  throw new Failure("internal", {}, { cause: new Error("a run ended without a last event") });
}

/** With `after`, the stream of an earlier run from there on; else a new run. */
export async function attachOrRun(
  platform: Platform,
  caller: Caller,
  input: { session_id: string; message: string; after?: string | undefined },
): Promise<AsyncIterable<Event>> {
  return input.after === undefined ? startRun(platform, caller, input) : attach(platform, caller, input.session_id, input.after);
}

interface Run {
  id: string;
  sessionId: string;
  message: string;
  /** The session's servers: what the agent may call of their own tools. */
  servers: readonly string[];
  caller: Caller;
  /** The number of the last event written. */
  seq: number;
}

/** A repeat under the caller's own key reads the first run instead of starting a second. Throws idempotency_conflict for another message. */
async function startRun(platform: Platform, caller: Caller, { session_id: sessionId, message }: { session_id: string; message: string }): Promise<AsyncIterable<Event>> {
  const { db, clock, model } = platform;
  const { principal, headerKey } = caller;
  const key = headerKey === undefined ? null : checkedKey(headerKey);
  const { servers } = await activeSession(platform, principal, sessionId);
  const offline = model.apiKey === undefined && principal.environment === "test";
  const client = await createModelClient({ ...model, offline });
  const run: Run = { id: newId("run", clock.now()), sessionId, message, servers, caller, seq: 0 };
  const started = await db.sql`
    insert into runs (org_id, project_id, id, session_id, message, request_key, status, model, started_at)
    values (${principal.orgId}, ${principal.projectId}, ${run.id}, ${sessionId}, ${message}, ${key}, 'running', ${offline ? "offline" : model.model}, ${clock.now()})
    on conflict do nothing returning id`;
  if (started.length > 0) return drive(platform, run, { client, message });
  const [first] = await db.sql<{ id: string; message: string }[]>`
    select id, message from runs where project_id = ${principal.projectId} and session_id = ${sessionId} and request_key = ${key}`;
  if (first!.message !== message) throw new Failure("idempotency_conflict", { field: "idempotency_key", toolCallId: first!.id });
  return readOn(platform, caller, first!.id, 0);
}

async function* drive(
  platform: Platform,
  run: Run,
  { client, message }: { client: Awaited<ReturnType<typeof createModelClient>>; message: string },
): AsyncGenerator<Event> {
  const { clock, model, bounds } = platform;
  const progress = newProgress();
  const gone = new AbortController();
  const signal = run.caller.signal ? AbortSignal.any([run.caller.signal, gone.signal]) : gone.signal;
  let ended = false;
  try {
    const tools = toolsOf(platform, run);
    for await (const event of runAgent({ client, model: model.model, system: systemPrompt, message, tools, bounds, clock, signal, progress }))
      yield event.type === "text_delta" ? told(run, event) : await write(platform, run, event);
    const { message: answer, toolCalls, iterations } = progress;
    const result: SendResult = { run_id: run.id, message: answer, tool_calls: toolCalls, iterations };
    ended = true;
    yield await finish(platform, run, progress, { type: "done", result });
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "internal") platform.log.error({ err: error, runId: run.id }, "a run failed unexpectedly");
    ended = true;
    yield await finish(platform, run, progress, { type: "error", error: failure.code, message: failure.message });
  } finally {
    // The listener left: the model is stopped and no further tool is started. What was dispatched stands.
    gone.abort();
    if (!ended) {
      const cancelled = new Failure("run_cancelled", {});
      await finish(platform, run, progress, { type: "error", error: cancelled.code, message: cancelled.message });
    }
  }
}

/** The session's tools, as the agent calls them: through the pipeline, with origin `agent` and this run as its scope. */
function toolsOf(platform: Platform, run: Run): AgentTools {
  const { principal } = run.caller;
  return {
    definitions: sessionTools(platform, run.servers, { toolSet: principal.settings.toolSet }).map(({ name, description, input_schema }) => ({ name, description, input_schema: input_schema as object })),
    run: async ({ id, name, input: written }) => {
      const input = withUsersReference(written, run.message);
      const result = await execute(platform, { principal, sessionId: run.sessionId, tool: name, input, origin: "agent", runId: run.id });
      return { record: recordOf(id, name, input, result), content: contentOf(result), isError: !result.success };
    },
  };
}

/** An order reference tells two equal charges apart, so only one that the user wrote counts: a model could make up a new one each time. */
function withUsersReference(input: JsonObject, message: string): JsonObject {
  const { reference, ...rest } = input;
  return typeof reference === "string" && message.toLowerCase().includes(reference.trim().toLowerCase()) ? input : rest;
}

const recordOf = (useId: string, name: string, input: unknown, result: ToolResult): ToolCallRecord => ({
  id: result.tool_call_id ?? useId, tool_name: name, server_id: serverOf(name) ?? (result.server || "codespar"), status: result.success ? "success" : "error",
  duration_ms: result.duration, input, output: result.data, error_code: result.code ?? null,
});

/** A provider's own tool says whose it is, also where it was mocked or refused; released clients tell calls apart by it. */
const serverOf = (name: string): string | undefined => /^(.+?)__/.exec(name)?.[1];

/** What the model reads of a result. */
function contentOf(result: ToolResult): string {
  if (result.success) return JSON.stringify({ ...shortened(result.data), ...(result.replayed && { replayed: true }) });
  if (result.code && Object.hasOwn(failures, result.code))
    return JSON.stringify({ code: result.code, message: result.error, field: result.field, expected: result.expected, retry: result.retry });
  return failureForModel(new Failure("internal", {}));
}

const shortened = (data: unknown): object =>
  isObject(data)
    ? Object.fromEntries(Object.entries(data).map(([key, value]) => [key, typeof value === "string" && value.length > MODEL_STRING_CHARS_MAX ? "[available to the caller]" : value]))
    : { result: data };

const cursorOf = (run: Pick<Run, "id" | "seq">): string => `${run.id}.${run.seq}`;

/** An event too small to keep: a listener that resumes gets the whole text instead. */
const told = (run: Run, event: NewEvent): Event => ({ id: cursorOf(run), item: { ...event, cursor: cursorOf(run) } as SendEvent });

/** Keeps an event and announces it, in one statement, with what else must be written with it. */
async function write({ db, clock, hub }: Platform, run: Run, event: NewEvent, also = db.sql``): Promise<Event> {
  run.seq += 1;
  const { orgId, projectId } = run.caller.principal;
  const now = clock.now();
  await db.sql`
    with ${also} written as (
      insert into run_events (org_id, project_id, run_id, seq, event, at)
      values (${orgId}, ${projectId}, ${run.id}, ${run.seq}, ${orderedJson(db.sql, event)}, ${now}))
    insert into outbox (org_id, project_id, topic, subject, session_id, created_at)
    values (${orgId}, ${projectId}, 'run', ${run.id}, ${run.sessionId}, ${now})`;
  hub.wake();
  return told(run, event);
}

/** The end and the event that tells it are one: who reads on in an ended run finds its last event. */
async function finish(platform: Platform, run: Run, progress: AgentProgress, event: Extract<NewEvent, { type: "done" | "error" }>): Promise<Event> {
  const { sql } = platform.db;
  const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = progress.usage;
  return write(platform, run, event, sql`
    ended as (
      update runs set status = ${event.type === "done" ? "done" : "failed"}, iterations = ${progress.iterations}, finished_at = ${platform.clock.now()},
        input_tokens = ${inputTokens + cacheReadTokens + cacheWriteTokens}, output_tokens = ${outputTokens},
        result = ${event.type === "done" ? orderedJson(sql, event.result) : null}, error_code = ${event.type === "error" ? event.error : null}
      where project_id = ${run.caller.principal.projectId} and id = ${run.id}),`);
}

/** Reads on in an earlier run of this session. Throws cursor_invalid for a cursor that is not of one. */
async function attach(platform: Platform, caller: Caller, sessionId: string, after: string): Promise<AsyncIterable<Event>> {
  const [, id, seq] = /^(run_[0-9a-z]{26})\.(\d{1,9})$/.exec(after) ?? [];
  const { projectId } = caller.principal;
  const [found] = id ? await platform.db.sql`select 1 from runs where project_id = ${projectId} and session_id = ${sessionId} and id = ${id}` : [];
  if (!id || !found) throw new Failure("cursor_invalid", { field: "after" });
  return readOn(platform, caller, id, Number(seq));
}

async function* readOn(platform: Platform, { principal: { projectId }, signal }: Caller, runId: string, after: number): AsyncGenerator<Event> {
  const changes = platform.hub.listen({ projectId, topic: "run", subject: runId }, signal);
  try {
    let seq = after;
    do {
      const { isRunning, events } = await eventsBehind(platform, { projectId, runId, seq });
      for (const { seq: place, event } of events) {
        seq = place;
        const cursor = cursorOf({ id: runId, seq });
        yield { id: cursor, item: { ...event, cursor } as SendEvent };
        if (event.type === "done" || event.type === "error") return;
      }
      if (!isRunning) return;
    } while (!(await changes.next()).done);
  } finally {
    await changes.return?.();
  }
}

/** Read at one moment, so that a run which has ended has all its events here. */
async function eventsBehind(
  { db }: Platform,
  { projectId, runId, seq }: { projectId: string; runId: string; seq: number },
): Promise<{ isRunning: boolean; events: { seq: number; event: NewEvent }[] }> {
  const rows = await db.sql<{ status: string; seq: number | null; event: NewEvent }[]>`
    select r.status, e.seq, e.event from runs r
    left join run_events e on e.project_id = r.project_id and e.run_id = r.id and e.seq > ${seq}
    where r.project_id = ${projectId} and r.id = ${runId} order by e.seq`;
  return { isRunning: rows[0]?.status === "running", events: rows.filter((row): row is typeof row & { seq: number } => row.seq !== null) };
}

/** Ends runs whose process died, so that nobody waits for them. Their tool calls are recovered on their own. */
export async function endLostRuns(platform: Platform): Promise<number> {
  const { db, clock, bounds } = platform;
  const lost = await db.sql<{ org_id: string; project_id: string; id: string; session_id: string }[]>`
    update runs set status = 'failed', error_code = 'internal', finished_at = ${clock.now()}
    where status = 'running' and started_at < ${new Date(clock.now().getTime() - bounds.timeMs - LOST_AFTER_MS)}
    returning org_id, project_id, id, session_id`;
  for (const run of lost)
    await platform.hub.record(db.sql, { orgId: run.org_id, projectId: run.project_id, topic: "run", subject: run.id, sessionId: run.session_id, at: clock.now() });
  if (lost.length > 0) platform.hub.wake();
  return lost.length;
}

/** A run's failure as it was told, thrown again for a caller who did not stream. */
function failureNamed(code: string, message: string): Failure {
  const failure = Object.hasOwn(failures, code) ? new Failure(code as FailureCode, {} as never) : new Failure("internal", {});
  failure.message = message;
  return failure;
}
