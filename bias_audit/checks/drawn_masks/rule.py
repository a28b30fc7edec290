"""The rule BA911 on drawn masks that leave parts of the objects out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered, not_applicable, number
from bias_audit.checks.reasons import NOT_MEASURED, UNNEEDED

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence

CHECK = "drawn_masks"

LEAST_MISSED = 0.15
"""Share of the area of a mask that must be found around it for the mask to seem incomplete.

Chosen on photos with masks as they were drawn, and with 30 % of each cut away: see docs/science.md#drawn-masks.
"""

MOST_INCOMPLETE = 0.5
"""Share of such photos up to which nothing is said: a cut by colour errs too, on complete masks in one of four photos.
"""


def incomplete_masks(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA911: most drawn masks seem to miss part of their object.

    Judged by the lower limit of the share of photos in which a cut by colour and edges goes on with the object beyond
    the mask. It warns and never acquits: parts of another colour than the rest are not seen.
    """
    from bias_audit import stats
    from bias_audit.run.statuses import DONE_BEFORE, OK

    images, missed = evidence.images, evidence.own(CHECK)
    if missed is None:
        some = bool(((images["mask_status"] == OK) & (images["mask_kind"] == "mask")).any())
        said, code = (
            ("The drawn masks were not checked.", NOT_MEASURED) if some else ("There are no drawn masks.", UNNEEDED)
        )
        return [not_applicable(rule, "dataset", "", said, code)]
    # Of photos whose mask has changed since, what was seen speaks of the earlier mask.
    changed = set(images.index[images["intervention_status"] == DONE_BEFORE])
    kept = [place for place, image_id in enumerate(missed.image_ids) if image_id not in changed]
    if not kept:
        said = "No photo shows enough around its drawn mask to check it."
        return [not_applicable(rule, "dataset", "", said, NOT_MEASURED)]
    seems = [float(missed.share[place] > LEAST_MISSED) for place in kept]
    groups = None if missed.groups is None else [missed.groups[place] for place in kept]
    low, high = stats.rate_interval(seems, groups=groups)
    n, found = len(kept), low > MOST_INCOMPLETE
    worst = sorted(kept, key=lambda place: -missed.share[place])
    sentence = (
        f"In {int(sum(seems))} of {n} photos checked the mask seems to miss part of the object: judged by colours and "
        "edges, the object continues beyond it. "
    ) + (
        "What a mask misses stays in the background, moves with it and can accuse an innocent class."
        if found
        else "That happens with complete masks too, and does not prove that the others are complete."
    )
    return [
        answered(
            rule,
            "dataset",
            "",
            found,
            "MODEL WARNING",
            sentence,
            measured=sum(seems) / n,
            threshold=MOST_INCOMPLETE,
            low=number(low),
            high=number(high),
            n=n,
            image_ids=tuple(missed.image_ids[place] for place in worst[:MOST_IDS]) if found else (),
        )
    ]


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA911",
        title="drawn masks miss part of the objects",
        about="drawn masks beyond which the object continues, judged by colour and edges",
        scope="dataset",
        measures=("share of the masks looked at", "share"),
        highest="MODEL WARNING",
    ): incomplete_masks,
}
"""Rules of the check -> the function that judges each."""
