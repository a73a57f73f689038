/** Consents: asked for by an agent's owner, given by a consumer, and turned into one signed mandate with its funding sources. */
import { createHash, randomBytes } from "node:crypto";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import {
  CONSENT_MS, type createConsent as createOperation, type getConsent as getOperation, type FundingRail, type Intent, type submitConsent as submitOperation,
} from "../../schema/mandates.ts";
import { toDecimal, type Currency } from "../../schema/money.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { transaction, type TransactionSql } from "../db/connect.ts";
import { agentSigner, issuerSigner, mandateSecret } from "../identity/keys.ts";
import { plainJson } from "../json.ts";
import type { Platform } from "../platform.ts";
import { getMandate } from "./mandates.ts";
import { nameOf } from "./payees.ts";
import { writeStatement } from "./statement.ts";
import { mintToken } from "./token.ts";

/** What a consent asks for, as it is kept: amounts are decimal strings. */
interface Terms {
  purpose: string;
  payees: string[];
  payeeKind: Intent["merchant_pin_kind"];
  ttlSeconds: number;
  slots: { currency: Currency; rail: FundingRail | null; cap_minor: string; per_tx_cap_minor: string; periodic_cap?: { window: "day" | "month"; cap_minor: string } }[];
}

export async function createConsent(
  { db, clock }: Platform,
  { orgId, projectId, environment }: Principal,
  { agent_id, intent, surface }: Domain<(typeof createOperation)["input"]>,
): Promise<Domain<(typeof createOperation)["output"]>> {
  const now = clock.now();
  const token = `ctk_${randomBytes(24).toString("base64url")}`;
  const expiresAt = new Date(now.getTime() + CONSENT_MS);
  await db.sql`
    insert into consents (org_id, project_id, token_hash, environment, agent_id, terms, created_at, expires_at)
    values (${orgId}, ${projectId}, ${hash(token)}, ${environment}, ${agent_id}, ${db.sql.json(termsOf(intent) as never)}, ${now}, ${expiresAt})`;
  return { token, expires_at: expiresAt, surface };
}

/** A rail that no slot names is the submitter's to say. */
function termsOf({ slots, currency, cap_minor, per_tx_cap_minor, periodic_cap, ...intent }: Intent): Terms {
  const wanted = slots ?? [{ currency, rail: null, cap_minor, per_tx_cap_minor }];
  const repeated = wanted.find((slot, index) => wanted.findIndex((each) => each.currency === slot.currency) !== index);
  if (repeated) throw new Failure("invalid_args", { field: "intent.slots", problem: `name ${repeated.currency} twice`, expected: "one slot a currency" });
  return {
    purpose: intent.purpose, payees: [...new Set(intent.merchant_allowlist.map(nameOf))], payeeKind: intent.merchant_pin_kind,
    ttlSeconds: intent.mandate_ttl_seconds,
    slots: wanted.map((slot, index) => ({
      currency: slot.currency, rail: slot.rail, cap_minor: String(slot.cap_minor), per_tx_cap_minor: String(slot.per_tx_cap_minor),
      ...(index === 0 && periodic_cap && { periodic_cap: { window: periodic_cap.window, cap_minor: String(periodic_cap.cap_minor) } }),
    })),
  };
}

interface ConsentRow {
  environment: Environment;
  agentId: string;
  terms: Terms;
  mandateId: string | null;
  createdAt: Date;
  expiresAt: Date;
}

/** Throws consent_not_found, another project's too. */
export async function getConsent(
  { db, clock }: Platform, { projectId }: Principal, { token }: Domain<(typeof getOperation)["input"]>,
): Promise<Domain<(typeof getOperation)["output"]>> {
  const { terms, mandateId, ...row } = await findConsent(db.sql, projectId, token);
  return {
    status: mandateId ? "given" : row.expiresAt <= clock.now() ? "expired" : "pending",
    agent_id: row.agentId, environment: row.environment, purpose: terms.purpose, payees: terms.payees, mandate_ttl_seconds: terms.ttlSeconds,
    slots: terms.slots.map(({ currency, rail, cap_minor, per_tx_cap_minor }) =>
      ({ currency, rail: rail ?? defaultRail(currency), cap_minor: BigInt(cap_minor), per_tx_cap_minor: BigInt(per_tx_cap_minor) })),
    mandate_id: mandateId, created_at: row.createdAt, expires_at: row.expiresAt,
  };
}

async function findConsent(sql: TransactionSql | Platform["db"]["sql"], projectId: string, token: string, { lock = false } = {}): Promise<ConsentRow> {
  const [row] = await sql<ConsentRow[]>`
    select environment, agent_id as "agentId", terms, mandate_id as "mandateId", created_at as "createdAt", expires_at as "expiresAt"
    from consents where project_id = ${projectId} and token_hash = ${hash(token)} ${lock ? sql`for update` : sql``}`;
  if (!row) throw new Failure("consent_not_found", { field: "token" });
  return row;
}

