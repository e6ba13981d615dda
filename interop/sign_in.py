"""Signing in as a person with Microsoft's MSAL for Python, unchanged: device code, authorization code with PKCE, silent refresh,
and the backup API with the tokens that come of it. The browser's part is done by plain HTTP, as a person would do it."""
import re
import urllib.parse

import msal
import requests

from common import AUTHORITY, CLIENT_ID, CLIENT_SECRET, GRAPH_BASE, TENANT_ID, Steps, main
from person import ADMINISTRATOR, Browser

SCOPES = ["https://graph.microsoft.com/BackupRestore-Configuration.Read.All",
          "https://graph.microsoft.com/User.Read"]
STATUS = f"{GRAPH_BASE}/v1.0/solutions/backupRestore"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"


def public_client(cache=None):
    return msal.PublicClientApplication(CLIENT_ID, authority=f"{AUTHORITY}/{TENANT_ID}",
                                        instance_discovery=False, token_cache=cache)


def backup_status(token):
    answer = requests.get(STATUS, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    return answer.status_code, answer.json()


def wants_token(result):
    return True if "access_token" in result else f"{result.get('error')}: {result.get('error_description')}"


async def story():
    steps = Steps("MSAL for Python, people signing in")
    app = public_client()

    flow = await steps.run("device code: start", lambda: app.initiate_device_flow(
        scopes=["https://graph.microsoft.com/BackupRestore-Control.Read.All"]),
        lambda flow: "user_code" in flow or str(flow))

    def approve():
        browser = Browser()
        asked = browser.open(flow["verification_uri"])
        assert "user_code" in asked.text
        page = browser.open(f"{flow['verification_uri']}?user_code={flow['user_code']}")
        return browser.choose(page, ADMINISTRATOR)
    await steps.run("device code: a person answers in a browser", approve,
                    lambda answer: answer.status_code == 200 and "Signed in" in answer.text, needs=flow)
    tokens = await steps.run("device code: MSAL gets the tokens",
                             lambda: app.acquire_token_by_device_flow(flow), wants_token, needs=flow)
    await steps.run("device code: the account is the person", lambda: app.get_accounts(),
                    lambda found: len(found) == 1 and found[0]["username"].startswith("hiro.tanaka@"),
                    needs=tokens)
    await steps.run("device code: the backup API takes the token",
                    lambda: backup_status(tokens["access_token"]),
                    lambda answer: answer[0] == 200 and "serviceStatus" in answer[1] or str(answer),
                    needs=tokens)

    def declined():
        flow = app.initiate_device_flow(scopes=SCOPES)
        browser = Browser()
        page = browser.open(f"{flow['verification_uri']}?user_code={flow['user_code']}")
        browser.choose(page, "Cancel")
        return app.acquire_token_by_device_flow(flow)
    await steps.run("device code: declined", declined,
                    lambda result: result.get("error") == "authorization_declined" or str(result))

    cache = msal.SerializableTokenCache()
    app = public_client(cache)
    flow = await steps.run("PKCE: start", lambda: app.initiate_auth_code_flow(
        SCOPES, redirect_uri="http://localhost:53682"), lambda flow: "auth_uri" in flow)

    def sign_in():
        browser = Browser()
        answer = browser.choose(browser.open(flow["auth_uri"]), ADMINISTRATOR)
        assert answer.status_code == 303, f"{answer.status_code} {answer.text[:200]}"
        address = urllib.parse.urlsplit(answer.headers["Location"])
        assert (address.scheme, address.netloc) == ("http", "localhost:53682"), address
        return dict(urllib.parse.parse_qsl(address.query or address.fragment))
    answer = await steps.run("PKCE: a person signs in", sign_in,
                             lambda fields: "code" in fields or str(fields), needs=flow)
    tokens = await steps.run("PKCE: MSAL redeems the code",
                             lambda: app.acquire_token_by_auth_code_flow(flow, answer), wants_token, needs=answer)
    await steps.run("PKCE: id token and roles of the person", lambda: tokens["id_token_claims"],
                    lambda claims: claims["name"] == ADMINISTRATOR and claims["tid"] == TENANT_ID, needs=tokens)

    def roles():
        import jwt
        return jwt.decode(tokens["access_token"], options={"verify_signature": False})
    await steps.run("PKCE: the access token has scp and wids", roles,
                    lambda claims: claims["wids"] == [GLOBAL_ADMINISTRATOR]
                    and "BackupRestore-Configuration.Read.All" in claims["scp"].split() or str(claims), needs=tokens)

    def policies():
        answer = requests.get(f"{STATUS}/protectionPolicies", timeout=30,
                              headers={"Authorization": f"Bearer {tokens['access_token']}"})
        return answer.status_code, answer.json()
    await steps.run("PKCE: the backup API takes the token", policies,
                    lambda answer: answer[0] == 200 and answer[1]["value"] == [] or str(answer), needs=tokens)
    await steps.run("PKCE: a scope that was not granted is refused",
                    lambda: requests.post(f"{STATUS}/enable", json={}, timeout=30,
                                          headers={"Authorization": f"Bearer {tokens['access_token']}"}),
                    lambda answer: answer.status_code == 403 or answer.text, needs=tokens)

    account = (app.get_accounts() or [None])[0]
    await steps.run("silent: from the cache", lambda: app.acquire_token_silent(SCOPES, account),
                    lambda result: result["access_token"] == tokens["access_token"]
                    and result.get("token_source") == "cache" or str(result.keys()), needs=account)
    # Tokens tell seconds and are signed deterministically; the id in them differs all the same.
    refreshed = await steps.run("silent: refreshed",
                                lambda: app.acquire_token_silent(SCOPES, account, force_refresh=True),
                                lambda result: result["access_token"] != tokens["access_token"], needs=account)
    await steps.run("silent: another scope of the same app",
                    lambda: app.acquire_token_silent(
                        ["https://graph.microsoft.com/BackupRestore-Control.Read.All"], account),
                    wants_token, needs=refreshed)
    await steps.run("silent: the backup API takes the new token",
                    lambda: backup_status(app.acquire_token_silent(
                        ["https://graph.microsoft.com/BackupRestore-Control.Read.All"], account)["access_token"]),
                    lambda answer: answer[0] == 200 or str(answer), needs=refreshed)

    def replay():
        old = public_client()
        return old.acquire_token_by_refresh_token(tokens["refresh_token"], SCOPES)
    await steps.run("a refresh token that was used before is refused", replay,
                    lambda result: result.get("error") == "invalid_grant" or str(result),
                    needs=tokens and "refresh_token" in tokens)

    other = public_client()
    flow = await steps.run("PKCE by form_post: start", lambda: other.initiate_auth_code_flow(
        SCOPES, redirect_uri="http://localhost:53683", response_mode="form_post"),
        lambda flow: "auth_uri" in flow)

    def sign_in_by_form():
        browser = Browser()
        page = browser.choose(browser.open(flow["auth_uri"]), ADMINISTRATOR)
        assert '<form method=post action="http://localhost:53683">' in page.text, page.text[:300]
        return dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text))
    answer = await steps.run("PKCE by form_post: a person signs in", sign_in_by_form,
                             lambda fields: "code" in fields or str(fields), needs=flow)
    await steps.run("PKCE by form_post: MSAL redeems the code",
                    lambda: other.acquire_token_by_auth_code_flow(flow, answer), wants_token, needs=answer)

    confidential = msal.ConfidentialClientApplication(
        CLIENT_ID, client_credential=CLIENT_SECRET, authority=f"{AUTHORITY}/{TENANT_ID}",
        instance_discovery=f"{AUTHORITY}/common/discovery/instance")
    await steps.run("client credentials as before",
                    lambda: confidential.acquire_token_for_client(["https://graph.microsoft.com/.default"]),
                    wants_token)
    return steps.closing()


main(story)
