"""Columns of the check `background`: effects of the composites per photo, per class and per pair of classes."""

from __future__ import annotations

from bias_audit.run.columns import Column, reason

OF_IMAGES: tuple[Column, ...] = (
    Column("intervention_status", "string", "done, or why no composite was made of this photo"),
    Column(
        "on_estimate", "bool", "its composites were made with an estimated mask, whatever mask it has now", added=True
    ),
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
        "scene_background_accuracy",
        "float",
        "share of composites on real scenes of no class still predicted as the label, 0..1",
        "low",
        added=True,
    ),
    Column(
        "random_background_accuracy",
        "float",
        "expected on backgrounds of a random class, its own among them (Mixed-Rand), 0..1",
        "low",
    ),
    Column("next_background_accuracy", "float", "right on a background of the next class (Mixed-Next), 0 or 1", "low"),
    Column("swap_log_odds", "float", "log-odds of the label on same-class minus on other-class backgrounds", "high"),
    Column("adversarial", "bool", "recognised as it is, and some background of another class turns it"),
    Column(
        "adversarial_control", "bool", "recognised as it is, and some of as many of its own class turns it", added=True
    ),
    Column("other_background_predicted", "string", "what it most often becomes on other backgrounds"),
    Column("background_only_predicted", "string", "prediction with the object inpainted"),
    Column("background_only_probability", "float", "probability of the label with the object inpainted, 0..1", "high"),
    Column("background_only_fills", "float", "share of five ways to fill the hole after which the label stays", "high"),
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
    Column(
        "same_background_accuracy_grown_holes",
        "float",
        "as same_background_accuracy, with the donors' holes grown by a fifth of the picture's shorter side, 0..1",
        "low",
        added=True,
    ),
    Column(
        "other_background_accuracy_grown_holes",
        "float",
        "likewise on backgrounds of other classes, 0..1",
        "low",
        added=True,
    ),
    Column("background_gap_grown_holes", "float", "same minus other with grown holes, -1..1", "high", added=True),
    Column(
        "grown_holes_donors",
        "int",
        "backgrounds with grown holes in either arm; 0 = too little would have been left of them",
        added=True,
    ),
    Column("background_only_predicted_second_fill", "string", "prediction with the object filled the second way"),
    Column("control_right_second_fill", "float", "as control_right, filled the second way, 0 or 1", "low"),
    Column(
        "rests_on_background", "bool", "the prediction survives without the object and changes on other backgrounds"
    ),
)
"""Columns per photo."""

COMPARED: tuple[Column, ...] = (
    Column(
        "swap_robust_z",
        "float",
        "how far swap_log_odds lies above its class, in robust standard deviations",
        "high",
    ),
    Column(
        "swap_outlier_p",
        "float",
        "chance of such a swap_log_odds among all photos compared (Benjamini-Hochberg)",
        "low",
        added=True,
    ),
    Column("reliance_rank", "int", "1 = rests on its background most, among all photos that were intervened on"),
)
"""Columns per photo that compare it with other photos."""

