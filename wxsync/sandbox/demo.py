"""The demo: stand-ins and a real daemon as separate processes, and a chat with it, in the browser or printed.

Floor: sandbox.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, cast

from wxsync.sandbox import proof
from wxsync.sandbox.children import Child
from wxsync.sandbox.conversation import Conversation, Unreachable
from wxsync.sandbox.registry.reader import Reader
from wxsync.sandbox.stand_ins import ACTIONS, LOCAL, Settings, ini
from wxsync.sandbox.verdict import FAILED, exit_status
from wxsync.sandbox.wecom.chats import Entry

START_S, ANSWER_S, DRAIN_S = 30.0, 300.0, 15.0
# The environment wins over the file, so a TOKEN or PORT of the shell would change the demo: children get only these.
# COVERAGE_ is there for measured runs.
KEPT_NAMES, KEPT_PREFIXES = ("PATH", "HOME", "LANG", "TZ", "TMPDIR"), ("LC_", "PYTHON", "COVERAGE_")
OVERRIDES: dict[str, Settings] = {  # by engine
    ACTIONS: {"github": {"poll": "0.5"}, "log": {"level": "info"}}, LOCAL: {"log": {"level": "info"}},
}
CAST = {
    ACTIONS: "企业微信、GitHub、QingStor 都由本机替身扮演；GitHub 的工作流运行是模拟的，没有真正拷贝镜像。",
    LOCAL: "企业微信、QingStor 和两个镜像仓库都由本机替身扮演；镜像很小，但真的从一个仓库复制到另一个。",
}
_PULL = re.compile(r"docker pull [^/\s]+/(\S+):([^:/\s]+)")


class Ended(Exception):
    """The demo cannot go on; the text is for the operator, empty when the operator ended it."""


def run(
    message: str | None, *, python: str, entry: Path, out: TextIO, environ: Mapping[str, str],
    page: str = "127.0.0.1:0", answer_s: float = ANSWER_S, engine: str = LOCAL,
) -> int:
    """Run the demo; return 0, 1 (failed, refused, broken off) or 3 (partly).

    With a message: send it, print the chat until the final answer, and what the destination registry then holds.
    Without: serve the chat page until SIGINT, SIGTERM. engine: `local` copies images, `actions` shows GitHub's way.
    python, entry: interpreter and wxsyncd.py for the children. To be called from the main thread.
    """
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    room = Path(tempfile.mkdtemp(prefix="wxsync-demo-"))
    demo = _Demo(room, stop, out, engine)
    status = FAILED
    try:
        conversation = demo.start(python, entry, page, _environment(environ))
        status = demo.chat_on_page() if message is None else demo.send(conversation, message, answer_s)
    except Ended as end:
        demo.say(str(end) or "已中断。")
        status = 0 if message is None and not str(end) else FAILED
    finally:
        status = demo.end() or status
        for number, handler in before.items():
            signal.signal(number, handler)
    if status == 0:
        shutil.rmtree(room, ignore_errors=True)
    else:
        demo.say(f"日志和状态保留在 {room}")
    return status


class _Demo:
    """One demo: its directory, its two children, and what is told to the operator."""

    def __init__(self, room: Path, stop: threading.Event, out: TextIO, engine: str) -> None:
        self._room = room
        self._stop = stop
        self._out = out
        self._stand_ins: Child | None = None
        self._daemon: Child | None = None
        self._page = self._origin = ""
        self._engine = engine
        self._registry: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Print for the operator."""
        print(text, file=self._out, flush=True)

    def start(self, python: str, entry: Path, page: str, env: dict[str, str]) -> Conversation:
        """Start both processes and introduce them to each other."""
        self.say(f"正在启动演示：{CAST[self._engine]}")
        self._stand_ins = Child(
            "替身", [python, "-m", "wxsync.sandbox", "--until-stdin-ends", "--page", page, "--engine", self._engine],
            log=self._room / "sandbox.log", cwd=self._room, env=env, is_spoken_with=True)
        told = json.loads(self._first_line(self._stand_ins))
        self._page, self._origin, self._registry = told["chat"], told["origin"], told["settings"]["registry"]
        config = self._write_config(told["settings"])
        self._daemon = Child("守护进程", [python, str(entry), "--config", str(config)],
                             log=self._room / "wxsyncd.log", cwd=self._room, env=env)
        self._stand_ins.tell(f"guard {self._daemon.pid}")
        self.say(f"守护进程的日志：{self._daemon.log}（演示成功结束后删除）")
        port = self._wait_ready(self._daemon)
        conversation = Conversation(self._page)
        try:
            conversation.set_callback(f"http://127.0.0.1:{port}/wechat/callback", 10.0)
        except Unreachable as cause:
            raise Ended(f"回调 URL 验证失败：{cause}\n{self._daemon.tail()}") from cause
        self.say(f"回调 URL 验证通过：http://127.0.0.1:{port}/wechat/callback")
        return conversation

    def chat_on_page(self) -> int:
        """Wait until the operator ends the demo."""
        self.say(f"\n打开聊天页面：  {self._page}\n\n按 Ctrl-C 结束。")
        while not self._stop.wait(0.3):
            self._check()
        self.say("\n正在结束……")
        return 0

    def send(self, conversation: Conversation, message: str, answer_s: float) -> int:
        """Send the message and print the chat until its final answer; return what that means."""
        try:
            answers = self._follow(conversation, conversation.send(message), answer_s)
            self._prove(message, "\n".join(answers))
            self._show_digests(answers)
            return exit_status(answers) or 0
        except Unreachable as cause:
            # A process that was killed cuts its connections a moment before its end can be seen.
            for _ in range(20):
                self._check()
                self._stop.wait(0.05)
            raise Ended(f"替身没有应答：{cause}") from cause

    def end(self) -> int:
        """End the children, the daemon first; return 1 when the stand-ins complain, e.g. about a leaked token."""
        if self._daemon:
            self._daemon.end(DRAIN_S)
        if self._stand_ins:
            was_alive = self._stand_ins.status is None
            if self._daemon:
                self._stand_ins.tell(f"forget {self._daemon.pid}")
            self._stand_ins.hang_up()
            if self._stand_ins.end(5.0, terminate=False) and was_alive:
                self.say(f"替身出错：\n{self._stand_ins.tail()}")
                return FAILED
        return 0

    def _follow(self, conversation: Conversation, number: int, answer_s: float) -> list[str]:
        """Print the chat until the final answer of message `number`; return all answers from then on."""
        deadline, version, printed = time.monotonic() + answer_s, -1, number - 1
        while time.monotonic() < deadline:
            self._check()
            chat = conversation.wait(version, 1)
            version = chat.version
            for entry in (entry for entry in chat.entries if entry.number > printed):
                self._print(entry)
                printed = entry.number
            mine = next(entry for entry in chat.entries if entry.number == number)
            if mine.state == "failed":
                raise Ended(f"消息没有送达：守护进程没有应答 200。\n{self._tail()}")
            answers = [entry.text for entry in chat.entries if entry.is_answer and entry.number > number]
            if exit_status(answers) is not None:
                return answers
        raise Ended(f"{answer_s:.0f} 秒内没有等到最终回答。\n{self._tail()}")

    def _prove(self, message: str, answer: str) -> None:
        """Show that what the answer of an upload claims is so, and which way the download took."""
        lines = list(proof.of_links(message, answer, self._origin))
        if lines and self._daemon:
            log = self._daemon.log.read_text(encoding="utf-8", errors="replace")
            self.say("\n".join(["", *lines, "守护进程日志里的出口代理：", *proof.of_proxy(log)]))

    def _show_digests(self, answers: Sequence[str]) -> None:
        """Read back from the destination what the answers say is there; GitHub's simulated runs put nothing there."""
        pulls = list(dict.fromkeys(found for answer in answers for found in _PULL.findall(answer)))
        if self._engine != LOCAL or not pulls:
            return
        registry = self._registry
        reader = Reader(registry["registry"], registry["username"], registry["password"])
        self.say(f"\n从目标仓库 {registry['registry']} 读回的摘要：")
        for repository, tag in pulls:
            self.say(f"  {repository}:{tag}  {reader.digest(repository, tag) or '没有'}")

    def _print(self, entry: Entry) -> None:
        who = "镜像同步助手" if entry.is_answer else "我"
        at = time.strftime("%H:%M:%S", time.localtime(entry.time))
        self.say(f"\n—— {who}  {at} ——\n{entry.text}")

    def _first_line(self, child: Child) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            self._check()
            if select.select([child.answers], [], [], 0.2)[0]:
                line += os.read(child.answers.fileno(), 1 << 16)
        return line

    def _write_config(self, told: Settings) -> Path:
        state = self._room / "state"
        state.mkdir(mode=0o700)
        settings: Settings = {
            "server": {"listen": "127.0.0.1:0=bot", "admin_listen": "127.0.0.1:0", "state_dir": str(state)}, **told}
        for section, options in OVERRIDES[self._engine].items():
            settings[section] = {**settings.get(section, {}), **options}
        path = self._room / "wxsync.conf"
        path.touch(mode=0o600)
        path.write_text(ini(settings), encoding="utf-8")
        return path

    def _wait_ready(self, daemon: Child) -> int:
        """Return the bot's port once the daemon listens and is healthy."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self._check()
            port = _bot_port(self._room / "state" / "listeners.json", daemon.pid)
            if port and _is_healthy(port):
                return port
            self._stop.wait(0.05)
        raise Ended(f"守护进程 {START_S:.0f} 秒内没有就绪，它的日志：\n{daemon.tail()}")

    def _check(self) -> None:
        """Raise Ended when the operator wants to stop or a child died."""
        if self._stop.is_set():
            raise Ended("")
        for child in (self._stand_ins, self._daemon):
            if child and child.status is not None:
                raise Ended(f"{child.name}意外退出（状态 {child.status}），最后的日志：\n{child.tail()}")

    def _tail(self) -> str:
        return f"守护进程最后的日志：\n{self._daemon.tail()}" if self._daemon else ""


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name in KEPT_NAMES or name.startswith(KEPT_PREFIXES)}
    root = Path(__file__).resolve().parents[2]
    own = [str(root), str(root / "vendor")]  # as wxsyncd.py has it
    kept["PYTHONPATH"] = os.pathsep.join([*own, *filter(None, [environ.get("PYTHONPATH", "")])])
    return kept


def _bot_port(path: Path, pid: int) -> int:
    """Return the port of the daemon's bot listener, 0 while that file is not there or is another process's."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0
    if value.get("pid") != pid:
        return 0
    return next((cast(int, one["port"]) for one in value["listeners"] if one["part"] in ("bot", "all")), 0)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
