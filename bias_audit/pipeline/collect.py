"""Shares of an audit that lie in a folder each, brought together in one run folder, which `merge` then finishes."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from pathlib import Path

from bias_audit.errors import ConfigError, ResultError, reason_of
from bias_audit.pipeline.changes import NOTICED
from bias_audit.run import shares
from bias_audit.run.atomic import place, sweep
from bias_audit.run.folder import CHOSEN, FINISHED, SHARDS, SHARED, Run
from bias_audit.run.lock import gives_back

_HINT = "Free space; the same command goes on where this one stopped."


@gives_back
def collect(folders: Sequence[Path], out: Path) -> list[Path]:
    """Bring the shards of several run folders together in another one; nothing in the former is changed.

    Shards become hard links where there can be any, and copies elsewhere. After a kill it is called again.

    Args:
        folders: run folders of the shares of one audit.
        out: the run folder that is written: a new one, or one that a call left unfinished.

    Returns:
        by number of the shard, the folder where it was found.

    Raises:
        ResultError: a shard is missing, damaged, or another one in two folders; or a file cannot be read or written.
        ConfigError: the folders hold shares of several audits, or `out` holds something else.
    """
    if any(os.path.realpath(folder) == os.path.realpath(out) for folder in folders):
        raise ConfigError(
            f"{str(out)!r} is the folder of a share, in which nothing is changed", "Choose another one with --out."
        )
    known = shares.agreed(*folders)
    state = shares.state_by(folders, known)
    if state.missing:
        raise ResultError(
            f"the shares are not complete: {state.words()}",
            "Name all their folders, or run the shares that make them; what is there is not made twice.",
        )
    try:
        found = _found(folders, state.files)
        others = _others(folders)
        changes = _changes((out, *folders))
    except OSError as error:
        raise ResultError(f"cannot read {str(error.filename)!r}: {reason_of(error)}") from error
    if (out / FINISHED).exists():
        raise ConfigError(f"{str(out)!r} holds a finished run; it was not changed", "Choose another folder with --out.")
    run = Run(out)
    run.make(resume=True, overwrite=False)
    sweep(out)
    shares.agree(run, SHARED, known)  # first of all: by it the folder counts as an unfinished run
    for chosen in filter(None, map(shares.chosen, folders)):
        shares.agree(run, CHOSEN, chosen)
    run.open_folder(SHARDS)
    for name, folder in others.items():
        place(out / name, folder / name, _HINT)
    if changes:
        run.write(NOTICED, changes)
    for number, folder in enumerate(found):
        place(out / shares.shard_path(number), folder / shares.shard_path(number), _HINT)
    return found


def _found(folders: Sequence[Path], count: int) -> list[Path]:
    """By number of the shard, the first folder that holds it.

    Raises:
        ResultError: another folder holds another one, or it is no regular file.
    """
    holders: list[list[Path]] = [[] for _ in range(count)]
    for folder in folders:
        for number in shares.numbers_in(folder):
            if number < count:
                holders[number].append(folder)
    for number, (first, *others) in enumerate(holders):
        name = shares.shard_path(number)
        for folder in (first, *others):
            if not _is_file(folder / name):
                raise ResultError(f"{str(folder / name)!r} is damaged: it is no file", "Run its share again.")
        for other in others:
            if not filecmp.cmp(first / name, other / name, shallow=False):
                raise ResultError(
                    f"{name!r} is not the same in {str(first)!r} and {str(other)!r}",
                    "One of them is damaged, or of another machine: leave out the folder that is wrong, or run its "
                    "share again in an empty one.",
                )
    return [first for first, *_ in holders]


def _others(folders: Sequence[Path]) -> dict[str, Path]:
    """File beside the shards, such as how a share chose the preprocessing -> the first folder that holds it."""
    first: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(shares.names_in(folder)):
            name = f"{SHARDS}/{file}"
            if _is_file(folder / name) and not file.startswith((".", "maps-")) and name != NOTICED:
                first.setdefault(name, folder)
    return first


def _changes(folders: Sequence[Path]) -> bytes:
    """The lists of photos that changed while they were read, joined; that of a killed merge may be the longest."""
    files = [file for folder in folders if _is_file(file := folder / NOTICED)]
    lines = dict.fromkeys(line for file in files for line in file.read_bytes().splitlines())
    return b"".join(line + b"\n" for line in lines)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
