"""File names by RFC 6266 and 8187 with the repairs that Chinese origins need, and the extensions of keys."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wxsync.remote.download.names import extension, file_name

GB = "报告".encode("gb18030").decode("latin-1")
UTF = "报告".encode().decode("latin-1")

DISPOSITIONS = [
    ("attachment; filename=a.pdf", "a.pdf"),
    ('attachment; filename="a.pdf"', "a.pdf"),
    ("inline; filename=a.pdf", "a.pdf"),
    ("ATTACHMENT; FILENAME=A.pdf", "A.pdf"),
    ('attachment;filename="a b.pdf"', "a b.pdf"),
    ('attachment ;  filename  =  "a.pdf"  ; size=3', "a.pdf"),
    ("attachment; filename = a.pdf ", "a.pdf"),
    ('attachment; filename="a;b=c.pdf"', "a;b=c.pdf"),
    ('attachment; filename="a\\"b.pdf"', 'a"b.pdf'),
    ('attachment; filename="a\\\\b.pdf"', "b.pdf"),
    ('attachment; filename="a\\.pdf"', "a.pdf"),
    ('attachment; filename="open', "open"),
    ('attachment; filename="open\\', "open"),
    ('attachment; size="a;filename=no.txt"; filename=yes.txt', "yes.txt"),
    ('attachment; xfilename=no.txt; filename=yes.txt', "yes.txt"),
    ("filename=a.pdf", "a.pdf"),
    ("attachment; filename*=UTF-8''%e6%8a%a5%E5%91%8A.pdf", "报告.pdf"),
    ("attachment; filename*=utf-8'zh-CN'%E6%8A%A5.pdf", "报.pdf"),
    ("attachment; filename*=UTF-8''a.pdf; filename=b.pdf", "a.pdf"),
    ("attachment; filename=b.pdf; filename*=UTF-8''a.pdf", "a.pdf"),
    ("attachment; FileName*=UTF-8''a%20b.pdf", "a b.pdf"),
    ("attachment; filename* = UTF-8''a.pdf", "a.pdf"),
    ("attachment; filename*=\"UTF-8''%E6%8A%A5.pdf\"", "报.pdf"),
    ("attachment; filename*=ISO-8859-1''caf%E9.pdf", "café.pdf"),
    ("attachment; filename*=GB18030''%B1%A8%B8%E6.pdf", "报告.pdf"),
    ("attachment; filename*=gbk''%B1%A8.pdf", "报.pdf"),
    ("attachment; filename*=GB2312''%B1%A8.pdf", "报.pdf"),
    ("attachment; filename*=UTF-8''%B1%A8.pdf; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=KLINGON''a.pdf; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=a.pdf; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=UTF-8''%zz.pdf; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=UTF-8''; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=UTF-8''%; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=UTF-8''..; filename=b.pdf", "b.pdf"),
    ("attachment; filename*=UTF-8''%2Fetc%2Fpasswd", "passwd"),
    (f"attachment; filename*=UTF-8''{UTF}.pdf", "报告.pdf"),
    ("attachment; filename*=UTF-8''it's.pdf", "it's.pdf"),
    (f'attachment; filename="{UTF}.pdf"', "报告.pdf"),
    (f'attachment; filename="{GB}.pdf"', "报告.pdf"),
    (f"attachment; filename={GB}.pdf", "报告.pdf"),
    ('attachment; filename="' + "誠.pdf".encode("gb18030").decode("latin-1") + '"', "誠.pdf"),  # has a byte 0x5c
    ('attachment; filename="caf\xe9"', "caf\xe9"),
    ('attachment; filename="%E6%8A%A5%E5%91%8A.pdf"', "报告.pdf"),
    ('attachment; filename="%B1%A8%B8%E6.pdf"', "报告.pdf"),
    ('attachment; filename="100%.pdf"', "100%.pdf"),
    ('attachment; filename="..%2F..%2Fetc%2Fpasswd"', "passwd"),
    ('attachment; filename="=?UTF-8?B?5oql5ZGKLnBkZg==?="', "报告.pdf"),
    ('attachment; filename="=?utf-8?q?=E6=8A=A5_1.pdf?="', "报 1.pdf"),
    ('attachment; filename="=?GBK?B?sai45g==?= =?GBK?B?LnBkZg==?="', "报告.pdf"),
    ('attachment; filename="=?KLINGON?B?5oql?="', "=?KLINGON?B?5oql?="),
    ('attachment; filename="=?UTF-8?B?!?="', "=?UTF-8?B?!?="),
    ('attachment; filename="/etc/passwd"', "passwd"),
    ('attachment; filename="../../x.sh"', "x.sh"),
    ('attachment; filename="C:\\\\temp\\\\x.exe"', "x.exe"),
    ('attachment; filename="a/"', "f.bin"),
    ('attachment; filename=""', "f.bin"),
    ('attachment; filename="."', "f.bin"),
    ('attachment; filename=".."', "f.bin"),
    ('attachment; filename="..."', "f.bin"),
    ('attachment; filename=" . . "', "f.bin"),
    ('attachment; filename="a.pdf. . "', "a.pdf"),
    ('attachment; filename="  a.pdf "', "a.pdf"),
    ("attachment; filename*=UTF-8''a%00b%0D%0Ac.pdf", "abc.pdf"),
    ("attachment; filename*=UTF-8''a%E2%80%AEfdp.exe", "afdp.exe"),
    ("attachment; filename*=UTF-8''%E2%80%8B", "f.bin"),
    ("attachment; filename*=UTF-8''%E2%80%8B..%E2%80%8B", "f.bin"),
    ("attachment; filename*=UTF-8''a%E2%80%A8b", "ab"),
    ("attachment", "f.bin"),
    ("", "f.bin"),
    (";;;=;", "f.bin"),
    ("attachment; filename", "f.bin"),
    ('attachment; filename="' + "x" * 300 + '.tar.gz"', "x" * 248 + ".tar.gz"),
    ("attachment; filename*=UTF-8''" + "%E6%8A%A5" * 100 + ".pdf", "报" * 83 + ".pdf"),
    ('attachment; filename="' + "x" * 300 + '"', "x" * 255),
    ("attachment; filename=报告.pdf", "报告.pdf"),
]


@pytest.mark.parametrize(("field", "wanted"), DISPOSITIONS, ids=lambda value: ascii(value)[:60])
def test_the_field_names_the_file(field, wanted):
    assert file_name(field, "/dir/f.bin?x=/no") == wanted


@pytest.mark.parametrize(("target", "wanted"), [
    ("/", "download"), ("/a.pdf", "a.pdf"), ("/dir/a.pdf/", "a.pdf"), ("/a.pdf?b=/c.txt", "a.pdf"),
    ("/%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"), ("/%B1%A8%B8%E6.pdf", "报告.pdf"), ("/a%2Fb.pdf", "b.pdf"),
    ("/%2e%2e", "download"), ("/..", "download"), ("/a%5Cb.pdf", "b.pdf"), ("/100%.pdf", "100%.pdf"), ("/%ff", "%ff"),
    ("//", "download"), ("/a+b.pdf", "a+b.pdf"), ("/%00", "download"), ("/x/%20", "download"),
])
def test_without_the_field_the_path_does(target, wanted):
    assert file_name(None, target) == wanted


@pytest.mark.parametrize(("name", "wanted"), [
    ("a.pdf", ".pdf"), ("a.PDF", ".pdf"), ("a.tar.gz", ".tar.gz"), ("A.Tar.XZ", ".tar.xz"), ("a.tar", ".tar"),
    ("a.b.c", ".c"), ("a", ""), ("", ""), (".bashrc", ""), (".tar.gz", ".gz"), ("tar.gz", ".gz"), ("a.", ""),
    ("报告.文档", ""), ("a.pd f", ""), ("a.p/../x", ""), ("a." + "x" * 15, "." + "x" * 15), ("a." + "x" * 16, ""),
    ("a.tar." + "x" * 12, "." + "x" * 12), ("a.tar." + "x" * 11, ".tar." + "x" * 11), ("a..gz", ".gz"),
    ("a.１", ""), ("..", ""), ("a.7z", ".7z"), ("a.b-c", ""),
])
def test_extension_is_short_plain_and_keeps_tar_together(name, wanted):
    assert extension(name) == wanted


def is_sound(name):
    return (name not in ("", ".", "..") and not set(name) & set("/\\") and len(name.encode()) <= 255
            and name == name.strip() and all(ord(each) >= 32 for each in name))


@given(st.text(st.characters(max_codepoint=255), max_size=400), st.text(st.characters(max_codepoint=126), max_size=80))
@example("x; filename*=UTF-8''" + "%20" * 300 + "x.pdf", "/")
@example('x; filename="' + "x" * 254 + '. .y y"', "/")
def test_any_field_and_path_give_a_sound_name(field, target):
    for text in (field, f"attachment; filename={field}", f"a; filename*=gbk''{field}", f'a; filename="{field}"'):
        assert is_sound(file_name(text, "/" + target))
    assert is_sound(file_name(None, target))


@given(st.text(max_size=300))
def test_any_name_has_a_sound_extension(name):
    assert set(extension(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789.")
    assert len(extension(name)) <= 16
    assert ".." not in extension(name)
