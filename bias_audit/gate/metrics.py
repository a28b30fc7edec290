"""The numbers that a gate can judge, each with its interval: columns of the tables, and counts of the run.

Numbers of classes stand in audit.json. Those of slices, cues and images stand in their CSV files, which are read
with the standard library: importing pyarrow alone would cost a second. Of many images `per_image` reads less.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bias_audit.checks.reasons import OK, SCREENED
from bias_audit.gate.screened import NOT_MADE, is_screened, of_composites
from bias_audit.gate.table_columns import read_columns
from bias_audit.run.csv_text import all_parsed, parsed
from bias_audit.run.cue_titles import cue_titles
from bias_audit.run.quantities import Unit
from bias_audit.run.result import AuditResult
from bias_audit.run.schema import every_table, index_of

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Metric:
    """The columns in which the interval, the number of images and the reason of a metric stand.

    Attributes:
        label: name of the quantity in words.
        unit: its unit (`quantities.Unit`).
        low, high, n: columns of the interval's ends and of the number of images, "" = there are none.
        reason: column that says why the number is missing, "" = there is none.
        exact: whether the number is counted, not sampled, so that it needs no interval.
        paired: where the metric is a mean over images: column of the images table, lowest and highest possible value of
            an image; column "" = no mean over images, or not to be paired.
    """

    label: str
    unit: Unit = "number"
    low: str = ""
    high: str = ""
    n: str = ""
    reason: str = ""
    exact: bool = False
    paired: tuple[str, float, float] = ("", 0.0, 1.0)


def _ends(
    label: str, unit: Unit, prefix: str, n: str, reason: str, paired: tuple[str, float, float] = ("", 0.0, 1.0)
) -> Metric:
    return Metric(label, unit, f"{prefix}_low", f"{prefix}_high", n, reason, paired=paired)


_PHOTOS = ("n_interventions", "reliance_reason")
_MAPS = ("n_attention", "attention_reason")

CLASS: dict[str, Metric] = {
    "accuracy": _ends("accuracy", "share", "accuracy", "n_read", "", ("correct", 0, 1)),
    "background_excess": _ends("background excess", "number", "excess", *_MAPS),
    "same_background_accuracy": _ends(
        "accuracy on same-class backgrounds", "share", "same", *_PHOTOS, ("same_background_accuracy", 0, 1)
    ),
    "other_background_accuracy": _ends(
        "accuracy on other-class backgrounds", "share", "other", *_PHOTOS, ("other_background_accuracy", 0, 1)
    ),
    "background_gap": _ends("background gap", "points", "gap", *_PHOTOS, ("background_gap", -1, 1)),
    "background_gap_second_fill": _ends(
        "background gap under the second fill", "points", "second_fill", *_PHOTOS, ("background_gap_second_fill", -1, 1)
    ),
    "attract": _ends("attraction of its backgrounds", "points", "attract", *_PHOTOS),
    "adversarial": _ends(
        "share of photos that some background turns", "share", "adversarial", "n_adversarial", _PHOTOS[1]
    ),
    "background_only_accuracy": _ends("background-only accuracy", "share", "background_only", *_PHOTOS),
    "removal_effect": _ends("effect of removing the object", "points", "removal", "n_control", _PHOTOS[1]),
    "foreground_only_accuracy": _ends("foreground-only accuracy", "share", "foreground_only", *_PHOTOS),
    "neutral_loss": _ends("loss on neutral backdrops", "points", "neutral_loss", *_PHOTOS),
    "cut_out_gain": _ends("gain by cutting out", "points", "cut_out_gain", "n_cut_out_gain", _PHOTOS[1]),
    "shapley_background_share": _ends("Shapley share of the background", "share", "shapley", *_PHOTOS),
    "cue_removal_effect": _ends("effect of removing the cue", "points", "cue_removal", "n_cue_removal", _PHOTOS[1]),
    "cue_lent_effect": _ends("effect of lending the cue", "points", "cue_lent", "n_cue_lent", _PHOTOS[1]),
    "flagged_share": _ends("share of photos that rest on their background", "share", "flagged", *_PHOTOS),
}
SLICE: dict[str, Metric] = {
    "accuracy": _ends("accuracy", "share", "accuracy", "n", ""),
    "background_excess": _ends("background excess", "number", "excess", "n_attention", "excess_reason"),
    "background_gap": _ends("background gap", "points", "gap", "n_interventions", "gap_reason"),
    "accuracy_against_difference": _ends(
        "accuracy against the most different slice", "points", "accuracy_against", "n", ""
    ),
    "excess_against_difference": _ends(
        "excess against the most different slice", "number", "excess_against", "n_attention", ""
    ),
    "gap_against_difference": _ends(
        "gap against the most different slice", "points", "gap_against", "n_interventions", ""
    ),
}
CUE: dict[str, Metric] = {
    "class_share": _ends("share of its class's images", "share", "class_share", "n", ""),
    "odds_ratio": _ends("odds ratio", "ratio", "odds_ratio", "n", ""),
    "erase_effect": _ends("effect of erasing it", "points", "erase", "n_proof", "proof_status"),
    "paste_effect": _ends("effect of pasting it", "points", "paste", "n_proof", "proof_status"),
}
DATASET: dict[str, Metric] = {
    "accuracy": _ends("accuracy on all read images", "share", "accuracy", "n_read", ""),
    "unreadable_share": Metric("share of images without prediction", "share", n="images", exact=True),
    "without_mask_share": Metric("share of images without a mask", "share", n="read", exact=True),
    "unscorable_share": Metric("share of images without an attention score", "share", n="read", exact=True),
    "images": Metric("number of images", "count", exact=True),
    "read": Metric("number of read images", "count", exact=True),
    "attention_scored": Metric("number of images with an attention score", "count", exact=True),
    "interventions_done": Metric("number of photos tested on other backgrounds", "count", exact=True),
}
METRICS: dict[str, dict[str, Metric]] = {
    "dataset": DATASET,
    "class": CLASS,
    "cue": CUE,
    "slice": SLICE,
    "image": {},
}
"""Table of gate.toml -> metric -> where its interval stands. Other columns can be judged by their estimate.

