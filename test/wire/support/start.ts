/** A whole server that listens, and a fetch on which every exchange with it is held against the published contract. */
import { afterAll, afterEach, expect } from "vitest";
import { liveKey, startApp, testKey, type App } from "../../support/app.ts";
import { messagesApi, type MessagesApi, type Turn } from "../../support/messages-api.ts";
import { contractFetch, type ContractFetch, type Fetch } from "./contract.ts";

export interface Wire extends Omit<ContractFetch, "takeViolations"> {
  app: App;
  baseUrl: string;
  /** What a client is configured with: where, as whom, and over which fetch. */
  client: ClientOptions;
  /** The same with the key of a live project. */
  live: ClientOptions;
  /** What the model was asked, where `turns` were given. */
  model: MessagesApi | undefined;
}

/** How long a test waits for what must come over a socket, at most: a loaded machine takes its time. */
export const soon = { timeout: 10_000 };

export interface ClientOptions {
  baseUrl: string;
  apiKey: string;
  projectId?: string;
  fetch: Fetch;
}

/** turns  what a model answers, one a request; without them the offline planner answers */
export async function startWire(options: Parameters<typeof startApp>[0] & { turns?: readonly Turn[] } = {}): Promise<Wire> {
  const { turns, ...appOptions } = options;
  const model = turns && messagesApi(turns);
  const modelServer = await model?.listen();
  afterAll(() => modelServer?.close());
  const app = await startApp({
    ...appOptions,
    env: {
      HOST: "127.0.0.1", PORT: "0", ...(modelServer && { ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: modelServer.baseUrl }), ...appOptions.env,
    },
  });
  const { url: baseUrl } = await app.listen();
  const { takeViolations, ...contract } = contractFetch();
  afterEach(() => expect(takeViolations(), "violations of schema/published/openapi.json").toEqual([]));
  const client = { baseUrl, apiKey: testKey, fetch: contract.fetch };
  return { app, baseUrl, ...contract, client, live: { ...client, apiKey: liveKey }, model };
}
