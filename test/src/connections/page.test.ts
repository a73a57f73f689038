/** The page behind a connect link: what it shows, what it takes, once, and where its visitor goes on. */
import { beforeEach, describe, expect, test } from "vitest";
import { connectionConfig, projectConnection } from "../../../src/connections/connections.ts";
import { startApp } from "../../support/app.ts";
import { newTenant, type Tenant } from "../../support/tenants.ts";

const app = await startApp();
const MINUTE = 60_000;
const REDIRECT = "https://app.example.com/done?state=a%20b&x=1#top";

let tenant: Tenant;
let live: Tenant;
beforeEach(async () => {
  tenant = await newTenant(app);
  live = await tenant.neighbour("live", {});
});

const start = (server_id: string, { call }: Tenant = live, redirect_uri = REDIRECT) => call("connections.start", { server_id, user_id: "ana", redirect_uri });

/** The link's page, as a browser under the server's own address reaches it. */
const visit = (url: string, init: RequestInit = {}) => app.http.fetch(new Request(url, { redirect: "manual", ...init }));

const send = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  visit(url, { method: "POST", headers: { origin: new URL(url).origin, ...headers }, body: new URLSearchParams(fields) });

const connectionsOf = async ({ call }: Tenant) => (await call("connections.list", { user_id: "ana" })).connections;

