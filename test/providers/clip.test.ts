import { describe, expect, test } from "vitest";
import { clip } from "../../providers/clip/index.ts";
import { clipTwin } from "../../providers/clip/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/clip/ca_1";
const HOUR_MS = 3_600_000;
const aCharge: ChargeRequest = {
  amount: 15050n, currency: "MXN", method: "card", description: "Pedido 17", buyer: { name: "Ana López", email: "ana@example.com" },
};
const CREDENTIALS = { api_key: "key-1", secret_key: "secret-1", notification_url: `${HOOK}?token=t0ken` };
const SETTINGS = { redirect_url: "https://tienda.example/gracias" };
const aSubject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "MXN" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/** The adapter and the twin together, in memory. */
async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = clipTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const provider = clip.connect({ ...account, baseUrl: clip.hosts.test }, (request) => twin.fetch(request));
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await store.runDue((step) => twin.run(step));
      await clock.advance(HOUR_MS);
    }
    await store.runDue((step) => twin.run(step));
  };
  return { clock, twin, account, provider, webhooks, rests, call: newCall(clock) };
}

/** The adapter against an answer written in the test, and what it sent. */
function scripted(answer: () => Response): { provider: Provider; sent: Request[] } {
  const sent: Request[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(request.clone());
    return answer();
  };
  return { provider: clip.connect({ credentials: CREDENTIALS, settings: SETTINGS, baseUrl: clip.hosts.live }, fetch), sent };
}

const arrived = ({ url, body, headers }: TwinWebhook): InboundMessage =>
  ({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) });

async function accepted(provider: Provider, call: CallContext, change: Partial<ChargeRequest> = {}) {
  const outcome = await provider.charge!({ ...aCharge, ...change }, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

const MADE = { payment_request_id: "pr-1", payment_request_url: "https://pago.clip.mx/pr-1", status: "CHECKOUT_CREATED" };
const stored = (change: object) =>
  ({ ...MADE, amount: 150.5, currency: "MXN", metadata: { me_reference_id: REFERENCE, external_reference: REFERENCE }, ...change });

providerConformance({
  definition: clip,
  twin: clipTwin,
  detects: ["missing_header", "wrong_secret"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 15013n }, settles: { to: "succeeded" }, findsByReference: false },
  },
});

describe("a charge by card", () => {
  test("is one checkout in pesos, of cards alone and without a tip, that names our reference and our address", async () => {
    const { provider, sent } = scripted(() => Response.json(MADE));
    await accepted(provider, newCall());
    const [request] = sent;
    expect(sent).toHaveLength(1);
    expect(`${request!.method} ${request!.url}`).toBe("POST https://api.payclip.com/v2/checkout");
    expect(request!.headers.get("authorization")).toBe("Basic a2V5LTE6c2VjcmV0LTE=");
    expect(await request!.json()).toEqual({
      amount: 150.5, currency: "MXN", purchase_description: "Pedido 17",
      redirection_url: { success: SETTINGS.redirect_url, error: SETTINGS.redirect_url, default: SETTINGS.redirect_url },
      metadata: {
        me_reference_id: REFERENCE, external_reference: REFERENCE, customer_info: { name: "Ana López", email: "ana@example.com" },
      },
      webhook_url: `${HOOK}?token=t0ken`,
      custom_payment_options: { payment_method_types: ["debit", "credit"] },
      override_settings: { tip_enabled: false },
    });
  });

  test("gives out the page to pay on, never the address of the webhook", async () => {
    const { provider, call } = await world();
    const { result } = await accepted(provider, call);
    expect(result).toMatchObject({ status: "pending", amount: 15050n, checkout_url: expect.stringContaining("https://pago.clip.mx/") });
    expect(JSON.stringify(result, (_, value) => (typeof value === "bigint" ? String(value) : value))).not.toContain("token");
  });

  test("expires with the last second of its due day in Mexico City", async () => {
    const { provider, sent } = scripted(() => Response.json(MADE));
    await accepted(provider, newCall(), { due_date: "2099-12-31" });
    expect(await sent[0]!.json()).toMatchObject({ expires_at: "2100-01-01T05:59:59.000Z" });
  });

  test.each([
    ["another method", { method: "oxxo" }, "method"],
    ["another currency", { currency: "BRL" }, "currency"],
    ["an amount of sixteen digits", { amount: 1_000_000_000_000_000n }, "amount"],
    ["a day that is over", { due_date: "2001-01-01" }, "due_date"],
  ] as const)("by %s is declined before anything is sent", async (_, change, field) => {
    const { provider, sent } = scripted(() => Response.json(MADE));
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field });
    expect(sent).toEqual([]);
  });

  test("keeps the largest amount exact", async () => {
    const { provider, sent } = scripted(() => Response.json(MADE));
    await accepted(provider, newCall(), { amount: 999_999_999_999_999n });
    expect(await sent[0]!.text()).toContain('"amount":9999999999999.99,');
  });

  test.each([
    [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [429, "rate_limited"], [404, "unspecified"],
  ])("refused with %i is declined as %s, in Clip's own words", async (status, reason) => {
    const { provider } = scripted(() => Response.json({ message: "no se pudo" }, { status }));
    expect(await provider.charge!(aCharge, newCall())).toEqual({ outcome: "declined", reason, message: "no se pudo" });
  });

  test.each(["api_key", "secret_key", "notification_url"])("needs %s", async (name) => {
    const provider = clip.connect({ credentials: { ...CREDENTIALS, [name]: "" }, settings: SETTINGS, baseUrl: "" }, fetch);
    await expect(provider.charge!(aCharge, newCall())).rejects.toThrow(new SetupMissing(name));
  });

  test("needs a page to send the buyer back to", async () => {
    const provider = clip.connect({ credentials: CREDENTIALS, settings: {}, baseUrl: "" }, fetch);
    await expect(provider.charge!(aCharge, newCall())).rejects.toThrow(new SetupMissing("redirect_url"));
  });
});

