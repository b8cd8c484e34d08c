"""Architecture guard: layers, purity, third parties, docstrings, sizes, top-level names.

It only parses. A rule that must bend is changed in these tables, with the reason beside it, not by a hidden import.
While the house grows, PURE lists only what exists already.
"""
from __future__ import annotations

import ast
import subprocess
import sys
import unittest
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "wxsync"
FLOORS = {  # imports go down only
    "ground": "version errors options config clock store log metrics",
    "http1": "http1", "remote": "remote", "wecom": "wecom", "jobs": "jobs", "web": "web",
    "daemon": "daemon", "sandbox": "sandbox", "cli": "cli commands"}
FLOOR = {part: floor for floor, parts in FLOORS.items() for part in parts.split()}
PURE = {
    "version", "errors", "http1", "options", "log.redaction",
    "config.checks", "config.dotenv", "config.environment", "config.generate", "config.given", "config.ini",
    "config.migrate", "config.report",
    "wecom.crypto", "wecom.document", "wecom.envelope", "wecom.errcodes", "wecom.limiter", "wecom.refusal",
    "wecom.splitting",
    "jobs.events", "jobs.job", "jobs.results", "store.records",  # the values that the store and the jobs exchange
    "jobs.mirror.choose", "jobs.mirror.failure", "jobs.mirror.tree",
    "jobs.command", "jobs.destination", "jobs.imagelist", "jobs.links", "jobs.listing", "jobs.platform",
    "jobs.nearby", "jobs.reasons", "jobs.reference", "jobs.replies", "jobs.upload.sizing", "jobs.words",
    "remote.exchange",  # the request and answer that the pure clients speak of
    "commands.shown", "remote.admin",
    "remote.address", "remote.broken", "remote.download.coding", "remote.download.fault", "remote.download.names",
    "remote.download.rate", "remote.download.redirect", "remote.download.version", "remote.github", "remote.head",
    "remote.qingstor", "remote.registry", "remote.retryafter", "remote.url",
}  # a package name stands for all its modules
IO = ("asyncio.", "fcntl.", "http.client.", "http.server.", "io.", "logging.", "mmap.", "multiprocessing.", "os.",
      "pathlib.", "random.", "secrets.", "select.", "selectors.", "shutil.", "signal.", "socket.", "socketserver.",
      "sqlite3.", "ssl.", "subprocess.", "tempfile.", "threading.", "time.", "urllib.request.", "uuid.")
IO_CALLS = {"open", "print", "input"}  # by their own name: a session that was passed in may be opened
CLOCK_CALLS = {"now", "utcnow", "today"}  # of whatever object: time comes in as an argument
THIRD_PARTY = {"Crypto": {"wecom.crypto", "sandbox.wecom"}}  # package: the only modules that may import it
STDLIB: dict[str, set[str]] = {"urllib.request": set(), "http.client": set()}  # the one way out is remote.http
CONNECTING = {"connect", "connect_ex", "create_connection", "open_connection", "sendto"}
CONNECTORS = {"remote.connect", "store.database", "daemon.supervision"}  # SQLite's file, systemd's socket
MODULE_LINES, FUNCTION_LINES = 300, 60
TOP_LEVEL = {
    ".ci", ".dockerignore", ".github", ".gitignore", "Dockerfile", "LICENSE", "Makefile", "README.md",
    "docker-compose.yml", "docs", "images.txt", "pyproject.toml", "systemd", "tests", "wxsync", "wxsync.conf.example",
    "wxsyncd.py"}


def within(name: str, names: Iterable[str]) -> bool:
    """Tell whether a module is one of these or lies in one of these packages."""
    return any(name == each or name.startswith(each + ".") for each in names)


class Module(NamedTuple):
    """One source file: its name without the package prefix, its path and its tree."""
    name: str
    path: str
    tree: ast.Module

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield (line, dotted name) of everything imported anywhere in the file, functions included."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                base = getattr(node, "level", 0) * "." + (f"{node.module}." if getattr(node, "module", "") else "")
                yield from ((node.lineno, base + alias.name) for alias in node.names)


