/** Agent runs and everything that happened in them: a client that lost its stream reads on from here. */
import { sql } from "drizzle-orm";
import { index, integer, json, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";
import type { SendResult } from "../../schema/agent.ts";

export const runs = pgTable(
  "runs",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    id: text().notNull(),
    sessionId: text("session_id").notNull(),
    message: text().notNull(),
    /** The caller's name for this one message: a repeat under it reads the same run. */
    requestKey: text("request_key"),
    status: text().$type<"running" | "done" | "failed">().notNull(),
    model: text().notNull(),
    iterations: integer().notNull().default(0),
    inputTokens: integer("input_tokens").notNull().default(0),
    outputTokens: integer("output_tokens").notNull().default(0),
    result: json().$type<SendResult>(),
    errorCode: text("error_code"),
    startedAt: moment("started_at").notNull(),
    finishedAt: moment("finished_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.id] }),
    index("runs_session").on(table.projectId, table.sessionId),
    uniqueIndex("runs_request_key").on(table.projectId, table.sessionId, table.requestKey),
    index("runs_unfinished").on(table.startedAt).where(sql`status = 'running'`),
  ],
);

export const runEvents = pgTable(
  "run_events",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    runId: text("run_id").notNull(),
    seq: integer().notNull(),
    /** `json`: a mocked result keeps its keys in their order. */
    event: json().$type<Record<string, unknown>>().notNull(),
    at: moment("at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.runId, table.seq] })],
);
