/** What to do first in a project (`codespar_get_started`): read from what it has, so that what is done is said to be done. */
import type { GetStartedResult } from "../../schema/meta-tools/get-started.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";

export async function firstSteps(platform: Platform, { projectId, environment, settings }: Principal): Promise<GetStartedResult> {
  const connected = (await listConnected(platform, projectId)).map(({ serverId }) => serverId);
  const [called] = await platform.db.sql<{ charged: boolean; settled: boolean }[]>`
    select count(*) filter (where status = 'success') > 0 as charged, count(*) filter (where state = 'succeeded') > 0 as settled
    from tool_calls where project_id = ${projectId} and tool_name = 'codespar_charge'`;
  const isLive = environment === "live";
  const steps = [
    {
      title: "Connect a provider", done: connected.length > 0,
      how: isLive ? "Call codespar_manage_connections with action initiate and a server_id." : `The sandbox has connected ${connected.length} for you.`,
    },
    ...(isLive ? [{ title: "State the unit of charges", done: settings.chargeAmountUnit !== undefined, how: "PATCH the project with settings.charge_amount_unit, or give amount_unit with each charge." }] : []),
    { title: "Charge somebody", done: called!.charged, how: "Call codespar_charge with amount in minor units, currency, method and buyer: R$150.00 is 15000." },
    { title: "Watch it settle", done: called!.settled, how: "Read the payment status by tool_call_id, or stream it." },
    { title: "Invoice it, ship it, tell the buyer", done: false, how: "Call codespar_invoice, codespar_ship and codespar_notify." },
  ];
  return { environment, steps: steps.map((step, index) => ({ step: index + 1, ...step })) };
}
