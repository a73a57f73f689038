/**
 * The rail table: which provider can serve which meta-tool, and how. The router reads nothing else about providers' abilities.
 * Order within a rail is `priority`, lowest first; cost and speed rank only where an operator gave fees (contradiction C-59).
 */
import type { MetaToolName } from "../schema/meta-tools/index.ts";
import type { Currency } from "../schema/money.ts";
import type { ProviderVerb } from "./provider.ts";

export interface Rail {
  /** `<provider>-<method>` for money, the published word elsewhere: `asaas-pix`, `nfse`, `domestic-label`. */
  id: string;
  tool: MetaToolName;
  verb: ProviderVerb;
  method: string;
  /** Which currencies it settles in; absent where no money moves. */
  currencies?: readonly Currency[];
  country: string;
  provider: string;
  priority: number;
  /** Typical time to a final state, for ranking; absent where no source states one. */
  settlesInSeconds?: number;
  /** Why no live call can be served although the table names it: the provider cannot do this. Test mode simulates it. */
  refusedLive?: string;
}

/** Said by several of its customers' public repositories, read 2026-11-20; the company's own word was not found. See its README. */
const NUVEM_FISCAL_CLOSED = "the company is reported to have closed on 2026-07-31";

const COMMERCE_CLOSED = "Coinbase closed Commerce on 2026-03-31; its successor takes merchants of the US and Singapore only";

