"""What a browser is told about an object: its name (RFC 6266) and its type. Floor: remote, pure."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

NAME_CHARACTERS = 255
BINARY = "application/octet-stream"

_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187 3.2.1, beside letters and digits
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:;[\x20-\x7e]{0,200})?", re.ASCII)
_UNSAFE = re.compile(r'[^ -~]|["\\%]')


def content_disposition(name: str) -> str:
    """Return the field's value for a file name: ASCII for old readers first, then the name itself (RFC 6266 4.3).

    The first form has no quote, backslash or percent sign: readers disagree about them (RFC 6266 appendix D).
    """
    shown = "".join(each for each in name[:NAME_CHARACTERS] if unicodedata.category(each) not in ("Cc", "Cs"))
    plain = _UNSAFE.sub("_", shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe=_ATTR_CHARS)}"


def media_type(text: str) -> str:
    """Return a type that can be sent and signed as it is; what is none becomes that of plain bytes."""
    given = text.strip()
    return given if _MEDIA_TYPE.fullmatch(given) else BINARY
