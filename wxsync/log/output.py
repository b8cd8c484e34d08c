"""Send all records where the options say, redacted, and never stop a caller. Floor: ground."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping

from wxsync.log.file import Descriptor, RotatedFile, Sink
from wxsync.log.layout import LEVELS, JsonLayout, TextLayout
from wxsync.log.logger import ROOT
from wxsync.log.redaction import Redactor
from wxsync.options.sections import Log

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # syslog(3)


def setup(options: Log, secrets: Iterable[str], environ: Mapping[str, str], stderr: int = 2) -> Output:
    """Send all records where the options say, in place of where they went before.

    Call it again to reload: the earlier output is closed then. Raises ConfigError when the file cannot be opened, and
    leaves everything as it was. stderr is a descriptor.
    """
    sink: Sink = RotatedFile(options.file, options.max_bytes, options.backups) if options.file else Descriptor(stderr)
    to_journal = not options.file and is_journal(environ, stderr)
    redactor = Redactor(secrets)
    layout = JsonLayout(redactor) if options.format == "json" else TextLayout(redactor, has_time=not to_journal)
    output = Output(sink, layout, has_priority=to_journal)
    root = logging.getLogger(ROOT)
    earlier = [handler for handler in root.handlers if isinstance(handler, Output)]
    root.addHandler(output)
    for handler in earlier:
        handler.close()
    root.setLevel(options.level.upper())
    root.propagate = False
    return output


def is_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Tell whether the descriptor is the journal's stream, by device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Output(logging.Handler):
    """Writes records to a sink; what cannot be written is counted and told later, and never stops the caller."""

    def __init__(self, sink: Sink, layout: logging.Formatter, *, has_priority: bool) -> None:
        super().__init__()
        self._sink = sink
        self._has_priority = has_priority
        self._lost = 0
        self._wants_reopen = False
        self.setFormatter(layout)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the logging module holds this handler's lock meanwhile."""
        if self._wants_reopen:
            self._wants_reopen = False
            self._sink.reopen()
        if self._lost:
            note = logging.LogRecord(f"{ROOT}.log", logging.WARNING, "", 0, "log lines lost", (), None)
            note.fields = {"lost": self._lost}
            if self._write(note):
                self._lost = 0
        if not self._write(record):
            self._lost += 1

    def reopen(self) -> None:
        """Have the next record open the log file anew, after it was moved away (logrotate).

        Any thread and a signal handler may call it: nothing is closed under a record that is being written.
        """
        self._wants_reopen = True

    def close(self) -> None:
        """Take no more records and release the file."""
        logging.getLogger(ROOT).removeHandler(self)
        self.acquire()
        try:
            self._sink.close()
        finally:
            self.release()
        super().close()

    def _write(self, record: logging.LogRecord) -> bool:
        text = self.format(record)
        if self._has_priority:
            mark = f"<{_PRIORITIES[LEVELS.get(record.levelno, 'info')]}>"
            text = "\n".join(mark + line for line in text.split("\n"))
        return self._sink.write((text + "\n").encode("utf-8", "backslashreplace"))