OF_CLASSES: tuple[Column, ...] = (
    Column("n_interventions", "int", "photos of which composites were made"),
    Column("n_eligible", "int", "photos of which composites could have been made"),
    Column(
        "screening",
        "string",
        "how far the class was tested: full; stopped, before all planned photos were seen; cleared, by the gap alone",
        added=True,
    ),
    Column("n_planned", "int", "photos of which composites were to be made", added=True),
    Column("n_outlined", "int", "photos with a usable mask, whatever the size of their object", added=True),
    Column("n_fills_frame", "int", "those whose object fills the picture: no background to exchange", added=True),
    *reason("reliance_reason", "ok, or why the reliance columns are missing, or say nothing"),
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
    Column(
        "n_scenes",
        "int",
        "real scenes that lent the class's backgrounds, in the place of emptied photos; 0 = none",
        added=True,
    ),
    Column("scene_background_accuracy", "float", "on real scenes of no class, 0..1", "low", added=True),
    Column("scene_low", "float", "95 % Wilson interval over photos, lower end", added=True),
    Column("scene_high", "float", "95 % Wilson interval over photos, upper end", added=True),
    Column("scene_loss", "float", "same-class backgrounds minus real scenes of no class, -1..1", "high", added=True),
    Column("scene_loss_low", "float", "95 % interval of the paired difference, lower end", added=True),
    Column("scene_loss_high", "float", "95 % interval of the paired difference, upper end", added=True),
    Column("random_background_accuracy", "float", "on backgrounds of a random class (Mixed-Rand), 0..1", "low"),
    Column("next_background_accuracy", "float", "on backgrounds of the next class (Mixed-Next), 0..1", "low"),
    Column("p_sign_flip", "float", "sign-flip permutation of the photos' gaps, two-sided"),
    Column(
        "p_gap",
        "float",
        "p_sign_flip, or the larger p with photos and donors crossed where a class lends few backgrounds; 1 where the "
        "test was stopped early",
        added=True,
    ),
    Column("p_fdr", "float", "p_gap after Benjamini-Hochberg over the classes tested"),
    Column(
        "p_mcnemar", "float", "exact McNemar, photos right on same and wrong on other backgrounds against the reverse"
    ),
    Column("n_units", "int", "photos, or groups of photos (patient, scene), that count as one each"),
    Column("n_needed", "int", "so many of them could be convicted, where the class has too few", added=True),
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
    Column("p_second_fill", "float", "sign-flip permutation of the gaps under the second fill, two-sided", added=True),
    Column(
        "fill_difference",
        "float",
        "gap under the first fill minus gap under the second, over the photos that have both, -2..2",
        added=True,
    ),
    Column("fill_difference_low", "float", "95 % interval over photos, lower end", added=True),
    Column("fill_difference_high", "float", "95 % interval over photos, upper end", added=True),
    Column(
        "background_gap_grown_holes",
        "float",
        "the gap with the donors' holes grown by a fifth of the picture's shorter side, which covers as a rule what a "
        "mask missed of an object",
        "high",
        added=True,
    ),
    Column("grown_holes_low", "float", "95 % interval of the paired difference, lower end", added=True),
    Column("grown_holes_high", "float", "95 % interval of the paired difference, upper end", added=True),
    Column("n_grown_holes", "int", "photos that got backgrounds with grown holes", added=True),
    Column(
        "n_units_grown_holes",
        "int",
        "these photos, or groups of them (patient, scene), that count as one each",
        added=True,
    ),
    Column(
        "background_gap_without_strongest",
        "float",
        "the gap without the third of each class's backgrounds that look most like it with the object removed: what a "
        "cue makes stays, what a minority of the backgrounds makes goes",
        "high",
        added=True,
    ),
    Column("without_strongest_low", "float", "95 % interval of the paired difference, lower end", added=True),
    Column("without_strongest_high", "float", "95 % interval of the paired difference, upper end", added=True),
    Column("n_without_strongest", "int", "photos with such backgrounds of the own class and of others", added=True),
    Column("background_only_second_fill", "float", "background_only_accuracy under the second fill, 0..1", "high"),
    Column("background_only_second_fill_low", "float", "95 % Wilson interval, lower end", added=True),
    Column(
        "attract",
        "float",
        "how much its backgrounds pull other classes' objects to this class, beyond those of third classes, -1..1",
        "high",
    ),
    Column("attract_low", "float", "95 % percentile bootstrap interval over photos, lower end"),
    Column("attract_high", "float", "95 % percentile bootstrap interval over photos, upper end"),
    Column("attract_grown_holes", "float", "the same on backgrounds with grown holes, -1..1", "high", added=True),
    Column("attract_grown_holes_low", "float", "95 % percentile bootstrap interval, lower end", added=True),
    Column(
        "attract_without_strongest",
        "float",
        "the same without the third of each class's backgrounds that look most like it, -1..1",
        "high",
        added=True,
    ),
    Column("attract_without_strongest_low", "float", "95 % percentile bootstrap interval, lower end", added=True),
    Column("p_attract", "float", "sign-flip permutation of the photos' contrasts, two-sided", added=True),
    Column("p_attract_fdr", "float", "the same after Benjamini-Hochberg over the classes tested", added=True),
    Column("pulls_most", "string", "the class whose objects its backgrounds pull most, if any certainly", added=True),
    Column("largest_pull", "float", "how much, beyond backgrounds of third classes, -1..1", "high", added=True),
    Column("p_largest_pull_fdr", "float", "sign-flip test after Benjamini-Hochberg over the other classes", added=True),
    Column("adversarial", "float", "recognised photos that some background of another class turns, 0..1", "high"),
    Column("adversarial_low", "float", "95 % Wilson interval, lower end"),
    Column("adversarial_high", "float", "95 % Wilson interval, upper end"),
    Column("n_adversarial", "int", "photos recognised as they are"),
    Column(
        "adversarial_control",
        "float",
        "recognised photos that some of as many backgrounds of their own class turns, 0..1: what chance makes",
        added=True,
    ),
    Column("adversarial_control_low", "float", "95 % Wilson interval, lower end", added=True),
    Column("adversarial_control_high", "float", "95 % Wilson interval, upper end", added=True),
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
    Column("shapley_low", "float", "95 % bootstrap-t interval, lower end; none below 10 photos or groups"),
    Column("shapley_high", "float", "95 % bootstrap-t interval, upper end"),
    Column(
        "cue_removal_effect", "float", "mean probability lost with the attended background inpainted, -1..1", "high"
    ),
    Column("cue_removal_low", "float", "95 % bootstrap-t interval, lower end; none below 10 photos or groups"),
    Column("cue_removal_high", "float", "95 % bootstrap-t interval, upper end"),
    Column("n_cue_removal", "int", "photos of the class in which it was tried"),
    Column("p_cue_removal", "float", "sign-flip permutation, two-sided"),
    Column("p_cue_removal_fdr", "float", "the same after Benjamini-Hochberg over the classes tested"),
    Column(
        "cue_lent_effect",
        "float",
        "mean probability of this class gained by other objects behind which its attended background is put, -1..1",
        "high",
    ),
    Column("cue_lent_low", "float", "95 % bootstrap-t interval, lower end; none below 10 photos or groups"),
    Column("cue_lent_high", "float", "95 % bootstrap-t interval, upper end"),
    Column("n_cue_lent", "int", "photos of other classes in which it was tried"),
    Column("p_cue_lent", "float", "sign-flip permutation, two-sided"),
    Column("p_cue_lent_fdr", "float", "the same after Benjamini-Hochberg over the classes tested"),
    Column("n_rests_on_background", "int", "photos whose prediction rests on the background"),
)
"""Columns per class."""

GAP_MATRIX: tuple[Column, ...] = (
    Column("object_class", "string", "whose objects were pasted (the victim)"),
    Column("background_class", "string", "on whose backgrounds (the culprit)"),
    Column("n", "int", "photos"),
    Column("n_groups", "int", "photos, or groups of photos (patient, scene), that count as one each", added=True),
    Column(
        "pull", "float", "predicted as background_class there, minus on backgrounds of third classes, -1..1", "high"
    ),
    Column("p_pull", "float", "sign-flip permutation of the photos' contrasts, two-sided, not corrected", added=True),
)
"""Columns of the table gap_matrix: one row per pair of object class and background class with composites."""

SCENES: tuple[Column, ...] = (
    Column("image_id", "string", "path relative to the folder of backgrounds, with / (index)", index=True),
    Column("class_name", "string", "class whose backgrounds the scene lends; empty for a scene of no class"),
    Column("status", "string", "ok, or why the scene lends no background"),
    Column("status_reason", "string", "what was wrong with the file, in words"),
)
"""Columns of the table scenes: one row per real scene that was given."""
