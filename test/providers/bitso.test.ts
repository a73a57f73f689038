/** Bitso, adapter and twin together in memory: what goes out, what each answer means, and what its webhooks prove. */
import {
  createHmac, createPublicKey, generateKeyPairSync, randomUUID, sign, verify as rsaVerify, type KeyObject,
} from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { authorization, bitso } from "../../providers/bitso/index.ts";
import { bitsoTwin } from "../../providers/bitso/twin.ts";
import {
  NotReached, OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type Fetch, type InboundMessage, type LookupSubject,
} from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { Twin, TwinAccount, TwinWebhook } from "../../providers/twin.ts";
import { cryptoPay, type CryptoRequest } from "../../schema/meta-tools/crypto-pay.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const WALLET = "0x52908400098527886E0F7030069857D2E4169EE7";
const SOLANA_WALLET = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV";
const BITCOIN_WALLET = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const REFERENCE = "5f0c2b7e-7c50-4d4c-9a4a-0f6f2f3e8a11";
const STEP_MS = 1_000;

const send = (change: object = {}): CryptoRequest =>
  cryptoPay.input.parse({
    amount: "29.90", currency: "USDC", direction: "send", network: "polygon", recipient: { wallet_address: WALLET },
    ...change,
  });

interface Sent {
  method: string;
  url: URL;
  authorization: string;
  body: string;
}

let clock: FakeClock;
let store: MemoryTwinStore;
let twin: Twin;
let account: TwinAccount;
let sent: Sent[];
let webhooks: TwinWebhook[];

beforeEach(async () => {
  clock = new FakeClock();
  store = new MemoryTwinStore(clock);
  sent = [];
  webhooks = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  twin = bitsoTwin.create({ store, clock, settleAfterMs: STEP_MS, deliver });
  account = await twin.openAccount({ webhookUrl: "https://hooks.example/bitso" });
});

const toTwin: Fetch = async (request) => {
  const { method, url, headers } = request;
  const body = await request.clone().text();
  sent.push({ method, url: new URL(url), authorization: headers.get("authorization") ?? "", body });
  return twin.fetch(request);
};

const connect = (fetch: Fetch = toTwin, credentials = account.credentials) =>
  bitso.connect({ credentials, settings: {}, baseUrl: bitso.hosts.test }, fetch);

const newCall = (reference: string = REFERENCE): CallContext => ({
  reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {},
});

const about = (ref?: string, reference = REFERENCE): LookupSubject =>
  ({ verb: "crypto", reference, ref, currency: "USDC" });

const dispatch = (request = send(), fetch = toTwin, call = newCall()) => connect(fetch).crypto!(request, call);
const find = (subject = about(), fetch = toTwin) => connect(fetch).lookup!(subject, newCall());

async function step(): Promise<void> {
  await clock.advance(STEP_MS);
  await store.runDue((due) => twin.run(due));
}

/** An answer to the request with effect, the twin answering the others. */
const answering = (status: number, body: unknown): Fetch => async (request) =>
  request.method === "POST" ? Response.json(body, { status }) : toTwin(request);

const refusing = (status: number, code: string, message = "no"): Fetch =>
  answering(status, { success: false, error: { code, message } });