/** Throws consent_not_found, consent_already_resolved, consent_expired. Of two that submit at once, one makes the mandate. */
export async function submitConsent(
  platform: Platform,
  principal: Principal,
  { token, consumer_id: consumerId, rail, provider_token: providerToken }: Domain<(typeof submitOperation)["input"]>,
): Promise<Domain<(typeof submitOperation)["output"]>> {
  const { orgId, projectId } = principal;
  const now = platform.clock.now();
  const { agentId, environment } = await findConsent(platform.db.sql, projectId, token);
  // Made before the transaction: a key takes statements of its own.
  const signers = {
    agent: await agentSigner(platform, principal, agentId), issuer: await issuerSigner(platform, environment), ...(await mandateSecret(platform, principal)),
  };
  const mandateId = await transaction(platform.db, async (tx) => {
    const consent = await findConsent(tx, projectId, token, { lock: true });
    if (consent.mandateId) throw new Failure("consent_already_resolved", { mandateId: consent.mandateId });
    if (consent.expiresAt <= now) throw new Failure("consent_expired", {});
    const id = newId("mandate", now);
    const slots = consent.terms.slots.map((slot) => ({ ...slot, rail: slot.rail ?? rail ?? defaultRail(slot.currency) }));
    await insertMandate(tx, { orgId, projectId, id, consumerId, consent: { ...consent, terms: { ...consent.terms, slots } }, signers, now });
    for (const slot of slots) {
      const sourceId = newId("fundingSource", now);
      const sealed = await platform.vault.seal(tx, { orgId, projectId, row: sourceId, column: "funding_sources.sealed" }, providerToken ?? `${slot.rail}:${consumerId}`, now);
      await tx`
        insert into funding_sources (org_id, project_id, id, environment, consumer_id, currency, rail, sealed, status, created_at)
        values (${orgId}, ${projectId}, ${sourceId}, ${environment}, ${consumerId}, ${slot.currency}, ${slot.rail}, ${sealed}, 'active', ${now})`;
      await tx`
        insert into mandate_slots (org_id, project_id, mandate_id, currency, cap_minor, used_minor, funding_source_id)
        values (${orgId}, ${projectId}, ${id}, ${slot.currency}, ${BigInt(slot.cap_minor)}, 0, ${sourceId})`;
    }
    await tx`update consents set mandate_id = ${id} where project_id = ${projectId} and token_hash = ${hash(token)}`;
    return id;
  });
  const mandate = await getMandate(platform, principal, mandateId);
  return { mandate_id: mandateId, mandate, funding_source_ids: mandate.funding_source_ids };
}

interface NewMandate {
  orgId: string;
  projectId: string;
  id: string;
  consumerId: string;
  consent: ConsentRow & { terms: Terms & { slots: { rail: FundingRail }[] } };
  signers: { agent: Awaited<ReturnType<typeof agentSigner>>; issuer: Awaited<ReturnType<typeof issuerSigner>>; secret: string; version: number };
  now: Date;
}

async function insertMandate(tx: TransactionSql, { orgId, projectId, id, consumerId, consent, signers, now }: NewMandate): Promise<void> {
  const { terms, agentId, environment } = consent;
  const { agent, issuer } = signers;
  const notBefore = Math.floor(now.getTime() / 1_000);
  const expires = notBefore + terms.ttlSeconds;
  const statement = writeStatement({
    version: 1, id, environment, issuer: issuer.did, consumer: { id: consumerId }, agent: { id: agentId, did: agent.did },
    slots: terms.slots.map(({ rail, ...slot }) => ({ ...slot, rail: rail! })), payees: terms.payees, payee_kind: terms.payeeKind, purposes: [terms.purpose],
    not_before: notBefore, expires_at: expires, parent: null, nonce: randomBytes(16).toString("base64url"),
  });
  const [first] = terms.slots;
  const units = (minor: string) => withoutZeros(toDecimal({ amountMinor: BigInt(minor), currency: first!.currency }));
  const minted = mintToken({
    format_version: 3, id, agent_id: agentId, type: "payment", amount: units(first!.cap_minor), currency: first!.currency, purposes: [terms.purpose],
    expires_at: expires, max_amount: units(first!.per_tx_cap_minor), parent_id: "", denomination: "", secret_version: signers.version, principal_kyc_ref: "", agent_kid: agent.kid,
  }, { secret: signers.secret, agent, issuer });
  const signatures = [{ role: "agent", kid: agent.kid, signature: agent.sign(statement) }, { role: "issuer", kid: issuer.kid, signature: issuer.sign(statement) }];
  await tx`
    insert into mandates (org_id, project_id, id, environment, consumer_id, agent_id, status, statement, signatures, token, created_at, expires_at)
    values (${orgId}, ${projectId}, ${id}, ${environment}, ${consumerId}, ${agentId}, 'active', ${statement}, ${tx.json(plainJson(signatures) as never)}, ${minted},
      ${now}, ${new Date(expires * 1_000)})`;
}

const withoutZeros = (decimal: string): string => (decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal);

const defaultRail = (currency: Currency): FundingRail => (currency === "USDC" || currency === "USDT" ? "usdc" : "pix");

const hash = (token: string): string => createHash("sha256").update(token).digest("hex");
