"""What the processes of a shared audit agree on before the first photo: settings, data, packages, threads."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bias_audit.config import AuditConfig, Thresholds
from bias_audit.errors import ConfigError
from bias_audit.heatmaps import attention
from bias_audit.limits.bounds import Limits
from bias_audit.limits.room import cores
from bias_audit.pipeline.in_memory import on_disk
from bias_audit.run import shares
from bias_audit.run.folder import KEY, SHARED, STARTED, Run
from bias_audit.run.started import expect_key

PACKAGES = (
    "numpy", "scipy", "pandas", "scikit-learn", "opencv-python-headless", "pillow", "tensorflow", "tensorflow-cpu",
    "keras", "tf-keras", "torch", "torchvision", "timm", "transformers", "onnxruntime", "onnxruntime-gpu", "jax",
)  # fmt: skip
"""Packages that numbers may come from; the shares agree on the versions of those that are installed."""

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
"""Variables of the environment that say how many threads compute: sums of other parts are rounded in another way."""

PLACES = ("model", "data", "masks", "boxes", "backgrounds", "strangers", "train", "cues")
"""What an audit is given by a path; each process may see it at another."""


def refuse(model: Any, data: Any, predictions: Any, *, overwrite: bool, option: str = "--shard") -> None:
    """Refuse what cannot be shared; `option` is what asks for several processes.

    Raises:
        ConfigError: photos or a model in memory, a table of predictions, or a run that would be overwritten.
    """
    if predictions is not None:
        raise ConfigError(f"{option} and --predictions contradict each other: there is no model to share the work of")
    if not (isinstance(model, str | Path) and on_disk(data)):
        raise ConfigError("a shared audit takes a model and photos that every process finds on disk")
    if overwrite:
        raise ConfigError(
            f"{option} and --overwrite contradict each other: no process may delete what the others have made",
            "Delete the folder, or choose another one with --out.",
        )


def begin(
    run: Run,
    config: AuditConfig,
    thresholds: Thresholds,
    key: Mapping[str, str],
    places: Mapping[str, Any],
    reading: Mapping[str, Any],
    ignore: Sequence[str],
    photos: int,
) -> None:
    """Agree with the other shares on everything that is known before the run is started.

    Args:
        run: the run folder.
        config, thresholds: settings of the audit, and bounds of its rules.
        key: what the numbers depend on, see `Run.start`.
        places: where model and data lie, by name; the shares need not agree on it.
        reading: how the data are read, see `SourceOptions.kept`.
        ignore: codes of rules that are not judged.
        photos: number of photos.

    Raises:
        ConfigError: another share was given something else, or one process that has begun the run.
    """
    run.make(resume=True, overwrite=False)
    if not os.path.lexists(run.path / SHARED) and (before := Run(run.path).read_json(STARTED, dict)) is not None:
        expect_key(run.path, before, key)  # one process has begun it
    content: dict[str, Mapping[str, Any]] = {
        "audit": config.changed({"limits": Limits(pixels=config.limits.pixels)}).as_dict(),  # others change no number
        "thresholds": dataclasses.asdict(thresholds),
        "data": dict(reading),
        "rules": {"ignore": sorted(ignore)},
        "packages": _packages(),
        "threads": _threads(),
        "size": {"photos": photos, "per_file": (config.batch_size or 1) * attention.BATCHES_PER_SHARD},
        KEY: dict(key),
        shares.FREE: {name: None if place is None else str(place) for name, place in places.items()},
    }
    shares.agree(run, SHARED, content)


def same_packages(folder: Path, known: shares.Sections, note: Callable[[str], None]) -> None:
    """Compare this process with the shares whose work it goes on with: one run says one version of each package.

    Args:
        folder: the run folder.
        known: what the shares agreed on.
        note: takes a sentence where only the numbers of threads are others.

    Raises:
        ConfigError: a package is missing, or has another version.
    """
    if said := _difference("packages", _packages(), known):
        raise ConfigError(
            f"{str(folder)!r} was made with other packages: {said}",
            "Merge with the packages of the shares; shared.json in the run folder lists them.",
        )
    if said := _difference("threads", _threads(), known):
        note(f"{said}: numbers of the experiments may differ in their last digits from those of one process.")


def _difference(section: str, here: Mapping[str, Any], known: shares.Sections) -> str:
    return shares.difference({section: here}, {section: known.get(section, {})}, "here", "in the shares")


def _packages() -> dict[str, str]:
    return {name: version for name in PACKAGES if (version := _version(name)) is not None}


def _threads() -> dict[str, Any]:
    return {"cores": cores(), **{name: os.environ[name] for name in THREADS if name in os.environ}}


def _version(name: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None
