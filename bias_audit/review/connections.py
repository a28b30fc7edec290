"""Connections of the review server: one that asks nothing is closed, and there is always room for the next one.

Any user of the machine can connect. Without bounds, connections that never send a whole request would stay for ever,
and at the limit of open files nobody would be answered any more.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 20.0
"""Longest time from a connection, or from the first byte of a later request, to the last byte of the request."""

MOST_CONNECTIONS, FEWEST_CONNECTIONS = 128, 8
"""Most connections at once, and how many there are at least, however few files the process may open."""

SILENCE = 60.0
"""Seconds between two lines about the limit of open files."""

_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def most_connections() -> int:
    """How many connections the server keeps at once: most open files are left to the answers."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, files // 8))


class Connection(H11Protocol):
    """An HTTP connection that is closed when a request takes longer than REQUEST_SECONDS to arrive.

    Where there are too many, the one that has waited longest without a request is closed for the new one.
    """

    _deadline: asyncio.TimerHandle | None = None
    _since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._watch()
        if len(self.connections) > most_connections():
            waiting = [each for each in self.connections if isinstance(each, Connection) and each.is_waiting]
            min(waiting, key=lambda each: each._since, default=self).end()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._watch()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)

    def end(self) -> None:
        """Close the connection at once, whatever the other side does."""
        self.connections.discard(self)
        self.transport.abort()

    def _watch(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.end)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Troubles:
    """Handler of an event loop's errors that tells of the limit of open files in one line now and then.

    The loop itself would write a traceback for every connection that it cannot take, thousands in a second.
    """

    def __init__(self) -> None:
        self._told = -SILENCE

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _FULL:
            loop.default_exception_handler(context)
            return
        now = time.monotonic()
        if now - self._told >= SILENCE:
            self._told = now
            logging.getLogger("uvicorn.error").warning("cannot take a connection: %s; trying again", error.strerror)
