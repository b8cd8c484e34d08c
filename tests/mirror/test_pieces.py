"""The parts of the local engine that need no registry: choices, patience, who has which blob, the threads."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

import pytest

from wxsync.clock import SystemClock
from wxsync.errors import RemoteFault
from wxsync.jobs.mirror import choose, tree
from wxsync.jobs.mirror.crew import Crew
from wxsync.jobs.mirror.failure import DESTINATION, SOURCE, Failure, failure_of
from wxsync.jobs.mirror.holders import MOST, Holders
from wxsync.jobs.mirror.patience import LONGEST_WAIT_S, TRIES, Patience
from wxsync.jobs.mirror.tally import Abandoned, Tally
from wxsync.jobs.replies import syncs
from wxsync.remote.address import AddressRefused, Verdict
from wxsync.remote.registry import manifest
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of, platform
from wxsync.remote.stop import Stopped


def index_of(*platforms, digest=""):
    digest = digest or digest_of(b"x")
    entries = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 7,
                "platform": dict(zip(("os", "architecture", "variant"), each.split("/")))} for each in platforms]
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "annotations": {"a": "ä"}})
    return manifest.parse(content.encode(), "", "here")


class TestChoices:
    def test_all_of_an_index_is_the_very_same_index(self):
        whole = index_of("linux/amd64", "linux/arm64/v8")
        assert choose.narrowed(whole, choose.entries_for(whole, set())) is whole

    def test_some_of_it_is_written_as_the_workflow_writes_it(self):
        whole = index_of("linux/amd64", "linux/arm64/v8", "unknown/unknown")
        some = choose.narrowed(whole, choose.entries_for(whole, set()))
        value = json.loads(whole.document.content)
        wanted = json.dumps({**value, "manifests": value["manifests"][:2]}, indent=2).encode()
        assert some.document.content == wanted
        assert some.document.digest == digest_of(wanted)
        assert some.document.media_type == OCI_INDEX

    def test_entries_that_are_alike_are_told_apart_by_their_place(self):
        whole = index_of("unknown/unknown", "linux/amd64", "linux/amd64")
        some = choose.narrowed(whole, choose.entries_for(whole, set()))
        assert len(json.loads(some.document.content)["manifests"]) == 2

    @pytest.mark.parametrize(("wanted", "there"), [
        ("linux/arm", "linux/arm/v7"), ("linux/arm64", "linux/arm64/v8"), ("linux/arm64/v8", "linux/arm64")])
    def test_platforms_with_two_names_are_one(self, wanted, there):
        assert choose.entries_for(index_of(there), {platform(wanted)})

    def test_a_bomb_of_indexes_is_refused(self):
        nested = index_of(*["linux/amd64"] * 50)
        counter = iter(range(10**6))

        def fetch(_):
            return index_of("linux/amd64", digest=digest_of(str(next(counter)).encode()))

        with pytest.raises(Failure, match="too many manifests"):
            tree.gather(nested, fetch)

    def test_an_index_that_names_itself_ends(self):
        whole = index_of("linux/amd64")
        with pytest.raises(Failure, match="too many manifests"):
            tree.gather(whole, lambda _: whole)


class TestFailures:
    @pytest.mark.parametrize(("kind", "side", "wanted"), [
        (Kind.NOT_FOUND, SOURCE, "not-found"), (Kind.NOT_FOUND, DESTINATION, "destination-denied"),
        (Kind.DENIED, SOURCE, "source-denied"), (Kind.REFUSED, DESTINATION, "destination-denied"),
        (Kind.QUOTA, DESTINATION, "quota"), (Kind.RATE_LIMITED, SOURCE, "rate-limited"),
        (Kind.BAD_ANSWER, SOURCE, "source-trouble"), (Kind.SCHEMA_1, SOURCE, "old-format")])
    def test_each_kind_has_its_class(self, kind, side, wanted):
        assert failure_of(RegistryFault(kind, "said", where="w"), side).kind == wanted

    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.parametrize("side", [SOURCE, DESTINATION])
    def test_each_class_has_words(self, kind, side):
        failure = failure_of(RegistryFault(kind, "said", where="w", mend="做法"), side)
        assert syncs.local_reason(failure.kind, failure.reason)

    @pytest.mark.parametrize(("side", "begin"), [(SOURCE, "连接源仓库失败"), (DESTINATION, "连接目标仓库失败")])
    def test_no_answer_is_told_with_side_host_and_next_step(self, side, begin):
        mend = "registry-1.docker.io：找不到该域名，请检查主机名和服务器的 DNS 设置"
        failure = failure_of(RegistryFault(Kind.NETWORK, "unknown name", where="GET docker.io/a", mend=mend), side)
        assert syncs.local_reason(failure.kind, failure.reason) == f"{begin}（{mend}）"

    @pytest.mark.parametrize(("side", "begin"), [(SOURCE, "源仓库"), (DESTINATION, "目标仓库")])
    def test_an_answer_that_is_no_help_is_told_with_side_place_and_status(self, side, begin):
        failure = failure_of(RegistryFault(Kind.NETWORK, "registry answered 502", where="GET h/a 1", status=502), side)
        wanted = f"{begin}的答复不正常，请稍后再发送（HTTP 502，GET h/a 1）"
        assert syncs.local_reason(failure.kind, failure.reason) == wanted

    def test_a_refused_address_says_what_to_do(self):
        refused = AddressRefused(Verdict.PRIVATE, where="10.0.0.1", section="registry")
        assert "[registry] allow" in failure_of(refused, SOURCE).reason
        assert failure_of(refused, SOURCE).kind == "address-refused"


class TestPatience:
    def patience(self, deadline_s=1000.0):
        clock = Waits()
        return Patience(clock, threading.Event(), clock.monotonic() + deadline_s), clock

    def test_it_ends_after_some_tries_without_progress(self):
        patience, clock = self.patience()
        fault = RemoteFault("broken", temporary=True)
        for _ in range(TRIES):
            patience.wait_out(fault)
        with pytest.raises(RemoteFault):
            patience.wait_out(fault)
        assert clock.waits == sorted(clock.waits)
        patience.progressed()
        patience.wait_out(fault)

    @pytest.mark.parametrize(("fault", "deadline_s"), [
        (RemoteFault("wrong"), 1000), (RemoteFault("later", temporary=True, retry_after_s=LONGEST_WAIT_S + 1), 1000),
        (RemoteFault("later", temporary=True, retry_after_s=20), 10)])
    def test_what_no_wait_mends_is_raised_at_once(self, fault, deadline_s):
        patience, clock = self.patience(deadline_s)
        with pytest.raises(RemoteFault):
            patience.wait_out(fault)
        assert clock.waits == []

    def test_a_stop_ends_the_wait(self):
        stop = threading.Event()
        stop.set()
        with pytest.raises(Stopped):
            Patience(SystemClock(), stop, SystemClock().monotonic() + 99).wait_out(
                RemoteFault("later", temporary=True, retry_after_s=50))


class Waits(SystemClock):
    """Does not wait, and remembers what it should have."""

    def __init__(self):
        self.waits = []

    def wait(self, event, timeout_s):
        self.waits.append(timeout_s)
        return event.is_set()


class TestHolders:
    def test_what_is_noted_is_known_to_the_next_process(self, tmp_path):
        Holders(tmp_path / "h", "r").note("sha256:a", "ns/one")
        later = Holders(tmp_path / "h", "r")
        assert later.repository("sha256:a") == "ns/one"
        later.note("sha256:a", "ns/two")
        later.note("sha256:a", "ns/two")
        assert len((tmp_path / "h").read_text().splitlines()) == 3
        assert Holders(tmp_path / "h", "r").repository("sha256:a") == "ns/two"

    def test_another_registry_begins_anew(self, tmp_path):
        Holders(tmp_path / "h", "r").note("sha256:a", "ns/one")
        assert Holders(tmp_path / "h", "other").repository("sha256:a") == ""

    @pytest.mark.parametrize("text", ["", "r\nhalf a li", "r\nsha256:a ns/one\nsha2", "\x00\xff", "r\na b c\n\n"])
    def test_a_torn_file_is_no_fault(self, tmp_path, text):
        (tmp_path / "h").write_text(text, encoding="utf-8")
        holders = Holders(tmp_path / "h", "r")
        holders.note("sha256:b", "ns/two")
        assert Holders(tmp_path / "h", "r").repository("sha256:b") == "ns/two"

    def test_a_directory_that_cannot_be_written_is_no_fault(self, tmp_path):
        holders = Holders(tmp_path / "gone" / "h", "r")
        holders.note("sha256:a", "ns/one")
        assert holders.repository("sha256:a") == "ns/one"
        (tmp_path / "d").mkdir()
        assert Holders(tmp_path / "d", "r").repository("sha256:a") == ""

    def test_the_file_stays_small(self, tmp_path):
        holders = Holders(tmp_path / "h", "r")
        (tmp_path / "h").write_text("r\n" + "".join(f"{n} x\n" for n in range(3 * MOST)))
        assert holders.repository(str(3 * MOST - 1)) == "x"
        assert holders.repository("0") == ""
        assert len((tmp_path / "h").read_text().splitlines()) == MOST + 1

    def test_one_thread_at_a_time_sends_a_blob(self, tmp_path):
        holders, order = Holders(tmp_path / "h", "r"), []
        inside, let_go = threading.Event(), threading.Event()

        def first():
            with holders.claim("d", lambda: None):
                inside.set()
                let_go.wait(10)
                order.append("first")

        thread = threading.Thread(target=first)
        thread.start()
        inside.wait(10)
        looks = iter([None, None])

        def check():
            next(looks)
            let_go.set()

        with holders.claim("d", check):
            order.append("second")
        thread.join(10)
        assert order == ["first", "second"]


@dataclass
class Plain:
    """A lane without connections."""

    is_closed: bool = False

    def close(self):
        self.is_closed = True


class TestCrew:
    def crew(self, mirror, places=3, workers=2, stop=None):
        lanes = []

        def lane():
            lanes.append(Plain())
            return lanes[-1]

        crew = Crew(range(places), mirror, lane, workers=workers, stop=stop or threading.Event())
        crew.start()
        return crew, lanes

    def test_each_place_is_done_once_and_every_lane_closed(self):
        done = []
        crew, lanes = self.crew(lambda _crew, _lane, place: done.append(place), places=20)
        crew.join(10)
        assert crew.is_over
        assert sorted(done) == list(range(20))
        assert all(lane.is_closed for lane in lanes)

    def test_helpers_take_blobs_of_whatever_image(self):
        blobs = [Descriptor("t", str(n), 1 << 20) for n in range(40)]
        copied, threads = [], set()
        gate = threading.Barrier(4)  # one worker and three helpers: all must be there at once

        def copy(lane, blob):
            if int(blob.digest) < 4:
                gate.wait(10)
            copied.append(int(blob.digest))
            threads.add(threading.current_thread().name)

        crew, _ = self.crew(lambda crew, lane, _: crew.copy_all(lane, blobs, copy), places=1)
        crew.join(10)
        assert sorted(copied) == list(range(40))
        assert len(threads) == 4

    def test_nobody_is_called_for_what_is_small(self):
        threads = set()

        def copy(lane, blob):
            threads.add(threading.current_thread().name)

        blobs = [Descriptor("t", "d", 1000)] * 50
        crew, _ = self.crew(lambda crew, lane, _: crew.copy_all(lane, blobs, copy), places=1)
        crew.join(10)
        assert threads == {"mirror-0"}

    def test_the_first_fault_ends_the_batch_and_only_it(self):
        seen = []

        def copy(lane, blob):
            if blob.size == 1:
                raise Failure("quota", "full")
            seen.append(blob.size)

        def mirror(crew, lane, place):
            if place:
                crew.copy_all(lane, [Descriptor("t", "d", 7)], copy)
            else:
                with pytest.raises(Failure, match="full"):
                    crew.copy_all(lane, [Descriptor("t", f"d{n}", 1) for n in range(100)], copy)

        crew, _ = self.crew(mirror)
        crew.join(10)
        assert seen == [7, 7]

    def test_a_stop_leaves_the_rest_undone(self):
        stop = threading.Event()
        done = []

        def mirror(_crew, _lane, place):
            done.append(place)
            stop.set()
            raise Stopped("stopped")

        crew, _ = self.crew(mirror, workers=1, stop=stop)
        crew.join(10)
        assert (done, crew.is_over) == ([0], True)


class TestTally:
    def test_bytes_read_again_count_as_moved_not_as_done(self):
        told = []
        tally = Tally(lambda done, total: told.append((done, total)))
        tally.expect(10)
        tally.at("a", 5, 5)
        tally.at("a", 2, 2)
        tally.at("a", 8, 6)
        tally.at("b", 9, 0)
        assert told == [(0, 10), (5, 10), (2, 10), (8, 10), (10, 10)]
        assert tally.moved == 13

    def test_an_abandoned_image_ends_at_its_next_bytes(self):
        tally = Tally(lambda _done, _total: None)
        fault = ValueError()
        tally.abandon(fault)
        tally.abandon(KeyError())
        with pytest.raises(Abandoned):
            tally.at("a", 1, 1)
        assert tally.fault is fault
