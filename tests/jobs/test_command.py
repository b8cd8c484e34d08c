"""What a member may send: the vectors, every rule by a table, and what no text may do to the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsync.jobs import command, links, platform, reasons, words
from wxsync.jobs.command import BadItem, ChatCommand, Help, ImageRequest, Refusal, SyncImages, UploadFiles

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "messages.json").read_text(encoding="utf-8"))
HEX = "7eb83ea8d97e0123456789abcdef0123456789abcdef0123456789abcdef4f5a"
OWN = "registry.cn-hangzhou.aliyuncs.com/ns/"


def answer(text: str, own_prefix: str = "") -> tuple[str, Any]:
    """Return the kind and the content of an answer, as the vectors put them."""
    found = command.parse(text, own_prefix=own_prefix)
    if isinstance(found, SyncImages):
        return "image", [shown(image) for image in found.images]
    if isinstance(found, UploadFiles):
        return "url", list(found.urls)
    if isinstance(found, Help):
        return "help", found.suggestion
    if isinstance(found, ChatCommand):
        return "command", found.name
    return "invalid", [(item.written, item.code) for item in found.items]


def shown(image: ImageRequest) -> dict[str, Any]:
    entry = {
        "source": image.reference.short,
        "canonical": image.reference.full,
        "platforms": list(image.platforms),
    }
    return {**entry, "destination": image.destination} if image.destination else entry


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["id"] for case in VECTORS["cases"]])
def test_vector(case: dict[str, Any]) -> None:
    kind, content = answer(case["text"])
    if kind != case["kind"]:
        assert kind in case.get("also", []) and kind != "image"
    elif kind == "invalid":
        assert [written for written, _ in content] == [bad["item"] for bad in case["invalid"]]
        for (_, code), bad in zip(content, case["invalid"]):
            assert code in (bad["reason"] if isinstance(bad["reason"], list) else [bad["reason"]])
    else:
        wanted = {"image": "images", "url": "urls", "help": "suggestion", "command": "command"}[kind]
        assert content == case[wanted]


def test_every_reason_of_the_vectors_has_its_words() -> None:
    assert set(reasons.REASONS) == set(VECTORS["reasons"])


IMAGES = [  # text, what is synced: short form, platforms behind a space, destination behind ->
    # rule 1: what has no width, other blanks, other line ends
    ("ngi\u200bnx:1\u2060", ["nginx:1"]),
    ("\ufeffnginx:1", ["nginx:1"]),
    ("nginx:1\u00a0redis:2\u3000mysql:8\tcaddy:2\u202fvalkey/valkey", [
        "nginx:1", "redis:2", "mysql:8", "caddy:2", "valkey/valkey:latest"]),
    ("nginx:1\rredis:2\u2028mysql:8\x85caddy:2", ["nginx:1", "redis:2", "mysql:8", "caddy:2"]),
    (",,nginx:1,;，；、 ,redis:2、", ["nginx:1", "redis:2"]),
    # rule 2: with more than the word it is no command
    ("status:latest", ["status:latest"]),
    ("help, status", ["help:latest", "status:latest"]),
    # rule 4: comments
    ("nginx:1#redis:2\nmysql:8 # x, y", ["nginx:1", "mysql:8"]),
    ("nginx:1 # 见 https://example.com/a", ["nginx:1"]),
    ("nginx # 网关\nredis # 缓存", ["nginx:latest", "redis:latest"]),
    # rule 5: prefixes
    ("Docker\t PULL  nginx", ["nginx:latest"]),
    ("docker pull nginx # 网关", ["nginx:latest"]),
    ("docker pull nginx, redis", ["nginx:latest", "redis:latest"]),
    ("docker pull nginx\nredis:7", ["nginx:latest", "redis:7"]),
    ("docker pull\nnginx:1", ["nginx:1"]),
    ("  image: nginx", ["nginx:latest"]),
    ("image： nginx:1", ["nginx:1"]),
    ("Image: a/b", ["a/b:latest"]),
    ("image:nginx:1.27", ["nginx:1.27"]),
    ("image:a/b", ["a/b:latest"]),
    ("image:latest", ["image:latest"]),
    ("docker:27", ["docker:27"]),
    ("docker\nnginx:1", ["docker:latest", "nginx:1"]),
    # rule 6: platforms
    ("--platform=linux/amd64,linux/arm64 nginx:1", ["nginx:1 linux/amd64,linux/arm64"]),
    ("--platform   linux/arm64   nginx, a:7\nb:8", ["nginx:latest linux/arm64", "a:7 linux/arm64", "b:8"]),
    ("--platform=linux/arm64，nginx:1；redis", ["nginx:1 linux/arm64", "redis:latest linux/arm64"]),
    ("--platform=linux/arm64/v8 nginx", ["nginx:latest linux/arm64/v8"]),
    ("--platform=linux/arm64,linux/arm64/v8,linux/arm64 a:1", ["a:1 linux/arm64"]),
    ("--platform=linux/amd64 --platform=linux/386 a:1", ["a:1 linux/386"]),
    ("a --platform=linux/amd64 b --platform=linux/386 c", ["a:latest", "b:latest linux/amd64", "c:latest linux/386"]),
    ("docker pull --platform=windows/amd64 a", ["a:latest windows/amd64"]),
    ("--platform=linux／arm64 a", ["a:latest linux/arm64"]),
    ("linux/arm64", ["linux/arm64:latest"]),
    *((f"--platform={name} a", [f"a:latest {name}"]) for name in sorted(platform.KNOWN)),
    # rule 7: separators, folding, bare words
    ("ghcr.io／a／b：1", ["ghcr.io/a/b:1"]),
    ("nginx;redis；mysql、caddy", ["nginx:latest", "redis:latest", "mysql:latest", "caddy:latest"]),
    ("hello, world", ["hello:latest", "world:latest"]),
    ("nginx\nnginx", ["nginx:latest"]),
    ("nginx, a:1 b:2", ["nginx:latest", "a:1", "b:2"]),
    ("library/123:1, docker.io/80, localhost:5000/1:2", ["123:1", "80:latest", "localhost:5000/1:2"]),
    ("1.27, a:1", ["1.27:latest", "a:1"]),
    # arrows
    ("nginx:1.27->web:v3", ["nginx:1.27 -> web:v3"]),
    ("nginx=>web:v3,redis→cache：v1", ["nginx:latest -> web:v3", "redis:latest -> cache:v1"]),
    ("nginx:1.27 --> web:v3", ["nginx:1.27 -> web:v3"]),
    ("--platform=linux/arm64 a/b -> web:v3 c:1", ["a/b:latest linux/arm64 -> web:v3", "c:1 linux/arm64"]),
    # rule 8: merging keeps the first place
    ("a:1, b:1, docker.io/library/a:1", ["a:1", "b:1"]),
    ("--platform=linux/arm64,linux/386 a:1\n--platform=linux/386,linux/arm64/v8 a:1", ["a:1 linux/arm64,linux/386"]),
    ("a:1\n--platform=linux/arm64 a:1", ["a:1", "a:1 linux/arm64"]),
    ("a:1 -> b:1, a:1, a:1 -> b:1, a:1 -> b:2", ["a:1 -> b:1", "a:1", "a:1 -> b:2"]),
    (f"a:1@sha256:{HEX}, a:2@sha256:{HEX}", [f"a:1@sha256:{HEX}", f"a:2@sha256:{HEX}"]),
    (f"a:1@sha256:{HEX} -> b:1, a:2@sha256:{HEX} -> b:1", [f"a:1@sha256:{HEX} -> b:1"]),
    ("\n".join(["a:1"] * 500), ["a:1"]),
]


@pytest.mark.parametrize(("text", "wanted"), IMAGES, ids=[repr(row[0])[:60] for row in IMAGES])
def test_images_are_read(text: str, wanted: list[str]) -> None:
    found = command.parse(text)
    assert isinstance(found, SyncImages), found
    assert [
        image.reference.short
        + (" " + ",".join(image.platforms) if image.platforms else "")
        + (f" -> {image.destination}" if image.destination else "")
        for image in found.images
    ] == wanted


REFUSED = [  # text, the items with code and proposal
    # rule 5
    ("docker pull docker pull a:1", [("docker", "name", None), ("pull", "name", None)]),
    ("sudo docker pull a:1", [("sudo", "name", None), ("docker", "name", None), ("pull", "name", None)]),
    ("docker pull a b", [("a", "name", None), ("b", "name", None)]),
    ("docker  compose up a:1\nb:1", [("docker  compose", "command-line", None)]),
    # rule 6
    ("--platform= a:1", [("--platform=", "platform", None)]),
    ("a:1 --platform", [("--platform", "platform", None)]),
    ("--platform # x", [("--platform", "platform", None)]),
    ("--platform, a:1", [("--platform,", "platform", None)]),
    ("--platform --platform=linux/386 a", [("--platform", "platform", None)]),
    ("--platform a:1", [("--platform a:1", "platform", None)]),
    ("--platform=linux/amd64,a:1", [("--platform=linux/amd64,a:1", "platform", None)]),
    ("--platform=linux/amd64, linux/arm64 a:1", [("--platform=linux/amd64,", "platform", None)]),
    ("--platform=linux/amd64，linux/arm64 a:1", [
        ("--platform=linux/amd64，linux/arm64", "platform", "--platform=linux/amd64,linux/arm64")]),
    ("--platform linux/amd64 linux/arm64 a:1", [("linux/arm64", "platform", None)]),
    ("--platform=linux/AMD64 a:1", [("--platform=linux/AMD64", "platform", "--platform=linux/amd64")]),
    ("--platform=x86_64,aarch64 a", [
        ("--platform=x86_64,aarch64", "platform", "--platform=linux/amd64,linux/arm64")]),
    ("--platform=linux/386 --platform=x linux/arm64", [("--platform=x", "platform", None)]),
    ("--platform=darwin/arm64 a", [("--platform=darwin/arm64", "platform", None)]),
    ("--platform=linux/arm/v8 a", [("--platform=linux/arm/v8", "platform", None)]),
    (f"--platform={'x' * 600} a", [(f"--platform={'x' * 600}", "platform", None)]),
    ("--platform:arm64 a:1", [("--platform:arm64", "option", "--platform=linux/arm64")]),
    ("—platform=linux/arm64 a:1", [("—platform=linux/arm64", "option", "--platform=linux/arm64")]),
    ("—platform linux/arm64 a:1", [("—platform", "option", None)]),
    ("--all-tags, a:1", [("--all-tags", "option", None)]),
    ("docker pull -q a", [("-q", "option", None)]),
    ("a:1 --platform=linux/arm64", [("--platform=linux/arm64", "no-image", None)]),
    ("--platform=linux/arm64\na:1", [("--platform=linux/arm64", "no-image", None)]),
    ("--platform=linux/386 --platform linux/arm64 # a", [
        ("--platform=linux/386", "no-image", None), ("--platform linux/arm64", "no-image", None)]),
    ("--platform=linux/arm64 https://a.b/c", [("https://a.b/c", "mixed", None)]),
    # rule 7
    ("sync nginx:1", [("sync", "name", None)]),
    ("nginx redis:7, mysql", [("nginx", "name", None)]),
    ("--platform=linux/arm64 nginx redis", [("nginx", "name", None), ("redis", "name", None)]),
    ("请 同步 a:1, b:1", [("请", "characters", "a:1, b:1"), ("同步", "characters", None)]),
    ("--platform=linux/386 请 a:1", [("请", "characters", "--platform=linux/386 a:1")]),
    ("请 a:1\n请 b:1", [("请", "characters", "a:1")]),
    ("- a:1\n- b:1", [("-", "name", None)]),
    ("1", None),
    ("80:80", [("80:80", "name", None)]),
    (f"1@sha256:{HEX}", [(f"1@sha256:{HEX}", "name", None)]),
    ("80:", [("80:", "tag", None)]),
    ("a:1, 2", [("2", "name", None)]),
    ("a:1, Nginx", [("Nginx", "uppercase", "nginx:latest")]),
    ("a@latest, b:1", [("a@latest", "digest-format", "a:latest")]),
    ("你好：", [("你好：", "characters", None)]),
    ("nginx：：1", [("nginx：：1", "tag", "nginx:1")]),
    ("nginx:, nginx:", [("nginx:", "tag", "nginx:latest")]),
    # arrows
    ("a:1 ->", [("a:1 ->", "destination", None)]),
    ("-> a:1", [("-> a:1", "destination", None)]),
    ("a:1 -> b:1 -> c:1", [("a:1 -> b:1 -> c:1", "destination", None)]),
    ("a:1 -> web", [("a:1 -> web", "destination", "a:1 -> web:1")]),
    ("a:1 -> Web:v3", [("a:1 -> Web:v3", "destination", "a:1 -> web:v3")]),
    (f"a:1 -> web:v3@sha256:{HEX}", [(f"a:1 -> web:v3@sha256:{HEX}", "destination", None)]),
    ("a:1 → other.io/ns/web:v3", [("a:1 → other.io/ns/web:v3", "destination", None)]),
    ("A:1 -> web:v3", [("A:1 -> web:v3", "uppercase", "a:1 -> web:v3")]),
    ("a:1 to b:1", [("to", "destination", None)]),
    ("1. a:1", [("1.", "name", None)]),
    # links beside images
    ("a:1, https://x.y/?a,b;c#d, b:1", [("https://x.y/?a,b;c#d", "mixed", None)]),
    ("下载 https://x.y/z", [("下载", "characters", None), ("https://x.y/z", "mixed", None)]),
    ("a:1\nhttps：//hub.docker.com/_/redis", [("https：//hub.docker.com/_/redis", "mixed", "redis:latest")]),
    ("a:1\nhttps://", [("https://", "mixed", None)]),
    ("ftp：//x.y/z", [("ftp：//x.y/z", "scheme", None)]),
    # rule 8
    ("\n".join(f"a{n}:1" for n in range(103)), [("a100:1", "too-many", None)]),
    ("\n".join(f"a{n}:1" for n in range(101)) + "\na:", [("a:", "tag", "a:latest"), ("a100:1", "too-many", None)]),
    (",".join(f"a{n}" for n in range(101)), [("a100", "too-many", None)]),
    # links
    ("https://x.y/a b", [("https://x.y/a b", "url", None)]),
    ("https://x.y/a https://x.y/b", [("https://x.y/a https://x.y/b", "url", "https://x.y/a\nhttps://x.y/b")]),
    ("https://u:p@x.y/a https://x.y/b", [("https://u:p@x.y/a https://x.y/b", "url", None)]),
    ("https://x.y/a\nnginx:1\nftp://x.y/z\n你好", [
        ("nginx:1", "mixed", None), ("ftp://x.y/z", "scheme", None), ("你好", "url", None)]),
    *((f"https://{rest}", [(f"https://{rest}", "url", None)]) for rest in [
        "", "/a", "?a", "#a", "@/a", ":80/a", "u@:80/a", "x.y:/a", "x.y:65536/a", "x.y:１/a", "x.y:a/b", "x.y:80:80/a",
        "[::1", "[::1]x/a", "[g]/a", "x\\y/a", "u\\@x.y/a", "x.y\x01/a", "x.y/\x7f", "a<b/", "x：80/a", "x／y.z", "…/a",
        "%41.b/", "-"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), REFUSED, ids=[repr(row[0])[:60] for row in REFUSED])
def test_each_bad_item_is_named_as_written(text: str, wanted: list[tuple[str, str, str | None]] | None) -> None:
    found = command.parse(text)
    if wanted is None:
        assert found == Help()
        return
    assert isinstance(found, Refusal), found
    assert [(item.written, item.code, item.suggestion) for item in found.items] == wanted
    assert all(item.reason for item in found.items)


HELP = [  # text, proposal
    ("nginx,", "nginx:latest"),
    ("nginx。", "nginx:latest"),
    ("nginx # 网关", "nginx:latest"),
    ("nginx#网关", "nginx:latest"),
    ("NGINX", "nginx:latest"),
    ("nginx!", None),
    ("nginx ->", None),
    ("nginx -> web", None),
    ("nginx, redis!", None),
    ("nginx, Redis", None),
    ("nginx, redis mysql", None),
    ("nginx, 80", None),
    ("80", None),
    ("80。", None),
    ("help。。", None),
    ("https://hub.docker.com/_/80", None),
    ("nginx@latest", None),
    ("zhangsan@example.com", None),
    ("-", None),
    ("-h", None),
    ("---", None),
    ("?", None),
    ("。", None),
    (",,,", None),
    ("\u200b", None),
    ("取消 #12", None),
    ("cancel #12", None),
    ("状态 现在", None),
    ("help me", None),
    ("帮助。。", None),
    ("取 消", None),
    ("docker ps", None),
    ("docker run -d nginx", None),
    ("Docker  Pull", None),
    ("image:", None),
    ("docker pull # x", None),
    ("image：\n# x", None),
    ("# a:1\n  # b:1", None),
    ("https://hub.docker.com/_/nginx", "nginx:latest"),
    ("https：//hub.docker.com/_/nginx", "nginx:latest"),
    ("http://Hub.Docker.com:443/_/nginx/", "nginx:latest"),
    ("https://hub.docker.com/_/nginx/tags?page=1&name=1.27#x", "nginx:latest"),
    ("https://hub.docker.com/_/nginx?tab=tags", "nginx:latest"),
    ("https://hub.docker.com/r/bitnami/redis", "bitnami/redis:latest"),
    ("https://hub.docker.com/r/bitnami/redis/tags", "bitnami/redis:latest"),
    ("https://hub.docker.com/r/library/redis#top", "redis:latest"),
    ("https://hub.docker.com/r/bitnami", None),
    ("https://hub.docker.com/_/", None),
    ("https://hub.docker.com/_/-", None),
    ("https://hub.docker.com/search?q=nginx", None),
    ("https://hub.docker.com", None),
    ("https://hub.docker.com/_/x\nhttps://hub.docker.com/r/a/b\nhttps://hub.docker.com/_/x/t", "x:latest, a/b:latest"),
    ("https://hub.docker.com/_/nginx\nhttps://x.y/z", "nginx:latest"),
]


@pytest.mark.parametrize(("text", "suggestion"), HELP, ids=[repr(row[0])[:60] for row in HELP])
def test_anything_else_is_help(text: str, suggestion: str | None) -> None:
    assert command.parse(text) == Help(suggestion)


LINKS = [
    ("https：//x.y/a", ["https://x.y/a"]),
    ("https：／／x.y/a", ["https://x.y/a"]),
    ("HTTPS://X.Y/A", ["HTTPS://X.Y/A"]),
    ("https://x.y/a\n\n https://x.y/b \r\nhttps://x.y/a", ["https://x.y/a", "https://x.y/b"]),
    ("https://x.y", ["https://x.y"]),
    ("https://x.y?a=b", ["https://x.y?a=b"]),
    ("https://x.y:65535/a：b／c，d#e", ["https://x.y:65535/a：b／c，d#e"]),
    ("https://[2001:db8::1]:8443/a", ["https://[2001:db8::1]:8443/a"]),
    ("https://[::1]", ["https://[::1]"]),
    ("https://文件.中国/a", ["https://文件.中国/a"]),
    ("https://u:p@q@x.y/a@b", ["https://u:p@q@x.y/a@b"]),
    ("https://\u200bx.y/a", ["https://x.y/a"]),
    ("https://hub.docker.com.x.y/_/nginx", ["https://hub.docker.com.x.y/_/nginx"]),
    ("https://hub.docker.com@x.y/_/nginx", ["https://hub.docker.com@x.y/_/nginx"]),
]


@pytest.mark.parametrize(("text", "urls"), LINKS, ids=[repr(row[0])[:60] for row in LINKS])
def test_links_are_read_before_anything_is_folded_or_split(text: str, urls: list[str]) -> None:
    assert command.parse(text) == UploadFiles(tuple(urls))


@pytest.mark.parametrize("name", ["help", "status", "history", "cancel", "retry"])
@pytest.mark.parametrize("form", ["{}", " {}\n", "{}。", "\u3000{} 。 ", "\u200b{}"])
def test_a_chat_command_is_nothing_but_the_word(name: str, form: str) -> None:
    chinese = {"help": "帮助", "status": "状态", "history": "历史", "cancel": "取消", "retry": "重试"}[name]
    for word in (name, name.upper(), name.title(), chinese):
        assert command.parse(form.format(word)) == ChatCommand(name)


class TestOwnLinesPastedBack:
    def test_own_registry_and_namespace_are_dropped_from_a_destination(self) -> None:
        assert answer(f"nginx:1 → {OWN}nginx:1", OWN) == answer("nginx:1 -> nginx:1")
        assert answer(f"nginx:1 -> {OWN.upper()}web:v1", OWN) == answer("nginx:1 -> web:v1")

    def test_the_number_of_our_first_answer_is_dropped(self) -> None:
        text = f"1. nginx:latest → {OWN}nginx:latest\n12. redis:7.0 → {OWN}redis:7.0"
        assert answer(text, OWN) == answer("nginx:latest -> nginx:latest, redis:7.0 -> redis:7.0")

    @pytest.mark.parametrize("line", [f"x. a:1 → {OWN}a:1", "1. a:1 → a:1", "1. a:1"])
    def test_other_numbers_are_named(self, line: str) -> None:
        kind, items = answer(line, OWN)
        assert (kind, items) == ("invalid", [(line.split()[0], "name")])

    def test_a_path_below_our_namespace_is_no_destination(self) -> None:
        kind, _ = answer(f"a:1 -> {OWN}b/c:1", OWN)
        assert kind == "invalid"


class TestPasswordsInLinks:
    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("https://u:p@x.y/a b", "https://***@x.y/a b"),
            ("https://u:p q@x.y/a@b", "https://***@x.y/a@b"),
            ("https：//u:p@x.y/a b", "https：//***@x.y/a b"),
            ("https://x.y/@ b", "https://x.y/@ b"),
            ("https：／／u:p@x.y/a b", "https：／／***@x.y/a b"),
            ("ftp://u:p@x.y", "ftp://***@x.y"),
            ("a//b@c", "a//b@c"),
            ("nginx!@a", "nginx!@a"),
        ],
    )
    def test_a_bad_link_is_shown_without_its_password(self, written: str, shown: str) -> None:
        assert BadItem(written, "url", "").shown == shown


class TestBounds:
    def test_sixteen_kib_are_read_and_no_more(self) -> None:
        text = "a:1," * 4096
        assert isinstance(command.parse(text), SyncImages)
        for longer in (text + " ", text[:-1] + "，", "镜" * 6000, "a" * 10_000_000):
            found = command.parse(longer)
            assert isinstance(found, Refusal)
            assert [(item.code, item.reason) for item in found.items] == [("length", reasons.TOO_LONG)]
            assert len(found.items[0].written) <= 61

    def test_a_hundred_images_are_counted_after_merging(self) -> None:
        hundred = "\n".join(f"a{n}:1" for n in range(100))
        found = command.parse(f"{hundred}\n{hundred}")
        assert isinstance(found, SyncImages) and len(found.images) == 100

    @pytest.mark.parametrize("unit", ["-", "->", " ", "--platform ", "--platform=，linux/", "docker ", "a-"])
    def test_time_grows_with_the_line_not_faster(self, unit: str) -> None:
        """Eight times what is ever read: a pattern that tries twice would not come back."""
        size = 8 * command.MAX_TEXT_BYTES // len(unit)
        for begin in ("", "--platform ", "docker ", "image:"):
            words.read(begin + unit * size + "!")
        links.parse(f"https://{unit * size}")

    @pytest.mark.parametrize("unit", [
        "a", "-", "->", "=>", " ", ",", "#", "a ", "a,", "镜 ", "--platform", "--platform ", "--platform=", "，linux/",
        "docker ", "docker pull ", "image:", "https://", "https://@", "http：／／ ", "@", ":", "/", "a/", "a->", "。",
        "\u200b", "\n", "a\n", "。\n", "!", "A:", ":sha256:", "1. ", "[", "%", "\ud800",
    ])  # fmt: skip
    def test_no_text_of_the_greatest_size_takes_long(self, unit: str) -> None:
        """Whatever the whole text is made of: the reader comes back, and says something."""
        size = command.MAX_TEXT_BYTES // len(unit.encode("utf-8", "replace"))
        whole = (unit * size)[: command.MAX_TEXT_BYTES]
        for text in (whole, whole[:-2] + "!", "a:1 " + whole[:-4], "https://" + whole[:-9], "a:1\n" + whole[:-4]):
            command.parse(text, own_prefix=OWN)


TEXTS = st.text() | st.text("aZ0.:/@-_>=→，、;；：／ #\n。镜\u200b\u3000", max_size=80) | st.lists(
    st.sampled_from([
        "nginx", "redis:7", "ghcr.io/a/b", "--platform=linux/arm64", "--platform ", "linux/amd64", "docker pull", " ",
        "\n", ",", "，", "->", "→", "web:v3", "#", "https://x.y/z", "https：//", "Nginx:1", "a//b", "80:80", "。",
        "取消", "image: ", f"@sha256:{HEX}", "!", "-q", "\ud800", OWN,
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_every_text_has_an_answer(text: str) -> None:
    found = command.parse(text, own_prefix=OWN)
    if isinstance(found, Refusal):
        assert found.items
        assert all(item.code in reasons.REASONS and item.reason and item.written for item in found.items)
        json.dumps([item.shown for item in found.items], ensure_ascii=False).encode()
    if isinstance(found, Help) and found.suggestion:
        assert isinstance(command.parse(found.suggestion), SyncImages)
    if isinstance(found, SyncImages):
        again = command.parse("\n".join(map(rendered, found.images)), own_prefix=OWN)
        assert isinstance(again, SyncImages)
        assert [shown(image) for image in again.images] == [shown(image) for image in found.images]


def rendered(image: ImageRequest) -> str:
    """Write an image as the member might have, in full."""
    reference = image.reference
    platforms = f"--platform={','.join(image.platforms)} " if image.platforms else ""
    tag = f":{reference.tag}" if reference.tag else ""
    digest = f"@{reference.digest}" if reference.digest else ""
    destination = f" -> {image.destination}" if image.destination else ""
    return f"{platforms}{reference.source}{tag}{digest}{destination}"
