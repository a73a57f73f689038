/** What `codespar-server mcp` reads of its flags and its environment. */
import { expect, test } from "vitest";
import { readMcpOptions, type McpOptions } from "../../src/mcp-options.ts";
import { UsageError } from "../../src/start-error.ts";

test("nothing said is a session of mcp-user here, with the servers of the Brazilian preset", () => {
  expect(readMcpOptions([], { CODESPAR_API_KEY: "", CODESPAR_BASE_URL: "" })).toEqual({
    baseUrl: undefined, apiKey: undefined, projectId: undefined, userId: "mcp-user", servers: ["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie"],
  });
});

test("the environment says everything, and flags come first", () => {
  const environment = {
    CODESPAR_BASE_URL: "http://localhost:4000/", CODESPAR_API_KEY: "csk_test_1", CODESPAR_PROJECT: "prj_1", CODESPAR_USER_ID: "ana", CODESPAR_SERVERS: "asaas, z-api,",
  };
  expect(readMcpOptions([], environment)).toEqual({
    baseUrl: "http://localhost:4000", apiKey: "csk_test_1", projectId: "prj_1", userId: "ana", servers: ["asaas", "z-api"],
  });
  const args = ["--url", "https://pay.example.com", "--project=prj_2", "--user", "rui", "--preset", "mexican"];
  expect(readMcpOptions(args, environment)).toEqual({
    baseUrl: "https://pay.example.com", apiKey: "csk_test_1", projectId: "prj_2", userId: "rui", servers: ["conekta", "facturapi", "skydropx"],
  });
  expect(readMcpOptions(["--servers", "asaas", "--preset", "all"], {})).toMatchObject({ servers: ["asaas"] });
});

test("the presets are those of the released bin", () => {
  const serversOf = (CODESPAR_PRESET: string) => (readMcpOptions([], { CODESPAR_PRESET }) as McpOptions).servers;
  expect(serversOf("argentinian")).toEqual(["afip", "andreani"]);
  expect(serversOf("argentine")).toEqual(["afip", "andreani"]);
  expect(serversOf("colombian")).toEqual(["wompi", "siigo", "coordinadora"]);
  expect(serversOf("all")).toEqual(["zoop", "nuvem-fiscal", "melhor-envio", "z-api", "omie", "conekta", "facturapi", "afip", "wompi"]);
});

test("a flag, a preset or a URL that cannot be read says what was expected", () => {
  const reading = (args: string[]) => () => readMcpOptions(args, {});
  expect(reading(["--preset", "martian"])).toThrow(new UsageError(
    "--preset, CODESPAR_PRESET: expected one of brazilian, mexican, argentinian, argentine, colombian, all, not martian.",
  ));
  expect(reading(["--url", "localhost:4000"])).toThrow(/^--url, CODESPAR_BASE_URL: expected an http\(s\) URL\. Example: /);
  expect(reading(["serve"])).toThrow(UsageError);
  expect(reading(["--user"])).toThrow(UsageError);
  expect(readMcpOptions(["-h"], {})).toBe("help");
});
