"""Decides which requests the review server answers: only those of its own page, in a browser on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BODY = 1_000_000
"""Most bytes of a request's body."""

HEADERS: dict[bytes, bytes] = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
"""Headers of every answer that does not set them itself; the page has a policy of its own as well."""


class Guarded:
    """An application that refuses requests without the server's token, for other hosts, or from other pages.

    A request must have the token in its path, be addressed to this machine by 127.0.0.1 or localhost, and come from the
    server's own page; a browser may also navigate to the address. A request that writes must send JSON.

    Args:
        app: answers the requests that are let through; sees their paths without the token.
        token: secret of this server.
    """

    def __init__(self, app: App, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # no lifespan, no web sockets
            return
        refusal = self._refusal(scope)
        headed = _with_headers(send)
        if refusal is not None:
            await PlainTextResponse(refusal[1], status_code=refusal[0])(scope, receive, headed)
            return
        path = scope["path"][len(self.token) + 1 :]
        inner = {**scope, "path": path or "/", "raw_path": path.encode(), "root_path": ""}
        await self.app(inner, _limited(receive), headed)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        port = (scope.get("server") or ("", 0))[1]
        allowed = {f"127.0.0.1:{port}", f"localhost:{port}"}
        host = headers.get("host", "")
        # A foreign name that resolves to this machine would make a foreign page "same origin" (DNS rebinding).
        if host not in allowed:
            return 421, "This server answers to 127.0.0.1 only."
        first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(first.encode("utf-8", "replace"), self.token.encode()):
            return 404, "Not found. Use the address that `bias-audit review` printed."
        site = headers.get("sec-fetch-site", "same-origin")
        if scope["method"] in ("GET", "HEAD"):
            opened = site == "none" or headers.get("sec-fetch-mode") == "navigate"
            return None if site == "same-origin" or opened else (403, "Other pages get nothing from here.")
        if site != "same-origin" or headers.get("origin") != f"http://{host}":
            return 403, "Only the page of this server may write."
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return 415, "Send JSON."
        return None


class TooLarge(Exception):
    """The body of a request has more than MOST_BODY bytes."""


def _limited(receive: Receive) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST_BODY:
            raise TooLarge
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *((name, value) for name, value in HEADERS.items() if name not in names)]
        await send(message)

    return headed
