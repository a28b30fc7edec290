"""An audit that several processes share: which shards each of them makes, what they agree on, and how far they are.

A shard of heatmaps is never divided, so that its batches are those of an audit by one process.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError, ResultError
from bias_audit.files.text import parse_json
from bias_audit.run.folder import FINISHED, SHARDS, SHARED, Run, plain

SHARD = "maps-{:05d}.npz"
"""Name of a shard of heatmaps in the folder of shards, by its number from 0 on."""

HASHED = "key"
"""Section of what is agreed on whose values are hashes, which nobody wants to read."""

NAMED = 10
"""Most missing files that a sentence names."""

_NUMBER = re.compile(r"maps-(\d{5,12})\.npz")


@dataclass(frozen=True)
class Share:
    """A share of an audit, `number` of `of`, counted from 1."""

    number: int
    of: int

    def files(self, count: int) -> range:
        """Numbers of the shards of this share, neighbours of each other; all shares have each of `count` once."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class State:
    """How far a shared audit is.

    Attributes:
        photos: number of all photos.
        per_file: photos of a shard; the last one may hold fewer.
        there: numbers of the shards that are there, ascending.
    """

    photos: int
    per_file: int
    there: tuple[int, ...]

    @property
    def files(self) -> int:
        """Number of all shards."""
        return -(-self.photos // self.per_file)

    @property
    def done(self) -> int:
        """Number of photos whose shards are there."""
        return sum(self.count(number) for number in self.there)

    def count(self, number: int) -> int:
        """Number of photos of a shard."""
        return min(self.per_file, self.photos - number * self.per_file)

    @property
    def missing(self) -> str:
        """The missing shards, by name and at most NAMED of them; "" where all are there."""
        left = self.files - len(self.there)
        there = set(self.there)
        absent = (number for number in range(self.files) if number not in there)
        named = ", ".join(SHARD.format(number) for number in itertools.islice(absent, NAMED))
        return f"{named} and {left - NAMED} more" if left > NAMED else named

    def words(self) -> str:
        """A line about it: "4 of 7 shards are there, 16 of 28 photos; missing: maps-00004.npz, ..."."""
        said = f"{len(self.there):,} of {self.files:,} shards are there, {self.done:,} of {self.photos:,} photos"
        return f"{said}; missing: {self.missing}" if self.missing else f"{said}; nothing is missing"


def state_of(folder: Path) -> State:
    """How far a shared audit is, by the names of its files; no shard is read.

    Raises:
        ResultError: the folder holds no shared audit, or what was agreed on is damaged.
    """
    return state_by(folder, agreed(folder))


def state_by(folder: Path, known: Mapping[str, Any]) -> State:
    """The same, where it is known what was agreed on."""
    size = known.get("size")
    photos, per_file = (size.get(name) if isinstance(size, dict) else None for name in ("photos", "per_file"))
    if type(photos) is not int or type(per_file) is not int or min(photos, per_file) < 1:
        raise ResultError(f"{str(folder / SHARED)!r} is damaged: it says no number of photos", "Audit the data again.")
    shards = folder / SHARDS
    names = os.listdir(shards) if shards.is_dir() else []
    numbers = (int(found[1]) for name in names if (found := _NUMBER.fullmatch(name)))
    state = State(photos, per_file, ())
    return State(photos, per_file, tuple(sorted(number for number in set(numbers) if number < state.files)))


def agreed(folder: Path) -> dict[str, Any]:
    """What the processes of a shared audit agree on: section -> name -> value.

    Raises:
        ResultError: the folder holds no shared audit, or the file is damaged.
    """
    content = Run(folder).read_json(SHARED)
    if content is None:
        there = "a finished run" if (folder / FINISHED).exists() else "no audit that was shared with --shard"
        raise ResultError(f"{str(folder)!r} holds {there}", "Give the folder that every share had as --out.")
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise ResultError(f"{str(folder / SHARED)!r} is damaged: it holds no sections", "Audit the data again.")
    return content


def agree(run: Run, name: str, content: Mapping[str, Mapping[str, Any]], free: str = "") -> None:
    """Write what all processes that share a run must agree on, or compare it with what the first of them wrote.

    Args:
        run: the run folder, which exists.
        name: path of the file inside the run folder.
        content: section -> name -> value.
        free: name of a section that may be another in each process, for instance where the files lie.

    Raises:
        ConfigError: the first one wrote another value; the sentence names it.
        ResultError: the file is damaged, or the folder cannot be written.
    """
    if run.create_json(name, content):
        return
    theirs = Run(run.path).read_json(name)
    mine = parse_json(json.dumps(plain(content)), ResultError, "the settings of this share are", nan=True)
    for section, values in mine.items():
        others = theirs.get(section) if isinstance(theirs, dict) else None
        others = others if isinstance(others, dict) else {}
        for key in sorted({*values, *others} if section != free else ()):
            if values.get(key) != others.get(key):
                differ = f"{key} is {values.get(key)!r} here and {others.get(key)!r} there"
                said = f"the {key} differs" if section == HASHED else differ
                raise ConfigError(
                    f"the share does not fit {str(run.path)!r}: {said}",
                    "All shares take the same model, data, options and packages. What each finds out by itself can be "
                    "given, for instance --batch-size.",
                )
