/** Maria lets the agent `shopper` buy groceries for up to R$500.00, and it does. */
import type { Consent, Mandate, SpendResult } from "../mandates.ts";
import type { Wire } from "../operation.ts";
import type { Wallet, WalletTransfer } from "../wallets.ts";
import { at, projectId, userId } from "./cast.ts";
import { executeExamples } from "./tool-calls.ts";

export const consentToken = "ctk_Ocm1vgMOpg4ydgc62OnNwGueIP71Htci";
export const mandateId = "cm_01m7wd7tg06g607eh39h7c8jkr";
export const agentId = "shopper";
export const payee = "loja@example.com";
const fundingSourceId = "fs_01m7wd7tg04tj94qd8a7qn1p1r";
const agentDid = `did:web:pay.example.com:${projectId}:${agentId}`;

export const intent = {
  purpose: "groceries", cap_minor: 50000, per_tx_cap_minor: 20000, currency: "BRL", mandate_ttl_seconds: 2592000, merchant_allowlist: [payee],
  merchant_pin_kind: "pix-key" as const,
};

export const consent: Wire<typeof Consent> = {
  status: "pending", agent_id: agentId, environment: "test", purpose: "groceries", payees: [payee],
  slots: [{ currency: "BRL", rail: "pix", cap_minor: "50000", per_tx_cap_minor: "20000" }], mandate_ttl_seconds: 2592000, mandate_id: null,
  created_at: at("12:00:00.000"), expires_at: "2026-11-21T12:00:00.000Z",
};

export const mandate: Wire<typeof Mandate> = {
  id: mandateId, consumer_id: userId, agent_id: agentId, agent_did: agentDid, environment: "test", status: "active", purpose: "groceries", payees: [payee],
  slots: [{ currency: "BRL", rail: "pix", cap_minor: "50000", per_tx_cap_minor: "20000", spent_minor: "15000", available_minor: "35000", periodic_cap: null }],
  funding_source_ids: [fundingSourceId],
  statement: '{"agent":{"did":"did:web:pay.example.com:prj_xebg6f3TG3cbu4hg:shopper","id":"shopper"},"consumer":{"id":"maria"},"environment":"test", … }',
  signatures: [
    { role: "agent", kid: `${agentDid}#1`, signature: "aBxr8QTYoNWtBQrews3p3aKehHyxBglLExAYwy6yDSOgYwfwDQSKkexfDXIxe9Fta9v4x2fKWPXw3HyCpapCCQ" },
    { role: "issuer", kid: "did:web:pay.example.com#test-1", signature: "6Gd4NGM37uh7wO-A3-2g3DOj4lTM-JUfsjNjbJqzLvLCEZ7mMUMUq_tDpJZ__QsNJoMi0DUnUj6fGv2TA29gAA" },
  ],
  token: "eyJmb3JtYXRfdmVyc2lvbiI6MywiaWQiOiJjbV8wMW03d2Q3dGcwNmc2MDdlaDM5aDdjOGprciIs…", created_at: at("12:00:00.000"), expires_at: "2026-12-20T12:00:00.000Z",
};

/** Before anything was spent under it. */
export const newMandate: Wire<typeof Mandate> = {
  ...mandate, slots: mandate.slots.map((slot) => ({ ...slot, spent_minor: "0", available_minor: slot.cap_minor })),
};

const payout = executeExamples.find(({ input }) => input.tool === "codespar_pay")!.output;

export const spent: Wire<typeof SpendResult> = {
  status: "pending", tool_call_id: payout.tool_call_id!, mandate, amount_minor: 15000, currency: "BRL", payee, idempotent_replay: false, payment: payout,
};

export const wallet: Wire<typeof Wallet> = {
  consumer_id: userId,
  currencies: [{
    currency: "BRL", rail: "pix", authorized_minor: 50000, spent_minor: 15000, available_minor: 35000, balance_minor: "15000", held_minor: "15000",
    funding_source_ids: [fundingSourceId], mandate_ids: [mandateId],
  }],
};

export const transfer: Wire<typeof WalletTransfer> = {
  consumer_id: userId, route: "ramp", converts: true, engine: null, executable: false,
  note: "Nobody who is connected trades these currencies, so this cannot be executed.",
  from: { currency: "BRL", rail: "pix", amount_minor: 10000, cap_available_minor: 35000 }, to: { currency: "USDC", rail: null }, executed: false, money_moved: false,
};
