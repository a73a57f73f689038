CREATE TABLE "checkouts" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"tool_call_id" text NOT NULL,
	"provider" text,
	"connection_id" text,
	"status" text NOT NULL,
	"sealed" text,
	"total_minor" bigint,
	"error" text,
	"reason_code" text,
	"reason_hint" text,
	"notes" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "checkouts_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "checkouts_tool_call" ON "checkouts" USING btree ("project_id","tool_call_id");