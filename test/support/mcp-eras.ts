/** The two eras of MCP, as options of the official client: the handshake of 2025, and requests that say everything themselves (2026). */
import type { ClientOptions } from "@modelcontextprotocol/client";

export const eras: readonly (readonly [era: string, options: ClientOptions])[] = [
  ["2025", {}],
  ["2026", { versionNegotiation: { mode: "auto" } }],
];
