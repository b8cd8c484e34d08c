"""Take a workflow_dispatch as GitHub does: what it refuses, and the run that it starts. Floor: sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wxsync.sandbox.github import workflow
from wxsync.sandbox.github.answers import Refusal, json_object
from wxsync.sandbox.github.repository import Repository
from wxsync.sandbox.github.runs import Pace, Run
from wxsync.sandbox.github.workflow import NO_SUCH, Verdict
from wxsync.sandbox.server import Request

MAX_INPUTS = 65535


@dataclass(frozen=True)
class Dispatch:
    """One dispatch that was taken."""

    run_id: int
    ref: str
    inputs: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """The input that names the block of images.txt."""
        return self.inputs.get("request_id", "")


class Dispatching:
    """Knows the workflow file's state; tests set the attributes.

    details: "answer" (200 with the run's ids when asked), "ignore" (an older server: 204) or "refuse" (422 on the
    unknown key). is_there: False answers 404. inputs: those that the workflow declares, None when it has no
    workflow_dispatch trigger.
    """

    def __init__(self, repository: Repository, workflow_file: str, now: Callable[[], float]) -> None:
        self.pace = Pace()
        self.details = "answer"
        self.inputs: frozenset[str] | None = workflow.INPUTS
        self.is_there = True
        self.is_enabled = True
        self.actions_enabled = True
        self.verdicts: tuple[Verdict, ...] = (NO_SUCH,)
        self.secrets: dict[str, str] = dict.fromkeys(workflow.SECRETS, "")
        self.taken: list[Dispatch] = []
        self.workflow_file = workflow_file
        self._repository = repository
        self._now = now

    def check(self, request: Request) -> tuple[str, dict[str, str], bool]:
        """Return ref, inputs and whether the run's ids are wanted; Refusal as GitHub words it."""
        body = json_object(request)
        self._check_workflow()
        known = {"ref", "inputs"} | ({"return_run_details"} if self.details != "refuse" else set())
        if unknown := sorted(body.keys() - known):
            raise Refusal(422, f'Invalid request.\n\n"{unknown[0]}" is not a permitted key.')
        ref, inputs = body.get("ref"), body.get("inputs", {})
        if not isinstance(ref, str) or not ref:
            raise Refusal(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
        if self._repository.find(ref) is None or re.fullmatch("[0-9a-f]{40}", ref):
            raise Refusal(422, f"No ref found for: {ref}")
        return ref, self._inputs(inputs), bool(body.get("return_run_details")) and self.details == "answer"

    def start(self, ref: str, inputs: dict[str, str], number: int, present: Mapping[str, str]) -> Run:
        """Make the run: the plan is read at the commit that the inputs name, else at the ref's head."""
        head = self._repository.history(ref)[0]
        source = self._repository.find(inputs["commit"]) if inputs.get("commit") else head
        content = source.files.get("images.txt") if source else None
        plan = workflow.plan(content, inputs, self.secrets, self.verdicts, present)
        run = Run(17_000_000_000 + number, number, inputs.get("request_id", ""), head.branch, head.sha,
                  self._now(), self.pace, plan)
        self.taken.append(Dispatch(run.id, ref, inputs))
        return run

    def _check_workflow(self) -> None:
        if not self.actions_enabled:
            raise Refusal(422, "Actions has been disabled for this repository.")
        if not self.is_enabled:
            raise Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
        if self.inputs is None:
            raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")

    def _inputs(self, inputs: object) -> dict[str, str]:
        if not isinstance(inputs, dict) or not all(isinstance(value, str) for value in inputs.values()):
            raise Refusal(422, "Invalid request.\n\nFor 'properties/inputs', values must be strings.")
        if unknown := sorted(inputs.keys() - (self.inputs or frozenset())):
            raise Refusal(422, f"Unexpected inputs provided: {unknown}".replace("'", '"'))
        if sum(len(value) for value in inputs.values()) > MAX_INPUTS:
            raise Refusal(422, "inputs are too large.")
        return dict(inputs)
