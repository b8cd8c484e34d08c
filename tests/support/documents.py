"""The pages that operators read, and the blocks of code in them."""

from __future__ import annotations

import re

from tests.support.daemon import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of one language, in their order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGES[page])


def block(page: str, language: str, having: str) -> str:
    """Return the one block that has this text in it."""
    (found,) = [each for each in blocks(page, language) if having in each]
    return found
