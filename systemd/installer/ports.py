"""Who listens on a port of this machine, by /proc (proc(5))."""

from __future__ import annotations

import ipaddress
import sys
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"
OURS = "/wxsyncd.service"
_ORDER = -1 if sys.byteorder == "little" else 1  # the table shows words of the machine


def holder(host: str, port: int, proc: Path = Path("/proc")) -> str:
    """Return the process that listens there (`nginx (812)`), empty when nobody or our own service does."""
    inodes = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _listening(proc / "net" / name, host, port)}
    if not inodes:
        return ""
    for process in proc.iterdir():
        if process.name.isdigit() and _has(process, inodes):
            return "" if _is_ours(process) else f"{_read(process / 'comm').strip()} ({process.name})"
    return "?"


def _listening(table: Path, host: str, port: int) -> list[str]:
    rows = [line.split() for line in _read(table).splitlines()[1:]]
    return [row[9] for row in rows if len(row) > 9 and row[3] == _LISTEN and _is_taken(row[1], host, port)]


def _is_taken(local: str, host: str, port: int) -> bool:
    """Tell whether a listener at this place, as the table writes it, leaves no room for ours."""
    address, _, number = local.rpartition(":")
    if int(number, 16) != port:
        return False
    words = (bytes.fromhex(address[at:at + 8])[::_ORDER] for at in range(0, len(address), 8))
    theirs = ipaddress.ip_address(b"".join(words))
    try:
        ours = ipaddress.ip_address(host)
    except ValueError:  # a name: it may mean any
        return True
    return theirs.is_unspecified or ours.is_unspecified or theirs == ours


def _has(process: Path, inodes: set[str]) -> bool:
    with suppress(OSError):  # it has just ended
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in inodes:
                    return True
    return False


def _is_ours(process: Path) -> bool:
    """Tell whether it is our service, or systemd that holds the port for our socket unit."""
    return process.name == "1" or any(
        line.endswith(OURS) for line in _read(process / "cgroup").splitlines())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
