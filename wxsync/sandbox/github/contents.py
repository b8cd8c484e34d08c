"""The contents and commits calls of the GitHub stand-in; the caller holds the lock. Floor: sandbox."""

from __future__ import annotations

import base64
import binascii
import re

from wxsync.sandbox.github.answers import Call, Refusal, instant, json_object, page
from wxsync.sandbox.github.repository import Commit, Repository, blob_sha
from wxsync.sandbox.server import Answer, Request, json_answer

LARGEST_INLINE = 1 << 20  # above it, GitHub leaves the content out of the JSON


class Contents:
    """Reads and writes files. rivals: how many writes from now on lose against another commit made just before."""

    def __init__(self, repository: Repository) -> None:
        self.rivals = 0
        self._repository = repository

    def routes(self) -> tuple[tuple[str, str, Call], ...]:
        """Return (method, path pattern below the repository, call)."""
        return (
            ("GET", r"/contents/(.+)", self._read),
            ("PUT", r"/contents/(.+)", self._write),
            ("GET", r"/commits", self._commits),
            ("GET", r"/commits/([^/]+)", self._commit),
        )

    def _read(self, request: Request, match: re.Match[str]) -> Answer:
        path, ref = match.group(1), request.arg("ref") or self._repository.default_branch
        commit = self._repository.find(ref)
        if commit is None:
            raise Refusal(404, f"No commit found for the ref {ref}")
        if path not in commit.files:
            raise Refusal(404, "Not Found")
        content = commit.files[path]
        if "raw" in request.headers.get("accept", ""):
            return Answer(200, content, "application/vnd.github.raw+json; charset=utf-8")
        return json_answer({**_file(path, content), **_inline(content)})

    def _write(self, request: Request, match: re.Match[str]) -> Answer:
        path, body = match.group(1), json_object(request)
        branch, sha, message = body.get("branch", self._repository.default_branch), body.get("sha"), body.get("message")
        if not isinstance(branch, str) or not self._repository.has_branch(branch):
            raise Refusal(404, f"Branch {branch} not found")
        if not isinstance(message, str) or not message:
            raise Refusal(422, 'Invalid request.\n\n"message" wasn\'t supplied.')
        content = _decoded(body.get("content"))
        if self.rivals:
            self.rivals -= 1
            self._rival(branch, path)
        present = self._repository.history(branch)[0].files.get(path)
        if present is not None and sha is None:
            raise Refusal(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
        if sha is not None and (present is None or sha != blob_sha(present)):
            raise Refusal(409, f"{path} does not match {sha}")
        commit = self._repository.write(branch, path, content, message)
        answer = {"content": _file(path, content), "commit": self._shown(commit)}
        return json_answer(answer, 201 if present is None else 200)

    def _rival(self, branch: str, path: str) -> None:
        before = self._repository.history(branch)[0].files.get(path, b"")
        self._repository.write(branch, path, before + b"# typed by someone else\n", "Edit on the web page")

    def _commits(self, request: Request, _match: re.Match[str]) -> Answer:
        ref = request.arg("sha") or self._repository.default_branch
        try:
            history = [self._shown(commit) for commit in self._repository.history(ref, request.arg("path"))]
        except KeyError as cause:
            raise Refusal(404, "Not Found") from cause
        shown, headers = page(history, request, f"http://{request.headers.get('host', '')}")
        return json_answer(shown, headers=headers)

    def _commit(self, _request: Request, match: re.Match[str]) -> Answer:
        commit = self._repository.find(match.group(1))
        if commit is None:
            raise Refusal(422, f"No commit found for SHA: {match.group(1)}")
        return json_answer(self._shown(commit))

    def _shown(self, commit: Commit) -> dict[str, object]:
        person = {"name": "sandbox", "email": "sandbox@example.com", "date": instant(commit.at)}
        return {
            "sha": commit.sha,
            "html_url": f"https://github.com/{self._repository.name}/commit/{commit.sha}",
            "message": commit.message,
            "commit": {"message": commit.message, "author": person, "committer": person},
        }


def _file(path: str, content: bytes) -> dict[str, object]:
    name = path.rpartition("/")[2]
    return {"type": "file", "name": name, "path": path, "sha": blob_sha(content), "size": len(content)}


def _inline(content: bytes) -> dict[str, str]:
    if len(content) > LARGEST_INLINE:
        return {"encoding": "none", "content": ""}
    return {"encoding": "base64", "content": base64.encodebytes(content).decode("ascii")}


def _decoded(content: object) -> bytes:
    if not isinstance(content, str):
        raise Refusal(422, 'Invalid request.\n\n"content" wasn\'t supplied.')
    try:
        return base64.b64decode(content.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise Refusal(422, "content is not valid Base64") from cause


