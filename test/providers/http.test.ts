import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { httpClient, neverLeft, RESPONSE_BYTES_MAX, type HttpOptions } from "../../providers/http.ts";
import { NotReached, OutcomeUnknown, Rejected, Unanswered, type CallContext, type Fetch } from "../../providers/provider.ts";
import { liveFetch } from "../../providers/transport.ts";
import { FakeClock } from "../support/fake-clock.ts";

const Made = z.object({ id: z.string() });
const make = { method: "POST", path: "/things", body: { value: 1 } } as const;

const newCall = (change: Partial<CallContext> = {}): CallContext => ({
  reference: "0b0e7a9c-6c5e-4f5b-9f43-2f4f3c1d9f10", toolCallId: "tc_1", clock: new FakeClock(), signal: undefined,
  acted: false, notes: {}, note: async () => {}, ...change,
});

const client = (fetch: Fetch, options: Partial<HttpOptions> = {}) =>
  httpClient({ provider: "examplepay", baseUrl: "https://api.examplepay.example/v1", fetch, ...options });

const broken = (code: string): Error => new TypeError("fetch failed", { cause: Object.assign(new Error("no"), { code }) });
const failure = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(() => expect.fail("it did not fail"), (error: unknown) => error);

test("a request carries the base URL, the query that is set, the headers and the JSON of its body", async () => {
  let sent: Request | undefined;
  const http = client(async (request) => {
    sent = request;
    return Response.json({ id: "t_1" });
  }, { headers: { authorization: "Bearer k" } });
  const spec = { ...make, query: { external_id: "a b", page: undefined }, headers: { "idempotency-key": "key-1" } };
  expect(await http.act(spec, Made, newCall())).toEqual({ id: "t_1" });
  expect(sent!.url).toBe("https://api.examplepay.example/v1/things?external_id=a+b");
  expect(Object.fromEntries(sent!.headers)).toEqual({
    accept: "application/json", authorization: "Bearer k", "content-type": "application/json", "idempotency-key": "key-1",
    "user-agent": "codespar-server",
  });
  expect(await sent!.text()).toBe('{"value":1}');
  expect(sent!.redirect).toBe("manual");
});

test("a form is sent as a form, and XML as it stands; an answer in text reaches the schema as text", async () => {
  const sent: [string | null, string][] = [];
  const http = client(async (request) => {
    sent.push([request.headers.get("content-type"), await request.text()]);
    return new Response("<ok/>", { status: sent.length === 3 ? 422 : 200 });
  }, { answers: "text" });
  const form = { amount: "100", note: "é & á", absent: undefined };
  expect(await http.act({ method: "POST", path: "/form", form }, z.string(), newCall())).toBe("<ok/>");
  const text = { type: "text/xml; charset=utf-8", content: "<a/>" };
  await http.act({ method: "POST", path: "/soap", text }, z.string(), newCall());
  expect(await failure(http.act({ method: "POST", path: "/soap", text }, z.string(), newCall()))).toMatchObject({ status: 422, body: "<ok/>" });
  expect(sent.slice(0, 2)).toEqual([
    ["application/x-www-form-urlencoded", "amount=100&note=%C3%A9+%26+%C3%A1"],
    ["text/xml; charset=utf-8", "<a/>"],
  ]);
});

test("headers that say what a body does not reach the schema beside it, and a missing one is missing", async () => {
  const http = client(async () => new Response(null, { status: 202, headers: { "x-message-id": "m_1" } }));
  const schema = z.object({ headers: z.object({ "x-message-id": z.string(), "x-other": z.string().optional() }), body: z.object({}) });
  const spec = { ...make, answerHeaders: ["x-message-id", "x-other"] };
  expect(await http.act(spec, schema, newCall())).toEqual({ headers: { "x-message-id": "m_1" }, body: {} });
  expect(await failure(http.act({ ...spec, answerHeaders: ["x-other"] }, schema, newCall()))).toBeInstanceOf(OutcomeUnknown);
});

