"""Composites that test whether the prediction follows the object or the background, and their predictions.

- Each photo's object is pasted on backgrounds of its own class and of other classes. Both are pasted, so the cost of
  pasting cancels (Xiao et al. 2021).
- The background is shown without the object, and the object without the background.
- Holes and noise, once on the object and once beside it, tell what erasing alone costs (Moayeri et al. 2022).

Holes are filled in several unrelated ways: an effect that only one fill shows comes from the fill
(docs/science.md#fills).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import FIRST_FILL, NO_FILL, SECOND_FILL, SECOND_FILL_DONORS
from bias_audit.data.batches import Geometry, Loaded, input_bytes, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.interventions.donors import (
    NO_LABEL,
    Backgrounds,
    Heat,
    Plan,
    Regions,
    choose_donors,
    find_regions,
    next_donor,
    stream,
)
from bias_audit.interventions.edits import (
    BACKDROPS,
    FILLS,
    Cutout,
    elsewhere,
    hole,
    lend,
    with_noise,
)
from bias_audit.limits.ahead import made_ahead
from bias_audit.limits.memory import at_once
from bias_audit.limits.room import decoders
from bias_audit.models.base import Predictions

Pixels = NDArray[np.float32]
Name = tuple[int, str, str, int]
"""Key of a composite: (photo, arm, fill, donor)."""

Kind = tuple[str, str]
"""(arm, fill) of a composite; FIRST_FILL as well where a real scene of a class stands for an emptied photo."""

SAME, OTHER, NEXT = "same", "other", "next"
"""Arms (kinds of composite): the object on backgrounds of its own class, of the other classes, of the next class."""

GROWN_SAME, GROWN_OTHER = "same_grown_holes", "other_grown_holes"
"""Arms: as SAME and OTHER, on backgrounds whose holes reach further (`edits.grown`), first fill."""

SCENE = "scene"
"""Arm: the object on real scenes of no class."""

BACKGROUND, FOREGROUND = "background_only", "foreground_only"
"""Arms: the object removed, with every fill; the object on every neutral backdrop."""

CONTROL = "control_hole"
"""Arm: the object untouched and a hole of its shape filled beside it, which tells what removing anything costs."""

NOISY_OBJECT, NOISY_BACKGROUND = "noisy_object", "noisy_background"

CUE_REMOVED, CUE_REMOVED_CONTROL = "cue_removed", "cue_removed_control"
"""Arms: the piece of background that the heatmap points at inpainted, and an equal piece elsewhere inpainted."""

CUE_LENT, CUE_LENT_CONTROL = "cue_lent", "cue_lent_control"
"""Arms: the attended piece of another class's background put behind this object, and another piece of it."""

SHOWN = (SAME, OTHER, BACKGROUND, FOREGROUND)
"""Arms of which one composite per photo is kept for the report."""

CONTROL_SCALES = (1.0, 0.8, 0.6, 0.45)
"""Sizes of the control hole relative to the object, tried in turn: beside a large object an equal hole has no room."""

KINDS: frozenset[Kind] = frozenset(
    {
        *((arm, fill) for arm in (SAME, OTHER) for fill in (FIRST_FILL, SECOND_FILL)),
        *((arm, FIRST_FILL) for arm in (GROWN_SAME, GROWN_OTHER, NEXT)),
        (SCENE, NO_FILL),
        *((BACKGROUND, fill) for fill in FILLS),
        *((FOREGROUND, backdrop) for backdrop in BACKDROPS),
        *((arm, "") for arm in (NOISY_OBJECT, NOISY_BACKGROUND)),
        *((CONTROL, fill) for fill in (FIRST_FILL, SECOND_FILL)),
        *((arm, FIRST_FILL) for arm in (CUE_REMOVED, CUE_REMOVED_CONTROL, CUE_LENT, CUE_LENT_CONTROL)),
    }
)
"""Every kind of composite."""


@dataclass(frozen=True)
class Choice:
    """Which composites of a photo are made.

    Attributes:
        kinds: what is made.
        shown: kinds of which a photo's first composite is made for the report alone, and not predicted.
        lenders: classes of which one must lend a background for GROWN_OTHER and CUE_LENT to be made; None = any.
    """

    kinds: frozenset[Kind] = KINDS
    shown: frozenset[Kind] = frozenset()
    lenders: frozenset[int] | None = None

    def wants(self, arm: str, *fills: str) -> bool:
        """Whether some composite of the arm is made, with one of these fills (FIRST_FILL if none is named)."""
        return any((arm, fill) in self.kinds for fill in fills or (FIRST_FILL,))


