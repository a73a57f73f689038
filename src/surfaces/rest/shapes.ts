/**
 * Where the published REST contract differs from an operation's own wire form: one row an operation, nothing elsewhere.
 * Released clients ignore members they do not know, so a row mostly adds the name another client reads.
 */
import { z } from "zod";
import type { OperationName, Operations, SubscriptionName } from "../../../schema/index.ts";
import type { Route, Wire } from "../../../schema/operation.ts";
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
}

const RestSession = Session.extend({
  tool_calls_count: z.int().describe("The same as `tool_call_count`."),
}).meta({ id: "RestSession" });

const RestSessionPage = z.object({
  sessions: z.array(RestSession),
  data: z.array(RestSession).describe("The same as `sessions`."),
  next_before: z.string().nullable(),
}).meta({ id: "RestSessionPage" });

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
  "tools.execute": {
    input: ({ params, ...fields }) => ({ ...(params !== undefined && { input: params }), ...fields }),
    request: execute.input.extend({
      params: z.record(z.string(), z.unknown()).optional().describe("The same as `input`."),
    }),
  },
};

/** Further published routes of an operation. */
export const aliases: Record<Route, OperationName> = {
  "POST /sessions/{session_id}/close": "sessions.close",
};

/** Operations whose route answers with a stream when the caller accepts one, and what streams then. */
export const streamedTwins: { [Name in OperationName]?: SubscriptionName } = {
  "sessions.send": "sessions.sendStream",
};
