CREATE TABLE "signing_keys" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"owner" text NOT NULL,
	"ordinal" integer NOT NULL,
	"did" text,
	"kid" text,
	"public_key" text,
	"sealed" text NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "signing_keys_project_id_owner_ordinal_pk" PRIMARY KEY("project_id","owner","ordinal")
);
--> statement-breakpoint
CREATE TABLE "consents" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"token_hash" text NOT NULL,
	"environment" text NOT NULL,
	"agent_id" text NOT NULL,
	"terms" jsonb NOT NULL,
	"mandate_id" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "consents_project_id_token_hash_pk" PRIMARY KEY("project_id","token_hash")
);
--> statement-breakpoint
CREATE TABLE "funding_sources" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"environment" text NOT NULL,
	"consumer_id" text NOT NULL,
	"currency" text NOT NULL,
	"rail" text NOT NULL,
	"sealed" text NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "funding_sources_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "mandate_slots" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"mandate_id" text NOT NULL,
	"currency" text NOT NULL,
	"cap_minor" bigint NOT NULL,
	"used_minor" bigint NOT NULL,
	"funding_source_id" text NOT NULL,
	CONSTRAINT "mandate_slots_project_id_mandate_id_currency_pk" PRIMARY KEY("project_id","mandate_id","currency")
);
--> statement-breakpoint
CREATE TABLE "mandate_uses" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"mandate_id" text NOT NULL,
	"seq" integer NOT NULL,
	"tool_call_id" text NOT NULL,
	"currency" text NOT NULL,
	"amount_minor" bigint NOT NULL,
	"payee" text NOT NULL,
	"state" text NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "mandate_uses_project_id_mandate_id_seq_pk" PRIMARY KEY("project_id","mandate_id","seq")
);
--> statement-breakpoint
CREATE TABLE "mandates" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"id" text NOT NULL,
	"environment" text NOT NULL,
	"consumer_id" text NOT NULL,
	"agent_id" text NOT NULL,
	"status" text NOT NULL,
	"statement" text NOT NULL,
	"signatures" jsonb NOT NULL,
	"token" text NOT NULL,
	"uses" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "mandates_project_id_id_pk" PRIMARY KEY("project_id","id")
);
--> statement-breakpoint
CREATE TABLE "wallet_slots" (
	"org_id" text NOT NULL,
	"project_id" text NOT NULL,
	"consumer_id" text NOT NULL,
	"currency" text NOT NULL,
	"balance_minor" bigint NOT NULL,
	"held_minor" bigint NOT NULL,
	CONSTRAINT "wallet_slots_project_id_consumer_id_currency_pk" PRIMARY KEY("project_id","consumer_id","currency")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_kid" ON "signing_keys" USING btree ("kid");--> statement-breakpoint
CREATE INDEX "funding_sources_consumer" ON "funding_sources" USING btree ("project_id","consumer_id");--> statement-breakpoint
CREATE UNIQUE INDEX "mandate_uses_call" ON "mandate_uses" USING btree ("project_id","tool_call_id");--> statement-breakpoint
CREATE INDEX "mandate_uses_window" ON "mandate_uses" USING btree ("project_id","mandate_id","currency","used_at");--> statement-breakpoint
CREATE INDEX "mandates_consumer" ON "mandates" USING btree ("project_id","consumer_id","id");--> statement-breakpoint
-- No cap is passed and no wallet overdrawn, whatever code writes to them.
ALTER TABLE "mandate_slots" ADD CONSTRAINT "mandate_slots_cap" CHECK (used_minor >= 0 and used_minor <= cap_minor);--> statement-breakpoint
ALTER TABLE "wallet_slots" ADD CONSTRAINT "wallet_slots_funds" CHECK (held_minor >= 0 and held_minor <= balance_minor);--> statement-breakpoint
ALTER TABLE "mandate_uses" ADD CONSTRAINT "mandate_uses_amount" CHECK (amount_minor > 0);--> statement-breakpoint
ALTER TABLE "mandate_uses" ADD CONSTRAINT "mandate_uses_state" CHECK (state in ('held', 'spent', 'released'));--> statement-breakpoint
ALTER TABLE "mandates" ADD CONSTRAINT "mandates_status" CHECK (status in ('active', 'paused', 'revoked'));--> statement-breakpoint
ALTER TABLE "mandates" ADD CONSTRAINT "mandates_environment" CHECK (environment in ('test', 'live'));--> statement-breakpoint
-- What was signed stays as it was signed.
create function mandate_says_what_was_signed() returns trigger language plpgsql as $$
begin
  if new.statement <> old.statement or new.signatures <> old.signatures or new.id <> old.id then
    raise exception 'mandate % was signed and cannot be rewritten', old.id using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$;--> statement-breakpoint
create trigger mandates_signed before update on mandates for each row execute function mandate_says_what_was_signed();
