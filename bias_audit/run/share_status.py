"""How far an audit is that several processes share, how fast it goes, and who makes what: read off its files alone."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ResultError, reason_of
from bias_audit.run.folder import FINISHED, PARTS, SHARDS, SHARED, Run
from bias_audit.run.lock import LOCK, Lock, look_at
from bias_audit.run.printable import printable
from bias_audit.run.progress import rate
from bias_audit.run.quantities import duration
from bias_audit.run.shares import SHARD, State, agreed, names_in, numbers_in, shard_path, state_by

ROUNDS = 4
"""The speed is that of the last shards, so many for each share that runs."""

LISTED = 1_000
"""Most missing shards that `Status.as_dict` lists."""

STILL, LONGEST = 60.0, 10.0
"""A share stands still that makes a shard for so many seconds, and so many times as long as the others took."""

_PART = re.compile(re.escape(SHARDS) + r"/[A-Za-z0-9_-]+\.[a-z]+")
_LOCK = re.compile(r"\.maps-(\d{5,12})" + re.escape(LOCK))


@dataclass(frozen=True)
class Begun:
    """Files that one share has begun.

    Attributes:
        holder: which share, in words.
        files: their names, ascending.
        seconds: since the last of them was begun.
        runs: whether the share still runs; True also where nobody can tell.
    """

    holder: str
    files: tuple[str, ...]
    seconds: float
    runs: bool

    @property
    def words(self) -> str:
        """What it makes: "share 1/3 of an audit (process 71 on node4) has been making maps-00007.npz for 3.1 s"."""
        return printable(f"{self.holder} has been making {', '.join(self.files)} for {duration(self.seconds)}")

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"holder": self.holder, "shards": list(self.files), "seconds": self.seconds, "runs": self.runs}


@dataclass(frozen=True)
class Experiments:
    """How far the parts of a stage of experiments are, which are made when all photos are passed.

    Attributes:
        stage: its title.
        files: number of its files.
        done: number of those that are there.
        begun: what is not there and was begun, by share.
    """

    stage: str
    files: int
    done: int
    begun: tuple[Begun, ...]

    def lines(self) -> Iterator[str]:
        """The same, a line each."""
        yield printable(f"{self.stage}: {self.done:,} of {self.files:,} files are there")
        yield from (each.words for each in self.begun if each.runs)


@dataclass(frozen=True)
class Status:
    """How far a shared audit is.

    Attributes:
        state: which shards are there.
        begun: what is not there and was begun, by share.
        speed: (photos, seconds) of the last shards; None where no two moments are known, or nothing runs.
        waited: seconds since the last shard.
        absent: folders of which no share has begun.
        experiments: the stage of experiments; None = none was begun.
    """

    state: State
    begun: tuple[Begun, ...]
    speed: tuple[int, float] | None
    waited: float
    absent: tuple[Path, ...]
    experiments: Experiments | None = None

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at this speed; None = not known."""
        if self.speed is None:
            return None
        photos, seconds = self.speed
        left = (self.state.photos - self.state.done) * seconds / photos - self.waited
        return left if left > 0 else None

    @property
    def usual(self) -> float | None:
        """Seconds in which one share makes a shard; None = not known."""
        if self.speed is None:
            return None
        photos, seconds = self.speed
        return sum(each.runs for each in self.begun) * seconds * self.state.per_file / photos

    def as_dict(self) -> dict[str, Any]:
        """The status for JSON."""
        return {
            "photos": self.state.photos,
            "photos_done": self.state.done,
            "shards": self.state.files,
            "shards_done": len(self.state.there),
            "missing": self.state.absent(LISTED),
            "begun": [each.as_dict() for each in self.begun],
            "photos_per_second": None if self.speed is None else self.speed[0] / self.speed[1],
            "seconds_left": self.left,
            "experiments": None
            if (at := self.experiments) is None
            else {
                "stage": at.stage,
                "files": at.files,
                "files_done": at.done,
                "begun": [each.as_dict() for each in at.begun],
            },
        }

    def lines(self) -> Iterator[str]:
        """The status, a line each."""
        yield self.state.words()
        if self.speed is not None:
            left = "" if self.left is None else f", {duration(self.left)} left"
            yield f"photos: {rate(*self.speed)}{left}"
        for each in self.begun:
            names = ", ".join(each.files)
            if not each.runs:
                yield printable(f"{each.holder} has ended without {names}: start it again")
            elif self.usual is not None and each.seconds > max(STILL, LONGEST * self.usual):
                taken = f"{duration(each.seconds)}, others took {duration(self.usual)}"
                yield printable(f"{each.holder} stands still: {names} for {taken}")
            else:
                yield each.words
        if self.state.missing and not any(each.runs for each in self.begun):
            yield "no shard is being made now"
        if self.experiments is not None and not self.state.missing:
            yield from self.experiments.lines()
        for folder in self.absent:
            yield printable(f"{str(folder)!r}: no share has begun")


