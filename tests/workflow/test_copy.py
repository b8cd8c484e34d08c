"""The image job without a registry: what it says when it cannot start, and how it reads skopeo's last words."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.workflow import workflow_file

COPY = workflow_file.functions("image")
ENVIRON = {"REGISTRY": "", "NAMESPACE": "", "DOCKER_REGISTRY": "r.example.com", "DOCKER_NAMESPACE": "ns",
           "DOCKER_USERNAME": "robot", "DOCKER_PASSWORD": "hush-hush", "SOURCE_AUTH_JSON": ""}
IMAGE = {"n": 3, "source": "nginx:1", "origin": "docker.io/library/nginx:1", "name": "nginx:1", "platforms": "",
         "problem": ""}


def copy(tmp_path: Path, image: dict[str, object], **environ: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the image job; return how it ended and its line in the summary."""
    summary = tmp_path / "summary"
    done = workflow_file.run("image", {**ENVIRON, "IMAGE": json.dumps(image), "HOME": str(tmp_path),
                                       "GITHUB_STEP_SUMMARY": str(summary), **environ})
    return done, summary.read_text(encoding="utf-8")


def annotations(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("::")]


def test_a_bad_line_fails_with_its_reason_and_nothing_else(tmp_path: Path) -> None:
    done, summary = copy(tmp_path, {"n": 7, "source": "a`id`:b", "problem": "bad-line: 100% `wrong`\r\n::error::x"})
    assert done.returncode == 1
    assert annotations(done) == ["::error title=image 7::bad-line: 100%25 `wrong` ::error::x"]
    assert summary == "- ❌ 7: `bad-line: 100% 'wrong' ::error::x`\n"


def test_unset_secrets_are_all_named(tmp_path: Path) -> None:
    done, _ = copy(tmp_path, IMAGE, DOCKER_REGISTRY="", DOCKER_PASSWORD="")
    (line,) = annotations(done)
    assert line.startswith("::error title=image 3::unset-secret: DOCKER_REGISTRY, DOCKER_PASSWORD ")


@pytest.mark.parametrize("environ", [
    {"REGISTRY": "a.b/c"}, {"REGISTRY": "$(id)"}, {"REGISTRY": "-x"}, {"DOCKER_REGISTRY": "https://r.example.com"},
    {"NAMESPACE": "Team"}, {"NAMESPACE": "../x"}, {"NAMESPACE": "a/../b"}, {"NAMESPACE": "a/"},
    {"DOCKER_NAMESPACE": "a b"}])
def test_a_destination_that_is_none_is_refused_before_use(
        monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    for name, value in {**ENVIRON, **environ}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(COPY["Failure"], match=r"destination-denied: the (registry|namespace) is not "):
        COPY["settings"]()


def test_the_inputs_win_over_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ENVIRON, "REGISTRY": "other.example.com:5000", "NAMESPACE": "team/x"}.items():
        monkeypatch.setenv(name, value)
    assert COPY["settings"]() == ("other.example.com:5000", "team/x", "robot", "hush-hush")


@pytest.mark.parametrize("text", ["[]", '{"a', '{"quay.io": 7}', '{"quay.io": {"username": "u"}}', '{"auths": 1}'])
def test_source_logins_of_another_form_are_refused_unquoted(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "auth.json").write_text('{"auths": {}}')
    monkeypatch.setenv("SOURCE_AUTH_JSON", text)
    with pytest.raises(COPY["Failure"]) as caught:
        COPY["add_source_logins"](tmp_path / "auth.json")
    assert caught.value.kind == "source-denied"
    assert text not in str(caught.value)


