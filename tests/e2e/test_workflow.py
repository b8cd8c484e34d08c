"""The real workflow file between real registries: what arrives, what is reported, what never happens."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import PUBLIC_HOSTS, Mirror
from tests.e2e.front import Rule, refusal
from tests.e2e.registries import OCI_INDEX, PASSWORD, USER

THREE = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")


def test_a_single_image_arrives_with_its_digest(mirror: Mirror) -> None:
    stored = mirror.site.source.put_image("docker.io/library/nginx", "latest")
    run = mirror.run("# request r1\nnginx\n", request_id="r1")
    assert run.line(1) == f"notice: nginx -> nginx:latest {stored['digest']}"
    assert run.images[1].name == "image 1 nginx"
    assert run.images[1].summary == f"- ✅ 1: `nginx -> nginx:latest {stored['digest']}`\n"
    assert mirror.digest("nginx:latest") == stored["digest"]


def test_an_index_arrives_byte_for_byte(mirror: Mirror) -> None:
    stored = mirror.site.source.put_index("docker.io/library/redis", "7.0", THREE)
    run = mirror.run("redis:7.0")
    assert run.line(1) == f"notice: redis:7.0 -> redis:7.0 {stored['digest']}"
    assert mirror.digest("redis:7.0") == stored["digest"]
    assert mirror.platforms("redis:7.0") == list(THREE)


def test_attestations_stay_behind_and_all_platforms_arrive(mirror: Mirror) -> None:
    """The destination refuses attestations here, in the words of the one that does."""
    front = mirror.site.destination_front
    why = "unknown manifest class for application/vnd.oci.empty.v1+json"
    front.rules.append(Rule("PUT", "/manifests/", 403, refusal("DENIED", why), content=b"empty.v1+json"))
    stored = mirror.site.source.put_index("docker.io/library/attested", "1", THREE, attested=True)
    run = mirror.run("attested:1", registry=front.address)
    index = json.loads(mirror.raw("attested:1"))
    assert index["manifests"] == [entry for entry in stored["manifests"] if "annotations" not in entry]
    assert mirror.platforms("attested:1") == list(THREE)
    assert run.line(1) == f"notice: attested:1 -> attested:1 {mirror.digest('attested:1')}"


def test_an_index_inside_an_index_stays_whole(mirror: Mirror) -> None:
    source = mirror.site.source
    inner = source.put_index("docker.io/library/nested", "inner", THREE[1:])
    entry = {"mediaType": OCI_INDEX, "digest": inner["digest"], "size": len(json.dumps(
        {key: inner[key] for key in ("schemaVersion", "mediaType", "manifests")}, indent=2))}
    outer = {"schemaVersion": 2, "mediaType": OCI_INDEX,
             "manifests": [source.put_image("docker.io/library/nested"), entry]}
    digest = source.put_manifest("docker.io/library/nested", outer, "1")["digest"]
    assert mirror.run("nested:1").line(1) == f"notice: nested:1 -> nested:1 {digest}"


def test_one_platform_is_that_image(mirror: Mirror) -> None:
    stored = mirror.site.source.put_index("docker.io/library/one", "1", THREE, attested=True)
    run = mirror.run("--platform=linux/arm64 one:1 -> one:1")
    assert run.line(1) == f"notice: one:1 -> one:1 {stored['manifests'][1]['digest']}"
    assert run.images[1].name == "image 1 one:1"
    assert mirror.digest("one:1") == stored["manifests"][1]["digest"]
    assert mirror.platforms("one:1") == ["linux/arm64/v8"]


def test_two_platforms_are_an_index_of_exactly_these(mirror: Mirror) -> None:
    stored = mirror.site.source.put_index("docker.io/library/two", "1", THREE, attested=True)
    run = mirror.run("--platform=linux/arm,linux/amd64 two:1")
    assert run.line(1).startswith("notice: two:1 -> two:1 sha256:")
    assert json.loads(mirror.raw("two:1"))["manifests"] == [stored["manifests"][0], stored["manifests"][2]]
    assert mirror.platforms("two:1") == ["linux/amd64", "linux/arm/v7"]


def test_a_missing_platform_is_an_error_never_another_one(mirror: Mirror) -> None:
    mirror.site.source.put_index("docker.io/library/lack", "1", THREE)
    mirror.site.source.put_image("docker.io/library/lack", "single", "linux/amd64")
    run = mirror.run("--platform=linux/s390x lack:1\n--platform=linux/arm64,linux/386 lack:1 -> lack:2\n"
                     "--platform=linux/arm64 lack:single\n--platform=linux/arm/v6 lack:1 -> lack:3\n")
    there = "there is linux/amd64, linux/arm/v7, linux/arm64"
    assert run.line(1) == f"error: no-platform: no linux/s390x, {there}"
    assert run.line(2) == f"error: no-platform: no linux/386, {there}"
    assert run.line(3) == "error: no-platform: no linux/arm64, there is linux/amd64"
    assert run.line(4) == f"error: no-platform: no linux/arm/v6, {there}"
    assert mirror.tags("lack") == []


def test_the_only_platform_of_a_single_image_may_be_named(mirror: Mirror) -> None:
    stored = mirror.site.source.put_image("docker.io/library/named", "1", "linux/arm64/v8")
    run = mirror.run("--platform=linux/arm64 named:1")
    assert run.line(1) == f"notice: named:1 -> named:1 {stored['digest']}"
    assert mirror.platforms("named:1") == ["linux/arm64/v8"]


def test_digest_references(mirror: Mirror) -> None:
    source = mirror.site.source
    old = source.put_image("docker.io/library/moved", "1")
    index = source.put_index("docker.io/library/moved", "2", THREE)
    source.put_image("docker.io/library/moved", "1", "linux/386")
    run = mirror.run(f"moved@{old['digest']}\nmoved:1@{old['digest']} -> moved:old\n"
                     f"moved@{index['digest']} -> moved:all\n")
    plain = f"sha256-{old['digest'][7:19]}"
    assert run.line(1) == f"notice: moved@{old['digest']} -> moved:{plain} {old['digest']}"
    assert mirror.digest(f"moved:{plain}") == mirror.digest("moved:old") == old["digest"]
    assert mirror.digest("moved:all") == index["digest"]


def test_a_nested_path_lands_one_level_below_the_namespace(mirror: Mirror) -> None:
    stored = mirror.site.source.put_image("registry.k8s.io/coredns/deep/coredns", "v1.11.1")
    run = mirror.run("registry.k8s.io/coredns/deep/coredns:v1.11.1")
    assert run.line(1).endswith(f" -> coredns:v1.11.1 {stored['digest']}")
    assert mirror.digest("coredns:v1.11.1") == stored["digest"]


def test_every_public_registry_is_asked_by_its_own_name(mirror: Mirror) -> None:
    names = {host: host.replace(".", "-") for host in PUBLIC_HOSTS}
    stored = {host: mirror.site.source.put_image(f"{host}/team/{name}", "1") for host, name in names.items()}
    run = mirror.run("".join(f"{host}/team/{name}:1\n" for host, name in names.items()))
    assert sorted(run.images) == [1, 2, 3, 4, 5]
    for host, name in names.items():
        assert mirror.digest(f"{name}:1") == stored[host]["digest"]


def test_twelve_images_side_by_side_one_of_them_missing(mirror: Mirror) -> None:
    stored = {n: mirror.site.source.put_image(f"docker.io/library/many{n}", "1", size=20_000 * n)
              for n in range(1, 13) if n != 5}
    run = mirror.run("".join(f"many{n}:1\n" for n in range(1, 13)))
    assert sorted(run.images) == list(range(1, 13))
    assert run.line(5).startswith("error: not-found: image or tag not found: ")
    assert "manifest unknown" in run.line(5)
    for n, image in stored.items():
        assert run.line(n) == f"notice: many{n}:1 -> many{n}:1 {image['digest']}"
        assert mirror.digest(f"many{n}:1") == image["digest"]
    assert run.most_at_once > 1


def test_a_wrong_destination_password_is_named(mirror: Mirror) -> None:
    mirror.site.source.put_image("docker.io/library/nginx", "1")
    mirror.secrets["DOCKER_PASSWORD"] = "quite-wrong-7"
    run = mirror.run("nginx:1")
    assert run.line(1).startswith("error: destination-denied: login to ")
    assert run.line(1).endswith(" refused: DOCKER_USERNAME / DOCKER_PASSWORD wrong")
    assert "quite-wrong-7" not in run.output


def test_registry_and_namespace_of_the_request_win_over_the_secrets(mirror: Mirror) -> None:
    stored = mirror.site.source.put_image("docker.io/library/nginx", "1")
    mirror.secrets.update(DOCKER_REGISTRY="127.0.0.1:1", DOCKER_NAMESPACE="other")
    run = mirror.run("nginx:1", registry=mirror.site.destination.address, namespace=mirror.namespace)
    assert run.line(1).startswith("notice: ")
    assert mirror.digest("nginx:1") == stored["digest"]
    del mirror.secrets["DOCKER_REGISTRY"], mirror.secrets["DOCKER_NAMESPACE"]
    run = mirror.run("nginx:1", registry=mirror.site.destination.address, namespace=mirror.namespace)
    assert run.line(1) == f"notice: skipped: nginx:1 -> nginx:1 {stored['digest']}"


def test_a_refused_login_at_another_registry_says_whose_credentials_these_are(mirror: Mirror) -> None:
    mirror.site.source.put_image("docker.io/library/nginx", "1")
    mirror.secrets.update(DOCKER_REGISTRY="registry.example.com", DOCKER_USERNAME="someone")
    run = mirror.run("nginx:1", registry=mirror.site.destination.address)
    assert "the credentials in the secrets belong to another registry" in run.line(1)


def test_a_private_source_needs_and_takes_its_own_login(mirror: Mirror) -> None:
    private = mirror.site.private
    stored = private.put_index("team/app", "1", THREE)
    line = f"{private.address}/team/app:1"
    assert mirror.run(line).line(1).startswith("error: source-denied: not found or private: ")
    mirror.secrets["SOURCE_AUTH_JSON"] = json.dumps({private.address: f"{USER}:{PASSWORD}"})
    assert mirror.run(line).line(1) == f"notice: {line} -> app:1 {stored['digest']}"
    assert mirror.digest("app:1") == stored["digest"]


def test_hostile_lines_are_harmless(mirror: Mirror, tmp_path: Path) -> None:
    stored = mirror.site.source.put_image("docker.io/library/nginx", "1")
    mark = tmp_path / "mark"
    lines = [f"a$(touch {mark}):b", f"a`touch {mark}`:b", f'a";touch {mark};":b', f"';touch {mark};':b",
             "${{ secrets.DOCKER_PASSWORD }}", "${{ env.HOME }}", f"--platform=$(touch${{IFS}}{mark})/x nginx:1",
             f"nginx:1 -> $(touch${{IFS}}{mark}):1", "--authfile=/x nginx:1", "::error title=image 1::forged",
             "::stop-commands::x", "x ##[error]forged", "PYTHON", "%0A::error::x"]
    run = mirror.run("\n".join([*lines, "nginx:1"]))
    assert not mark.exists()
    for n in range(1, len(lines) + 1):
        assert run.line(n).startswith("error: bad-line: "), run.images[n]
    assert run.line(len(lines) + 1) == f"notice: nginx:1 -> nginx:1 {stored['digest']}"


@pytest.mark.parametrize(("option", "name"), [("", "whole"), ("--platform=linux/arm64 ", "one"),
                                              ("--platform=linux/arm64,linux/amd64 ", "two")])
def test_what_is_there_already_is_skipped_and_said(mirror: Mirror, option: str, name: str) -> None:
    mirror.site.source.put_index(f"docker.io/library/{name}", "1", THREE, attested=True)
    first = mirror.run(f"{option}{name}:1").line(1)
    assert mirror.run(f"{option}{name}:1").line(1) == first.replace("notice: ", "notice: skipped: ")
    mirror.site.source.put_image(f"docker.io/library/{name}", "1", "linux/arm64")
    assert mirror.run(f"{option.replace(',linux/amd64', '')}{name}:1").line(1).startswith(f"notice: {name}:1 -> ")


def test_a_repetition_gets_no_job_and_a_clash_fails(mirror: Mirror) -> None:
    source = mirror.site.source
    stored = source.put_image("docker.io/library/redis", "7")
    source.put_image("quay.io/other/redis", "7")
    run = mirror.run("redis:7\ndocker.io/library/redis:7 -> redis:7\nquay.io/other/redis:7\n")
    assert sorted(run.images) == [1, 3]
    assert run.line(3) == "error: clash: image 1 of this run is already copied to redis:7"
    assert mirror.digest("redis:7") == stored["digest"]


def test_an_unknown_request_starts_no_image(mirror: Mirror) -> None:
    run = mirror.run("# request r1\nnginx:1\n", request_id="r2-unknown")
    assert run.images == {}
    (command,) = run.plan.commands
    assert command[:2] == ("error", "plan")
    assert command[2].endswith("has no request r2-unknown")


def test_unset_secrets_are_named(mirror: Mirror) -> None:
    del mirror.secrets["DOCKER_USERNAME"], mirror.secrets["DOCKER_NAMESPACE"]
    assert mirror.run("nginx:1").line(1).startswith("error: unset-secret: DOCKER_NAMESPACE, DOCKER_USERNAME ")


def test_a_server_error_is_tried_again(mirror: Mirror) -> None:
    source, destination = mirror.site.source_front, mirror.site.destination_front
    stored = mirror.site.source.put_image("team/shaky", "1")
    source.rules.append(Rule("GET", "/team/shaky/manifests/1", 503, b"busy", times=1))
    destination.rules.append(Rule("PUT", "/manifests/1", 500, refusal("UNKNOWN", "unknown"), times=1))
    run = mirror.run(f"{source.address}/team/shaky:1", registry=destination.address)
    assert run.line(1).endswith(f"/team/shaky:1 -> shaky:1 {stored['digest']}")
    assert mirror.digest("shaky:1") == stored["digest"]


def test_an_unreachable_registry_is_a_network_fault(mirror: Mirror) -> None:
    run = mirror.run("127.0.0.1:1/a/b:1")
    assert run.line(1).startswith("error: network: registry not reachable")
    assert run.output.count("skopeo inspect docker://127.0.0.1:1/a/b:1") == 4


def test_a_pull_limit_is_named(mirror: Mirror) -> None:
    """Half a minute, since skopeo itself waits and asks again five times."""
    why = refusal("TOOMANYREQUESTS", "You have reached your pull rate limit.")
    mirror.site.source_front.rules.append(Rule("GET", "/manifests/", 429, why))
    run = mirror.run(f"{mirror.site.source_front.address}/team/limited:1")
    assert run.line(1).startswith("error: rate-limited: the registry limits requests, try later: ")


@pytest.mark.parametrize(("message", "kind"), [
    ("requested access to the resource is denied", "destination-denied"), ("storage quota exceeded", "quota")])
def test_a_refused_push_is_named(mirror: Mirror, message: str, kind: str) -> None:
    mirror.site.source.put_image("docker.io/library/nginx", "1")
    front = mirror.site.destination_front
    front.rules.append(Rule("PUT", "/manifests/", 403, refusal("DENIED", message)))
    assert mirror.run("nginx:1", registry=front.address).line(1).startswith(f"error: {kind}: ")


def test_another_digest_at_the_destination_is_an_error(mirror: Mirror) -> None:
    stored = mirror.site.source.put_image("docker.io/library/nginx", "1")
    front = mirror.site.destination_front
    other = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    front.rules.append(Rule("GET", "/manifests/1", 200, other))
    run = mirror.run("nginx:1", registry=front.address)
    assert run.line(1) == f"error: digest-mismatch: nginx:1 at the destination is not {stored['digest']}"
