"""QingStor's signatures, judged from the receiving side: header form and query form. Floor: sandbox."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote

SUB_RESOURCES = frozenset({
    "acl", "append", "cname", "cors", "delete", "image", "lifecycle", "logging", "mirror", "notification",
    "part_number", "policy", "position", "replication", "stats", "upload_id", "uploads", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires",
})


def string_to_sign(
    method: str, headers: Mapping[str, str], bucket: str, key: str, query: Iterable[tuple[str, str]], *,
    expires: str = "",
) -> str:
    """Return the text that both sides sign; header names in lower case, key and query decoded.

    expires: of the query form, where it stands in place of the date and no Content-Type counts.
    """
    own = sorted((name, value.strip()) for name, value in headers.items() if name.startswith("x-qs-"))
    date = expires or ("" if "x-qs-date" in headers else headers.get("date", ""))
    content_type = "" if expires else headers.get("content-type", "")
    signed = sorted((name, value) for name, value in query if name in SUB_RESOURCES)
    resource = f"/{bucket}/{quote(key, safe='/~')}"
    if signed:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in signed)
    head = "\n".join((method, headers.get("content-md5", ""), content_type, date))
    return head + "\n" + "".join(f"{name}:{value}\n" for name, value in own) + resource


def sign(secret_access_key: str, text: str) -> str:
    """Return the base64 signature of a text."""
    mac = hmac.new(secret_access_key.encode("utf-8"), text.encode("utf-8"), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode("ascii")


def is_right(signature: str, secret_access_key: str, text: str) -> bool:
    """Tell whether this is the signature of the text."""
    return hmac.compare_digest(signature.encode("utf-8"), sign(secret_access_key, text).encode("ascii"))
