/** codespar_discover: find a tool by what it should do. Sources: facts 3.8, C-23 and wire 6.1. */
import { z } from "zod";
import { metaTool } from "./meta-tool.ts";

export const discover = metaTool({
  name: "codespar_discover",
  description: "Find a tool for a need that the other tools do not cover.",
  effect: "reads",
  shown: {
    use_case: z.string().min(1).max(500),
    category: z.string().max(40).optional(),
    country: z.string().max(4).optional(),
    limit: z.number().default(5).transform((limit) => Math.min(20, Math.max(1, Math.trunc(limit)))),
  },
  aliases: [["query", "use_case"]],
  output: z.object({
    use_case: z.string(),
    search_strategy: z.enum(["embedding", "trigram", "empty"]),
    recommended: z.record(z.string(), z.unknown()).nullable(),
    related: z.array(z.record(z.string(), z.unknown())),
    matches: z.array(z.record(z.string(), z.unknown())),
    next_steps: z.array(z.string()),
  }),
});
export type DiscoverRequest = z.output<typeof discover.input>;
export type DiscoverResult = z.output<typeof discover.output>;
