"""Comparison of preprocessings by the model's accuracy on a labelled sample: which one was used in training?

See docs/science.md#preprocessing-check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.config import AUTO_PREPROCESS
from bias_audit.data.batches import Geometry, input_bytes
from bias_audit.data.dataset import Dataset
from bias_audit.data.preprocess import candidates, find_preprocess
from bias_audit.data.sampling import load_pixels, spread
from bias_audit.errors import DataError, ResultError
from bias_audit.limits.memory import at_once
from bias_audit.models.base import Model
from bias_audit.run.folder import Run
from bias_audit.run.quantities import quantity
from bias_audit.run.statuses import GIVEN

if TYPE_CHECKING:
    from bias_audit.run.result import AuditResult

FIRST, MOST = 32, 128
"""Number of photos for every preprocessing at first, and in all for those that could still be the best."""

STORED = "shards/preprocess.json"

DAMAGED = 1_000_000
"""No comparison is of so many photos."""

Hits = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Candidate:
    """Another preprocessing, compared with the one in use on the same photos.

    Attributes:
        name: key of PREPROCESS.
        n, hits: number of photos, and how many are predicted right.
        gained, lost: photos that are right only with this preprocessing, and right only with the one in use.
        by_group: gained minus lost of each group of photos (patient, scene); None = no photos belong together.
    """

    name: str
    n: int
    hits: int
    gained: int
    lost: int
    by_group: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PreprocessCheck:
    """How the preprocessing in use compares with the others.

    Attributes:
        name: name of the preprocessing in use.
        chosen: True where it was chosen by this comparison ("auto"), not given by the user.
        n, hits: number of photos tried with it, and how many are predicted right.
        most: number of these photos in their most frequent class: what always guessing that class gets right.
        classes: number of classes.
        others: the other candidates, most preferred first.
        by_group: (photos, of them predicted right) of each group with the preprocessing in use; None = no photos belong
            together.
    """

    name: str
    chosen: bool
    n: int
    hits: int
    most: int
    classes: int
    others: tuple[Candidate, ...]
    by_group: tuple[tuple[int, int], ...] | None = None


def measure(context: Context) -> Measured:
    """Compare the preprocessing with others, and settle the setting where the configuration says "auto"."""
    if context.given.results is not None:  # no model, so nothing to try them on
        return Measured(settles={"preprocess": context.config.preprocess})
    with context.progress.stage("Checking the preprocessing", None):
        checked = check_preprocess(
            context.config.preprocess, context.explainer.model, context.dataset, context.geometry,
            context.config.seed, context.run, context.groups,
        )  # fmt: skip
    return Measured(settles={"preprocess": checked.name}, notes=_notes(checked), own=lambda: checked)


def _notes(checked: PreprocessCheck) -> list[str]:
    if not checked.chosen:
        return []
    return [
        f"The preprocessing {checked.name!r} was chosen: on {checked.n} labelled photos it has the highest accuracy, "
        f"{quantity(checked.hits / checked.n, 'share')}. Give it with --preprocess to skip this choice."
    ]


def check_preprocess(
    name: str,
    model: Model,
    dataset: Dataset,
    geometry: Geometry,
    seed: int,
    run: Run | None = None,
    groups: NDArray[np.intp] | None = None,
) -> PreprocessCheck:
    """Compare the preprocessing in use with the built-in ones, or choose the best one.

    Every candidate is tried on at most FIRST photos. Up to MOST photos are used for candidates that are ahead or close
    to the best, and for the preprocessing in use where its accuracy could be that of guessing.

    Args:
        name: key of PREPROCESS, `module:function`, or "auto" to choose.
        model: the classifier.
        dataset: labelled samples; at most MOST of them are read, the classes in turn.
        geometry: how pictures become model inputs.
        seed: seed of the choice of photos.
        run: where the outcome is kept, so that a resumed audit uses the same one; None = it is not kept.
        groups: group code of each sample (patient, scene); None = every photo is a group of its own.

    Raises:
        DataError: "auto" and none of the sampled photos can be read.
    """
    build = partial(_asked_for, name=name, channels=geometry.channels)
    kept: PreprocessCheck | None = None if run is None else run.read_json(STORED, build)
    if kept is not None:
        return kept
    checked = _check(name, model, dataset, geometry, seed, groups)
    if run is not None:
        run.write_json(STORED, _to_json(checked))
    return checked


def recall(result: AuditResult) -> PreprocessCheck | None:
    """Read the comparison of a finished run; None of one without a model.

    Raises:
        ResultError: the run keeps none.
    """
    return None if result.info.head == GIVEN else read_check(Run(result.path))


def read_check(run: Run) -> PreprocessCheck:
    """Read the comparison from a run folder.

    Raises:
        ResultError: the run keeps none.
    """
    known: PreprocessCheck | None = run.read_json(STORED, _from_json)
    if known is None:
        raise ResultError(f"{str(run.path / STORED)!r} is missing", "Audit the data again.")
    return known


def _check(
    name: str, model: Model, dataset: Dataset, geometry: Geometry, seed: int, groups: NDArray[np.intp] | None
) -> PreprocessCheck:
    positions = spread(dataset, MOST, seed, groups)
    names = list(candidates(geometry.channels))
    chosen = name == AUTO_PREPROCESS
    if not chosen and name not in names:
        names.append(name)  # the user's own
    labels, places = np.zeros(0, np.intp), np.zeros(0, np.intp)
    hits: Hits = {each: np.zeros(0, bool) for each in names}

    # As many photos at once as a batch may take; only inputs of some megapixels make that fewer than all.
    most = at_once(4 * input_bytes(geometry), MOST, geometry.limits)

    def look(at: Sequence[int], which: Sequence[str]) -> None:
        for start in range(0, len(at), most):
            look_at(at[start : start + most], which)

    def look_at(at: Sequence[int], which: Sequence[str]) -> None:
        nonlocal labels, places
        read, pixels = load_pixels(dataset, at, geometry)
        truth = np.array([dataset.samples[position].label for position in read], np.intp)
        labels, places = np.concatenate([labels, truth]), np.concatenate([places, np.array(read, np.intp)])
        for each in which if read else ():
            predicted = model.predict(find_preprocess(each, geometry.channels)(pixels)).predicted
            hits[each] = np.concatenate([hits[each], predicted == truth])

    look(positions[:FIRST], names)
    if chosen:
        name = max(names, key=lambda each: _count(hits[each]))  # the first of equals
        again = [each for each in names if _contends(hits[each], hits[name])]
        again = again if len(again) > 1 else []
    else:
        again = [each for each in names if _count(hits[each]) > _count(hits[name])]
        again = [*again, name] if again or _guesses(hits[name], len(dataset.class_names)) else []
    if again and positions[FIRST:]:
        look(positions[FIRST:], again)
        if chosen:
            name = max(again, key=lambda each: _count(hits[each]))
    if chosen and not len(labels):
        raise DataError(
            f"none of {len(positions)} sampled images could be read, so no preprocessing could be chosen by them",
            "Name it with --preprocess, and look at the files.",
        )
    n = len(hits[name])
    codes = None if groups is None else groups[places]
    return PreprocessCheck(
        name=name,
        chosen=chosen,
        n=n,
        hits=_count(hits[name]),
        most=int(np.bincount(labels[:n]).max(initial=0)),
        classes=len(dataset.class_names),
        others=tuple(_against(each, hits[each], hits[name], codes) for each in names if each != name),
        by_group=None if codes is None else _pairs(codes[:n], hits[name]),
    )


def _against(name: str, own: NDArray[np.bool_], used: NDArray[np.bool_], codes: NDArray[np.intp] | None) -> Candidate:
    n = min(len(own), len(used))
    own, used = own[:n], used[:n]
    by_group = None if codes is None else _per_group(codes[:n], own.astype(int) - used.astype(int))
    return Candidate(name, n, _count(own), _count(own & ~used), _count(used & ~own), by_group)


def _pairs(codes: NDArray[np.intp], hits: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(_per_group(codes), _per_group(codes, hits), strict=True))


def _per_group(codes: NDArray[np.intp], values: NDArray[Any] | None = None) -> tuple[int, ...]:
    """Sum of the values of each group, or number of its photos."""
    _, group = np.unique(codes, return_inverse=True)
    return tuple(round(float(each)) for each in np.bincount(group, weights=values))


def _contends(own: NDArray[np.bool_], best: NDArray[np.bool_]) -> bool:
    """Whether more photos could still reverse the order: the lead is within two standard errors.

    Args:
        own, best: (n,) whether each photo is right with this preprocessing, and with the best so far.
    """
    ahead, behind = _count(best & ~own), _count(own & ~best)
    return (ahead - behind) ** 2 <= 4 * (ahead + behind)


def _guesses(hits: NDArray[np.bool_], classes: int) -> bool:
    """Whether the accuracy is not clearly above guessing: at most two standard errors above 1 / classes."""
    n, chance = len(hits), 1 / classes
    return n > 0 and _count(hits) <= n * chance + 2 * float(np.sqrt(n * chance * (1 - chance)))


def _count(hits: NDArray[np.bool_]) -> int:
    return int(hits.sum())


def _to_json(checked: PreprocessCheck) -> dict[str, Any]:
    return {**vars(checked), "others": [vars(candidate) for candidate in checked.others]}


def _from_json(stored: dict[str, Any]) -> PreprocessCheck:
    """The comparison that `_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is damaged.
    """
    by_group = stored.get("by_group")
    others = [
        {**each, "by_group": None if each.get("by_group") is None else tuple(map(int, each["by_group"]))}
        for each in stored["others"]
    ]
    pairs = None if by_group is None else tuple((int(photos), int(right)) for photos, right in by_group)
    checked = PreprocessCheck(**{**stored, "others": tuple(Candidate(**each) for each in others), "by_group": pairs})
    numbers = [checked.n, checked.hits, checked.n - checked.hits, checked.most, checked.classes]
    for other in checked.others:
        numbers += [other.gained, other.lost, other.n - other.hits - other.lost, other.hits - other.gained]
    for photos, right in checked.by_group or ():
        numbers += [right, photos - right]
    if not all(type(number) is int and 0 <= number < DAMAGED for number in numbers):
        raise ValueError("its numbers of photos contradict each other")
    return checked


def _asked_for(stored: dict[str, Any], name: str, channels: int) -> PreprocessCheck:
    """The same, of the preprocessing that was given or, where it was to be chosen, of a built-in one: a run folder
    names no module to import.

    Raises:
        KeyError, TypeError, ValueError: it is damaged, or of another preprocessing.
    """
    checked = _from_json(stored)
    if checked.name not in (candidates(channels) if name == AUTO_PREPROCESS else (name,)):
        raise ValueError(f"it is about the preprocessing {checked.name!r}")
    return checked
