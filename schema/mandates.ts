/**
 * Mandates: what a consumer has signed that an agent may spend. An agent asks for a consent, the consumer gives it, and that
 * makes one signed mandate with a slot a currency. Every spend is decided and counted against it in the transaction that
 * claims the payment. Sources: facts 5.1, 5.2; wire 1.3.16.
 */
import { z } from "zod";
import { reference, userId } from "./examples/cast.ts";
import { agentId, consent, consentToken, intent, mandate, mandateId, newMandate, payee, spent } from "./examples/mandates.ts";
import { CurrencyCode, MinorUnits, MinorUnitsText } from "./money.ts";
import { operation, pageInput, Timestamp } from "./operation.ts";
import { Environment, ToolResult } from "./tool-calls.ts";

/** How long a consent waits for its consumer. Source: facts 5.2. */
export const CONSENT_MS = 24 * 60 * 60_000;
export const MANDATE_TTL_SECONDS_MAX = 5 * 366 * 24 * 60 * 60;
const MANDATE_TTL_SECONDS = 86_400;
const PAYEES_MAX = 100;
const SLOTS_MAX = 8;

/** Funding rails, by the spellings that callers use. Source: wire 1.3.16, 7.2 no. 31. */
export const fundingRails = {
  pix: ["pix", "pix-consent", "pix-celcoin"],
  usdc: ["usdc", "usdc-onchain"],
  card: ["card", "card-token"],
} as const satisfies Record<string, readonly string[]>;
export type FundingRail = keyof typeof fundingRails;

const railOf = (spelling: string): FundingRail | undefined =>
  (Object.keys(fundingRails) as FundingRail[]).find((rail) => (fundingRails[rail] as readonly string[]).includes(spelling));

const FundingRailName = z.string()
  .refine((spelling) => railOf(spelling) !== undefined, `expected one of ${Object.values(fundingRails).flat().join(", ")}`)
  .transform((spelling) => railOf(spelling)!)
  .meta({ type: "string" });

const positiveMinor = z.int().min(1).transform((amount) => BigInt(amount)).meta({ type: "integer" });

/** A name that stands in a signed line between colons. */
const AgentId = z.string().min(1).max(128).regex(/^[A-Za-z0-9][A-Za-z0-9._~-]*$/, "expected letters, digits, dot, dash, underscore or tilde");
const ConsumerId = z.string().min(1).max(128);
const MandateId = z.string().max(64);

const Window = z.enum(["day", "month"]);
const PeriodicCap = z.object({ window: Window, cap_minor: positiveMinor });

const Intent = z.object({
  purpose: z.string().min(1).max(200).regex(/^[^:]*$/, "expected a text without a colon"),
  cap_minor: positiveMinor.describe("In all, over the life of the mandate."),
  per_tx_cap_minor: positiveMinor.describe("For one payment."),
  currency: CurrencyCode.default("USDC"),
  mandate_ttl_seconds: z.int().min(60).max(MANDATE_TTL_SECONDS_MAX).default(MANDATE_TTL_SECONDS),
  merchant_allowlist: z.array(z.string().min(1).max(1_024)).max(PAYEES_MAX).default(["*"]).describe("Pix keys, wallet addresses or URLs; `*` for every payee. An empty list allows none."),
  merchant_pin_kind: z.enum(["merchant-id", "pix-key", "mcc"]).default("merchant-id"),
  periodic_cap: PeriodicCap.optional().describe("A cap for each day or calendar month in UTC, on the first slot."),
  slots: z.array(z.object({ currency: CurrencyCode, rail: FundingRailName, cap_minor: positiveMinor, per_tx_cap_minor: positiveMinor })).min(1).max(SLOTS_MAX).optional()
    .describe("One a currency, in place of `cap_minor`, `per_tx_cap_minor` and `currency`."),
  display_name: z.string().max(200).optional(),
  intent_note: z.string().max(1_000).optional(),
});
export type Intent = z.output<typeof Intent>;

