/** The meta-tools: the nine that models are shown unless a project says otherwise, and those that are one setting away (C-01). */
import { charge } from "./charge.ts";
import { checkout } from "./checkout.ts";
import { cryptoPay } from "./crypto-pay.ts";
import { discover } from "./discover.ts";
import { getStarted } from "./get-started.ts";
import { invoice } from "./invoice.ts";
import { issue } from "./issue.ts";
import { kyc } from "./kyc.ts";
import { ledger } from "./ledger.ts";
import { listTools } from "./list-tools.ts";
import { manageConnections } from "./manage-connections.ts";
import type { MetaTool } from "./meta-tool.ts";
import { notify } from "./notify.ts";
import { pay } from "./pay.ts";
import { ship } from "./ship.ts";
import { shop } from "./shop.ts";
import { wallet } from "./wallet.ts";

/** In the order models are shown them. */
const core = {
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

const further = {
  codespar_checkout: checkout,
  codespar_shop: shop,
  codespar_wallet: wallet,
  codespar_ledger: ledger,
  codespar_issue: issue,
  codespar_get_started: getStarted,
  codespar_list_tools: listTools,
} as const;

export const metaTools = { ...core, ...further } as const;

export type MetaToolName = keyof typeof metaTools;

export const isMetaTool = (name: string): name is MetaToolName => Object.hasOwn(metaTools, name);

export const metaToolList: readonly MetaTool[] = Object.values(metaTools) as unknown as MetaTool[];

/** Which meta-tools a project's models and sessions are shown. Every one of them can be called whatever is shown. */
export const toolSets = {
  core9: Object.values(core) as unknown as readonly MetaTool[],
  all: Object.values(metaTools) as unknown as readonly MetaTool[],
} as const;
export type ToolSet = keyof typeof toolSets;
