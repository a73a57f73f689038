/** Status streams and the log, read as the released clients read them, with a clock that the test moves. */
import { describe, expect, test } from "vitest";
import { mariaCharge } from "../support/app.ts";
import { cli } from "./support/cli.ts";
import type { LogLine } from "./support/frames.ts";
import { pythonSdk } from "./support/python-sdk.ts";
import type { PaymentEnvelope } from "./support/requests.ts";
import { soon, startWire } from "./support/start.ts";
import { typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();
const { app } = wire;
const typescript = () => typescriptSdk(wire.client).create("maria", { servers: [] });
const python = () => pythonSdk(wire.client).create("maria", { servers: ["asaas"] });
const charged = async () => (await (await typescript()).execute("codespar_charge", mariaCharge)).tool_call_id!;
const checked = async () =>
  (await (await typescript()).execute("codespar_kyc", { buyer: { name: "Maria Silva" }, check_type: "identity" })).tool_call_id!;

const framesOf = (path: string) => wire.exchanges.findLast(({ target }) => target.startsWith(path))!.frames;
const eventsIn = (frames: readonly string[]) => frames.flatMap((frame) => /^event: (.*)$/m.exec(frame)?.slice(1) ?? []);

/** Followed with either SDK; each state is noted as it is read. */
type Note = (status: string) => void;
const followers = {
  TypeScript: {
    payment: async (id: string, note: Note) => (await typescript()).paymentStatusStream(id, (seen) => note(seen.payment_status)),
    verification: async (id: string, note: Note) => (await typescript()).verificationStatusStream(id, (seen) => note(seen.verification_status)),
  },
  Python: {
    payment: async (id: string, note: Note) => (await python()).payment_status_stream(id, (seen) => note(seen.payment_status)),
    verification: async (id: string, note: Note) => (await python()).verification_status_stream(id, (seen) => note(seen.verification_status)),
  },
};

/** Lets time go by in steps until what is read says so; the socket and the database take real time of their own. */
async function until(met: () => boolean): Promise<void> {
  await expect.poll(async () => met() || (await app.pass(1_000), met()), soon).toBe(true);
}

describe.each(Object.entries(followers))("followed by the %s SDK", (_language, follow) => {
  test("a payment opens with its state, is updated, and is let go after its last state", async () => {
    const id = await charged();
    const updates: string[] = [];
    const followed = follow.payment(id, (status) => updates.push(status));
    await expect.poll(() => updates, soon).toEqual(["pending"]);
    await until(() => updates.at(-1) === "succeeded");
    await app.clock.advance(5_000);
    const last = await followed;
    expect(last).toMatchObject({
      tool_call_id: id, payment_status: "succeeded", idempotency_key: expect.any(String), original_status: "success", events: expect.any(Array),
    });
    expect(eventsIn(framesOf(`/v1/tool-calls/${id}/payment-status/stream`))).toEqual(["snapshot", ...updates.slice(1).map(() => "update"), "done"]);
  });

  test("a verification likewise, with the page where the person goes", async () => {
    const id = await checked();
    const updates: string[] = [];
    const followed = follow.verification(id, (status) => updates.push(status));
    await expect.poll(() => updates, soon).toEqual(["pending"]);
    await until(() => updates.at(-1) === "approved");
    await app.clock.advance(5_000);
    expect(await followed).toMatchObject({ tool_call_id: id, verification_status: "approved", hosted_url: expect.stringMatching(/^https:/) });
  });

  test("one that is final already is told at once, and let go five seconds later", async () => {
    const id = await charged();
    await app.pass(10_000);
    const updates: string[] = [];
    let isOver = false;
    const followed = follow.payment(id, (status) => updates.push(status)).finally(() => (isOver = true));
    await expect.poll(() => updates, soon).toEqual(["succeeded"]);
    await app.clock.advance(4_999);
    await new Promise((resolve) => setTimeout(resolve, 50)); // long enough for an end that came too early to arrive
    expect(isOver).toBe(false);
    await app.clock.advance(1);
    expect((await followed as PaymentEnvelope).payment_status).toBe("succeeded");
    const frames = framesOf(`/v1/tool-calls/${id}/payment-status/stream`);
    expect(eventsIn(frames)).toEqual(["snapshot", "done"]);
    expect(frames.at(-1)).toMatch(/\ndata: \{.*\}$/);
  });

  test("of a call that is not there it is refused before it begins", async () => {
    await expect(follow.payment("tc_01jd5v0000000000000000none", () => {})).rejects.toMatchObject({ status: 404 });
  });
});

test("a silent stream has a comment every 15 seconds", async () => {
  const id = await checked();
  const updates: string[] = [];
  const followed = (await typescript()).verificationStatusStream(id, ({ verification_status }) => updates.push(verification_status));
  await expect.poll(() => updates, soon).toEqual(["pending"]);
  const comments = () => framesOf(`/v1/tool-calls/${id}/verification-status/stream`).filter((frame) => frame.startsWith(": heartbeat "));
  for (let beat = 1; beat <= 4; beat += 1) {
    await app.clock.advance(15_000);
    await expect.poll(() => comments().length, soon).toBe(beat);
  }
  await until(() => updates.at(-1) === "approved");
  await app.clock.advance(5_000);
  await followed;
});

describe("the log of the command line", () => {
  /** Lines are gathered while the test goes on; it ends when the user interrupts. */
  function tail(query: Record<string, string>, client = wire.client) {
    const lines: LogLine[] = [];
    const interrupted = new AbortController();
    const over = (async () => {
      for await (const line of cli(client).logsTail(query, interrupted.signal)) lines.push(line);
    })().catch(() => {});
    return { lines, interrupt: async () => { interrupted.abort(); await over; } };
  }

  test("begins with earlier lines and goes on with each call as it begins and ends", async () => {
    const id = await charged();
    const { lines, interrupt } = tail({ limit: "1", tool: "codespar_charge" });
    await expect.poll(() => lines.map((line) => line.id), soon).toEqual([id]);
    expect(lines[0]).toMatchObject({
      id, tool: "codespar_charge", server: expect.any(String), status: "success", duration_ms: expect.any(Number), called_at: expect.stringMatching(/Z$/),
      session_id: expect.stringMatching(/^ses_/),
    });
    const refused = await (await typescript()).execute("codespar_charge", {});
    await expect.poll(() => lines.some((line) => line.id === refused.tool_call_id && line.status === "error"), soon).toBe(true);
    expect(lines.find((line) => line.id === refused.tool_call_id)!.error).toEqual(expect.any(String));
    await interrupt();
    expect(lines.every(({ tool }) => tool === "codespar_charge")).toBe(true);
    expect(wire.exchanges.findLast(({ target }) => target.startsWith("/v1/logs"))!.headers.get("content-type")).toBeNull();
  });

  test("shows what its filters ask for, and a comment every 15 seconds", async () => {
    const { lines, interrupt } = tail({ status: "error", limit: "100" });
    await expect.poll(() => lines.length, soon).toBeGreaterThan(0);
    expect(new Set(lines.map(({ status }) => status))).toEqual(new Set(["error"]));
    const heartbeats = () => framesOf("/v1/logs/stream?status=error").filter((frame) => frame.startsWith(": heartbeat "));
    await app.clock.advance(15_000);
    await expect.poll(() => heartbeats().length, soon).toBe(1);
    await interrupt();
  });

  test("a refused key is told apart from a server without a log", async () => {
    const refused = cli({ ...wire.client, apiKey: "csk_test_nobody" }).logsTail();
    await expect(refused.next()).rejects.toMatchObject({ status: 1, message: "check the key" });
  });
});
