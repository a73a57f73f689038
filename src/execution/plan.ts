/** What one tool call needs: which rail, which verb, how much money, and what makes two such calls the same. */
import { Failure } from "../../schema/failures.ts";
import { canonical, fingerprint } from "../../schema/jcs.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { toCharge, type CheckoutRequest } from "../../schema/meta-tools/checkout.ts";
import { cryptoRailOf, cryptoRails, type CryptoRequest } from "../../schema/meta-tools/crypto-pay.ts";
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import { invoiceCurrencies, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import type { IssueRequest } from "../../schema/meta-tools/issue.ts";
import type { KycRequest } from "../../schema/meta-tools/kyc.ts";
import type { JsonObject } from "../../schema/meta-tools/meta-tool.ts";
import type { NotifyRequest } from "../../schema/meta-tools/notify.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { isMercadoLivre, type ShopRequest } from "../../schema/meta-tools/shop.ts";
import type { WalletRequest } from "../../schema/meta-tools/wallet.ts";
import { parsePixKey } from "../../schema/pix/keys.ts";
import { AMOUNT_MINOR_MAX, currencies, fromDecimal, toDecimal, type Money } from "../../schema/money.ts";
import type { SettlementKind } from "../../schema/settlement.ts";
import type { LocalAct } from "../ledger/books.ts";
import { readPayee } from "../mandates/payees.ts";
import type { MandateClaim } from "../mandates/use.ts";
import type { RailNeed } from "../rails/router.ts";
import { beginCheckout } from "../shop/checkouts.ts";

export interface Plan {
  need: RailNeed;
  /** Money asked for or sent; absent for calls that move none by amount. */
  money?: Money;
  settles: SettlementKind | undefined;
  /** Whether the call has an effect that must happen once. */
  acts: boolean;
  /** What an agent's repeat is measured against, before the run is added: payee, amount, currency, order reference. */
  identity?: JsonObject;
  /** The permission that a payment asks for. */
  mandate?: MandateClaim;
  /** What is begun with the claim and carried on later, in place of a dispatch. */
  begins?: LocalAct;
}

type Planner<Request> = (request: Request) => Plan;

/** Tools that a provider serves. The others answer from what we know ourselves. */
export const planners: { [Name in MetaToolName]?: Planner<never> } = {
  codespar_charge: ((request: ChargeRequest) => ({
    need: { tool: "codespar_charge", method: request.method, currency: request.currency, country: request.country?.toUpperCase(), provider: request.provider },
    money: { amountMinor: request.amount, currency: request.currency },
    settles: "payment",
    acts: true,
    identity: {
      payee: partyIdentity(request.buyer), amount: String(request.amount), currency: request.currency, method: request.method,
      reference: request.reference ?? orderReference(request.metadata),
    },
  })) satisfies Planner<ChargeRequest> as Planner<never>,

  codespar_checkout: ((request: CheckoutRequest) => {
    const { amount, currency, method, country, provider, buyer, reference, metadata } = toCharge(request);
    return {
      need: { tool: "codespar_checkout", method, currency, country: country?.toUpperCase(), provider },
      money: { amountMinor: amount, currency },
      settles: "payment",
      acts: true,
      identity: { payee: partyIdentity(buyer), amount: String(amount), currency, method, reference: reference ?? orderReference(metadata) },
    };
  }) satisfies Planner<CheckoutRequest> as Planner<never>,

  codespar_wallet: ((request: WalletRequest) => {
    const { amount, currency, consumer_id: consumerId, payer } = request;
    if (amount === undefined) throw new Failure("invalid_args", { field: "amount", problem: "is required to receive, expected an integer in minor units", expected: "an integer in minor units" });
    if (!request.dynamic) throw new Failure("rail_unavailable", { field: "dynamic", rail: "a static Pix code", reason: "this server mints dynamic codes only" });
    if (!payer) throw new Failure("invalid_args", { field: "payer", problem: "is required where the project has no merchant", expected: "name and document of who tops up" });
    return {
      need: { tool: "codespar_wallet", method: "pix", currency, provider: request.provider },
      money: { amountMinor: amount, currency },
      settles: "payment",
      acts: true,
      identity: { payee: consumerId ?? "", amount: String(amount), currency, reference: orderReference(request.metadata) },
    };
  }) satisfies Planner<WalletRequest> as Planner<never>,

  codespar_pay: ((request: PayoutRequest) => {
    if (request.amount === undefined)
      throw new Failure("invalid_args", { field: "amount", problem: "is required, expected an integer in minor units", expected: "an integer in minor units" });
    const { linha_digitavel: boleto, consumer_id: consumerId, mandateId } = request;
    if (consumerId !== undefined && mandateId === undefined)
      throw new Failure("invalid_args", { field: "mandateId", problem: "is required with consumer_id", expected: "the mandate that the consumer has given" });
    return {
      need: { tool: "codespar_pay", method: boleto === undefined ? request.method : "boleto", currency: request.currency, country: request.country?.toUpperCase(), provider: request.provider },
      money: { amountMinor: request.amount, currency: request.currency },
      settles: "payment",
      acts: true,
      identity: {
        payee: boleto ?? payeeIdentity(request), amount: String(request.amount), currency: request.currency, reference: orderReference(request.metadata),
      },
      ...mandateOf(request, request.copia_e_cola ?? request.recipient?.pix_key, consumerId),
    };
  }) satisfies Planner<PayoutRequest> as Planner<never>,

  codespar_invoice: ((request: InvoiceRequest) => {
    const total = (request.items ?? []).reduce((sum, item) => sum + (item.amount ?? 0n), 0n);
    if (total > AMOUNT_MINOR_MAX)
      throw new Failure("invalid_args", { field: "items", problem: `add up to ${total}`, expected: `a total of at most ${AMOUNT_MINOR_MAX} minor units` });
    const currency = invoiceCurrencies[request.type];
    return {
      need: { tool: "codespar_invoice", method: request.type, currency, provider: request.provider },
      ...(total > 0n && { money: { amountMinor: total, currency } }),
      settles: "invoice",
      acts: request.action !== "status",
      identity: {
        payee: partyIdentity(request.recipient ?? {}), amount: String(total), type: request.type, action: request.action,
        reference: request.payment_id ?? request.invoice_id ?? orderReference(request.metadata),
      },
    };
  }) satisfies Planner<InvoiceRequest> as Planner<never>,

  codespar_ship: ((request: ShipRequest) => ({
    need: { tool: "codespar_ship", method: request.action, country: shipCountry(request), provider: request.provider },
    settles: request.action === "label" ? "shipment" : undefined,
    acts: request.action === "label",
    identity: {
      to: request.destination?.postal_code.replace(/\D/g, "") ?? "", name: normal(request.destination?.name), items: (request.items ?? []).length,
      weight: (request.items ?? []).reduce((sum, item) => sum + item.weight_g * item.quantity, 0), reference: orderReference(request.metadata),
    },
  })) satisfies Planner<ShipRequest> as Planner<never>,

  codespar_notify: ((request: NotifyRequest) => ({
    need: { tool: "codespar_notify", method: request.channel, provider: request.provider },
    settles: "message",
    acts: true,
  })) satisfies Planner<NotifyRequest> as Planner<never>,

  codespar_crypto_pay: ((request: CryptoRequest) => {
    const amountMinor = fromDecimal(request.amount, request.currency);
    if (amountMinor === undefined || amountMinor <= 0n || amountMinor > AMOUNT_MINOR_MAX) {
      const expected = `a decimal above 0 with at most ${currencies[request.currency]} decimals, up to ${toDecimal({ amountMinor: AMOUNT_MINOR_MAX, currency: request.currency })}`;
      throw new Failure("invalid_args", { field: "amount", problem: `${request.amount} is no amount of ${request.currency}`, expected });
    }
    const rail = cryptoRailOf(request);
    const goes = Object.hasOwn(cryptoRails, rail) ? cryptoRails[rail as keyof typeof cryptoRails] : request.direction;
    if (goes !== request.direction)
      throw new Failure("invalid_args", { field: "direction", problem: `${rail} is a rail for ${goes}, not ${request.direction}`, expected: goes });
    return {
      need: { tool: "codespar_crypto_pay", method: rail, currency: request.currency, provider: request.provider },
      money: { amountMinor, currency: request.currency },
      settles: "payment",
      acts: true,
      identity: {
        payee: request.recipient?.wallet_address.toLowerCase() ?? "", direction: request.direction, amount: String(amountMinor),
        currency: request.currency, reference: orderReference(request.metadata),
      },
      ...mandateOf(request, request.direction === "send" ? request.recipient?.wallet_address : undefined),
    };
  }) satisfies Planner<CryptoRequest> as Planner<never>,

  codespar_kyc: ((request: KycRequest) => ({
    need: { tool: "codespar_kyc", method: request.check_type, provider: request.provider },
    settles: "verification",
    acts: true,
  })) satisfies Planner<KycRequest> as Planner<never>,

  codespar_shop: ((request: ShopRequest) => {
    const { action, merchant, items, url, address, query, provider } = request;
    const need = { tool: "codespar_shop", method: action, currency: "BRL", provider } as const;
    if (action === "checkout") {
      const identity = { merchant: normal(merchant), ...(items && { items }), ...(url && { url }), cep: address?.cep.replace("-", "") ?? "" };
      return { need, settles: undefined, acts: true, identity, begins: beginCheckout(request) };
    }
    if (query === undefined) throw new Failure("invalid_args", { field: "query", problem: "is required for search", expected: "what to look for" });
    if (merchant !== undefined && isMercadoLivre(merchant))
      throw new Failure("rail_unavailable", { field: "merchant", rail: "codespar_shop search at Mercado Livre", reason: "this server searches VTEX stores" });
    return { need, settles: undefined, acts: false };
  }) satisfies Planner<ShopRequest> as Planner<never>,

  codespar_issue: ((request: IssueRequest) => {
    const { action, cardholder_id, program_id, provider, metadata } = request;
    for (const field of cardArguments[action])
      if (request[field] === undefined) throw new Failure("invalid_args", { field, problem: `is required for ${action}`, expected: cardFields[field] });
    const isNew = action === "card-virtual" || action === "card-physical";
    return {
      need: { tool: "codespar_issue", method: action, provider },
      settles: undefined,
      acts: action !== "card-get",
      // A control is no such effect: a card that is frozen, unfrozen and frozen again was asked for three times.
      ...(isNew && { identity: { action, cardholder_id, program_id, reference: orderReference(metadata) } }),
    };
  }) satisfies Planner<IssueRequest> as Planner<never>,
};

const cardFields = {
  cardholder_id: "the issuer's id of the cardholder", program_id: "the issuer's id of the card program", shipping_address: "where the card is sent",
  card_id: "the id of a card", control: "freeze, unfreeze or cancel",
} as const satisfies Partial<Record<keyof IssueRequest, string>>;

/** What each action cannot do without. */
const cardArguments: Record<IssueRequest["action"], readonly (keyof typeof cardFields)[]> = {
  "card-virtual": ["cardholder_id", "program_id"],
  "card-physical": ["cardholder_id", "program_id", "shipping_address"],
  "card-control": ["card_id", "control"],
  "card-get": ["card_id"],
};

/** What a call means, for comparing a repeat under the same key: everything but the key itself. */
export const meaning = (tool: string, { idempotency_key: _key, ...args }: JsonObject): string => fingerprint({ tool, args });

/** The intent an agent's call serves: within one run, the same identity is the same effect. */
export const runIntent = (runId: string, tool: string, identity: JsonObject): string =>
  fingerprint({ runId, tool, identity: JSON.parse(canonical(identity)) as JsonObject });

const normal = (text: string | undefined): string => (text ?? "").normalize("NFKC").trim().toLowerCase().replace(/\s+/g, " ");

/** A person by the strongest thing known of them: document, then e-mail, then phone, then name. */
const partyIdentity = ({ document, email, phone, name }: { document?: string | undefined; email?: string | undefined; phone?: string | undefined; name?: string | undefined }): string =>
  document?.replace(/[^0-9A-Za-z]/g, "") || normal(email) || phone?.replace(/\D/g, "") || normal(name);

function payeeIdentity({ recipient, copia_e_cola }: PayoutRequest): string {
  if (copia_e_cola) return copia_e_cola;
  if (!recipient) return "";
  const { pix_key: pixKey, wallet_address: wallet, bank_account: bank } = recipient;
  if (wallet) return wallet.toLowerCase();
  if (bank) return canonical(bank);
  if (!pixKey) return partyIdentity(recipient);
  const key = parsePixKey(pixKey);
  return key.ok ? key.value : normal(pixKey);
}

/** The permission that a payment names. Throws payee_not_mandated for a payee that no mandate can name. */
function mandateOf({ mandateId, agent_id: agentId }: Pick<PayoutRequest, "mandateId" | "agent_id">, payee: string | undefined, consumerId?: string): Pick<Plan, "mandate"> {
  if (mandateId === undefined) return {};
  const read = readPayee(payee ?? "");
  if (!read.ok) throw new Failure("payee_not_mandated", { field: "recipient", mandateId });
  return { mandate: { mandateId, agentId, consumerId, payee: read.payee } };
}

/** Where a parcel travels, as far as the caller said; a provider that was named knows its country itself. */
const shipCountry = ({ destination, origin, provider }: ShipRequest): string | undefined =>
  (destination?.country ?? origin?.country)?.toUpperCase() ?? (provider === undefined ? "BR" : undefined);

const orderReference = (metadata: Record<string, unknown> | undefined): string => {
  const reference = metadata?.["order_id"] ?? metadata?.["reference"];
  return typeof reference === "string" || typeof reference === "number" ? String(reference) : "";
};
