"""The archive: the same bytes wherever and whenever it is built, whole, and refused when a byte is wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import tarfile

import pytest
from installer.package import Package
from packing.tree import files
from packing.wheels import read_lock

from tests.support.daemon import ROOT
from tests.support.release import NAME, WHEELS, pack
from wxsync.version import VERSION


def test_two_builds_elsewhere_later_and_with_another_umask_are_the_same(archive, build_elsewhere, tmp_path):
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, timeout=60)
    for file in files(ROOT):  # what is changed but not committed is the same too
        places = {"install.sh": "systemd/install.sh"}
        target = clone / places.get(file.name, file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        os.utime(target, (1, 1))
    index = subprocess.run(["git", "-C", str(ROOT), "ls-files", "--stage", "-z"], check=True, capture_output=True,
                           timeout=60).stdout
    subprocess.run(["git", "-C", str(clone), "read-tree", "--empty"], check=True, timeout=60)
    subprocess.run(["git", "-C", str(clone), "update-index", "-z", "--index-info"], input=index, check=True, timeout=60)
    again = build_elsewhere(tmp_path / "out", clone, umask=0o077)
    assert again.read_bytes() == archive.read_bytes()
    digest, name = again.with_name(f"{NAME}.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(archive.read_bytes()).hexdigest(), NAME)


def test_a_checkout_that_git_would_give_other_line_ends_has_the_same_bytes(tmp_path):
    clone = tmp_path / "clone"
    clone_it = ["git", "clone", "-q", "--depth=1", "-c", "core.autocrlf=true", ROOT.as_uri(), str(clone)]
    subprocess.run(clone_it, check=True, timeout=60)
    assert [file.name for file in files(clone) if b"\r\n" in file.data and b"\0" not in file.data] == []


def test_it_holds_what_an_installation_needs_and_no_more(archive):
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert {name.partition("/")[0] for name in members} == {f"wxsyncd-{VERSION}"}
    names = {name.partition("/")[2] for name in members}
    assert {"install.sh", "wxsyncd.py", "wxsync/cli.py", "wxsync/sandbox/chat.html", "README.md", "LICENSE",
            "wxsync.conf.example", "docs/configuration.md", "systemd/wxsyncd.service", "systemd/wxsyncd.socket",
            "systemd/wxsyncd-relay.socket", "systemd/copy-config", "systemd/installer/command_line.py", "sbom.cdx.json",
            "licences/pycryptodome/LICENSE.rst", "SHA256SUMS", "Dockerfile"} <= names
    assert len([name for name in names if name.startswith("wheels/pycryptodome-")]) == 2
    assert not [name for name in names if re.search(r"tests?/|packing|__pycache__|\.git/|\.venv|images\.txt", name)]
    for member in members.values():
        assert member.isdir() or member.isreg()
        assert (member.uid, member.gid, member.uname) == (0, 0, "")
        assert member.mode in ({0o755} if member.isdir() else {0o644, 0o755})
    assert members[f"wxsyncd-{VERSION}/install.sh"].mode == 0o755
    assert members[f"wxsyncd-{VERSION}/systemd/copy-config"].mode == 0o755


def test_the_sums_cover_every_file(top):
    listed = {line.split("  ", 1)[1] for line in (top / "SHA256SUMS").read_text().splitlines()}
    present = {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
    assert listed == present - {"SHA256SUMS"}
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=top, check=True, timeout=60)


@pytest.mark.parametrize("flipped", ["! wxsync/cli.py", " !wxsync/cli.py"])
def test_a_line_of_the_sums_that_is_none_is_no_shorter_list(flipped, top):
    sums = top / "SHA256SUMS"
    text = sums.read_text()
    assert "  wxsync/cli.py" in text
    sums.write_text(text.replace("  wxsync/cli.py", flipped))
    assert Package(top).damaged()
    done = subprocess.run(["sh", str(top / "install.sh"), "--dry-run"], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 1
    assert "安装包已损坏" in done.stderr


def test_the_bill_of_materials_says_what_cyclonedx_wants(top):
    """The required fields and forms of the 1.5 schema (bom-1.5.schema.json), and the facts."""
    bom = json.loads((top / "sbom.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bom["serialNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bom["metadata"]["timestamp"])
    known = {"$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies"}
    assert set(bom) == known
    flat = [bom["metadata"]["component"], *bom["components"], *bom["components"][0]["components"]]
    refs = [each["bom-ref"] for each in flat]
    assert len(refs) == len(set(refs))
    for each in flat:
        assert each["type"] in {"application", "library", "file"}
        assert each["name"]
        for licence in each.get("licenses", []):
            assert set(licence) in ({"license"}, {"expression"})
        for digest in each.get("hashes", []):
            assert digest["alg"] == "SHA-256"
            assert re.fullmatch(r"[0-9a-f]{64}", digest["content"])
            assert digest["content"] == hashlib.sha256((top / each["name"]).read_bytes()).hexdigest()
    assert {each["ref"] for each in bom["dependencies"]} <= set(refs)
    lock = read_lock(ROOT / "systemd/pycryptodome.lock")
    assert (bom["components"][0]["name"], bom["components"][0]["version"]) == (lock.name, lock.version)
    assert bom["metadata"]["component"]["version"] == VERSION


def test_a_wheel_that_the_lock_does_not_know_is_not_packed(tmp_path, archive):
    forged = tmp_path / "wheels"
    shutil.copytree(WHEELS, forged)
    victim = next(forged.glob("*x86_64.whl"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = pack(tmp_path, ROOT, forged)
    assert done.returncode != 0
    assert "is not in the lock file" in done.stderr
    assert not (tmp_path / NAME).exists()


def test_a_flipped_byte_anywhere_is_refused_before_anything_is_changed(archive, tmp_path):
    """Flipped inside the compressed stream, as a bad disk would, tar itself complains; here even tar is content."""
    raw = bytearray(gzip.decompress(archive.read_bytes()))
    with tarfile.open(fileobj=io.BytesIO(bytes(raw))) as tar:
        members = [member for member in tar.getmembers() if member.size]
    chance = random.Random(8)
    always = [each for each in members if each.name.endswith(("install.sh", "SHA256SUMS"))]
    chosen = [*chance.sample(members, 12), *always]
    for turn, member in enumerate(chosen):
        place = member.offset_data + chance.randrange(member.size)
        raw[place] ^= 1
        room = tmp_path / str(turn)
        room.mkdir()
        with tarfile.open(fileobj=io.BytesIO(bytes(raw))) as tar:
            tar.extractall(room, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        done = subprocess.run(
            ["sh", str(room / f"wxsyncd-{VERSION}/install.sh"), "--dry-run", "--prefix", str(tmp_path / "never")],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0, (member.name, place, done.stdout)
        assert "放入" not in done.stdout
        assert not (tmp_path / "never").exists()
        raw[place] ^= 1
