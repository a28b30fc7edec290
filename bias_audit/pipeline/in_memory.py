"""Photos that a caller of `audit` has in memory: they are put on disk, from where the audit goes on as with a table."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.in_memory.keeping import Given, Kept, keep
from bias_audit.data.in_memory.store import WITHOUT_CACHE, prune
from bias_audit.errors import ConfigError
from bias_audit.run.folder import FINISHED, PHOTOS, Run
from bias_audit.run.lock import at_end
from bias_audit.run.progress import Progress


def on_disk(data: Any) -> bool:
    """Whether data, or masks, are a path or an address."""
    return isinstance(data, str | os.PathLike | Url)


def refuse_for_paths(ids: Any, value_range: Any, cache: Any, masks: Any) -> None:
    """Refuse what is said of photos in memory where the data lie on disk.

    Raises:
        ConfigError: it is said.
    """
    given = {"ids": ids, "value_range": value_range, "cache": cache, "masks as arrays": masks}
    if said := [name for name, value in given.items() if value is not None]:
        raise ConfigError(
            f"{said[0]}: for photos in memory, and the data are a path", "Leave it out, or give arrays as data."
        )


def put_on_disk(
    given: Given,
    run: Run,
    cache: str | Path | None,
    config: AuditConfig,
    progress: Progress,
    *,
    resume: bool,
    overwrite: bool,
    temporary: bool,
) -> Kept:
    """Write photos that are in memory into the run folder, or into a cache of the user.

    Args:
        given: the photos.
        run: the run, which is not started; its folder is made and locked.
        cache: folder in which any number of photos may be kept; None = the run folder, and at most WITHOUT_CACHE bytes.
        config: settings of the audit.
        progress: display.
        resume, overwrite: see `Run.check`.
        temporary: the run folder is one that nobody named: what was written there goes where the audit fails.

    Raises:
        BiasAuditError: see `in_memory.keeping.keep`.
    """
    run.make(resume=resume, overwrite=overwrite)
    if temporary:
        at_end(lambda: None if (run.path / FINISHED).exists() else _removed(run.path))
    folder = run.path / PHOTOS if cache is None else Path(cache)
    with progress.stage("Photos to disk", None, "images") as advance:
        return keep(
            given,
            folder,
            most=WITHOUT_CACHE if cache is None else None,
            class_map=config.class_map,
            pixels=config.limits.pixels,
            advance=advance,
        )


def drop_others(data: str | Path | Url, kept: Kept | None, run: Run) -> None:
    """Remove photos from the run folder that an earlier audit kept there, and this one does not use.

    Args:
        data: path or address of this audit's data; where it is a list in that very folder, nothing is removed.
        kept: this audit's photos, if they were in memory.
        run: the run, which is started.
    """
    folder = run.path / PHOTOS
    own = os.path.realpath(os.path.dirname(str(data))) == os.path.realpath(folder)
    if kept is not None or not own:
        prune(folder, kept.used if kept is not None and own else ())


def _removed(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path)
