"""Build a release: python -m packing [--checkout DIR] [--output DIR] [--wheels DIR]."""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import sys
from pathlib import Path

from packing.archive import pack, with_sums
from packing.sbom import sbom
from packing.tree import File, committed_at, files, is_changed
from packing.wheels import fetch, read_lock


def main() -> int:
    """Write the archive and its checksum; print where."""
    parser = argparse.ArgumentParser(prog="packing", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=Path())
    parser.add_argument("--output", type=Path, default=Path("dist"))
    parser.add_argument("--wheels", type=Path, default=Path("dist/wheels"), help="kept from one build to the next")
    arguments = parser.parse_args()
    name, data = release(arguments.checkout, arguments.wheels)
    arguments.output.mkdir(parents=True, exist_ok=True)
    target = arguments.output / name
    target.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    target.with_name(f"{name}.sha256").write_text(f"{digest}  {name}\n", encoding="ascii")
    if is_changed(arguments.checkout):
        print("note: changes that are not committed are in it", file=sys.stderr)
    print(f"{target}  {len(data)} bytes  sha256 {digest}")
    return 0


def release(checkout: Path, wheel_directory: Path) -> tuple[str, bytes]:
    """Return the archive's name and bytes. Raises ValueError when a wheel is not what the lock file says."""
    version = _version(checkout / "wxsync/version.py")
    built_at = int(os.environ.get("SOURCE_DATE_EPOCH") or committed_at(checkout))
    lock = read_lock(checkout / "systemd/pycryptodome.lock")
    wheels = fetch(lock, wheel_directory)
    everything = [
        *files(checkout),
        *(File(f"wheels/{each.name}", each.data) for each in wheels),
        *(File(f"licences/{lock.name}/{name}", text) for name, text in wheels[0].licences.items()),
        File("sbom.cdx.json", sbom(version, built_at, lock, wheels)),
    ]
    top = f"wxsyncd-{version}"
    return f"{top}.tar.gz", pack(top, with_sums(everything), built_at)


def _version(path: Path) -> str:
    """Return the one version, without running the program."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["VERSION"]:
            return str(ast.literal_eval(node.value))
    raise ValueError(f"{path}: no VERSION")


if __name__ == "__main__":
    sys.exit(main())
