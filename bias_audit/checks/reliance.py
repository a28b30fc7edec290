"""What the row of a class in the class table proves: a gap, a pull of its backgrounds, and what speaks against them.

Imports nothing heavy: the gate judges again by it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import as_float
from bias_audit.checks.reasons import SHORT

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow
    from bias_audit.config import Thresholds


def screened(row: ClassRow) -> bool:
    """Whether a class did not get all composites, since the first of them cleared it (docs/science.md#stages)."""
    return row.get("screening") in SHORT


def relies(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class counts (`gap_counts`), and it got all composites.

    The latter fails where a run is judged again by laxer bounds than those that cleared the class.
    """
    return gap_counts(row, bounds) and not screened(row)


def gap_counts(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class is significant after correction and large enough to matter.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return as_float(row["p_fdr"], 1) <= bounds.fdr and as_float(row["background_gap"], 0) >= bounds.min_gap


def gap_proven(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class is certain enough to accuse somebody of it.

    A gap below `clear_gap` is where its lower limit is above `min_gap`.

    Args:
        row: the class's row of the table `classes`; its gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return as_float(row["background_gap"], 0) >= bounds.clear_gap or as_float(row["gap_low"], -1) > bounds.min_gap


FILL_P = 0.05
"""Level of the sign-flip test of the gap under the second fill: it repeats one test, so it is not corrected."""

FILL_SHARE = 0.5
"""Share of the gap by which that under the second fill must lie lower for the fills to disagree."""


def unfilled(row: ClassRow) -> bool:
    """Whether the backgrounds are real scenes without an object, so that no fill can make the gap.

    Args:
        row: the class's row of the table `classes`.
    """
    return as_float(row.get("n_scenes"), 0) > 0


def second_fill_shows(row: ClassRow) -> bool:
    """Whether the background gap is significant by itself when the donors' holes are filled the second way.

    On real scenes there is no hole, and nothing that a second fill would have to show.

    Args:
        row: the class's row of the table `classes`.
    """
    shown = as_float(row["p_second_fill"], 1) <= FILL_P and as_float(row["background_gap_second_fill"], 0) > 0
    return shown or unfilled(row)


def fills_disagree(row: ClassRow) -> bool:
    """Whether a gap may come from the way of filling the donors' holes, so that nothing can be concluded from it.

    The second fill does not show the gap, and its gap is certainly lower (the 95 % interval of the paired difference
    lies above 0), by at least half of the gap. Not to show a gap is no disagreement: photos may be too few.

    Args:
        row: the class's row of the table `classes`.
    """
    return (
        not second_fill_shows(row)
        and as_float(row["fill_difference_low"], 0) > 0
        and as_float(row["fill_difference"], 0) >= FILL_SHARE * as_float(row["background_gap"])
    )


GROWN_SHARE = 0.5
"""Share of the gap, or of a pull, that must remain for it not to come from what the masks missed: with grown holes, and
without the strongest backgrounds."""


def masks_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, may come from what the masks missed of the objects.

    Either what is missed lies near the objects, and larger holes cover it (`near_parts_in_doubt`), or it lies anywhere,
    in a minority of the photos (`minority_in_doubt`).

    Args:
        row: the class's row of the class table; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return near_parts_in_doubt(row, bounds) or minority_in_doubt(row, bounds)


def near_parts_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, may come from what the masks missed close to the objects.

    A gap is not in doubt where it is at least half as large on backgrounds with grown holes, with a 95 % interval above
    0, on at least `min_photos` photos, or groups of them; nor is that of a class whose pull stays (`pull_stays`). Never
    in doubt are gaps on real scenes, in which no object stood, and runs made before there were such backgrounds. Of a
    pull see `pull_in_doubt`.

    Args:
        row: the class's row of the table `classes`; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    units = as_float(row["n_units_grown_holes"])
    if math.isnan(units) or unfilled(row):
        return False
    gap, least = as_float(row["background_gap_grown_holes"], -1), as_float(row["grown_holes_low"], -1)
    if units < bounds.min_photos:
        return True
    gone = least <= 0 or gap < GROWN_SHARE * as_float(row["background_gap"], 0)
    return (gone and not pull_stays(row, bounds, "grown_holes")) or pull_in_doubt(row, bounds)


def minority_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, comes from a minority of the backgrounds.

    A cue of the class stands in most of its backgrounds; a second object that no mask covers stands in some.

    Args:
        row: the class's row of the table `classes`; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return gap_of_minority(row, bounds) or pull_of_minority(row, bounds)


def gap_of_minority(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a minority of the backgrounds makes the gap of a class.

    It does not where the gap is at least half as large without the strongest backgrounds (`background.strongest`), with
    a 95 % interval above 0. With few photos that interval is wide, so their number is no condition of its own. Nor does
    it where the pull of the class stays (`pull_stays`): most of its backgrounds then have what pulls. Nothing is said
    of gaps on real scenes and of runs made before this was measured.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    if math.isnan(as_float(row["n_without_strongest"])) or unfilled(row):
        return False
    gap, least = as_float(row["background_gap_without_strongest"], -1), as_float(row["without_strongest_low"], -1)
    gone = least <= 0 or gap < GROWN_SHARE * as_float(row["background_gap"], 0)
    return gone and not pull_stays(row, bounds, "without_strongest")


def pull_of_minority(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a minority of a class's backgrounds makes its pull on the objects of the others.

    Beside a true culprit the gap of every class stays, for the culprit makes it. So the pull is asked about as well: it
    is certain, less than half of it is left without the strongest backgrounds, and what is left accuses nobody, for it
    is below `min_pull_all` or may be nothing.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    left = as_float(row["attract_without_strongest"])
    certain = as_float(row["attract_without_strongest_low"], 0) > 0 and left >= bounds.min_pull_all
    lost = left < GROWN_SHARE * as_float(row["attract"]) and not certain
    return as_float(row["attract_low"], 0) > 0 and lost and not unfilled(row)


def pull_stays(row: ClassRow, bounds: Thresholds, where: str) -> bool:
    """Whether a class pulls the objects of others elsewhere too, at least half as much as before.

    With grown holes its backgrounds then do so without anything that the masks missed of its objects, and the class is
    to blame however its own gap shrinks. That happens where the larger fill itself resembles the cue: it spares the
    class's objects on all backgrounds alike, and costs those of the others on their own.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
        where: end of the columns of the pull, "grown_holes" or "without_strongest".
    """
    kept = as_float(row[f"attract_{where}"]) >= GROWN_SHARE * as_float(row["attract"])
    return pulls_all(row, bounds) and kept and as_float(row[f"attract_{where}_low"], 0) > 0


def pull_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether what pulls the objects of other classes to a class may be what the masks missed of its own objects.

    Beside a true culprit the gap of every class stays with grown holes, for the culprit makes it. So of a class that
    pulls all others the pull is asked about as well: less than half of it is left, and what is left may be nothing.
    Both, since with many classes few photos show a pull on backgrounds with grown holes.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    lost = as_float(row["attract_grown_holes"]) < GROWN_SHARE * as_float(row["attract"])
    return pulls_all(row, bounds) and lost and as_float(row["attract_grown_holes_low"], 0) <= 0


def pulls_all(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a class's backgrounds pull the objects of all other classes together, significantly and enough.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return as_float(row["attract"], 0) >= bounds.min_pull_all and as_float(row["p_attract_fdr"], 1) <= bounds.fdr


def background_convicts(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether BA201 finds the class: its background gap counts, and it does not come from the fill.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return relies(row, bounds) and not fills_disagree(row)
