"""Why something was not judged or not computed: codes that other code may ask, whatever the sentence beside them says.

Beside these a code may be a status of images ("no usable mask", "unreadable"): the most frequent one in the class.
"""

from __future__ import annotations

from bias_audit.run.statuses import OK as OK

TOO_FEW = "too few images"
TOO_FEW_GROUPS = "too few groups of images"
FEW = frozenset({TOO_FEW, TOO_FEW_GROUPS})
"""More photos would give an answer."""

MAPS_FAILED = "maps failed"
"""The heatmaps failed their reliability tests, and what is asked for is made of them."""

NOT_MEASURED = "not measured"
"""The check is switched off, or did not measure this, or the run is older than the check."""

NO_READABLE = "no readable images"
NO_COMPARISON = "nothing to compare with"
NO_VARIATION = "nothing varies"
NOTHING_RECURS = "nothing recurs"
FILLS_DISAGREE = "fills disagree"
NOT_TESTED = "not tested"
EXPLAINED = "explained by reliance"
UNNEEDED = "not needed"
