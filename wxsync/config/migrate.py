"""Write a commented wxsync.conf from what .env files say, and the template of such a file (Chinese).

Floor: ground, pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wxsync.config import checks
from wxsync.config.environment import DEBUG, PORTS, Variable
from wxsync.config.given import BY_KEY, Findings, Given
from wxsync.errors import ConfigError
from wxsync.options import kinds
from wxsync.options.settings import OPTIONS, TITLES, Settings
from wxsync.options.table import Option

# The loader takes these for placeholders: what is not whole is refused, never run with a default in its place.
HIDDEN, LEFT_OUT = "<写入文件时才显示>", "<没有带入>"
_STOP = "请改正上面写的错误，再删掉这一行"  # no option, no comment: refused as well
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}", re.ASCII)
_LISTEN = BY_KEY["server.listen"]


@dataclass(frozen=True)
class Imported:
    """What .env files hold: the settings they mean, the text of each option, all problems, and odd things."""

    settings: Settings
    given: Mapping[str, Given]
    problems: tuple[ConfigError, ...]
    remarks: tuple[str, ...]
    sources: tuple[str, ...]


def imported(settings: Settings, findings: Findings, foreign: Mapping[str, Variable]) -> Imported:
    """Return what is to be written. findings: settled ones. foreign: variables that no option has."""
    given = findings.merged()
    listen = _moved_ports(settings, findings)
    if listen and _LISTEN.key not in given:
        given[_LISTEN.key] = listen
    quoted = [
        ConfigError("值两边都是引号，配置文件里写不了", where=one.where, mend="改用环境变量或 systemd 凭据")
        for one in given.values() if one.is_literal and _is_quoted(_text(one))]
    remarks = [*findings.warnings, *_foreign_remark(foreign)]
    return Imported(settings, given, (*findings.problems, *quoted), tuple(remarks), tuple(findings.sources))


def conf(found: Imported, *, hides_secrets: bool) -> str:
    """Return the text of the file; each problem is a comment above its line, the others at the top."""
    beside = {one.where for one in found.given.values()}
    lines = ["# wxsyncd 的配置，由 wxsyncd import-env 生成；全部选项见 wxsync.conf.example。",
             "# 里面有口令，只让 root 能读（0600）。改完用 wxsyncd check-config --config 这个文件 检查。"]
    lines += [f"# 来源：{source}" for source in found.sources]
    lines += [f"# 错误：{_told(each)}" for each in found.problems if each.where not in beside]
    lines += [f"# 提醒：{remark}" for remark in found.remarks]
    lines += [_STOP] if any(_is_lost(each, beside) for each in found.problems) else []
    for section, title in TITLES.items():
        options = [option for option in OPTIONS if option.section == section and option.key in found.given]
        if options:
            lines += ["", f"[{section}]", f"# {title}"]
        for option in options:
            lines += ["", *_entry(found.given[option.key], found.problems, hides_secrets)]
    return "".join(f"{_printable(line)}\n" for line in lines)


def template() -> str:
    """Return the text of an .env file in the names of the replaced programs, placeholders where a value is needed."""
    lines = ["# wxsyncd 的 .env：把 your_… 换成真实的值，去掉要用的行前面的 #。注释独占一行。",
             "# 用不到的部分整段删掉或注释掉；其他选项用 WXSYNC_节_选项 这样的名字，见 docs/configuration.md。"]
    needed = {*checks.BOT, *checks.GITHUB, *checks.DESTINATION}
    for section, title in TITLES.items():
        options = [option for option in OPTIONS if option.section == section and option.row.env]
        lines += ["", f"# {title}"] if options else []
        for option in options:
            lines.append(f"# {option.help}")
            mark = "" if option.key in needed else "#"
            lines += [f"{mark}{name}={_example(name, option)}" for name in option.row.env]
    return "\n".join(lines) + "\n"


def _example(name: str, option: Option) -> str:
    if name in PORTS:
        return str(next(each.port for each in Settings().server.listen if each.part == PORTS[name]))
    if name == DEBUG:
        return "False"
    return f"your_{name.lower()}" if option.row.default is None else option.row.default


def _moved_ports(settings: Settings, findings: Findings) -> Given | None:
    """Return the listeners as an option where PORT or FLASK_RUN_PORT moved one away from the default."""
    usual = Settings().server.listen
    if not findings.ports or all(listener in usual for listener in settings.server.listen):
        return None
    places = "，".join(one.place for one in findings.ports.values())
    return Given(_LISTEN, ", ".join(f"{each}={each.part}" for each in settings.server.listen), places)


def _foreign_remark(foreign: Mapping[str, Variable]) -> Iterator[str]:
    """Name what was left behind, without values; what does not look like a name may be a key pasted alone."""
    places = [
        f"{name if _NAME.fullmatch(name) else '…'}（{variable.place[:-len(name)].rstrip()}）"
        for name, variable in foreign.items()]
    if places:
        yield f"没有带入，本程序不用：{'、'.join(places)}"


def _is_lost(problem: ConfigError, beside: Iterable[str]) -> bool:
    """Tell whether it is about a line of a .env that becomes no line here: a wrong PORT, an unknown WXSYNC_ name."""
    return bool(problem.where) and not problem.where.startswith("[") and problem.where not in beside


def _entry(given: Given, problems: Iterable[ConfigError], hides_secrets: bool) -> Iterator[str]:
    text = _text(given)
    yield f"# {given.option.help}"
    yield f"# 来自 {given.place}"
    for problem in problems:
        if problem.where == given.where:
            yield f"# 错误：{problem.what}（{problem.mend}）"
    if not _can_stand(text):
        yield f"{given.option.name} = {LEFT_OUT}"
    else:
        shown = HIDDEN if hides_secrets and given.option.row.secret and text else text
        yield f"{given.option.name} = {shown}".rstrip()


def _text(given: Given) -> str:
    """Return the value on one line: of a list, line ends mean what commas mean."""
    text = given.text.strip()
    if not given.option.row.kind.is_list:
        return text
    return ", ".join(part for part in (line.strip() for line in text.split("\n")) if part)


def _can_stand(text: str) -> bool:
    """Tell whether the file can hold it so that the loader reads the very same."""
    is_plain = all(character.isprintable() or character == "\t" for character in text)
    return is_plain and not _is_quoted(text) and len(text) <= kinds.MAX_TEXT


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


def _told(problem: ConfigError) -> str:
    return str(problem) if problem.where else f"{problem.what}（{problem.mend}）"


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() or character == "\t" else "\ufffd" for character in line)
