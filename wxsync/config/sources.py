"""Read the files that hold the configuration: the INI file, .env, systemd credentials. Floor: ground."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wxsync.config import dotenv, ini
from wxsync.config.environment import OLD_NAMES, PREFIX, Variable, read_variables
from wxsync.config.given import BY_KEY, Findings, Given, nearest, unknown_option
from wxsync.errors import ConfigError
from wxsync.options.settings import TITLES

DEFAULT_FILE = "/etc/wxsyncd/wxsync.conf"
_MAX_FILE = 1 << 20
_MAX_CREDENTIAL = 1 << 16


@dataclass(frozen=True)
class Surroundings:
    """What the process was started with; beside the files named by it the loader looks at nothing else.

    config_origin: what messages call the configuration file, when the process was given a copy of it.
    """

    environ: Mapping[str, str]
    cwd: Path
    home: Path
    is_root: bool
    default_file: str = DEFAULT_FILE
    config_origin: str = ""


def surroundings(environ: Mapping[str, str], *, is_root: bool, config_origin: str = "") -> Surroundings:
    """Return those of this process; without $HOME (a system service) the home directory is the root."""
    return Surroundings(
        environ, Path.cwd(), Path(environ.get("HOME") or "/"), is_root, config_origin=config_origin)


def read_all(config_file: str | None, env_file: str | None, around: Surroundings) -> Findings:
    """Read every source, weakest first; what cannot be read is a problem in the result, never an exception."""
    findings = Findings()
    has_file = _read_ini(config_file, around, findings)
    _read_environment(_choose_env_file(env_file, has_file, around), around, findings)
    _read_credentials(around.environ.get("CREDENTIALS_DIRECTORY", ""), findings)
    return findings


def read_env_files(names: Iterable[str], around: Surroundings) -> tuple[Findings, dict[str, Variable]]:
    """Read .env files alone, the later one stronger; return the findings, and the variables that no option has."""
    findings = Findings()
    variables: dict[str, Variable] = {}
    for name in names:
        for key, variable in _read_env_file(around.cwd / name, around, findings).items():
            earlier = variables.get(key)
            if earlier and earlier.text != variable.text:
                findings.warnings.append(f"{variable.place} 与 {earlier.place} 不同，用前者")
            variables[key] = variable
    read_variables(variables, findings)
    foreign = {
        name: variable for name, variable in variables.items() if name not in OLD_NAMES and not name.startswith(PREFIX)}
    return findings, foreign


def _read_ini(named: str | None, around: Surroundings, findings: Findings) -> bool:
    """Add the file's layer; tell whether there is a file (also one that could not be read)."""
    path = around.cwd / (named or around.default_file)
    if not named and not _exists(path):
        return False
    label = Path(around.config_origin) if around.config_origin else path
    text = read_text(path, findings, label=label, missing="检查文件名，或从 wxsync.conf.example 复制一份")
    if text is None:
        return True
    findings.sources.append(f"配置文件 {label}")
    document = ini.parse(text, str(label))
    findings.problems += document.problems
    findings.problems += [
        unknown_option(f"{label}:{line}", section, "")
        for section, line in document.sections.items() if section not in TITLES]
    layer = {}
    for entry in document.entries:
        option = BY_KEY.get(f"{entry.section}.{entry.name}")
        if option:
            layer[option.key] = Given(option, entry.text, f"{label}:{entry.line}")
        elif entry.section in TITLES:  # a wrong section is told once, not for each of its options
            findings.problems.append(unknown_option(f"{label}:{entry.line}", entry.section, entry.name))
    findings.layers.append(layer)
    if any(given.option.row.secret and given.text.strip() for given in layer.values()) and _is_open(path):
        findings.warnings.append(f"{label} 里有口令，但本机所有用户都能读；执行 chmod 600 {label}")
    return True


def _choose_env_file(named: str | None, has_file: bool, around: Surroundings) -> Path | None:
    """Return the .env to read: the named one, else ./.env when there is no configuration file."""
    if named:
        return around.cwd / named
    local = around.cwd / ".env"
    return local if not has_file and _exists(local) else None


