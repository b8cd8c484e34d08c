"""Find options in environment variables: WXSYNC_<SECTION>_<OPTION> and the names of the replaced programs.

Floor: ground, pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wxsync.config.given import BY_KEY, Findings, Given, nearest
from wxsync.errors import ConfigError
from wxsync.options.kinds import read_boolean
from wxsync.options.settings import OPTIONS

PREFIX = "WXSYNC_"
PORTS = {"PORT": "bot", "FLASK_RUN_PORT": "relay"}  # each replaces one port of server.listen's default
DEBUG = "FLASK_DEBUG"
OLD_NAMES = {name: option for option in OPTIONS for name in option.row.env}
_OWN_NAMES = {option.variable: option for option in OPTIONS}


@dataclass(frozen=True)
class Variable:
    """One variable's value and its place: `环境变量 TOKEN` or `.env:3 TOKEN`."""

    text: str
    place: str
    is_literal: bool = False


def read_variables(variables: Mapping[str, Variable], findings: Findings) -> None:
    """Add one layer with what the variables set; unknown WXSYNC_ names are problems."""
    layer = {}
    for name, variable in variables.items():
        option = OLD_NAMES.get(name)
        # Compose files pass variables that nobody set as empty ones: under an old name empty means not given,
        # but for a list, where it is the empty list.
        if option and (variable.text.strip() or option.row.kind.is_list) and name not in PORTS and name != DEBUG:
            layer[option.key] = Given(option, variable.text, variable.place, variable.is_literal)
    _read_debug(variables.get(DEBUG), layer, findings)
    for name, variable in variables.items():
        if name in _OWN_NAMES:
            option = _OWN_NAMES[name]
            layer[option.key] = Given(option, variable.text, variable.place, variable.is_literal)
        elif name.startswith(PREFIX):
            near = nearest(name[len(PREFIX):], (known[len(PREFIX):] for known in _OWN_NAMES))
            mend = f"是不是 {PREFIX}{near}？" if near else "名字是 WXSYNC_节_选项，见 docs/configuration.md"
            findings.problems.append(ConfigError("没有这个选项", where=variable.place, mend=mend))
    findings.layers.append(layer)
    listen = BY_KEY["server.listen"]
    findings.ports = {
        part: Given(listen, variables[name].text.strip(), variables[name].place)
        for name, part in PORTS.items() if name in variables and variables[name].text.strip()}


def _read_debug(variable: Variable | None, layer: dict[str, Given], findings: Findings) -> None:
    if not variable or not variable.text.strip():
        return
    option = BY_KEY["log.level"]
    try:
        if read_boolean(variable.text.strip()):
            layer[option.key] = Given(option, "debug", variable.place)
    except ConfigError as problem:
        where = Given(option, variable.text, variable.place).where
        findings.problems.append(ConfigError(problem.what, where=where, mend=problem.mend))
