/** Bearer tokens: fetched once, renewed in time, and replaced when the provider refuses one early. */
import { expect, test } from "vitest";
import { z } from "zod";
import { httpClient } from "../../providers/http.ts";
import type { CallContext } from "../../providers/provider.ts";
import { withBearer } from "../../providers/tokens.ts";
import { FakeClock } from "../support/fake-clock.ts";

const anything = z.object({});
const read = { method: "GET", path: "/things" } as const;
const make = { method: "POST", path: "/things", body: {} } as const;

/** A provider that grants `token-1`, `token-2`, … for an hour and takes those that `accepts` says. */
function world({ accepts = () => true, account = "one" }: { accepts?: (token: string) => boolean; account?: string } = {}) {
  const clock = new FakeClock();
  const call: CallContext = {
    reference: "r", toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {},
  };
  const used: string[] = [];
  const granted: string[] = [];
  const plain = httpClient({
    provider: "examplepay", baseUrl: "https://api.examplepay.example",
    fetch: async (request) => {
      const token = request.headers.get("authorization")!.replace("Bearer ", "");
      used.push(token);
      return accepts(token) ? Response.json({}) : Response.json({ error: "expired" }, { status: 401 });
    },
  });
  const bearer = () => withBearer(plain, { provider: "examplepay", baseUrl: "https://api.examplepay.example", credentials: { account } }, async () => {
    granted.push(`${account}-${granted.length + 1}`);
    return { token: granted.at(-1)!, expiresInSeconds: 3_600 };
  });
  return { clock, call, used, granted, bearer };
}

test("one token serves an account, also through clients made later, until a minute before it ends", async () => {
  const { clock, call, used, granted, bearer } = world({ account: "hour" });
  await Promise.all([bearer().ask(read, anything, call), bearer().ask(read, anything, call)]);
  await clock.advance(3_538_000);
  await bearer().act(make, anything, call);
  expect(granted).toEqual(["hour-1"]);
  await clock.advance(2_000);
  await bearer().ask(read, anything, call);
  expect(granted).toEqual(["hour-1", "hour-2"]);
  expect(used).toEqual(["hour-1", "hour-1", "hour-1", "hour-2"]);
});

test("a token refused early is replaced once, and a second refusal is the answer", async () => {
  const { call, used, bearer } = world({ account: "revoked", accepts: (token) => token === "revoked-2" });
  await bearer().act(make, anything, call);
  expect(used).toEqual(["revoked-1", "revoked-2"]);
  const never = world({ account: "never", accepts: () => false });
  await expect(never.bearer().ask(read, anything, never.call)).rejects.toMatchObject({ status: 401 });
  expect(never.used).toEqual(["never-1", "never-2"]);
});

test("accounts do not share tokens, and a grant that failed is asked for again", async () => {
  const { call, bearer } = world({ account: "a" });
  const other = world({ account: "b" });
  await bearer().ask(read, anything, call);
  await other.bearer().ask(read, anything, other.call);
  expect(other.used).toEqual(["b-1"]);

  let attempts = 0;
  const http = httpClient({ provider: "examplepay", baseUrl: "https://api.examplepay.example", fetch: async () => Response.json({}) });
  const failing = withBearer(http, { provider: "examplepay", baseUrl: "x", credentials: { account: "c" } }, async () => {
    if (++attempts === 1) throw new Error("no grant");
    return { token: "t", expiresInSeconds: 60 };
  });
  await expect(failing.ask(read, anything, call)).rejects.toThrow("no grant");
  await failing.ask(read, anything, call);
  expect(attempts).toBe(2);
});
