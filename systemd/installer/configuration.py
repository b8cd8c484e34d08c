"""What the operator's configuration means for the installer, read by the release's own loader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from installer.layout import Layout
from wxsync.config.given import BY_KEY
from wxsync.config.load import ConfigErrors, load
from wxsync.config.sources import Surroundings


@dataclass(frozen=True)
class Configuration:
    """exists: whether there is one. problems: why it is wrong. listeners: host and port of each, the admin one last.

    outside: directories of the configuration that the hardened service cannot write.
    """

    exists: bool
    problems: tuple[str, ...] = ()
    listeners: tuple[tuple[str, int], ...] = ()
    state_dir: str = ""
    outside: tuple[str, ...] = ()


def read(layout: Layout) -> Configuration:
    """Read it as the service will."""
    path = layout.config_file
    if not path.exists():
        return Configuration(exists=False)
    environ = {"STATE_DIRECTORY": "/var/lib/wxsyncd"}
    if layout.secrets.is_dir():
        environ["CREDENTIALS_DIRECTORY"] = str(layout.secrets)
    around = Surroundings(environ, Path("/"), Path("/"), is_root=True)
    try:
        settings = load(str(path), None, around).settings
    except ConfigErrors as errors:
        return Configuration(exists=True, problems=tuple(str(problem) for problem in errors.problems))
    server = settings.server
    outside = [f"[server] state_dir = {server.state_dir}"] if _is_outside(server.state_dir, "/var/lib/wxsyncd") else []
    if settings.log.file and _is_outside(settings.log.file, "/var/log/wxsyncd", "/var/lib/wxsyncd"):
        outside.append(f"[log] file = {settings.log.file}")
    return Configuration(
        exists=True,
        listeners=tuple((each.host, each.port) for each in (*server.listen, server.admin_listen)),
        state_dir=server.state_dir,
        outside=tuple(outside),
    )


def secret_names(layout: Layout) -> list[str]:
    """Return the names of the secret files that the service will be given."""
    if not layout.secrets.is_dir():
        return []
    return sorted(path.name for path in layout.secrets.iterdir() if path.name in BY_KEY and path.is_file())


def _is_outside(path: str, *directories: str) -> bool:
    return not any(f"{path}/".startswith(f"{directory}/") for directory in directories)
