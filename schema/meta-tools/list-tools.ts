/** codespar_list_tools: what a session may call, for callers that cannot read its connections. Source: wire 1.3.8. */
import { z } from "zod";
import { metaTool } from "./meta-tool.ts";

export const listTools = metaTool({
  name: "codespar_list_tools",
  description: "List the tools this session may call.",
  effect: "reads",
  shown: {},
  output: z.object({ tools: z.array(z.object({ name: z.string(), description: z.string(), server: z.string() })), count: z.int() }),
});
