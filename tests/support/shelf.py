"""Put images of any kind into a sandbox registry, without the push protocol."""

from __future__ import annotations

import json
import random

from wxsync.sandbox.registry.content import Repository
from wxsync.sandbox.registry.images import CONFIG, INDEX, LAYER, MANIFEST, descriptor, digest_of

UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def noise(size: int, seed: object = 0) -> bytes:
    """Return bytes that differ by their seed only."""
    return random.Random(str(seed)).randbytes(size)


class Shelf:
    """One repository of a registry's content, filled directly."""

    def __init__(self, registry, name: str) -> None:
        self.name = name
        self._content = registry.content
        self._there = self._content.repositories.setdefault(name, Repository())

    def blob(self, content: bytes) -> str:
        self._content.blobs[digest_of(content)] = content
        self._there.blobs.add(digest_of(content))
        return digest_of(content)

    def manifest(self, value: dict, tag: str = "", kind: str = "") -> str:
        raw = json.dumps(value, indent=1).encode()
        self._there.manifests[digest_of(raw)] = (kind or value["mediaType"], raw)
        if tag:
            self._there.tags[tag] = digest_of(raw)
        return digest_of(raw)

    def image(self, tag: str = "", *, layers=(b"layer",), platform: str = "linux/amd64", kind: str = MANIFEST) -> dict:
        """Put an image there; return its descriptor as an index has it."""
        names = dict(zip(("os", "architecture", "variant"), platform.split("/")))
        config = json.dumps({**names, "made": f"{self.name} {platform}"}).encode()
        for each in (config, *layers):
            self.blob(each)
        digest = self.manifest({
            "schemaVersion": 2, "mediaType": kind, "config": descriptor(CONFIG, config),
            "layers": [descriptor(LAYER, each) for each in layers]}, tag)
        raw = self._there.manifests[digest][1]
        return {**descriptor(kind, raw), "platform": names}

    def attestation(self, subject: str) -> dict:
        entry = self.image(layers=(f"about {subject}".encode(),))
        return {**entry, "platform": UNKNOWN, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}

    def index(self, tag: str, entries: list[dict]) -> str:
        return self.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, tag)
