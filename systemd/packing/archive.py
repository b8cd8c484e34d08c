"""Write files as a tar.gz whose bytes depend on nothing else: no clock, user, umask, order or locale."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable

from packing.tree import File

SUMS = "SHA256SUMS"


def with_sums(files: Iterable[File]) -> list[File]:
    """Return the files in order, and the list of their checksums as one more."""
    ordered = sorted(files, key=lambda file: file.name)
    sums = "".join(f"{hashlib.sha256(each.data).hexdigest()}  {each.name}\n" for each in ordered)
    return [*ordered, File(SUMS, sums.encode())]


def pack(top: str, files: Iterable[File], built_at: int) -> bytes:
    """Return the archive; everything lies below the directory `top`."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for directory in _directories(top, files := list(files)):
            tar.addfile(_entry(directory, built_at, 0o755, tarfile.DIRTYPE))
        for file in files:
            entry = _entry(f"{top}/{file.name}", built_at, 0o755 if file.is_executable else 0o644, tarfile.REGTYPE)
            entry.size = len(file.data)
            tar.addfile(entry, io.BytesIO(file.data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=built_at) as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()


def _directories(top: str, files: Iterable[File]) -> list[str]:
    found = {top}
    for file in files:
        parts = file.name.split("/")[:-1]
        found |= {"/".join([top, *parts[:depth]]) for depth in range(1, len(parts) + 1)}
    return sorted(found)


def _entry(name: str, built_at: int, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode, entry.type = built_at, mode, kind
    return entry
