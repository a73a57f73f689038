/** The nine meta-tools, in the order models are shown them. */
import { charge } from "./charge.ts";
import { cryptoPay } from "./crypto-pay.ts";
import { discover } from "./discover.ts";
import { invoice } from "./invoice.ts";
import { kyc } from "./kyc.ts";
import { manageConnections } from "./manage-connections.ts";
import type { MetaTool } from "./meta-tool.ts";
import { notify } from "./notify.ts";
import { pay } from "./pay.ts";
import { ship } from "./ship.ts";

export const metaTools = {
  codespar_charge: charge,
  codespar_pay: pay,
  codespar_invoice: invoice,
  codespar_notify: notify,
  codespar_ship: ship,
  codespar_crypto_pay: cryptoPay,
  codespar_kyc: kyc,
  codespar_discover: discover,
  codespar_manage_connections: manageConnections,
} as const;

export type MetaToolName = keyof typeof metaTools;

export const isMetaTool = (name: string): name is MetaToolName => Object.hasOwn(metaTools, name);

export const metaToolList: readonly MetaTool[] = Object.values(metaTools) as unknown as MetaTool[];
