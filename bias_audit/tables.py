"""Records -> pandas tables, and tables <-> files. Columns are those of `schema`; user columns come last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.attraction import attraction
from bias_audit.class_reliance import background_only_elsewhere, class_reliance, cue_effect
from bias_audit.config import FIRST_FILL
from bias_audit.errors import ResultError
from bias_audit.schema import INDEX, TABLES, Column

if TYPE_CHECKING:
    from bias_audit.permutation_tie import Tie
    from bias_audit.run import Run

_DTYPES = {"string": "str", "float": "float64", "int": "Int64", "bool": "boolean"}

OK, ESTIMATED = "ok", "estimated"

_ATTENTION_MEANS = (
    "background_share", "background_share_low", "background_share_high", "background_excess_dilated",
    "background_excess_box", "background_lift", "pointing_game", "relevance_rank_accuracy", "iou_half_maximum",
)  # fmt: skip
"""Columns of the images whose mean over the scored images stands in the class table."""


def images_table(
    records: Sequence[Mapping[str, Any]], user: Mapping[str, Sequence[Any]], min_images: int
) -> pd.DataFrame:
    """One row per image, in the order of the data set.

    Args:
        records: column -> value, per image; missing columns become NaN.
        user: the user's own columns; one whose name clashes with ours gets the prefix "user_".
        min_images: scored images a class needs before outliers within it are sought.
    """
    ours = TABLES["images"]
    frame = pd.DataFrame({column.name: _series(column, records) for column in ours})
    own = {column.name for column in ours}
    for name, values in user.items():
        frame[f"user_{name}" if name in own else name] = list(values)
    frame = frame.set_index("image_id")
    for _, group in frame.groupby("label"):
        excess = group["background_excess_label"].dropna()
        if len(excess) >= min_images:
            # On a log scale: the excess is bounded near 0 and has a long right tail.
            z = stats.robust_z(np.log(np.maximum(excess.to_numpy(float), 0.01)))
            frame.loc[excess.index, "excess_robust_z"] = z
        swap = group["swap_log_odds"].dropna()
        if len(swap) >= min_images:
            frame.loc[swap.index, "swap_robust_z"] = stats.robust_z(swap.to_numpy(float))
    frame["reliance_rank"] = _rank_by_reliance(frame)
    return frame


def _rank_by_reliance(images: pd.DataFrame) -> pd.Series:
    """1 for the photo that rests on its background most: by the criterion, then the gap, then the swap's log-odds."""
    known = images[images["background_gap"].notna()]
    order = known.assign(resting=known["rests_on_background"].fillna(False).astype(bool)).sort_values(
        ["resting", "background_gap", "swap_log_odds"], ascending=False, kind="stable"
    )
    return pd.Series(np.arange(1, len(order) + 1), index=order.index, dtype="Int64").reindex(images.index)


