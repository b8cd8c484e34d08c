"""Where everything lies on the target machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PREFIX = "/opt/wxsyncd"
UNITS = ("wxsyncd.service", "wxsyncd.socket", "wxsyncd-relay.socket")
SERVICE = UNITS[0]
SOCKETS = UNITS[1:]
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){1,3}", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """Paths below root, which is / but in tests; prefix is where the program goes, as the machine will see it."""

    root: Path
    prefix: str

    def at(self, path: str) -> Path:
        """Return where a path of the target machine is now."""
        return self.root / path.lstrip("/")

    @property
    def home(self) -> Path:
        """The program's directory."""
        return self.at(self.prefix)

    @property
    def versions(self) -> Path:
        """One directory for each version laid."""
        return self.home / "versions"

    @property
    def current(self) -> Path:
        """The one link that says which version runs."""
        return self.home / "current"

    @property
    def units(self) -> Path:
        """systemd's directory for the administrator's units."""
        return self.at("/etc/systemd/system")

    @property
    def drop_in(self) -> Path:
        """What the installer adds to the unit, and remembers by it."""
        return self.units / f"{SERVICE}.d" / "10-install.conf"

    @property
    def link(self) -> Path:
        """The command for operators."""
        return self.at("/usr/local/bin/wxsyncd")

    @property
    def configuration(self) -> Path:
        """The operator's directory; nothing in it is ever overwritten but the example."""
        return self.at("/etc/wxsyncd")

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.configuration / "wxsync.conf"

    @property
    def secrets(self) -> Path:
        """One file for each secret option, named section.option."""
        return self.configuration / "secrets"

    @property
    def state(self) -> Path:
        """The state directory; a link to one below private when the user is dynamic."""
        return self.at("/var/lib/wxsyncd")

    @property
    def kept(self) -> tuple[Path, ...]:
        """What only --purge removes: configuration, state, cache, logs; links before what they lead to."""
        names = ("lib", "cache", "log")
        service = (f"/var/{name}{private}/wxsyncd" for name in names for private in ("", "/private"))
        return (self.configuration, *(self.at(path) for path in service))

    @property
    def lock(self) -> Path:
        """Held while an installer changes something."""
        return self.at("/run/wxsyncd-install.lock")

    def installed(self) -> list[str]:
        """Return the versions that are laid, oldest first."""
        try:
            names = [path.name for path in self.versions.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted((name for name in names if is_version(name)), key=order)

    def running(self) -> str:
        """Return the version that `current` leads to, empty when there is none."""
        try:
            name = self.current.readlink().name
        except OSError:
            return ""
        return name if (self.versions / name).is_dir() else ""


def is_version(text: str) -> bool:
    """Tell whether this can be a release's version."""
    return bool(_VERSION.fullmatch(text))


def order(version: str) -> tuple[int, ...]:
    """Return what versions are compared by."""
    return tuple(int(part) for part in version.split("."))
