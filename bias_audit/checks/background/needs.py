"""Which composites each column is made of, and so which columns a class has that did not get all composites.

See docs/science.md#stages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.columns import COMPARED, OF_CLASSES, OF_IMAGES
from bias_audit.checks.background.composites import KINDS, Kind
from bias_audit.checks.reasons import FULL
from bias_audit.config import FIRST_FILL, NO_FILL, SECOND_FILL
from bias_audit.interventions.edits import BACKDROPS, FILLS

EXCHANGED = frozenset({(arms.SAME, FIRST_FILL), (arms.OTHER, FIRST_FILL), (arms.SCENE, NO_FILL)})
"""Kinds that every photo gets which is tested at all: they are what the background gap is made of."""

_SECOND = frozenset({(arms.SAME, SECOND_FILL), (arms.OTHER, SECOND_FILL)})
_GROWN = frozenset({(arms.GROWN_SAME, FIRST_FILL), (arms.GROWN_OTHER, FIRST_FILL)})
_EMPTIED, _EMPTIED_SECOND = frozenset({(arms.BACKGROUND, FIRST_FILL)}), frozenset({(arms.BACKGROUND, SECOND_FILL)})
_ALONE = frozenset({(arms.FOREGROUND, next(iter(BACKDROPS)))})
_NEUTRAL = frozenset((arms.FOREGROUND, backdrop) for backdrop in BACKDROPS)
_CONTROL = frozenset({(arms.CONTROL, FIRST_FILL)})
_NOISY = frozenset({(arms.NOISY_OBJECT, ""), (arms.NOISY_BACKGROUND, "")})
_REMOVED = frozenset({(arms.CUE_REMOVED, FIRST_FILL), (arms.CUE_REMOVED_CONTROL, FIRST_FILL)})
_LENT = frozenset({(arms.CUE_LENT, FIRST_FILL), (arms.CUE_LENT_CONTROL, FIRST_FILL)})

OF_OTHERS = _EMPTIED | _EMPTIED_SECOND | _NEUTRAL
"""Kinds that rules on a suspected class read of the photos of all other classes."""

BORROWED = _LENT | {(arms.GROWN_OTHER, FIRST_FILL)}
"""Kinds that they read as well, where the suspected class lends the background."""


def _of(kinds: frozenset[Kind], names: str) -> dict[str, frozenset[Kind]]:
    return dict.fromkeys(names.split(), kinds)


NEEDS: Mapping[str, frozenset[Kind]] = {
    **_of(frozenset({(arms.NEXT, FIRST_FILL)}), "next_background_accuracy"),
    **_of(
        _SECOND,
        "same_background_accuracy_second_fill other_background_accuracy_second_fill background_gap_second_fill "
        "second_fill_low second_fill_high fill_disagreement p_second_fill fill_difference fill_difference_low "
        "fill_difference_high",
    ),
    **_of(
        _GROWN,
        "same_background_accuracy_grown_holes background_gap_grown_holes grown_holes_donors grown_holes_low "
        "grown_holes_high n_grown_holes n_units_grown_holes",
    ),
    **_of(
        _EMPTIED,
        "background_only_predicted background_only_probability background_only_accuracy background_only_low "
        "background_only_high rests_on_background n_rests_on_background flagged_share "
        "background_gap_without_strongest without_strongest_low without_strongest_high n_without_strongest",
    ),
    **_of(
        _EMPTIED_SECOND,
        "background_only_predicted_second_fill background_only_second_fill background_only_second_fill_low",
    ),
    **_of(frozenset((arms.BACKGROUND, fill) for fill in FILLS), "background_only_fills"),
    **_of(_CONTROL, "control_right"),
    **_of(frozenset({(arms.CONTROL, SECOND_FILL)}), "control_right_second_fill"),
    **_of(_CONTROL | _EMPTIED, "removal_effect removal_low removal_high n_control"),
    **_of(
        _ALONE,
        "foreground_only_predicted foreground_only_probability foreground_only_accuracy foreground_only_low "
        "foreground_only_high",
    ),
    **_of(
        _NEUTRAL,
        "neutral_background_accuracy neutral_loss neutral_loss_low neutral_loss_high cut_out_gain cut_out_gain_low "
        "cut_out_gain_high n_cut_out_gain",
    ),
    **_of(
        _NOISY,
        "noisy_object_right noisy_background_right noisy_object_accuracy noisy_background_accuracy "
        "relative_foreground_sensitivity",
    ),
    **_of(_ALONE | _EMPTIED, "shapley_background_share shapley_low shapley_high"),
    **_of(
        _REMOVED,
        "cue_removal_effect cue_removal_low cue_removal_high n_cue_removal p_cue_removal p_cue_removal_fdr",
    ),
}
"""Column per photo or per class, or metric of the gate -> kinds that it needs of the photo, or of the class's photos.

