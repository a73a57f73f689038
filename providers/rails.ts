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

export const rails: readonly Rail[] = [
  { id: "asaas-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "iugu-pix", tool: "codespar_charge", verb: "charge", method: "pix", currencies: ["BRL"], country: "BR", provider: "iugu", priority: 4 },
  { id: "iugu-boleto", tool: "codespar_charge", verb: "charge", method: "boleto", currencies: ["BRL"], country: "BR", provider: "iugu", priority: 2 },
  { id: "picpay-wallet", tool: "codespar_charge", verb: "charge", method: "wallet", currencies: ["BRL"], country: "BR", provider: "picpay", priority: 1 },
  { id: "stripe-acp-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["USD"], country: "US", provider: "stripe-acp", priority: 1 },
  { id: "stripe-card", tool: "codespar_charge", verb: "charge", method: "card", currencies: ["USD"], country: "US", provider: "stripe", priority: 2 },
  { id: "asaas-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "asaas", priority: 1, settlesInSeconds: 10 },
  { id: "mercado-pago-pix", tool: "codespar_pay", verb: "payout", method: "pix", currencies: ["BRL"], country: "BR", provider: "mercado-pago", priority: 2 },
  { id: "nfse", tool: "codespar_invoice", verb: "invoice", method: "nfse", currencies: ["BRL"], country: "BR", provider: "nfe-io", priority: 1 },
  { id: "domestic-label", tool: "codespar_ship", verb: "label", method: "label", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "domestic-quote", tool: "codespar_ship", verb: "quote", method: "quote", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "domestic-track", tool: "codespar_ship", verb: "track", method: "track", country: "BR", provider: "melhor-envio", priority: 1 },
  { id: "z-api-whatsapp", tool: "codespar_notify", verb: "notify", method: "whatsapp", country: "BR", provider: "z-api", priority: 1 },
  { id: "bitso-stablecoin", tool: "codespar_crypto_pay", verb: "crypto", method: "send", currencies: ["USDC", "USDT", "BTC", "ETH"], country: "INTL", provider: "bitso", priority: 2 },
  { id: "persona", tool: "codespar_kyc", verb: "verify", method: "identity", country: "INTL", provider: "persona", priority: 1 },
  { id: "persona", tool: "codespar_kyc", verb: "verify", method: "document", country: "INTL", provider: "persona", priority: 1 },
];
