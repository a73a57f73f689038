/**
 * Giving back a charge at Asaas. Reference: docs.asaas.com, "Estornar cobrança", "Listar estornos de uma cobrança", "Guia de
 * estornos", read 2026-11-20.
 * Quirks: a refund has no id and takes no reference; ours leads its description, as that of a code that is paid. It is done only
 * when it is DONE: the payer's bank may turn it down, and the money is at Asaas again.
 */
import type { PayoutResult } from "../../schema/meta-tools/pay.ts";
import type { HttpClient } from "../http.ts";
import { Unanswered, type CallContext, type LookupSubject, type Observation, type Outcome, type RefundRequest } from "../provider.ts";
import { page, Refund, RefundedPayment, refuse, refundStates, type PaymentState } from "./answers.ts";
import { describe, referenceIn } from "./pix-codes.ts";
import { orDeclined, PAGE_ROWS, PAGES_MAX, refuseAmount, toValue } from "./requests.ts";
import { momentOf } from "./sao-paulo.ts";

export async function refund(http: HttpClient, request: RefundRequest, call: CallContext): Promise<Outcome<PayoutResult>> {
  const { charge, amount, currency, description } = request;
  if (charge.method === "boleto") return refuse("not_permitted", "refund_of", "Asaas refunds a boleto by a form that its payer fills in");
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;

  await call.note({ payment: charge.ref, refund_amount: String(amount) });
  const body = { value: toValue(amount), description: describe(call.reference, description) };
  const path = `${pathOf(charge.ref)}/refund`;
  const payment = await orDeclined(() => http.act({ method: "POST", path, body }, RefundedPayment, call));
  if ("outcome" in payment) return payment;

  const made = payment.refunds?.find((each) => referenceIn(each.description) === call.reference);
  const state = made ? stateOf(made) : "pending";
  const ref = refOf(charge.ref, call.reference);
  const result = { id: ref, status: state, settled: state === "succeeded", amount, currency, method: charge.method };
  return { outcome: "accepted", ref, state, action: made?.status ?? payment.status, result };
}

/**
 * Among the refunds of its charge, by our reference.
 *
 * throws  Unanswered while a refund of that amount may be ours and does not say so
 */
export async function lookupRefund(http: HttpClient, { reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { payment, refund_amount: amount } = call.notes;
  if (payment === undefined) return undefined; // It is noted before anything is sent.
  let inDoubt = false;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const query = { limit: String(PAGE_ROWS), offset: String(pages * PAGE_ROWS) };
    const { data, hasMore } = await http.ask({ method: "GET", path: `${pathOf(payment)}/refunds`, query }, page(Refund), call);
    const found = data.find(({ description }) => referenceIn(description) === reference);
    if (found) return observe(found, refOf(payment, reference));
    inDoubt ||= data.some(({ description, value }) => referenceIn(description) === undefined && String(value) === amount);
    if (!hasMore) break;
  }
  if (inDoubt) throw new Unanswered("asaas: a refund of that amount may be this one, and does not say so");
  return undefined;
}

const pathOf = (payment: string): string => `/payments/${encodeURIComponent(payment)}`;

/** Never the charge's own id, by which its notifications find it. */
const refOf = (payment: string, reference: string): string => `${payment}/refunds/${reference}`;

const stateOf = ({ status }: Refund): PaymentState => refundStates.get(status) ?? "pending";

function observe(refund: Refund, ref: string): Observation {
  const { status, value, endToEndIdentifier, effectiveDate } = refund;
  const state = stateOf(refund);
  const occurredAt = state === "succeeded" ? momentOf(effectiveDate) : undefined;
  return {
    ref, state, action: status, amountMinor: value, currency: "BRL",
    ...(endToEndIdentifier && { endToEndId: endToEndIdentifier }),
    ...(occurredAt && { occurredAt }),
    ...(state === "failed" && { failure: { reason: "refused", message: `the refund ended as ${status}` } }),
    result: { id: ref, status: state, settled: state === "succeeded", end_to_end_id: endToEndIdentifier ?? undefined },
  };
}
