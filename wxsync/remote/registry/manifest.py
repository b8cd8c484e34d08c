"""Read manifests and indexes: strictly, with bounds, and never one that can be read as both. Floor: remote, pure.

Sources: OCI image specification v1.1 (manifest.md, image-index.md, descriptor.md), Docker's manifest v2 schema 2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Union

from wxsync.remote.registry.faults import Kind, RegistryFault, bad_answer
from wxsync.remote.registry.strictjson import read_json

MAX_BYTES = 4 << 20
MAX_ENTRIES = 4096
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1 = ("application/vnd.docker.distribution.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v1+prettyjws")  # fmt: skip
INDEXES = (OCI_INDEX, DOCKER_LIST)
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT)
ACCEPT = ", ".join((*INDEXES, *IMAGES))
ATTESTATION = "vnd.docker.reference.type"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII)
_PLATFORM_PART = re.compile(r"[A-Za-z0-9._-]{0,64}", re.ASCII)  # it is shown to members


@dataclass(frozen=True)
class Platform:
    """What an image runs on. linux/arm64/v8 is linux/arm64 and linux/arm is linux/arm/v7, as in the sync workflow."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Descriptor:
    """A blob or manifest that is named by another one. is_foreign: its bytes come from elsewhere (Windows layers)."""

    media_type: str
    digest: str
    size: int
    is_foreign: bool = False


@dataclass(frozen=True)
class Entry(Descriptor):
    """A manifest of an index; is_attestation: it tells about another one and is no image."""

    platform: Platform | None = None
    is_attestation: bool = False


@dataclass(frozen=True)
class Document:
    """The very bytes of a manifest, and what they are."""

    content: bytes
    media_type: str
    digest: str


@dataclass(frozen=True)
class Image:
    """An image or artifact of one platform: the blobs that it needs, its configuration first where it has one."""

    document: Document
    config: Descriptor | None
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Index:
    """Several manifests under one name."""

    document: Document
    entries: tuple[Entry, ...]


Manifest = Union[Image, Index]


def digest_of(content: bytes, like: str = "sha256:") -> str:
    """Return the digest of these bytes, by the algorithm of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell whether this names bytes, by an algorithm that is known here."""
    return bool(_DIGEST.fullmatch(text))


def platform(name: str) -> Platform:
    """Return the platform that OS/ARCH[/VARIANT] names."""
    system, architecture, variant = [*name.split("/", 2), "", ""][:3]
    return _normal(system, architecture, variant)


def platform_of_config(content: bytes, where: str) -> Platform:
    """Return the platform of an image by its configuration. Raises RegistryFault."""
    return _platform(_object(content, where), where)


def missing(wanted: tuple[str, ...], present: tuple[Platform, ...]) -> tuple[str, ...]:
    """Return which of the wanted platforms, as members write them, are not there."""
    return tuple(name for name in wanted if platform(name) not in present)


def platforms(index: Index) -> tuple[Platform, ...]:
    """Return what the images of an index run on, each once."""
    found = [entry.platform for entry in index.entries if entry.platform is not None and not entry.is_attestation]
    return tuple(dict.fromkeys(found))


def parse(content: bytes, content_type: str, where: str) -> Manifest:
    """Return what a registry sent as a manifest. Raises RegistryFault: SCHEMA_1, BAD_ANSWER.

    A text with the fields of both an index and an image is refused: two readers could copy two things under one
    digest (CVE-2021-41190). The media type of the answer and of the text must not contradict each other.
    """
    if content_type in SCHEMA_1:
        raise _schema_1(where)
    data = _object(content, where)
    if data.get("schemaVersion") == 1:
        raise _schema_1(where)
    media_type = _type_of(data, content_type, where)
    document = Document(content, media_type, digest_of(content))
    if media_type in INDEXES:
        return Index(document, tuple(_entry(each, where) for each in _objects(data, "manifests", where)))
    if media_type == OCI_ARTIFACT:
        return Image(document, None, tuple(_descriptor(each, where) for each in _objects(data, "blobs", where)))
    config = data.get("config")
    if not isinstance(config, dict):
        raise bad_answer("an image manifest without configuration", where)
    layers = tuple(_descriptor(each, where) for each in _objects(data, "layers", where))
    return Image(document, _descriptor(config, where), layers)


def _type_of(data: dict[str, Any], content_type: str, where: str) -> str:
    written, known = data.get("mediaType"), (*INDEXES, *IMAGES)
    is_index, is_image = "manifests" in data, "layers" in data or "config" in data or "blobs" in data
    if written is not None and written not in known:
        raise RegistryFault(Kind.UNSUPPORTED, "a manifest of unknown type", where=where)
    if written is not None and content_type in known and written != content_type:
        raise bad_answer("the manifest contradicts the answer's type", where)
    by_form = OCI_INDEX if is_index else OCI_MANIFEST if is_image else ""
    found = str(written or (content_type if content_type in known else by_form))
    if is_index == is_image or (found in INDEXES) != is_index:
        raise bad_answer("a manifest that is neither an index nor an image", where)
    return found


def _object(content: bytes, where: str) -> dict[str, Any]:
    data = read_json(content, where)
    if not isinstance(data, dict):
        raise bad_answer("no JSON object", where)
    return data


def _objects(data: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    listed = data.get(key)
    if not isinstance(listed, list) or len(listed) > MAX_ENTRIES or not all(isinstance(each, dict) for each in listed):
        raise bad_answer(f"no list of {key}", where)
    return listed


def _descriptor(data: dict[str, Any], where: str) -> Descriptor:
    media_type, digest, size = data.get("mediaType"), data.get("digest"), data.get("size")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise bad_answer("a descriptor without media type", where)
    if not isinstance(digest, str) or not is_digest(digest):
        raise bad_answer("a descriptor without digest", where)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad_answer("a descriptor without size", where)
    return Descriptor(media_type, digest, size, bool(data.get("urls")))


def _entry(data: dict[str, Any], where: str) -> Entry:
    plain = _descriptor(data, where)
    annotations = data.get("annotations")
    named = _platform(data["platform"], where) if isinstance(data.get("platform"), dict) else None
    is_told = isinstance(annotations, dict) and ATTESTATION in annotations
    is_attestation = is_told or named == Platform("unknown", "unknown")
    return Entry(plain.media_type, plain.digest, plain.size, plain.is_foreign, named, is_attestation)


def _platform(data: dict[str, Any], where: str) -> Platform:
    parts = [data.get(key) or "" for key in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) and _PLATFORM_PART.fullmatch(part) for part in parts):
        raise bad_answer("a platform that cannot be read", where)
    return _normal(*parts)


def _normal(system: str, architecture: str, variant: str) -> Platform:
    same = {("amd64", "v1"): "", ("arm64", "v8"): "", ("arm", ""): "v7"}
    return Platform(system, architecture, same.get((architecture, variant), variant))


def _schema_1(where: str) -> RegistryFault:
    return RegistryFault(Kind.SCHEMA_1, "an image manifest of schema 1", where=where)
