/** The rails a project can use, and how they are doing. */
import { z } from "zod";
import { at } from "./examples/cast.ts";
import { operation, Timestamp } from "./operation.ts";

export const RailHealth = z.enum(["healthy", "degraded", "untried"]).meta({ id: "RailHealth" });

export const RailStatus = z.object({
  id: z.string(),
  tool: z.string(),
  method: z.string(),
  currencies: z.array(z.string()),
  country: z.string(),
  provider: z.string(),
  priority: z.int(),
  connected: z.boolean(),
  health: RailHealth,
  attempts: z.int().describe("Dispatches in the last 24 hours."),
  successes: z.int().describe("Of these, the ones the provider answered, declines included."),
  p50_ms: z.int().nullable(),
  last_error: z.string().nullable(),
  last_attempt_at: Timestamp.nullable(),
}).meta({ id: "RailStatus" });

export const listRails = operation({
  name: "rails.list",
  field: "rails",
  summary: "Every rail with its provider, connection and recent health.",
  effect: "reads",
  scope: "rails:read",
  route: "GET /rails",
  input: z.object({ tool: z.string().optional() }),
  output: z.object({ rails: z.array(RailStatus) }).meta({ id: "RailList" }),
  errors: [],
  examples: [{
    input: { tool: "codespar_charge" },
    output: {
      rails: [{
        id: "asaas-pix", tool: "codespar_charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, connected: true,
        health: "healthy", attempts: 4, successes: 4, p50_ms: 126, last_error: null, last_attempt_at: at("12:00:10.250"),
      }],
    },
  }],
});
