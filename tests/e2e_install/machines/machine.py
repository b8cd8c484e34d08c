"""A Debian machine with systemd and python3, without network: a root made once, a fresh overlay for each machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.e2e_install.debian import BOOTABLE, root

# Type=simple and pulled in by a target of its own, so that the machine is up while the script runs.
UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=simple
ExecStart=/bin/sh -c '/root/io/script >/root/io/output 2>&1; echo $? >/root/io/status'
ExecStopPost=-/bin/systemctl --no-block poweroff
TimeoutStopSec=5
"""
TARGET = "[Unit]\nRequires=multi-user.target\nWants=test.service\nAfter=multi-user.target\n"


@dataclass(frozen=True)
class Result:
    """What a script in the machine wrote, and its exit status."""

    status: int
    output: str


class Machine:
    """Close it at the end. Each `run` is one boot; what was written stays for the next."""

    def __init__(self, suite: str, directory: Path) -> None:
        self.io = directory / "io"
        self._top = directory / "top"
        upper, work = directory / "upper", directory / "work"
        for path in (self.io, self._top, upper, work):
            path.mkdir(parents=True)
        options = f"lowerdir={root(suite, BOOTABLE)},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(self._top)], check=True, timeout=30)
        units = self._top / "etc/systemd/system"
        (units / "test.service").write_text(UNIT)
        (units / "test.target").write_text(TARGET)
        (units / "default.target").unlink(missing_ok=True)
        (units / "default.target").symlink_to("test.target")
        (self._top / "root/io").mkdir(parents=True)

    def run(self, script: str, within_s: float = 120) -> Result:
        """Boot, run the script as root, power off; return what it wrote."""
        program = self.io / "script"
        program.write_text(script)
        program.chmod(0o755)
        status = self.io / "status"
        status.unlink(missing_ok=True)
        subprocess.run(
            ["timeout", "--kill-after=10", str(within_s), "systemd-nspawn", "-q", "-D", str(self._top),
             "--private-network", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off",
             "--timezone=off", "--link-journal=no", f"--bind={self.io}:/root/io", "-b"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=within_s + 30,
            check=False)
        output = (self.io / "output").read_text(errors="replace") if (self.io / "output").exists() else ""
        return Result(int(status.read_text()) if status.exists() else -1, output)

    def chroot(self, script: str) -> Result:
        """Run the script in the machine without booting it, without any network; not even `lo` is up."""
        program = self.io / "script"
        program.write_text(script)
        program.chmod(0o755)
        top = self._top
        enter = (f"mount --bind {self.io} {top}/root/io && mount -t proc proc {top}/proc && exec chroot {top} "
                 "/usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /root/io/script")
        done = subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter], timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return Result(done.returncode, done.stdout.decode(errors="replace"))

    def close(self) -> None:
        """Take the machine apart; the root stays."""
        subprocess.run(["umount", str(self._top)], check=True, timeout=60)
