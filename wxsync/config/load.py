"""Make the settings from all sources, or tell every problem at once. Floor: ground."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wxsync.config import checks
from wxsync.config.given import BY_KEY, Findings, Given
from wxsync.config.sources import Surroundings, read_all
from wxsync.errors import ConfigError
from wxsync.options import kinds
from wxsync.options.addresses import Listener, read_port
from wxsync.options.settings import OPTIONS, TITLES, Settings
from wxsync.options.table import Option

_LINE = re.compile(r"(\S+):([0-9]{1,9})(?: |$)", re.ASCII)


class ConfigErrors(ConfigError):
    """All problems of the configuration; its text has a line for each."""

    def __init__(self, problems: Iterable[ConfigError], sources: Iterable[str]) -> None:
        self.problems = tuple(sorted(problems, key=_place))
        self.sources = tuple(sources)
        super().__init__(f"配置有 {len(self.problems)} 处错误")

    def __str__(self) -> str:
        read = "；".join(self.sources) or "没有找到任何配置"
        return "\n".join([f"{self.what}（读取了：{read}）", *(f"  {problem}" for problem in self.problems)])


def _place(problem: ConfigError) -> tuple[bool, str, int]:
    """Order problems by file and line, those without a line last."""
    match = _LINE.match(problem.where[:1000])
    return (False, match[1], int(match[2])) if match else (True, "", 0)


@dataclass(frozen=True)
class Loaded:
    """The settings, the sources they came from (weakest first), and what is odd but no error."""

    settings: Settings
    sources: tuple[str, ...]
    warnings: tuple[str, ...]


def load(config_file: str | None, env_file: str | None, around: Surroundings) -> Loaded:
    """Return the settings of this run; raises ConfigErrors with all problems.

    config_file and env_file are what --config and --env-file say, None when they were not given.
    """
    findings = read_all(config_file, env_file, around)
    settings = settle(findings, around)
    findings.warnings += filter(None, (given.doubt for given in findings.merged().values()))
    if findings.problems:
        raise ConfigErrors(findings.problems, findings.sources)
    return Loaded(settings, tuple(findings.sources), tuple(findings.warnings))


def settle(findings: Findings, around: Surroundings) -> Settings:
    """Return what the findings mean, with the default where a value is wrong; adds every problem to them."""
    given = findings.merged()
    problems = findings.problems
    values = {key: value for key, one in given.items() if (value := _value(one, problems)) is not None}
    if "server.listen" not in given:
        values["server.listen"] = _default_listeners(given, findings, problems)
    settings = _with_paths(_built(values), around)
    problems += checks.problems(checks.Draft(settings, given))
    return settings


def _value(given: Given, problems: list[ConfigError]) -> Any:
    """Return the option's value, or None (the default holds) after adding the problem."""
    row, text = given.option.row, given.text.strip()
    if not text and (row.default is None or row.kind.is_list):
        return row.kind.absent
    try:
        _check_text(given, text)
        return row.kind.read(text)
    except ConfigError as problem:
        problems.append(ConfigError(problem.what, where=given.where, mend=problem.mend))
        return None


def _check_text(given: Given, text: str) -> None:
    """Raise ConfigError for what no option may be, whatever its kind."""
    is_list = given.option.row.kind.is_list
    if not text:
        raise ConfigError("值是空的", mend=f"删掉它就用默认值 {given.option.row.default}")
    if len(text) > kinds.MAX_TEXT:
        raise ConfigError("值太长", mend=f"最多 {kinds.MAX_TEXT} 个字符")
    if "\n" in text and not is_list:
        raise ConfigError("值有好几行", mend="只写一行；下一个选项要顶格写，缩进的行算作上一行的继续")
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        raise ConfigError("值里有不可见字符", mend="重新输入这个值，不要从网页上复制")
    if not given.is_literal and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ConfigError("值带着引号", mend="去掉两边的引号")
    if given.is_placeholder:
        raise ConfigError("还是示例里的文字", mend=f"换成真实的值：{given.option.row.help}")


def _default_listeners(
    given: Mapping[str, Given], findings: Findings, problems: list[ConfigError]
) -> tuple[Listener, ...]:
    """Return the default listeners of the parts that are on, with the ports of PORT and FLASK_RUN_PORT."""
    draft = checks.Draft(Settings(), given)
    wanted = {"bot": any(map(draft.has, checks.BOT)), "relay": any(map(draft.has, checks.RELAY))}
    listeners = []
    for listener in Settings().server.listen:
        port = findings.ports.get(listener.part)
        try:
            chosen = read_port(port.text) if port else listener.port
        except ConfigError as problem:
            problems.append(ConfigError(problem.what, where=port.where if port else "", mend=problem.mend))
            continue
        if wanted[listener.part]:
            listeners.append(replace(listener, port=chosen))
    return tuple(listeners)


def _built(values: Mapping[str, Any]) -> Settings:
    """Return the settings with these values in place of the defaults."""
    defaults = Settings()
    sections = {}
    for section in TITLES:
        chosen = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        sections[section] = replace(getattr(defaults, section), **chosen)
    return Settings(**sections)


def _with_paths(settings: Settings, around: Surroundings) -> Settings:
    """Return the settings with whole paths and the state directory's default."""
    for option in OPTIONS:
        if option.row.kind is kinds.PATH:
            text = settings.value(option) or (_state_dir(around) if option is BY_KEY["server.state_dir"] else "")
            settings = _replaced(settings, option, _whole(text, around) if text else "")
    return settings


def _replaced(settings: Settings, option: Option, value: Any) -> Settings:
    section = replace(getattr(settings, option.section), **{option.name: value})
    return replace(settings, **{option.section: section})


def _state_dir(around: Surroundings) -> str:
    """Return systemd's state directory (the first of several), else the usual one of root or of a user."""
    given = around.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return given or ("/var/lib/wxsyncd" if around.is_root else "~/.local/state/wxsyncd")


def _whole(text: str, around: Surroundings) -> str:
    home = around.home / text[2:] if text.startswith("~/") else Path(text)
    return str(around.cwd / home)
