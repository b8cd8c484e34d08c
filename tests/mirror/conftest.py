"""The local engine between two registries of the sandbox, driven as the sync thread drives it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from wxsync.clock import SystemClock
from wxsync.jobs import reference
from wxsync.jobs.job import Job, advance
from wxsync.jobs.mirror.engine import LocalMirror
from wxsync.jobs.mirror.holders import Holders
from wxsync.jobs.mirror.lane import Registries
from wxsync.jobs.progress import Progress
from wxsync.jobs.results import Item
from wxsync.remote.address import Guard
from wxsync.remote.dialer import AUTO, Dialer, Policy
from wxsync.remote.http import HttpTransport, tls_context
from wxsync.remote.registry.endpoint import Sources, destination
from wxsync.remote.resolver import SystemResolver
from wxsync.sandbox.registry.access import BEARER
from wxsync.sandbox.registry.images import made
from wxsync.sandbox.registry.stand_in import Registry
from wxsync.store.files import DayList

NAMESPACE = "team"


def item(source: str, to: str = "", platforms: tuple[str, ...] = ()) -> Item:
    """Return an image as the job has it; the destination's name is the last part of its path unless told."""
    image = reference.parse(source)
    name = to or f"{image.path.rpartition('/')[2]}:{image.tag or 'pinned'}"
    return Item(image.short, image.source, name, platforms)


def job_of(*items: Item, number: int = 12) -> Job:
    now = datetime.now(timezone.utc)
    return Job(number, "sync", "zhangsan", "", now, state="announced", request_id=f"r{number}",
               started_at=now, items=items)


class HastyClock(SystemClock):
    """Waits a tenth of what is asked, and remembers what that was."""

    def __init__(self):
        self.waits = []

    def wait(self, event, timeout_s):
        self.waits.append(timeout_s)
        return super().wait(event, timeout_s / 10)


class Site:
    """A source that makes images, a destination, and engines between them; both registries are the operator's."""

    def __init__(self, directory, source, destination_at, *, user="", password="", mirrors=None, guard=None):
        self.directory, self.source, self.destination = directory, source, destination_at
        self.clock = HastyClock()
        self.progress = Progress()
        self.user, self.password = user, password
        self.mirrors = mirrors if mirrors is not None else [("*", f"http://{source}/{{host}}")]
        self.guard = guard or Guard(section="registry")
        self.logins = []
        self.resolver = SystemResolver(self.clock)
        self.engines = []
        self.steps = []

    def transport(self, policy):
        dialer = Dialer(self.clock, self.resolver, policy=policy)
        return HttpTransport(dialer, self.clock, user_agent="test", tls=tls_context())

    def engine(self, *, workers=4, deadline_s=60.0, kind=Registries, **options) -> LocalMirror:
        registries = kind(
            Sources(self.mirrors, self.logins), destination(f"http://{self.destination}", self.user, self.password),
            NAMESPACE, self.clock, operator=self.transport(AUTO),
            member=self.transport(Policy(through_proxy=True, guard=self.guard)))
        holders = Holders(self.directory / "blobs", self.destination)
        made_engine = LocalMirror(registries, holders, DayList(self.directory / "images.txt"), self.clock,
                                  self.progress, workers=workers, deadline_s=deadline_s, **options)
        self.engines.append(made_engine)
        return made_engine

    def run(self, *items: Item, engine=None, within_s=30.0, until=None, number=12) -> Job:
        """Take steps until the job is concluded, or until says so of it; return it."""
        engine = engine or self.engine()
        return self.go_on(engine, job_of(*items, number=number), within_s=within_s, until=until)

    def go_on(self, engine, job, *, within_s=30.0, until=None) -> Job:
        end = time.monotonic() + within_s
        job = replace(job, prefix=job.prefix or f"{self.destination}/{NAMESPACE}/")
        while job.state != "concluded" and not (until and until(job)):
            assert time.monotonic() < end, f"not concluded within {within_s} s: {job}"
            step = engine.step(job)
            if step.event is not None:
                self.steps.append(step.event)
                job = advance(job, step.event)
            else:
                time.sleep(min(step.again_s, 0.02))
        return job

    def close(self):
        for each in self.engines:
            each.stop(5)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("mirror-")]


class Pair(Site):
    """The same with the sandbox's registries, which can be told to misbehave."""

    def __init__(self, directory):
        self.from_, self.to = Registry(access=BEARER, maker=made), Registry(access=BEARER, is_pull_open=False)
        access = self.to.access
        super().__init__(directory, self.from_.address, self.to.address, user=access.user, password=access.password)

    def digest(self, name: str) -> str:
        """Return the digest of a NAME:TAG at the destination, empty when it is not there."""
        repository, _, tag = name.partition(":")
        there = self.to.content.repositories.get(f"{NAMESPACE}/{repository}")
        return there.tags.get(tag, "") if there else ""

    def is_whole(self) -> bool:
        """Tell whether nothing at the destination is broken: neither a tag nor a blob."""
        return not self.to.content.faults() and not self.to.content.uploads

    def close(self):
        super().close()
        self.from_.close()
        self.to.close()


@pytest.fixture
def pair(tmp_path):
    made_pair = Pair(tmp_path)
    yield made_pair
    made_pair.close()


def cancelled(job: Job, by: str = "zhangsan") -> Job:
    return replace(job, cancelled_by=by)