export const createConsent = operation({
  name: "consents.create",
  field: "createConsent",
  summary: "Ask a consumer to let an agent spend within limits. Nothing may be spent until the consumer consents.",
  effect: "writes",
  scope: "consents:write",
  route: "POST /consents",
  successStatus: 201,
  input: z.object({
    agent_id: AgentId,
    intent: Intent,
    consumer_email_hint: z.email().max(254).optional(),
    surface: z.enum(["hosted", "partner"]).default("hosted").describe("Where the consumer consents: a page of ours, or the partner's own."),
  }),
  output: z.object({
    token: z.string().describe("Names the consent; whoever has it can give it, once."),
    expires_at: Timestamp,
    surface: z.enum(["hosted", "partner"]),
  }).meta({ id: "ConsentRequest" }),
  errors: [],
  examples: [{ input: { agent_id: agentId, intent }, output: { token: consentToken, expires_at: consent.expires_at, surface: "hosted" } }],
});

export const Slot = z.object({
  currency: z.string(),
  rail: z.string(),
  cap_minor: MinorUnitsText,
  per_tx_cap_minor: MinorUnitsText,
  spent_minor: MinorUnitsText.describe("What was used of the cap, payments under way included."),
  available_minor: MinorUnitsText,
  periodic_cap: z.object({ window: Window, cap_minor: MinorUnitsText, spent_minor: MinorUnitsText }).nullable(),
}).meta({ id: "MandateSlot" });

export const MandateStatus = z.enum(["active", "paused", "revoked", "expired"]).meta({ id: "MandateStatus" });

export const Mandate = z.object({
  id: z.string(),
  consumer_id: z.string(),
  agent_id: z.string(),
  agent_did: z.string(),
  environment: Environment,
  status: MandateStatus,
  purpose: z.string(),
  payees: z.array(z.string()),
  slots: z.array(Slot),
  funding_source_ids: z.array(z.string()),
  statement: z.string().describe("What was signed: canonical JSON (RFC 8785)."),
  signatures: z.array(z.object({ role: z.enum(["agent", "issuer"]), kid: z.string(), signature: z.string().describe("Ed25519 over the statement, base64url.") })
    .meta({ id: "MandateSignature" })),
  token: z.string().describe("The same mandate as released verifiers read it (format 3)."),
  created_at: Timestamp,
  expires_at: Timestamp,
}).meta({ id: "Mandate" });
export type Mandate = z.output<typeof Mandate>;

export const submitConsent = operation({
  name: "consents.submit",
  field: "submitConsent",
  summary: "Give a consent for a consumer: makes the signed mandate and its funding sources. For whoever the consumer consented to, never for the agent.",
  effect: "writes",
  scope: "consents:write",
  route: "POST /consents/{token}/submit",
  successStatus: 201,
  input: z.object({
    token: z.string().max(128),
    consumer_id: ConsumerId,
    rail: FundingRailName.optional().describe("Of the funding source, where the consent names no slots."),
    provider_token: z.string().max(1_024).optional().describe("What the funding provider knows the consumer's source by."),
  }),
  output: z.object({ mandate_id: z.string(), mandate: Mandate, funding_source_ids: z.array(z.string()) }).meta({ id: "GivenConsent" }),
  errors: ["consent_not_found", "consent_already_resolved", "consent_expired"],
  examples: [{
    input: { token: consentToken, consumer_id: userId, rail: "pix", provider_token: "pix:maria" },
    output: { mandate_id: mandateId, mandate: newMandate, funding_source_ids: newMandate.funding_source_ids },
  }],
});

export const Consent = z.object({
  status: z.enum(["pending", "given", "expired"]),
  agent_id: z.string(),
  environment: Environment,
  purpose: z.string(),
  payees: z.array(z.string()),
  slots: z.array(z.object({ currency: z.string(), rail: z.string(), cap_minor: MinorUnitsText, per_tx_cap_minor: MinorUnitsText }).meta({ id: "ConsentSlot" })),
  mandate_ttl_seconds: z.int(),
  mandate_id: z.string().nullable(),
  created_at: Timestamp,
  expires_at: Timestamp,
}).meta({ id: "Consent" });

export const getConsent = operation({
  name: "consents.get",
  field: "consent",
  summary: "What a consumer is asked to consent to.",
  effect: "reads",
  scope: "consents:read",
  route: "GET /consents/{token}",
  input: z.object({ token: z.string().max(128) }),
  output: Consent,
  errors: ["consent_not_found"],
  examples: [{ input: { token: consentToken }, output: consent }],
});

