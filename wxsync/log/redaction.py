"""Take secrets out of texts that are logged or shown: by field name, by value, by their look. Floor: ground, pure."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
MAX_TEXT = 65536  # characters that a pattern here ever sees; what is beyond is cut off
_SHORTEST = 4  # a shorter secret would blank out half of every line
_FIELD = re.compile(
    r"(?:.*[_-])?(?:token|secret|password|passwd|authorization|cookie|signature|credential|credentials|api_?key|"
    r"aes_key|access_key|echostr|corpsecret)", re.IGNORECASE | re.ASCII)
# Credentials that travel in URLs and headers, whoever made them: WeCom's token calls, presigned links, Basic and QS.
_ESCAPE = re.compile(r"%[0-9A-F]{2}", re.ASCII)
_LOOKS = (
    (re.compile(
        r"\b((?:access_token|corpsecret|msg_signature|signature|echostr|access_key_id|secret|token|password)=)"
        r"[^&\s\"'<>\\]+", re.IGNORECASE | re.ASCII), rf"\1{REDACTED}"),
    (re.compile(r"\b((?:Bearer|Basic|QS|token) )[A-Za-z0-9+/=._~:-]{8,}", re.ASCII), rf"\1{REDACTED}"),
    (re.compile(r"(://)[^\s/@\"'<>]{1,512}@", re.ASCII), rf"\1{REDACTED}@"),
)


class Redactor:
    """Knows the secret values; frozen after it is built, so any thread may use it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first: a secret may be part of another one.
        longest_first = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return the text, bounded, without secret values and without what looks like a credential."""
        clean = text[:MAX_TEXT]
        if self._values:
            clean = self._values.sub(REDACTED, clean)
        for pattern, shown in _LOOKS:
            clean = pattern.sub(shown, clean)
        return clean

    def field(self, name: str, value: object) -> object:
        """Return a log field's value: hidden by its name; numbers, booleans and None as they are; the rest as text."""
        if _FIELD.fullmatch(name):
            return REDACTED
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value))


def _forms(secret: str) -> Iterable[str]:
    """Yield the spellings in which a secret may turn up: plain, in URLs, JSON, repr, and Basic's base64."""
    yield secret
    yield quote(secret, safe="")
    yield _ESCAPE.sub(lambda escape: escape[0].lower(), quote(secret, safe=""))
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield b64encode(secret.encode("utf-8", "surrogateescape")).decode()