EVERYTHING = Choice()


@dataclass(frozen=True)
class Composite:
    """One changed picture and the model's prediction for it.

    Attributes:
        photo, donor: sample positions of the changed photo and of the photo that gave the background; donor -1 where
            there is none.
        arm: kind of composite, one of the arms above.
        fill: key of FILLS, or of BACKDROPS for FOREGROUND; NO_FILL on a real scene, "" where nothing was filled.
        donor_label: class index of the donor, -1 where there is none, and of a scene of no class.
        predicted: index of the predicted class, K for none of these; NO_CLASS where the model's outputs are not finite.
        probability: probability of the photo's label, 0..1.
        probability_predicted: probability of what is predicted, 0..1 (`Predictions.probability`).
        log_odds: log-odds of the photo's label.
        donor_probability: probability of the donor's class, 0..1; NaN without a donor.
    """

    photo: int
    arm: str
    fill: str
    donor: int
    donor_label: int
    predicted: int
    probability: float
    probability_predicted: float
    log_odds: float
    donor_probability: float


def predict_composites(
    dataset: Dataset,
    label: int,
    todo: Plan,
    backgrounds: Backgrounds,
    geometry: Geometry,
    maps: Mapping[int, Heat],
    predict: Callable[[Pixels], Predictions],
    *,
    batch: int,
    donors: int,
    seed: int,
    keep: Callable[[int, str, int, Pixels], None],
    choice: Choice = EVERYTHING,
) -> Iterator[list[Composite]]:
    """Make and predict the composites of one class.

    Args:
        dataset: all samples.
        label: index of the class.
        todo: photos and donors of every class.
        backgrounds: prepared backgrounds and attended regions of the donors.
        geometry: how pictures become model inputs.
        maps: sample position -> (h, w) heatmap of the labelled class, for photos that are recognised.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions.
        batch: composites per call of `predict`.
        donors: backgrounds per photo and arm with the first fill.
        seed: seed of every random choice.
        keep: called with (photo, arm, donor, pixels) of the first composite of each SHOWN arm of a photo, for the
            report; first fill only.
        choice: which composites are made.

    Yields:
        the composites of one batch; photos that cannot be read, or have no usable mask, give none.
    """
    names: list[Name] = []
    images: list[Pixels] = []
    first: set[tuple[int, str]] = set()
    for position, arm, fill, donor, pixels in changed_photos(
        dataset, label, todo, backgrounds, geometry, maps, donors=donors, seed=seed, choice=choice
    ):
        if shown_first(position, arm, fill, first):
            keep(position, arm, donor, pixels)
        if (arm, FIRST_FILL if fill == NO_FILL else fill) in choice.shown:
            continue
        names.append((position, arm, fill, donor))
        images.append(pixels)
        if len(images) == batch:
            yield with_predictions(dataset, label, names, predict(np.stack(images)))
            names, images = [], []
    if images:
        yield with_predictions(dataset, label, names, predict(np.stack(images)))


def changed_photos(
    dataset: Dataset,
    label: int,
    todo: Plan,
    backgrounds: Backgrounds,
    geometry: Geometry,
    maps: Mapping[int, Heat],
    *,
    donors: int,
    seed: int,
    choice: Choice = EVERYTHING,
) -> Iterator[tuple[int, str, str, int, Pixels]]:
    """Make the composites of one class; arguments as of `predict_composites`.

    Yields:
        (position of the photo, arm, fill, position of the donor or -1, pixels (H, W, C) float32 in [0, 255]), those of
        a photo one after another; photos that cannot be read, or have no usable mask, give none.
    """
    positions = todo.photos[label]

    def photos() -> Iterator[tuple[int, Loaded]]:
        for start, group in load_in_order([dataset.samples[position] for position in positions], geometry, 8):
            yield from zip(positions[start : start + 8], group, strict=True)

    def changed(photo: tuple[int, Loaded]) -> list[tuple[int, str, str, int, Pixels]]:
        position, loaded = photo
        own = backgrounds.regions.get(position) if choice.wants(CUE_REMOVED) else None
        if own is None and choice.wants(CUE_REMOVED):
            own = find_regions(loaded, maps.get(position), seed, dataset.samples[position].image_id)
        made = _composites(dataset, position, loaded, todo, backgrounds, own, donors, seed, choice)
        return [(position, *each) for each in made]

    most = at_once(composites_of_photo(todo, donors, choice) * input_bytes(geometry), decoders() + 1, geometry.limits)
    for made in made_ahead(changed, photos(), most):
        yield from made


