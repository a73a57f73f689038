/** Served where there is a server to relay to and no key for it: one tool, which says what to do. Nothing is sent anywhere. */
import type { ToolSource } from "./protocol.ts";

const NAME = "codespar_get_started";

export function setupTools(baseUrl: string): ToolSource {
  const text = [
    `CodeSpar has no key for ${baseUrl}, so none of its tools can be used yet.`,
    "1. Get a key: a server that is new prints a test key (csk_test_…) at its first start; later ones are issued with POST /v1/api-keys.",
    "2. Put it into this MCP server's configuration, as the environment variable CODESPAR_API_KEY.",
    "3. Restart the MCP client.",
    "To try it without a server, leave out CODESPAR_BASE_URL and --url: the tools then run on this machine, in a sandbox.",
  ].join("\n");
  return {
    instructions: `Setup is not finished: call ${NAME} and tell the person what it says.`,
    list: async () => ({
      tools: [{
        name: NAME, description: "What to do so that CodeSpar can charge, pay, invoice, ship and notify.",
        inputSchema: { type: "object", properties: {}, required: [] }, annotations: { readOnlyHint: true },
      }],
    }),
    call: async ({ name }) => ({ content: [{ type: "text", text }], ...(name !== NAME && { isError: true }) }),
  };
}
