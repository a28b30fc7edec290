"""Columns of the table `whole_photo`: effects of whole-photo properties that were exchanged between photos."""

from __future__ import annotations

from bias_audit.run.columns import Column, reason

WHOLE_PHOTO: tuple[Column, ...] = (
    Column("property", "string", "what was exchanged: colour, brightness, sharpness or border of the whole photo"),
    Column("class_name", "string", "class whose property was lent to others"),
    Column("n", "int", "its photos that got the property of another photo"),
    Column("same_accuracy", "float", "recognised with the property of a photo of the same class, 0..1", "low"),
    Column("same_low", "float", "95 % Wilson interval over photos, lower end"),
    Column("same_high", "float", "95 % Wilson interval over photos, upper end"),
    Column("other_accuracy", "float", "recognised with the property of a photo of another class, 0..1", "low"),
    Column("other_low", "float", "95 % Wilson interval over photos, lower end"),
    Column("other_high", "float", "95 % Wilson interval over photos, upper end"),
    Column("loss", "float", "same minus other, -1..1", "high"),
    Column("loss_low", "float", "95 % interval of the paired difference, lower end"),
    Column("loss_high", "float", "95 % interval of the paired difference, upper end"),
    Column("n_pulled", "int", "photos of other classes that got this class's property"),
    Column("pulled", "float", "by how much more of them are called this class than with their own's, -1..1", "high"),
    Column("attract", "float", "the same, (lower) median over the other classes, -1..1", "high"),
    Column("attract_low", "float", "95 % percentile bootstrap interval over photos, lower end"),
    Column("attract_high", "float", "95 % percentile bootstrap interval over photos, upper end"),
    Column("pulled_high", "float", "95 % interval of `pulled` as a paired difference, upper end", added=True),
    Column("n_planned", "int", "photos of other classes that were to get this class's property", added=True),
    Column(
        "screening",
        "string",
        "full; or stopped: the property was given up before all photos were changed",
        added=True,
    ),
    Column(
        "p_pull", "float", "sign-flip permutation of the photos' pulls, two-sided; 1 where the property was given up"
    ),
    Column("p_fdr", "float", "the same after Benjamini-Hochberg over all properties and classes tested"),
    *reason("reason", "ok, or why it was not tested"),
)
