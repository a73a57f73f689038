/**
 * The client that speaks to a model: always the real SDK, over the network or over the offline planner in this
 * process.
 */
import type { Anthropic } from "@anthropic-ai/sdk";
import { Failure } from "../schema/failures.ts";
import { offlineMessagesApi } from "./offline.ts";

export const DEFAULT_MODEL = "claude-sonnet-5-5";

/** What the server needs to know of a model before it talks to one. */
export interface ModelOptions {
  apiKey?: string | undefined;
  /** A gateway that speaks the Messages API; Anthropic's own address when absent. */
  baseUrl?: string | undefined;
  model: string;
}

/**
 * offline  answers from the planner in `offline.ts`; nothing leaves the process, and neither key nor address is used
 * fetch    carries the requests; the built-in one when absent
 * throws   Failure("anthropic_not_configured") for a client that is not offline and has no key
 */
export async function createModelClient(
  options: ModelOptions & { fetch?: typeof globalThis.fetch | undefined; offline?: boolean | undefined },
): Promise<Anthropic> {
  const { apiKey, baseUrl, fetch } = options.offline ? offline() : options;
  if (!apiKey) throw new Failure("anthropic_not_configured", {});
  // The SDK takes an eighth of a second to load, so it is loaded by the first who talks and not by the server's start.
  const { Anthropic } = await import("@anthropic-ai/sdk");
  return new Anthropic({
    apiKey,
    // `null` is Anthropic's own address; an absent one would be looked up in the environment.
    baseURL: baseUrl ?? null,
    ...(fetch && { fetch }),
    // Its log may quote what users wrote.
    logLevel: "off",
    openTelemetry: false,
  });
}

const offline = () => ({ apiKey: "offline", baseUrl: "http://offline.invalid", fetch: offlineMessagesApi() });
