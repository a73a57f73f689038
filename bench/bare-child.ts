/** What a server costs that does nothing: bare node:http, a ready-made answer, and raw writes to whoever listens. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerParent } from "./child.ts";

export type BareChild = typeof functions;

/** Streams are opened here; anything else gets the answer. */
const EVENTS_PATH = "/events";

const listeners = new Set<ServerResponse>();
let answer = "{}";

const server = createServer((request, response) => {
  if (request.url !== EVENTS_PATH) {
    response.writeHead(200, { "content-type": "application/json" }).end(answer);
    return;
  }
  listeners.add(response);
  response.once("close", () => listeners.delete(response));
  response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
});
await once(server.listen(0, "127.0.0.1"), "listening");

const functions = {
  where: () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url, eventsUrl: url + EVENTS_PATH };
  },
  /** From now on answers with JSON of this size. */
  answerWith: ({ bytes }: { bytes: number }) => {
    answer = JSON.stringify({ data: "x".repeat(Math.max(0, bytes - JSON.stringify({ data: "" }).length)) });
  },
  /** Writes to every open stream, and returns when it began to, like `update` of the product. */
  write: ({ frame }: { frame: string }) => {
    const bytes = Buffer.from(frame);
    const beganAt = String(process.hrtime.bigint());
    for (const listener of listeners) listener.write(bytes);
    return beganAt;
  },
};

answerParent(functions, async () => {
  server.close();
  server.closeAllConnections();
});
