"""The registry client against Debian's docker-registry: open, with a login, and with a token service beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.e2e.registries import OCI_LAYER, PASSWORD, USER, Registry, digest_of
from tests.support.recording_session import RecordingSession
from tests.support.token_service import TokenService
from wxsync.remote.registry import manifest
from wxsync.remote.registry.calls import Calls, Way
from wxsync.remote.registry.endpoint import destination
from wxsync.remote.registry.faults import Kind, RegistryFault
from wxsync.remote.registry.login import Login
from wxsync.remote.registry.repository import PUSH, Repository
from wxsync.remote.registry.uploads import Upload, Uploads

pytestmark = pytest.mark.skipif(not shutil.which("docker-registry"), reason="missing: docker-registry")


def soon():
    return time.monotonic() + 10


def repository_at(address, name, user="", password="", actions=PUSH, session=None):
    session = session or RecordingSession()
    endpoint = destination(f"http://{address}", user, password)
    calls = Calls(endpoint, Login(endpoint), Way(session, session, time.monotonic))
    return Repository(calls, name, actions=actions)


@pytest.fixture(scope="module", params=["open", "login"])
def registry(request, tmp_path_factory):
    place = Registry(tmp_path_factory.mktemp("registry") / "r", private=request.param == "login")
    place.login = (USER, PASSWORD) if request.param == "login" else ("", "")
    yield place
    place.close()


@pytest.fixture
def client(registry):
    return lambda name: repository_at(registry.address, name, *registry.login)


def put_image(repository, tag, layers=(b"layer one", b"layer two"), os_name="linux", architecture="amd64"):
    """Store an image by means of the client alone."""
    uploads = Uploads(repository)
    config = json.dumps({"os": os_name, "architecture": architecture}).encode()
    blobs = [(manifest.OCI_MANIFEST.replace("manifest", "config"), config), *((OCI_LAYER, layer) for layer in layers)]
    named = [{"mediaType": kind, "digest": uploads.put(content, deadline=soon()), "size": len(content)}
             for kind, content in blobs]
    content = json.dumps({"schemaVersion": 2, "mediaType": manifest.OCI_MANIFEST, "config": named[0],
                          "layers": named[1:]}).encode()
    document = manifest.Document(content, manifest.OCI_MANIFEST, manifest.digest_of(content))
    repository.put_manifest(tag, document, deadline=soon())
    return document


def skopeo_raw(address, name, login):
    creds = [f"--creds={login[0]}:{login[1]}"] if login[0] else []
    return subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", *creds, f"docker://{address}/{name}"],
                          stdout=subprocess.PIPE, check=True, timeout=30, env=dict(os.environ)).stdout


class TestReading:
    def test_ping_answers(self, client):
        client("x").calls.ping(soon())

    def test_an_image_is_read_as_it_was_stored(self, registry, client):
        stored = registry.put_image("library/nginx", "1.27")
        image = client("library/nginx").manifest("1.27", deadline=soon())
        assert image.document.digest == stored["digest"]
        assert image.document.media_type == stored["mediaType"]
        assert len(image.layers) == 1

    def test_an_index_names_its_platforms_and_attestations(self, registry, client):
        stored = registry.put_index("library/multi", "1", ["linux/amd64", "linux/arm64/v8"], attested=True)
        index = client("library/multi").manifest("1", deadline=soon())
        assert [str(each) for each in manifest.platforms(index)] == ["linux/amd64", "linux/arm64"]
        assert [entry.is_attestation for entry in index.entries] == [False, False, True, True]
        assert client("library/multi").head(stored["digest"], deadline=soon()).digest == stored["digest"]

    def test_a_platform_stands_in_the_configuration(self, registry, client):
        registry.put_image("one", "1", "linux/arm/v6")
        repository = client("one")
        image = repository.manifest("1", deadline=soon())
        blob = repository.blob(image.config.digest, deadline=soon())
        content = bytearray(image.config.size)
        assert blob.body.readinto(memoryview(content)) == image.config.size
        blob.body.close()
        assert manifest.platform_of_config(bytes(content), "x") == manifest.platform("linux/arm/v6")

    @pytest.mark.parametrize("name, tag", [("library/nginx", "none"), ("none", "1"),
                                           ("library/nginx", "sha256:" + "0" * 64)])
    def test_what_is_not_there_is_not_found(self, registry, client, name, tag):
        registry.put_image("library/nginx", "1.27")
        with pytest.raises(RegistryFault) as caught:
            client(name).manifest(tag, deadline=soon())
        assert caught.value.kind is Kind.NOT_FOUND
        assert caught.value.code in {"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}
        with pytest.raises(RegistryFault) as caught:
            client(name).head(tag, deadline=soon())
        assert caught.value.kind is Kind.NOT_FOUND

    def test_tags_are_listed(self, client):
        repository = client("tagged")
        document = put_image(repository, "t0")
        for n in range(1, 7):
            repository.put_manifest(f"t{n}", document, deadline=soon())
        assert tuple(sorted(repository.tags(deadline=soon()))) == tuple(f"t{n}" for n in range(7))
        with pytest.raises(RegistryFault) as caught:
            client("none").tags(deadline=soon())
        assert caught.value.kind is Kind.NOT_FOUND

    def test_a_blob_is_read_from_the_middle(self, registry, client):
        content = bytes(range(256)) * 40
        digest = registry.put_blob("blobs", content, OCI_LAYER)["digest"]
        repository = client("blobs")
        assert repository.has_blob(digest, deadline=soon())
        assert not repository.has_blob("sha256:" + "1" * 64, deadline=soon())
        blob = repository.blob(digest, start=10_000, deadline=soon())
        rest = bytearray(1000)
        assert (blob.start, blob.body.readinto(memoryview(rest))) == (10_000, 240)
        blob.body.close()
        assert rest[:240] == content[10_000:]


class TestWriting:
    def test_an_image_arrives_and_skopeo_agrees(self, registry, client):
        document = put_image(client("made/here"), "1")
        assert skopeo_raw(registry.address, "made/here:1", registry.login) == document.content

    def test_a_blob_in_pieces_is_resumed_where_the_registry_is(self, registry, client):
        uploads, pieces = Uploads(client("pieces")), [b"a" * 1000, b"b" * 500, b"c" * 10]
        upload = uploads.start(deadline=soon())
        assert uploads.state(upload, deadline=soon()).offset == 0
        upload = uploads.append(upload, pieces[0], deadline=soon())
        again = uploads.state(Upload(upload.url), deadline=soon())
        assert again.offset == upload.offset == 1000
        upload = uploads.append(again, memoryview(pieces[1]), deadline=soon())
        digest = digest_of(b"".join(pieces))
        uploads.finish(upload, digest, pieces[2], deadline=soon())
        assert client("pieces").has_blob(digest, deadline=soon())

    def test_a_piece_at_the_wrong_place_is_told(self, registry, client):
        uploads = Uploads(client("wrong"))
        upload = uploads.append(uploads.start(deadline=soon()), b"x" * 10, deadline=soon())
        with pytest.raises(RegistryFault) as caught:
            uploads.append(Upload(upload.url, 5), b"x" * 10, deadline=soon())
        assert caught.value.kind is Kind.UPLOAD_LOST

    def test_a_wrong_digest_is_never_stored(self, registry, client):
        uploads, wrong = Uploads(client("wrong")), digest_of(b"other")
        with pytest.raises(RegistryFault) as caught:
            uploads.finish(uploads.start(deadline=soon()), wrong, b"content", deadline=soon())
        assert caught.value.kind is Kind.DIGEST_MISMATCH
        assert not client("wrong").has_blob(wrong, deadline=soon())

    def test_a_blob_of_another_repository_is_mounted(self, registry, client):
        digest = Uploads(client("from/here")).put(b"shared", deadline=soon())
        assert Uploads(client("to/there")).start(mount=digest, source="from/here", deadline=soon()) is None
        assert client("to/there").has_blob(digest, deadline=soon())
        absent = digest_of(b"absent")
        assert Uploads(client("to/there")).start(mount=absent, source="from/here", deadline=soon()) is not None

    def test_an_upload_that_was_dropped_is_gone(self, registry, client):
        uploads = Uploads(client("dropped"))
        upload = uploads.start(deadline=soon())
        uploads.cancel(upload, deadline=soon())
        with pytest.raises(RegistryFault) as caught:
            uploads.state(upload, deadline=soon())
        assert caught.value.kind is Kind.UPLOAD_LOST

    def test_an_index_whose_images_are_missing_is_refused(self, registry, client):
        entry = {"mediaType": manifest.OCI_MANIFEST, "digest": "sha256:" + "2" * 64, "size": 3}
        content = json.dumps({"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": [entry]}).encode()
        document = manifest.Document(content, manifest.OCI_INDEX, manifest.digest_of(content))
        with pytest.raises(RegistryFault) as caught:
            client("broken").put_manifest("1", document, deadline=soon())
        assert caught.value.kind is Kind.REFUSED
        with pytest.raises(RegistryFault):
            client("broken").head("1", deadline=soon())


class TestLogin:
    @pytest.fixture(scope="class")
    def private(self, tmp_path_factory):
        place = Registry(tmp_path_factory.mktemp("private") / "r", private=True)
        yield place
        place.close()

    def test_without_and_with_a_wrong_password_everything_is_denied(self, private):
        for login in (("", ""), (USER, "wrong")):
            with pytest.raises(RegistryFault) as caught:
                repository_at(private.address, "x", *login).calls.ping(soon())
            assert caught.value.kind is Kind.DENIED
            assert "wrong" not in str(caught.value)

    def test_the_login_is_sent_only_after_it_was_asked_for(self, private):
        session = RecordingSession()
        repository = repository_at(private.address, "x", USER, PASSWORD, session=session)
        repository.calls.ping(soon())
        repository.calls.ping(soon())
        assert ["authorization" in headers for _, _, headers in session.asked] == [False, True, True]


@pytest.mark.skipif(not shutil.which("openssl"), reason="missing: openssl")
class TestTokens:
    """A real registry checks the tokens: their scopes, their service, their end."""

    @pytest.fixture(scope="class")
    def site(self, tmp_path_factory):
        directory = tmp_path_factory.mktemp("tokens")
        service = TokenService(directory)
        place = Registry(directory / "r", token=service.settings)
        place.tokens = service
        yield place
        place.close()
        service.close()

    def test_a_login_may_push_and_one_token_serves_a_repository(self, site):
        repository = repository_at(site.address, "team/app", USER, PASSWORD)
        before = len(site.tokens.given)
        document = put_image(repository, "1")
        assert repository.manifest("1", deadline=soon()).document == document
        assert site.tokens.given[before:] == [["repository:team/app:pull,push"]]

    def test_nobody_may_push_without_a_login(self, site):
        with pytest.raises(RegistryFault) as caught:
            put_image(repository_at(site.address, "team/app"), "1")
        assert caught.value.kind is Kind.DENIED

    def test_everybody_may_pull(self, site):
        put_image(repository_at(site.address, "team/open", USER, PASSWORD), "1")
        repository = repository_at(site.address, "team/open", actions="pull")
        assert repository.head("1", deadline=soon()).digest
        assert repository.tags(deadline=soon()) == ("1",)

    def test_a_mount_asks_for_both_repositories(self, site):
        digest = Uploads(repository_at(site.address, "a/one", USER, PASSWORD)).put(b"shared", deadline=soon())
        uploads = Uploads(repository_at(site.address, "b/two", USER, PASSWORD))
        assert uploads.start(mount=digest, source="a/one", deadline=soon()) is None
        assert site.tokens.given[-1] == ["repository:b/two:pull,push", "repository:a/one:pull"]

    def test_a_wrong_password_is_denied_by_the_service(self, site):
        with pytest.raises(RegistryFault) as caught:
            repository_at(site.address, "team/app", USER, "wrong").head("1", deadline=soon())
        assert caught.value.kind is Kind.DENIED
        assert "token service" in caught.value.where
