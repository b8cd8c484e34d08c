"""The option table: one settings type a section, each field with its type, default, old names and help.

Everything else (loader, environment names, credentials, check-config, example file, docs) is made from these rows.

Floor: ground, pure.
"""
# ruff: noqa: RUF009 - option() makes a dataclass field, as field() does, which is all that the rule would allow

from __future__ import annotations

import datetime
from dataclasses import dataclass

from wxsync.options import addresses, egress, identifiers, kinds
from wxsync.options.addresses import Listener, Network
from wxsync.options.egress import Exemption
from wxsync.options.table import option

_DAY_S = 86400.0
_TIMEOUT = kinds.seconds(0.05, _DAY_S)
_SPAN = kinds.seconds(0.05, 30 * _DAY_S)
_BYTES = kinds.size(1, 1 << 40)
_COUNT = kinds.whole(1, 1_000_000)
_WORKERS = kinds.whole(1, 64)


@dataclass(frozen=True)
class Server:
    """[server]: listeners, bounds of a connection, state directory."""

    listen: tuple[Listener, ...] = option(
        addresses.LISTENERS, "0.0.0.0:3000=bot, 0.0.0.0:8502=relay",
        "监听地址，每项 地址:端口，可加 =bot 或 =relay 只开放那一部分；"
        "没写时 PORT 和 FLASK_RUN_PORT 改两个默认端口，没有启用的部分不监听", env=("PORT", "FLASK_RUN_PORT"))
    admin_listen: Listener = option(
        addresses.ADMIN_LISTENER, "127.0.0.1:8503",
        "管理地址：健康检查、/metrics 和命令行用的接口 /api/jobs；状态页尚未启用")
    admin_token: str = option(
        identifiers.SECRET, None, "管理地址的口令，管理地址不是本机时必填，例如 openssl rand -hex 16 的输出",
        secret=True)
    processes: int = option(_WORKERS, "1", "接收请求的进程数")
    threads: int = option(kinds.whole(1, 4096), "128", "每个进程最多同时处理多少个请求")
    max_connections: int = option(_COUNT, "1024", "每个进程最多保持多少个连接")
    trusted_proxies: tuple[Network, ...] = option(
        addresses.NETWORKS, "127.0.0.1, ::1", "前置代理（nginx 等）的地址，只信它们的 X-Forwarded-* 头；没有就留空")
    state_dir: str = option(
        kinds.PATH, None,
        "状态目录；没写时用 $STATE_DIRECTORY，否则 root 用 /var/lib/wxsyncd，其他用户用 ~/.local/state/wxsyncd")
    head_timeout: float = option(_TIMEOUT, "10", "收完请求头的总时限")
    body_timeout: float = option(_TIMEOUT, "30", "收请求体时两段数据之间的最长间隔")
    write_timeout: float = option(_TIMEOUT, "30", "发应答时对方不收数据的最长时间")
    idle_timeout: float = option(_TIMEOUT, "75", "空闲连接保持多久")
    max_request_line: int = option(kinds.size(256, 1 << 20), "8192", "请求行最长多少字节")
    max_head: int = option(kinds.size(1024, 1 << 20), "32768", "请求头最多多少字节")
    max_requests: int = option(kinds.whole(1, 1_000_000_000), "10000", "一个连接上最多处理多少个请求")


@dataclass(frozen=True)
class Log:
    """[log]: level, format and file."""

    level: str = option(
        kinds.choice("debug", "info", "warning", "error"), "info", "日志级别；FLASK_DEBUG 为真时等于 debug",
        env=("FLASK_DEBUG",))
    format: str = option(kinds.choice("text", "json"), "text", "日志格式")
    file: str = option(kinds.PATH, None, "日志文件；没写时写到标准错误（systemd 下就是 journal）")
    access: bool = option(kinds.BOOLEAN, "on", "是否记录每个请求")
    max_bytes: int = option(kinds.size(1024, 1 << 40), "20M", "日志文件到这个大小就轮换")
    backups: int = option(kinds.whole(0, 1000), "5", "轮换后保留几个旧文件")


