"""One row per image, of the data set and of strangers."""

from __future__ import annotations

from bias_audit.run.columns import Column

IMAGES: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the data folder, with / (index)"),
    Column("label", "string", "class the data set gives"),
    Column("status", "string", "ok, or why the image was not audited"),
    Column("status_reason", "string", "what was wrong with the file, in words"),
    Column("content", "string", "hash of the file's bytes: decisions about the image are kept by it"),
    Column("predicted", "string", "class with the highest probability among the audited classes"),
    Column("correct", "bool", "predicted equals label"),
    Column("probability", "float", "probability of the predicted class, 0..1"),
    Column("probability_label", "float", "probability of the labelled class, 0..1", "low"),
    Column("probability_other", "float", "probability of all outputs outside the class map, 0..1"),
    Column("log_odds", "float", "log p - log(1 - p) of the predicted class: the target that the heatmap explains"),
    Column("log_odds_label", "float", "the same of the labelled class", "low"),
    Column("mask_status", "string", "ok, no mask, or why the mask could not be used"),
    Column(
        "mask_kind",
        "string",
        "mask, box (overestimates the object: background shares are lower bounds) or estimated (nobody drew it)",
    ),
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

_MASKLESS = ("negative_share", "padding_share", "map_entropy", "border_share", "centre_share")
"""Scores of a map that need no mask; those among them that the images table has."""

STRANGERS: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the folder of strangers, with / (index)"),
    Column("group", "string", "kind of stranger: its sub-folder, or the folder of strangers itself"),
    Column("status", "string", "ok, or why the picture was not read"),
    Column("status_reason", "string", "what was wrong with the file, in words"),
    Column("predicted", "string", "class that the model takes it for"),
    Column("probability", "float", "probability of that class, 0..1"),
    Column("second", "string", "class with the second highest probability"),
    Column("second_probability", "float", "its probability, 0..1"),
    Column("log_odds", "float", "log p - log(1 - p) of the predicted class: the target that the heatmap explains"),
    *(column for column in IMAGES if column.name in _MASKLESS),
)
