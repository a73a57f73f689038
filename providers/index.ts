/** Every provider we speak to, and its twin. A new one is a folder and a line in each list. */
import { asaas } from "./asaas/index.ts";
import { asaasTwin } from "./asaas/twin.ts";
import { bitso } from "./bitso/index.ts";
import { bitsoTwin } from "./bitso/twin.ts";
import { iugu } from "./iugu/index.ts";
import { iuguTwin } from "./iugu/twin.ts";
import { melhorEnvio } from "./melhor-envio/index.ts";
import { melhorEnvioTwin } from "./melhor-envio/twin.ts";
import { mercadoPago } from "./mercado-pago/index.ts";
import { mercadoPagoTwin } from "./mercado-pago/twin.ts";
import { nfeIo } from "./nfe-io/index.ts";
import { nfeIoTwin } from "./nfe-io/twin.ts";
import { persona } from "./persona/index.ts";
import { personaTwin } from "./persona/twin.ts";
import { picpay } from "./picpay/index.ts";
import { picpayTwin } from "./picpay/twin.ts";
import type { ProviderDefinition } from "./provider.ts";
import { stripe, stripeAcp } from "./stripe/index.ts";
import { stripeTwin } from "./stripe/twin.ts";
import type { TwinDefinition } from "./twin.ts";
import { zApi } from "./z-api/index.ts";
import { zApiTwin } from "./z-api/twin.ts";
import { zoop } from "./zoop/index.ts";
import { zoopTwin } from "./zoop/twin.ts";

export const providers: readonly ProviderDefinition[] = [
  asaas, bitso, iugu, melhorEnvio, mercadoPago, nfeIo, persona, picpay, stripe, stripeAcp, zApi, zoop,
];

export const twins: readonly TwinDefinition[] = [
  asaasTwin, bitsoTwin, iuguTwin, melhorEnvioTwin, mercadoPagoTwin, nfeIoTwin, personaTwin, picpayTwin, stripeTwin, zApiTwin, zoopTwin,
];

const byId = new Map(providers.map((provider) => [provider.id, provider]));

export const providerById = (id: string): ProviderDefinition | undefined => byId.get(id);
