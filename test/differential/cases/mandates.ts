/** Cases of consents, mandates and wallets. */
import { expect } from "vitest";
import type { CallOf, Case, Scene } from "../../support/every-door.ts";
import { noCursor, type Cases } from "./scene.ts";

const NO_MANDATE = "cm_01jd5v0000000000000000none";
const noMandate = { code: "mandate_not_found", field: "mandate_id", retry: "never", http: 404 };
const noConsent = { code: "consent_not_found", field: "token", retry: "never", http: 404 };

const intent = { purpose: "groceries", cap_minor: 50_000, per_tx_cap_minor: 20_000, currency: "BRL", merchant_allowlist: ["loja@example.com"], merchant_pin_kind: "pix-key" };

const asked = async (scene: Scene, change: object = {}) => (await scene.call("consents.create", { agent_id: "shopper", intent: { ...intent, ...change } })).token;
const given = async (scene: Scene, change: object = {}) =>
  (await scene.call("consents.submit", { token: await asked(scene, change), consumer_id: "maria", rail: "pix" })).mandate_id;

/** A spend under a new mandate. */
const spending = (change: object = {}, terms: object = {}, options: object = {}) => async (scene: Scene): Promise<CallOf> =>
  ({ input: { mandate_id: await given(scene, terms), amount_minor: 15_000, payee: "loja@example.com", ...change }, ...options });

const refused = (title: string, call: Case["call"], code: string, { retry = "never", http = 403, ...at }: { retry?: string; http?: number; field?: string; expected?: string } = {}): Case =>
  ({ title, call, failure: { code, ...at, retry, http } });

const ended = (verb: "pause" | "revoke") => async (scene: Scene): Promise<CallOf> => {
  const mandate_id = await given(scene);
  await scene.call(`mandates.${verb}`, { mandate_id });
  return { input: { mandate_id, amount_minor: 100, payee: "loja@example.com" } };
};

async function rewritten(scene: Scene): Promise<CallOf> {
  const { sql } = scene.app.platform.db;
  const mandate_id = await given(scene);
  await sql.begin(async (tx) => {
    await tx`alter table mandates disable trigger mandates_signed`;
    await tx`update mandates set statement = replace(statement, '"20000"', '"90000"') where id = ${mandate_id}`;
    await tx`alter table mandates enable trigger mandates_signed`;
  });
  return { input: { mandate_id, amount_minor: 100, payee: "loja@example.com" } };
}

/** Its bank is not drawn on: the source was revoked since. */
async function unfunded(scene: Scene): Promise<CallOf> {
  const mandate_id = await given(scene);
  await scene.app.platform.db.sql`update funding_sources set status = 'revoked' where project_id = ${scene.projectId}`;
  return { input: { mandate_id, amount_minor: 100, payee: "loja@example.com" } };
}

async function unreachable(scene: Scene): Promise<CallOf> {
  const call = await spending()(scene);
  scene.app.twins!.setFault("asaas", { kind: "refused" });
  return call;
}

async function attempted(scene: Scene, next: object = {}): Promise<CallOf> {
  const { input } = await spending({ attempt_id: "order-1" })(scene);
  await scene.call("mandates.spend", input);
  return { input: { ...input, ...next } };
}

async function underWay(scene: Scene): Promise<CallOf> {
  const call = await attempted(scene);
  const leaseUntil = new Date(scene.app.clock.now().getTime() + 30_000);
  await scene.app.platform.db.sql`
    update tool_calls set status = 'running', outcome = null, lease_until = ${leaseUntil} where project_id = ${scene.projectId} and idempotency_key = 'order-1'`;
  return call;
}

/** Ends the mandate; the second time it changes nothing, and a revoked one changes no more. */
const transitionCases = (verb: "pause" | "resume" | "revoke", before: readonly ("pause" | "revoke")[], to: string): Case[] => {
  const after = (steps: readonly ("pause" | "revoke" | typeof verb)[]) => async (scene: Scene): Promise<CallOf> => {
    const mandate_id = await given(scene);
    for (const step of steps) await scene.call(`mandates.${step}`, { mandate_id });
    return { input: { mandate_id } };
  };
  return [
    { title: `makes it ${to}`, call: after(before), answer: { changed: true, mandate: { status: to } } },
    { title: "changes nothing the second time", call: after([...before, verb]), answer: { changed: false, mandate: { status: to } } },
    { title: "knows no other mandate", call: () => ({ input: { mandate_id: NO_MANDATE } }), failure: noMandate },
  ];
};