export const listMandates = operation({
  name: "mandates.list",
  field: "mandates",
  summary: "Mandates of this project, newest first.",
  effect: "reads",
  scope: "mandates:read",
  route: "GET /mandates",
  input: z.object({ consumer_id: ConsumerId.optional(), agent_id: z.string().optional(), status: MandateStatus.optional(), ...pageInput }),
  output: z.object({ mandates: z.array(Mandate), next_before: z.string().nullable() }).meta({ id: "MandatePage" }),
  errors: ["cursor_invalid"],
  examples: [{
    input: { consumer_id: userId, agent_id: agentId, status: "active", limit: 50, before: "cm_01m7wf0000zzzzzzzzzzzzzzzz" },
    output: { mandates: [mandate], next_before: null },
  }],
});

export const getMandate = operation({
  name: "mandates.get",
  field: "mandate",
  summary: "One mandate, with what is left of it.",
  effect: "reads",
  scope: "mandates:read",
  route: "GET /mandates/{mandate_id}",
  input: z.object({ mandate_id: MandateId }),
  output: Mandate,
  errors: ["mandate_not_found"],
  examples: [{ input: { mandate_id: mandateId }, output: mandate }],
});

const transition = <const Verb extends "pause" | "resume" | "revoke">(verb: Verb, summary: string) => operation({
  name: `mandates.${verb}`,
  field: `${verb}Mandate`,
  summary,
  effect: "writes",
  scope: "mandates:write",
  route: `POST /mandates/{mandate_id}/${verb}`,
  input: z.object({ mandate_id: MandateId }),
  output: z.object({ mandate: Mandate, changed: z.boolean() }).meta({ id: "MandateTransition" }),
  errors: verb === "revoke" ? ["mandate_not_found"] : ["mandate_not_found", "mandate_transition_invalid"],
  examples: [{ input: { mandate_id: mandateId }, output: { mandate: { ...mandate, status: after[verb] }, changed: true } }],
});

const after = { pause: "paused", resume: "active", revoke: "revoked" } as const;

export const pauseMandate = transition("pause", "Stop spending under a mandate until it is resumed.");
export const resumeMandate = transition("resume", "Let a paused mandate be spent under again.");
export const revokeMandate = transition("revoke", "End a mandate for ever.");

export const SpendResult = z.object({
  status: z.enum(["pending", "completed"]),
  tool_call_id: z.string(),
  mandate: Mandate,
  amount_minor: MinorUnits,
  currency: z.string(),
  payee: z.string().describe("As an allow-list knows it."),
  idempotent_replay: z.boolean(),
  payment: ToolResult.describe("As the tool that paid answered."),
}).meta({ id: "SpendResult" });

export const spend = operation({
  name: "mandates.spend",
  field: "spend",
  summary: "Pay somebody for a consumer, within a mandate. The payee's shape chooses the currency: a Pix key or code BRL, a wallet address USDC.",
  effect: "moves_money",
  scope: "mandates:spend",
  route: "POST /consumers/mandates/{mandate_id}/spend",
  input: z.object({
    mandate_id: MandateId,
    amount_minor: z.int().min(1).describe("Minor units of the payee's currency: centavos of BRL, millionths of USDC."),
    payee: z.string().min(1).max(1_024).describe("A Pix key, a Pix code, or a wallet address."),
    agent_id: z.string().max(128).optional().describe("Who spends; the mandate must be for this agent."),
    attempt_id: z.string().min(1).max(255).optional().describe("Your name for this one payment; a repeat returns the first answer."),
    description: z.string().max(500).optional(),
    network: z.enum(["base", "polygon", "ethereum"]).default("base").describe("Of a wallet address; a payment on another network than the payee's may be lost."),
  }),
  output: SpendResult,
  errors: [
    "mandate_not_found", "mandate_unverified", "mandate_not_active", "agent_not_mandated", "currency_not_mandated", "payee_not_mandated",
    "per_tx_cap_exceeded", "total_cap_exceeded", "periodic_cap_exceeded", "insufficient_funds", "invalid_args", "rail_unavailable", "provider_declined",
    "provider_unavailable", "idempotency_key_invalid", "idempotency_conflict", "idempotency_in_flight",
  ],
  examples: [{ input: { mandate_id: mandateId, amount_minor: 15000, payee, agent_id: agentId, attempt_id: reference }, output: spent }],
});
