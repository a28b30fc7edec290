"""Names for the reasons why something could not be judged; each fails the gate unless the gate file allows it."""

from __future__ import annotations

NO_ROWS = "no rows"
MISSING_CLASS = "missing class"
MISSING_METRIC = "missing metric"
NOT_ENOUGH = "not enough images"
NEAR = "near the threshold"
NO_INTERVAL = "no interval"
DID_NOT_RUN = "rule could not run"
IGNORED = "rule ignored"
NO_MASKS = "no masks"
NO_INTERVENTIONS = "no interventions"
FILLS_PICTURE = "the object fills the picture"
NO_MAPS = "no maps"
SCREENED = "screened"
MAPS_FAILED = "maps failed"
MASKS_IN_DOUBT = "masks in doubt"
ESTIMATED_MASKS = "estimated masks"
DOUBTFUL_INPUT = "doubtful input"
MISSING_BASELINE = "missing baseline"
DIFFERENT_DATA = "different data"
NOT_INSTALLED = "check not installed"
CHANGED_DATA = "changed during the audit"
OLDER_SCHEMA = "older schema"
BASELINE_IS_RUN = "baseline is this run"
OTHER_THRESHOLDS = "other thresholds"
INVALID_PREDICTIONS = "invalid predictions"

STATES: dict[str, str] = {
    NO_ROWS: "the run lists no classes, or a table that a metric reads has no rows",
    MISSING_CLASS: "a class of the gate file or of the baseline of which this run has no image",
    MISSING_METRIC: "the run holds no such number for this subject",
    NOT_ENOUGH: "fewer images than min_n, or than the rule needs for a test",
    NEAR: "the interval contains the threshold: the images cannot tell on which side the number lies",
    NO_INTERVAL: "a metric judged by its bound of which this run gives an estimate only",
    DID_NOT_RUN: "a rule that [rules] require names, or one with a finding in the baseline, gave no answer",
    IGNORED: "such a rule was left out with --ignore",
    NO_MASKS: "such a rule needs masks or boxes, and the run had none: --masks none, or a rule on heatmaps, for which "
    "nothing is estimated",
    NO_INTERVENTIONS: "such a rule needs interventions, and the run made none",
    FILLS_PICTURE: "such a rule exchanges backgrounds, and in most photos of the class there is none (x-ray, MRI)",
    SCREENED: "such a rule, or a number, needs composites that the audit did not make, since the gap alone cleared the "
    "class: name the column in the gate file when auditing, or use --thorough",
    NO_MAPS: "such a rule, or a number of attention, needs heatmaps, and the run has none: a model that "
    "only predicts has some with --method occlusion or rise, and --predictions with --heatmaps",
    MAPS_FAILED: "the heatmaps failed their reliability tests (BA908): attention says nothing of this model",
    MASKS_IN_DOUBT: "a class would be accused, but what the masks missed of its objects may have made its background "
    "gap: it shrinks, or could not be measured, with larger holes in the backgrounds, or a minority of the backgrounds "
    "makes it (BA201, BA207, BA302)",
    ESTIMATED_MASKS: "it would pass, but on estimated masks that no drawn mask has checked (BA909): what an estimate "
    "misses of an object, or takes for it, can hide a gap",
    DOUBTFUL_INPUT: "another preprocessing or class order fits the model better (BA906, BA907): what was audited is "
    "not the model as it is used",
    MISSING_BASELINE: "a comparison is asked for, and there is no run to compare with",
    DIFFERENT_DATA: "the run, or the baseline, is about other data than is asked for",
    CHANGED_DATA: "photos or masks changed while the run was made: its numbers are of no one state of the data",
    OLDER_SCHEMA: "the run, or the baseline, was written by a version that kept no digests: nothing tells whether its "
    "files are still those that were written",
    BASELINE_IS_RUN: "the run was given as its own baseline, so that every finding is known",
    NOT_INSTALLED: "the run was made with a check of another package that is not installed here",
    INVALID_PREDICTIONS: "the model gives NaN or infinite outputs for some images, or for composites of them, or a "
    "table of predictions has no row for them: no "
    "number of the run speaks of these (BA910)",
    OTHER_THRESHOLDS: "the rules of the run, or of the baseline, judged by other thresholds: laxer ones than the "
    "defaults, other ones than [require] thresholds names, or, of the baseline, other ones than the run's",
}
"""Every named state and what it means."""