@pytest.mark.parametrize("login", ['"u:p"', '{"auth": "dTpw"}', '{"username": "u", "password": "p"}'])
@pytest.mark.parametrize("form", ['{"quay.io": LOGIN, "mine": "x:y"}', '{"auths": {"quay.io": LOGIN}}'])
def test_source_logins_are_added_beside_the_destination_s(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str, form: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text('{"auths": {"mine": {"auth": "kept"}}}')
    monkeypatch.setenv("SOURCE_AUTH_JSON", form.replace("LOGIN", login))
    COPY["add_source_logins"](file)
    assert json.loads(file.read_text()) == {"auths": {"mine": {"auth": "kept"}, "quay.io": {"auth": "dTpw"}}}


READING = r'level=fatal msg="Error parsing image name \"docker://HOST/a/b:1\": reading manifest 1 in HOST/a/b: WHY"'
PUSHING = ('level=warning msg="Failed, retrying"\n'
           'level=fatal msg="writing blob: initiating layer upload to /v2/a/b in HOST: WHY"')
DENIED = "denied: requested access to the resource is denied"
ATTESTATION = "denied: unknown manifest class for application/vnd.oci.empty.v1+json"
TIME_OUT = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
NAMED_LIKE_REASONS = READING.replace("/b", "/quota").replace("manifest 1", "manifest denied")


@pytest.mark.parametrize(("side", "text", "kind"), [
    ("source", READING.replace("WHY", "manifest unknown: manifest unknown"), "not-found"),
    ("source", READING.replace("WHY", "name unknown: repository name not known to registry"), "not-found"),
    ("source", READING.replace("WHY", "StatusCode: 404, <html>"), "not-found"),
    ("source", READING.replace("WHY", "unauthorized: authentication required"), "source-denied"),
    ("source", READING.replace("WHY", DENIED), "source-denied"),
    ("source", READING.replace("WHY", "toomanyrequests: You have reached your pull rate limit."), "rate-limited"),
    ("source", READING.replace("WHY", "received unexpected HTTP status: 429 Too Many Requests"), "rate-limited"),
    ("source", READING.replace("WHY", "received unexpected HTTP status: 503 Service Unavailable"), "network"),
    ("source", READING.replace("WHY", "dial tcp 1.2.3.4:443: i/o timeout"), "network"),
    ("source", READING.replace("WHY", TIME_OUT), "network"),
    ("source", NAMED_LIKE_REASONS.replace("WHY", "EOF"), "network"),
    ("destination", 'level=fatal msg="logging into \\"HOST\\": invalid username/password"', "destination-denied"),
    ("destination", PUSHING.replace("WHY", DENIED), "destination-denied"),
    ("destination", PUSHING.replace("WHY", "denied: adding 1.5 GiB will exceed: storage quota"), "quota"),
    ("destination", PUSHING.replace("WHY", "name unknown: no such namespace"), "destination-denied"),
    ("destination", PUSHING.replace("WHY", "write: no space left on device"), "disk"),
    ("destination", PUSHING.replace("WHY", ATTESTATION), "destination-denied"),
    ("destination", 'level=fatal msg="initializing source docker://x/a:1: unauthorized"', "source-denied"),
    ("destination", 'level=fatal msg="Instructed to preserve digests"', "digest-mismatch"),
    ("destination", "panic: no such form", "network"),
    ("destination", "", "network"),
])
def test_skopeo_s_last_words_name_the_class(side: str, text: str, kind: str) -> None:
    fault = COPY["failure_of"](side, text.replace("HOST", "registry.example.com"))
    assert fault.kind == kind
    assert str(fault).startswith(f"{kind}: ")


def test_a_registry_cannot_give_the_runner_commands(capsys: pytest.CaptureFixture[str]) -> None:
    COPY["failure_of"]("source", "one\n::error::forged\n##[error]forged")
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "| one ::error::forged ## [error]forged"
    COPY["say"]("skopeo copy a@sha256:0\n::add-mask::x")
    assert capsys.readouterr().out == "| skopeo copy a@sha256:0 ::add-mask::x\n"


@pytest.mark.parametrize(("entry", "is_one"), [
    ({"platform": {"os": "unknown", "architecture": "unknown"}}, True),
    ({"platform": {"os": "linux", "architecture": "amd64"}, "annotations": {"vnd.docker.reference.type": "x"}}, True),
    ({"platform": {"os": "linux", "architecture": "amd64"}, "annotations": None}, False),
    ({}, False),
])
def test_attestations_are_told_from_images(entry: dict[str, object], is_one: bool) -> None:
    assert COPY["is_attestation"](entry) is is_one


@pytest.mark.parametrize(("one", "other", "same"), [
    ("linux/arm64", "linux/arm64/v8", True), ("linux/arm", "linux/arm/v7", True),
    ("linux/amd64/v1", "linux/amd64", True),
    ("linux/arm", "linux/arm/v6", False), ("linux/amd64", "linux/amd64/v3", False), ("linux/arm", "linux/arm64", False),
])
def test_both_jobs_read_platforms_alike(one: str, other: str, same: bool) -> None:
    assert (COPY["platforms_of"](one) == COPY["platforms_of"](other)) is same
    assert COPY["platforms_of"](f"{one},{other}") == workflow_file.functions("plan")["canonical"](f"{one},{other}")
