/**
 * A mandate as released verifiers read it: a base64url JSON object, format 3, over one line of its fields. The line is
 * joined by colons, which no field but the last may hold: another field with a colon could be read as two, so it is refused.
 * Source: facts 5.1, wire 9.
 */
import { createHmac } from "node:crypto";

export interface TokenFields {
  format_version: 3;
  id: string;
  agent_id: string;
  type: "payment";
  /** Decimal text without trailing zeros, in currency units. */
  amount: string;
  currency: string;
  purposes: readonly string[];
  /** UNIX seconds. */
  expires_at: number;
  max_amount: string;
  parent_id: string;
  denomination: string;
  secret_version: number;
  principal_kyc_ref: string;
  agent_kid: string;
}

/** The line that all three signatures cover. Throws RangeError for a colon in any field but `agent_kid`. */
export function signingLine(fields: TokenFields): string {
  const parts = [
    fields.format_version, fields.id, fields.agent_id, fields.type, fields.amount, fields.currency, joined(fields.purposes), fields.expires_at,
    fields.max_amount, fields.parent_id, fields.denomination, fields.secret_version, fields.principal_kyc_ref,
  ].map(String);
  const ambiguous = parts.find((part) => part.includes(":"));
  if (ambiguous !== undefined) throw new RangeError("a field of a mandate token holds a colon");
  return [...parts, fields.agent_kid].join(":");
}

/** Sorted, backslashes doubled and commas escaped, joined by commas. */
const joined = (purposes: readonly string[]): string =>
  [...purposes].sort().map((purpose) => purpose.replaceAll("\\", "\\\\").replaceAll(",", "\\,")).join(",");

/** Signs the line with the project's secret and both keys, and wraps everything. */
export function mintToken(
  fields: TokenFields,
  { secret, agent, issuer }: { secret: string; agent: { kid: string; sign(line: string): string }; issuer: { sign(line: string): string } },
): string {
  const line = signingLine(fields);
  const { parent_id, denomination, ...rest } = fields;
  const signed = {
    ...rest, ...(parent_id && { parent_id }), denomination: denomination || null,
    signature: createHmac("sha256", secret).update(line).digest("hex"), agent_sig: agent.sign(line), issuer_sig: issuer.sign(line), kid: agent.kid,
  };
  return Buffer.from(JSON.stringify(signed)).toString("base64url");
}
