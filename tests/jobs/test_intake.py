"""How a file is cut into parts: their sizes, their number, the memory they take."""

from __future__ import annotations

import hashlib
import threading

import pytest

from tests.support.upload_site import Bytes, content_of
from wxsync.jobs.upload.buffers import Buffers
from wxsync.jobs.upload.intake import Intake
from wxsync.jobs.upload.sizing import BUFFER_BYTES, MIB, buffer_count, part_size
from wxsync.remote.qingstor.faults import Kind, QingStorFault
from wxsync.remote.stop import Stopped

GB = 1 << 30


@pytest.mark.parametrize(("length", "least", "wanted"), [
    (1, 4 * MIB, 4 * MIB), (5 * GB, 4 * MIB, 4 * MIB), (9000 * 4 * MIB, 4 * MIB, 4 * MIB),
    (9000 * 4 * MIB + 1, 4 * MIB, 5 * MIB), (100 * GB, 4 * MIB, 12 * MIB), (10, 6 * MIB + 1, 7 * MIB)])
def test_a_known_length_makes_nine_thousand_parts_at_most(length, least, wanted):
    assert {part_size(number, length=length, least=least) for number in (0, 1, 8999)} == {wanted}
    assert length <= 9000 * wanted


def test_an_unknown_length_doubles_the_size_every_thousand_parts():
    sizes = [part_size(number, length=None, least=4 * MIB) for number in (0, 999, 1000, 1999, 2000, 9999)]
    assert sizes == [4 * MIB, 4 * MIB, 8 * MIB, 8 * MIB, 16 * MIB, 2048 * MIB]


def test_memory_is_bounded_by_fewer_buffers_when_parts_grow():
    assert [buffer_count(size * MIB, 4) for size in (4, 8, 10, 16, 20, 21, 64)] == [5, 5, 4, 2, 2, 2, 2]
    assert all(buffer_count(size * MIB, 64) * size * MIB <= BUFFER_BYTES for size in range(1, 21))
    assert buffer_count(4 * MIB, 1) == 2


def intake(source, *, workers=2, least=4, stops=()):
    return Intake(source, Buffers(workers, *stops), least=least, on_progress=lambda _: None, stops=stops)


def taken(taking):
    """Return the sizes of all parts, each given back at once."""
    sizes = []
    for part in taking.parts():
        sizes.append(len(part.view))
        part.view.release()
        taking._buffers.give(part.buffer)
    return sizes


def test_parts_of_unknown_length_grow_and_their_bytes_are_the_sources():
    content = content_of(1000 * 4 + 1000 * 8 + 3 * 16 + 1)
    taking = intake(Bytes(content, is_announced=False, step=7))
    assert taken(taking) == [4] * 1000 + [8] * 1000 + [16, 16, 16, 1]
    assert (taking.size, taking.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_more_parts_than_the_service_takes_are_refused():
    class Endless(Bytes):
        def readinto(self, buffer):
            return len(buffer)

    with pytest.raises(QingStorFault) as caught:
        taken(intake(Endless(b"", is_announced=False), least=1))
    assert caught.value.kind is Kind.TOO_LARGE


def test_a_small_file_takes_a_small_buffer():
    (part,) = intake(Bytes(b"abc"), least=4 * MIB).parts()
    assert (len(part.buffer), part.is_whole) == (3, True)


def test_a_part_number_is_yielded_once_and_only_whole_files_say_so():
    parts = [(part.number, part.is_whole) for part in intake(Bytes(b"x" * 9, is_announced=False), workers=8).parts()]
    assert parts == [(0, False), (1, False), (2, False)]


def test_waiting_for_a_buffer_ends_by_a_stop():
    stop = threading.Event()
    buffers = Buffers(1, stop)
    assert len(buffers.take(4)) == 4
    assert len(buffers.take(4)) == 4
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        buffers.take(4)


def test_buffers_are_used_again_while_they_are_large_enough():
    buffers = Buffers(1)
    first = buffers.take(4)
    buffers.give(first)
    assert buffers.take(4) is first
    buffers.give(first)
    assert len(buffers.take(8)) == 8


def test_reading_ends_by_a_stop():
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        taken(intake(Bytes(b"x"), stops=(stop,)))
