/**
 * Paying a pasted Pix code through Asaas. Reference: docs.asaas.com, "Decode a QRCode for payment", "Pagar um QRCode", "List
 * transactions", "Retrieve a single transaction", read 2026-11-20.
 * Quirk: the request takes no reference. Ours leads the description, which the transaction carries; the payee may see it. No
 * page promises that the description comes back unchanged, so a lookup that misses it denies nothing while a transaction of
 * that amount is there that could be the one.
 */
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { parseBrCode, type BrCode } from "../../schema/pix/brcode.ts";
import type { HttpClient } from "../http.ts";
import { Unanswered, type CallContext, type LookupSubject, type Observation, type Outcome } from "../provider.ts";
import { DecodedCode, page, PixTransaction, pixTransactionStates, refuse, type Declined, type PaymentState } from "./answers.ts";
import { askForOne, orDeclined, PAGE_ROWS, PAGES_MAX, toValue } from "./requests.ts";
import { calendarDay, momentOf, shiftDay } from "./sao-paulo.ts";

const TRANSACTIONS = "/pix/transactions";

interface CodePayment extends Pick<PayoutRequest, "currency" | "method" | "recipient" | "description"> {
  amount: bigint;
  /** As it was pasted. No answer and no error repeats it. */
  code: string;
}

export async function payCode(http: HttpClient, request: CodePayment, call: CallContext): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method, recipient, description } = request;
  const payload = request.code.trim();
  if (recipient?.pix_key) return refuse("invalid_request", "recipient", "a code says whom it pays: send recipient or copia_e_cola, not both");
  const read = parseBrCode(payload);
  if (!read.ok) return refuse("invalid_request", "copia_e_cola", read.reason);
  const unpayable = refuseCode(read.code, amount) ?? (await refuseDecoded(http, { payload, amount }, call));
  if (unpayable) return unpayable;

  await call.note({ requested_on: calendarDay(call.clock.now()), code_amount: String(amount) });
  const body = { qrCode: { payload }, value: toValue(amount), description: describe(call.reference, description) };
  const paid = await orDeclined(() => http.act({ method: "POST", path: "/pix/qrCodes/pay", body }, PixTransaction, call));
  if ("outcome" in paid) return withoutCode(paid, payload);

  // The answer is the one place where Asaas says for sure which transaction is ours.
  await call.note({ transaction: paid.id });
  const state = stateOf(paid);
  const payee = read.code.kind === "static" ? read.code.key : read.code.merchantName;
  const result = { ...transactionResult(paid, state), amount, currency, method, recipient: payee };
  return { outcome: "accepted", ref: paid.id, state, action: paid.status, result };
}

/** Whether what a call noted says that it pays a code. */
export const paidByCode = ({ notes }: CallContext): boolean => notes["code_amount"] !== undefined;

/**
 * By the id of the answer, else among what left the account, by our reference.
 *
 * throws  Unanswered while a transaction may be ours and does not say so
 */
export async function lookupCode(http: HttpClient, { reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { transaction: id } = call.notes;
  if (id === undefined) return searchTransactions(http, reference, call);
  const named = await askForOne(http, { path: `${TRANSACTIONS}/${encodeURIComponent(id)}`, row: PixTransaction }, call);
  if (!named) throw new Unanswered("asaas: it does not know its own transaction");
  return observe(named);
}

/** Our reference where a description begins with one. */
export const referenceIn = (description: string | null | undefined): string | undefined => REFERENCE.exec(description ?? "")?.[0];

const REFERENCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=$| )/;

/** As much as a Pix may say to its payee ("infoPagador", API Pix 2.9.0). */
const DESCRIPTION_CHARS_MAX = 140;

/** The reference first, so that no cut takes it. */
export const describe = (reference: string, description = ""): string => `${reference} ${description}`.trim().slice(0, DESCRIPTION_CHARS_MAX).trimEnd();