@dataclass(frozen=True)
class WeCom:
    """[wecom]: the app that members talk to."""

    corp_id: str = option(identifiers.CORP_ID, None, "企业 ID，见管理后台「我的企业」", env=("CORP_ID",))
    agent_id: int = option(kinds.whole(1, 9_999_999_999), None, "应用的 AgentId，例如 1000002", env=("AGENT_ID",))
    secret: str = option(identifiers.SECRET, None, "应用的 Secret", env=("SECRET",), secret=True)
    token: str = option(
        identifiers.TOKEN, None, "回调的 Token，与后台「接收消息」里的一致", env=("TOKEN",), secret=True)
    encoding_aes_key: str = option(
        identifiers.ENCODING_AES_KEY, None, "回调的 EncodingAESKey，与后台「接收消息」里的一致",
        env=("ENCODING_AES_KEY",), secret=True)
    path: str = option(addresses.URL_PATH, "/wechat/callback", "回调地址里的路径")
    public_url: str = option(
        addresses.BASE_URL, None,
        "外网访问本服务的地址，不含回调路径，例如 https://bot.example.com；check-config 用它打印要填到后台的回调地址")
    api_base: str = option(addresses.BASE_URL, "https://qyapi.weixin.qq.com", "企业微信接口的地址")
    via_egress: bool = option(kinds.BOOLEAN, "no", "访问企业微信接口是否走出口代理")
    allow_users: tuple[str, ...] = option(
        identifiers.ALLOWED, None, "允许使用的成员账号，空表示应用可见范围内的所有人")
    admin_users: tuple[str, ...] = option(
        identifiers.MEMBERS, None, "管理员的成员账号：能取消别人的任务，收到 GitHub 令牌到期提醒")


@dataclass(frozen=True)
class GitHub:
    """[github]: the repository whose workflow mirrors the images."""

    token: str = option(
        identifiers.SECRET, None, "访问令牌，需要该仓库的 Contents 和 Actions 读写权限",
        env=("GITHUB_TOKEN",), secret=True)
    repo: str = option(identifiers.REPO, None, "放 images.txt 和工作流的仓库", env=("GITHUB_REPO",))
    branch: str = option(identifiers.BRANCH, "main", "使用的分支", env=("GITHUB_BRANCH",))
    workflow: str = option(identifiers.WORKFLOW, "docker-image-sync.yml", "工作流的文件名")
    api_base: str = option(
        addresses.BASE_URL, "https://api.github.com", "GitHub 接口的地址；企业版写 https://主机/api/v3")
    poll: float = option(_TIMEOUT, "5", "隔多久查一次运行状态")
    wait: float = option(_SPAN, "300", "等多久还没结果就先告诉成员仍在进行")
    follow: float = option(_SPAN, "6h", "晚到的结果最多等多久")


@dataclass(frozen=True)
class Sync:
    """[sync]: which engine mirrors."""

    engine: str = option(
        kinds.choice("actions", "local"), None,
        "由谁复制镜像：actions 是 GitHub Actions，local 是本机直接复制；"
        "没写时有 GitHub 配置就用 actions，只有仓库账号就用 local")
    workers: int = option(_WORKERS, "4", "local 同时复制几个镜像")
    deadline: float = option(_SPAN, "2h", "local 一次同步的总时限")


@dataclass(frozen=True)
class Registry:
    """[registry]: where the images go, and the sources that need something special."""

    registry: str = option(
        addresses.REGISTRY, None, "目标仓库，例如 registry.cn-hangzhou.aliyuncs.com；http:// 开头表示不加密",
        env=("DOCKER_REGISTRY",))
    namespace: str = option(identifiers.NAMESPACE, None, "目标命名空间", env=("DOCKER_NAMESPACE",))
    username: str = option(identifiers.LOGIN, None, "目标仓库的用户名（local 用）")
    password: str = option(identifiers.PASSWORD, None, "目标仓库的口令（local 用）", secret=True)
    source_auth: tuple[tuple[str, str, str], ...] = option(
        addresses.SOURCE_AUTH, None, "私有源仓库的账号，主机=用户名:口令，特殊字符写成 %XX", secret=True)
    precheck: bool = option(
        kinds.BOOLEAN, "on", "开始前先到源仓库查镜像和平台是否存在，最多 5 秒；查不到结果时照常开始")
    mirrors: tuple[tuple[str, str], ...] = option(
        addresses.MIRRORS, None,
        "源仓库的替代地址，例如 docker.io=http://127.0.0.1:5000/docker.io；"
        "*=http://127.0.0.1:5000/{host} 代替其余所有主机")
    allow_hosts: tuple[str, ...] = option(addresses.HOSTS, None, "允许访问的内网源仓库主机")
    allow_networks: tuple[Network, ...] = option(addresses.NETWORKS, None, "允许访问的内网源仓库网段")

    @property
    def host(self) -> str:
        """Return the destination registry without the http:// that marks a plain one."""
        return self.registry[len("http://"):] if self.registry.startswith("http://") else self.registry

    @property
    def prefix(self) -> str:
        """Return what stands before NAME:TAG in every destination: REGISTRY/NAMESPACE/."""
        return f"{self.host}/{self.namespace}/"


