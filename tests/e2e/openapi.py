"""Hold what is said between daemon and GitHub stand-in against GitHub's own OpenAPI description."""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.validation.response.exceptions import ResponseValidationError

from wxsync.sandbox.server import Answer, Request

FILE = Path(sys.prefix) / "github-openapi.json"  # put there by `make e2e`, from npm's @octokit/openapi
BASE = "https://api.github.com"
REPOSITORY = "/repos/{owner}/{repo}"
USED = (
    "", "/contents/{path}", "/commits", "/actions/workflows/{workflow_id}/dispatches",
    "/actions/workflows/{workflow_id}/runs", "/actions/runs/{run_id}", "/actions/runs/{run_id}/jobs",
    "/actions/runs/{run_id}/cancel", "/actions/jobs/{job_id}/logs", "/check-runs/{check_run_id}/annotations")


class Description:
    """The part of the description that the daemon uses: reading all of it takes a minute.

    Its named components describe answers only (the bodies of the two writing calls stand inline), and they lose
    `required`: the stand-in says what the daemon reads and leaves out the rest, such as the dozens of links of a run.
    """

    def __init__(self, path: Path = FILE) -> None:
        whole = json.loads(path.read_text(encoding="utf-8"))
        self.version = whole["info"]["version"]
        paths = {REPOSITORY + each: whole["paths"][REPOSITORY + each] for each in USED}
        components: dict[str, dict[str, Any]] = {}
        waiting = list(_references(paths))
        while waiting:
            _, _, kind, name = waiting.pop().split("/")
            if name not in components.setdefault(kind, {}):
                component = components[kind][name] = _lenient(whole["components"][kind][name])
                waiting += _references(component)
        self._api = OpenAPI.from_dict({
            "openapi": whole["openapi"], "info": whole["info"], "servers": [{"url": BASE}], "paths": paths,
            "components": components})

    def check(self, request: Request, answer: Answer) -> bool:
        """Raise when the request or the answer is not as described; tell whether the answer was compared.

        Not listed are some refusals, 304 of most calls, and the raw form of a file that the workflow reads.
        """
        asked = _asked(request)
        self._api.validate_request(asked)
        if answer.content_type.startswith("application/vnd.github.raw"):
            return False
        try:
            self._api.validate_response(asked, _said(answer))
        except ResponseNotFound:
            assert answer.status == 304 or answer.status >= 400, (request.method, request.target, answer.status)
            return False
        except ResponseValidationError as error:
            why = [f"{each.json_path}: {each.message}" for each in getattr(error.__cause__, "schema_errors", ())]
            raise AssertionError(f"{request.method} {request.target}: {error} {why} {answer.body[:500]!r}") from error
        return True


def _asked(request: Request) -> Any:
    query = dict(request.query)
    return SimpleNamespace(
        host_url=BASE, path=request.path, method=request.method.lower(), body=request.body or None,
        content_type=request.headers.get("content-type", ""),
        parameters=RequestParameters(query=query, header=dict(request.headers), cookie={}, path={}))


def _said(answer: Answer) -> Any:
    kind = answer.content_type.partition(";")[0]
    return SimpleNamespace(data=answer.body, status_code=answer.status, content_type=kind,
                           headers=dict(answer.headers))


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _lenient(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _lenient(value) for key, value in node.items()
                if not (key == "required" and isinstance(value, list))}
    return [_lenient(each) for each in node] if isinstance(node, list) else node
