"""Make an image on the spot from its name: two platforms, tiny layers, a base that all images share. Floor: sandbox."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PLATFORMS = (("linux", "amd64"), ("linux", "arm64"))
TAGS = ("latest", "stable", "alpine", "1", "1.25", "1.26", "1.27", "1.27-alpine", "2", "3.12", "7", "7.0", "7.2",
        "8", "8.0", "8.4", "16", "16-alpine")
BASE_BYTES, OWN_BYTES = 8192, 2048


def digest_of(content: bytes) -> str:
    """Return the digest by which a registry names these bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Image:
    """What a registry needs to hold it: blobs, the platforms' manifests, and the index that the tag names."""

    blobs: tuple[bytes, ...]
    manifests: tuple[bytes, ...]
    index: bytes


def made(repository: str, tag: str) -> Image | None:
    """Return the image of a name, always the same bytes; None when name or tag contains `no-such`."""
    if "no-such" in repository or "no-such" in tag:
        return None
    blobs: list[bytes] = []
    manifests: list[bytes] = []
    entries: list[dict[str, object]] = []
    for system, machine in PLATFORMS:
        layers = [_layer(f"base {machine}", BASE_BYTES), _layer(f"{repository}:{tag} {machine}", OWN_BYTES)]
        config = _json({
            "architecture": machine, "os": system, "config": {"Cmd": ["/content.txt"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer)) for layer in layers]},
        })
        manifest = _json({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config),
            "layers": [descriptor(LAYER, layer) for layer in layers],
        })
        blobs += [config, *layers]
        manifests.append(manifest)
        entries.append({**descriptor(MANIFEST, manifest), "platform": {"os": system, "architecture": machine}})
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    return Image(tuple(blobs), tuple(manifests), index)


def descriptor(media_type: str, content: bytes) -> dict[str, object]:
    """Return what a manifest or index says of a blob or manifest."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _layer(text: str, size: int) -> bytes:
    """Return a gzipped tar of one file that hardly gets smaller, the same bytes for the same text."""
    seed = hashlib.sha512(text.encode("utf-8")).hexdigest()
    content = "".join(hashlib.sha512(f"{seed}{n}".encode("ascii")).hexdigest() for n in range(size // 128)).encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("content.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
