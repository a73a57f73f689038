/** Colombian identity numbers as Wompi wants them: a kind and a number, and whether a company stands behind it. */
import { parseTaxId } from "../../schema/documents.ts";
import { refuse, type Declined } from "./answers.ts";

export interface LegalId {
  type: "CC" | "NIT";
  number: string;
  isCompany: boolean;
}

/**
 * A NIT is written with its check digit behind a hyphen, and sent without; a bare number is taken for a cédula: one number in
 * eleven would pass for a NIT by chance.
 */
export function legalIdOf(document: string, field: string): LegalId | Declined {
  const written = document.replace(/[.\s]/g, "");
  const [, base] = /^(\d{6,15})-\d$/.exec(written) ?? [];
  if (base !== undefined) {
    const nit = parseTaxId(written, { country: "CO" });
    return nit.ok ? { type: "NIT", number: base, isCompany: true } : refuse("invalid_request", field, nit.reason);
  }
  if (/^\d{5,10}$/.test(written)) return { type: "CC", number: written, isCompany: false };
  return refuse("invalid_request", field, "expected a cédula of 5 to 10 digits, or a NIT with its check digit behind a hyphen");
}
