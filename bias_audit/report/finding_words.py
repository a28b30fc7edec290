"""What the page says of a finding beside its own sentence: what was measured, and where more of it is shown."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.registry import find_rule, rules

MEASURES: dict[str, tuple[str, str]] = {
    "BA101": ("Cliff's delta against the other classes", "number"),
    "BA102": ("share of the class's images", "share"),
    "BA201": ("background gap", "points"),
    "BA202": ("share of the photos tested", "share"),
    "BA203": ("accuracy of the slice", "share"),
    "BA205": ("background excess of the slice", "number"),
    "BA206": ("background gap of the slice", "points"),
    "BA204": ("share of the photos tested", "share"),
    "BA303": ("rise of the probability beyond a control", "points"),
    "BA901": ("share of all images", "share"),
    "BA902": ("median background excess", "number"),
    "BA903": ("accuracy", "share"),
    "BA904": ("largest change by another reading of the masks", "number"),
    "BA905": ("share of the classes", "share"),
    "BA906": ("accuracy gained by another preprocessing", "points"),
    "BA908": ("rank correlation", "number"),
    "BA909": ("median overlap with drawn masks", "number"),
    "BA907": ("accuracy gained by another class order", "points"),
}
"""Rule code -> what `measured` is, and its unit as in ClassColumn; of rules that belong to no check yet."""

PLACES: dict[str, tuple[str, str]] = {
    "BA101": ("distributions", "How attention is spread over the images"),
    "BA203": ("slices", "All slices with their intervals"),
    "BA205": ("slices", "All slices with their intervals"),
    "BA206": ("slices", "All slices with their intervals"),
    "BA302": ("clusters", "The cue, erased and pasted"),
    "BA303": ("regions", "The region, erased and pasted"),
    "BA901": ("not-audited", "The images and why"),
    "BA902": ("distributions", "How attention is spread over the images"),
    "BA908": ("maps", "How maps were tested"),
}
"""Rule code -> section of the page that shows more of what it found, and the words of the link; likewise."""


def measures(code: str) -> tuple[str, str]:
    """What `measured` is in the outcomes of a rule, and its unit; a code that nobody knows is printed as a number."""
    declared = find_rule(code)
    return declared.measures if declared else MEASURES.get(code, ("measured", "number"))


def place(code: str) -> tuple[str, str] | None:
    """The section of the page that shows more of what a rule found, and the words of the link; None = there is none."""
    own = next(((anchor(check), rule.more) for check, rule in rules() if rule.code == code), None)
    return own or PLACES.get(code)


def anchor(check: Check) -> str:
    """Id of a check's section in the page."""
    return check.name.replace("_", "-")
