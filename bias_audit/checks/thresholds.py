"""Bounds of the rules (`Thresholds`): each with its default, its range, and the direction in which it asks for less.

Bounds only turn numbers into verdicts and never rerun a model.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_audit.errors import ConfigError, ResultError

HIGHER, LOWER, EITHER = "higher", "lower", "either"
"""Direction in which a bound is laxer than its default: a finding, or a doubt about the audit, could be hidden."""


@dataclass(frozen=True)
class Meaning:
    """What the values of a bound mean.

    Attributes:
        lax: HIGHER, LOWER, or EITHER where both directions could hide something.
        low, high: ends of the range; `high` may be infinite, a value may not.
        open: whether the ends lie outside the range.
    """

    lax: str
    low: float = 0.0
    high: float = 1.0
    open: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is finite and lies in the range."""
        inside = self.low < value < self.high if self.open else self.low <= value <= self.high
        return inside and value < math.inf  # NaN fails every comparison

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"be finite and more than {self.low:g}" if self.open else f"be finite and at least {self.low:g}"
        return f"lie in {self.low:g}..{self.high:g}{', without the ends' if self.open else ''}"


def _bound(default: float, lax: str, low: float = 0.0, high: float = 1.0, *, open: bool = False) -> Any:
    return dataclasses.field(default=default, metadata={"meaning": Meaning(lax, low, high, open)})


@dataclass(frozen=True)
class Thresholds:
    """Bounds of the rules, each with the reason for its default; see docs/science.md#thresholds.

    A bound that is no number, or out of its range, raises ConfigError.

    Attributes:
        fdr: Benjamini-Hochberg rate over classes; the field's convention.
        min_gap: background gap below which an effect is not worth a release (5 points).
        clear_gap: background gap from which its lower limit needs not be above min_gap for anybody to be accused: below
            it, innocent classes on plain grounds had measured gaps of .09 where the true one was .01.
        context_gap: upper limit of the background gap up to which a class that is looked at beside its object counts as
            not depending on it (10 points; 35 photos without a gap reach it).
        min_attract: pull of a property of the whole photo on other classes below which it is no cue, however certain.
        min_pull: pull of a class's backgrounds on the objects of one other class from which that alone makes a culprit;
            as clear_gap. On the benchmark's tuning seeds classes with a proven gap and no reliance reach .13, and
            culprits start at .24.
        min_pull_all: the same on the objects of all other classes together. On the tuning seeds innocent classes reach
            .07, and culprits start at .13.
        min_background_only: margin by which a class's background-only accuracy must exceed the share of other classes'
            emptied photos that the model takes for the class. That share is chance, with the model's own leanings.
        min_cue: probability that the attended piece of background must move beyond a control to confirm a class; as
            min_gap, 5 points.
        max_on_object: share of a recurring cue's evidence that may lie on the object: beyond, most of it shows what the
            class looks like.
        max_on_estimate: max_on_object where the object is estimated, for want of masks: estimates are often too small.
            On the benchmark's tuning seeds pieces of objects had .26 and more, planted cues up to .16.
        clear_cue: effect of a cue on the probability from which its lower limit needs not be above min_cue to confirm
            the cue; as clear_gap. On the tuning seeds cues of classes without reliance reached .09, with lower limits
            of .03.
        min_leak: AUC of a linear model on the background from which a leak in the data is worth a word: .65 of all
            pairs ordered right where chance orders half. For a property of files the bound is 2 * min_leak - 1, on a
            strength that is 0 at chance.
        near: margin of gap and effects within which a finding is said to be near its threshold (2 points: less than one
            photo in fifty).
        hidden_excess: background excess below which a class's maps lie on its objects: nearer to a perfect map (0) than
            to a uniform one (1), so a reader of heatmaps would acquit.
        min_photos: photos per class to judge reliance at all: below 10 an interval says nothing.
        min_attention: images per class to flag on attention (the power of a one-sided test).
        cliffs_delta: effect floor for attention differences between classes; .33 is the usual "medium".
        image_z: robust z of an attention outlier (Iglewicz & Hoaglin 1993: 3.5).
        image_excess: background excess below which an image is no outlier, however unusual (1 = uniform map).
        model_excess: median background excess, over classes without shown reliance, above which the maps of this layer
            count as tied to nothing.
        max_unreadable: share of unreadable images above which the audit itself is in doubt.
        max_void_width: largest width of the range in which a class's background share may lie, depending on what its
            void pixels are.
        max_mask_shift: largest part of a class's lead in background excess over the other classes that may vanish with
            masks half a cell larger; beyond, the comparison of classes on attention hangs on the outline.
        min_mask_iou: median overlap that estimated masks must have with drawn ones, by its lower limit (.5, as PASCAL
            VOC counts an object as found). At .71 both husky/wolf networks got the verdicts of drawn masks.
        min_input_gain: accuracy that another preprocessing or class order must gain to call the given one wrong: as
            min_gap, 5 points.
        max_random_similarity: rank correlation that maps may keep when all weights are shuffled. Maps of the model have
            about 0, maps of something else 1 (Adebayo et al. 2018): .5 lies between.
        max_class_similarity: rank correlation between the maps of the most probable and of the second class, from which
            maps do not say why one class was predicted and not the other.
        min_stability: rank correlation that maps must keep when the photo is shifted by one cell. Photo models keep
            .93; sound nets on 6 x 6 cells fall to .73, and noise has 0: .5 lies between.
        input_p: level of the paired test that min_input_gain goes with, preprocessings Bonferroni-corrected: a warning
            that heads the verdict may be false once in a hundred audits.
    """

    fdr: float = _bound(0.05, EITHER, 0, 1, open=True)  # lower: nothing is shown; higher: maps count as tied to objects
    min_gap: float = _bound(0.05, EITHER)  # higher: a gap counts for less; lower: more classes are another's victims
    clear_gap: float = _bound(0.15, HIGHER)
    context_gap: float = _bound(0.1, HIGHER)
    min_attract: float = _bound(0.05, HIGHER)
    min_pull: float = _bound(0.15, HIGHER)
    min_pull_all: float = _bound(0.1, HIGHER)
    min_background_only: float = _bound(0.1, HIGHER)
    min_cue: float = _bound(0.05, HIGHER)
    clear_cue: float = _bound(0.15, HIGHER)
    min_leak: float = _bound(0.65, HIGHER, 0.5, 1)
    max_on_object: float = _bound(0.5, LOWER)
    max_on_estimate: float = _bound(0.25, LOWER)
    near: float = _bound(0.02, LOWER)
    hidden_excess: float = _bound(0.5, LOWER, 0, math.inf)
    min_photos: int = _bound(10, EITHER, 2, math.inf)  # higher: nothing is judged; lower: a few photos acquit
    min_attention: int = _bound(30, EITHER, 2, math.inf)  # as min_photos
    cliffs_delta: float = _bound(0.33, EITHER)  # higher: no map stands out; lower: what is HIDDEN is SUSPICIOUS only
    image_z: float = _bound(3.5, HIGHER, 0, math.inf, open=True)
    image_excess: float = _bound(0.8, HIGHER, 0, math.inf)
    model_excess: float = _bound(0.6, HIGHER, 0, math.inf)
    max_unreadable: float = _bound(0.05, HIGHER)
    max_void_width: float = _bound(0.1, HIGHER)
    max_mask_shift: float = _bound(0.15, HIGHER)
    min_mask_iou: float = _bound(0.5, LOWER)
    min_input_gain: float = _bound(0.05, HIGHER)
    max_random_similarity: float = _bound(0.5, HIGHER)
    max_class_similarity: float = _bound(0.9, HIGHER)
    min_stability: float = _bound(0.5, LOWER)
    input_p: float = _bound(0.01, LOWER, 0, 1, open=True)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    def laxer(self) -> dict[str, float]:
        """Name -> value of the bounds that are laxer than their defaults; see `Meaning.lax`."""
        found = {}
        for field in dataclasses.fields(self):
            value, lax = getattr(self, field.name), MEANINGS[field.name].lax
            if (value > field.default and lax != LOWER) or (value < field.default and lax != HIGHER):
                found[field.name] = value
        return found


