/**
 * What a consumer's mandate says, and who signed it. The statement is canonical JSON (RFC 8785), signed with Ed25519 by the
 * agent that may spend and by this server as issuer. It is the authority: a spend is decided by what was signed, never by a column.
 */
import { z } from "zod";
import { canonical } from "../../schema/jcs.ts";
import { isCurrency, type Currency } from "../../schema/money.ts";

const minor = z.string().regex(/^[1-9]\d{0,30}$/).transform(BigInt);
const currency = z.string().refine(isCurrency).transform((code) => code as Currency);
const cap = z.strictObject({ window: z.enum(["day", "month"]), cap_minor: minor });

/** Strict: a constraint that this server does not know is none that it could keep, so it denies. */
const Statement = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  environment: z.enum(["test", "live"]),
  issuer: z.string(),
  consumer: z.strictObject({ id: z.string() }),
  agent: z.strictObject({ id: z.string(), did: z.string() }),
  slots: z.array(z.strictObject({ currency, rail: z.enum(["pix", "usdc", "card"]), cap_minor: minor, per_tx_cap_minor: minor, periodic_cap: cap.optional() })).min(1),
  payees: z.array(z.string()),
  payee_kind: z.enum(["merchant-id", "pix-key", "mcc"]),
  purposes: z.array(z.string()),
  not_before: z.int(),
  expires_at: z.int(),
  parent: z.null(),
  nonce: z.string(),
});
export type Statement = z.output<typeof Statement>;

/** As it is signed: amounts as decimal strings, because a reader's numbers may be floats. */
export const writeStatement = (statement: z.input<typeof Statement>): string => canonical(statement);

/** Throws ZodError for a statement of another version or with a member that this server does not know. */
export const readStatement = (text: string): Statement => Statement.parse(JSON.parse(text));
