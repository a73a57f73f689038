/**
 * What the twelve adapters make of a session's tools: each a shape of its framework, no request of its own. They hand the advertised
 * name back to `execute` as it is.
 */
import type { ToolResult, ToolRow } from "./requests.ts";
import type { TypescriptSession } from "./typescript-sdk.ts";

type Schema = Record<string, any>;
type Call = (args: object) => Promise<unknown>;

/** The schema builder of LangChain: five types it knows, everything else is text; what is not required is optional. */
export function langchainField(property: Schema, isRequired: boolean): string {
  const known: Record<string, string> = { number: "number", integer: "number", boolean: "boolean", array: "array", object: "record" };
  return `${known[property["type"]] ?? "string"}${isRequired ? "" : "?"}`;
}

const langchainSchema = ({ properties, required }: Schema): Record<string, string> =>
  Object.fromEntries(Object.entries(properties as Schema).map(([name, property]) => [name, langchainField(property, required.includes(name))]));

/** Most adapters throw the result's error and give the data as text. */
const asText = (session: TypescriptSession, name: string): Call => async (args) => JSON.stringify(dataOf(await session.execute(name, args)));
const asData = (session: TypescriptSession, name: string): Call => async (args) => dataOf(await session.execute(name, args));

function dataOf({ success, data, error }: ToolResult): unknown {
  if (!success) throw new Error(error ?? "");
  return data;
}

const openai = ({ name, description, input_schema: parameters }: ToolRow) => ({ type: "function", function: { name, description, parameters } });

export const adapters = {
  openai: (_session: TypescriptSession, tools: ToolRow[]) => tools.map(openai),
  autogen: (session: TypescriptSession, tools: ToolRow[]) => tools.map((tool) => ({ ...openai(tool), callable: asText(session, tool.name) })),
  camel: (session: TypescriptSession, tools: ToolRow[]) => tools.map((tool) => ({ ...openai(tool), callable: asText(session, tool.name) })),
  claude: (_session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) => ({ name, description, input_schema })),
  "google-genai": (_session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) => {
    const { properties, required } = input_schema as Schema;
    return { name, description, parameters: { type: "object", properties, required } };
  }),
  langchain: (session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) =>
    ({ name, description, schema: langchainSchema(input_schema), invoke: asText(session, name) })),
  "llama-index": (session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) =>
    ({ name, description, parameters: input_schema, call: asText(session, name) })),
  letta: (session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) =>
    ({ name, description, parameters: input_schema, callable: asText(session, name) })),
  crewai: (session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) =>
    ({ name, description, schema: input_schema, run: asText(session, name) })),
  hermes: (session: TypescriptSession, tools: ToolRow[]) => tools.map(({ name, description, input_schema }) =>
    ({ name, description, inputSchema: input_schema, call: asText(session, name) })),
  mastra: (session: TypescriptSession, tools: ToolRow[]) => Object.fromEntries(tools.map(({ name, description, input_schema }) =>
    [name, { id: name, description, inputSchema: input_schema, execute: ({ context }: { context: object }) => asData(session, name)(context) }])),
  vercel: (session: TypescriptSession, tools: ToolRow[]) => Object.fromEntries(tools.map(({ name, description, input_schema }) =>
    [name, { description, parameters: input_schema, execute: asData(session, name) }])),
};

/** Claude's result block. */
export const claudeBlock = ({ success, data, error }: ToolResult) =>
  success ? { content: JSON.stringify(data) } : { content: JSON.stringify({ error }), is_error: true };
