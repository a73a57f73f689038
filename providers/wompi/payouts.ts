/** Bank transfers out: Wompi's "Pagos a Terceros", a batch of one transaction each. */
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import type { HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, type CallContext, type ConnectionConfig, type LookupSubject, type Observation, type Outcome, type ProviderEvent,
} from "../provider.ts";
import {
  Banks, CreatedPayout, observeBatch, observePayoutTransaction, OnePayout, Payout, PayoutTransaction, readPayoutRefusal, records, refuse,
  type Declined,
} from "./answers.ts";
import { isTest } from "./clients.ts";
import { legalIdOf } from "./legal-id.ts";

/** Whom a test payout without a recipient pays (contradiction C-05), and every simulated payout to a card. */
export const SYNTHETIC_PAYEE = { name: "Beneficiario de prueba", document: "1999888777", bank: "1007", account: "43423123", account_type: "savings" };

interface Circumstances {
  connection: ConnectionConfig;
  call: CallContext;
}

export async function payout(open: () => HttpClient, request: PayoutRequest, { connection, call }: Circumstances): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method, description } = request;
  const inTest = isTest(connection);
  // The published table has a payout to a card; Wompi has none, so test mode pays the synthetic account in its place.
  const isSimulated = method === "card" && inTest;
  if (method !== "bank_transfer" && !isSimulated) return refuse("not_permitted", "method", `a payout by ${method} is not served through Wompi`);
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  if (currency !== "COP") return refuse("invalid_request", "currency", "Wompi moves COP only");
  const payee = isSimulated || (inTest && !request.recipient) ? syntheticPayee : payeeOf(request.recipient);
  if ("outcome" in payee) return payee;
  const accountId = connection.settings["payout_account_id"];
  if (!accountId) throw new SetupMissing("payout_account_id");
  const http = open();

  const created = await orDeclined(async () => {
    const bankId = await bankIdOf(http, payee.bank, call);
    if (bankId === undefined) return refuse("invalid_request", BANK, `Wompi knows no bank ${payee.bank}; name it by its code, 1007, or as GET /banks does`);
    const { bank: _named, ...to } = payee;
    const transaction = { ...to, bankId, amount: Number(amount), reference: call.reference, ...(description && { description }) };
    const body = { reference: call.reference, accountId, paymentType: "OTHER", transactions: [transaction] };
    const headers = { "idempotency-key": call.reference };
    return http.act({ method: "POST", path: "/payouts", body, headers }, CreatedPayout, call);
  });
  if ("outcome" in created) return created;
  const id = created.payoutId;
  const result = { id, status: "pending", settled: false, amount, currency: "COP", method, recipient: payee.accountNumber };
  return { outcome: "accepted", ref: id, state: "pending", action: "PENDING", result };
}

const ACCOUNT = "recipient.bank_account";
const BANK = `${ACCOUNT}.bank`;

interface Payee {
  name: string;
  legalIdType: string;
  legalId: string;
  personType: "NATURAL" | "JURIDICA";
  bank: string;
  accountType: "AHORROS" | "CORRIENTE";
  accountNumber: string;
  email?: string;
}

/** The published bank object: `{bank, account, account_type, name?, tax_id?}`; an e-mail to be told at may stand beside it. */
function payeeOf(recipient: PayoutRequest["recipient"]): Payee | Declined {
  const written = recipient?.bank_account;
  if (!recipient || !written) return refuse("invalid_request", ACCOUNT, "a payout through Wompi goes to a bank account");
  const name = recipient.name ?? textOf(written["name"]);
  if (!name) return refuse("invalid_request", "recipient.name", "a payout needs its recipient's name");
  const document = recipient.document ?? textOf(written["tax_id"]);
  if (!document) return refuse("invalid_request", "recipient.document", "a payout needs its recipient's cédula or NIT");
  const legalId = legalIdOf(document, "recipient.document");
  if ("outcome" in legalId) return legalId;
  const accountNumber = textOf(written["account"])?.replace(/[-\s]/g, "") ?? "";
  if (!/^(?!0+$)\d{6,20}$/.test(accountNumber)) return refuse("invalid_request", `${ACCOUNT}.account`, "expected 6 to 20 digits");
  const accountType = accountTypes.get(textOf(written["account_type"])?.toLowerCase() ?? "");
  if (!accountType) return refuse("invalid_request", `${ACCOUNT}.account_type`, "expected savings or checking");
  const bank = textOf(written["bank"]);
  if (!bank) return refuse("invalid_request", BANK, "a payout needs its recipient's bank");
  const email = textOf(written["email"]);
  return {
    name, legalIdType: legalId.type, legalId: legalId.number, personType: legalId.isCompany ? "JURIDICA" : "NATURAL",
    bank, accountType, accountNumber, ...(email && { email }),
  };
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : typeof value === "number" ? String(value) : undefined;

const accountTypes = new Map<string, Payee["accountType"]>([
  ["savings", "AHORROS"], ["ahorros", "AHORROS"], ["checking", "CORRIENTE"], ["current", "CORRIENTE"], ["corriente", "CORRIENTE"],
]);

const syntheticPayee = payeeOf({ name: SYNTHETIC_PAYEE.name, document: SYNTHETIC_PAYEE.document, bank_account: SYNTHETIC_PAYEE });

/** Banks are named by code or name; Wompi wants its own id of them. */
async function bankIdOf(http: HttpClient, bank: string, call: CallContext): Promise<string | undefined> {
  const banks = await http.ask({ method: "GET", path: "/banks" }, Banks, call);
  const wanted = plain(bank);
  return banks.find(({ id, code, achCode, name }) => [id, code, achCode, name].some((known) => known != null && plain(String(known)) === wanted))?.id;
}

const plain = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9]+/g, "").toLowerCase();

async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readPayoutRefusal(error);
    throw error;
  }
}

// Lookup

export async function lookupPayout(http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const id = ref ?? told;
  const named = id ? await batchOf(http, id, call) : undefined;
  const batch = named && named.reference === reference ? named : await findBatch(http, reference, call);
  if (!batch) return undefined;
  const path = `/payouts/${encodeURIComponent(batch.id)}/transactions`;
  const [transaction] = (await http.ask({ method: "GET", path }, records(PayoutTransaction), call)).records;
  const observation = transaction ? observePayoutTransaction(batch.id, transaction) : observeBatch(batch);
  const { state } = observation;
  return { ...observation, result: { id: batch.id, status: state, settled: state === "succeeded" } };
}

async function findBatch(http: HttpClient, reference: string, call: CallContext): Promise<Payout | undefined> {
  const found = await http.ask({ method: "GET", path: "/payouts", query: { reference } }, records(Payout), call);
  return found.records.find((batch) => batch.reference === reference);
}

async function batchOf(http: HttpClient, id: string, call: CallContext): Promise<Payout | undefined> {
  try {
    return await http.ask({ method: "GET", path: `/payouts/${encodeURIComponent(id)}` }, OnePayout, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

/** The event of a batch's transaction names the batch, and not our reference. */
export async function referenceOfPayout(http: HttpClient, { ref }: ProviderEvent, call: CallContext): Promise<string | undefined> {
  return ref === undefined ? undefined : ((await batchOf(http, ref, call))?.reference ?? undefined);
}
