"""A token service for docker-registry: JSON web tokens that the real registry checks by our certificate."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from wxsync.sandbox.server import Answer, Request, Server, json_answer

USER, PASSWORD = "robot", "correct horse"
SERVICE, ISSUER = "tests registry", "tests issuer"


class TokenService:
    """Gives pull to everybody and push to USER. life_s: of the tokens. given: the scopes of each, in order."""

    def __init__(self, directory: Path) -> None:
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        openssl = shutil.which("openssl")
        assert openssl
        subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
                        str(certificate), "-days", "2", "-subj", "/CN=tests"], check=True, capture_output=True)
        self._key = RSA.import_key(key.read_bytes())
        body = certificate.read_text().split("-----")[2]
        self._certificate = "".join(body.split())
        self.given: list[list[str]] = []
        self.life_s = 300
        self.server = Server(self._answer)
        self.settings = {"realm": f"{self.server.url}/token?kind=tests", "service": SERVICE, "issuer": ISSUER,
                         "rootcertbundle": str(certificate)}

    def close(self) -> None:
        """End it."""
        self.server.close()

    def _answer(self, request: Request) -> Answer:
        fields = parse_qsl(urlsplit(request.target).query)
        header = request.headers.get("authorization", "")
        login = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if ("service", SERVICE) not in fields or ("kind", "tests") not in fields:
            return json_answer({"details": "another service"}, 400)
        if header and header != login:
            return json_answer({"details": "incorrect username or password"}, 401)
        scopes = [value for key, value in fields if key == "scope"]
        self.given.append(scopes)
        return json_answer({"token": self._token(scopes, may_push=bool(header)), "expires_in": self.life_s})

    def _token(self, scopes: list[str], *, may_push: bool) -> str:
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = [action for action in actions.split(",") if action == "pull" or may_push]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": "x", "aud": SERVICE, "exp": now + self.life_s, "nbf": now - 10, "iat": now,
                  "jti": secrets.token_hex(8), "access": access}
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self._certificate]}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_encoded(pkcs1_15.new(self._key).sign(SHA256.new(text.encode())))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
