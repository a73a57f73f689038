/** A session's tools as MCP lists them, and the answers of calls as MCP gives them. */
import type { CallToolResult, Tool, ToolAnnotations } from "@modelcontextprotocol/server";
import { failureBody, type Failure } from "../../../schema/failures.ts";
import { isMetaTool, metaTools } from "../../../schema/meta-tools/index.ts";
import type { Effect, Wire } from "../../../schema/operation.ts";
import type { ToolDefinition } from "../../../schema/connections.ts";
import type { ToolResult } from "../../../schema/tool-calls.ts";

export const toMcpTool = ({ name, description, input_schema }: Wire<typeof ToolDefinition>): Tool => ({
  name,
  description,
  inputSchema: isObjectSchema(input_schema) ? input_schema : { type: "object" },
  annotations: annotations[isMetaTool(name) ? metaTools[name].effect : "moves_money"],
});

/** A provider's own tool says nothing of its effect, so it is taken for the gravest. */
const annotations: Record<Effect, ToolAnnotations> = {
  reads: { readOnlyHint: true },
  writes: { readOnlyHint: false, destructiveHint: false },
  moves_money: { readOnlyHint: false, destructiveHint: true },
};

const isObjectSchema = (schema: unknown): schema is Tool["inputSchema"] =>
  typeof schema === "object" && schema !== null && "type" in schema && schema.type === "object";

/** Refusals are answers too: the model reads the sentence, its host the code, the field and whether to repeat. */
export function toMcpResult(result: Wire<typeof ToolResult>): CallToolResult {
  const text = result.success ? JSON.stringify(result.data ?? result, null, 2) : (result.error ?? "The tool failed.");
  return {
    content: [{ type: "text", text }],
    structuredContent: { ...result },
    ...(!result.success && { isError: true }),
  };
}

export const toMcpFailure = (failure: Failure, requestId: string): CallToolResult => ({
  content: [{ type: "text", text: failure.message }],
  structuredContent: failureBody(failure, requestId),
  isError: true,
});