def classes_table(
    images: pd.DataFrame,
    composites: pd.DataFrame,
    class_names: Sequence[str],
    *,
    seed: int,
    min_photos: int,
    clusters: pd.Series | None = None,
    ties: Mapping[str, Tie] | None = None,
) -> pd.DataFrame:
    """One row per class: accuracy, attention and reliance with intervals; every NaN has a reason beside it.

    Args:
        images: the images table.
        composites: one row per `reliance.Composite`, and its photo's label (class indices).
        class_names: all classes of the model, also those without images.
        seed: of the bootstrap.
        min_photos: photos below which reliance is not tested.
        clusters: group code per image (patient, scene), index as images; None = every photo by itself.
        ties: class name -> permutation test of its maps against its objects.
    """
    exchanged = composites[composites["fill"] == FIRST_FILL]
    groups = None if clusters is None else clusters.to_numpy(np.intp)
    attract, attract_low, attract_high = attraction(exchanged, len(class_names), seed=seed, groups=groups)
    rows = []
    for index, name in enumerate(class_names):
        group = images[images["label"] == name]
        read = group[group["status"] == OK]
        row: dict[str, Any] = {"class_name": name, "n": len(group), "n_read": len(read)}
        right = read["correct"].to_numpy(float)
        row["accuracy"] = right.mean() if len(right) else np.nan
        row["accuracy_low"], row["accuracy_high"] = stats.rate_interval(
            right, clusters=stats.codes_of(clusters, read.index)
        )
        row.update(_attention(read, seed, clusters))
        kinds = read.loc[read["mask_status"] == OK, "mask_kind"]
        row["estimated_masks"] = float((kinds == ESTIMATED).mean()) if len(kinds) else np.nan
        row.update(_tie((ties or {}).get(name), row["attention_reason"]))
        row.update(class_reliance(read, min_photos, seed, clusters))
        row["attract"], row["attract_low"], row["attract_high"] = (
            attract[index],
            attract_low[index],
            attract_high[index],
        )
        for fill in ("", "_second_fill"):
            row[f"background_only_elsewhere{fill}"] = background_only_elsewhere(
                images, name, fill, min_photos=min_photos
            )
        lent = images.loc[images["cue_lent_class"] == name, "cue_lent_effect"].dropna()
        row.update(cue_effect("cue_lent", lent, clusters, min_photos=min_photos, seed=seed))
        rows.append(row)
    frame = pd.DataFrame({column.name: _series(column, rows) for column in TABLES["classes"]})
    for corrected, p in (
        ("p_fdr", "p_sign_flip"),
        ("p_cue_removal_fdr", "p_cue_removal"),
        ("p_cue_lent_fdr", "p_cue_lent"),
        ("tie_p_fdr", "tie_p"),
    ):
        frame[corrected] = stats.benjamini_hochberg(frame[p].to_numpy(float))
    frame["background_gap_shrunken"] = _shrunken_gaps(images, frame)
    return frame.set_index("class_name")


def _shrunken_gaps(images: pd.DataFrame, classes: pd.DataFrame) -> NDArray[np.float64]:
    """Gaps drawn towards their mean, the more the fewer photos stand behind them: what classes are ranked by."""
    gaps = images.groupby("label")["background_gap"].var(ddof=1).reindex(classes["class_name"])
    return stats.shrink_means(
        classes["background_gap"].to_numpy(float), gaps.to_numpy(float), classes["n_interventions"].to_numpy(float)
    )


def confusion_table(images: pd.DataFrame) -> pd.DataFrame:
    """Counts of label against prediction over readable images, and the share of the label's images; no zero rows."""
    read = images[images["status"] == OK]
    counts = read.groupby(["label", "predicted"]).size().rename("n").reset_index()
    counts["share"] = counts["n"] / counts.groupby("label")["n"].transform("sum")
    return counts.astype({"n": "Int64"})


def strangers_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per picture of no known class; none where no strangers were given."""
    frame = pd.DataFrame({column.name: _series(column, records) for column in TABLES["strangers"]})
    return frame.set_index("image_id")


def clusters_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per recurring cue, the strongest first."""
    frame = pd.DataFrame({column.name: _series(column, rows) for column in TABLES["clusters"]})
    return frame.set_index("cluster_id")


def cluster_spots_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Where each recurring cue was seen."""
    return pd.DataFrame({column.name: _series(column, rows) for column in TABLES["cluster_spots"]})


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of a check, from its rows; missing columns become NaN or "".

    Args:
        name: of the table, as the check declares it.
        rows: column -> value.
    """
    frame = pd.DataFrame({column.name: _series(column, rows) for column in TABLES[name]})
    return frame.set_index(INDEX[name]) if name in INDEX else frame


