"""Where the bytes of a picture or a mask lie: a file, or a place inside of something larger."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from bias_audit.files.regular import open_regular, read_regular
from bias_audit.input_texts import PixelRange


class Stored(ABC):
    """A place of bytes that is no file of its own: a member of an archive, a cell of a table, a part of a picture.

    Equal places are equal and have one hash: what a place held when it was first read is kept by it.
    """

    @abstractmethod
    def read(self) -> bytes:
        """Its bytes.

        Raises:
            OSError, ValueError: they cannot be read; the text says why.
        """

    def picture(self, pixel_range: PixelRange | None) -> bytes:
        """Its bytes where it is a picture; a part of one is decoded by the range, see `data.deep`. Errors as `read`."""
        return self.read()

    @abstractmethod
    def stamp(self) -> str:
        """Text that is another when the bytes may be others, found without reading them; "missing" if not there."""

    @abstractmethod
    def __str__(self) -> str:
        """The place in words, for messages."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name that tells the kind of its content by its suffix, as that of a file does."""


class Filed(Stored):
    """A place whose bytes are a file of this disk while they are read, so that a part of them can be read alone."""

    @abstractmethod
    def open(self) -> tuple[BinaryIO, str]:
        """(the bytes, opened for reading; text that is another when they are others). Errors as of `read`."""


Location = Path | Stored
"""Where bytes lie. A file is a path."""

File = Path | Filed
"""What can be read in part: an archive, or a Parquet file with pictures."""


def suffix_of(location: Location) -> str:
    """Suffix of its name in small letters, with its dot."""
    return PurePosixPath(location.name).suffix.lower()


def read_location(location: Location) -> bytes:
    """Bytes of a picture or a mask.

    Raises:
        OSError, ValueError: they cannot be read; of files only regular ones are, see `files.regular`.
    """
    return location.read() if isinstance(location, Stored) else read_regular(location)


def read_bounded(location: Location, most: int) -> bytes:
    """Bytes of a file of annotations, of which nothing but its size is known.

    Raises:
        OSError, ValueError: they cannot be read, or are more than `most`.
    """
    with open_location(location) as opened:
        data = opened.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {most:,} bytes")
    return data


def read_annotations(location: Location, most: int) -> str:
    """Text of a file of annotations in UTF-8, without a byte order mark. Errors as in `read_bounded`."""
    return read_bounded(location, most).decode("utf-8-sig")


def open_location(location: Location) -> BinaryIO:
    """What lies there, opened for reading. Errors as in `read_location`."""
    return io.BytesIO(location.read()) if isinstance(location, Stored) else open_regular(location)


def open_file(file: File) -> tuple[BinaryIO, str]:
    """(a file, opened for reading; text that is another when its bytes are others). Errors as in `read_location`."""
    if isinstance(file, Filed):
        return file.open()
    opened = open_regular(file)
    return opened, state_of(os.fstat(opened.fileno()))


def stamp(location: Location | None) -> str:
    """Size and modification time of a file as text; "missing" where it cannot be looked at, "-" for None."""
    if location is None:
        return "-"
    if isinstance(location, Stored):
        return location.stamp()
    try:
        status = os.stat(location)
    except (OSError, ValueError):
        return "missing"
    return state_of(status)


def state_of(status: os.stat_result) -> str:
    """Size and modification time of a file as text."""
    return f"{status.st_size}:{status.st_mtime_ns}"
