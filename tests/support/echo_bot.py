"""A tiny bot in place of the daemon, for the demo's own tests: `echo_bot.py --config FILE`.

It writes listeners.json, answers the callback, and sends what the message asks for:
ok, partly, failed, help, silent (no final answer), deaf (no 200), die (exits 9).
"""

from __future__ import annotations

import configparser
import http.client
import json
import os
import signal
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

from wxsync.sandbox.server import Answer, Server
from wxsync.sandbox.wecom import crypto
from wxsync.sandbox.wecom.crypto import Identity

ANSWERS = {"ok": "✅ 镜像同步完成！成功 1 个\n#1", "partly": "❌ 镜像同步失败：成功 1 个，失败 1 个\n#1",
           "failed": "❌ 镜像同步失败：成功 0 个，失败 1 个\n#1", "help": "ℹ️ 帮助\n#1"}


class EchoBot:
    def __init__(self, settings):
        wecom = settings["wecom"]
        self.identity = Identity(wecom["corp_id"], int(wecom["agent_id"]), wecom["secret"], wecom["token"],
                                 wecom["encoding_aes_key"])
        self.api = urlsplit(wecom["api_base"]).netloc
        self.server = Server(self.respond)

    def respond(self, request):
        if request.path == "/health":
            return Answer(200)
        if request.method == "GET":
            return Answer(200, crypto.decrypt(self.identity, request.arg("echostr")), "text/plain")
        inner = crypto.decrypt(self.identity, ET.fromstring(request.body).findtext("Encrypt"))
        text = ET.fromstring(inner).findtext("Content")
        if text == "die":
            print("echo bot: dying as asked", file=sys.stderr, flush=True)
            os._exit(9)
        if text == "deaf":
            return Answer(500)
        threading.Thread(target=self.answer, args=(text,)).start()
        return Answer(200)

    def answer(self, text):
        self.send("🔄 正在处理镜像同步请求...\n#1")
        if text in ANSWERS:
            self.send(ANSWERS[text])

    def send(self, text):
        ids = f"corpid={self.identity.corp_id}&corpsecret={self.identity.secret}"
        token = self.call("GET", f"/cgi-bin/gettoken?{ids}")["access_token"]
        self.call("POST", f"/cgi-bin/message/send?access_token={token}", {
            "touser": "zhangsan", "msgtype": "text", "agentid": self.identity.agent_id, "text": {"content": text}})

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.api, timeout=10)
        connection.request(method, path, json.dumps(body, ensure_ascii=False).encode("utf-8"))
        return json.loads(connection.getresponse().read())


def main(config, make=EchoBot):
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(config, encoding="utf-8")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    bot = make(settings)
    listeners = [{"part": "admin", "host": "127.0.0.1", "port": 1},
                 {"part": "bot", "host": "127.0.0.1", "port": bot.server.port}]
    state = Path(settings["server"]["state_dir"])
    state.joinpath("listeners.tmp").write_text(json.dumps({"pid": os.getpid(), "listeners": listeners}))
    state.joinpath("listeners.tmp").replace(state / "listeners.json")
    ended.wait()
    bot.server.close()


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--config") + 1])
