"""Members of zip and tar archives as places of bytes: each is read by itself, by a file handle of its own."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from bias_audit.data.locations import File, Stored, open_file, stamp
from bias_audit.limits.bounds import Limits, beyond

_ZIP_HEADER = 30
"""Bytes of the header before a member of a zip archive, without its name and what follows that."""


@dataclass(frozen=True)
class Part:
    """Where the bytes of a member lie in its archive, and how.

    Attributes:
        offset: where they begin; in a zip archive where the header before them begins.
        packed: bytes that they take there.
        size: bytes when unpacked, as the archive declares them.
        crc: their CRC-32, as the archive declares it; None = it declares none: a tar archive, whose members are bytes.
        deflated: whether they are compressed.
        refused: why they are not read; "" = they are.
    """

    offset: int = 0
    packed: int = 0
    size: int = 0
    crc: int | None = None
    deflated: bool = False
    refused: str = ""


@dataclass(frozen=True)
class Member(Stored):
    """A file in an archive. Members are equal that have one name in one archive.

    Attributes:
        archive: the archive.
        member: its name there, with /.
        part: where its bytes lie.
        listed: what `open_file` said of the archive when it was listed: offsets are those of that file.
        most: most bytes, unpacked, see `Limits`.
    """

    archive: File
    member: str
    part: Part = field(compare=False)
    listed: str = field(compare=False)
    most: int = field(default=Limits.member_bytes, compare=False)

    def read(self) -> bytes:
        part = self.part
        if part.refused:
            raise ValueError(part.refused)
        if max(part.size, part.packed) > self.most:
            raise ValueError(f"it takes {beyond('member_bytes', max(part.size, part.packed), self.most)}")
        file, state = open_file(self.archive)
        with file:
            if state != self.listed:
                raise ValueError("the archive was changed after it was listed")
            if part.offset + part.packed > file.seek(0, os.SEEK_END):
                raise ValueError("the archive ends within it")
            file.seek(part.offset)
            return file.read(part.size) if part.crc is None else _unzipped(file, part)

    def stamp(self) -> str:
        state = stamp(self.archive)
        return state if state == "missing" else f"{state}:{self.part.offset}:{self.part.size}:{self.part.crc}"

    def __str__(self) -> str:
        return f"{self.archive}/{self.member}"

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


def _unzipped(file: BinaryIO, part: Part) -> bytes:
    """Bytes of a member of a zip archive; never more than it declares are unpacked.

    Raises:
        ValueError: they are not what the archive declares.
    """
    header = file.read(_ZIP_HEADER)
    if len(header) < _ZIP_HEADER or header[:4] != b"PK\x03\x04":
        raise ValueError("damaged: it does not begin where the archive says")
    file.seek(sum(struct.unpack("<HH", header[26:])), os.SEEK_CUR)
    data, whole = file.read(part.packed), True
    if part.deflated:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(data, part.size + 1)
        except zlib.error as error:
            raise ValueError(f"damaged: {error}") from error
        whole = unpacker.eof
    if not whole or len(data) != part.size:
        raise ValueError(f"damaged: it does not unpack to the {part.size:,} bytes that it declares")
    if zlib.crc32(data) != part.crc:
        raise ValueError("damaged: its CRC-32 is another than it declares")
    return data
