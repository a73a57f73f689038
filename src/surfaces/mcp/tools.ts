/** A session's tools as MCP lists them, and the answers of calls as MCP gives them. */
import type { CallToolResult, Tool, ToolAnnotations } from "@modelcontextprotocol/server";
import { failureBody, type Failure } from "../../../schema/failures.ts";
import { isMetaTool, metaTools, type MetaToolName } from "../../../schema/meta-tools/index.ts";
import type { Effect, Wire } from "../../../schema/operation.ts";
import type { ToolDefinition } from "../../../schema/connections.ts";
import type { ToolResult } from "../../../schema/tool-calls.ts";
import { inputSchemaOf, type ToolInputSchema } from "../../../schema/tool-definitions.ts";

export const toMcpTool = ({ name, description, input_schema }: Wire<typeof ToolDefinition>): Tool => ({
  name,
  description,
  inputSchema: isObjectSchema(input_schema) ? input_schema : { type: "object" },
  ...(isMetaTool(name) ? projections[name] : foreign),
});

/** What of a tool only its definition here knows. */
type Projection = Pick<Tool, "annotations" | "outputSchema">;

const annotations: Record<Effect, ToolAnnotations> = {
  reads: { readOnlyHint: true },
  writes: { readOnlyHint: false, destructiveHint: false },
  moves_money: { readOnlyHint: false, destructiveHint: true },
};

/**
 * The envelope, whose members are always as said, around a tool's result. What the result should look like is told, and anything is
 * let pass: a mock is returned as it was declared, and no client should drop an answer about money because a member of it is missing.
 */
const envelopeOf = (result: ToolInputSchema): Tool["outputSchema"] => ({
  type: "object",
  properties: {
    success: { type: "boolean" },
    data: { anyOf: [{ type: "object", properties: result.properties }, {}] },
    error: { type: ["string", "null"] },
    tool_call_id: { type: ["string", "null"] },
    replayed: { type: "boolean", description: "an earlier call gave this answer" },
  },
  required: ["success", "data", "error", "tool_call_id"],
});

const projections = Object.fromEntries(Object.values(metaTools).map(({ name, effect, output }) =>
  [name, { annotations: annotations[effect], outputSchema: envelopeOf(inputSchemaOf(output)) }])) as Record<MetaToolName, Projection>;

/** A provider's own tool answers in its own words, and says nothing of its effect: it is taken for the gravest. */
const foreign: Projection = { annotations: annotations.moves_money };

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
