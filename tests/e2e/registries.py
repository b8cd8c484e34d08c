"""Run real docker-registry servers on loopback and put tiny images into them, without a container engine."""
from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

USER, PASSWORD = "robot", "correct horse"
# bcrypt of PASSWORD, cost 5: the registry reads no other hash, and Python's crypt module is gone since 3.13.
HTPASSWD = f"{USER}:$2b$05$W.LtHT6E3oKimT2mln6Xa.vecc.lpuJUBBekiF5997kcSQngbB6Ym\n"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def digest_of(content: bytes) -> str:
    """Return the digest by which a registry names these bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    """One docker-registry process; `address` is HOST:PORT. A `private` one wants USER and PASSWORD.

    token: the registry's own settings for a token service, instead.
    """

    def __init__(self, directory: Path, *, private: bool = False, token: dict[str, str] | None = None) -> None:
        directory.mkdir(parents=True)
        settings: dict[str, Any] = {
            "version": 0.1, "http": {"addr": "127.0.0.1:0"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}}}
        if private:
            (directory / "htpasswd").write_text(HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "e2e", "path": str(directory / "htpasswd")}}
        if token:
            settings["auth"] = {"token": token}
        (directory / "conf.yml").write_text(json.dumps(settings))  # JSON is YAML
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        self._log = (directory / "log").open("w")
        self._process = subprocess.Popen(["docker-registry", "serve", str(directory / "conf.yml")],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.address = self._listening()
        threading.Thread(target=self._drain, daemon=True).start()

    def _listening(self) -> str:
        for line in self._process.stderr or ():
            self._log.write(line)
            if found := re.search(r"listening on ([0-9.]+:[0-9]+)", line):
                return found[1]
        raise RuntimeError("docker-registry ended before it listened: " + self._log.name)

    def _drain(self) -> None:
        for line in self._process.stderr or ():
            self._log.write(line)

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(10)

    def request(self, method: str, url: str, body: bytes | None = None, kind: str = "application/octet-stream") -> Any:
        """Make one authorised call; `url` is a path or what the registry gave as Location."""
        whole = urllib.parse.urljoin(f"http://{self.address}/", url)
        call = urllib.request.Request(whole, body, {**self._headers, "Content-Type": kind}, method=method)
        return urllib.request.urlopen(call, timeout=10)

    def put_blob(self, repository: str, content: bytes, kind: str) -> dict[str, Any]:
        """Store a blob and return its descriptor."""
        with self.request("POST", f"/v2/{repository}/blobs/uploads/") as started:
            location = started.headers["Location"]
        joint = "&" if "?" in location else "?"
        name = digest_of(content)
        self.request("PUT", f"{location}{joint}digest={urllib.parse.quote(name)}", content).close()
        return {"mediaType": kind, "digest": name, "size": len(content)}

    def put_manifest(self, repository: str, manifest: dict[str, Any], tag: str = "") -> dict[str, Any]:
        """Store a manifest or index under its digest or a tag; return its descriptor."""
        content = json.dumps(manifest, indent=2).encode()
        name = digest_of(content)
        self.request("PUT", f"/v2/{repository}/manifests/{tag or name}", content, manifest["mediaType"]).close()
        return {"mediaType": manifest["mediaType"], "digest": name, "size": len(content)}

    def put_image(
            self, repository: str, tag: str = "", platform: str = "linux/amd64", *, size: int = 100) -> dict[str, Any]:
        """Store an image of one layer for one platform; return its descriptor with `platform`."""
        names = dict(zip(("os", "architecture", "variant"), platform.split("/")))
        layer = layer_of(f"{repository} {platform}", size)
        config = json.dumps({**names, "config": {}, "rootfs": {"type": "layers", "diff_ids": [
            digest_of(gzip.decompress(layer))]}}).encode()
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                    "config": self.put_blob(repository, config, OCI_CONFIG),
                    "layers": [self.put_blob(repository, layer, OCI_LAYER)]}
        return {**self.put_manifest(repository, manifest, tag), "platform": names}

    def put_attestation(self, repository: str, subject: str) -> dict[str, Any]:
        """Store what buildx adds for provenance: a manifest of no platform that names the image it speaks of."""
        statement = json.dumps({"subject": subject}).encode()
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                    "config": self.put_blob(repository, b"{}", OCI_EMPTY),
                    "layers": [self.put_blob(repository, statement, "application/vnd.in-toto+json")]}
        return {**self.put_manifest(repository, manifest), "platform": UNKNOWN, "annotations": {
            "vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}}

    def put_index(
            self, repository: str, tag: str, platforms: Iterable[str], *, attested: bool = False) -> dict[str, Any]:
        """Store an index of one image a platform, with an attestation for each when told; return it and its digest."""
        entries = [self.put_image(repository, platform=platform) for platform in platforms]
        if attested:
            entries += [self.put_attestation(repository, entry["digest"]) for entry in entries]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return {**index, "digest": self.put_manifest(repository, index, tag)["digest"]}


def layer_of(text: str, size: int) -> bytes:
    """Return a gzipped tar with one file, the same bytes for the same arguments."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        member = tarfile.TarInfo("content.txt")
        content = (text.encode() + b"\n").ljust(size, b".")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)
