/** An adapter of a carrier connected to its twin, and what went over the wire between them. */
import { Passthrough } from "../../providers/native.ts";
import type { CallContext, ConnectionConfig, Fetch, Outcome, ProviderDefinition } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinDefinition, TwinWebhook } from "../../providers/twin.ts";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { FakeClock } from "./fake-clock.ts";

export const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c222";
const SETTLE_AFTER_MS = 1_000;

export interface Received {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: unknown;
}

export async function startCarrier(
  { definition, twin: twinDefinition }: { definition: ProviderDefinition; twin: TwinDefinition },
  settings: Record<string, string> = {},
) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const webhooks: TwinWebhook[] = [];
  const twin = twinDefinition.create({ store, clock, settleAfterMs: SETTLE_AFTER_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: "https://shop.example/v1/webhooks/ca_1" });
  /** Answers in the twin's place, or throws, while it is set. */
  const instead: { answer?: (path: string, apply: () => Promise<Response>) => Response | undefined | Promise<Response | undefined> } = {};
  const connection: ConnectionConfig = {
    credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: definition.hosts.test,
  };
  const fetch: Fetch = async (request) => {
    const { pathname, search } = new URL(request.url);
    const path = decodeURIComponent(pathname + search);
    received.push({
      method: request.method, path, headers: Object.fromEntries(request.headers), body: jsonOrText(await request.clone().text()),
    });
    return (await instead.answer?.(path, () => twin.fetch(request))) ?? twin.fetch(request);
  };
  const provider = definition.connect(connection, fetch);
  const newCall = (): CallContext => {
    const call: CallContext = {
      reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
      note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
    };
    return call;
  };
  return {
    clock, received, webhooks, account, connection, instead, twin, fetch, newCall,
    quote: (request: ShipRequest, call = newCall()) => provider.quote!(request, call),
    label: (request: ShipRequest, call = newCall()) => provider.label!(request, call),
    track: (request: ShipRequest, call = newCall()) => provider.track!(request, call),
    lookup: (call: CallContext, ref?: string) => provider.lookup!({ verb: "label", reference: call.reference, ref, currency: undefined }, call),
    paths: () => received.map(({ method, path }) => `${method} ${path}`),
    bodyOf: (path: string) => received.find((request) => request.path.startsWith(path))?.body,
    /** Runs one of the provider's own tools, its arguments parsed as a caller's are. */
    async native(name: string, args: Record<string, unknown>): Promise<any> {
      const { client, tools } = definition.native!;
      const tool = tools.find((one) => one.name === name)!;
      const spec = tool.request(tool.input.parse(args), { reference: REFERENCE });
      return client(connection, fetch)[tool.effect === "reads" ? "ask" : "act"](spec, Passthrough, newCall());
    },
    async rest(steps: number) {
      for (let step = 0; step < steps; step++) {
        await clock.advance(SETTLE_AFTER_MS);
        await store.runDue((due) => twin.run(due));
      }
    },
  };
}

export function accepted(outcome: Outcome<ShipResult>) {
  if (outcome.outcome !== "accepted") throw new Error(`declined: ${outcome.message}`);
  return outcome;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
