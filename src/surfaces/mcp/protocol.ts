/** MCP itself, in both its eras and over any transport. Where the tools come from is a `ToolSource`: the door, or a server elsewhere. */
import { Server, type CallToolResult, type ListToolsResult, type RequestId, type ServerContext } from "@modelcontextprotocol/server";
import { CONTRACT_VERSION } from "../rest/openapi.ts";

export interface ToolSource {
  /** Told to a model before it sees the tools. */
  instructions: string;
  list(): Promise<ListToolsResult>;
  call(use: ToolUse): Promise<CallToolResult>;
}

export interface ToolUse {
  /** The request's, by which its client may cancel it. */
  id: RequestId;
  name: string;
  input: Record<string, unknown>;
  /** Aborts when the request was cancelled or its client has gone. */
  signal: AbortSignal;
  /** Tells the client how far the call is; absent where it did not ask. It never rejects. */
  report?: Report | undefined;
}

export type Report = (at: { progress: number; total?: number | undefined; message?: string | undefined }) => Promise<void>;

export function toolServer(tools: ToolSource): Server {
  const { instructions } = tools;
  const server = new Server({ name: "codespar-server", version: CONTRACT_VERSION }, { capabilities: { tools: {} }, instructions });
  server.setRequestHandler("tools/list", () => tools.list());
  server.setRequestHandler("tools/call", ({ params: { name, arguments: input = {} } }, { mcpReq }) =>
    tools.call({ id: mcpReq.id, name, input, signal: mcpReq.signal, report: reporter(mcpReq) }));
  return server;
}

function reporter({ _meta, notify }: ServerContext["mcpReq"]): Report | undefined {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  // A client that has gone needs no news.
  return (at) => notify({ method: "notifications/progress", params: { progressToken, ...at } }).catch(() => {});
}
