/** Small parts that several adapters and their twins are made of. Nothing here knows a provider. */
import { createHash, timingSafeEqual } from "node:crypto";
import { toDecimal, type Money } from "../schema/money.ts";
import type { StateOf } from "../schema/settlement.ts";
import { Rejected, SetupMissing, type ConnectionField, type DeclineReason, type Outcome } from "./provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

/** A decline; what `message` says is cut, since a provider wrote part of it. */
export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message: message.slice(0, REFUSAL_CHARS_MAX), ...(field && { field }) });

/** A verb whose provider's refusals become declines; whatever else goes wrong stays what it is. */
export const orDeclined = <Asked extends unknown[], Result>(
  verb: (...asked: Asked) => Promise<Outcome<Result>>, toDecline: (rejected: Rejected) => Declined,
) => async (...asked: Asked): Promise<Outcome<Result>> => {
  try {
    return await verb(...asked);
  } catch (error) {
    if (error instanceof Rejected) return toDecline(error);
    throw error;
  }
};

/** A value that only an operator can give. Throws SetupMissing. */
export function required(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

/** A decimal as people write it: `29.9` for 29.900000 USDC. */
export const shortDecimal = (money: Money): string => toDecimal(money).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

const EVM_ADDRESS = /^0x[0-9a-f]{40}$/i;
const SOLANA_ADDRESS = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;

/** Whether an address can be one of that network. That it can does not make it its owner's: EVM networks share their form. */
export function addressFits(address: string, network: string): boolean {
  if (network === "solana") return SOLANA_ADDRESS.test(address);
  return network === "bitcoin" ? !EVM_ADDRESS.test(address) : EVM_ADDRESS.test(address);
}

/** The header of HTTP Basic (RFC 7617). */
export const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** Undefined for what is no JSON. */
export function jsonOf(text: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text));
  } catch {
    return undefined;
  }
}

/** In constant time, whatever their lengths; an empty secret is no one's. */
export const sameSecret = (given: string, secret: string): boolean => secret !== "" && timingSafeEqual(digest(given), digest(secret));

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** From which risk on a person is looked at, or turned away: the operator's to say, for every provider that only scores. */
export const riskSettings: readonly ConnectionField[] = [
  { name: "review_from", label: "Review from", secret: false, required: false, hint: "0.6: a risk from here on waits for a person." },
  { name: "reject_from", label: "Reject from", secret: false, required: false, hint: "0.9. Without both, every score waits for a person." },
];

/**
 * What a risk means to this operator.
 *
 * risk     0 is none, 1 the highest; undefined when nothing was scored
 * returns  review where there is no risk, or the settings do not say what it means
 */
export function verdictOn(risk: number | undefined, settings: Readonly<Record<string, string>>): StateOf<"verification"> {
  const [reviewFrom, rejectFrom] = riskSettings.map(({ name }) => Number(settings[name] || "NaN"));
  if (risk === undefined || !(reviewFrom! <= rejectFrom!)) return "review";
  return risk >= rejectFrom! ? "rejected" : risk >= reviewFrom! ? "review" : "approved";
}
