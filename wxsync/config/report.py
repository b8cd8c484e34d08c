"""What check-config prints of a good configuration (Chinese); no secret is in it. Floor: ground, pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from wxsync.config import checks
from wxsync.config.given import BY_KEY
from wxsync.options.addresses import Listener
from wxsync.options.egress import HTTP, SOCKS5, parse_proxy
from wxsync.options.settings import OPTIONS, Settings

_SHORT_TOKEN = 16
_BUCKET_LENGTH = 6
_PROTOCOLS = {HTTP: "HTTP CONNECT", SOCKS5: "SOCKS5，域名由代理解析"}
_ROUTES = {"bot": "机器人", "relay": "转发", "all": "全部", "admin": "管理"}


def report(settings: Settings, sources: tuple[str, ...], warnings: tuple[str, ...], now_local: datetime) -> str:
    """Return the text, several lines; now_local is aware, in the machine's time zone."""
    blocks = [
        ("配置来源（后面的优先）", iter(sources)),
        ("各部分", _parts(settings)),
        ("回调地址（填到企业微信后台「接收消息」的 URL，先启动服务再保存）", _callback(settings)),
        ("转发", _relay(settings)),
        ("出口代理", _egress(settings)),
        ("监听", _listeners(settings)),
        ("时间", _times(settings, now_local)),
        ("其他", _others(settings)),
        ("提醒", iter((*warnings, *_warnings(settings)))),
    ]
    lines = ["配置没有错误"]
    for title, block in blocks:
        content = [f"  {line}" for line in block]
        lines += ["", f"{title}：", *content] if content else []
    return "\n".join(lines) + "\n"


def _parts(settings: Settings) -> Iterator[str]:
    yield _part("机器人", settings.has_bot, checks.BOT)
    if settings.has_mirror:
        yield f"镜像同步：启用，{_engine(settings)}"
        yield f"  目标 {settings.registry.host}/{settings.registry.namespace}/"
        yield "  开始前先查源仓库：" + ("启用" if settings.registry.precheck else "关闭（registry.precheck = off）")
        yield from (f"  源仓库 {host} 由 {url} 代替" for host, url in settings.registry.mirrors)
    else:
        yield f"{_off('镜像同步', checks.DESTINATION + checks.GITHUB)}（没有 GitHub 时改为 {'、'.join(checks.LOGIN)}）"
    yield _part("文件上传", settings.has_upload, checks.UPLOAD)
    if settings.has_upload:
        place = settings.qingstor
        endpoint = place.endpoint.replace("{bucket}", place.bucket).replace("{zone}", place.zone)
        yield f"  存储桶 {place.bucket}，{endpoint}"
    yield _part("转发", settings.has_relay, checks.RELAY)


def _part(name: str, is_on: bool, keys: tuple[str, ...]) -> str:
    return f"{name}：启用" if is_on else _off(name, keys)


def _off(name: str, keys: tuple[str, ...]) -> str:
    return f"{name}：没有启用；要启用请设置 {'、'.join(keys)}"


def _engine(settings: Settings) -> str:
    if settings.engine == "local":
        sync = settings.sync
        why = "engine 指定" if sync.engine else "给了 registry.username 和 registry.password，没有 github.token"
        return f"由本机直接复制（{why}）：同时 {sync.workers} 个镜像，总时限 {sync.deadline:g} 秒，不用 GitHub"
    why = "engine 指定" if settings.sync.engine else "给了 github.token 和 github.repo"
    return f"由 GitHub Actions 复制（{why}）：{settings.github.repo} 的 {settings.github.branch} 分支"


def _callback(settings: Settings) -> Iterator[str]:
    if not settings.has_bot:
        return
    path = settings.wecom.path
    listener = _first(settings, "bot")
    if settings.wecom.public_url:
        yield settings.wecom.public_url + path
    elif listener:
        port = listener.port or "<端口>"
        host = "<服务器地址>" if listener.is_wildcard or listener.is_loopback else str(listener).rpartition(":")[0]
        yield f"http://{host}:{port}{path}"
        yield "换成企业微信能访问到的地址；有域名或前置代理时请设置 wecom.public_url"
    else:
        yield "server.listen 里没有机器人的监听地址，收不到消息"