describe("sending", () => {
  test("a withdrawal goes out with the network's words, the amount as a decimal and our reference", async () => {
    const outcome = await dispatch();
    expect(sent.map(({ method, url }) => `${method} ${url.host}${url.pathname}`)).toEqual([
      "GET api-stage.bitso.com/v3/withdrawal_methods/usdc",
      "POST api-stage.bitso.com/v3/withdrawals",
    ]);
    expect(JSON.parse(sent[1]!.body)).toEqual({
      currency: "usd", asset: "usdc", method: "usdc_trf", network: "circle", protocol: "usdc_trf", chain: "MATIC",
      amount: "29.9", address: WALLET, origin_id: REFERENCE,
    });
    expect(outcome).toEqual({
      outcome: "accepted",
      ref: expect.stringMatching(/^[0-9a-f]{32}$/),
      state: "pending",
      action: "pending",
      result: {
        id: expect.stringMatching(/^[0-9a-f]{32}$/), status: "pending", amount: "29.9", currency: "USDC",
        network: "polygon", destination_address: WALLET,
      },
    });
  });

  test.each([
    ["BTC", undefined, BITCOIN_WALLET, { asset: "btc", method: "btc", network: "btc", protocol: "btc" }],
    ["ETH", undefined, WALLET, { asset: "eth", method: "eth", network: "eth", protocol: "eth" }],
    ["USDT", "ethereum", WALLET, { asset: "usdt", method: "erc20", network: "eth", protocol: "erc20" }],
    ["USDC", "solana", SOLANA_WALLET, { asset: "usdc", method: "usdc_trf", network: "circle", chain: "SOL" }],
  ])("%s over %s leaves by its own way", async (currency, network, wallet_address, words) => {
    const request = send({ currency, network, amount: "0.00010", recipient: { wallet_address } });
    expect(await dispatch(request)).toMatchObject({ outcome: "accepted", result: { amount: "0.0001" } });
    expect(JSON.parse(sent[1]!.body)).toMatchObject(words);
  });

  test.each([
    ["USDC", WALLET, "polygon"],
    ["USDC", "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV", "solana"],
    ["USDT", WALLET, "ethereum"],
  ])("%s to %s is not sent until the network is named, although only %s would fit", async (currency, wallet_address, network) => {
    expect(await dispatch(send({ currency, network: undefined, recipient: { wallet_address } }))).toEqual({
      outcome: "declined",
      reason: "invalid_request",
      message: `Name the network: ${network}. ${currency} sent over one that its owner does not use is lost.`,
      field: "network",
    });
    expect(sent.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("a network that the account does not offer is declined", async () => {
    const outcome = await dispatch(send({ network: "base" }));
    expect(outcome).toMatchObject({ outcome: "declined", reason: "not_permitted", field: "network" });
    expect(sent.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("of two methods that take a chain, the one of the named network is used", async () => {
    const method = (network: string) => ({
      method: `usdc_${network}`, network, protocol: "usdc", required_fields: ["address", "chain"],
      currency_configurations: [{ currency: "usdc", asset: "usdc", status: { type: "active" } }],
    });
    const bodies: unknown[] = [];
    const fetch: Fetch = async (request) => {
      if (request.method === "POST") bodies.push(await request.json());
      const made = { wid: "1f", status: "pending" };
      const payload = request.method === "GET" ? [method("solana"), method("polygon")] : made;
      return Response.json({ success: true, payload });
    };
    await dispatch(send(), fetch);
    expect(bodies).toMatchObject([{ method: "usdc_polygon", network: "polygon", chain: "MATIC" }]);
  });

  test("a method that is switched off is no way out", async () => {
    const fetch: Fetch = async () => Response.json({
      success: true,
      payload: [{
        method: "eth", network: "eth", protocol: "eth", required_fields: ["address"],
        currency_configurations: [{ currency: "eth", asset: "eth", status: { type: "inactive" } }],
      }],
    });
    const outcome = await dispatch(send({ currency: "ETH", network: undefined }), fetch);
    expect(outcome).toMatchObject({ outcome: "declined", reason: "not_permitted", field: "network" });
  });
});

describe("what is declined before anything is sent", () => {
  test.each([
    ["receiving, with what to use instead", { direction: "receive" }, "not_permitted", "direction", /codespar_charge/],
    ["no address", { recipient: undefined }, "invalid_request", "recipient.wallet_address", /address/],
    ["another currency", { currency: "MATIC" }, "not_permitted", "currency", /USDC, USDT, BTC, ETH/],
    ["more decimals than the currency has", { amount: "0.0000001" }, "invalid_request", "amount", /6 decimals/],
    ["nothing", { amount: "0.00" }, "invalid_request", "amount", /more than zero/],
  ])("%s", async (_, change, reason, field, message) => {
    const outcome = await dispatch(send(change));
    expect(outcome).toEqual({ outcome: "declined", reason, field, message: expect.stringMatching(message) });
    expect(sent).toEqual([]);
  });

  test.each(["api_key", "api_secret"])("a connection without %s is not set up", (name) => {
    const { [name]: _, ...credentials } = account.credentials;
    expect(() => connect(toTwin, credentials as never)).toThrow(new SetupMissing(name));
  });
});

describe("signing", () => {
  test("the header is Bitso key:nonce:signature over nonce, method, path with query, and body", () => {
    const header = authorization({
      key: "PQrSTuVwXY", secret: "0123456789abcdef0123456789abcdef", nonce: 1731349200123123456n,
      method: "POST", path: "/v3/withdrawals?a=1", body: '{"amount":"29.9"}',
    });
    // printf '%s' '1731349200123123456POST/v3/withdrawals?a=1{"amount":"29.9"}' | openssl dgst -sha256 -hmac <secret>
    const signature = "1f187ee0566ddfa880585f2e7c5f9d6651345ea078a3b9de23029ff6b3c32d68";
    expect(header).toBe(`Bitso PQrSTuVwXY:1731349200123123456:${signature}`);
  });

  test("what is signed is what is sent", async () => {
    await dispatch();
    await find();
    expect(sent.map(({ method }) => method)).toEqual(["GET", "POST", "GET"]);
    for (const { method, url, authorization: header, body } of sent) {
      const [, nonce, signature] = header.split(":");
      const text = `${nonce}${method}${url.pathname}${url.search}${body}`;
      expect(signature).toBe(createHmac("sha256", account.credentials["api_secret"]!).update(text).digest("hex"));
    }
  });

  test("nonces grow across connections, also in one millisecond, and start with the time in milliseconds", async () => {
    const connections = [connect(), connect(), connect()];
    const before = Date.now();
    const lookups = Array.from({ length: 60 }, (_, at) => connections[at % 3]!.lookup!(about(), newCall()));
    await Promise.all(lookups);
    const nonces = sent.map(({ authorization: header }) => BigInt(header.split(":")[1]!));
    expect(nonces).toHaveLength(60);
    expect(nonces.every((nonce, at) => at === 0 || nonce > nonces[at - 1]!)).toBe(true);
    for (const nonce of nonces) {
      expect(nonce.toString()).toHaveLength(19);
      expect(Number(nonce / 1_000_000n)).toBeGreaterThanOrEqual(before);
      expect(Number(nonce / 1_000_000n)).toBeLessThanOrEqual(Date.now() + 1);
    }
  });

  test("the twin takes a nonce once, and no other signature", async () => {
    const { api_key: key = "", api_secret: secret = "" } = account.credentials;
    const path = "/v3/withdrawals";
    const ask = async (header: string) => {
      const request = new Request(`https://api.bitso.com${path}`, { headers: { authorization: header } });
      const answer = await twin.fetch(request);
      return [answer.status, ((await answer.json()) as { error?: { code: string } }).error?.code];
    };
    const signed = (nonce: bigint, withSecret = secret) =>
      authorization({ key, secret: withSecret, nonce, method: "GET", path, body: "" });
    expect(await ask(signed(1731349200123123457n))).toEqual([200, undefined]);
    expect(await ask(signed(1731349200123123457n))).toEqual([401, "0207"]);
    expect(await ask(signed(1731349200123123456n))).toEqual([200, undefined]);
    expect(await ask(signed(1731349200123123458n, "f".repeat(32)))).toEqual([401, "0215"]);
    expect(await ask(signed(1731349200n))).toEqual([401, "0206"]);
    expect(await ask("Bearer nothing")).toEqual([401, "0208"]);
  });
});

describe("refusals", () => {
  test.each([
    [400, "0602", "insufficient_funds", undefined],
    [400, "602", "insufficient_funds", undefined],
    [400, "0501", "refused", undefined],
    [400, "0315", "invalid_request", "recipient.wallet_address"],
    [400, "0313", "invalid_request", "currency"],
    [400, "0404", "invalid_request", "amount"],
    [400, "0303", "invalid_request", undefined],
    [400, "0330", "not_permitted", undefined],
    [400, "0701", "not_permitted", undefined],
    [401, "0207", "unauthorized", undefined],
    [420, "0801", "rate_limited", undefined],
    [400, "9999", "unspecified", undefined],
  ])("HTTP %i with code %s is %s", async (status, code, reason, field) => {
    const call = newCall();
    const outcome = await dispatch(send(), refusing(status, code), call);
    const message = `Bitso refused the withdrawal (${code.padStart(4, "0")}): no`;
    expect(outcome).toEqual({ outcome: "declined", reason, message, ...(field && { field }) });
    expect(call.acted).toBe(false);
  });

  test("a refusal inside HTTP 200 is a decline as well", async () => {
    expect(await dispatch(send(), refusing(200, "0601", "Not enough btc funds"))).toEqual({
      outcome: "declined",
      reason: "insufficient_funds",
      message: "Bitso refused the withdrawal (0601): Not enough btc funds",
    });
  });

  test("an error page, a 403 and a 429 without Bitso's words are read by their status", async () => {
    const reasonOf = async (status: number) => {
      const outcome = await dispatch(send(), answering(status, "<html>"));
      return outcome.outcome === "declined" && outcome.reason;
    };
    expect(await reasonOf(403)).toBe("unauthorized");
    expect(await reasonOf(429)).toBe("rate_limited");
    expect(await reasonOf(404)).toBe("unspecified");
  });

  test("an error that Bitso itself calls unknown is no refusal, whatever the status", async () => {
    for (const status of [200, 400, 500])
      await expect(dispatch(send(), refusing(status, "0101", "Unknown Error"))).rejects.toThrow(OutcomeUnknown);
  });

  test("a refusal of the question before the withdrawal is a decline, and nothing was sent", async () => {
    const wrong = { ...account.credentials, api_secret: "0".repeat(32) };
    const call = newCall();
    const outcome = await connect(toTwin, wrong).crypto!(send(), call);
    expect(outcome).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    expect(call.acted).toBe(false);
    expect(sent.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("the same reference twice is a duplicate, and one withdrawal exists", async () => {
    const first = await dispatch();
    expect(await dispatch()).toMatchObject({ outcome: "declined", reason: "duplicate" });
    expect(await store.list("withdrawal/")).toHaveLength(1);
    expect(await find()).toMatchObject({ ref: first.ref });
  });

  test("a refusal of the reference for another reason is not called a duplicate", async () => {
    const outcome = await dispatch(send(), refusing(400, "0304", "The field origin_id is invalid"));
    expect(outcome).toMatchObject({ outcome: "declined", reason: "invalid_request" });
  });

  test.each([
    ["20.13", "insufficient_funds"],
    ["20.15", "refused"],
  ])("the twin refuses %s", async (amount, reason) => {
    expect(await dispatch(send({ amount }))).toMatchObject({ outcome: "declined", reason });
  });

  test("an address that cannot be of the named network is declined before anything is sent", async () => {
    const outcome = await dispatch(send({ network: "solana" }));
    expect(outcome).toMatchObject({ reason: "invalid_request", field: "recipient.wallet_address" });
    expect(sent).toEqual([]);
  });
});

describe("silence", () => {
  test("no answer to the withdrawal is unknown, and a lookup finds it by our reference", async () => {
    const call = newCall();
    const lost: Fetch = async (request) => {
      const answer = await toTwin(request);
      if (request.method === "POST") throw networkError("ECONNRESET");
      return answer;
    };
    await expect(dispatch(send(), lost, call)).rejects.toThrow(OutcomeUnknown);
    expect(call.acted).toBe(true);
    expect(await find()).toMatchObject({ state: "pending", amountMinor: 29_900_000n, currency: "USDC" });
  });

  test("a refused connection reached nobody", async () => {
    const refused: Fetch = async (request) => {
      if (request.method === "POST") throw networkError("ECONNREFUSED");
      return toTwin(request);
    };
    await expect(dispatch(send(), refused)).rejects.toThrow(NotReached);
  });

  test("an accepted withdrawal whose answer lacks its id is unknown", async () => {
    const half = answering(200, { success: true, payload: { status: "pending" } });
    await expect(dispatch(send(), half)).rejects.toThrow(OutcomeUnknown);
  });
});

describe("looking up", () => {
  const listing = (payload: unknown): Fetch => async () => Response.json({ success: true, payload });

  test("what was never sent is not there", async () => {
    expect(await find()).toBeUndefined();
    expect(sent[0]!.url.pathname + sent[0]!.url.search).toBe(`/v3/withdrawals?origin_ids=${REFERENCE}`);
  });

  test("a withdrawal is asked for by its id, and by our reference when the id is unknown there", async () => {
    const { ref } = await dispatch();
    expect(await find(about(ref))).toMatchObject({ ref });
    expect(await find(about("0".repeat(32)))).toMatchObject({ ref });
    expect(sent.slice(2).map(({ url }) => url.pathname + url.search)).toEqual([
      `/v3/withdrawals/${ref}`, `/v3/withdrawals/${"0".repeat(32)}`, `/v3/withdrawals?origin_ids=${REFERENCE}`,
    ]);
  });

  test("another account's withdrawal is not there", async () => {
    const { ref } = await dispatch();
    const other = await twin.openAccount({ webhookUrl: "https://hooks.example/other" });
    expect(await connect(toTwin, other.credentials).lookup!(about(ref), newCall())).toBeUndefined();
  });

  test("one withdrawal may come as itself", async () => {
    const one = { wid: "1f", status: "COMPLETE", asset: "eth", amount: "0.000000001" };
    expect(await find(about("1f"), listing(one))).toEqual({
      ref: "1f", state: "succeeded", action: "COMPLETE", currency: "ETH", amountMinor: 1n,
    });
  });

  test("a list of others proves nothing", async () => {
    const others = listing([{ wid: "1f", status: "complete", details: { origin_id: randomUUID() } }]);
    await expect(find(about(), others)).rejects.toThrow(Unanswered);
  });

  test("a refusal or a missing page proves nothing", async () => {
    for (const status of [404, 401, 429])
      await expect(find(about(), async () => Response.json({}, { status }))).rejects.toThrow(Rejected);
  });

  test.each([
    ["pending", "pending"],
    ["processing", "pending"],
    ["complete", "succeeded"],
    ["failed", "failed"],
    ["on_hold", "pending"],
  ])("%s means %s", async (status, state) => {
    expect(await find(about("1f"), listing([{ wid: "1f", status }]))).toMatchObject({ state, action: status });
  });

  test("the currency is the asset's, else what was asked for; never the ticker usd", async () => {
    const seen = async (fields: object) => {
      const withdrawal = { wid: "1f", status: "pending", currency: "usd", amount: "1500.00", ...fields };
      const found = await find(about("1f"), listing([withdrawal]));
      return [found?.currency, found?.amountMinor];
    };
    expect(await seen({ asset: "usdt" })).toEqual(["USDT", 1_500_000_000n]);
    expect(await seen({})).toEqual(["USDC", 1_500_000_000n]);
  });
});

describe("the twin's life", () => {
  test("a withdrawal is announced pending, processing and complete, one rest after another", async () => {
    const { ref } = await dispatch();
    await store.runDue((due) => twin.run(due));
    for (let rests = 0; rests < 3; rests++) await step();
    expect(webhooks.map(({ body }) => JSON.parse(body).payload.status)).toEqual(["pending", "processing", "complete"]);
    expect(await find(about(ref))).toMatchObject({ state: "succeeded", amountMinor: 29_900_000n });
  });

  test("an amount that ends in .14 fails, and says that the funds stayed", async () => {
    const { ref } = await dispatch(send({ amount: "20.14" }));
    for (let rests = 0; rests < 2; rests++) await step();
    expect(await find(about(ref))).toMatchObject({
      state: "failed",
      action: "failed",
      failure: { reason: "unspecified", message: expect.stringMatching(/funds stayed/) },
    });
  });

  test("a step that comes again, or after a later one, changes nothing", async () => {
    const { ref } = await dispatch();
    const key = `withdrawal/${account.credentials["api_key"]}/${ref}`;
    for (const to of ["complete", "complete", "processing", "pending"]) await twin.run({ name: "move", key, to });
    expect(webhooks.map(({ body }) => JSON.parse(body).payload.status)).toEqual(["complete"]);
    expect(await find(about(ref))).toMatchObject({ state: "succeeded" });
  });
});

describe("webhooks", () => {
  const now = new Date("2026-11-20T12:00:00Z");
  const { verify, read } = bitso.notifications!;
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pemOf = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
  const check = (message: InboundMessage, secrets = [account.webhookSecret]) =>
    verify(message, { secrets, settings: {}, now });

  const messageOf = (body: string, headers: Record<string, string> = {}): InboundMessage => ({
    method: "POST",
    url: new URL("https://hooks.example/bitso"),
    headers: new Headers(headers),
    body: new TextEncoder().encode(body),
  });
  const arrived = (webhook: TwinWebhook, change: Partial<TwinWebhook> = {}): InboundMessage =>
    messageOf(change.body ?? webhook.body, { ...webhook.headers, ...change.headers });

  async function settled(): Promise<TwinWebhook> {
    await dispatch();
    for (let rests = 0; rests < 2; rests++) await step();
    return webhooks.at(-1)!;
  }

  test("one that the twin sends verifies, and tells the state of this call", async () => {
    const webhook = await settled();
    const message = arrived(webhook);
    expect(check(message)).toEqual({ ok: true });
    const { wid } = JSON.parse(webhook.body).payload;
    expect(read(message)).toEqual([{
      eventId: `withdrawal:${wid}:complete`,
      ref: wid,
      reference: REFERENCE,
      observation: { ref: wid, state: "succeeded", action: "complete", currency: "USDC", amountMinor: 29_900_000n },
    }]);
  });

  test("its signature is RSA-SHA256, in base64, over the payload alone", async () => {
    const { body, headers } = await settled();
    const signature = Buffer.from(headers["x-bitso-webhook-event-signature"]!, "base64");
    const signed = Buffer.from(JSON.stringify(JSON.parse(body).payload));
    expect(rsaVerify("RSA-SHA256", signed, createPublicKey(account.webhookSecret), signature)).toBe(true);
  });

  test("spaces between the members do not matter, a changed value does", async () => {
    const webhook = await settled();
    expect(check(arrived(webhook, { body: JSON.stringify(JSON.parse(webhook.body), null, 2) }))).toEqual({ ok: true });
    expect(check(arrived(webhook, { body: webhook.body.replace('"29.9"', '"92.9"') }))).toMatchObject({ ok: false });
  });

  test("a second payload behind a signed one is not believed", async () => {
    const webhook = await settled();
    const forged = webhook.body.replace(/}$/, ',"payload":{"wid":"1f","status":"complete"}}');
    expect(check(arrived(webhook, { body: forged }))).toMatchObject({ ok: false });
  });

  test.each([
    ["no signature", { "x-bitso-webhook-event-signature": "" }],
    ["no key id", { "x-bitso-key-id": "" }],
    ["a signature that is no base64", { "x-bitso-webhook-event-signature": "%%%" }],
    ["the key id of another key", { "x-bitso-key-id": "00000000-0000-4000-8000-000000000000" }],
  ])("%s is refused", async (_, headers) => {
    expect(check(arrived(await settled(), { headers }))).toMatchObject({ ok: false });
  });

  test("another key, a secret that is no key, and no secret are refused", async () => {
    const message = arrived(await settled());
    const elliptic = pemOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey);
    const unpinned = { ok: false, reason: "no public key is pinned for this x-bitso-key-id" };
    expect(check(message, [pemOf(stranger.publicKey)]))
      .toEqual({ ok: false, reason: "no pinned public key verifies the signature" });
    expect(check(message, ["nothing", elliptic])).toEqual(unpinned);
    expect(check(message, [])).toEqual(unpinned);
  });

  test("while keys rotate any pinned one may match, as PEM or as the base64 of Bitso's list", async () => {
    const message = arrived(await settled());
    const der = createPublicKey(account.webhookSecret).export({ type: "spki", format: "der" }).toString("base64");
    const pem = account.webhookSecret.replace(/^key-id:.*\n/, "");
    expect(check(message, [pemOf(stranger.publicKey), account.webhookSecret])).toEqual({ ok: true });
    expect(check(message, [pem])).toEqual({ ok: true });
    expect(check(message, [der])).toEqual({ ok: true });
    expect(check(message, [`key-id: ${message.headers.get("x-bitso-key-id")}\n${der}`])).toEqual({ ok: true });
  });

  test("events of other kinds and bodies of no kind are of no concern", () => {
    const payload = { wid: "1f", status: "complete" };
    expect(read(messageOf(JSON.stringify({ event: "funding", payload })))).toEqual([]);
    expect(read(messageOf(JSON.stringify({ event: "withdrawal", payload: { fid: "2c" } })))).toEqual([]);
    expect(read(messageOf("not json"))).toEqual([]);
    expect(check(messageOf("not json"))).toMatchObject({ ok: false });
  });

  test("one without origin_id is known by the withdrawal's id", () => {
    const payload = { wid: "1f", status: "failed", asset: "usdc", amount: "5" };
    const [event] = read(messageOf(JSON.stringify({ event: "withdrawal", payload })));
    expect(event).toMatchObject({ ref: "1f", observation: { state: "failed", amountMinor: 5_000_000n } });
    expect(event).not.toHaveProperty("reference");
  });

  test("any payload of text, flags and nothing verifies as signed, and not with one member more", () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !/^(\d+|__proto__|more)$/.test(text));
    const value = fc.oneof(fc.string(), fc.boolean(), fc.constant(null));
    fc.assert(fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (payload) => {
      const signed = sign("RSA-SHA256", Buffer.from(JSON.stringify(payload)), stranger.privateKey);
      const headers = { "x-bitso-webhook-event-signature": signed.toString("base64"), "x-bitso-key-id": "any" };
      const verdict = (claimed: object) => {
        const body = JSON.stringify({ event: "withdrawal", payload: claimed });
        return check(messageOf(body, headers), [pemOf(stranger.publicKey)]).ok;
      };
      expect(verdict(payload)).toBe(true);
      expect(verdict({ ...payload, more: "" })).toBe(false);
    }), { numRuns: 50 });
  });
});

test("no error and no decline shows a credential", async () => {
  const broken: Fetch = async (request) => {
    throw new Error(`cannot reach ${request.url} with ${request.headers.get("authorization")}`);
  };
  const lost: Fetch = async (request) => (request.method === "POST" ? broken(request) : toTwin(request));
  const said = [
    await dispatch(send(), broken).catch((error: Error) => error.message),
    await dispatch(send(), lost).catch((error: Error) => error.message),
    await dispatch(send(), refusing(401, "0201")),
  ];
  expect(inspect(said, { depth: 5 })).not.toContain(account.credentials["api_secret"]);
  expect(inspect(said, { depth: 5 })).not.toContain(account.credentials["api_key"]);
  expect(said[1]).toBe("bitso: no readable answer");
});

providerConformance({
  definition: bitso,
  twin: bitsoTwin,
  verbs: { crypto: { request: send(), declined: send({ amount: "20.13" }), settles: { to: "succeeded" } } },
});
