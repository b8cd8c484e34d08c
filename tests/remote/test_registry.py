"""The registry client at its edges: logins, redirects, broken and hostile answers."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

from tests.support.recording_session import RecordingSession
from wxsync.errors import RemoteFault
from wxsync.remote.address import AddressRefused, Verdict
from wxsync.remote.exchange import Request, Response
from wxsync.remote.registry import manifest
from wxsync.remote.registry.calls import Calls, Way
from wxsync.remote.registry.challenge import Basic, Bearer, choose
from wxsync.remote.registry.endpoint import Endpoint, Sources, destination
from wxsync.remote.registry.faults import Kind, RegistryFault, fault_of
from wxsync.remote.registry.login import Login
from wxsync.remote.registry.repository import PUSH, Repository
from wxsync.remote.registry.uploads import Upload, Uploads
from wxsync.sandbox.faults import Fault
from wxsync.sandbox.registry.access import BEARER
from wxsync.sandbox.registry.stand_in import Registry as StandIn
from wxsync.sandbox.server import Answer, Server, json_answer

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 2}
IMAGE = {"schemaVersion": 2, "mediaType": manifest.OCI_MANIFEST, "config": CONFIG, "layers": []}


def soon():
    return time.monotonic() + 10


class Place:
    """A registry that answers what a test tells it to, and a client for it."""

    def __init__(self, user="", password=""):
        self.replies = []
        self.server = Server(self._answer)
        self.session = RecordingSession()
        self.other = RecordingSession(guarded=True)
        endpoint = Endpoint("docker.io", self.server.url, user=user, password=password, is_trusted=True)
        self.login = Login(endpoint)
        self.now = 1000.0
        calls = Calls(endpoint, self.login, Way(self.session, self.other, lambda: self.now))
        self.repository = Repository(calls, "library/nginx", actions=PUSH)
        self.uploads = Uploads(self.repository)

    def _answer(self, request):
        reply = self.replies.pop(0) if self.replies else Answer(599)
        return reply(request) if callable(reply) else reply

    @property
    def asked(self):
        return [(method, url[len(self.server.url):] if url.startswith(self.server.url) else url)
                for method, url, _ in self.session.asked]

    def sent(self, n):
        """Return the fields of request n."""
        return self.session.asked[n][2]


@pytest.fixture
def place():
    made = Place()
    yield made
    made.server.close()


@pytest.fixture
def member():
    """A registry with a login."""
    made = Place("robot", "päss")
    yield made
    made.server.close()


def refused(call):
    with pytest.raises(RegistryFault) as caught:
        call()
    return caught.value


def image_answer(**headers):
    content = json.dumps(IMAGE).encode()
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(200, content, manifest.OCI_MANIFEST, fields)


def challenge(text):
    return Answer(401, b"{}", headers=(("WWW-Authenticate", text),))


class TestChallenges:
    @pytest.mark.parametrize("text, wanted", [
        ("Basic realm=\"x\"", Basic()),
        ("basic", Basic()),
        ('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
         Bearer("https://auth.docker.io/token", "registry.docker.io", ("repository:a/b:pull",))),
        ('BEARER  Realm = "https://a/t" , scope="one two",error="insufficient_scope"',
         Bearer("https://a/t", "", ("one", "two"))),
        ('Basic realm="a, Bearer realm=b", Bearer realm="https://a/t"', Bearer("https://a/t", "", ())),
        (r'Bearer realm="https://a/\"t"', Bearer('https://a/"t', "", ())),
        ("Bearer realm=https", Bearer("https", "", ())),
    ])
    def test_sound_ones_are_read(self, text, wanted):
        assert choose([("Www-Authenticate", text)]) == wanted

    @pytest.mark.parametrize("text", [
        "", "Bearer", "Negotiate abc==", 'Bearer realm="unterminated', 'Bearer realm="a" service="b"', "=x",
        'Bearer realm="a",realm="b"', 'Bearer realm=""', 'realm="a"', "Digest realm=x",
        'Bearer realm="a",' + "x" * 4096,
    ])
    def test_others_are_none(self, text):
        assert choose([("WWW-Authenticate", text)]) is None

    def test_a_bearer_in_a_second_field_comes_before_basic(self):
        fields = [("WWW-Authenticate", "Basic realm=x"), ("www-authenticate", 'Bearer realm="https://a"')]
        assert choose(fields) == Bearer("https://a", "", ())

    def test_long_nonsense_takes_no_time(self):
        began = time.monotonic()
        for text in ("a " * 2000, "a=" * 2000, 'a "' * 1300, "a" * 4096, 'B r="' + "\\" * 4000, ", " * 2000):
            choose([("WWW-Authenticate", text[:4096])])
        assert time.monotonic() - began < 1.0


class TestEndpoints:
    def test_docker_hub_has_another_name(self):
        found = Sources((), ()).endpoint("docker.io")
        assert (found.root, found.path, found.is_trusted) == ("https://registry-1.docker.io", "", False)

    def test_a_mirror_stands_in_with_its_path(self):
        sources = Sources([("docker.io", "http://127.0.0.1:5000/docker.io")], [("docker.io", "u", "p")])
        found = sources.endpoint("docker.io")
        assert (found.root, found.path, found.is_trusted) == ("http://127.0.0.1:5000", "docker.io/", True)
        assert found.user == ""  # Docker Hub's login is none of the mirror's business

    def test_a_mirror_has_its_own_login(self):
        sources = Sources([("quay.io", "https://mirror.example.com")], [("mirror.example.com:443", "u", "p")])
        assert sources.endpoint("quay.io").user == "u"
        assert sources.endpoint("ghcr.io").user == ""

    @pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io"])
    def test_docker_hubs_login_may_have_any_of_its_names(self, name):
        found = Sources((), [(name, "u", "secret")]).endpoint("docker.io")
        assert (found.user, found.password) == ("u", "secret")
        assert "secret" not in repr(found)

    def test_a_member_cannot_ask_for_a_plain_registry(self):
        assert Sources((), ()).endpoint("localhost:5000").root == "https://localhost:5000"

    def test_a_numeric_host_is_refused(self):
        with pytest.raises(AddressRefused):
            Sources((), ()).endpoint("0x7f.1")

    def test_the_operators_own_registry_may_be_plain(self):
        assert destination("http://10.0.0.5:5000", "u", "p").root == "http://10.0.0.5:5000"
        assert destination("registry.example.com", "u", "p").root == "https://registry.example.com"

    @pytest.mark.parametrize("written", ["docker.io", "index.docker.io", "registry-1.docker.io"])
    def test_docker_hub_as_a_destination_is_reached_where_it_answers(self, written):
        endpoint = destination(written, "u", "p")
        assert (endpoint.name, endpoint.root) == (written, "https://registry-1.docker.io")


class TestTokens:
    @pytest.fixture
    def stand_in(self):
        made = StandIn(access=BEARER, is_pull_open=False)
        yield made
        made.close()

    @staticmethod
    def client(stand_in, session, name="team/app"):
        endpoint = destination(f"http://{stand_in.address}", stand_in.access.user, stand_in.access.password)
        return Repository(Calls(endpoint, Login(endpoint), Way(session, session, time.monotonic)), name, actions=PUSH)

    def test_a_token_that_ends_in_the_middle_is_replaced(self, stand_in):
        repository = self.client(stand_in, RecordingSession())
        uploads = Uploads(repository)
        upload = uploads.start(deadline=soon())
        stand_in.access.expire()
        upload = uploads.append(upload, b"abc", deadline=soon())
        stand_in.access.expire()
        uploads.finish(upload, manifest.digest_of(b"abc"), deadline=soon())
        assert stand_in.access.tokens_given == 3

    def test_a_body_that_can_be_sent_once_only_is_not_sent_twice(self, stand_in):
        class Once:
            length = 3

            def __iter__(self):
                yield memoryview(b"abc")

        uploads = Uploads(self.client(stand_in, RecordingSession()))
        upload = uploads.start(deadline=soon())
        stand_in.access.expire()
        fault = refused(lambda: uploads.append(upload, Once(), deadline=soon()))
        assert fault.kind is Kind.NETWORK and fault.temporary
        assert uploads.state(upload, deadline=soon()).offset == 0
        assert uploads.append(upload, Once(), deadline=soon()).offset == 3

    def test_each_repository_has_its_own_token(self, stand_in):
        session = RecordingSession()
        self.client(stand_in, session).calls.ping(soon())
        first = self.client(stand_in, session, "a")
        second = Repository(first.calls, "b", actions=PUSH)
        for repository in (first, second, first):
            assert not repository.has_blob(DIGEST, deadline=soon())
        asked = [url for _, url, _ in session.asked if "/token" in url]
        assert ["scope=repository%3Aa" in url for url in asked] == [False, True, False]
        assert ["scope=repository%3Ab" in url for url in asked] == [False, False, True]

    def test_a_token_is_kept_until_shortly_before_its_end(self, place):
        realm = f"{place.server.url}/t"
        token = json_answer({"access_token": "one", "expires_in": 100})
        place.replies = [challenge(f'Bearer realm="{realm}",service="s p"'), token, Answer(200), Answer(200)]
        place.repository.has_blob(DIGEST, deadline=soon())
        place.now += 89
        place.repository.has_blob(DIGEST, deadline=soon())
        assert place.asked[1] == ("GET", "/t?service=s+p&scope=repository%3Alibrary%2Fnginx%3Apull%2Cpush")
        assert place.sent(2)["authorization"] == place.sent(3)["authorization"] == "Bearer one"
        place.now += 2
        place.replies = [json_answer({"token": "two"}), Answer(200), json_answer({"token": "three"}), Answer(200)]
        place.repository.has_blob(DIGEST, deadline=soon())
        assert place.sent(5)["authorization"] == "Bearer two"
        place.now += 51  # no expires_in means 60 s
        place.repository.has_blob(DIGEST, deadline=soon())
        assert place.sent(7)["authorization"] == "Bearer three"

    def test_a_registry_that_wants_another_scope_gets_it(self, place):
        realm = f"{place.server.url}/t?a=b"
        place.replies = [challenge(f'Bearer realm="{realm}",scope="aws repository:other:push"'),
                         json_answer({"token": "t"}), Answer(200)]
        place.repository.calls.ping(soon())
        assert place.asked[1] == ("GET", "/t?a=b&scope=aws")

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token":""}', b'{"token":"a b"}', b'{"token":7}',
                                      b'{"token":"a\\r\\nX: y"}', b"[" * 60000, b'{"token":"' + b"x" * 70000 + b'"}'])
    def test_a_service_that_gives_no_token_is_told(self, place, body):
        place.replies = [challenge(f'Bearer realm="{place.server.url}/t"'), Answer(200, body)]
        assert refused(lambda: place.repository.calls.ping(soon())).kind is Kind.BAD_ANSWER

    @pytest.mark.parametrize("life", ["NaN", "1e999", "-5", "true", '"60"', "1" + "0" * 400, "null"])
    def test_a_strange_lifetime_does_no_harm(self, life):
        login = Login(destination("http://127.0.0.1:1", "", ""))
        login.learn(Bearer("http://127.0.0.1:1/t", "", ()))
        login.keep(("s",), Response(200, (), b'{"token":"x","expires_in":%s}' % life.encode()), 0.0)
        assert login.field(("s",), 49.0) == "Bearer x"
        assert login.field(("s",), 86400.0) == ""

    def test_a_registry_that_never_has_enough_is_asked_twice_only(self, place):
        denied = challenge(f'Bearer realm="{place.server.url}/t"')
        place.replies = [denied, json_answer({"token": "t"}), denied]
        assert refused(lambda: place.repository.calls.ping(soon())).kind is Kind.DENIED
        assert len(place.asked) == 3

    def test_a_token_service_that_limits_says_when(self, place):
        place.replies = [challenge(f'Bearer realm="{place.server.url}/t"'),
                         Answer(429, b"slow down", headers=(("Retry-After", "17"),))]
        fault = refused(lambda: place.repository.calls.ping(soon()))
        assert (fault.kind, fault.retry_after_s) == (Kind.RATE_LIMITED, 17.0)


class TestRealms:
    """The realm is what the other side wrote: nothing goes there that it should not have."""

    @pytest.mark.parametrize("realm", [
        "http://127.0.0.1:1/t", "http://localhost/t", "https://[::1]/t", "https://169.254.169.254/latest/meta-data",
        "https://0x7f.1/t", "https://10.0.0.1/t", "https://[::ffff:127.0.0.1]/t", "https://2130706433/t",
        "https://user:pw@example.com/t", "ftp://example.com/t", "file:///etc/passwd", "//example.com/t", "t",
        "https://exa mple.com/t", "https://example.com\\@127.0.0.1/", "https://127.0.0.1:99999/t",
    ])
    def test_an_inner_or_broken_one_is_refused(self, member, realm):
        member.replies = [challenge(f'Bearer realm="{realm}"')] * 2
        fault = refused(lambda: member.repository.calls.ping(soon()))
        assert fault.kind in {Kind.ADDRESS_REFUSED, Kind.DENIED}
        assert fault.kind is Kind.ADDRESS_REFUSED or "\\" in realm  # that one is no sound field at all
        assert member.other.asked == []

    def test_a_plain_one_is_refused_where_the_registry_is_not_plain(self):
        login = Login(Endpoint("r", "https://registry.example.com", user="u", password="secret"))
        login.learn(Bearer("http://auth.example.com/t", "", ()))
        with pytest.raises(AddressRefused) as caught:
            login.token_request(("s",))
        assert caught.value.verdict is Verdict.BAD_SCHEME

    def test_the_login_goes_to_the_realm_and_nowhere_else(self, member):
        token = Server(lambda request: json_answer({"token": "t"}))
        member.other.let(token.port)
        member.replies = [challenge(f'Bearer realm="{token.url}/t",service="s"'), Answer(200)]
        try:
            member.repository.calls.ping(soon())
        finally:
            token.close()
        assert member.other.asked[0][2]["authorization"] == "Basic cm9ib3Q6cMOkc3M="
        assert "account=robot" in member.other.asked[0][1]
        assert [fields.get("authorization") for _, _, fields in member.session.asked] == [None, "Bearer t"]

    def test_a_token_service_that_redirects_is_not_followed(self, member):
        inner = Server(lambda request: json_answer({"token": "t"}))
        member.replies = [challenge(f'Bearer realm="{member.server.url}/t"'),
                          Answer(302, headers=(("Location", f"{inner.url}/t"),))]
        try:
            assert refused(lambda: member.repository.calls.ping(soon())).kind is Kind.UNSUPPORTED
        finally:
            inner.close()
        assert not inner.requests


class TestRedirects:
    def test_a_blob_elsewhere_is_asked_for_without_the_login(self, member):
        store = Server(lambda request: Answer(206, b"cdef", headers=(("Content-Range", "bytes 2-5/6"),)))
        member.other.let(store.port)
        member.login.learn(Basic())
        member.replies = [Answer(307, headers=(("Location", f"{store.url}/bucket/x?X-Amz-Signature=abc%2F"),))]
        try:
            blob = member.repository.blob(DIGEST, start=2, deadline=soon())
            blob.body.close()
        finally:
            store.close()
        assert blob.start == 2
        _, url, fields = member.other.asked[0]
        assert url.endswith("/bucket/x?X-Amz-Signature=abc%2F")
        assert "authorization" not in fields and fields["range"] == "bytes=2-"
        assert "authorization" in member.sent(0)

    def test_one_on_the_same_host_keeps_the_login(self, member):
        member.login.learn(Basic())
        member.replies = [Answer(301, headers=(("Location", "/moved"),)), Answer(200, b"x")]
        member.repository.blob(DIGEST, deadline=soon()).body.close()
        assert "authorization" in member.sent(1)

    @pytest.mark.parametrize("target", [
        "http://127.0.0.1:1/", "http://localhost:1/x", "http://[::1]/", "http://169.254.169.254/", "ftp://a/",
        "http://user@example.com/", "http://0177.0.0.1/", "http://exa mple/", "http://[::1", "http://a:0/",
    ])
    def test_one_to_an_inner_or_broken_place_is_refused(self, place, target):
        place.replies = [Answer(302, headers=(("Location", target),))]
        fault = refused(lambda: place.repository.blob(DIGEST, deadline=soon()))
        assert fault.kind in {Kind.ADDRESS_REFUSED, Kind.BAD_ANSWER}
        assert place.other.asked == []

    def test_one_from_https_to_http_is_refused(self):
        class Secure(RecordingSession):
            """Answers as a TLS registry would that redirects to a plain place."""

            def open(self, request, *, deadline, silence_s=30.0):
                assert request.url.startswith("https:")
                return super().open(Request(request.method, request.url.replace("https:", "http:"), request.headers),
                                    deadline=deadline)

        server = Server(lambda request: Answer(302, headers=(("Location", "http://example.com/x"),)))
        endpoint = Endpoint("r", server.url.replace("http:", "https:"))
        calls = Calls(endpoint, Login(endpoint), Way(Secure(), RecordingSession(guarded=True), time.monotonic))
        try:
            fault = refused(lambda: Repository(calls, "x").blob(DIGEST, deadline=soon()))
        finally:
            server.close()
        assert fault.kind is Kind.ADDRESS_REFUSED

    def test_a_circle_ends(self, place):
        place.replies = [Answer(302, headers=(("Location", "/again"),))] * 20
        assert refused(lambda: place.repository.blob(DIGEST, deadline=soon())).kind is Kind.BAD_ANSWER
        assert len(place.asked) == 6

    def test_a_write_is_not_followed(self, place):
        place.replies = [Answer(307, headers=(("Location", "/elsewhere"),))]
        assert refused(lambda: place.uploads.start(deadline=soon())).kind is Kind.UNSUPPORTED
        assert len(place.asked) == 1


class TestManifests:
    def test_the_accept_field_names_every_kind(self, place):
        place.replies = [image_answer()]
        place.repository.manifest("1", deadline=soon())
        for kind in (*manifest.INDEXES, *manifest.IMAGES):
            assert kind in place.sent(0)["accept"]

    @pytest.mark.parametrize("reference, told", [("1", DIGEST), (DIGEST, ""), (DIGEST, DIGEST)])
    def test_other_bytes_than_promised_are_refused(self, place, reference, told):
        place.replies = [image_answer(Docker_Content_Digest=told)]
        fault = refused(lambda: place.repository.manifest(reference, deadline=soon()))
        assert fault.kind is Kind.DIGEST_MISMATCH

    def test_one_beyond_the_bound_is_refused(self, place):
        place.replies = [Answer(200, b" " * (manifest.MAX_BYTES + 1), manifest.OCI_MANIFEST)]
        assert refused(lambda: place.repository.manifest("1", deadline=soon())).kind is Kind.BAD_ANSWER

    def test_a_registry_that_stores_another_digest_is_told(self, place):
        place.replies = [Answer(201, headers=(("Docker-Content-Digest", DIGEST),))]
        document = manifest.Document(b"{}", manifest.OCI_MANIFEST, manifest.digest_of(b"{}"))
        fault = refused(lambda: place.repository.put_manifest("1", document, deadline=soon()))
        assert fault.kind is Kind.DIGEST_MISMATCH
        assert place.sent(0)["content-type"] == manifest.OCI_MANIFEST

    def test_a_head_tells_digest_type_and_size(self, place):
        place.replies = [image_answer(Docker_Content_Digest=DIGEST), Answer(200, b"", "x/y; charset=utf-8"),
                         image_answer(Docker_Content_Digest="md5:1"), image_answer(Docker_Content_Digest=DIGEST)]
        found = place.repository.head("1", deadline=soon())
        assert (found.digest, found.media_type, found.size) == (DIGEST, manifest.OCI_MANIFEST, len(json.dumps(IMAGE)))
        assert place.repository.head("1", deadline=soon()).digest == ""
        assert refused(lambda: place.repository.head("1", deadline=soon())).kind is Kind.BAD_ANSWER
        other = "sha256:" + "b" * 64
        assert refused(lambda: place.repository.head(other, deadline=soon())).kind is Kind.DIGEST_MISMATCH

    @pytest.mark.parametrize("change, kind", [
        ({"schemaVersion": 1}, Kind.SCHEMA_1),
        ({"mediaType": "application/x"}, Kind.UNSUPPORTED),
        ({"mediaType": manifest.OCI_INDEX}, Kind.BAD_ANSWER),
        ({"manifests": []}, Kind.BAD_ANSWER),
        ({"layers": None}, Kind.BAD_ANSWER),
        ({"layers": [7]}, Kind.BAD_ANSWER),
        ({"layers": [CONFIG] * (manifest.MAX_ENTRIES + 1)}, Kind.BAD_ANSWER),
        ({"config": []}, Kind.BAD_ANSWER),
        ({"config": {**CONFIG, "size": -1}}, Kind.BAD_ANSWER),
        ({"config": {**CONFIG, "size": True}}, Kind.BAD_ANSWER),
        ({"config": {**CONFIG, "digest": "sha256:../../x"}}, Kind.BAD_ANSWER),
        ({"config": {**CONFIG, "digest": DIGEST.upper()}}, Kind.BAD_ANSWER),
        ({"config": {**CONFIG, "mediaType": "no type"}}, Kind.BAD_ANSWER),
    ])
    def test_an_unsound_one_is_refused(self, change, kind):
        content = json.dumps({**IMAGE, **change}).encode()
        assert refused(lambda: manifest.parse(content, "", "x")).kind is kind

    @pytest.mark.parametrize("content", [
        b"", b"[]", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', b'{"a":' + b"1" * 1000 + b"}", b'{"a":NaN}', b"null",
        b"[" + b"[]," * 200_000 + b"[]]"])
    def test_a_text_that_is_no_sound_json_is_refused(self, content):
        assert refused(lambda: manifest.parse(content, manifest.OCI_MANIFEST, "x")).kind is Kind.BAD_ANSWER

    def test_schema_1_has_its_own_kind(self):
        assert refused(lambda: manifest.parse(b"{}", manifest.SCHEMA_1[1], "x")).kind is Kind.SCHEMA_1

    def test_the_answers_type_must_not_contradict_the_text(self):
        content = json.dumps(IMAGE).encode()
        assert refused(lambda: manifest.parse(content, manifest.DOCKER_MANIFEST, "x")).kind is Kind.BAD_ANSWER
        assert manifest.parse(content, "text/plain", "x").document.media_type == manifest.OCI_MANIFEST
        untyped = json.dumps({**IMAGE, "mediaType": None}).encode()
        assert manifest.parse(untyped, manifest.DOCKER_MANIFEST, "x").document.media_type == manifest.DOCKER_MANIFEST

    def test_artifacts_and_foreign_layers_are_known(self):
        artifact = {"mediaType": manifest.OCI_ARTIFACT, "blobs": [CONFIG]}
        found = manifest.parse(json.dumps(artifact).encode(), manifest.OCI_ARTIFACT, "x")
        assert found.config is None and found.layers[0].digest == DIGEST
        windows = {**IMAGE, "layers": [{**CONFIG, "urls": ["https://mcr.microsoft.com/x"]}]}
        assert manifest.parse(json.dumps(windows).encode(), "", "x").layers[0].is_foreign

    def test_attestations_are_told_from_images(self):
        def entry(platform, **more):
            return {"mediaType": manifest.OCI_MANIFEST, "digest": DIGEST, "size": 1, "platform": platform, **more}

        amd64 = {"os": "linux", "architecture": "amd64"}
        index = {"schemaVersion": 2, "manifests": [
            entry(amd64), entry({"os": "unknown", "architecture": "unknown"}),
            entry(amd64, annotations={manifest.ATTESTATION: "attestation-manifest"}), entry(None),
            entry({"os": "linux", "architecture": "arm64", "variant": "v8"}),
            entry({"os": "linux", "architecture": "arm"}),
        ]}
        found = manifest.parse(json.dumps(index).encode(), manifest.OCI_INDEX, "x")
        assert [each.is_attestation for each in found.entries] == [False, True, True, False, False, False]
        assert [str(each) for each in manifest.platforms(found)] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        wanted = ("linux/arm64/v8", "linux/arm", "linux/amd64", "linux/s390x")
        assert manifest.missing(wanted, manifest.platforms(found)) == ("linux/s390x",)
        for name in ("a" * 65, "amd64 请打开 http://example.com", ["amd64"]):
            broken = json.dumps({"manifests": [entry({"os": "linux", "architecture": name})]}).encode()
            assert refused(partial(manifest.parse, broken, "", "x")).kind is Kind.BAD_ANSWER

    def test_sha512_is_known(self):
        wanted = manifest.digest_of(b"x", "sha512:")
        assert manifest.is_digest(wanted) and len(wanted) == 7 + 128


class TestBlobsAndUploads:
    def test_a_registry_without_ranges_gives_the_whole(self, place):
        place.replies = [Answer(200, b"whole")]
        blob = place.repository.blob(DIGEST, start=3, deadline=soon())
        blob.body.close()
        assert blob.start == 0

    @pytest.mark.parametrize("told", ["bytes 4-9/10", "", "bytes */10", "3-9/10"])
    def test_another_range_is_refused(self, place, told):
        place.replies = [Answer(206, b"x", headers=(("Content-Range", told),))]
        fault = refused(lambda: place.repository.blob(DIGEST, start=3, deadline=soon()))
        assert fault.kind is Kind.BAD_ANSWER

    def test_a_range_beyond_the_end_is_no_lost_upload(self, place):
        place.replies = [Answer(416)]
        fault = refused(lambda: place.repository.blob(DIGEST, start=3, deadline=soon()))
        assert fault.kind is Kind.BAD_ANSWER

    @pytest.mark.parametrize("location", ["", "https://example.com/u", "http://127.0.0.1:1/u", "http://[", "//a b/"])
    def test_an_upload_goes_nowhere_else(self, place, location):
        place.replies = [Answer(202, headers=(("Location", location),))]
        assert refused(lambda: place.uploads.start(deadline=soon())).kind is Kind.BAD_ANSWER
        assert len(place.asked) == 1

    def test_the_digest_joins_the_query_of_the_place(self, place):
        place.replies = [Answer(202, headers=(("Location", "/u/1?_state=a%3D%3D"),)),
                         Answer(202, headers=(("Location", "/u/2?_state=b"), ("Range", "0-2"))), Answer(201)]
        upload = place.uploads.append(place.uploads.start(deadline=soon()), bytearray(b"abc"), deadline=soon())
        place.uploads.finish(upload, DIGEST, deadline=soon())
        assert place.asked[1:] == [("PATCH", "/u/1?_state=a%3D%3D"),
                                   ("PUT", f"/u/2?_state=b&digest={DIGEST.replace(':', '%3A')}")]
        assert place.sent(1)["content-range"] == "0-2"
        assert place.server.requests[2].headers["content-length"] == "0"

    def test_a_piece_that_was_taken_in_part_is_told(self, place):
        place.replies = [Answer(202, headers=(("Location", "/u/2"), ("Range", "bytes=0-1")))]
        fault = refused(lambda: place.uploads.append(Upload(f"{place.server.url}/u/1"), b"abc", deadline=soon()))
        assert fault.kind is Kind.UPLOAD_LOST and fault.maybe_done

    def test_a_blob_stored_under_another_digest_is_told(self, place):
        place.replies = [Answer(201, headers=(("Docker-Content-Digest", DIGEST),))]
        upload = Upload(f"{place.server.url}/u/1")
        fault = refused(lambda: place.uploads.finish(upload, "sha256:" + "b" * 64, b"x", deadline=soon()))
        assert fault.kind is Kind.DIGEST_MISMATCH

    def test_an_answer_that_is_cut_short_may_be_done(self, place):
        place.server.faults.add(Fault("/u", "reset"))
        fault = refused(lambda: place.uploads.finish(Upload(f"{place.server.url}/u"), DIGEST, b"x", deadline=soon()))
        assert fault.kind is Kind.NETWORK and fault.temporary and fault.maybe_done


class TestTags:
    def test_pages_are_followed_within_bounds(self, place):
        def page(request):
            n = int(request.arg("last", "0"))
            link = f'</v2/library/nginx/tags/list?last={n + 1}&n=1000>; rel="next"'
            return json_answer({"tags": [f"t{n}", 7, "bad tag", "x" * 200]}, headers=(("Link", link),))

        place.replies = [page] * 50
        assert place.repository.tags(deadline=soon()) == tuple(f"t{n}" for n in range(10))

    def test_a_next_page_elsewhere_is_refused(self, place):
        link = '<http://example.com/v2/x/tags/list>; rel="next"'
        place.replies = [json_answer({"tags": ["a"]}, headers=(("Link", link),))]
        assert refused(lambda: place.repository.tags(deadline=soon())).kind is Kind.BAD_ANSWER

    @pytest.mark.parametrize("body, wanted", [(b'{"tags":null}', ()), (b'{"name":"x","tags":["a"]}', ("a",))])
    def test_an_empty_list_may_be_null(self, place, body, wanted):
        place.replies = [Answer(200, body)]
        assert place.repository.tags(deadline=soon()) == wanted

    @pytest.mark.parametrize("body", [b"[]", b"x", b'{"tags":{}}', b"[" * 50_000])
    def test_what_is_no_list_is_refused(self, place, body):
        place.replies = [Answer(200, body)]
        assert refused(lambda: place.repository.tags(deadline=soon())).kind is Kind.BAD_ANSWER


class TestFaults:
    """What registries really say (the wordings are those of public issue threads)."""

    @pytest.mark.parametrize("status, body, kind", [
        (404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, Kind.NOT_FOUND),
        (404, {"errors": [{"code": "NAME_UNKNOWN", "message": "a/quota not known to registry"}]}, Kind.NOT_FOUND),
        (404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}, Kind.UPLOAD_LOST),
        (401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}, Kind.DENIED),
        (403, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}, Kind.DENIED),
        (403, {"errors": [{"code": "DENIED", "message": "denied: unknown manifest class for application/"
                           "vnd.oci.empty.v1+json"}]}, Kind.REFUSED),
        (403, {"errors": [{"code": "DENIED", "message": "adding 2.2 MiB of storage resource, which when updated to "
                           "current usage of 9.9 GiB will exceed the configured upper limit of 10.0 GiB."}]},
         Kind.QUOTA),
        (412, {"errors": [{"code": "PRECONDITION", "message": "Quota exceeded when processing the request"}]},
         Kind.QUOTA),
        (403, {"errors": [{"code": "DENIED", "message": "no access to a/quota"}]}, Kind.DENIED),
        (500, {"errors": [{"code": "UNKNOWN", "message": "unknown error",
                           "detail": {"Err": "write /data: no space left on device"}}]}, Kind.QUOTA),
        (507, {}, Kind.QUOTA),
        (429, {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]},
         Kind.RATE_LIMITED),
        (503, {"errors": [{"code": "TOOMANYREQUESTS"}]}, Kind.RATE_LIMITED),
        (500, {}, Kind.NETWORK),
        (502, "<html>bad gateway", Kind.NETWORK),
        (400, {"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid"}]}, Kind.REFUSED),
        (400, {"errors": [{"code": "DIGEST_INVALID"}]}, Kind.DIGEST_MISMATCH),
        (413, "too large", Kind.REFUSED),
        (405, {"errors": [{"code": "UNSUPPORTED"}]}, Kind.UNSUPPORTED),
        (200, "", Kind.BAD_ANSWER),
        (302, "", Kind.UNSUPPORTED),
        (404, {"errors": [7]}, Kind.NOT_FOUND),
        (404, {"errors": {"code": ["x"]}, "message": 5}, Kind.NOT_FOUND),
    ])
    def test_each_has_its_kind(self, status, body, kind):
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        assert fault_of(Response(status, (), b""), content, method="GET", where="x").kind is kind

    def test_the_registrys_words_are_one_short_line(self):
        body = json.dumps({"errors": [{"code": "X\n" * 300, "message": "a\x1b[31m\n" + "b" * 5000}]}).encode()
        fault = fault_of(Response(400, (), b""), body, method="PUT", where="x")
        assert len(fault.words) <= 200 and fault.words.isprintable() and fault.words.startswith("a?[31m b")
        assert len(fault.code) <= 200 and "\n" not in str(fault)

    @pytest.mark.parametrize("fields, wanted", [
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 60.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "soon", "Date": "never"}, None), ({"Retry-After": "9" * 50}, None), ({}, None),
    ])
    def test_the_time_to_wait_is_read(self, fields, wanted):
        fault = fault_of(Response(429, tuple(fields.items()), b""), b"", method="GET", where="x")
        assert fault.retry_after_s == wanted

    def test_a_broken_connection_is_a_network_fault_and_says_what_the_transport_said(self, place):
        place.server.close()
        fault = refused(lambda: place.repository.calls.ping(soon()))
        assert fault.kind is Kind.NETWORK and fault.temporary and isinstance(fault.__cause__, RemoteFault)

    @pytest.mark.parametrize("call", ["whole", "stream", "token"])
    def test_a_body_that_breaks_off_is_one_too(self, place, call):
        place.replies = [Answer(404 if call == "stream" else 200, b"x" * 5000)]
        if call == "token":
            place.replies = [Answer(200, b"x" * 5000)]
            place.login.learn(Bearer(f"{place.server.url}/t", "", ()))
        place.server.faults.add(Fault("/", "truncate"))
        action = {"whole": lambda: place.repository.tags(deadline=soon()),
                  "stream": lambda: place.repository.blob(DIGEST, deadline=soon()),
                  "token": lambda: place.repository.calls.ping(soon())}[call]
        assert refused(action).kind is Kind.NETWORK
