"""Codes for why something was not judged or not computed.

Other code compares these codes and never the sentence beside them. Where the cause lies in the images, the code is
instead the most frequent status of the class's images, such as "no usable mask" or "unreadable".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from bias_audit.run.statuses import FILLS_FRAME as FILLS_FRAME
from bias_audit.run.statuses import NO_COMPOSITES as NO_COMPOSITES
from bias_audit.run.statuses import NO_MAPS as NO_MAPS
from bias_audit.run.statuses import OK as OK
from bias_audit.run.statuses import SCREENED as SCREENED

TOO_FEW = "too few images"
TOO_FEW_GROUPS = "too few groups of images"
FEW = frozenset({TOO_FEW, TOO_FEW_GROUPS})
"""The reasons that more photos would remove."""

MAPS_FAILED = "maps failed"
"""The question needs the heatmaps, and they failed their reliability tests."""

NOT_MEASURED = "not measured"
"""The check is switched off or did not measure this, or the run was made before the check existed."""

FULL, STOPPED, CLEARED = "full", "stopped", "cleared"
"""How far a class was tested: by everything; stopped for futility before all its photos were seen; cleared by the first
stage with all its photos."""

SHORT = (STOPPED, CLEARED)
"""Classes that did not get everything."""

NO_READABLE = "no readable images"
NO_COMPARISON = "nothing to compare with"
NO_VARIATION = "nothing varies"
NOTHING_RECURS = "nothing recurs"
NOT_TIED = "not tied"
"""A recurring cue goes with no class more than with the others."""

FILLS_DISAGREE = "fills disagree"
NOT_TESTED = "not tested"
MASKS_IN_DOUBT = "masks in doubt"
"""Of a finding: what the masks missed of the objects may have made it, so that it is lower than it would be."""

EXPLAINED = "explained by reliance"
SYMPTOM = "explained by another finding"
UNNEEDED = "not needed"


def most_frequent(statuses: Iterable[str], but: Collection[str] = ("",)) -> str:
    """The status of most images, the first by name of equally frequent ones; NO_READABLE where there is none.

    Args:
        statuses: of the images of a class.
        but: statuses that are no reason.
    """
    counts = Counter(status for status in statuses if status not in but)
    return min(counts, key=lambda status: (-counts[status], status), default=NO_READABLE)
