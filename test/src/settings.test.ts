import { expect, test } from "vitest";
import { readSettings } from "../../src/settings.ts";

test("no variable at all is a complete setting", () => {
  expect(readSettings({})).toMatchObject({ PORT: 4000, HOST: "localhost", DATA_DIR: ".codespar", ANTHROPIC_MODEL: "claude-sonnet-5-5", LOG_LEVEL: "info", CORS_ORIGINS: [] });
});

test("an empty variable counts as absent", () => {
  expect(readSettings({ PORT: "", DATABASE_URL: "", MASTER_KEY: "" })).toMatchObject({ PORT: 4000 });
});

test("every wrong setting is named, with what was expected and an example, and never its value", () => {
  const wrong = { PORT: "eighty", MASTER_KEY: "c2hvcnQ=", CHARGE_AMOUNT_UNIT: "cents", BOOTSTRAP_TEST_KEY: "my-secret", DATABASE_URL: "mysql://root:hunter2@db" };
  const message = (() => {
    try {
      readSettings(wrong);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  })();
  expect(message.split("\n")).toHaveLength(5);
  expect(message).toContain("PORT: expected a port number from 0 to 65535");
  expect(message).toContain("MASTER_KEY: expected 32 bytes in base64. Example: MASTER_KEY=the output of: openssl rand -base64 32");
  expect(message).toContain("CHARGE_AMOUNT_UNIT: expected minor (15000 is R$150.00) or major (150.00)");
  for (const value of ["hunter2", "my-secret", "c2hvcnQ="]) expect(message).not.toContain(value);
});

test("a twins process needs the file of its CA", () => {
  expect(() => readSettings({ TWINS_URL: "https://localhost:4010" })).toThrow(/TWINS_CA_FILE/);
});
