/** Which code answers which operation. The types make a missing one an error of compilation. */
import type { OperationName, SubscriptionName } from "../schema/index.ts";
import { createApiKey, listApiKeys, revokeApiKey, rotateApiKey } from "./access/issued-keys.ts";
import { createProject, getProject, listProjects, updateProject } from "./access/projects.ts";
import { attachOrRun, send } from "./agents/runs.ts";
import type { Handler, Stream } from "./call.ts";
import { startConnection } from "./connections/links.ts";
import {
  createConnection, listConnections, revokeConnection, setConnectionWebhookSecret, updateConnectionMetadata,
} from "./connections/manage.ts";
import { execute } from "./execution/execute.ts";
import { sessionLogs, watchLogs } from "./execution/logs.ts";
import { proxyExecute } from "./execution/proxy.ts";
import { findToolCall, listToolCalls, toToolCall } from "./execution/rows.ts";
import { watchToolCalls } from "./execution/watch.ts";
import { listLedgerTransactions, trialBalance } from "./ledger/read.ts";
import { createConsent, getConsent, submitConsent } from "./mandates/consents.ts";
import { changeMandate, getMandate, listMandates } from "./mandates/mandates.ts";
import { spend } from "./mandates/spend.ts";
import { railStatuses } from "./rails/health.ts";
import { getServer, listServers, listServerTools, serverAuthSchema } from "./rails/servers.ts";
import { getTool, listTools } from "./rails/tools.ts";
import { sessionConnections } from "./sessions/tools.ts";
import { closeSession, createSession, getSession, listSessions } from "./sessions/sessions.ts";
import { paymentStatus, verificationStatus, watchStatus } from "./settlement/status.ts";
import { getWallet, transferWallet } from "./wallets/wallet.ts";

