/**
 * Giving back a payment at Mercado Pago. Reference: Mercado Pago Developers Brazil, "Create refund", "Get refund", "Get list of
 * refunds", read 2026-11-20.
 * Quirk: a refund carries nothing of ours, so one whose answer was lost is known only when the payment has none.
 */
import { z } from "zod";
import type { PayoutResult } from "../../schema/meta-tools/pay.ts";
import type { HttpClient } from "../http.ts";
import { Unanswered, type CallContext, type Observation, type Outcome, type RefundRequest } from "../provider.ts";
import { asDeclined, observeRefund, Refund } from "./answers.ts";

/** What a refund is sent with: the helpers that payments are sent with. */
interface Sending {
  once(path: string, body: object, call: CallContext): Parameters<HttpClient["act"]>[0];
  orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Extract<Outcome<never>, { outcome: "declined" }>>;
  value: number;
}

export async function refund(
  http: HttpClient, { charge, amount, currency }: RefundRequest, { once, orDeclined, value }: Sending, call: CallContext,
): Promise<Outcome<PayoutResult>> {
  const path = refundsOf(charge.ref);
  await call.note({ payment: charge.ref });
  // Without an amount all of it is given back; some payments cannot be given back in part.
  const made = await orDeclined(() => http.act(once(path, amount === charge.amount ? {} : { amount: value }, call), Refund, call));
  if ("outcome" in made) return made;

  await call.note({ refund: made.id });
  const observation = observeRefund(made, charge.ref);
  const over = asDeclined(observation);
  if (over) return over;
  const { ref, state, action } = observation;
  return { outcome: "accepted", ref, state, action, result: { id: ref, status: state, settled: state === "succeeded", amount, currency, method: charge.method } };
}

export async function lookupRefund(http: HttpClient, call: CallContext): Promise<Observation | undefined> {
  const { payment, refund: id } = call.notes;
  if (payment === undefined) return undefined; // It is noted before anything is sent.
  if (id === undefined) {
    const rows = await http.ask({ method: "GET", path: refundsOf(payment) }, z.array(z.unknown()), call);
    if (rows.length > 0) throw new Unanswered("mercado-pago: which refund of the payment is ours cannot be told");
    return undefined;
  }
  const observation = observeRefund(await http.ask({ method: "GET", path: `${refundsOf(payment)}/${encodeURIComponent(id)}` }, Refund, call), payment);
  const { ref, state } = observation;
  return { ...observation, result: { id: ref, status: state, settled: state === "succeeded" } };
}

const refundsOf = (payment: string): string => `/v1/payments/${encodeURIComponent(payment)}/refunds`;
