/** Input that JSON allows and PostgreSQL does not is the caller's mistake, by name, and never ours. */
import { expect, test } from "vitest";
import { newId } from "../../schema/ids.ts";
import { execute } from "../../src/execution/execute.ts";
import { mariaCharge, startApp } from "../support/app.ts";
import { testPrincipal } from "../support/money.ts";

const app = await startApp();

test.each([
  ["sessions.create", { user_id: "maria\0" }, "user_id"],
  ["sessions.get", { session_id: "ses_\0" }, "session_id"],
  ["toolCalls.list", { tool: "\0" }, "tool"],
  ["toolCalls.list", { since: "0000-01-01T00:00:00.000Z" }, "since"],
  ["sessions.create", { user_id: "maria", metadata: { note: "\ud800" } }, "metadata.note"],
] as const)("%s refuses %j", async (operation, input, field) => {
  await expect(app.call(operation, input)).rejects.toMatchObject({ code: "validation_failed", http: 400, at: { field } });
});

test.each([
  ["NUL", { description: "Order\0" }, "input.description"],
  ["half a character", { description: "Order \udc00" }, "input.description"],
  ["a number beyond all numbers", { metadata: JSON.parse('{"a":1e400}') }, "input.metadata.a"],
])("a tool call with %s in its arguments is refused", async (_what, argument, field) => {
  await expect(app.run("codespar_charge", { ...mariaCharge, ...argument })).rejects.toMatchObject({ code: "validation_failed", at: { field } });
});

test("a model that writes such a thing is told, and its run goes on", async () => {
  const use = execute(app.platform, {
    principal: await testPrincipal(app), sessionId: await app.session(), runId: newId("run", app.clock.now()), origin: "agent",
    tool: "codespar_charge", input: { ...mariaCharge, description: "Order\0" },
  });
  await expect(use).rejects.toMatchObject({ code: "invalid_args", at: { field: "description" } });
});