export const handlers: { [Name in OperationName]: Handler<Name> } = {
  "sessions.create": (platform, { principal }, input) => createSession(platform, principal, input),
  "sessions.get": (platform, { principal }, { session_id }) => getSession(platform, principal, session_id),
  "sessions.list": (platform, { principal }, input) => listSessions(platform, principal, input),
  "sessions.close": (platform, { principal }, { session_id }) => closeSession(platform, principal, session_id),
  "sessions.connections": (platform, { principal }, { session_id }) => sessionConnections(platform, principal, session_id),
  "sessions.logs": (platform, { principal }, input) => sessionLogs(platform, principal, input),
  "sessions.send": (platform, caller, input) => send(platform, caller, input),
  "servers.list": async (platform, _caller, input) => listServers(platform, input),
  "servers.get": async (platform, _caller, { server_id }) => getServer(platform, server_id),
  "servers.tools": async (platform, _caller, { server_id }) => listServerTools(platform, server_id),
  "servers.authSchema": async (platform, { principal }, { server_id }) => serverAuthSchema(platform, principal.environment, server_id),
  "tools.list": async (platform, _caller, input) => listTools(platform, input),
  "tools.get": async (platform, { principal }, { tool }) => getTool(platform, tool, principal.settings.chargeAmountUnit),
  "tools.execute": (platform, { principal, origin, headerKey, signal }, { session_id: sessionId, tool, input }) =>
    execute(platform, { principal, sessionId, tool, input, origin, headerKey, signal }),
  "tools.proxy": (platform, caller, input) => proxyExecute(platform, caller, input),
  "toolCalls.get": async (platform, { principal }, { tool_call_id }) => toToolCall(await findToolCall(platform, principal.projectId, tool_call_id)),
  "toolCalls.list": (platform, { principal }, input) => listToolCalls(platform, principal, input),
  "payments.status": (platform, { principal }, { tool_call_id }) => paymentStatus(platform, principal, tool_call_id),
  "verifications.status": (platform, { principal }, { tool_call_id }) => verificationStatus(platform, principal, tool_call_id),
  "connections.list": (platform, { principal }, input) => listConnections(platform, principal, input),
  "connections.create": (platform, { principal }, input) => createConnection(platform, principal, input),
  "connections.revoke": (platform, { principal }, { connection_id }) => revokeConnection(platform, principal, connection_id),
  "connections.updateMetadata": (platform, { principal }, input) => updateConnectionMetadata(platform, principal, input),
  "connections.setWebhookSecret": (platform, { principal }, input) => setConnectionWebhookSecret(platform, principal, input),
  "connections.start": (platform, { principal }, input) => startConnection(platform, principal, input),
  "rails.list": async (platform, { principal }, { tool }) => ({ rails: await railStatuses(platform, principal, tool) }),
  "ledger.trialBalance": (platform, { principal }) => trialBalance(platform, principal),
  "ledger.transactions": (platform, { principal }, input) => listLedgerTransactions(platform, principal, input),
  "consents.create": (platform, { principal }, input) => createConsent(platform, principal, input),
  "consents.get": (platform, { principal }, input) => getConsent(platform, principal, input),
  "consents.submit": (platform, { principal }, input) => submitConsent(platform, principal, input),
  "mandates.list": (platform, { principal }, input) => listMandates(platform, principal, input),
  "mandates.get": (platform, { principal }, { mandate_id }) => getMandate(platform, principal, mandate_id),
  "mandates.pause": (platform, { principal }, { mandate_id }) => changeMandate(platform, principal, "pause", mandate_id),
  "mandates.resume": (platform, { principal }, { mandate_id }) => changeMandate(platform, principal, "resume", mandate_id),
  "mandates.revoke": (platform, { principal }, { mandate_id }) => changeMandate(platform, principal, "revoke", mandate_id),
  "mandates.spend": (platform, caller, input) => spend(platform, caller, input),
  "wallets.get": (platform, { principal }, { consumer_id }) => getWallet(platform, principal, consumer_id),
  "wallets.transfer": (platform, { principal }, input) => transferWallet(platform, principal, input),
  "keys.whoami": async (_platform, { principal }) => ({
    organization: { id: principal.orgId, name: principal.orgName },
    project: { id: principal.projectId, name: principal.projectName },
    key: { id: principal.keyId, environment: principal.environment, scopes: [...principal.scopes] },
  }),
  "keys.create": (platform, { principal }, input) => createApiKey(platform, principal, input),
  "keys.list": (platform, { principal }, input) => listApiKeys(platform, principal, input),
  "keys.revoke": (platform, { principal }, { key_id }) => revokeApiKey(platform, principal, key_id),
  "keys.rotate": (platform, { principal }, input) => rotateApiKey(platform, principal, input),
  "projects.create": (platform, { principal }, input) => createProject(platform, principal, input),
  "projects.list": (platform, { principal }, input) => listProjects(platform, principal, input),
  "projects.get": (platform, { principal }, { project_id }) => getProject(platform, principal, project_id),
  "projects.update": (platform, { principal }, input) => updateProject(platform, principal, input),
};

export const streams: { [Name in SubscriptionName]: Stream<Name> } = {
  "sessions.sendStream": (platform, caller, input) => attachOrRun(platform, caller, input),
  "toolCalls.watch": (platform, { principal, signal }, input) => watchToolCalls(platform, principal, input, signal),
  "logs.watch": async (platform, { principal, signal }, input) => watchLogs(platform, principal, input, signal),
  "payments.watch": async (platform, { principal, signal }, { tool_call_id }) => {
    await findToolCall(platform, principal.projectId, tool_call_id);
    return watchStatus(platform, principal, tool_call_id, "payment", paymentStatus, signal);
  },
  "verifications.watch": async (platform, { principal, signal }, { tool_call_id }) => {
    await findToolCall(platform, principal.projectId, tool_call_id);
    return watchStatus(platform, principal, tool_call_id, "verification", verificationStatus, signal);
  },
};
