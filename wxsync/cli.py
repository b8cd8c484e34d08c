"""The command line: one function a command, exit statuses as documented. Floor: cli."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from wxsync.clock import SystemClock
from wxsync.commands import jobs
from wxsync.commands.office import Away
from wxsync.config import migrate
from wxsync.config.load import Loaded, load
from wxsync.config.report import report
from wxsync.config.sources import surroundings
from wxsync.daemon import migration, web_process
from wxsync.daemon.front import crypto_of_bot
from wxsync.daemon.service import Daemon
from wxsync.daemon.state_dir import Busy
from wxsync.daemon.supervision import take
from wxsync.errors import ConfigError, InputMissing, WxsyncError
from wxsync.log.output import Output, is_journal, setup
from wxsync.options.settings import Settings
from wxsync.version import VERSION

OK, FAILED, USAGE, PARTLY, BUSY, BAD_CONFIGURATION = 0, 1, 2, 3, 75, 78
STDERR = 2
STDOUT = 1
WEB_PROCESS = "web-process"
SOURCES = {
    "--config": "配置文件",
    "--env-file": "代替当前目录 .env 的环境文件",
    # For the systemd unit, which runs on a copy of the file; not in --help.
    "--config-origin": argparse.SUPPRESS,
}
USAGE_FAULTS = (  # what argparse says, and the same in Chinese
    (re.compile(r"argument COMMAND: invalid choice: (\S+)"), "没有命令 {0}"),
    (re.compile(r"argument (\S+): invalid choice: (\S+)"), "{0} 不能是 {1}"),
    (re.compile(r"argument (\S+): invalid int value: (\S+)"), "{0} 不是整数：{1}"),
    (re.compile(r"argument (\S+): expected (?:one|at least one) argument"), "{0} 后面要写值"),
    (re.compile(r"the following arguments are required: (.+)"), "缺少参数 {0}"),
    (re.compile(r"unrecognized arguments: (.+)"), "不认识的参数 {0}"),
)
ENTRY = Path(__file__).resolve().parents[1] / "wxsyncd.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (0 ok, 1 failed, 2 usage, 3 partly, 75 busy, 78 configuration)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command_function(arguments))
    except (Away, Busy) as busy:
        return _complain(busy, BUSY)
    except InputMissing as error:
        return _complain(error, USAGE)
    except ConfigError as error:
        return _complain(error, BAD_CONFIGURATION)
    except WxsyncError as error:
        return _complain(error, FAILED)


def _complain(error: WxsyncError, status: int) -> int:
    """Print the error, to the journal as one (sd-daemon(3): a line's priority); return the status."""
    mark = "<3>" if is_journal(os.environ, STDERR) else ""
    print("\n".join(mark + line for line in str(error).split("\n")), file=sys.stderr)
    return status


def _usage_fault(message: str) -> str:
    """Return in Chinese what argparse says of wrong arguments, without the list that has the internal command."""
    for pattern, words in USAGE_FAULTS:
        match = pattern.match(message[:1000])
        if match:
            return words.format(*match.groups())
    return f"参数不对（{message}）"


class _ChineseHelp(argparse.HelpFormatter):
    """Operators read Chinese; argparse's own words are English."""

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[Any], prefix: str | None = None
    ) -> None:
        """Begin the usage line in Chinese."""
        super().add_usage(usage, actions, groups, "用法：" if prefix is None else prefix)


