/** Settings are environment variables, parsed once by one schema. A wrong one stops the start and says how to mend it. */
import { z } from "zod";
import { defaultBounds } from "../agent/bounds.ts";
import { DEFAULT_MODEL } from "../agent/model.ts";
import { keyPrefixes } from "./access/keys.ts";

const key = (kind: keyof typeof keyPrefixes) =>
  z.string().regex(new RegExp(`^${keyPrefixes[kind]}[A-Za-z0-9_-]{16,128}$`), `a key that starts with ${keyPrefixes[kind]} and goes on for 16 to 128 letters or digits`);

const bound = (example: string, what: string, fallback: number, most: number) =>
  ({ example, schema: z.coerce.number(`a whole number of ${what}, 1 to ${most}`).int().min(1).max(most).default(fallback) });

/** Far below what a counter in the database holds, ten times over for a service key. */
const CALLS_PER_MINUTE_MAX = 10_000_000;

const callsPerMinute = (example: string, fallback: number) => ({
  example,
  schema: z.coerce.number(`a whole number of calls, 0 (no limit) to ${CALLS_PER_MINUTE_MAX}`).int().min(0).max(CALLS_PER_MINUTE_MAX).default(fallback),
});

/** What each setting is, what it must be, and an example. The README's table is this, for people. */
const settings = {
  PORT: {
    example: "4000",
    schema: z.coerce.number("a port number from 0 to 65535 (0 takes a free one)").int().min(0).max(65535).default(4000),
  },
  HOST: { example: "0.0.0.0", schema: z.string().min(1, "a host name or address to listen on").default("localhost") },
  DATABASE_URL: { example: "postgres://user:secret@db.internal:5432/codespar", schema: z.string().regex(/^postgres(ql)?:\/\//, "a PostgreSQL URL").optional() },
  DATA_DIR: { example: "/var/lib/codespar", schema: z.string().min(1, "a folder this server may write to").default(".codespar") },
  MASTER_KEY: {
    example: "the output of: openssl rand -base64 32",
    schema: z.string().refine((text) => Buffer.from(text, "base64").byteLength === 32, "32 bytes in base64").optional(),
  },
  CHARGE_AMOUNT_UNIT: { example: "minor", schema: z.enum(["minor", "major"], "minor (15000 is R$150.00) or major (150.00)").optional() },
  PUBLIC_URL: { example: "https://pay.example.com", schema: z.url("the http(s) URL under which providers reach this server").optional() },
  ANTHROPIC_API_KEY: { example: "sk-ant-…", schema: z.string().min(1, "an Anthropic API key").optional() },
  ANTHROPIC_BASE_URL: { example: "https://api.anthropic.com", schema: z.url("an http(s) URL").optional() },
  ANTHROPIC_MODEL: { example: "claude-sonnet-5-5", schema: z.string().min(1, "the id of a model").default(DEFAULT_MODEL) },
  AGENT_TURNS_MAX: bound("12", "model answers in one run", defaultBounds.turns, 100),
  AGENT_TOOL_CALLS_MAX: bound("24", "tool calls in one run", defaultBounds.toolCalls, 1_000),
  AGENT_OUTPUT_TOKENS_MAX: bound("32768", "output tokens in one run", defaultBounds.outputTokens, 10_000_000),
  AGENT_INPUT_TOKENS_MAX: bound("400000", "input tokens in one run", defaultBounds.inputTokens, 100_000_000),
  AGENT_SECONDS_MAX: bound("120", "seconds of one run", defaultBounds.timeMs / 1000, 3_600),
  BOOTSTRAP_TEST_KEY: { example: `${keyPrefixes.test}0123456789abcdef`, schema: key("test").optional() },
  BOOTSTRAP_LIVE_KEY: { example: `${keyPrefixes.live}0123456789abcdef`, schema: key("live").optional() },
  BOOTSTRAP_SERVICE_KEY: { example: `${keyPrefixes.service}0123456789abcdef`, schema: key("service").optional() },
  RATE_LIMIT_WRITES_PER_MINUTE: callsPerMinute("1000", 1_000),
  RATE_LIMIT_READS_PER_MINUTE: callsPerMinute("6000", 6_000),
  CORS_ORIGINS: {
    example: "https://shop.example.com,http://localhost:5173",
    schema: z.string().default("").transform((text) => text.split(",").map((origin) => origin.trim()).filter(Boolean)),
  },
  TWINS_URL: { example: "https://localhost:4010", schema: z.url("the URL of a twins process").optional() },
  TWINS_CA_FILE: { example: ".twins/ca.pem", schema: z.string().min(1, "the twins process's CA, PEM").optional() },
  TWIN_SETTLE_MS: { example: "2000", schema: z.coerce.number("milliseconds between steps of a twin").int().min(0).max(3_600_000).default(2_000) },
  NODE_ENV: { example: "production", schema: z.string().optional() },
  LOG_LEVEL: {
    example: "info",
    schema: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], "one of fatal, error, warn, info, debug, trace, silent").default("info"),
  },
} as const;

const Settings = z.object(
  Object.fromEntries(Object.entries(settings).map(([name, { schema }]) => [name, schema])) as { [Name in keyof typeof settings]: (typeof settings)[Name]["schema"] },
);

export type Settings = z.output<typeof Settings>;

/** A setting that cannot be read: its message names the setting, what was expected, and an example. Never the value. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** Parses the environment. An empty variable counts as absent. Throws SettingsError naming every wrong setting. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const given = Object.fromEntries(Object.keys(settings).map((name) => [name, environment[name] || undefined]));
  const parsed = Settings.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]) as keyof typeof settings;
      return `${name}: expected ${issue.message.replace(/^Invalid input: expected /, "")}. Example: ${name}=${settings[name].example}`;
    });
    throw new SettingsError(problems.join("\n"));
  }
  if (parsed.data.TWINS_URL && !parsed.data.TWINS_CA_FILE)
    throw new SettingsError("TWINS_CA_FILE: expected the file the twins process wrote its CA to, because TWINS_URL is set. Example: TWINS_CA_FILE=.twins/ca.pem");
  return parsed.data;
}

/** Every setting's name, for whoever documents them. */
export const settingNames: readonly string[] = Object.keys(settings);
