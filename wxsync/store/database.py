"""The SQLite file of the state directory: opens it, keeps its schema, runs one transaction at a time. Floor: ground."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from wxsync.errors import WxsyncError

SCHEMA_VERSION = 2
LOCK_WAIT_S = 3.0  # for another process's transaction; WeCom waits 5 s for its 200, and then 503 must be out
SCHEMA = """
CREATE TABLE seen (key BLOB PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX seen_by_age ON seen (at);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, member TEXT NOT NULL, state TEXT NOT NULL,
    result TEXT NOT NULL, data TEXT NOT NULL, created_at REAL NOT NULL, ended_at REAL,
    cancelled_by TEXT NOT NULL DEFAULT '');
CREATE INDEX jobs_open ON jobs (id) WHERE ended_at IS NULL;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, member TEXT NOT NULL, text TEXT NOT NULL,
    created_at REAL NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, done_at REAL, note TEXT);
CREATE INDEX outbox_open ON outbox (id) WHERE done_at IS NULL;
CREATE TABLE owners (name TEXT PRIMARY KEY, source TEXT NOT NULL, platforms TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tags (
    name TEXT NOT NULL, tag TEXT NOT NULL, source TEXT NOT NULL, platforms TEXT NOT NULL,
    PRIMARY KEY (name, tag)) WITHOUT ROWID;
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
UPGRADES = {1: "ALTER TABLE jobs ADD COLUMN cancelled_by TEXT NOT NULL DEFAULT ''"}  # version -> step to the next


class StoreFault(WxsyncError):
    """The state cannot be read or written: disk full, read-only, broken or made by a newer version."""


def copy_of(path: Path, version: int) -> Path:
    """Return where the copy of the state lies that was made before it left this schema version."""
    return path.with_name(f"{path.name}.schema-{version}")


class Database:
    """One connection, used by all threads of a process in turn; other processes may open the same file.

    WAL with synchronous=FULL: what a transaction has committed is still there after a power cut.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                str(path), timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside one write transaction: all of it is kept, or nothing. Raises StoreFault."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise self._fault(error) from error
            except BaseException:
                self._roll_back()
                raise

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of one reading query. Raises StoreFault."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._fault(error) from error

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._connection.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # there may be nothing to roll back
            self._connection.execute("ROLLBACK")

    def _migrate(self) -> None:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    if statement.strip():
                        self._connection.execute(statement)
            if 0 < version < SCHEMA_VERSION:
                self._copy_to(copy_of(self._path, version))
            for step in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
                self._connection.execute(UPGRADES[step])
            if version < SCHEMA_VERSION:
                self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self._connection.execute("COMMIT")
            if version > SCHEMA_VERSION:
                raise StoreFault(
                    f"状态数据是更新的版本写的（版本 {version}，本程序只认识 {SCHEMA_VERSION}）",
                    where=str(self._path),
                    mend="换回较新的 wxsyncd，或恢复升级前的备份",
                )

    def _copy_to(self, path: Path) -> None:
        """Keep the state as it is before a new schema, so that the version before can be gone back to."""
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        # A connection of its own: one that writes cannot be read from meanwhile (sqlite3_backup_step).
        with closing(sqlite3.connect(str(self._path))) as present, closing(sqlite3.connect(str(part))) as copy:
            present.backup(copy)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)

    def _fault(self, error: Exception) -> StoreFault:
        return StoreFault(f"状态数据无法读写：{error}", where=str(self._path), mend="检查磁盘空间和目录权限")
