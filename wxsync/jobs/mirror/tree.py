"""What is written of one image: all its manifests, children before the index, and the blobs that they need.

Reads the source as the workflow does: attestations and platforms not asked for are left behind, one platform of an
index is a plain image, an index inside an index stays whole.

Floor: jobs, pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from wxsync.jobs.mirror import choose
from wxsync.jobs.mirror.failure import Failure
from wxsync.remote.registry.manifest import Descriptor, Document, Image, Index, Manifest, Platform, platform_of_config

MAX_MANIFESTS = 1024  # of one image; the largest known index has some dozens
MAX_MANIFEST_BYTES = 4 << 20  # of all of them, since they are held at once
MAX_DEPTH = 4
Fetch = Callable[[str], Manifest]


@dataclass(frozen=True)
class Tree:
    """The manifests in the order in which they are written, the image's own last; each blob once."""

    documents: tuple[Document, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        """Return how many bytes it all has."""
        return sum(blob.size for blob in self.blobs) + sum(len(each.content) for each in self.documents)


def choose_top(
    found: Manifest, wanted: Collection[Platform], fetch: Fetch, fetch_config: Callable[[Descriptor], bytes]
) -> Manifest:
    """Return what is written under the destination's tag. Raises Failure when a wanted platform is not there."""
    if isinstance(found, Image):
        if wanted:
            choose.require(wanted, [_platform_of(found, fetch_config)])
        return found
    entries = choose.entries_for(found, wanted)
    if len(wanted) == len(entries) == 1:
        return fetch(entries[0].digest)
    return choose.narrowed(found, entries)


def gather(top: Manifest, fetch: Fetch) -> Tree:
    """Return the whole that belongs to a manifest. Raises Failure when it is larger than any real image."""
    documents: dict[str, Document] = {}
    blobs: dict[str, Descriptor] = {}
    known_bytes = 0

    def visit(manifest: Manifest, depth: int) -> None:
        nonlocal known_bytes
        known_bytes += len(manifest.document.content)
        if depth > MAX_DEPTH or len(documents) >= MAX_MANIFESTS or known_bytes > MAX_MANIFEST_BYTES:
            raise Failure("too-large", "an index with too many manifests")
        if isinstance(manifest, Index):
            for entry in manifest.entries:
                if entry.digest not in documents:
                    visit(fetch(entry.digest), depth + 1)
        else:
            parts = [*([manifest.config] if manifest.config else []), *manifest.layers]
            # Foreign layers (Windows bases) come from where their manifest says: a registry takes it without them.
            blobs.update({each.digest: each for each in parts if not each.is_foreign})
        documents[manifest.document.digest] = manifest.document

    visit(top, 0)
    return Tree(tuple(documents.values()), tuple(blobs.values()))


def _platform_of(image: Image, fetch_config: Callable[[Descriptor], bytes]) -> Platform:
    if image.config is None:
        return choose.NOWHERE
    return platform_of_config(fetch_config(image.config), "configuration")
