#!/usr/bin/env python3
"""Print what docs/CHANGELOG.md says of one release: `changes.py v1.2.3`. Fails when tag, version and page disagree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(tag: str) -> int:
    """Print the section and return 0, or tell what does not fit and return 1."""
    version = re.findall(r'(?m)^VERSION = "([0-9]+\.[0-9]+\.[0-9]+)"$', (ROOT / "wxsync/version.py").read_text())
    if [tag] != [f"v{each}" for each in version]:
        print(f"the tag is {tag}, wxsync/version.py says {version}", file=sys.stderr)
        return 1
    _, *sections = re.split(r"(?m)^## ", (ROOT / "docs/CHANGELOG.md").read_text(encoding="utf-8"))
    for section in sections:
        title, _, text = section.partition("\n")
        if title.split()[:1] == version and text.strip():
            print(text.strip())
            return 0
    print(f"docs/CHANGELOG.md has no section of {version[0]}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]) if len(sys.argv) == 2 else 2)
