"""Features of pictures on disk, written batch by batch: a refit that was killed goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ResultError
from bias_audit.files.text import read_json
from bias_audit.models.base import Array
from bias_audit.repair.begun import HINT
from bias_audit.run.atomic import guarded, write_atomically

TABLE, ABOUT = "features.f32", "features.json"

AT_ONCE = 8
"""Batches after which what is done is noted."""


def features_of(
    folder: Path,
    key: str,
    count: int,
    width: int,
    compute: Callable[[int], Iterator[tuple[int, Array]]],
    advance: Callable[[int], None],
) -> NDArray[np.float32]:
    """(count, width) features, those that an earlier call wrote read from the folder.

    Args:
        folder: where they are kept.
        key: of what they are; features of another key are thrown away.
        count, width: their shape.
        compute: place of the first picture that is missing -> (place, features) of the batches from there on.
        advance: called with the number of pictures that are done.

    Raises:
        ResultError: no room on the disk.
    """
    file, about = folder / TABLE, folder / ABOUT
    done = _done(about, key, file, count * width * 4)

    def prepare() -> None:
        if not done:
            with file.open("wb") as opened:
                if count * width:
                    _reserve(opened.fileno(), count * width * 4)

    guarded(prepare, file, HINT)
    if not count * width:
        return np.zeros((count, width), np.float32)
    table = np.memmap(file, np.float32, "r+", shape=(count, width))
    advance(done)
    for number, (start, part) in enumerate(compute(done)):
        table[start : start + len(part)] = part
        advance(len(part))
        if number % AT_ONCE == AT_ONCE - 1:
            table.flush()
            _note(about, key, start + len(part))
    table.flush()
    _note(about, key, count)
    return np.array(table)


def _done(about: Path, key: str, file: Path, size: int) -> int:
    known = None
    with contextlib.suppress(ResultError):  # damaged: all is made again
        known = read_json(about, ResultError)
    same = isinstance(known, dict) and known.get("key") == key and file.is_file() and file.stat().st_size == size
    done = known.get("done") if same and isinstance(known, dict) else 0
    return done if isinstance(done, int) and done > 0 else 0


def _note(about: Path, key: str, done: int) -> None:
    write_atomically(about, json.dumps({"key": key, "done": done}).encode(), HINT)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)  # writing to a mapped file on a full disk would end the process
    else:
        os.truncate(descriptor, size)
