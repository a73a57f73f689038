/** Keys that sign: of agents, of the server as issuer, and the secrets that mandates' shared signatures are made with. */
import { integer, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import { moment } from "../db/column-types.ts";

export const signingKeys = pgTable(
  "signing_keys",
  {
    orgId: text("org_id").notNull(),
    projectId: text("project_id").notNull(),
    /** `agent:<id>`, `issuer:<environment>`, `mandates`. */
    owner: text().notNull(),
    ordinal: integer().notNull(),
    /** The document it is published in; null for a shared secret. */
    did: text(),
    kid: text(),
    /** Ed25519: the 32 bytes, base64url; null for a shared secret. */
    publicKey: text("public_key"),
    /** The private key or the secret, sealed (`vault.ts`). */
    sealed: text().notNull(),
    status: text().$type<"active" | "retired" | "revoked">().notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.projectId, table.owner, table.ordinal] }), uniqueIndex("signing_keys_kid").on(table.kid)],
);
