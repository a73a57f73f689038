/**
 * Whether a mandate allows a payment: a pure function over what was signed and what was used so far. Deny by default; every
 * refusal says why, costs nothing and reaches nobody.
 */
import { Failure, type FailureCode } from "../../schema/failures.ts";
import { display, type Currency } from "../../schema/money.ts";
import { isAllowed, type Payee } from "./payees.ts";
import type { Statement } from "./statement.ts";

/** What a payment can be refused with for its mandate's sake; released clients read it as a denial by policy. */
const refusals = [
  "mandate_not_found", "mandate_unverified", "mandate_not_active", "agent_not_mandated", "currency_not_mandated", "payee_not_mandated",
  "per_tx_cap_exceeded", "total_cap_exceeded", "periodic_cap_exceeded", "insufficient_funds",
] as const satisfies readonly FailureCode[];

export const isMandateRefusal = (code: string): boolean => (refusals as readonly string[]).includes(code);

export interface Wanted {
  amountMinor: bigint;
  currency: Currency;
  payee: Payee;
  /** Who spends, where the caller said. */
  agentId: string | undefined;
  at: Date;
}

/** What stands in the database beside the statement. */
export interface Standing {
  status: "active" | "paused" | "revoked";
  /** In the currency that is wanted: of the whole cap, and in the running day and month. */
  usedMinor: bigint;
  usedInWindowMinor: { day: bigint; month: bigint };
}

type Slot = Statement["slots"][number];

/** Throws the first failure that applies, in the order a person would ask: may it at all, whom, in what, how much. */
export function decide(statement: Statement, standing: Standing, wanted: Wanted): Slot {
  const { id: mandateId } = statement;
  const status = statusAt(statement, standing.status, wanted.at);
  if (status !== "active") throw new Failure("mandate_not_active", { mandateId, status });
  if (wanted.agentId !== undefined && wanted.agentId !== statement.agent.id && wanted.agentId !== statement.agent.did)
    throw new Failure("agent_not_mandated", { field: "agent_id", mandateId, agentId: wanted.agentId });
  const slot = statement.slots.find(({ currency }) => currency === wanted.currency);
  if (!slot) throw new Failure("currency_not_mandated", { field: "currency", mandateId, currency: wanted.currency, covered: statement.slots.map(({ currency }) => currency).join(", ") });
  if (!isAllowed(statement.payees, wanted.payee)) throw new Failure("payee_not_mandated", { field: "payee", mandateId });
  refuseAbove(mandateId, slot, standing, wanted);
  return slot;
}

/** Its time counts from `not_before` to `expires_at`, the end left out. */
export function statusAt({ not_before, expires_at }: Pick<Statement, "not_before" | "expires_at">, status: Standing["status"], at: Date): Standing["status"] | "expired" {
  if (status === "revoked") return status;
  const seconds = at.getTime() / 1_000;
  return seconds < not_before || seconds >= expires_at ? "expired" : status;
}

function refuseAbove(mandateId: string, slot: Slot, standing: Standing, { amountMinor, currency, at }: Wanted): void {
  const shown = (minor: bigint) => display({ amountMinor: minor, currency });
  const amount = shown(amountMinor);
  if (amountMinor > slot.per_tx_cap_minor)
    throw new Failure("per_tx_cap_exceeded", { field: "amount_minor", mandateId, amount, cap: shown(slot.per_tx_cap_minor) });
  const left = slot.cap_minor - standing.usedMinor;
  if (amountMinor > left)
    throw new Failure("total_cap_exceeded", { field: "amount_minor", mandateId, amount, left: shown(left), cap: shown(slot.cap_minor) });
  if (!slot.periodic_cap) return;
  const { window, cap_minor: cap } = slot.periodic_cap;
  const leftInWindow = cap - standing.usedInWindowMinor[window];
  if (amountMinor > leftInWindow)
    throw new Failure("periodic_cap_exceeded", { field: "amount_minor", mandateId, amount, left: shown(leftInWindow), cap: shown(cap), window }, { retryAfterSeconds: secondsLeft(window, at) });
}

/** Until the window begins anew. */
function secondsLeft(window: "day" | "month", at: Date): number {
  const next = window === "day"
    ? Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + 1)
    : Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
  return Math.ceil((next - at.getTime()) / 1_000);
}

/** When the running day and month began, UTC. */
export const windowStarts = (at: Date): { day: Date; month: Date } => ({
  day: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate())),
  month: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1)),
});
