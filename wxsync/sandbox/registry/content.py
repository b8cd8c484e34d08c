"""What a registry holds: blobs once, linked by repositories; manifests, tags, open uploads. Floor: sandbox."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from wxsync.sandbox.registry.answers import Refusal
from wxsync.sandbox.registry.images import INDEX, MANIFEST, TAGS, Image, digest_of

Maker = Callable[[str, str], "Image | None"]


@dataclass
class Repository:
    """One repository: which blobs it links, its manifests (type, bytes) by digest, its tags."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Upload:
    """An upload under way."""

    repository: str
    content: bytearray = field(default_factory=bytearray)


class Content:
    """Holds it all in memory; the stand-in's lock is held around every call.

    maker: makes images that are asked for and not there (a source). served, taken: bytes of each blob that went out
    and came in, taken also counts what was sent to an upload that never ended.
    """

    def __init__(self, maker: Maker | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, Upload] = {}
        self.served: Counter[str] = Counter()
        self.taken_bytes = 0
        self._maker = maker
        self._missed: dict[str, str] = {}  # the tag of each repository that was asked for last and is not made

    def add_image(self, repository: str, tag: str, image: Image) -> str:
        """Put a whole image there; return its digest."""
        there = self.repositories.setdefault(repository, Repository())
        for blob in image.blobs:
            self.blobs[digest_of(blob)] = blob
            there.blobs.add(digest_of(blob))
        for manifest in image.manifests:
            there.manifests[digest_of(manifest)] = (MANIFEST, manifest)
        return self._tag(there, tag, INDEX, image.index)

    def manifest(self, repository: str, reference: str) -> tuple[str, bytes]:
        """Return type and bytes by tag or digest; Refusal when there is none."""
        there = self.repositories.get(repository)
        known = there is not None and (reference in there.tags or reference in there.manifests)
        if not known and self._maker is not None and ":" not in reference:
            image = self._maker(repository, reference)
            if image is None:
                self._missed[repository] = reference
            else:
                self.add_image(repository, reference, image)
                there, known = self.repositories[repository], True
        if there is None and (self._maker is None or "no-such" in repository):
            raise Refusal("NAME_UNKNOWN", detail={"name": repository})
        if there is None or not known:
            raise Refusal("MANIFEST_UNKNOWN", detail={"name": repository, "Tag": reference})
        return there.manifests[there.tags.get(reference, reference)]

    def put_manifest(self, repository: str, reference: str, media_type: str, raw: bytes) -> str:
        """Store a manifest whose parts are all there; return its digest."""
        there = self.repositories.setdefault(repository, Repository())
        if ":" in reference and reference != digest_of(raw):
            raise Refusal("DIGEST_INVALID")
        try:
            blobs, children = _parts(json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise Refusal("MANIFEST_INVALID") from cause
        for missing in [*(each for each in blobs if each not in there.blobs),
                        *(each for each in children if each not in there.manifests)]:
            raise Refusal("MANIFEST_BLOB_UNKNOWN", detail={"digest": missing})
        return self._tag(there, reference, media_type, raw)

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository in order; a maker offers some that it could make, one near a missing one."""
        there = self.repositories.get(repository)
        if there is None and (self._maker is None or "no-such" in repository):
            raise Refusal("NAME_UNKNOWN", detail={"name": repository})
        offered = {*TAGS, self._missed.get(repository, "latest").replace("no-such", "nosuch")} if self._maker else ()
        return sorted({*(there.tags if there else ()), *offered})

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a blob that the repository links."""
        there = self.repositories.get(repository)
        if there is None or digest not in there.blobs:
            raise Refusal("BLOB_UNKNOWN", detail={"digest": digest})
        return self.blobs[digest]

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Link a blob of another repository; tell whether it was there."""
        other = self.repositories.get(source)
        if other is None or digest not in other.blobs:
            return False
        self.repositories.setdefault(repository, Repository()).blobs.add(digest)
        return True

    def begin(self, repository: str) -> str:
        """Open an upload; return its name."""
        name = secrets.token_hex(16)
        self.uploads[name] = Upload(repository)
        return name

    def upload(self, repository: str, name: str) -> Upload:
        """Return an open upload of this repository."""
        upload = self.uploads.get(name)
        if upload is None or upload.repository != repository:
            raise Refusal("BLOB_UPLOAD_UNKNOWN")
        return upload

    def finish(self, repository: str, name: str, digest: str) -> None:
        """End an upload: the blob is there when its bytes are what was promised."""
        upload = self.upload(repository, name)
        if digest_of(bytes(upload.content)) != digest:
            raise Refusal("DIGEST_INVALID")
        del self.uploads[name]
        self.blobs[digest] = bytes(upload.content)
        self.repositories.setdefault(repository, Repository()).blobs.add(digest)

    def faults(self) -> list[str]:
        """Return what is broken: tags whose image is not whole, blobs that are not what their digest says."""
        broken = [f"blob {digest}" for digest, blob in self.blobs.items() if digest_of(blob) != digest]
        for name, there in self.repositories.items():
            for digest, (_, raw) in there.manifests.items():
                blobs, children = _parts(json.loads(raw))
                whole = set(blobs) <= there.blobs and set(children) <= there.manifests.keys()
                broken += [] if whole and digest_of(raw) == digest else [f"manifest {name}@{digest}"]
        return broken

    @staticmethod
    def _tag(there: Repository, reference: str, media_type: str, raw: bytes) -> str:
        digest = digest_of(raw)
        there.manifests[digest] = (media_type, raw)
        if ":" not in reference:
            there.tags[reference] = digest
        return digest


def _parts(manifest: dict[str, list[dict[str, str]]]) -> tuple[list[str], list[str]]:
    """Return the blobs and the manifests that a manifest names; layers kept elsewhere (`urls`) are not asked for."""
    children = [each["digest"] for each in manifest.get("manifests", [])]
    return list(_blobs(manifest)), children


def _blobs(manifest: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    if "layers" in manifest:  # an artifact has blobs, and no configuration
        config: object = manifest["config"]
        if isinstance(config, dict):
            yield config["digest"]
    elif "blobs" not in manifest and "manifests" not in manifest:
        raise KeyError("layers")
    for part in [*manifest.get("layers", []), *manifest.get("blobs", [])]:
        if "urls" not in part:
            yield part["digest"]
