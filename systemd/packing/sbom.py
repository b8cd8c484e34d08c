"""Name what is in a release: a bill of materials in CycloneDX 1.5 (JSON), the same bytes for the same release."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone

from packing.wheels import Lock, Wheel

SPACE = uuid.UUID("6f1c0f5e-7f0f-5d0e-9d3c-0c6f3f1b7a10")  # the serial number must differ from release to release only


def sbom(version: str, built_at: int, lock: Lock, wheels: Iterable[Wheel]) -> bytes:
    """Return the document. built_at: epoch seconds of the commit."""
    wheels = list(wheels)
    ours = f"pkg:generic/wxsyncd@{version}"
    theirs = f"pkg:pypi/{lock.name}@{lock.version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, ' '.join([version, *(each.sha256 for each in wheels)]))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(built_at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": ours, "name": "wxsyncd", "version": version, "purl": ours,
                "licenses": [{"license": {"id": "MIT"}}],
            },
        },
        "components": [{
            "type": "library", "bom-ref": theirs, "name": lock.name, "version": lock.version, "purl": theirs,
            "licenses": [{"expression": "BSD-2-Clause AND Unlicense AND MIT"}],
            "components": [{
                "type": "file", "bom-ref": f"wheels/{each.name}", "name": f"wheels/{each.name}",
                "hashes": [{"alg": "SHA-256", "content": each.sha256}],
            } for each in wheels],
        }],
        "dependencies": [{"ref": ours, "dependsOn": [theirs]}, {"ref": theirs, "dependsOn": []}],
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
