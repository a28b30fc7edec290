"""The run folder while an audit writes it: atomic files, shards (intermediate results), and resuming.

audit.json        written last: its presence means complete
started.json      what an unfinished run was started with; a resume must match it
shards/           maps-00000.npz per group of batches, interventions-0000.json per class
*.parquet, *.csv  tables          pictures.json  thumbnails          report.html  the page
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError, DataError, ModelError
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.schema import TABLES

_HINT = "Free space or choose another folder; an interrupted audit continues with --resume."

STARTED = "started.json"
FINISHED = "audit.json"
_OWN = {
    *(STARTED, FINISHED, "report.html", "report-images", "pictures.json", "shards", "assets"),
    *("gate.json", "gate.md", "gate.junit.xml", "gate.sarif"),
    *(f"{table}.{suffix}" for table in TABLES for suffix in ("parquet", "csv")),
}


OTHERS = "shards/tables.json"
"""File with the names of the tables that checks of other packages wrote; it exists only where there are any."""

KEPT = {"decisions.sqlite", "decisions.sqlite-journal"}
"""Files with decisions of reviewers: overwriting a run keeps them, and a folder with nothing else counts as empty."""


class Run:
    """A run folder that is being written.

    Args:
        path: the folder; it is made when `start` is called.

    Attributes:
        digests: file name -> SHA-256 of each table that was written, for audit.json.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digests: dict[str, tuple[str, ...]] = {}

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Check that a run may be written into the folder; called before the model is loaded.

        Args:
            resume: an unfinished run may be continued.
            overwrite: a finished or unfinished run may be replaced.

        Raises:
            ConfigError: the folder holds a run, or other files, and no flag allows it; or both flags are set.
        """
        if resume and overwrite:
            raise ConfigError("--resume and --overwrite contradict each other: one keeps what is there, one deletes it")
        if self.path.is_file():
            raise ConfigError(f"{str(self.path)!r} is a file, not a folder for a run")
        if not self.path.is_dir() or all(entry.name in KEPT for entry in self.path.iterdir()):
            return
        finished, started = (self.path / FINISHED).exists(), (self.path / STARTED).exists()
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

    def start(self, key: Mapping[str, str], *, resume: bool, overwrite: bool) -> None:
        """Make the folder for a new run, or continue an unfinished run.

        Args:
            key: name -> hash or version of everything that the numbers depend on (configuration, data, model, package).
            resume, overwrite: see `check`.

        Raises:
            ConfigError: see `check`; or the unfinished run was started with another key.
            ResultError: the folder cannot be written.
        """
        self.check(resume=resume, overwrite=overwrite)
        if overwrite:
            self._clear()
        elif resume and (self.path / STARTED).exists():
            before = json.loads((self.path / STARTED).read_text(encoding="utf-8"))
            if changed := [name for name in key if before.get(name) != key[name]]:
                raise ConfigError(
                    f"cannot resume {str(self.path)!r}: the {' and the '.join(changed)} changed since it was started",
                    "Resume with the same model, data and options, or start anew with --overwrite.",
                )
            guarded(lambda: (self.path / "shards").mkdir(exist_ok=True), self.path, _HINT)
            return
        guarded(lambda: self.path.mkdir(parents=True, exist_ok=True), self.path, _HINT)
        self.write_json(STARTED, dict(key))  # first of all: a folder without it is nobody's run
        guarded(lambda: (self.path / "shards").mkdir(exist_ok=True), self.path, _HINT)

    @contextlib.contextmanager
    def refusal_leaves_nothing(self) -> Iterator[None]:
        """Context that deletes the run if its input turns out to be wrong, unless shards of heatmaps are worth keeping.

        Wrong data always delete the run; a wrong setting or model does so only before the first shard of heatmaps.
        """
        try:
            yield
        except (ConfigError, DataError, ModelError) as error:
            if isinstance(error, DataError) or not any((self.path / "shards").glob("maps-*")):
                self.discard()
            raise

    def discard(self) -> None:
        """Delete all files of the run, and the folder too if nothing else is in it."""
        self._clear()
        with contextlib.suppress(OSError):  # the user's own files may lie beside the run
            self.path.rmdir()

    def finish(self, content: Mapping[str, Any]) -> None:
        """Write audit.json, which marks the run as complete, and delete started.json.

        Args:
            content: content of audit.json.
        """
        self.write_json(FINISHED, content)
        (self.path / STARTED).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the run atomically, and return its path.

        Args:
            name: path of the file inside the run folder.
            content: its bytes.

        Raises:
            ResultError: the disk is full or the folder cannot be written; complete files are not changed.
        """
        return write_atomically(self.path / name, content, _HINT)

    def write_json(self, name: str, content: Any) -> Path:
        """Write a JSON file of the run and return its path; NaN and infinity become null.

        Raises:
            ResultError: see `write`.
        """
        text = json.dumps(plain(content), ensure_ascii=False, indent=1, allow_nan=False)
        return self.write(name, text.encode("utf-8", "backslashreplace"))

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> Path:
        """Write arrays by name as one .npz file of the run, and return its path.

        Raises:
            ResultError: see `write`.
        """
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
        return self.write(name, buffer.getvalue())

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Read the arrays of an .npz file of the run, by name; None if the file does not exist.

        Raises:
            OSError, ValueError, EOFError, BadZipFile: the file is damaged.
        """
        path = self.path / name
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    def read_json(self, name: str) -> Any | None:
        """Read a JSON file of the run; None if it does not exist.

        Raises:
            OSError, ValueError: the file is damaged.
        """
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def note_tables(self, names: Iterable[str]) -> None:
        """Keep the names of tables of other packages' checks, so that overwriting the run deletes these tables too.

        Args:
            names: names of all tables that are about to be written.
        """
        if others := sorted(set(names) - set(TABLES)):
            self.write_json(OTHERS, others)

    def _tables_of_others(self) -> list[str]:
        try:
            names = self.read_json(OTHERS)
        except (OSError, ValueError):
            return []
        return [name for name in names or () if isinstance(name, str) and name.isidentifier()]

    def _clear(self) -> None:
        """Delete the files that a run wrote and no others; audit.json first, so a half-deleted run is incomplete."""
        (self.path / FINISHED).unlink(missing_ok=True)
        others = {f"{name}.{suffix}" for name in self._tables_of_others() for suffix in ("parquet", "csv")}
        for entry in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            own = entry.name in _OWN | others or (entry.name.startswith(".") and entry.suffix == ".tmp")
            if entry.is_dir() and own:
                shutil.rmtree(entry)
            elif own:
                entry.unlink()


def plain(value: Any) -> Any:
    """The value in types that JSON can hold: NumPy numbers become Python's, NaN and infinity None, tuples lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
