"""What WeCom's error codes mean: what to do about each, and what to tell the operator. Floor: wecom, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

MAX_ERRMSG = 300
_ADDRESS = re.compile(r"from ip: ?\[?([0-9A-Fa-f:.]{2,45})", re.ASCII)


class Action(Enum):
    """What an error code asks for."""

    RENEW = "fetch a new access token and send once more"
    RETRY = "the same call will work later"
    WAIT = "a rate limit: send nothing to anybody for a while"
    COOL_DOWN = "a wrong setting: send nothing until an operator may have mended it"
    GIVE_UP = "this text can never be sent"
    UNKNOWN = "try a few times, then give up"


@dataclass(frozen=True)
class Rule:
    """The action, and a hint in Chinese; {ip} in it stands for the address that WeCom saw."""

    action: Action
    hint: str


TABLE = {
    -1: Rule(Action.RETRY, "企业微信繁忙，稍后自动重试"),
    40001: Rule(Action.COOL_DOWN, "应用 Secret 不正确，请在「应用管理」中重新复制"),
    40003: Rule(Action.GIVE_UP, "接收人 UserID 不存在"),
    40013: Rule(Action.COOL_DOWN, "企业 ID（CorpID）不正确，请在「我的企业」中核对"),
    40014: Rule(Action.RENEW, "凭证失效，已自动刷新"),
    40056: Rule(Action.COOL_DOWN, "AgentId 不正确，须为该应用的整数编号"),
    41001: Rule(Action.GIVE_UP, "请求缺少 access_token，请反馈程序问题"),
    42001: Rule(Action.RENEW, "凭证过期，已自动刷新"),
    44004: Rule(Action.GIVE_UP, "消息内容为空，未发送"),
    45002: Rule(Action.GIVE_UP, "消息过长，请精简"),  # what `splitting` makes never is, so there is nothing to split
    45009: Rule(Action.WAIT, "接口调用超过频率限制，稍后重试"),
    45033: Rule(Action.RETRY, "并发过高，稍后自动重试"),
    48002: Rule(Action.COOL_DOWN, "应用没有此接口权限，请检查应用权限"),
    50001: Rule(Action.COOL_DOWN, "域名未登记为可信域名"),
    60011: Rule(Action.GIVE_UP, "接收人不在应用可见范围内"),
    60020: Rule(Action.COOL_DOWN, "服务器出口 IP {ip} 不在「企业可信IP」中，请添加后等待约 1 分钟"),
    81013: Rule(Action.GIVE_UP, "接收人全部无效或不在应用可见范围内"),
    301002: Rule(Action.COOL_DOWN, "Secret 与 AgentId 不属于同一应用"),
}


def action(errcode: int) -> Action:
    """Return what to do about a code other than 0; errmsg decides nothing, its wording changes."""
    rule = TABLE.get(errcode)
    return rule.action if rule else Action.UNKNOWN


def explain(errcode: int, errmsg: str) -> str:
    """Return what to tell the operator, in Chinese; errmsg must hold no secrets, it is shown for unknown codes."""
    rule = TABLE.get(errcode)
    if rule is None:
        return f"企业微信返回错误 {errcode}：{errmsg[:MAX_ERRMSG]}"
    return f"{rule.hint.replace('{ip}', _address(errmsg))}（错误码 {errcode}）"


def _address(errmsg: str) -> str:
    found = _ADDRESS.search(errmsg[:MAX_ERRMSG])
    try:
        return str(ip_address(found[1])) if found else "（未知）"
    except ValueError:
        return "（未知）"
