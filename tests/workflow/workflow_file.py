"""Read the workflow file: the block style that it keeps to (maps, lists of maps, `key: |`), and its scripts."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / ".github/workflows/docker-image-sync.yml"
HERE_DOCUMENT = re.compile(r"set -euo pipefail\npython3 -I - <<'PYTHON'\n(.*\n)PYTHON\n", re.DOTALL)


def read() -> dict[str, Any]:
    """Return the workflow as maps, lists and texts; every scalar is a text."""
    value, rest = _block(_skip(PATH.read_text(encoding="utf-8").splitlines()), 0)
    assert not rest, rest[:3]
    return value


def _skip(lines: list[str]) -> list[str]:
    """Drop the blank lines and comments before the next entry."""
    return lines[next((n for n, line in enumerate(lines) if not re.match(" *#| *$", line)), len(lines)):]


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """Read one map or list at this indent; return it and the lines after it."""
    if lines[0].startswith(" " * indent + "- "):
        items = []
        while lines and lines[0].startswith(" " * indent + "- "):
            item, lines = _block([" " * (indent + 2) + lines[0][indent + 2:], *lines[1:]], indent + 2)
            items.append(item)
        return items, lines
    found: dict[str, Any] = {}
    while lines and (match := re.fullmatch(" " * indent + r'([\w"-]+):(?: (.*))?', lines[0])):
        key, value, lines = match[1].strip('"'), match[2] or "", lines[1:]
        if value == "|":
            found[key], lines = _script(lines, indent + 2)
        elif value or not _skip(lines)[:1] or not _skip(lines)[0].startswith(" " * (indent + 2)):
            found[key] = {} if value == "{}" else value.strip('"')
        else:
            found[key], lines = _block(_skip(lines), indent + 2)
        lines = _skip(lines)
    return found, lines


def _script(lines: list[str], indent: int) -> tuple[str, list[str]]:
    end = next((n for n, line in enumerate(lines) if line and not line.startswith(" " * indent)), len(lines))
    return "\n".join(line[indent:] for line in lines[:end]).rstrip("\n") + "\n", lines[end:]


def shell(job: str) -> str:
    """Return the shell script of a job's one step."""
    (step,) = read()["jobs"][job]["steps"]
    return str(step["run"])


def python(job: str) -> str:
    """Return the Python script inside it."""
    match = HERE_DOCUMENT.fullmatch(shell(job))
    assert match, "the script is no longer one Python program in a quoted here-document"
    return match[1]


def functions(job: str) -> dict[str, Any]:
    """Return the names that the script defines, without running its main."""
    body, last = python(job).rsplit("\n", 2)[0], python(job).rsplit("\n", 2)[1]
    assert last == "main()", last
    names: dict[str, Any] = {"__name__": job}
    exec(compile(body, f"{PATH.name}:{job}", "exec"), names)
    return names


def run(job: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the step as the runner does, with this environment and nothing else but PATH."""
    python_directory = str(Path(sys.executable).parent)
    path = f"{python_directory}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["bash", "-e", "-c", shell(job)], env={"PATH": path, **environ}, cwd="/",
                          capture_output=True, text=True, timeout=60)
