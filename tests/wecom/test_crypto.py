"""Signature, decryption and its checks, against an independent writer of the format."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.random_input import patient
from tests.support.wecom import AES_KEY, CORP_ID, TOKEN, Sealer
from tests.support.wecom_vectors import Case, cases
from wxsync.errors import ConfigError
from wxsync.wecom.crypto import Crypto
from wxsync.wecom.refusal import CallbackRefused

SEALER = Sealer()
CRYPTO = Crypto(TOKEN, AES_KEY, CORP_ID)


def refused(encrypted: str) -> str:
    with pytest.raises(CallbackRefused) as caught:
        CRYPTO.decrypt(encrypted)
    return caught.value.check


@patient
@given(st.binary(max_size=200))
def test_every_message_comes_back_whole(plain: bytes) -> None:
    assert CRYPTO.decrypt(SEALER.seal(plain)) == plain


@pytest.mark.parametrize("length", range(33))
def test_every_pad_length_is_read(length: int) -> None:
    assert CRYPTO.decrypt(SEALER.seal(b"x" * length)) == b"x" * length


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
def test_a_text_encrypted_by_openssl_is_read() -> None:
    key = base64.b64decode(AES_KEY + "=")
    command = ["openssl", "enc", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", key[:16].hex()]
    padded = SEALER.pad(SEALER.frame("你好".encode()))
    data = subprocess.run(command, input=padded, capture_output=True, check=True).stdout
    assert CRYPTO.decrypt(base64.b64encode(data).decode()) == "你好".encode()


def test_signature_is_over_the_sorted_values() -> None:
    wanted = hashlib.sha1("".join(sorted([TOKEN, "1", "2", "abc"])).encode()).hexdigest()
    assert CRYPTO.signature("1", "2", "abc") == wanted
    CRYPTO.verify(wanted, "1", "2", "abc")


@pytest.mark.parametrize("wrong", ["", "0" * 40, "é", "签名", SEALER.sign("abc").upper(), SEALER.sign("abc") + " "])
def test_any_other_signature_is_refused(wrong: str) -> None:
    with pytest.raises(CallbackRefused) as caught:
        CRYPTO.verify(wrong, "1767323045", "5246108893", "abc")
    assert caught.value.check == "signature"


@pytest.mark.parametrize("change", [
    lambda text: text[:-1], lambda text: text + "=", lambda text: text + "\n", lambda text: " " + text,
    lambda text: text[:10] + "\n" + text[10:], lambda text: "-" + text[1:], lambda text: "_" + text[1:],
    lambda text: text[:5] + "!" + text[5:], lambda text: "Ａ" + text[1:], lambda text: text + text[:2],
])
def test_only_canonical_standard_base64_is_read(change) -> None:
    encrypted = SEALER.seal(b"hello")
    assert encrypted.endswith("=")
    assert refused(change(encrypted)) == "base64"


def test_stray_tail_bits_are_refused() -> None:
    encrypted = SEALER.seal(b"hello")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    end = len(encrypted.rstrip("="))
    stray = encrypted[: end - 1] + letters[letters.index(encrypted[end - 1]) ^ 1] + encrypted[end:]
    assert base64.b64decode(stray, validate=True) == base64.b64decode(encrypted)
    assert refused(stray) == "base64"


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 48])
def test_only_whole_blocks_of_32_are_decrypted(size: int) -> None:
    assert refused(base64.b64encode(bytes(size)).decode()) == "cipher length"


@pytest.mark.parametrize("pad", [bytes(32), b"\x21" * 32, b"\xff" * 32, b"\x00" * 30 + b"\x02\x01" + b"\x02",
                                 b"\x03\x02\x03"])
def test_wrong_padding_is_refused(pad: bytes) -> None:
    framed = SEALER.frame(b"")
    whole = framed + b"." * (-(len(framed) + len(pad)) % 32) + pad
    assert refused(SEALER.encrypt(whole)) == "padding"


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 19])
def test_a_text_without_room_for_its_length_is_refused(kept: int) -> None:
    assert refused(SEALER.encrypt(SEALER.pad(b"\x00" * kept))) == "plain length"


def test_a_text_of_nothing_but_its_head_belongs_to_no_company() -> None:
    assert refused(SEALER.encrypt(SEALER.pad(b"\x00" * 20))) == "receive id"


@pytest.mark.parametrize(("size", "check"), [
    (4, "receive id"), (6, "receive id"), (5 + len(CORP_ID), "receive id"),
    (6 + len(CORP_ID), "message length"), (1 << 31, "message length"), ((1 << 32) - 1, "message length"),
])
def test_a_wrong_message_length_is_refused(size: int, check: str) -> None:
    assert refused(SEALER.seal(b"hello", size=size)) == check


@pytest.mark.parametrize("other", ["", CORP_ID.upper(), CORP_ID[:-1], CORP_ID + "0", "wwffffffffffffffff"])
def test_a_text_for_another_company_is_refused(other: str) -> None:
    assert refused(SEALER.seal(b"hello", corp_id=other)) == "receive id"


@patient
@given(st.text() | st.binary(max_size=400).map(lambda data: base64.b64encode(data).decode()))
def test_no_input_raises_anything_but_the_refusal(encrypted: str) -> None:
    with pytest.raises(CallbackRefused):
        CRYPTO.decrypt(encrypted)


@patient
@given(st.integers(1, 6).flatmap(lambda blocks: st.binary(min_size=32 * blocks, max_size=32 * blocks)))
def test_no_plain_text_raises_anything_but_the_refusal(padded: bytes) -> None:
    with pytest.raises(CallbackRefused):
        CRYPTO.decrypt(SEALER.encrypt(padded))


@pytest.mark.parametrize("case", cases("config"), ids=lambda case: case["name"])
def test_vector_setting(case: Case) -> None:
    if case["expect"]["valid"]:
        Crypto(case["token"], case["aes_key"], case["corp_id"])
        return
    with pytest.raises(ConfigError) as caught:
        Crypto(case["token"], case["aes_key"], case["corp_id"])
    assert caught.value.where.endswith({"aes_key": "encoding_aes_key"}.get(case["expect"]["field"], "token"))


@pytest.mark.parametrize(("token", "key", "corp_id", "option"), [
    ("１２３", AES_KEY, CORP_ID, "token"), ("", AES_KEY, CORP_ID, "token"),
    ("٣٤٥", AES_KEY, CORP_ID, "token"), (TOKEN + "\n", AES_KEY, CORP_ID, "token"),
    (TOKEN, "Ａ" + AES_KEY[1:], CORP_ID, "encoding_aes_key"), (TOKEN, AES_KEY + "\n", CORP_ID, "encoding_aes_key"),
    (TOKEN, AES_KEY, "", "corp_id"),
])
def test_a_malformed_setting_is_named_but_not_shown(token: str, key: str, corp_id: str, option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Crypto(token, key, corp_id)
    assert f"[wecom] {option}" in str(caught.value)
    assert not any(value.strip() in str(caught.value) for value in (token, key, CORP_ID) if value)
