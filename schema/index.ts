/** Every operation of the contract, by name. A new one is added here and nowhere else on the way to the surfaces. */
import { send, sendStream } from "./agent.ts";
import { sessionConnections } from "./connections.ts";
import { createApiKey, listApiKeys, revokeApiKey, rotateApiKey, whoami } from "./keys.ts";
import { listLedgerTransactions, trialBalance } from "./ledger.ts";
import { createProject, getProject, listProjects, updateProject } from "./projects.ts";
import { listRails } from "./rails.ts";
import { closeSession, createSession, getSession, listSessions } from "./sessions.ts";
import { paymentStatus, verificationStatus, watchPayment, watchVerification } from "./settlement.ts";
import { execute, getToolCall, listToolCalls, watchToolCalls } from "./tool-calls.ts";

export const operations = {
  "sessions.create": createSession,
  "sessions.get": getSession,
  "sessions.list": listSessions,
  "sessions.close": closeSession,
  "sessions.connections": sessionConnections,
  "sessions.send": send,
  "tools.execute": execute,
  "toolCalls.get": getToolCall,
  "toolCalls.list": listToolCalls,
  "payments.status": paymentStatus,
  "verifications.status": verificationStatus,
  "rails.list": listRails,
  "ledger.trialBalance": trialBalance,
  "ledger.transactions": listLedgerTransactions,
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
  "payments.watch": watchPayment,
  "verifications.watch": watchVerification,
} as const;

export type Operations = typeof operations;
export type Subscriptions = typeof subscriptions;
export type OperationName = keyof Operations;
export type SubscriptionName = keyof Subscriptions;
