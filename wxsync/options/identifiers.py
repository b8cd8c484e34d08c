"""Kinds of names and keys that WeCom, GitHub, registries and QingStor give out. Floor: ground, pure."""

from __future__ import annotations

from wxsync.options.kinds import items, listing, word

SECRET = word(r"[!-~]+", "文本", "有空格或不可见字符", "从后台重新复制，只留可见的英文字符", longest=4096)
PASSWORD = word(r"[^\x00-\x1f\x7f]+", "文本", "有不可见字符或太长", "写一行文字", longest=1024)
LOGIN = word(r"[^\x00-\x1f\x7f:]+", "文本", "有冒号或不可见字符", "写仓库的登录名")

# Facts say `ww` and 16 hex digits; old enterprises have wx…, and nothing is gained by refusing a real id.
CORP_ID = word(r"w[wx][0-9A-Za-z]{1,62}", "文本", "不是企业 ID", "写「我的企业」页面上 ww 开头的企业 ID")
TOKEN = word(
    r"[0-9A-Za-z]{1,32}", "文本", "不是回调 Token", "写后台「接收消息」里的 Token：1 到 32 个英文字母和数字")
# 43 characters carry 258 bits, so most real keys are not canonical base64: the tail bits are never judged.
ENCODING_AES_KEY = word(
    r"[0-9A-Za-z]{43}", "文本", "不是 EncodingAESKey", "写后台「接收消息」里的那一串：正好 43 个英文字母和数字")
_MEMBER = word(r"[0-9A-Za-z_.@-]{1,64}", "成员账号", "不是成员账号", "写通讯录里的账号（userid），不是姓名")
MEMBERS = listing("成员账号的列表", _MEMBER.read)


def _all_is_nobody(text: str) -> tuple[str, ...]:
    """Split the list; `all` alone is what an operator writes for "no restriction", the empty list."""
    return () if text.lower() == "all" else items(text)


ALLOWED = listing("成员账号的列表", _MEMBER.read, split=_all_is_nobody)

REPO = word(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", "owner/name", "不是仓库名",
    "写 owner/name，不带 https://github.com/")
# git-check-ref-format(1), less what no branch of a daemon needs: ASCII only.
BRANCH = word(
    r"(?![-/.])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)|[/.]$))[!-)+-9;->@-Z_-}]+", "文本", "不是分支名",
    "写分支名，例如 main")
WORKFLOW = word(r"[A-Za-z0-9._-]{1,200}\.ya?ml", "文件名", "不是工作流文件名", "只写 .github/workflows/ 下的文件名")

NAMESPACE = word(
    r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*", "文本", "不是命名空间", "只用小写字母、数字和中间的 - _ . /")
ZONE = word(r"[a-z0-9]+(?:-[a-z0-9]+)*", "文本", "不是区域名", "例如 pek3a", longest=63)
# The documents ask for 6 to 63 characters, the replaced program used `tmp`: the length is only warned about.
BUCKET = word(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "文本", "不是存储桶名", "用小写字母、数字和中间的 -，最多 63 个字符")
