"""The list of actions for each command; the same list is printed by --dry-run and carried out by the real run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from installer import actions, record
from installer.actions import Action
from installer.checks import Wish
from installer.configuration import Configuration, secret_names
from installer.host import Host
from installer.laying import lay
from installer.layout import SERVICE, SOCKETS, UNITS, Layout
from installer.package import Package
from installer.record import Record
from installer.site import Site

KEPT_VERSIONS = 2


@dataclass(frozen=True)
class Plan:
    """steps: in order. back: what to do instead of the rest when the service is not healthy. last: when it is."""

    steps: tuple[Action, ...]
    back: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()
    next_steps: tuple[str, ...] = field(default=())


def install(
    site: Site, package: Package, host: Host, configuration: Configuration, wish: Wish, *,
    user_exists: Callable[[str], bool],
) -> Plan:
    """Return what makes this release the one that runs; empty when it is already.

    A kill between any two steps leaves a version that starts: `current` leads to a whole directory at any time. The
    link moves before the units, for a new program understands the unit before it, and not the other way round.
    """
    layout, version = site.layout, package.version
    running, is_active = layout.running(), site.systemctl.is_active()
    wanted = _record(layout, host, wish, user_exists)
    steps = [*_files(site, package, host), *_example(layout, package)]
    if wanted.user and not user_exists(wanted.user):
        steps.append(site.make_user(wanted.user))
    changing = list(_changes(site, package, host, wanted))
    steps += changing
    launcher = f"{layout.prefix}/current/bin/wxsyncd"
    if not layout.link.is_symlink() or str(layout.link.readlink()) != launcher:
        steps.append(actions.link(layout.link, launcher))
    if not running or not site.systemctl.is_enabled():
        steps.append(site.enable())
    # A run that was cut off may have changed everything but what runs.
    is_stale = bool(changing) or site.serving() not in {"", version}
    is_due = is_stale if is_active else configuration.exists and not running
    if wish.starts and site.systemctl.is_booted and is_due:
        steps.append(site.start("restart" if is_active else "start"))
    back = tuple(_switch_back(site, running)) if running and running != version else ()
    return Plan(tuple(steps), back, tuple(_prune(layout, version, running)), _next_steps(configuration))


def rollback(site: Site, target: str, *, starts: bool) -> Plan:
    """Return what makes an older version that is still laid the one that runs."""
    is_active, sockets = site.systemctl.is_active(), site.active_sockets()
    states = site.needs_restore(target)
    steps: list[Action] = []
    if states:
        steps += [site.stop(sockets)] if is_active or sockets else []
        steps.append(site.restore_state(*states))
    # The older program need not understand the newer unit: here the units go first.
    steps += [*site.write_units(site.units_of(target)), site.switch(target), site.reload_units()]
    if starts:
        steps += site.start_sockets(sockets) if states else ()
        steps += [site.start("restart")] if is_active else []
    return Plan(tuple(steps))


def uninstall(site: Site, memory: Record | None, *, purges: bool) -> Plan:
    """Return what removes the program; configuration and state stay unless purged."""
    layout, systemctl = site.layout, site.systemctl
    steps: list[Action] = []
    present = [unit for unit in (*SOCKETS, SERVICE) if (layout.units / unit).exists()]
    if present:
        verb = ("disable", "--now") if systemctl.is_booted else ("disable",)
        orders = (*verb, *present)
        steps.append(Action(f"systemctl {' '.join(orders)}", lambda: systemctl.order(*orders)))
    files = [layout.units / unit for unit in UNITS]
    if layout.link.is_symlink() and str(layout.link.readlink()) == f"{layout.prefix}/current/bin/wxsyncd":
        files.append(layout.link)
    steps += [actions.remove(path) for path in (*files, layout.drop_in, layout.current) if _is_there(path)]
    if layout.drop_in.parent.exists():
        steps.append(actions.remove_if_empty(layout.drop_in.parent))
    if layout.versions.exists():
        steps.append(actions.remove(layout.versions))
    if layout.home.exists():
        steps.append(actions.remove_if_empty(layout.home))
    if steps and systemctl.is_booted:
        steps += [site.reload_units(), site.forget_failures()]
    if purges:
        steps += [actions.remove(path) for path in layout.kept if _is_there(path)]
        if memory and memory.user and memory.made_user:
            steps.append(site.remove_user(memory.user))
    return Plan(tuple(steps))


def _changes(site: Site, package: Package, host: Host, wanted: Record) -> Iterator[Action]:
    """Yield what a running service would have to be restarted for."""
    layout = site.layout
    changes = [site.switch(package.version)] if layout.running() != package.version else []
    changes += site.write_units(site.unit_texts(package.directory / "systemd"))
    text = record.drop_in(wanted, secret_names(layout), host.systemd)
    if not layout.drop_in.exists() or layout.drop_in.read_text(encoding="utf-8") != text:
        changes.append(actions.write(layout.drop_in, text, 0o644))
    yield from changes
    if changes or site.systemctl.needs_reload():
        yield site.reload_units()


def _record(layout: Layout, host: Host, wish: Wish, user_exists: Callable[[str], bool]) -> Record:
    """Return how this installation is: as asked for now, else as before, else as the machine allows."""
    before = record.remembered(layout.drop_in)
    user = wish.user or (before.user if before else "")
    if not user and host.systemd < record.DYNAMIC_SINCE:
        user = "wxsyncd"
    made = bool(user) and (not user_exists(user) or bool(before and before.made_user and before.user == user))
    return Record(layout.prefix, user, made)


def _files(site: Site, package: Package, host: Host) -> Iterator[Action]:
    if not (site.layout.versions / package.version).is_dir():
        yield lay(site.layout, package, host.machine, host.python)


def _example(layout: Layout, package: Package) -> Iterator[Action]:
    """Lay the example beside the configuration, which is never touched."""
    if not layout.configuration.exists():
        yield actions.make_directory(layout.configuration, 0o755)
    if not layout.secrets.exists():
        yield actions.make_directory(layout.secrets, 0o700)
    text = (package.directory / "wxsync.conf.example").read_text(encoding="utf-8")
    example = layout.configuration / "wxsync.conf.example"
    if not example.exists() or example.read_text(encoding="utf-8", errors="replace") != text:
        yield actions.write(example, text, 0o644)


def _switch_back(site: Site, version: str) -> Iterator[Action]:
    """Yield the way back to the version that ran before; whole texts, since the units were changed by then."""
    sockets = site.active_sockets()
    yield site.stop(sockets)
    yield site.restore_state_if_needed(version)
    yield from (actions.write(path, text, 0o644) for path, text in site.units_of(version).items())
    yield site.switch(version)
    yield site.reload_units()
    yield from site.start_sockets(sockets)
    yield site.start("restart")


def _prune(layout: Layout, version: str, running: str) -> Iterator[Action]:
    """Keep this version and the one before it."""
    others = [each for each in layout.installed() if each not in {version, running}]
    kept = [running] if running and running != version else others[-(KEPT_VERSIONS - 1):]
    for each in others:
        if each not in kept:
            yield actions.remove(layout.versions / each)


def _next_steps(configuration: Configuration) -> tuple[str, ...]:
    if configuration.exists:
        return ("journalctl -u wxsyncd -f        # 看日志", "wxsyncd check-config             # 回调地址、时区、各部分")
    return (
        "install -m 600 /etc/wxsyncd/wxsync.conf.example /etc/wxsyncd/wxsync.conf",
        "vi /etc/wxsyncd/wxsync.conf      # 去掉要改的行前面的 #，填上自己的值；旧的 .env 用 wxsyncd import-env 转换",
        "wxsyncd check-config             # 逐项检查",
        "systemctl start wxsyncd",
    )


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
