"""Predictions and heatmaps of pictures without a label, for `bias-audit explain` and the check `strangers`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import AuditConfig
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Sample
from bias_audit.data.sources.loose import pictures_below
from bias_audit.data.trees import Folder
from bias_audit.errors import ConfigError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import Model
from bias_audit.run.statuses import INVALID_PREDICTION, NOT_FINITE_OUTPUTS, OK

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """Prediction and heatmap of one picture without a label.

    Attributes:
        sample: the picture.
        status, reason: as in `data.batches.Loaded`, or INVALID_PREDICTION; all further arrays are empty unless the
            status is OK.
        probabilities: (K,) probabilities of the K classes.
        log_odds: (K,) log p - log(1 - p) of the classes.
        other: probability of all outputs outside the class map.
        predicted: index of the predicted class, K for none of these; -1 where the status is not OK.
        target: index of the class that the map explains; -1 where the status is not OK.
        map: (h, w) heatmap, signed and unscaled.
        pixels: (H, W, C) in [0, 255], the picture in the model's input size.
        mask: (H, W) of `data.batches.Loaded`, VOID where the picture was padded.
        content: as in `data.batches.Loaded`.
    """

    sample: Sample
    status: str
    reason: str
    probabilities: Array
    log_odds: Array
    other: float
    predicted: int
    target: int
    map: Array
    pixels: Array
    mask: NDArray[np.uint8]
    content: str = ""

    def ranked(self, count: int) -> list[tuple[int, float]]:
        """What is predicted and then the most probable classes, `count` in all: (index, probability)."""
        ranked = [(int(i), float(self.probabilities[i])) for i in np.argsort(-self.log_odds, kind="stable")]
        none = [(self.predicted, self.other)] if self.predicted == len(ranked) else []
        return [*none, *ranked][:count]


def look(
    samples: Sequence[Sample],
    explainer: Explainer,
    geometry: Geometry,
    advance: Callable[[int], None],
    target: int | None = None,
) -> Iterator[Look]:
    """Predict and explain pictures, in their order; a picture that cannot be read gives a record with the reason.

    Args:
        samples: the pictures; their labels are not used.
        explainer: model, method and preprocessing.
        geometry: geometry of the model's input.
        advance: called with the number of pictures that are done.
        target: index of the class to explain; None = each picture's most probable class, which is the predicted one
            unless none of the classes is predicted.

    Yields:
        One record per picture.
    """
    nothing = np.zeros(0, np.float32)
    empty = (nothing, nothing, 0.0, -1, -1, np.zeros((0, 0), np.float32), nothing, np.zeros((0, 0), np.uint8))
    size = explainer.model.batch_size
    for start, group in load_in_order(samples, geometry, size):
        read = [loaded.pixels for loaded in group if loaded.pixels is not None]
        if read:
            labels = None if target is None else np.full(len(read), target)
            explained = explainer.explain(np.stack(read), labels)
            maps = explained.maps if target is None else explained.maps_label
        at = 0
        for sample, loaded in zip(samples[start : start + size], group, strict=True):
            if loaded.status != OK or loaded.pixels is None or loaded.mask is None:
                yield Look(sample, loaded.status, loaded.reason, *empty, content=loaded.content)
                continue
            if not explained.predictions.valid[at]:
                yield Look(sample, INVALID_PREDICTION, NOT_FINITE_OUTPUTS, *empty)
                at += 1
                continue
            said = explained.predictions
            asked = int(said.best[at]) if target is None else target
            numbers = said.probabilities[at], said.log_odds[at], float(said.other[at])
            outputs = (*numbers, int(said.predicted[at]), asked, maps[at])
            yield Look(sample, OK, "", *outputs, loaded.pixels, loaded.mask, loaded.content)
            at += 1
        advance(len(group))


def pictures_in(folder: Path) -> list[Path]:
    """All picture files below a folder, see `pictures_below`."""
    return [each for each in pictures_below(Folder(folder)).values() if isinstance(each, Path)]


def name_outputs(model: Model, config: AuditConfig, given: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of a model's classes without a data set: from the class map, as given, or "output 0" and so on.

    Args:
        model: the classifier.
        config: its class map, if any, names the classes.
        given: names in the order of the outputs; None = none were given.

    Raises:
        ConfigError: more or fewer names than outputs, or names beside a class map.
    """
    if config.class_map is not None:
        if given is not None:
            raise ConfigError("a class map names the classes already", "Give either the map or names.")
        return tuple(name for name, _ in config.class_map)
    count = max(model.outputs, 2)  # one sigmoid unit tells two classes apart
    if given is None:
        return tuple(f"output {index}" for index in range(count))
    if len(given) != count:
        raise ConfigError(
            f"{len(given)} names were given for the {count} classes of the model",
            "Name each output once, in the order of the outputs, or some of them by --class-map.",
        )
    return tuple(given)


def find_class(name: str, names: Sequence[str]) -> int:
    """Index of a class that is given by its name, or by its number from 0.

    Raises:
        ConfigError: no such class, or several classes of that name.
    """
    if name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{names.count(name)} classes are called {name!r}", "Give the number of the output.")
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    close = difflib.get_close_matches(name, names, 1)
    listed = f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    raise ConfigError(f"no class {name!r}", f"Did you mean {close[0]!r}?" if close else f"Classes: {listed}.")
