/** codespar_get_started: what to do first in this project, in order. Read-only. Source: facts 3.15. */
import { z } from "zod";
import { metaTool } from "./meta-tool.ts";

export const getStarted = metaTool({
  name: "codespar_get_started",
  description: "What to do first in this project, in order.",
  effect: "reads",
  shown: {},
  output: z.object({
    environment: z.enum(["test", "live"]),
    steps: z.array(z.object({ step: z.int(), title: z.string(), done: z.boolean(), how: z.string() })),
  }),
});
export type GetStartedResult = z.output<typeof getStarted.output>;
