"""What experiments have in common that erase a piece of a photo, paste it onto others and ask the model each time.

Which piece it is, what it is compared with and who gets it is up to the experiment: see `checks.recurring_cues.proof`
and `checks.drawn_regions.measure`. What the differences mean over photos is `stats.paired_effect`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.interventions.edits import FILLS, Mask, Pixels
from bias_audit.models.base import Predictions

Predict = Callable[[Pixels], Predictions]
"""The model: (n, H, W, C) float32 in [0, 255] -> predictions of these n pictures, any n."""

Change = TypeVar("Change", bound=Hashable)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """What the model says of one changed picture.

    Attributes:
        probability: of the class that is watched, 0..1.
        turned: the picture is taken for that class.
        valid: whether the model's outputs are finite; an experiment leaves out what it compares with one that is not.
    """

    probability: float
    turned: bool
    valid: bool = True


class Asked(Generic[Change]):
    """Changed pictures on their way through the model in batches, and what it said of each.

    A change says what was done to which picture, as the experiment names it: any key of a dictionary. The answers are
    complete after `finish`.

    Attributes:
        answers: change -> what the model said, one answer per picture, in the order of asking.
        pictures: change -> (H, W, C) float32 in [0, 255], the first picture of each change that was to be kept.
    """

    def __init__(self, predict: Predict, tied: int, batch: int) -> None:
        """Nothing is asked yet.

        Args:
            predict: the model.
            tied: index of the class that is watched.
            batch: pictures per call of `predict`, at least 1; the last call may get fewer.
        """
        self.answers: dict[Change, list[Answer]] = {}
        self.pictures: dict[Change, Pixels] = {}
        self._predict, self._tied, self._batch = predict, tied, batch
        self._waiting: list[tuple[Change, Pixels]] = []

    def ask(self, change: Change, pixels: Pixels, *, keep: bool = False) -> None:
        """Ask about a picture, once as many wait as one call takes.

        Args:
            change: what was done to it; several pictures may have the same.
            pixels: (H, W, C) float32 in [0, 255].
            keep: hold on to the picture, for the report.
        """
        if keep:
            self.pictures.setdefault(change, pixels)
        self._waiting.append((change, pixels))
        if len(self._waiting) == self._batch:
            self.finish()

    def finish(self) -> None:
        """Ask about the pictures that still wait."""
        if not self._waiting:
            return
        predictions = self._predict(np.stack([pixels for _, pixels in self._waiting]))
        outputs = predictions.probabilities[:, self._tied], predictions.predicted, predictions.valid
        for (change, _), p, best, valid in zip(self._waiting, *outputs, strict=True):
            self.answers.setdefault(change, []).append(Answer(float(p), bool(best == self._tied), bool(valid)))
        self._waiting.clear()


def control_of(arm: str) -> str:
    """Name of the arm that an arm is compared with."""
    return f"{arm} control"


def erased(pixels: Pixels, region: Mask, controls: Sequence[Mask]) -> Iterator[tuple[str, Pixels]]:
    """Pictures with the region erased and, as controls, with equal pieces elsewhere erased, under both fills.

    Args:
        pixels: (H, W, C) float32 in [0, 255].
        region: (H, W) uint8, 1 inside.
        controls: the same of each equal piece.

    Yields:
        (arm, picture): for either fill the region under the name of the fill, then the pieces under `control_of` it.
    """
    for fill in (FIRST_FILL, SECOND_FILL):
        yield fill, FILLS[fill](pixels, region)
        for control in controls:
            yield control_of(fill), FILLS[fill](pixels, control)


def of_weaker_fill(result: Callable[[str], Result], effect: Callable[[Result], float]) -> Result:
    """The result under the fill with the smaller effect, so that no effect comes from how a hole was filled.

    Args:
        result: key of FILLS -> result; asked for both fills.
        effect: size of a result's effect; of equal ones the first fill counts.
    """
    return min((result(fill) for fill in (FIRST_FILL, SECOND_FILL)), key=effect)


def turned_rate(answers: Sequence[Sequence[Answer]]) -> float:
    """Share of hosts that are taken for the watched class, 0..1; NaN without hosts.

    Args:
        answers: per host those to its pictures, at least one; a host with several counts by their share.
    """
    if not answers:
        return float("nan")
    return float(np.mean([np.mean([answer.turned for answer in of_host]) for of_host in answers]))
