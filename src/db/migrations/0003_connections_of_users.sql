CREATE TABLE "connect_links" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"token_hash" text NOT NULL,
	"server_id" text NOT NULL,
	"user_id" text NOT NULL,
	"environment" text NOT NULL,
	"redirect_uri" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone,
	CONSTRAINT "connect_links_project_id_token_hash_pk" PRIMARY KEY("project_id","token_hash")
);
--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "user_id" text;--> statement-breakpoint
CREATE UNIQUE INDEX "connect_links_token" ON "connect_links" USING btree ("token_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "connections_live" ON "connections" USING btree ("project_id","server_id",coalesce("user_id", '')) WHERE status = 'connected';