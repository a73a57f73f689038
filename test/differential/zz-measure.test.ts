import { test } from "vitest";
import { startApp } from "../support/app.ts";
import { connectTwins } from "../../src/connections/sandbox.ts";
const app = await startApp();
test("measure", async () => {
  for (const provider of app.platform.providers) {
    const t = performance.now();
    await app.platform.openTwinAccount(provider.id, { webhookUrl: "http://localhost/x" });
    console.log(provider.id, performance.now() - t);
  }
  for (let i = 0; i < 3; i++) {
    const t = performance.now();
    await connectTwins(app.platform, { orgId: "org_x", projectId: `prj_${i}` });
    console.log("tenant", performance.now() - t);
  }
  for (let i = 0; i < 5; i++) {
    const t = performance.now();
    await app.pass(1000);
    console.log("pass 1s", performance.now() - t);
  }
});
