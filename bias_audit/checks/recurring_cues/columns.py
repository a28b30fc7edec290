"""Columns of the tables `cues` (recurring cues) and `cue_spots` (the spots of each cue)."""

from __future__ import annotations

from bias_audit.run.columns import Column, reason

CUES: tuple[Column, ...] = (
    Column(
        "cue_id",
        "string",
        "class and a hash of its most typical spot; the same cue keeps it (index)",
        index=True,
    ),
    Column("name", "string", "what a reviewer called it"),
    Column("judgement", "string", "artefact or legitimate, where a reviewer has decided"),
    Column("class_name", "string", "class that it is tied to: the predicted class with the largest lift"),
    Column("views", "string", "how it was found: features, maps, components, position"),
    Column("n", "int", "images in which it is looked at"),
    Column("classes", "string", "these images by predicted class"),
    Column("class_share", "float", "share of the images predicted as its class in which it is looked at, 0..1", "high"),
    Column("class_share_low", "float", "95 % Wilson interval, lower end"),
    Column("class_share_high", "float", "95 % Wilson interval, upper end"),
    Column("lift", "float", "share of its class among its images over that among all; 1 = no association", "high"),
    Column("odds_ratio", "float", "of being looked at, in images predicted as its class against the others", "high"),
    Column("odds_ratio_low", "float", "95 % Woolf interval, lower end"),
    Column("odds_ratio_high", "float", "95 % Woolf interval, upper end"),
    Column("cramers_v_predicted", "float", "bias-corrected Cramér's V with the predicted class, 0..1", "high"),
    Column("cramers_v_label", "float", "the same with the label, 0..1", "high"),
    Column("purity", "float", "share of its images that are labelled as its class, 0..1"),
    Column("p_tied", "float", "one-sided Fisher test of the association, after Benjamini-Hochberg over all cues"),
    Column("attention_share", "float", "mean share of a map's positive evidence that lies on its spots, 0..1", "high"),
    Column("object_share", "float", "mean share of its spots' evidence that lies on the object, 0..1"),
    Column("object_estimated", "float", "share of its images whose object is estimated, for want of a mask, 0..1"),
    *reason("proof_status", "ok, or why nothing was erased and pasted"),
    Column("n_proof", "int", "photos whose spot was erased and pasted, each with a control"),
    Column("n_proof_groups", "int", "groups of these photos (patients, scenes), each a unit of erasing", added=True),
    Column(
        "n_paste",
        "int",
        "units of pasting: sets of photos that share neither a host nor a group; fewer than 10 give no paste_effect",
        added=True,
    ),
    Column(
        "erase_effect",
        "float",
        "fall of the class's probability when the spot is erased, beyond a control",
        "high",
    ),
    Column("erase_low", "float", "95 % bootstrap-t interval over units, lower end; none below 10 photos or groups"),
    Column("erase_high", "float", "95 % bootstrap-t interval over units, upper end"),
    Column("paste_effect", "float", "its rise on images of other classes that get the spot, beyond a control", "high"),
    Column("paste_low", "float", "95 % bootstrap-t interval over units, lower end; none below 10 photos or groups"),
    Column("paste_high", "float", "95 % bootstrap-t interval over units, upper end"),
    Column("turned", "float", "share of these images that are then predicted as its class, 0..1", "high"),
    Column("turned_control", "float", "the same with another piece of the same photo, 0..1"),
    Column("p_erase_fdr", "float", "sign-flip test of erase_effect, after Benjamini-Hochberg over both tests of all"),
    Column("p_paste_fdr", "float", "the same of paste_effect"),
)

CUE_SPOTS: tuple[Column, ...] = (
    Column("cue_id", "string", "of the cues table"),
    Column("image_id", "string", "path relative to the data folder, with /"),
    Column("rank", "int", "1 = the most typical spot of the cue"),
    Column("x", "float", "centre of the spot, as a share of what the model sees of the picture, from the left, 0..1"),
    Column("y", "float", "the same from the top, 0..1"),
    Column("width", "float", "of the spot, 0..1"),
    Column("height", "float", "of the spot, 0..1"),
    Column("attention_share", "float", "share of the map's positive evidence that lies on it, 0..1"),
)
