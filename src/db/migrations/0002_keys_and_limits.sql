CREATE TABLE "rate_windows" (
	"org_id" text NOT NULL,
	"key_id" text NOT NULL,
	"bucket" text NOT NULL,
	"window_start" timestamp (3) with time zone NOT NULL,
	"taken" integer NOT NULL,
	CONSTRAINT "rate_windows_key_id_bucket_pk" PRIMARY KEY("key_id","bucket")
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "last_used_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "expires_at" timestamp (3) with time zone;