"""The unpacked release: its version, its checksums, its wheel for a machine."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"
MACHINES = ("x86_64", "aarch64")  # by uname -m; the wheels are for CPython 3.9 and newer with glibc


class Package:
    """A directory with a release in it; it may be one that is installed already."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = str(_constant(directory / "wxsync/version.py", "VERSION") or "")

    @property
    def schema(self) -> int:
        """The state's schema that this version writes."""
        return int(str(_constant(self.directory / "wxsync/store/database.py", "SCHEMA_VERSION") or 0))

    def sums(self) -> dict[str, str]:
        """Return the files of the release with their sha256; empty when there is no list.

        A line that is none stands for a file of that name, which is missing: it must not pass for a shorter list.
        """
        try:
            lines = (self.directory / SUMS).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        return {name or digest: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def damaged(self) -> list[str]:
        """Return the files that are missing or not what they should be."""
        return [name for name, digest in self.sums().items() if _sha256(self.directory / name) != digest]

    def wheel(self, machine: str) -> Path | None:
        """Return the wheel that fits a machine."""
        names = [name for name in self.sums() if name.startswith("wheels/") and name.endswith(f"_{machine}.whl")]
        return self.directory / names[0] if names else None

    def size_bytes(self) -> int:
        """Return how much the files take."""
        return sum((self.directory / name).stat().st_size for name in self.sums())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _constant(path: Path, name: str) -> object:
    """Return the literal that a module gives to a name, without running it."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return None
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None
