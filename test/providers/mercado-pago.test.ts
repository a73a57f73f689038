import { mercadoPago } from "../../providers/mercado-pago/index.ts";
import { mercadoPagoTwin } from "../../providers/mercado-pago/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const aCharge: ChargeRequest = {
  amount: 15000n, currency: "BRL", method: "pix", description: "Pedido 17",
  buyer: { name: "Maria da Silva", document: "111.444.777-35", email: "maria@example.com", phone: "+5511999998888" },
};
const aPayout: PayoutRequest = {
  action: "pay", amount: 4990n, currency: "BRL", method: "pix", description: "Fatura 9",
  recipient: { pix_key: "Vendor@Example.com", document: "529.982.247-25" },
};

providerConformance({
  definition: mercadoPago,
  twin: mercadoPagoTwin,
  detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 15013n }, settles: { to: "succeeded" } },
    payout: {
      request: aPayout, declined: { ...aPayout, amount: 15013n }, settles: { to: "succeeded" }, findsByReference: false,
    },
  },
});
