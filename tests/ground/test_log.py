"""What a record looks like on its way out, and that nothing in it can forge a line or show a secret."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

import pytest

from wxsync.errors import ConfigError
from wxsync.log.logger import logger
from wxsync.log.output import Output, setup
from wxsync.options.sections import Log

SECRETS = ("s3cret/va lue", "口令口令")
LOG = logger("jobs.test")
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


class Stderr:
    """A pipe in place of stderr, and what has come through it."""

    def __init__(self) -> None:
        self._read_end, self.descriptor = os.pipe()
        os.set_blocking(self._read_end, False)
        self.outputs: list[Output] = []

    def setup(self, *, environ: dict[str, str] | None = None, **options: object) -> Output:
        output = setup(Log(**options), SECRETS, environ or {}, stderr=self.descriptor)  # type: ignore[arg-type]
        self.outputs.append(output)
        return output

    def text(self) -> str:
        try:
            return os.read(self._read_end, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def hang_up(self) -> None:
        os.close(self._read_end)
        self._read_end = -1

    def close(self) -> None:
        for output in self.outputs:
            output.close()
        for descriptor in (self._read_end, self.descriptor):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def stderr():
    pipe = Stderr()
    yield pipe
    pipe.close()


def test_a_line_has_time_level_logger_event_and_fields(stderr):
    stderr.setup()
    LOG.info("sync dispatched", job=12, took=1.25, ok=True, gone=None, image="nginx:latest", empty="", two="a b")
    line = stderr.text()
    assert re.fullmatch(
        STAMP + r' INFO jobs.test sync dispatched job=12 took=1.25 ok=true gone=null image=nginx:latest empty="" '
        r'two="a b"\n', line)


def test_json_lines_carry_the_same(stderr):
    stderr.setup(format="json")
    LOG.warning("upstream rests", url="http://h", took=1.23456789, n=float("nan"), inf=-float("inf"), no=None,
                event="x")
    record = json.loads(stderr.text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert re.fullmatch(STAMP, record.pop("time"))
    assert record == {
        "level": "warning", "logger": "jobs.test", "event": "upstream rests", "url": "http://h", "took": 1.234568,
        "n": "nan", "inf": "-inf", "no": None, "event_": "x"}


@pytest.mark.parametrize(("level", "wanted"), [
    ("debug", "DEBUG INFO WARNING ERROR"), ("info", "INFO WARNING ERROR"), ("warning", "WARNING ERROR"),
    ("error", "ERROR")])
def test_the_level_holds_back_what_is_below(level, wanted, stderr):
    stderr.setup(level=level)
    for write in (LOG.debug, LOG.info, LOG.warning, LOG.error):
        write("event")
    LOG.verbatim("🔗 line")
    lines = stderr.text().splitlines()
    assert [line.split()[1] for line in lines if "🔗" not in line] == wanted.split()
    assert ("🔗 line" in lines) == (level in {"debug", "info"})


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize("evil", [
    "a\n2026-01-01T00:00:00.000+00:00 ERROR forged", "a\rb", "a\x1b[31m", "a\x85b", "a\u2028b", "a\u202eb", "a\x00b",
    "a\x7fb", "a\udc80b", "a\u200bb", "a\U000e0001b"])
def test_no_content_can_forge_a_line_or_drive_a_terminal(evil, format_, stderr):
    stderr.setup(format=format_)
    LOG.info("event", evil=evil)
    LOG.info(evil)
    LOG.verbatim(evil)
    text = stderr.text()
    assert text.count("\n") == 3
    assert all(character.isprintable() for character in text.replace("\n", ""))
    if format_ == "json":
        assert json.loads(text.splitlines()[0])["evil"] == evil


def test_quotes_and_backslashes_cannot_end_a_field(stderr):
    stderr.setup()
    LOG.info("event", a='x" b="y', c="back\\slash", d="e=f", g="it's", ideographic="a\u3000b")
    assert stderr.text().endswith(
        r'event a="x\" b=\"y" c="back\\slash" d="e=f" g="it' + "'" + r's" ideographic="a\u3000b"' + "\n")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_secrets_are_hidden_by_value_name_and_look(format_, stderr):
    stderr.setup(format=format_)
    LOG.info(
        "tried s3cret/va lue", url="http://h/x?a=1&access_token=AAAA&b=2", quoted="s3cret%2Fva%20lue",
        form="s3cret%2Fva+lue", error=ValueError("口令口令"), github_token="ghp_1", password="p",
        nested={"k": "s3cret/va lue"}, Authorization="x")
    text = stderr.text()
    for hidden in ("s3cret", "AAAA", "口令", "ghp_1", '"p"', "=p "):
        assert hidden not in text
    assert "b=2" in text
    assert text.count("[redacted]") == 9


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_traceback_is_redacted_and_forges_nothing(format_, stderr):
    stderr.setup(format=format_)
    try:
        raise ValueError("s3cret/va lue\n2026-01-01T00:00:00.000+00:00 ERROR forged\x1b[0m")
    except ValueError:
        LOG.exception("job broke", job=7)
    text = stderr.text()
    assert "s3cret" not in text
    assert "ValueError: [redacted]" in text
    assert "\x1b" not in text
    if format_ == "json":
        assert "Traceback" in json.loads(text)["traceback"]
    else:
        first, *others = text.splitlines()
        assert first.endswith("ERROR jobs.test job broke job=7")
        assert all(line.startswith("    | ") for line in others)


def test_the_lines_of_the_replaced_programs_stand_alone_as_text_and_are_the_event_in_json(stderr):
    line = "⚠️  代理连接失败: http://proxy.example.com:8080"
    stderr.setup()
    LOG.verbatim(line)
    assert stderr.text() == line + "\n"
    stderr.setup(format="json")
    LOG.verbatim("   将使用非代理模式继续运行")
    record = json.loads(stderr.text())
    assert (record["event"], record["level"]) == ("   将使用非代理模式继续运行", "info")


def test_long_fields_and_tracebacks_are_bounded(stderr):
    stderr.setup()
    LOG.info("event", long="x" * 100_000)
    text = stderr.text()
    assert 8000 < len(text) < 9000
    assert "…(+" in text
    try:
        raise ValueError("y" * 100_000)
    except ValueError:
        LOG.exception("broke")
    assert len(stderr.text()) < 40_000


def test_the_journal_gets_priorities_and_no_time(stderr):
    status = os.fstat(stderr.descriptor)
    stderr.setup(environ={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, level="debug")
    LOG.debug("a")
    LOG.info("b")
    LOG.warning("c")
    try:
        raise ValueError
    except ValueError:
        LOG.exception("d")
    lines = stderr.text().splitlines()
    assert lines[:4] == [
        "<7>DEBUG jobs.test a", "<6>INFO jobs.test b", "<4>WARNING jobs.test c", "<3>ERROR jobs.test d"]
    assert all(line.startswith("<3>    | ") for line in lines[4:])


def test_another_stream_than_the_journals_has_the_time(stderr):
    stderr.setup(environ={"JOURNAL_STREAM": "1:2"})
    LOG.info("a")
    assert re.match(STAMP, stderr.text())


def test_a_closed_descriptor_is_no_journal_and_stops_nobody():
    output = setup(Log(), (), {"JOURNAL_STREAM": "1:2"}, stderr=987654)
    LOG.error("lost")
    output.close()


def test_setting_up_again_replaces_what_was_there(stderr, tmp_path: Path):
    stderr.setup()
    path = tmp_path / "app.log"
    stderr.setup(file=str(path))
    LOG.info("second")
    stderr.setup(level="error")
    LOG.info("third")
    LOG.error("fourth")
    assert "second" in path.read_text()
    assert [line.split()[-1] for line in stderr.text().splitlines()] == ["fourth"]
    assert len(logging.getLogger("wxsync").handlers) == 1


def test_a_file_that_cannot_be_opened_is_an_error_that_leaves_the_old_output(stderr, tmp_path: Path):
    stderr.setup()
    with pytest.raises(ConfigError) as caught:
        setup(Log(file=str(tmp_path / "missing" / "app.log")), (), {})
    assert "日志文件打不开" in str(caught.value)
    LOG.info("still here")
    assert "still here" in stderr.text()


def test_a_broken_pipe_stops_nobody(stderr):
    stderr.setup()
    stderr.hang_up()
    for _ in range(3):
        LOG.error("lost")


def test_lost_lines_are_counted_when_the_log_can_be_written_again(stderr):
    os.set_blocking(stderr.descriptor, False)
    stderr.setup()
    for _ in range(2000):
        LOG.info("fill", text="x" * 500)
    first = stderr.text()
    while more := stderr.text():
        first += more
    LOG.info("again")
    last = stderr.text()
    assert last.endswith("again\n")
    # A note is shorter than a record, so some may have fitted into the pipe before it was full.
    lost = sum(int(number) for number in re.findall(r"(?m)WARNING log log lines lost lost=(\d+)$", first + last))
    whole = len(re.findall(r"(?m) fill text=x{500}$", first))
    assert lost > 1000
    assert whole + lost == 2000