export const mandateCases: Cases = {
  "consents.create": [
    {
      title: "asks for a consent",
      call: () => ({ input: { agent_id: "shopper", intent: { ...intent, periodic_cap: { window: "month", cap_minor: 30_000 } }, consumer_email_hint: "maria@example.com" } }),
      answer: { token: expect.stringMatching(/^ctk_/), surface: "hosted" },
    },
    refused("names an agent in letters and digits", () => ({ input: { agent_id: "a:b", intent } }), "validation_failed", { field: "agent_id", expected: "expected letters, digits, dot, dash, underscore or tilde", http: 400 }),
  ],
  "consents.get": [
    { title: "shows what is asked for", call: async (scene) => ({ input: { token: await asked(scene) } }), answer: { status: "pending", payees: ["loja@example.com"], slots: [{ currency: "BRL", rail: "pix", cap_minor: "50000" }] } },
    { title: "knows no other token", call: () => ({ input: { token: "ctk_none" } }), failure: noConsent },
  ],
  "consents.submit": [
    {
      title: "makes a mandate",
      call: async (scene) => ({ input: { token: await asked(scene), consumer_id: "maria", rail: "pix-consent", provider_token: "pix:maria" } }),
      answer: { mandate: { status: "active", consumer_id: "maria", slots: [{ currency: "BRL", rail: "pix", spent_minor: "0" }] } },
    },
    { title: "knows no other token", call: () => ({ input: { token: "ctk_none", consumer_id: "maria" } }), failure: noConsent },
    refused("is given once", async (scene) => {
      const token = await asked(scene);
      await scene.call("consents.submit", { token, consumer_id: "maria" });
      return { input: { token, consumer_id: "maria" } };
    }, "consent_already_resolved", { http: 409 }),
    refused("is given within its day", async (scene) => {
      const token = await asked(scene);
      await scene.app.platform.db.sql`update consents set expires_at = ${new Date(scene.app.clock.now().getTime() - 1)} where project_id = ${scene.projectId}`;
      return { input: { token, consumer_id: "maria" } };
    }, "consent_expired", { http: 410 }),
  ],
  "mandates.list": [
    {
      title: "lists a consumer's mandates, newest first, and pages",
      call: async (scene) => {
        await given(scene);
        await scene.pass(1);
        await given(scene, { purpose: "travel" });
        return { input: { consumer_id: "maria", agent_id: "shopper", status: "active", limit: 1 } };
      },
      answer: { mandates: [{ purpose: "travel" }], next_before: expect.stringMatching(/^cm_/) },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],
  "mandates.get": [
    { title: "reads a mandate with what is left of it", call: async (scene) => ({ input: { mandate_id: await given(scene) } }), answer: { status: "active", slots: [{ available_minor: "50000" }] } },
    { title: "knows no other mandate", call: () => ({ input: { mandate_id: NO_MANDATE } }), failure: noMandate },
  ],
  "mandates.pause": [
    ...transitionCases("pause", [], "paused"),
    refused("pauses no revoked one", async (scene) => ({ input: { mandate_id: (await ended("revoke")(scene)).input["mandate_id"] } }), "mandate_transition_invalid", { http: 409 }),
  ],
  "mandates.resume": [
    ...transitionCases("resume", ["pause"], "active"),
    refused("resumes no revoked one", async (scene) => ({ input: { mandate_id: (await ended("revoke")(scene)).input["mandate_id"] } }), "mandate_transition_invalid", { http: 409 }),
  ],
  "mandates.revoke": [
    ...transitionCases("revoke", ["pause"], "revoked"),
  ],
  "mandates.spend": [
    { title: "pays a Pix key", call: spending({ agent_id: "shopper" }), answer: { status: "pending", currency: "BRL", payment: { tool: "codespar_pay", provider: "asaas" }, mandate: { slots: [{ spent_minor: "15000" }] } } },
    { title: "pays once under one attempt id", call: attempted, answer: { status: "pending", idempotent_replay: true } },
    { title: "knows no other mandate", call: () => ({ input: { mandate_id: NO_MANDATE, amount_minor: 1, payee: "loja@example.com" } }), failure: noMandate },
    refused("pays under no mandate that was rewritten", rewritten, "mandate_unverified"),
    refused("pays under no paused mandate", ended("pause"), "mandate_not_active"),
    refused("pays for no other agent", spending({ agent_id: "stranger" }), "agent_not_mandated", { field: "agent_id" }),
    refused("pays in no other currency", spending({ payee: `0x${"ab".repeat(20)}` }), "currency_not_mandated", { field: "currency" }),
    refused("pays no other payee", spending({ payee: "outra@example.com" }), "payee_not_mandated", { field: "payee" }),
    refused("pays no more at once than was signed", spending({ amount_minor: 20_001 }), "per_tx_cap_exceeded", { field: "amount_minor", retry: "ask_human", http: 422 }),
    refused("pays no more in all than was signed", spending({}, { cap_minor: 14_999 }), "total_cap_exceeded", { field: "amount_minor", retry: "ask_human", http: 422 }),
    refused("pays no more a day than was signed", spending({}, { periodic_cap: { window: "day", cap_minor: 1_000 } }), "periodic_cap_exceeded", { field: "amount_minor", retry: "after", http: 422 }),
    refused("pays nothing without funds", unfunded, "insufficient_funds", { retry: "ask_human", http: 402 }),
    refused("pays nothing to what is no payee", spending({ payee: "somewhere" }), "invalid_args", { field: "payee", expected: "expected a Pix key, a Pix code, a wallet address or a URL", http: 422 }),
    refused("pays no URL yet", spending({ payee: "https://api.example.com" }), "rail_unavailable", { field: "payee", http: 422 }),
    refused("says what the provider declined", spending({ amount_minor: 15_013 }), "provider_declined", { http: 422 }),
    refused("says that nothing was sent", unreachable, "provider_unavailable", { retry: "same_key", http: 503 }),
    refused("refuses an attempt id that is no key", spending({ attempt_id: "ação" }), "idempotency_key_invalid", { field: "idempotency_key", http: 400 }),
    refused("refuses another payment under one attempt id", (scene) => attempted(scene, { amount_minor: 1 }), "idempotency_conflict", { field: "idempotency_key", http: 422 }),
    refused("does not wait for ever for the first under its attempt id", underWay, "idempotency_in_flight", { retry: "same_key", http: 409 }),
  ],
  "wallets.get": [
    {
      title: "shows what is allowed, spent and held",
      call: async (scene) => {
        const mandate_id = await given(scene);
        await scene.call("mandates.spend", { mandate_id, amount_minor: 15_000, payee: "loja@example.com" });
        return { input: { consumer_id: "maria" } };
      },
      answer: { currencies: [{ currency: "BRL", rail: "pix", authorized_minor: 50_000, spent_minor: 15_000, available_minor: 35_000, balance_minor: "15000", held_minor: "15000" }] },
    },
    { title: "is empty for a consumer nobody has heard of", call: () => ({ input: { consumer_id: "nobody" } }), answer: { consumer_id: "nobody", currencies: [] } },
  ],
  "wallets.transfer": [
    {
      title: "plans a move between currencies",
      call: async (scene) => {
        await given(scene);
        return { input: { consumer_id: "maria", from_currency: "BRL", to_currency: "USDC", amount_minor: 100 } };
      },
      answer: { route: "ramp", converts: true, executable: false, executed: false, from: { currency: "BRL", rail: "pix", amount_minor: 100, cap_available_minor: 50_000 }, to: { currency: "USDC", rail: null } },
    },
    {
      title: "executes none that nobody trades, and says so",
      call: () => ({ input: { consumer_id: "maria", from_currency: "BRL", to_currency: "USDC", amount_minor: 100, execute: true } }),
      answer: { executable: false, executed: false, money_moved: false, note: expect.stringContaining("cannot be executed") },
    },
  ],
};
