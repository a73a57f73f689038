DROP INDEX "sessions_idle";--> statement-breakpoint
ALTER TABLE "run_events" ALTER COLUMN "event" SET DATA TYPE json;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "request_key" text;--> statement-breakpoint
ALTER TABLE "tool_calls" ADD COLUMN "key_given" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "runs_request_key" ON "runs" USING btree ("project_id","session_id","request_key");--> statement-breakpoint
CREATE INDEX "runs_unfinished" ON "runs" USING btree ("started_at") WHERE status = 'running';--> statement-breakpoint
CREATE INDEX "sessions_idle" ON "sessions" USING btree ("last_active_at") WHERE status = 'active';