def hypotheses_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per region that a reviewer had tested, the latest last; p corrected over all of them."""
    frame = pd.DataFrame({column.name: _series(column, rows) for column in TABLES["hypotheses"]})
    frame["p_fdr"] = stats.benjamini_hochberg(frame["p_paste"].to_numpy(float))
    return frame.set_index("hypothesis_id")


def class_summary(classes: pd.DataFrame) -> pd.DataFrame:
    """The few columns that fit on a screen, rates with their interval."""

    def rate(value: str, low: str, high: str) -> list[str]:
        rows = zip(classes[value], classes[low], classes[high], strict=True)
        return [
            "-" if pd.isna(v) else f"{v:z.2f}" if pd.isna(a) else f"{v:z.2f} [{a:z.2f}, {b:z.2f}]" for v, a, b in rows
        ]

    return pd.DataFrame(
        {
            "images": classes["n_read"],
            "accuracy": rate("accuracy", "accuracy_low", "accuracy_high"),
            "background excess": rate("background_excess", "excess_low", "excess_high"),
            "on same-class backgrounds": rate("same_background_accuracy", "same_low", "same_high"),
            "on other backgrounds": rate("other_background_accuracy", "other_low", "other_high"),
            "background gap": rate("background_gap", "gap_low", "gap_high"),
            "background only": rate("background_only_accuracy", "background_only_low", "background_only_high"),
        },
        index=classes.index,
    )


def user_columns(images: pd.DataFrame) -> list[str]:
    """The columns of an images table that came with the user's data."""
    ours = {column.name for column in TABLES["images"]}
    return [str(name) for name in images.columns if name not in ours]


def rows(frame: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """A table as plain dicts, its index among the columns."""
    return tuple(
        {str(key): value for key, value in row.items()} for row in frame.reset_index().astype(object).to_dict("records")
    )


def write_table(run: Run, name: str, frame: pd.DataFrame) -> None:
    """Write NAME.parquet and NAME.csv (UTF-8, six significant digits)."""
    flat = frame.reset_index() if name in INDEX else frame
    buffer = io.BytesIO()
    flat.to_parquet(buffer, index=False)
    run.write(f"{name}.parquet", buffer.getvalue())
    text = flat.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    run.write(f"{name}.csv", text.encode("utf-8", "backslashreplace"))


def read_table(path: Path, name: str) -> pd.DataFrame:
    """Read a table of a finished run and check its columns.

    Raises:
        ResultError: missing or damaged file, or a column of the schema is missing.
    """
    file = path / f"{name}.parquet"
    try:
        frame = pd.read_parquet(file)
    except FileNotFoundError as error:
        raise ResultError(f"{str(file)!r} is missing", "Run the audit again with --overwrite.") from error
    except (OSError, ValueError) as error:
        raise ResultError(f"{str(file)!r} is damaged: {error}", "Run the audit again with --overwrite.") from error
    if missing := [column.name for column in TABLES[name] if column.name not in frame]:
        raise ResultError(f"{str(file)!r} lacks the columns {', '.join(missing)}", "Run the audit again.")
    return frame.set_index(INDEX[name]) if name in INDEX else frame


def _attention(read: pd.DataFrame, seed: int, clusters: pd.Series | None) -> dict[str, Any]:
    scored = read["background_excess_label"].dropna()
    row: dict[str, Any] = {"n_attention": len(scored)}
    if scored.empty:
        reasons = read["attention_status"].replace("", pd.NA).dropna()
        row["attention_reason"] = str(reasons.mode().iloc[0]) if len(reasons) else "no readable images"
        return row
    row["attention_reason"] = OK
    row["background_excess"] = scored.mean()
    row["excess_low"], row["excess_high"] = stats.bca_mean_interval(
        scored.to_numpy(float),
        seed=seed,
        clusters=stats.codes_of(clusters, scored.index),
    )
    for name in _ATTENTION_MEANS:
        row[name] = read.loc[scored.index, name].mean()
    return row


def _tie(tie: Tie | None, attention_reason: str) -> dict[str, Any]:
    if tie is None:
        return {"tie_reason": "the maps were not compared"}
    return {
        "n_tie": tie.n,
        "tie_reason": tie.reason if tie.n else attention_reason,
        "tie_effect": tie.effect,
        "tie_effect_perfect": tie.effect_perfect,
        "tie_p": tie.p,
    }


def _series(column: Column, records: Iterable[Mapping[str, Any]]) -> pd.Series:
    values = [record.get(column.name) for record in records]
    if column.kind == "string":
        values = ["" if value is None else value for value in values]
    if column.kind == "float":
        values = [np.nan if value is None else value for value in values]
    return pd.Series(values, dtype=_DTYPES[column.kind])
