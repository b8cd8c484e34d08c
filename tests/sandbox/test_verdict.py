"""From the answers in a chat to the demo's exit status."""

from __future__ import annotations

import pytest

from wxsync.sandbox.verdict import exit_status


@pytest.mark.parametrize(("answers", "status"), [
    ([], None),
    (["🔄 正在处理镜像同步请求...\n#1", "⏳ 同步仍在进行\n#1", "📥 开始下载\n#1", "", "说明"], None),
    (["🔄 …\n#1", "✅ 镜像同步完成！成功 2 个\n#1"], 0),
    (["ℹ️ 帮助\n#1"], 0),
    (["❌ 镜像同步失败：成功 1 个，失败 1 个\n#1"], 3),
    (["❌ 镜像同步失败：成功 10 个，失败 1 个\n#1"], 3),
    (["❌ 镜像同步失败：成功 0 个，失败 2 个\n成功 3 个\n#1"], 1),
    (["❌ 镜像同步超时\n#1"], 1),
    (["⚠️ 没有开始\n成功 1 个\n#1"], 1),
    (["⚠ 已取消"], 1),
    (["✅ 镜像同步完成！成功 99 个\n#1 (1/3)", "…\n#1 (2/3)"], None),
    (["✅ 镜像同步完成！成功 99 个\n#1 (1/2)", "…\n#2 (2/2)"], None),
    (["✅ 镜像同步完成！成功 99 个\n#1 (1/3)", "…\n#1 (3/3)", "…\n#1 (2/3)"], 0),
])
def test_the_first_whole_final_answer_decides(answers, status):
    assert exit_status(answers) == status
