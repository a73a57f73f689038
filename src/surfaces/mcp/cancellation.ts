/**
 * Cancelling over HTTP. A client of 2026 closes its request; one of 2025 sends a notification in a request of its own, which finds
 * the call by who sent both. It is heard where the call runs in the same process; elsewhere the call goes on, as the protocol allows.
 */
import type { CallToolResult } from "@modelcontextprotocol/server";
import type { ToolSource } from "./protocol.ts";

/** Whoever sends a request: two clients of one key number their requests alike, so each is given a name when it connects. */
export interface Client {
  credential: string;
  /** The Mcp-Session-Id header. A client that does not send it back cannot cancel. */
  name: string | undefined;
}

export interface Cancellation {
  /** The same tools, whose calls end when this client cancels them. */
  cancellable(tools: ToolSource, client: Client): ToolSource;
  /** Ends the client's call of that request; nothing happens when there is none. */
  cancel(client: Client, requestId: unknown): void;
}

export function createCancellation(): Cancellation {
  const underWay = new Map<string, AbortController>();
  return {
    cancellable: (tools, client) => ({
      ...tools,
      call: async (use) => {
        if (client.name === undefined) return tools.call(use);
        const key = keyOf(client, use.id);
        const cancelled = new AbortController();
        underWay.set(key, cancelled);
        const answer = tools.call({ ...use, signal: AbortSignal.any([use.signal, cancelled.signal]) });
        return Promise.race([answer, whenCancelled(cancelled.signal)]).finally(() => underWay.delete(key));
      },
    }),
    cancel: (client, requestId) => underWay.get(keyOf(client, requestId))?.abort(),
  };
}

const keyOf = ({ credential, name }: Client, requestId: unknown): string => JSON.stringify([credential, name, requestId]);

/** Ends the request that nobody waits for any more. What was dispatched already is finished without it. */
const whenCancelled = (signal: AbortSignal): Promise<CallToolResult> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(CANCELLED), { once: true }));

const CANCELLED: CallToolResult = { content: [{ type: "text", text: "The call was cancelled." }], isError: true };
