"""Where a bucket is: the endpoint's template becomes URLs of its objects. Floor: remote, pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from wxsync.remote.qingstor.signing import Query, escape_key


@dataclass(frozen=True)
class Place:
    """One bucket. endpoint: `https://{bucket}.{zone}.qingstor.com`; without `{bucket}` it is path style."""

    endpoint: str
    bucket: str
    zone: str

    def url(self, key: str, query: Query = ()) -> str:
        """Return the URL of an object (of the bucket itself for the key ""), every part escaped."""
        base = self.endpoint.replace("{zone}", self.zone).replace("{bucket}", self.bucket).rstrip("/")
        if "{bucket}" not in self.endpoint:
            base += f"/{self.bucket}"
        return f"{base}/{escape_key(key)}" + (f"?{escape_query(query)}" if query else "")


def escape_query(query: Query) -> str:
    """Return the parameters as they stand in a URL."""
    return "&".join(
        quote(name, safe="") if value is None else f"{quote(name, safe='')}={quote(value, safe='/')}"
        for name, value in query
    )
