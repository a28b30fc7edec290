"""Records -> pandas tables, and tables <-> files. Columns are those of `schema`; user columns come last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.attraction import attraction
from bias_audit.config import SECOND_FILL
from bias_audit.errors import ResultError
from bias_audit.schema import INDEX, TABLES, Column

if TYPE_CHECKING:
    from bias_audit.run import Run

_DTYPES = {"string": "str", "float": "float64", "int": "Int64", "bool": "boolean"}

OK = "ok"

SIGN_FLIPS = 2000
"""Permutations of the sign-flip test: p is known to 1/2000, enough beside the exact McNemar."""


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
    return frame


def add_interventions(records: Sequence[dict[str, Any]], composites: pd.DataFrame, class_names: Sequence[str]) -> None:
    """Fill the intervention columns of the image records.

    Args:
        records: per image; changed in place.
        composites: one row per `reliance.Composite`, and its photo's label (class indices).
        class_names: names by index.
    """
    for position, rows in composites.groupby("photo", sort=True):
        record = records[int(str(position))]
        label = class_names.index(record["label"])
        second = rows["fill"] == SECOND_FILL
        for fill, suffix in ((rows[~second], ""), (rows[second], "_second_fill")):
            right = (fill["predicted"] == label).groupby(fill["arm"]).mean()
            for arm in ("same", "other"):
                if arm in right:
                    record[f"{arm}_background_accuracy{suffix}"] = float(right[arm])
            if "same" in right and "other" in right:
                record[f"background_gap{suffix}"] = float(right["same"] - right["other"])
        arms = {str(arm): group for arm, group in rows[~second].groupby("arm")}
        if "other" in arms:
            record["other_background_predicted"] = class_names[int(arms["other"]["predicted"].mode().iloc[0])]
        for arm in ("background_only", "foreground_only"):
            if arm in arms:
                shown = arms[arm].iloc[0]
                record[f"{arm}_predicted"] = class_names[int(shown["predicted"])]
                record[f"{arm}_probability"] = float(shown["probability"])
        emptied = rows[second & (rows["arm"] == "background_only")]
        if len(emptied):
            record["background_only_predicted_second_fill"] = class_names[int(emptied["predicted"].iloc[0])]
        if "other" in arms and "background_only" in arms:
            # SCIENCE E1, image level: sure of it without the object, and another class on other backgrounds.
            predicted = class_names.index(record["predicted"])
            alone = arms["background_only"].iloc[0]
            survives = alone["predicted"] == predicted and alone["probability_predicted"] > 0.5
            changed = (arms["other"]["predicted"] != predicted).mean() > 0.5
            record["rests_on_background"] = bool(survives and changed)


def classes_table(
    images: pd.DataFrame, composites: pd.DataFrame, class_names: Sequence[str], *, seed: int, min_photos: int
) -> pd.DataFrame:
    """One row per class: accuracy, attention and reliance with intervals; every NaN has a reason beside it.

    Args:
        images: the images table.
        composites: see `add_interventions`.
        class_names: all classes of the model, also those without images.
        seed: of the bootstrap.
        min_photos: photos below which reliance is not tested.
    """
    first = composites[composites["fill"] != SECOND_FILL]
    attract, attract_low, attract_high = attraction(first, len(class_names), seed=seed)
    rows = []
    for index, name in enumerate(class_names):
        group = images[images["label"] == name]
        read = group[group["status"] == OK]
        row: dict[str, Any] = {"class_name": name, "n": len(group), "n_read": len(read)}
        hits = int(read["correct"].sum())
        row["accuracy"] = hits / len(read) if len(read) else np.nan
        row["accuracy_low"], row["accuracy_high"] = stats.wilson(hits, len(read))
        row.update(_attention(read, seed))
        row.update(_reliance(read, min_photos, seed))
        row["attract"], row["attract_low"], row["attract_high"] = (
            attract[index],
            attract_low[index],
            attract_high[index],
        )
        rows.append(row)
    frame = pd.DataFrame({column.name: _series(column, rows) for column in TABLES["classes"]})
    frame["p_fdr"] = stats.benjamini_hochberg(frame["p_mcnemar"].to_numpy(float))
    return frame.set_index("class_name")


def confusion_table(images: pd.DataFrame) -> pd.DataFrame:
    """Counts of label against prediction over readable images, and the share of the label's images; no zero rows."""
    read = images[images["status"] == OK]
    counts = read.groupby(["label", "predicted"]).size().rename("n").reset_index()
    counts["share"] = counts["n"] / counts.groupby("label")["n"].transform("sum")
    return counts.astype({"n": "Int64"})


