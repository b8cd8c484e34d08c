"""What a member reads of an upload: the fixed lines, and every failure told within ten parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from wxsync.jobs.job import Job
from wxsync.jobs.replies import layout, uploads
from wxsync.jobs.results import File
from wxsync.wecom.splitting import fits, split

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SHA = "a" * 64
STORED = File(
    "https://example.com/file.pdf", "https://example.com/file.pdf?token=secret", "file.pdf", 102400, SHA, "k.pdf",
    destination="https://tmp.pek3a.qingstor.com/k.pdf", result="succeeded",
)
FAILED = File("https://example.com/b.iso", result="failed", reason="源站没有这个文件（404）", mend="请检查链接")
JOB = Job(12, "upload", "zhangsan", "https://example.com/file.pdf", NOW)


def local(instant: datetime) -> datetime:
    return instant.astimezone(timezone(timedelta(hours=8)))


def ended(*files: File, result: str = "succeeded", **changes) -> str:
    return uploads.ended(replace(JOB, files=files, result=result, **changes), "tmp", local)


def test_a_stored_file_is_told_with_the_fixed_lines_and_how_long_its_link_holds():
    assert ended(STORED) == (
        "✅ 文件上传成功！\n"
        "\n"
        "文件名: file.pdf\n"
        "文件大小: 102400 字节\n"
        "存储桶: tmp\n"
        "下载链接: https://tmp.pek3a.qingstor.com/k.pdf\n"
        "链接有效期: 长期有效（公开存储桶）\n"
        f"SHA256: {SHA}"
    )
    presigned = replace(STORED, valid_until="2026-01-09T03:04:05+00:00")
    assert "链接有效期: 到 2026-01-09 11:04\n" in ended(presigned)


def test_a_file_that_failed_is_told_with_link_reason_and_mend():
    assert ended(FAILED, result="failed") == (
        "❌ 文件上传失败\n\n链接: https://example.com/b.iso\n原因: 源站没有这个文件（404）\n处理: 请检查链接"
    )


def test_several_files_are_a_block_each():
    assert ended(STORED, STORED).startswith("✅ 文件上传成功！共 2 个\n\n文件名: file.pdf\n")
    text = ended(STORED, FAILED, result="partly")
    assert text.startswith("❌ 文件上传失败：成功 1 个，失败 1 个\n\n链接: https://example.com/b.iso\n")
    assert "\n\n文件名: file.pdf\n" in text


def test_a_cancelled_upload_tells_what_is_there():
    gone = replace(FAILED, result="cancelled", reason="已取消", mend="")
    assert ended(gone, result="cancelled") == "⚠️ 已取消\n\n链接: https://example.com/b.iso\n原因: 已取消"
    text = ended(STORED, gone, result="cancelled", reason="由 boss 取消")
    assert text.startswith("⚠️ 已取消\n取消前已上传 1 个，未上传 1 个\n原因：由 boss 取消\n")


def test_no_failure_is_lost_however_many_links_there_are():
    many = [replace(FAILED, source=f"https://example.com/{'x' * 60}/{number}") for number in range(150)]
    text = ended(*many, *[STORED] * 50, result="partly")
    assert fits(text, 12)
    assert all(f"/{number}" in text for number in range(150))
    assert len(split(text, 12)) <= 10


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 字节"), (1023, "1023 字节"), (1024, "1.0 KB"), (5 << 30, "5.0 GB")]
)
def test_amounts_are_readable(size, shown):
    assert layout.size(size) == shown


def test_a_long_download_tells_share_speed_and_rest():
    assert uploads.under_way(STORED, 50 << 20, 100 << 20, 1 << 20) == (
        "⏳ 文件上传仍在进行\nfile.pdf：50%（50.0 MB / 100 MB），1.0 MB/秒，大约还要 50 秒"
    )
    assert "对方没有告知大小" in uploads.under_way(FAILED, 5, None, 0.0)
    assert "大约" not in uploads.under_way(STORED, 0, 100, 0.0)


def test_the_start_names_one_link_or_counts_them():
    assert uploads.started(replace(JOB, files=(STORED,))) == "📥 正在下载并上传：https://example.com/file.pdf"
    assert uploads.started(replace(JOB, files=(STORED, FAILED))) == "📥 正在下载并上传：2 个链接"
