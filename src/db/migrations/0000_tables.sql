CREATE TABLE "api_keys" (
	"org_id" text NOT NULL,
	"project_id" text,
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"prefix" text NOT NULL,
	"hash" text NOT NULL,
	"environment" text,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "organizations" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"org_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"slug" text NOT NULL,
	"environment" text NOT NULL,
	"is_default" boolean NOT NULL,
	"settings" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "projects_org_id_id_pk" PRIMARY KEY("org_id","id")
);
--> statement-breakpoint
CREATE TABLE "run_events" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"run_id" text NOT NULL,
	"seq" integer NOT NULL,
	"event" jsonb NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "run_events_project_id_run_id_seq_pk" PRIMARY KEY("project_id","run_id","seq")
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"session_id" text NOT NULL,
	"message" text NOT NULL,
	"status" text NOT NULL,
	"model" text NOT NULL,
	"iterations" integer DEFAULT 0 NOT NULL,
	"input_tokens" integer DEFAULT 0 NOT NULL,
	"output_tokens" integer DEFAULT 0 NOT NULL,
	"result" json,
	"error_code" text,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "runs_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "connections" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"server_id" text NOT NULL,
	"environment" text NOT NULL,
	"status" text NOT NULL,
	"display_name" text NOT NULL,
	"sealed" text NOT NULL,
	"settings" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"connected_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "connections_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "data_keys" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"version" integer NOT NULL,
	"wrapped" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "data_keys_project_id_version_pk" PRIMARY KEY("project_id","version")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"transaction" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"topic" text NOT NULL,
	"subject" text NOT NULL,
	"session_id" text,
	"data" jsonb,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "outbox_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "dispatches" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"tool_call_id" text NOT NULL,
	"attempt" integer NOT NULL,
	"provider" text NOT NULL,
	"rail" text NOT NULL,
	"connection_id" text NOT NULL,
	"outcome" text,
	"notes" jsonb NOT NULL,
	"error" text,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"duration_ms" integer,
	CONSTRAINT "dispatches_project_id_tool_call_id_attempt_pk" PRIMARY KEY("project_id","tool_call_id","attempt")
);
--> statement-breakpoint
CREATE TABLE "tool_calls" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"session_id" text NOT NULL,
	"run_id" text,
	"origin" text NOT NULL,
	"environment" text NOT NULL,
	"tool_name" text NOT NULL,
	"server_id" text NOT NULL,
	"provider" text,
	"rail" text,
	"connection_id" text,
	"status" text NOT NULL,
	"outcome" text,
	"settles" text,
	"state" text,
	"idempotency_key" text,
	"external_reference" text,
	"fingerprint" text,
	"intent" text,
	"provider_ref" text,
	"amount_minor" bigint,
	"currency" text,
	"final_amount_minor" bigint,
	"settled_at" timestamp (3) with time zone,
	"input" jsonb NOT NULL,
	"output" json,
	"error_code" text,
	"error" jsonb,
	"routing" jsonb,
	"failover_trail" jsonb,
	"metadata" jsonb,
	"duration_ms" integer,
	"called_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"lease_until" timestamp (3) with time zone,
	CONSTRAINT "tool_calls_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "jobs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"key" text,
	"payload" jsonb NOT NULL,
	"run_at" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"last_error" text,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"transaction_id" text NOT NULL,
	"line" integer NOT NULL,
	"account" text NOT NULL,
	"currency" text NOT NULL,
	"direction" text NOT NULL,
	"amount_minor" bigint NOT NULL,
	CONSTRAINT "ledger_entries_project_id_transaction_id_line_pk" PRIMARY KEY("project_id","transaction_id","line")
);
--> statement-breakpoint
CREATE TABLE "ledger_transactions" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"key" text NOT NULL,
	"tool_call_id" text,
	"description" text NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"posted_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "ledger_transactions_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "notifications" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"server_id" text NOT NULL,
	"connection_id" text NOT NULL,
	"method" text NOT NULL,
	"target" text NOT NULL,
	"headers" jsonb NOT NULL,
	"body" "bytea" NOT NULL,
	"status" text NOT NULL,
	"attempts" integer NOT NULL,
	"problem" text,
	"received_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "notifications_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "mock_uses" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"session_id" text NOT NULL,
	"tool" text NOT NULL,
	"used" integer NOT NULL,
	CONSTRAINT "mock_uses_project_id_session_id_tool_pk" PRIMARY KEY("project_id","session_id","tool")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"user_id" text NOT NULL,
	"environment" text NOT NULL,
	"servers" text[] NOT NULL,
	"status" text NOT NULL,
	"metadata" jsonb,
	"mocks" json,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_active_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"close_reason" text,
	CONSTRAINT "sessions_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "settlement_events" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "settlement_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"tool_call_id" text NOT NULL,
	"event_key" text NOT NULL,
	"event_type" text NOT NULL,
	"state" text NOT NULL,
	"provider" text,
	"provider_action" text,
	"provider_ref" text,
	"amount_minor" bigint,
	"fee_minor" bigint,
	"currency" text,
	"end_to_end_id" text,
	"details" jsonb,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "settlement_events_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "twin_counters" (
	"twin" text NOT NULL,
	"counter" text NOT NULL,
	"value" bigint NOT NULL,
	CONSTRAINT "twin_counters_twin_counter_pk" PRIMARY KEY("twin","counter")
);
--> statement-breakpoint
CREATE TABLE "twin_values" (
	"twin" text NOT NULL,
	"key" text NOT NULL,
	"value" jsonb NOT NULL,
	CONSTRAINT "twin_values_twin_key_pk" PRIMARY KEY("twin","key")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_org_id_organizations_id_fk" FOREIGN KEY ("org_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "projects" ADD CONSTRAINT "projects_org_id_organizations_id_fk" FOREIGN KEY ("org_id") REFERENCES "public"."organizations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "api_keys" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "api_keys_project" ON "api_keys" USING btree ("org_id","project_id");--> statement-breakpoint
CREATE UNIQUE INDEX "projects_id" ON "projects" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "projects_slug" ON "projects" USING btree ("org_id","slug");--> statement-breakpoint
CREATE INDEX "runs_session" ON "runs" USING btree ("project_id","session_id");--> statement-breakpoint
CREATE UNIQUE INDEX "connections_id" ON "connections" USING btree ("id");--> statement-breakpoint
CREATE INDEX "connections_server" ON "connections" USING btree ("project_id","server_id");--> statement-breakpoint
CREATE INDEX "outbox_order" ON "outbox" USING btree ("transaction","id");--> statement-breakpoint
CREATE INDEX "outbox_session" ON "outbox" USING btree ("project_id","session_id","transaction","id");--> statement-breakpoint
CREATE INDEX "dispatches_health" ON "dispatches" USING btree ("project_id","provider","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "tool_calls_id" ON "tool_calls" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "tool_calls_idempotency_key" ON "tool_calls" USING btree ("project_id","idempotency_key");--> statement-breakpoint
CREATE UNIQUE INDEX "tool_calls_intent" ON "tool_calls" USING btree ("project_id","intent");--> statement-breakpoint
CREATE INDEX "tool_calls_reference" ON "tool_calls" USING btree ("project_id","external_reference");--> statement-breakpoint
CREATE INDEX "tool_calls_provider_ref" ON "tool_calls" USING btree ("project_id","provider","provider_ref");--> statement-breakpoint
CREATE INDEX "tool_calls_session" ON "tool_calls" USING btree ("project_id","session_id","id");--> statement-breakpoint
CREATE INDEX "tool_calls_unfinished" ON "tool_calls" USING btree ("lease_until") WHERE status = 'running';--> statement-breakpoint
CREATE INDEX "jobs_due" ON "jobs" USING btree ("run_at");--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_key" ON "jobs" USING btree ("kind","key");--> statement-breakpoint
CREATE INDEX "ledger_entries_account" ON "ledger_entries" USING btree ("project_id","account","currency");--> statement-breakpoint
CREATE UNIQUE INDEX "ledger_transactions_key" ON "ledger_transactions" USING btree ("project_id","key");--> statement-breakpoint
CREATE INDEX "ledger_transactions_call" ON "ledger_transactions" USING btree ("project_id","tool_call_id");--> statement-breakpoint
CREATE INDEX "notifications_open" ON "notifications" USING btree ("status","received_at") WHERE status in ('received', 'unmatched');--> statement-breakpoint
CREATE UNIQUE INDEX "sessions_id" ON "sessions" USING btree ("id");--> statement-breakpoint
CREATE INDEX "sessions_idle" ON "sessions" USING btree ("last_active_at");--> statement-breakpoint
CREATE UNIQUE INDEX "settlement_events_key" ON "settlement_events" USING btree ("project_id","tool_call_id","event_key");--> statement-breakpoint
CREATE INDEX "settlement_events_call" ON "settlement_events" USING btree ("project_id","tool_call_id","id");