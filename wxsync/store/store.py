"""Messages seen, jobs, outbox and owners: each call is one transaction. Floor: ground."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from wxsync.errors import Bug
from wxsync.store.database import Database
from wxsync.store.records import JobRecord, OutboxText, Ownership

SEEN_FOR = timedelta(hours=48)  # WeCom repeats for seconds, a replayed capture is stale after 24 h
SEEN_MOST = 200_000
JOB_COLUMNS = "id, kind, member, state, result, data, created_at, ended_at, cancelled_by"


class Store:
    """The meaning of the tables. Threads may call it at the same time; every method raises StoreFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- messages and jobs -------------------------------------------------------------------------------------------

    def accept(self, seen: Sequence[bytes], job: JobRecord | None, now: datetime) -> int | None:
        """Remember a message under all its keys, with its job when it starts one.

        Returns None when one of the keys was there already and nothing was stored, else the job's number (0: no job).
        """
        with self._database.transaction() as sql:
            if any(sql.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() for key in seen):
                return None
            sql.executemany("INSERT INTO seen VALUES (?, ?)", [(key, now.timestamp()) for key in dict.fromkeys(seen)])
            return self._insert(sql, job) if job else 0

    def add(self, job: JobRecord) -> int:
        """Store a job that no message started; return its number."""
        with self._database.transaction() as sql:
            return self._insert(sql, job)

    def save(
        self,
        job: JobRecord,
        now: datetime,
        *,
        texts: Iterable[str] = (),
        owned: Iterable[Ownership] = (),
        cancels: int = 0,
    ) -> None:
        """Store a job's new state together with the texts it owes its member and the destinations it now owns.

        cancels: the number of another job that this one's member wants to end; an ended one stays as it is.
        """
        with self._database.transaction() as sql:
            changed = sql.execute(
                "UPDATE jobs SET kind = ?, state = ?, result = ?, data = ?, ended_at = ? "
                "WHERE id = ? AND ended_at IS NULL",
                (job.kind, job.state, job.result, _json(job.data), _stamp(job.ended_at), job.id),
            ).rowcount
            if not changed:
                raise Bug("an ended job cannot change", where=f"job {job.id}")
            if cancels:
                sql.execute(
                    "UPDATE jobs SET cancelled_by = ? WHERE id = ? AND ended_at IS NULL", (job.member, cancels)
                )
            stamp = now.timestamp()
            sql.executemany(
                "INSERT INTO outbox (job, member, text, created_at, due_at) VALUES (?, ?, ?, ?, ?)",
                [(job.id, job.member, text, stamp, stamp) for text in texts],
            )
            for each in owned:
                row = (each.name, each.tag, each.source, ",".join(sorted(each.platforms)))
                sql.execute("INSERT OR IGNORE INTO owners SELECT ?1, ?3, ?4", row)
                sql.execute("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3, ?4)", row)

    def job(self, number: int) -> JobRecord | None:
        """Return one job, or None."""
        found = self._jobs("WHERE id = ?", (number,))
        return found[0] if found else None

    def open_jobs(self) -> list[JobRecord]:
        """Return all jobs that have not ended, oldest first."""
        return self._jobs("WHERE ended_at IS NULL ORDER BY id")

    def cancelled_by(self, number: int) -> str:
        """Return who asked to cancel a job, empty when nobody did."""
        rows = self._database.rows("SELECT cancelled_by FROM jobs WHERE id = ?", (number,))
        return str(rows[0]["cancelled_by"]) if rows else ""

    def cancel(self, number: int, by: str) -> bool:
        """Note who wants an open job to end, unless somebody did before; tell whether it was open."""
        with self._database.transaction() as sql:
            changed = sql.execute(
                "UPDATE jobs SET cancelled_by = CASE cancelled_by WHEN '' THEN ? ELSE cancelled_by END "
                "WHERE id = ? AND ended_at IS NULL",
                (by, number),
            ).rowcount
        return bool(changed)

    def jobs(
        self, *, limit: int, before: int | None = None, kinds: Sequence[str] = (), member: str = ""
    ) -> list[JobRecord]:
        """Return the newest jobs first, at most limit, numbers below before; of these kinds and member when given."""
        of_kind = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        where = f"WHERE id < ? {of_kind} {'AND member = ?' if member else ''} ORDER BY id DESC LIMIT ?"
        last = before if before is not None else 1 << 62
        return self._jobs(where, (last, *kinds, *((member,) if member else ()), limit))

    # -- outbox ------------------------------------------------------------------------------------------------------

    def outbox(self, *, most: int = 100) -> list[OutboxText]:
        """Return texts not yet delivered, in the order in which they were written, at most so many of each member.

        One member to whom much is owed so hides nobody else's.
        """
        rows = self._database.rows(
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY member ORDER BY id) AS place "
            "FROM outbox WHERE done_at IS NULL) WHERE place <= ? ORDER BY id",
            (most,),
        )
        return [
            OutboxText(
                row["id"],
                row["job"],
                row["member"],
                row["text"],
                row["attempts"],
                _instant(row["created_at"]),
                _instant(row["due_at"]),
            )
            for row in rows
        ]

    def postpone(self, text: OutboxText, due_at: datetime) -> None:
        """Count one more try and name the next one."""
        with self._database.transaction() as sql:
            sql.execute(
                "UPDATE outbox SET attempts = attempts + 1, due_at = ? WHERE id = ?", (due_at.timestamp(), text.id)
            )

    def settle(self, text: OutboxText, now: datetime, note: str = "") -> None:
        """Take a text out of the outbox: delivered, or given up for the reason in note."""
        with self._database.transaction() as sql:
            sql.execute("UPDATE outbox SET done_at = ?, note = ? WHERE id = ?", (now.timestamp(), note, text.id))

    # -- owners, facts, upkeep ---------------------------------------------------------------------------------------

    def owners(self) -> list[Ownership]:
        """Return who owns each NAME (tag empty) since its first successful copy."""
        return [_owned(row, "") for row in self._database.rows("SELECT * FROM owners")]

    def written(self, names: Sequence[str]) -> list[Ownership]:
        """Return who last wrote each NAME:TAG of these names."""
        marks = ", ".join("?" * len(names))
        rows = self._database.rows(f"SELECT * FROM tags WHERE name IN ({marks})", tuple(names))  # noqa: S608 marks only
        return [_owned(row, row["tag"]) for row in rows]

    def fact(self, key: str) -> str | None:
        """Return a remembered value, or None."""
        rows = self._database.rows("SELECT value FROM facts WHERE key = ?", (key,))
        return str(rows[0]["value"]) if rows else None

    def remember(self, key: str, value: str) -> None:
        """Keep a value under a key; also the proof that the store can be written."""
        with self._database.transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def notify(self, texts: Iterable[tuple[str, str]], now: datetime, *, key: str, value: str) -> None:
        """Owe members texts, (member, text) each, that belong to no job, and remember under the key that they do."""
        stamp = now.timestamp()
        with self._database.transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))
            sql.executemany(
                "INSERT INTO outbox (job, member, text, created_at, due_at) VALUES (0, ?, ?, ?, ?)",
                [(member, text, stamp, stamp) for member, text in texts],
            )

    def tidy(self, now: datetime, *, history_days: float) -> None:
        """Forget seen messages after 48 h (200,000 are kept at most), ended jobs and texts after history_days."""
        oldest = (now - timedelta(days=history_days)).timestamp()
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM seen WHERE at < ?", ((now - SEEN_FOR).timestamp(),))
            sql.execute(
                "DELETE FROM seen WHERE key IN (SELECT key FROM seen ORDER BY at DESC LIMIT -1 OFFSET ?)", (SEEN_MOST,)
            )
            sql.execute("DELETE FROM outbox WHERE done_at < ?", (oldest,))
            sql.execute("DELETE FROM jobs WHERE ended_at < ?", (oldest,))

    def _insert(self, sql: sqlite3.Connection, job: JobRecord) -> int:
        cursor = sql.execute(
            "INSERT INTO jobs (kind, member, state, result, data, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            (job.kind, job.member, job.state, job.result, _json(job.data), job.created_at.timestamp()),
        )
        return int(cursor.lastrowid or 0)

    def _jobs(self, where: str, parameters: tuple[object, ...] = ()) -> list[JobRecord]:
        rows = self._database.rows(f"SELECT {JOB_COLUMNS} FROM jobs {where}", parameters)  # noqa: S608 own text only
        return [
            JobRecord(
                row["id"],
                row["kind"],
                row["member"],
                row["state"],
                row["result"],
                json.loads(row["data"]),
                _instant(row["created_at"]),
                None if row["ended_at"] is None else _instant(row["ended_at"]),
                row["cancelled_by"],
            )
            for row in rows
        ]


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _stamp(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, timezone.utc)


def _owned(row: sqlite3.Row, tag: str) -> Ownership:
    platforms = str(row["platforms"])
    return Ownership(row["name"], tag, row["source"], frozenset(platforms.split(",") if platforms else ()))
