"""The table of error codes and its hints."""

from __future__ import annotations

import pytest

from wxsync.wecom.errcodes import Action, action, explain

COOL = {40001, 40013, 40056, 48002, 50001, 60020, 301002}


@pytest.mark.parametrize("errcode", sorted(COOL))
def test_wrong_settings_cool_down(errcode: int) -> None:
    assert action(errcode) is Action.COOL_DOWN


@pytest.mark.parametrize(("errcode", "wanted"), [
    (-1, Action.RETRY), (45033, Action.RETRY), (40014, Action.RENEW), (42001, Action.RENEW), (45009, Action.WAIT),
    (40003, Action.GIVE_UP), (41001, Action.GIVE_UP), (44004, Action.GIVE_UP), (45002, Action.GIVE_UP),
    (60011, Action.GIVE_UP), (81013, Action.GIVE_UP), (99999, Action.UNKNOWN), (1, Action.UNKNOWN)])
def test_every_other_code_has_its_action(errcode: int, wanted: Action) -> None:
    assert action(errcode) is wanted


@pytest.mark.parametrize(("errmsg", "shown"), [
    ("not allow to access from your ip, hint: [1], from ip: 1.2.3.4, more info at https://x", "IP 1.2.3.4 不在"),
    ("from ip: 2001:db8::1, more", "IP 2001:db8::1 不在"), ("from ip: [2001:db8::1], more", "IP 2001:db8::1 不在"),
    ("from ip: 1.2.3.4.5, more", "IP （未知） 不在"), ("", "IP （未知） 不在"), ("from ip: {ip}", "IP （未知） 不在")])
def test_the_untrusted_address_is_shown(errmsg: str, shown: str) -> None:
    assert shown in explain(60020, errmsg)
    assert "企业可信IP" in explain(60020, errmsg)


def test_a_known_code_is_explained_without_the_wording_of_wecom() -> None:
    assert explain(40001, "whatever") == "应用 Secret 不正确，请在「应用管理」中重新复制（错误码 40001）"


def test_an_unknown_code_is_shown_with_its_bounded_wording() -> None:
    assert explain(99999, "x" * 1000) == "企业微信返回错误 99999：" + "x" * 300
