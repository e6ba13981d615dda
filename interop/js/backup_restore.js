// Walks the Backup Storage story with Microsoft's JavaScript client: its URL encoding, its page iterator, its $batch.
// The environment is that of ../common.py.
const {
  BatchRequestContent, BatchResponseContent, Client, PageIterator,
} = require("@microsoft/microsoft-graph-client");

const base = (process.env.GRAPH_BASE || "https://localhost:8443").replace(/\/$/, "");
const authority = (process.env.AUTHORITY || base).replace(/\/$/, "");
const timeoutMs = 1000 * Number(process.env.TIMEOUT_S || 120);
const root = "/solutions/backupRestore";

let passed = 0;
let failed = 0;

// Prints one PASS or FAIL line for a step, and gives its value.
async function step(name, run, check = () => true) {
  try {
    const value = await run();
    const verdict = check(value);
    if (verdict !== true) throw new Error(typeof verdict === "string" ? verdict : `unexpected ${JSON.stringify(value)}`.slice(0, 300));
    console.log(`PASS ${name}`);
    passed += 1;
    return value;
  } catch (error) {
    console.log(`FAIL ${name}: ${error.statusCode || ""} ${error.code || ""} ${error.message}`.slice(0, 400).replace(/\s+/g, " "));
    failed += 1;
    return undefined;
  }
}

async function poll(fetchOnce, done, what) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await fetchOnce();
    if (done(value)) return value;
    if (Date.now() > end) throw new Error(`${what} not reached, last ${JSON.stringify(value)}`.slice(0, 300));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function token() {
  const answer = await fetch(`${authority}/${process.env.TENANT_ID}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: process.env.CLIENT_ID,
      client_secret: process.env.CLIENT_SECRET,
      scope: "https://graph.microsoft.com/.default",
    }),
  });
  return (await answer.json()).access_token;
}

async function story() {
  console.log(`# backupRestore, @microsoft/microsoft-graph-client, against ${base}`);
  const accessToken = await step("get a token", token, (value) => Boolean(value));
  const client = Client.initWithMiddleware({
    baseUrl: `${base}/`,
    customHosts: new Set([new URL(base).hostname]),
    authProvider: { getAccessToken: async () => accessToken },
  });

  const sites = await step("find sites", () => client.api("/sites").query({ search: "*" }).get(),
    (list) => list.value.length > 0 || "no site listed");
  const siteIds = (sites ? sites.value : []).slice(0, 3).map((site) => site.id);
  await step("enable the service",
    () => client.api(`${root}/enable`).post({ appOwnerTenantId: process.env.TENANT_ID }),
    (status) => status.status === "enabled");

  const name = "O'Neil & Söhne + 100%";
  const policy = await step("create a policy",
    () => client.api(`${root}/sharePointProtectionPolicies`).post({ displayName: name, siteProtectionUnits: [] }),
    (created) => created.status === "inactive");
  const policyPath = `${root}/sharePointProtectionPolicies/${policy && policy.id}`;
  await step("add units (siteProtectionUnits@delta)",
    () => client.api(policyPath).patch({ "siteProtectionUnits@delta": siteIds.map((siteId) => ({ siteId })) }));

  const quoted = name.replace(/'/g, "''");
  await step("$filter, encoded by the caller",
    () => client.api(`${root}/protectionPolicies`).filter(encodeURIComponent(`displayName eq '${quoted}'`)).get(),
    (list) => list.value.length === 1);
  await step("$filter, $select, $orderby, $top and $count, encoded by the client",
    () => client.api(`${root}/protectionPolicies`)
      .filter("startswith(displayName,'O''Neil') and contains(displayName,'Söhne')")
      .select(["id", "displayName"]).orderby("createdDateTime desc").top(5).count(true).get(),
    (list) => list["@odata.count"] === 1 && list.value[0].displayName === name && !("status" in list.value[0]));
  await step("$expand", () => client.api(policyPath).expand("siteProtectionUnits($select=siteId;$top=5)").get(),
    (found) => found.siteProtectionUnits.length === siteIds.length);
  await step("$skip", () => client.api(`${policyPath}/siteProtectionUnits`).skip(siteIds.length).get(),
    (list) => list.value.length === 0);

  const units = [];
  await step("page through the units, one on each page", async () => {
    const first = await client.api(`${policyPath}/siteProtectionUnits`).top(1).get();
    const iterator = new PageIterator(client, first, (unit) => { units.push(unit); return true; });
    await iterator.iterate();
    return iterator.isComplete();
  }, (complete) => (complete && units.length === siteIds.length) || `${units.length} units`);

  await step("$batch: activate, then read what was activated", async () => {
    const url = (path) => `${base}/v1.0${root}${path}`;
    const content = new BatchRequestContent([
      { id: "1", request: new Request(url(`/protectionPolicies/${policy.id}/activate`), { method: "POST" }) },
      { id: "2", dependsOn: ["1"], request: new Request(url(`/protectionPolicies/${policy.id}`), { method: "GET" }) },
      { id: "3", dependsOn: ["2"], request: new Request(url("/protectionPolicies/none"), { method: "GET" }) },
      { id: "4", dependsOn: ["3"], request: new Request(url(""), { method: "GET" }) },
    ]);
    const answer = new BatchResponseContent(await client.api("/$batch").post(await content.getContent()));
    const statuses = ["1", "2", "3", "4"].map((id) => answer.getResponseById(id).status);
    const read = await answer.getResponseById("2").json();
    return { statuses, id: read.id };
  }, (answer) => answer.statuses.join() === "202,200,400,424" && answer.id === policy.id);

  const unit = units[0] || {};
  await step("a unit becomes protected",
    () => poll(() => client.api(`${root}/protectionUnits/${unit.id}`).get(), (found) => found.status === "protected", "protected"));
  const point = await step("a restore point appears", () => poll(
    async () => (await client.api(`${root}/restorePoints`).filter(`protectionUnit/id eq '${unit.id}'`)
      .expand("protectionUnit").orderby("protectionDateTime desc").top(1).get()).value[0],
    (found) => Boolean(found && found.protectionUnit), "a restore point"));

  const session = await step("create a restore session",
    () => client.api(`${root}/sharePointRestoreSessions`).post({}), (created) => created.status === "draft");
  const sessionPath = `${root}/sharePointRestoreSessions/${session && session.id}`;
  await step("add an artifact (PATCH siteRestoreArtifacts@delta)",
    () => client.api(sessionPath).patch({
      "siteRestoreArtifacts@delta": [{ restorePoint: { id: point.id }, destinationType: "new" }],
    }));
  await step("activate the session", () => client.api(`${root}/restoreSessions/${session.id}/activate`).post({}));
  await step("the session completes",
    () => poll(() => client.api(`${root}/restoreSessions/${session.id}`).get(), (found) => found.status === "completed", "completed"));
  await step("the artifact succeeded", () => client.api(`${sessionPath}/siteRestoreArtifacts`).get(),
    (list) => list.value.length === 1 && list.value[0].status === "succeeded" && Boolean(list.value[0].restoredSiteId));
  await step("errors carry code and request id",
    () => client.api(`${root}/protectionPolicies`).filter("nothing eq 1").get().then(() => null, (error) => error),
    (error) => error && error.statusCode === 400 && error.code === "BadRequest" && Boolean(error.requestId));
}

story().then(() => {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
});
