"""Say in one Chinese line what is wrong with an item of a message and what to write instead. Floor: jobs, pure."""

from __future__ import annotations

# Code -> what the member reads. The codes are those of tests/data/messages.json.
REASONS = {
    "characters": "含有镜像名里不能用的字符；只能用小写字母、数字和 . _ - / : @",
    "uppercase": "镜像名只能用小写字母（标签可以有大写）",
    "tag": "标签为空或写法不对；写成 名称:标签，标签只能用字母、数字和 _ . -，最长 128 个字符",
    "name": "镜像名为空或写法不对；写成 名称:标签，例如 nginx:1.27",
    "digest-length": "sha256 摘要应有 64 位十六进制数字，可能没有复制全",
    "digest-format": "摘要写法不对；写成 @sha256: 加 64 位小写十六进制数字",
    "host": "仓库地址写法不对；写成 域名 或 域名:端口，端口为 1 到 65535",
    "host-only": "只有仓库地址，没有镜像名；在后面接着写镜像名",
    "length": "镜像名超过 255 个字符",
    "platform": "平台为空或不认识；写成 --platform=linux/arm64，多个平台用英文逗号连接，中间不加空格",
    "no-image": "选项后面没有镜像；在同一行接着写镜像",
    "option": "不支持这个选项；只支持 --platform=平台",
    "command-line": "不支持 docker pull 以外的命令；只发送镜像名，例如 nginx:1.27",
    "destination": "目标写法不对；写成 镜像 -> 名称:标签，例如 nginx:1.27 -> web:v3",
    "url": "链接写法不对；每行写一个完整的 http:// 或 https:// 链接，中间没有空格",
    "scheme": "只支持 http:// 和 https:// 链接",
    "mixed": "链接和镜像不能放在一条消息里；请分开发送，链接每行一个",
    "too-many": "一条消息最多 100 个镜像；从这一个起请另发一条消息",
}

# More exact words for cases that share a code with others.
TOO_LONG = "消息超过 16 KiB；请分几条发送"
LONE_WORD = "前后只隔空格的单词不算镜像；是镜像请补上标签（例如 nginx:latest）或用逗号隔开，不是请删掉"
NO_WORD = "不是镜像名；只发送镜像，前后不要有别的文字"
DIGITS_ONLY = "镜像名不能只有数字；前面要写仓库或命名空间"
PLATFORM_APART = "平台没有连在选项上；多个平台用英文逗号连接，中间不加空格"
NO_ARROW = "to 不是箭头；写成 镜像 -> 名称:标签"

# Destinations; each takes what the braces name.
NAME_TAKEN = "目标名称 {name} 已属于 {holder}；请换一个名称"
WRITTEN_BY_OTHER = "目标 {name}:{tag} 已由 {holder} 写入；请换一个标签"
TWICE_IN_MESSAGE = "目标 {name}:{tag} 与这条消息里前面的镜像相同；请写成 镜像 -> 名称:标签，另起一个"
NO_NAME_LEFT = "可用的目标名称都已属于别的镜像；请写成 镜像 -> 名称:标签，另起一个"
DESTINATION_TOO_LONG = "目标名称或标签太长（名称最多 255 个字符，标签最多 128 个）；请写成 镜像 -> 名称:标签，另起一个"
