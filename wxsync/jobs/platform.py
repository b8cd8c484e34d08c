"""Read the platforms of a --platform option. Floor: jobs, pure."""

from __future__ import annotations

import re
import unicodedata

KNOWN = frozenset(
    [
        *("linux/386", "linux/amd64", "linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7"),
        *("linux/arm64", "linux/arm64/v8", "linux/loong64", "linux/mips64le", "linux/ppc64le"),
        *("linux/riscv64", "linux/s390x", "windows/amd64", "windows/arm64"),
    ]
)
_OTHER_NAMES = {"x86_64": "amd64", "x64": "amd64", "x86": "386", "i386": "386", "aarch64": "arm64", "armv7": "arm/v7"}
_NEARLY_OPTION = re.compile(r"[-–—]+platforms?[=: ]+(.*)", re.ASCII)
_MAX_NEARBY = 512


def normal(platform: str) -> str:
    """Return the one name of a platform that has two."""
    return "linux/arm64" if platform == "linux/arm64/v8" else platform


def parse(value: str) -> tuple[str, ...] | None:
    """Return the platforms as written, each counted once; None when one is empty or unknown."""
    names: dict[str, str] = {}
    for name in value.split(","):
        if name not in KNOWN:
            return None
        names.setdefault(normal(name), name)
    return tuple(names.values())


def nearby_option(written: str) -> str | None:
    """Return the option that was meant by e.g. `--platform=ARM64`, `--platform:linux/arm64` or a phone's `—platform=…`.

    Only forms are mended, never a platform that was not named. None when nothing is near.
    """
    if len(written) > _MAX_NEARBY:
        return None
    found = _NEARLY_OPTION.fullmatch(unicodedata.normalize("NFKC", written).lower())
    if found is None:
        return None
    value = ",".join(map(_nearby, re.split("[,;、]", found[1])))
    return f"--platform={value}" if parse(value) else None


def _nearby(name: str) -> str:
    system, slash, machine = name.partition("/")
    if not slash or system not in ("linux", "windows"):
        system, machine = "linux", name
    return f"{system}/{_OTHER_NAMES.get(machine, machine)}"
