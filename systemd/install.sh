#!/bin/sh
# 安装 wxsyncd：./install.sh [install|upgrade|rollback|status|uninstall] [--help]
# Find the newest Python from 3.9 on that a service can use, check this release, hand over to the installer.
set -eu
here=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
if [ ! -f "$here/SHA256SUMS" ]; then
    echo "这里没有 SHA256SUMS，不是解压好的发布包：用 make dist 做一个，或重新下载" >&2
    exit 1
fi
if ! (cd -- "$here" && sha256sum --strict --quiet -c SHA256SUMS) >&2; then
    echo "安装包已损坏，什么都没有改：重新下载、解压" >&2
    exit 1
fi
minor=40
while [ "$minor" -ge 9 ]; do
    for directory in /usr/bin /usr/local/bin; do
        python=$directory/python3.$minor
        # Some distributions leave parts of the standard library out of their smallest package.
        if [ -x "$python" ] && "$python" -I -c 'import ctypes, json, sqlite3, ssl, zipfile' 2>/dev/null; then
            exec "$python" -I -B -c 'import sys
sys.path[:0] = [sys.argv[1] + "/systemd", sys.argv[1]]
from installer.command_line import run
sys.exit(run(sys.argv[1:]))' "$here" "$@"
        fi
    done
    minor=$((minor - 1))
done
echo "没有找到可用的 Python 3.9 或更新版本（要在 /usr/bin 或 /usr/local/bin），什么都没有改。" >&2
echo "装上系统自带的，例如 apt install python3 或 dnf install python3.11，再运行一次。" >&2
for python in /usr/bin/python3* /usr/local/bin/python3*; do
    case $python in
    *-config | *'*') ;;
    *) echo "  找到的：$python $("$python" -c 'import sys; print(sys.version.split()[0])' 2>&1 | head -n 1)" >&2 ;;
    esac
done
exit 1