A column that is neither here nor in OTHERS_NEED is made of EXCHANGED.
"""

OTHERS_NEED: Mapping[str, frozenset[Kind]] = {
    **_of(
        _NEUTRAL,
        "attract attract_low attract_high p_attract p_attract_fdr pulls_most largest_pull p_largest_pull_fdr",
    ),
    **_of(
        _EMPTIED,
        "background_only_elsewhere background_gap_without_strongest without_strongest_low without_strongest_high "
        "n_without_strongest",
    ),
    **_of(_EMPTIED | _NEUTRAL, "attract_without_strongest attract_without_strongest_low"),
    **_of(_EMPTIED_SECOND, "background_only_elsewhere_second_fill"),
    **_of(_NEUTRAL | {(arms.GROWN_OTHER, FIRST_FILL)}, "attract_grown_holes attract_grown_holes_low"),
    **_of(_LENT, "cue_lent_effect cue_lent_low cue_lent_high n_cue_lent p_cue_lent p_cue_lent_fdr"),
}
"""Column of a class -> kinds that it needs of the photos of all other classes."""

LENT_BY_IT = frozenset(name for name, kinds in OTHERS_NEED.items() if kinds & BORROWED)
"""Those of them for which it is enough that others got what a suspected class lends."""

TABLES = frozenset(column.name for column in (*OF_IMAGES, *COMPARED, *OF_CLASSES)) | {"flagged_share"}
"""Names of all columns of the check, and of the gate's metrics that are made of them."""


def kinds_for(columns: Collection[str]) -> frozenset[Kind]:
    """Kinds beyond EXCHANGED that all classes need for some columns.

    Args:
        columns: names of columns; those of other checks need nothing.
    """
    return frozenset().union(*(needs.get(name, frozenset()) for name in columns for needs in (NEEDS, OTHERS_NEED)))


@dataclass(frozen=True)
class Screening:
    """How far a class was tested.

    Attributes:
        code: FULL, STOPPED or CLEARED (`checks.reasons`).
        planned: photos that were to get composites.
        kinds: kinds that all its photos got which were tested.
    """

    code: str = FULL
    planned: int = 0
    kinds: frozenset[Kind] = KINDS


def missing_of_photos(screening: Screening) -> frozenset[str]:
    """Columns per photo, and per class of its own photos alone, that a class does not have."""
    return frozenset(name for name, kinds in NEEDS.items() if not kinds <= screening.kinds)


def missing_of_classes(names: Sequence[str], screened: Mapping[str, Screening]) -> dict[str, frozenset[str]]:
    """Class name -> columns per class that the class does not have.

    Args:
        names: all classes.
        screened: class name -> how far it was tested; a class that is not there got everything.
    """
    lacking = {
        column: {name for name, each in screened.items() if not kinds <= each.kinds}
        for column, kinds in OTHERS_NEED.items()
    }
    not_even_lent = {
        column: {name for name in short if not OTHERS_NEED[column] <= screened[name].kinds | BORROWED}
        for column, short in lacking.items()
    }
    of_all: dict[str, frozenset[str]] = {}
    for name in names:
        own = screened.get(name, Screening())
        lent = LENT_BY_IT if own.code == FULL else frozenset[str]()
        of_others = [
            column
            for column, short in lacking.items()
            if len(few := not_even_lent[column] if column in lent else short) > (name in few)
        ]
        of_all[name] = missing_of_photos(own) | frozenset(of_others)
    return of_all


def tells_pulls(screened: Mapping[str, Screening]) -> bool:
    """Whether all photos that were tested stand on neutral backdrops too, with which pulls are compared."""
    return all(each.kinds >= _NEUTRAL for each in screened.values())
