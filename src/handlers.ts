/** Which code answers which operation. The types make a missing one an error of compilation. */
import type { OperationName, SubscriptionName } from "../schema/index.ts";
import { attachOrRun, send } from "./agents/runs.ts";
import type { Handler, Stream } from "./call.ts";
import { execute } from "./execution/execute.ts";
import { findToolCall, listToolCalls, toToolCall } from "./execution/rows.ts";
import { watchToolCalls } from "./execution/watch.ts";
import { listLedgerTransactions, trialBalance } from "./ledger/read.ts";
import { railStatuses } from "./rails/health.ts";
import { sessionConnections } from "./sessions/tools.ts";
import { closeSession, createSession, getSession, listSessions } from "./sessions/sessions.ts";
import { paymentStatus, verificationStatus, watchStatus } from "./settlement/status.ts";

export const handlers: { [Name in OperationName]: Handler<Name> } = {
  "sessions.create": (platform, { principal }, input) => createSession(platform, principal, input),
  "sessions.get": (platform, { principal }, { session_id }) => getSession(platform, principal, session_id),
  "sessions.list": (platform, { principal }, input) => listSessions(platform, principal, input),
  "sessions.close": (platform, { principal }, { session_id }) => closeSession(platform, principal, session_id),
  "sessions.connections": (platform, { principal }, { session_id }) => sessionConnections(platform, principal, session_id),
  "sessions.send": (platform, caller, input) => send(platform, caller, input),
  "tools.execute": (platform, { principal, origin, headerKey, signal }, { session_id: sessionId, tool, input }) =>
    execute(platform, { principal, sessionId, tool, input, origin, headerKey, signal }),
  "toolCalls.get": async (platform, { principal }, { tool_call_id }) => toToolCall(await findToolCall(platform, principal.projectId, tool_call_id)),
  "toolCalls.list": (platform, { principal }, input) => listToolCalls(platform, principal, input),
  "payments.status": (platform, { principal }, { tool_call_id }) => paymentStatus(platform, principal, tool_call_id),
  "verifications.status": (platform, { principal }, { tool_call_id }) => verificationStatus(platform, principal, tool_call_id),
  "rails.list": async (platform, { principal }, { tool }) => ({ rails: await railStatuses(platform, principal, tool) }),
  "ledger.trialBalance": (platform, { principal }) => trialBalance(platform, principal),
  "ledger.transactions": (platform, { principal }, input) => listLedgerTransactions(platform, principal, input),
  "keys.whoami": async (_platform, { principal }) => ({
    organization: { id: principal.orgId, name: principal.orgName },
    project: { id: principal.projectId, name: principal.projectName },
    key: { id: principal.keyId, environment: principal.environment, scopes: [...principal.scopes] },
  }),
};

export const streams: { [Name in SubscriptionName]: Stream<Name> } = {
  "sessions.sendStream": (platform, caller, input) => attachOrRun(platform, caller, input),
  "toolCalls.watch": (platform, { principal, signal }, input) => watchToolCalls(platform, principal, input, signal),
  "payments.watch": async (platform, { principal, signal }, { tool_call_id }) => {
    await findToolCall(platform, principal.projectId, tool_call_id);
    return watchStatus(platform, principal, tool_call_id, "payment", paymentStatus, signal);
  },
  "verifications.watch": async (platform, { principal, signal }, { tool_call_id }) => {
    await findToolCall(platform, principal.projectId, tool_call_id);
    return watchStatus(platform, principal, tool_call_id, "verification", verificationStatus, signal);
  },
};
