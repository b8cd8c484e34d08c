"""Write the generated files: python -m tests.support.regenerate. test_config_generate tells when that is needed."""

from __future__ import annotations

from pathlib import Path

from wxsync.config import generate

ROOT = Path(__file__).resolve().parents[2]
# Each from its present text, of which only the README's counts.
FILES = {
    "wxsync.conf.example": lambda _: generate.example(),
    "docs/configuration.md": lambda _: generate.docs(),
    "README.md": generate.readme,
}


def main() -> None:
    for name, text in FILES.items():
        path = ROOT / name
        path.write_text(text(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
