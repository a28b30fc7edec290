"""Columns of the check `attention`: how much of the heatmaps lies on the background."""

from __future__ import annotations

from bias_audit.run.columns import Column, reason

COMPARED: tuple[Column, ...] = (
    Column(
        "excess_robust_z",
        "float",
        "how far background_excess lies above its class, in robust standard deviations",
        "high",
    ),
    Column(
        "excess_outlier_p",
        "float",
        "chance of such an excess among all images compared (Benjamini-Hochberg); of images taken for their class",
        "low",
        added=True,
    ),
)
"""Columns per photo that compare it with the photos of its class."""

OF_CLASSES: tuple[Column, ...] = (
    Column("n_attention", "int", "images with a background excess"),
    Column("estimated_masks", "float", "share of the class's usable masks that are estimated, 0..1"),
    *reason("attention_reason", "ok, or why the attention columns are missing"),
    Column("background_share", "float", "mean background share of the images with a background excess, 0..1", "high"),
    Column("background_share_low", "float", "the same if all void pixels were foreground, 0..1"),
    Column("background_share_high", "float", "the same if all void pixels were background, 0..1"),
    Column("background_excess", "float", "mean background excess of the labelled class's maps", "high"),
    Column("excess_low", "float", "95 % bootstrap-t interval over images, lower end; none below 10 images or groups"),
    Column("excess_high", "float", "95 % bootstrap-t interval over images, upper end"),
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
    Column(
        "tie_p",
        "float",
        "permutation of the masks among the photos (or groups) of the class, one-sided; of more than "
        "1,000 classes an upper bound where the class is tied",
    ),
    Column("tie_p_fdr", "float", "tie_p after Benjamini-Hochberg over the classes tested"),
    *reason("tie_reason", "ok, or why tie_p is missing"),
    Column("background_lift", "float", "mean background lift; 1 = uniform map", "high"),
    Column("pointing_game", "float", "share of images whose strongest cell meets the object, 0..1", "low"),
    Column("relevance_rank_accuracy", "float", "mean relevance rank accuracy, 0..1", "low"),
    Column("iou_half_maximum", "float", "mean overlap with the maps above half their maximum, 0..1", "low"),
)
"""Columns per class."""
