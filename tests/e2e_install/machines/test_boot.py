"""Machines that boot with systemd, without network: installed, used, killed, rebooted, upgraded, removed."""

from __future__ import annotations

import pytest

from tests.e2e_install.machines.conftest import BROKEN, NEW, OLD

SUITES = ("bookworm", "bullseye", "trixie")  # systemd 252, 247, 257; Python 3.11, 3.9, 3.13


@pytest.mark.parametrize("suite", SUITES)
def test_from_the_archive_to_nothing_left(site, suite):
    machine = site(suite)
    machine.boot(f"install {OLD}", f"serve {OLD}")
    machine.boot(f"again {OLD}", f"upgrade {OLD} {NEW} {BROKEN}")
    machine.boot(f"again {OLD}", "remove")
