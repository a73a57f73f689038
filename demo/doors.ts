/** The demo as a client: it knows a URL and a key, and speaks to each door with that door's own client library. */
import { Client as McpClient, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTRPCClient, httpBatchStreamLink } from "@trpc/client";
import { createClient as createGraphqlSse } from "graphql-sse";
import type { AppRouter } from "../src/surfaces/trpc/client.ts";

export interface Doors {
  openSession(userId: string): Promise<string>;
  /** `sendStream` of the released clients: POST with `Accept: text/event-stream`. */
  sendStream(sessionId: string, message: string): AsyncGenerator<SendFrame>;
  /** Payment states as a GraphQL subscription sees them, until it completes. */
  watchPayment(toolCallId: string): AsyncGenerator<string>;
  /** The status of one payment, read through each door. */
  readPayment: Record<"graphql" | "trpc" | "rest" | "mcp", (at: { sessionId: string; toolCallId: string }) => Promise<string>>;
  rest<Answer>(path: string): Promise<Answer>;
}

export interface SendFrame {
  type: string;
  [member: string]: unknown;
}

export function openDoors(url: string, key: string): Doors {
  const headers = { authorization: `Bearer ${key}` };
  const jsonHeaders = { ...headers, "content-type": "application/json" };

  async function rest<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(url + path, { ...init, headers: jsonHeaders });
    if (!response.ok) throw new Error(`${init.method ?? "GET"} ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Answer;
  }

  async function graphql<Data>(query: string, variables: object): Promise<Data> {
    const { data, errors } = await rest<{ data?: Data; errors?: { message: string }[] }>("/graphql", {
      method: "POST", body: JSON.stringify({ query, variables }),
    });
    if (!data || errors) throw new Error(`GraphQL: ${errors?.[0]?.message ?? "no data"}`);
    return data;
  }

  const trpc = createTRPCClient<AppRouter>({ links: [httpBatchStreamLink({ url: `${url}/trpc`, headers })] });

  return {
    rest,
    openSession: async (userId) =>
      (await rest<{ id: string }>("/v1/sessions", { method: "POST", body: JSON.stringify({ user_id: userId, servers: [] }) })).id,

    async *sendStream(sessionId, message) {
      const response = await fetch(`${url}/v1/sessions/${sessionId}/send`, {
        method: "POST", headers: { ...jsonHeaders, accept: "text/event-stream" }, body: JSON.stringify({ message }),
      });
      if (!response.ok || !response.body) throw new Error(`send answered ${response.status}: ${await response.text()}`);
      yield* frames(response.body);
    },

    async *watchPayment(toolCallId) {
      const client = createGraphqlSse({ url: `${url}/graphql`, headers });
      const query = "subscription ($id: String!) { paymentStatus(toolCallId: $id) { status } }";
      for await (const { data, errors } of client.iterate<{ paymentStatus: { status: string } }>({ query, variables: { id: toolCallId } })) {
        if (errors) throw new Error(`GraphQL: ${errors[0]?.message}`);
        if (data) yield data.paymentStatus.status;
      }
    },

    readPayment: {
      graphql: async ({ toolCallId }) =>
        (await graphql<{ paymentStatus: { status: string } }>("query ($id: String!) { paymentStatus(toolCallId: $id) { status } }", { id: toolCallId })).paymentStatus.status,
      trpc: async ({ toolCallId }) => (await trpc.payments.status.query({ tool_call_id: toolCallId })).status,
      rest: async ({ toolCallId }) => (await rest<{ payment_status: string }>(`/v1/tool-calls/${toolCallId}/payment-status`)).payment_status,
      mcp: async ({ sessionId, toolCallId }) => {
        const client = new McpClient({ name: "codespar-demo", version: "1.0.0" });
        await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/v1/sessions/${sessionId}/mcp`), { requestInit: { headers } }));
        const answer = await client.callTool({ name: "codespar_pay", arguments: { action: "status", payment_id: toolCallId } });
        await client.close();
        const { data } = answer.structuredContent as { data: { status: string } };
        return data.status;
      },
    },
  };
}

/** Events of a chat stream: the JSON of each `data:` line. */
async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<SendFrame> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const complete = rest.split("\n\n");
    rest = complete.pop()!;
    for (const frame of complete) {
      const data = frame.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6)) as SendFrame;
    }
  }
}
