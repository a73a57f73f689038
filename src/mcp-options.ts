/** What `codespar-server mcp` is told: flags first, then the environment, by the names that the released bin knows. */
import { parseArgs } from "node:util";
import { UsageError } from "./start-error.ts";

export interface McpOptions {
  /** Of the server to relay to; without it the platform runs in this process. */
  baseUrl: string | undefined;
  apiKey: string | undefined;
  projectId: string | undefined;
  userId: string;
  /** Whose own tools are served, beside the meta-tools. */
  servers: readonly string[];
}

const brazilian = ["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie"];
const mexican = ["conekta", "facturapi", "skydropx"];
const argentinian = ["afip", "andreani"];
const colombian = ["wompi", "siigo", "coordinadora"];

/** As the released bin has them: `all` is one of each kind, not every one. */
const presets: Record<string, readonly string[]> = {
  brazilian, mexican, argentinian, argentine: argentinian, colombian,
  all: [...brazilian, "conekta", "facturapi", "afip", "wompi"],
};

export const USAGE = `codespar-server mcp: the tools of CodeSpar for an MCP client, over stdin and stdout

Without a URL everything runs in this process, on the database in DATA_DIR: .codespar where there is one here, else
~/.codespar-server. A server that runs on the same DATA_DIR is joined. With a URL calls go to the server there.

  --url URL          CODESPAR_BASE_URL   the server to relay to
                     CODESPAR_API_KEY    its key, or a key of the database here
  --preset NAME      CODESPAR_PRESET     ${Object.keys(presets).join(", ")}; brazilian when absent
  --servers A,B      CODESPAR_SERVERS    servers whose own tools are served, instead of a preset
  --user ID          CODESPAR_USER_ID    whose session it is; mcp-user when absent
  --project ID       CODESPAR_PROJECT    the project to work in, where the key may choose
  --help
`;

const flags = {
  url: { type: "string" }, preset: { type: "string" }, servers: { type: "string" }, user: { type: "string" }, project: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** An empty variable counts as absent. Throws UsageError. */
export function readMcpOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): McpOptions | "help" {
  const given = flagsOf(args);
  if (given.help) return "help";
  const { CODESPAR_BASE_URL, CODESPAR_API_KEY, CODESPAR_PROJECT, CODESPAR_USER_ID, CODESPAR_SERVERS, CODESPAR_PRESET } = environment;
  const servers = given.servers || (given.preset ? undefined : CODESPAR_SERVERS);
  return {
    baseUrl: baseUrlOf(given.url || CODESPAR_BASE_URL),
    apiKey: CODESPAR_API_KEY || undefined,
    projectId: given.project || CODESPAR_PROJECT || undefined,
    userId: given.user || CODESPAR_USER_ID || "mcp-user",
    servers: servers ? namesIn(servers) : presetNamed(given.preset || CODESPAR_PRESET || "brazilian"),
  };
}

function flagsOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

const namesIn = (text: string): string[] => text.split(",").map((name) => name.trim()).filter(Boolean);

function presetNamed(name: string): readonly string[] {
  if (Object.hasOwn(presets, name)) return presets[name]!;
  throw new UsageError(`--preset, CODESPAR_PRESET: expected one of ${Object.keys(presets).join(", ")}, not ${name}.`);
}

function baseUrlOf(text: string | undefined): string | undefined {
  if (!text) return undefined;
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, "");
  throw new UsageError("--url, CODESPAR_BASE_URL: expected an http(s) URL. Example: CODESPAR_BASE_URL=http://localhost:4000");
}
