"""BA9xx: health of the audit itself."""

from __future__ import annotations

from bias_audit import stats
from bias_audit.result import RuleOutcome
from bias_audit.rules.evidence import MOST_IDS, Evidence, not_applicable, status_of


def unreadable_images(evidence: Evidence) -> list[RuleOutcome]:
    """BA901: so many pictures could not be read that the audit speaks of another data set."""
    title, bounds = "unreadable images", evidence.thresholds
    n = len(evidence.images)
    bad = evidence.images[evidence.images["status"] != "ok"]
    low, high = stats.wilson(len(bad), n)
    share = len(bad) / n
    sentence = f"{len(bad)} of {n} images could not be read or were skipped" + (
        "; the rest may not stand for the data set." if share > bounds.max_unreadable else "."
    )
    return [
        RuleOutcome(
            "BA901",
            title,
            "dataset",
            "",
            *status_of(share > bounds.max_unreadable, "WATCH", sentence),
            measured=share,
            threshold=bounds.max_unreadable,
            low=low,
            high=high,
            n=n,
            image_ids=tuple(bad.index[:MOST_IDS]),
        )
    ]


def maps_without_tie(evidence: Evidence) -> list[RuleOutcome]:
    """BA902: maps hardly better than uniform although no class relies on its background: tied to nothing here."""
    title, bounds = "heatmaps tied to nothing at this layer", evidence.thresholds
    classes = evidence.classes[evidence.classes["background_excess"].notna()]
    if classes.empty:
        reason = str(evidence.classes["attention_reason"].mode().iloc[0])
        return [not_applicable("BA902", title, "dataset", "", f"No attention scores: {reason}.")]
    # Where interventions show reliance, attention on the background is what one must see, not a fault of the maps.
    unexplained = classes[~((classes["p_fdr"] <= bounds.fdr) & (classes["background_gap"] >= bounds.min_gap))]
    if unexplained.empty:
        reason = "Every class relies on its background, so maps that lie there are no fault of the layer."
        return [not_applicable("BA902", title, "dataset", "", reason)]
    median = float(unexplained["background_excess"].median())
    found = median > bounds.model_excess
    sentence = (
        f"The median background excess over {len(unexplained)} classes without shown reliance is {median:.2f}"
        + (
            ", close to a uniform map (1): read heatmaps and attention columns of this layer with caution."
            if found
            else " (0 = as good as the resolution allows, 1 = uniform map)."
        )
    )
    return [
        RuleOutcome(
            "BA902",
            title,
            "dataset",
            "",
            *status_of(found, "WATCH", sentence),
            measured=median,
            threshold=bounds.model_excess,
            n=int(unexplained["n_attention"].sum()),
        )
    ]


def accuracy_at_chance(evidence: Evidence) -> list[RuleOutcome]:
    """BA903: predictions no better than guessing: as a rule a wrong --preprocess or a wrong class order."""
    title = "accuracy no better than chance"
    read = evidence.images[evidence.images["status"] == "ok"]
    n, hits = len(read), int(read["correct"].sum())
    if n == 0:
        return [not_applicable("BA903", title, "dataset", "", "no readable images")]
    chance = float(read["label"].value_counts(normalize=True).max())
    low, high = stats.wilson(hits, n)
    found = hits / n < chance or low <= 1 / len(evidence.classes) < high
    sentence = (
        f"Accuracy is {hits / n:.2f} on {n} images; always guessing the most frequent class gives {chance:.2f}."
        + (" Check --preprocess, --resize and the order of the classes before you read on." if found else "")
    )
    return [
        RuleOutcome(
            "BA903",
            title,
            "dataset",
            "",
            *status_of(found, "WATCH", sentence),
            measured=hits / n,
            threshold=chance,
            low=low,
            high=high,
            n=n,
        )
    ]
