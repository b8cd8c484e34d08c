"""Look with one's own eyes at what an answer of the demo claims: open its links, compare the bytes. Floor: sandbox."""

from __future__ import annotations

import hashlib
import http.client
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from wxsync.sandbox.origin import HOST

_LINK = re.compile(r"^下载链接: (http://127\.0\.0\.1:\S+)$", re.M)
_SOURCE = re.compile(rf"http://{re.escape(HOST)}(/[^\s?#]*)", re.I)
_PROXY_LINE = re.compile("(?:🌐 检测到代理配置|  直连域名|✅ 代理可用|⚠️  代理连接失败|🔗 ).*")


def of_links(message: str, answer: str, origin: str) -> Iterator[str]:
    """Yield a line for each link of an answer: whether it opens, and has the bytes of one of the message's files.

    origin: where the sandbox's files can be read without a proxy.
    """
    sources = {hashlib.sha256(_read(origin + path)).hexdigest(): path for path in _SOURCE.findall(message)}
    for link in _LINK.findall(answer):
        content = _read(link)
        path = sources.get(hashlib.sha256(content).hexdigest())
        same = f"与 http://{HOST}{path} 逐字节相同" if path else "与源文件不同！"
        yield f"核对：打开下载链接，得到 {len(content)} 字节，{same}"


def of_proxy(log: str) -> list[str]:
    """Return what the daemon's log says about the egress proxy."""
    return [line for line in log.splitlines() if _PROXY_LINE.fullmatch(line)]


def _read(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else b""
    finally:
        connection.close()
