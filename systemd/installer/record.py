"""The drop-in that the installer adds to the unit, which is also its memory of how it was called."""

from __future__ import annotations

import configparser
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

DYNAMIC_SINCE = 247  # before it a static user
# 247 cannot run a unit's `+` commands where it has credentials: it mounts their directory before there is one (seen on
# Debian 11: 226/NAMESPACE). 252 can; between them nothing was tried, so what works everywhere is used there too.
CREDENTIALS_SINCE = 250
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}", re.ASCII)
_MEMORY = "X-Wxsyncd"  # systemd passes sections with X- by


@dataclass(frozen=True)
class Record:
    """prefix: where the program is. user: a static user, empty for a dynamic one. made_user: the installer made it."""

    prefix: str
    user: str = ""
    made_user: bool = False


def drop_in(record: Record, secrets: Collection[str], systemd: int) -> str:
    """Return the text of the drop-in. secrets: names of the files that are there; systemd: its version."""
    lines = ["# 由 install.sh 生成，重新运行时会改写；自己的改动写进 systemctl edit wxsyncd。", "[Service]"]
    if record.user:
        lines += ["DynamicUser=no", f"User={record.user}"]
    if systemd < DYNAMIC_SINCE:
        lines.append("Environment=STATE_DIRECTORY=/var/lib/wxsyncd")  # not told before 240
    if systemd >= CREDENTIALS_SINCE:
        lines += [f"LoadCredential={name}:/etc/wxsyncd/secrets/{name}" for name in sorted(secrets)]
    elif secrets:
        copy = f"{record.prefix}/current/systemd/copy-config /etc/wxsyncd/wxsync.conf /run/wxsyncd"
        lines += ["ExecStartPre=", f"ExecStartPre=-+{copy} /etc/wxsyncd/secrets",
                  "Environment=CREDENTIALS_DIRECTORY=/run/wxsyncd/secrets"]
    made = "yes" if record.made_user else "no"
    lines += ["", f"[{_MEMORY}]", f"Prefix={record.prefix}", f"User={record.user}", f"MadeUser={made}"]
    return "\n".join(lines) + "\n"


def remembered(path: Path) -> Record | None:
    """Return what an earlier run left, None when there was none."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        memory = parser[_MEMORY]
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError):
        return None
    return Record(memory.get("Prefix", ""), memory.get("User", ""), memory.get("MadeUser", "") == "yes")


def is_user_name(text: str) -> bool:
    """Tell whether useradd and the unit would take it."""
    return bool(_USER.fullmatch(text)) and text != "root"
