"""What a daemon under the audit hook connected to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.daemon import ROOT


class Audit:
    """command: for DaemonProcess, or the fixture `start`."""

    def __init__(self, directory: Path) -> None:
        self._record = directory / "audit.jsonl"
        self.command = (str(ROOT / "tests" / "support" / "audited_daemon.py"), str(self._record))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def outside(self) -> list[dict[str, Any]]:
        """Return what the way out did not make."""
        return [event for event in self.events() if not event["is_expected"]]

    def ports(self) -> list[int]:
        """Return the port of each connection that the daemon itself opened."""
        return [event["port"] for event in self.events() if event["event"] == "socket.connect"]
