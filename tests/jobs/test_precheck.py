"""The pre-check: a clear no from the source stops an image, nothing else does, and it takes five seconds at most."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from tests.support.recording_session import RecordingSession
from wxsync.clock import SystemClock
from wxsync.jobs import command
from wxsync.jobs.mirror.lane import Registries
from wxsync.jobs.precheck import Precheck
from wxsync.remote.registry.endpoint import Sources, destination
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.registry.images import made
from wxsync.sandbox.registry.stand_in import Registry
from wxsync.sandbox.server import Answer, Server, json_answer


def requests(text):
    return command.parse(text, own_prefix="r.io/ns/").images


class Opener:
    """Gives out sessions as the daemon's transports do."""

    def __init__(self, kind=RecordingSession, **options):
        self._kind, self._options = kind, options

    def session(self, stop=None):
        return self._kind(stop, **self._options)


def precheck(*mirrors, limit_s=5.0, logins=()):
    guarded, clock = Opener(guarded=True), SystemClock()
    own = destination("r.io", "", "")
    registries = Registries(Sources(mirrors, logins), own, "ns", clock, operator=Opener(), member=guarded)
    return Precheck(registries, clock, limit_s=limit_s)


def told(check, text):
    """Return what is said of each image by its short name."""
    return {image.written: reason for image, reason in check.absent(requests(text)).items()}


@pytest.fixture
def registry():
    """Makes every image but those with `no-such` in their name or tag, and a few tags that are not listed."""
    place = Registry(maker=lambda repository, tag: None if tag in {"lates", "7.00", "3"} else made(repository, tag))
    place.mirror = ("docker.io", f"http://{place.address}/docker.io")
    yield place
    place.close()


class Scripted:
    """A registry that answers every call alike."""

    def __init__(self, answer):
        self.server = Server(answer if callable(answer) else lambda request: answer)
        self.mirror = ("docker.io", self.server.url)


@pytest.fixture
def scripted():
    places = []

    def make(answer):
        places.append(Scripted(answer))
        return places[-1]

    yield make
    for place in places:
        place.server.close()


def error(status, code, **more):
    return json_answer({"errors": [{"code": code, "message": code.lower()}]}, status, **more)


class TestAbsent:
    def test_what_is_there_is_not_named(self, registry):
        assert told(precheck(registry.mirror), "nginx:latest, redis:7.0") == {}

    def test_a_slip_in_a_tag_is_told_with_near_tags(self, registry):
        assert told(precheck(registry.mirror), "nginx:lates, redis:7.00, nginx:latest") == {
            "nginx:lates": "源仓库没有标签 lates，相近的标签：latest",
            "redis:7.00": "源仓库没有标签 7.00，相近的标签：7.0、7、7.2",
        }

    def test_a_repository_that_is_not_there_is_told(self, registry):
        found = told(precheck(registry.mirror), "no-such/thing:1")
        assert found["no-such/thing:1"].startswith("源仓库没有这个镜像")

    def test_a_digest_that_is_not_there_is_told(self, registry):
        name = "nginx@sha256:" + "a" * 64
        assert told(precheck(registry.mirror), name)[name].startswith("源仓库没有这个摘要的镜像")

    def test_a_platform_that_an_index_lacks_is_told_with_those_it_has(self, registry):
        check = precheck(registry.mirror)
        assert told(check, "--platform=linux/arm64/v8,linux/amd64 nginx:1.27") == {}
        found = told(check, "--platform=linux/arm64,linux/s390x nginx:1.27")
        assert found == {"nginx:1.27": "该镜像没有平台 linux/s390x，已有：linux/amd64、linux/arm64"}

    def test_a_single_image_with_a_platform_is_left_to_who_copies_it(self, scripted):
        image = {"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "sha256:" + "a" * 64, "size": 2},
                 "layers": []}
        place = scripted(Answer(200, json.dumps(image).encode(), "application/vnd.oci.image.manifest.v1+json"))
        assert told(precheck(place.mirror), "--platform=linux/s390x nginx:1") == {}

    def test_a_repository_unknown_only_by_its_list_of_tags_is_told_as_such(self, scripted):
        place = scripted(lambda request: error(404, "NAME_UNKNOWN" if "tags" in request.target else "MANIFEST_UNKNOWN"))
        assert told(precheck(place.mirror), "nginx:1")["nginx:1"].startswith("源仓库没有这个镜像")

    def test_without_a_list_of_tags_the_tag_is_told_all_the_same(self, scripted):
        place = scripted(lambda request: Answer(500) if "tags" in request.target else error(404, "MANIFEST_UNKNOWN"))
        assert told(precheck(place.mirror), "nginx:1") == {"nginx:1": "源仓库没有标签 1，请检查标签"}

    def test_a_list_of_tags_that_hangs_does_not_hide_the_answer(self, scripted):
        place = scripted(error(404, "MANIFEST_UNKNOWN"))
        place.server.faults.add(Fault("/tags/list", "hang"))
        assert told(precheck(place.mirror, limit_s=0.4), "nginx:1") == {"nginx:1": "源仓库没有标签 1，请检查标签"}

    def test_harbors_own_code_counts(self, scripted):
        assert "nginx:1" in told(precheck(scripted(error(404, "NOT_FOUND")).mirror), "nginx:1")

    def test_a_pull_is_only_counted_where_platforms_are_asked_for(self, registry):
        told(precheck(registry.mirror), "nginx:latest")
        assert [request.method for request in registry.server.requests] == ["HEAD"]

    def test_a_login_is_used(self):
        place = Registry(access="bearer", is_pull_open=False, maker=made)
        host = place.address
        login = (host, place.access.user, place.access.password)
        check = precheck(("docker.io", f"http://{host}"), logins=[login])
        try:
            assert "no-such:1" in told(check, "nginx:1.27, no-such:1")
            assert told(precheck(("docker.io", f"http://{host}")), "nginx:1.27, no-such:1") == {}
        finally:
            place.close()


