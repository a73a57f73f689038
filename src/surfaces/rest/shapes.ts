/**
 * Where the published REST contract differs from an operation's own wire form: one row an operation, nothing elsewhere.
 * Released clients ignore members they do not know, so a row mostly adds the name another client reads.
 */
import { z } from "zod";
import { SendEvent, SendResult, ToolCallRecord } from "../../../schema/agent.ts";
import { FailureBody } from "../../../schema/failures.ts";
import { subscriptions, type OperationName, type Operations, type SubscriptionName } from "../../../schema/index.ts";
import { listServers, listTools, Server, Tool } from "../../../schema/catalog.ts";
import { Connection, listConnections } from "../../../schema/connections.ts";
import { LogEntry, sessionLogs } from "../../../schema/logs.ts";
import type { Route, Wire } from "../../../schema/operation.ts";
import { manageConnections } from "../../../schema/meta-tools/manage-connections.ts";
import { Project } from "../../../schema/projects.ts";
import { Session } from "../../../schema/sessions.ts";
import { execute } from "../../../schema/tool-calls.ts";

export interface Shape<Output = unknown> {
  /** Reads other published spellings of the arguments. */
  input?: (fields: Record<string, unknown>) => Record<string, unknown>;
  /** The arguments as REST publishes them, where `input` reads more. */
  request?: z.ZodObject;
  /** The body as REST sends it, from the operation's. */
  output?: (body: Output) => unknown;
  /** The schema of what `output` returns. */
  response?: z.ZodType;
  /** Answers without a body. */
  status?: 204;
  /** The status of success, where the body decides between 200 and the operation's own. */
  statusOf?: (body: Output) => number;
}

const RestSession = Session.extend({
  tool_calls_count: z.int().describe("The same as `tool_call_count`."),
}).meta({ id: "RestSession" });

const RestSessionPage = z.object({
  sessions: z.array(RestSession),
  data: z.array(RestSession).describe("The same as `sessions`."),
  next_before: z.string().nullable(),
}).meta({ id: "RestSessionPage" });

const RestProjectPage = z.object({
  projects: z.array(Project),
  data: z.array(Project).describe("The same as `projects`."),
  next_before: z.string().nullable(),
}).meta({ id: "RestProjectPage" });

const RestServer = Server.extend({
  region: z.string().describe("The same as `country`."),
  tool_count: z.int().describe("The same as `tools_count`."),
  pkg: z.string().describe("What brings it."),
}).meta({ id: "RestServer" });

const RestServerPage = listServers.output.extend({
  servers: z.array(RestServer),
  data: z.array(RestServer).describe("The same as `servers`."),
}).meta({ id: "RestServerPage" });

const RestToolPage = listTools.output.extend({ data: z.array(Tool).describe("The same as `tools`.") }).meta({ id: "RestToolPage" });

const RestConnection = Connection.extend({
  metadata: z.record(z.string(), z.string()).describe("The same as `connection_metadata`."),
  expires_at: z.null().describe("None of them ends by itself."),
}).meta({ id: "RestConnection" });

const RestLogPage = sessionLogs.output.extend({ data: z.array(LogEntry).describe("The same as `logs`.") }).meta({ id: "RestLogPage" });

const asRestServer = <Row extends Wire<typeof Server>>(server: Row) =>
  ({ ...server, region: server.country, tool_count: server.tools_count, pkg: `codespar-server/${server.id}` });

const asRestConnection = <Row extends Wire<typeof Connection>>(connection: Row) =>
  ({ ...connection, metadata: connection.connection_metadata, expires_at: null });

const withBothCounters = (session: Wire<typeof Session>) => ({ ...session, tool_calls_count: session.tool_call_count });

