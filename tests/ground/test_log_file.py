"""The log file: rotation by size, reopening, a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wxsync.log.file import Descriptor, RotatedFile
from wxsync.log.logger import logger
from wxsync.log.output import setup
from wxsync.options.sections import Log


def line(number: int) -> bytes:
    return f"line {number:04d}\n".encode()


def lines_of(*paths: Path) -> list[str]:
    return [text for path in paths for text in path.read_text().splitlines()]


def test_a_file_is_rotated_before_it_outgrows_its_bound_and_the_oldest_goes(tmp_path: Path):
    path = tmp_path / "app.log"
    sink = RotatedFile(str(path), 100, 2)
    for number in range(45):
        assert sink.write(line(number))
    sink.close()
    files = [tmp_path / "app.log.2", tmp_path / "app.log.1", path]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert lines_of(*files) == [f"line {number:04d}" for number in range(20, 45)]
    assert all(each.stat().st_size <= 100 for each in files)
    assert path.stat().st_mode & 0o777 == 0o640


def test_without_backups_the_file_starts_again(tmp_path: Path):
    path = tmp_path / "app.log"
    sink = RotatedFile(str(path), 100, 0)
    for number in range(25):
        sink.write(line(number))
    sink.close()
    assert lines_of(path) == [f"line {number:04d}" for number in range(20, 25)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_longer_than_the_bound_is_written_whole(tmp_path: Path):
    path = tmp_path / "app.log"
    sink = RotatedFile(str(path), 10, 1)
    assert sink.write(b"x" * 50 + b"\n")
    assert sink.write(b"y\n")
    sink.close()
    assert lines_of(tmp_path / "app.log.1", path) == ["x" * 50, "y"]


def test_a_file_goes_on_where_it_was_after_a_restart(tmp_path: Path):
    path = tmp_path / "app.log"
    path.write_bytes(line(1) * 9)
    sink = RotatedFile(str(path), 100, 1)
    sink.write(line(2))
    sink.write(line(3))
    sink.close()
    assert (tmp_path / "app.log.1").read_bytes() == line(1) * 9 + line(2)
    assert path.read_bytes() == line(3)


def test_two_processes_on_one_file_rotate_it_once(tmp_path: Path):
    path = tmp_path / "app.log"
    one, other = RotatedFile(str(path), 100, 5), RotatedFile(str(path), 100, 5)
    for number in range(10):
        one.write(line(number))
    one.write(line(10))
    other.write(line(11))
    for sink in (one, other):
        sink.close()
    assert lines_of(path) == ["line 0010", "line 0011"]
    assert not (tmp_path / "app.log.2").exists()


def test_rotation_by_others_is_followed_on_reopen(tmp_path: Path):
    path = tmp_path / "app.log"
    output = setup(Log(file=str(path)), (), {})
    log = logger("ground.test")
    log.info("before")
    path.rename(tmp_path / "old.log")
    log.info("between")
    output.reopen()
    log.info("after")
    output.close()
    assert [text.split()[-1] for text in lines_of(tmp_path / "old.log", path)] == ["before", "between", "after"]


def test_a_file_moved_away_is_replaced_when_it_is_full(tmp_path: Path):
    path = tmp_path / "app.log"
    sink = RotatedFile(str(path), 100, 1)
    sink.write(b"x" * 95)
    path.unlink()
    sink.write(line(1))
    sink.close()
    assert path.read_bytes() == line(1)


def test_a_path_that_cannot_be_opened_again_keeps_the_old_file(tmp_path: Path):
    directory = tmp_path / "logs"
    directory.mkdir()
    sink = RotatedFile(str(directory / "app.log"), 100, 1)
    directory.rename(tmp_path / "moved")
    sink.reopen()
    assert sink.write(line(1))
    sink.close()
    assert (tmp_path / "moved" / "app.log").read_bytes() == line(1)


def test_a_rotation_that_fails_writes_on_and_is_tried_again_later(tmp_path: Path):
    path = tmp_path / "app.log"
    (tmp_path / "app.log.1").mkdir()
    (tmp_path / "app.log.1" / "in the way").touch()
    sink = RotatedFile(str(path), 100, 1)
    for number in range(15):
        assert sink.write(line(number))
    assert path.stat().st_size == 150
    (tmp_path / "app.log.1" / "in the way").unlink()
    (tmp_path / "app.log.1").rmdir()
    for number in range(15, 25):
        assert sink.write(line(number))
    assert len(lines_of(tmp_path / "app.log.1")) == 20
    assert len(lines_of(path)) == 5
    for number in range(25, 35):
        assert sink.write(line(number))
    sink.close()
    assert len(lines_of(tmp_path / "app.log.1")) == 10


def test_writing_after_close_fails_quietly_and_reaches_no_other_file(tmp_path: Path):
    sink = RotatedFile(str(tmp_path / "app.log"), 100, 1)
    sink.close()
    with (tmp_path / "other").open("wb"):  # takes the number that has just become free
        sink.close()
        assert not sink.write(line(1))
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_fails_quietly():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    assert not Descriptor(descriptor).write(b"x\n")
    os.close(descriptor)


def test_after_half_a_line_the_next_one_starts_a_line_of_its_own():
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    sink = Descriptor(write_end)
    assert not sink.write(b"x" * (1 << 20) + b"\n")
    taken = os.read(read_end, 1 << 20)
    assert set(taken) == set(b"x")
    assert sink.write(b"next\n")
    assert os.read(read_end, 100) == b"\nnext\n"
    sink.reopen()
    sink.close()
    os.close(read_end)
    os.close(write_end)
