"""Rules that hold between options: parts whole or off, engine, listeners, admin token, paths. Floor: ground, pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from wxsync.config.given import BY_KEY, Given
from wxsync.errors import ConfigError
from wxsync.options.addresses import Listener
from wxsync.options.settings import Settings

BOT = ("wecom.corp_id", "wecom.agent_id", "wecom.secret", "wecom.token", "wecom.encoding_aes_key")
DESTINATION = ("registry.registry", "registry.namespace")
GITHUB = ("github.token", "github.repo")
LOGIN = ("registry.username", "registry.password")
UPLOAD = ("qingstor.access_key_id", "qingstor.secret_access_key")
RELAY = ("proxy.targets",)
PART_NAMES = {"bot": "机器人", "relay": "转发", "all": "全部"}
HEALTH = "/health"


@dataclass(frozen=True)
class Draft:
    """The settings as far as they could be read, and what was given for them (also what could not be read)."""

    settings: Settings
    given: Mapping[str, Given]

    def has(self, key: str) -> bool:
        """Tell whether anything was written for the option, right or wrong."""
        return key in self.given and bool(self.given[key].text.strip())

    def where(self, key: str) -> str:
        """Return where the option stands, or its name when only the default holds."""
        section, _, name = key.partition(".")
        return self.given[key].where if key in self.given else f"[{section}] {name}"

    def missing(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of these nothing was written for."""
        return tuple(key for key in keys if not self.has(key))


def problems(draft: Draft) -> Iterator[ConfigError]:
    """Yield every broken rule."""
    yield from _half_filled(draft)
    if not any(draft.has(key) for key in (*BOT, *DESTINATION, *GITHUB, *LOGIN, *UPLOAD, *RELAY)):
        yield ConfigError(
            "没有启用任何部分", mend="机器人要写 [wecom]，转发要写 [proxy] targets，见 wxsync.conf.example")
    yield from _engine(draft)
    yield from _listeners(draft)
    yield from _paths(draft)


def mirror_missing(lacking: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
    """Return what the mirror lacks; either GitHub or a login does, and the one that was begun counts.

    lacking: returns which of some options were not given.
    """
    missing = lacking(DESTINATION)
    github, login = lacking(GITHUB), lacking(LOGIN)
    if not github or not login:
        return missing
    return missing + (login if len(login) < len(LOGIN) and len(github) == len(GITHUB) else github)


def _half_filled(draft: Draft) -> Iterator[ConfigError]:
    for name, keys in (("机器人", BOT), ("文件上传", UPLOAD)):
        missing = draft.missing(keys)
        if 0 < len(missing) < len(keys):
            yield _incomplete(name, missing)
    if any(draft.has(key) for key in DESTINATION + GITHUB + LOGIN):
        missing = mirror_missing(draft.missing)
        for pair in (GITHUB, LOGIN):  # one half of a pair helps nobody, even where the other pair is whole
            half = draft.missing(pair)
            missing += tuple(key for key in half if len(half) == 1 and key not in missing)
        if missing:
            yield _incomplete("镜像同步", missing)


def _incomplete(name: str, missing: tuple[str, ...]) -> ConfigError:
    def with_variable(key: str) -> str:
        option = BY_KEY[key]
        return f"{key}（环境变量 {option.row.env[0] if option.row.env else option.variable}）"

    return ConfigError(
        f"{name}只配置了一部分，缺少：{'、'.join(with_variable(key) for key in missing)}",
        mend="补上这些，或删掉这一部分的全部设置")


def _engine(draft: Draft) -> Iterator[ConfigError]:
    engine = draft.settings.sync.engine
    needed = {"actions": GITHUB, "local": LOGIN}.get(engine, ())
    if needed and draft.settings.has_mirror and draft.missing(needed):
        yield ConfigError(
            f"engine = {engine} 需要 {'、'.join(needed)}", where=draft.where("sync.engine"), mend="补上，或删掉 engine")


def _listeners(draft: Draft) -> Iterator[ConfigError]:
    server = draft.settings.server
    parts = {"bot": any(map(draft.has, BOT)), "relay": any(map(draft.has, RELAY))}
    for listener in server.listen:
        if not parts.get(listener.part, True):
            yield ConfigError(
                f"监听 {listener} 的部分（{PART_NAMES[listener.part]}）没有启用", where=draft.where("server.listen"),
                mend=f"删掉这一项，或补上 {'[wecom]' if listener.part == 'bot' else '[proxy] targets'} 的设置")
    for one, other in combinations((*server.listen, server.admin_listen), 2):
        if _collide(one, other):
            yield ConfigError(
                f"{one} 与 {other} 占用同一个端口", where=draft.where("server.listen"),
                mend="换一个端口，或用不带 =bot/=relay 的一项同时开放")
    if not server.admin_listen.is_loopback and not draft.has("server.admin_token"):
        yield ConfigError(
            "管理地址不是本机，必须设置 server.admin_token", where=draft.where("server.admin_listen"),
            mend="设置 admin_token，或改回 127.0.0.1:8503")


def _collide(one: Listener, other: Listener) -> bool:
    if one.port == 0 or one.port != other.port or (":" in one.host) != (":" in other.host):
        return False
    return one.host == other.host or one.is_wildcard or other.is_wildcard


def _paths(draft: Draft) -> Iterator[ConfigError]:
    path, prefix = draft.settings.wecom.path, draft.settings.proxy.prefix
    for key, value in (("wecom.path", path), ("proxy.prefix", prefix)):
        if value == HEALTH:
            yield ConfigError(f"{HEALTH} 留给健康检查", where=draft.where(key), mend="换一个路径")
    if f"{path}/".startswith(f"{prefix}/"):
        yield ConfigError(
            f"回调路径 {path} 在转发前缀 {prefix} 之下", where=draft.where("wecom.path"), mend="换一个路径或前缀")
    if draft.settings.wecom.public_url.endswith(path):
        yield ConfigError(
            "外网地址带了回调路径", where=draft.where("wecom.public_url"), mend=f"去掉结尾的 {path}")
