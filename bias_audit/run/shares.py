"""An audit that several processes share: which shards each of them makes, what they agree on, and how far they are.

A shard of heatmaps is never divided, so that its batches are those of an audit by one process.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError, ResultError
from bias_audit.files.text import parse_json
from bias_audit.run.folder import CHOSEN, FINISHED, KEY, SHARDS, SHARED, Run
from bias_audit.run.json_values import plain

SHARD = "maps-{:05d}.npz"
"""Name of a shard of heatmaps in the folder of shards, by its number from 0 on."""

FREE = "places"
"""Section of what is agreed on that may be another for each process: where model and data lie."""

HASHED = {"data": " in names, sizes or times of its files"}
"""Names in the section KEY -> what of it was hashed, where that is not all of it."""

NAMED = 10
"""Most missing files that a sentence names."""

Sections = Mapping[str, Mapping[str, Any]]
"""Content of SHARED or CHOSEN: section -> name -> value."""

_NUMBER = re.compile(r"maps-(\d{5,12})\.npz")


@dataclass(frozen=True)
class Share:
    """A share of an audit, `number` of `of`, counted from 1."""

    number: int
    of: int

    def files(self, count: int) -> range:
        """Numbers of the shards of this share, neighbours of each other; all shares have each of `count` once."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)

    @property
    def doing(self) -> str:
        """What its process does, told to others that it keeps waiting."""
        return f"share {self} of an audit"

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
        named = ", ".join(self.absent(NAMED))
        return f"{named} and {left - NAMED} more" if left > NAMED else named

    def absent(self, most: int) -> list[str]:
        """Names of the missing shards, at most so many."""
        there = set(self.there)
        absent = (number for number in range(self.files) if number not in there)
        return [SHARD.format(number) for number in itertools.islice(absent, most)]

    def words(self) -> str:
        """A line about it: "4 of 7 shards are there, 16 of 28 photos; missing: maps-00004.npz, ..."."""
        said = f"{len(self.there):,} of {self.files:,} shards are there, {self.done:,} of {self.photos:,} photos"
        return f"{said}; missing: {self.missing}" if self.missing else f"{said}; nothing is missing"


def state_of(*folders: Path) -> State:
    """How far a shared audit is, by the names of its files; no shard is read.

    Args:
        folders: the run folder of all shares, or those of single ones.

    Raises:
        ResultError: a folder holds no shared audit, or what was agreed on is damaged.
        ConfigError: they are shares of several audits.
    """
    return state_by(folders, agreed(*folders))


def state_by(folders: Sequence[Path], known: Sections) -> State:
    """The same, where it is known what was agreed on."""
    photos, per_file = (known.get("size", {}).get(name) for name in ("photos", "per_file"))
    if type(photos) is not int or type(per_file) is not int or min(photos, per_file) < 1:
        raise ResultError(
            f"{str(folders[0] / SHARED)!r} is damaged: it says no number of photos", "Audit the data again."
        )
    files = State(photos, per_file, ()).files
    numbers = {number for folder in folders for number in numbers_in(folder) if number < files}
    return State(photos, per_file, tuple(sorted(numbers)))


def shard_path(number: int) -> str:
    """Path of a shard of heatmaps inside the run folder; shard i holds the i-th part of the photos, in their order."""
    return f"{SHARDS}/{SHARD.format(number)}"


def names_in(folder: Path) -> list[str]:
    """Names in the folder of shards of a run folder, in any order; [] where there is none."""
    shards = folder / SHARDS
    return os.listdir(shards) if shards.is_dir() else []


def numbers_in(folder: Path) -> Iterator[int]:
    """Numbers of the shards in a run folder, in any order."""
    for name in names_in(folder):
        if (found := _NUMBER.fullmatch(name)) and SHARD.format(number := int(found[1])) == name:
            yield number


def agreed(*folders: Path) -> Sections:
    """What the processes of a shared audit agree on: section -> name -> value.

    Args:
        folders: the run folder of all shares, or those of single ones; where model and data lie is that of the first.

    Raises:
        ResultError: a folder holds no shared audit, or a file is damaged.
        ConfigError: they are shares of several audits; the sentence names what differs.
    """
    known = [_agreed(folder) for folder in folders]
    fit(folders, known)
    settled = [(folder, content) for folder in folders if (content := chosen(folder)) is not None]
    fit([folder for folder, _ in settled], [content for _, content in settled])
    return known[0]


def _agreed(folder: Path) -> Sections:
    content: Sections | None = Run(folder).read_json(SHARED, _sections)
    if content is None:
        there = "a finished run" if (folder / FINISHED).exists() else "no audit that was shared with --shard"
        raise ResultError(f"{str(folder)!r} holds {there}", "Give the folder that a share had as --out.")
    return content


def fit(folders: Sequence[Path], contents: Sequence[Sections]) -> None:
    """Compare what the shares of several folders have agreed on.

    Raises:
        ConfigError: they do not agree; the sentence names what differs, and where.
    """
    for folder, content in zip(folders, contents, strict=True):
        first = f"in {str(folders[0])!r}"
        if said := difference(content, contents[0], f"in {str(folder)!r}", first):
            raise ConfigError(
                f"{str(folder)!r} holds no share of the audit {first}: {said}",
                "All shares take the same model, data, options and packages.",
            )


def chosen(folder: Path) -> Sections | None:
    """What the processes have chosen, each by itself; None where none has got so far.

    Raises:
        ResultError: the file is damaged.
    """
    content: Sections | None = Run(folder).read_json(CHOSEN, _sections)
    return content


def _sections(content: Any) -> Sections:
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise ValueError("it holds no sections")
    return content


def agree(run: Run, name: str, content: Sections) -> None:
    """Write what all processes that share a run must agree on, or compare it with what the first of them wrote.

    Args:
        run: the run folder, which exists.
        name: path of the file inside the run folder.
        content: section -> name -> value.

    Raises:
        ConfigError: the first one wrote another value; the sentence names it.
        ResultError: the file is damaged, or the folder cannot be written.
    """
    if run.create_json(name, content):
        return
    theirs = Run(run.path).read_json(name, _sections) or {}
    mine = parse_json(json.dumps(plain(content)), ResultError, "the settings of this share are", nan=True)
    if said := difference(mine, theirs, "here", "there"):
        raise ConfigError(
            f"the share does not fit {str(run.path)!r}: {said}",
            "All shares take the same model, data, options and packages. What each finds out by itself can be "
            "given, for instance --batch-size.",
        )


def difference(one: Sections, other: Sections, here: str, there: str) -> str:
    """The first difference of two contents of SHARED, or of CHOSEN, in words; "" = they agree.

    Args:
        one, other: what is compared; the section FREE is not.
        here, there: words that follow a value of the one and of the other: "batch_size is 16 here and 32 there".
    """
    for section in dict.fromkeys((*one, *other)):
        mine, theirs = one.get(section, {}), other.get(section, {})
        for name in sorted({*mine, *theirs} if section != FREE else ()):
            if mine.get(name) != theirs.get(name):
                if section == KEY:  # nobody wants to read hashes
                    return f"the {name} differs{HASHED.get(name, '')}"
                return f"{name} is {mine.get(name)!r} {here} and {theirs.get(name)!r} {there}"
    return ""
