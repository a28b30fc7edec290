"""The run folder while an audit writes it: atomic files, shards, resume.

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
"""Names of the tables that checks of other packages wrote; where there are none there is no such file."""

KEPT = {"decisions.sqlite", "decisions.sqlite-journal"}
"""What people decided outlives an overwritten run, and is no reason to refuse a folder."""


class Run:
    """A run folder being written.

    Args:
        path: the folder; made when `start` is called.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse early, before a model is loaded, what `start` would refuse.

        Raises:
            ConfigError: the folder holds a finished or unfinished run, or something else, and no flag allows it.
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
        """Make the folder, or take up an unfinished run.

        Args:
            key: what the numbers depend on (configuration, data, model, version), by name.

        Raises:
            ConfigError: see `check`; or the unfinished run was started with something else.
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
        """Input that only the first pass shows to be wrong leaves no folder behind; shards of use are kept."""
        try:
            yield
        except (ConfigError, DataError, ModelError) as error:
            if isinstance(error, DataError) or not any((self.path / "shards").glob("maps-*")):
                self.discard()
            raise

    def discard(self) -> None:
        """Delete what was written, and the folder where nothing else lies in it."""
        self._clear()
        with contextlib.suppress(OSError):  # the user's own files may lie beside the run
            self.path.rmdir()

    def finish(self, content: Mapping[str, Any]) -> None:
        """Write audit.json last and forget how the run was started."""
        self.write_json(FINISHED, content)
        (self.path / STARTED).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> Path:
        """Write a file under a temporary name, flush it to disk, rename it.

        Raises:
            ResultError: the disk is full or the folder cannot be written; what was complete stays.
        """
        return write_atomically(self.path / name, content, _HINT)

    def write_json(self, name: str, content: Any) -> Path:
        """Write JSON; NaN becomes null, since NaN is no JSON."""
        text = json.dumps(plain(content), ensure_ascii=False, indent=1, allow_nan=False)
        return self.write(name, text.encode("utf-8", "backslashreplace"))

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> Path:
        """Write arrays as one .npz."""
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
        return self.write(name, buffer.getvalue())

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Read a shard, or None if it was not written."""
        path = self.path / name
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    def read_json(self, name: str) -> Any | None:
        """Read a JSON file, or None if it was not written."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def note_tables(self, names: Iterable[str]) -> None:
        """Keep which tables are not ours, before they are written, so that overwriting the run removes them too."""
        if others := sorted(set(names) - set(TABLES)):
            self.write_json(OTHERS, others)

    def _tables_of_others(self) -> list[str]:
        try:
            names = self.read_json(OTHERS)
        except (OSError, ValueError):
            return []
        return [name for name in names or () if isinstance(name, str) and name.isidentifier()]

    def _clear(self) -> None:
        """Delete what a run wrote, and nothing else; audit.json first, so a half-deleted run is no complete one."""
        (self.path / FINISHED).unlink(missing_ok=True)
        others = {f"{name}.{suffix}" for name in self._tables_of_others() for suffix in ("parquet", "csv")}
        for entry in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            own = entry.name in _OWN | others or (entry.name.startswith(".") and entry.suffix == ".tmp")
            if entry.is_dir() and own:
                shutil.rmtree(entry)
            elif own:
                entry.unlink()


def plain(value: Any) -> Any:
    """NumPy numbers and NaN -> what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
