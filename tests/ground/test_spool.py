"""The spool: what is kept survives, what failed leaves nothing, and what nobody wants is swept."""

from __future__ import annotations

import pytest

from wxsync.errors import MemberError
from wxsync.store.database import StoreFault
from wxsync.store.spool import Spool


def names(directory) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_kept_under_a_random_name_for_its_owner_only(tmp_path):
    spool = Spool(tmp_path / "spool", max_bytes=10)
    first, second = spool.keep([b"abc", memoryview(b"de")]), spool.keep([])
    assert first != second
    assert spool.path(first).read_bytes() == b"abcde"
    assert spool.path(first).stat().st_mode & 0o777 == 0o600
    assert spool.path(second).read_bytes() == b""


def test_too_many_bytes_and_a_source_that_breaks_leave_nothing(tmp_path):
    def broken():
        yield b"x"
        raise ValueError

    spool = Spool(tmp_path / "spool", max_bytes=4)
    with pytest.raises(MemberError):
        spool.keep([b"abc", b"de"])
    with pytest.raises(ValueError):
        spool.keep(broken())
    assert names(tmp_path / "spool") == []


def test_a_directory_that_cannot_be_written_is_a_fault_of_the_store(tmp_path):
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(StoreFault):
        Spool(tmp_path / "spool", max_bytes=1).keep([b"a"])


def test_the_sweep_leaves_what_is_wanted(tmp_path):
    spool = Spool(tmp_path / "spool", max_bytes=4)
    spool.sweep({"nothing there yet"})
    wanted, left = spool.keep([b"a"]), spool.keep([b"b"])
    spool.sweep({"", wanted})
    assert names(tmp_path / "spool") == [wanted]
    spool.drop(left)
