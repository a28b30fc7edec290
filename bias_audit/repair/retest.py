"""The cues and regions that convicted, erased and pasted again on each of the three models: with the same pictures.

Another audit looks for recurring cues of its own and knows of no region that a reviewer drew. Where a repaired model
looks at nothing that recurs, it has no answer, and that is none. So the question is put as it was put before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.drawn_regions.measure import try_region
from bias_audit.checks.outcomes import RuleOutcome, class_of, cue_proven
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.discover import ON_OBJECT, from_arrays
from bias_audit.checks.recurring_cues.measure import SEEN
from bias_audit.checks.recurring_cues.proof import prove
from bias_audit.config import Thresholds
from bias_audit.errors import DataError
from bias_audit.interventions.erase_and_paste import Predict
from bias_audit.pipeline.audited_photos import AuditedPhotos
from bias_audit.pipeline.live_test import region_of
from bias_audit.repair.evidence import CUES, REGIONS, RULES, corners_of
from bias_audit.run import versions
from bias_audit.run.digests import verified
from bias_audit.run.folder import Arrays, Run
from bias_audit.run.identity import cue_title
from bias_audit.run.result import AuditResult
from bias_audit.stats import PairedEffect

BEFORE, AFTER = "before", "after"
"""Models that must have an answer; others, such as the control, may."""

PASTED, ERASED = "pasted", "erased"
"""The two tests."""


@dataclass(frozen=True)
class Effects:
    """What a cue or region does to the predictions of one model, as the audit measures it.

    Attributes:
        tests: PASTED -> rise of the class's probability on photos of other classes that get it, ERASED -> fall on its
            own photos that lose it, each beyond a control; without what could not be measured.
        turned: share of the photos that get it that are then taken for the class, 0..1; NaN without any.
        convicts: whether one of the effects is what convicts: significant, large enough, and certain enough.
    """

    tests: Mapping[str, PairedEffect]
    turned: float
    convicts: bool = False


@dataclass(frozen=True)
class Retest:
    """A cue or region that convicted, tested again.

    Attributes:
        finding: of the run before.
        effects: name of the model ("before", "control", "after") -> what it does there; {} where it cannot be tested.
    """

    finding: RuleOutcome
    effects: Mapping[str, Effects]

    @property
    def class_name(self) -> str:
        """The class that it is tied to."""
        return class_of(self.finding)

    @property
    def title(self) -> str:
        """What it is called."""
        return cue_title(self.finding)

    @property
    def known(self) -> bool:
        """Whether there is an answer: what convicted before was measured after."""
        return all(self.test(name) is not None for name in (BEFORE, AFTER))

    @property
    def left(self) -> bool:
        """Whether it would convict the model after."""
        return self.known and self.effects[AFTER].convicts

    @property
    def fell(self) -> bool:
        """Whether its effect after lies below that of before, by their intervals."""
        old, new = self.test(BEFORE), self.test(AFTER)
        return old is not None and new is not None and new.high < old.low

    @property
    def by(self) -> str:
        """The stronger of the two tests before."""
        tests = self.effects[BEFORE].tests if BEFORE in self.effects else {}
        return max(tests, key=lambda name: tests[name].mean, default=PASTED)

    def test(self, name: str) -> PairedEffect | None:
        """The effect on a model, by the test that was the stronger one before."""
        return self.effects[name].tests.get(self.by) if name in self.effects else None


def retest(
    before: AuditResult,
    findings: Sequence[RuleOutcome],
    photos: AuditedPhotos,
    models: Mapping[str, Predict],
    bounds: Thresholds,
    *,
    batch: int,
    seed: int,
) -> tuple[Retest, ...]:
    """Test what convicted again.

    Args:
        before: the run before.
        findings: what it proved; those that are no cue and no drawn region are left out.
        photos: of that run.
        models: name -> predictions of (n, H, W, C) float32 in [0, 255], any n.
        bounds: by which effects convict.
        batch: pictures per call of a model.
        seed: of the run.

    Raises:
        ResultError: the run is damaged, or was changed after it was written.
    """
    wanted = [each for each in findings if RULES.get(each.code) in (CUES, REGIONS)]
    seen = _seen(before) if any(RULES[each.code] == CUES for each in wanted) else None
    measured: dict[str, list[Effects | None]] = {}
    for name, predict in models.items():
        measured[name] = [
            _cue(before, each, photos, seen, predict, batch, seed)
            if RULES[each.code] == CUES
            else _region(before, each, photos, predict, batch, seed)
            for each in wanted
        ]
        measured[name] = _judged(measured[name], bounds)
    return tuple(
        Retest(each, {name: own for name, every in measured.items() if (own := every[place]) is not None})
        for place, each in enumerate(wanted)
    )


def _seen(before: AuditResult) -> Seen | None:
    """What the run looked at; None where it was freed of its shards."""
    name = versions.shard_name(SEEN, before.version)
    if not (before.path / name).is_file():
        return None
    verified(before.path / name, before.shards)

    def build(arrays: Arrays) -> Seen:
        seen = from_arrays(arrays)
        for places, most in ((seen.positions, len(before.images)), (seen.spots.image, len(seen.positions))):
            if len(places) and not 0 <= int(places.min()) <= int(places.max()) < most:
                raise ValueError("it speaks of photos that the run does not have")
        return seen

    return Run(before.path).read_arrays(name, build)


def _cue(
    before: AuditResult,
    finding: RuleOutcome,
    photos: AuditedPhotos,
    seen: Seen | None,
    predict: Predict,
    batch: int,
    seed: int,
) -> Effects | None:
    name = class_of(finding)
    if seen is None or finding.subject not in before.cues.index or name not in before.info.class_names:
        return None
    spots = _spots(before, finding.subject, photos, seen)
    if not len(spots):
        return None
    made = prove(
        photos.dataset, seen, spots, before.info.class_names.index(name), predict, photos.geometry,
        off_object=float(before.cues["object_share"][finding.subject]) < ON_OBJECT, batch=batch, seed=seed, keep=0,
        groups=photos.groups,
    )  # fmt: skip
    tests = {PASTED: made.pasted, ERASED: made.erased}
    return Effects({name: each for name, each in tests.items() if each is not None}, made.turned)


def _spots(before: AuditResult, cue_id: str, photos: AuditedPhotos, seen: Seen) -> NDArray[np.intp]:
    """The spots of a cue as indices into `Seen.spots`, the most typical first."""
    table = before.cue_spots
    own = table[table["cue_id"] == cue_id].sort_values("rank")
    ids = [photos.dataset.samples[int(position)].image_id for position in seen.positions]
    height, width = seen.spots.grid
    every = {
        (ids[int(image)], int(row), int(column)): number
        for number, (image, row, column) in enumerate(
            zip(seen.spots.image, seen.spots.row, seen.spots.column, strict=True)
        )
    }
    places = zip(own["image_id"], own["y"], own["x"], strict=True)
    keys = [(str(name), round(float(y) * height - 0.5), round(float(x) * width - 0.5)) for name, y, x in places]
    return np.array([every[key] for key in keys if key in every], np.intp)


def _region(
    before: AuditResult, finding: RuleOutcome, photos: AuditedPhotos, predict: Predict, batch: int, seed: int
) -> Effects | None:
    if finding.subject not in before.hypotheses.index:
        return None
    row = before.hypotheses.loc[finding.subject]
    name = str(row["class_name"])
    if name not in before.info.class_names:
        return None
    try:
        photo, _ = photos.photo(photos.place(str(row["image_id"])))
    except DataError:
        return None
    region = region_of(corners_of(str(row["region"])), photos.geometry.size)
    hosts, tied = photos.of_others(name), before.info.class_names.index(name)
    made = try_region(photo, region, hosts, tied, predict, batch=batch, seed=seed).pasted
    if made is None:
        return None
    return Effects({PASTED: PairedEffect(made.effect, made.low, made.high, made.p)}, made.turned)


def _judged(measured: Sequence[Effects | None], bounds: Thresholds) -> list[Effects | None]:
    """Whether each convicts a model, by the rules' bounds; p is corrected over all tests on it (Benjamini-Hochberg)."""
    tests = [(place, each) for place, own in enumerate(measured) if own for each in own.tests.values()]
    corrected = stats.benjamini_hochberg(np.array([each.p for _, each in tests]))
    guilty = {
        place
        for (place, each), p in zip(tests, corrected, strict=True)
        if p <= bounds.fdr and each.mean >= bounds.min_cue and each.low > 0 and cue_proven(each.mean, each.low, bounds)
    }
    return [None if own is None else replace(own, convicts=place in guilty) for place, own in enumerate(measured)]
