#!/usr/bin/env python3
"""Nothing is lost between our JSON and the SDK's models: every answer that a typed model stands for is read by the beta SDK and
written again, and what comes out has every member that went in.

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
        read = getattr(read, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
    return read is not None


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
    policies = {}
    for collection, units, unit in (
            ("sharePointProtectionPolicies", "siteProtectionUnits", {"siteId": site}),
            ("oneDriveForBusinessProtectionPolicies", "driveProtectionUnits", {"directoryObjectId": user}),
            ("exchangeProtectionPolicies", "mailboxProtectionUnits", {"directoryObjectId": user})):
        made = await call("POST", f"/{collection}", {"displayName": f"{collection} {tag}", units: [unit]})
        policies[collection] = made["id"]
        await call("POST", f"/protectionPolicies/{made['id']}/activate")
    below = f"/sharePointProtectionPolicies/{policies['sharePointProtectionPolicies']}"
    drives = f"/oneDriveForBusinessProtectionPolicies/{policies['oneDriveForBusinessProtectionPolicies']}"
    await call("POST", f"{below}/siteInclusionRules", {"siteExpression": "(displayName -contains 'Marketing')"})
    group = "0000000d-0001-4000-8000-0000000d0001"
    await call("POST", f"{drives}/driveInclusionRules",
               {"driveExpression": f"(memberOf -any (group.id -in ['{group}']))", "isAutoApplyEnabled": True})
    await call("POST", f"{below}/siteProtectionUnitsBulkAdditionJobs",
               {"displayName": tag, "siteWebUrls": ["https://contoso.sharepoint.com/sites/none"]})
    every = await call("POST", "/sharePointProtectionPolicies",
                       {"displayName": f"all {tag}", "protectionMode": "fullServiceBackup", "siteExclusionUnits": [{"siteId": site}]})
    everything = f"/sharePointProtectionPolicies/{every['id']}"
    await call("POST", f"{everything}/siteExclusionUnitsBulkAdditionJobs",
               {"displayName": tag, "siteWebUrls": ["https://contoso.sharepoint.com/sites/none"]})
    point = (await c.poll(lambda: call("GET", "/restorePoints"), lambda r: bool(r["value"]), "a restore point"))["value"][0]
    session = await call("POST", "/sharePointRestoreSessions", {})
    sessions = f"/sharePointRestoreSessions/{session['id']}"
    await call("POST", f"{sessions}/siteRestoreArtifactsBulkAdditionRequests",
               {"displayName": tag, "destinationType": "new", "siteWebUrls": ["https://contoso.sharepoint.com/sites/none"],
                "protectionTimePeriod": {"startDateTime": "2020-01-01T00:00:00Z"}})
    unit = (await call("GET", "/siteProtectionUnits"))["value"][0]
    found = await call("GET", f"/restorePoints?$filter=protectionUnit/id eq '{unit['id']}'")
    if found["value"]:
        await call("POST", "/sharePointRestoreSessions", {"siteRestoreArtifacts": [
            {"restorePoint": {"id": found["value"][0]["id"]}, "destinationType": "new"}]})

    for path in ("/protectionPolicies", "/protectionUnits", "/siteInclusionRules", "/driveInclusionRules",
                 "/siteProtectionUnitsBulkAdditionJobs", "/siteExclusionUnits", "/siteExclusionUnitsBulkAdditionJobs",
                 "/restorePoints", "/restoreSessions", "/serviceApps", "/activityLogs",
                 f"{sessions}/siteRestoreArtifactsBulkAdditionRequests", "/emailNotificationsSetting"):
        async def check(path=path):
            answer = await call("GET", path)
            items = answer.get("value", [answer])
            return len(items), [f"{i['@odata.type']}{p}" for i in items for p in round_trip(i)]

        def judge(result):
            count, missing = result
            return f"lost {missing}" if missing else count > 0 or "nothing is there"

        await s.run(f"GET {path}", check, judge)
    await http.aclose()
    return s.closing()


if __name__ == "__main__":
    c.main(story)