The table that a check of another package makes has the name of that check. The interval of its column X is X_low to
X_high and the number of images is n, where the table has these columns.
"""

FILES = {"class": "classes", "cue": "cues", "slice": "slices", "image": "images"}


def metric_of(table: str, name: str) -> Metric:
    """Where the parts of a metric stand; a column of whole numbers is a count and needs no interval."""
    if name in METRICS.get(table, {}):
        return METRICS[table][name]
    columns = _columns(table)
    whole = columns.get(name) == "int"
    exact = table == "image" or whole
    unit: Unit = "count" if whole else "number"
    if table in METRICS:
        return Metric(name.replace("_", " "), unit, exact=exact)
    low, high, n = (column if column in columns else "" for column in (f"{name}_low", f"{name}_high", "n"))
    return Metric(name.replace("_", " "), unit, low if high else "", high if low else "", n, exact=exact)


def _columns(table: str) -> dict[str, str]:
    """Column -> kind, for a table of gate.toml; {} for the data set and for tables of checks that are not installed."""
    known, file = every_table(), FILES.get(table, table)
    return {column.name: column.kind for column in known.get(file, ())}


def names_of(table: str) -> tuple[str, ...]:
    """Names of all metrics of a table: first those that METRICS lists, then the table's other columns of numbers."""
    ours = METRICS.get(table, {})
    return (*ours, *(name for name, kind in _columns(table).items() if kind != "string" and name not in ours))


def is_attention(table: str, name: str) -> bool:
    """Whether a metric is made from heatmaps, so that it says nothing where these failed their tests (BA908)."""
    maps = ("background_share", "background_excess", "background_lift", "pointing", "relevance_", "iou_", "tie_")
    return table in FILES and name.startswith((*maps, "excess", "negative_share", "padding_share"))


