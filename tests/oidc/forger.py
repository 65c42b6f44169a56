"""A provider in the hands of an attacker: it speaks the protocol, and says what a test wants."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.web_server import WebServer, answer, web_server


@dataclass
class Forger:
    """key: the one that it publishes, under the name `k1`."""

    server: WebServer
    client_id: str = "ledger"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def metadata(self, **changes: object) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            **changes,
        }

    def publish(self, path: str, document: object) -> None:
        body = orjson.dumps(document)
        self.server.answers[path] = answer(body=body, Content_Type="application/json")

    def publish_all(self, **changes: object) -> None:
        self.publish("/.well-known/openid-configuration", self.metadata(**changes))
        self.publish("/jwks", {"keys": [self.key.as_dict(private=False)]})

    def answer_with(self, id_token: str) -> None:
        tokens = {"access_token": "a", "token_type": "Bearer", "id_token": id_token}
        self.publish("/token", tokens)

    def claims(self, nonce: str, **changes: object) -> dict[str, object]:
        now_s = int(time.time())
        return {
            "iss": self.issuer,
            "sub": "mallory",
            "aud": self.client_id,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": nonce,
            "email": "ada@acme.example",
            "email_verified": True,
            **changes,
        }

    def signed(self, claims: dict[str, object], **header: str) -> str:
        return jwt.encode({"alg": "RS256", "kid": "k1", **header}, claims, self.key)

    def signed_with_public_key(self, claims: dict[str, object]) -> str:
        """Key confusion: the public key, taken for a shared secret."""
        signed = _joined({"alg": "HS256", "kid": "k1"}, claims)
        mac = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{_base64(mac)}"

    def unsigned(self, claims: dict[str, object]) -> str:
        return f"{_joined({'alg': 'none', 'kid': 'k1'}, claims)}."


def _joined(header: dict[str, str], claims: dict[str, object]) -> str:
    return f"{_base64(orjson.dumps(header))}.{_base64(orjson.dumps(claims))}"


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


@asynccontextmanager
async def a_forger() -> AsyncIterator[Forger]:
    async with web_server() as server:
        forger = Forger(server)
        forger.publish_all()
        yield forger
