"""All stand-ins together, and the settings with which a daemon talks to them. Floor: sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable

from wxsync.sandbox.egress import EgressProxy
from wxsync.sandbox.github.runs import Pace
from wxsync.sandbox.github.stand_in import GitHub
from wxsync.sandbox.origin import HOST, Origin
from wxsync.sandbox.qingstor.stand_in import QingStor
from wxsync.sandbox.registry.access import BEARER
from wxsync.sandbox.registry.images import made
from wxsync.sandbox.registry.stand_in import Registry
from wxsync.sandbox.wecom.stand_in import WeCom

Settings = dict[str, dict[str, str]]
ACTIONS, LOCAL = "actions", "local"


class StandIns:
    """WeCom, GitHub, QingStor, two registries, an origin and an egress proxy; a context manager that ends them.

    answer_within_s, pause_s: see Courier. source makes every image asked for; destination: where the local engine
    puts them, GitHub's runs put theirs nowhere. The origin is http://files.test, a name that only the proxy knows.
    """

    def __init__(
        self, *, now: Callable[[], float] = time.time, answer_within_s: float = 5.0, pause_s: float = 1.0,
        pace: Pace | None = None,
    ) -> None:
        self.wecom = WeCom(now=now, answer_within_s=answer_within_s, pause_s=pause_s)
        self.github = GitHub(now=now)
        self.github.pace = pace or Pace()
        self.qingstor = QingStor(now=now)
        self.origin = Origin()
        self.egress = EgressProxy({HOST: self.origin.server.port})
        self.source = Registry(access=BEARER, maker=made)
        self.destination = Registry(access=BEARER, is_pull_open=False)

    def __enter__(self) -> StandIns:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settings(self, engine: str = ACTIONS) -> Settings:
        """Return the daemon's options by section; listeners and state directory are the caller's."""
        identity = self.wecom.identity
        return {
            "wecom": {
                "corp_id": identity.corp_id, "agent_id": str(identity.agent_id), "secret": identity.secret,
                "token": identity.token, "encoding_aes_key": identity.encoding_aes_key, "api_base": self.wecom.url,
            },
            **(self._local() if engine == LOCAL else self._actions()),
            "qingstor": {
                "access_key_id": self.qingstor.access_key_id, "secret_access_key": self.qingstor.secret_access_key,
                "zone": self.qingstor.zone, "bucket": next(iter(self.qingstor.buckets)),
                "endpoint": self.qingstor.url,
            },
            "egress": {"proxy_url": self.egress.url, "check_url": f"http://{HOST}/"},
        }

    def _actions(self) -> Settings:
        secrets = self.github.dispatching.secrets
        return {
            "github": {
                "token": self.github.token, "repo": self.github.repo, "branch": self.github.branch,
                "api_base": self.github.url,
            },
            "registry": {
                "registry": secrets["DOCKER_REGISTRY"], "namespace": secrets["DOCKER_NAMESPACE"], "precheck": "off",
            },
        }

    def _local(self) -> Settings:
        access = self.destination.access
        return {
            "sync": {"engine": LOCAL},
            "registry": {
                "registry": self.destination.server.url, "namespace": "wxsync-demo",
                "username": access.user, "password": access.password,
                "mirrors": f"*={self.source.server.url}/{{host}}",
            },
        }

    def close(self) -> None:
        """End all; raises TokenLeaked when GitHub's log host saw a token."""
        self.wecom.close()
        self.qingstor.close()
        self.egress.close()
        self.origin.close()
        self.source.close()
        self.destination.close()
        self.github.close()


def ini(settings: Settings) -> str:
    """Return settings as the text of a configuration file."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for section, options in settings.items()
    )
