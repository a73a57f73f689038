/**
 * A provider that exists nowhere, as small as one can be that does everything: a preparing question, a request with
 * effect, a question after it, a lookup, signed webhooks. With it, tests of the shared parts hang on no real company.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { httpClient } from "../../providers/http.ts";
import {
  Rejected, SetupMissing, type CallContext, type LookupSubject, type NotificationScheme, type Observation,
  type Provider, type ProviderDefinition, type ProviderVerbs,
} from "../../providers/provider.ts";
import type { TwinContext, TwinDefinition } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";

export const examplepay: ProviderDefinition = {
  id: "examplepay",
  title: "ExamplePay",
  category: "payments",
  country: "BR",
  authType: "api_key",
  hosts: { live: "https://api.examplepay.example/v1", test: "https://sandbox.examplepay.example/v1" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true }],
  settings: [{ name: "store_id", label: "Store", secret: false, required: true }],
  repeats: "ignores",
  connect({ credentials, settings, baseUrl }, fetch): Provider {
    const http = httpClient({
      provider: "examplepay", baseUrl, fetch, headers: { authorization: `Bearer ${credentials["api_key"]}` },
    });
    const charge: ProviderVerbs["charge"] = async (request, call) => {
      const store = settings["store_id"];
      if (!store) throw new SetupMissing("store_id");
      try {
        await http.ask({ method: "GET", path: `/stores/${store}` }, z.object({ id: z.string() }), call);
        const made = await http.act({ method: "POST", path: "/charges", body: toBody(request, call) }, Charge, call);
        const { code } = await http.ask({ method: "GET", path: `/charges/${made.id}/code` }, Code, call);
        return {
          outcome: "accepted", ref: made.id, state: states[made.status], action: made.status,
          result: {
            id: made.id, status: "pending", amount: request.amount, currency: request.currency, method: request.method,
            pix_copy_paste: code,
          },
        };
      } catch (error) {
        if (!(error instanceof Rejected) || call.acted) throw error;
        const reason = error.status === 401 ? "unauthorized" : error.status === 429 ? "rate_limited" : "refused";
        return { outcome: "declined", reason, message: `ExamplePay answered ${error.status}` };
      }
    };
    return {
      charge,
      async lookup({ reference, ref }: LookupSubject, call): Promise<Observation | undefined> {
        const query = ref ? { id: ref } : { external_id: reference };
        const [found] = await http.ask({ method: "GET", path: "/charges", query }, z.array(Charge), call);
        return found && observed(found);
      },
    };
  },
  notifications: {
    verify(message, { secrets, now }) {
      const [timestamp = "", given = ""] = (message.headers.get("example-signature") ?? "").split(".");
      const text = `${timestamp}.${new TextDecoder().decode(message.body)}`;
      const matches = secrets.filter(Boolean).some((secret) => same(Buffer.from(given, "hex"), sign(secret, text)));
      if (!matches) return { ok: false, reason: "the signature does not match" };
      return Math.abs(now.getTime() - Number(timestamp)) <= 300_000 ? { ok: true } : { ok: false, reason: "it is old" };
    },
    read(message) {
      const event = Event.safeParse(JSON.parse(new TextDecoder().decode(message.body)));
      if (!event.success) return [];
      const { id, charge } = event.data;
      return [{ eventId: id, ref: charge.id, reference: charge.external_id, observation: observed(charge) }];
    },
  } satisfies NotificationScheme,
};

const Code = z.object({ code: z.string() });
const Status = z.enum(["OPEN", "PAID"]);
const Charge = z.object({ id: z.string(), external_id: z.string(), amount: z.string(), status: Status });
type Charge = z.infer<typeof Charge>;
const Event = z.object({ id: z.string(), charge: Charge });
const states = { OPEN: "pending", PAID: "succeeded" } as const;

const toBody = (request: ChargeRequest, call: CallContext) => ({
  external_id: call.reference, amount: toDecimal({ amountMinor: request.amount, currency: request.currency }),
});

const observed = (charge: Charge): Observation => ({
  ref: charge.id, state: states[charge.status], action: charge.status, amountMinor: fromDecimal(charge.amount, "BRL")!,
});

const sign = (secret: string, text: string): Buffer => createHmac("sha256", secret).update(text).digest();
const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

interface Account {
  apiKey: string;
  webhookUrl: string;
  webhookSecret: string;
}

export const examplepayTwin: TwinDefinition = {
  id: "examplepay",
  hosts: ["api.examplepay.example", "sandbox.examplepay.example"],
  magic: { "amount 13.13": "is refused" },
  create: ({ store, clock, settleAfterMs, deliver }: TwinContext) => ({
    async fetch(request) {
      const apiKey = request.headers.get("authorization")?.replace("Bearer ", "");
      const account = await store.get<Account>(`account/${apiKey}`);
      if (!account) return Response.json({ error: "who are you" }, { status: 401 });
      const url = new URL(request.url);
      const [, , kind, id, part] = url.pathname.split("/");
      if (kind === "stores") return Response.json({ id });
      if (part === "code") return Response.json({ code: `code of ${id}` });
      if (request.method === "POST") {
        const body = (await request.json()) as Pick<Charge, "external_id" | "amount">;
        if (body.amount === "13.13") return Response.json({ error: "refused" }, { status: 402 });
        const charge = { id: `chg_${await store.next("charge")}`, ...body, status: "OPEN" };
        await store.put(`charge/${charge.id}`, { ...charge, apiKey: account.apiKey });
        await store.schedule({ name: "pay", id: charge.id }, new Date(clock.now().getTime() + settleAfterMs));
        return Response.json(charge, { status: 201 });
      }
      const { id: wanted, external_id } = Object.fromEntries(url.searchParams);
      const all = await store.list<Charge>("charge/");
      return Response.json(all.filter((charge) => charge.id === wanted || charge.external_id === external_id));
    },
    async openAccount({ webhookUrl }) {
      const apiKey = `exk_${randomBytes(16).toString("hex")}`;
      const webhookSecret = `exw_${randomBytes(16).toString("hex")}`;
      await store.put(`account/${apiKey}`, { apiKey, webhookUrl, webhookSecret });
      return { credentials: { api_key: apiKey }, settings: { store_id: "store-1" }, webhookSecret };
    },
    async run(step) {
      type Kept = Charge & { apiKey: string };
      const paid = await store.update<Kept>(`charge/${step["id"]}`, (charge) => ({ ...charge, status: "PAID" }));
      const account = await store.get<Account>(`account/${paid?.apiKey}`);
      if (!paid || !account) return;
      const { apiKey: _, ...charge } = paid;
      const body = JSON.stringify({ id: `evt_${charge.id}`, charge });
      const timestamp = clock.now().getTime();
      const signature = `${timestamp}.${sign(account.webhookSecret, `${timestamp}.${body}`).toString("hex")}`;
      await deliver({
        url: account.webhookUrl, body, headers: { "content-type": "application/json", "example-signature": signature },
      });
    },
  }),
};
