/** What every request to Asaas shares: amounts as it writes them, refusals as answers, and objects of ours found again. */
import type { z } from "zod";
import { toDecimal } from "../../schema/money.ts";
import type { HttpClient } from "../http.ts";
import { Rejected, Unanswered, type CallContext, type LookupSubject } from "../provider.ts";
import { page, readRefusal, refuse, type Declined } from "./answers.ts";

/** Fifteen digits: the most that a JSON number carries exactly. */
const VALUE_MINOR_MAX = 999_999_999_999_999n;

export const toValue = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

export function refuseAmount({ amount, currency }: { amount: bigint; currency: string }): Declined | undefined {
  if (currency !== "BRL") return refuse("invalid_request", "currency", "Asaas moves BRL only");
  if (amount <= VALUE_MINOR_MAX) return undefined;
  return refuse("invalid_request", "amount", `Asaas takes at most ${VALUE_MINOR_MAX} centavos`);
}

/** Sends what Asaas may refuse; a refusal is an answer. */
export async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** The most rows Asaas puts on a page. */
export const PAGE_ROWS = 100;
/** Two thousand transfers in three days are searched; past that, an operator must look. */
export const PAGES_MAX = 20;

interface Search<Row> {
  path: string;
  row: Row;
  subject: LookupSubject;
  query?: Record<string, string>;
}

/**
 * The object of ours that Asaas has under `subject`. A row counts only if it carries our reference: a list may ignore a
 * filter it does not know, and an id that came in from outside may be of another payment.
 */
export async function find<Row extends z.ZodType<{ externalReference?: string | null | undefined }>>(
  http: HttpClient,
  { path, row, subject: { ref, reference }, query }: Search<Row>,
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  const named = ref && await askForOne(http, { path: `${path}/${encodeURIComponent(ref)}`, row }, call);
  if (named && named.externalReference === reference) return named;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const at = { limit: String(PAGE_ROWS), offset: String(pages * PAGE_ROWS) };
    const spec = { method: "GET", path, query: { externalReference: reference, ...query, ...at } } as const;
    const { data, hasMore } = await http.ask(spec, page(row), call);
    const found = data.find((candidate) => candidate.externalReference === reference);
    if (found) return found;
    if (!hasMore) return undefined;
  }
  throw new Unanswered("asaas: its list is too long to search for one reference");
}

export async function askForOne<Row extends z.ZodType>(
  http: HttpClient,
  { path, row }: { path: string; row: Row },
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  try {
    return await http.ask({ method: "GET", path }, row, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
