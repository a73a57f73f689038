/** Konduto, adapter and twin together in memory: what an order needs, what goes out, and what each verdict means. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { konduto } from "../../providers/konduto/index.ts";
import { kondutoTwin } from "../../providers/konduto/twin.ts";
import type { CallContext, Fetch } from "../../providers/provider.ts";
import { kyc, type KycRequest } from "../../schema/meta-tools/kyc.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const check = (email: string, more: object = {}): KycRequest => kyc.input.parse({
  subject: { name: "Ana Souza", document: "52998224725", email, phone: "+5511999990000" }, check_type: "risk-score", metadata: { amount: 10_010 }, ...more,
});

async function world() {
  const native = await nativeWorld(konduto, kondutoTwin);
  const sent: { method: string; url: string; authorization: string | null; body: any }[] = [];
  const fetch: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ method: request.method, url: request.url, authorization: request.headers.get("authorization"), body: text && JSON.parse(text) });
    return native.twin.fetch(request);
  };
  const newCall = (reference: string = randomUUID()): CallContext =>
    ({ reference, toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (through = fetch) => konduto.connect({ ...native.account, baseUrl: konduto.hosts.test }, through);
  return { ...native, sent, newCall, connect };
}

describe("analysing an order", () => {
  test("it goes out under our reference, its amount a decimal, the key as the user of HTTP Basic", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    const metadata = { amount: 10_010, installments: 3, visitor: "4738d516f09cab3a2c1ee973bec88a5a367a59e4", ip: "170.149.100.10", order_id: 7 };
    expect(await connect().verify!(check("ana@example.com", { metadata }), call)).toEqual({
      outcome: "accepted", ref: call.reference, state: "approved", action: "APPROVE",
      result: {
        id: call.reference, inquiry_id: call.reference, verification_id: call.reference, status: "pending", check_type: "risk-score", hosted_url: null,
        score: 0.08,
      },
    });
    expect(sent).toEqual([{
      method: "POST", url: "https://api.konduto.com/v1/orders",
      authorization: `Basic ${Buffer.from(`${account.credentials["api_key"]}:`).toString("base64")}`,
      body: {
        id: call.reference, total_amount: 100.1, currency: "BRL", installments: 3, visitor: metadata.visitor, ip: metadata.ip, analyze: true,
        customer: { name: "Ana Souza", tax_id: "52998224725", email: "ana@example.com", phone1: "+5511999990000" },
      },
    }]);
  });

  test.each([
    ["without the order's amount", { metadata: {} }, "metadata.amount"],
    ["with an amount that is no whole number of cents", { metadata: { amount: 10.5 } }, "metadata.amount"],
    ["without a document", { subject: { name: "Ana Souza" } }, "subject.document"],
    ["of another kind", { check_type: "identity" }, "check_type"],
  ])("a check %s is declined before anything is sent", async (_what, more, field) => {
    const { connect, newCall, sent } = await world();
    expect(await connect().verify!(check("ana@example.com", more), newCall())).toMatchObject({ outcome: "declined", field });
    expect(sent).toEqual([]);
  });

  test.each([
    [{ recommendation: "DECLINE", status: "pending" }, "rejected"],
    [{ recommendation: "REVIEW", status: "approved" }, "approved"],
    [{ recommendation: "APPROVE", status: "canceled" }, "approved"],
    [{ recommendation: "NONE", status: "not_analyzed" }, "pending"],
    [{}, "pending"],
  ])("%o means %s", async (order, state) => {
    const { connect, newCall } = await world();
    const answering: Fetch = async () => Response.json({ status: "ok", order: { id: "o1", score: 812, ...order } });
    const outcome = await connect(answering).verify!(check("ana@example.com"), newCall());
    expect(outcome).toMatchObject({ outcome: "accepted", state });
    expect(outcome).not.toHaveProperty("result.score");
  });

  test("a refusal names our field, and says what was expected", async () => {
    const { connect, newCall } = await world();
    expect(await connect().verify!(check("refused@example.com"), newCall())).toEqual({
      outcome: "declined", reason: "invalid_request", field: "subject.email",
      message: "Konduto refused the order: /customer/email: expected a valid email, found refused@example.com",
    });
  });

  test("a review is decided later, and the lookup finds it by our reference", async () => {
    const { connect, newCall, rests } = await world();
    const call = newCall();
    expect(await connect().verify!(check("blocked@example.com"), call)).toMatchObject({ state: "review", action: "REVIEW" });
    await rests(1);
    expect(await connect().lookup!({ verb: "verify", reference: call.reference, ref: undefined, currency: undefined }, newCall()))
      .toMatchObject({ ref: call.reference, state: "rejected", action: "declined", result: { score: 0.6 }, failure: { reason: "refused" } });
  });
});

test("each of its own tools is one request, answered in Konduto's words", async () => {
  const { run, refusal, unrun } = await nativeWorld(konduto, kondutoTwin);
  const order = { id: "order-1", total_amount: 100.1, installments: 1, customer: { name: "Ana", tax_id: "52998224725", email: "doubt@example.com" } };
  expect(await run("send_order_for_analysis", order)).toMatchObject({ status: "ok", order: { recommendation: "REVIEW" } });
  expect(await run("get_order", { id: "order-1" })).toMatchObject({ order: { status: "pending", score: 0.6 } });
  expect(await run("update_order_status", { id: "order-1", status: "approved", comments: "paid" })).toMatchObject({ order: { old_status: "pending" } });
  expect(await run("report_chargeback", { id: "order-1", comments: "charged back" })).toMatchObject({ order: { new_status: "fraud" } });
  expect(await refusal("get_order", { id: "order-2" })).toMatchObject({ status: 404 });
  expect(await refusal("send_order_for_analysis", order)).toMatchObject({ status: 400, body: { message: { where: "/id" } } });
  expect(unrun()).toEqual([]);
});

providerConformance({
  definition: konduto,
  twin: kondutoTwin,
  verbs: {
    verify: { request: check("doubt@example.com"), declined: check("refused@example.com"), settles: { to: "approved", withinSteps: 3 } },
  },
});
