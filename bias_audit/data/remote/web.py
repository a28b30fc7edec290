"""Single files of the web, by the standard library: https, and http of this machine.

Not by fsspec, whose reader follows a redirect to any host and any protocol, and reads whatever comes. Here a redirect
leads to https only, or from this machine to this machine, and no answer is read beyond a bound.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import bias_audit
from bias_audit.data.addresses import Url, url_of
from bias_audit.data.remote.failing import NotFetched, of_status
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits, beyond

PIECE = 1 << 18
"""Most bytes that are read at once."""

PACE = 100_000_000
"""Bytes for which a file may take the limit seconds_per_fetch, and once more for each so many."""


class _Timed(http.client.HTTPConnection):
    """A connection that waits for the whole header of an answer no longer than for one byte of it."""

    def getresponse(self) -> http.client.HTTPResponse:
        late = threading.Event()
        timer = threading.Timer(float(self.timeout or 0), _give_up, (self.sock, late))
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()
        except Exception:
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
        if late.is_set():  # what came until then reads like a short header
            raise TimeoutError
        return answer


class _TimedAndEncrypted(_Timed, http.client.HTTPSConnection):
    """The same over TLS."""


def _give_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Timed, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TimedAndEncrypted, req, context=ssl.create_default_context())


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            leads_to = url_of(newurl)
        except DataError as error:
            raise NotFetched("it is redirected to a place that is not read") from error
        if leads_to.protocol == "http" and not req.full_url.startswith("http://"):
            raise NotFetched("it is redirected away from https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # only what is named here: no ftp, no file, no data
    # A proxy for https alone: plain http goes to this machine.
    proxies = {name: proxy for name, proxy in urllib.request.getproxies().items() if name == "https"}
    opener.add_handler(urllib.request.ProxyHandler(proxies))
    for handler in (
        _Http,
        _Https,
        urllib.request.HTTPDefaultErrorHandler,
        _Redirects,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    opener.addheaders = [("User-Agent", f"bias-audit/{bias_audit.__version__}")]
    return opener


def stamp(url: Url, limits: Limits) -> tuple[str, bool]:
    """(text that changes with the file, whether it surely does), by a request of the header.

    Raises:
        NotFetched, OSError, HTTPException: no answer, or none that is a success.
    """
    try:
        asked = _asked(url, "HEAD", limits)
    except NotFetched as error:
        # Some servers know no HEAD, and an address that is signed is signed for GET.
        if error.code in (405, 501) or (url.query and error.code in (401, 403)):
            return "", False
        raise
    with asked as answer:
        found = [answer.headers.get(name) or "" for name in ("Content-Length", "ETag", "Last-Modified")]
        return ":".join(found), bool(found[1] or found[2])


def pieces(url: Url, limits: Limits) -> Iterator[bytes]:
    """The bytes of a file, piece by piece. Errors as of `stamp`; NotFetched also of one that is too large."""
    begun, total = time.monotonic(), 0
    with _asked(url, "GET", limits) as answer:
        declared = answer.headers.get("Content-Length") or ""
        if declared.isdecimal() and int(declared) > limits.fetched_bytes:
            raise NotFetched(f"too large: {beyond('fetched_bytes', int(declared), limits.fetched_bytes)}")
        while piece := answer.read1(PIECE):  # what has come, so that the time is looked at however slowly it comes
            total += len(piece)
            if total > limits.fetched_bytes:
                raise NotFetched(f"too large: {beyond('fetched_bytes', total, limits.fetched_bytes)}")
            allowed = limits.seconds_per_fetch * (1 + total // PACE)
            if time.monotonic() - begun > allowed:
                raise NotFetched(f"not done after {allowed:g} seconds (limit seconds_per_fetch)", passing=True)
            yield piece
        if declared.isdecimal() and total < int(declared):
            raise NotFetched(f"cut off after {total} of {declared} bytes", passing=True)


def _asked(url: Url, method: str, limits: Limits) -> Any:
    address = f"{url}?{url.query}" if url.query else str(url)
    request = urllib.request.Request(address, method=method, headers={"Accept-Encoding": "identity"})
    try:
        return _opener().open(request, timeout=limits.seconds_per_fetch)
    except urllib.error.HTTPError as error:
        error.close()
        raise of_status(error.code) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, NotFetched):
            raise error.reason from None
        if isinstance(error.reason, TimeoutError):
            raise error.reason from None
        kind = type(error.reason).__name__
        raise NotFetched(f"it cannot be reached ({kind})", passing="Cert" not in kind) from None
    except http.client.InvalidURL:
        raise NotFetched("it is no address") from None
