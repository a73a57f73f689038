/** Every operation of the contract, by name. A new one is added here and nowhere else on the way to the surfaces. */
import { send, sendStream } from "./agent.ts";
import { getServer, getTool, listServers, listServerTools, listTools, serverAuthSchema } from "./catalog.ts";
import {
  createConnection, listConnections, revokeConnection, sessionConnections, setConnectionWebhookSecret, startConnection, updateConnectionMetadata,
} from "./connections.ts";
import { createApiKey, listApiKeys, revokeApiKey, rotateApiKey, whoami } from "./keys.ts";
import { listLedgerTransactions, trialBalance } from "./ledger.ts";
import { sessionLogs, watchLogs } from "./logs.ts";
import {
  createConsent, getConsent, getMandate, listMandates, pauseMandate, resumeMandate, revokeMandate, spend, submitConsent,
} from "./mandates.ts";
import { createProject, getProject, listProjects, updateProject } from "./projects.ts";
import { proxyExecute } from "./proxy.ts";
import { listRails } from "./rails.ts";
import { closeSession, createSession, getSession, listSessions } from "./sessions.ts";
import { paymentStatus, verificationStatus, watchPayment, watchVerification } from "./settlement.ts";
import { getWallet, transferWallet } from "./wallets.ts";
import { execute, getToolCall, listToolCalls, watchToolCalls } from "./tool-calls.ts";

export const operations = {
  "sessions.create": createSession,
  "sessions.get": getSession,
  "sessions.list": listSessions,
  "sessions.close": closeSession,
  "sessions.connections": sessionConnections,
  "sessions.logs": sessionLogs,
  "sessions.send": send,
  "servers.list": listServers,
  "servers.get": getServer,
  "servers.tools": listServerTools,
  "servers.authSchema": serverAuthSchema,
  "tools.list": listTools,
  "tools.get": getTool,
  "tools.execute": execute,
  "tools.proxy": proxyExecute,
  "toolCalls.get": getToolCall,
  "toolCalls.list": listToolCalls,
  "payments.status": paymentStatus,
  "verifications.status": verificationStatus,
  "connections.list": listConnections,
  "connections.create": createConnection,
  "connections.revoke": revokeConnection,
  "connections.updateMetadata": updateConnectionMetadata,
  "connections.setWebhookSecret": setConnectionWebhookSecret,
  "connections.start": startConnection,
  "rails.list": listRails,
  "ledger.trialBalance": trialBalance,
  "ledger.transactions": listLedgerTransactions,
  "consents.create": createConsent,
  "consents.get": getConsent,
  "consents.submit": submitConsent,
  "mandates.list": listMandates,
  "mandates.get": getMandate,
  "mandates.pause": pauseMandate,
  "mandates.resume": resumeMandate,
  "mandates.revoke": revokeMandate,
  "mandates.spend": spend,
  "wallets.get": getWallet,
  "wallets.transfer": transferWallet,
  "keys.whoami": whoami,
  "keys.create": createApiKey,
  "keys.list": listApiKeys,
  "keys.revoke": revokeApiKey,
  "keys.rotate": rotateApiKey,
  "projects.create": createProject,
  "projects.list": listProjects,
  "projects.get": getProject,
  "projects.update": updateProject,
} as const;

export const subscriptions = {
  "sessions.sendStream": sendStream,
  "toolCalls.watch": watchToolCalls,
  "logs.watch": watchLogs,
  "payments.watch": watchPayment,
  "verifications.watch": watchVerification,
} as const;

export type Operations = typeof operations;
export type Subscriptions = typeof subscriptions;
export type OperationName = keyof Operations;
export type SubscriptionName = keyof Subscriptions;
