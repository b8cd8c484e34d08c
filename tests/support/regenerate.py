"""Write the generated files: python -m tests.support.regenerate. test_config_generate tells when that is needed."""

from __future__ import annotations

from pathlib import Path

from wxsync.config import generate

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "wxsync.conf.example": generate.example,
    "docs/configuration.md": generate.docs,
}


def main() -> None:
    for name, text in FILES.items():
        (ROOT / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
