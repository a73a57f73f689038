/** MCP over this process's stdin and stdout, in whichever era the client opens with. Nothing else may be written to stdout. */
import { serveStdio as serve, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import type { Log } from "../rest/request.ts";
import { toolServer, type ToolSource } from "./protocol.ts";

export interface StdioServing {
  /** Resolves when the client has closed stdin, or has gone. Calls still under way are cancelled then. */
  ended: Promise<void>;
  close(): Promise<void>;
}

export function serveStdio(tools: ToolSource, log: Log): StdioServing {
  const transport = new StdioServerTransport();
  const { close } = serve(() => toolServer(tools), { transport, onerror: (error) => log.debug({ err: error }, "an MCP message was refused") });
  const { onclose } = transport;
  const ended = new Promise<void>((resolve) => {
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport is no event target; its server's own handler stays
    transport.onclose = () => {
      onclose?.();
      resolve();
    };
  });
  return { ended, close };
}
