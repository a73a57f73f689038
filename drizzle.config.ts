// Where drizzle-kit finds the tables and writes migrations: `npm run migration -- --name what_changes`.
import { defineConfig } from "drizzle-kit";

export default defineConfig({ dialect: "postgresql", schema: "./src/*/tables.ts", out: "./src/db/migrations" });
