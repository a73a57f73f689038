/** A provider's own tools against its twin, in memory: each is run as the pipeline would, and what went out is kept. */
import { randomUUID } from "node:crypto";
import { clientCertificate } from "../../providers/client-certificate.ts";
import { Passthrough } from "../../providers/native.ts";
import { Rejected, type CallContext, type ProviderDefinition } from "../../providers/provider.ts";
import { presenting } from "../../providers/transport.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinDefinition, TwinWebhook } from "../../providers/twin.ts";
import { FakeClock } from "./fake-clock.ts";

const SETTLE_AFTER_MS = 3_600_000;

export interface SentRequest {
  method: string;
  url: string;
  headers: Headers;
  body: string;
}

export async function nativeWorld(definition: ProviderDefinition, twinDefinition: TwinDefinition) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = twinDefinition.create({ store, clock, settleAfterMs: SETTLE_AFTER_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: `https://codespar.example/v1/webhooks/${definition.id}/ca_1` });
  const sent: SentRequest[] = [];
  const ran = new Set<string>();
  const { client, tools } = definition.native!;
  const open = (change: { credentials?: Record<string, string>; settings?: Record<string, string> } = {}) =>
    client({ ...account, ...change, baseUrl: definition.hosts.test }, presenting(async (request) => {
      const { method, url, headers } = request;
      sent.push({ method, url, headers, body: await request.clone().text() });
      return twin.fetch(request);
    }, definition.mutualTls && clientCertificate(account.credentials)));

  /** The answer as it came; throws what the client throws. */
  async function run(name: string, args: object = {}, http = open()): Promise<any> {
    const tool = tools.find((each) => each.name === name);
    if (!tool) throw new Error(`${definition.id} has no tool ${name}`);
    ran.add(name);
    const call: CallContext = {
      reference: randomUUID(), toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {},
    };
    const spec = tool.request(tool.input.parse(args), call);
    return http[tool.effect === "reads" ? "ask" : "act"](spec, Passthrough, call);
  }

  return {
    clock, store, twin, account, webhooks, sent, open, run,
    /** The provider's refusal. */
    refusal: async (name: string, args: object = {}, http = open()): Promise<Rejected> => {
      const error: unknown = await run(name, args, http).then(() => undefined, (thrown: unknown) => thrown);
      if (!(error instanceof Rejected)) throw new Error(`${name} was not refused`, { cause: error });
      return error;
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(SETTLE_AFTER_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
    /** Tools that this world has not run yet. */
    unrun: () => tools.map(({ name }) => name).filter((name) => !ran.has(name)),
  };
}
