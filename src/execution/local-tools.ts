/** Tools that reach no provider: what is connected, what exists, and what became of an earlier payment. */
import { startConnection } from "../../schema/connections.ts";
import { Failure } from "../../schema/failures.ts";
import type { DiscoverRequest } from "../../schema/meta-tools/discover.ts";
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import type { ManageConnectionsRequest, ManageConnectionsResult } from "../../schema/meta-tools/manage-connections.ts";
import type { LedgerRequest } from "../../schema/meta-tools/ledger.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import type { ShopRequest } from "../../schema/meta-tools/shop.ts";
import type { WalletRequest } from "../../schema/meta-tools/wallet.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import { accountBalance, bookEntry, openAccount, type LocalAct } from "../ledger/books.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry } from "../rails/catalog.ts";
import type { SessionRow } from "../sessions/sessions.ts";
import { sessionTools } from "../sessions/tools.ts";
import { paymentStatus } from "../settlement/status.ts";
import { beginCheckout, checkoutRail, checkoutStatus } from "../shop/checkouts.ts";
import { walletBalance, walletStatement } from "../wallets/statement.ts";
import { discover } from "./discover.ts";
import { firstSteps } from "./first-steps.ts";

/** Who asks, in which session. */
type Asker = Pick<SessionRow, "userId" | "servers">;
type Answer = (platform: Platform, principal: Principal, asker: Asker) => Promise<object>;

/** By tool: how it answers, or undefined when these arguments need a provider (or have an effect) after all. */
export const localTools: { [Name in MetaToolName]?: (request: never) => Answer | undefined } = {
  codespar_discover: (request: DiscoverRequest) => (platform, principal, { userId }) => discover(platform, principal, userId, request),
  codespar_manage_connections: (request: ManageConnectionsRequest) => (platform, principal, { userId }) => manageConnections(platform, principal, userId, request),
  codespar_pay: (request: PayoutRequest) =>
    request.action === "status" ? (platform, principal) => payoutStatus(platform, principal, request) : undefined,
  codespar_ledger: (request: LedgerRequest) =>
    request.action === "balance" ? (platform, principal) => accountBalance(platform, principal, request) : undefined,
  codespar_shop: (request: ShopRequest) =>
    request.action === "checkout_status" ? (platform, principal) => checkoutStatus(platform, principal, request) : undefined,
  codespar_wallet: (request: WalletRequest) => {
    if (request.action === "receive") return undefined;
    return (platform, principal) => (request.action === "balance" ? walletBalance : walletStatement)(platform, principal, request);
  },
  codespar_get_started: () => (platform, principal) => firstSteps(platform, principal),
  codespar_list_tools: () => async (platform, principal, { servers }) => {
    const tools = sessionTools(platform, servers, principal.settings).map(({ name, description, server }) => ({ name, description, server }));
    return { tools, count: tools.length };
  },
};

/** By tool: an effect of ours, made in the transaction that claims the call; undefined when these arguments have none. */
export const localActs: { [Name in MetaToolName]?: (request: never) => LocalAct | undefined } = {
  codespar_ledger: (request: LedgerRequest) => {
    if (request.action === "entry") return bookEntry(request);
    return request.action === "account" ? openAccount(request) : undefined;
  },
  codespar_shop: (request: ShopRequest) => (request.action === "checkout" && checkoutRail(request) === "page" ? beginCheckout(request) : undefined),
};

/** Where an operator will manage connections: the published clients read a deep link here, and no page answers it yet. */
const dashboardUrl = (platform: Platform, serverId: string): string => `${platform.publicUrl}/dashboard/connections?connect=${serverId}`;

async function payoutStatus(platform: Platform, principal: Principal, { payment_id: id }: PayoutRequest): Promise<object> {
  if (id === undefined)
    throw new Failure("invalid_args", { field: "payment_id", problem: "is required for status, expected a tool_call_id", expected: "a tool_call_id" });
  const { status, provider, rail, final_amount_minor, amount_minor, currency, settled_at } = await paymentStatus(platform, principal, id);
  const amount = final_amount_minor ?? amount_minor;
  return {
    id, status, settled: status === "succeeded", provider, rail, ...(amount !== null && { amount: Number(amount) }), currency,
    settled_at: settled_at?.toISOString() ?? null,
  };
}

async function manageConnections(
  platform: Platform,
  { projectId }: Principal,
  userId: string,
  { action, server_id: serverId, country }: ManageConnectionsRequest,
): Promise<ManageConnectionsResult> {
  const rows = await listConnected(platform, projectId, userId);
  const statusRow = (id: string) => {
    const provider = platform.providers.find((each) => each.id === id);
    const entry = catalogEntry(platform, id);
    const connection = rows.find((each) => each.serverId === id);
    if (!entry) throw new Failure("unknown_servers", { field: "server_id", unknown: [id] });
    return {
      server_id: id, display_name: entry.name, auth_type: provider?.authType ?? entry.authType, status: connection ? "connected" : "disconnected",
      difficulty: provider?.authType === "api_key" ? "easy" : "medium", connection_metadata: connection?.settings ?? {},
      connected_at: connection?.connectedAt?.toISOString() ?? null,
    };
  };
  const connections = platform.providers.filter((provider) => !country || provider.country === country).map((provider) => statusRow(provider.id));
  if (action === "list") return { action, connections, status: null, initiate: null };
  if (serverId === undefined)
    throw new Failure("invalid_args", { field: "server_id", problem: `is required for ${action}, expected a server id`, expected: "a server id" });
  const status = statusRow(serverId);
  const provider = platform.providers.find((each) => each.id === serverId);
  const url = dashboardUrl(platform, serverId);
  const fields = [...(provider?.credentials ?? []), ...(provider?.settings ?? [])].filter((field) => field.required);
  const common = {
    action, server_id: serverId, current_status: status.status, connections, status, dashboard_url: url, wizard_url: url, connect_url: url,
    required_fields: fields.map((field) => field.name), connection_id: rows.find((each) => each.serverId === serverId)?.id ?? null,
  };
  if (action === "status") return { ...common, initiate: null };
  return {
    ...common,
    initiate: {
      server_id: serverId, display_name: status.display_name, auth_type: status.auth_type, difficulty: status.difficulty, status: status.status, connect_url: url,
      instructions: provider
        ? [
            `Make a connect link: ${startConnection.route.replace(" ", " /v1")} with server_id ${serverId} and the session's user_id.`,
            `Its user opens authorize_url and fills in ${fields.map((field) => field.label).join(", ") || "nothing more"}.`,
          ]
        : [`${status.display_name} needs no connection.`],
      required_secrets: fields.filter((field) => field.secret).map(({ name, hint }) => ({ name, ...(hint && { hint }) })), known_pitfalls: [],
      next_action: provider ? "An operator enters the credentials; they never pass through this tool." : "Call its tools.",
    },
  };
}