MEANINGS: dict[str, Meaning] = {field.name: field.metadata["meaning"] for field in dataclasses.fields(Thresholds)}
"""Name of a bound -> what its values mean."""


def of_run(values: Mapping[str, Any], where: str) -> Thresholds:
    """The bounds that a run was judged by, as its audit.json holds them.

    A bound that the run does not name did not exist when it was made, and has its default; names that this version does
    not know are left out.

    Args:
        values: name -> value, `RunInfo.thresholds`.
        where: the run folder, for the message.

    Raises:
        ResultError: a value is no number, or out of its range.
    """
    try:
        return Thresholds(**{name: value for name, value in values.items() if name in MEANINGS})
    except ConfigError as error:
        hint = "Judge it again with `bias-audit rescore --threshold NAME=NUMBER`, or audit again."
        raise ResultError(f"the run {where!r} has a threshold that means nothing: {error.message}", hint) from error


def _checked(field: dataclasses.Field[Any], value: Any) -> float | int:
    """The value as the field's type; ConfigError where it is none, or out of its range."""
    meaning: Meaning = field.metadata["meaning"]
    kind, whole = (numbers.Integral, "a whole number") if type(field.default) is int else (numbers.Real, "a number")
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ConfigError(f"{field.name} must be {whole}, got {value!r}")
    make: type[Any] = type(field.default)
    try:
        number: float | int = make(value)
    except OverflowError as error:
        raise ConfigError(f"{field.name} must {meaning}, got a number that is too large") from error
    if not meaning.holds(number):
        raise ConfigError(f"{field.name} must {meaning}, got {value!r}")
    return number
