"""The columns of every table: type, unit, range, which way is worse, and what they mean.

One source for validation on load, the data dictionary in the report, and which number the gate may judge.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: column name.
        kind: "string", "float", "int" or "bool"; missing values are allowed in all of them.
        text: what it says, in one sentence, with its unit and range.
        worse: "high", "low" or "" where neither direction is worse.
    """

    name: str
    kind: str
    text: str
    worse: str = ""


IMAGES: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the data folder, with / (index)"),
    Column("label", "string", "class the data set gives"),
    Column("status", "string", "ok, or why the image was not audited"),
    Column("status_reason", "string", "what was wrong with the file, in words"),
    Column("predicted", "string", "class with the highest probability among the audited classes"),
    Column("correct", "bool", "predicted equals label"),
    Column("probability", "float", "probability of the predicted class, 0..1"),
    Column("probability_label", "float", "probability of the labelled class, 0..1", "low"),
    Column("probability_other", "float", "probability of all outputs outside the class map, 0..1"),
    Column("log_odds", "float", "log p - log(1 - p) of the predicted class: the target that the heatmap explains"),
    Column("log_odds_label", "float", "the same of the labelled class", "low"),
    Column("mask_status", "string", "ok, no mask, or why the mask could not be used"),
    Column("mask_kind", "string", "mask or box (a box overestimates the object: background shares are lower bounds)"),
    Column("foreground_area", "float", "share of the valid pixels that are foreground, 0..1"),
    Column("void_share", "float", "share of the picture that is neither (ignore value, padding), 0..1"),
    Column("attention_status", "string", "ok, or why background_excess is missing"),
    Column(
        "background_share", "float", "positive attention on the background, 0..1 (1 - relevance mass accuracy)", "high"
    ),
    Column("background_share_low", "float", "the same if all void pixels of the picture were foreground, 0..1"),
    Column("background_share_high", "float", "the same if all void pixels of the picture were background, 0..1"),
    Column("background_share_perfect", "float", "share that a perfect map would have at this resolution, 0..1"),
    Column(
        "background_excess",
        "float",
        "0 = as good as the map's resolution allows, 1 = no better than a uniform map, above 1 = avoids the object",
        "high",
    ),
    Column(
        "background_excess_label",
        "float",
        "the same for the map of the labelled class (equal where the prediction is right)",
        "high",
    ),
    Column("background_excess_dilated", "float", "the same with the mask dilated by half a cell of the grid", "high"),
    Column("background_excess_box", "float", "the same with the mask replaced by its bounding box", "high"),
    Column(
        "tie_z",
        "float",
        "how many standard deviations the labelled class's map lies more on its own object than on those of other "
        "photos of the class",
        "low",
    ),
    Column("tie_status", "string", "ok, or why tie_z is missing (at most 200 images per class are compared)"),
    Column("background_lift", "float", "background share over background area; 1 = uniform map", "high"),
    Column("relevance_mass_accuracy", "float", "positive attention on the object, 0..1", "low"),
    Column(
        "relevance_rank_accuracy",
        "float",
        "share of the strongest K pixels that lie on the object of K pixels, 0..1",
        "low",
    ),
    Column("pointing_game", "float", "1 if the strongest cell lies within one cell of the object, else 0", "low"),
    Column(
        "iou_half_maximum",
        "float",
        "overlap of the mask and the map above half its maximum, 0..1; a baseline that follows the object's size",
        "low",
    ),
    Column("negative_share", "float", "evidence against the class, as a share of all evidence, 0..1"),
    Column("padding_share", "float", "positive attention on padding or ignored pixels, 0..1", "high"),
    Column("intervention_status", "string", "done, or why no composite was made of this photo"),
    Column(
        "same_background_accuracy",
        "float",
        "share of composites on backgrounds of the same class still predicted as the label, 0..1",
        "low",
    ),
    Column(
        "other_background_accuracy",
        "float",
        "share of composites on backgrounds of other classes still predicted as the label, 0..1",
        "low",
    ),
    Column("background_gap", "float", "same minus other, -1..1", "high"),
    Column(
        "random_background_accuracy",
        "float",
        "expected on backgrounds of a random class, its own among them (Mixed-Rand), 0..1",
        "low",
    ),
    Column("next_background_accuracy", "float", "right on a background of the next class (Mixed-Next), 0 or 1", "low"),
    Column("swap_log_odds", "float", "log-odds of the label on same-class minus on other-class backgrounds", "high"),
    Column("adversarial", "bool", "recognised on backgrounds of its class, and some other background turns it"),
    Column("other_background_predicted", "string", "what it most often becomes on other backgrounds"),
    Column("background_only_predicted", "string", "prediction with the object inpainted"),
    Column("background_only_probability", "float", "probability of the label with the object inpainted, 0..1", "high"),
    Column("background_only_fills", "float", "share of four ways to fill the hole after which the label stays", "high"),
    Column("control_right", "float", "right with a hole of the object's shape inpainted beside it, 0 or 1", "low"),
    Column("foreground_only_predicted", "string", "prediction of the object on black"),
    Column("foreground_only_probability", "float", "probability of the label for the object on black, 0..1", "low"),
    Column(
        "neutral_background_accuracy",
        "float",
        "share of four neutral backdrops (black, grey, blurred, noise) on which the object is recognised, 0..1",
        "low",
    ),
    Column("cut_out_gain", "bool", "wrong as it is, right on at least three of four neutral backdrops"),
    Column("noisy_object_right", "float", "right with noise on the object, 0 or 1", "low"),
    Column("noisy_background_right", "float", "right with noise on the background, 0 or 1", "low"),
    Column(
        "shapley_background_share",
        "float",
        "part of the evidence that the background gives, -1..1; 0 = all from the object, 1 = all from the background",
        "high",
    ),
    Column(
        "cue_removal_effect",
        "float",
        "probability of the label lost when the background the map points at is inpainted, beyond an equal piece "
        "elsewhere, -1..1",
        "high",
    ),
    Column(
        "cue_lent_effect",
        "float",
        "probability that cue_lent_class gains when the background its map points at is put behind this object, "
        "beyond another piece of the same picture, -1..1",
        "high",
    ),
    Column("cue_lent_class", "string", "class of the photo that lent it"),
    Column(
        "same_background_accuracy_second_fill",
        "float",
        "as same_background_accuracy, with the donors' holes filled another way, 0..1",
        "low",
    ),
    Column("other_background_accuracy_second_fill", "float", "likewise on backgrounds of other classes, 0..1", "low"),
    Column("background_gap_second_fill", "float", "same minus other under the second fill, -1..1", "high"),
    Column("background_only_predicted_second_fill", "string", "prediction with the object filled the second way"),
    Column("control_right_second_fill", "float", "as control_right, filled the second way, 0 or 1", "low"),
    Column(
        "rests_on_background", "bool", "the prediction survives without the object and changes on other backgrounds"
    ),
    Column(
        "excess_robust_z",
        "float",
        "how far background_excess lies above its class, in robust standard deviations",
        "high",
    ),
    Column(
        "swap_robust_z",
        "float",
        "how far swap_log_odds lies above its class, in robust standard deviations",
        "high",
    ),
    Column("reliance_rank", "int", "1 = rests on its background most, among all photos that were intervened on"),
)

