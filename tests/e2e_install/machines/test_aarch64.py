"""The packed aarch64 wheel, in a Debian of that architecture under qemu."""

from __future__ import annotations

import subprocess

from tests.e2e_install.debian import foreign_root
from tests.e2e_install.machines.conftest import OLD
from tests.support.requirement import need

# The daemon's crypto against the stand-in's, which shares no code with it, both on the library that the installer
# would unpack there.
SCRIPT = """
import platform, sys, zipfile
from pathlib import Path
top, vendor = Path(sys.argv[1]), sys.argv[2]
sys.path[:0] = [str(top / "systemd"), str(top)]
from installer.package import Package
assert platform.machine() == "aarch64", platform.machine()
assert platform.libc_ver()[0] == "glibc", platform.libc_ver()
package = Package(top)
assert not package.damaged()
zipfile.ZipFile(package.wheel(platform.machine())).extractall(vendor)
sys.path.insert(0, vendor)
from wxsync.sandbox.wecom import crypto as theirs
from wxsync.wecom.crypto import Crypto
identity = theirs.Identity.random()
ours = Crypto(identity.token, identity.encoding_aes_key, identity.corp_id)
text = "<xml>回调</xml>".encode()
assert ours.decrypt(theirs.encrypt(identity, text)) == text
import Crypto as library
print(platform.machine(), platform.python_version(), library.__version__)
"""


def test_the_wheel_decrypts_a_callback(releases, tmp_path):
    need("qemu-aarch64-static")
    arm = foreign_root("bookworm", "arm64")
    subprocess.run(["tar", "-xzf", str(releases.directory / f"wxsyncd-{OLD}.tar.gz"), "-C", str(tmp_path)], check=True,
                   timeout=60)
    done = subprocess.run(
        ["qemu-aarch64-static", "-L", str(arm), str(arm / "usr/bin/python3.11"), "-I", "-B", "-c", SCRIPT,
         str(tmp_path / f"wxsyncd-{OLD}"), str(tmp_path / "vendor")], capture_output=True, text=True, timeout=120,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("aarch64 3.11")