/** What the code itself shows. The amount printed in a dynamic code only informs: the true one is at its location. */
function refuseCode(code: BrCode, amount: bigint): Declined | undefined {
  if (code.kind === "recurrence" || code.kind === "composite") return refuse("not_permitted", "copia_e_cola", "the code authorizes a recurrence (Pix Automático), which a payout does not");
  if (code.kind === "static" && code.amountMinor !== undefined && code.amountMinor !== amount) return anotherAmount(code.amountMinor, amount);
  return undefined;
}

async function refuseDecoded(http: HttpClient, { payload, amount }: { payload: string; amount: bigint }, call: CallContext): Promise<Declined | undefined> {
  const decoded = await orDeclined(() => http.ask({ method: "POST", path: "/pix/qrCodes/decode", body: { payload } }, DecodedCode, call));
  if ("outcome" in decoded) return withoutCode({ ...decoded, field: "copia_e_cola" }, payload);
  const { canBePaid, cannotBePaidReason, totalValue } = decoded;
  if (canBePaid === false) return withoutCode(refuse("refused", "copia_e_cola", cannotBePaidReason ?? "Asaas cannot pay this code"), payload);
  return totalValue && totalValue !== amount ? anotherAmount(totalValue, amount) : undefined;
}

const anotherAmount = (asked: bigint, amount: bigint): Declined =>
  refuse("invalid_request", "amount", `the code asks for ${asked} centavos, not ${amount}`);

const withoutCode = (declined: Declined, payload: string): Declined => ({ ...declined, message: declined.message.replaceAll(payload, "***") });

async function searchTransactions(http: HttpClient, reference: string, call: CallContext): Promise<Observation | undefined> {
  let inDoubt = false;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const query = { type: DEBIT, limit: String(PAGE_ROWS), offset: String(pages * PAGE_ROWS) };
    const { data, hasMore } = await http.ask({ method: "GET", path: TRANSACTIONS, query }, page(PixTransaction), call);
    // Who pays a charge of their own finds the description on the credit, too.
    const sent = data.filter(({ type }) => (type ?? DEBIT) === DEBIT);
    const found = sent.find(({ description }) => referenceIn(description) === reference);
    if (found) return observe(found);
    inDoubt ||= sent.some((row) => mayBeOurs(row, call));
    if (hasMore) continue;
    if (inDoubt) throw new Unanswered("asaas: a transaction of that amount may be this one, and does not say so");
    return undefined;
  }
  throw new Unanswered("asaas: its list is too long to search for one reference");
}

/** Money sent. */
const DEBIT = "DEBIT";

/** A day more before, should their midnight or our clock be another. */
function mayBeOurs({ value, description, dateCreated }: PixTransaction, { notes }: CallContext): boolean {
  const since = shiftDay(notes["requested_on"]!, -1);
  return String(value) === notes["code_amount"] && referenceIn(description) === undefined && (dateCreated ?? since) >= since;
}

const stateOf = ({ status }: PixTransaction): PaymentState => pixTransactionStates.get(status) ?? "pending";

const transactionResult = ({ id, endToEndIdentifier }: PixTransaction, state: PaymentState) =>
  ({ id, status: state, settled: state === "succeeded", end_to_end_id: endToEndIdentifier ?? undefined });

function observe(transaction: PixTransaction): Observation {
  const { id, status, value, chargedFeeValue, endToEndIdentifier, effectiveDate, refusalReason } = transaction;
  const state = stateOf(transaction);
  const occurredAt = state === "succeeded" ? momentOf(effectiveDate) : undefined;
  return {
    ref: id, state, action: status, amountMinor: value, currency: "BRL",
    ...(chargedFeeValue != null && { feeMinor: chargedFeeValue }),
    ...(endToEndIdentifier && { endToEndId: endToEndIdentifier }),
    ...(occurredAt && { occurredAt }),
    ...(state === "failed" && { failure: { reason: "refused", message: refusalReason ?? `the transaction ended as ${status}` } }),
    result: transactionResult(transaction, state),
  };
}