describe("a lookup", () => {
  test.each([
    ["CHECKOUT_CREATED", "pending"], ["CHECKOUT_PENDING", "pending"], ["CHECKOUT_COMPLETED", "succeeded"],
    ["CHECKOUT_CANCELLED", "failed"], ["CHECKOUT_CANCELED", "failed"], ["CHECKOUT_EXPIRED", "failed"], ["COMPLETED", "succeeded"],
    ["CHECKOUT_ELSE", "pending"],
  ])("reads %s as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json(stored({ status })));
    expect(await provider.lookup!({ ...aSubject, ref: "pr-1" }, newCall()))
      .toMatchObject({ ref: "pr-1", state, action: status, amountMinor: 15050n, currency: "MXN" });
  });

  test("without an id never denies", async () => {
    const { provider, sent } = scripted(() => Response.json({}, { status: 404 }));
    await expect(provider.lookup!(aSubject, newCall())).rejects.toThrow(Unanswered);
    expect(sent).toEqual([]);
  });

  test.each([
    ["of another payment", () => Response.json(stored({ metadata: { me_reference_id: "another" } }))],
    ["without a reference", () => Response.json(stored({ metadata: {} }))],
    ["that Clip does not know", () => Response.json({}, { status: 404 })],
  ])("by an id from a notification %s neither finds nor denies", async (_, answer) => {
    const { provider } = scripted(answer);
    await expect(provider.lookup!({ ...aSubject, told: "pr-2" }, newCall())).rejects.toThrow(Unanswered);
  });

  test("takes the id of our own answer for ours when the metadata does not come back", async () => {
    const { provider } = scripted(() => Response.json(stored({ metadata: null })));
    expect(await provider.lookup!({ ...aSubject, ref: "pr-1" }, newCall())).toMatchObject({ ref: "pr-1" });
  });

  test("says that none of ours is there when Clip no longer knows the id it gave", async () => {
    const { provider } = scripted(() => Response.json({}, { status: 404 }));
    expect(await provider.lookup!({ ...aSubject, ref: "pr-1" }, newCall())).toBeUndefined();
  });
});

describe("a notification", () => {
  test("of a lost answer leads to its charge, by the id it names", async () => {
    const { provider, call, webhooks, rests } = await world();
    const { ref } = await accepted(provider, call);
    await rests(0);
    const [event] = clip.notifications!.read(arrived(webhooks[0]!));
    expect(event).toMatchObject({ ref, observation: { action: "CREATED" } });
    expect(await provider.referenceOf!(event!, call)).toBe(REFERENCE);
    expect(await provider.lookup!({ ...aSubject, told: event!.ref }, call)).toMatchObject({ ref, state: "pending" });
  });

  test("claims no state, for nothing of it is signed", async () => {
    const { provider, call, webhooks, rests } = await world();
    await accepted(provider, call);
    await rests(1);
    const claims = webhooks.flatMap((webhook) => clip.notifications!.read(arrived(webhook)));
    expect(claims.map(({ observation }) => [observation.action, observation.state])).toEqual([["CREATED", undefined], ["COMPLETED", undefined]]);
  });

  test("of a refund is of no concern", () => {
    const body = new TextEncoder().encode(JSON.stringify({ id: "n", payment_request_id: "pr-1", resource: "REFUND", resource_status: "APPROVED" }));
    expect(clip.notifications!.read({ method: "POST", url: new URL(HOOK), headers: new Headers(), body })).toEqual([]);
  });
});

describe("the twin", () => {
  test.each([
    [15014n, "CHECKOUT_CREATED"], [15015n, "CHECKOUT_EXPIRED"], [15016n, "CHECKOUT_COMPLETED"], [15018n, "CHECKOUT_CANCELED"],
  ])("takes %i centavos to %s", async (amount, action) => {
    const { provider, call, rests } = await world();
    const { ref } = await accepted(provider, call, { amount });
    await rests(3);
    expect(await provider.lookup!({ ...aSubject, ref }, call)).toMatchObject({ action });
  });

  test("shows no account the checkouts of another", async () => {
    const { provider, call, twin } = await world();
    const { ref } = await accepted(provider, call);
    const other = await twin.openAccount({ webhookUrl: HOOK });
    const stranger = clip.connect({ ...other, baseUrl: clip.hosts.test }, (request) => twin.fetch(request));
    expect(await stranger.lookup!({ ...aSubject, ref }, call)).toBeUndefined();
  });
});
