/** Every operation through every door, from equal state: the same answer or the same failure, and the same rows left behind. */
import { describe, expect, test } from "vitest";
import { operations, type OperationName } from "../../schema/index.ts";
import { startApp } from "../support/app.ts";
import { compared, everyDoor, throughEveryDoor } from "../support/every-door.ts";
import { accessCases } from "./cases/access.ts";
import { catalogCases } from "./cases/catalog.ts";
import { connectionCases } from "./cases/connections.ts";
import { mandateCases } from "./cases/mandates.ts";
import { moneyCases } from "./cases/money.ts";
import { proxyCases } from "./cases/proxy.ts";
import type { Cases } from "./cases/scene.ts";
import { sessionCases } from "./cases/sessions.ts";
import { toolCallCases } from "./cases/tool-calls.ts";

const app = await startApp({ limits: { inFlightWaitMs: 0 } });
const doors = everyDoor(app);

/** `sessions.send` is in send.test.ts. */
const cases: Cases = {
  ...sessionCases, ...toolCallCases, ...proxyCases, ...mandateCases, ...moneyCases, ...catalogCases, ...connectionCases, ...accessCases,
};

const names = (Object.keys(operations) as OperationName[]).filter((name) => name !== "sessions.send");

describe.each(names)("%s", (name) => {
  test.each(cases[name] ?? [])("$title", async (each) => {
    const runs = await throughEveryDoor(app, doors, name, each);
    const { actual, expected } = compared(each, runs);
    expect(actual).toEqual(expected);
    expect(runs[0]!.outcome).toMatchObject(each.answer ? { ok: true, value: each.answer } : {});
  });

  test("has a case that succeeds, and one for every failure that it declares", () => {
    const ends = (cases[name] ?? []).map(({ answer, failure }) => (answer ? "an answer" : failure?.code));
    expect(["an answer", ...operations[name].errors].filter((end) => !ends.includes(end))).toEqual([]);
  });
});
