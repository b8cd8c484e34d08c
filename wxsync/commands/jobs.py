"""The commands jobs, sync and upload: their arguments, and what each does. Floor: cli."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wxsync.clock import Clock
from wxsync.commands import requests, shown
from wxsync.commands.follow import Interrupts, follow
from wxsync.commands.handed_in import HandedIn
from wxsync.commands.office import Office, office
from wxsync.commands.requests import Unusable
from wxsync.commands.screen import Screen
from wxsync.errors import MemberError
from wxsync.options.settings import Settings

USAGE = 2
MOST_LISTED = 100
STATUSES = "退出状态：0 全部成功，1 失败，2 用法不对，3 部分成功，75 守护进程忙或不在，78 配置有错。"
WAY = "有守护进程在运行时由它来做，没有时由本命令自己做。按 Ctrl-C 取消任务。" + STATUSES
LogTo = Callable[[Settings], object]


def add_to(commands: Any, command_function: Callable[[argparse.Namespace], int]) -> None:
    """Add the three commands to the parser's; command_function gives the arguments of each to `run`."""
    jobs = commands.add_parser("jobs", help="查看任务，取消或重试任务", epilog=STATUSES)
    jobs.add_argument(
        "what", nargs="*", metavar="N | cancel N | retry N",
        help="任务号；不写则列出最近的任务；cancel 取消，retry 重试",
    )  # fmt: skip
    jobs.add_argument("--limit", type=int, default=20, metavar="N", help="最多列出几个（1 到 100，默认 20）")
    jobs.add_argument("--before", type=int, metavar="N", help="只列出任务号小于 N 的")
    jobs.set_defaults(job_command=_jobs)
    sync = commands.add_parser("sync", help="同步镜像，写法与聊天消息相同", epilog=WAY)
    sync.add_argument("images", nargs="*", metavar="IMAGE", help="例如 nginx:latest、'nginx:1.27 -> web:v3'")
    sync.add_argument("--platform", default="", metavar="P", help="平台，例如 linux/arm64 或 linux/amd64,linux/arm64")
    sync.add_argument("--file", metavar="FILE", help="从清单（images.txt 的格式，可有注释）读取镜像")
    sync.set_defaults(job_command=_sync)
    upload = commands.add_parser("upload", help="把链接指向的文件或本机文件上传到对象存储", epilog=WAY)
    upload.add_argument("sources", nargs="+", metavar="URL|FILE", help="链接或本机文件，可以几个")
    upload.set_defaults(job_command=_upload)
    for each in (jobs, sync, upload):
        each.add_argument("--json", action="store_true", help="用 JSON 打印结果")
        each.set_defaults(command_function=command_function)


class Runner:
    """What the commands share: settings, clock, Ctrl-C, and where their lines go. Used by the main thread."""

    def __init__(self, settings: Settings, clock: Clock, log_to: LogTo, *, is_json: bool) -> None:
        self.clock = clock
        self.interrupts = Interrupts()
        self.is_json = is_json
        self._settings = settings
        self._log_to = log_to

    def office(self, *, runs: bool) -> Any:
        """Return the context of the jobs; see `commands.office`."""
        return office(self._settings, self.clock, runs=runs, log_to=self._log_to)

    def finish(self, where: Office, numbers: Sequence[int], kind: str = "") -> int:
        """Follow the jobs to their end and print what they brought about; return the exit status."""
        screen = Screen(sys.stderr, self.clock)
        ended = follow(where, numbers, screen, self.interrupts, self.clock)
        for job in ended:
            good, bad = shown.result(job)
            if not self.is_json and good:
                print("\n".join(good))
            if bad:
                print("\n".join(bad), file=sys.stderr)
        if self.is_json:
            print_json({"jobs": ended})
        return shown.together([shown.status(job, kind) for job in ended])


def run(arguments: argparse.Namespace, settings: Settings, clock: Clock, log_to: LogTo) -> int:
    """Run the command that the arguments name; return the exit status.

    log_to: sends the log where these settings say. Raises Away, ConfigError, MemberError, StoreFault.
    """
    runner = Runner(settings, clock, log_to, is_json=arguments.json)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an answer may hold what the terminal's encoding has not
    try:
        status = int(arguments.job_command(arguments, runner))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the list has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return shown.OK
    except Unusable as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("已离开；已经开始的任务用 wxsyncd jobs 查看", file=sys.stderr)
        return shown.FAILED
    return status


def print_json(value: object) -> None:
    """Print a value for programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _jobs(arguments: argparse.Namespace, runner: Runner) -> int:
    what = [text.lstrip("#") for text in arguments.what]
    action = what.pop(0) if what and what[0] in {"cancel", "retry"} else ""
    if len(what) > 1 or (action and not what) or not all(text.isascii() and text.isdigit() for text in what):
        raise Unusable("写成 wxsyncd jobs、jobs N、jobs cancel N 或 jobs retry N，N 是任务号")
    if not 1 <= arguments.limit <= MOST_LISTED or (arguments.before is not None and arguments.before < 1):
        raise Unusable(f"--limit 是 1 到 {MOST_LISTED}，--before 是任务号")
    if what and (len(what[0]) > 18 or int(what[0]) == 0):
        raise Unusable("没有这样的任务号")
    with runner.office(runs=action == "retry") as where:
        if action == "cancel":
            return _cancel(where, int(what[0]))
        if action == "retry":
            runner.interrupts.listen()
            return runner.finish(where, [_found(where.retry(int(what[0])), what[0])])
        if what:
            job = _found(where.job(int(what[0])), what[0])
            lines = shown.one(job, runner.clock.local)
        else:
            job = {"jobs": where.jobs(arguments.limit, arguments.before)}
            lines = shown.table(job["jobs"], runner.clock.local)
        if runner.is_json:
            print_json(job)
        else:
            print("\n".join(lines))
    return shown.OK


def _cancel(where: Office, number: int) -> int:
    _found(where.cancel(number), str(number))
    print(f"正在取消任务 #{number}；结果用 wxsyncd jobs {number} 查看")
    return shown.OK


def _found(found: Any, number: str) -> Any:
    if not found:
        raise MemberError(f"没有任务 #{number}", mend="用 wxsyncd jobs 查看已有的任务")
    return found


def _sync(arguments: argparse.Namespace, runner: Runner) -> int:
    listed = requests.listed_images(Path(arguments.file)) if arguments.file is not None else []
    text = requests.sync_text(arguments.images, listed, arguments.platform)
    with runner.office(runs=True) as where:
        runner.interrupts.listen()
        return runner.finish(where, [where.take(text)], "sync")


def _upload(arguments: argparse.Namespace, runner: Runner) -> int:
    found = [source for source in arguments.sources if requests.is_link(source)]
    text = requests.upload_text(found) if found else ""
    files = [_opened(source, runner.interrupts) for source in arguments.sources if source not in found]
    with runner.office(runs=True) as where:
        runner.interrupts.listen()
        numbers = [where.take(text)] if text else []
        refused = 0
        for file in files:
            try:
                numbers.append(where.take_file(file.name, file))
            except MemberError as error:  # the others are uploaded all the same
                print(f"{file.name}：{error}", file=sys.stderr)
                refused += 1
        statuses = [runner.finish(where, numbers, "upload")] if numbers else []
        return shown.together(statuses + [shown.FAILED] * refused)


def _opened(source: str, interrupts: Interrupts) -> HandedIn:
    try:
        return HandedIn(Path(source), lambda: interrupts.count > 0)
    except OSError as error:
        raise Unusable(f"打不开文件 {source}：{error.strerror}") from error
