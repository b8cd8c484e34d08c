"""A link becomes an object: a real daemon on the sandbox's origin, egress proxy and QingStor."""

from __future__ import annotations

import hashlib
import re
import urllib.request

import pytest

from tests.daemon.conftest import ask, final_answers, is_final
from tests.support.daemon import wait_for
from wxsync.sandbox.origin import noise

REPORT = "http://files.test/report.pdf"
BACKUP = "http://files.test/backup.tar.gz"


def opened(text: str) -> bytes:
    """Return what the link of an answer leads to, asked for as a browser does."""
    (link,) = re.findall(r"^下载链接: (http\S+)$", text, re.M)
    with urllib.request.urlopen(link, timeout=10) as answer:
        return answer.read()


def held_back(sandbox, path: str, method: str = "GET") -> None:
    """Let the next request for a path be begun and not go on."""
    sandbox.origin.server.fail_next(path, "hang", method=method)


def test_a_link_becomes_an_object_whose_link_opens(sandbox, start):
    sandbox.qingstor.buckets["tmp"].is_public = False
    start()
    text = ask(sandbox, REPORT)
    name, content = sandbox.origin.files["/report.pdf"]
    assert text.splitlines()[:5] == [
        "✅ 文件上传成功！", "", f"文件名: {name}", f"文件大小: {len(content)} 字节", "存储桶: tmp"]
    assert f"SHA256: {hashlib.sha256(content).hexdigest()}" in text
    assert re.search(r"^链接有效期: 到 \d{4}-\d\d-\d\d \d\d:\d\d$", text, re.M)
    assert opened(text) == content
    assert sandbox.egress.tunnels.count("files.test:80") >= 1
    assert not any(f"127.0.0.1:{sandbox.qingstor.server.port}" in tunnel for tunnel in sandbox.egress.tunnels)


def test_a_public_bucket_gives_a_plain_link(sandbox, start):
    start()
    text = ask(sandbox, BACKUP)
    assert "链接有效期: 长期有效（公开存储桶）" in text
    (link,) = re.findall(r"^下载链接: (\S+)$", text, re.M)
    assert re.fullmatch(rf"{re.escape(sandbox.qingstor.url)}/tmp/[0-9a-f-]{{36}}\.tar\.gz", link)
    assert opened(text) == noise(10_000_000)
    assert sandbox.qingstor.open_uploads() == []


def test_several_links_are_one_answer_with_a_block_each(sandbox, start):
    start()
    text = ask(sandbox, f"{REPORT}\n{BACKUP}\nhttp://files.test/missing.bin?token=s3cret")
    assert text.startswith("❌ 文件上传失败：成功 2 个，失败 1 个\n")
    assert "链接: http://files.test/missing.bin\n原因: 源站没有这个文件（HTTP 404）\n处理: " in text
    assert "s3cret" not in text
    assert text.count("下载链接: ") == 2


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("http://localhost/x", "localhost"),
        ("http://[::ffff:10.0.0.1]/x", "::ffff:a00:1"),
    ],
)
def test_an_address_inside_is_refused_with_its_reason(sandbox, start, link, shown):
    start()
    text = ask(sandbox, link)
    assert text.startswith("❌ 文件上传失败\n")
    assert f"原因: 不能访问 {shown}" in text
    assert "allow_networks" in text
    assert not [tunnel for tunnel in sandbox.egress.tunnels if not tunnel.startswith(("files.test", "127.0.0.1"))]


def test_without_the_keys_the_missing_settings_are_named_at_once(sandbox, start):
    start(qingstor={"access_key_id": "", "secret_access_key": ""})
    text = ask(sandbox, REPORT)
    assert text.startswith("⚠️ 没有开始\n文件上传没有启用")
    assert "qingstor.access_key_id" in text
    assert "qingstor.secret_access_key" in text


def test_a_wrong_key_and_a_missing_bucket_are_told_with_their_mend(sandbox, start):
    daemon = start(qingstor={"secret_access_key": "wrong"})
    assert "QingStor 不接受访问密钥" in ask(sandbox, REPORT)
    daemon.stop()
    start(qingstor={"bucket": "nowhere"})
    assert "存储桶不存在" in ask(sandbox, REPORT)


def test_a_clock_that_is_wrong_is_named_with_the_difference(sandbox, start):
    sandbox.qingstor.skew_s = 3600.0
    start()
    assert "本机时钟不准，比 QingStor 慢 1 小时" in ask(sandbox, REPORT)


def test_an_upload_runs_beside_a_sync_and_beside_another_one(sandbox, start):
    start()
    held_back(sandbox, "/report.pdf")
    sandbox.wecom.send_text("lisi", REPORT)
    sandbox.origin.server.wait_seen("GET", "/report.pdf")
    assert ask(sandbox, "nginx:latest").startswith("✅ 镜像同步完成！")
    assert ask(sandbox, BACKUP).startswith("✅ 文件上传成功！")
    assert final_answers(sandbox, "lisi") == []


def test_cancelling_stops_a_download_and_leaves_nothing_open(sandbox, start):
    start()
    sandbox.qingstor.server.bodies.rate = 200_000.0
    sandbox.wecom.send_text("zhangsan", BACKUP)
    wait_for(sandbox.qingstor.open_uploads, "the multipart upload")
    assert ask(sandbox, "取消").startswith("ℹ️ 正在取消任务 #1")
    wait_for(lambda: len(final_answers(sandbox, "zhangsan")) == 2, "the upload's own answer", within_s=5)
    assert final_answers(sandbox, "zhangsan")[1].startswith("⚠️ 已取消\n")
    assert sandbox.qingstor.open_uploads() == []
    assert sandbox.qingstor.buckets["tmp"].objects == {}


def test_an_upload_that_failed_is_repeated_by_retry(sandbox, start):
    start()
    sandbox.origin.server.fail_next("/report.pdf", 404)
    assert ask(sandbox, f"{REPORT}\n{BACKUP}").startswith("❌ 文件上传失败：成功 1 个，失败 1 个")
    text = ask(sandbox, "重试")
    assert text.startswith("✅ 文件上传成功！\n")
    assert opened(text) == sandbox.origin.files["/report.pdf"][1]
    assert ask(sandbox, "重试").startswith("ℹ️ 没有需要重试的文件")


def test_a_daemon_that_is_stopped_takes_the_upload_up_again(sandbox, start):
    daemon = start()
    sandbox.qingstor.server.bodies.rate = 200_000.0
    sandbox.wecom.send_text("zhangsan", BACKUP)
    wait_for(sandbox.qingstor.open_uploads, "the multipart upload")
    assert daemon.stop() == 0
    sandbox.qingstor.server.bodies.rate = 0.0
    assert sandbox.qingstor.open_uploads() == []
    start()
    text = sandbox.wecom.wait_for("zhangsan", is_final, within_s=20).text
    assert opened(text) == noise(10_000_000)
    assert len(final_answers(sandbox, "zhangsan")) == 1
    assert list(sandbox.qingstor.buckets["tmp"].objects) == [re.findall(r"[0-9a-f-]{36}\.tar\.gz", text)[0]]


def test_no_secret_of_an_upload_is_in_the_log(sandbox, start):
    sandbox.qingstor.buckets["tmp"].is_public = False
    daemon = start(log={"level": "debug"})
    text = ask(sandbox, f"{REPORT}?token=s3cret-token")
    signature = re.findall(r"signature=(\S+)", text)[0]
    assert daemon.stop() == 0
    log = daemon.log()
    assert "s3cret-token" not in log
    assert signature not in log
    assert sandbox.qingstor.secret_access_key not in log
