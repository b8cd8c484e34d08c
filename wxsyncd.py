#!/usr/bin/env python3
"""Entry: `python3 wxsyncd.py [--config FILE] [COMMAND]`."""

import sys
from pathlib import Path

# `python3 -I` leaves the script's directory out of sys.path, so the program and its packed libraries are put there.
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "vendor")]

from wxsync.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
