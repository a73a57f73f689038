/**
 * What the published test harnesses do to a server, in their order. They speak raw HTTP with any key, read nothing of a refused close,
 * and each leg opens a session of its own.
 */
import type { ChatResult } from "./frames.ts";
import { identityOf, type SessionRow, type ToolResult } from "./requests.ts";
import type { ClientOptions } from "./start.ts";

type Json = Record<string, unknown>;

/** A session for the time of one leg. */
export async function inSession<Result>(options: ClientOptions, leg: (session: HarnessSession) => Promise<Result>, opening: Json = {}): Promise<Result> {
  const headers = { ...identityOf(options), "content-type": "application/json" };
  const post = (path: string, body: Json, more: Record<string, string> = {}) =>
    options.fetch(`${options.baseUrl}${path}`, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
  const opened = await post("/v1/sessions", { servers: [], user_id: "contract-suite", ...opening });
  if (!opened.ok) throw new Error(`create: ${opened.status} ${await opened.text()}`);
  const row = (await opened.json()) as SessionRow;
  const at = `/v1/sessions/${row.id}`;
  try {
    return await leg({
      row,
      execute: async (tool, input) => {
        const response = await post(`${at}/execute`, { tool, input });
        return { status: response.status, result: (await response.json()) as ToolResult };
      },
      send: async (message) => {
        const response = await post(`${at}/send`, { message }, { accept: "application/json" });
        if (!response.ok) throw new Error(`send: ${response.status} ${await response.text()}`);
        return (await response.json()) as ChatResult;
      },
      stream: async (message) => (await post(`${at}/send`, { message }, { accept: "text/event-stream" })).body!,
      connections: async () => (await options.fetch(`${options.baseUrl}${at}/connections`, { headers })).json(),
    });
  } finally {
    await options.fetch(`${options.baseUrl}${at}`, { method: "DELETE", headers });
  }
}

export interface HarnessSession {
  row: SessionRow;
  execute(tool: string, input: Json): Promise<{ status: number; result: ToolResult }>;
  send(message: string): Promise<ChatResult>;
  stream(message: string): Promise<ReadableStream<Uint8Array>>;
  connections(): Promise<any>;
}

/** A published demo scenario: a session with mocks, and one JSON send a turn. */
export const demoScenario = (options: ClientOptions, mocks: Json, turns: readonly string[]): Promise<ChatResult[]> =>
  inSession(options, async ({ send }) => {
    const results: ChatResult[] = [];
    for (const turn of turns) results.push(await send(turn));
    return results;
  }, { mocks });
