/** Who a key is. */
import { z } from "zod";
import { operation } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

export const Identity = z.object({
  organization: z.object({ id: z.string(), name: z.string() }).meta({ id: "IdentityOrganization" }),
  project: z.object({ id: z.string(), name: z.string() }).meta({ id: "IdentityProject" }),
  key: z.object({ id: z.string(), environment: Environment, scopes: z.array(z.string()) }).meta({ id: "IdentityKey" }),
}).meta({ id: "Identity" });

export const whoami = operation({
  name: "keys.whoami",
  field: "whoami",
  summary: "The organization, project and key behind this request.",
  effect: "reads",
  scope: "none",
  route: "GET /whoami",
  input: z.object({}),
  output: Identity,
  errors: [],
});
