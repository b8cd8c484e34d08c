"""The command line: run (default), check-config, demo. Floor: cli."""

from __future__ import annotations

import argparse

from wxsync.version import VERSION


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="wxsyncd")
    parser.add_argument("--version", action="version", version=f"wxsyncd {VERSION}")
    parser.parse_args(argv)
    return 0
