/** Cases of the catalogue: servers and tools. */
import { expect } from "vitest";
import { noServer, notConnectable, type Cases } from "./scene.ts";

export const catalogCases: Cases = {
  "servers.list": [
    {
      title: "lists the catalogue",
      call: () => ({ input: {} }),
      answer: { servers: expect.arrayContaining([expect.objectContaining({ id: "asaas", connectable: true })]), offset: 0 },
    },
    {
      title: "filters by everything there is, and pages",
      call: () => ({ input: { category: "messaging", country: "BR", q: "api", status: "beta", auth_type: "path_secret", limit: 1, offset: 0 } }),
      answer: { servers: [{ id: "z-api" }], filtered: 1, limit: 1 },
    },
  ],

  "servers.get": [
    {
      title: "reads one with its tools",
      call: () => ({ input: { server_id: "codespar" } }),
      answer: { id: "codespar", tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_charge" })]) },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
  ],

  "servers.tools": [
    {
      title: "lists the tools of one",
      call: () => ({ input: { server_id: "codespar" } }),
      answer: { server_id: "codespar", tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_pay" })]) },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
  ],

  "servers.authSchema": [
    {
      title: "says what a connection is made of",
      call: () => ({ input: { server_id: "z-api" } }),
      answer: { auth_type: "path_secret", environment: "test", fields: [{ name: "token", kind: "path_secret" }, {}], settings: [{ name: "instance_id" }] },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
    {
      title: "says of one without an adapter that it cannot be connected",
      call: () => ({ input: { server_id: "codespar" } }),
      failure: notConnectable,
    },
  ],

  "tools.list": [
    {
      title: "lists every tool",
      call: () => ({ input: {} }),
      answer: { tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_charge", server: "codespar" })]) },
    },
    {
      title: "lists those of one server",
      call: () => ({ input: { server: "codespar", limit: 2, offset: 1 } }),
      answer: { tools: [{ server: "codespar" }, {}], limit: 2, offset: 1 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server: "nowhere" } }),
      failure: { ...noServer, field: "server" },
    },
  ],

  "tools.get": [
    {
      title: "reads one with its schemas",
      call: () => ({ input: { tool: "codespar_kyc" } }),
      answer: { server: "codespar", effect: "writes", input_schema: { type: "object" }, output_schema: { type: "object" } },
    },
    {
      title: "knows no other",
      call: () => ({ input: { tool: "asaas/do everything?" } }),
      failure: { code: "tool_not_registered", retry: "never", http: 404 },
    },
  ],
};