def class_summary(classes: pd.DataFrame) -> pd.DataFrame:
    """The few columns that fit on a screen, rates with their interval."""

    def rate(value: str, low: str, high: str) -> list[str]:
        rows = zip(classes[value], classes[low], classes[high], strict=True)
        return ["-" if pd.isna(v) else f"{v:.2f}" if pd.isna(a) else f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in rows]

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


def _attention(read: pd.DataFrame, seed: int) -> dict[str, Any]:
    scored = read["background_excess_label"].dropna()
    row: dict[str, Any] = {"n_attention": len(scored)}
    if scored.empty:
        reasons = read["attention_status"].replace("", pd.NA).dropna()
        row["attention_reason"] = str(reasons.mode().iloc[0]) if len(reasons) else "no readable images"
        return row
    row["attention_reason"] = OK
    row["background_excess"] = scored.mean()
    row["excess_low"], row["excess_high"] = stats.bca_mean_interval(scored.to_numpy(float), seed=seed)
    for name in ("background_share", "background_lift", "pointing_game", "relevance_rank_accuracy"):
        row[name] = read.loc[scored.index, name].mean()
    return row


def _reliance(read: pd.DataFrame, min_photos: int, seed: int) -> dict[str, Any]:
    done = read[read["background_gap"].notna()]
    n = len(done)
    eligible = read["intervention_status"].isin(["done", "not sampled"])
    row: dict[str, Any] = {"n_interventions": n, "n_eligible": int(eligible.sum())}
    if n == 0:
        reasons = read["intervention_status"].replace("", pd.NA).dropna()
        row["reliance_reason"] = str(reasons.mode().iloc[0]) if len(reasons) else "no readable images"
        return row
    row["reliance_reason"] = OK if n >= min_photos else f"only {n} photos, {min_photos} needed for a test"
    same, other = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "other"))
    for arm, values in (("same", same), ("other", other)):
        row[f"{arm}_background_accuracy"] = values.mean()
        row[f"{arm}_low"], row[f"{arm}_high"] = stats.wilson(values.sum(), n)
    row["background_gap"] = (same - other).mean()
    row["gap_low"], row["gap_high"] = stats.paired_difference_interval(same, other)
    # A photo counts once, by the majority of its composites: ten photos on thirty backgrounds are ten.
    lost, gained = int(((same > 0.5) & ~(other > 0.5)).sum()), int((~(same > 0.5) & (other > 0.5)).sum())
    row["flipped"] = lost
    if n >= min_photos:
        row["p_mcnemar"] = stats.mcnemar(lost, gained)
        row["p_sign_flip"] = stats.sign_flip(same - other, seed=seed, permutations=SIGN_FLIPS)
    row.update(_second_fill(done, row["background_gap"]))
    wrong = done.loc[done["other_background_predicted"] != done["label"], "other_background_predicted"]
    row["becomes"] = str(wrong.mode().iloc[0]) if len(wrong) else ""
    for arm in ("background_only", "foreground_only"):
        hits = int((done[f"{arm}_predicted"] == done["label"]).sum())
        row[f"{arm}_accuracy"] = hits / n
        row[f"{arm}_low"], row[f"{arm}_high"] = stats.wilson(hits, n)
    row["n_rests_on_background"] = int(done["rests_on_background"].fillna(False).sum())
    return row


def _second_fill(done: pd.DataFrame, first_gap: float) -> dict[str, Any]:
    checked = done[done["background_gap_second_fill"].notna()]
    if checked.empty:
        return {}
    same, other = (checked[f"{arm}_background_accuracy_second_fill"].to_numpy(float) for arm in ("same", "other"))
    gap = float((same - other).mean())
    low, high = stats.paired_difference_interval(same, other)
    return {
        "background_gap_second_fill": gap,
        "second_fill_low": low,
        "second_fill_high": high,
        "fill_disagreement": abs(first_gap - gap),
        "background_only_second_fill": (checked["background_only_predicted_second_fill"] == checked["label"]).mean(),
    }


def _series(column: Column, records: Iterable[Mapping[str, Any]]) -> pd.Series:
    values = [record.get(column.name) for record in records]
    if column.kind == "string":
        values = ["" if value is None else value for value in values]
    if column.kind == "float":
        values = [np.nan if value is None else value for value in values]
    return pd.Series(values, dtype=_DTYPES[column.kind])