@dataclass(frozen=True)
class MetricValue:
    """The number of one subject: its value, interval and number of images.

    Attributes:
        subject: class, cue or slice ("column=value"); "" for the data set.
        value, low, high: the number and the ends of its 95 % interval; None where missing.
        n: number of images behind it, None = not known.
        reason: why the value is missing, in the run's words; "" = the run does not say.
        class_name: class that the number belongs to, "" for none.
        reason_code: code of `reason`, see `checks.reasons`; "" where the run does not say.
        title: what people read in the place of `subject`, where that is an id; "" = the subject.
    """

    subject: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""
    class_name: str = ""
    reason_code: str = ""
    title: str = ""


def measured(result: AuditResult, table: str, name: str) -> list[MetricValue] | None:
    """A metric of every subject of a run.

    Args:
        result: the run.
        table: any table of [[metric]] but "image", for which see `per_image.of_classes`.
        name: one of `names_of(table)`.

    Returns:
        one entry per subject; None where the run holds no such table.
    """
    if table == "dataset":
        return [_dataset(result, name)]
    metric = metric_of(table, name)
    if table == "class":
        return [_of_row(table, name, metric, row) for row in result.class_rows]
    code = f"{metric.reason}_code" if metric.reason else ""
    parts = [column for column in (name, metric.low, metric.high, metric.n, metric.reason, code) if column]
    columns = read_columns(result, FILES.get(table, table), (*_subject(table), *parts))
    if columns is None:
        return None
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    titles = cue_titles(rows) if table == "cue" else {}
    found = [_of_row(table, name, metric, row) for row in rows]
    return [replace(one, title=titles.get(one.subject, "")) for one in found] if titles else found


Images = Mapping[str, float | None]
"""Name of an image -> value of a metric, None where it is missing."""


def images_of(result: AuditResult, name: str, also: Iterable[str] = ()) -> dict[str, dict[str, float | None]] | None:
    """A number of every image of a run.

    Args:
        result: the run.
        name: column of the images table.
        also: further columns that will be asked for later; asking for all at once reads the file only once.

    Returns:
        class -> image -> value, None where missing; None instead of all where the run holds no images table.
    """
    columns = read_columns(result, "images", ("image_id", "label", name, *also))
    if columns is None:
        return None
    images, labels = columns.get("image_id", []), columns.get("label", [])
    cells = columns.get(name) or [""] * len(images)
    classes: dict[str, dict[str, float | None]] = {}
    for image, label, value in zip(images, labels, all_parsed(cells), strict=True):
        classes.setdefault(label, {})[image] = value
    return classes


_SUBJECT = {"cue": ("cue_id", "class_name", "name", "n"), "slice": ("column", "value")}


def _subject(table: str) -> tuple[str, ...]:
    """Columns that name the subject of a row, of a cue also what its title is made of."""
    return _SUBJECT.get(table) or (str(index_of(table)), "class_name")


def _of_row(table: str, name: str, metric: Metric, row: Mapping[str, Any]) -> MetricValue:
    if name == "flagged_share":
        return _flagged(row)
    class_name = str(row.get("class_name") or "") if table != "slice" else ""
    if table == "class":
        subject = class_name
    else:
        subject = "=".join(str(row.get(column, "")) for column in _subject(table)[: 2 if table == "slice" else 1])
    get = number if table == "class" else parsed
    n = get(row.get(metric.n)) if metric.n else None
    reason = str(row.get(metric.reason) or "") if metric.reason else ""
    if table == "class" and get(row.get(name)) is None and n != 0 and name in of_composites(table) and is_screened(row):
        return MetricValue(subject, None, reason=NOT_MADE, class_name=class_name, reason_code=SCREENED)
    return MetricValue(
        subject,
        get(row.get(name)),
        get(row.get(metric.low)),
        get(row.get(metric.high)),
        None if n is None else int(n),
        "" if reason == OK else reason,
        class_name,
        str(row.get(f"{metric.reason}_code") or ""),
    )


