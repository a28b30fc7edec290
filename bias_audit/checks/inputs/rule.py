"""The rules BA906 and BA907: do preprocessing and class order of the audit agree with those of training?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import RuleOutcome, answered, not_applicable, not_excluded, number
from bias_audit.checks.reasons import NO_READABLE, NOT_MEASURED, NOT_TESTED, TOO_FEW_GROUPS
from bias_audit.run.quantities import quantity
from bias_audit.run.statuses import OK, indices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.inputs.measure import Candidate, PreprocessCheck

MOST_ORDERED = 3_000
"""Most classes for which another order is looked for: a number for each pair of classes is held several times, 70 MB
each time for so many."""

MOST_RENAMED = 5
"""Largest number of outputs named in a sentence."""


def preprocessing(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA906: another preprocessing gives a higher accuracy, or the model is no better than guessing and none helps.

    Exact one-sided McNemar test on the same photos, Bonferroni-corrected over the candidates; where photos belong
    together, their gains and losses change sign together (sign-flip test).
    """
    from bias_audit import stats

    # docs/science.md#preprocessing-check
    bounds, checked = evidence.thresholds, evidence.own("inputs")
    if checked is None:
        return [
            not_applicable(
                rule,
                "dataset",
                "",
                "Preprocessings were not compared: there was no model to try them on.",
                NOT_MEASURED,
            )
        ]
    if checked.n == 0:
        return [not_applicable(rule, "dataset", "", "None of the sampled photos could be read.", NO_READABLE)]
    if checked.by_group is not None and len(checked.by_group) < stats.ENOUGH_GROUPS:
        groups = len(checked.by_group)
        few = f"The {checked.n} sampled photos come from {groups} groups, {stats.ENOUGH_GROUPS} are needed."
        return [not_applicable(rule, "dataset", "", few, TOO_FEW_GROUPS)]
    ahead = [other for other in checked.others if other.gained > other.lost]
    tests = {
        other.name: min(1.0, len(checked.others) * _better(other.gained, other.lost, other.by_group)) for other in ahead
    }
    better = [other for other in ahead if _gain(other) > bounds.min_input_gain and tests[other.name] <= bounds.input_p]
    best = max(better or ahead, key=_gain, default=None)
    low, high = _interval(checked)
    accuracy = checked.hits / checked.n
    guesses = accuracy < checked.most / checked.n or low <= 1 / checked.classes < high
    here = f"on {checked.n} labelled photos the accuracy is {quantity(accuracy, 'share')} with {checked.name!r}"
    if better and best:
        used = (best.hits - best.gained + best.lost) / best.n  # on the photos that both were tried on
        sentence = (
            f"The preprocessing looks wrong: on {best.n} labelled photos the accuracy is {quantity(used, 'share')} "
            f"with {checked.name!r} and {quantity(best.hits / best.n, 'share')} with {best.name!r}. Audit again with "
            f"--preprocess {best.name}."
        )
    elif guesses:
        rival = f" ({best.name!r}: {quantity(best.hits / best.n, 'share')})" if best else ""
        sentence = (
            f"The model is no better than guessing: {here}, and no other preprocessing was shown to do better{rival}. "
            "Check --loader, the order of the classes and the labels."
        )
    elif checked.chosen:
        sentence = f"Chosen among {len(checked.others) + 1} preprocessings: {here}, and no other is better."
    else:
        sentence = f"None of {len(checked.others)} other preprocessings was shown to be better: {here}."
    # Of a negative the candidate counts whose gain could still be the largest.
    widest = max(checked.others, key=lambda other: _gain_interval(other)[1], default=None)
    likeliest = best if best and (better or guesses) else widest
    low_gain, high_gain = _gain_interval(likeliest) if likeliest else (None, None)
    if likeliest and not better and not guesses:
        sentence += f" {not_excluded('a gain', high_gain, 'points', likeliest.n, where=likeliest.name)}"
    return [
        answered(
            rule,
            "dataset",
            "",
            bool(better) or guesses,
            "MODEL WARNING" if better else "WATCH",
            sentence,
            measured=_gain(likeliest) if likeliest else 0.0,
            threshold=bounds.min_input_gain,
            low=number(low_gain),
            high=number(high_gain),
            n=likeliest.n if likeliest else checked.n,
            p_value=tests.get(likeliest.name) if likeliest else None,
            evidence={"accuracy": accuracy, "better": best.name if better and best else None},
        )
    ]


