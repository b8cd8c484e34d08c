"""Write wxsync.conf.example and docs/configuration.md from the option table (Chinese).

Floor: ground, pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wxsync.config import checks
from wxsync.options.settings import OPTIONS, TITLES
from wxsync.options.table import Option

_REQUIRED = {
    **dict.fromkeys(checks.BOT, "启用机器人时必填"),
    **dict.fromkeys(checks.DESTINATION, "启用镜像同步时必填"),
    **dict.fromkeys(checks.GITHUB, "用 GitHub Actions 同步镜像时必填"),
    **dict.fromkeys(checks.LOGIN, "由本机同步镜像时必填"),
    **dict.fromkeys(checks.UPLOAD, "启用文件上传时必填"),
    **dict.fromkeys(checks.RELAY, "启用转发时必填"),
}
_EXAMPLE_HEAD = """\
# wxsyncd 的配置文件示例：复制为 /etc/wxsyncd/wxsync.conf，去掉要改的行前面的 #，再运行 wxsyncd check-config。
#
# 只写需要的部分：机器人写 [wecom]；镜像同步写 [registry]，连同 username 和 password（由本机复制），或连同 [github]（由
# GitHub Actions 复制）；文件上传写 [qingstor] 的两个密钥；转发写 [proxy] targets。
# 注释独占一行，值的后面不能跟注释，值不加引号；列表用逗号隔开，也可以每行一项、从第二行起缩进。
# 时间是秒数，可带单位 s m h d；大小是字节数，可带单位 K M G（1024）；开关写 yes 或 no。
# 每个选项也可以写成环境变量 WXSYNC_节_选项，或 systemd 凭据 节.选项；口令建议用凭据。
"""
_DOCS_HEAD = """\
# 配置

配置来自四处，后面的优先：默认值、配置文件、环境变量、systemd 凭据。

- **配置文件**：`/etc/wxsyncd/wxsync.conf`，或 `--config 文件`。格式是 INI：`[节]`、`选项 = 值`，注释独占一行，
  值不加引号，`%` 就是 `%`。示例见 [wxsync.conf.example](../wxsync.conf.example)。
- **环境变量**：每个选项都有 `WXSYNC_节_选项` 这个名字；原来两个程序的名字也都能用（下表括号里的）。
- **`.env`**：没有配置文件时读当前目录的 `.env`，或用 `--env-file 文件` 指定；规则与 python-dotenv 相同，
  已有的环境变量优先。
- **systemd 凭据**：`$CREDENTIALS_DIRECTORY` 下名为 `节.选项` 的文件，例如 `wecom.secret`。

时间是秒数，可带单位 `s m h d`；大小是字节数，可带单位 `K M G`（1024）；两者都可以有小数。
开关写 yes/no、on/off、true/false 或 1/0。列表用逗号或换行隔开。空的值等于没写；对列表来说是空列表。

一部分的必填选项全都没写，这一部分就不启用；只写了一半是错误。`wxsyncd check-config` 一次列出所有错误；
有错误时服务不启动，退出状态是 78。标着 🔒 的选项是保密的，任何日志和页面都不显示它的值。

`PORT` 和 `FLASK_RUN_PORT` 分别改机器人和转发的默认端口，写了 `server.listen` 就不再起作用；
`FLASK_DEBUG` 为真等于 `log.level = debug`，没有别的作用。
"""
_NOTES = {
    "egress": """\
GitHub、镜像仓库和下载经代理；青云对象存储和转发永远直连，企业微信在 `wecom.via_egress = yes` 时才经代理。
域名由代理解析，`http_proxy` 等环境变量不读。代理连不上、口令不对、到不了 `check_url` 时写日志并改为直连，
恢复后再经代理。

`no_proxy_domains` 的写法：`example.com`、`.example.com`、`*.example.com` 都指这个域名和它下面的一切；
`192.168.1.1`、`10.0.0.0/8`、`fd00::/8` 只看写成地址的主机，不查域名；`host:8443`、`[::1]:8443` 只指
这个端口；`*` 是全部。
""",
}  # what does not fit into a row; a section's stands below its table


def example() -> str:
    """Return the text of wxsync.conf.example: every option commented out, with its default."""
    return "\n".join([_EXAMPLE_HEAD, *(line for section in TITLES for line in _example_section(section))])


def docs() -> str:
    """Return the text of docs/configuration.md."""
    return "\n".join([_DOCS_HEAD, *(line for section in TITLES for line in _docs_section(section))])


def _default(option: Option) -> str:
    return f"`{option.row.default}`" if option.row.default is not None else _REQUIRED.get(option.key, "无")


def _of(section: str) -> Iterator[Option]:
    return (option for option in OPTIONS if option.section == section)


def _example_section(section: str) -> Iterator[str]:
    yield from (f"[{section}]", f"# {TITLES[section]}", "")
    for option in _of(section):
        required = _REQUIRED.get(option.key)
        yield f"# {option.help}" + (f"。{required}" if required else "")
        yield f"#{option.name} = {option.row.default or ''}".rstrip()
        yield ""


def _docs_section(section: str) -> Iterator[str]:
    yield from (f"## [{section}] {TITLES[section]}", "")
    yield from ("| 选项 | 默认值 | 环境变量 | 类型 | 说明 |", "|---|---|---|---|---|")
    for option in _of(section):
        old = "、".join(f"`{name}`" for name in option.row.env)
        names = f"`{option.variable}`" + (f"（{old}）" if old else "")
        lock = " 🔒" if option.row.secret else ""
        yield f"| `{option.name}`{lock} | {_default(option)} | {names} | {option.row.kind.name} | {option.help} |"
    yield ""
    if section in _NOTES:
        yield _NOTES[section]
