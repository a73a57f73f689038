/** Every operation against every scope: the one it names opens it, and no other does. */
import { expect, test } from "vitest";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../../schema/index.ts";
import { scopes, type AnyOperation } from "../../../schema/operation.ts";
import { startApp } from "../../support/app.ts";

const app = await startApp({ env: { RATE_LIMIT_WRITES_PER_MINUTE: "0", RATE_LIMIT_READS_PER_MINUTE: "0" } });

const keys = new Map<string, string>();
for (const scope of scopes) keys.set(scope, (await app.call("keys.create", { name: scope, scopes: [scope] })).full_key);
const allBut = async (left: string) => (await app.call("keys.create", { name: `all but ${left}`, scopes: scopes.filter((scope) => scope !== left) })).full_key;

/** Calls with nothing to work on, and tells the scope that was missing; undefined when the door let the call in. */
async function missing({ kind, name }: AnyOperation, credential: string): Promise<string | undefined> {
  const left = new AbortController();
  const context = app.context({ credential, signal: left.signal });
  try {
    if (kind === "unary") await app.door.call(name as OperationName, {}, context);
    else await app.door.subscribe(name as SubscriptionName, {}, context);
    return undefined;
  } catch (error) {
    const { code, at } = error as { code: string; at: { scope: string } };
    return code === "forbidden" ? at.scope : undefined;
  } finally {
    left.abort();
  }
}

const all: AnyOperation[] = [...Object.values(operations), ...Object.values(subscriptions)];

test.each(all.map((operation) => [operation.name, operation] as const))("%s opens to the scope it names alone", async (_name, operation) => {
  const opened: string[] = [];
  for (const scope of scopes) if ((await missing(operation, keys.get(scope)!)) === undefined) opened.push(scope);
  const isForAll = operation.scope === "none";
  expect(opened).toEqual(isForAll ? scopes : [operation.scope]);
  expect(await missing(operation, await allBut(operation.scope))).toBe(isForAll ? undefined : operation.scope);
});

test("every scope is for something", () => {
  const used = new Set(all.map(({ scope }) => scope));
  expect(scopes.filter((scope) => !used.has(scope))).toEqual([]);
});
