/** Every provider we speak to, and its twin. A new one is a folder and a line in each list. */
import { afip } from "./afip/index.ts";
import { afipTwin } from "./afip/twin.ts";
import { andreani } from "./andreani/index.ts";
import { andreaniTwin } from "./andreani/twin.ts";
import { asaas } from "./asaas/index.ts";
import { asaasTwin } from "./asaas/twin.ts";
import { bitso } from "./bitso/index.ts";
import { bitsoTwin } from "./bitso/twin.ts";
import { bold } from "./bold/index.ts";
import { boldTwin } from "./bold/twin.ts";
import { chilexpress } from "./chilexpress/index.ts";
import { chilexpressTwin } from "./chilexpress/twin.ts";
import { clip } from "./clip/index.ts";
import { clipTwin } from "./clip/twin.ts";
import { coinbaseCommerce } from "./coinbase-commerce/index.ts";
import { coinbaseCommerceTwin } from "./coinbase-commerce/twin.ts";
import { conekta } from "./conekta/index.ts";
import { conektaTwin } from "./conekta/twin.ts";
import { coordinadora } from "./coordinadora/index.ts";
import { coordinadoraTwin } from "./coordinadora/twin.ts";
import { correios } from "./correios/index.ts";
import { correiosTwin } from "./correios/twin.ts";
import { ebanx } from "./ebanx/index.ts";
import { ebanxTwin } from "./ebanx/twin.ts";
import { epayco } from "./epayco/index.ts";
import { epaycoTwin } from "./epayco/twin.ts";
import { facturapi } from "./facturapi/index.ts";
import { facturapiTwin } from "./facturapi/twin.ts";
import { focusNfe } from "./focus-nfe/index.ts";
import { focusNfeTwin } from "./focus-nfe/twin.ts";
import { foxbit } from "./foxbit/index.ts";
import { foxbitTwin } from "./foxbit/twin.ts";
import { iugu } from "./iugu/index.ts";
import { iuguTwin } from "./iugu/twin.ts";
import { konduto } from "./konduto/index.ts";
import { kondutoTwin } from "./konduto/twin.ts";
import { melhorEnvio } from "./melhor-envio/index.ts";
import { melhorEnvioTwin } from "./melhor-envio/twin.ts";
import { mercadoPago } from "./mercado-pago/index.ts";
import { mercadoPagoTwin } from "./mercado-pago/twin.ts";
import { nfeIo } from "./nfe-io/index.ts";
import { nfeIoTwin } from "./nfe-io/twin.ts";
import { nuvemFiscal } from "./nuvem-fiscal/index.ts";
import { nuvemFiscalTwin } from "./nuvem-fiscal/twin.ts";
import { omie } from "./omie/index.ts";
import { omieTwin } from "./omie/twin.ts";
import { pagseguro } from "./pagseguro/index.ts";
import { pagseguroTwin } from "./pagseguro/twin.ts";
import { payway } from "./payway/index.ts";
import { paywayTwin } from "./payway/twin.ts";
import { persona } from "./persona/index.ts";
import { personaTwin } from "./persona/twin.ts";
import { picpay } from "./picpay/index.ts";
import { picpayTwin } from "./picpay/twin.ts";
import { bankProviders, bankTwins } from "./pix-bcb/banks/index.ts";
import { pomelo } from "./pomelo/index.ts";
import { pomeloTwin } from "./pomelo/twin.ts";
import type { ProviderDefinition } from "./provider.ts";
import { sendgrid } from "./sendgrid/index.ts";
import { sendgridTwin } from "./sendgrid/twin.ts";
import { sift } from "./sift/index.ts";
import { siftTwin } from "./sift/twin.ts";
import { siigo } from "./siigo/index.ts";
import { siigoTwin } from "./siigo/twin.ts";
import { skydropx } from "./skydropx/index.ts";
import { skydropxTwin } from "./skydropx/twin.ts";
import { stripe, stripeAcp } from "./stripe/index.ts";
import { stripeTwin } from "./stripe/twin.ts";
import { transbank } from "./transbank/index.ts";
import { transbankTwin } from "./transbank/twin.ts";
import { truora } from "./truora/index.ts";
import { truoraTwin } from "./truora/twin.ts";
import { twilio } from "./twilio/index.ts";
import { twilioTwin } from "./twilio/twin.ts";
import type { TwinDefinition } from "./twin.ts";
import { unblockpay } from "./unblockpay/index.ts";
import { unblockpayTwin } from "./unblockpay/twin.ts";
import { vtex } from "./vtex/index.ts";
import { vtexTwin } from "./vtex/twin.ts";
import { whatsappCloud } from "./whatsapp-cloud/index.ts";
import { whatsappCloudTwin } from "./whatsapp-cloud/twin.ts";
import { wompi } from "./wompi/index.ts";
import { wompiTwin } from "./wompi/twin.ts";
import { zApi } from "./z-api/index.ts";
import { zApiTwin } from "./z-api/twin.ts";
import { zenvia } from "./zenvia/index.ts";
import { zenviaTwin } from "./zenvia/twin.ts";
import { zoop } from "./zoop/index.ts";
import { zoopTwin } from "./zoop/twin.ts";

export const providers: readonly ProviderDefinition[] = [
  afip, andreani, asaas, bitso, bold, chilexpress, clip, coinbaseCommerce, conekta, coordinadora, correios, ebanx, epayco, facturapi, focusNfe,
  foxbit, iugu, konduto, melhorEnvio, mercadoPago, nfeIo, nuvemFiscal, omie, pagseguro, payway, persona, picpay,
  pomelo, sendgrid, sift, siigo, skydropx, stripe, stripeAcp, transbank, truora, twilio, unblockpay, vtex, whatsappCloud, wompi, zApi, zenvia,
  zoop,
  ...bankProviders,
];

export const twins: readonly TwinDefinition[] = [
  afipTwin, andreaniTwin, asaasTwin, bitsoTwin, boldTwin, chilexpressTwin, clipTwin, coinbaseCommerceTwin, conektaTwin, coordinadoraTwin,
  correiosTwin, ebanxTwin, epaycoTwin, facturapiTwin, focusNfeTwin, foxbitTwin, iuguTwin, kondutoTwin, melhorEnvioTwin, mercadoPagoTwin,
  nfeIoTwin, nuvemFiscalTwin, omieTwin, pagseguroTwin, paywayTwin, personaTwin, picpayTwin, pomeloTwin, sendgridTwin, siftTwin, siigoTwin,
  skydropxTwin, stripeTwin, transbankTwin, truoraTwin, twilioTwin, unblockpayTwin, vtexTwin, whatsappCloudTwin, wompiTwin, zApiTwin, zenviaTwin,
  zoopTwin,
  ...bankTwins,
];

const byId = new Map(providers.map((provider) => [provider.id, provider]));

export const providerById = (id: string): ProviderDefinition | undefined => byId.get(id);