CLASSES: tuple[Column, ...] = (
    Column("class_name", "string", "class (index)"),
    Column("n", "int", "images with this label"),
    Column("n_read", "int", "of them read and predicted"),
    Column("accuracy", "float", "recall on the images as they are, 0..1", "low"),
    Column("accuracy_low", "float", "95 % Wilson interval, lower end"),
    Column("accuracy_high", "float", "95 % Wilson interval, upper end"),
    Column("n_attention", "int", "images with a background excess"),
    Column("attention_reason", "string", "ok, or why the attention columns are missing"),
    Column("background_share", "float", "mean background share of the images with a background excess, 0..1", "high"),
    Column("background_share_low", "float", "the same if all void pixels were foreground, 0..1"),
    Column("background_share_high", "float", "the same if all void pixels were background, 0..1"),
    Column("background_excess", "float", "mean background excess of the labelled class's maps", "high"),
    Column("excess_low", "float", "95 % BCa bootstrap interval over images, lower end"),
    Column("excess_high", "float", "95 % BCa bootstrap interval over images, upper end"),
    Column("background_excess_dilated", "float", "mean with the masks dilated by half a cell of the grid", "high"),
    Column("background_excess_box", "float", "mean with each mask replaced by its bounding box", "high"),
    Column(
        "tie_effect",
        "float",
        "background share under the masks of other photos of the class, minus under the own one, -1..1; "
        "0 = the maps are tied to nothing in their own photo",
        "low",
    ),
    Column("tie_effect_perfect", "float", "what tie_effect would be if the maps were the masks at this grid, 0..1"),
    Column("n_tie", "int", "maps behind it"),
    Column("tie_p", "float", "permutation of the masks among the photos of the class, one-sided"),
    Column("tie_p_fdr", "float", "tie_p after Benjamini-Hochberg over the classes tested"),
    Column("tie_reason", "string", "ok, or why tie_p is missing"),
    Column("background_lift", "float", "mean background lift; 1 = uniform map", "high"),
    Column("pointing_game", "float", "share of images whose strongest cell meets the object, 0..1", "low"),
    Column("relevance_rank_accuracy", "float", "mean relevance rank accuracy, 0..1", "low"),
    Column("iou_half_maximum", "float", "mean overlap with the maps above half their maximum, 0..1", "low"),
    Column("n_interventions", "int", "photos of which composites were made"),
    Column("n_eligible", "int", "photos of which composites could have been made"),
    Column("reliance_reason", "string", "ok, or why the reliance columns are missing"),
    Column("same_background_accuracy", "float", "mean over photos, on backgrounds of the same class, 0..1", "low"),
    Column("same_low", "float", "95 % Wilson interval over photos, lower end"),
    Column("same_high", "float", "95 % Wilson interval over photos, upper end"),
    Column("other_background_accuracy", "float", "mean over photos, on backgrounds of other classes, 0..1", "low"),
    Column("other_low", "float", "95 % Wilson interval over photos, lower end"),
    Column("other_high", "float", "95 % Wilson interval over photos, upper end"),
    Column("background_gap", "float", "same minus other, 0..1 as a rule", "high"),
    Column("gap_low", "float", "95 % interval of the paired difference, lower end"),
    Column("gap_high", "float", "95 % interval of the paired difference, upper end"),
    Column(
        "background_gap_shrunken", "float", "the gap drawn towards the mean of the classes (empirical Bayes)", "high"
    ),
    Column("random_background_accuracy", "float", "on backgrounds of a random class (Mixed-Rand), 0..1", "low"),
    Column("next_background_accuracy", "float", "on backgrounds of the next class (Mixed-Next), 0..1", "low"),
    Column("p_sign_flip", "float", "sign-flip permutation of the photos' gaps, two-sided"),
    Column("p_fdr", "float", "p_sign_flip after Benjamini-Hochberg over the classes tested"),
    Column(
        "p_mcnemar", "float", "exact McNemar, photos right on same and wrong on other backgrounds against the reverse"
    ),
    Column("n_clusters", "int", "photos, or groups of photos (patient, scene), that count as one each"),
    Column(
        "swap_log_odds", "float", "mean log-odds of the label on same-class minus on other-class backgrounds", "high"
    ),
    Column("p_log_odds", "float", "sign-flip permutation of the photos' log-odds differences, two-sided"),
    Column("flipped", "int", "photos right on same-class and wrong on other-class backgrounds"),
    Column("becomes", "string", "what they most often become on other backgrounds"),
    Column("background_gap_second_fill", "float", "the gap with holes filled another way (blur and noise)", "high"),
    Column("second_fill_low", "float", "95 % interval of the paired difference, lower end"),
    Column("second_fill_high", "float", "95 % interval of the paired difference, upper end"),
    Column("fill_disagreement", "float", "how far the gaps of the two fills lie apart, 0..2", "high"),
    Column("background_only_second_fill", "float", "background_only_accuracy under the second fill, 0..1", "high"),
    Column(
        "attract",
        "float",
        "how much this class's backgrounds pull other classes' objects to it: (lower) median over classes, -1..1",
        "high",
    ),
    Column("attract_low", "float", "95 % percentile bootstrap interval over photos, lower end"),
    Column("attract_high", "float", "95 % percentile bootstrap interval over photos, upper end"),
    Column("adversarial", "float", "recognised photos that some background of another class turns, 0..1", "high"),
    Column("adversarial_low", "float", "95 % Wilson interval, lower end"),
    Column("adversarial_high", "float", "95 % Wilson interval, upper end"),
    Column("n_adversarial", "int", "photos recognised on backgrounds of their class"),
    Column("background_only_accuracy", "float", "still predicted with the object inpainted, 0..1", "high"),
    Column("background_only_low", "float", "95 % Wilson interval, lower end"),
    Column("background_only_high", "float", "95 % Wilson interval, upper end"),
    Column(
        "background_only_elsewhere",
        "float",
        "emptied photos of another class that are called this class, of the class of which most are, 0..1",
    ),
    Column("background_only_elsewhere_second_fill", "float", "the same under the second fill, 0..1"),
    Column(
        "removal_effect",
        "float",
        "accuracy with a hole of the object's shape beside it minus accuracy without the object; 0 = not needed, -1..1",
        "low",
    ),
    Column("removal_low", "float", "95 % interval of the paired difference, lower end"),
    Column("removal_high", "float", "95 % interval of the paired difference, upper end"),
    Column("n_control", "int", "photos with room for such a hole"),
    Column("foreground_only_accuracy", "float", "still predicted with the object on black, 0..1", "low"),
    Column("foreground_only_low", "float", "95 % Wilson interval, lower end"),
    Column("foreground_only_high", "float", "95 % Wilson interval, upper end"),
    Column("neutral_background_accuracy", "float", "mean over photos, on four neutral backdrops, 0..1", "low"),
    Column("neutral_loss", "float", "same-class backgrounds minus neutral ones: what its own background gives", "high"),
    Column("neutral_loss_low", "float", "95 % interval of the paired difference, lower end"),
    Column("neutral_loss_high", "float", "95 % interval of the paired difference, upper end"),
    Column("cut_out_gain", "float", "wrong photos that turn right on neutral backdrops, 0..1", "high"),
    Column("cut_out_gain_low", "float", "95 % Wilson interval, lower end"),
    Column("cut_out_gain_high", "float", "95 % Wilson interval, upper end"),
    Column("n_cut_out_gain", "int", "wrong photos that were intervened on"),
    Column("noisy_object_accuracy", "float", "with noise on the object, 0..1"),
    Column("noisy_background_accuracy", "float", "with noise on the background, 0..1"),
    Column(
        "relative_foreground_sensitivity",
        "float",
        "which noise hurts more, -1..1: positive = noise on the object (Moayeri et al. 2022)",
        "low",
    ),
    Column("shapley_background_share", "float", "mean part of the evidence from the background, -1..1", "high"),
    Column("shapley_low", "float", "95 % BCa bootstrap interval, lower end"),
    Column("shapley_high", "float", "95 % BCa bootstrap interval, upper end"),
    Column(
        "cue_removal_effect", "float", "mean probability lost with the attended background inpainted, -1..1", "high"
    ),
    Column("cue_removal_low", "float", "95 % BCa bootstrap interval, lower end"),
    Column("cue_removal_high", "float", "95 % BCa bootstrap interval, upper end"),
    Column("n_cue_removal", "int", "photos of the class in which it was tried"),
    Column("p_cue_removal", "float", "sign-flip permutation, two-sided"),
    Column("p_cue_removal_fdr", "float", "the same after Benjamini-Hochberg over the classes tested"),
    Column(
        "cue_lent_effect",
        "float",
        "mean probability of this class gained by other objects behind which its attended background is put, -1..1",
        "high",
    ),
    Column("cue_lent_low", "float", "95 % BCa bootstrap interval, lower end"),
    Column("cue_lent_high", "float", "95 % BCa bootstrap interval, upper end"),
    Column("n_cue_lent", "int", "photos of other classes in which it was tried"),
    Column("p_cue_lent", "float", "sign-flip permutation, two-sided"),
    Column("p_cue_lent_fdr", "float", "the same after Benjamini-Hochberg over the classes tested"),
    Column("n_rests_on_background", "int", "photos whose prediction rests on the background"),
)

