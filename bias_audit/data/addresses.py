"""Where a data set lies, as a user writes it: a path, or the address (URL) of a place that is not on this disk."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bias_audit.errors import DataError

PROTOCOLS = ("gs", "hf", "https", "memory", "s3")
"""What an address may begin with. Plain http goes to this machine only; nothing else is ever opened."""

WEB = ("http", "https")
"""Protocols that read single files and list nothing."""

HERE = ("localhost", "127.0.0.1", "[::1]")
"""Hosts that plain http may name."""

LONGEST = 4_000
"""Most characters of an address: a key of a bucket has 1,024, and a signature as many."""

_ADDRESS = re.compile(r"([A-Za-z][\w+.:-]+)://(.*)", re.DOTALL)  # a single letter is a disk of Windows
_MADE_A_PATH = re.compile(r"(gs|hf|https?|memory|s3):/[^/]")


@dataclass(frozen=True)
class Url:
    """An address. As text it has no query, which may hold a token: only what fetches sees `query`.

    Attributes:
        protocol: one of PROTOCOLS, or http.
        path: host or bucket, and the path in it, with / and without one at the end; of a web address percent-encoded.
        query: what stands behind ? in a web address.
    """

    protocol: str
    path: str
    query: str = ""

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    def __repr__(self) -> str:  # a traceback, or the repr of something that holds it, shows no token either
        return f"Url({str(self)!r})"

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        """Last part of the path without its suffix."""
        return PurePosixPath(self.path).stem

    @property
    def parent(self) -> Url:
        """The folder that it lies in."""
        return Url(self.protocol, self.path.rpartition("/")[0] or self.path)

    def below(self, name: str) -> Url:
        """The address of a file below it, by a name with /."""
        from urllib.parse import quote

        return Url(self.protocol, f"{self.path}/{quote(name) if self.protocol in WEB else name}")


def is_address(text: str) -> bool:
    """Whether a text has the form of an address."""
    return _ADDRESS.fullmatch(text) is not None


def data_address(given: str | Path | Url) -> Path | Url:
    """The place that a user names: a path, or an address without a query.

    Raises:
        DataError: an address of a protocol that is not read, or with a user, a password or a query in it.
    """
    if isinstance(given, Url):
        return given
    text = os.fspath(given)
    if not is_address(text):
        if isinstance(given, Path) and _MADE_A_PATH.match(text) and not os.path.lexists(text):
            raise DataError(f"{text!r} is an address that was made a path", "Give it as text, not as a Path.")
        return Path(given)
    url = url_of(text)
    if url.query:
        raise DataError(
            f"the address {str(url)[:300]!r} has a query (?...), which may hold a token, and is written into the run",
            "Leave it out, and give the credentials as its library expects them; or download the data first.",
        )
    return url


def url_of(text: str) -> Url:
    """An address that is read. Errors as of `data_address`; a query is allowed in a web address."""
    found = _ADDRESS.fullmatch(text)
    protocol, rest = (found[1].lower(), found[2]) if found else ("", text)
    if len(rest) > LONGEST:
        raise DataError(f"an address of {len(text):,} characters is none")
    query = ""
    if protocol in WEB:
        rest, _, query = rest.partition("?")
    place, slash, path = rest.partition("/")
    if "@" in place:  # before anything that quotes it
        raise DataError(
            f"an address of {protocol[:20]}:// holds a user or a password, and addresses are written into the run",
            "Leave it out, and give the credentials as its library expects them.",
        )
    said = f"{protocol}://{rest.partition('#')[0]}"[:300]
    if protocol not in (*PROTOCOLS, "http"):
        known = ", ".join(f"{each}://" for each in PROTOCOLS)
        raise DataError(f"addresses that begin with {protocol[:40]}:// are not read", f"Read are paths, and {known}.")
    if protocol == "http" and re.sub(r":\d*$", "", place) not in HERE:
        raise DataError(f"{said!r} is not encrypted: whoever is on the way may change it", "Use https://.")
    odd = any(ord(each) < 32 or ord(each) == 127 for each in rest) or "\\" in rest
    if not place or odd or (protocol in WEB and "#" in text):
        raise DataError(f"an address of {protocol}:// is no address: nothing is named, or a character that none has")
    parts = path.rstrip("/").split("/") if slash else []
    if any(part in (".", "..") for part in parts) or (protocol not in WEB and "?" in rest):
        raise DataError(f"the address {said!r} has a part that names nothing", "Write it out, without . and .. and ?.")
    return Url(protocol, "/".join([place, *parts]).rstrip("/"), query)
