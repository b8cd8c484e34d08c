"""What a part of the program logs while a test runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Records(logging.Handler):
    """Every record, whatever its level, whoever else listens."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record)

    def fields(self, event: str) -> list[dict[str, object]]:
        """Return the fields of each record of the event."""
        return [vars(record)["fields"] for record in self.all if record.getMessage() == event]

    def text(self) -> str:
        """Return all that was logged."""
        return "\n".join(f"{record.getMessage()} {vars(record)['fields']} {record.exc_text}" for record in self.all)


@contextmanager
def recorded(name: str) -> Iterator[Records]:
    """Listen to the logger wxsync.{name}."""
    logger, records = logging.getLogger(f"wxsync.{name}"), Records()
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        logger.removeHandler(records)
        logger.setLevel(level)