describe("a link", () => {
  test("is given with its page and its end, as released clients read it", async () => {
    const response = await app.http.fetch(new Request("http://localhost/v1/connect/start", {
      method: "POST", headers: { authorization: `Bearer ${live.key}`, "content-type": "application/json" },
      body: JSON.stringify({ server_id: "asaas", user_id: "ana", redirect_uri: REDIRECT, scopes: null }),
    }));
    const { link_token, authorize_url, expires_at } = (await response.json()) as Record<string, string>;
    expect(response.status).toBe(201);
    expect(link_token).toMatch(/^lnk_[a-z0-9]{26}$/);
    expect(authorize_url).toBe(`${app.platform.publicUrl}/connect/${link_token}`);
    expect(expires_at).toBe(new Date(app.clock.now().getTime() + 30 * MINUTE).toISOString());
  });

  test("is not kept as it is: who reads the table cannot use it", async () => {
    const { link_token } = await start("asaas");
    const rows = await app.platform.db.sql`select to_jsonb(l)::text as text from connect_links l where project_id = ${live.projectId}`;
    expect(rows).toHaveLength(1);
    expect(rows[0]!["text"]).not.toContain(link_token.slice(4));
  });

  test.each(["javascript:alert(1)", "app://done", "/done", "https:", "ftp://example.com", "data:text/html,hi"])("%s is nowhere to go on to", async (redirect_uri) => {
    await expect(start("asaas", live, redirect_uri)).rejects.toMatchObject({ code: "validation_failed", at: { field: "redirect_uri" } });
  });

  test("leads to a page that works on its own, without scripts, and that nobody else may frame or keep", async () => {
    const { authorize_url } = await start("z-api");
    const response = await visit(authorize_url);
    const page = await response.text();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "referrer-policy": "same-origin", "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    });
    const policy = response.headers.get("content-security-policy")!;
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self' https: https:\/\/app\.example\.com; base-uri 'none'; frame-ancestors 'none'$/);
    expect(page).not.toMatch(/<script|\son\w+=|javascript:|https?:\/\//i);
    expect(page).toContain('<html lang="en">');
    expect(page).toContain("<h1>Connect Z-API</h1>");
    expect(page).toContain("<strong>Tenant</strong> (Project 2)");
    expect(page).toContain("<strong>app.example.com</strong>");
    for (const [name, type] of [["secret.token", "password"], ["secret.client_token", "password"], ["setting.instance_id", "text"]]) {
      expect(page).toContain(`<label for="${name}">`);
      expect(page).toMatch(new RegExp(`<input type="${type}" id="${name}" name="${name}"[^>]* required aria-describedby="${name}-hint"`));
      expect(page).toContain(`id="${name}-hint"`);
    }
    expect((await visit(authorize_url, { method: "HEAD" })).status).toBe(200);
  });

  test("says who asks without letting them write the page", async () => {
    await app.platform.db.sql`update organizations set name = ${'<script>alert("1")</script>'} where id = ${tenant.orgId}`;
    const page = await (await visit((await start("asaas")).authorize_url)).text();
    expect(page).toContain("&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;");
    expect(page).not.toContain("<script");
  });

  test("is over after 30 minutes, and what is over looks as if it had never been", async () => {
    const { authorize_url } = await start("asaas");
    await app.clock.advance(30 * MINUTE - 1);
    expect((await visit(authorize_url)).status).toBe(200);
    await app.clock.advance(1);
    const over = await visit(authorize_url);
    const unknown = await visit(`${app.platform.publicUrl}/connect/lnk_00000000000000000000000000`);
    expect([over.status, await over.text()]).toEqual([410, await unknown.text()]);
    expect((await send(authorize_url, { "secret.api_key": "k" })).status).toBe(410);
    expect(await connectionsOf(live)).toEqual([]);
  });
});

describe("the form", () => {
  test("connects the server for the user, sealed, and leads back with the connection's id", async () => {
    const { authorize_url } = await start("z-api");
    const response = await send(authorize_url, { "secret.token": "TOKEN1", "secret.client_token": " CLIENT1\n", "setting.instance_id": "I1" });
    const [connection] = await connectionsOf(live);
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe(`https://app.example.com/done?state=a%20b&x=1&status=connected&connection_id=${connection!.id}#top`);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(connection).toMatchObject({ server_id: "z-api", user_id: "ana", status: "connected", display_name: "Z-API", environment: "live", connection_metadata: { instance_id: "I1" } });
    const row = (await projectConnection(app.platform, live.projectId, connection!.id))!;
    expect(row.sealed).not.toContain("TOKEN1");
    expect(await connectionConfig(app.platform, row)).toMatchObject({ credentials: { token: "TOKEN1", client_token: "CLIENT1" } });
  });

  test("is taken once, also of two at the same moment", async () => {
    const { authorize_url } = await start("asaas");
    const both = await Promise.all(["one", "two"].map((key) => send(authorize_url, { "secret.api_key": key })));
    expect(both.map(({ status }) => status).sort()).toEqual([303, 410]);
    expect((await send(authorize_url, { "secret.api_key": "three" })).status).toBe(410);
    expect((await visit(authorize_url)).status).toBe(410);
    expect(await connectionsOf(live)).toHaveLength(1);
  });

  test("a second link gives the user's connection new credentials", async () => {
    for (const key of ["one", "two"]) await send((await start("asaas")).authorize_url, { "secret.api_key": key });
    const [connection, ...others] = await connectionsOf(live);
    expect(others).toEqual([]);
    const row = (await projectConnection(app.platform, live.projectId, connection!.id))!;
    expect((await connectionConfig(app.platform, row)).credentials).toEqual({ api_key: "two" });
  });

  test("with something missing is shown again: what is wrong, what was typed, and no secret", async () => {
    const { authorize_url } = await start("z-api");
    const response = await send(authorize_url, { "secret.token": "TOKEN1", "setting.instance_id": '"><b>I1' });
    const page = await response.text();
    expect(response.status).toBe(422);
    expect(page).toContain("<title>Not connected yet: Connect Z-API</title>");
    expect(page).toContain('role="alert"');
    expect(page).toContain('<a href="#secret.client_token">Account security token: please fill this in</a>');
    expect(page).toMatch(/name="secret\.client_token"[^>]* aria-describedby="secret\.client_token-hint secret\.client_token-problem" aria-invalid="true"/);
    expect(page).toContain('value="&#34;&#62;&#60;b&#62;I1"');
    expect(page).not.toContain("TOKEN1");
    expect((await send(authorize_url, { "secret.token": "x".repeat(4_097), "secret.client_token": "c", "setting.instance_id": "i" })).status).toBe(422);
    expect(await connectionsOf(live)).toEqual([]);
    expect((await visit(authorize_url)).status).toBe(200);
  });

  test.each([
    ["another site", { origin: "https://evil.example" }],
    ["a page without an origin", { origin: "null" }],
    ["another site, as browsers say it", { "sec-fetch-site": "cross-site" }],
    ["another host of this site", { "sec-fetch-site": "same-site" }],
  ])("sent from %s is refused, and the link stays", async (_from, headers) => {
    const { authorize_url } = await start("asaas");
    expect((await send(authorize_url, { "secret.api_key": "k" }, headers)).status).toBe(403);
    expect(await connectionsOf(live)).toEqual([]);
    expect((await send(authorize_url, { "secret.api_key": "k" }, { "sec-fetch-site": "same-origin" })).status).toBe(303);
  });

  test("sent as anything but a form is refused", async () => {
    const { authorize_url } = await start("asaas");
    expect((await visit(authorize_url, { method: "POST", headers: { "content-type": "application/json" }, body: '{"secret.api_key":"k"}' })).status).toBe(403);
    expect((await visit(authorize_url, { method: "PUT", body: "x" })).status).toBe(405);
  });

  test("whose connecting fails leaves the link to be used again, and says nothing of why", async () => {
    const { authorize_url } = await start("asaas", tenant);
    const { openTwinAccount } = app.platform;
    app.platform.openTwinAccount = () => Promise.reject(new Error("the twins are down"));
    const failed = await send(authorize_url, { "secret.api_key": "k" });
    app.platform.openTwinAccount = openTwinAccount;
    expect([failed.status, await failed.text()]).toEqual([500, expect.not.stringContaining("twins")]);
    expect((await send(authorize_url, { "secret.api_key": "k" })).status).toBe(303);
  });

  test("of a sandbox says that it is one, and connects the twin", async () => {
    const { authorize_url } = await start("persona", tenant);
    expect(await (await visit(authorize_url)).text()).toContain("This is a sandbox");
    expect((await send(authorize_url, { "secret.api_key": "REAL-KEY", "setting.inquiry_template_id": "itmpl_mine" })).status).toBe(303);
    const [connection] = await connectionsOf(tenant);
    const row = (await projectConnection(app.platform, tenant.projectId, connection!.id))!;
    const { credentials, settings } = await connectionConfig(app.platform, row);
    expect(credentials["api_key"]).not.toBe("REAL-KEY");
    expect(settings["inquiry_template_id"]).not.toBe("itmpl_mine");
    const { id: session_id } = await tenant.call("sessions.create", { user_id: "ana" });
    expect(await tenant.call("tools.execute", { session_id, tool: "codespar_kyc", input: { subject: { name: "Ana" } } })).toMatchObject({ success: true });
  });
});
