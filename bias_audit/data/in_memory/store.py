"""A folder of pictures that were in memory, each under the hash of its content, so that none is written twice."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.in_memory import listing
from bias_audit.errors import ConfigError, ResultError
from bias_audit.run.atomic import guarded, sweep

WITHOUT_CACHE = 2_000_000_000
"""Most bytes, at 8 bits and before they are packed, of pictures that are kept without being asked to."""

LEFT_FREE = 200_000_000
"""Bytes of the disk that stay free whatever was asked for."""

LOOK = 50_000_000
"""Bytes that are written before the room on the disk is looked at again."""

NAME = re.compile(r"[0-9a-f]{32}\.(?:png|jpg|gif|bmp|webp|tif|bin)")
"""Names of the pictures in the folder."""

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"II*\x00", "tif"),
    (b"MM\x00*", "tif"),
)  # fmt: skip
_COUNT = itertools.count()
_HINT = "Free space, or choose another folder with cache=DIR."


class Store:
    """A folder of pictures by their contents.

    Files are flushed to disk by the system when it likes, not one by one: what a crash cut short has another length or
    no end, and is written again. The list of the photos comes last and is flushed.

    Args:
        folder: the folder; it is made.
        most: most bytes before they are packed; None = as many as the disk holds but for LEFT_FREE.
    """

    def __init__(self, folder: Path, most: int | None) -> None:
        self.folder = folder
        self._most = most
        self._taken = 0
        self._unlooked = LOOK
        self._made: list[Path] = []
        guarded(lambda: folder.mkdir(parents=True, exist_ok=True), folder, _HINT)
        sweep(folder)

    def picture(self, pixels: NDArray[np.uint8]) -> str:
        """Keep pixels, (H, W, 3) RGB or (H, W, 1) or (H, W), as a PNG; the name of its file.

        Raises:
            ConfigError: more bytes than may be kept.
            ResultError: the disk is full, or the folder cannot be written.
        """
        digest = hashlib.sha256(repr(pixels.shape).encode())
        digest.update(np.ascontiguousarray(pixels).data)
        name = f"{digest.hexdigest()[:32]}.png"
        self._take(pixels.nbytes)
        if not _whole_png(self.folder / name):
            bgr = pixels[..., ::-1] if pixels.ndim == 3 and pixels.shape[2] == 3 else pixels
            self._write(name, cv2.imencode(".png", np.ascontiguousarray(bgr))[1].tobytes())
        return name

    def file(self, data: bytes) -> str:
        """Keep the bytes of a picture's file as they are; the name of the file. Errors as in `picture`."""
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), "bin")
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            kind = "webp"
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{kind}"
        self._take(len(data))
        if _size(self.folder / name) != len(data):
            self._write(name, data)
        return name

    def undo(self) -> None:
        """Remove what was written; what lay there before stays."""
        for path in self._made:
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _take(self, size: int) -> None:
        self._taken += size
        refuse_beyond(self._taken, self._most, "at least ")

    def _write(self, name: str, data: bytes) -> None:
        self._unlooked += len(data)
        if self._unlooked >= LOOK:
            self._unlooked = len(data)
            free = shutil.disk_usage(self.folder).free
            if free < LEFT_FREE + LOOK:
                raise ResultError(f"the disk of {str(self.folder)!r} is full but for {free / 1e6:z,.0f} MB", _HINT)
        path = self.folder / name
        temporary = path.with_name(f".{name}.{os.getpid()}-{next(_COUNT)}.tmp")

        def store() -> None:
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

        guarded(store, path, _HINT)
        self._made.append(path)


def refuse_beyond(size: int, most: int | None, said: str = "") -> None:
    """Refuse pictures of more bytes than may be kept without a word.

    Raises:
        ConfigError: they are more.
    """
    if most is not None and size > most:
        raise ConfigError(
            f"the photos take {said}{size / 1e9:z,.2f} GB at 8 bits, and more than {most / 1e9:z,.4g} GB are not "
            "written to disk unasked",
            "Say where they may be kept: cache=DIR.",
        )


def prune(folder: Path, used: Collection[str]) -> None:
    """Remove the pictures and lists of a folder that are not used any more, and then it if it is empty."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            own = NAME.fullmatch(entry.name) or listing.NAME.fullmatch(entry.name)
            if own and entry.name not in used and entry.is_file(follow_symlinks=False):
                os.unlink(entry)
        if not used:
            folder.rmdir()


def _size(path: Path) -> int:
    """Bytes of a file; -1 where there is no regular file."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def _whole_png(path: Path) -> bool:
    """Whether a file is there and ends as a PNG does."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            return file.read() == _PNG_END
    except OSError:
        return False