class _Parser(argparse.ArgumentParser):
    """The same for the whole command line and for each command; has_sources: --config and --env-file too."""

    def error(self, message: str) -> NoReturn:
        """End with the usage and the fault, in Chinese."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{_usage_fault(message)}；见 {self.prog} --help\n")

    def __init__(self, *, has_sources: bool = True, **given: Any) -> None:
        super().__init__(add_help=False, formatter_class=_ChineseHelp, **given)
        self._optionals.title = "选项"
        self._positionals.title = "参数"
        self.add_argument("-h", "--help", action="help", help="显示这段帮助")
        for name, meaning in SOURCES.items() if has_sources else ():
            # They may stand before or after the command; SUPPRESS keeps the later parser from wiping out the earlier.
            self.add_argument(name, metavar="FILE", default=argparse.SUPPRESS, help=meaning)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="wxsyncd", description="企业微信镜像同步机器人和回调转发")
    parser.add_argument("--version", action="version", version=f"wxsyncd {VERSION}", help="显示版本")
    parser.set_defaults(command_function=_run)
    commands = parser.add_subparsers(title="命令", metavar="COMMAND", parser_class=_Parser)
    run = commands.add_parser("run", help="前台运行（不写命令时就是它）")
    run.set_defaults(command_function=_run)
    check = commands.add_parser("check-config", help="检查配置，打印回调地址、时区和下一次清空时间")
    check.set_defaults(command_function=_check_config)
    move = commands.add_parser("import-env", help="把旧程序的 .env（可以几个）变成配置文件，带入旧的 images.txt")
    move.add_argument("env", nargs="*", metavar=".env", help="旧的 .env；重复的名字以后面的文件为准")
    move.add_argument("--output", metavar="FILE", help="写到这个新文件（0600）；不写则打印，终端和管道里不显示口令")
    move.add_argument("--images", metavar="FILE", help="把旧的 images.txt 放进状态目录，要先停止服务")
    move.add_argument("--example", action="store_true", help="打印 .env 的模板")
    move.set_defaults(command_function=_import_env)
    jobs.add_to(commands, _job_command)
    demo = commands.add_parser("demo", has_sources=False, help="在内置沙箱上演示，不需要账号")
    demo.add_argument("--message", metavar="TEXT", help="发送这条消息并打印聊天；不写则打开聊天网页")
    demo.add_argument(
        "--engine", choices=("local", "actions"), default="local",
        help="local：真的在两个本机仓库之间复制（默认）；actions：演示 GitHub Actions 的方式")
    demo.set_defaults(command_function=_demo)
    web = commands.add_parser(WEB_PROCESS)  # of the daemon itself: not in --help
    web.add_argument("state_dir")
    web.add_argument("inherited")
    web.set_defaults(command_function=_web_process)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    supervision = take(os.environ, os.getpid())
    loaded = _load(arguments)
    daemon = Daemon(
        loaded.settings,
        SystemClock(),
        load=lambda: _load(arguments).settings,
        log_to=_log_to,
        web_process=[sys.executable, "-I", str(ENTRY), *_sources(arguments), WEB_PROCESS],
        supervision=supervision,
    )
    return daemon.run()


def _log_to(settings: Settings) -> Output:
    return setup(settings.log, settings.secrets(), os.environ)


def _job_command(arguments: argparse.Namespace) -> int:
    return jobs.run(arguments, _load(arguments).settings, SystemClock(), _log_quietly)


def _log_quietly(settings: Settings) -> Output:
    """Send the log of a command's own jobs to the log file; where there is none, only errors."""
    level = settings.log.level if settings.log.file else "error"
    return _log_to(replace(settings, log=replace(settings.log, level=level)))


def _sources(arguments: argparse.Namespace) -> list[str]:
    """Return the options that lead another process to the same configuration."""
    given = {name: name[2:].replace("-", "_") for name in SOURCES}
    return [part for name, key in given.items() if hasattr(arguments, key) for part in (name, getattr(arguments, key))]


def _web_process(arguments: argparse.Namespace) -> int:
    settings = _load(arguments).settings
    _log_to(settings)
    return web_process.run(settings, SystemClock(), arguments.inherited, Path(arguments.state_dir))


def _check_config(arguments: argparse.Namespace) -> int:
    try:
        loaded = _load(arguments)
        if loaded.settings.has_bot:
            crypto_of_bot()
    except ConfigError as error:
        print(error)
        return BAD_CONFIGURATION
    now_local = datetime.now().astimezone()
    print(report(loaded.settings, loaded.sources, loaded.warnings, now_local), end="")
    return OK


def _import_env(arguments: argparse.Namespace) -> int:
    if bool(arguments.env or arguments.images) == arguments.example:
        print("写上旧的 .env 或 --images FILE，或单独写 --example；见 wxsyncd import-env --help", file=sys.stderr)
        return USAGE
    if arguments.example:
        _hand_out(arguments.output, lambda _: migrate.template())
        return OK
    around = surroundings(os.environ, is_root=os.geteuid() == 0)
    is_whole = True
    if arguments.env:
        found = migration.read_env(arguments.env, around)
        _hand_out(arguments.output, lambda is_private: migrate.conf(found, hides_secrets=not is_private))
        for line in (*map(str, found.problems), *(f"提醒：{remark}" for remark in found.remarks)):
            print(line, file=sys.stderr)
        is_whole = not found.problems
    if arguments.images:
        settings = found.settings if arguments.env else _load(arguments).settings
        taken = migration.take_list(Path(arguments.images), Path(settings.server.state_dir))
        print(f"已带入 {taken.images} 个镜像：{taken.path}", file=sys.stderr)
        for bad in taken.bad_lines:
            print(f"读不懂，改成了注释：{bad.written}（{bad.reason}）", file=sys.stderr)
        is_whole = is_whole and not taken.bad_lines
    return OK if is_whole else PARTLY


def _hand_out(output: str | None, text: Callable[[bool], str]) -> None:
    """Write the text to a new file of the owner's alone, or to stdout. text: of whether nobody else will see it."""
    if output:
        migration.write_new(Path(output), text(True))
        print(f"已写入 {output}", file=sys.stderr)
        return
    is_private = migration.make_private(STDOUT)
    print(text(is_private), end="")


def _load(arguments: argparse.Namespace) -> Loaded:
    origin = getattr(arguments, "config_origin", "")
    around = surroundings(os.environ, is_root=os.geteuid() == 0, config_origin=origin)
    return load(getattr(arguments, "config", None), getattr(arguments, "env_file", None), around)


def _demo(arguments: argparse.Namespace) -> int:
    # Here and not at the top: the daemon never loads its own stand-ins.
    from wxsync.sandbox import demo  # noqa: PLC0415

    return demo.run(
        arguments.message,
        python=sys.executable,
        entry=ENTRY,
        out=sys.stdout,
        environ=os.environ,
        engine=arguments.engine,
    )
