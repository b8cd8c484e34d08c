"""`python3 -m wxsync.sandbox`: one line of JSON, and every way to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.plain_client import call
from wxsync.sandbox.stand_ins import StandIns, ini

ROOT = Path(__file__).parents[2]


def start(*options):
    process = subprocess.Popen([sys.executable, "-m", "wxsync.sandbox", *options], cwd=ROOT, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process, json.loads(process.stdout.readline())


def end(process):
    _, errors = process.communicate(timeout=30)
    assert errors == b""
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_all_addresses_and_ends_on_a_signal(number):
    process, told = start("--member", "lisi")
    assert set(told) == {"chat", "member", "wecom", "github", "qingstor", "origin", "settings"}
    assert told["settings"]["wecom"]["api_base"] == told["wecom"]
    port = int(told["chat"].rpartition(":")[2].strip("/"))
    assert call(port, "GET", "/api/chat").json() == {"version": 0, "member": "lisi", "entries": []}
    process.send_signal(number)
    assert end(process) == 0


def test_it_ends_with_its_stdin_when_asked_and_ends_what_it_guards():
    sleepers = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(2)]
    process, _ = start("--until-stdin-ends")
    for line in (f"guard {sleepers[0].pid}", f"guard {sleepers[1].pid}", f"forget {sleepers[1].pid}", "guard x",
                 "hello 5"):
        process.stdin.write(line.encode() + b"\n")
    process.stdin.close()
    process.stdin = None
    assert end(process) == 0
    assert sleepers[0].wait(10) == -signal.SIGTERM
    assert sleepers[1].poll() is None
    sleepers[1].terminate()
    sleepers[1].wait(10)


def test_a_wrong_page_address_is_named():
    done = subprocess.run([sys.executable, "-m", "wxsync.sandbox", "--page", "8080"], cwd=ROOT, capture_output=True,
                          timeout=30)
    assert (done.returncode, "HOST:PORT" in done.stderr.decode("utf-8")) == (2, True)


def test_settings_are_ini_that_any_parser_reads_back():
    import configparser

    with StandIns() as stand_ins:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(ini(stand_ins.settings()))
        assert {name: dict(parser[name]) for name in parser.sections()} == stand_ins.settings()
