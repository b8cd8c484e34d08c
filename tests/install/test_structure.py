"""The installer and the builder keep the house rules, and need nothing but Python's standard library."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.support.daemon import ROOT

FILES = sorted((ROOT / "systemd").rglob("*.py"))
OURS = {"installer": {"installer", "wxsync.config"}, "packing": {"packing"}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_module_is_small_and_imports_only_what_a_bare_machine_has(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    stdlib = getattr(sys, "stdlib_module_names", None)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert node.name.startswith("_") or ast.get_docstring(node) or node.name == "act", node.name
            assert isinstance(node, ast.ClassDef) or node.end_lineno - node.lineno < 60, node.name
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            is_ours = any(f"{name}.".startswith(f"{own}.") for own in OURS[path.parent.name])
            assert is_ours or stdlib is None or name.split(".")[0] in stdlib, name
