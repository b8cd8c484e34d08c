"""The commands of install.sh, their options and what they print (Chinese)."""

from __future__ import annotations

import argparse
import fcntl
import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from installer import checks, configuration, plans, ports, record
from installer.actions import Action, Failed
from installer.checks import Wish
from installer.host import Host, look
from installer.layout import DEFAULT_PREFIX, SERVICE, SOCKETS, Layout, order
from installer.package import Package
from installer.plans import Plan
from installer.site import Site, Unhealthy
from installer.systemctl import Systemctl, is_booted

OK, FAILED, USAGE, NOT_RUNNING = 0, 1, 2, 3
COMMANDS = {
    "install": "安装；已经装好的就改到这个版本（不写命令时就是它）",
    "upgrade": "升级：换到这个版本，不健康就自动换回来；配置和状态不动",
    "rollback": "退回还保留着的上一个版本",
    "status": "显示版本、服务和配置的情况",
    "uninstall": "卸载；保留配置和状态，--purge 连它们一起删除",
}


@dataclass(frozen=True)
class Surroundings:
    """The machine that is worked on. package: the unpacked release that this installer came with.

    python: the interpreter that the service will use.
    """

    package: Path
    is_root: bool
    python: str
    root: Path = Path("/")
    systemctl: str = "systemctl"


