"""The run folder while an audit writes it: atomic files, shards (intermediate results), and resuming.

audit.json        written last: its presence means complete
started.json      what an unfinished run was started with; a resume must match it
shards/           maps-00000.npz per group of batches, interventions-0000.json per class
gate-numbers/     of a large run, the numbers of images.csv for the gate, a file per column
*.parquet, *.csv  tables          pictures.json  thumbnails          report.html  the page
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import BiasAuditError, ConfigError, DataError, ModelError, ResultError, reason_of
from bias_audit.files.text import read_json
from bias_audit.run import versions
from bias_audit.run.atomic import begun, create, guarded, sweep, write_atomically
from bias_audit.run.digests import digest_of, digest_of_file
from bias_audit.run.image_numbers import FOLDER as NUMBERS
from bias_audit.run.json_values import plain
from bias_audit.run.lock import LOCK, PATIENCE, hold, locked_file, remove_if_empty
from bias_audit.run.schema import TABLES
from bias_audit.run.started import expect_key

T = TypeVar("T")
_TEMPORARY = re.compile(r"\..*\.tmp", re.DOTALL)
Arrays = dict[str, NDArray[Any]]

_HINT = "Free space or choose another folder; an interrupted audit continues with --resume."

STARTED = "started.json"
SHARDS = "shards"
SHARED = "shared.json"
"""What all processes agree on that fill the run together, each with a share of the photos; see `run.shares`."""
KEY = "key"
"""Section of it: what the run was started with, see `Run.start`."""
CHOSEN = "shared-choices.json"
"""What each of them has chosen by itself, such as the preprocessing, and which must be the same."""
PARTS = "shared-parts.json"
"""What they make together after the photos: the title of its stage, and the files, see `checks.parts`."""
FINISHED = "audit.json"
PICTURES = "pictures.json"
PROFILE = "profile.csv"
_OWN = {
    *(STARTED, SHARED, CHOSEN, PARTS, FINISHED, PICTURES, PROFILE, SHARDS, NUMBERS),
    *("report.html", "report-images", "assets"),
    *("gate.json", "gate.md", "gate.junit.xml", "gate.sarif", "marked.html", "strip.png"),
    *(f"{table}.{suffix}" for table in (*TABLES, *versions.TABLES) for suffix in ("parquet", "csv")),
}

OTHERS = "shards/tables.json"
"""File with the names of the tables that checks of other packages wrote; it exists only where there are any."""

PHOTOS = "photos-in-memory"
"""Folder of the run that holds photos which its caller had in memory, see `data.in_memory`."""

KEPT = {"decisions.sqlite", "decisions.sqlite-journal", LOCK, PHOTOS}
"""Decisions of reviewers, photos that were in memory, and the lock: overwriting a run keeps them; a folder with nothing
else counts as empty."""


def _same(content: Any) -> Any:
    return content


def _object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError("it holds no object")
    return content


def _key(content: Any) -> dict[str, Any]:
    return _object(_object(content)[KEY])


class Run:
    """A run folder that is being written.

    Args:
        path: the folder; it is made when `start` is called.
        tell: takes a sentence about each damaged file, which then counts as missing, so that it is made again; None =
            nobody can make it again: a damaged file is a ResultError.
        share: which share of the photos this process passes, told to others that it keeps waiting, where several fill
            the run at once; nothing that another may have written is deleted or replaced then. "" = one process.

    Attributes:
        digests: file name -> SHA-256 of each table that was written, for audit.json.
    """

    def __init__(self, path: Path, tell: Callable[[str], None] | None = None, *, share: str = "") -> None:
        self.path = path
        self.share = share
        self.digests: dict[str, tuple[str, ...]] = {}
        self._tell = tell

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Check that a run may be written into the folder; called before the model is loaded.

        An existing folder is locked until the end of the function around, see `lock.hold`.

        Args:
            resume: an unfinished run may be continued.
            overwrite: a finished or unfinished run may be replaced.

        Raises:
            ConfigError: the folder holds a run, or other files, and no flag allows it; or both flags are set.
            ResultError: another process writes a run into the folder, or it cannot be read.
        """
        if resume and overwrite:
            raise ConfigError("--resume and --overwrite contradict each other: one keeps what is there, one deletes it")
        try:
            mode = self.path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):  # the latter is told when the folder is made
            return
        except (OSError, ValueError) as error:
            raise ConfigError(f"no run can be written to {str(self.path)!r}: {reason_of(error)}") from error
        if not stat.S_ISDIR(mode):
            raise ConfigError(f"{str(self.path)!r} is a file, not a folder for a run")
        if self.share:
            hold(self.path, self.share, PATIENCE, shared=True)
        else:
            hold(self.path, "an audit")
        try:
            entries = os.listdir(self.path)
        except OSError as error:
            raise ResultError(f"cannot read the folder {str(self.path)!r}: {error.strerror}") from error
        if all(name in KEPT or _TEMPORARY.fullmatch(name) for name in entries):
            return
        finished = (self.path / FINISHED).exists()
        started = any((self.path / name).exists() for name in (STARTED, SHARED))
        if not finished and not started:
            raise ConfigError(
                f"{str(self.path)!r} is not empty and holds no run; nothing in it was touched",
                "Choose another folder with --out.",
            )
        if finished and not overwrite:
            raise ConfigError(
                f"{str(self.path)!r} holds a finished run; it was not changed",
                "Replace it with --overwrite, or choose another folder with --out.",
            )
        if not finished and not (resume or overwrite):
            raise ConfigError(
                f"{str(self.path)!r} holds an unfinished run",
                "Continue it with --resume, or start anew with --overwrite.",
            )

    def make(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder and lock it, so that photos can be kept in it. Arguments and errors as in `check`."""
        self.check(resume=resume, overwrite=overwrite)
        guarded(lambda: self.path.mkdir(parents=True, exist_ok=True), self.path, _HINT)
        self.check(resume=resume, overwrite=overwrite)  # now that the folder can be locked

    def start(self, key: Mapping[str, str], *, resume: bool, overwrite: bool) -> None:
        """Make the folder for a new run, or continue an unfinished run.

        Args:
            key: name -> hash or version of everything that the numbers depend on (configuration, data, model, package).
            resume, overwrite: see `check`.

        Raises:
            ConfigError: see `check`; or the unfinished run was started with another key.
            ResultError: the folder cannot be written, or another process writes a run into it.
        """
        self.make(resume=resume, overwrite=overwrite)
        if self.share:
            self.create_json(STARTED, key)  # `shares.agree` has compared it
            self.open_folder(SHARDS)
            return
        sweep(self.path)
        started = os.path.lexists(self.path / STARTED)
        if os.path.lexists(self.path / SHARED) and not overwrite:
            before = Run(self.path).read_json(SHARED, _key)  # the work of several processes is not lost with a file
        else:
            # Where it cannot be read, nobody knows what the shards were made of: all are made again.
            before = self.read_json(STARTED, _object) if started and not overwrite else None
        if before is not None:
            expect_key(self.path, before, key)
        else:
            if started and not overwrite and self._tell:
                self._tell("what the unfinished run was started with is not known, so it starts anew")
            if overwrite or started:
                guarded(self._clear, self.path, _HINT)
            self.write_json(STARTED, dict(key))  # first of all: a folder without it is nobody's run
        self.open_folder(SHARDS)

    def open_folder(self, name: str) -> None:
        """Make a folder inside the run's; a link or a file in its place is removed, and nothing that it leads to."""
        folder = self.path / name
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            self._damaged(name, "it is no folder")
            guarded(folder.unlink, folder, _HINT)
        guarded(lambda: folder.mkdir(exist_ok=True), folder, _HINT)
        if not self.share:  # a process of another computer is not seen to run
            sweep(folder)

    def locked(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Context in which nobody else makes a file of the run; it locks nothing in a run that one process fills.

        Raises:
            ResultError: another process makes it.
        """
        if not self.share:
            return contextlib.nullcontext()
        return locked_file(self.path / name, self.share)

    @contextlib.contextmanager
    def refusal_leaves_nothing(self) -> Iterator[None]:
        """Context that deletes the run if its input turns out to be wrong, unless shards of heatmaps are worth keeping.

        Wrong data always delete the run; a wrong setting or model does so only before the first shard of heatmaps.
        """
        try:
            yield
        except (ConfigError, DataError, ModelError) as error:
            wrong = isinstance(error, DataError) or not any((self.path / SHARDS).glob("maps-*"))
            if wrong and not self.share:
                self.discard()
            raise

    def discard(self) -> None:
        """Delete all files of the run, and the folder too if nothing else is in it."""
        self._clear()
        remove_if_empty(self.path)

    def finish(self, content: Mapping[str, Any]) -> None:
        """Write audit.json, which marks the run as complete, and delete started.json.

        Args:
            content: content of audit.json.
        """
        self.write_json(FINISHED, content)
        for name in (STARTED, SHARED, CHOSEN, PARTS):
            (self.path / name).unlink(missing_ok=True)

    def shard_digests(self) -> dict[str, tuple[str, ...]]:
        """SHA-256 of each file in the folder of shards, by its name there, for audit.json."""
        folder = self.path / SHARDS
        there = sorted(folder.iterdir()) if folder.is_dir() else ()
        files = [file for file in there if not file.name.startswith(".")]
        return {file.name: (digest_of(file.read_bytes()),) for file in files}

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the run atomically, and return its path.

        Args:
            name: path of the file inside the run folder.
            content: its bytes.

        Raises:
            ResultError: the disk is full or the folder cannot be written; complete files are not changed.
        """
        return write_atomically(self.path / name, content, _HINT, own=True)

    def fill(self, name: str, write: Callable[[BinaryIO], None]) -> str:
        """Write a file of the run piece by piece, as atomically, and return the SHA-256 of its bytes.

        Args:
            name: path of the file inside the run folder.
            write: writes it.

        Raises:
            ResultError: see `write`.
        """

        def store() -> str:
            with begun(self.path / name) as file:
                write(file)
                return digest_of_file(file)

        return guarded(store, self.path / name, _HINT)

    def write_json(self, name: str, content: Any) -> Path:
        """Write a JSON file of the run and return its path; NaN and infinity become null.

        Shards and pictures, which nobody reads with their eyes, stand on one line: Python writes that ten times faster.

        Raises:
            ResultError: see `write`.
        """
        return self.write(name, self._json(name, content))

    def create_json(self, name: str, content: Any) -> bool:
        """Write a JSON file of the run unless it is there already, and return whether this call wrote it.

        Raises:
            ResultError: see `write`.
        """
        return create(self.path / name, self._json(name, content), _HINT)

    def _json(self, name: str, content: Any) -> bytes:
        indent = None if name.startswith(f"{SHARDS}/") or name == PICTURES else 1
        text = json.dumps(plain(content), ensure_ascii=False, indent=indent, allow_nan=False)
        return text.encode("utf-8", "backslashreplace")

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> Path:
        """Write arrays by name as one .npz file of the run, and return its path.

        Raises:
            ResultError: see `write`.
        """
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
        return self.write(name, buffer.getvalue())

    def read_arrays(self, name: str, build: Callable[[Arrays], T] = _same) -> T | None:
        """Read the arrays of an .npz file of the run, by name; None if the file does not exist.

        Args:
            name: path of the file inside the run folder.
            build: makes what is returned of the arrays by name; an exception of it means that they are damaged.

        Raises:
            ResultError: the file is damaged, and nobody is told (see `Run`).
        """

        def load(path: Path) -> Arrays:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}

        return self._read(name, lambda path: build(load(path)))

    def read_json(self, name: str, build: Callable[[Any], Any] = _same) -> Any | None:
        """Read a JSON file of the run; None if it does not exist, or holds null.

        Args:
            name: path of the file inside the run folder.
            build: makes what is returned of the content; an exception of it means that the content is damaged.

        Raises:
            ResultError: the file is damaged, and nobody is told (see `Run`).
        """

        def load(path: Path) -> Any | None:
            content = read_json(path, ResultError)
            return None if content is None else build(content)

        return self._read(name, load)

    def _read(self, name: str, load: Callable[[Path], T | None]) -> T | None:
        path = self.path / name
        if not os.path.lexists(path):
            return None
        try:
            if not path.is_file():
                raise ValueError("it is no file")
            return load(path)
        except BiasAuditError as error:
            reason = error.message.removeprefix(f"{str(path)!r} is damaged: ")
        except KeyError as error:
            reason = f"it has no {error}"
        except Exception as error:  # whatever damage makes numpy, zipfile, zlib and the readers of a check raise
            # NumPy's own sentence on pickled data tells how to run what is in them.
            reason = "it holds no arrays" if "pickle" in str(error) else str(error) or type(error).__name__
        self._damaged(name, reason)
        if path.is_dir() and not path.is_symlink():  # no file can be written over a folder
            guarded(lambda: shutil.rmtree(path), path, _HINT)
        return None

    def _damaged(self, name: str, reason: str) -> None:
        said = f"{str(self.path / name)!r} is damaged: {reason}"
        if self._tell is None:
            raise ResultError(said, "Audit the data again.")
        self._tell(f"{said}; it is made again")

    def note_tables(self, names: Iterable[str]) -> None:
        """Keep the names of tables of other packages' checks, so that overwriting the run deletes these tables too.

        Args:
            names: names of all tables that are about to be written.
        """
        if others := sorted(set(names) - set(TABLES)):
            self.write_json(OTHERS, others)

    def _tables_of_others(self) -> list[str]:
        names = Run(self.path, lambda _: None).read_json(OTHERS, list)
        return [name for name in names or () if isinstance(name, str) and name.isidentifier()]

    def _clear(self) -> None:
        """Delete the files that a run wrote and no others; audit.json first, so a half-deleted run is incomplete."""
        (self.path / FINISHED).unlink(missing_ok=True)
        others = {f"{name}.{suffix}" for name in self._tables_of_others() for suffix in ("parquet", "csv")}
        for entry in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            own = entry.name in _OWN | others or (entry.name.startswith(".") and entry.suffix == ".tmp")
            if entry.is_dir() and not entry.is_symlink() and own:
                shutil.rmtree(entry)
            elif own:
                entry.unlink()
