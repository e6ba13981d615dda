"""A person of the embedded tenant who signs in: the browser's part by plain HTTP, as the person would do it."""
import re
import urllib.parse

import requests

from common import AUTHORITY, CLIENT_ID, TENANT_ID

ADMINISTRATOR = "Hiro Tanaka"


class Browser:
    """Follows no redirect by itself: the last one goes to the client's own address."""

    def __init__(self):
        self.session = requests.Session()

    def open(self, url):
        answer = self.session.get(url, allow_redirects=False, timeout=30)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:200]}"
        return answer

    def choose(self, page, name):
        """Presses the button that shows `name`."""
        action = re.search(r'<form method=post action="([^"]+)"', page.text).group(1)
        request = re.search(r'name=request value="([^"]+)"', page.text).group(1)
        person = re.search(r'<button name=person value="([^"]*)">' + re.escape(name), page.text).group(1)
        return self.session.post(urllib.parse.urljoin(page.url, action), allow_redirects=False,
                                 data={"request": request, "person": person}, timeout=30)


def administrators_token():
    """Of an administrator with every scope of the backup API, by the device code."""
    oauth = f"{AUTHORITY}/{TENANT_ID}/oauth2/v2.0"
    names = ["Control.ReadWrite", "Configuration.ReadWrite", "Restore.ReadWrite", "Search.Read", "Monitor.Read"]
    scope = " ".join(f"https://graph.microsoft.com/BackupRestore-{name}.All" for name in names)
    flow = requests.post(f"{oauth}/devicecode", data={"client_id": CLIENT_ID, "scope": scope}, timeout=30).json()
    browser = Browser()
    browser.choose(browser.open(f"{flow['verification_uri']}?user_code={flow['user_code']}"), ADMINISTRATOR).raise_for_status()
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": CLIENT_ID, "device_code": flow["device_code"]}
    return requests.post(f"{oauth}/token", data=form, timeout=30).json()["access_token"]
