"""The keys of the short form of thresholds, in the tables [dataset], [class] and [image] of gate.toml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key of the short form: one threshold, the same for all classes or for the whole data set.

    The threshold is judged by the end of the interval unless `judge` of its table says otherwise.

    Attributes:
        table: "dataset", "class" or "image".
        name: name of the key; max_* bounds from above, min_* from below, the bound itself is allowed.
        kind: "share" (0..1) or "excess" (0 or more).
        default: value where the file lacks the key; None = not checked.
        metric: (table, name) of the number that is bounded, as in `metrics`.
        text: what the key does.
        reason: why this is the default.
    """

    table: str
    name: str
    kind: str
    default: float | None
    metric: tuple[str, str]
    text: str
    reason: str


KEYS: tuple[Key, ...] = (
    Key(
        "dataset", "min_accuracy", "share", None, ("dataset", "accuracy"),
        "lowest share of the read images that must be predicted right",
        "how good is good enough depends on the use; this gate judges bias, not skill",
    ),
    Key(
        "dataset", "max_unreadable_share", "share", 0.05, ("dataset", "unreadable_share"),
        "largest share of the images that may be unreadable, skipped or without a valid prediction",
        "beyond, the verdict is about another data set than the one that was given",
    ),
    Key(
        "dataset", "max_unscorable_share", "share", None, ("dataset", "unscorable_share"),
        "largest share of the read images whose heatmap may be without a score",
        "without masks there is no score at all, and the rules say so",
    ),
    Key(
        "dataset", "max_without_mask_share", "share", None, ("dataset", "without_mask_share"),
        "largest share of the read images that may be without a usable mask",
        "boxes for a part of the images, or no masks at all, are legitimate; rows then say what was not judged",
    ),
    Key(
        "class", "min_accuracy", "share", None, ("class", "accuracy"),
        "lowest recall of every class on the images as they are",
        "depends on the use; accuracy does not reveal a shortcut",
    ),
    Key(
        "class", "max_background_gap", "share", None, ("class", "background_gap"),
        "largest drop of accuracy from same-class to other-class backgrounds",
        "the reliance rule judges it already, with test and effect floor; a bound suits a team that knows its own",
    ),
    Key(
        "class", "max_background_excess", "excess", None, ("class", "background_excess"),
        "largest mean background excess of the heatmaps (1 = no better than a uniform map)",
        "an absolute rule on attention convicts clean models; bound it only against a model you trust",
    ),
    Key(
        "class", "max_background_only_accuracy", "share", None, ("class", "background_only_accuracy"),
        "largest share of photos still predicted right with the object removed",
        "chance is 1 / number of classes, so no bound suits every model",
    ),
    Key(
        "class", "min_other_background_accuracy", "share", None, ("class", "other_background_accuracy"),
        "lowest accuracy on backgrounds of other classes",
        "includes the cost of pasting, which differs from model to model",
    ),
    Key(
        "image", "max_flagged_share", "share", None, ("class", "flagged_share"),
        "largest share of a class's intervened photos whose prediction rests on the background",
        "single photos do so in good models as well; the class rules say when it is many",
    ),
)  # fmt: skip
"""Every key of the short form."""
