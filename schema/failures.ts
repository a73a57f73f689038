/**
 * Every failure a caller can meet, once: its HTTP status, whether a repeat helps, and the sentence people read.
 * `retry: "same_key"` promises that a repeat under the same key cannot move money twice.
 */
import { z } from "zod";

export const Retry = z.enum(["never", "same_key", "after", "ask_human"]).meta({ id: "Retry", description: "Whether a repeat helps: never; under the same key; after a while; or a person must act first." });
export type Retry = z.infer<typeof Retry>;

interface FailureKind {
  http: number;
  retry: Retry;
  say: (at: never) => string;
}

/** What most sentences need: which field, and what was expected there. */
interface At {
  field?: string;
  expected?: string;
}

export const failures = {
  // The request itself
  body_malformed: { http: 400, retry: "never", say: (at: At & { problem: string }) =>
    `The body is not readable JSON: ${at.problem}. Send one JSON object, UTF-8.` },
  body_too_large: { http: 413, retry: "never", say: (at: At & { limitBytes: number }) =>
    `The body is larger than ${at.limitBytes} bytes. Send a smaller one.` },
  validation_failed: { http: 400, retry: "never", say: (at: At & { problem: string }) =>
    `${at.field ? `\`${at.field}\`` : "The request"}: ${at.problem}.` },
  route_not_found: { http: 404, retry: "never", say: (at: At & { method: string; path: string }) =>
    `There is no ${at.method} ${at.path}. GET /openapi.json lists every route.` },
  method_not_allowed: { http: 405, retry: "never", say: (at: At & { method: string; path: string; allowed: string }) =>
    `${at.path} does not take ${at.method}; it takes ${at.allowed}.` },

  // Who is asking
  unauthorized: { http: 401, retry: "never", say: (at: At & { problem: string }) =>
    `${at.problem} Send \`Authorization: Bearer csk_test_…\` (or csk_live_…).` },
  forbidden: { http: 403, retry: "never", say: (at: At & { scope: string }) =>
    `This key lacks the scope \`${at.scope}\`. Use a key that has it.` },
  project_not_found: { http: 404, retry: "never", say: (at: At & { projectId: string }) =>
    `There is no project ${at.projectId} for this key.` },
  project_environment_mismatch: { http: 403, retry: "never", say: (at: At & { projectId: string; environment: string }) =>
    `Project ${at.projectId} is not a ${at.environment} project of this key. Drop the x-codespar-project header or use that project's key.` },
  rate_limited: { http: 429, retry: "after", say: (at: At & { limit: number; windowSeconds: number; bucket?: string }) =>
    `More than ${at.limit} ${at.bucket ?? "calls"} in ${at.windowSeconds} s with this key. Slow down; nothing was done and nothing is billed.` },

  // Projects and keys
  service_key_required: { http: 403, retry: "never", say: (at: At & { what: string }) =>
    `Only a service key may ${at.what}.` },
  key_not_found: { http: 404, retry: "never", say: (at: At & { keyId: string }) =>
    `There is no API key ${at.keyId} in this project.` },
  key_not_active: { http: 409, retry: "never", say: (at: At & { keyId: string; reason: string }) =>
    `API key ${at.keyId} is ${at.reason}. Create a new one.` },
  slug_invalid: { http: 400, retry: "never", say: (_at: At) =>
    "`slug` must be 1 to 64 lowercase letters, digits, `_` or `-`." },
  slug_reserved: { http: 400, retry: "never", say: (at: At & { slug: string }) =>
    `The slug \`${at.slug}\` is reserved. Choose another one.` },
  slug_conflict: { http: 409, retry: "never", say: (at: At & { slug: string }) =>
    `Another project of this organization has the slug \`${at.slug}\`. Choose another one.` },
  environment_immutable: { http: 400, retry: "never", say: (at: At & { projectId: string; environment: string }) =>
    `Project ${at.projectId} is a ${at.environment} project and stays one. Create another project.` },

  // Sessions and tool calls
  session_not_found: { http: 404, retry: "never", say: (at: At & { sessionId: string }) =>
    `There is no session ${at.sessionId} in this project.` },
  session_not_active: { http: 409, retry: "never", say: (at: At & { sessionId: string; reason: string }) =>
    `Session ${at.sessionId} is closed (${at.reason}). Create a new session.` },
  unknown_servers: { http: 400, retry: "never", say: (at: At & { unknown: string[] }) =>
    `Unknown server ids: ${at.unknown.join(", ")}.` },
  tool_call_not_found: { http: 404, retry: "never", say: (at: At & { toolCallId: string }) =>
    `There is no tool call ${at.toolCallId} in this project.` },
  invalid_tool_call_id: { http: 400, retry: "never", say: (at: At & { toolCallId: string }) =>
    `\`${at.toolCallId}\` is not a tool call id; expected tc_ and letters or digits.` },
  cursor_invalid: { http: 400, retry: "never", say: (_at: At) =>
    "The cursor is not one this list returned. Start again without it." },
  tool_not_registered: { http: 404, retry: "never", say: (at: At & { tool: string; suggestion?: string }) =>
    `Tool not registered: ${at.tool}.${at.suggestion ? ` Did you mean ${at.suggestion}?` : ""}` },
  tool_not_in_session: { http: 403, retry: "never", say: (at: At & { tool: string; servers: string[] }) =>
    `${at.tool} belongs to a server this session does not have (it has ${at.servers.join(", ") || "none"}). Create a session with that server.` },
  call_cancelled: { http: 499, retry: "same_key", say: (_at: At) =>
    "The call was cancelled before anything was sent, so nothing was done. Repeat it if it is still wanted." },

  // Arguments of tools
  invalid_args: { http: 422, retry: "never", say: (at: At & { problem: string }) =>
    `${at.field ? `\`${at.field}\`` : "The arguments"}: ${at.problem}.` },
  amount_fraction: { http: 422, retry: "never", say: (at: At & { amount: string }) =>
    `\`${at.field ?? "amount"}\` is ${at.amount}, but amounts are integers in minor units: R$150.00 is 15000. To write 150.00 instead, add amount_unit: "major".` },
  amount_unit_unset: { http: 422, retry: "ask_human", say: (at: At & { amount: string; asMinor: string; asMajor: string }) =>
    `This live project has not said in which unit it writes charge amounts: ${at.amount} could be ${at.asMinor} (minor) or ${at.asMajor} (major). Add amount_unit to the call, or set the project's charge_amount_unit.` },
  currency_unknown: { http: 422, retry: "never", say: (at: At & { currency: string }) =>
    `\`${at.field ?? "currency"}\` is ${at.currency}; ${at.expected ?? "expected a supported currency"}.` },
  tax_id_invalid: { http: 422, retry: "never", say: (at: At & { problem: string }) =>
    `\`${at.field}\`: ${at.problem}. Check the number with its holder.` },

  items_required: { http: 422, retry: "never", say: (_at: At) =>
    "A checkout needs `items`, with the variant_id of each, or the `url` of a product's page." },
  meli_url_required: { http: 422, retry: "never", say: (_at: At) =>
    "A checkout at Mercado Livre needs the `url` of the listing." },

  // Routing
  provider_unknown: { http: 422, retry: "never", say: (at: At & { provider: string; known: string[] }) =>
    `There is no provider ${at.provider}. Known: ${at.known.join(", ")}.` },
  provider_not_on_rail: { http: 422, retry: "never", say: (at: At & { provider: string; rail: string; providers: string[] }) =>
    `${at.provider} does not serve ${at.rail}. Providers on this rail: ${at.providers.join(", ")}. Leave \`provider\` out to let the router choose.` },
  rail_unavailable: { http: 422, retry: "never", say: (at: At & { rail: string; reason: string }) =>
    `No provider can take ${at.rail}: ${at.reason}.` },
  no_eligible_providers: { http: 503, retry: "after", say: (at: At & { rail: string; reason: string }) =>
    `No provider for ${at.rail} is ready now: ${at.reason}.` },
  provider_not_connected: { http: 424, retry: "ask_human", say: (at: At & { provider: string }) =>
    `${at.provider} is not connected in this project. Connect it, then repeat the call.` },
  connection_setup_missing: { http: 424, retry: "ask_human", say: (at: At & { provider: string; missing: string }) =>
    `The ${at.provider} connection lacks \`${at.missing}\`. An operator must add it to the connection.` },

  // Servers and connections to them
  server_not_found: { http: 404, retry: "never", say: (at: At & { serverId: string }) =>
    `There is no server ${at.serverId} in the catalogue. GET /v1/servers lists all of them.` },
  server_not_connectable: { http: 422, retry: "never", say: (at: At & { serverId: string; reason: string }) =>
    `${at.serverId} cannot be connected: ${at.reason}.` },
  connection_not_active: { http: 409, retry: "never", say: (at: At & { connectionId: string; status: string }) =>
    `Connection ${at.connectionId} is ${at.status}. Connect the server again.` },
  provider_has_no_inbound_webhooks: { http: 400, retry: "never", say: (at: At & { serverId: string }) =>
    `${at.serverId} sends no notifications, so there is no webhook secret to set.` },

  // Providers
  provider_declined: { http: 422, retry: "never", say: (at: At & { provider: string; reason: string }) =>
    `${at.provider} declined: ${at.reason}.` },
  provider_unavailable: { http: 503, retry: "same_key", say: (at: At & { provider: string; reason: string }) =>
    `${at.provider} could not be reached (${at.reason}); nothing was sent. To use another provider, repeat with an explicit \`provider\`.` },
  provider_rate_limited: { http: 429, retry: "after", say: (at: At & { provider: string }) =>
    `${at.provider} is limiting our requests; nothing was done. Repeat later.` },
  outcome_unknown: { http: 202, retry: "same_key", say: (at: At & { provider: string; toolCallId: string }) =>
    `${at.provider} gave no readable answer, so ${at.toolCallId} may or may not have happened. It is being looked up; follow its status and do not send it again.` },

  refund_refused: { http: 409, retry: "never", say: (at: At & { toolCallId: string; reason: string }) =>
    `Tool call ${at.toolCallId} cannot be refunded so: ${at.reason}. Nothing was sent.` },

  // Idempotency
  idempotency_key_invalid: { http: 400, retry: "never", say: (_at: At) =>
    "The idempotency key must be 1 to 255 printable ASCII characters." },
  idempotency_conflict: { http: 422, retry: "never", say: (at: At & { toolCallId: string }) =>
    `This idempotency key already belongs to ${at.toolCallId}, which had other arguments. Use a new key for a new effect.` },
  idempotency_in_flight: { http: 409, retry: "same_key", say: (at: At & { toolCallId: string }) =>
    `The first call under this key, ${at.toolCallId}, is still running. Repeat with the same key to get its answer.` },

  // Mocks
  mocks_invalid: { http: 400, retry: "never", say: (at: At & { problem: string }) => `\`mocks\`: ${at.problem}.` },
  mocks_not_permitted: { http: 403, retry: "never", say: (_at: At) =>
    "Mocks are only for test keys; this key is live. Leave `mocks` out." },
  mocks_payload_too_large: { http: 413, retry: "never", say: (at: At & { limitBytes: number }) =>
    `\`mocks\` is larger than ${at.limitBytes} bytes.` },
  tool_not_mocked: { http: 422, retry: "never", say: (at: At & { tool: string }) =>
    `This session declared mocks, and ${at.tool} is not among them, so it was not run.` },
  mocks_exhausted: { http: 422, retry: "never", say: (at: At & { tool: string }) =>
    `Every mock of ${at.tool} has been used.` },

  // The agent
  anthropic_not_configured: { http: 503, retry: "ask_human", say: (_at: At) =>
    "This live project has no model: set ANTHROPIC_API_KEY. The offline planner answers test keys only." },
  run_limit_reached: { http: 422, retry: "never", say: (at: At & { limit: string }) =>
    `The agent stopped at its limit of ${at.limit}. What it had done stands; see tool_calls.` },
  model_failed: { http: 502, retry: "after", say: (at: At & { reason: string }) =>
    `The model did not answer (${at.reason}). Tool calls already made stand; see tool_calls.` },
  run_cancelled: { http: 499, retry: "never", say: (_at: At) =>
    "The run was cancelled. Tool calls already dispatched stand; see tool_calls." },

  // Inbound notifications
  notification_rejected: { http: 401, retry: "never", say: (at: At & { problem: string }) => `Notification refused: ${at.problem}.` },
  connection_not_found: { http: 404, retry: "never", say: (at: At & { connectionId: string }) =>
    `There is no connection ${at.connectionId} here.` },

  // Governed money
  consent_not_found: { http: 404, retry: "never", say: (_at: At) => "There is no consent under this token. Ask for a new one." },
  consent_already_resolved: { http: 409, retry: "never", say: (at: At & { mandateId: string }) =>
    `This consent was given before; it made ${at.mandateId}.` },
  consent_expired: { http: 410, retry: "never", say: (_at: At) => "This consent was not given in time. Ask for a new one." },
  did_not_found: { http: 404, retry: "never", say: (at: At & { did: string }) => `This server publishes no document for ${at.did}.` },
  mandate_not_found: { http: 404, retry: "never", say: (at: At & { mandateId: string }) => `There is no mandate ${at.mandateId} in this project.` },
  mandate_transition_invalid: { http: 409, retry: "never", say: (at: At & { mandateId: string; status: string; wanted: string }) =>
    `Mandate ${at.mandateId} is ${at.status}, so it cannot become ${at.wanted}.` },
  mandate_not_active: { http: 403, retry: "never", say: (at: At & { mandateId: string; status: string }) =>
    `Mandate ${at.mandateId} is ${at.status}; nothing was sent. Only an active mandate can be spent under.` },
  mandate_unverified: { http: 403, retry: "never", say: (at: At & { mandateId: string }) =>
    `The signatures of mandate ${at.mandateId} do not fit what it says; nothing was sent. Ask its consumer for a new one.` },
  agent_not_mandated: { http: 403, retry: "never", say: (at: At & { mandateId: string; agentId: string }) =>
    `Mandate ${at.mandateId} is not for agent ${at.agentId}; nothing was sent.` },
  currency_not_mandated: { http: 403, retry: "never", say: (at: At & { mandateId: string; currency: string; covered: string }) =>
    `Mandate ${at.mandateId} covers ${at.covered}, not ${at.currency}; nothing was sent.` },
  payee_not_mandated: { http: 403, retry: "never", say: (at: At & { mandateId: string }) =>
    `Mandate ${at.mandateId} does not allow this payee; nothing was sent. A person has to consent to a mandate that does.` },
  per_tx_cap_exceeded: { http: 422, retry: "ask_human", say: (at: At & { mandateId: string; amount: string; cap: string }) =>
    `${at.amount} is above the ${at.cap} that mandate ${at.mandateId} allows for one payment; nothing was sent.` },
  total_cap_exceeded: { http: 422, retry: "ask_human", say: (at: At & { mandateId: string; amount: string; left: string; cap: string }) =>
    `${at.amount} is more than the ${at.left} left of the ${at.cap} that mandate ${at.mandateId} allows in all; nothing was sent.` },
  periodic_cap_exceeded: { http: 422, retry: "after", say: (at: At & { mandateId: string; amount: string; left: string; cap: string; window: string }) =>
    `${at.amount} is more than the ${at.left} left of the ${at.cap} that mandate ${at.mandateId} allows a ${at.window}; nothing was sent.` },
  insufficient_funds: { http: 402, retry: "ask_human", say: (at: At & { consumerId: string; amount: string; available: string }) =>
    `The wallet of ${at.consumerId} has ${at.available} available, and ${at.amount} was asked for; nothing was sent. Fund it first.` },

  // A caller's own request to a provider
  server_not_connected: { http: 404, retry: "ask_human", say: (at: At & { server: string }) =>
    `${at.server} is not connected in this project, so nothing was sent. Connect it, or call codespar_manage_connections for the way.` },
  proxy_path_refused: { http: 400, retry: "never", say: (at: At & { server: string }) =>
    `The path leads away from ${at.server}; nothing was sent. Give a path below the provider's own address.` },
  provider_answer_lost: { http: 502, retry: "same_key", say: (at: At & { provider: string; toolCallId: string }) =>
    `${at.provider} may have done what was asked in ${at.toolCallId}, but no answer could be read. Look there before asking again.` },

  // Us
  shutting_down: { http: 503, retry: "same_key", say: (_at: At) => "The server is stopping. Repeat the call in a moment." },
  internal: { http: 500, retry: "same_key", say: (_at: At) =>
    "Something went wrong on our side. Give the request_id to the operator; a repeat under the same idempotency key is safe." },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failures;
