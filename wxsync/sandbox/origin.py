"""An origin with files, always the same bytes: what members' links lead to in the sandbox. Floor: sandbox."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from wxsync.sandbox.server import Answer, Request, Server

HOST = "files.test"  # a name that resolves nowhere but at the sandbox's egress proxy
_RANGE = re.compile("bytes=([0-9]{1,15})-([0-9]{0,15})")


class Origin:
    """Ready when made; end it with `close`. files: content by path, each with the name that it is sent as."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {
            "/report.pdf": ("季度报告.pdf", pdf(200_000)),
            "/backup.tar.gz": ("backup.tar.gz", noise(10_000_000)),
        }
        self.server = Server(self._respond)

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _respond(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return Answer(405, b"", "text/plain")
        if request.path == "/":
            return Answer(200, "\n".join(sorted(self.files)).encode(), "text/plain")
        name, content = self.files.get(request.path, ("", b""))
        if not name:
            return Answer(404, b"no such file\n", "text/plain")
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers: tuple[tuple[str, str], ...] = (
            ("ETag", etag), ("Accept-Ranges", "bytes"),
            ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}"))
        kind = "application/pdf" if name.endswith(".pdf") else "application/octet-stream"
        match = _RANGE.fullmatch(request.headers.get("range", ""))
        if match is None or request.headers.get("if-range", etag) != etag:
            return Answer(200, content, kind, headers)
        first, size = int(match.group(1)), len(content)
        last = min(int(match.group(2) or size), size - 1)
        if first > last:
            return Answer(416, b"", kind, (*headers, ("Content-Range", f"bytes */{size}")))
        headers += (("Content-Range", f"bytes {first}-{last}/{size}"),)
        return Answer(206, content[first : last + 1], kind, headers)


def noise(size: int) -> bytes:
    """Return so many bytes that look random and are the same each time."""
    return hashlib.shake_128(b"wxsync sandbox").digest(size)


def pdf(size: int) -> bytes:
    """Return a one-page PDF of about this size."""
    text = b"BT /F1 24 Tf 72 720 Td (Quarterly report) Tj ET\n% " + noise(size // 2).hex().encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    made, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = (len(objects) + 1, len(made))
    return b"%sxref\n0 %d\n0000000000 65535 f \n%s" % (made, end[0], table) + (
        b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % end)
