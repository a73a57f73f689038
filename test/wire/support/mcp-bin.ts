/** The MCP package's process: a session that is opened at start and never closed, its tools listed once, each call an execution. */
import { ApiError, type ToolResult } from "./requests.ts";
import type { ClientOptions } from "./start.ts";
import { presets, typescriptSdk, type TypescriptSession } from "./typescript-sdk.ts";

export interface McpTool {
  name: string;
  description: string;
  inputSchema: Record<string, unknown>;
}

export interface McpBin {
  /** Undefined in set-up mode, which it enters when the key is refused. */
  session: TypescriptSession | undefined;
  listTools(): McpTool[];
  callTool(name: string, args: object): Promise<{ content: { type: "text"; text: string }[]; isError?: true }>;
}

const SET_UP: McpTool = { name: "codespar_get_started", description: "How to get a key.", inputSchema: { type: "object" } };

export async function mcpBin(options: ClientOptions, { servers = [...presets.brazilian] as string[], user = "mcp-user" } = {}): Promise<McpBin> {
  const session = await typescriptSdk(options).create(user, { servers }).catch((error: unknown) => {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return undefined;
    throw error;
  });
  const tools = (await session?.tools())?.map(({ name, description, input_schema }): McpTool =>
    ({ name, description, inputSchema: Object.keys(input_schema).length > 0 ? input_schema : { type: "object" } }));
  return {
    session,
    listTools: () => tools ?? [SET_UP],
    callTool: async (name, args) => {
      const result = await session!.execute(name, args);
      return { content: [{ type: "text", text: textOf(result) }], ...(!result.success && { isError: true }) };
    },
  };
}

const textOf = (result: ToolResult): string =>
  result.success ? JSON.stringify(result.data ?? result, null, 2) : (result.error ?? "");
