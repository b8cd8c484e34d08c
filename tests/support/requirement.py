"""What a test needs of the machine: skip with the reason where it is missing, fail where everything should be there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacks(why: str) -> NoReturn:
    """Skip; with CI=true fail."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    raise AssertionError  # both have raised


def need(*tools: str, root: bool = False) -> None:
    """Go on only where these programs are, and as root where that is asked for."""
    if root and os.geteuid() != 0:
        lacks("needs root")
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        lacks(f"missing: {', '.join(missing)}")
