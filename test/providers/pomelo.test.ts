/** Pomelo against its twin, and what is particular to it: its token, its words for a card's state, and what is never read. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { pomelo } from "../../providers/pomelo/index.ts";
import { pomeloTwin } from "../../providers/pomelo/twin.ts";
import type { CallContext, Fetch, Provider } from "../../providers/provider.ts";
import { hostTwins } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { IssueRequest } from "../../schema/meta-tools/issue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const virtual: IssueRequest = { action: "card-virtual", cardholder_id: "usr-1", program_id: "afg-1" };
const address = { line_1: "Rua Augusta", number: "100", city: "São Paulo", state: "SP", postal_code: "01305-000", country: "br" };

const cardOf = async (provider: Provider, call: CallContext): Promise<string> => {
  const made = await provider.issueCard!(virtual, call);
  return made.outcome === "accepted" ? made.ref : "";
};

providerConformance({
  definition: pomelo,
  twin: pomeloTwin,
  verbs: {
    issueCard: { request: virtual, declined: { ...virtual, cardholder_id: "unknown-1" }, carriesReference: false, findsByReference: false },
    controlCard: {
      request: async (provider, call) => ({ action: "card-control", card_id: await cardOf(provider, call), control: "freeze" }),
      declined: { action: "card-control", card_id: "crd-none", control: "freeze" },
      carriesReference: false, repeats: "replays",
    },
    readCard: {
      request: async (provider, call) => ({ action: "card-get", card_id: await cardOf(provider, call) }),
      declined: { action: "card-get", card_id: "crd-none" },
    },
  },
});

async function newAccount(change: (fetch: Fetch) => Fetch = (fetch) => fetch) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const host = hostTwins({ twins: [pomeloTwin], clock, storeFor: () => store, send: async () => new Response() });
  const { credentials } = await host.openAccount("pomelo", { webhookUrl: "https://hooks.example/1" });
  const provider = pomelo.connect({ credentials, settings: {}, baseUrl: pomelo.hosts.test }, change(host.fetch));
  const newCall = (): CallContext => {
    const call: CallContext = {
      reference: randomUUID(), toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
      note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
    };
    return call;
  };
  return { clock, host, provider, newCall };
}

test("a virtual card is active at once, and its result has four digits and no more", async () => {
  const { provider, newCall, host } = await newAccount();
  const made = await provider.issueCard!(virtual, newCall());
  expect(made).toMatchObject({
    outcome: "accepted", action: "ACTIVE",
    result: { status: "ACTIVE", card_type: "VIRTUAL", last_four: "0001", cardholder_id: "usr-1", program_id: "afg-1", id: expect.stringMatching(/^crd-/) },
  });
  expect(JSON.parse(host.requests("pomelo").at(-1)!.body)).toEqual({ user_id: "usr-1", affinity_group_id: "afg-1", card_type: "VIRTUAL" });
});

test("a physical card carries its address, the country in three letters, and waits to be activated", async () => {
  const { provider, newCall, host } = await newAccount();
  const made = await provider.issueCard!({ ...virtual, action: "card-physical", shipping_address: address }, newCall());
  expect(made).toMatchObject({ outcome: "accepted", result: { status: "CREATED", card_type: "PHYSICAL" } });
  expect(JSON.parse(host.requests("pomelo").at(-1)!.body)).toMatchObject({
    address: { street_name: "Rua Augusta", street_number: "100", zip_code: "01305-000", city: "São Paulo", region: "SP", country: "BRA" },
  });
  const elsewhere = await provider.issueCard!({ ...virtual, action: "card-physical", shipping_address: { ...address, country: "DE" } }, newCall());
  expect(elsewhere).toMatchObject({ outcome: "declined", field: "shipping_address.country" });
});

test.each([["freeze", "BLOCKED"], ["unfreeze", "ACTIVE"], ["cancel", "DISABLED"]] as const)("%s makes a card %s", async (control, status) => {
  const { provider, newCall, host } = await newAccount();
  const card_id = await cardOf(provider, newCall());
  expect(await provider.controlCard!({ action: "card-control", card_id, control }, newCall())).toMatchObject({ outcome: "accepted", ref: card_id, result: { status } });
  expect(JSON.parse(host.requests("pomelo").at(-1)!.body)).toEqual({ status, status_reason: "CLIENT_INTERNAL_REASON" });
  expect(await provider.readCard!({ action: "card-get", card_id }, newCall())).toMatchObject({ outcome: "accepted", result: { status } });
});

test("a cancelled card cannot be taken into use again", async () => {
  const { provider, newCall } = await newAccount();
  const card_id = await cardOf(provider, newCall());
  await provider.controlCard!({ action: "card-control", card_id, control: "cancel" }, newCall());
  const again = await provider.controlCard!({ action: "card-control", card_id, control: "unfreeze" }, newCall());
  expect(again).toMatchObject({ outcome: "declined", message: "Pomelo refused: A disabled card stays disabled." });
});

test("a number where the last four digits stand is not read", async () => {
  const pan = "5412751234123456";
  const { provider, newCall } = await newAccount((fetch) => async (request) => {
    const answer = await fetch(request);
    if (!request.url.includes("/cards/v1")) return answer;
    const { data } = (await answer.json()) as { data: object };
    return Response.json({ data: { ...data, last_four: pan, pan, cvv: "123" } }, { status: answer.status });
  });
  const made = await provider.issueCard!(virtual, newCall());
  expect(made).toMatchObject({ outcome: "accepted", result: { status: "ACTIVE" } });
  expect(JSON.stringify(made)).not.toContain(pan);
});

test("one token serves until it ends, and another is fetched then", async () => {
  const { clock, provider, newCall, host } = await newAccount();
  const tokens = () => host.requests("pomelo").filter(({ path }) => path === "/oauth/token").length;
  const card_id = await cardOf(provider, newCall());
  await provider.readCard!({ action: "card-get", card_id }, newCall());
  expect(tokens()).toBe(1);
  await clock.advance(24 * 60 * 60_000);
  expect(await provider.readCard!({ action: "card-get", card_id }, newCall())).toMatchObject({ outcome: "accepted" });
  expect(tokens()).toBe(2);
});

test("a control whose answer was lost is found done, or never to have arrived", async () => {
  const { provider, newCall } = await newAccount();
  const card_id = await cardOf(provider, newCall());
  const subject = { verb: "controlCard", reference: randomUUID(), ref: undefined, currency: undefined } as const;
  const after = (wanted_status: string) => provider.lookup!(subject, { ...newCall(), notes: { card_id, wanted_status } });
  expect(await after("BLOCKED")).toBeUndefined();
  await provider.controlCard!({ action: "card-control", card_id, control: "freeze" }, newCall());
  expect(await after("BLOCKED")).toMatchObject({ ref: card_id, action: "BLOCKED", result: { status: "BLOCKED", last_four: expect.stringMatching(/^\d{4}$/) } });
});

test("cards of another client are not there", async () => {
  const { provider, newCall, host } = await newAccount();
  const card_id = await cardOf(provider, newCall());
  const { credentials } = await host.openAccount("pomelo", { webhookUrl: "https://hooks.example/2" });
  const other = pomelo.connect({ credentials, settings: {}, baseUrl: pomelo.hosts.test }, host.fetch);
  expect(await other.readCard!({ action: "card-get", card_id }, newCall())).toMatchObject({ outcome: "declined", reason: "invalid_request" });
});