def _gain(other: Candidate) -> float:
    """Accuracy with another preprocessing minus that with the one in use, on the same photos, -1..1."""
    return (other.gained - other.lost) / other.n


def _gain_interval(other: Candidate) -> tuple[float, float]:
    """95 % interval of `_gain`, of the paired difference."""
    import numpy as np

    from bias_audit import stats

    counts = (other.hits - other.gained, other.gained, other.lost, other.n - other.hits - other.lost)
    mine, used = (np.repeat(answers, counts) for answers in ((1.0, 1.0, 0.0, 0.0), (1.0, 0.0, 1.0, 0.0)))
    return stats.paired_difference_interval(mine, used)


def class_order(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA907: another order of the classes explains the confusions, so outputs have each other's names.

    The order is the best assignment of names to outputs on one half of the photos (Kuhn 1955, Naval Research Logistics
    2, 83-97). It is tested on the other half against the present order, by the exact one-sided McNemar test.
    """
    import numpy as np

    from bias_audit import stats

    bounds = evidence.thresholds
    names = [str(name) for name in evidence.classes.index]
    if len(names) > MOST_ORDERED:
        reason = f"Another order was not looked for among more than {MOST_ORDERED:,} classes."
        return [not_applicable(rule, "dataset", "", reason, NOT_TESTED)]
    read = evidence.images[evidence.images["status"] == OK]
    counts = read["label"].value_counts()
    if missing := [name for name in names if counts.get(name, 0) < 2]:
        reason = f"Every class needs two readable photos; {missing[0]} has {int(counts.get(missing[0], 0))}."
        return [not_applicable(rule, "dataset", "", reason, NOT_TESTED)]
    place = indices_of(names)
    labels, predicted = (read[column].map(place).to_numpy(np.intp) for column in ("label", "predicted"))
    codes = stats.codes_of(evidence.groups, read.index)
    choosing = _one_half(read, codes)
    confusion = np.zeros((len(names), len(names) + 1), np.int64)
    np.add.at(confusion, (labels[choosing], predicted[choosing]), 1)
    order = _best_order(confusion[:, : len(names)])  # no order of the classes helps a photo that is none of these
    labels, predicted = labels[~choosing], predicted[~choosing]
    codes = None if codes is None else codes[~choosing]
    if codes is not None and (units := stats.count_units(len(codes), codes)) < stats.ENOUGH_GROUPS:
        few = f"Half of the photos come from {units} groups; {stats.ENOUGH_GROUPS} are needed to test another order."
        return [not_applicable(rule, "dataset", "", few, TOO_FEW_GROUPS)]
    n, right, otherwise = len(labels), predicted == labels, predicted == order[labels]
    now, then = float(right.mean()), float(otherwise.mean())
    moved = np.flatnonzero(order != np.arange(len(names)))
    gains = otherwise.astype(float) - right
    by_group = None if codes is None else stats.totals(gains, codes)[0]
    p = _better(int((gains > 0).sum()), int((gains < 0).sum()), by_group)
    # A model that names one class whatever it sees is right most often where that is the most frequent one.
    guessed = float(np.bincount(labels).max()) / n
    least, _ = stats.rate_interval(otherwise.astype(float), groups=codes)
    found = then - now > bounds.min_input_gain and p <= bounds.input_p and least > guessed
    low, high = stats.paired_difference_interval(otherwise.astype(float), right.astype(float), groups=codes)
    if found:
        pairs = [f"the output for {names[i]!r} is called {names[order[i]]!r}" for i in moved[:MOST_RENAMED]]
        more = f" and {len(moved) - MOST_RENAMED} more" if len(moved) > MOST_RENAMED else ""
        sentence = (
            f"The outputs look permuted: {', '.join(pairs)}{more}. On {n} photos that were not used to find it, the "
            f"new order has an accuracy of {quantity(then, 'share')} instead of {quantity(now, 'share')}. Check the "
            "order of the classes (Keras sorts folders alphabetically)."
        )
    elif len(moved):
        sentence = (
            "No other order of the classes was shown to fit better: the best one has an accuracy of "
            f"{quantity(then, 'share')}, this one {quantity(now, 'share')}."
        )
    else:
        sentence = "No other order of the classes fits the predictions better."
    if not found:
        sentence += f" {not_excluded('a gain from another order', high, 'points', n)}"
    return [
        answered(
            rule,
            "dataset",
            "",
            found,
            "MODEL WARNING",
            sentence,
            measured=then - now,
            threshold=bounds.min_input_gain,
            low=number(low),
            high=number(high),
            n=n,
            p_value=p,
            evidence={"accuracy": now, "accuracy_reordered": then, "renamed": len(moved)},
        )
    ]


def _interval(checked: PreprocessCheck) -> tuple[float, float]:
    """Wilson interval of the accuracy with the preprocessing in use; a group of photos counts as one."""
    import numpy as np

    from bias_audit import stats

    if checked.by_group is None:
        return stats.wilson(checked.hits, checked.n)
    right = np.concatenate([np.arange(photos) < hits for photos, hits in checked.by_group]).astype(float)
    codes = np.repeat(np.arange(len(checked.by_group)), [photos for photos, _ in checked.by_group])
    return stats.rate_interval(right, groups=codes)


def _better(gained: int, lost: int, by_group: Sequence[float] | NDArray[np.float64] | None = None) -> float:
    """One-sided p that more photos are gained than lost; 1 where they are not.

    The exact McNemar test, or with groups of photos the sign-flip test of what each gains.
    """
    from bias_audit import stats

    if gained <= lost:
        return 1.0
    return (stats.mcnemar(gained, lost) if by_group is None else stats.sign_flip(by_group, seed=0)) / 2


def _one_half(images: pd.DataFrame, codes: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """(n,) True for every other photo of each class, in a random order that depends only on the image ids.

    With group codes it is every other group, each in the class of its first photo: a patient in both halves would
    choose an order and then confirm it.
    """
    import numpy as np
    import pandas as pd

    from bias_audit.data.sampling import rank

    units = np.arange(len(images)) if codes is None else codes
    photos = pd.DataFrame({"rank": [rank(0, str(name)) for name in images.index], "label": images["label"].to_numpy()})
    firsts = photos.assign(unit=units).sort_values("rank", kind="stable").drop_duplicates("unit").set_index("unit")
    order = firsts.groupby("label")["rank"].rank(method="first")
    return np.asarray(order.reindex(units).to_numpy() % 2 == 1)


def _best_order(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of the outputs that fits the labels best; of equally good ones that which moves the fewest classes.

    Args:
        confusion: (K, K) counts, label by prediction.

    Returns:
        (K,) permutation: the output that should stand for each class.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    classes = len(confusion)
    weights = confusion * (classes + 1) + np.eye(classes, dtype=np.int64)
    return np.asarray(linear_sum_assignment(weights, maximize=True)[1], np.int64)


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA906",
        title="preprocessing looks wrong",
        about="another preprocessing makes the model right more often, or none makes it better than guessing",
        scope="dataset",
        measures=("accuracy gained by another preprocessing", "points"),
        highest="MODEL WARNING",
        role="doubts the input",
        explains=("BA902", "BA903", "BA907"),
    ): preprocessing,
    Rule(
        code="BA907",
        title="class names look permuted",
        about="another order of the classes explains the confusions: outputs that have each other's names",
        scope="dataset",
        measures=("accuracy gained by another class order", "points"),
        highest="MODEL WARNING",
        role="doubts the input",
        explains=("BA902", "BA903", "BA906"),
    ): class_order,
}
"""Rules of the check -> the function that judges each."""