def _relay(settings: Settings) -> Iterator[str]:
    prefix = settings.proxy.prefix
    for target in settings.proxy.targets:
        yield f"{prefix}/* → {target}/*"
    if settings.has_relay and not _first(settings, "relay"):
        yield "server.listen 里没有转发的监听地址，收不到请求"


def _egress(settings: Settings) -> Iterator[str]:
    egress = settings.egress
    if not egress.proxy_url:
        return
    proxy = parse_proxy(egress.proxy_url)
    login = "，带用户名和口令" if proxy.user else ""
    yield f"{proxy.shown}（{_PROTOCOLS[proxy.kind]}{login}）"
    through = {
        "GitHub": settings.engine == "actions",
        "镜像仓库": settings.has_mirror and (settings.registry.precheck or settings.engine == "local"),
        "下载文件": settings.has_upload,
        "企业微信": settings.has_bot and settings.wecom.via_egress,
    }
    used = "、".join(name for name, is_on in through.items() if is_on)
    if not used:
        yield "没有要经代理的部分，不会使用"
        return
    yield f"经代理：{used}"
    others = "青云对象存储、转发" + ("" if settings.wecom.via_egress else "、企业微信")
    exempt = "、".join(each.text for each in egress.no_proxy_domains)
    yield f"直连：{others}；以及 {exempt or '（no_proxy_domains 是空的）'}"
    yield f"启动时和之后每 2 分钟经代理试连 {egress.check_url}，连不上就全部直连，恢复后再经代理"


def _first(settings: Settings, part: str) -> Listener | None:
    """Return the first listener that carries the part's routes."""
    return next((each for each in settings.server.listen if each.part in {part, "all"}), None)


def _listeners(settings: Settings) -> Iterator[str]:
    for listener in (*settings.server.listen, settings.server.admin_listen):
        free = "（启动时选一个空闲端口，写在状态目录的 listeners.json）" if listener.port == 0 else ""
        yield f"{listener}  {_ROUTES[listener.part]}{free}"


def _times(settings: Settings, now_local: datetime) -> Iterator[str]:
    offset = now_local.strftime("%z")
    yield f"时区 {now_local.tzname()}（UTC{offset[:3]}:{offset[3:5]}），现在 {now_local:%Y-%m-%d %H:%M:%S}"
    if not settings.has_mirror:
        return  # nothing writes the list
    if not settings.rollover.enabled:
        yield "不清空 images.txt（rollover.enabled = no）"
        return
    at = settings.rollover.time
    day = now_local.date() + timedelta(days=int(now_local.time() >= at))
    yield f"下次清空 images.txt：{day} {at}"


def _others(settings: Settings) -> Iterator[str]:
    yield f"状态目录 {settings.server.state_dir}"
    yield f"日志 {settings.log.file or '标准错误'}，级别 {settings.log.level}，格式 {settings.log.format}"
    present = [option.key for option in OPTIONS if option.row.secret and settings.value(option)]
    if present:
        yield f"保密的选项，已设置：{'、'.join(present)}"


def _warnings(settings: Settings) -> Iterator[str]:
    for key in ("wecom.api_base", "github.api_base"):
        if settings.value(BY_KEY[key]).startswith("http://"):
            yield f"{key} 是 http://，密钥会明文传送，只能用于测试或内网"
    if settings.github.repo == "owner/repo":
        yield "github.repo 是示例里的 owner/repo，请确认"
    if settings.has_upload and len(settings.qingstor.bucket) < _BUCKET_LENGTH:
        yield f"存储桶 {settings.qingstor.bucket} 少于 {_BUCKET_LENGTH} 个字符，青云的文档要求 6 到 63 个"
    if 0 < len(settings.server.admin_token) < _SHORT_TOKEN:
        yield f"server.admin_token 少于 {_SHORT_TOKEN} 个字符，容易被猜到"
    if settings.has_mirror and not settings.has_bot:
        yield "没有启用机器人，只能用命令行同步镜像"
