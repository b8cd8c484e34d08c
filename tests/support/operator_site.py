"""A machine's configuration files in a temporary directory, for tests of the loader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from wxsync.config.load import ConfigErrors, Loaded, load
from wxsync.config.sources import Surroundings

BOT = {
    "CORP_ID": "ww5c0ffee1dea90b17", "AGENT_ID": "1000002", "SECRET": "Zq3-8vHxk_TRmC0aLw7YpN",
    "TOKEN": "QDG6eKvZ3pTx9sWm", "ENCODING_AES_KEY": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2D",
}
MIRROR = {
    "GITHUB_TOKEN": "ghp_9f8e7d6c", "GITHUB_REPO": "acme/sync",
    "DOCKER_REGISTRY": "r.example", "DOCKER_NAMESPACE": "acme",
}
RELAY = {"TARGET_SERVER_URL": "http://10.1.2.3:9000"}


class Site:
    """cwd, home, credentials and the default configuration file, all below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.default = root / "etc" / "wxsync.conf"
        self.cwd = root / "cwd"
        self.home = root / "home"
        self.credentials = root / "credentials"
        for directory in (self.default.parent, self.cwd, self.home, self.credentials):
            directory.mkdir()

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(
        self, *dictionaries: Mapping[str, str], conf: str | None = None, config: str | None = None,
        env_file: str | None = None, is_root: bool = False,
    ) -> Loaded:
        """Load with these environment variables; conf becomes the default file's text."""
        if conf is not None:
            self.default.write_text(conf, encoding="utf-8")
            self.default.chmod(0o600)
        environ = {name: value for each in dictionaries for name, value in each.items()}
        if any(self.credentials.iterdir()):
            environ.setdefault("CREDENTIALS_DIRECTORY", str(self.credentials))
        around = Surroundings(environ, self.cwd, self.home, is_root, str(self.default))
        return load(config, env_file, around)

    def problems(self, *dictionaries: Mapping[str, str], conf: str | None = None, **more: str) -> list[str]:
        """Return the problems as texts, the temporary directory cut out; a good configuration fails the test."""
        with pytest.raises(ConfigErrors) as caught:
            self.load(*dictionaries, conf=conf, **more)
        return [str(problem).replace(f"{self.root}/", "") for problem in caught.value.problems]
