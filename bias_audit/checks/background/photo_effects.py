"""Effects of the background on each photo, from its composites: one row per photo, one column per experiment.

See docs/science.md#interventions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.needs import Screening, missing_of_photos
from bias_audit.config import FIRST_FILL, NO_FILL, SECOND_FILL
from bias_audit.interventions.edits import BACKDROPS, FILLS
from bias_audit.run.statuses import indices_of, predictions_of
from bias_audit.run.tables import ESTIMATED, frame

Floats = NDArray[np.floating]

FIRST_BACKDROP = next(iter(BACKDROPS))

CONSENSUS = 0.75
"""Share of the backdrops on which a wrong photo must turn right before its background is blamed for the error."""


def photo_effects(composites: pd.DataFrame, photos: pd.DataFrame, blank: Floats) -> pd.DataFrame:
    """Effects of the background on every photo that has composites.

    Args:
        composites: one row per `composites.Composite`, with the column `label` of its photo (class indices).
        photos: index = sample position; columns label, predicted (class indices; K = none of these) and log_odds_label
            of the unchanged photo.
        blank: (K,) log-odds of a black picture, which shows neither object nor background.

    Returns:
        one row per photo, index = sample position; columns of `columns.OF_IMAGES`, with classes as indices. NaN where
        the photo has no such composite.
    """
    made = composites.assign(right=composites["predicted"] == composites["label"])
    by_arm = made.groupby(_KEYS)["right"].mean()
    index = pd.Index(sorted(made["photo"].unique()), name="photo")
    arm = _Arms(by_arm, made.drop_duplicates(_KEYS).set_index(_KEYS), index)
    photos = photos.loc[index]
    columns = {
        **_exchanged(made, arm, len(blank)),
        **_turned_by_some(made, photos),
        **_emptied(arm, photos, blank),
        **_cues(arm),
    }
    table = pd.DataFrame(columns, index=index)
    table["rests_on_background"] = _rests_on_background(made, arm, photos, len(blank))
    return table


_KEYS = ["photo", "arm", "fill"]


@dataclass(frozen=True)
class _Arms:
    """Composites by photo, arm and fill.

    Attributes:
        right: share of composites predicted as the label, 0..1, by (photo, arm, fill).
        made: first composite of each (photo, arm, fill).
        photos: sample positions of all photos, in order.
    """

    right: pd.Series
    made: pd.DataFrame
    photos: pd.Index

    def share(self, arm: str, fill: str = FIRST_FILL) -> pd.Series:
        """Share of an arm's composites predicted as the label, 0..1, by photo; NaN where there are none."""
        return self._level(self.right, arm, fill)

    def mean_share(self, arm: str, fills: Iterable[str]) -> pd.Series:
        """Mean of an arm's `share` over several fills, by photo."""
        return pd.concat([self.share(arm, fill) for fill in fills], axis=1).mean(axis=1)

    def first(self, column: str, arm: str, fill: str = FIRST_FILL) -> pd.Series:
        """A column of the first composite of an arm and fill, by photo; NaN where there is none."""
        return self._level(self.made[column], arm, fill)

    def _level(self, values: pd.Series, arm: str, fill: str) -> pd.Series:
        names = values.index
        chosen = values[(names.get_level_values("arm") == arm) & (names.get_level_values("fill") == fill)]
        return chosen.droplevel(["arm", "fill"]).reindex(self.photos)


