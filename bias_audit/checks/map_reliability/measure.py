"""Reliability tests of the heatmaps (see `similarity`) on a sample of the data set, kept in a shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.checks.map_reliability.similarity import Reliability, check_maps, sample_size
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import load_pixels, spread
from bias_audit.heatmaps.methods import WITHOUT, Explainer
from bias_audit.run.folder import Run

if TYPE_CHECKING:
    from bias_audit.run.result import AuditResult

STORED = "shards/reliability.json"


def measure(context: Context) -> Measured:
    """Test the heatmaps on a sample of the photos; the tests are in `Measured.own`."""
    if context.given.results is not None or context.explainer.name == WITHOUT:  # nothing to make other maps with
        return Measured(own=tuple)
    with context.progress.stage("Testing the maps", None):
        tests = check_reliability(
            context.explainer, context.dataset, context.geometry, context.config.seed, context.run, context.groups
        )
    return Measured(own=lambda: tests)


def check_reliability(
    explainer: Explainer,
    dataset: Dataset,
    geometry: Geometry,
    seed: int,
    run: Run,
    groups: NDArray[np.intp] | None = None,
) -> tuple[Reliability, ...]:
    """Make the reliability tests, or read those of an interrupted audit.

    Args:
        explainer: the model and its heatmap method; unchanged afterwards.
        dataset: all samples; photos are taken from the classes in turn.
        geometry: how pictures become model inputs.
        seed: seed of the choice of photos and of the shuffled weights.
        run: keeps the tests, so that a resumed audit uses the same ones.
        groups: group code of each sample (patient, scene); None = every photo is a group of its own.
    """
    kept: tuple[Reliability, ...] | None = run.read_json(STORED, _tests)
    if kept is not None:
        return kept
    read, pixels = load_pixels(dataset, spread(dataset, sample_size(explainer), seed, groups), geometry)
    tests = check_maps(explainer, pixels, seed, None if groups is None else groups[np.array(read, np.intp)])
    run.write_json(STORED, [test.as_dict() for test in tests])
    return tuple(tests)


def recall(result: AuditResult) -> tuple[Reliability, ...]:
    """Read the reliability tests of a finished run; () where none were made."""
    return read_reliability(Run(result.path))


def read_reliability(run: Run) -> tuple[Reliability, ...]:
    """Read the reliability tests from a run folder; () where none were made."""
    return run.read_json(STORED, _tests) or ()


def _tests(stored: list[dict[str, object]]) -> tuple[Reliability, ...]:
    return tuple(_from_json(each) for each in stored)


def _from_json(stored: dict[str, object]) -> Reliability:
    return Reliability(
        name=str(stored["name"]),
        status=str(stored["status"]),
        similarity=_floats(stored["similarity"]),
        signed=_floats(stored["signed"]),
        reference=float(_floats([stored["reference"]])[0]),
        blank=float(str(stored["blank"])),
        groups=_codes(stored.get("groups")),
    )


def _codes(values: object) -> tuple[int, ...] | None:
    assert values is None or isinstance(values, Sequence)
    return None if values is None else tuple(map(int, values))


def _floats(values: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Values read from JSON as an array, with NaN for None."""
    assert isinstance(values, Sequence)
    return np.array([np.nan if value is None else value for value in values], np.float64)
