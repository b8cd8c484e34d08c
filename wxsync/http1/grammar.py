"""The patterns of RFC 9110 and 9112 that heads, hosts and chunks are made of. Floor: http1, pure.

All are used with fullmatch, on bytes whose length was bounded before, and each of their repetitions ends at a byte
that the repeated class does not hold, so they run in linear time.
"""

from __future__ import annotations

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 9110 5.5 calls CR, LF and NUL dangerous and the other control bytes invalid; only a tab is text.
TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
FIELDS = rb"(?:" + TOKEN + rb":" + TEXT + rb"\r\n)*"

REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([0-9])")
FIELD_BLOCK = re.compile(FIELDS)
RESPONSE_HEAD = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: (" + TEXT + rb"))?\r\n(" + FIELDS + rb")\r\n")
FIELD_LINE = re.compile(TOKEN + rb":" + TEXT)
VERSION = re.compile(rb"HTTP/([0-9])\.[0-9]")
LENGTH = re.compile(rb"[0-9]{1,18}")
# RFC 3986 3.2.2 without userinfo, which has no place in Host; the empty host cannot name a server of http.
HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[\t ]*;" + TEXT + rb")?")
BARE_LF = re.compile(rb"(?:\A|[^\r])\n")

HEAD_END = b"\r\n\r\n"

