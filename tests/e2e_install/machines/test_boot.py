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


def test_a_kill_at_any_moment_of_an_upgrade_leaves_one_version_that_works(site):
    machine = site("bookworm")
    machine.boot(f"prepare {OLD}", f"killed {OLD} {NEW} 30", within_s=400)


def test_the_documented_commands_do_what_they_say(site):
    site("bookworm").boot(f"documented {OLD}")


def test_a_static_user_is_made_and_goes_with_a_purge(site):
    site("bookworm").boot(f"static_user {OLD}")


def test_without_systemd_running_the_files_are_laid_and_the_status_is_0(site):
    told = site("bookworm").chroot(
        f"tar -xzf io/wxsyncd-{OLD}.tar.gz", f"cd wxsyncd-{OLD}", "./install.sh", "readlink /opt/wxsyncd/current",
        "systemctl is-enabled wxsyncd", "wxsyncd --version", "./install.sh uninstall --purge",
        "test ! -e /opt/wxsyncd", "test ! -e /etc/wxsyncd")
    assert "systemd 没有在运行" in told
    assert f"versions/{OLD}" in told
    assert f"wxsyncd {OLD}" in told
