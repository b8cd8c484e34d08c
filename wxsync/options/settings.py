"""All settings of one run: the sections together, which parts they switch on, what to redact. Floor: ground, pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote

from wxsync.options import sections
from wxsync.options.table import Option, options_of


@dataclass(frozen=True)
class Settings:
    """Every option as `settings.section.option`; frozen, and its repr shows no secret."""

    server: sections.Server = field(default=sections.Server(), metadata={"title": "服务"})
    log: sections.Log = field(default=sections.Log(), metadata={"title": "日志"})
    wecom: sections.WeCom = field(default=sections.WeCom(), metadata={"title": "企业微信应用（机器人）"})
    github: sections.GitHub = field(default=sections.GitHub(), metadata={"title": "GitHub（镜像同步）"})
    sync: sections.Sync = field(default=sections.Sync(), metadata={"title": "镜像同步的方式"})
    registry: sections.Registry = field(default=sections.Registry(), metadata={"title": "镜像仓库（镜像同步）"})
    qingstor: sections.QingStor = field(default=sections.QingStor(), metadata={"title": "青云对象存储（文件上传）"})
    upload: sections.Upload = field(default=sections.Upload(), metadata={"title": "文件上传的限制"})
    egress: sections.Egress = field(default=sections.Egress(), metadata={"title": "出口代理"})
    proxy: sections.Proxy = field(default=sections.Proxy(), metadata={"title": "转发到内网服务器"})
    jobs: sections.Jobs = field(default=sections.Jobs(), metadata={"title": "任务"})
    rollover: sections.Rollover = field(default=sections.Rollover(), metadata={"title": "每天清空 images.txt"})

    @property
    def has_bot(self) -> bool:
        """Tell whether the bot is configured."""
        wecom = self.wecom
        return bool(wecom.corp_id and wecom.agent_id and wecom.secret and wecom.token and wecom.encoding_aes_key)

    @property
    def has_mirror(self) -> bool:
        """Tell whether images can be mirrored, by either engine."""
        return bool(self.registry.registry and self.registry.namespace and (self._has_github or self._has_login))

    @property
    def has_upload(self) -> bool:
        """Tell whether files can be uploaded."""
        return bool(self.qingstor.access_key_id and self.qingstor.secret_access_key)

    @property
    def has_relay(self) -> bool:
        """Tell whether callbacks are passed on to servers inside."""
        return bool(self.proxy.targets)

    @property
    def engine(self) -> str:
        """Return who mirrors, "actions" or "local"; "" when nothing is mirrored."""
        if not self.has_mirror:
            return ""
        return self.sync.engine or ("actions" if self._has_github else "local")

    @property
    def _has_github(self) -> bool:
        return bool(self.github.token and self.github.repo)

    @property
    def _has_login(self) -> bool:
        return bool(self.registry.username and self.registry.password)

    def value(self, option: Option) -> Any:
        """Return the value of one option."""
        return getattr(getattr(self, option.section), option.name)

    def secrets(self) -> tuple[str, ...]:
        """Return every text that no log or page may show, as written and as decoded."""
        hidden = (option for option in OPTIONS if option.row.secret and option.key != "egress.proxy_url")
        found = [value for value in map(self.value, hidden) if isinstance(value, str)]
        found += [password for _, _, password in self.registry.source_auth]
        userinfo = self.egress.proxy_url.partition("://")[2].rpartition("@")[0]  # its host may be shown
        password = userinfo.partition(":")[2]
        found += [userinfo, password, unquote(password)]
        return tuple(dict.fromkeys(text for text in found if text))


def _all_options() -> Iterator[Option]:
    for section in fields(Settings):
        yield from options_of(section.name, type(section.default))


OPTIONS: tuple[Option, ...] = tuple(_all_options())
TITLES: dict[str, str] = {section.name: section.metadata["title"] for section in fields(Settings)}
