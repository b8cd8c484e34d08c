"""Build the engine that mirrors, and what asks the sources before it, as the settings choose. Floor: daemon."""

from __future__ import annotations

from pathlib import Path

from wxsync.clock import Clock
from wxsync.daemon.outbound import Outbound
from wxsync.jobs.engine import Engine, SwitchedOff
from wxsync.jobs.mirror.engine import LocalMirror
from wxsync.jobs.mirror.holders import Holders
from wxsync.jobs.mirror.lane import Registries
from wxsync.jobs.precheck import Precheck
from wxsync.jobs.progress import Progress
from wxsync.jobs.sync import ActionsSync
from wxsync.options.settings import Settings
from wxsync.remote.github.client import GitHub
from wxsync.remote.registry.endpoint import Sources, destination
from wxsync.store.files import DayList

HOLDERS = "mirror-blobs"  # in the state directory


def engine_of(
    settings: Settings,
    github: GitHub | None,
    day_list: DayList,
    clock: Clock,
    registries: Registries | None,
    *,
    state_dir: Path,
    progress: Progress,
) -> Engine:
    """Return GitHub's runners, this process itself, or the engine that refuses. registries: None without a mirror."""
    if settings.engine == "local" and registries is not None:
        return LocalMirror(
            registries,
            Holders(state_dir / HOLDERS, settings.registry.host),
            day_list,
            clock,
            progress,
            workers=settings.sync.workers,
            deadline_s=settings.sync.deadline,
        )
    if github is None:
        return SwitchedOff()
    return ActionsSync(
        github,
        day_list,
        clock,
        poll_s=settings.github.poll,
        wait_s=settings.github.wait,
        follow_s=settings.github.follow,
    )


def precheck_of(settings: Settings, clock: Clock, registries: Registries | None) -> Precheck | None:
    """Return what asks the sources before a sync starts, None where nothing is to be asked."""
    return Precheck(registries, clock) if registries is not None and settings.registry.precheck else None


def registries_of(settings: Settings, clock: Clock, ways: Outbound) -> Registries | None:
    """Return the sources and the destination, None without a mirror; pre-check and engine share their tokens."""
    if not settings.has_mirror:
        return None
    registry = settings.registry
    return Registries(
        Sources(registry.mirrors, registry.source_auth),
        destination(registry.registry, registry.username, registry.password),
        registry.namespace,
        clock,
        operator=ways.own_registries,
        member=ways.registries,
    )