test("an absolute path goes to its own host", async () => {
  let url = "";
  const http = client(async (request) => {
    url = request.url;
    return Response.json({});
  });
  await http.ask({ method: "GET", path: "https://other.example/v2/things" }, z.object({}), newCall());
  expect(url).toBe("https://other.example/v2/things");
});

test("what is signed is the exact text that goes out", async () => {
  let signed: unknown;
  let sent = "";
  const http = client(async (request) => {
    sent = await request.text();
    return Response.json({ id: request.headers.get("signature") });
  }, {
    sign: ({ method, url, body }) => {
      signed = { method, path: url.pathname + url.search, body };
      return { signature: "s-1" };
    },
  });
  expect(await http.act({ ...make, query: { a: "1" } }, Made, newCall())).toEqual({ id: "s-1" });
  expect(signed).toEqual({ method: "POST", path: "/v1/things?a=1", body: sent });
});

describe("what an answer means", () => {
  const answers: [what: string, answer: () => Response, asked: unknown, acted: unknown][] = [
    ["a 400", () => Response.json({ code: "bad" }, { status: 400 }), Rejected, Rejected],
    ["a 401", () => new Response("no", { status: 401 }), Rejected, Rejected],
    ["a 409", () => Response.json({}, { status: 409 }), Rejected, Rejected],
    ["a 429", () => Response.json({}, { status: 429 }), Rejected, Rejected],
    ["a 408, which promises nothing", () => new Response("", { status: 408 }), Unanswered, OutcomeUnknown],
    ["a 425, which promises nothing", () => new Response("", { status: 425 }), Unanswered, OutcomeUnknown],
    ["a redirect", () => new Response("", { status: 307, headers: { location: "/x" } }), Unanswered, OutcomeUnknown],
    ["a 500", () => Response.json({ id: "t_1" }, { status: 500 }), Unanswered, OutcomeUnknown],
    ["a 503", () => new Response("", { status: 503 }), Unanswered, OutcomeUnknown],
    ["truncated JSON", () => new Response('{"id":"t_'), Unanswered, OutcomeUnknown],
    ["an HTML page", () => new Response("<h1>Hello</h1>"), Unanswered, OutcomeUnknown],
    ["another shape", () => Response.json({ name: "t_1" }), Unanswered, OutcomeUnknown],
    ["an empty answer", () => new Response(null, { status: 200 }), Unanswered, OutcomeUnknown],
    ["an answer that is too long", () => new Response("x".repeat(RESPONSE_BYTES_MAX + 1)), Unanswered, OutcomeUnknown],
  ];

  test.each(answers)("%s, to a question", async (_what, answer, asked) => {
    const call = newCall();
    const http = client(async () => answer());
    expect(await failure(http.ask({ method: "GET", path: "/things" }, Made, call))).toBeInstanceOf(asked);
    expect(call.acted).toBe(false);
  });

  test.each(answers)("%s, to a request with effect", async (_what, answer, _asked, acted) => {
    const call = newCall();
    const http = client(async () => answer());
    expect(await failure(http.act(make, Made, call))).toBeInstanceOf(acted);
    expect(call.acted).toBe(acted === OutcomeUnknown);
  });

  test("a refusal keeps its status and its body, parsed where it is JSON", async () => {
    const json = client(async () => Response.json({ errors: [{ code: "invalid_value" }] }, { status: 400 }));
    const html = client(async () => new Response("<p>no</p>", { status: 403 }));
    const body = { errors: [{ code: "invalid_value" }] };
    expect(await failure(json.act(make, Made, newCall()))).toMatchObject({ status: 400, body });
    expect(await failure(html.ask(make, Made, newCall()))).toMatchObject({ status: 403, body: "<p>no</p>" });
  });

  test("an answer that is too long is not read to its end", async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(stream) {
        pulled += 100_000;
        stream.enqueue(new Uint8Array(100_000));
      },
    });
    const error = await failure(client(async () => new Response(endless)).act(make, Made, newCall()));
    expect((error as Error).message).toBe("examplepay: the answer is larger than 2000000 bytes");
    expect(pulled).toBeLessThan(RESPONSE_BYTES_MAX + 500_000);
  });
});