def _flagged(row: Mapping[str, Any]) -> MetricValue:
    """Share of a class's photos that rest on their background, with a Wilson interval."""
    name, reason = str(row.get("class_name", "")), str(row.get("reliance_reason") or "")
    flagged, photos = number(row.get("n_rests_on_background")), number(row.get("n_interventions"))
    if flagged is None and is_screened(row):
        return MetricValue(name, None, reason=NOT_MADE, class_name=name, reason_code=SCREENED)
    if flagged is None or not photos:
        code = str(row.get("reliance_reason_code") or "")
        return MetricValue(name, None, n=0, reason="" if reason == OK else reason, class_name=name, reason_code=code)
    return MetricValue(name, flagged / photos, *wilson(flagged / photos, photos), int(photos), "", name)


def number(value: Any) -> float | None:
    """A finite number as float; None for anything else, since tables write missing values as NaN or null."""
    if type(value) is float:  # as most are: of a large run this is asked a hundred thousand times
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        return None
    return float(value)


def wilson(share: float, n: float) -> tuple[float, float]:
    """95 % Wilson score interval of a share (Wilson 1927), without NumPy.

    Args:
        share: 0..1.
        n: number of images, above 0.

    Returns:
        (low, high) in 0..1, around `share`.
    """
    centre = (share * n + Z**2 / 2) / (n + Z**2)
    half = Z / (n + Z**2) * math.sqrt(max(n * share * (1 - share), 0.0) + Z**2 / 4)
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


# -- the data set ---------------------------------------------------------------------------


def _dataset(result: AuditResult, name: str) -> MetricValue:
    return _SHARES[name](result) if name in _SHARES else _count(result, name)


def _count(result: AuditResult, name: str) -> MetricValue:
    count = result.info.counts.get(name)
    return MetricValue("", None if count is None else float(count), reason=f"the run holds no count {name!r}")


def _accuracy(result: AuditResult) -> MetricValue:
    """Accuracy over all images read, with its interval.

    The interval takes each class's variance from the class's own interval (Zou & Donner 2008, Stat. Med. 27,
    1693-1702): classes are strata of fixed size, and no second interval formula is needed.
    """
    strata = []
    for row in result.class_rows:
        n, share = number(row.get("n_read")), number(row.get("accuracy"))
        if n and share is not None:
            strata.append((n, share, number(row.get("accuracy_low")), number(row.get("accuracy_high"))))
    total = sum(n for n, *_ in strata)
    if not total:
        return MetricValue("", None, n=0, reason="no image was read")
    mean = sum(n * share for n, share, *_ in strata) / total
    below = above = 0.0
    for n, share, low, high in strata:
        if low is None or high is None:
            return MetricValue("", mean, n=int(total))
        below += (n / total * (share - low)) ** 2
        above += (n / total * (high - share)) ** 2
    return MetricValue("", mean, max(0.0, mean - math.sqrt(below)), min(1.0, mean + math.sqrt(above)), int(total))


def _missing_share(part: str, whole: str, reason: str) -> Callable[[AuditResult], MetricValue]:
    """A function that gives the share of count `whole` that is not in count `part`: counted, so without an interval."""

    def share(result: AuditResult) -> MetricValue:
        counts = result.info.counts
        absent = [name for name in (part, whole) if name not in counts]
        if absent:
            return MetricValue("", None, reason=f"the run holds no count {absent[0]!r}")
        total = counts[whole]
        return MetricValue("", (total - counts[part]) / total if total else None, n=total, reason=reason)

    return share


_SHARES: dict[str, Callable[[AuditResult], MetricValue]] = {
    "accuracy": _accuracy,
    "unreadable_share": _missing_share("read", "images", "no image was found"),
    "without_mask_share": _missing_share("with_mask", "read", "no image was read"),
    "unscorable_share": _missing_share("attention_scored", "read", "no image was read"),
}