def _read_environment(env_file: Path | None, around: Surroundings, findings: Findings) -> None:
    """Add the layer of the variables; the real environment wins over .env, as load_dotenv has it."""
    variables = _read_env_file(env_file, around, findings) if env_file else {}
    for name, value in around.environ.items():
        variables[name] = Variable(value, f"环境变量 {name}")
    read_variables(variables, findings)
    used = sorted(name for name in around.environ if name in OLD_NAMES or name.startswith(PREFIX))
    if used:
        findings.sources.append(f"环境变量 {' '.join(used)}")


def _read_env_file(path: Path, around: Surroundings, findings: Findings) -> dict[str, Variable]:
    """Return the variables of one .env file; what it refers to comes from the environment first."""
    text = read_text(path, findings)
    if text is None:
        return {}
    findings.sources.append(f"环境文件 {path}")
    bindings = tuple(dotenv.parse(text))
    places = {binding.name: f"{path}:{binding.line} {binding.name}" for binding in bindings}
    findings.warnings += _doubts(bindings, str(path))
    return {
        name: Variable(value, places[name], is_literal=True)
        for name, value in dotenv.values(bindings, around.environ).items()}


def _doubts(bindings: tuple[dotenv.Binding, ...], label: str) -> list[str]:
    """Return what python-dotenv passes over in silence, or with a warning in the log."""
    doubts = [f"{label}:{binding.line} 这一行读不懂，已忽略" for binding in bindings if not binding.name]
    for binding in bindings:
        near = nearest(binding.name, OLD_NAMES)
        if near and binding.name not in OLD_NAMES and not binding.name.startswith(PREFIX):
            doubts.append(f"{label}:{binding.line} 不认识 {binding.name}，已忽略（是不是 {near}？）")
    return doubts


def _read_credentials(directory: str, findings: Findings) -> None:
    """Add the layer of $CREDENTIALS_DIRECTORY: each file is named section.option; foreign names are left alone."""
    if not directory:
        return
    layer = {}
    try:
        names = sorted(path.name for path in Path(directory).iterdir())
    except OSError as error:
        findings.problems.append(ConfigError(
            f"读不了凭据目录：{error.strerror}", where=f"$CREDENTIALS_DIRECTORY = {directory}", mend="检查目录和权限"))
        return
    for name in names:
        option = BY_KEY.get(name)
        section, _, rest = name.partition(".")
        if option:
            text = read_text(Path(directory, name), findings, _MAX_CREDENTIAL)
            if text is not None:
                layer[option.key] = Given(option, text, f"凭据 {name}", is_literal=True)
        elif section in TITLES and not name.endswith(("~", ".swp")):
            findings.problems.append(unknown_option(f"凭据 {name}", section, rest))
    findings.layers.append(layer)
    if layer:
        findings.sources.append(f"凭据 {' '.join(layer)}")


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:  # it was read a moment ago
        return False


def _exists(path: Path) -> bool:
    """Tell whether something is there; what may not even be looked at is there, and reading it will say so."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_text(
    path: Path,
    findings: Findings,
    limit: int = _MAX_FILE,
    *,
    label: Path | None = None,
    missing: str = "检查文件名和目录",
) -> str | None:
    """Return the file's text without a byte order mark, or None after adding the problem.

    limit: in bytes. label: what the problem calls the file. missing: the mend when it is not there.
    """
    label = label or path
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) <= limit:
            return data.decode("utf-8-sig")
        what, mend = f"文件超过 {limit} 字节", "检查是不是写错了文件名"
    except FileNotFoundError:
        what, mend = "没有这个文件", missing
    except UnicodeDecodeError as error:
        what = f"不是 UTF-8 文本（第 {data.count(bytes([10]), 0, error.start) + 1} 行）"
        mend = f"用 UTF-8 编码另存，例如 iconv -f GBK -t UTF-8 {label}"
    except OSError as error:
        what, mend = f"读不了：{error.strerror}", "检查权限"
    findings.problems.append(ConfigError(what, where=str(label), mend=mend))
    return None
