"""Sign requests for QingStor, in the header and in the query form. Floor: remote, pure.

Source: docs.qingcloud.com/qingstor/api/common/signature, and the service's own SDKs where that page is silent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import quote

Headers = tuple[tuple[str, str], ...]
Query = tuple[tuple[str, Optional[str]], ...]  # decoded; None: a name without "="

SUB_RESOURCES = frozenset({
    "acl", "append", "cname", "cors", "delete", "image", "lifecycle", "logging", "mirror", "notification",
    "part_number", "policy", "position", "replication", "stats", "upload_id", "uploads", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires",
})


@dataclass(frozen=True)
class Key:
    """An access key; the secret never shows."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    def authorization(self, text: str) -> str:
        """Return the value of the Authorization field for a string to sign."""
        return f"QS {self.access_key_id}:{self.signature(text)}"

    def signature(self, text: str) -> str:
        """Return the base64 signature of a string to sign."""
        mac = hmac.new(self.secret_access_key.encode("utf-8"), text.encode("utf-8"), hashlib.sha256)
        return base64.b64encode(mac.digest()).decode("ascii")

    def signed_parameters(self, text: str, expires: int) -> str:
        """Return the query that makes a URL a presigned one; base64 has `+ / =`, which a query must escape."""
        given = quote(self.access_key_id, safe="")
        return f"access_key_id={given}&expires={expires}&signature={quote(self.signature(text), safe='')}"


def string_to_sign(
    method: str, headers: Iterable[tuple[str, str]], bucket: str, key: str, query: Query = (), *,
    expires: int | None = None,
) -> str:
    """Return the text that both sides sign. key and query are decoded, header names in any case.

    expires: of the query form (Unix seconds); it stands in the date's place, and no Content-Type counts.
    """
    fields = {name.lower(): value.strip() for name, value in headers}
    own = sorted((name, value) for name, value in fields.items() if name.startswith("x-qs-"))  # by name, not by line
    if expires is not None:
        content_type, date = "", str(expires)
    else:
        content_type = fields.get("content-type", "")
        date = "" if "x-qs-date" in fields else fields.get("date", "")
    head = f"{method}\n{fields.get('content-md5', '')}\n{content_type}\n{date}\n"
    return head + "".join(f"{name}:{value}\n" for name, value in own) + canonical_resource(bucket, key, query)


def canonical_resource(bucket: str, key: str, query: Query = ()) -> str:
    """Return what the request is about, the same in virtual-host and in path style; sub-resource values decoded."""
    signed = sorted((name, value) for name, value in query if name in SUB_RESOURCES)
    resource = f"/{bucket}/{escape_key(key)}"
    if signed:
        resource += "?" + "&".join(name if value is None else f"{name}={value}" for name, value in signed)
    return resource


def escape_key(key: str) -> str:
    """Return the key as it stands in a path: a percent sign is escaped too, also where it looks like an escape."""
    return quote(key, safe="/~")
