#!/usr/bin/env python3
"""Nothing is lost between our JSON and the SDK's models: every answer that a typed model stands for is read by the beta SDK and
written again, and what comes out has every member that went in.

Every type of the contract that an answer can hold is among them, or in `NEVER_SENT` with the reason; the last step looks.

Extra environment: SITE_ID, USER_ID (defaults: the first listed).
"""
import json
import os
import re
import uuid

import common as c
import httpx
from azure.identity import ClientSecretCredential
from kiota_serialization_json.json_parse_node_factory import JsonParseNodeFactory
from kiota_serialization_json.json_serialization_writer_factory import JsonSerializationWriterFactory
from msgraph_beta.generated import models  # noqa: F401  (the package that the models are in)
from person import administrators_token

# Types of spec/types.json that no answer of ours holds.
NEVER_SENT = {
    "entraProtectionPolicy": "there are none",
    "mailboxRestoreArtifact": "mailboxes have no points yet", "granularMailboxRestoreArtifact": "as mailboxRestoreArtifact",
    "artifactQuery": "clients send it", "restoreSearchArtifactQueryExpression": "clients send it",
    "offboardingActivityLog": "offboarding takes a person's days", "offboardingDetails": "as offboardingActivityLog",
    "dynamicRuleActivityLog": "written when a rule moves units, which takes a schedule",
    "retentionPeriodChange": "while a shorter window waits for its grace",
    "publicError": "no object of the story fails", "publicErrorDetail": "as publicError", "publicInnerError": "as publicError",
}
SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "spec", "types.json")
ROOT = "/beta/solutions/backupRestore"
ALL = {"Prefer": "include-unknown-enum-members"}


def model_of(odata_type):
    """The SDK's class for `#microsoft.graph.x`."""
    name = odata_type.rsplit(".", 1)[1]
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    found = __import__(f"msgraph_beta.generated.models.{module}", fromlist=["x"])
    return getattr(found, name[0].upper() + name[1:])


def lost(ours, theirs, place=""):
    """Places that the SDK's JSON lacks, or has otherwise."""
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            return [place]
        return [p for k, v in ours.items() if v is not None
                for p in (lost(v, theirs[k], f"{place}/{k}") if k in theirs else [f"{place}/{k}"])]
    if isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [place]
        return [p for i, v in enumerate(ours) for p in lost(v, theirs[i], f"{place}/{i}")]
    if isinstance(ours, str) and re.match(r"\d{4}-\d\d-\d\dT", ours):
        # The SDK writes times its own way: that a time comes out is enough.
        return [] if isinstance(theirs, str) and theirs[:16] == ours[:16] else [place]
    if isinstance(ours, str) and re.match(r"P\d", ours):
        # Durations come out as the language writes them.
        return [] if "day" in str(theirs) else [place]
    return [] if ours == theirs or str(ours).lower() == str(theirs).lower() else [f"{place}: {ours!r} became {theirs!r}"]


