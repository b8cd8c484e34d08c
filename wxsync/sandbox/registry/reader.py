"""Read back what a registry holds, as anyone with the login could: the digest of a tag. Floor: sandbox."""

from __future__ import annotations

import base64
import http.client
import json
import re
from urllib.parse import urlencode, urlsplit

from wxsync.sandbox.registry.images import INDEX, MANIFEST, digest_of

_BEARER = re.compile(r'Bearer realm="([^"]+)",service="([^"]*)",scope="([^"]*)"')


class Reader:
    """One registry, seen from another process."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._address = urlsplit(url).netloc
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest of the bytes that the tag names, empty when there are none."""
        target = f"/v2/{repository}/manifests/{tag}"
        status, challenge, raw = self._get(target, "")
        wanted = _BEARER.fullmatch(challenge)
        if status == 401 and wanted:
            query = urlencode({"service": wanted[2], "scope": wanted[3]})
            token = json.loads(self._get(f"{urlsplit(wanted[1]).path}?{query}", self._login)[2])["token"]
            status, _, raw = self._get(target, f"Bearer {token}")
        return digest_of(raw) if status == 200 else ""

    def _get(self, target: str, authorization: str) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=10.0)
        fields = {"Accept": f"{INDEX}, {MANIFEST}", **({"Authorization": authorization} if authorization else {})}
        try:
            connection.request("GET", target, headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Www-Authenticate", ""), answer.read()
        finally:
            connection.close()
