"""Holds the verdicts of an audit in stages against those of the whole design, from kept audits of the whole design.

The composites of the stages are a part of all composites (`checks.background.staged`). So what an audit in stages would
have made is cut out of a kept audit and judged, which asks no model anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.composites import Composite
from bias_audit.checks.background.measure import Interventions
from bias_audit.checks.background.needs import BORROWED, EXCHANGED, OF_OTHERS, Screening, missing_of_photos
from bias_audit.checks.background.screening import Screen, block_ends
from bias_audit.checks.outcomes import FAILS_FROM, LEVELS, RuleOutcome
from bias_audit.checks.reasons import CLEARED, FULL, SCREENED, STOPPED
from bias_audit.config import FIRST_FILL, Thresholds
from bias_audit.planted.benchmark.grid import Case
from bias_audit.planted.benchmark.judging import judged, opened
from bias_audit.planted.benchmark.unit import RUN, unit_folder
from bias_audit.run.quantities import quantity
from bias_audit.run.result import AuditResult

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Compared:
    """The verdicts on the classes of a case.

    Attributes:
        case: name of the case.
        whole, staged: class -> level of BA201, or its status where nothing was found.
        all_composites, made: number of composites of the whole design, and of the stages.
    """

    case: str
    whole: Mapping[str, str]
    staged: Mapping[str, str]
    all_composites: int
    made: int

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """(class, level of the whole design, level of the stages) where the two are not the same."""
        return [(name, level, self.staged[name]) for name, level in self.whole.items() if level != self.staged[name]]


def cut(made: Interventions, names: Sequence[str], screen: Screen) -> Interventions:
    """What an audit in stages would have made, of what one of the whole design made.

    Args:
        made: result of an audit of the whole design.
        names: all classes, by index.
        screen: what the decisions depend on.
    """
    rows = made.composites
    kind = list(zip(rows["arm"], rows["fill"], strict=True))
    first = np.array([each in EXCHANGED for each in kind], bool)
    labels, photo = rows["label"].to_numpy(np.intp), rows["photo"].to_numpy(np.intp)
    fields = [field.name for field in dataclasses.fields(Composite)]
    screened: dict[str, Screening] = {}
    seen: dict[int, set[int]] = {}
    suspected: list[int] = []
    for label in dict.fromkeys(labels.tolist()):
        own = rows[first & (labels == label)]
        by_photo = {
            int(str(key)): [Composite(*row) for row in part[fields].itertuples(index=False)]
            for key, part in own.groupby("photo", sort=False)
        }
        positions, so_far = list(by_photo), list[Composite]()
        code = CLEARED
        start = 0
        for end in block_ends(len(positions)):
            so_far += [each for position in positions[start:end] for each in by_photo[position]]
            seen[label] = {*positions[:end]}
            start, left = end, len(positions) - end
            if left and screen.gives_up(so_far, label, names[label], left):
                code = STOPPED
                break
        if code == CLEARED and screen.suspects(so_far, label):
            suspected.append(label)
        screened[names[label]] = Screening(code, len(positions), EXCHANGED)
    if suspected:
        for name, each in screened.items():
            full = names.index(name) in suspected
            more = Screening(FULL, each.planned) if full else dataclasses.replace(each, kinds=EXCHANGED | OF_OTHERS)
            screened[name] = more
    of_suspected = np.isin(labels, suspected)
    tested = np.array(
        [place in seen[label] for place, label in zip(photo.tolist(), labels.tolist(), strict=True)], bool
    )
    read = np.array([each in OF_OTHERS for each in kind], bool) if suspected else np.zeros(len(rows), bool)
    lent = np.isin(rows["donor_label"].to_numpy(np.intp), suspected)
    grown = (rows["arm"] == arms.GROWN_OTHER).to_numpy()
    with_grown = np.isin(photo, photo[grown & lent])
    borrowed = np.array([each in BORROWED for each in kind], bool) & np.where(grown, with_grown, lent)
    emptied = np.array([each == (arms.BACKGROUND, FIRST_FILL) for each in kind], bool) & (len(suspected) > 0)
    kept = of_suspected | (tested & (first | read | borrowed)) | emptied
    left = rows[kept].reset_index(drop=True)
    photos = _photos(made.photos, rows, left, seen, screened, names)
    return dataclasses.replace(made, composites=left, photos=photos, screened=screened)


_BORROWED = {
    arms.CUE_LENT: ("cue_lent_effect", "cue_lent_class"),
    arms.GROWN_OTHER: ("other_background_accuracy_grown_holes",),
}
"""Arm -> columns that a photo has where its composites of the arm were made."""


def _photos(
    photos: pd.DataFrame,
    rows: pd.DataFrame,
    left: pd.DataFrame,
    seen: Mapping[int, set[int]],
    screened: Mapping[str, Screening],
    names: Sequence[str],
) -> pd.DataFrame:
    """The columns of the photos, without what the composites that are left (of `rows`) do not give."""
    shorter = photos.copy()
    empty = {column: "" if pd.api.types.is_string_dtype(shorter[column]) else pd.NA for column in shorter}
    for label, part in rows.groupby("label"):
        index = int(str(label))
        positions = part["photo"].unique()
        for column in missing_of_photos(screened[names[index]]):
            if column in shorter:
                shorter.loc[positions, column] = empty[column]
        unseen = [int(position) for position in positions if int(position) not in seen[index]]
        for column in map(str, shorter.columns):
            shorter.loc[unseen, column] = SCREENED if column == "intervention_status" else empty[column]
    for arm, columns in _BORROWED.items():
        gone = np.setdiff1d(rows.loc[rows["arm"] == arm, "photo"], left.loc[left["arm"] == arm, "photo"])
        for column in columns:
            shorter.loc[gone, column] = empty[column]
    return shorter


def compare(case: Case, work: Path, thresholds: Thresholds | None = None) -> Compared:
    """Judge the kept audit of a case twice: as it is, and cut to what an audit in stages makes.

    Args:
        case: the case.
        work: folder of all cases.
        thresholds: bounds of the rules; None = the defaults.

    Raises:
        ResultError: the kept audit is missing, damaged or of another version.
    """
    with opened(unit_folder(case, work) / RUN) as result:
        return compare_run(case.name, result, thresholds or Thresholds())


def compare_run(name: str, result: AuditResult, thresholds: Thresholds) -> Compared:
    """As `compare`, for a finished run of the whole design.

    Args:
        name: what the comparison is called.
        result: the run.
        thresholds: bounds of the rules.
    """
    whole = judged(result, thresholds)
    column = result.info.config.get("group_by")
    groups = stats.group_codes(result.images[column]) if column else None
    seed = int(result.info.config.get("seed", 0))
    screen = Screen(len(result.info.class_names), thresholds.min_gap, thresholds.fdr, seed, groups)
    kept: list[Interventions] = []

    def restrict(made: Interventions) -> Interventions:
        kept[:] = [made, cut(made, result.info.class_names, screen)]
        return kept[1]

    staged = judged(result, thresholds, restrict)
    return Compared(
        name, _levels(whole.outcomes), _levels(staged.outcomes), len(kept[0].composites), len(kept[1].composites)
    )


def _levels(outcomes: Sequence[RuleOutcome]) -> dict[str, str]:
    return {each.subject: each.level or each.status for each in outcomes if each.code == "BA201"}


def told(compared: Sequence[Compared], missing: Sequence[str] = ()) -> str:
    """The comparison as text: how many levels are the same, each that is not, and what share of composites was made.

    Args:
        compared: the cases.
        missing: names of cases of which no audit is kept.
    """
    classes = sum(len(each.whole) for each in compared)
    different = [(each.case, *found) for each in compared for found in each.differences]
    accused = [found for found in different if _accuses(found[3]) and not _accuses(found[2])]
    share = sum(each.made for each in compared) / max(sum(each.all_composites for each in compared), 1)
    lines = [
        f"BA201 with stages against the whole design: {classes - len(different)} of {classes} classes of "
        f"{len(compared)} audits have the same level, from {quantity(share, 'share')} of the composites.",
        f"Classes that only the stages accuse: {len(accused)}.",
        *(
            f"  {case}: {name}: {whole} by the whole design, {staged} with stages"
            for case, name, whole, staged in different
        ),
    ]
    if missing:
        lines.append(f"No audit is kept of {len(missing)} cases, for instance {missing[0]}.")
    return "\n".join(lines)


def _accuses(level: str) -> bool:
    return level in LEVELS and LEVELS.index(level) >= LEVELS.index(FAILS_FROM)