def _exchanged(made: pd.DataFrame, arm: _Arms, classes: int) -> dict[str, pd.Series]:
    """Columns of the object pasted on other photos' backgrounds."""
    columns: dict[str, pd.Series] = {}
    for fill, suffix in ((FIRST_FILL, ""), (SECOND_FILL, "_second_fill")):
        same, other = arm.share(arms.SAME, fill), arm.share(arms.OTHER, fill)
        columns[f"same_background_accuracy{suffix}"], columns[f"other_background_accuracy{suffix}"] = same, other
        columns[f"background_gap{suffix}"] = same - other
    same, other = columns["same_background_accuracy"], columns["other_background_accuracy"]
    columns["random_background_accuracy"] = same / classes + other * (classes - 1) / classes
    columns["next_background_accuracy"] = arm.share(arms.NEXT)
    same, other = arm.share(arms.GROWN_SAME), arm.share(arms.GROWN_OTHER)
    columns["same_background_accuracy_grown_holes"], columns["other_background_accuracy_grown_holes"] = same, other
    columns["background_gap_grown_holes"] = same - other
    given = made.loc[made["arm"] == arms.GROWN_SAME, "photo"].value_counts()
    columns["grown_holes_donors"] = given.reindex(arm.photos, fill_value=0)
    columns["scene_background_accuracy"] = arm.share(arms.SCENE, NO_FILL)
    first = made[made["fill"] == FIRST_FILL]
    odds = first.groupby(["photo", "arm"])["log_odds"].mean().unstack().reindex(columns=[arms.SAME, arms.OTHER])
    columns["swap_log_odds"] = odds[arms.SAME] - odds[arms.OTHER]
    becomes = first[first["arm"] == arms.OTHER].groupby("photo")["predicted"].agg(lambda rows: rows.mode().iloc[0])
    return {**columns, "other_background_predicted": becomes}


def _turned_by_some(made: pd.DataFrame, photos: pd.DataFrame) -> dict[str, pd.Series]:
    """Whether some background turns a photo that is recognised as it is: of other classes, and of its own as a control.

    The worst of several says little by itself, since pasting alone costs some photos. So both columns are the worst of
    equally many backgrounds.
    """
    first = made[(made["fill"] == FIRST_FILL) & made["arm"].isin((arms.SAME, arms.OTHER))]
    counts = first.groupby(["photo", "arm"]).size().unstack().reindex(columns=[arms.SAME, arms.OTHER])
    equal = counts.min(axis=1, skipna=False)
    place = first.groupby(["photo", "arm"]).cumcount()
    kept = first[place < first["photo"].map(equal)]
    turned = (~kept["right"]).groupby([kept["photo"], kept["arm"]]).any().unstack()
    turned = turned.reindex(index=photos.index, columns=[arms.SAME, arms.OTHER])
    recognised = photos["predicted"] == photos["label"]
    return {
        column: turned[name].where(recognised)
        for column, name in (("adversarial", arms.OTHER), ("adversarial_control", arms.SAME))
    }


def _emptied(arm: _Arms, photos: pd.DataFrame, blank: Floats) -> dict[str, pd.Series | Floats]:
    """Columns without the object, without the background, and of the controls for what erasing anything costs."""
    only = (arms.FOREGROUND, FIRST_BACKDROP)
    neutral = arm.mean_share(arms.FOREGROUND, BACKDROPS)
    shares = shapley_background_share(
        photos["log_odds_label"].to_numpy(float),
        arm.first("log_odds", *only).to_numpy(float),
        arm.first("log_odds", arms.BACKGROUND).to_numpy(float),
        blank[photos["label"].to_numpy(int)],
    )
    return {
        "background_only_predicted": arm.first("predicted", arms.BACKGROUND),
        "background_only_predicted_second_fill": arm.first("predicted", arms.BACKGROUND, SECOND_FILL),
        "background_only_probability": arm.first("probability", arms.BACKGROUND),
        "background_only_fills": arm.mean_share(arms.BACKGROUND, FILLS),
        "control_right": arm.share(arms.CONTROL),
        "control_right_second_fill": arm.share(arms.CONTROL, SECOND_FILL),
        "foreground_only_predicted": arm.first("predicted", *only),
        "foreground_only_probability": arm.first("probability", *only),
        "neutral_background_accuracy": neutral,
        "cut_out_gain": (neutral >= CONSENSUS).where(photos["predicted"] != photos["label"]),
        "noisy_object_right": arm.share(arms.NOISY_OBJECT, ""),
        "noisy_background_right": arm.share(arms.NOISY_BACKGROUND, ""),
        "shapley_background_share": shares,
    }


def _cues(arm: _Arms) -> dict[str, pd.Series]:
    """Columns of the attended piece of background: removed from its photo, and put behind another class's object."""
    removed, kept = (arm.first("probability", name) for name in (arms.CUE_REMOVED, arms.CUE_REMOVED_CONTROL))
    lent, other = (arm.first("donor_probability", name) for name in (arms.CUE_LENT, arms.CUE_LENT_CONTROL))
    return {
        "cue_removal_effect": kept - removed,
        "cue_lent_effect": lent - other,
        "cue_lent_class": arm.first("donor_label", arms.CUE_LENT),
    }


