#!/usr/bin/env python3
"""Throws requests made from /openapi.json at the server: no 5xx, and no answer off its schema.

Extra environment: FUZZ_REQUESTS, about how many requests (default 500); FUZZ_SEED (default 1). Each operation of both versions gets
its share. Ids in paths are real ones half of the time: a policy, its unit, a restore session and a browse session are made first. Half of
the requests are an application's, half a person's. From 10,000 requests on, the edges of every schema are tried as well.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import requests

from person import administrators_token

BASE = os.environ["GRAPH_BASE"].rstrip("/")
AUTHORITY = os.environ.get("AUTHORITY", BASE).rstrip("/")
CA_FILE = os.environ.get("CA_FILE")
if CA_FILE:
    os.environ["REQUESTS_CA_BUNDLE"] = CA_FILE
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "500"))
SEED = os.environ.get("FUZZ_SEED", "1")
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
          "negative_data_rejection")
# Real ids in half of the paths, so that requests come further than the first refusal.
HOOKS = '''
import json, os, random
import schemathesis

IDS = json.loads(os.environ["FUZZ_IDS"])

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    mapped = dict(path_parameters)
    for name, value in path_parameters.items():
        choice = random.Random(f"{name}{value}")
        if choice.random() < 0.5:
            known = IDS.get(name) or IDS["any"]
            mapped[name] = choice.choice(known)
    return mapped
'''


def token():
    form = {"grant_type": "client_credentials", "client_id": os.environ["CLIENT_ID"],
            "client_secret": os.environ["CLIENT_SECRET"], "scope": "https://graph.microsoft.com/.default"}
    answer = requests.post(f"{AUTHORITY}/{os.environ['TENANT_ID']}/oauth2/v2.0/token", data=form, verify=CA_FILE)
    return answer.json()["access_token"]


def prepare(bearer, person):
    """Something of each kind, and the ids by the names of path parameters."""
    http = requests.Session()
    http.verify, http.headers["Authorization"] = CA_FILE, f"Bearer {bearer}"
    root = f"{BASE}/v1.0/solutions/backupRestore"
    site = os.environ.get("SITE_ID") or http.get(f"{BASE}/v1.0/sites?search=*").json()["value"][0]["id"]
    http.post(f"{root}/enable", json={"appOwnerTenantId": os.environ["TENANT_ID"]}).raise_for_status()
    policy = http.post(f"{root}/sharePointProtectionPolicies",
                       json={"displayName": "Fuzzed", "siteProtectionUnits": [{"siteId": site}]})
    policy.raise_for_status()
    policy = policy.json()["id"]
    http.post(f"{root}/protectionPolicies/{policy}/activate").raise_for_status()
    point = None
    for _ in range(120):
        found = http.get(f"{root}/restorePoints").json()["value"]
        if found:
            point = found[0]["id"]
            break
        time.sleep(0.5)
    unit = http.get(f"{root}/siteProtectionUnits").json()["value"][0]["id"]
    session = http.post(f"{root}/sharePointRestoreSessions",
                        json={"siteRestoreArtifacts": [{"restorePoint": {"id": point}, "destinationType": "new"}]})
    session = session.json()["id"]
    artifacts = http.get(f"{root}/sharePointRestoreSessions/{session}/siteRestoreArtifacts").json()["value"]
    ids = {
        "restorePointId": [point], "protectionUnitBaseId": [unit], "siteProtectionUnitId": [unit],
        "protectionPolicyBaseId": [policy], "sharePointProtectionPolicyId": [policy],
        "restoreSessionBaseId": [session], "sharePointRestoreSessionId": [session],
        "siteRestoreArtifactId": [artifact["id"] for artifact in artifacts],
    }
    # People only, and only those with a role.
    http.headers["Authorization"] = f"Bearer {person}"
    browse = http.post(f"{root}/sharePointBrowseSessions", json={"restorePointId": point, "siteId": site})
    if browse.ok:
        ids["browseSessionBaseId"] = ids["sharePointBrowseSessionId"] = [browse.json()["id"]]
    ids["any"] = [value for values in ids.values() for value in values]
    return ids


def tool(name):
    return os.path.join(os.path.dirname(sys.executable), name)


def main():
    failed = 0
    document = requests.get(f"{BASE}/openapi.json", verify=CA_FILE)
    operations = sum(len(item) for item in document.json()["paths"].values())
    with tempfile.TemporaryDirectory() as folder:
        schema = os.path.join(folder, "openapi.json")
        with open(schema, "w", encoding="utf-8") as file:
            file.write(document.text)
        validated = subprocess.run([tool("openapi-spec-validator"), schema], capture_output=True, text=True)
        print(f"{'FAIL' if validated.returncode else 'PASS'} /openapi.json is valid OpenAPI"
              + (f": {validated.stdout[-500:]}" if validated.returncode else ""), flush=True)
        failed += bool(validated.returncode)
        with open(os.path.join(folder, "hooks.py"), "w", encoding="utf-8") as file:
            file.write(HOOKS)
        tokens = {"an application": token(), "a person": administrators_token()}
        environment = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=folder,
                           FUZZ_IDS=json.dumps(prepare(*tokens.values())))
        each = max(1, REQUESTS // (len(tokens) * operations))
        phases = "coverage,fuzzing" if REQUESTS >= 10_000 else "fuzzing"
        for caller, bearer in tokens.items():
            started = time.monotonic()
            run = subprocess.run(
                [tool("st"), "run", schema, "--url", BASE, "--header", f"Authorization: Bearer {bearer}",
                 "--checks", CHECKS, "--phases", phases, "--max-examples", str(each), "--seed", SEED,
                 "--tls-verify", CA_FILE or "true", "--no-shrink", "--continue-on-failure",
                 "--suppress-health-check", "all", "--warnings", "off"],
                env=environment, cwd=folder, capture_output=True, text=True)
            text = run.stdout.replace(bearer, "…")
            if run.returncode:
                print("\n".join(text.splitlines()[-150:]) + run.stderr[-1000:], flush=True)
            count = re.search(r"(\d+) generated", text)
            sent, seconds = (int(count.group(1)) if count else 0), time.monotonic() - started
            print(f"{'FAIL' if run.returncode else 'PASS'} {operations} operations by {caller}, {sent} requests in "
                  f"{seconds:.0f} s: no 5xx, no answer off its schema", flush=True)
            failed += bool(run.returncode)
    print(f"{1 + len(tokens) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
