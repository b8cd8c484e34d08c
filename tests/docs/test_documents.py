"""What the pages name exists: options, variables, commands, files, log events, reasons."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.daemon import ROOT, clean_environment
from tests.support.documents import PAGES, blocks
from wxsync.config import ini
from wxsync.config.environment import OLD_NAMES
from wxsync.config.given import BY_KEY
from wxsync.jobs.replies import absences
from wxsync.jobs.replies.failures import DOWNLOAD, QINGSTOR
from wxsync.jobs.replies.syncs import LOCAL_CLASSES, REASON_CLASSES
from wxsync.options.settings import OPTIONS

VARIABLES = {option.variable for option in OPTIONS} | OLD_NAMES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_every_option_and_variable_exists(page):
    text = PAGES[page]
    named = re.findall(r"`\[([a-z]+)\] ([a-z_]+)", text)
    assert {f"{section}.{name}" for section, name in named} <= BY_KEY.keys()
    assert set(re.findall(r"\bWXSYNC_[A-Z_]+[A-Z]\b", text)) <= VARIABLES
    for block in blocks(page, "ini"):
        document = ini.parse(block, page)
        assert not document.problems
        assert {f"{entry.section}.{entry.name}" for entry in document.entries} <= BY_KEY.keys()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    here = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", PAGES[page]):
        assert (here / target).exists(), target


def test_the_readme_leads_to_every_page():
    for page in PAGES.keys() - {"README.md"}:
        assert f"](docs/{page})" in PAGES["README.md"], page


def test_every_command_of_ours_exists():
    commands = "\n".join(each for page in PAGES for each in blocks(page, "bash"))
    named = re.findall(r"(?m)^wxsyncd ([a-z][a-z-]*)|python3? (?:-I )?\S*wxsyncd\.py ([a-z][a-z-]*)", commands)
    named += [(each, "") for each in re.findall(r"`wxsyncd ([a-z][a-z-]*)", "\n".join(PAGES.values()))]
    named = {one or other for one, other in named}
    assert {"check-config", "import-env"} <= named
    for command in named:
        done = subprocess.run([sys.executable, str(ROOT / "wxsyncd.py"), command, "--help"], timeout=60, check=False,
                              env=clean_environment(), capture_output=True)
        assert done.returncode == 0, command


def test_the_log_events_and_reasons_of_the_troubleshooting_page_are_the_programs_own():
    text = PAGES["troubleshooting.md"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("wxsync/**/*.py"))
    events = set(re.findall(r"`([a-z]+(?: [a-z]+)+)(?: check=[^`]*)?`", text))
    events -= {"systemctl reload wxsyncd", "wxsyncd upload"}
    assert {"upstream failed", "callback refused", "step failed"} <= events
    assert not [event for event in events if f'"{event}' not in source]
    for check in re.findall(r'check="?([a-z ]+)"?`', text):
        assert f'CallbackRefused("{check}"' in source
    failures = [why.reason for why in (*DOWNLOAD.values(), *QINGSTOR.values())]
    words = [
        *REASON_CLASSES.values(), *LOCAL_CLASSES.values(), *failures,
        absences.no_tag("", ()), absences.no_repository(), absences.no_digest(),
        absences.no_platform((), ())]
    shown = [re.sub(r"\{\w+\}", "…", each) for each in words]
    tables = [part.partition("\n\n")[0] for part in text.split("| 聊天里的原因 |")[1:]]
    assert len(tables) == 4
    rows = [row for table in tables for row in re.findall(r"(?m)^\| ([^|-][^|]*) \|", table)]
    for reason in (one for row in rows for one in row.split("、")):
        assert any(each.startswith(reason) for each in shown), reason
    for failure in failures:
        assert re.split(r"[（，{ ]", failure)[0] in tables[-1], failure
