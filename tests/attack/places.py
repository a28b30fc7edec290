"""Data that lie elsewhere: addresses of every form, servers that answer anything, and a cache that was changed."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest import mock

from .changing import ODD_TEXTS, changed_bytes, changed_text
from .trying import EXECUTED, HARMLESS, LOST, REFUSED, WRONG, Attempt, Kind, sentence

TOKEN = "sesame"

_ADDRESSES = (
    "s3://bucket/photos/test", "gs://bucket/a b/t.csv", "hf://datasets/me/dogs@main/test", "https://host:8443/a/t.csv",
    "http://localhost:80/t.csv", "http://[::1]/t.csv", "memory://bucket", "http://example.org/t.csv", "file:///etc/passwd",
    f"https://me:{TOKEN}@host/t.csv", f"https://host/t.csv?sig={TOKEN}", "zip::s3://bucket/a.zip", "ssh://host/a",
    "simplecache::https://host/a", "local://a", "ftp://host/a", "data://text/plain,a", "s3://bucket/../../a",
)  # fmt: skip


def addresses(attempt: Attempt) -> str:
    """A changed address: a sentence without its token, a path, or an address of what is read, which opens again."""
    from bias_audit.data.addresses import HERE, PROTOCOLS, Url, data_address
    from bias_audit.errors import DataError

    rng = attempt.rng
    text = rng.choice((*_ADDRESSES, *_ADDRESSES, *ODD_TEXTS))
    done = "unchanged"
    for _ in range(rng.choice((0, 1, 1, 2))):
        text, done = changed_text(text, rng)
    attempt.what = f"{text[:200]!r}: {done}"
    try:
        found = data_address(text)
    except DataError as error:
        if "\n" in error.message or len(str(error)) > 700:
            attempt.bad(WRONG, f"{len(str(error))} characters")
        if re.search(r"\w+:sesame@|\?sig=sesame", str(error)):
            attempt.bad(LOST, f"a token is told: {error}")
        return REFUSED
    if not isinstance(found, Url):
        return HARMLESS
    place = re.sub(r":\d*$", "", found.path.partition("/")[0])
    if found.protocol not in PROTOCOLS and not (found.protocol == "http" and place in HERE):
        attempt.bad(EXECUTED, f"{found} would be asked")
    if found.query or "@" in place or {"..", "."} & set(found.path.split("/")):
        attempt.bad(WRONG, f"{found}")
    if data_address(str(found)) != found:
        attempt.bad(WRONG, f"{found} opens as {data_address(str(found))}")
    return HARMLESS


def answers(attempt: Attempt) -> str:
    """A server that answers a table, or one of its photos, with anything: a sentence, or rows with reasons."""
    from bias_audit.data.addresses import data_address
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions
    from bias_audit.limits.bounds import Limits

    rng = attempt.rng
    png = (attempt.world / "x.png").read_bytes()
    table = b"image,label\na.png,a\nb.png,b\nc.png,b\n"
    odd, attempt.what = answer_of(rng, rng.choice((png, table)))
    target = rng.choice(("/t.csv", "/a.png", "/a.png", "/b.png"))
    attempt.what += f" for {target}"
    whole = {"/t.csv": table, "/a.png": png, "/b.png": png, "/c.png": png}
    limits = Limits(fetched_bytes=1_000_000, seconds_per_fetch=1)
    found = []
    with quick(attempt.folder), serving({**{path: plain(body) for path, body in whole.items()}, target: odd}) as url:

        def read() -> None:
            dataset = open_dataset(data_address(f"{url}/t.csv"), None, SourceOptions(limits=limits))
            dataset.fingerprint()
            geometry = Geometry((8, 8), 3, "stretch", "bilinear", MaskReading())
            found.extend(load(sample, geometry) for sample in dataset.samples)

        answer = sentence(read)
    for loaded in found:
        if loaded.status != "ok" and (not loaded.reason or "\n" in loaded.reason or len(loaded.reason) > 400):
            attempt.bad(WRONG, f"status {loaded.status!r}, reason {loaded.reason!r}")
        if TOKEN in loaded.reason:
            attempt.bad(LOST, f"a token is told: {loaded.reason!r}")
    return REFUSED if answer == REFUSED or any(loaded.status != "ok" for loaded in found) else HARMLESS


def plain(body: bytes) -> bytes:
    return b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\nETag: "1"\r\n\r\n' % len(body) + body


_STATUSES = (100, 101, 204, 206, 301, 302, 304, 400, 401, 403, 404, 407, 418, 429, 500, 503, 999, 0, -1)
_LENGTHS = (b"-1", b"0", b"1", b"99999999999999999999", b"x", b"1e9", b"5\r\nContent-Length: 7", b"\xb2")
_HEADERS = (b"X" * 70_000 + b": a", b"A: b\r\n" * 300, b"no colon", b"\xff\xfe: \x80", b"ETag: \x1b[31m\xff")
_TARGETS = (
    "file:///etc/passwd", "ftp://a/b", "http://example.org/a", f"https://me:{TOKEN}@h.invalid/", "//h", "/a.png",
    "http://localhost:1/", "../../x", "gopher://a", "https://", "\x00", "data:,a", "",
)  # fmt: skip


def answer_of(rng: Random, body: bytes) -> tuple[bytes, str]:
    """What a server may answer in the place of `body`, and what it is in words."""
    ok = b"HTTP/1.0 200 OK\r\n"
    match rng.randrange(9):
        case 0:
            code = rng.choice(_STATUSES)
            return b"HTTP/1.0 %d X\r\n\r\n" % code + body, f"status {code}"
        case 1:
            to = rng.choice(_TARGETS)
            return b"HTTP/1.0 302 X\r\nLocation: %s\r\n\r\n" % to.encode(), f"redirect to {to!r}"
        case 2:
            length = rng.choice(_LENGTHS)
            return ok + b"Content-Length: %s\r\n\r\n" % length + body, f"length {length!r}"
        case 3:
            return ok + b"\r\n" + body + bytes(30_000_000), "30 MB"
        case 4:
            line = rng.choice(_HEADERS)
            return ok + line + b"\r\n\r\n" + body, f"headers {line[:20]!r}"
        case 5:
            size = rng.choice((b"5", b"ffffffffffffffff", b"-1", b"x", b"0"))
            chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + body
            return chunked, f"a chunk of {size!r}"
        case 6:
            return ok + b"Content-Encoding: gzip\r\n\r\n" + body, "gzip that is none"
        case 7:
            return b"", "no answer"
        case _:
            return changed_bytes(plain(body), rng)


@contextlib.contextmanager
def serving(said: dict[str, bytes]) -> Iterator[str]:
    """A server that answers a path with these bytes, of which HEAD gets what stands before the body."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(3)
            asked = connection.recv(65_536).decode("latin-1").split(" ")
            answer = said.get(asked[1].partition("?")[0] if len(asked) > 1 else "", b"HTTP/1.0 404 X\r\n\r\n")
            head, _, _ = answer.partition(b"\r\n\r\n")
            connection.sendall(head + b"\r\n\r\n" if asked[0] == "HEAD" else answer)

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@contextlib.contextmanager
def quick(folder: Path) -> Iterator[None]:
    """A cache of its own, and no waiting between tries."""
    from bias_audit.data.remote import failing

    with mock.patch.dict(os.environ, {"BIAS_AUDIT_CACHE": str(folder)}), mock.patch.object(failing, "WAITS", (0.0,)):
        yield


def changed_cache(attempt: Attempt) -> str:
    """A file of the cache that was changed: it is not there any more, or holds what was kept."""
    from bias_audit.data.remote.cache import Cache

    rng = attempt.rng
    cache = Cache(attempt.folder / "cache", 10**6)
    kept = rng.randbytes(rng.choice((0, 1, 300)))
    cache.keep("s3://bucket/a", "stamp", kept)
    (file,) = (attempt.folder / "cache").iterdir()
    changed, attempt.what = changed_bytes(file.read_bytes(), rng)
    file.write_bytes(changed)
    found = cache.kept("s3://bucket/a")
    if found is not None and found[1] != kept:
        attempt.bad(WRONG, "other bytes are handed on")
    return REFUSED if found is None else HARMLESS


def prepare(folder: Path) -> None:
    import cv2
    import numpy as np

    picture = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
    (folder / "x.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())


KINDS = {
    "addresses of data": Kind(addresses, prepare, 60, 300),
    "answers of servers": Kind(answers, prepare, 15, 12, most=3_000),
    "a changed cache": Kind(changed_cache, prepare, 20, 30),
}