def kept(read, place):
    """Has the model the member, even if its writer leaves it out? The SDK reads flags and does not write them."""
    for name in place.strip("/").split("/"):
        if isinstance(read, list):
            read = read[int(name)]
        else:
            read = getattr(read, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
    return read is not None


class Types:
    """The contract's types, and which of them have been seen in answers."""

    def __init__(self):
        with open(SPEC, encoding="utf-8") as file:
            types = json.load(file)["types"]
        self.types = {t["name"]: t for t in types if t["kind"] != "enum"}
        self.seen = set()

    def properties(self, name):
        while name:
            yield from self.types[name]["properties"]
            name = self.types[name].get("baseType")

    def note(self, item, name):
        """Marks the type of an object, and those of the objects in it."""
        name = item.get("@odata.type", name).rsplit(".", 1)[-1]
        self.seen.add(name)
        for p in self.properties(name):
            inner = p["type"].removeprefix("Collection(").removesuffix(")").removeprefix("microsoft.graph.")
            value = item.get(p["name"])
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and inner in self.types:
                    self.note(part, inner)

    def unseen(self):
        """Types that no answer had and no reason excuses."""
        concrete = {name for name, t in self.types.items() if not t.get("abstract") and not name.endswith("Base")}
        return sorted(concrete - self.seen - NEVER_SENT.keys())


def round_trip(item):
    """What the SDK loses of one object."""
    bare = {k: v for k, v in item.items() if not k.startswith("@odata.") or k == "@odata.type"}
    node = JsonParseNodeFactory().get_root_parse_node("application/json", json.dumps(bare).encode())
    read = node.get_object_value(model_of(bare["@odata.type"]))
    writer = JsonSerializationWriterFactory().get_serialization_writer("application/json")
    read.serialize(writer)
    places = lost(bare, json.loads(writer.get_serialized_content()))
    return [place for place in places if not kept(read, place)]


async def story():
    s = c.Steps("what the SDK's models keep")
    base = os.environ["GRAPH_BASE"].rstrip("/")
    verify = os.environ["CA_FILE"]
    credential = ClientSecretCredential(
        c.TENANT_ID, os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], authority=os.environ["AUTHORITY"],
        disable_instance_discovery=True, connection_verify=verify)
    token = credential.get_token("https://graph.microsoft.com/.default").token
    http = httpx.AsyncClient(base_url=base, verify=verify, headers={"Authorization": f"Bearer {token}", **ALL}, timeout=60)
    site, user = os.environ["SITE_ID"], os.environ["USER_ID"]

    async def call(method, path, body=None):
        r = await http.request(method, ROOT + path, json=body)
        assert r.is_success, f"{method} {path}: {r.status_code} {r.text}"
        return r.json() if r.content else None

    tag = uuid.uuid4().hex[:6]
    await call("POST", "/enable", {"appOwnerTenantId": c.TENANT_ID})
    nowhere = "https://contoso.sharepoint.com/sites/none"
    group = "(memberOf -any (group.id -in ['0000000d-0001-4000-8000-0000000d0001']))"
    period = {"startDateTime": "2020-01-01T00:00:00Z"}
    lists, policy_ids = [], []
    for kind, product, unit, names, rule in (
            ("site", "sharePoint", {"siteId": site}, {"siteWebUrls": [nowhere]}, "(displayName -contains 'Marketing')"),
            ("drive", "oneDriveForBusiness", {"directoryObjectId": user}, {"drives": ["nobody@contoso.com"]}, group),
            ("mailbox", "exchange", {"directoryObjectId": user}, {"mailboxes": ["nobody@contoso.com"]}, group)):
        collection = f"{product}ProtectionPolicies"
        made = await call("POST", f"/{collection}", {"displayName": f"{collection} {tag}", f"{kind}ProtectionUnits": [unit]})
        policy_ids.append(made["id"])
        await call("POST", f"/protectionPolicies/{made['id']}/activate")
        below = f"/{collection}/{made['id']}"
        await call("POST", f"{below}/{kind}InclusionRules", {f"{kind}Expression": rule, "isAutoApplyEnabled": kind != "site"})
        await call("POST", f"{below}/{kind}ProtectionUnitsBulkAdditionJobs", {"displayName": tag, **names})
        every = await call("POST", f"/{collection}", {"displayName": f"all {kind} {tag}", "protectionMode": "fullServiceBackup",
                                                      f"{kind}ExclusionUnits": [unit]})
        await call("POST", f"/{collection}/{every['id']}/{kind}ExclusionUnitsBulkAdditionJobs", {"displayName": tag, **names})
        session = await call("POST", f"/{product}RestoreSessions", {})
        requests_of = f"/{product}RestoreSessions/{session['id']}/{kind}RestoreArtifactsBulkAdditionRequests"
        await call("POST", requests_of, {"displayName": tag, "destinationType": "new", "protectionTimePeriod": period, **names})
        lists += [f"/{kind}InclusionRules", f"/{kind}ProtectionUnitsBulkAdditionJobs", f"/{kind}ExclusionUnits",
                  f"/{kind}ExclusionUnitsBulkAdditionJobs", requests_of]

    # A point of a site and one of a drive, and all that is made of them.
    points = {}
    for kind, product in (("site", "sharePoint"), ("drive", "oneDriveForBusiness")):
        unit = (await call("GET", f"/{kind}ProtectionUnits?$filter=policyId ne null and status ne 'unprotected'"))["value"][0]
        asked = f"/restorePoints?$filter=protectionUnit/id eq '{unit['id']}'"
        found = await c.poll(lambda asked=asked: call("GET", asked), lambda r: bool(r["value"]), f"a restore point of a {kind}")
        points[kind] = found["value"][0]["id"]
        session = await call("POST", f"/{product}RestoreSessions", {f"{kind}RestoreArtifacts": [
            {"restorePoint": {"id": points[kind]}, "destinationType": "new"}]})
        lists.append(f"/{product}RestoreSessions/{session['id']}/{kind}RestoreArtifacts")
        await call("POST", f"/restoreSessions/{session['id']}/activate")
        await c.poll(lambda id=session["id"]: call("GET", f"/restoreSessions/{id}"),
                     lambda r: r["status"].startswith("completed"), "a restore")
        target = {"siteId": site} if kind == "site" else {"directoryObjectId": user}
        browsing = await call("POST", f"/{product}BrowseSessions", {"restorePointId": points[kind], **target})
        at = f"/{product}BrowseSessions/{browsing['id']}"
        await c.poll(lambda at=at: call("GET", at), lambda b: b["status"] == "created", "a browse session")
        page = await call("POST", f"{at}/browse", {"browseResourceType": "site"})
        session = await call("POST", f"/{product}RestoreSessions", {f"granular{kind.capitalize()}RestoreArtifacts": [
            {"browseSessionId": browsing["id"], "id": page["value"][0]["itemKey"]}]})
        lists += [at, f"{at}/browse", f"/{product}RestoreSessions/{session['id']}/granular{kind.capitalize()}RestoreArtifacts"]
    # For people only.
    http.headers["Authorization"] = f"Bearer {administrators_token()}"
    await call("PATCH", "/emailNotificationsSetting", {
        "isEnabled": True, "recipients": {"role": "custom", "customRecipients": [{"email": "hiro.tanaka@contoso.com"}]}})
    http.headers["Authorization"] = f"Bearer {token}"

    types = Types()
    searched = {"protectionUnitIds": [unit["id"]], "protectionTimePeriod": period}
    for path, asked, type_name in [
            *[(path, None, None) for path in (
                "/protectionPolicies", "/protectionUnits", "/restorePoints?$expand=protectionUnit", "/restoreSessions", "/serviceApps",
                "/activityLogs", "/emailNotificationsSetting", *lists)],
            ("/", None, "backupRestoreRoot"), ("/reports", None, "backupReport"),
            ("/protectionPolicies?$select=id,protectionPolicyArtifactCount", None, None),
            (f"/reports/getStatisticsByPolicy(policyId='{policy_ids[0]}')", None, "backupPolicyReport"),
            ("/restorePoints/search", searched, "restorePointSearchResponse")]:
        if path.endswith("/browse"):
            asked, type_name = {"browseResourceType": "site"}, "browseQueryResponseItem"

        async def check(path=path, asked=asked, type_name=type_name):
            answer = await call("POST" if asked else "GET", path, asked)
            items = answer.get("value", [answer])
            missing = []
            for item in items:
                if type_name:
                    item.setdefault("@odata.type", f"#microsoft.graph.{type_name}")
                types.note(item, "entity")
                missing += [f"{item['@odata.type']}{place}" for place in round_trip(item)]
            return len(items), missing

        def judge(result):
            count, missing = result
            return f"lost {missing}" if missing else count > 0 or "nothing is there"

        await s.run(f"{'POST' if asked else 'GET'} {path}", check, judge)
    await s.run("every type of the contract was among them", types.unseen, lambda unseen: not unseen or f"not: {unseen}")
    await http.aclose()
    return s.closing()


if __name__ == "__main__":
    c.main(story)
