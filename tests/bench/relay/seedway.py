"""The way of the replaced program, in our own few lines: Flask, requests, one new upstream connection a request."""

from __future__ import annotations

import os

import requests
from flask import Flask, Response, request

TARGET = os.environ["TARGET_SERVER_URL"]
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding",
    "upgrade", "content-encoding", "content-length", "host",
}
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
app = Flask(__name__)


@app.route("/wework-callback", defaults={"path": ""}, methods=METHODS)
@app.route("/wework-callback/<path:path>", methods=METHODS)
def forward(path: str) -> Response:
    headers = {name: value for name, value in request.headers if name.lower() not in HOP_BY_HOP}
    answer = requests.request(
        request.method, f"{TARGET}/{path}", headers=headers, params=request.args, data=request.get_data(),
        allow_redirects=False, timeout=30)
    kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
    return Response(answer.content, answer.status_code, kept)