def main(argv: Sequence[str], around: Surroundings) -> int:
    """Run one command; return its exit status."""
    os.umask(0o022)
    arguments = _parser().parse_args(argv)
    memory = record.remembered(Layout(around.root, DEFAULT_PREFIX).drop_in)
    prefix = (arguments.prefix or (memory.prefix if memory else "") or DEFAULT_PREFIX).rstrip("/")
    if memory and memory.prefix and prefix != memory.prefix:
        _say(f"已经安装在 {memory.prefix}：先卸载，或不写 --prefix")
        return FAILED
    layout = Layout(around.root, prefix)
    systemctl = Systemctl(around.systemctl, is_booted=is_booted(around.root))
    run = _Run(arguments, around, layout, systemctl)
    try:
        with _alone(layout, is_changing=around.is_root and not arguments.dry_run and arguments.command != "status"):
            return run.command()
    except Failed as error:
        _say(f"失败：{error}")
    except OSError as error:
        _say(f"失败：{error.filename or ''} {error.strerror or error}")
    return FAILED


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items())
    parser = _Parser(
        usage=argparse.SUPPRESS, add_help=False, description=f"用法：./install.sh [命令] [选项]\n\n命令：\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser._optionals.title = "选项"
    parser.add_argument("command", nargs="?", default="install", choices=COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("-h", "--help", action="help", help="显示这段帮助")
    parser.add_argument("--dry-run", action="store_true", help="只打印要做的事，什么都不改")
    parser.add_argument("--prefix", metavar="DIR", help=f"程序目录（默认 {DEFAULT_PREFIX}）")
    parser.add_argument("--user", metavar="NAME", default="", help="以这个系统用户运行（没有就建立），不用动态用户")
    parser.add_argument("--no-start", action="store_true", help="不启动、不重启服务")
    parser.add_argument("--purge", action="store_true", help="uninstall 时连配置和状态一起删除")
    return parser


class _Parser(argparse.ArgumentParser):
    """Says in Chinese that it did not understand."""

    def error(self, message: str) -> NoReturn:
        """End with the usage status; argparse's own words say which argument it is."""
        self.exit(USAGE, f"看不懂的命令或选项，什么都没有改（{message}）\n"
                         "用法：./install.sh [命令] [选项]，列出全部：./install.sh --help\n")


class _Run:
    """One command on one machine."""

    def __init__(
        self, arguments: argparse.Namespace, around: Surroundings, layout: Layout, systemctl: Systemctl
    ) -> None:
        self._arguments = arguments
        self._around = around
        self._package = Package(around.package)
        self._layout = layout
        self._systemctl = systemctl

    def command(self) -> int:
        """Run it; return the exit status. Raises Failed and OSError."""
        commands = {
            "install": self._install, "upgrade": self._install, "rollback": self._rollback, "status": self._status,
            "uninstall": self._uninstall}
        return commands[self._arguments.command]()

    def _install(self) -> int:
        arguments, package = self._arguments, self._package
        wish = Wish(arguments.command == "upgrade", arguments.user, not arguments.no_start)
        settings = configuration.read(self._layout)
        host = look(self._layout, self._systemctl, is_root=self._around.is_root, python=self._around.python)
        found = [*checks.problems(self._layout, package, host, settings, wish, port_holder=ports.holder)]
        if arguments.purge:
            found.append("--purge 只用于 uninstall")
        if found:
            return _refuse(found)
        running = self._layout.running()
        _say(f"wxsyncd {package.version}，Python {host.python_version}（{host.python}），systemd {host.systemd}，"
             f"{host.machine}，{' '.join((host.libc[0], '.'.join(map(str, host.libc[1]))))}")
        for remark in checks.remarks(settings, host):
            _say(f"注意：{remark}")
        plan = plans.install(self._site(settings.state_dir), package, host, settings, wish, user_exists=_user_exists)
        if not plan.steps and not plan.last:
            _say(f"{package.version} 已经装好，没有要做的。")
            return self._tell_running(settings.exists)
        status = self._carry_out(plan)
        if status == OK and not arguments.dry_run:
            _say(f"完成：{f'{running} → ' if running not in {'', package.version} else ''}{package.version}")
            self._tell_next(plan, host, has_configuration=settings.exists)
        return status

    def _rollback(self) -> int:
        running = self._layout.running()
        older = [each for each in self._layout.installed() if running and order(each) < order(running)]
        if not older:
            return _refuse([f"没有更早的版本可以退回（现在是 {running or '没有安装'}）"])
        if not self._around.is_root:
            return _refuse(["要以 root 运行"])
        plan = plans.rollback(self._site(), older[-1], starts=not self._arguments.no_start)
        forward = f"{self._layout.prefix}/versions/{running}/install.sh upgrade"
        status = self._carry_out(plan, f"；或回到 {running}：{forward}")
        if status == OK and not self._arguments.dry_run:
            _say(f"完成：{running} → {older[-1]}；再升级用 {forward}")
        return status

    def _uninstall(self) -> int:
        if not self._around.is_root:
            return _refuse(["要以 root 运行"])
        plan = plans.uninstall(self._site(), record.remembered(self._layout.drop_in), purges=self._arguments.purge)
        if not plan.steps:
            _say("没有安装，没有要做的。")
            return OK
        status = self._carry_out(plan)
        if status == OK and not self._arguments.dry_run:
            left = [str(path) for path in self._layout.kept if path.exists()]
            _say(f"已卸载。{'保留了 ' + '、'.join(left) + '；一起删除用 uninstall --purge。' if left else ''}")
        return status

    def _status(self) -> int:
        layout, systemctl = self._layout, self._systemctl
        running = layout.running()
        if not running:
            _say("没有安装。")
            return NOT_RUNNING
        settings = configuration.read(layout)
        _say(f"版本：{running}（{layout.prefix}；保留着 {'、'.join(layout.installed())}）")
        is_active = systemctl.is_active()
        site = self._site(settings.state_dir)
        trouble = site.trouble() if is_active else ""
        _say(f"服务：{'在运行' if is_active else '没有运行'}，{'' if systemctl.is_enabled() else '不'}随系统启动")
        if is_active:
            _say(f"健康：{trouble or '正常'}（正在运行的是 {site.serving() or '?'}）")
        for socket in SOCKETS:
            if systemctl.is_active(socket):
                _say(f"套接字：{socket}")
        shown = "、".join(settings.problems) or "正确"
        _say(f"配置：{layout.config_file} {shown if settings.exists else '还没有'}")
        return OK if is_active and not trouble else NOT_RUNNING

    def _site(self, state_dir: str = "") -> Site:
        layout = self._layout
        if not state_dir:
            state_dir = configuration.read(layout).state_dir
        return Site(layout, self._systemctl, layout.at(state_dir) if state_dir else layout.state)

    def _carry_out(self, plan: Plan, way_out: str = "") -> int:
        if self._arguments.dry_run:
            _say("将要（--dry-run，什么都没有改）：")
            for action in (*plan.steps, *plan.last):
                _say(f"  {action.text}")
            return OK
        try:
            _do(plan.steps)
        except Unhealthy as why:
            _say(f"失败：{why}")
            if not plan.back:
                _say("下一步：按上面的原因改正，再 systemctl restart wxsyncd" + way_out)
                return FAILED
            _say("换回原来的版本：")
            _do(plan.back)
            _say("已经换回原来的版本，它在正常运行；新版本的目录保留着，便于查原因。")
            return FAILED
        _do(plan.last)
        return OK

    def _tell_next(self, plan: Plan, host: Host, *, has_configuration: bool) -> None:
        if not host.is_booted:
            _say("systemd 没有在运行，服务没有启动。")
        elif has_configuration:
            self._tell_running(has_configuration)
        else:
            _say("还没有配置，服务没有启动。")
        _say("下一步：")
        for line in plan.next_steps:
            _say(f"  {line}")

    def _tell_running(self, has_configuration: bool) -> int:
        if self._systemctl.is_active():
            _say("服务在运行。")
        elif has_configuration:
            _say(f"服务没有运行：systemctl start {SERVICE.partition('.')[0]}")
        return OK


def _do(actions: Sequence[Action]) -> None:
    for action in actions:
        _say(f"  {action.text}")
        action.act()


def _refuse(problems: Sequence[str]) -> int:
    _say("什么都没有改，先解决：")
    for problem in problems:
        _say(f"  {problem}")
    return FAILED


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextmanager
def _alone(layout: Layout, *, is_changing: bool) -> Iterator[None]:
    """Keep a second installer away while this one changes something. Raises Failed."""
    if not is_changing:
        yield
        return
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Failed("另一个安装程序正在运行，等它结束") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _say(text: str) -> None:
    """Print it; what the service wrote may be in it, and must not steer root's terminal."""
    print("".join(each if each.isprintable() or each in "\n\t" else "?" for each in text), flush=True)


def run(arguments: Sequence[str]) -> int:
    """Entry for install.sh: the first argument is the release's directory. Texts are UTF-8 in any locale."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    return main(arguments[1:], Surroundings(Path(arguments[0]), os.geteuid() == 0, sys.executable))
