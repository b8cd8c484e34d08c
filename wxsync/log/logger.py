"""Write one event with its fields. Floor: ground."""

from __future__ import annotations

import logging

ROOT = "wxsync"


class Logger:
    """Writes one event a call: log.info("sync dispatched", job=12, took=1.2)."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **fields: object) -> None:
        """For developers."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """An operator may want it."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Degraded but served."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Someone must act; the event says what on."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """As error, with the traceback of the exception being handled; only at the top of a thread or request."""
        self._logger.error(event, extra={"fields": fields}, exc_info=True)

    def verbatim(self, line: str) -> None:
        """At info, a line that users know from the replaced programs: alone on its line as text, an event in JSON."""
        if self._logger.isEnabledFor(logging.INFO):
            self._logger.info(line, extra={"fields": {}, "is_verbatim": True})

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


def logger(name: str) -> Logger:
    """Return the logger of a module, named by floor and module: logger("jobs.sync")."""
    return Logger(f"{ROOT}.{name}")