class TestNoAnswer:
    """Whatever is no clear "not there" lets the image pass."""

    @pytest.mark.parametrize("answer", [
        error(401, "UNAUTHORIZED"), error(403, "DENIED"), error(429, "TOOMANYREQUESTS"), error(500, "UNKNOWN"),
        error(404, "UNSUPPORTED"), error(400, "NAME_INVALID"), Answer(404),
        Answer(404, b"<html>not found", "text/html"),
        Answer(200, b"garbage"), Answer(302, headers=(("Location", "http://localhost:1/"),)),
        Answer(401, headers=(("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:1/t"'),)),
        error(410, "MANIFEST_UNKNOWN"),
    ], ids=str)
    @pytest.mark.parametrize("option", ["", "--platform=linux/arm64 "])
    def test_an_unclear_answer_stops_nothing(self, scripted, answer, option):
        assert told(precheck(scripted(answer).mirror), f"{option}nginx:1") == {}

    def test_a_source_that_is_away_stops_nothing(self, scripted):
        place = scripted(Answer(200))
        place.server.close()
        assert told(precheck(place.mirror), "nginx:1, redis:2") == {}

    def test_a_source_that_hangs_costs_the_limit_and_no_more(self, scripted, registry):
        place = scripted(Answer(200))
        place.server.faults.add(Fault("/", "hang", times=100))
        check = precheck(("quay.io", place.server.url), registry.mirror, limit_s=0.5)
        began = time.monotonic()
        found = told(check, "\n".join(f"quay.io/a/b:{n}" for n in range(10)) + "\nnginx:lates")
        assert 0.4 < time.monotonic() - began < 2.0
        assert list(found) == ["nginx:lates"]

    def test_inner_hosts_are_never_connected_to_and_stop_nothing(self):
        """Every spelling of this machine that the grammar of references lets pass, and other inner places."""
        inner = socket.create_server(("0.0.0.0", 0))
        inner.setblocking(False)
        port = inner.getsockname()[1]
        here = ("127.0.0.1", "localhost", "LOCALHOST", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433",
                "0177.0.0.1", "017700000001", "127.000.000.001", "0.0.0.0", "0", "a.localhost", "127.0.0.2")
        hosts = [f"{host}:{port}" for host in here]
        hosts += ["169.254.169.254", "10.0.0.1", "192.168.1.1:5000", "172.16.0.1", "100.64.0.1", "192.0.2.1"]
        with inner:
            assert told(precheck(), "\n".join(f"{host}/team/app:1" for host in hosts)) == {}
            with pytest.raises(BlockingIOError):
                inner.accept()

    def test_a_thread_that_breaks_is_no_answer(self):
        class Broken(RecordingSession):
            def open(self, request, *, deadline, silence_s=30.0):
                raise ZeroDivisionError

        clock, own = SystemClock(), destination("r.io", "", "")
        registries = Registries(Sources((), ()), own, "ns", clock, operator=Opener(Broken), member=Opener(Broken))
        check = Precheck(registries, clock, limit_s=0.2)
        assert check.absent(requests("nginx:1")) == {}

    def test_the_threads_end(self, registry):
        told(precheck(registry.mirror), ", ".join(f"nginx:{n}.1" for n in range(40)))
        end = time.monotonic() + 5
        while any(thread.name.startswith("precheck-") for thread in threading.enumerate()):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_hundred_images_are_asked_side_by_side(scripted):
    place = scripted(Answer(200))
    place.server.faults.add(Fault("/", 200, delay_s=0.1, times=100))
    began = time.monotonic()
    told(precheck(place.mirror), ", ".join(f"image{n}:1" for n in range(100)))
    assert len(place.server.requests) == 100
    assert time.monotonic() - began < 5.0