def status_of(folders: Sequence[Path]) -> Status:
    """How far a shared audit is, by names, times and locks of its files.

    Args:
        folders: the run folder of all shares, or those of single ones; some may not be there yet.

    Raises:
        ResultError: there is no shared audit, or a file is damaged or cannot be read.
        ConfigError: they are shares of several audits.
    """
    there = [folder for folder in folders if os.path.lexists(folder / SHARED) or (folder / FINISHED).exists()]
    there = there or list(folders[:1])
    known = agreed(*there)
    try:
        state = state_by(there, known)
        begun = tuple(_begun(there, state))
        experiments = _experiments(there[0])
        running = sum(each.runs for each in begun)
        speed, last = _speed(there, state, ROUNDS * running) if running else (None, 0.0)
    except OSError as error:
        raise ResultError(f"cannot read {str(error.filename)!r}: {reason_of(error)}") from error
    return Status(
        state,
        begun,
        speed,
        max(0.0, time.time() - last),
        tuple(each for each in folders if each not in there),
        experiments,
    )


def _begun(folders: Sequence[Path], state: State) -> Iterator[Begun]:
    """What is not there and was begun, by share, in the order of the shards."""
    locks: dict[str, Lock] = {}
    complete = set(state.there)
    for folder in folders:
        for name in names_in(folder):
            if (found := _LOCK.fullmatch(name)) is None or (number := int(found[1])) in complete:
                continue
            if number < state.files and (lock := look_at(folder / shard_path(number))) is not None:
                locks[SHARD.format(number)] = lock
    yield from _by_share(locks)


def _by_share(locks: Mapping[str, Lock]) -> Iterator[Begun]:
    """What was begun, by share, of the locks of files by name."""
    shares: defaultdict[tuple[str, bool], list[str]] = defaultdict(list)
    for name, lock in sorted(locks.items()):
        shares[lock.holder, lock.held].append(name)
    for (holder, held), names in shares.items():
        last = max(locks[name].begun for name in names)
        yield Begun(holder, tuple(names), max(0.0, time.time() - last), held)


def _experiments(folder: Path) -> Experiments | None:
    """How far the stage of experiments is that was begun last, in the one folder of all processes."""
    known = Run(folder).read_json(PARTS, _parts)
    if known is None:
        return None
    left = [file for file in known["files"] if not os.path.lexists(folder / file)]
    locks = {os.path.basename(file): lock for file in left if (lock := look_at(folder / file)) is not None}
    done = len(known["files"]) - len(left)
    return Experiments(known["title"], len(known["files"]), done, tuple(_by_share(locks)))


def _parts(kept: Any) -> dict[str, Any]:
    files = [str(file) for file in kept["files"]]
    if not all(_PART.fullmatch(file) for file in files):
        raise ValueError("it names other files than shards")
    return {"title": str(kept["title"]), "files": files}


def _speed(folders: Sequence[Path], state: State, count: int) -> tuple[tuple[int, float] | None, float]:
    """(photos, seconds) of the last `count` shards, and when the last one came, in seconds since the epoch."""
    came: list[tuple[float, int]] = []
    for folder in folders:
        for number in numbers_in(folder):
            if number < state.files:
                came.append(((folder / shard_path(number)).stat().st_mtime, number))
    came.sort()
    first = min((folder / SHARED).stat().st_mtime for folder in folders)
    if not came:
        return None, first
    since = came[-count - 1][0] if count < len(came) else first
    photos = sum(state.count(number) for _, number in came[-count:])
    seconds = came[-1][0] - since
    return ((photos, seconds) if seconds > 0 else None), came[-1][0]