export const shapes: { [Name in OperationName]?: Shape<Wire<Operations[Name]["output"]>> } = {
  "sessions.create": { output: withBothCounters, response: RestSession },
  "sessions.get": { output: withBothCounters, response: RestSession },
  "sessions.list": {
    output: ({ sessions, next_before }) => {
      const rows = sessions.map(withBothCounters);
      return { sessions: rows, data: rows, next_before };
    },
    response: RestSessionPage,
  },
  "sessions.close": { status: 204 },
  "sessions.logs": { output: (page) => ({ ...page, data: page.logs }), response: RestLogPage },
  "servers.list": {
    input: ({ region, ...fields }) => ({ ...(region !== undefined && { country: region }), ...fields }),
    request: listServers.input.extend({ region: z.string().optional().meta({ description: "The same as `country`.", examples: ["BR"] }) }),
    output: ({ servers, ...page }) => {
      const rows = servers.map(asRestServer);
      return { servers: rows, data: rows, ...page };
    },
    response: RestServerPage,
  },
  "servers.get": { output: asRestServer, response: RestServer.extend({ tools: z.array(Tool) }).meta({ id: "RestServerDetail" }) },
  "tools.list": { output: (page) => ({ ...page, data: page.tools }), response: RestToolPage },
  "connections.list": {
    output: ({ connections, ...page }) => ({ connections: connections.map(asRestConnection), ...page }),
    response: listConnections.output.extend({ connections: z.array(RestConnection) }).meta({ id: "RestConnectionPage" }),
  },
  "connections.create": {
    output: asRestConnection,
    response: RestConnection.extend({ rotated: z.boolean() }).meta({ id: "RestCreatedConnection" }),
    statusOf: ({ rotated }) => (rotated ? 200 : 201),
  },
  "connections.updateMetadata": { output: asRestConnection, response: RestConnection },
  "projects.list": { output: (page) => ({ ...page, data: page.projects }), response: RestProjectPage },
  "tools.execute": {
    input: ({ params, ...fields }) => withNamedServer({ ...(params !== undefined && { input: params }), ...fields }),
    request: (execute.input as z.ZodObject).safeExtend({
      input: z.union([z.record(z.string(), z.unknown()), z.string()]).default({}).describe("The tool's arguments; a server's id alone will do for codespar_manage_connections."),
      params: z.record(z.string(), z.unknown()).optional().describe("The same as `input`."),
    }),
  },
};

const [userMessage, textDelta, assistantText, toolUse, toolResult, done, error] = SendEvent.options;

/** The record and the result are at the top level too; an error of the stream itself has no place to resume from. */
const RestSendEvent = z.discriminatedUnion("type", [
  userMessage, textDelta, assistantText, toolUse,
  toolResult.omit({ tool_call: true }).extend({ ...ToolCallRecord.shape, toolCall: ToolCallRecord }).meta({ id: "RestToolResultEvent" }),
  done.extend(SendResult.shape).meta({ id: "RestDoneEvent" }),
  error.partial({ cursor: true }).meta({ id: "RestErrorEvent" }),
]).meta({ id: "RestSendEvent" });

const RestWatchEnd = z.object({ reason: z.string().describe("Why the watch is over.") }).meta({ id: "RestWatchEnd" });

const watch = (name: SubscriptionName): z.ZodType => z.union([subscriptions[name].output, RestWatchEnd, FailureBody]);

/** What the data of a stream's frames may be, where it is more than the subscription's items. */
export const frames: { [Name in SubscriptionName]?: z.ZodType } = {
  "sessions.sendStream": RestSendEvent,
  "toolCalls.watch": watch("toolCalls.watch"),
  "payments.watch": watch("payments.watch"),
  "verifications.watch": watch("verifications.watch"),
};

/** The wizard is published with a server's id in place of its arguments (contradiction C-18). */
const withNamedServer = (fields: Record<string, unknown>): Record<string, unknown> =>
  fields["tool"] === manageConnections.name && typeof fields["input"] === "string" ? { ...fields, input: { server_id: fields["input"] } } : fields;

/** Further published routes of an operation. */
export const aliases: Record<Route, OperationName> = {
  "POST /sessions/{session_id}/close": "sessions.close",
  "GET /providers": "servers.list",
  "GET /providers/{server_id}": "servers.get",
  "GET /providers/{server_id}/auth-schema": "servers.authSchema",
  "POST /connections/start": "connections.start",
  "POST /api-keys/{key_id}/revoke": "keys.revoke",
  "POST /consents/init": "consents.create",
};

/** Operations whose route answers with a stream when the caller accepts one, and what streams then. */
export const streamedTwins: { [Name in OperationName]?: SubscriptionName } = {
  "sessions.send": "sessions.sendStream",
};