def shown_first(position: int, arm: str, fill: str, seen: set[tuple[int, str]]) -> bool:
    """Whether a composite is the first of a SHOWN arm of its photo, which the report may show; added to `seen` then."""
    if arm not in SHOWN or fill == SECOND_FILL or (position, arm) in seen:
        return False
    seen.add((position, arm))
    return True


def count_composites(todo: Plan, donors: int, choice: Choice = EVERYTHING) -> int:
    """Largest number of composites that a plan can give; arguments as of `predict_composites`."""
    return sum(len(photos) for photos in todo.photos.values()) * composites_of_photo(todo, donors, choice)


def composites_of_photo(todo: Plan, donors: int, choice: Choice = EVERYTHING) -> int:
    """Largest number of composites of one photo; arguments as of `count_composites`."""
    many = {(arm, FIRST_FILL): donors for arm in (SAME, OTHER)} | {(SCENE, NO_FILL): donors}
    if NO_LABEL not in todo.scenes:
        many[SCENE, NO_FILL] = 0
    few = ((SAME, SECOND_FILL), (OTHER, SECOND_FILL), (GROWN_SAME, FIRST_FILL), (GROWN_OTHER, FIRST_FILL))
    many |= dict.fromkeys(few, min(donors, SECOND_FILL_DONORS))
    return sum(many.get(kind, 1) for kind in choice.kinds)


def _composites(
    dataset: Dataset,
    position: int,
    loaded: Loaded,
    todo: Plan,
    backgrounds: Backgrounds,
    own: Regions | None,
    donors: int,
    seed: int,
    choice: Choice,
) -> Iterator[tuple[str, str, int, Pixels]]:
    if loaded.pixels is None or loaded.mask is None:
        return
    pixels, mask = loaded.pixels, loaded.mask
    cut, holes = Cutout.of(pixels, mask), hole(mask)
    sample, pictures = dataset.samples[position], backgrounds.pictures
    same, other = choose_donors(todo.donors, sample.label, position, sample.image_id, donors, seed, todo.groups)
    filled = ((FIRST_FILL, donors), (SECOND_FILL, SECOND_FILL_DONORS))
    ways = ((NO_FILL, donors),) if todo.unfilled else filled
    for fill, most in ways:
        for arm, chosen in ((SAME, same), (OTHER, other)):
            kind = arm, FIRST_FILL if fill == NO_FILL else fill
            most_made = most if kind in choice.kinds else 1 if kind in choice.shown else 0
            for donor in chosen[:most_made]:
                if (donor, fill) in pictures:
                    yield arm, fill, donor, cut.onto(pictures[donor, fill])
    if choice.wants(GROWN_OTHER):
        most = min(donors, SECOND_FILL_DONORS)
        yield from _on_grown_holes(dataset, position, cut, todo, backgrounds, most, seed, choice)
    following = next_donor(todo.donors, sample.label, sample.image_id, seed)
    first = ways[0][0]
    if choice.wants(NEXT) and following is not None and (following, first) in pictures:
        yield NEXT, first, following, cut.onto(pictures[following, first])
    if choice.wants(SCENE, NO_FILL):
        for scene in _scenes_of_no_class(todo, sample.image_id, donors, seed):
            yield SCENE, NO_FILL, scene, cut.onto(pictures[scene, NO_FILL])
    for fill in (fill for fill in FILLS if choice.wants(BACKGROUND, fill)):
        emptied = pictures.get((position, fill))
        removed = FILLS[fill](pixels, holes) if emptied is None else emptied.astype(np.float32)
        yield BACKGROUND, fill, -1, removed
    for backdrop, behind in BACKDROPS.items():
        if choice.wants(FOREGROUND, backdrop):
            yield FOREGROUND, backdrop, -1, cut.onto(behind(pixels, mask))
    if choice.wants(NOISY_OBJECT, ""):  # both draw from one stream
        rng = stream(seed, sample.image_id, "noise")
        yield NOISY_OBJECT, "", -1, with_noise(pixels, mask, rng, on_object=True)
        yield NOISY_BACKGROUND, "", -1, with_noise(pixels, mask, rng, on_object=False)
    if choice.wants(CONTROL, FIRST_FILL, SECOND_FILL):
        beside = elsewhere(holes, holes, stream(seed, sample.image_id, "control"), CONTROL_SCALES)
        if beside is not None:
            for fill in (fill for fill in (FIRST_FILL, SECOND_FILL) if choice.wants(CONTROL, fill)):
                yield CONTROL, fill, -1, FILLS[fill](pixels, beside)
    yield from _cues(dataset, pixels, mask, own, other, backgrounds, choice)