describe("what no answer means", () => {
  test("a question that reached nobody may be asked again", async () => {
    const call = newCall();
    const http = client(() => Promise.reject(broken("ECONNREFUSED")));
    expect(await failure(http.ask({ method: "GET", path: "/" }, Made, call))).toBeInstanceOf(Unanswered);
    expect(call.acted).toBe(false);
  });

  test("a request with effect that never left is not an act", async () => {
    const call = newCall();
    const http = client(() => Promise.reject(broken("ECONNREFUSED")));
    expect(await failure(http.act(make, Made, call))).toBeInstanceOf(NotReached);
    expect(call.acted).toBe(false);
  });

  test("a second request that never left does not undo the first, which had its effect", async () => {
    const call = newCall();
    let sent = 0;
    const http = client(async () => {
      if (++sent === 2) throw broken("ECONNREFUSED");
      return Response.json({ id: "t_1" });
    });
    await http.act(make, Made, call);
    expect(await failure(http.act(make, Made, call))).toBeInstanceOf(NotReached);
    expect(call.acted).toBe(true);
  });

  test("the call has acted from the moment the request goes out", async () => {
    const call = newCall();
    const seen: boolean[] = [];
    const http = client(async () => {
      seen.push(call.acted);
      return Response.json({ id: "t_1" });
    });
    await http.ask({ method: "GET", path: "/" }, Made, call);
    await http.act(make, Made, call);
    expect(seen).toEqual([false, true]);
  });

  test.each([
    "ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ANYTHING_NEW",
  ])("%s leaves the outcome unknown", async (code) => {
    const call = newCall();
    const http = client(() => Promise.reject(broken(code)));
    expect(await failure(http.act(make, Made, call))).toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });
});

describe("never left", () => {
  const coded = (code: unknown, cause?: unknown): Error => Object.assign(new Error("no", { cause }), { code });

  test("is claimed only where every code in the chain says so", () => {
    expect(neverLeft(coded("ENOTFOUND"))).toBe(true);
    expect(neverLeft(new TypeError("fetch failed", { cause: coded("ECONNREFUSED") }))).toBe(true);
    expect(neverLeft(coded("UND_ERR_SOCKET", coded("ECONNREFUSED")))).toBe(false);
    expect(neverLeft(coded("ECONNREFUSED", coded("ECONNRESET")))).toBe(false);
  });

  test("holds for an attempt at several addresses only if all refused", () => {
    const both = (...codes: string[]) => new AggregateError(codes.map((code) => coded(code)), "no");
    expect(neverLeft(both("ECONNREFUSED", "EAI_AGAIN"))).toBe(true);
    expect(neverLeft(both("ECONNREFUSED", "ECONNRESET"))).toBe(false);
  });

  test("takes an unreachable network for it only while connecting", () => {
    for (const code of ["ENETUNREACH", "EHOSTUNREACH"]) {
      expect(neverLeft(Object.assign(coded(code), { syscall: "connect" }))).toBe(true);
      expect(neverLeft(Object.assign(coded(code), { syscall: "read" }))).toBe(false);
    }
  });

  test("is not claimed of an error without a code, nor of what is no error", () => {
    const late = new DOMException("late", "TimeoutError");
    for (const error of [new Error("no"), late, "ECONNREFUSED", undefined, { code: "ECONNREFUSED" }]) {
      expect(neverLeft(error)).toBe(false);
    }
  });
});

