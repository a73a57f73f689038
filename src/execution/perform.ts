/** How a claimed call is put to one provider: by a verb of its adapter, or by one of the provider's own tools. JSON comes back. */
import { z } from "zod";
import { Passthrough, type NativeTool } from "../../providers/native.ts";
import { Rejected, type CallContext, type ConnectionConfig, type DeclineReason, type Outcome, type ProviderDefinition, type ProviderVerb } from "../../providers/provider.ts";
import { isObject, type MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import { connectionConfig, openProvider, reach, type Connection } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";

export type Perform = (platform: Platform, connection: Connection, call: CallContext) => Promise<Outcome<object>>;

/** The rail id of a provider's own tools: they are routed by their name. */
export const NATIVE_RAIL = "native";

/** The rail id of a refund: it goes back the way its charge came. */
export const REFUND_RAIL = "refund";

export const performVerb = (tool: MetaTool, verb: ProviderVerb, parsed: unknown): Perform =>
  async (platform, connection, call) => {
    const provider = await openProvider(platform, connection);
    const run = provider[verb] as ((request: unknown, call: CallContext) => Promise<Outcome<unknown>>) | undefined;
    if (!run) throw new Error(`${connection.serverId} has no ${verb}`);
    const answer = await run(tool.asked ? tool.asked(parsed as never) : parsed, call);
    if (answer.outcome !== "accepted") return answer;
    const told = tool.told ? tool.told(answer.result as never) : answer.result;
    return { ...answer, result: z.encode(tool.output, told) as object };
  };

export const performNative = (definition: ProviderDefinition, tool: NativeTool, args: Record<string, unknown>): Perform =>
  async (platform, connection, call) => {
    const config = await connectionConfig(platform, connection);
    const client = definition.native!.client(config, reach(platform, definition, connection, config));
    const spec = tool.request(args, call);
    const masked = masking(definition, config);
    try {
      const body = masked(await client[tool.effect === "reads" ? "ask" : "act"](spec, Passthrough, call));
      return { outcome: "accepted", ref: idOf(body) ?? call.reference, state: "pending", action: "answered", result: isObject(body) ? body : { result: body } };
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      return { outcome: "declined", reason: rejection(error.status), message: `it answered ${error.status} ${JSON.stringify(masked(error.body)).slice(0, REFUSAL_CHARS_MAX)}` };
    }
  };

/** A shorter secret is found by chance in texts that do not hold it. */
const SECRET_CHARS_MIN = 8;

/** Some providers repeat in an answer what a request proved itself with; an answer is passed on without it. */
function masking(definition: ProviderDefinition, held: ConnectionConfig): (body: unknown) => unknown {
  const mask = maskingText(definition, held);
  return (body) => JSON.parse(JSON.stringify(body ?? null, (_name, value: unknown) => (typeof value === "string" ? mask(value) : value)));
}

/** The same for a text. */
export function maskingText({ credentials }: Pick<ProviderDefinition, "credentials">, held: Pick<ConnectionConfig, "credentials">): (text: string) => string {
  const secrets = credentials.filter((field) => field.secret).map(({ name }) => held.credentials[name] ?? "").filter(({ length }) => length >= SECRET_CHARS_MIN);
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
}

/** How much of a provider's own refusal is passed on. */
const REFUSAL_CHARS_MAX = 500;

/** What a refusal's status says about its reason. */
export const rejection = (status: number): DeclineReason =>
  status === 401 || status === 403 ? "unauthorized" : status === 429 ? "rate_limited" : "unspecified";

const idOf = (body: unknown): string | undefined => {
  const id = isObject(body) ? body["id"] : undefined;
  return typeof id === "string" || typeof id === "number" ? String(id) : undefined;
};