def _rests_on_background(made: pd.DataFrame, arm: _Arms, photos: pd.DataFrame, classes: int) -> pd.Series:
    """Whether each photo's prediction rests on the background (docs/science.md#single-photos).

    True where the prediction stays the same without the object, at a probability above 0.5, and changes on more than
    half of the other classes' backgrounds; missing where there are no such backgrounds. A photo of which none of the
    classes is predicted rests on nothing: that none is there is right once its object has gone.
    """
    survives = (arm.first("predicted", arms.BACKGROUND) == photos["predicted"]) & (
        arm.first("probability_predicted", arms.BACKGROUND) > 0.5
    )
    survives &= photos["predicted"] < classes
    others = made[(made["arm"] == arms.OTHER) & (made["fill"] == FIRST_FILL)]
    turned = others["predicted"] != others["photo"].map(photos["predicted"])
    changed = turned.groupby(others["photo"]).mean().reindex(photos.index)
    return (survives & (changed > 0.5)).where(changed.notna())


def shapley_background_share(both: Floats, object_only: Floats, background_only: Floats, neither: Any) -> Floats:
    """The background's share of the evidence for the label: a Shapley value of two players, object and background.

    phi_bg = ((T11 - T10) + (T01 - T00)) / 2 and phi_fg likewise; the share is phi_bg / (|phi_bg| + |phi_fg|)
    (Shapley 1953; docs/science.md#shapley-share). T11 to T00 are the four arguments, in their order.

    Args:
        both, object_only, background_only, neither: (n,) log-odds of the label with what the name says in the picture.

    Returns:
        (n,) in -1..1: 1 = background alone, 0 = object alone, negative = the background speaks against the label.
        NaN where nothing moves the prediction.
    """
    background = ((both - object_only) + (background_only - neither)) / 2
    thing = ((both - background_only) + (object_only - neither)) / 2
    total = np.abs(background) + np.abs(thing)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, background / total, np.nan))


def intervention_columns(
    records: Sequence[Mapping[str, Any]],
    status: Sequence[str],
    composites: pd.DataFrame,
    class_names: Sequence[str],
    blank: Floats,
    screened: Mapping[str, Screening] | None = None,
) -> pd.DataFrame:
    """The columns OF_IMAGES of all images, made from the composites.

    Args:
        records: label, predicted, log_odds_label and mask_kind of each unchanged image, by position.
        status: for each image "done", or why no composite was made.
        composites, blank: see `photo_effects`.
        class_names: all classes, by index.
        screened: class name -> how far it was tested; a class that is not there got everything. None = all did.

    Returns:
        one row per image; all but the status is missing where an image has no composites.
    """
    rows: list[dict[str, Any]] = [{"intervention_status": each} for each in status]
    if composites.empty:
        return frame(OF_IMAGES, rows)
    positions = sorted(map(int, composites["photo"].unique()))
    index = indices_of(class_names)
    photos = pd.DataFrame(
        {
            "label": [index[records[i]["label"]] for i in positions],
            "predicted": [index[records[i]["predicted"]] for i in positions],
            "log_odds_label": [records[i].get("log_odds_label", np.nan) for i in positions],
        },
        index=positions,
    )
    table = photo_effects(composites, photos, blank)
    for column in [name for name in table if str(name).endswith(("_predicted", "_predicted_second_fill", "_class"))]:
        table[column] = table[column].map(dict(enumerate(predictions_of(class_names))))
    missing = {name: missing_of_photos(each) for name, each in (screened or {}).items()}
    for position, row in table.astype(object).to_dict("index").items():
        absent = missing.get(str(records[int(str(position))]["label"]), frozenset())
        known = {str(name): value for name, value in row.items() if name not in absent and not pd.isna(value)}
        rows[int(str(position))].update(known)
        rows[int(str(position))]["on_estimate"] = records[int(str(position))].get("mask_kind") == ESTIMATED
    return frame(OF_IMAGES, rows)