@dataclass(frozen=True)
class QingStor:
    """[qingstor]: where uploads go."""

    access_key_id: str = option(
        identifiers.SECRET, None, "访问密钥 ID", env=("QINGSTOR_ACCESS_KEY_ID",), secret=True)
    secret_access_key: str = option(
        identifiers.SECRET, None, "访问密钥 Secret", env=("QINGSTOR_SECRET_ACCESS_KEY",), secret=True)
    zone: str = option(identifiers.ZONE, "pek3a", "区域", env=("QINGSTOR_ZONE",))
    bucket: str = option(identifiers.BUCKET, "tmp", "存储桶，要先在控制台建好")
    endpoint: str = option(
        addresses.ENDPOINT, "https://{bucket}.{zone}.qingstor.com",
        "服务地址；写成固定的 http://主机:端口 时用路径方式访问")
    link_days: int = option(kinds.whole(1, 3650), "7", "私有存储桶的下载链接有效几天")


@dataclass(frozen=True)
class Upload:
    """[upload]: bounds of a download and its upload."""

    max_bytes: int = option(_BYTES, "5G", "文件最大多少字节")
    workers: int = option(_WORKERS, "4", "一个文件用几个连接上传")
    part_size: int = option(kinds.size(4 << 20, 1 << 30), "4M", "分段大小")
    deadline: float = option(_SPAN, "2h", "一次上传的总时限")
    min_rate: int = option(kinds.size(0, 1 << 40), "10K", "一分钟里平均每秒少于这么多字节就放弃下载")
    allow_networks: tuple[Network, ...] = option(addresses.NETWORKS, None, "允许下载的内网网段")
    allow_hosts: tuple[str, ...] = option(addresses.HOSTS, None, "允许下载的内网主机")


@dataclass(frozen=True)
class Egress:
    """[egress]: the proxy on the way out."""

    proxy_url: str = option(
        egress.PROXY_URL, None, "出口代理，http://、socks5:// 或 socks5h://，可带 用户名:口令@",
        env=("PROXY_URL",), secret=True)
    no_proxy_domains: tuple[Exemption, ...] = option(
        egress.EXEMPTIONS, "localhost,127.0.0.1,qingstor.com",
        "不走出口代理的域名（连同其下的）、地址和网段；主机:端口 只指那个端口，* 是全部", env=("NO_PROXY_DOMAINS",))
    check_url: str = option(addresses.BASE_URL, "https://www.google.com/", "启动时和之后每 2 分钟经出口代理试连的地址")
    ca_file: str = option(kinds.PATH, None, "另外信任的 CA 证书文件")


@dataclass(frozen=True)
class Proxy:
    """[proxy]: the relay to the servers inside."""

    targets: tuple[str, ...] = option(
        addresses.URLS, None, "内网服务器的地址，可以有多个、可以带路径", env=("TARGET_SERVER_URL",))
    prefix: str = option(addresses.URL_PATH, "/wework-callback", "转发的路径前缀，转发时去掉")
    timeout: float = option(_TIMEOUT, "30", "等待内网服务器应答的最长时间")
    connect_timeout: float = option(_TIMEOUT, "5", "连接内网服务器的最长时间")
    max_body: int = option(kinds.size(0, 1 << 40), "20M", "请求体最大多少字节")
    health_path: str = option(addresses.URL_PATH, None, "定期检查内网服务器的路径；没写时只看转发的结果")


@dataclass(frozen=True)
class Jobs:
    """[jobs]: the queue and the history."""

    when_busy: str = option(kinds.choice("reject", "queue"), "reject", "已有同步任务时：reject 拒绝新的，queue 排队")
    max_queue: int = option(kinds.whole(1, 10_000), "20", "最多排队几个任务")
    upload_workers: int = option(_WORKERS, "2", "同时进行几个上传")
    history_days: int = option(kinds.whole(1, 36_500), "90", "历史保留几天")


@dataclass(frozen=True)
class Rollover:
    """[rollover]: when the day's list is emptied."""

    time: datetime.time = option(kinds.CLOCK_TIME, "00:00:00", "每天清空 images.txt 的时刻（本地时间）")
    enabled: bool = option(kinds.BOOLEAN, "yes", "是否每天清空")