describe("over real sockets", () => {
  const open: (() => void)[] = [];
  afterEach(() => open.splice(0).forEach((close) => close()));

  /** A server on loopback that does one thing with every request, and counts them. */
  async function host(answer: (socket: Socket) => void) {
    let count = 0;
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", () => (count++, answer(socket)));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const close = () => new Promise<void>((closed) => {
      sockets.forEach((socket) => socket.destroy());
      server.close(() => closed());
    });
    open.push(() => void close());
    return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close, requests: () => count };
  }
  const live = (baseUrl: string, options: Partial<HttpOptions> = {}) => {
    const fetch = liveFetch();
    open.push(() => void fetch.close());
    return httpClient({ provider: "examplepay", baseUrl, fetch, ...options });
  };
  const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n";

  test("an answer is read", async () => {
    const { baseUrl } = await host((socket) => socket.write(`${head}{"id":"t_1"}`));
    const call = newCall();
    expect(await live(baseUrl).act(make, Made, call)).toEqual({ id: "t_1" });
    expect(call.acted).toBe(true);
  });

  test("a refused port is NotReached", async () => {
    const { baseUrl, close } = await host(() => {});
    await close();
    const call = newCall();
    const refused = await failure(live(baseUrl).act(make, Made, call));
    expect(refused).toMatchObject({ name: "NotReached", message: "examplepay: ECONNREFUSED" });
    expect(call.acted).toBe(false);
  });

  test("a reset after the request is unknown, and the request went out once", async () => {
    const { baseUrl, requests } = await host((socket) => socket.resetAndDestroy());
    const call = newCall();
    expect(await failure(live(baseUrl).act(make, Made, call))).toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
    expect(requests()).toBe(1);
  });

  test("silence is unknown once the time is up", async () => {
    const { baseUrl, requests } = await host(() => {});
    const error = await failure(live(baseUrl, { timeoutMs: 100 }).act(make, Made, newCall()));
    expect(error).toMatchObject({ name: "OutcomeUnknown", message: "examplepay: no answer in time" });
    expect(requests()).toBe(1);
  });

  test("a caller that gives up leaves it unknown", async () => {
    const giveUp = new AbortController();
    const { baseUrl } = await host(() => giveUp.abort());
    const error = await failure(live(baseUrl).act(make, Made, newCall({ signal: giveUp.signal })));
    expect(error).toMatchObject({ name: "OutcomeUnknown", message: "examplepay: the call was cancelled" });
  });

  test("half of an answer is unknown", async () => {
    const { baseUrl } = await host((socket) => socket.end(`${head}{"id"`));
    expect(await failure(live(baseUrl).act(make, Made, newCall()))).toBeInstanceOf(OutcomeUnknown);
  });

  test("half of an answer to a question is Unanswered", async () => {
    const { baseUrl } = await host((socket) => socket.end(`${head}{"id"`));
    expect(await failure(live(baseUrl).ask({ method: "GET", path: "/" }, Made, newCall()))).toBeInstanceOf(Unanswered);
  });

  test("an answer that stops in the middle is unknown once the time is up", async () => {
    const { baseUrl } = await host((socket) => socket.write(`${head}{"id"`));
    const error = await failure(live(baseUrl, { timeoutMs: 200 }).act(make, Made, newCall()));
    expect(error).toMatchObject({ name: "OutcomeUnknown", message: "examplepay: no answer in time" });
  });

  test("no failure tells a secret, be it in the path, a header or the body", async () => {
    const secret = "s3cr3t-t0k3n-0123456789";
    const reset = await host((socket) => socket.resetAndDestroy());
    const closed = await host(() => {});
    await closed.close();
    const page = await host((socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops"));
    const silent = await host(() => {});
    const spec = { ...make, path: `/instances/1/token/${secret}/send-text`, query: { apikey: secret }, body: { secret } };
    for (const { baseUrl } of [reset, closed, page, silent]) {
      const http = live(baseUrl, { timeoutMs: 100, headers: { authorization: `Bearer ${secret}` } });
      const errors = [await failure(http.act(spec, Made, newCall())), await failure(http.ask(spec, Made, newCall()))];
      expect(inspect(errors, { depth: 10, showHidden: true })).not.toContain(secret);
    }
  });
});
