"""Names resolve as a table says; every other name is unknown."""

from __future__ import annotations

import socket
import threading

from wxsync.errors import RemoteFault
from wxsync.remote.resolver import Address


class TableResolver:
    """rows: host -> addresses; a literal address resolves to itself. asked: every host in order."""

    def __init__(self, rows: dict[str, list[str]] | None = None) -> None:
        self.asked: list[str] = []
        self._rows = rows or {}

    def addresses(
        self, host: str, port: int, deadline: float, stop: threading.Event | None = None
    ) -> tuple[Address, ...]:
        self.asked.append(host)
        literal = [host] if ":" in host or host.replace(".", "").isdigit() else []
        found = self._rows.get(host, literal)
        if not found:
            raise RemoteFault("unknown name", where=host, temporary=True)
        return tuple(
            Address(socket.AF_INET6, (ip, port, 0, 0)) if ":" in ip else Address(socket.AF_INET, (ip, port))
            for ip in found
        )