CONFUSION: tuple[Column, ...] = (
    Column("label", "string", "class the data set gives"),
    Column("predicted", "string", "class the model gives"),
    Column("n", "int", "images"),
    Column("share", "float", "share of the label's images, 0..1"),
)

GAP_MATRIX: tuple[Column, ...] = (
    Column("object_class", "string", "whose objects were pasted (the victim)"),
    Column("background_class", "string", "on whose backgrounds (the culprit)"),
    Column("n", "int", "photos"),
    Column(
        "pull", "float", "predicted as background_class there, minus on backgrounds of the own class, -1..1", "high"
    ),
)

SLICES: tuple[Column, ...] = (
    Column("column", "string", "column of the user's table"),
    Column("value", "string", "its value, or quartile for numbers of many values"),
    Column("n", "int", "readable images"),
    Column("accuracy", "float", "share predicted right, 0..1", "low"),
    Column("accuracy_low", "float", "95 % Wilson interval, lower end"),
    Column("accuracy_high", "float", "95 % Wilson interval, upper end"),
    Column("rest_accuracy", "float", "the same over all other values, 0..1"),
    Column("difference", "float", "accuracy minus rest_accuracy, -1..1", "low"),
    Column("accuracy_within", "float", "the same between images of one class (Mantel-Haenszel weights), -1..1", "low"),
    Column("p_fisher", "float", "Fisher's exact test of slice against rest within classes, two-sided"),
    Column("p_fdr", "float", "p_fisher after Benjamini-Hochberg over all slices tested"),
    Column("accuracy_against", "string", "the slice of this column from which it differs most"),
    Column("accuracy_against_difference", "float", "accuracy minus that slice's, within classes, -1..1", "low"),
    Column("accuracy_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("accuracy_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    Column("reason", "string", "ok, or why accuracy was not tested"),
    Column("n_attention", "int", "images with a background excess"),
    Column("background_excess", "float", "mean background excess of the labelled class's maps", "high"),
    Column("excess_low", "float", "95 % BCa bootstrap interval over images, lower end"),
    Column("excess_high", "float", "95 % BCa bootstrap interval over images, upper end"),
    Column("rest_excess", "float", "the same over all other values"),
    Column("excess_within", "float", "slice minus rest between images of one class (Mantel-Haenszel weights)", "high"),
    Column("excess_delta", "float", "Cliff's delta of slice against rest over pairs of one class, -1..1", "high"),
    Column("p_excess", "float", "Mann-Whitney test of slice against rest within classes by permutation, two-sided"),
    Column("p_excess_fdr", "float", "p_excess after Benjamini-Hochberg over all slices tested"),
    Column("excess_against", "string", "the slice of this column from which it differs most"),
    Column("excess_against_difference", "float", "background excess minus that slice's, within classes", "high"),
    Column("excess_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("excess_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    Column("excess_reason", "string", "ok, or why attention was not tested"),
    Column("n_interventions", "int", "photos of which composites were made"),
    Column("background_gap", "float", "mean background gap of these photos", "high"),
    Column("gap_low", "float", "95 % interval of the paired difference, lower end"),
    Column("gap_high", "float", "95 % interval of the paired difference, upper end"),
    Column("rest_gap", "float", "mean background gap over all other values, -1..1"),
    Column("gap_within", "float", "slice minus rest between photos of one class (Mantel-Haenszel weights)", "high"),
    Column("p_gap", "float", "permutation test of the mean gap, slice against rest within classes, two-sided"),
    Column("p_gap_fdr", "float", "p_gap after Benjamini-Hochberg over all slices tested"),
    Column("gap_against", "string", "the slice of this column from which it differs most"),
    Column("gap_against_difference", "float", "background gap minus that slice's, within classes, -2..2", "high"),
    Column("gap_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("gap_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    Column("gap_reason", "string", "ok, or why the gap was not tested"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "images": IMAGES,
    "classes": CLASSES,
    "confusion": CONFUSION,
    "gap_matrix": GAP_MATRIX,
    "slices": SLICES,
}
INDEX: dict[str, str] = {"images": "image_id", "classes": "class_name"}