export const rails: readonly Rail[] = [
  { id: "asaas-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "ebanx-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "ebanx", priority: 3 },
  { id: "iugu-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "iugu", priority: 4 },
  { id: "asaas-boleto", tool: "codespar_charge", verb: "charge", method: "boleto", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1 },
  { id: "pagseguro-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "pagseguro", priority: 6 },
  { id: "pagseguro-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["BRL"], country: "BR", provider: "pagseguro", priority: 2 },
  { id: "iugu-boleto", tool: "codespar_charge", verb: "charge", method: "boleto", currencies: ["BRL"], country: "BR", provider: "iugu", priority: 2 },
  { id: "mercado-pago-boleto", tool: "codespar_charge", verb: "charge", method: "boleto", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 4 },
  { id: "picpay-wallet", tool: "codespar_charge", verb: "charge", method: "wallet", currencies: ["BRL"], country: "BR", provider: "picpay", priority: 1 },
  { id: "stripe-acp-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["USD"], country: "US", provider: "stripe-acp", priority: 1 },
  { id: "stripe-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["USD"], country: "US", provider: "stripe", priority: 2 },
  { id: "conekta-oxxo", tool: "codespar_charge", verb: "charge", method: "oxxo", currencies: ["MXN"], country: "MX", provider: "conekta", priority: 1 },
  { id: "conekta-spei", tool: "codespar_charge", verb: "charge", method: "spei", currencies: ["MXN"], country: "MX", provider: "conekta", priority: 1 },
  { id: "clip-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["MXN"], country: "MX", provider: "clip", priority: 1 },
  { id: "conekta-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["MXN"], country: "MX", provider: "conekta", priority: 3 },
  { id: "bold-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["COP"], country: "CO", provider: "bold", priority: 1 },
  { id: "epayco-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["COP"], country: "CO", provider: "epayco", priority: 2 },
  { id: "bold-pse", tool: "codespar_charge", verb: "charge", method: "pse", currencies: ["COP"], country: "CO", provider: "bold", priority: 1 },
  { id: "wompi-pse", tool: "codespar_charge", verb: "charge", method: "pse", currencies: ["COP"], country: "CO", provider: "wompi", priority: 2 },
  { id: "payway-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["ARS"], country: "AR", provider: "payway", priority: 1 },
  { id: "transbank-webpay", tool: "codespar_charge", verb: "charge", method: "webpay", currencies: ["CLP"], country: "CL", provider: "transbank", priority: 1 },
  { id: "asaas-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "banco-do-brasil-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "banco-do-brasil", priority: 4 },
  { id: "itau-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "itau", priority: 5 },
  { id: "bradesco-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "bradesco", priority: 6, refusedLive: "Bradesco tells how it sends a Pix by contract only, and no source states it" },
  { id: "santander-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "santander", priority: 7 },
  { id: "caixa-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "caixa", priority: 8, refusedLive: "Caixa documents no way to send a Pix by API" },
  { id: "sicoob-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "sicoob", priority: 9 },
  { id: "sicredi-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "sicredi", priority: 10 },
  { id: "c6-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "c6", priority: 11 },
  { id: "original-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "original", priority: 12, refusedLive: "Banco Original's hosts and its way to send a Pix are not public" },
  { id: "inter-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "inter", priority: 13 },
  { id: "conekta-card", tool: "codespar_pay", verb: "payout", method: "card", currencies: ["MXN"], country: "MX", provider: "conekta", priority: 1, refusedLive: "Conekta takes cards and pays out only cash to be picked up, never to a card" },
  { id: "conekta-spei", tool: "codespar_pay", verb: "payout", method: "spei", currencies: ["MXN"], country: "MX", provider: "conekta", priority: 1, refusedLive: "Conekta takes SPEI and pays out only cash to be picked up, never to a CLABE" },
  { id: "wompi-card", tool: "codespar_pay", verb: "payout", method: "card", currencies: ["COP"], country: "CO", provider: "wompi", priority: 1, refusedLive: "Wompi takes cards and pays out to bank accounts, never to a card" },
  { id: "wompi-payout", tool: "codespar_pay", verb: "payout", method: "bank_transfer", currencies: ["COP"], country: "CO", provider: "wompi", priority: 2 },
  { id: "transbank-card", tool: "codespar_pay", verb: "payout", method: "card", currencies: ["CLP"], country: "CL", provider: "transbank", priority: 1, refusedLive: "Webpay takes payments by card and makes none; only refunds leave the merchant" },
  { id: "transbank-card", tool: "codespar_pay", verb: "payout", method: "transbank", currencies: ["CLP"], country: "CL", provider: "transbank", priority: 1, refusedLive: "Webpay takes payments by card and makes none; only refunds leave the merchant" },
  { id: "asaas-pix", tool: "codespar_checkout", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_checkout", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "asaas-boleto", tool: "codespar_checkout", verb: "charge", method: "boleto", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1 },
  { id: "stripe-acp-card", tool: "codespar_checkout", verb: "charge", method: "card", currencies: ["USD"], country: "US", provider: "stripe-acp", priority: 1 },
  { id: "asaas-pix", tool: "codespar_wallet", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_wallet", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "nfse", tool: "codespar_invoice", verb: "invoice", method: "nfse", currencies: ["BRL"], country: "BR", provider: "nfe-io", priority: 1 },
  { id: "focus-nfe", tool: "codespar_invoice", verb: "invoice", method: "nfse", currencies: ["BRL"], country: "BR", provider: "focus-nfe", priority: 2 },
  { id: "focus-nfe", tool: "codespar_invoice", verb: "invoice", method: "nfe", currencies: ["BRL"], country: "BR", provider: "focus-nfe", priority: 2 },
  { id: "nuvem-fiscal", tool: "codespar_invoice", verb: "invoice", method: "nfse", currencies: ["BRL"], country: "BR", provider: "nuvem-fiscal", priority: 3, refusedLive: NUVEM_FISCAL_CLOSED },
  { id: "nuvem-fiscal", tool: "codespar_invoice", verb: "invoice", method: "nfe", currencies: ["BRL"], country: "BR", provider: "nuvem-fiscal", priority: 3, refusedLive: NUVEM_FISCAL_CLOSED },
  { id: "nfci", tool: "codespar_invoice", verb: "invoice", method: "nfci", currencies: ["MXN"], country: "MX", provider: "facturapi", priority: 1 },
  { id: "factura_ar", tool: "codespar_invoice", verb: "invoice", method: "factura_ar", currencies: ["ARS"], country: "AR", provider: "afip", priority: 1 },
  { id: "domestic-label", tool: "codespar_ship", verb: "label", method: "label", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "domestic-quote", tool: "codespar_ship", verb: "quote", method: "quote", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "domestic-track", tool: "codespar_ship", verb: "track", method: "track", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "correios", tool: "codespar_ship", verb: "label", method: "label", country: "BR", provider: "correios", priority: 2 },
  { id: "correios", tool: "codespar_ship", verb: "quote", method: "quote", country: "BR", provider: "correios", priority: 2 },
  { id: "correios", tool: "codespar_ship", verb: "track", method: "track", country: "BR", provider: "correios", priority: 2 },
  { id: "skydropx", tool: "codespar_ship", verb: "label", method: "label", country: "MX", provider: "skydropx", priority: 1 },
  { id: "skydropx", tool: "codespar_ship", verb: "quote", method: "quote", country: "MX", provider: "skydropx", priority: 1 },
  { id: "skydropx", tool: "codespar_ship", verb: "track", method: "track", country: "MX", provider: "skydropx", priority: 1 },
  { id: "andreani", tool: "codespar_ship", verb: "label", method: "label", country: "AR", provider: "andreani", priority: 1 },
  { id: "andreani", tool: "codespar_ship", verb: "quote", method: "quote", country: "AR", provider: "andreani", priority: 1 },
  { id: "andreani", tool: "codespar_ship", verb: "track", method: "track", country: "AR", provider: "andreani", priority: 1 },
  { id: "coordinadora", tool: "codespar_ship", verb: "label", method: "label", country: "CO", provider: "coordinadora", priority: 1 },
  { id: "coordinadora", tool: "codespar_ship", verb: "quote", method: "quote", country: "CO", provider: "coordinadora", priority: 1 },
  { id: "coordinadora", tool: "codespar_ship", verb: "track", method: "track", country: "CO", provider: "coordinadora", priority: 1 },
  { id: "chilexpress", tool: "codespar_ship", verb: "label", method: "label", country: "CL", provider: "chilexpress", priority: 1 },
  { id: "chilexpress", tool: "codespar_ship", verb: "quote", method: "quote", country: "CL", provider: "chilexpress", priority: 1 },
  { id: "chilexpress", tool: "codespar_ship", verb: "track", method: "track", country: "CL", provider: "chilexpress", priority: 1 },
  { id: "z-api-whatsapp", tool: "codespar_notify", verb: "notify", method: "whatsapp", country: "BR", provider: "z-api", priority: 1 },
  { id: "twilio-whatsapp", tool: "codespar_notify", verb: "notify", method: "whatsapp", country: "INTL", provider: "twilio", priority: 2 },
  { id: "zenvia-whatsapp", tool: "codespar_notify", verb: "notify", method: "whatsapp", country: "BR", provider: "zenvia", priority: 3 },
  { id: "whatsapp-cloud-whatsapp", tool: "codespar_notify", verb: "notify", method: "whatsapp", country: "INTL", provider: "whatsapp-cloud", priority: 3 },
  { id: "twilio-sms", tool: "codespar_notify", verb: "notify", method: "sms", country: "INTL", provider: "twilio", priority: 1 },
  { id: "zenvia-sms", tool: "codespar_notify", verb: "notify", method: "sms", country: "BR", provider: "zenvia", priority: 3 },
  { id: "sendgrid-email", tool: "codespar_notify", verb: "notify", method: "email", country: "INTL", provider: "sendgrid", priority: 1 },
  { id: "bitso-stablecoin", tool: "codespar_crypto_pay", verb: "crypto", method: "send", currencies: ["USDC", "USDT", "BTC", "ETH"], country: "INTL", provider: "bitso", priority: 2 },
  { id: "foxbit-stablecoin", tool: "codespar_crypto_pay", verb: "crypto", method: "send", currencies: ["USDT"], country: "BR", provider: "foxbit", priority: 3, refusedLive: "nothing in Foxbit's answer is known to name a withdrawal, so one could not be followed" },
  { id: "coinbase-commerce-stablecoin", tool: "codespar_crypto_pay", verb: "crypto", method: "receive", currencies: ["USDC"], country: "INTL", provider: "coinbase-commerce", priority: 1, refusedLive: COMMERCE_CLOSED },
  { id: "coinbase-commerce-stablecoin-checkout", tool: "codespar_crypto_pay", verb: "crypto", method: "stablecoin-checkout", currencies: ["USDC"], country: "INTL", provider: "coinbase-commerce", priority: 1, refusedLive: COMMERCE_CLOSED },
  { id: "unblockpay-stablecoin-payout", tool: "codespar_crypto_pay", verb: "crypto", method: "stablecoin-payout", currencies: ["USDC"], country: "INTL", provider: "unblockpay", priority: 1 },
  { id: "unblockpay-onramp", tool: "codespar_crypto_pay", verb: "crypto", method: "onramp", currencies: ["USDC"], country: "INTL", provider: "unblockpay", priority: 1 },
  { id: "unblockpay-offramp", tool: "codespar_crypto_pay", verb: "crypto", method: "offramp", currencies: ["USDC"], country: "INTL", provider: "unblockpay", priority: 1 },
  { id: "persona", tool: "codespar_kyc", verb: "verify", method: "identity", country: "INTL", provider: "persona", priority: 1 },
  { id: "persona", tool: "codespar_kyc", verb: "verify", method: "document", country: "INTL", provider: "persona", priority: 1 },
  { id: "vtex", tool: "codespar_shop", verb: "searchProducts", method: "search", currencies: ["BRL"], country: "BR", provider: "vtex", priority: 1 },
  { id: "vtex-checkout", tool: "codespar_shop", verb: "placeOrder", method: "checkout", currencies: ["BRL"], country: "BR", provider: "vtex", priority: 1 },
  { id: "card-virtual", tool: "codespar_issue", verb: "issueCard", method: "card-virtual", country: "LATAM", provider: "pomelo", priority: 1 },
  { id: "card-physical", tool: "codespar_issue", verb: "issueCard", method: "card-physical", country: "LATAM", provider: "pomelo", priority: 1 },
  { id: "card-control", tool: "codespar_issue", verb: "controlCard", method: "card-control", country: "LATAM", provider: "pomelo", priority: 1 },
  { id: "card-get", tool: "codespar_issue", verb: "readCard", method: "card-get", country: "LATAM", provider: "pomelo", priority: 1 },
  { id: "sift", tool: "codespar_kyc", verb: "verify", method: "risk-score", country: "INTL", provider: "sift", priority: 2 },
  { id: "konduto", tool: "codespar_kyc", verb: "verify", method: "risk-score", country: "BR", provider: "konduto", priority: 3 },
  { id: "truora", tool: "codespar_kyc", verb: "verify", method: "identity", country: "LATAM", provider: "truora", priority: 4 },
  { id: "truora", tool: "codespar_kyc", verb: "verify", method: "document", country: "LATAM", provider: "truora", priority: 4 },
  { id: "truora", tool: "codespar_kyc", verb: "verify", method: "risk-score", country: "LATAM", provider: "truora", priority: 4 },
  { id: "truora", tool: "codespar_kyc", verb: "verify", method: "sanctions", country: "LATAM", provider: "truora", priority: 4 },
];
