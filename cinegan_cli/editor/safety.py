"""Who may talk to the server, and what browsers may do with its answers: checked before any route is looked up."""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # the token is in the address
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

App = Callable[..., Any]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Guard:
    """An ASGI application before another: foreign hosts, foreign pages and requests without the token end here.

    `host` is what the server listens on. On a loopback address only its names are taken for hosts; else any address
    and that name, since the token alone tells friends from strangers there.
    """

    app: App
    token: str
    host: str

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_safely(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send_safely)
            return
        status, error = refusal
        body = json.dumps({"error": error}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"connection", b"close")]
        await send_safely({"type": "http.response.start", "status": status, "headers": headers})
        await send_safely({"type": "http.response.body", "body": body})

    def _refusal(self, scope: dict[str, Any]) -> tuple[int, str] | None:
        """Status and reason, where the request is not to be answered."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._knows(hosts[0].decode("latin-1")):
            return 421, "this server has another name; open the address that `cinegan edit` printed"
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if any(origin.lower() != b"http://" + hosts[0].lower() for origin in origins):
            return 403, "another page may not ask this server; open the address that `cinegan edit` printed"
        first = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
        if not hmac.compare_digest(first.encode(), self.token.encode()):
            return 404, "nothing is here; open the address that `cinegan edit` printed, with all that follows the port"
        return None

    def _knows(self, header: str) -> bool:
        """Whether a Host header names this server."""
        name = header.lower().rpartition(":")[0] if header.rpartition(":")[2].isdigit() else header.lower()
        name = name.removeprefix("[").removesuffix("]")
        if is_loopback(self.host):
            return name in (*LOOPBACK_NAMES, self.host)
        if name in (self.host, *LOOPBACK_NAMES):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
