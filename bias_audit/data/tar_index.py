"""Lists what lies in a tar archive, without reading it: headers alone, each by the offset that the last one leads to.

Not by `tarfile`: it stops without a word at a header that is damaged, reads headers of any size at once, and searches
them in quadratic time before Python 3.11.10.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512
LONGEST = 1_000_000
"""Most bytes of a header that holds a long name, or records of the pax format."""

REGULAR = (b"0", b"\0", b"7")
LONG_NAME, LONG_LINK, SPARSE = b"L", b"K", b"S"
RECORDS = (b"x", b"X", b"g")
KINDS = {
    b"1": "a link to another member",
    b"2": "a link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
}
"""Kinds of members that are neither files nor folders, in words. They have no bytes in the archive."""
FOLDER = b"5"


class Damaged(ValueError):
    """What stands where a header should is none; its text says where and what."""


@dataclass(frozen=True)
class Entry:
    """A member as its header describes it.

    Attributes:
        name: its name, as it is written; bytes that are not UTF-8 as lone surrogates.
        offset: where its bytes begin.
        size: how many there are.
        other: what it is where it is no file that can be read, in words; "" = a file.
        folder: whether it is a folder.
        holes: whether it is a file of which only parts are stored.
    """

    name: str
    offset: int
    size: int
    other: str = ""
    folder: bool = False
    holes: bool = False


def entries(file: BinaryIO) -> Iterator[Entry]:
    """Members of a tar archive in their order.

    Args:
        file: the archive, opened for reading.

    Raises:
        Damaged: at the place from which on nothing can be listed: damage, or an end before the mark of the end.
    """
    length, at = file.seek(0, os.SEEK_END), 0
    named, sized, holes = b"", None, False
    while True:
        block = _read(file, at, BLOCK)
        if block == bytes(BLOCK):
            # Whole archives may stand behind each other; each is filled up to some 10 KB.
            if file.read(LONGEST).strip(b"\0"):
                raise Damaged(f"more follows the mark of its end at byte {at:,}")
            return
        size, kind = _checked(block, at), block[156:157]
        begin = at + BLOCK
        if kind in (LONG_NAME, LONG_LINK, *RECORDS):
            data = _read(file, begin, size) if size <= LONGEST else None
            if data is None:
                raise Damaged(f"the header at byte {at:,} has {size:,} bytes")
            if kind == LONG_NAME:
                named = data.partition(b"\0")[0]
            elif kind in RECORDS and kind != b"g":
                found = _records(data, at)
                named = found.get(b"GNU.sparse.name") or found.get(b"path") or named
                sized = _whole(found[b"size"], at) if b"size" in found else sized
                holes = holes or any(key.startswith(b"GNU.sparse.") for key in found)
            at = begin + _rounded(size)
            continue
        if kind == SPARSE:
            more = block[482]
            while more:
                more = _read(file, begin, BLOCK)[504]
                begin += BLOCK
        name = (named or _short_name(block)).decode("utf-8", "surrogateescape")
        folder = kind == FOLDER or (kind == b"\0" and name.endswith("/"))
        size = size if sized is None else sized
        if folder or kind in KINDS:
            size = 0
        other = KINDS.get(kind, "" if kind in (*REGULAR, SPARSE) or folder else f"of the kind {kind!r}")
        yield Entry(name, begin, size, other, folder, holes or kind == SPARSE)
        at = begin + _rounded(size)
        if at > length:
            raise Damaged(f"it ends at byte {length:,}, within {name!r}")
        named, sized, holes = b"", None, False


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise Damaged(f"it ends at byte {at + len(data):,} without the mark of its end")
    return data


def _checked(block: bytes, at: int) -> int:
    """Size that a header declares, whose sum of bytes is right."""
    given = _number(block[148:156], at)
    if given != 256 + sum(block) - sum(block[148:156]):
        signed = [each - 256 if each > 127 else each for each in block[:148] + block[156:]]
        if given != 256 + sum(signed):  # old programs summed signed bytes
            raise Damaged(f"no header of a member stands at byte {at:,}")
    return _number(block[124:136], at)


def _number(text: bytes, at: int) -> int:
    """A number of a header: octal, or from 8 GB on in binary."""
    if text[:1] == b"\x80":
        return int.from_bytes(text[1:], "big")
    try:
        number = int(text.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise Damaged(f"no header of a member stands at byte {at:,}")
    return number


def _short_name(block: bytes) -> bytes:
    name, prefix = (part.partition(b"\0")[0] for part in (block[:100], block[345:500]))
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _records(data: bytes, at: int) -> dict[bytes, bytes]:
    """Records of a pax header, "LENGTH KEY=VALUE\\n" each."""
    found, begin = {}, 0
    while begin < len(data) and data[begin]:
        digits = data[begin : begin + 20].partition(b" ")[0]
        length = _whole(digits, at)
        record = data[begin + len(digits) + 1 : begin + length]
        key, equals, value = record.partition(b"=")
        if length <= len(digits) + 1 or begin + length > len(data) or not equals or not value.endswith(b"\n"):
            raise Damaged(f"the header at byte {at:,} is damaged")
        found[key] = value[:-1]
        begin += length
    return found


def _whole(digits: bytes, at: int) -> int:
    if not digits.isdigit() or len(digits) > 20:
        raise Damaged(f"the header at byte {at:,} is damaged")
    return int(digits)


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