class ArchitectureTest(unittest.TestCase):
    """One test for each rule; a failure lists every offender."""

    def setUp(self) -> None:
        self.offences, self.modules = [], {}
        for path in sorted((ROOT / PACKAGE).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
            self.modules[name] = Module(name, str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
        self.pure = {name for name in self.modules if within(name, PURE)}
        self.assertEqual(PURE - self.modules.keys(), set(), "PURE names modules that do not exist: nothing guards them")

    def tearDown(self) -> None:
        self.assertFalse(self.offences, "\n" + "\n".join(self.offences))

    def offend(self, module: Module, line: int, why: str) -> None:
        self.offences.append(f"{module.path}:{line}: {why}")

    def own(self, dotted: str) -> str | None:
        """Return which module of the package an imported name lives in, or None for foreign names."""
        top, _, name = dotted.partition(".")
        while name and name not in self.modules:
            name = name.rpartition(".")[0]
        return name if top == PACKAGE else None

    def test_nothing_else_stands_at_the_top(self) -> None:
        tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True)
        self.assertEqual({path.split("/")[0] for path in tracked.stdout.split("\0") if path}, TOP_LEVEL)

    def test_imports_go_down_the_floors(self) -> None:
        for module in self.modules.values():
            floor = FLOOR.get(module.name.split(".")[0])
            if module.name and not floor:
                self.offend(module, 1, "is on no floor; move it to where its job belongs or extend FLOORS")
            for line, dotted in module.imports():
                target = FLOOR.get((self.own(dotted) or "").split(".")[0])
                if dotted.startswith(".") or module.path.endswith("__init__.py"):
                    self.offend(module, line, f"imports {dotted}; write the full name, and nothing in an __init__")
                elif floor == "sandbox" and target not in (None, "sandbox"):
                    self.offend(module, line, f"sandbox imports {dotted}; a stand-in that shares code proves nothing")
                elif floor and target and list(FLOORS).index(target) > list(FLOORS).index(floor):
                    self.offend(module, line, f"{dotted} is on '{target}', above '{floor}'; have daemon pass it in")

    def test_no_import_cycle(self) -> None:
        graph = {name: {self.own(dotted) for _, dotted in module.imports()} - {None, "", name}
                 for name, module in self.modules.items()}
        while ends := {name for name, targets in graph.items()
                       if not targets & graph.keys() or name not in set().union(*graph.values())}:
            graph = {name: targets for name, targets in graph.items() if name not in ends}
        for name, targets in graph.items():
            self.offend(self.modules[name], 1, f"import cycle with {targets & graph.keys()}; move the shared part down")

    def test_third_parties_and_pure_modules(self) -> None:
        for module in self.modules.values():
            for line, dotted in module.imports():
                top, own = dotted.split(".")[0], self.own(dotted)
                if any(f"{dotted}.".startswith(f"{name}.") and not within(module.name, allowed) and FLOOR.get(
                        module.name.split(".")[0]) != "sandbox" for name, allowed in STDLIB.items()):
                    self.offend(module, line, f"imports {dotted}; every request goes out through remote.http")
                stdlib = getattr(sys, "stdlib_module_names", {top})  # Python 3.9 has no list: that rule rests there
                if not (top in {"", PACKAGE, *stdlib} or within(module.name, THIRD_PARTY.get(top, ()))):
                    self.offend(module, line, f"imports third-party '{top}'; allowed are only {THIRD_PARTY}")
                if module.name in self.pure and (f"{dotted}.".startswith(IO) if own is None else own not in self.pure):
                    self.offend(module, line, f"is pure but imports {dotted}; take the value as an argument")
            for node in ast.walk(module.tree) if module.name in self.pure else ():
                if isinstance(node, ast.Call) and (getattr(node.func, "id", "") in IO_CALLS | CLOCK_CALLS
                                                   or getattr(node.func, "attr", "") in CLOCK_CALLS):
                    self.offend(module, node.lineno, f"is pure but calls {ast.unparse(node.func)}(); pass the value in")

    def test_one_module_opens_connections(self) -> None:
        for module in self.modules.values():
            if module.name in CONNECTORS or within(module.name, {"sandbox"}):
                continue
            ours = {dotted.rpartition(".")[2] for _, dotted in module.imports() if self.own(dotted)}
            for node in ast.walk(module.tree):
                called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
                if called in CONNECTING - ours and (node.args or node.keywords):  # upstream.connect() takes nothing
                    self.offend(module, node.lineno, f"calls {ast.unparse(node.func)}(); dial by remote.dialer")

    def test_docstrings_and_sizes(self) -> None:
        for module in self.modules.values():
            doc, lines = ast.get_docstring(module.tree) or "", max((n.end_lineno for n in module.tree.body), default=0)
            wanted = f"Floor: {FLOOR.get(module.name.split('.')[0])}{', pure' if module.name in self.pure else ''}."
            if not doc or (wanted not in doc and not module.path.endswith("__init__.py")):
                self.offend(module, 1, f"the module docstring must say the one job of the module and '{wanted}'")
            if lines > MODULE_LINES:
                self.offend(module, 1, f"has {lines} lines, more than {MODULE_LINES}; split it by job")
            for node in ast.walk(module.tree):
                for item in node.body if isinstance(node, (ast.Module, ast.ClassDef)) else ():
                    public = isinstance(item, (ast.FunctionDef, ast.ClassDef)) and not item.name.startswith("_")
                    if public and not ast.get_docstring(item):
                        self.offend(module, item.lineno, f"public '{item.name}' has no docstring; say what it promises")
                if isinstance(node, ast.FunctionDef) and (size := node.end_lineno - node.lineno + 1) > FUNCTION_LINES:
                    self.offend(module, node.lineno, f"'{node.name}' has {size} lines, more than {FUNCTION_LINES}")
