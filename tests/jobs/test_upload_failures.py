"""Every way in which an upload fails has its reason and its mend in Chinese."""

from __future__ import annotations

import pytest

from wxsync.errors import RemoteFault
from wxsync.jobs.replies import failures
from wxsync.jobs.replies.failures import Why
from wxsync.remote.download import fault as download
from wxsync.remote.qingstor import faults as qingstor


def of_download(kind: download.Kind, **facts) -> Why:
    return failures.explain(download.DownloadFault(kind, "what", where="https://example.com/a", **facts))


def of_qingstor(kind: qingstor.Kind, **facts) -> Why:
    return failures.explain(qingstor.QingStorFault(kind, "what", where="QingStor a", **facts))


@pytest.mark.parametrize("kind", list(download.Kind))
def test_each_kind_of_download_failure_is_explained(kind):
    why = of_download(kind, host="example.com", limit=5 << 30, status=404)
    assert why.reason
    assert why.mend
    assert not set("{}") & set(why.reason + why.mend)


@pytest.mark.parametrize("kind", list(qingstor.Kind))
def test_each_kind_of_qingstor_failure_is_explained(kind):
    why = of_qingstor(kind, code="some_code", status=503, skew_s=1800.0)
    assert why.reason
    assert why.mend
    assert not set("{}") & set(why.reason + why.mend)


def test_what_the_member_needs_is_named():
    assert of_download(download.Kind.NOT_FOUND, status=404).reason == "源站没有这个文件（HTTP 404）"
    assert of_download(download.Kind.TOO_LARGE, limit=5 << 30).reason == "文件超过上限 5.0 GB"
    assert of_download(download.Kind.UNREACHABLE, host="h", mend="去看看") == Why("连不上源站 h", "去看看")
    assert of_qingstor(qingstor.Kind.CLOCK, skew_s=1800.0).reason == "本机时钟不准，比 QingStor 快 30 分"
    assert of_qingstor(qingstor.Kind.CLOCK, skew_s=-60.0).reason == "本机时钟不准，比 QingStor 慢 1 分"
    assert of_qingstor(qingstor.Kind.CLOCK).reason == "本机时钟不准"
    assert of_qingstor(qingstor.Kind.OTHER, code="teapot").reason == "QingStor 拒绝了请求 teapot"


def test_a_host_with_braces_is_shown_as_it_is():
    assert of_download(download.Kind.UNREACHABLE, host="{0}").reason == "连不上源站 {0}"


def test_other_faults_speak_for_themselves():
    assert failures.explain(RemoteFault("what", mend="mend")) == Why("what", "mend")
    assert failures.explain(RemoteFault("what")) == Why("what", "请稍后发送「重试」")
    assert failures.too_late(7200).reason == "没有在总时限 2 小时 内完成"


def test_a_local_file_is_not_to_be_repeated_in_the_chat():
    fault = qingstor.QingStorFault(qingstor.Kind.QUOTA, "what", where="QingStor a")
    assert failures.explain(fault, is_local=True).mend == "请管理员清理或扩容后重新执行 wxsyncd upload"
    assert failures.too_late(60, is_local=True).mend.startswith("请稍后重新执行 wxsyncd upload，")
