ALTER TABLE "tool_calls" ADD COLUMN "refund_of" text;--> statement-breakpoint
CREATE INDEX "tool_calls_refund_of" ON "tool_calls" USING btree ("project_id","refund_of") WHERE refund_of is not null;