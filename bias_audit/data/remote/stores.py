"""Buckets and repositories by fsspec. The only file that imports it; the file systems are packages of the user's own.

Credentials come from where the library of each file system finds them (environment, its own files), never from an
address.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from bias_audit.data.addresses import Url
from bias_audit.data.remote.failing import NotFetched, declared_size
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.packages import needed, require

PACKAGE = {"gs": "gcsfs", "hf": "huggingface_hub", "memory": "fsspec", "s3": "s3fs"}
"""Protocol -> module of its file system."""

PIECE = 1 << 25
"""Most bytes that are asked for at once of a file whose size is known."""

_SIGNS = (
    "ETag", "etag", "md5Hash", "crc32c", "generation", "blob_id", "VersionId", "LastModified", "last_modified",
    "updated", "mtime", "created",
)  # fmt: skip
"""What file systems say of a file that changes with it."""


@functools.cache
def _system(protocol: str) -> Any:
    require("fsspec", f"{protocol}://")
    require(PACKAGE[protocol], f"{protocol}://")
    with needed(f"{protocol}://"):
        import fsspec

        return fsspec.filesystem(protocol)


def _ask(system: Any, method: str, seconds: float, *arguments: Any, **options: Any) -> Any:
    """Call a method of a file system, with a time limit where it is one that can be interrupted."""
    if getattr(system, "async_impl", False):
        from fsspec.asyn import sync

        return sync(system.loop, getattr(system, f"_{method}"), *arguments, timeout=seconds, **options)
    return getattr(system, method)(*arguments, **options)


def kind(url: Url, limits: Limits) -> tuple[str, str]:
    """("file" or "directory", stamp of a file). Raises what the file system does, FileNotFoundError for nothing."""
    system = _system(url.protocol)
    found = _ask(system, "info", limits.seconds_per_fetch, _name(system, url))
    return ("directory", "") if found["type"] == "directory" else ("file", _stamp(found))


def folders(url: Url, limits: Limits) -> tuple[list[str], list[str]]:
    """Names of the folders, and of everything else, directly below an address, sorted."""
    system = _system(url.protocol)
    root = _name(system, url)
    listed = _ask(system, "ls", _LISTING * limits.seconds_per_fetch, root, detail=True)
    _bounded(url, len(listed), limits)
    names: dict[bool, list[str]] = {True: [], False: []}
    for each in listed:
        if name := _below(root, str(each["name"])):
            names[each["type"] == "directory"].append(name)
    return sorted(names[True]), sorted(names[False])


def files(url: Url, limits: Limits) -> Mapping[str, str]:
    """Name of each file below an address, relative to it -> its stamp, by folder and then by name."""
    system = _system(url.protocol)
    root = _name(system, url)
    try:
        listed = _ask(system, "find", _LISTING * limits.seconds_per_fetch, root, detail=True)
    except FileNotFoundError:
        return {}
    _bounded(url, len(listed), limits)
    named = {_below(root, str(each["name"])): _stamp(each) for each in listed.values() if each["type"] == "file"}
    return {name: named[name] for name in sorted(named, key=lambda name: name.rpartition("/")[::2]) if name}


def pieces(url: Url, limits: Limits, stamp: str) -> Iterator[bytes]:
    """The bytes of a file of this stamp, piece by piece: each has the time that a fetch may take.

    Raises what the file system does; NotFetched for a file that is too large, or another than that of the stamp.
    """
    size = declared_size(stamp)
    _refuse_large(size, limits)
    system = _system(url.protocol)
    name = _name(system, url)
    if size <= PIECE:
        data = bytes(_ask(system, "cat_file", limits.seconds_per_fetch, name))
        _refuse_large(len(data), limits)
        if len(data) < size:
            raise NotFetched(f"cut off after {len(data)} of {size} bytes", passing=True)
        yield data
        return
    for at in range(0, size, PIECE):
        end = min(at + PIECE, size)
        data = bytes(_ask(system, "cat_file", limits.seconds_per_fetch, name, start=at, end=end))
        if len(data) != end - at:
            raise NotFetched(f"cut off after {at + len(data)} of {size} bytes", passing=True)
        yield data
    forget(url.protocol)
    if kind(url, limits)[1] != stamp:
        raise NotFetched("it was changed while it was fetched")


def forget(protocol: str) -> None:
    """Have a file system look again, which keeps its listings for as long as the process lives."""
    _system(protocol).invalidate_cache()


_LISTING = 10
"""Times as long as one file may take, a listing may: it comes in many answers."""


def _name(system: Any, url: Url) -> str:
    return str(system._strip_protocol(str(url)))


def _below(root: str, name: str) -> str:
    """The name relative to the root; "" for the root itself and for what is not below it."""
    root = root.rstrip("/")
    return name[len(root) + 1 :].strip("/") if name.startswith(f"{root}/") else ""


def _stamp(found: Mapping[str, Any]) -> str:
    # The first alone: a listing says less of a file than a question about it does.
    sign = next((str(found[name]) for name in _SIGNS if found.get(name) is not None), "")
    return f"{found.get('size')}:{sign}"


def _refuse_large(size: int, limits: Limits) -> None:
    if size > limits.fetched_bytes:
        raise NotFetched(f"too large: {beyond('fetched_bytes', size, limits.fetched_bytes)}")


def _bounded(url: Url, count: int, limits: Limits) -> None:
    if count > limits.remote_files:
        raise DataError(f"{str(url)!r} holds {beyond('remote_files', count, limits.remote_files)}")
