"""Lay a version: its files, the packed library, the launcher, compiled; under a hidden name until it is whole."""

from __future__ import annotations

import compileall
import os
import py_compile
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

from installer.actions import Action, Failed, sync, sync_tree
from installer.layout import Layout
from installer.package import SUMS, Package

# The interpreter that was found, or after an upgrade of the distribution the system's own: the library fits each
# CPython from 3.9 on. Root sees the secrets as the service does.
_LAUNCHER = """\
#!/bin/sh
secrets=/etc/wxsyncd/secrets
if [ -z "${{CREDENTIALS_DIRECTORY-}}" ] && [ -r "$secrets" ] && [ -x "$secrets" ]; then
    export CREDENTIALS_DIRECTORY="$secrets"
fi
for python in {python} /usr/bin/python3 /usr/local/bin/python3; do
    [ -x "$python" ] && exec "$python" -I {prefix}/current/wxsyncd.py "$@"
done
echo "wxsyncd：找不到 Python，请重新运行 install.sh" >&2
exit 127
"""


def lay(layout: Layout, package: Package, machine: str, python: str) -> Action:
    """Put the release below versions; nothing refers to it yet."""
    target = layout.versions / package.version
    return Action(f"放入 {target}", lambda: _lay(layout, package, machine, python))


def _lay(layout: Layout, package: Package, machine: str, python: str) -> None:
    target = layout.versions / package.version
    layout.home.mkdir(mode=0o755, parents=True, exist_ok=True)
    layout.versions.mkdir(mode=0o755, exist_ok=True)
    for left in layout.versions.glob(".*.new"):  # of a run that was cut off
        shutil.rmtree(left)
    part = layout.versions / f".{package.version}.new"
    part.mkdir(mode=0o755)
    for name in (*package.sums(), SUMS):
        _copy(package.directory / name, part / name)
    if Package(part).damaged():
        raise Failed("复制的文件和校验和不一致：检查磁盘，然后重新运行")
    _unpack(package, machine, part / "vendor")
    launcher = part / "bin" / "wxsyncd"
    launcher.parent.mkdir(mode=0o755)
    launcher.write_text(_LAUNCHER.format(python=shlex.quote(python), prefix=layout.prefix), encoding="utf-8")
    launcher.chmod(0o755)
    _compile(part, f"{layout.prefix}/versions/{package.version}")
    sync_tree(part)
    part.rename(target)
    sync(layout.versions)
    _relabel(target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _unpack(package: Package, machine: str, vendor: Path) -> None:
    wheel = package.wheel(machine)
    if wheel is None:
        raise Failed(f"安装包里没有 {machine} 的 pycryptodome")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(vendor)  # the checksum says that it is the very file that was packed
    shutil.rmtree(vendor / "Crypto" / "SelfTest", ignore_errors=True)
    for directory, names, files in os.walk(vendor):
        for name in (*names, *files):
            path = Path(directory, name)
            path.chmod(0o755 if path.is_dir() else 0o644)


def _compile(part: Path, final: str) -> None:
    """Compile ahead: the service may not write there. Unchecked, so that no file time matters."""
    for name in ("wxsync", "vendor"):
        compileall.compile_dir(
            str(part / name), ddir=f"{final}/{name}", quiet=2, workers=1,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _relabel(target: Path) -> None:
    """Give the files their SELinux types, where there is SELinux: the launcher's lets the service leave init_t."""
    restorecon = shutil.which("restorecon")
    if restorecon:
        subprocess.run([restorecon, "-R", str(target)], check=False, timeout=120)  # noqa: S603 - a program of the system
