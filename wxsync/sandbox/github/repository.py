"""The files and commits of the one repository; the caller holds the lock. Floor: sandbox."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Commit:
    """One commit on a branch, with all files as they are after it; changed: the paths that it touched."""

    sha: str
    branch: str
    message: str
    changed: tuple[str, ...]
    files: Mapping[str, bytes]
    at: float

    def text(self, path: str = "images.txt") -> str:
        """Return one file of this commit as text; KeyError when there is none."""
        return self.files[path].decode("utf-8")


def blob_sha(content: bytes) -> str:
    """Return git's own name for a content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()  # noqa: S324  # git's choice


class Repository:
    """Branches as lists of commits, the first made at once."""

    def __init__(self, name: str, branch: str, files: Mapping[str, bytes], now: Callable[[], float]) -> None:
        self.name = name
        self.default_branch = branch
        self._now = now
        self._branches: dict[str, list[Commit]] = {}
        self.add_branch(branch, files)

    def add_branch(self, branch: str, files: Mapping[str, bytes]) -> None:
        """Start a branch with one commit."""
        first = Commit(secrets.token_hex(20), branch, "Initial commit", tuple(files), dict(files), self._now())
        self._branches[branch] = [first]

    def has_branch(self, branch: str) -> bool:
        """Tell whether the branch exists."""
        return branch in self._branches

    def find(self, ref: str) -> Commit | None:
        """Return the commit that a branch name, `refs/heads/…` or a commit sha (7 digits or more) names."""
        branch = ref[len("refs/heads/") :] if ref.startswith("refs/heads/") else ref
        if branch in self._branches:
            return self._branches[branch][-1]
        if len(ref) < 7:
            return None
        return next((c for commits in self._branches.values() for c in commits if c.sha.startswith(ref)), None)

    def write(self, branch: str, path: str, content: bytes, message: str) -> Commit:
        """Commit one file; equal content makes a commit as well, as on GitHub."""
        files = {**self._branches[branch][-1].files, path: content}
        commit = Commit(secrets.token_hex(20), branch, message, (path,), files, self._now())
        self._branches[branch].append(commit)
        return commit

    def history(self, ref: str, path: str = "") -> list[Commit]:
        """Return the commits up to a branch's head or a commit, newest first, only those that touched the path.

        KeyError when the ref names nothing.
        """
        head = self.find(ref)
        if head is None:
            raise KeyError(ref)
        commits = self._branches[head.branch]
        until = commits[: 1 + next(place for place, commit in enumerate(commits) if commit.sha == head.sha)]
        return [commit for commit in reversed(until) if not path or path in commit.changed]
