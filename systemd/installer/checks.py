"""Everything that could keep an installation from working, found before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from installer.configuration import Configuration
from installer.host import Host
from installer.layout import UNITS, Layout, is_version, order
from installer.package import MACHINES, Package
from installer.record import is_user_name

OLDEST_SYSTEMD = 239
OLDEST_GLIBC = (2, 17)  # the newest symbol version that the packed library wants
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._-]{1,100}){1,10}", re.ASCII)
_HIDDEN = ("/home/", "/root/", "/tmp/", "/var/tmp/", "/run/")  # noqa: S108 - the unit hides these from the service


@dataclass(frozen=True)
class Wish:
    """What the operator asked for. must_exist: upgrade, not install. user: empty for a dynamic one."""

    must_exist: bool = False
    user: str = ""
    starts: bool = True


def problems(
    layout: Layout, package: Package, host: Host, configuration: Configuration, wish: Wish, *,
    port_holder: Callable[[str, int], str],
) -> Iterator[str]:
    """Yield every reason not to begin, with the mend."""
    yield from _of_package(package)
    yield from _of_host(host, package)
    yield from _of_prefix(layout)
    yield from _of_version(layout, package, wish)
    if wish.user and not is_user_name(wish.user):
        yield f"--user {wish.user}：不是可用的用户名（小写字母、数字、- 和 _，不能是 root）"
    yield from (f"配置有错：{problem}" for problem in configuration.problems)
    for host_name, port in configuration.listeners:
        holder = port_holder(host_name, port) if port else ""
        if holder:
            yield f"端口 {host_name}:{port} 被 {holder} 占用：停掉它，或改 wxsync.conf 里的 listen / admin_listen"


def remarks(configuration: Configuration, host: Host) -> Iterator[str]:
    """Yield what is odd but no reason to stop."""
    for place in configuration.outside:
        yield (f"{place}：服务只能写 /var/lib/wxsyncd 和 /var/log/wxsyncd；"
               "删掉这一项，或用 systemctl edit wxsyncd 加 ReadWritePaths=")
    if not host.is_booted:
        yield "systemd 没有在运行（容器或 chroot？）：只放好文件，不启动服务"


def _of_package(package: Package) -> Iterator[str]:
    if not package.sums():
        yield "这里没有 SHA256SUMS，不是解压好的发布包：用 make dist 做一个，或重新下载"
        return
    damaged = package.damaged()
    if damaged:
        yield f"安装包已损坏：{_some(damaged)} 与校验和不符：重新下载、解压"
    if not is_version(package.version):
        yield f"安装包的版本号不对：{package.version!r}：重新下载、解压"


def _of_host(host: Host, package: Package) -> Iterator[str]:
    if not host.is_root:
        yield "要以 root 运行：sudo ./install.sh"
    if host.implementation != "cpython" or not _is_system_path(host.python):
        yield f"服务不能使用 {host.python}：装上系统自带的 Python（例如 apt install python3 或 dnf install python3.11）"
    name, version = host.libc
    if host.machine not in MACHINES:
        yield f"不支持的处理器 {host.machine}：安装包里有 {'、'.join(MACHINES)} 的程序库"
    elif package.sums() and package.wheel(host.machine) is None:
        yield f"安装包里没有 {host.machine} 的 pycryptodome：重新下载"
    if name != "glibc" or version < OLDEST_GLIBC:
        shown = f"{name or '未知的 libc'} {'.'.join(map(str, version))}".strip()
        yield f"不支持的系统：{shown}，需要 glibc {OLDEST_GLIBC[0]}.{OLDEST_GLIBC[1]} 或更新：用容器方式部署"
    if host.systemd < OLDEST_SYSTEMD:
        found = f"systemd {host.systemd}" if host.systemd else "没有 systemd"
        yield f"{found}，需要 {OLDEST_SYSTEMD} 或更新：用容器方式部署"
    needed = 4 * package.size_bytes() + (50 << 20) if package.sums() and not package.damaged() else 0
    if host.free_bytes < needed:
        yield f"磁盘空间不够：还有 {host.free_bytes >> 20} MiB，需要 {needed >> 20} MiB：清理，或用 --prefix 换一个盘"


def _of_prefix(layout: Layout) -> Iterator[str]:
    prefix = layout.prefix
    if not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/") or not _is_system_path(prefix):
        yield (f"--prefix {prefix}：写一个绝对路径，只含字母、数字和 . _ -，"
               f"不在 {' '.join(_HIDDEN)} 下（服务看不见那里）")
        return
    if layout.current.exists() and not layout.current.is_symlink():
        yield f"{layout.current} 不是安装程序放的（手工部署？）：先移走，例如 mv {layout.home} {layout.home}.old"
    elif layout.home.exists() and not layout.versions.is_dir() and any(layout.home.iterdir()):
        yield f"{layout.home} 里有别的东西：换一个 --prefix，或先移走"
    for unit in UNITS:
        path = layout.units / unit
        if path.is_symlink():
            yield f"{path} 是一个链接（屏蔽了，或是手工放的）：先 systemctl unmask {unit}，或删掉它"


def _of_version(layout: Layout, package: Package, wish: Wish) -> Iterator[str]:
    running = layout.running()
    if wish.must_exist and not running:
        yield "还没有安装，不能升级：运行 ./install.sh"
    if running and is_version(package.version) and order(package.version) < order(running):
        yield f"已安装的 {running} 比 {package.version} 新：退回用 {layout.prefix}/current/install.sh rollback"
    laid = Package(layout.versions / package.version)
    if laid.directory.is_dir() and laid.sums() != package.sums():
        yield f"已有内容不同的 {package.version}：同一个版本号只能有一份内容；先 uninstall（配置和状态会保留）"
    elif damaged := laid.damaged():
        yield (f"已装的 {laid.directory} 里 {_some(damaged)} 被改动或丢失："
               "先 uninstall，再安装（配置和状态会保留）")


def _some(names: Sequence[str]) -> str:
    return "、".join(names[:5]) + (" 等" if len(names) > 5 else "")


def _is_system_path(path: str) -> bool:
    return not f"{path}/".startswith(_HIDDEN)