def _on_grown_holes(
    dataset: Dataset,
    position: int,
    cut: Cutout,
    todo: Plan,
    backgrounds: Backgrounds,
    donors: int,
    seed: int,
    choice: Choice,
) -> Iterator[tuple[str, str, int, Pixels]]:
    """The object on backgrounds with grown holes, as many of its own class as of other classes; none without both."""
    sample = dataset.samples[position]
    lent = todo.donors.among(backgrounds.grown)
    same, other = choose_donors(lent, sample.label, position, sample.image_id, donors, seed, todo.groups)
    most = min(len(same), len(other))
    if choice.lenders is not None and choice.lenders.isdisjoint(dataset.samples[donor].label for donor in other[:most]):
        return
    for arm, chosen in ((GROWN_SAME, same), (GROWN_OTHER, other)):
        for donor in chosen[:most] if choice.wants(arm) else ():
            yield arm, FIRST_FILL, donor, cut.onto(backgrounds.grown[donor])


def _scenes_of_no_class(todo: Plan, image_id: str, donors: int, seed: int) -> list[int]:
    """Positions of the real scenes of no class on which a photo's object is pasted."""
    there = todo.scenes.get(NO_LABEL, ())
    return [there[i] for i in stream(seed, image_id, "scenes").permutation(len(there))[:donors]]


def _cues(
    dataset: Dataset,
    pixels: Pixels,
    mask: NDArray[np.uint8],
    own: Regions | None,
    other: Sequence[int],
    backgrounds: Backgrounds,
    choice: Choice,
) -> Iterator[tuple[str, str, int, Pixels]]:
    """The four composites about cues: the photo's attended background removed, another class's put in, and controls."""
    if own is not None:
        yield CUE_REMOVED, FIRST_FILL, -1, FILLS[FIRST_FILL](pixels, own.attended)
        yield CUE_REMOVED_CONTROL, FIRST_FILL, -1, FILLS[FIRST_FILL](pixels, own.control)
    lender = next((donor for donor in other if donor in backgrounds.regions), None)
    if lender is None or not choice.wants(CUE_LENT):
        return
    if choice.lenders is None or dataset.samples[lender].label in choice.lenders:
        picture, there = backgrounds.pictures[lender, FIRST_FILL].astype(np.float32), backgrounds.regions[lender]
        yield CUE_LENT, FIRST_FILL, lender, lend(pixels, mask, picture, there.attended)
        yield CUE_LENT_CONTROL, FIRST_FILL, lender, lend(pixels, mask, picture, there.control)


def with_predictions(dataset: Dataset, label: int, names: Sequence[Name], predictions: Predictions) -> list[Composite]:
    """The composites of a class with what was predicted for them.

    Args:
        dataset: all samples, with real scenes behind the photos.
        label: index of the class.
        names: (photo, arm, fill, donor) of each composite, see `Composite`.
        predictions: their predictions, in the same order.
    """
    rows = []
    predicted, probability = predictions.predicted, predictions.probability
    for i, (photo, arm, fill, donor) in enumerate(names):
        donor_label = dataset.samples[donor].label if donor >= 0 else -1
        rows.append(
            Composite(
                photo,
                arm,
                fill,
                donor,
                donor_label,
                int(predicted[i]),
                float(predictions.probabilities[i, label]),
                float(probability[i]),
                float(predictions.log_odds[i, label]),
                float(predictions.probabilities[i, donor_label]) if donor_label >= 0 else np.nan,
            )
        )
    return rows