export type FailureAt<Code extends FailureCode> = Parameters<(typeof failures)[Code]["say"]>[0];

/** A failure on its way to a caller. `at` fills the sentence; its `field` and `expected` travel beside the code. */
export class Failure<Code extends FailureCode = FailureCode> extends Error {
  override readonly name = "Failure";
  readonly code: Code;
  readonly http: number;
  readonly retry: Retry;
  readonly at: At & Record<string, unknown>;
  /** Seconds to wait before a repeat, where `retry` is `after`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: Code, at: FailureAt<Code>, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    const kind = failures[code];
    super((kind.say as (at: FailureAt<Code>) => string)(at), { cause: options.cause });
    this.code = code;
    this.http = kind.http;
    this.retry = kind.retry;
    this.at = at as At & Record<string, unknown>;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The one error body of every surface: flat, so that every released client finds code and message. */
export const FailureBody = z.object({
  error: z.string().describe("The stable code; the same as `code`."),
  code: z.string().describe("The stable code."),
  message: z.string().describe("What happened, to what, and what to do."),
  retry: Retry,
  field: z.string().optional().describe("The argument at fault."),
  expected: z.string().optional().describe("What was expected there."),
  retry_after: z.number().optional().describe("Seconds to wait before a repeat."),
  request_id: z.string().describe("Names this request in the server's log."),
}).catchall(z.unknown()).meta({ id: "FailureBody" });
export type FailureBody = z.infer<typeof FailureBody>;

/** The body a caller reads for `failure`. Extra members of `at` (such as `unknown`) ride along under their own names. */
export function failureBody(failure: Failure, requestId: string): FailureBody {
  const { field, expected, ...rest } = failure.at;
  return {
    error: failure.code,
    code: failure.code,
    message: failure.message,
    retry: failure.retry,
    ...(field !== undefined && { field }),
    ...(expected !== undefined && { expected }),
    ...(failure.retryAfterSeconds !== undefined && { retry_after: failure.retryAfterSeconds }),
    ...(Array.isArray(rest["unknown"]) && { unknown: rest["unknown"] }),
    ...(typeof rest["toolCallId"] === "string" && { tool_call_id: rest["toolCallId"] }),
    request_id: requestId,
  };
}

/** Any thrown value as a Failure: ours pass, everything else is `internal` with the original as its cause. */
export const asFailure = (error: unknown): Failure =>
  error instanceof Failure ? error : new Failure("internal", {}, { cause: error });
