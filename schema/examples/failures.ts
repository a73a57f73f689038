/** What fills each failure's sentence in examples. A failure without a row here is described, but not shown. */
import type { FailureAt, FailureCode } from "../failures.ts";
import { chargeId, connectionId, keyId, projectId, sessionId, userId } from "./cast.ts";
import { mandateId } from "./mandates.ts";

export const failureExamples: { readonly [Code in FailureCode]?: FailureAt<Code> } = {
  // The request itself
  body_malformed: { problem: "it ends in the middle of a text" },
  body_too_large: { limitBytes: 1_048_576 },
  validation_failed: { field: "user_id", problem: "is required, expected string", expected: "expected string" },
  route_not_found: { method: "GET", path: "/v1/payment" },
  method_not_allowed: { method: "PUT", path: "/v1/sessions", allowed: "GET, HEAD, POST, OPTIONS" },

  // Who is asking
  unauthorized: { problem: "No API key was sent." },
  forbidden: { scope: "tools:execute" },
  project_not_found: { projectId },
  project_environment_mismatch: { projectId, environment: "live" },
  rate_limited: { limit: 1000, windowSeconds: 60, bucket: "writes" },

  // Projects and keys
  service_key_required: { what: "create projects" },
  key_not_found: { keyId },
  key_not_active: { keyId, reason: "revoked" },
  slug_invalid: { field: "slug" },
  slug_reserved: { field: "slug", slug: "default" },
  slug_conflict: { field: "slug", slug: "loja" },
  environment_immutable: { field: "environment", projectId, environment: "test" },

  // Sessions and tool calls
  session_not_found: { sessionId },
  session_not_active: { sessionId, reason: "idle_timeout" },
  unknown_servers: { field: "servers", unknown: ["assas"] },
  tool_call_not_found: { toolCallId: chargeId },
  invalid_tool_call_id: { toolCallId: "1042" },
  cursor_invalid: { field: "before" },
  tool_not_registered: { tool: "codespar_chrage", suggestion: "codespar_charge" },
  tool_not_in_session: { tool: "mercado-pago/get_payment", servers: ["asaas"] },

  // Arguments of tools
  invalid_args: { field: "buyer", problem: "is required, expected object", expected: "expected object" },
  amount_fraction: { field: "amount", amount: "150.5", expected: "an integer in minor units" },
  amount_unit_unset: { field: "amount", amount: "150", asMinor: "R$1.50", asMajor: "R$150.00" },
  currency_unknown: { field: "currency", currency: "REAL", expected: "expected one of BRL, MXN, ARS" },
  tax_id_invalid: { field: "buyer.document", problem: "its check digits are wrong" },
  items_required: { field: "items" },
  meli_url_required: { field: "url" },

  // Routing
  provider_unknown: { field: "provider", provider: "assas", known: ["asaas", "mercado-pago"] },
  provider_not_on_rail: { field: "provider", provider: "z-api", rail: "pix in BRL", providers: ["asaas", "mercado-pago"] },
  rail_unavailable: { rail: "oxxo in MXN", reason: "no provider here serves it" },
  no_eligible_providers: { rail: "pix in BRL", reason: "connect one of asaas, mercado-pago" },
  provider_not_connected: { provider: "asaas" },
  connection_setup_missing: { provider: "nfe-io", missing: "company_id" },

  // Servers and connections to them
  server_not_found: { serverId: "assas" },
  server_not_connectable: { serverId: "stone", reason: "it has no adapter here yet" },
  connection_not_active: { connectionId, status: "revoked" },
  provider_has_no_inbound_webhooks: { serverId: "bitso" },

  // Providers
  provider_declined: { provider: "asaas", reason: "the payer's document is blocked" },
  provider_unavailable: { provider: "asaas", reason: "connection refused" },
  provider_rate_limited: { provider: "asaas" },
  outcome_unknown: { provider: "asaas", toolCallId: chargeId },

  refund_refused: { toolCallId: chargeId, reason: "R$ 50,00 of it is left to give back, and R$ 80,00 was asked for" },

  // Idempotency
  idempotency_key_invalid: {},
  idempotency_conflict: { toolCallId: chargeId },
  idempotency_in_flight: { toolCallId: chargeId },

  // Mocks
  mocks_invalid: { field: "mocks", problem: "asaas__get_payment is spelled asaas/get_payment here" },
  mocks_not_permitted: { field: "mocks" },
  mocks_payload_too_large: { field: "mocks", limitBytes: 65_536 },
  tool_not_mocked: { tool: "codespar_pay" },
  mocks_exhausted: { tool: "codespar_charge" },

  // The agent
  anthropic_not_configured: {},
  run_limit_reached: { limit: "24 tool calls" },
  model_failed: { reason: "overloaded" },
  run_cancelled: {},
  call_cancelled: {},

  // Inbound notifications
  notification_rejected: { problem: "its signature is not of this connection's secret" },
  connection_not_found: { connectionId },

  // Governed money
  consent_not_found: { field: "token" },
  consent_already_resolved: { mandateId },
  consent_expired: {},
  did_not_found: { did: "did:web:pay.example.com" },
  mandate_not_found: { field: "mandate_id", mandateId },
  mandate_transition_invalid: { mandateId, status: "revoked", wanted: "paused" },
  mandate_not_active: { mandateId, status: "paused" },
  mandate_unverified: { mandateId },
  agent_not_mandated: { field: "agent_id", mandateId, agentId: "driver" },
  currency_not_mandated: { field: "currency", mandateId, currency: "USDC", covered: "BRL" },
  payee_not_mandated: { field: "payee", mandateId },
  per_tx_cap_exceeded: { field: "amount_minor", mandateId, amount: "R$ 250,00", cap: "R$ 200,00" },
  total_cap_exceeded: { field: "amount_minor", mandateId, amount: "R$ 200,00", left: "R$ 150,00", cap: "R$ 500,00" },
  periodic_cap_exceeded: { field: "amount_minor", mandateId, amount: "R$ 200,00", left: "R$ 50,00", cap: "R$ 300,00", window: "month" },
  insufficient_funds: { consumerId: userId, amount: "R$ 150,00", available: "R$ 20,00" },

  // A caller's own request to a provider
  server_not_connected: { field: "server", server: "asaas" },
  proxy_path_refused: { field: "endpoint", server: "asaas", expected: "a path below the provider's base URL" },
  provider_answer_lost: { provider: "asaas", toolCallId: chargeId },

  // Us
  shutting_down: {},
  internal: {},
};

/** Of the failures that say when to repeat, how many seconds. */
export const retryAfterSeconds: { readonly [Code in FailureCode]?: number } = {
  rate_limited: 21, no_eligible_providers: 60, provider_rate_limited: 30, idempotency_in_flight: 1, shutting_down: 1, periodic_cap_exceeded: 3600,
};
