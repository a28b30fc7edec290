"""Columns of the tables that every run has: status, prediction and heatmap scores of each image, and class results."""

from __future__ import annotations

from bias_audit.run.columns import Column

IMAGES: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the data folder, with / (index)", index=True),
    Column("label", "string", "class the data set gives"),
    Column("status", "string", "ok, or why the image was not audited"),
    Column("status_reason", "string", "what was wrong with the file or its prediction, in words"),
    Column("content", "string", "hash of the file's bytes: decisions about the image are kept by it"),
    Column("mask_content", "string", "hash of the mask file's bytes; missing without one", added=True),
    Column(
        "reread_status",
        "string",
        "changed during the audit, where the file or its mask was another or gone when it was read again; such a photo "
        "takes no part in what is measured from then on",
        added=True,
    ),
    Column("reread_reason", "string", "what of it changed, in words", added=True),
    Column(
        "predicted",
        "string",
        "class with the highest probability among the audited classes; none of these, where a single output outside "
        "the class map is at least as probable as that class",
    ),
    Column("correct", "bool", "predicted equals label"),
    Column("probability", "float", "probability of the predicted class, 0..1; of none of these: probability_other"),
    Column("probability_label", "float", "probability of the labelled class, 0..1", "low"),
    Column("probability_other", "float", "probability of all outputs outside the class map, 0..1"),
    Column(
        "log_odds",
        "float",
        "log p - log(1 - p) of the predicted class: the target that the heatmap explains; where none of these is "
        "predicted, of the most probable class",
    ),
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
)
"""Columns of the table `images`: one row per image. Checks add columns, see `bias_audit.run.schema`."""

CLASSES: tuple[Column, ...] = (
    Column("class_name", "string", "class (index)", index=True),
    Column("n", "int", "images with this label"),
    Column("n_read", "int", "of them read and predicted"),
    Column("accuracy", "float", "recall on the images as they are, 0..1", "low"),
    Column("accuracy_low", "float", "95 % Wilson interval, lower end"),
    Column("accuracy_high", "float", "95 % Wilson interval, upper end"),
)
"""Columns of the table `classes`: one row per class. Checks add columns, see `bias_audit.run.schema`."""

CONFUSION: tuple[Column, ...] = (
    Column("label", "string", "class the data set gives"),
    Column("predicted", "string", "class the model gives, or none of these"),
    Column("n", "int", "images"),
    Column("share", "float", "share of the label's images, 0..1"),
)
"""Columns of the table `confusion`: one row per pair of label and prediction that occurs."""

SHARED: dict[str, tuple[Column, ...]] = {"images": IMAGES, "classes": CLASSES, "confusion": CONFUSION}
"""Name -> columns of the tables that every run has."""
