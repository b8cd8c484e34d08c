"""Queries, documents and messages of a callback: what is read, and which check refuses what."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.random_input import patient
from tests.support.wecom import AES_KEY, AGENT_ID, AT, CORP_ID, TOKEN, Sealer, inner_xml
from tests.support.wecom_vectors import Case, cases, requests
from wxsync.wecom.crypto import Crypto
from wxsync.wecom.document import MAX_DEPTH, MAX_ELEMENTS
from wxsync.wecom.envelope import Envelope, Message, is_fresh, read_message, seen_keys, verify_url
from wxsync.wecom.refusal import CallbackRefused

SEALER = Sealer()
CRYPTO = Crypto(TOKEN, AES_KEY, CORP_ID)


def read(query: bytes, body: bytes) -> Envelope:
    return read_message(query, body, CRYPTO, agent_id=AGENT_ID)


def message(**fields: object) -> Message:
    return read(*SEALER.post(inner_xml(**fields))).message


def check_of(query: bytes, body: bytes) -> str:
    with pytest.raises(CallbackRefused) as caught:
        read(query, body)
    return caught.value.check


def check_of_inner(inner: str | bytes) -> str:
    return check_of(*SEALER.post(inner))


def check_of_url(query: bytes) -> str:
    with pytest.raises(CallbackRefused) as caught:
        verify_url(query, CRYPTO)
    return caught.value.check


class TestUrl:
    @pytest.mark.parametrize("echo", [b"1", b"1616140317555161061", b"Ab0_-" * 12 + b"1234"])
    def test_an_echo_comes_back(self, echo: bytes) -> None:
        assert verify_url(SEALER.get(echo), CRYPTO) == echo

    @pytest.mark.parametrize("echo", [b"", b"1" * 65, b"12 34", b"1234\n", "１２".encode(), b"\xff", b"<xml/>",
                                      b'"12"', inner_xml().encode()])
    def test_nothing_but_an_echo_is_given_out(self, echo: bytes) -> None:
        assert check_of_url(SEALER.get(echo)) == "echo"

    def test_a_captured_message_is_not_decrypted_for_its_captor(self) -> None:
        encrypted = SEALER.seal(inner_xml().encode())
        assert check_of_url(SEALER.query(encrypted, echostr=encrypted)) == "echo"

    def test_the_signature_covers_the_echo(self) -> None:
        assert check_of_url(SEALER.query("", echostr=SEALER.seal(b"1"))) == "signature"


class TestQuery:
    QUERY = SEALER.get(b"1616140317555161061")

    def pairs(self) -> dict[str, str]:
        return dict(pair.split("=") for pair in self.QUERY.decode().split("&"))

    @pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce", "echostr"])
    def test_each_name_stands_there_exactly_once_and_not_empty(self, name: str) -> None:
        pairs = self.pairs()
        once = f"{name}={pairs[name]}".encode()
        for wrong in (b"", f"{name}".encode(), f"{name}=".encode(), once + b"&" + once, once + b"&" + name.encode(),
                      once + b"&%" + f"{ord(name[0]):x}{name[1:]}=1".encode()):
            assert check_of_url(self.QUERY.replace(once, wrong)) == "query", wrong

    @pytest.mark.parametrize("nonce", ["%ff", "%c3%28", "%ed%a0%80", "%", "%2", "%2g", "1%", "\xff"])
    def test_a_value_is_percent_encoded_utf_8(self, nonce: str) -> None:
        once = f"nonce={self.pairs()['nonce']}".encode()
        assert check_of_url(self.QUERY.replace(once, b"nonce=" + nonce.encode("latin-1"))) == "query"

    def test_an_escaped_name_is_the_same_name(self) -> None:
        assert verify_url(self.QUERY.replace(b"nonce", b"%6eonc%65"), CRYPTO) == b"1616140317555161061"

    @pytest.mark.parametrize("more", [b"x=1", b"x", b"=", b"", b"%ff=%ff", b"x=%zz", b"%zz", b"x=1&x=2", b"Nonce=7"])
    def test_what_is_not_known_is_ignored(self, more: bytes) -> None:
        assert verify_url(more + b"&" + self.QUERY + b"&" + more, CRYPTO) == b"1616140317555161061"

    def test_a_bare_plus_is_a_space(self) -> None:
        encrypted = SEALER.seal(b"1")
        query = SEALER.query(encrypted, nonce="a b", echostr=encrypted)
        assert b"nonce=a+b" in query
        assert verify_url(query, CRYPTO) == verify_url(query.replace(b"a+b", b"a%20b"), CRYPTO) == b"1"

    @pytest.mark.parametrize("safe", ["", "/", "/=", "=/"])
    def test_escaped_and_bare_slashes_and_equals_are_the_same(self, safe: str) -> None:
        for echo in (b"1", b"12", b"123", b"1234"):
            encrypted = SEALER.seal(echo)
            query = SEALER.query(encrypted) + b"&echostr=" + quote(encrypted, safe=safe).encode()
            assert verify_url(query, CRYPTO) == echo

    def test_an_endless_query_is_not_read(self) -> None:
        assert check_of_url(self.QUERY + b"&x=" + b"1" * (1 << 14)) == "query"

    @patient
    @given(st.binary(max_size=300))
    def test_random_bytes_are_refused(self, query: bytes) -> None:
        assert check_of_url(query) == check_of(query, b"<xml><Encrypt>a</Encrypt></xml>") == "query"


class TestOuterXml:
    @pytest.mark.parametrize("outer", [
        "<xml><Encrypt>{}</Encrypt></xml>",
        '<?xml version="1.0" encoding="UTF-8"?><xml><Encrypt>{}</Encrypt></xml>',
        "\ufeff<xml>\r\n\t<Encrypt><![CDATA[{}]]></Encrypt>\n</xml>\n",
        "<xml><ToUserName>other</ToUserName><AgentID>7</AgentID><AgentID>8</AgentID><Encrypt>{}</Encrypt></xml>",
        "<xml><a><Encrypt>b</Encrypt></a><Encrypt x='1'>{}</Encrypt></xml>",
        "<xml><A>&#128230;&lt;&amp;<![CDATA[<!DOCTYPE xml>]]></A><Encrypt>{}</Encrypt></xml>",
    ])
    def test_only_encrypt_counts(self, outer: str) -> None:
        assert read(*SEALER.post(inner_xml(), outer)).message.content == "nginx:latest"

    @pytest.mark.parametrize("outer", [
        "", " ", "{}", "<xml>", "<xml></xml>", "<xml/>", "<xml><Encrypt>{}</Encrypt>", "<Encrypt>{}</Encrypt>",
        "<xml><encrypt>{}</encrypt></xml>", "<xml><Encrypt>{}</Encrypt><Encrypt/></xml>",
        "<xml><a><Encrypt>{}</Encrypt></a></xml>", "<xml><Encrypt>{}<a/></Encrypt></xml>",
        "<xml><Encrypt>{}</Encrypt></xml><xml/>", "<xml><Encrypt>{}</Encrypt></xml>x",
        "<!DOCTYPE xml><xml><Encrypt>{}</Encrypt></xml>",
        '<!DOCTYPE xml [<!ENTITY e "x">]><xml><Encrypt>{}</Encrypt></xml>',
        '<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><Encrypt>{}</Encrypt></xml>',
        "<xml><Encrypt>{}</Encrypt><a>&e;</a></xml>",
        '<?xml version="1.0" encoding="GBK"?><xml><Encrypt>{}</Encrypt></xml>',
        '<?xml version="1.0" encoding="utf-16"?><xml><Encrypt>{}</Encrypt></xml>',
        '<?xml version="1.0" encoding="nonsense"?><xml><Encrypt>{}</Encrypt></xml>',
        "<xml>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "<Encrypt>{}</Encrypt></xml>",
        "<xml>" + "<a/>" * MAX_ELEMENTS + "<Encrypt>{}</Encrypt></xml>",
        '{{"Encrypt":"{}"}}',
    ])
    def test_anything_else_is_refused(self, outer: str) -> None:
        assert check_of(*SEALER.post(inner_xml(), outer)) == "outer xml"

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_only_utf_8_is_read(self, encoding: str) -> None:
        query, body = SEALER.post(inner_xml())
        assert check_of(query, body.decode().encode(encoding)) == "outer xml"
        declared = f'<?xml version="1.0" encoding="{encoding}"?>' + body.decode()
        assert check_of(query, declared.encode(encoding)) == "outer xml"

    def test_a_doctype_in_utf_16_is_not_overlooked(self) -> None:
        query, body = SEALER.post(inner_xml())
        assert check_of(query, ("<!DOCTYPE xml>" + body.decode()).encode("utf-16")) == "outer xml"

    def test_white_space_around_the_ciphertext_is_refused(self) -> None:
        query, body = SEALER.post(inner_xml(), "<xml><Encrypt>\n{}\n</Encrypt></xml>")
        assert check_of(query, body) == "signature"

    @patient
    @given(st.binary(max_size=300) | st.text("<>&;/!?[]-xmlEncryptCDATA =\"'#x0", max_size=99).map(str.encode))
    def test_random_bytes_are_refused(self, body: bytes) -> None:
        assert check_of(SEALER.query("a"), body) in {"outer xml", "signature"}


class TestInnerXml:
    def test_a_text_message_is_read_whole(self) -> None:
        read_back = message(Content="a <b> & c\n", TaskId="t")
        assert dataclasses.replace(read_back, fields={}) == Message(
            CORP_ID, "zhangsan", AT, AGENT_ID, "text", "7848722502652735752", "a <b> & c\n", "", "", "", "t", {})
        assert read_back.fields["CreateTime"] == str(AT)

    def test_a_message_cannot_be_changed(self) -> None:
        with pytest.raises(TypeError):
            message().fields["Content"] = "x"  # type: ignore[index]

    def test_a_link_is_its_url(self) -> None:
        link = message(MsgType="link", Content=None, Title="t", Url="https://a/b?c&d")
        assert (link.content, link.msg_type) == ("https://a/b?c&d", "link")

    def test_an_event_has_its_own_fields(self) -> None:
        event = message(MsgType="event", MsgId=None, Content=None, Event="click", EventKey="#k", ChangeType="c")
        assert (event.event, event.event_key, event.change_type, event.msg_id, event.content) == (
            "click", "#k", "c", "", "")

    def test_repeats_below_the_first_level_are_legal(self) -> None:
        pictures = "<Pics><Count>2</Count><item><Md5>a</Md5></item><item><Md5>b</Md5></item></Pics>"
        query, body = SEALER.post(inner_xml(pictures, MsgType="event"))
        assert "Pics" not in read(query, body).message.fields

    @pytest.mark.parametrize("inner", [
        "", "nginx:latest", "<xml>", "\xa0<xml/>", inner_xml("<Content>b</Content>"), inner_xml("<AgentID>1</AgentID>"),
        inner_xml("<Pics/><Pics><a/></Pics>"), "<!DOCTYPE xml>" + inner_xml(), inner_xml("<a>&e;</a>"),
        inner_xml().encode("utf-16"), inner_xml().encode("utf-16-le"), inner_xml().encode()[:-1],
        inner_xml("<a>\xff</a>").encode("latin-1"),
        inner_xml(Content="x" * ((1 << 16) + 1)), inner_xml("<a/>" * MAX_ELEMENTS), inner_xml("\x00"),
        inner_xml("<a>&#xd800;</a>"), inner_xml("<a>&#0;</a>"),
    ], ids=lambda inner: f"{inner[:12]!r}")
    def test_a_document_that_is_not_plain_is_refused(self, inner: str | bytes) -> None:
        assert check_of_inner(inner) == "inner xml"

    @pytest.mark.parametrize("fields", [
        {"ToUserName": None}, {"ToUserName": CORP_ID.upper()}, {"ToUserName": CORP_ID + " "},
        {"AgentID": None}, {"AgentID": "1000008"}, {"AgentID": "01000007"}, {"AgentID": "1000007 "},
        {"AgentID": "１０００００７"}, {"FromUserName": None}, {"FromUserName": ""}, {"FromUserName": "x" * 129},
    ])
    def test_only_messages_to_this_app_are_read(self, fields: dict[str, object]) -> None:
        assert check_of_inner(inner_xml(**fields)) == "identity"

    def test_a_field_with_elements_is_not_a_value(self) -> None:
        assert check_of_inner(inner_xml("<FromUserName>a<b/></FromUserName>", FromUserName=None)) == "identity"

    @pytest.mark.parametrize("value", [None, "", "-1", "1.5", " 1", "1\n", "1" * 13, "１７６７", "٣٤", "0x1", "1_0"])
    def test_create_time_is_a_plain_number(self, value: object) -> None:
        assert check_of_inner(inner_xml(CreateTime=value)) == "create time"

    def test_the_refusal_names_the_other_agent(self) -> None:
        with pytest.raises(CallbackRefused) as caught:
            read(*SEALER.post(inner_xml(AgentID="1000008")))
        assert "1000008" in str(caught.value)

    @patient
    @given(st.binary(max_size=300) | st.text(alphabet="<>&;/!?[]-xml CDATA=\"'", max_size=80).map(str.encode))
    def test_random_bytes_are_refused(self, inner: bytes) -> None:
        assert check_of_inner(inner) in {"inner xml", "identity"}

    @patient
    @given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"))
           .filter(lambda text: "]]>" not in text))
    def test_every_text_comes_back_exactly(self, content: str) -> None:
        assert message(Content=content).content == content


class TestFreshness:
    NOW = datetime.fromtimestamp(AT, timezone.utc)

    @pytest.mark.parametrize(("hours", "fresh"), [
        (0, True), (24, True), (-24, True), (24.001, False), (-24.001, False), (72, False)])
    def test_a_message_is_fresh_for_a_day_either_way(self, hours: float, fresh: bool) -> None:
        assert is_fresh(message(), self.NOW + timedelta(hours=hours)) is fresh

    def test_the_largest_time_is_judged(self) -> None:
        assert not is_fresh(message(CreateTime="9" * 12), self.NOW)


class TestSeenKeys:
    def keys(self, encrypted: str = "same", **fields: object) -> tuple[bytes, ...]:
        return seen_keys(message(**fields), encrypted)

    def test_a_repeat_encrypted_anew_has_the_same_content_key(self) -> None:
        first, second = self.keys("a"), self.keys("b")
        assert first[0] != second[0]
        assert first[1] == second[1]
        assert {len(key) for key in (*first, *second)} == {32}

    def test_a_repeat_with_the_same_ciphertext_has_the_same_first_key(self) -> None:
        assert self.keys("a", MsgId="1")[0] == self.keys("a", MsgId="2")[0]

    @pytest.mark.parametrize("change", [
        {"MsgId": "1"}, {"FromUserName": "lisi"}, {"CreateTime": AT + 1}, {"FromUserName": "zhangsan1"}])
    def test_another_message_has_another_content_key(self, change: dict[str, object]) -> None:
        assert self.keys()[1] != self.keys(**change)[1]

    @pytest.mark.parametrize("change", [{"Event": "view"}, {"EventKey": "k2"}, {"ChangeType": "c"}, {"TaskId": "t"}])
    def test_another_event_of_the_same_second_has_another_content_key(self, change: dict[str, object]) -> None:
        event = {"MsgType": "event", "MsgId": None, "Event": "click", "EventKey": "k"}
        assert self.keys(**event)[1] == self.keys(**event)[1] != self.keys(**{**event, **change})[1]

    def test_fields_do_not_run_into_each_other(self) -> None:
        event = {"MsgType": "event", "MsgId": None}
        assert self.keys(**event, Event="ab", EventKey="c")[1] != self.keys(**event, Event="a", EventKey="bc")[1]

    def test_unknown_types_without_an_id_are_told_apart_by_their_content(self) -> None:
        strange = {"MsgType": "hologram", "MsgId": None}
        assert self.keys(**strange)[1] == self.keys(**strange)[1] != self.keys(**strange, Content="other")[1]


@pytest.mark.parametrize("case", cases("get_ok", "get_reject"), ids=lambda case: case["name"])
def test_vector_of_the_url_check(case: Case) -> None:
    crypto = Crypto(case["token"], case["aes_key"], case["corp_id"])
    [(_, query, _)] = requests(case)
    if case["kind"] == "get_ok":
        assert verify_url(query, crypto) == case["expect"]["body"].encode()
    else:
        with pytest.raises(CallbackRefused):
            verify_url(query, crypto)


@pytest.mark.parametrize("case", cases("post_ok", "post_reject", "duplicate"), ids=lambda case: case["name"])
def test_vector_of_a_push(case: Case) -> None:
    crypto = Crypto(case["token"], case["aes_key"], case["corp_id"])
    now = datetime.fromtimestamp(case["clock"], timezone.utc)
    seen: set[bytes] = set()
    accepted = 0
    for _, query, body in requests(case):
        try:
            envelope = read_message(query, body, crypto, agent_id=int(case["agent_id"]))
        except CallbackRefused:
            assert case["kind"] == "post_reject"
            continue
        for name, value in case["expect"].get("parsed", {}).items():
            assert envelope.message.fields[name] == value
        keys = seen_keys(envelope.message, envelope.encrypted)
        accepted += is_fresh(envelope.message, now) and not seen.intersection(keys)
        seen.update(keys)
    assert accepted == case["expect"]["accepted"]


def test_the_envelope_needs_no_crypto_library_to_be_imported() -> None:
    program = "import sys; sys.modules['Crypto'] = None; import wxsync.wecom.envelope"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
