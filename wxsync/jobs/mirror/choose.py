"""Choose what of an index is written to the destination, byte for byte as the workflow does it. Floor: jobs, pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from wxsync.jobs.mirror.failure import Failure
from wxsync.remote.registry.manifest import Document, Entry, Index, Platform, digest_of

NOWHERE = Platform("", "")


def entries_for(index: Index, wanted: Collection[Platform]) -> tuple[Entry, ...]:
    """Return an index's real images, only the wanted platforms when some are named. Raises Failure when one lacks.

    Attestations are left behind, since some registries refuse them; a platform that is not there is a failure, never
    silently another one.
    """
    entries = tuple(entry for entry in index.entries if not entry.is_attestation)
    if wanted:
        require(wanted, [entry.platform or NOWHERE for entry in entries])
        entries = tuple(entry for entry in entries if entry.platform in wanted)
    if not entries:
        raise Failure("no-platform", "the index names no image")
    return entries


def narrowed(index: Index, entries: Sequence[Entry]) -> Index:
    """Return the index with these of its entries only; with all of them it is the very same bytes: the digest stays."""
    if len(entries) == len(index.entries):
        return index
    value = json.loads(index.document.content)
    kept = {id(entry) for entry in entries}
    listed = [each for each, entry in zip(value["manifests"], index.entries) if id(entry) in kept]
    content = json.dumps({**value, "manifests": listed}, indent=2).encode()
    return Index(Document(content, index.document.media_type, digest_of(content)), tuple(entries))


def require(wanted: Collection[Platform], present: Iterable[Platform]) -> None:
    """Raise Failure unless every wanted platform is there, naming what lacks and what there is."""
    there = set(present)
    missing = set(wanted) - there
    if missing:
        raise Failure("no-platform", f"no {_names(missing)}, there is {_names(there)}")


def _names(platforms: Iterable[Platform]) -> str:
    return ", ".join(sorted(str(platform) or "no platform" for platform in platforms))
